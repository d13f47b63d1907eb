//! The versions that a project had on this node.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde::Deserialize;

use super::{blocking, project_name};
use crate::body::{VersionEntry, Versions};
use crate::extract::{PathParameters, QueryParameters};
use crate::node::Node;
use crate::problem::{Kind, Problem};

/// Versions in one answer at most.
const LIMIT_MAX: usize = 1_000;

const LIMIT_DEFAULT: usize = 20;

/// Which part of the list.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Limit {
    limit: Option<usize>,
}

/// The versions that the project had on this node, newest first. Each can be asked: `version` of a query.
#[utoipa::path(get, path = "/projects/{project}/versions", tag = "projects",
    params(("project" = String, Path), ("limit" = Option<usize>, Query, description = "At most 1,000; 20 when absent.")),
    responses((status = 200, body = Versions), (status = 404, description = "urn:skerry:problem:unknown-project")))]
pub(super) async fn versions(
    State(node): State<Arc<Node>>,
    PathParameters(project): PathParameters<String>,
    QueryParameters(Limit { limit }): QueryParameters<Limit>,
) -> Result<Json<Versions>, Problem> {
    let limit = limit.unwrap_or(LIMIT_DEFAULT);
    if !(1..=LIMIT_MAX).contains(&limit) {
        let detail = format!("`limit` is {limit}; it goes from 1 to {LIMIT_MAX}.");
        return Err(Problem::new(Kind::InvalidParameter, detail));
    }
    blocking(move || {
        let versions = node.replica().versions(&project_name(&project)?, limit)?;
        let entry = |info: skerry_sync::VersionInfo| VersionEntry {
            version: info.version,
            sequence: info.sequence,
            time_ms: Some(info.time.0).filter(|time| *time != 0),
        };
        Ok(Json(Versions { versions: versions.into_iter().map(entry).collect() }))
    })
    .await
}
