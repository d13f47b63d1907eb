//! What a document needs next: to be read, to be worked on, to be looked at again in the store.

use std::collections::{BTreeMap, BTreeSet};

use automerge::sync::State;

use super::connection::Connection;
use super::document::{Document, Stage};
use super::peer::{Heads, PeerState, Traits, quiet_state};
use super::work::{DocumentWork, Done, Group, Speaker, Talk};
use super::{Chunk, ChunkName, ConnectionId, Effect, Hub, Limits, Now};
use crate::document::DocumentId;

impl Hub {
    /// Does what follows from the event.
    pub(super) fn settle(&mut self, now: Now) {
        while let Some(id) = self.dirty.pop_first() {
            if self.bury(id) {
                continue;
            }
            self.schedule(id, now);
            if let Some(document) = self.documents.get_mut(&id) {
                self.budget.note(id, document);
            }
        }
        self.start_loads();
        self.trim();
    }

    fn schedule(&mut self, id: DocumentId, now: Now) {
        let Some(document) = self.documents.get_mut(&id) else { return };
        // A document that is away is looked at when it comes back.
        if !matches!(document.stage, Stage::Cold | Stage::Home(_)) {
            return;
        }
        // What a peer sent and what waits for other changes is in memory only. A chunk may bring these, and it would count
        // as if it had been in the chunk. So it goes, and whoever sent it sends it again.
        if matches!(&document.stage, Stage::Home(body) if body.orphans) && !document.fetched.is_empty() {
            document.forget_body();
            (document.heads, document.replacing) = (None, None);
            document.start_over();
            document.due.extend(document.peers.keys());
        }
        let ready = ready(id, document, &mut self.connections, &self.limits);
        let wanted = !ready.is_empty() || document.look || !document.inbox.is_empty() || !document.tasks.is_empty();
        match &document.stage {
            Stage::Cold if wanted && document.retry_at > now => drop(self.retry.insert(id)),
            Stage::Cold if wanted => {
                document.stage = Stage::Queued;
                self.loads.push_back(id);
            }
            Stage::Home(_) => {
                if document.fetching.is_none() && (document.missed || !document.noticed.is_empty()) {
                    if document.retry_at > now {
                        self.retry.insert(id);
                    } else {
                        self.effects.push(fetch(id, document));
                    }
                }
                let covers = covers(document, &self.limits, now);
                if wanted || !document.fetched.is_empty() || !covers.is_empty() {
                    let chunks = std::mem::take(&mut document.fetched);
                    let work = check_out(id, document, chunks, ready, covers, &mut self.connections, &self.limits);
                    self.effects.push(Effect::Work(Box::new(work)));
                }
            }
            _ => {}
        }
    }

    /// Reads documents, as many at once as may be.
    fn start_loads(&mut self) {
        while self.loading < self.limits.loads_max.max(1) {
            let Some(id) = self.loads.pop_front() else { break };
            let Some(document) = self.documents.get_mut(&id) else { continue };
            document.stage = Stage::Loading;
            self.loading += 1;
            self.effects.push(Effect::Load { document: id });
        }
    }

    /// All chunks of a document are here: work begins.
    pub(super) fn begin(&mut self, id: DocumentId, chunks: Vec<Chunk>) {
        let Some(document) = self.documents.get_mut(&id) else { return };
        if document.project.is_none() {
            document.project = self.projects.of(id).cloned();
        }
        let ready = ready(id, document, &mut self.connections, &self.limits);
        let work = check_out(id, document, chunks, ready, Vec::new(), &mut self.connections, &self.limits);
        self.effects.push(Effect::Work(Box::new(work)));
    }
}

/// The peers that something is to be said to, and that have room for it.
fn ready(
    id: DocumentId,
    document: &mut Document,
    connections: &mut BTreeMap<ConnectionId, Connection>,
    limits: &Limits,
) -> Vec<ConnectionId> {
    if document.due.is_empty() {
        return Vec::new();
    }
    let (heads, peers) = (&document.heads, &document.peers);
    let knows = |peer: &super::peer::Peer| heads.as_ref().is_some_and(|heads| peer.state.is_quiet_at(heads));
    document.due.retain(|connection| peers.get(connection).is_some_and(|peer| !knows(peer)));
    let mut ready = Vec::new();
    for connection_id in &document.due {
        let Some(connection) = connections.get_mut(connection_id) else { continue };
        if connection.has_room(limits) {
            ready.push(*connection_id);
        } else {
            connection.blocked.insert(id);
        }
    }
    ready
}

