//! Owns the hub's core: events go in from sockets, requests and other hubs, effects come out and are carried out.
//!
//! One task feeds the core. It never waits for a socket, the store or a document: those run as tasks of their own and
//! report back as events.

mod operation;

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use skerry_sync::hub::{CloseReason, ConnectionId, Effect, Event, ExchangeId, Grant, Hub, HubStatus, Limits};
use skerry_sync::{ExchangeError, ProjectName};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};
use tokio::time::MissedTickBehavior;

use crate::central::CentralStore;
use crate::metrics::Metrics;
use crate::notices::Notices;

/// Commands that wait for the core. Whoever brings more waits, and so does the client whose frame it is.
const COMMANDS_MAX: usize = 1_024;

/// Frames that wait for one connection's socket. The core stops far below, by bytes; a connection that passes it is cut.
const FRAMES_MAX: usize = 65_536;

/// Bytes of frames and bodies that wait for the core, besides one of the greatest size.
const WAITING_BYTES: usize = 64 << 20;

/// Bytes of exchange bodies that are being received, besides one of the greatest size. Apart from frames: a client that is slow to
/// send its body must not hold up others' frames.
const BODIES_BYTES: usize = 256 << 20;

/// How often the core is told that time has passed.
const TICK_EVERY: Duration = Duration::from_secs(1);

/// For a connection's socket.
#[derive(Debug)]
pub(crate) enum Outgoing {
    /// Send it and report it.
    Frame(Vec<u8>),
    /// Say why and close.
    Close(CloseReason),
}

/// What the core's task is told from outside.
enum Command {
    Connect { connection: ConnectionId, grant: Grant, outgoing: mpsc::Sender<Outgoing> },
    Exchange { grant: Grant, project: ProjectName, body: Vec<u8>, answer: oneshot::Sender<Answer> },
    Event(Event),
    Status(oneshot::Sender<HubStatus>),
    Quiet(oneshot::Sender<()>),
}

/// A command and its share of the bytes that may wait.
struct Envelope {
    command: Command,
    _room: Option<OwnedSemaphorePermit>,
}

/// What an exchange is answered with.
type Answer = Result<Vec<u8>, ExchangeError>;

/// What tasks of the driver report back.
#[derive(Debug)]
enum Report {
    /// For the core.
    Event(Event),
    /// An operation that the core started is done.
    Done(Event),
    /// One that the core need not hear of.
    Silent,
    /// Something that must not happen: the process has to start anew.
    Fatal(String),
}

/// The way to the core.
#[derive(Debug, Clone)]
pub(crate) struct Core {
    commands: mpsc::Sender<Envelope>,
    reports: mpsc::UnboundedSender<Report>,
    room: Arc<Semaphore>,
    room_max: usize,
    bodies: Arc<Semaphore>,
    bodies_max: usize,
    connections: Arc<AtomicU64>,
}

/// The core's task has ended: the hub is stopping.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the hub is stopping")]
pub(crate) struct Stopped;

/// What the driver works with.
#[derive(Debug)]
pub(crate) struct DriverConfig {
    pub(crate) limits: Limits,
    pub(crate) name: String,
    pub(crate) workers: usize,
    pub(crate) store: Arc<CentralStore>,
    pub(crate) notices: Notices,
    pub(crate) metrics: Arc<Metrics>,
    /// Projects of which documents of older epochs may be in the store.
    pub(crate) retire: mpsc::UnboundedSender<ProjectName>,
}

struct Driver {
    core: Hub,
    started: Instant,
    store: Arc<CentralStore>,
    notices: Notices,
    metrics: Arc<Metrics>,
    retire: mpsc::UnboundedSender<ProjectName>,
    connections: HashMap<ConnectionId, mpsc::Sender<Outgoing>>,
    exchanges: HashMap<ExchangeId, oneshot::Sender<Answer>>,
    exchanges_seen: u64,
    /// Not bounded: every sender is a task that the core started or a frame that it handed out, and it bounds both.
    reports: mpsc::UnboundedSender<Report>,
    workers: Arc<Semaphore>,
    outstanding: usize,
    quiet: Vec<oneshot::Sender<()>>,
}

