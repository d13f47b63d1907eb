//! The stateless exchange between replicas: the same path and body as on a node.

use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use skerry_sync::ProjectName;

use crate::auth;
use crate::problem::{Kind, Problem};
use crate::serve::Shared;

/// How long a request may take, from its first byte to its answer.
const REQUEST_MAX: Duration = Duration::from_mins(2);

/// How long a body may take to arrive: room is held for it meanwhile.
const BODY_MAX: Duration = Duration::from_secs(30);

/// When to try again what took too long.
const RETRY: Duration = Duration::from_secs(5);

/// One round of the stateless exchange: heads and changes in, heads and changes out. What came in is durable when this is
/// answered. The body's format is in docs/format.md. Bodies are not compressed.
#[utoipa::path(post, path = "/projects/{project}/sync", tag = "sync", params(("project" = String, Path)),
    request_body(content = Vec<u8>, content_type = "application/octet-stream"), responses(
    (status = 200, body = Vec<u8>, content_type = "application/octet-stream"),
    (status = 400, description = "urn:skerry:problem:damaged-exchange; nothing was stored"),
    (status = 401, description = "urn:skerry:problem:unauthorized"),
    (status = 403, description = "urn:skerry:problem:forbidden; the body holds changes and the token is for reading"),
    (status = 404, description = "urn:skerry:problem:unknown-project; also for projects that the token is not for"),
    (status = 409, description = "urn:skerry:problem:foreign-exchange; nothing was stored"),
    (status = 413, description = "urn:skerry:problem:body-too-large"),
    (status = 429, description = "urn:skerry:problem:too-many-requests; see Retry-After"),
    (status = 503, description = "urn:skerry:problem:store-failed and the like; nothing counts, see Retry-After")))]
pub(super) async fn exchange(
    State(shared): State<Arc<Shared>>,
    Path(project): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let started = Instant::now();
    let late = || {
        let detail = "The request took longer than two minutes. What was answered before counts; send it again.";
        Problem::new(Kind::DeadlineExceeded, detail).retry_after(RETRY)
    };
    let answer = tokio::time::timeout(REQUEST_MAX, answer(&shared, &project, &headers, body)).await;
    let answer = answer.map_err(|_| late())??;
    shared.metrics.exchanges.inc();
    shared.metrics.exchange_seconds.observe(started.elapsed().as_secs_f64());
    shared.metrics.bytes_sent.inc_by(answer.len() as u64);
    Ok(([(header::CONTENT_TYPE, "application/octet-stream")], answer).into_response())
}

async fn answer(shared: &Arc<Shared>, project: &str, headers: &HeaderMap, body: Body) -> Result<Vec<u8>, Problem> {
    let authorised = auth::authorise(&shared.sessions, auth::from_headers(headers)).await.inspect_err(|_| {
        shared.metrics.refused.inc();
    })?;
    let project = ProjectName::parse(project)?;
    if !authorised.record.covers(&project) {
        // The same words whether or not there is one.
        let detail = format!("There is no project `{project}` that this token is for.");
        return Err(Problem::new(Kind::UnknownProject, detail));
    }
    let length = check_body(headers, shared.limits.frame_bytes_max)?;
    let stopping = |_| Problem::new(Kind::Stopping, "The hub is stopping; send it again.").retry_after(RETRY);
    let too_fast = |wait: Duration| {
        let seconds = wait.as_secs_f64().ceil();
        let detail = format!("This token's requests come faster than the hub allows; wait {seconds} seconds.");
        Problem::new(Kind::TooManyRequests, detail).retry_after(Duration::from_secs_f64(seconds))
    };
    shared.pace.count(authorised.digest, length, Instant::now()).map_err(too_fast)?;
    let room = shared.core.room(length).await.map_err(stopping)?;
    let body = tokio::time::timeout(BODY_MAX, axum::body::to_bytes(body, length)).await.map_err(|_| {
        let detail = "The body did not arrive within 30 seconds. Send it again, or less at once.";
        Problem::new(Kind::DeadlineExceeded, detail).retry_after(RETRY)
    })?;
    let body = body.map_err(|error| {
        let detail = format!("The body cannot be read ({error}); it has to end where Content-Length says.");
        Problem::new(Kind::DamagedExchange, detail)
    })?;
    shared.metrics.bytes_received.inc_by(body.len() as u64);
    let grant = authorised.record.grant();
    let answer = shared.core.exchange(grant, project.clone(), body.into(), room).await.map_err(stopping)??;
    note_project(shared, project).await;
    Ok(answer)
}

/// The length of the body, which has to be told: room is made for it before it is read.
fn check_body(headers: &HeaderMap, bytes_max: usize) -> Result<usize, Problem> {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let media = text(header::CONTENT_TYPE).split(';').next().unwrap_or_default().trim();
    if !media.eq_ignore_ascii_case("application/octet-stream") || headers.contains_key(header::CONTENT_ENCODING) {
        let detail = "Send the body as `Content-Type: application/octet-stream`, uncompressed.";
        return Err(Problem::new(Kind::UnsupportedMediaType, detail));
    }
    let told = headers.contains_key(header::CONTENT_LENGTH);
    let length = if told { text(header::CONTENT_LENGTH).parse().unwrap_or(usize::MAX) } else { bytes_max };
    if length > bytes_max {
        let detail = format!("The body may have {bytes_max} bytes at most. Send it in several rounds.");
        return Err(Problem::new(Kind::BodyTooLarge, detail));
    }
    Ok(length)
}

/// Notes the project's name once, so that whoever may see all projects finds it.
async fn note_project(shared: &Arc<Shared>, project: ProjectName) {
    let noted = || shared.noted_projects.lock().unwrap_or_else(PoisonError::into_inner);
    if noted().contains(&project) {
        return;
    }
    match shared.store.note_project(&project).await {
        Ok(()) => drop(noted().insert(project)),
        // The exchange itself is done; the next one notes it.
        Err(error) => tracing::warn!(%project, cause = %error, "the project's name is not noted"),
    }
}
