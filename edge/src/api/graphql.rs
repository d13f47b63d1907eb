//! GraphQL over HTTP and WebSocket.

use std::sync::Arc;

use async_graphql::BatchRequest;
use async_graphql::http::ALL_WEBSOCKET_PROTOCOLS;
use async_graphql_axum::{GraphQLProtocol, GraphQLWebSocket};
use axum::extract::State;
use axum::extract::ws::WebSocketUpgrade;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use utoipa::ToSchema;

use super::project_name;
use crate::auth;
use crate::extract::{JsonBody, PathParameters};
use crate::graphql::{self, Endpoint};
use crate::node::Node;
use crate::problem::{Kind, Problem};

/// Bytes of a message that a client sends over a WebSocket at most.
const MESSAGE_BYTES_MAX: usize = 1 << 20;

/// The media type of GraphQL over HTTP.
const MEDIA_TYPE: &str = "application/graphql-response+json";

/// A GraphQL request (for OpenAPI; GraphQL over HTTP says the rest).
#[derive(Debug, ToSchema)]
#[allow(dead_code, reason = "only described")]
struct GraphqlBody {
    /// The document.
    query: String,
    /// Which of its operations.
    #[schema(rename = "operationName")]
    operation_name: Option<String>,
    /// Values of its variables.
    #[schema(value_type = Option<Object>)]
    variables: Option<serde_json::Value>,
}

/// Asks by GraphQL; also a list of requests, at most 10. The schema is at `graphql/schema`, or by introspection. Errors are in
/// the answer's `errors`, each with a problem's slug as `extensions.code`; the status is 200 when the request could be read.
#[utoipa::path(post, path = "/projects/{project}/graphql", tag = "graph", params(("project" = String, Path)),
    request_body = GraphqlBody, responses(
    (status = 200, content((Object = "application/graphql-response+json"))),
    (status = 400, description = "urn:skerry:problem:malformed-json or invalid-query (more than 10 in a list)"),
    (status = 415, description = "urn:skerry:problem:unsupported-media-type")))]
pub(super) async fn ask(
    State(node): State<Arc<Node>>,
    PathParameters(project): PathParameters<String>,
    JsonBody(request): JsonBody<BatchRequest>,
) -> Result<Response, Problem> {
    let endpoint = Endpoint::new(node, project_name(&project)?);
    let answer = endpoint.answer(request).await?;
    let text = serde_json::to_string(&answer).map_err(|error| Problem::internal(&error))?;
    Ok(([(header::CONTENT_TYPE, MEDIA_TYPE)], text).into_response())
}

/// A WebSocket for subscriptions (`graphql-transport-ws`, also the older `graphql-ws`). The key goes into the header of the
/// handshake. A page of another origin is refused.
#[utoipa::path(get, path = "/projects/{project}/graphql", tag = "graph", params(("project" = String, Path)), responses(
    (status = 101, description = "A WebSocket"),
    (status = 400, description = "urn:skerry:problem:invalid-parameter: not the handshake of a WebSocket"),
    (status = 403, description = "urn:skerry:problem:foreign-host: the page is of another origin")))]
pub(super) async fn subscribe(
    State(node): State<Arc<Node>>,
    PathParameters(project): PathParameters<String>,
    headers: HeaderMap,
    protocol: Result<GraphQLProtocol, StatusCode>,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Result<Response, Problem> {
    let endpoint = Endpoint::new(node, project_name(&project)?);
    // Browsers let any page open a WebSocket to any host, without a preflight.
    auth::check_origin(&headers)?;
    let upgrade = upgrade.map_err(|error| {
        let detail = format!("Queries go by POST; GET opens a WebSocket for subscriptions, and {error}");
        Problem::new(Kind::InvalidParameter, detail)
    })?;
    let protocol = protocol.map_err(|_| {
        Problem::new(Kind::InvalidParameter, "`Sec-WebSocket-Protocol` must name graphql-transport-ws.")
    })?;
    let upgrade = upgrade.max_message_size(MESSAGE_BYTES_MAX).protocols(ALL_WEBSOCKET_PROTOCOLS);
    Ok(upgrade.on_upgrade(move |stream| GraphQLWebSocket::new(stream, endpoint, protocol).serve()))
}

/// The GraphQL schema, in its own language.
#[utoipa::path(get, path = "/projects/{project}/graphql/schema", tag = "graph", params(("project" = String, Path)),
    responses((status = 200, content((String = "text/plain")))))]
pub(super) async fn schema(PathParameters(project): PathParameters<String>) -> Result<String, Problem> {
    project_name(&project)?;
    Ok(graphql::schema())
}
