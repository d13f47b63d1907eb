//! What changes, as it changes.

use std::sync::{Arc, LazyLock};

use async_graphql::{Context, ID, SimpleObject};
use futures_util::stream::{self, Stream};
use tokio::sync::Semaphore;

use super::Place;
use super::error::from_problem;
use super::records::Record;
use crate::api::changes::{Subscription as Feed, Telling};
use crate::plugins::filter::Chosen;
use crate::problem::{Kind, Problem};

/// Subscriptions of this process at most: each holds a position and a few changes.
pub(super) const SUBSCRIPTIONS_MAX: usize = 1_000;

static FREE: LazyLock<Arc<Semaphore>> = LazyLock::new(|| Arc::new(Semaphore::new(SUBSCRIPTIONS_MAX)));

/// What changes, as it changes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Subscription;

/// A record was written or deleted, here, at the hub or on another node.
#[derive(Debug, Clone, SimpleObject)]
pub(super) struct Change {
    /// Where to go on: `since` of the next subscription.
    position: ID,
    /// The record's key.
    key: String,
    /// It is gone.
    deleted: bool,
    /// The record as it is now; null when it is gone, and without `records`.
    record: Option<Record>,
    /// Why the filter was passed over for this change; null as a rule.
    filter_failed: Option<String>,
}

/// What changes, as it changes.
#[async_graphql::Subscription]
impl Subscription {
    /// Changes behind a position, then new ones as they come; of each record the last. Without `since`, from now on. The same
    /// feed as GET /changes.
    async fn changes(
        &self,
        context: &Context<'_>,
        since: Option<ID>,
        #[graphql(default, desc = "With the records")] records: bool,
        #[graphql(desc = "Only changes that this plugin keeps, a subscription filter of GET /plugins")] filter: Option<
            String,
        >,
        #[graphql(desc = "What the filter is told")] argument: Option<String>,
    ) -> async_graphql::Result<impl Stream<Item = async_graphql::Result<Change>> + use<>> {
        let place = context.data::<Place>()?.clone();
        let since = since.map(|since| since.parse::<u64>()).transpose().map_err(|_| {
            from_problem(Problem::new(Kind::InvalidParameter, "`since` is not a position of these changes."))
        })?;
        let permit = Arc::clone(&FREE).try_acquire_owned().map_err(|_| {
            let detail = format!("There are {SUBSCRIPTIONS_MAX} subscriptions already; end one, or ask again later.");
            from_problem(Problem::new(Kind::TooManySubscriptions, detail))
        })?;
        let (node, project) = (Arc::clone(&place.node), place.project.clone());
        let chosen = crate::api::blocking(move || Chosen::new(&node, &project, filter, argument));
        let telling = Telling { record: records, filter: chosen.await.map_err(from_problem)? };
        let feed = Feed::open(place.node, place.project, since, telling).await.map_err(from_problem)?;
        Ok(stream::unfold(Some((feed, permit)), async |state| {
            let (mut feed, permit) = state?;
            match feed.next().await {
                Ok(None) => None,
                Err(problem) => Some((Err(from_problem(problem)), None)),
                Ok(Some(change)) => {
                    let change = Change {
                        position: change.sequence.to_string().into(),
                        key: change.key,
                        deleted: change.deleted,
                        record: change.record.map(Record),
                        filter_failed: change.filter_failed,
                    };
                    Some((Ok(change), Some((feed, permit))))
                }
            }
        }))
    }
}