fn fetch(id: DocumentId, document: &mut Document) -> Effect {
    let noticed = std::mem::take(&mut document.noticed);
    let asked: BTreeSet<ChunkName> = if document.missed { BTreeSet::new() } else { noticed };
    document.missed = false;
    document.fetching = Some(asked.clone());
    Effect::Fetch { document: id, chunks: asked.into_iter().collect() }
}

/// Chunks to be replaced by a snapshot: none, unless there are enough of them. Those of which something is not in the
/// history stay.
fn covers(document: &Document, limits: &Limits, now: Now) -> Vec<ChunkName> {
    let whole = document.chunks.len().saturating_sub(document.partial.len());
    if document.chunks.len() <= document.fruitless {
        return Vec::new();
    }
    if whole < limits.chunks_max.max(2) || document.replacing.is_some() || document.compact_at > now {
        return Vec::new();
    }
    document.chunks.iter().filter(|name| !document.partial.contains_key(name)).copied().collect()
}

/// Takes a document out, with all that waits for it.
fn check_out(
    id: DocumentId,
    document: &mut Document,
    chunks: Vec<Chunk>,
    ready: Vec<ConnectionId>,
    covers: Vec<ChunkName>,
    connections: &mut BTreeMap<ConnectionId, Connection>,
    limits: &Limits,
) -> DocumentWork {
    document.look = false;
    let body = match std::mem::replace(&mut document.stage, Stage::Out) {
        Stage::Home(body) => Some(body),
        _ => None,
    };
    let mut talks = listen(document, connections, limits);
    let mut groups: BTreeMap<(Heads, Traits), Vec<ConnectionId>> = BTreeMap::new();
    for connection_id in ready {
        let Some(connection) = connections.get_mut(&connection_id) else { continue };
        let Some(peer) = document.peers.get_mut(&connection_id) else { continue };
        // Those that sent something get an answer to that.
        if matches!(peer.state, PeerState::Away) {
            continue;
        }
        document.due.remove(&connection_id);
        connection.answering += 1;
        match std::mem::replace(&mut peer.state, PeerState::Away) {
            PeerState::Quiet(heads, traits) => groups.entry((heads, traits)).or_default().push(connection_id),
            state => {
                let state = full_state(state, connection.may_only_read());
                let mut talk = Talk::new(Speaker::Connection(connection_id), state, Vec::new(), true);
                talk.told = peer.told;
                talks.push(talk);
            }
        }
    }
    for task in document.tasks.drain(..) {
        let reply = task.message.is_none();
        let messages = task.message.into_iter().collect();
        talks.push(Talk::new(Speaker::Exchange(task.exchange), task.state, messages, reply));
    }
    let group = |((heads, traits), connections)| Group { heads, traits, connections, state: None, said: None };
    DocumentWork {
        document: id,
        body,
        project: document.project.clone(),
        chunks,
        partial: document.partial.clone(),
        covered: !covers.is_empty(),
        groups: groups.into_iter().map(group).collect(),
        talks,
        covers,
        done: Done::default(),
    }
}

/// Empties the inbox: one talk for each connection, in the order in which they came.
fn listen(document: &mut Document, connections: &mut BTreeMap<ConnectionId, Connection>, limits: &Limits) -> Vec<Talk> {
    let mut talks: Vec<Talk> = Vec::new();
    let mut positions: BTreeMap<ConnectionId, usize> = BTreeMap::new();
    for waiting in document.inbox.drain(..) {
        let Some(connection) = connections.get_mut(&waiting.connection) else { continue };
        connection.waiting_bytes = connection.waiting_bytes.saturating_sub(waiting.data.len());
        if let Some(talk) = positions.get(&waiting.connection).and_then(|position| talks.get_mut(*position)) {
            talk.messages.push(waiting.data);
            continue;
        }
        let Some(peer) = document.peers.get_mut(&waiting.connection) else { continue };
        peer.waiting = 0;
        document.due.remove(&waiting.connection);
        let reply = connection.has_room(limits);
        connection.answering += usize::from(reply);
        let state = full_state(std::mem::replace(&mut peer.state, PeerState::Away), connection.may_only_read());
        let speaker = Speaker::Connection(waiting.connection);
        let mut talk = Talk::new(speaker, state, vec![waiting.data], reply);
        talk.told = peer.told;
        positions.insert(waiting.connection, talks.len());
        talks.push(talk);
    }
    talks
}

/// A peer's state as Automerge has it.
pub(super) fn full_state(state: PeerState, read_only: bool) -> Box<State> {
    match state {
        PeerState::Active(state) => state,
        PeerState::Quiet(heads, traits) => Box::new(quiet_state(&heads, traits)),
        PeerState::New | PeerState::Away => Box::new(State { read_only, ..State::default() }),
    }
}
