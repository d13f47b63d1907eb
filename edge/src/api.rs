//! The HTTP API under `/api/v1`: one router for the server, the command line and Lambda.

mod admin;
pub(crate) mod changes;
mod charts;
mod duplicates;
mod erasure;
pub(crate) mod geometry;
pub(crate) mod graph;
#[cfg(feature = "graphql")]
mod graphql;
#[cfg(feature = "network")]
mod hub;
mod layers;
mod models;
mod plugins;
pub(crate) mod query;
mod records;
#[cfg(feature = "sparql")]
mod sparql;
mod sync;
mod versions;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Request};
use axum::http::{HeaderName, HeaderValue};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use skerry_host::Cancel;
use skerry_sync::ProjectName;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::request_id::{MakeRequestId, PropagateRequestIdLayer, RequestId, SetRequestIdLayer};
use tower_http::trace::TraceLayer;
use utoipa::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::auth::{self, ApiKeys};
use crate::body::{ExpandBody, HitBody, RecordBody, ViaBody, WithinBody};
use crate::node::Node;
use crate::problem::{self, Problem};

/// Bytes of a request body at most.
pub const BODY_BYTES_MAX: usize = skerry_gateway::BODY_BYTES_MAX;

/// Records or keys in one request at most.
pub const BATCH_MAX: usize = 10_000;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// How the API is served.
#[derive(Debug, Clone, Default)]
pub struct ApiConfig {
    /// Keys that callers must bring; none for a node that only this machine reaches.
    pub api_keys: ApiKeys,
}

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Skerry",
        description = "A local-first store of semantic context: publish records, find them by meaning, keywords and \
                       filters, and reconcile replicas. Every error is an RFC 9457 problem (`application/problem+json`)."
    ),
    // What the gateway's types name without knowing it.
    components(schemas(WithinBody, ExpandBody, ViaBody, HitBody, RecordBody)),
    tags(
        (name = "projects", description = "Namespaces of records"),
        (name = "records", description = "Publish, get, list and delete"),
        (name = "query", description = "Hybrid search"),
        (name = "graph", description = "Links as a graph: walks, patterns, SPARQL, GraphQL"),
        (name = "layers", description = "Named contexts, and saved charts"),
        (name = "geometry", description = "Records on manifolds, series, clouds, layers, curvature of graphs"),
        (name = "sync", description = "Reconcile replicas"),
        (name = "node", description = "Health and status")
    )
)]
struct Description;

/// The API over a node.
pub fn router(node: Arc<Node>, config: &ApiConfig) -> Router {
    let (open, protected, description) = parts();
    let protected = protected.layer(middleware::from_fn_with_state(config.api_keys.clone(), auth::require));
    Router::new()
        .merge(open)
        .merge(protected)
        .route("/api/v1/openapi.json", get(move || async move { axum::Json(description) }))
        .fallback(|| async { Problem::from(skerry_gateway::Problem::unknown_path()) })
        .method_not_allowed_fallback(|| async { Problem::from(skerry_gateway::Problem::method_not_allowed()) })
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .layer(middleware::from_fn(name_problems))
        .layer(CatchPanicLayer::custom(panicked))
        .layer(TraceLayer::new_for_http().make_span_with(span).on_response(log_response).on_failure(()))
        .layer(PropagateRequestIdLayer::new(REQUEST_ID))
        .layer(SetRequestIdLayer::new(REQUEST_ID, NewRequestId))
        .with_state(node)
}

/// The OpenAPI description of the API.
pub fn description() -> utoipa::openapi::OpenApi {
    parts().2
}

