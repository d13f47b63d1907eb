//! Work that comes back.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::document::{Replacing, Stage, Storing, Task, Waiting};
use super::peer::{Heads, PeerState, start_over};
use super::work::{Culprit, DocumentWork, Group, Ruin, Said, Speaker, Talk};
use super::{CloseReason, ConnectionId, Effect, Hub, Quarantined};
use crate::document::{DocumentId, Slot};
use crate::error::ExchangeError;

impl Hub {
    pub(super) fn handle_worked(&mut self, mut work: DocumentWork) {
        let id = work.document;
        if !self.documents.get(&id).is_some_and(|document| matches!(document.stage, Stage::Out)) {
            return;
        }
        self.dirty.insert(id);
        for (chunk, reason) in std::mem::take(&mut work.done.bad) {
            self.quarantined(Quarantined { document: id, chunk, reason: reason.clone() });
            self.effects.push(Effect::Quarantine { document: id, chunk, reason });
        }
        for talk in work.talks.iter().filter(|talk| talk.reply) {
            if let Speaker::Connection(connection) = talk.speaker {
                self.answered(connection);
            }
        }
        work.groups.iter().flat_map(|group| &group.connections).for_each(|connection| self.answered(*connection));
        if self.documents.get(&id).is_some_and(|document| document.over) {
            return self.pass_over(work);
        }
        match work.done.ruin.take() {
            Some(ruin) => self.clear_away(work, &ruin),
            None => self.take_in(work),
        }
    }

    /// The document's epoch came to an end meanwhile: what came in is not stored, and whoever sent it is told so.
    fn pass_over(&mut self, work: DocumentWork) {
        let id = work.document;
        let Some(document) = self.documents.get_mut(&id) else { return };
        document.forget_body();
        // As much as is durable of what this hub wrote is to be stored whole.
        let whole = work.done.chunk.is_none() && work.done.ruin.is_none();
        if let Some(body) = work.body.filter(|_| whole) {
            document.stage = Stage::Home(body);
        }
        let Some(place) = document.project.clone() else { return };
        for talk in work.talks {
            match talk.speaker {
                Speaker::Connection(connection) if !talk.messages.is_empty() => {
                    self.say_over(connection, &place.project, id.to_string());
                }
                Speaker::Connection(_) => {}
                Speaker::Exchange(exchange) => self.exchange_passed_over(id, exchange),
            }
        }
    }

    /// An answer for a connection is no longer being made.
    fn answered(&mut self, id: ConnectionId) {
        let Some(connection) = self.connections.get_mut(&id) else { return };
        connection.answering = connection.answering.saturating_sub(1);
        self.unblock(id);
    }

    fn take_in(&mut self, work: DocumentWork) {
        let (id, mut done) = (work.document, work.done);
        let Some(document) = self.documents.get_mut(&id) else { return };
        let Some(body) = work.body else { return };
        let place = work.project.or(done.found.take());
        document.bytes = body.memory_bytes();
        document.genesis = body.genesis;
        document.chunks.extend(done.read);
        document.partial = work.partial;
        if work.covered && done.snapshot.is_none() {
            document.fruitless = document.chunks.len();
        }
        let same = document.heads.clone().filter(|heads| **heads == *done.heads);
        let moved = same.is_none();
        let heads = same.unwrap_or_else(|| Arc::from(std::mem::take(&mut done.heads)));
        document.heads = Some(heads.clone());
        let snapshot = done.snapshot.map(|snapshot| {
            document.replacing = Some(Replacing { snapshot: snapshot.name, covers: work.covers.clone() });
            Effect::Replace { document: id, snapshot, covers: work.covers }
        });
        let store = done.chunk.map(|chunk| {
            let mut heads = body.document.get_heads();
            heads.sort_unstable();
            let (name, heads) = (chunk.name, Arc::from(heads));
            let named = done.named_next.take().zip(place.clone()).map(|(named, place)| (place.project, named));
            let storing = Storing { name, heads, connections: BTreeSet::new(), exchanges: Vec::new(), named };
            (storing, Effect::Store { document: id, chunk })
        });
        let (stage, store) = match store {
            Some((storing, store)) => (Stage::Storing(body, storing), Some(store)),
            None => (Stage::Home(body), None),
        };
        document.stage = stage;
        // Before anybody is told of these heads.
        if let (Some(named), Some(place)) = (done.named, place) {
            self.learn(&place.project, heads.clone(), &named);
        }
        for group in work.groups {
            self.spoken(id, group, &heads);
        }
        for talk in work.talks {
            match talk.speaker {
                Speaker::Connection(connection) => self.talked(id, connection, talk, &heads),
                Speaker::Exchange(exchange) => self.exchange_talked(id, exchange, talk),
            }
        }
        if moved && let Some(document) = self.documents.get_mut(&id) {
            document.tell(&heads);
        }
        self.effects.extend(snapshot);
        self.effects.extend(store);
    }

