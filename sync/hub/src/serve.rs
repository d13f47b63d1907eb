//! A hub at work: everything that runs, and how it stops.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime};

use anyhow::Context;
use axum::serve::ListenerExt;
use sha2::{Digest, Sha256};
use skerry_sync::ProjectName;
use skerry_sync::hub::{Event, Limits};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::api;
use crate::central::{CentralStore, PROBE_EVERY};
use crate::driver::{self, Core, DriverConfig};
use crate::metrics::Metrics;
use crate::notices::{NatsConfig, Notices};
use crate::pace::{Pace, Rates};
use crate::retire::{self, Retirements};
use crate::sessions::{RECHECK_EVERY, Sessions};

/// How long a stopping hub waits for what is being stored.
const STORES_MAX: Duration = Duration::from_secs(20);

/// How long it then waits for clients to take their leave.
const GOODBYES_MAX: Duration = Duration::from_secs(4);

/// How often open documents are looked at again while notices between hubs do not get through.
const LOOK_AGAIN_ALONE: Duration = Duration::from_secs(30);

/// How a hub is set up.
#[derive(Debug, Clone)]
pub struct HubConfig {
    /// Bounds on what clients and documents may take.
    pub limits: Limits,
    /// Rounds of the stateless exchange that a token may ask for in a second, on average; it may save up ten seconds' worth.
    pub exchanges_per_second: u32,
    /// Documents that are worked on at once.
    pub workers: usize,
    /// When to look again for documents of epochs that are over, after there were none: another hub that did not know of the
    /// new epoch may have written to them.
    pub retire_again: Vec<Duration>,
    /// How hubs over one store reach each other.
    pub nats: NatsConfig,
    /// What clients know the hub by: the same at every start, and another for every hub. Made of the store, the machine and
    /// the address where none is given.
    pub name: Option<String>,
}

impl Default for HubConfig {
    fn default() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        HubConfig {
            limits: Limits::default(),
            exchanges_per_second: 100,
            // A huge document takes one of them for seconds; it must not be the only one.
            workers: cores.max(2),
            retire_again: vec![Duration::from_mins(1), Duration::from_mins(5)],
            nats: NatsConfig::default(),
            name: None,
        }
    }
}

/// What requests and connections share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) store: Arc<CentralStore>,
    pub(crate) store_id: String,
    pub(crate) name: String,
    pub(crate) instance: String,
    pub(crate) sessions: Arc<Sessions>,
    pub(crate) core: Core,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) notices: Notices,
    pub(crate) limits: Limits,
    pub(crate) pace: Pace,
    pub(crate) retirements: Retirements,
    /// A permit for each connection that may still be opened.
    pub(crate) places: Arc<Semaphore>,
    pub(crate) noted_projects: Mutex<BTreeSet<ProjectName>>,
    pub(crate) started: Instant,
    pub(crate) started_at: SystemTime,
    pub(crate) ending: Ending,
}

/// The two steps in which a hub ends.
#[derive(Debug, Clone, Default)]
pub(crate) struct Ending {
    /// Nothing new is taken in; what came in is stored and answered.
    pub(crate) draining: CancellationToken,
    /// Connections are closed.
    pub(crate) stopping: CancellationToken,
    pub(crate) connections: TaskTracker,
}

/// A hub that serves. Dropping it leaves it running; see [`RunningHub::stop`].
#[derive(Debug)]
pub struct RunningHub {
    address: SocketAddr,
    shared: Arc<Shared>,
    server: JoinHandle<std::io::Result<()>>,
    driver: JoinHandle<anyhow::Result<()>>,
}

