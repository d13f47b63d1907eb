//! `wasi:http` 0.3, through the SDK of Spin: Spin 4.1 and newer, `wasmtime serve` with asynchronous components.

use http_body_util::BodyExt;
use spin_sdk::http::{IntoResponse, Request};
use spin_sdk::http_service;

use super::Composed;
use crate::{Incoming, Problem, Reply, respond};

#[http_service]
async fn handle(request: Request) -> impl IntoResponse {
    let (parts, body) = request.into_parts();
    let header = |name: &str| parts.headers.get(name).and_then(|value| value.to_str().ok());
    let request_id = header("x-request-id");
    let Reply { status, content_type, body } = match body.collect().await {
        Ok(body) => {
            let body = body.to_bytes();
            let incoming = Incoming {
                method: parts.method.as_str(),
                path: parts.uri.path(),
                query: parts.uri.query(),
                content_type: header("content-type"),
                request_id,
                body: &body,
            };
            respond(&mut Composed, &incoming)
        }
        Err(_) => Reply::problem(&Problem::incomplete_body(), request_id),
    };
    http::Response::builder()
        .status(status)
        .header("content-type", content_type)
        .header("content-length", body.len())
        .body(http_body_util::Full::new(bytes::Bytes::from(body)))
}
