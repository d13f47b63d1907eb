//! Ephemeral messages: passed on once to whoever has the document open, and kept nowhere.

use std::collections::{BTreeMap, VecDeque};

use super::{ConnectionId, Effect, Hub};
use crate::document::DocumentId;
use crate::wire::message::Message;

/// Sessions that are remembered, so that a message that comes by two ways is passed on once.
const SESSIONS_MAX: usize = 4_096;

/// Bytes of a sender's and a session's name.
const NAME_BYTES_MAX: usize = 256;

/// A document, a sender and its session. With the document in it, nobody can silence a session who may not see its document.
type Session = (DocumentId, String, String);

/// The last count of each session, of those that spoke last.
#[derive(Debug, Default)]
pub(super) struct Sessions {
    counts: BTreeMap<Session, u64>,
    order: VecDeque<Session>,
}

impl Sessions {
    /// Whether this message is new.
    fn is_new(&mut self, document: DocumentId, sender: &str, session: &str, count: u64) -> bool {
        let name = (document, sender.to_owned(), session.to_owned());
        if let Some(last) = self.counts.get_mut(&name) {
            let new = count > *last;
            *last = count.max(*last);
            return new;
        }
        self.counts.insert(name.clone(), count);
        self.order.push_back(name);
        if self.order.len() > SESSIONS_MAX
            && let Some(oldest) = self.order.pop_front()
        {
            self.counts.remove(&oldest);
        }
        true
    }
}

impl Hub {
    /// An ephemeral message of a client.
    pub(super) fn handle_ephemeral(&mut self, from: ConnectionId, id: DocumentId, message: &Message, frame: &[u8]) {
        let open = self.documents.get(&id).is_some_and(|document| document.peers.contains_key(&from));
        if open && self.pass_on(Some(from), id, message) {
            self.effects.push(Effect::Relay { document: id, frame: frame.to_vec() });
        }
    }

    /// One that came to another hub. It is not passed on to other hubs again.
    pub(super) fn handle_relayed(&mut self, id: DocumentId, frame: &[u8]) {
        match Message::decode(frame) {
            Ok(message) => drop(self.pass_on(None, id, &message)),
            Err(error) => tracing::warn!(%error, "another hub relayed what is not a message"),
        }
    }

    fn pass_on(&mut self, from: Option<ConnectionId>, id: DocumentId, message: &Message) -> bool {
        let Message::Ephemeral { sender, session, count, data, document, .. } = message else { return false };
        // The JavaScript side throws at a message without data.
        if data.is_empty() || sender.len() > NAME_BYTES_MAX || session.len() > NAME_BYTES_MAX {
            return false;
        }
        if !self.sessions.is_new(id, sender, session, *count) {
            return false;
        }
        let Some(open) = self.documents.get(&id) else { return true };
        let targets: Vec<ConnectionId> = open.peers.keys().copied().filter(|peer| Some(*peer) != from).collect();
        for target in targets {
            let Some(connection) = self.connections.get(&target) else { continue };
            let Some(name) = connection.name.clone().filter(|name| **name != **sender) else { continue };
            // For a slow reader it is dropped: it would be old when it arrives.
            if connection.queued_bytes >= self.limits.queue_bytes_max {
                continue;
            }
            let passed = Message::Ephemeral {
                sender: sender.clone(),
                target: name.to_string(),
                document: document.clone(),
                count: *count,
                session: session.clone(),
                data: data.clone(),
            };
            self.send(target, &passed);
        }
        true
    }
}
