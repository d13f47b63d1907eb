//! Health, status, metrics and the list of projects.

use std::sync::Arc;
use std::time::SystemTime;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

use crate::auth::{self, Authorised};
use crate::metrics::Looks;
use crate::problem::{Kind, Problem};
use crate::retire::Outcome;
use crate::serve::Shared;

const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Is the hub able to serve?
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Health {
    /// `ok` or `failed`.
    status: &'static str,
    /// What failed last, while it fails.
    reason: Option<String>,
    /// Since when, as RFC 3339.
    since: Option<String>,
    /// The program's version.
    version: &'static str,
    /// This run of the hub.
    instance: String,
}

/// What a hub does.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Status {
    version: &'static str,
    /// Its peer id in the automerge-repo protocol.
    name: String,
    /// This run of the hub.
    instance: String,
    /// When it was started, as RFC 3339.
    started: Option<String>,
    uptime_seconds: u64,
    /// WebSockets that are open.
    connections: usize,
    /// Documents in memory.
    documents: usize,
    /// Estimate of the bytes that they take.
    documents_bytes: usize,
    /// Documents with changes that are on their way to the store.
    storing: usize,
    /// Messages that wait for a document to be read or worked on.
    waiting_messages: usize,
    /// Bytes that wait for sockets.
    queue_bytes: usize,
    store: StoreStatus,
    notices: NoticesBody,
    /// Documents of epochs that are over, by project: what became of them in the store.
    retirements: Vec<RetirementBody>,
}

/// What became of documents whose epoch is over.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct RetirementBody {
    project: String,
    /// `waiting`: the documents of the newest epoch are not all there yet. `failed`: see `reason`; it is tried again.
    /// `done`: there are none any more.
    state: &'static str,
    reason: Option<String>,
    /// When that was, as RFC 3339.
    at: Option<String>,
    /// Documents that were deleted since the start.
    documents: u64,
    /// Chunks of new documents that were written for it since the start.
    carried: u64,
}

/// How the central store does.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct StoreStatus {
    /// Its address.
    location: String,
    /// The same for all hubs over it.
    id: String,
    healthy: bool,
    /// What failed last, while it fails.
    reason: Option<String>,
    /// Since when, as RFC 3339.
    since: Option<String>,
    /// Operations that failed since the start.
    failures: u64,
    /// Chunks that could not be read and were set aside. Their documents are served without them.
    quarantined: Vec<QuarantinedBody>,
}

/// A chunk that was set aside.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct QuarantinedBody {
    document: String,
    chunk: String,
    reason: String,
    /// When, as RFC 3339.
    at: Option<String>,
}

/// How notices between hubs do.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct NoticesBody {
    /// Whether there are other hubs to tell.
    configured: bool,
    /// Whether notices get through. If not, the hub serves all the same and looks at the store every 30 seconds.
    up: bool,
    /// Notices that wait to be sent.
    waiting: usize,
    /// Notices that were dropped for want of room; hubs look at everything afterwards.
    dropped: u64,
    /// Notices of other hubs since the start.
    received: u64,
}

/// The projects of a token.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Projects {
    projects: Vec<Project>,
}

/// A project.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Project {
    name: String,
}

/// Is the hub able to read and write its store? Needs no token.
#[utoipa::path(get, path = "/health", tag = "hub", responses(
    (status = 200, body = Health), (status = 503, body = Health, description = "The central store failed; changes are refused")))]
pub(super) async fn health(State(shared): State<Arc<Shared>>) -> Response {
    let failing = shared.store.health().failing();
    let (status, code) = match &failing {
        None => ("ok", StatusCode::OK),
        Some(_) => ("failed", StatusCode::SERVICE_UNAVAILABLE),
    };
    let health = Health {
        status,
        reason: failing.as_ref().map(|failing| failing.failure.to_string()),
        since: failing.and_then(|failing| show(failing.since)),
        version: VERSION,
        instance: shared.instance.clone(),
    };
    (code, Json(health)).into_response()
}

/// What the hub does, and how its store and its notices do. Needs a token for everything.
#[utoipa::path(get, path = "/status", tag = "hub", responses((status = 200, body = Status),
    (status = 401, description = "urn:skerry:problem:unauthorized"),
    (status = 403, description = "urn:skerry:problem:forbidden")))]
