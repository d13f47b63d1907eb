//! Notices between hubs over one store: "this chunk is stored", and ephemeral messages.
//!
//! What counts is in the store; a notice only says where to look. Chunk notices go to a JetStream stream, so that a hub that
//! was away catches up, and reach hubs that are there at once as plain messages too. Where notices may have been lost,
//! whoever lost them, every hub looks at all its open documents again. Ephemeral messages are lost when nobody hears them.

mod listen;
mod publish;
mod recent;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use async_nats::jetstream::stream::{Config as StreamConfig, DiscardPolicy, StorageType};
use async_nats::{Client, ConnectOptions, HeaderMap};
use bytes::Bytes;
use skerry_sync::document::DocumentId;
use skerry_sync::hub::ChunkName;
use tokio::sync::mpsc;

use crate::driver::Core;
use recent::Recent;

/// Notices that wait for NATS. Beyond that they are dropped, and all hubs are told to look at everything once it is back.
const ANNOUNCEMENTS_MAX: usize = 10_000;

/// Ephemeral messages that wait for NATS. Beyond that they are dropped.
const RELAYS_MAX: usize = 1_024;

/// How long notices are kept for hubs that are away.
const AGE_MAX: Duration = Duration::from_hours(1);

/// Replicas of the stream of notices, where there are servers enough.
const REPLICAS: usize = 3;

/// Names the hub that a message comes from, so that it passes over its own.
const HUB_HEADER: &str = "Skerry-Hub";

/// In place of a document's id: notices were lost, everything is to be looked at.
const LOST: &str = "lost";

/// How hubs reach each other.
#[derive(Debug, Clone, Default)]
pub struct NatsConfig {
    /// Addresses of the servers; none: this hub is alone.
    pub servers: Vec<String>,
    /// The contents of a credentials file.
    pub credentials: Option<String>,
}

/// Why notices cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NatsError {
    /// An address is none.
    #[error("`{address}` is no address of a NATS server, which looks like nats://127.0.0.1:4222: {reason}")]
    Address {
        /// The address, without secrets.
        address: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The credentials cannot be used.
    #[error("the NATS credentials cannot be used: {0}")]
    Credentials(String),
    /// The client does not start.
    #[error("NATS: {0}")]
    Connect(String),
}

/// The way to the other hubs. Of a hub that is alone it leads nowhere.
#[derive(Debug, Clone)]
pub struct Notices {
    ways: Option<Ways>,
}

#[derive(Debug, Clone)]
struct Ways {
    announcements: mpsc::Sender<(DocumentId, ChunkName)>,
    relays: mpsc::Sender<(DocumentId, Vec<u8>)>,
    state: Arc<State>,
}

/// How notices do.
#[derive(Debug, Default)]
struct State {
    connected: AtomicBool,
    listening: AtomicBool,
    lost: AtomicBool,
    dropped: AtomicU64,
    received: AtomicU64,
    sequence: AtomicU64,
}

/// How notices do, for people.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NoticesStatus {
    /// Whether there are other hubs to tell.
    pub configured: bool,
    /// Whether notices get through both ways.
    pub up: bool,
    /// Notices that wait to be sent.
    pub waiting: usize,
    /// Notices that were dropped since the start. None of them is lost: hubs look at everything afterwards.
    pub dropped: u64,
    /// Notices of other hubs.
    pub received: u64,
}

/// Starts together with the core, which it needs and which needs it.
#[derive(Debug)]
pub(crate) struct Pending {
    link: Link,
    announcements: mpsc::Receiver<(DocumentId, ChunkName)>,
    relays: mpsc::Receiver<(DocumentId, Vec<u8>)>,
    servers: usize,
}

/// What the tasks share.
#[derive(Debug, Clone)]
struct Link {
    client: Client,
    store_id: String,
    hub_id: String,
    state: Arc<State>,
    recent: Arc<Recent>,
}

impl Notices {
    /// The way to the other hubs over the store with this id. Does not wait for the servers: a hub serves without them.
    ///
    /// # Errors
    /// [`NatsError`] when an address or the credentials cannot be used at all.
    pub(crate) async fn connect(
        config: &NatsConfig,
        store_id: &str,
        hub_id: &str,
    ) -> Result<(Notices, Option<Pending>), NatsError> {
        if config.servers.is_empty() {
            return Ok((Notices { ways: None }, None));
        }
        let mut addresses = Vec::new();
        for address in &config.servers {
            let parsed = address.parse::<async_nats::ServerAddr>();
            let shown = || address.rsplit_once('@').map_or(address.as_str(), |(_, host)| host).to_owned();
            addresses.push(parsed.map_err(|error| NatsError::Address { address: shown(), reason: error.to_string() })?);
        }
        let state = Arc::new(State::default());
        let client = options(config, hub_id, &state)?
            .connect(addresses)
            .await
            .map_err(|error| NatsError::Connect(error.to_string()))?;
        let (announcements, announcements_in) = mpsc::channel(ANNOUNCEMENTS_MAX);
        let (relays, relays_in) = mpsc::channel(RELAYS_MAX);
        let link = Link {
            client,
            store_id: store_id.to_owned(),
            hub_id: hub_id.to_owned(),
            state: Arc::clone(&state),
            recent: Arc::default(),
        };
        let servers = config.servers.len();
        let pending = Pending { link, announcements: announcements_in, relays: relays_in, servers };
        Ok((Notices { ways: Some(Ways { announcements, relays, state }) }, Some(pending)))
    }

