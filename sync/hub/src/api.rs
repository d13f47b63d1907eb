//! The hub over HTTP: the WebSocket of the automerge-repo protocol, the stateless exchange, and what operators look at.

mod admin;
mod exchange;
mod socket;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use axum::http::{HeaderName, HeaderValue};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::request_id::{MakeRequestId, PropagateRequestIdLayer, RequestId, SetRequestIdLayer};
use tower_http::trace::TraceLayer;
use utoipa::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::problem::{self, Kind, Problem};
use crate::serve::Shared;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Skerry hub",
        description = "The sync service: replicas and clients of automerge-repo meet here. A WebSocket at `/` or `/sync` \
                       speaks the automerge-repo protocol; the exchange below does the same in single requests. Every \
                       error is an RFC 9457 problem (`application/problem+json`)."
    ),
    tags((name = "sync", description = "Reconcile replicas"), (name = "hub", description = "Health and status"))
)]
struct Description;

/// The HTTP interface of a hub.
pub(crate) fn router(shared: Arc<Shared>) -> Router {
    let (api, description) = parts();
    Router::new()
        .merge(api)
        .route("/", get(socket::connect))
        .route("/sync", get(socket::connect))
        .route("/metrics", get(admin::metrics))
        .route("/api/v1/openapi.json", get(move || async move { axum::Json(description) }))
        .fallback(|| async { Problem::new(Kind::UnknownPath, "See /api/v1/openapi.json for what there is.") })
        .method_not_allowed_fallback(|| async {
            Problem::new(Kind::MethodNotAllowed, "See /api/v1/openapi.json for the methods of this path.")
        })
        .layer(middleware::from_fn(name_problems))
        .layer(CatchPanicLayer::custom(panicked))
        .layer(TraceLayer::new_for_http().make_span_with(span).on_response(log_response).on_failure(()))
        .layer(PropagateRequestIdLayer::new(REQUEST_ID))
        .layer(SetRequestIdLayer::new(REQUEST_ID, NewRequestId))
        .with_state(shared)
}

/// The OpenAPI description of the API.
pub fn description() -> utoipa::openapi::OpenApi {
    parts().1
}

fn parts() -> (Router<Arc<Shared>>, utoipa::openapi::OpenApi) {
    let api = OpenApiRouter::new()
        .routes(routes!(exchange::exchange))
        .routes(routes!(admin::projects))
        .routes(routes!(admin::health))
        .routes(routes!(admin::status));
    OpenApiRouter::with_openapi(Description::openapi()).nest("/api/v1", api).split_for_parts()
}

/// Request ids: 64 random bits, hex.
#[derive(Clone, Copy)]
struct NewRequestId;

impl MakeRequestId for NewRequestId {
    fn make_request_id<B>(&mut self, _: &axum::http::Request<B>) -> Option<RequestId> {
        let mut bytes = [0; 8];
        getrandom::fill(&mut bytes).ok()?;
        HeaderValue::from_str(&hex::encode(bytes)).ok().map(RequestId::new)
    }
}

fn request_id(request: &axum::http::Request<impl Sized>) -> Option<String> {
    let id = request.extensions().get::<RequestId>()?.header_value().to_str().ok()?;
    Some(id.chars().take(64).collect())
}

/// Adds the request's id to every problem.
async fn name_problems(request: Request, next: Next) -> Response {
    let id = request_id(&request);
    let response = next.run(request).await;
    match response.extensions().get::<Problem>() {
        Some(found) => problem::respond(found, id.as_deref()),
        None => response,
    }
}

#[allow(clippy::needless_pass_by_value, reason = "the signature that `CatchPanicLayer` calls")]
fn panicked(cause: Box<dyn std::any::Any + Send + 'static>) -> Response {
    let cause = cause
        .downcast_ref::<String>()
        .cloned()
        .or_else(|| cause.downcast_ref::<&str>().map(|&text| text.to_owned()))
        .unwrap_or_else(|| "unknown panic".to_owned());
    Problem::internal(&cause).into_response()
}

/// The path alone: behind the question mark there may be a token.
fn span(request: &Request) -> tracing::Span {
    let id = request_id(request).unwrap_or_default();
    tracing::info_span!("request", request_id = %id, method = %request.method(), path = %request.uri().path())
}

fn log_response(response: &Response, latency: Duration, _: &tracing::Span) {
    let latency_ms = latency.as_secs_f64() * 1e3;
    tracing::info!(status = response.status().as_u16(), latency_ms, "answered");
}