/// Starts the core's task. It ends when every [`Core`] is gone, or with an error that only a new process mends.
pub(crate) fn start(config: DriverConfig) -> (Core, tokio::task::JoinHandle<anyhow::Result<()>>) {
    let (commands, commands_in) = mpsc::channel(COMMANDS_MAX);
    let (reports, reports_in) = mpsc::unbounded_channel();
    let room_max = config.limits.frame_bytes_max.max(WAITING_BYTES);
    let bodies_max = config.limits.frame_bytes_max.max(BODIES_BYTES);
    let core = Core {
        commands,
        reports: reports.clone(),
        room: Arc::new(Semaphore::new(room_max)),
        room_max,
        bodies: Arc::new(Semaphore::new(bodies_max)),
        bodies_max,
        connections: Arc::default(),
    };
    let driver = Driver {
        core: Hub::new(config.limits, config.name),
        started: Instant::now(),
        store: config.store,
        notices: config.notices,
        metrics: config.metrics,
        retire: config.retire,
        connections: HashMap::new(),
        exchanges: HashMap::new(),
        exchanges_seen: 0,
        reports,
        workers: Arc::new(Semaphore::new(config.workers)),
        outstanding: 0,
        quiet: Vec::new(),
    };
    (core, tokio::spawn(driver.run(commands_in, reports_in)))
}

impl Core {
    /// Takes in a connection whose token allows something. Answers its number and the frames for its socket.
    pub(crate) async fn connect(&self, grant: Grant) -> Result<(ConnectionId, mpsc::Receiver<Outgoing>), Stopped> {
        let connection = ConnectionId(self.connections.fetch_add(1, Ordering::Relaxed));
        let (outgoing, frames) = mpsc::channel(FRAMES_MAX);
        self.send(Command::Connect { connection, grant, outgoing }, 0).await?;
        Ok((connection, frames))
    }

    /// Hands in a frame. Waits while the core has too much to do: the socket is not read then.
    pub(crate) async fn received(&self, connection: ConnectionId, frame: Vec<u8>) -> Result<(), Stopped> {
        let bytes = frame.len();
        self.send(Command::Event(Event::Received { connection, frame }), bytes).await
    }

    /// Reports that a socket took frames.
    pub(crate) fn sent(&self, connection: ConnectionId, bytes: usize) {
        // Nobody is interested any more when it fails.
        self.reports.send(Report::Event(Event::Sent { connection, bytes })).ok();
    }

    /// A connection is gone.
    pub(crate) async fn disconnected(&self, connection: ConnectionId) -> Result<(), Stopped> {
        self.send(Command::Event(Event::Closed { connection }), 0).await
    }

    /// One round of the stateless exchange. What came in is durable when it is answered.
    /// `room` is what [`Core::room`] gave for the body before it was read.
    pub(crate) async fn exchange(
        &self,
        grant: Grant,
        project: ProjectName,
        body: Vec<u8>,
        room: Option<OwnedSemaphorePermit>,
    ) -> Result<Answer, Stopped> {
        let (answer, answered) = oneshot::channel();
        let command = Command::Exchange { grant, project, body, answer };
        self.commands.send(Envelope { command, _room: room }).await.map_err(|_| Stopped)?;
        answered.await.map_err(|_| Stopped)
    }

    /// Something that another hub told.
    pub(crate) async fn notice(&self, event: Event) -> Result<(), Stopped> {
        let bytes = if let Event::Relayed { frame, .. } = &event { frame.len() } else { 0 };
        self.send(Command::Event(event), bytes).await
    }

    /// What the core is doing.
    pub(crate) async fn status(&self) -> Result<HubStatus, Stopped> {
        let (answer, answered) = oneshot::channel();
        self.send(Command::Status(answer), 0).await?;
        answered.await.map_err(|_| Stopped)
    }

    /// Waits until nothing that came in before is still being worked on or stored.
    pub(crate) async fn quiet(&self) -> Result<(), Stopped> {
        let (answer, answered) = oneshot::channel();
        self.send(Command::Quiet(answer), 0).await?;
        answered.await.map_err(|_| Stopped)
    }

    /// Waits until a body of so many bytes may be received, and holds them until the core has taken it.
    pub(crate) async fn room(&self, bytes: usize) -> Result<Option<OwnedSemaphorePermit>, Stopped> {
        reserve(&self.bodies, bytes.min(self.bodies_max)).await
    }

