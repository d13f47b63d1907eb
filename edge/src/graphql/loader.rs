//! What nested fields ask for is gathered and fetched at once.

use std::collections::HashMap;

use async_graphql::dataloader::Loader;
use skerry_sync::RecordKey;

use super::Place;
use super::error::from_problem;
use super::records::Record;

/// Fetches for one operation.
pub(super) struct Loads(pub(super) Place);

/// A record by its key.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct ByKey(pub(super) String);

impl Loader<ByKey> for Loads {
    type Value = Record;
    type Error = async_graphql::Error;

    async fn load(&self, keys: &[ByKey]) -> Result<HashMap<ByKey, Record>, async_graphql::Error> {
        // A member of a link may have a name that no record can have.
        let names: Vec<RecordKey> = keys.iter().filter_map(|key| RecordKey::parse(&key.0).ok()).collect();
        let (node, project) = (std::sync::Arc::clone(&self.0.node), self.0.project.clone());
        let found = crate::api::blocking(move || Ok(node.replica().get_many(&project, &names)?));
        let found = found.await.map_err(from_problem)?;
        Ok(found.into_iter().flatten().map(|record| (ByKey(record.key.as_str().to_owned()), record.into())).collect())
    }
}
