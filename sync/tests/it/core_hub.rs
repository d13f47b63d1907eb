//! The real core of the hub behind the interface of [`SmallHub`](crate::small_hub::SmallHub): its store is a map, which
//! takes everything at once.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use automerge::{Automerge, ChangeHash};
use skerry_sync::ProjectName;
use skerry_sync::document::{DocumentId, Slot, genesis};
use skerry_sync::hub::{
    Access, Chunk, ChunkName, CloseReason, ConnectionId, Effect, Event, Grant, Hub, Limits, Scope, StoreFailure,
};

use crate::small_hub::Line;

pub(crate) struct CoreHub {
    hub: Hub,
    projects: BTreeSet<ProjectName>,
    chunks: BTreeMap<DocumentId, BTreeMap<ChunkName, Vec<u8>>>,
    connections: BTreeMap<ConnectionId, Line>,
    next: u64,
    now: Duration,
    /// Whether the store is full.
    pub(crate) full: bool,
    /// Connections that the hub wants closed.
    pub(crate) closes: Vec<(Line, CloseReason)>,
}

impl CoreHub {
    pub(crate) fn with(projects: &[&str]) -> CoreHub {
        CoreHub {
            hub: Hub::new(Limits::default(), "hub".to_owned()),
            projects: projects.iter().map(|name| ProjectName::parse(name).unwrap()).collect(),
            chunks: BTreeMap::new(),
            connections: BTreeMap::new(),
            next: 0,
            now: Duration::ZERO,
            full: false,
            closes: Vec::new(),
        }
    }

    /// The process dies and another one starts over the same store.
    pub(crate) fn restart(&mut self) {
        self.hub = Hub::new(Limits::default(), "hub".to_owned());
        self.connections.clear();
    }

    pub(crate) fn connect(&mut self, line: Line, access: Access) {
        self.next += 1;
        let connection = ConnectionId(self.next);
        self.connections.insert(connection, line);
        let grant = Grant { scope: Scope::Projects(self.projects.clone()), access };
        self.event(Event::Connected { connection, grant });
    }

    pub(crate) fn hang_up(&mut self, line: Line) {
        if let Some(connection) = self.connection(line) {
            self.connections.remove(&connection);
            self.event(Event::Closed { connection });
        }
    }

    fn connection(&self, line: Line) -> Option<ConnectionId> {
        self.connections.iter().find(|(_, owner)| **owner == line).map(|(connection, _)| *connection)
    }

    pub(crate) fn receive(&mut self, line: Line, frame: &[u8]) -> Vec<(Line, Vec<u8>)> {
        match self.connection(line) {
            Some(connection) => self.event(Event::Received { connection, frame: frame.to_vec() }),
            None => Vec::new(),
        }
    }

    fn event(&mut self, event: Event) -> Vec<(Line, Vec<u8>)> {
        self.now += Duration::from_millis(10);
        let mut sent = Vec::new();
        let mut events = VecDeque::from([event]);
        while let Some(event) = events.pop_front() {
            for effect in self.hub.handle(self.now, event) {
                match effect {
                    Effect::Send { connection, frame } => {
                        events.push_back(Event::Sent { connection, bytes: frame.len() });
                        sent.extend(self.connections.get(&connection).map(|line| (*line, frame)));
                    }
                    Effect::Close { connection, reason } => {
                        let line = self.connections.remove(&connection);
                        self.closes.extend(line.map(|line| (line, reason)));
                        events.push_back(Event::Closed { connection });
                    }
                    Effect::Work(mut work) => {
                        work.run();
                        events.push_back(Event::Worked(work));
                    }
                    other => events.extend(self.store(other)),
                }
            }
        }
        sent
    }

    fn store(&mut self, effect: Effect) -> Option<Event> {
        let outcome = if self.full { Err(StoreFailure::Full) } else { Ok(()) };
        match effect {
            Effect::Load { document } => {
                let chunks = self.chunks.get(&document).into_iter().flatten();
                let outcome = Ok(chunks.map(|(name, bytes)| Chunk { name: *name, bytes: bytes.clone() }).collect());
                Some(Event::Loaded { document, outcome })
            }
            Effect::Store { document, chunk } => {
                if outcome.is_ok() {
                    self.chunks.entry(document).or_default().insert(chunk.name, chunk.bytes);
                }
                Some(Event::Stored { document, outcome })
            }
            Effect::Replace { document, snapshot, covers } => {
                if outcome.is_ok() {
                    let chunks = self.chunks.entry(document).or_default();
                    chunks.insert(snapshot.name, snapshot.bytes);
                    chunks.retain(|name, _| !covers.contains(name));
                }
                Some(Event::Replaced { document, outcome })
            }
            _ => None,
        }
    }

    /// Heads of a document as it is stored.
    pub(crate) fn heads(&self, project: &ProjectName, slot: Slot) -> Vec<ChangeHash> {
        let mut document: Automerge = genesis(project, slot).unwrap();
        for bytes in self.chunks.get(&DocumentId::derive(project, slot)).into_iter().flat_map(BTreeMap::values) {
            document.load_incremental(bytes).unwrap();
        }
        document.get_heads()
    }
}
