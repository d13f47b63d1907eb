//! What nested fields ask for is gathered and fetched at once.

use std::collections::HashMap;

use async_graphql::dataloader::Loader;
use skerry_host::types::graph::Direction;
use skerry_sync::RecordKey;

use super::Place;
use super::error::from_problem;
use super::graph::Way;
use super::records::Record;
use crate::api::graph as api;
use crate::body::{NodeName, SelectionBody};
use crate::problem::Problem;

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

/// What is one step away from a record.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Near {
    pub(super) key: String,
    pub(super) types: Vec<String>,
    pub(super) way: Way,
}

impl Loader<Near> for Loads {
    type Value = Vec<NodeName>;
    type Error = async_graphql::Error;

    async fn load(&self, asked: &[Near]) -> Result<HashMap<Near, Vec<NodeName>>, async_graphql::Error> {
        let asked = asked.to_vec();
        let (node, project) = (std::sync::Arc::clone(&self.0.node), self.0.project.clone());
        let found = crate::api::blocking(move || {
            node.graph(&project).with(|graph| {
                let mut views: HashMap<(Vec<String>, Way), Vec<Near>> = HashMap::new();
                for near in asked {
                    views.entry((near.types.clone(), near.way)).or_default().push(near);
                }
                let mut found = HashMap::new();
                for ((types, way), all) in views {
                    let direction = Some(way.into());
                    let selection = SelectionBody { types, direction, ..SelectionBody::default() };
                    api::with_view(graph, &selection, Direction::Both, |graph, view| {
                        for near in all {
                            // A record that nothing links to has no neighbours.
                            let Ok(number) = api::find(graph, &[NodeName::Key(near.key.clone())]) else { continue };
                            let (_, nodes) = graph.neighbours_of(view, &number)?;
                            found.insert(near, api::sorted(api::names(graph, &nodes)?));
                        }
                        Ok(())
                    })?;
                }
                Ok::<_, Problem>(found)
            })
        });
        found.await.map_err(from_problem)
    }
}
