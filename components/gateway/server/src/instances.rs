//! Instances of a component: how they are made, how long they live, and how many requests each one takes.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use http::{Request, Response};
use wasmtime::component::{Linker, ResourceTable};
use wasmtime::{Store, StoreContextMut, StoreLimits, StoreLimitsBuilder};
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};
use wasmtime_wasi_http::handler::{
    HandlerState, Instance, ProxyPre, ShouldAccept, WorkerExpiration, WorkerState, WorkerStatus,
};
use wasmtime_wasi_http::{Error, RequestOptions, WasiBody, WasiHttpCtx, WasiHttpCtxView, WasiHttpHooks, WasiHttpView};

use crate::server::{EPOCHS_PER_SECOND, ServerConfig};

/// What an instance sees of the world: no environment, no files, no network, and a clock.
pub(crate) struct Guest {
    wasi: WasiCtx,
    http: WasiHttpCtx,
    table: ResourceTable,
    hooks: NoRequests,
    limits: StoreLimits,
}

/// A guest here has nobody to ask: every request of its own is denied.
struct NoRequests;

/// The other side of a request: a response, and what is left to do for it.
type Sent = (Response<WasiBody>, Box<dyn Future<Output = Result<(), Error>> + Send>);

impl WasiHttpHooks for NoRequests {
    fn send_request(
        &mut self,
        _: Request<WasiBody>,
        _: Option<RequestOptions>,
        _: Box<dyn Future<Output = Result<(), Error>> + Send>,
    ) -> Box<dyn Future<Output = Result<Sent, Error>> + Send> {
        Box::new(std::future::ready(Err(Error::HttpRequestDenied)))
    }
}

impl WasiView for Guest {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.wasi, table: &mut self.table }
    }
}

impl WasiHttpView for Guest {
    fn http(&mut self) -> WasiHttpCtxView<'_> {
        WasiHttpCtxView { ctx: &mut self.http, table: &mut self.table, hooks: &mut self.hooks }
    }
}

/// Adds what `wasi:http` of both versions may import.
pub(crate) fn link(linker: &mut Linker<Guest>) -> wasmtime::Result<()> {
    wasmtime_wasi::p2::add_to_linker_async(linker)?;
    wasmtime_wasi::p3::add_to_linker(linker)?;
    wasmtime_wasi_http::p2::add_only_http_to_linker_async(linker)?;
    wasmtime_wasi_http::p3::add_to_linker(linker)
}

/// Makes instances.
pub(crate) struct Instances {
    pub(crate) engine: wasmtime::Engine,
    pub(crate) component: ProxyPre<Guest>,
    pub(crate) config: ServerConfig,
    pub(crate) made: Arc<AtomicU64>,
}

impl HandlerState for Instances {
    type StoreData = Guest;
    type WorkerExpiration = Lifetime;
    type WorkerState = Work;

    async fn instantiate(&self) -> wasmtime::Result<Instance<Guest, Lifetime, Work>> {
        let limits = StoreLimitsBuilder::new().memory_size(self.config.memory_bytes_max).build();
        let guest = Guest {
            wasi: WasiCtx::builder().build(),
            http: WasiHttpCtx::new(),
            table: ResourceTable::new(),
            hooks: NoRequests,
            limits,
        };
        let mut store = Store::new(&self.engine, guest);
        store.limiter(|guest| &mut guest.limits);
        let epochs = epochs(self.config.deadline);
        store.set_epoch_deadline(epochs);
        let proxy = self.component.instantiate_async(&mut store).await?;
        self.made.fetch_add(1, Ordering::Relaxed);
        Ok(Instance {
            store,
            proxy,
            view: WasiHttpView::http,
            expiration: Lifetime { deadline: self.config.deadline, alarm: None },
            state: Work { requests_max: self.config.requests_per_instance, deadline: self.config.deadline },
        })
    }
}

fn epochs(duration: Duration) -> u64 {
    (duration.as_secs_f64() * EPOCHS_PER_SECOND as f64).ceil() as u64 + 1
}

/// How long an instance may be in one state.
pub(crate) struct Lifetime {
    deadline: Duration,
    alarm: Option<(Instant, Pin<Box<tokio::time::Sleep>>)>,
}

impl WorkerExpiration for Lifetime {
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>, _: WorkerStatus, start: Instant) -> Poll<()> {
        let deadline = self.deadline;
        let renewed = self.alarm.as_ref().is_none_or(|(of, _)| *of != start);
        if renewed {
            self.alarm = Some((start, Box::pin(tokio::time::sleep_until((start + deadline).into()))));
        }
        self.alarm.as_mut().map_or(Poll::Pending, |(_, alarm)| alarm.as_mut().poll(cx))
    }
}

/// How much an instance takes on.
pub(crate) struct Work {
    requests_max: usize,
    deadline: Duration,
}

impl WorkerState for Work {
    type StoreData = Guest;
    type RequestData = ();

    fn should_accept_request(&self, concurrent_count: usize, total_count: usize) -> ShouldAccept {
        match total_count {
            total if total >= self.requests_max => ShouldAccept::Never,
            // The gateway computes; it never waits for anything that another request could use.
            _ if concurrent_count > 0 => ShouldAccept::No,
            _ => ShouldAccept::Yes,
        }
    }

    fn on_request_start(
        &self,
        mut store: StoreContextMut<'_, Guest>,
        (): (),
        _: wasmtime::component::GuestTaskId,
    ) -> Pin<Box<dyn Future<Output = ()> + 'static + Send + Sync>> {
        // What loops without end is stopped by the epoch; what waits without end by this.
        store.set_epoch_deadline(epochs(self.deadline));
        Box::pin(tokio::time::sleep(self.deadline))
    }

    fn drop(&self, store: Store<Guest>, result: Result<(), wasmtime::Error>) {
        if let Err(error) = result {
            tracing::warn!(error = format!("{error:#}"), "an instance of the gateway ended");
        }
        drop(store);
    }
}
