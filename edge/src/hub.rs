//! The node's connection to a hub: made once, kept, and made again with growing pauses whenever it ends.
//!
//! What is said on it is decided by [`Client`], which knows no sockets; here it is fed with frames, local changes and time.
//! Proxies are not used: the address of the hub must be reachable as it is.

mod address;
mod follow;
mod link;

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use skerry_sync::wire::client::{Client, ClientEffect, ClientEvent, ClientStatus};
use skerry_sync::{ProjectName, ReadError, Replica};
use tokio::sync::{Notify, watch};

pub use address::{AddressError, HubAddress, HubToken};

use crate::clock;
use crate::node::Node;
use follow::Follower;
use link::{Frame, Link, News};

/// Frames, and bytes of them, that are stored together.
const TOGETHER_MAX: usize = 256;
const TOGETHER_BYTES_MAX: usize = 16 << 20;

/// How often the client is told that time passes.
const TICK: Duration = Duration::from_secs(1);

/// How long what was handed to the socket may take when the node stops.
const GOODBYE_MAX: Duration = Duration::from_secs(1);

/// The note that names the hub of this folder, for commands on the folder while nobody serves it.
const NOTE: &str = "hub";

/// Which hub, and what to sync with it.
#[derive(Debug, Clone)]
pub struct HubConfig {
    /// Where it is.
    pub address: HubAddress,
    /// What opens it.
    pub token: Option<HubToken>,
    /// The projects to sync; all of this node, also those that are made later, when none.
    pub projects: Option<BTreeSet<ProjectName>>,
}

/// That note: JSON.
#[derive(Serialize, Deserialize)]
struct Note {
    url: String,
    /// All when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    projects: Option<Vec<String>>,
}

impl Note {
    fn of(config: &HubConfig) -> Note {
        let names = |projects: &BTreeSet<ProjectName>| projects.iter().map(ToString::to_string).collect();
        Note { url: config.address.to_string(), projects: config.projects.as_ref().map(names) }
    }

    fn to_json(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }
}

/// The node's connection to a hub.
#[derive(Debug)]
pub struct Hub {
    config: HubConfig,
    client: Mutex<Client>,
    changed: Mutex<BTreeSet<ProjectName>>,
    wake: Notify,
    stopping: watch::Sender<bool>,
    started: Instant,
    /// Unix time when it was started.
    epoch: Duration,
}

impl Hub {
    /// The connection of a node, not begun yet.
    ///
    /// # Errors
    /// [`ReadError`] when the replica cannot be read.
    pub fn new(node: &Node, config: HubConfig) -> Result<Arc<Hub>, ReadError> {
        let replica = node.replica().clone();
        let peer_id = format!("skerry-{}", node.instance());
        let client = Client::new(replica.clone(), config.address.as_str(), &peer_id);
        let hub = Arc::new(Hub::over(client, config));
        let followed: Vec<ProjectName> = match &hub.config.projects {
            Some(projects) => projects.iter().cloned().collect(),
            None => replica.projects()?.into_iter().map(|info| info.name).collect(),
        };
        for project in followed {
            hub.client().handle(hub.now(), ClientEvent::Subscribe(project));
        }
        if let Err(error) = replica.put_note(NOTE, &Note::of(&hub.config).to_json()) {
            tracing::warn!(%error, "the hub's address could not be noted down");
        }
        let changed: Weak<Hub> = Arc::downgrade(&hub);
        replica.on_change(move |project| {
            if let Some(hub) = changed.upgrade() {
                lock(&hub.changed).insert(project.clone());
                hub.wake.notify_one();
            }
        });
        Ok(hub)
    }

    fn over(client: Client, config: HubConfig) -> Hub {
        Hub {
            config,
            client: Mutex::new(client),
            changed: Mutex::default(),
            wake: Notify::new(),
            stopping: watch::Sender::new(false),
            started: Instant::now(),
            epoch: Duration::from_millis(u64::try_from(clock::now().0).unwrap_or(0)),
        }
    }

