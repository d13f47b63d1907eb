//! Publish, get, list and delete.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use skerry_gateway::Page;
use skerry_sync::RecordKey;

use super::{BATCH_MAX, blocking, project_name};
use crate::body::{self, Deleted, DeletionsBody, PassedBody, PublishBody, Published, RecordBody, RecordPage};
use crate::extract::{JsonBody, PathParameters, QueryParameters};
use crate::node::Node;
use crate::plugins::{Passed, Publication};
use crate::problem::{Kind, Problem};

/// Publishes records: each is created, or replaces the one with its key. All or none; on disk when answered, and found
/// by the next query.
#[utoipa::path(post, path = "/projects/{project}/records", tag = "records", params(("project" = String, Path)),
    request_body = PublishBody, responses(
    (status = 200, body = Published), (status = 404, description = "urn:skerry:problem:unknown-project"),
    (status = 422, description = "urn:skerry:problem:invalid-record or refused-by-plugin; nothing was stored"),
    (status = 502, description = "urn:skerry:problem:plugin-failed; nothing was stored"),
    (status = 507, description = "urn:skerry:problem:store-full; nothing was stored")))]
pub(super) async fn publish(
    State(node): State<Arc<Node>>,
    PathParameters(project): PathParameters<String>,
    JsonBody(body): JsonBody<PublishBody>,
) -> Result<Json<Published>, Problem> {
    check_batch(body.records.len())?;
    blocking(move || store(&node, &project, body.records)).await
}

fn store(node: &Node, project: &str, bodies: Vec<RecordBody>) -> Result<Json<Published>, Problem> {
    let project = project_name(project)?;
    let records = body::into_records(bodies)?;
    let Publication { commit, passed } = node.publish(&project, &records)?;
    Ok(Json(Published {
        published: records.len(),
        changed: commit.changed,
        sequence: commit.sequence,
        version: commit.version.to_string(),
        transforms_failed: passed.into_iter().map(|Passed { plugin, reason }| PassedBody { plugin, reason }).collect(),
    }))
}

fn check_batch(count: usize) -> Result<(), Problem> {
    if count > BATCH_MAX {
        let detail =
            format!("The request has {count} entries; at most {BATCH_MAX} are taken. Send them in several requests.");
        return Err(Problem::new(Kind::BodyTooLarge, detail));
    }
    Ok(())
}

/// Records in the order of their keys.
#[utoipa::path(get, path = "/projects/{project}/records", tag = "records", params(("project" = String, Path),
    ("after" = Option<String>, Query, description = "The page starts behind this key"),
    ("limit" = Option<usize>, Query, description = "Records on the page, 1 to 1,000; 100 when absent")), responses(
    (status = 200, body = RecordPage), (status = 404, description = "urn:skerry:problem:unknown-project")))]
pub(super) async fn list(
    State(node): State<Arc<Node>>,
    PathParameters(project): PathParameters<String>,
    QueryParameters(page): QueryParameters<Page>,
) -> Result<Json<RecordPage>, Problem> {
    let limit = page.limit()?;
    blocking(move || {
        let after = page.after.as_deref().map(RecordKey::parse).transpose()?;
        let records = node.replica().scan(&project_name(&project)?, after.as_ref(), limit)?;
        let last = records.last().filter(|_| records.len() == limit);
        let next = last.map(|record| record.key.as_str().to_owned());
        Ok(Json(RecordPage { records: records.into_iter().map(RecordBody::from).collect(), next }))
    })
    .await
}

/// One record.
#[utoipa::path(get, path = "/projects/{project}/records/{key}", tag = "records",
    params(("project" = String, Path), ("key" = String, Path)), responses(
    (status = 200, body = RecordBody), (status = 404, description = "urn:skerry:problem:unknown-record or unknown-project")))]
pub(super) async fn get(
    State(node): State<Arc<Node>>,
    PathParameters((project, key)): PathParameters<(String, String)>,
) -> Result<Json<RecordBody>, Problem> {
    blocking(move || {
        let record = node.replica().get(&project_name(&project)?, &RecordKey::parse(&key)?)?;
        record.map(|record| Json(record.into())).ok_or_else(|| unknown_record(&key))
    })
    .await
}

/// Publishes one record under the path's key.
#[utoipa::path(put, path = "/projects/{project}/records/{key}", tag = "records",
    params(("project" = String, Path), ("key" = String, Path)), request_body = RecordBody, responses(
    (status = 200, body = Published), (status = 422, description = "urn:skerry:problem:invalid-record")))]
pub(super) async fn put(
    State(node): State<Arc<Node>>,
    PathParameters((project, key)): PathParameters<(String, String)>,
    JsonBody(mut value): JsonBody<serde_json::Map<String, serde_json::Value>>,
) -> Result<Json<Published>, Problem> {
    let named = value.entry("key").or_insert_with(|| key.clone().into());
    if named.as_str() != Some(&key) {
        return Err(Problem::new(
            Kind::InvalidRecord,
            "The record's `key` differs from the path's; leave it out or make it equal.",
        ));
    }
    let record =
        serde_path_to_error::deserialize::<_, RecordBody>(serde_json::Value::Object(value)).map_err(|error| {
            Problem::new(Kind::InvalidBody, format!("At `{}`: {}.", error.path(), error.inner()))
                .with("path", error.path().to_string())
        })?;
    blocking(move || store(&node, &project, vec![record])).await
}

/// Deletes one record.
#[utoipa::path(delete, path = "/projects/{project}/records/{key}", tag = "records",
    params(("project" = String, Path), ("key" = String, Path)), responses(
    (status = 200, body = Deleted), (status = 404, description = "urn:skerry:problem:unknown-record or unknown-project")))]
pub(super) async fn delete(
    State(node): State<Arc<Node>>,
    PathParameters((project, key)): PathParameters<(String, String)>,
) -> Result<Json<Deleted>, Problem> {
    blocking(move || {
        let deleted = remove(&node, &project, std::slice::from_ref(&key))?;
        if deleted.deleted == 0 { Err(unknown_record(&key)) } else { Ok(Json(deleted)) }
    })
    .await
}

/// Deletes records; keys that are not there are passed over. On disk when answered.
#[utoipa::path(post, path = "/projects/{project}/deletions", tag = "records", params(("project" = String, Path)),
    request_body = DeletionsBody, responses(
    (status = 200, body = Deleted), (status = 404, description = "urn:skerry:problem:unknown-project")))]
pub(super) async fn delete_many(
    State(node): State<Arc<Node>>,
    PathParameters(project): PathParameters<String>,
    JsonBody(body): JsonBody<DeletionsBody>,
) -> Result<Json<Deleted>, Problem> {
    check_batch(body.keys.len())?;
    blocking(move || remove(&node, &project, &body.keys).map(Json)).await
}

fn remove(node: &Node, project: &str, keys: &[String]) -> Result<Deleted, Problem> {
    let keys = keys.iter().map(|key| RecordKey::parse(key)).collect::<Result<Vec<_>, _>>()?;
    let commit = node.delete(&project_name(project)?, &keys)?;
    Ok(Deleted { deleted: commit.changed, sequence: commit.sequence, version: commit.version.to_string() })
}

fn unknown_record(key: &str) -> Problem {
    skerry_gateway::Problem::unknown_record(key).into()
}
