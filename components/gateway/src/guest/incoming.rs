//! `wasi:http` 0.2: Spin 3, `wasmtime serve`, and most other hosts.

use wasip2::exports::http::incoming_handler::Guest;
use wasip2::http::types::{
    Fields, IncomingBody, IncomingRequest, Method, OutgoingBody, OutgoingResponse, ResponseOutparam,
};
use wasip2::io::streams::StreamError;

use super::Composed;
use crate::{BODY_BYTES_MAX, Incoming, Problem, Reply, respond};

/// Bytes of a body that are read or written at a time.
const CHUNK_BYTES: usize = 64 << 10;

/// Bytes that a stream takes in one blocking call, by its definition.
const WRITE_BYTES_MAX: usize = 4_096;

wasip2::http::proxy::export!(Handler);

struct Handler;

impl Guest for Handler {
    fn handle(request: IncomingRequest, out: ResponseOutparam) {
        send(reply(&request), out);
    }
}

fn reply(request: &IncomingRequest) -> Reply {
    let headers = request.headers();
    let header = |name: &str| headers.get(name).pop().and_then(|value| String::from_utf8(value).ok());
    let (content_type, request_id) = (header("content-type"), header("x-request-id"));
    let method = method(request.method());
    let address = request.path_with_query().unwrap_or_default();
    let (path, query) = address.split_once('?').map_or((address.as_str(), None), |(path, query)| (path, Some(query)));
    let body = match request.consume().ok().map(read) {
        Some(Ok(body)) => body,
        Some(Err(problem)) => return Reply::problem(&problem, request_id.as_deref()),
        None => Vec::new(),
    };
    let incoming = Incoming {
        method: &method,
        path,
        query,
        content_type: content_type.as_deref(),
        request_id: request_id.as_deref(),
        body: &body,
    };
    respond(&mut Composed, &incoming)
}

fn method(method: Method) -> String {
    let name = match method {
        Method::Get => "GET",
        Method::Head => "HEAD",
        Method::Post => "POST",
        Method::Put => "PUT",
        Method::Delete => "DELETE",
        Method::Connect => "CONNECT",
        Method::Options => "OPTIONS",
        Method::Trace => "TRACE",
        Method::Patch => "PATCH",
        Method::Other(name) => return name,
    };
    name.to_owned()
}

/// The whole body, and one byte more than is taken when it is too large.
fn read(body: IncomingBody) -> Result<Vec<u8>, Problem> {
    let stream = body.stream().map_err(|()| Problem::incomplete_body())?;
    let mut bytes = Vec::new();
    loop {
        match stream.blocking_read(CHUNK_BYTES as u64) {
            Ok(chunk) => bytes.extend_from_slice(&chunk),
            Err(StreamError::Closed) => return Ok(bytes),
            Err(StreamError::LastOperationFailed(_)) => return Err(Problem::incomplete_body()),
        }
        // `respond` says that it is too large; the rest need not be read for that.
        if bytes.len() > BODY_BYTES_MAX {
            return Ok(bytes);
        }
    }
}

/// Whoever asked may have gone; then there is nobody to tell.
fn send(reply: Reply, out: ResponseOutparam) {
    let Reply { status, content_type, body } = reply;
    let length = body.len().to_string().into_bytes();
    let headers = Fields::new();
    let _ = headers.append("content-type", content_type.as_bytes());
    let _ = headers.append("content-length", &length);
    let response = OutgoingResponse::new(headers);
    let _ = response.set_status_code(status);
    let Ok(outgoing) = response.body() else { return };
    ResponseOutparam::set(out, Ok(response));
    if let Ok(stream) = outgoing.write() {
        for chunk in body.chunks(WRITE_BYTES_MAX) {
            if stream.blocking_write_and_flush(chunk).is_err() {
                return;
            }
        }
    }
    let _ = OutgoingBody::finish(outgoing, None);
}