pub(super) async fn status(State(shared): State<Arc<Shared>>, headers: HeaderMap) -> Result<Json<Status>, Problem> {
    require_any(&shared, &headers).await?;
    let failing = shared.store.health().failing();
    // A store that cannot be listed has its reason said in the same answer.
    let quarantined = shared.store.quarantined().await.unwrap_or_default();
    let quarantined = quarantined.into_iter().map(|one| QuarantinedBody {
        document: one.document,
        chunk: one.chunk,
        reason: one.reason,
        at: show(SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(one.at)),
    });
    let notices = shared.notices.status();
    let core = shared.core.status().await.map_err(|error| Problem::new(Kind::Stopping, error.to_string()))?;
    Ok(Json(Status {
        version: VERSION,
        name: shared.name.clone(),
        instance: shared.instance.clone(),
        started: show(shared.started_at),
        uptime_seconds: shared.started.elapsed().as_secs(),
        connections: core.connections.len(),
        documents: core.documents,
        documents_bytes: core.documents_bytes,
        storing: core.storing,
        waiting_messages: core.waiting_frames,
        queue_bytes: core.connections.iter().map(|connection| connection.queue_bytes).sum(),
        store: StoreStatus {
            location: shared.store.shown().to_owned(),
            id: shared.store_id.clone(),
            healthy: failing.is_none(),
            reason: failing.as_ref().map(|failing| failing.failure.to_string()),
            since: failing.and_then(|failing| show(failing.since)),
            failures: shared.store.health().failures(),
            quarantined: quarantined.collect(),
        },
        notices: NoticesBody {
            configured: notices.configured,
            up: notices.up,
            waiting: notices.waiting,
            dropped: notices.dropped,
            received: notices.received,
        },
        retirements: shared.retirements.list().into_iter().map(retirement_body).collect(),
    }))
}

fn retirement_body((project, one): (skerry_sync::ProjectName, crate::retire::Progress)) -> RetirementBody {
    let (state, reason) = match one.last {
        Outcome::Done => ("done", None),
        Outcome::Waiting => ("waiting", None),
        Outcome::Failed(reason) => ("failed", Some(reason)),
    };
    let (documents, carried) = (one.documents, one.carried);
    RetirementBody { project: project.to_string(), state, reason, at: show(one.at), documents, carried }
}

/// The projects that the token is for. With a token for everything: those whose name the hub knows, from tokens and exchanges.
#[utoipa::path(get, path = "/projects", tag = "sync", responses((status = 200, body = Projects),
    (status = 401, description = "urn:skerry:problem:unauthorized")))]
pub(super) async fn projects(State(shared): State<Arc<Shared>>, headers: HeaderMap) -> Result<Json<Projects>, Problem> {
    let Authorised { record, .. } = authorise(&shared, &headers).await?;
    let names: Vec<String> = if record.any {
        shared.store.projects().await?.iter().map(ToString::to_string).collect()
    } else {
        record.projects.into_iter().collect()
    };
    Ok(Json(Projects { projects: names.into_iter().map(|name| Project { name }).collect() }))
}

/// Counters for Prometheus. Needs a token for everything.
pub(super) async fn metrics(State(shared): State<Arc<Shared>>, headers: HeaderMap) -> Result<Response, Problem> {
    require_any(&shared, &headers).await?;
    let health = shared.store.health();
    let looks = Looks {
        store_up: health.failing().is_none(),
        store_failures: health.failures(),
        notices_up: shared.notices.status().up,
    };
    let text = shared.metrics.show(looks).map_err(|error| Problem::internal(&error))?;
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    Ok(([(header::CONTENT_TYPE, kind)], text).into_response())
}

async fn require_any(shared: &Shared, headers: &HeaderMap) -> Result<(), Problem> {
    if authorise(shared, headers).await?.record.any {
        return Ok(());
    }
    let detail = "This is for tokens that are for everything: `skerry-hub token create --all`.";
    Err(Problem::new(Kind::Forbidden, detail))
}

async fn authorise(shared: &Shared, headers: &HeaderMap) -> Result<Authorised, Problem> {
    auth::authorise(&shared.sessions, auth::from_headers(headers)).await.inspect_err(|_| {
        shared.metrics.refused.inc();
    })
}

/// A time for people; none when it is beyond what calendars know.
fn show(time: SystemTime) -> Option<String> {
    let seconds = time.duration_since(SystemTime::UNIX_EPOCH).ok()?.as_secs();
    let time = time::OffsetDateTime::from_unix_timestamp(i64::try_from(seconds).ok()?).ok()?;
    time.format(&time::format_description::well_known::Rfc3339).ok()
}