    /// Tells the other hubs of a chunk. Never waits.
    pub(crate) fn announce(&self, document: DocumentId, chunk: ChunkName) {
        let Some(ways) = &self.ways else { return };
        if ways.announcements.try_send((document, chunk)).is_err() {
            ways.state.dropped.fetch_add(1, Ordering::Relaxed);
            ways.state.lost.store(true, Ordering::Release);
        }
    }

    /// Tells the other hubs an ephemeral message, where they can be reached.
    pub(crate) fn relay(&self, document: DocumentId, frame: Vec<u8>) {
        let Some(ways) = &self.ways else { return };
        if ways.relays.try_send((document, frame)).is_err() {
            tracing::debug!(%document, "an ephemeral message is dropped: too many wait");
        }
    }

    /// How notices do.
    pub fn status(&self) -> NoticesStatus {
        let Some(ways) = &self.ways else {
            return NoticesStatus { configured: false, up: true, waiting: 0, dropped: 0, received: 0 };
        };
        NoticesStatus {
            configured: true,
            up: ways.state.is_up(),
            waiting: ways.announcements.max_capacity() - ways.announcements.capacity(),
            dropped: ways.state.dropped.load(Ordering::Relaxed),
            received: ways.state.received.load(Ordering::Relaxed),
        }
    }
}

impl State {
    fn is_up(&self) -> bool {
        self.connected.load(Ordering::Relaxed) && self.listening.load(Ordering::Relaxed)
    }
}

impl Pending {
    /// Starts sending and listening. Goes on until the process ends.
    pub(crate) fn start(self, core: &Core) {
        let Pending { link, announcements, relays, servers } = self;
        tokio::spawn(publish::announce(link.clone(), announcements));
        tokio::spawn(publish::relay(link.clone(), relays));
        tokio::spawn(listen::follow_messages(link.clone(), core.clone()));
        tokio::spawn(listen::follow_stream(link, core.clone(), servers));
    }
}

impl Link {
    fn chunks_subject(&self, document: &str) -> String {
        format!("skerry.{}.chunks.{document}", self.store_id)
    }

    fn ephemeral_subject(&self, document: &str) -> String {
        format!("skerry.{}.ephemeral.{document}", self.store_id)
    }

    fn stream_config(&self, servers: usize) -> StreamConfig {
        StreamConfig {
            name: format!("SKERRY_{}", self.store_id),
            subjects: vec![self.chunks_subject("*")],
            max_age: AGE_MAX,
            storage: StorageType::File,
            discard: DiscardPolicy::Old,
            // Two replicas would stop when either server does.
            num_replicas: if servers >= REPLICAS { REPLICAS } else { 1 },
            ..StreamConfig::default()
        }
    }

    fn headers(&self) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(HUB_HEADER, self.hub_id.as_str());
        headers
    }

    fn is_own(&self, headers: Option<&HeaderMap>) -> bool {
        headers.and_then(|headers| headers.get(HUB_HEADER)).is_some_and(|hub| hub.as_str() == self.hub_id)
    }
}

fn options(config: &NatsConfig, hub_id: &str, state: &Arc<State>) -> Result<ConnectOptions, NatsError> {
    crate::central::use_ring();
    let state = Arc::clone(state);
    let options = ConnectOptions::new()
        .name(format!("skerry-hub {hub_id}"))
        .retry_on_initial_connect()
        .max_reconnects(None)
        .connection_timeout(Duration::from_secs(3))
        .ping_interval(Duration::from_secs(5))
        .reconnect_delay_callback(|attempts| Duration::from_millis(100 * attempts.min(20) as u64))
        .event_callback(move |event| {
            match event {
                async_nats::Event::Connected => state.connected.store(true, Ordering::Relaxed),
                async_nats::Event::Disconnected | async_nats::Event::Closed => {
                    state.connected.store(false, Ordering::Relaxed);
                }
                _ => {}
            }
            async move { tracing::info!(%event, "nats") }
        });
    match &config.credentials {
        Some(text) => options.credentials(text).map_err(|error| NatsError::Credentials(error.to_string())),
        None => Ok(options),
    }
}

/// What a chunk notice says.
fn encode(chunk: ChunkName) -> Bytes {
    Bytes::copy_from_slice(&chunk.0)
}