fn parts() -> (Router<Arc<Node>>, Router<Arc<Node>>, utoipa::openapi::OpenApi) {
    let open = OpenApiRouter::new().routes(routes!(admin::health));
    let protected = OpenApiRouter::new()
        .routes(routes!(admin::status))
        .routes(routes!(admin::list_projects))
        .routes(routes!(admin::get_project, admin::put_project))
        .routes(routes!(admin::version))
        .routes(routes!(models::models))
        .routes(routes!(plugins::plugins))
        .routes(routes!(models::reembed, models::cancel_reembed))
        .routes(routes!(records::list, records::publish))
        .routes(routes!(records::get, records::put, records::delete))
        .routes(routes!(records::delete_many))
        .routes(routes!(erasure::erase))
        .routes(routes!(erasure::compact))
        .routes(routes!(erasure::reshard))
        .routes(routes!(versions::versions))
        .routes(routes!(changes::changes))
        .routes(routes!(query::query))
        .routes(routes!(duplicates::duplicates))
        .routes(routes!(graph::neighbours))
        .routes(routes!(graph::reach))
        .routes(routes!(graph::path))
        .routes(routes!(graph::incidence))
        .routes(routes!(graph::pattern))
        .routes(routes!(graph::metapath))
        .routes(routes!(graph::components))
        .routes(routes!(graph::centrality))
        .routes(routes!(graph::ancestors))
        .routes(routes!(graph::descendants))
        .routes(routes!(graph::common_ancestors))
        .routes(routes!(graph::depth))
        .routes(routes!(graph::roots))
        .routes(routes!(graph::cycles))
        .routes(routes!(graph::report))
        .routes(routes!(layers::list, layers::declare))
        .routes(routes!(layers::query))
        .routes(routes!(layers::overlaps))
        .routes(routes!(layers::get, layers::put, layers::delete))
        .routes(routes!(layers::add))
        .routes(routes!(layers::remove))
        .routes(routes!(charts::list))
        .routes(routes!(charts::get, charts::put, charts::delete))
        .routes(routes!(geometry::property::distances))
        .routes(routes!(geometry::property::neighbours))
        .routes(routes!(geometry::property::mean))
        .routes(routes!(geometry::property::interpolate))
        .routes(routes!(geometry::property::outliers))
        .routes(routes!(geometry::series::dtw))
        .routes(routes!(geometry::series::trajectory))
        .routes(routes!(geometry::cloud::cloud))
        .routes(routes!(geometry::networks::embedding))
        .routes(routes!(geometry::networks::spectral))
        .routes(routes!(geometry::networks::multilayer))
        .routes(routes!(geometry::curvature::curvature))
        .routes(routes!(geometry::curvature::communities))
        .routes(routes!(geometry::hypergraph::hypergraph))
        .routes(routes!(geometry::anomalies::anomalies))
        .routes(routes!(sync::exchange));
    #[cfg(feature = "graphql")]
    let protected = protected.routes(routes!(graphql::ask, graphql::subscribe)).routes(routes!(graphql::schema));
    #[cfg(feature = "sparql")]
    let protected = protected.routes(routes!(sparql::get, sparql::post));
    #[cfg(feature = "plots")]
    let protected = protected.routes(routes!(geometry::anomalies::plot));
    #[cfg(feature = "network")]
    let protected = protected.routes(routes!(sync::sync));
    let (open, open_description) =
        OpenApiRouter::with_openapi(Description::openapi()).nest("/api/v1", open).split_for_parts();
    let (protected, description) =
        OpenApiRouter::with_openapi(open_description).nest("/api/v1", protected).split_for_parts();
    (open, protected, description)
}

/// Runs blocking work (the store, components) off the threads that serve connections. The work runs to its end even when
/// the caller has gone.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Problem> + Send + 'static,
) -> Result<T, Problem> {
    let span = tracing::Span::current();
    match tokio::task::spawn_blocking(move || span.in_scope(work)).await {
        Ok(outcome) => outcome,
        Err(error) => Err(Problem::internal(&error)),
    }
}

/// As [`blocking`], for work that only its caller wants: when the request is dropped, the work is cancelled.
pub(crate) async fn while_wanted<T: Send + 'static>(
    work: impl FnOnce(&Cancel) -> Result<T, Problem> + Send + 'static,
) -> Result<T, Problem> {
    let cancel = Cancel::new();
    let _gone = cancel.clone().on_drop();
    blocking(move || work(&cancel)).await
}

fn project_name(name: &str) -> Result<ProjectName, Problem> {
    Ok(ProjectName::parse(name)?)
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

fn span(request: &Request) -> tracing::Span {
    let id = request_id(request).unwrap_or_default();
    tracing::info_span!("request", request_id = %id, method = %request.method(), path = %request.uri().path())
}

fn log_response(response: &Response, latency: Duration, _: &tracing::Span) {
    let latency_ms = latency.as_secs_f64() * 1e3;
    tracing::info!(status = response.status().as_u16(), latency_ms, "answered");
}