    /// What the last connection of a folder left behind, for a node that has none: how its projects stand with that hub.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn last(replica: &Replica) -> Result<Option<(HubAddress, ClientStatus)>, ReadError> {
        let note = replica.note_of(NOTE)?.and_then(|note| serde_json::from_str::<Note>(&note).ok());
        let Some(note) = note else { return Ok(None) };
        let Ok(address) = HubAddress::parse(&note.url) else { return Ok(None) };
        let mut client = Client::new(replica.clone(), address.as_str(), "");
        let projects = match note.projects {
            Some(names) => names.iter().filter_map(|name| ProjectName::parse(name).ok()).collect(),
            None => replica.projects()?.into_iter().map(|info| info.name).collect::<Vec<_>>(),
        };
        for project in projects {
            client.handle(Duration::ZERO, ClientEvent::Subscribe(project));
        }
        Ok(Some((address, client.status(Duration::ZERO)?)))
    }

    fn client(&self) -> MutexGuard<'_, Client> {
        lock(&self.client)
    }

    /// Unix time that never goes back.
    pub fn now(&self) -> Duration {
        self.epoch + self.started.elapsed()
    }

    /// Where the hub is.
    pub fn address(&self) -> &HubAddress {
        &self.config.address
    }

    /// How the projects stand with the hub.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn status(&self) -> Result<ClientStatus, ReadError> {
        self.client().status(self.now())
    }

    /// Ends the connection; [`Hub::run`] returns then.
    pub fn stop(&self) {
        self.stopping.send_replace(true);
    }

    /// Keeps the node connected until [`Hub::stop`].
    pub async fn run(self: Arc<Self>, node: Arc<Node>) {
        if self.config.token.is_some() && self.config.address.is_open_to_read() {
            tracing::warn!(hub = %self.address(), "the token goes to the hub unencrypted; use wss:// where the hub has it");
        }
        let follower = Follower::new(node);
        let mut stopping = self.stopping.subscribe();
        let mut ticks = tokio::time::interval(TICK);
        let mut link = self.connect(Duration::ZERO);
        loop {
            let events = tokio::select! {
                _ = stopping.wait_for(|stopping| *stopping) => break,
                _ = ticks.tick() => vec![ClientEvent::Tick],
                () = self.wake.notified() => self.local_changes(),
                news = link.news.recv() => heard(news, &mut link),
            };
            for event in events {
                let effects = self.handle(event).await;
                if let Some(next) = self.carry_out(effects, &link, &follower).await {
                    link = next;
                    break;
                }
            }
        }
        link.close(GOODBYE_MAX).await;
        // What the hub has is noted down.
        self.handle(ClientEvent::Closed { reason: "the node stops".to_owned(), random: 0 }).await;
    }

    fn connect(&self, pause: Duration) -> Link {
        Link::open(&self.config.address, self.config.token.as_ref(), pause)
    }

    /// Runs the client off the threads that serve connections: it reads and writes the disk.
    async fn handle(self: &Arc<Self>, event: ClientEvent) -> Vec<ClientEffect> {
        let hub = Arc::clone(self);
        let handled = tokio::task::spawn_blocking(move || {
            let now = hub.now();
            hub.client().handle(now, event)
        });
        handled.await.unwrap_or_else(|error| {
            tracing::error!(%error, "the connection to the hub failed inside");
            vec![ClientEffect::Close { reason: "a fault of this program; its log has the cause".to_owned() }]
        })
    }

    /// Projects that have changed here since this was asked last. Where all are synced, a new one is one of them.
    fn local_changes(&self) -> Vec<ClientEvent> {
        let changed = std::mem::take(&mut *lock(&self.changed));
        let all = self.config.projects.is_none();
        changed.into_iter().map(if all { ClientEvent::Subscribe } else { ClientEvent::Changed }).collect()
    }

    /// Does what the client says; answers the link to go on with when it is another one.
    async fn carry_out(self: &Arc<Self>, effects: Vec<ClientEffect>, link: &Link, follower: &Follower) -> Option<Link> {
        let mut effects: std::collections::VecDeque<ClientEffect> = effects.into();
        while let Some(effect) = effects.pop_front() {
            match effect {
                ClientEffect::Send(frame) => link.send(frame).await,
                ClientEffect::Arrived { project } => follower.follow(project),
                ClientEffect::Settled { project } => {
                    tracing::debug!(hub = %self.address(), %project, "the hub and this node have the same");
                }
                ClientEffect::Close { reason } => {
                    effects = self.handle(ClientEvent::Closed { reason, random: random() }).await.into();
                }
                ClientEffect::ConnectAt(at) => {
                    let pause = at.saturating_sub(self.now());
                    tracing::info!(hub = %self.address(), pause_ms = pause.as_millis(), "connecting again after a pause");
                    return Some(self.connect(pause));
                }
                other => tracing::error!(?other, "an effect that this program does not know"),
            }
        }
        None
    }
}

/// News of the link, and whatever else has come by now: what comes together is stored together.
fn heard(news: Option<News>, link: &mut Link) -> Vec<ClientEvent> {
    let mut frames: Vec<Frame> = Vec::new();
    let mut bytes = 0;
    let mut next = Some(news.unwrap_or_else(|| News::Closed("the connection broke".to_owned())));
    let mut events = Vec::new();
    while let Some(news) = next.take() {
        match news {
            News::Opened => {
                link.opened = true;
                events.push(ClientEvent::Opened);
            }
            News::Frame(frame) => {
                bytes += frame.bytes.len();
                frames.push(frame);
            }
            News::Closed(reason) => {
                events.push(ClientEvent::Closed { reason, random: random() });
                break;
            }
        }
        if frames.len() < TOGETHER_MAX && bytes < TOGETHER_BYTES_MAX {
            next = link.news.try_recv().ok();
        }
    }
    if !frames.is_empty() {
        let at = events.iter().position(|event| matches!(event, ClientEvent::Closed { .. })).unwrap_or(events.len());
        events.insert(at, ClientEvent::Received(frames.into_iter().map(|frame| frame.bytes).collect()));
    }
    events
}

/// Any number. Without randomness the pause is the longest.
fn random() -> u64 {
    let mut bytes = [0; 8];
    getrandom::fill(&mut bytes).map_or(u64::MAX, |()| u64::from_le_bytes(bytes))
}

/// A lock whose holder panicked still guards whole state: what was not finished is done again with the next connection.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
