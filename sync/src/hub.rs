//! The hub's core: connections and documents of a sync service, without I/O, without a clock and without threads.
//!
//! A driver feeds [`Event`]s to [`Hub::handle`] and carries out the [`Effect`]s that come back: it holds the sockets and the
//! store. Heavy work on a document comes out as [`Effect::Work`], to be run anywhere and handed back, so that one huge
//! document does not stop the others. The same core runs behind sockets and in the seeded simulator.
//!
//! The way of a change: [`Event::Received`] (receive.rs) puts it into its document's inbox; schedule.rs checks the document
//! out with all that waits for it; work.rs merges and makes a chunk of what is new; [`Effect::Store`]; and only after
//! [`Event::Stored`] (storing.rs) says that it is durable does anybody, its sender among them, hear of it.

mod admission;
mod body;
mod budget;
mod connection;
pub(crate) mod contents;
mod document;
mod ephemeral;
mod epochs;
mod exchange;
mod peer;
mod project;
mod receive;
mod schedule;
mod status;
mod storing;
mod types;
mod work;
mod worked;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use crate::document::DocumentId;
use crate::wire::message::Message;
use budget::Budget;
use connection::Connection;
use document::Document;
use ephemeral::Sessions;
use epochs::Early;
use exchange::Exchange;
use project::Projects;

pub use status::{ConnectionStatus, HubStatus, Quarantined};
pub use types::{
    Access, Chunk, ChunkName, CloseReason, ConnectionId, Effect, Event, ExchangeId, Grant, Limits, Now, Scope,
    StoreFailure,
};
pub use work::DocumentWork;

/// The core of a sync service.
#[derive(Debug)]
pub struct Hub {
    limits: Limits,
    peer_id: String,
    connections: BTreeMap<ConnectionId, Connection>,
    documents: BTreeMap<DocumentId, Document>,
    projects: Projects,
    exchanges: BTreeMap<ExchangeId, Exchange>,
    /// Requests and connections that wait until it is known what a project consists of.
    early: BTreeMap<ExchangeId, Early>,
    early_connections: BTreeSet<ConnectionId>,
    sessions: Sessions,
    budget: Budget,
    /// Documents that something happened to in this call.
    dirty: BTreeSet<DocumentId>,
    /// Documents that wait to be read.
    loads: VecDeque<DocumentId>,
    loading: usize,
    /// Documents that the store failed for, to be tried again with time.
    retry: BTreeSet<DocumentId>,
    /// When documents were last compared with the store, and which was the last of them.
    looked: (Now, Option<DocumentId>),
    failure: Option<String>,
    quarantined: VecDeque<Quarantined>,
    effects: Vec<Effect>,
}

impl Hub {
    /// A hub without connections and documents. `peer_id` is what clients know it by: it should stay the same when the service
    /// starts again, and differ from that of every other hub.
    pub fn new(limits: Limits, peer_id: String) -> Hub {
        Hub {
            limits,
            peer_id,
            connections: BTreeMap::new(),
            documents: BTreeMap::new(),
            projects: Projects::default(),
            exchanges: BTreeMap::new(),
            early: BTreeMap::new(),
            early_connections: BTreeSet::new(),
            sessions: Sessions::default(),
            budget: Budget::default(),
            dirty: BTreeSet::new(),
            loads: VecDeque::new(),
            loading: 0,
            retry: BTreeSet::new(),
            looked: (Now::ZERO, None),
            failure: None,
            quarantined: VecDeque::new(),
            effects: Vec::new(),
        }
    }

    /// Takes an event in; answers what is to be done now, in this order. The same events at the same times give the same
    /// effects.
    pub fn handle(&mut self, now: Now, event: Event) -> Vec<Effect> {
        match event {
            Event::Connected { connection, grant } => self.handle_connected(now, connection, grant),
            Event::Received { connection, frame } => self.handle_received(now, connection, &frame),
            Event::Sent { connection, bytes } => self.handle_sent(connection, bytes),
            Event::Closed { connection } => self.drop_connection(connection),
            Event::Exchange { exchange, grant, project, body } => {
                self.handle_exchange(exchange, &grant, project, body);
            }
            Event::Loaded { document, outcome } => self.handle_loaded(now, document, outcome),
            Event::Stored { document, outcome } => self.handle_stored(document, outcome),
            Event::Replaced { document, outcome } => self.handle_replaced(now, document, outcome),
            Event::Worked(work) => self.handle_worked(*work),
            Event::Noticed { document, chunk } => self.handle_noticed(document, chunk),
            Event::Fetched { document, outcome } => self.handle_fetched(now, document, outcome),
            Event::Relayed { document, frame } => self.handle_relayed(document, &frame),
            Event::Missed => self.handle_missed(),
            Event::Tick => self.handle_tick(now),
        }
        self.settle(now);
        std::mem::take(&mut self.effects)
    }