    async fn send(&self, command: Command, bytes: usize) -> Result<(), Stopped> {
        let room = reserve(&self.room, bytes.min(self.room_max)).await?;
        self.commands.send(Envelope { command, _room: room }).await.map_err(|_| Stopped)
    }
}

async fn reserve(room: &Arc<Semaphore>, bytes: usize) -> Result<Option<OwnedSemaphorePermit>, Stopped> {
    match u32::try_from(bytes).unwrap_or(u32::MAX) {
        0 => Ok(None),
        share => Arc::clone(room).acquire_many_owned(share).await.map(Some).map_err(|_| Stopped),
    }
}

impl Driver {
    async fn run(
        mut self,
        mut commands: mpsc::Receiver<Envelope>,
        mut reports: mpsc::UnboundedReceiver<Report>,
    ) -> anyhow::Result<()> {
        let mut tick = tokio::time::interval(TICK_EVERY);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            // What is finished frees memory; what is new takes it.
            tokio::select! {
                biased;
                Some(report) = reports.recv() => self.handle_report(report)?,
                _ = tick.tick() => self.feed(Event::Tick),
                envelope = commands.recv() => match envelope {
                    Some(envelope) => self.handle_command(envelope.command),
                    None => return Ok(()),
                },
            }
            if self.outstanding == 0 {
                for waiting in self.quiet.drain(..) {
                    // Whoever asked may have gone.
                    waiting.send(()).ok();
                }
            }
        }
    }

    fn handle_report(&mut self, report: Report) -> anyhow::Result<()> {
        match report {
            Report::Event(event) => self.feed(event),
            Report::Done(event) => {
                self.outstanding -= 1;
                self.feed(event);
            }
            Report::Silent => self.outstanding -= 1,
            Report::Fatal(reason) => anyhow::bail!(reason),
        }
        Ok(())
    }

    fn handle_command(&mut self, command: Command) {
        match command {
            Command::Connect { connection, grant, outgoing } => {
                self.connections.insert(connection, outgoing);
                self.feed(Event::Connected { connection, grant });
            }
            Command::Exchange { grant, project, body, answer } => {
                let exchange = ExchangeId(self.exchanges_seen);
                self.exchanges_seen += 1;
                self.exchanges.insert(exchange, answer);
                self.feed(Event::Exchange { exchange, grant, project, body });
            }
            Command::Event(event) => self.feed(event),
            Command::Status(answer) => {
                // Whoever asked may have gone.
                answer.send(self.core.status()).ok();
            }
            Command::Quiet(answer) => self.quiet.push(answer),
        }
    }

    fn feed(&mut self, event: Event) {
        if let Event::Closed { connection } = &event {
            self.connections.remove(connection);
        }
        self.metrics.connections.set(i64::try_from(self.connections.len()).unwrap_or(i64::MAX));
        let now = self.started.elapsed();
        for effect in self.core.handle(now, event) {
            self.carry_out(effect);
        }
    }

    fn carry_out(&mut self, effect: Effect) {
        match effect {
            Effect::Send { connection, frame } => self.hand_out(connection, Outgoing::Frame(frame)),
            Effect::Close { connection, reason } => {
                tracing::info!(connection = connection.0, %reason, "closing a connection");
                self.metrics.closed.inc();
                self.hand_out(connection, Outgoing::Close(reason));
            }
            Effect::Answer { exchange, outcome } => {
                if let Some(answer) = self.exchanges.remove(&exchange) {
                    // A client that has gone has its changes stored all the same.
                    answer.send(outcome).ok();
                }
            }
            Effect::Announce { document, chunk } => self.notices.announce(document, chunk),
            Effect::Retire { project } => {
                // The other side ends only with the hub.
                self.retire.send(project).ok();
            }
            Effect::Relay { document, frame } => self.notices.relay(document, frame),
            effect => self.start_operation(effect),
        }
    }

    fn hand_out(&mut self, connection: ConnectionId, outgoing: Outgoing) {
        let Some(socket) = self.connections.get(&connection) else { return };
        match socket.try_send(outgoing) {
            Ok(()) => drop(self.metrics.frames_sent.inc()),
            // It reports that it is closed by itself.
            Err(mpsc::error::TrySendError::Closed(_)) => {}
            Err(mpsc::error::TrySendError::Full(_)) => {
                tracing::warn!(connection = connection.0, "a connection does not read; it is cut");
                self.connections.remove(&connection);
            }
        }
    }
}
