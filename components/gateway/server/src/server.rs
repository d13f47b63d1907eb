//! The server: a component behind HTTP.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use wasmtime::component::{Component, Linker};
use wasmtime::{Config, Engine, InstanceAllocationStrategy, PoolingAllocationConfig};
use wasmtime_wasi_http::handler::{ProxyHandler, ProxyPre};

use crate::instances::{self, Instances};
use crate::listener::{Body, Listener, Respond};

/// Ticks of the clock that stops what loops without end.
pub(crate) const EPOCHS_PER_SECOND: u64 = 20;

/// How a component is served.
#[derive(Debug, Clone)]
pub struct ServerConfig {
    /// Requests that one instance answers, one after another; 1 for a fresh instance for each.
    pub requests_per_instance: usize,
    /// How long a request may take, and how long an instance waits for another.
    pub deadline: Duration,
    /// Bytes of each memory of an instance at most.
    pub memory_bytes_max: usize,
    /// Threads that serve connections and run instances.
    pub threads: usize,
}

impl Default for ServerConfig {
    /// Fresh instances, 10 seconds, 1 GiB, two threads.
    fn default() -> Self {
        ServerConfig {
            requests_per_instance: 1,
            deadline: Duration::from_secs(10),
            memory_bytes_max: 1 << 30,
            threads: 2,
        }
    }
}

/// Why a component is not served.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServerError {
    /// It cannot be compiled.
    #[error("the component cannot be compiled: {0}")]
    Compile(String),
    /// It imports what no host of `wasi:http` has.
    #[error("the component cannot be linked: {0}")]
    Link(String),
    /// It answers neither `wasi:http` 0.2 nor 0.3.
    #[error("the component exports neither wasi:http/incoming-handler@0.2 nor wasi:http/handler@0.3")]
    NoHandler,
    /// No threads, or no port.
    #[error("cannot listen")]
    Listen(#[source] std::io::Error),
}

/// A component that is served on a port of 127.0.0.1 until this is dropped.
#[derive(Debug)]
pub struct Server {
    // Dropped first: nobody asks any more when the clock stops.
    listener: Listener,
    made: Arc<AtomicU64>,
    _clock: Clock,
}

impl Server {
    /// Compiles a component and serves it.
    ///
    /// # Errors
    /// See [`ServerError`].
    pub fn start(wasm: &[u8], config: &ServerConfig) -> Result<Server, ServerError> {
        let compile = |error: wasmtime::Error| ServerError::Compile(format!("{error:#}"));
        let engine = engine().map_err(compile)?;
        let component = Component::new(&engine, wasm).map_err(compile)?;
        let link = |error: wasmtime::Error| ServerError::Link(format!("{error:#}"));
        let mut linker = Linker::new(&engine);
        instances::link(&mut linker).map_err(link)?;
        let component = linker.instantiate_pre(&component).map_err(link)?;
        let component = match wasmtime_wasi_http::p3::bindings::ServicePre::new(component.clone()) {
            Ok(service) => ProxyPre::P3(service),
            Err(_) => wasmtime_wasi_http::p2::bindings::ProxyPre::new(component)
                .map(ProxyPre::P2)
                .map_err(|_| ServerError::NoHandler)?,
        };
        let made = Arc::new(AtomicU64::new(0));
        let clock = Clock::start(engine.clone()).map_err(ServerError::Listen)?;
        let state = Instances { engine, component, config: config.clone(), made: Arc::clone(&made) };
        let gateway = Gateway { handler: ProxyHandler::new(state) };
        let listener = Listener::start(config.threads, gateway).map_err(ServerError::Listen)?;
        Ok(Server { listener, made, _clock: clock })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.listener.address()
    }

    /// Instances that were made so far.
    pub fn instances_made(&self) -> u64 {
        self.made.load(Ordering::Relaxed)
    }
}

/// As our own host sets it up, with the asynchronous calls that `wasi:http` 0.3 is made of.
fn engine() -> wasmtime::Result<Engine> {
    let mut pool = PoolingAllocationConfig::new();
    pool.max_memory_size(1 << 32);
    let mut config = Config::new();
    config
        .wasm_component_model_async(true)
        .wasm_relaxed_simd(true)
        .memory_init_cow(true)
        .epoch_interruption(true)
        .allocation_strategy(InstanceAllocationStrategy::Pooling(pool));
    Engine::new(&config)
}

struct Gateway {
    handler: ProxyHandler<Instances>,
}

impl Respond for Gateway {
    async fn respond(&self, request: Request<Incoming>) -> Response<Body> {
        let request = request.map(|body| body.map_err(wasmtime_wasi_http::Error::from).boxed_unsync());
        match self.handler.handle((), request).await {
            Ok(response) => response,
            Err(error) => {
                tracing::warn!(error = format!("{error:#}"), "a request was not answered");
                let mut response = Response::new(Full::default().map_err(|never| match never {}).boxed_unsync());
                *response.status_mut() = StatusCode::BAD_GATEWAY;
                response
            }
        }
    }
}

/// A thread that moves the engine's epoch on.
#[derive(Debug)]
struct Clock(Arc<AtomicBool>);

impl Clock {
    fn start(engine: Engine) -> std::io::Result<Clock> {
        let stopped = Arc::new(AtomicBool::new(false));
        let seen = Arc::clone(&stopped);
        let tick = move || {
            while !seen.load(Ordering::Relaxed) {
                std::thread::sleep(Duration::from_secs(1) / EPOCHS_PER_SECOND as u32);
                engine.increment_epoch();
            }
        };
        std::thread::Builder::new().name("gateway-epoch".to_owned()).spawn(tick)?;
        Ok(Clock(stopped))
    }
}

impl Drop for Clock {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}
