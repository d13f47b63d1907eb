//! Health, status, projects, versions.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use skerry_sync::{Chunking, ProjectChange, ProjectInfo, ProjectName, Settings};

use super::models::checked_settings;
use super::{blocking, project_name};
use crate::body::{
    ChunkingBody, Health, NodeStatus, Project, ProjectBody, ProjectModel, ProjectStatus, Projects, ReembeddingBody,
    Status, VersionBody,
};
use crate::clock;
use crate::extract::{JsonBody, PathParameters};
use crate::index::derive::Derivation;
use crate::models::{DEFAULT_MODEL, Models};
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
        let model = node.models().get(DEFAULT_MODEL)?;
        let model = model.card();
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
        #[cfg(feature = "network")]
        let hub = super::hub::status(&node)?;
        #[cfg(not(feature = "network"))]
        let hub = None;
        let plugins_failing = node.plugins().failing();
        let node = NodeStatus {
            version: VERSION,
            health: if failure(&node).is_none() { "ok" } else { "failed" },
            model: model.id.clone(),
            dimensions: model.dimensions,
            memory_pss_bytes: memory_pss_bytes(),
            uptime_seconds: node.uptime().as_secs(),
        };
        Ok(Json(Status { node, hub, plugins_failing, projects }))
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
    // Before the model: when it says that there is no change, the model is the one after it.
    let reembedding = node.reembedding(&info.name).map(|reembedding| {
        let progress = reembedding.progress();
        ReembeddingBody {
            model: reembedding.target().model_name().to_owned(),
            chunking: chunking(reembedding.target()),
            records_done: progress.records_done,
            records_total: progress.records_total.max(progress.records_done),
            error: progress.error,
        }
    });
    let derivation = node.derivation(&info.name)?;
    let card = derivation.model().map(|model| model.card().clone());
    let model = ProjectModel {
        name: derivation.model_name().to_owned(),
        id: card.as_ref().ok().map(|card| card.id.clone()),
        dimensions: card.as_ref().ok().map(|card| card.dimensions),
        unavailable: card.err().map(|error| error.to_string()),
    };
    Ok(Project {
        name: info.name.to_string(),
        description: info.description,
        records: info.records,
        version,
        sequence,
        model,
        chunking: chunking(&derivation),
        reembedding,
    })
}

fn chunking(derivation: &Derivation) -> Option<ChunkingBody> {
    let Chunking { tokens, overlap } = derivation.model().ok().map(|_| derivation.chunking())?;
    Some(ChunkingBody { tokens, overlap })
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

pub(super) fn find(node: &Node, name: &str) -> Result<Project, Problem> {
    let name = project_name(name)?;
    project(node, node.replica().project(&name)?)
}

/// Creates a project, or changes its description. Its model and chunks can be changed here while it has no records.
#[utoipa::path(put, path = "/projects/{project}", tag = "projects", params(("project" = String, Path)),
    request_body = ProjectBody, responses(
    (status = 201, body = Project, description = "Created"), (status = 200, body = Project, description = "Was there"),
    (status = 409, description = "urn:skerry:problem:model-mismatch: it has records, embedded with another model"),
    (status = 422, description = "urn:skerry:problem:unknown-model or invalid-body"),
    (status = 503, description = "urn:skerry:problem:model-unavailable")))]
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
        let project = project_name(&name)?;
        let settings = new_settings(&node, &project, &body)?;
        let change = ProjectChange { description: &body.description, settings: settings.as_ref() };
        let created = node.replica().put_project(&project, change, clock::now())?;
        if settings.is_some() {
            node.model_changed(&project)?;
        }
        let status = if created { StatusCode::CREATED } else { StatusCode::OK };
        Ok((status, Json(find(&node, &name)?)))
    })
    .await
}

/// The settings to write; none when the body says nothing new about them.
fn new_settings(node: &Node, project: &ProjectName, body: &ProjectBody) -> Result<Option<Settings>, Problem> {
    let ProjectBody { model, chunk_tokens, chunk_overlap, .. } = body;
    if model.is_none() && chunk_tokens.is_none() && chunk_overlap.is_none() {
        return Ok(None);
    }
    let existing = match node.replica().project(project) {
        Ok(info) => Some(info),
        Err(skerry_sync::ReadError::UnknownProject(_)) => None,
        Err(error) => return Err(error.into()),
    };
    let (before, records) = existing.map_or_else(Default::default, |info| (info.settings, info.records));
    let settings = checked_settings(node, &before, model.as_deref(), *chunk_tokens, *chunk_overlap)?;
    let now = Derivation::new(node.models(), &before);
    if now.is_same(&Derivation::new(node.models(), &settings)) {
        // The same in other words; or in none, for a project that is new.
        return Ok(Some(settings).filter(|_| records == 0));
    }
    if records > 0 {
        let (now, wanted) = (Models::name_for(&before), Models::name_for(&settings));
        let detail = format!(
            "The {records} records of `{project}` are embedded with `{now}`; vectors of `{wanted}`, or of other chunks, must not \
             be mixed with them. Take the project there with POST /api/v1/projects/{project}/reembed."
        );
        return Err(Problem::new(Kind::ModelMismatch, detail).with("model", now));
    }
    Ok(Some(settings))
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
