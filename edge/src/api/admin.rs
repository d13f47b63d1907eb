//! Health, status, projects, versions.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use skerry_sync::ProjectInfo;

use super::{blocking, project_name};
use crate::body::{Health, NodeStatus, Project, ProjectBody, ProjectStatus, Projects, Status, VersionBody};
use crate::clock;
use crate::extract::{JsonBody, PathParameters};
use crate::node::Node;
use crate::problem::{Kind, Problem};

const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Bytes of a project's description at most.
const DESCRIPTION_BYTES_MAX: usize = 4 << 10;

/// Is the node able to read and write? Needs no key.
#[utoipa::path(get, path = "/health", tag = "node", responses(
    (status = 200, body = Health), (status = 503, body = Health, description = "The store failed; writes are refused")))]
pub(super) async fn health(State(node): State<Arc<Node>>) -> Response {
    match failure(&node) {
        None => Json(Health { status: "ok", reason: None, version: VERSION, instance: node.instance().to_owned() })
            .into_response(),
        reason => (
            StatusCode::SERVICE_UNAVAILABLE,
            Json(Health { status: "failed", reason, version: VERSION, instance: node.instance().to_owned() }),
        )
            .into_response(),
    }
}

fn failure(node: &Node) -> Option<String> {
    match node.replica().health() {
        skerry_sync::Health::Ok => None,
        skerry_sync::Health::Failed { reason } => Some(reason),
    }
}

/// What the node is and holds, and how far its indexes are.
#[utoipa::path(get, path = "/status", tag = "node", responses((status = 200, body = Status)))]
pub(super) async fn status(State(node): State<Arc<Node>>) -> Result<Json<Status>, Problem> {
    blocking(move || {
        let model = node.embedder().model();
        let mut projects = Vec::new();
        for info in node.replica().projects()? {
            let progress = match node.index_if_open(&info.name) {
                Some(index) => index.progress()?,
                None => None,
            };
            projects.push(ProjectStatus {
                project: project(&node, info)?,
                indexed_sequence: progress.as_ref().map(|progress| progress.sequence),
                vectors_pending: progress.as_ref().map(|progress| progress.vectors_pending),
                index_bytes: progress.as_ref().map(|progress| progress.bytes),
                sealing: progress.as_ref().map(|progress| progress.sealing),
                segments: progress.map(|progress| progress.segments),
            });
        }
        let node = NodeStatus {
            version: VERSION,
            health: if failure(&node).is_none() { "ok" } else { "failed" },
            model: model.id.clone(),
            dimensions: model.dimensions,
            memory_pss_bytes: memory_pss_bytes(),
            uptime_seconds: node.uptime().as_secs(),
        };
        Ok(Json(Status { node, projects }))
    })
    .await
}

/// Proportional set size: memory shared with other processes counts by its share, mapped artefacts by what is resident.
fn memory_pss_bytes() -> Option<u64> {
    let rollup = std::fs::read_to_string("/proc/self/smaps_rollup").ok()?;
    let line = rollup.lines().find_map(|line| line.strip_prefix("Pss:"))?;
    let kibibytes: u64 = line.split_whitespace().next()?.parse().ok()?;
    Some(kibibytes * 1024)
}

fn project(node: &Node, info: ProjectInfo) -> Result<Project, Problem> {
    let version = node.replica().version(&info.name)?.to_string();
    let sequence = node.replica().sequence(&info.name)?;
    Ok(Project { name: info.name.to_string(), description: info.description, records: info.records, version, sequence })
}

/// The projects of this node.
#[utoipa::path(get, path = "/projects", tag = "projects", responses((status = 200, body = Projects)))]
pub(super) async fn list_projects(State(node): State<Arc<Node>>) -> Result<Json<Projects>, Problem> {
    blocking(move || {
        let infos = node.replica().projects()?;
        let projects = infos.into_iter().map(|info| project(&node, info)).collect::<Result<_, _>>()?;
        Ok(Json(Projects { projects }))
    })
    .await
}

/// One project.
#[utoipa::path(get, path = "/projects/{project}", tag = "projects", params(("project" = String, Path)), responses(
    (status = 200, body = Project), (status = 404, description = "urn:skerry:problem:unknown-project")))]
pub(super) async fn get_project(
    State(node): State<Arc<Node>>,
    PathParameters(name): PathParameters<String>,
) -> Result<Json<Project>, Problem> {
    blocking(move || find(&node, &name).map(Json)).await
}

fn find(node: &Node, name: &str) -> Result<Project, Problem> {
    let name = project_name(name)?;
    // Reading the version first answers unknown-project for a name that is not there.
    node.replica().version(&name)?;
    let info = node.replica().projects()?.into_iter().find(|info| info.name == name);
    let info = info.ok_or_else(|| Problem::from(skerry_sync::ReadError::UnknownProject(name.to_string())))?;
    project(node, info)
}

/// Creates a project, or changes its description.
#[utoipa::path(put, path = "/projects/{project}", tag = "projects", params(("project" = String, Path)),
    request_body = ProjectBody, responses(
    (status = 201, body = Project, description = "Created"), (status = 200, body = Project, description = "Was there")))]
pub(super) async fn put_project(
    State(node): State<Arc<Node>>,
    PathParameters(name): PathParameters<String>,
    JsonBody(body): JsonBody<ProjectBody>,
) -> Result<(StatusCode, Json<Project>), Problem> {
    if body.description.len() > DESCRIPTION_BYTES_MAX {
        let detail =
            format!("The description has {} bytes; at most {DESCRIPTION_BYTES_MAX} are taken.", body.description.len());
        return Err(Problem::new(Kind::InvalidBody, detail));
    }
    blocking(move || {
        let created = node.replica().create_project(&project_name(&name)?, &body.description, clock::now())?;
        let status = if created { StatusCode::CREATED } else { StatusCode::OK };
        Ok((status, Json(find(&node, &name)?)))
    })
    .await
}

/// The project's version.
#[utoipa::path(get, path = "/projects/{project}/version", tag = "sync", params(("project" = String, Path)), responses(
    (status = 200, body = VersionBody), (status = 404, description = "urn:skerry:problem:unknown-project")))]
pub(super) async fn version(
    State(node): State<Arc<Node>>,
    PathParameters(name): PathParameters<String>,
) -> Result<Json<VersionBody>, Problem> {
    blocking(move || {
        let name = project_name(&name)?;
        let sequence = node.replica().sequence(&name)?;
        Ok(Json(VersionBody { version: node.replica().version(&name)?.to_string(), sequence }))
    })
    .await
}