impl RunningHub {
    /// Starts a hub over a store.
    ///
    /// # Errors
    /// When the address cannot be listened on, or the store cannot be read and written.
    pub async fn start(listen: SocketAddr, store: Arc<CentralStore>, config: HubConfig) -> anyhow::Result<RunningHub> {
        let store_id = store.identify().await.with_context(|| format!("use the central store {}", store.shown()))?;
        let mut random = [0; 8];
        getrandom::fill(&mut random).context("choose an id for this run of the hub")?;
        let instance = hex::encode(random);
        let metrics = Arc::new(Metrics::default());
        let (notices, pending) = Notices::connect(&config.nats, &store_id, &instance).await?;
        let listener = TcpListener::bind(listen).await.with_context(|| {
            format!("listen on {listen}; is another hub running there? Choose another address with --listen")
        })?;
        let address = listener.local_addr().context("read the address that was given")?;
        let name = config.name.unwrap_or_else(|| name_of(&store_id, address));
        let (retire, retire_in) = tokio::sync::mpsc::unbounded_channel();
        let (core, driver) = driver::start(DriverConfig {
            limits: config.limits.clone(),
            name: name.clone(),
            workers: config.workers.max(1),
            store: Arc::clone(&store),
            notices: notices.clone(),
            metrics: Arc::clone(&metrics),
            retire,
        });
        if let Some(pending) = pending {
            pending.start(&core);
        }
        let rates = Rates {
            requests: f64::from(config.exchanges_per_second.max(1)),
            bytes: config.limits.bytes_per_second.max(1) as f64,
        };
        let shared = Arc::new(Shared {
            sessions: Sessions::new(Arc::clone(&store)),
            store,
            store_id,
            name,
            instance,
            core,
            metrics,
            notices,
            pace: Pace::new(rates),
            retirements: Retirements::default(),
            places: Arc::new(Semaphore::new(config.limits.connections_max.min(Semaphore::MAX_PERMITS))),
            limits: config.limits,
            noted_projects: Mutex::default(),
            started: Instant::now(),
            started_at: SystemTime::now(),
            ending: Ending::default(),
        });
        start_watches(&shared);
        tokio::spawn(retire::run(Arc::clone(&shared), retire_in, config.retire_again));
        let server = serve_http(listener, &shared);
        tracing::info!(%address, store = shared.store.shown(), name = shared.name, instance = shared.instance, "listening");
        Ok(RunningHub { address, shared, server, driver })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Ends when the hub cannot go on.
    pub async fn failed(&mut self) -> anyhow::Error {
        match (&mut self.driver).await {
            Ok(Ok(())) => anyhow::anyhow!("the hub's core ended"),
            Ok(Err(error)) => error,
            Err(error) => anyhow::anyhow!("the hub's core ended: {error}"),
        }
    }

    /// Stops: takes in nothing new, lets what came in be stored and answered, and sends everybody away to connect again.
    ///
    /// # Errors
    /// When something was still being stored after 20 seconds. Nobody was told that it counts.
    pub async fn stop(self) -> anyhow::Result<()> {
        let ending = &self.shared.ending;
        ending.draining.cancel();
        let stored = tokio::time::timeout(STORES_MAX, self.shared.core.quiet()).await;
        ending.stopping.cancel();
        ending.connections.close();
        let goodbyes = async {
            ending.connections.wait().await;
            self.server.await
        };
        if tokio::time::timeout(GOODBYES_MAX, goodbyes).await.is_err() {
            tracing::warn!("some clients did not take their leave in time");
        }
        self.driver.abort();
        tracing::info!("stopped");
        anyhow::ensure!(stored.is_ok(), "stopped while the store was still busy; nobody was told that it counts");
        Ok(())
    }
}

fn serve_http(listener: TcpListener, shared: &Arc<Shared>) -> JoinHandle<std::io::Result<()>> {
    let listener = listener.tap_io(|socket| {
        // A change must not wait for the next one to fill a packet.
        if let Err(error) = socket.set_nodelay(true) {
            tracing::debug!(%error, "a connection keeps its delay");
        }
    });
    let router = api::router(Arc::clone(shared));
    let draining = shared.ending.draining.clone();
    let serving = axum::serve(listener, router).with_graceful_shutdown(draining.cancelled_owned());
    tokio::spawn(serving.into_future())
}

/// Clients remember how far they came with a hub by its name: it must outlive a restart.
fn name_of(store_id: &str, address: SocketAddr) -> String {
    // Elsewhere than on Linux, hubs on several machines over one store need names that are given.
    let machine = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let digest = Sha256::digest(format!("{store_id}\0{}\0{address}", machine.trim()).as_bytes());
    format!("skerry-hub-{}", hex::encode(digest.get(..8).unwrap_or_default()))
}

/// What is looked at from time to time: tokens of open connections, a store that fails, documents that others may have
/// changed unnoticed.
fn start_watches(shared: &Arc<Shared>) {
    every(shared, RECHECK_EVERY, |shared| async move { shared.sessions.recheck().await });
    every(shared, PROBE_EVERY, |shared| async move {
        if shared.store.health().failing().is_some() {
            // Its outcome is noted where health is asked for.
            shared.store.probe().await.ok();
        }
    });
    let mut last = Instant::now();
    every(shared, Duration::from_secs(1), move |shared| {
        // While notices get through, the core looks at a few documents at a time, which is enough.
        let is_due = !shared.notices.status().up && last.elapsed() >= LOOK_AGAIN_ALONE;
        if is_due {
            last = Instant::now();
        }
        async move {
            if is_due {
                shared.core.notice(Event::Missed).await.ok();
            }
        }
    });
}

fn every<F>(shared: &Arc<Shared>, period: Duration, mut watch: impl FnMut(Arc<Shared>) -> F + Send + 'static)
where
    F: Future<Output = ()> + Send + 'static,
{
    let shared = Arc::clone(shared);
    tokio::spawn(async move {
        let mut ticks = tokio::time::interval(period);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = shared.ending.stopping.cancelled() => return,
                _ = ticks.tick() => watch(Arc::clone(&shared)).await,
            }
        }
    });
}
