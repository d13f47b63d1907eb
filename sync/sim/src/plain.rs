//! Clients that are no replicas of ours: Automerge documents and the protocol of automerge-repo, as a program in JavaScript
//! has them, writing records by the documented layout.

use std::collections::{BTreeMap, BTreeSet};

use automerge::sync::{Message as SyncMessage, State, SyncDoc};
use automerge::transaction::{CommitOptions, Transactable};
use automerge::{ActorId, Automerge, ChangeHash, ObjType, ReadDoc};
use skerry_sync::document::{SEPARATOR, Slot, genesis, leaves_map};
use skerry_sync::hub::{Access, ConnectionId, Grant, Scope};
use skerry_sync::wire::message::{Message, PeerMetadata};
use skerry_sync::{ProjectName, RecordKey};

use crate::model::FORBIDDEN;
use crate::names;
use crate::world::{Client, Happening, World};

/// What a peer's token allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    Writer,
    /// May read, and writes all the same.
    Reader,
    /// Has a token for another project, and asks for this one.
    Stranger,
}

/// One such client.
#[derive(Debug)]
pub(crate) struct PlainPeer {
    pub(crate) standing: Standing,
    hub: usize,
    life: u64,
    pub(crate) documents: BTreeMap<Slot, Automerge>,
    /// As they were last saved.
    saved: BTreeMap<Slot, Automerge>,
    connection: Option<ConnectionId>,
    joined: bool,
    states: BTreeMap<Slot, State>,
    /// Own changes that no hub has said it has.
    pending: BTreeMap<Slot, BTreeSet<ChangeHash>>,
    pub(crate) trespassed: bool,
}

impl World {
    pub(crate) fn add_plain_peer(&mut self) -> Result<(), String> {
        let standing = *self
            .rng
            .pick(&[Standing::Writer, Standing::Writer, Standing::Reader, Standing::Stranger])
            .unwrap_or(&Standing::Writer);
        let keys = self.plan.keys.iter().filter_map(|key| RecordKey::parse(key).ok());
        let slots: BTreeSet<Slot> = keys.map(|key| Slot::of(&key)).chain([Slot::Catalog]).collect();
        // Some know how documents begin, as docs/format.md says; others wait until a hub tells them.
        let knows = self.rng.per_mille(600);
        let mut documents = BTreeMap::new();
        for slot in slots {
            let document =
                if knows { genesis(&self.project, slot).map_err(|error| error.to_string())? } else { Automerge::new() };
            documents.insert(slot, document);
        }
        let hub = self.rng.below(self.plan.hubs);
        let mut peer = PlainPeer {
            standing,
            hub,
            life: 0,
            saved: documents.clone(),
            documents,
            connection: None,
            joined: false,
            states: BTreeMap::new(),
            pending: BTreeMap::new(),
            trespassed: false,
        };
        peer.rename(self.rng.bytes());
        self.plain.push(peer);
        let index = self.plain.len() - 1;
        self.trace.note(self.now, "plain peer", format_args!("{index} {standing:?} hub {hub}"));
        self.queue.at(self.now + 1, Happening::ClientTick { client: Client::Plain(index), life: 0 });
        Ok(())
    }

    /// The program dies and starts again with what it had saved, and with another actor.
    pub(crate) fn crash_plain(&mut self, index: usize) {
        let actor = self.rng.bytes();
        let Some(peer) = self.plain.get_mut(index) else { return };
        peer.documents = peer.saved.clone();
        peer.rename(actor);
        peer.life += 1;
        (peer.joined, peer.states, peer.pending) = (false, BTreeMap::new(), BTreeMap::new());
        let (open, life) = (peer.connection.take(), peer.life);
        self.trace.note(self.now, "plain peer restarts", format_args!("{index}"));
        open.into_iter().for_each(|id| self.close_by_client(id));
        self.queue.at(self.now + 500, Happening::ClientTick { client: Client::Plain(index), life });
    }

    pub(crate) fn tick_plain(&mut self, index: usize, life: u64) {
        let Some(peer) = self.plain.get(index).filter(|peer| peer.life == life) else { return };
        let (hub, connected) = (peer.hub, peer.connection.is_some());
        self.queue.at(self.now + 1_000, Happening::ClientTick { client: Client::Plain(index), life });
        if !connected && self.rng.per_mille(400) {
            self.connect_plain(index, hub);
        }
    }

    pub(crate) fn connect_plain(&mut self, index: usize, hub: usize) {
        let Some(peer) = self.plain.get(index).filter(|peer| peer.connection.is_none()) else { return };
        let grant = match peer.standing {
            Standing::Writer => self.grant_of(Access::Write),
            Standing::Reader => self.grant_of(Access::Read),
            Standing::Stranger => {
                let Ok(other) = ProjectName::parse("another") else { return };
                Grant { scope: Scope::Projects([other].into()), access: Access::Write }
            }
        };
        let Some(id) = self.connect(Client::Plain(index), hub, grant) else { return };
        let Some(peer) = self.plain.get_mut(index) else { return };
        (peer.hub, peer.connection, peer.joined) = (hub, Some(id), false);
        peer.states.clear();
        let join = Message::Join {
            sender: format!("plain{index}"),
            versions: vec!["1".to_owned()],
            metadata: PeerMetadata::default(),
        };
        self.send_message(index, &join);
    }

    pub(crate) fn disconnect_plain(&mut self, index: usize) {
        let open = self.plain.get_mut(index).and_then(|peer| peer.connection.take());
        open.into_iter().for_each(|id| self.close_by_client(id));
    }

