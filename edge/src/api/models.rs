//! The node's models, and taking a project to another one.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use skerry_sync::{Chunking, ProjectChange, ProjectName, Settings};

use super::admin::find;
use super::{blocking, project_name};
use crate::body::{ModelEntry, ModelsBody, Project, ReembedBody};
use crate::clock;
use crate::extract::{JsonBody, PathParameters};
use crate::models::{DEFAULT_MODEL, ModelKind};
use crate::node::Node;
use crate::problem::{Kind, Problem};

/// The embedding models of this node. Those that nobody used yet are opened to see whether they work; endpoints are not asked.
#[utoipa::path(get, path = "/models", tag = "node", responses((status = 200, body = ModelsBody)))]
pub(super) async fn models(State(node): State<Arc<Node>>) -> Result<Json<ModelsBody>, Problem> {
    blocking(move || {
        let entry = |listed: crate::models::Listed| {
            let card = listed.opened.as_ref().ok().map(|model| model.card().clone());
            ModelEntry {
                kind: match listed.kind {
                    ModelKind::BuiltIn => "built-in",
                    ModelKind::Component => "component",
                    ModelKind::Endpoint => "endpoint",
                },
                default: listed.name == DEFAULT_MODEL,
                name: listed.name,
                usable: card.is_some(),
                reason: listed.opened.as_ref().err().map(ToString::to_string),
                id: card.as_ref().map(|card| card.id.clone()),
                dimensions: card.as_ref().map(|card| card.dimensions),
                tokens_max: card.as_ref().map(|card| card.tokens_max),
            }
        };
        Ok(Json(ModelsBody { models: node.models().list().into_iter().map(entry).collect() }))
    })
    .await
}

/// Settings that a request asks for, on top of those that are there: the model must be one of this node, and take such chunks.
pub(super) fn checked_settings(
    node: &Node,
    before: &Settings,
    model: Option<&str>,
    chunk_tokens: Option<u32>,
    chunk_overlap: Option<u32>,
) -> Result<Settings, Problem> {
    let changes_model = model.is_some_and(|model| Some(model) != before.model.as_deref());
    let mut settings = before.clone();
    if let Some(model) = model {
        settings.model = Some(model.to_owned());
        if changes_model {
            // Chunks were chosen for the model before.
            settings.chunking = None;
        }
    }
    if model.is_none() && chunk_tokens.is_none() && chunk_overlap.is_none() {
        return Ok(settings);
    }
    let model = node.models().get(crate::models::Models::name_for(&settings))?;
    if chunk_tokens.is_some() || chunk_overlap.is_some() {
        let usual = model.card().chunking(&settings);
        let tokens = chunk_tokens.unwrap_or(usual.tokens);
        let overlap = chunk_overlap.unwrap_or(usual.overlap.min(tokens.saturating_sub(1) / 2));
        if tokens > model.card().tokens_max {
            let detail = format!(
                "`chunk_tokens` is {tokens}; the model `{}` takes at most {}.",
                model.card().name,
                model.card().tokens_max
            );
            return Err(Problem::new(Kind::InvalidBody, detail));
        }
        settings.chunking = Some(Chunking { tokens, overlap });
    }
    settings.check().map_err(|error| Problem::new(Kind::InvalidBody, format!("{error}.")))?;
    Ok(settings)
}

/// Takes the project to another model or other chunks, in the background: queries go on being answered by the model that it has
/// until every record has its vectors by the new one. `GET /projects/{project}` tells how far it is. What was embedded before
/// is not embedded again, so the work survives restarts.
#[utoipa::path(post, path = "/projects/{project}/reembed", tag = "projects", params(("project" = String, Path)),
    request_body = ReembedBody, responses(
    (status = 202, body = Project, description = "Begun, or already there"),
    (status = 404, description = "urn:skerry:problem:unknown-project"),
    (status = 422, description = "urn:skerry:problem:unknown-model or invalid-body"),
    (status = 503, description = "urn:skerry:problem:model-unavailable")))]
pub(super) async fn reembed(
    State(node): State<Arc<Node>>,
    PathParameters(name): PathParameters<String>,
    JsonBody(body): JsonBody<ReembedBody>,
) -> Result<(StatusCode, Json<Project>), Problem> {
    blocking(move || {
        let project = project_name(&name)?;
        let before = node.replica().project(&project)?.settings;
        let settings = checked_settings(&node, &before, body.model.as_deref(), body.chunk_tokens, body.chunk_overlap)?;
        name_settings(&node, &project, &settings)?;
        Ok((StatusCode::ACCEPTED, Json(find(&node, &name)?)))
    })
    .await
}

/// Stays with the model that the project's queries are answered with; what was embedded by the other one is kept in the cache.
#[utoipa::path(delete, path = "/projects/{project}/reembed", tag = "projects", params(("project" = String, Path)),
    responses((status = 200, body = Project), (status = 404, description = "urn:skerry:problem:unknown-project")))]
pub(super) async fn cancel_reembed(
    State(node): State<Arc<Node>>,
    PathParameters(name): PathParameters<String>,
) -> Result<Json<Project>, Problem> {
    blocking(move || {
        let project = project_name(&name)?;
        let serving = node.derivation(&project)?;
        name_settings(&node, &project, serving.settings())?;
        Ok(Json(find(&node, &name)?))
    })
    .await
}

fn name_settings(node: &Node, project: &ProjectName, settings: &Settings) -> Result<(), Problem> {
    // The model that answers now must be on disk before another one is named.
    let index = node.index(project)?;
    crate::reembed::note_serving(node.replica(), project, index.derivation().settings())?;
    node.replica().put_project(project, ProjectChange { description: "", settings: Some(settings) }, clock::now())?;
    Ok(node.model_changed(project)?)
}
