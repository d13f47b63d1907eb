//! Writing.

use async_graphql::{Context, Object, SimpleObject};
use skerry_sync::RecordKey;

use super::Place;
use super::error::from_problem;
use super::input::RecordInput;
use crate::api::BATCH_MAX;
use crate::body;
use crate::plugins::{Passed, Publication};
use crate::problem::{Kind, Problem};

/// Writing.
#[derive(Debug, Clone, Copy)]
pub(super) struct Mutation;

/// What a write did. When it is answered, it is on disk and found by the next query.
#[derive(Debug, SimpleObject)]
pub(super) struct Written {
    /// Records that are different from before.
    changed: usize,
    /// Position of the last change in this node's feed, for `changes(since:)`.
    position: async_graphql::ID,
    /// The project's version.
    version: String,
    /// Transforms that gave no answer and that the node's operator lets pass, each with the reason.
    transforms_failed: Vec<String>,
}

/// Writing. Mutations of one request run one after another, each for itself: an error in one undoes none before it.
#[Object]
impl Mutation {
    /// Publishes records: each is created, or replaces the one with its key. All or none; at most 10,000.
    async fn publish(&self, context: &Context<'_>, records: Vec<RecordInput>) -> async_graphql::Result<Written> {
        check(records.len())?;
        let place = context.data::<Place>()?.clone();
        // To its end, even when the caller has gone.
        let work = move || {
            let bodies = records.into_iter().map(RecordInput::into_body).collect::<Result<Vec<_>, _>>()?;
            let Publication { commit, passed } = place.node.publish(&place.project, &body::into_records(bodies)?)?;
            let transforms_failed = passed.into_iter().map(|Passed { plugin, reason }| format!("{plugin}: {reason}"));
            Ok(Written { transforms_failed: transforms_failed.collect(), ..written(&commit) })
        };
        crate::api::blocking(work).await.map_err(from_problem)
    }

    /// Deletes records; keys that are not there are passed over. At most 10,000.
    async fn delete(&self, context: &Context<'_>, keys: Vec<String>) -> async_graphql::Result<Written> {
        check(keys.len())?;
        let place = context.data::<Place>()?.clone();
        let work = move || {
            let keys = keys.iter().map(|key| RecordKey::parse(key)).collect::<Result<Vec<_>, _>>()?;
            Ok(written(&place.node.delete(&place.project, &keys)?))
        };
        crate::api::blocking(work).await.map_err(from_problem)
    }
}

fn written(commit: &skerry_sync::Commit) -> Written {
    Written {
        changed: commit.changed,
        position: commit.sequence.to_string().into(),
        version: commit.version.to_string(),
        transforms_failed: Vec::new(),
    }
}

fn check(count: usize) -> async_graphql::Result<()> {
    if count <= BATCH_MAX {
        return Ok(());
    }
    let detail = format!("The mutation has {count} entries; at most {BATCH_MAX} are taken. Send them in several.");
    Err(from_problem(Problem::new(Kind::BodyTooLarge, detail)))
}