    fn handle_connected(&mut self, now: Now, id: ConnectionId, grant: Grant) {
        let full = self.connections.len() >= self.limits.connections_max;
        self.hold(&grant);
        self.connections.insert(id, Connection::new(grant, now, &self.limits));
        if full {
            let most = self.limits.connections_max;
            self.close(id, CloseReason::Limit(format!("this hub takes {most} connections; try again later")));
        }
    }

    fn handle_sent(&mut self, id: ConnectionId, bytes: usize) {
        let Some(connection) = self.connections.get_mut(&id) else { return };
        connection.queued_bytes = connection.queued_bytes.saturating_sub(bytes);
        self.unblock(id);
    }

    /// Looks again at what was passed over for want of room.
    fn unblock(&mut self, id: ConnectionId) {
        let Some(connection) = self.connections.get_mut(&id) else { return };
        if connection.has_room(&self.limits) {
            self.dirty.append(&mut connection.blocked);
        }
    }

    fn handle_tick(&mut self, now: Now) {
        let late = |connection: &Connection| {
            connection.name.is_none() && now.saturating_sub(connection.since) > self.limits.handshake_max
        };
        let late: Vec<ConnectionId> =
            self.connections.iter().filter(|(_, connection)| late(connection)).map(|(id, _)| *id).collect();
        for id in late {
            self.close(id, CloseReason::Limit("it took too long to say `join`".to_owned()));
        }
        let due = |id: &DocumentId| self.documents.get(id).is_none_or(|document| document.retry_at <= now);
        let due: Vec<DocumentId> = self.retry.iter().copied().filter(due).collect();
        for id in due {
            self.retry.remove(&id);
            self.dirty.insert(id);
        }
        self.look_around(now);
    }

    /// Gives a frame to a connection's socket.
    fn send(&mut self, id: ConnectionId, message: &Message) {
        let Some(connection) = self.connections.get_mut(&id) else { return };
        match message.encode() {
            Ok(frame) => {
                connection.queued_bytes += frame.len();
                self.effects.push(Effect::Send { connection: id, frame });
            }
            Err(error) => tracing::error!(%error, "a message could not be written"),
        }
    }

    /// Gives a frame to a connection's socket that no document has to be worked on for. A client that asks and asks and does not
    /// read is shown out: these answers are made at once, so nothing else would bound them.
    fn reply(&mut self, id: ConnectionId, message: &Message) {
        let most = self.limits.queue_bytes_max;
        if self.connections.get(&id).is_some_and(|connection| connection.queued_bytes >= most) {
            let why = format!("more than {most} bytes of answers wait to be read; read them");
            return self.close(id, CloseReason::Limit(why));
        }
        self.send(id, message);
    }

    /// Tells a connection that something that it did was refused.
    fn tell(&mut self, id: ConnectionId, message: String) {
        let Some(connection) = self.connections.get(&id) else { return };
        let target = connection.name.as_deref().unwrap_or_default().to_owned();
        self.send(id, &Message::Error { sender: self.peer_id.clone(), target, message });
    }

    /// Tells a connection why, and closes it.
    fn close(&mut self, id: ConnectionId, reason: CloseReason) {
        if !self.connections.contains_key(&id) {
            return;
        }
        if reason != CloseReason::Left {
            self.tell(id, reason.to_string());
        }
        self.effects.push(Effect::Close { connection: id, reason });
        self.drop_connection(id);
    }

    /// Forgets a connection. What it sent before and is being stored goes on.
    fn drop_connection(&mut self, id: ConnectionId) {
        let Some(connection) = self.connections.remove(&id) else { return };
        Projects::named(&connection.grant).iter().for_each(|name| self.projects.release(name));
        self.early_connections.remove(&id);
        for document_id in connection.documents {
            let Some(document) = self.documents.get_mut(&document_id) else { continue };
            if document.peers.remove(&id).is_some_and(|peer| peer.waiting > 0) {
                document.inbox.retain(|waiting| waiting.connection != id);
            }
            document.due.remove(&id);
            self.dirty.insert(document_id);
        }
    }
}
