//! Serves snapshots over HTTP: the gateway's part of the API, on this machine's own host.

use std::io::Write;
use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::Context;
use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header};
use axum::response::Response;
use skerry_gateway::{Incoming, Reply};
use tokio::net::TcpListener;

use super::Folder;

/// The API over snapshots as a router.
pub fn router(snapshots: Arc<Folder>) -> Router {
    Router::new().fallback(answer).layer(DefaultBodyLimit::max(skerry_gateway::BODY_BYTES_MAX)).with_state(snapshots)
}

/// Serves until Ctrl-C or a termination signal.
///
/// # Errors
/// When the address cannot be listened on.
pub async fn serve(snapshots: Arc<Folder>, listen: SocketAddr) -> anyhow::Result<()> {
    let listener = TcpListener::bind(listen)
        .await
        .with_context(|| format!("listen on {listen}; choose another address with --listen"))?;
    let address = listener.local_addr().context("read the address that was given")?;
    let names: Vec<&str> = snapshots.manifests().map(|manifest| manifest.project.as_str()).collect();
    // Whoever started this may have closed the pipe; that is no reason to stop serving.
    writeln!(std::io::stdout(), "skerry serves {} on http://{address}", names.join(", ")).ok();
    let router = router(snapshots);
    axum::serve(listener, router).with_graceful_shutdown(crate::serve::stopped()).await.context("serve")
}

async fn answer(
    State(snapshots): State<Arc<Folder>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    // Components run on threads of their own: a query may take a while, and others must be heard meanwhile.
    let asked = tokio::task::spawn_blocking(move || {
        let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        snapshots.respond(&Incoming {
            method: method.as_str(),
            path: uri.path(),
            query: uri.query(),
            content_type: text("content-type"),
            request_id: text("x-request-id"),
            body: &body,
        })
    });
    match asked.await {
        Ok(reply) => response(reply),
        Err(error) => {
            tracing::error!(%error, "a request failed");
            response(Reply::problem(&skerry_gateway::Problem::internal(), None))
        }
    }
}

fn response(reply: Reply) -> Response {
    let mut response = Response::new(Body::from(reply.body));
    *response.status_mut() = StatusCode::from_u16(reply.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(reply.content_type));
    response
}
