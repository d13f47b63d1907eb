//! HTTP/1.1 on a port of the loopback interface.

use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use bytes::Bytes;
use http_body_util::combinators::UnsyncBoxBody;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpListener;

/// A body on its way out.
pub(crate) type Body = UnsyncBoxBody<Bytes, wasmtime_wasi_http::Error>;

/// Answers requests.
pub trait Respond: Send + Sync + 'static {
    /// The response to a request; faults are responses too.
    fn respond(&self, request: http::Request<Incoming>) -> impl Future<Output = http::Response<Body>> + Send;
}

/// A server with threads of its own. It stops when it is dropped.
#[derive(Debug)]
pub struct Listener {
    address: SocketAddr,
    // Dropped to stop: connections are cut.
    runtime: Option<tokio::runtime::Runtime>,
}

impl Listener {
    /// Serves on a free port of 127.0.0.1.
    ///
    /// # Errors
    /// No threads, or no port.
    pub fn start(threads: usize, responder: impl Respond) -> std::io::Result<Listener> {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(threads).enable_all().build()?;
        let listener = runtime.block_on(TcpListener::bind((Ipv4Addr::LOCALHOST, 0)))?;
        let address = listener.local_addr()?;
        runtime.spawn(accept(listener, Arc::new(responder)));
        Ok(Listener { address, runtime: Some(runtime) })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

async fn accept(listener: TcpListener, responder: Arc<impl Respond>) {
    loop {
        let Ok((stream, _)) = listener.accept().await else { continue };
        let _ = stream.set_nodelay(true);
        let responder = Arc::clone(&responder);
        tokio::spawn(async move {
            let service = service_fn(|request| {
                let responder = Arc::clone(&responder);
                async move { Ok::<_, Infallible>(responder.respond(request).await) }
            });
            let connection =
                http1::Builder::new().timer(TokioTimer::new()).serve_connection(TokioIo::new(stream), service);
            if let Err(error) = connection.await {
                tracing::debug!(%error, "a connection ended");
            }
        });
    }
}
