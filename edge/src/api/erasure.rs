//! Erase, compact, reshard.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use skerry_sync::{Found, ProjectName, RecordKey};

use super::{BATCH_MAX, blocking, project_name};
use crate::body::{EpochBody, EraseBody, ErasedBody, Receipt, Removed, ReshardBody};
use crate::erasure;
use crate::extract::{JsonBody, PathParameters};
use crate::node::Node;
use crate::problem::{Kind, Problem};

/// Erases records for good: from the documents with their whole history, the records, vectors, segments and the store's free
/// pages on this node when it answers; on other replicas and hubs when they next sync. A replica that comes late with old changes
/// does not bring them back. Needs no network. All versions of the project are forgotten.
#[utoipa::path(post, path = "/projects/{project}/erase", tag = "records", params(("project" = String, Path)),
    request_body = EraseBody, responses(
    (status = 200, body = Receipt), (status = 404, description = "urn:skerry:problem:unknown-project"),
    (status = 422, description = "urn:skerry:problem:invalid-body; nothing was erased"),
    (status = 507, description = "urn:skerry:problem:store-full; nothing was erased")))]
pub(super) async fn erase(
    State(node): State<Arc<Node>>,
    PathParameters(project): PathParameters<String>,
    JsonBody(body): JsonBody<EraseBody>,
) -> Result<Json<Receipt>, Problem> {
    if body.keys.is_empty() || body.keys.len() > BATCH_MAX {
        let detail = format!("`keys` names {} records; it takes 1 to {BATCH_MAX}.", body.keys.len());
        return Err(Problem::new(Kind::InvalidBody, detail));
    }
    blocking(move || {
        let project = project_name(&project)?;
        let keys = body.keys.iter().map(|key| RecordKey::parse(key)).collect::<Result<Vec<_>, _>>()?;
        Ok(Json(receipt(&project, node.erase(&project, &keys)?)))
    })
    .await
}

/// Forgets the project's history here and, as they sync, everywhere, so that its documents are as small as they can be.
#[utoipa::path(post, path = "/projects/{project}/compact", tag = "projects", params(("project" = String, Path)),
    responses((status = 200, body = Receipt), (status = 404, description = "urn:skerry:problem:unknown-project")))]
pub(super) async fn compact(
    State(node): State<Arc<Node>>,
    PathParameters(project): PathParameters<String>,
) -> Result<Json<Receipt>, Problem> {
    blocking(move || {
        let project = project_name(&project)?;
        Ok(Json(receipt(&project, node.compact(&project)?)))
    })
    .await
}

/// Spreads the project's records over another number of documents, here and, as they sync, everywhere. Forgets the history.
#[utoipa::path(post, path = "/projects/{project}/reshard", tag = "projects", params(("project" = String, Path)),
    request_body = ReshardBody, responses((status = 200, body = Receipt),
    (status = 404, description = "urn:skerry:problem:unknown-project"),
    (status = 422, description = "urn:skerry:problem:invalid-body: not a power of two up to 4,096")))]
pub(super) async fn reshard(
    State(node): State<Arc<Node>>,
    PathParameters(project): PathParameters<String>,
    JsonBody(body): JsonBody<ReshardBody>,
) -> Result<Json<Receipt>, Problem> {
    blocking(move || {
        let project = project_name(&project)?;
        Ok(Json(receipt(&project, node.reshard(&project, body.shards)?)))
    })
    .await
}

fn receipt(project: &ProjectName, done: erasure::Receipt) -> Receipt {
    let mut remaining = vec![
        "Other replicas and hubs do the same when they next sync with a replica that has; copies that never sync again, \
         backups and exports made before are out of reach."
            .to_owned(),
    ];
    let purged = done.purged.unwrap_or_else(|error| {
        remaining.push(format!(
            "On this node, index files, cached vectors or free pages of the store may still hold bytes of what is gone: {error}. \
             It is tried again with the next write to the project, and at the next start."
        ));
        erasure::Purged::default()
    });
    let epoch = done.cut.epoch;
    let erased = done.cut.erased.into_iter().map(|erased| ErasedBody {
        key: erased.key.to_string(),
        digest: erased.digest.to_string(),
        found: match erased.found {
            Found::Live => "live",
            Found::Past => "past",
            Found::Nothing => "nothing",
        },
    });
    Receipt {
        project: project.to_string(),
        epoch: EpochBody { number: epoch.number, name: epoch.name(), shards: epoch.shards },
        time: done.time,
        erased: erased.collect(),
        removed: Removed {
            documents: done.cut.documents,
            versions: done.cut.versions_forgotten,
            tombstones: purged.store.tombstones,
            vectors: purged.store.vectors,
            segments: purged.segments,
            store_bytes_before: purged.store.bytes_before,
            store_bytes_after: purged.store.bytes_after,
        },
        linked_from: done.linked_from.iter().map(ToString::to_string).collect(),
        remaining,
    }
}
