//! Frames that come in: the handshake, and what they are about.

use std::sync::Arc;

use automerge::Automerge;
use automerge::sync::{Message as SyncMessage, State, SyncDoc};

use super::admission;
use super::document::Waiting;
use super::peer::{Heads, Peer, PeerState, Traits, greeting};
use super::project::Sight;
use super::{CloseReason, ConnectionId, Hub, Now};
use crate::document::DocumentId;
use crate::wire::message::{Message, PeerMetadata};

/// The version of the protocol.
const VERSION: &str = "1";

/// Bytes of the name that a client gives itself.
const NAME_BYTES_MAX: usize = 1_024;

/// Messages above this are looked at only where the document is: they hold changes.
const GREETING_BYTES_MAX: usize = 64 << 10;

impl Hub {
    pub(super) fn handle_received(&mut self, now: Now, id: ConnectionId, frame: &[u8]) {
        let Some(connection) = self.connections.get_mut(&id) else { return };
        if let Err(limit) = connection.count(frame.len(), now, &self.limits) {
            return self.close(id, CloseReason::Limit(limit));
        }
        let joined = connection.name.is_some();
        let message = match Message::decode(frame) {
            Ok(message) => message,
            Err(error) => return self.close(id, CloseReason::Protocol(error.to_string())),
        };
        match message {
            Message::Join { sender, versions, .. } => self.handle_join(id, sender, &versions),
            Message::Leave { .. } => self.close(id, CloseReason::Left),
            _ if !joined => self.close(id, CloseReason::Protocol("the first message must be `join`".to_owned())),
            Message::Sync { document, data, .. } => self.handle_sync(id, &document, data),
            Message::Ephemeral { ref document, .. } => {
                if let Some(document) = parse_id(document).filter(|document| self.may_see(id, *document)) {
                    self.handle_ephemeral(id, document, &message, frame);
                }
            }
            Message::Peer { .. } => self.close(id, CloseReason::Protocol("only the hub says `peer`".to_owned())),
            // A client that has nothing of a document has said so by its heads; errors and gossip need no answer.
            Message::DocUnavailable { .. } | Message::Error { .. } | Message::Ignored { .. } => {}
        }
    }

    fn handle_join(&mut self, id: ConnectionId, sender: String, versions: &[String]) {
        if !versions.iter().any(|version| version == VERSION) {
            let why = format!("unsupported protocol version; this hub speaks version {VERSION}");
            return self.close(id, CloseReason::Protocol(why));
        }
        if sender.is_empty() || sender.len() > NAME_BYTES_MAX {
            let why = format!("`senderId` must have 1 to {NAME_BYTES_MAX} bytes");
            return self.close(id, CloseReason::Protocol(why));
        }
        let Some(connection) = self.connections.get_mut(&id) else { return };
        connection.name = Some(Arc::from(sender.as_str()));
        let peer = Message::Peer {
            sender: self.peer_id.clone(),
            target: sender,
            version: VERSION.to_owned(),
            metadata: PeerMetadata { storage: Some(self.peer_id.clone()), ephemeral: false },
        };
        self.reply(id, &peer);
    }

    fn sight(&self, id: ConnectionId, document: DocumentId) -> Sight {
        let connection = self.connections.get(&id);
        connection.map_or(Sight::Unseen, |connection| self.projects.sight(&connection.grant, document))
    }

    fn may_see(&self, id: ConnectionId, document: DocumentId) -> bool {
        self.sight(id, document) == Sight::Seen
    }

    /// Whoever may not see a document gets the answer that it would get if there were none.
    pub(super) fn say_unavailable(&mut self, id: ConnectionId, document: String) {
        let Some(name) = self.connections.get(&id).and_then(|connection| connection.name.clone()) else { return };
        let (sender, target) = (self.peer_id.clone(), name.to_string());
        self.reply(id, &Message::DocUnavailable { sender, target, document });
    }

    /// Gives a sync message to a connection's socket.
    pub(super) fn send_sync(&mut self, id: ConnectionId, document: DocumentId, data: Vec<u8>) {
        let Some(name) = self.connections.get(&id).and_then(|connection| connection.name.clone()) else { return };
        let (sender, target, document) = (self.peer_id.clone(), name.to_string(), document.to_string());
        self.send(id, &Message::Sync { sender, target, document, data, request: false });
    }