    fn send_message(&mut self, index: usize, message: &Message) {
        let Some(id) = self.plain.get(index).and_then(|peer| peer.connection) else { return };
        match message.encode() {
            Ok(frame) => self.send_to_hub(id, frame),
            Err(error) => self.fail(format!("a message cannot be written: {error}")),
        }
    }

    /// Says what there is to say about a document.
    fn talk(&mut self, index: usize, slot: Slot) {
        let Some(peer) = self.plain.get_mut(index).filter(|peer| peer.joined) else { return };
        let Some(document) = peer.documents.get(&slot) else { return };
        let state = peer.states.entry(slot).or_default();
        let first = state.their_heads.is_none() && document.get_heads().is_empty();
        let Some(message) = document.generate_sync_message(state) else { return };
        let message = Message::Sync {
            sender: format!("plain{index}"),
            target: "hub".to_owned(),
            document: names::of(slot).to_owned(),
            data: message.encode(),
            request: first,
        };
        self.send_message(index, &message);
    }

    pub(crate) fn plain_hears(&mut self, index: usize, id: ConnectionId, frame: &[u8]) {
        if self.plain.get(index).is_none_or(|peer| peer.connection != Some(id)) {
            return;
        }
        match Message::decode(frame) {
            Ok(Message::Peer { .. }) => {
                let Some(peer) = self.plain.get_mut(index) else { return };
                peer.joined = true;
                let slots: Vec<Slot> = peer.documents.keys().copied().collect();
                slots.into_iter().for_each(|slot| self.talk(index, slot));
            }
            Ok(Message::Sync { document, data, .. }) => {
                let (Some(slot), Ok(message)) = (names::slot(&document), SyncMessage::decode(&data)) else {
                    return self
                        .fail(format!("plain peer {index} gets a message about {document} that it cannot read"));
                };
                self.plain_receives(index, slot, message);
            }
            Ok(Message::Error { message, .. }) => {
                self.trace.note(self.now, "told of an error", format_args!("plain {index}: {message}"));
            }
            Ok(_) => {}
            Err(error) => self.fail(format!("plain peer {index} gets a frame that it cannot read: {error}")),
        }
    }

    fn plain_receives(&mut self, index: usize, slot: Slot, message: SyncMessage) {
        let heads = message.heads.clone();
        let Some(peer) = self.plain.get_mut(index) else { return };
        let Some(document) = peer.documents.get_mut(&slot) else { return };
        let state = peer.states.entry(slot).or_default();
        if let Err(error) = document.receive_sync_message(state, message) {
            return self.fail(format!("plain peer {index} cannot take what a hub sent: {error}"));
        }
        // What the hub says it has it must keep for ever.
        let pending = peer.pending.entry(slot).or_default();
        if !pending.is_empty() {
            let known: Vec<ChangeHash> =
                heads.into_iter().filter(|head| document.get_change_by_hash(head).is_some()).collect();
            let beyond: BTreeSet<ChangeHash> =
                document.get_changes(&known).iter().map(automerge::Change::hash).collect();
            let said: Vec<ChangeHash> = pending.iter().filter(|change| !beyond.contains(change)).copied().collect();
            pending.retain(|change| beyond.contains(change));
            if !said.is_empty() && peer.standing == Standing::Writer {
                self.trace.note(self.now, "hub acknowledged", format_args!("plain {index} {slot:?} {}", said.len()));
                self.model.acknowledge(slot, &said);
            }
        }
        self.talk(index, slot);
    }

    pub(crate) fn plain_is_cut_off(&mut self, index: usize, id: ConnectionId) {
        let Some(peer) = self.plain.get_mut(index) else { return };
        if peer.connection == Some(id) {
            (peer.connection, peer.joined) = (None, false);
        }
    }

    /// Writes a record, or deletes it, as another program does.
    pub(crate) fn plain_writes(&mut self, index: usize, key: &str, text: Option<&str>) {
        let Some(slot) = RecordKey::parse(key).ok().map(|key| Slot::of(&key)) else { return };
        let (as_object, save) = (self.rng.per_mille(500), self.rng.per_mille(300));
        let Some(peer) = self.plain.get_mut(index) else { return };
        let forbidden = peer.standing != Standing::Writer;
        let text = text.map(|text| if forbidden { format!("{FORBIDDEN} {text}") } else { text.to_owned() });
        let Some(document) = peer.documents.get_mut(&slot) else { return };
        let Some(map) = leaves_map(document, slot) else { return };
        let leaf = |path: &str| format!("{key}{SEPARATOR}{path}");
        let mut transaction = document.transaction();
        let written = (|| {
            transaction.put(&map, leaf("@live"), text.is_some())?;
            match &text {
                None => drop(transaction.delete(&map, leaf("text"))),
                Some(text) if as_object => {
                    let id = transaction.put_object(&map, leaf("text"), ObjType::Text)?;
                    transaction.splice_text(&id, 0, 0, text)?;
                }
                Some(text) => transaction.put(&map, leaf("text"), text.as_str())?,
            }
            transaction.put(&map, leaf(&format!("data/by-plain{index}")), self.now as i64)
        })();
        let (change, _) = transaction.commit_with(CommitOptions::default().with_time(0));
        let (Ok(()), Some(change)) = (written, change) else { return };
        if save {
            peer.saved.insert(slot, document.clone());
        }
        if forbidden {
            peer.trespassed = true;
            self.model.forbid(change);
        } else {
            peer.pending.entry(slot).or_default().insert(change);
        }
        self.trace.note(self.now, "plain write", format_args!("{index} {key} {text:?}"));
        self.talk(index, slot);
    }
}

impl PlainPeer {
    fn rename(&mut self, actor: [u8; 16]) {
        for document in self.documents.values_mut() {
            document.set_actor(ActorId::from(actor));
        }
    }
}
