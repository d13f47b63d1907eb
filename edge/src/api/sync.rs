//! The stateless exchange between replicas, and the order to run it against another node.

use std::sync::Arc;

#[cfg(feature = "network")]
use axum::Json;
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};

use super::{blocking, project_name};
#[cfg(feature = "network")]
use crate::body::{SyncBody, SyncReport};
#[cfg(feature = "network")]
use crate::extract::JsonBody;
use crate::extract::{BinaryBody, PathParameters};
use crate::node::Node;
#[cfg(feature = "network")]
use crate::peer;
use crate::problem::Problem;

/// One round of the stateless exchange: heads and changes in, heads and changes out. What came in is on disk when this is
/// answered. The body's format is in docs/format.md.
#[utoipa::path(post, path = "/projects/{project}/sync", tag = "sync", params(("project" = String, Path)),
    request_body(content = Vec<u8>, content_type = "application/octet-stream"), responses(
    (status = 200, body = Vec<u8>, content_type = "application/octet-stream"),
    (status = 400, description = "urn:skerry:problem:damaged-exchange; nothing was stored"),
    (status = 409, description = "urn:skerry:problem:foreign-exchange; nothing was stored")))]
pub(super) async fn exchange(
    State(node): State<Arc<Node>>,
    PathParameters(project): PathParameters<String>,
    BinaryBody(body): BinaryBody,
) -> Result<Response, Problem> {
    let project = project_name(&project)?;
    let follower = (Arc::clone(&node), project.clone());
    let answer = blocking(move || Ok(node.replica().exchange(&project, &body)?)).await?;
    // The changes are stored; the index follows behind the answer. A query asked before it is done sees the new records by
    // keyword and says how many vectors are missing.
    tokio::task::spawn_blocking(move || follower.0.follow(&follower.1));
    Ok(([(header::CONTENT_TYPE, "application/octet-stream")], answer).into_response())
}

#[cfg(feature = "network")]
/// Syncs this node with another one: every project of both, or the ones named. Answers when both hold the same changes
/// and this node's queries see them.
#[utoipa::path(post, path = "/sync", tag = "sync", request_body = SyncBody, responses(
    (status = 200, body = SyncReport), (status = 502, description = "urn:skerry:problem:peer-failed; what arrived before is kept")))]
pub(super) async fn sync(
    State(node): State<Arc<Node>>,
    JsonBody(body): JsonBody<SyncBody>,
) -> Result<Json<SyncReport>, Problem> {
    blocking(move || peer::sync(&node, &body).map(Json)).await
}