    /// Peers at rest were told of what is new.
    fn spoken(&mut self, id: DocumentId, group: Group, durable: &Heads) {
        let Some(state) = group.state else { return };
        for connection in group.connections {
            let Some(document) = self.documents.get_mut(&id) else { return };
            let Some(peer) = document.peers.get_mut(&connection) else { continue };
            peer.state = PeerState::compact(Box::new(state.clone()), Some(durable));
            if let Some(said) = &group.said {
                self.send_sync(connection, id, said.clone());
            }
        }
    }

    fn talked(&mut self, id: DocumentId, connection: ConnectionId, talk: Talk, durable: &Heads) {
        let Some(document) = self.documents.get_mut(&id) else { return };
        let Some(peer) = document.peers.get_mut(&connection) else { return };
        let tell = talk.heard.refused && !peer.told;
        peer.told |= talk.heard.refused;
        peer.state = PeerState::compact(talk.state, Some(durable));
        if talk.heard.contributed
            && let Stage::Storing(_, storing) = &mut document.stage
        {
            storing.connections.insert(connection);
        }
        if talk.said.is_none() {
            document.due.insert(connection);
        }
        if let Some(why) = talk.failure {
            return self.close(connection, CloseReason::Protocol(why));
        }
        if tell {
            let why = format!("the token of this connection allows only reading: changes to {id} are not taken");
            self.tell(connection, why);
        }
        match talk.said {
            Some(Said::Message(data)) => self.send_sync(connection, id, data),
            Some(Said::Unavailable) => self.say_unavailable(connection, id.to_string()),
            Some(Said::Nothing) | None => {}
        }
    }

    /// The document was lost in the middle. Whoever did it is shown out; all others are heard again on a fresh copy.
    fn clear_away(&mut self, work: DocumentWork, ruin: &Ruin) {
        let id = work.document;
        tracing::warn!(document = %id, why = %ruin.why, culprit = ?ruin.culprit, "a document was dropped and is read again");
        let Some(document) = self.documents.get_mut(&id) else { return };
        document.forget_body();
        document.replacing = None;
        let catalog = document.project.as_ref().filter(|place| place.slot == Slot::Catalog);
        document.look |= catalog.is_some_and(|place| self.projects.newest(&place.project).is_none());
        for group in work.groups {
            for connection in group.connections {
                let Some(peer) = document.peers.get_mut(&connection) else { continue };
                peer.state = PeerState::Quiet(group.heads.clone(), group.traits);
                document.due.insert(connection);
            }
        }
        let mut guilty = Vec::new();
        let mut waiting = Vec::new();
        for (index, mut talk) in work.talks.into_iter().enumerate() {
            let spoke = !talk.messages.is_empty();
            if ruin.culprit == Culprit::Talk(index) || (ruin.culprit == Culprit::Fault && spoke) {
                guilty.push(talk.speaker);
                continue;
            }
            match talk.speaker {
                Speaker::Connection(connection) => {
                    start_over(&mut talk.state);
                    let Some(peer) = document.peers.get_mut(&connection) else { continue };
                    peer.state = PeerState::Active(talk.state);
                    peer.waiting += talk.messages.len() as u32;
                    document.due.insert(connection);
                    if let Some(connection) = self.connections.get_mut(&connection) {
                        connection.waiting_bytes += talk.messages.iter().map(Vec::len).sum::<usize>();
                    }
                    waiting.extend(talk.messages.into_iter().map(|data| Waiting { connection, data }));
                }
                Speaker::Exchange(exchange) => {
                    let message = talk.messages.pop();
                    document.tasks.push_back(Task { exchange, message, state: talk.state });
                }
            }
        }
        waiting.into_iter().rev().for_each(|waiting| document.inbox.push_front(waiting));
        document.start_over();
        for speaker in guilty {
            match speaker {
                Speaker::Connection(connection) => self.close(connection, CloseReason::Protocol(ruin.why.clone())),
                Speaker::Exchange(exchange) => {
                    self.fail_exchange(exchange, ExchangeError::Foreign(ruin.why.clone()));
                }
            }
        }
    }
}
