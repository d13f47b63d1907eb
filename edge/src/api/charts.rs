//! Saved charts: JSON under a name in the project's catalog, which travels with it.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde_json::Value;

use super::{blocking, project_name};
use crate::body::geometry::ChartBody;
use crate::body::{ChartDeleted, ChartSaved, Charts};
use crate::chart::{read, unknown};
use crate::clock;
use crate::extract::{JsonBody, PathParameters};
use crate::node::Node;
use crate::problem::Problem;

/// The charts that the project saved.
#[utoipa::path(get, path = "/projects/{project}/charts", tag = "layers", params(("project" = String, Path)), responses(
    (status = 200, body = Charts), (status = 404, description = "urn:skerry:problem:unknown-project")))]
pub(super) async fn list(
    State(node): State<Arc<Node>>,
    PathParameters(project): PathParameters<String>,
) -> Result<Json<Charts>, Problem> {
    blocking(move || Ok(Json(Charts { charts: node.replica().charts(&project_name(&project)?)? }))).await
}

/// A saved chart.
#[utoipa::path(get, path = "/projects/{project}/charts/{name}", tag = "layers",
    params(("project" = String, Path), ("name" = String, Path)), responses(
    (status = 200, body = Object), (status = 404, description = "urn:skerry:problem:unknown-chart or unknown-project")))]
pub(super) async fn get(
    State(node): State<Arc<Node>>,
    PathParameters((project, name)): PathParameters<(String, String)>,
) -> Result<Json<Value>, Problem> {
    blocking(move || {
        let chart = node.replica().chart(&project_name(&project)?, &name)?;
        chart.map(Json).ok_or_else(|| unknown(&name))
    })
    .await
}

/// Saves a chart, which geometry then takes by its name, at most 64 KiB. Of two replicas that save one name at the same time, one wins everywhere.
#[utoipa::path(put, path = "/projects/{project}/charts/{name}", tag = "layers",
    params(("project" = String, Path), ("name" = String, Path)), request_body = ChartBody, responses(
    (status = 200, body = ChartSaved), (status = 404, description = "urn:skerry:problem:unknown-project"),
    (status = 422, description = "urn:skerry:problem:invalid-geometry, says why it cannot be used; invalid-body")))]
pub(super) async fn put(
    State(node): State<Arc<Node>>,
    PathParameters((project, name)): PathParameters<(String, String)>,
    JsonBody(chart): JsonBody<Value>,
) -> Result<Json<ChartSaved>, Problem> {
    blocking(move || {
        read(&chart)?;
        let changed = node.replica().put_chart(&project_name(&project)?, &name, &chart, clock::now())?;
        Ok(Json(ChartSaved { changed }))
    })
    .await
}

/// Deletes a saved chart.
#[utoipa::path(delete, path = "/projects/{project}/charts/{name}", tag = "layers",
    params(("project" = String, Path), ("name" = String, Path)), responses(
    (status = 200, body = ChartDeleted),
    (status = 404, description = "urn:skerry:problem:unknown-chart or unknown-project")))]
pub(super) async fn delete(
    State(node): State<Arc<Node>>,
    PathParameters((project, name)): PathParameters<(String, String)>,
) -> Result<Json<ChartDeleted>, Problem> {
    blocking(move || {
        let deleted = node.replica().delete_chart(&project_name(&project)?, &name, clock::now())?;
        if deleted { Ok(Json(ChartDeleted { deleted })) } else { Err(unknown(&name)) }
    })
    .await
}