    pub(super) fn handle_sync(&mut self, id: ConnectionId, name: &str, data: Vec<u8>) {
        let Some(document_id) = parse_id(name) else {
            let why =
                format!("`documentId` is not an id: `{}`", name.chars().take(64).collect::<String>().escape_default());
            return self.close(id, CloseReason::Protocol(why));
        };
        match self.sight(id, document_id) {
            Sight::Seen => {}
            Sight::Unseen => return self.say_unavailable(id, name.to_owned()),
            Sight::Over(project) => return self.say_over(id, &project, name.to_owned()),
            Sight::Unread(projects) => return self.put_off(id, document_id, data, &projects),
        }
        if let Err(limit) = self.open(id, document_id) {
            return self.close(id, CloseReason::Limit(limit));
        }
        match self.answer_at_once(id, document_id, &data) {
            Ok(true) => {}
            Ok(false) => self.put_into_inbox(id, document_id, data),
            Err(why) => self.close(id, CloseReason::Protocol(why)),
        }
    }

    /// Notes that a connection has a document open.
    fn open(&mut self, id: ConnectionId, document_id: DocumentId) -> Result<(), String> {
        let Some(connection) = self.connections.get_mut(&id) else { return Ok(()) };
        if connection.documents.contains(&document_id) {
            return Ok(());
        }
        let most = self.limits.documents_per_connection_max;
        if connection.documents.len() >= most {
            return Err(format!("more than {most} documents on one connection; open another connection for the rest"));
        }
        connection.documents.insert(document_id);
        let document = self.documents.entry(document_id).or_default();
        document.over = false;
        if document.project.is_none() {
            document.project = self.projects.of(document_id).cloned();
        }
        document.peers.insert(id, Peer { state: PeerState::New, waiting: 0, told: false });
        self.dirty.insert(document_id);
        Ok(())
    }

    /// Answers a message that needs nothing but the document's heads: ten thousand clients that come back after a pause and
    /// have everything cost no more than that.
    fn answer_at_once(&mut self, id: ConnectionId, document_id: DocumentId, data: &[u8]) -> Result<bool, String> {
        if data.len() > GREETING_BYTES_MAX {
            return Ok(false);
        }
        let message = admission::message(data)?;
        let Some(connection) = self.connections.get(&id) else { return Ok(true) };
        let (read_only, room) = (connection.may_only_read(), connection.has_room(&self.limits));
        let Some(document) = self.documents.get_mut(&document_id) else { return Ok(false) };
        let Some(heads) = document.heads.clone() else { return Ok(false) };
        let Some(peer) = document.peers.get_mut(&id) else { return Ok(false) };
        let simple = message.changes.is_empty() && message.need.is_empty() && message.heads == *heads;
        if !simple || !room || peer.waiting > 0 || matches!(peer.state, PeerState::Away) {
            return Ok(false);
        }
        if matches!(&peer.state, PeerState::Active(state) if state.needs_reset) {
            return Ok(false);
        }
        if heads.is_empty() {
            let state = heard_by_nobody(message, read_only)?;
            peer.state = PeerState::Active(state);
            self.say_unavailable(id, document_id.to_string());
            return Ok(true);
        }
        let (heard, traits) = (peer.state.has_heard(&heads), Traits::said(&message, read_only));
        peer.state = PeerState::Quiet(heads.clone(), traits);
        document.due.remove(&id);
        if !heard {
            self.greet(id, document_id, &heads, traits);
        }
        Ok(true)
    }

    fn greet(&mut self, id: ConnectionId, document: DocumentId, heads: &Heads, traits: Traits) {
        self.send_sync(id, document, greeting(heads, traits));
    }

    fn put_into_inbox(&mut self, id: ConnectionId, document_id: DocumentId, data: Vec<u8>) {
        let Some(connection) = self.connections.get_mut(&id) else { return };
        let Some(document) = self.documents.get_mut(&document_id) else { return };
        let Some(peer) = document.peers.get_mut(&id) else { return };
        let (frames, bytes) = (self.limits.waiting_frames_max, self.limits.waiting_bytes_max);
        if peer.waiting as usize >= frames {
            let why = format!("more than {frames} messages about one document wait to be worked on; wait for answers");
            return self.close(id, CloseReason::Limit(why));
        }
        if connection.waiting_bytes + data.len() > bytes {
            let why = format!("more than {bytes} bytes of messages wait to be worked on; wait for answers");
            return self.close(id, CloseReason::Limit(why));
        }
        peer.waiting += 1;
        connection.waiting_bytes += data.len();
        document.inbox.push_back(Waiting { connection: id, data });
        self.dirty.insert(document_id);
    }
}

/// The state of a peer that asks for a document that nobody has. When somebody brings it, it is sent.
fn heard_by_nobody(message: SyncMessage, read_only: bool) -> Result<Box<State>, String> {
    let mut state = State { read_only, ..State::default() };
    Automerge::new().receive_sync_message(&mut state, message).map_err(|error| error.to_string())?;
    Ok(Box::new(state))
}

/// A document's id as clients write it.
pub(super) fn parse_id(text: &str) -> Option<DocumentId> {
    let bytes = bs58::decode(text).with_check(None).into_vec().ok()?;
    bytes.try_into().ok().map(DocumentId)
}
