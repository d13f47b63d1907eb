//! Batches of an SQS queue, for ingestion: each message brings records, or keys to delete. A message that fails is reported by
//! itself, so that the queue sends it again and the others are done.

use std::collections::{BTreeMap, BTreeSet};

use aws_lambda_events::sqs::{SqsEvent, SqsMessage};
use serde::Deserialize;
use serde_json::{Value, json};
use skerry_edge::ProjectName;
use skerry_edge::api::BATCH_MAX;
use skerry_edge::body::{RecordBody, into_records};
use skerry_edge::problem::{Kind, Problem};
use skerry_sync::RecordKey;

use crate::central::Following;

/// What a message says.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Message {
    /// The project, which must be there.
    project: String,
    /// Records to publish.
    #[serde(default)]
    records: Vec<RecordBody>,
    /// Keys to delete, after that.
    #[serde(default)]
    delete: Vec<String>,
}

/// Does what the messages say, in their order, and answers which of them failed (`ReportBatchItemFailures`).
///
/// In a FIFO queue, what follows in a message's group is not done when the message fails: it would overtake it.
pub(crate) async fn handle(following: &Following, event: SqsEvent) -> Value {
    let mut failed: BTreeSet<usize> = BTreeSet::new();
    let mut blocked: BTreeSet<String> = BTreeSet::new();
    let mut written: BTreeMap<ProjectName, Vec<usize>> = BTreeMap::new();
    for (position, message) in event.records.iter().enumerate() {
        let group = message.attributes.get("MessageGroupId");
        if group.is_some_and(|group| blocked.contains(group)) {
            failed.insert(position);
            continue;
        }
        match take(following, message).await {
            Ok(project) => written.entry(project).or_default().push(position),
            Err(problem) => {
                let message_id = message.message_id.as_deref().unwrap_or_default();
                tracing::error!(message_id, %problem, "a message failed");
                failed.insert(position);
                blocked.extend(group.cloned());
            }
        }
    }
    // One write to the store for all messages of a project; before it none of them is done.
    for (project, positions) in written {
        if let Err(problem) = following.store(&project).await {
            tracing::error!(%project, %problem, messages = positions.len(), "messages are not stored");
            failed.extend(positions);
        }
    }
    let id = |position: &usize| event.records.get(*position)?.message_id.clone();
    let failures: Vec<Value> = failed.iter().filter_map(id).map(|id| json!({ "itemIdentifier": id })).collect();
    json!({ "batchItemFailures": failures })
}

/// Writes what a message says into the replica.
async fn take(following: &Following, message: &SqsMessage) -> Result<ProjectName, Problem> {
    let body = message.body.as_deref().unwrap_or_default();
    let message: Message = serde_json::from_str(body).map_err(|error| {
        let detail = format!("The message is not `{{\"project\": .., \"records\": [..], \"delete\": [..]}}`: {error}.");
        Problem::new(Kind::InvalidBody, detail)
    })?;
    let project = ProjectName::parse(&message.project)?;
    let count = message.records.len() + message.delete.len();
    if count == 0 || count > BATCH_MAX {
        let detail = format!("The message has {count} records and keys; 1 to {BATCH_MAX} are taken.");
        return Err(Problem::new(Kind::InvalidBody, detail));
    }
    following.follow(&project).await?;
    let records = into_records(message.records)?;
    let keys = message.delete.iter().map(|key| RecordKey::parse(key)).collect::<Result<Vec<_>, _>>()?;
    let node = std::sync::Arc::clone(following.node());
    let name = project.clone();
    let write = move || {
        if !records.is_empty() {
            node.publish(&name, &records)?;
        }
        if !keys.is_empty() {
            node.delete(&name, &keys)?;
        }
        Ok::<_, Problem>(())
    };
    tokio::task::spawn_blocking(write).await.map_err(|error| Problem::internal(&error))??;
    Ok(project)
}
