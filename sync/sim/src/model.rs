//! What must be true: at every word that a hub says, and at the end.

use std::collections::{BTreeMap, BTreeSet};

use automerge::sync::{Message as SyncMessage, State, SyncDoc};
use automerge::{Automerge, ChangeHash, ReadDoc};
use ciborium::Value;
use skerry_sync::document::{DocumentId, Slot, leaves_map};
use skerry_sync::wire::message::Message;
use skerry_sync::{Record, RecordKey, Replica};

use crate::disk::Disk;
use crate::names;
use crate::plain::Standing;
use crate::world::{Client, World};

/// What every text begins with that nobody may see.
pub(crate) const FORBIDDEN: &str = "FORBIDDEN";

/// Bytes of header before the CBOR of an exchange body.
const HEADER_BYTES: usize = 9;

/// Frames for one connection that may be in the making at once.
const IN_THE_MAKING: usize = 12;

/// What was promised.
#[derive(Debug, Default)]
pub(crate) struct Model {
    acknowledged: BTreeMap<Slot, BTreeSet<ChangeHash>>,
    forbidden: BTreeSet<ChangeHash>,
}

impl Model {
    /// Somebody was told that these changes are kept.
    pub(crate) fn acknowledge(&mut self, slot: Slot, changes: &[ChangeHash]) {
        self.acknowledged.entry(slot).or_default().extend(changes);
    }

    /// Nobody may take this change.
    pub(crate) fn forbid(&mut self, change: ChangeHash) {
        self.forbidden.insert(change);
    }
}

impl World {
    /// A frame that a hub sends: the heads in it must be durable, and a stranger must learn nothing.
    pub(crate) fn check_said(&mut self, hub: usize, client: Client, frame: &[u8]) {
        let Ok(Message::Sync { document, data, .. }) = Message::decode(frame) else { return };
        let (Some(slot), Ok(message)) = (names::slot(&document), SyncMessage::decode(&data)) else {
            return self.fail(format!("hub {hub} sends a message about {document} that cannot be read"));
        };
        let stranger = |peer: usize| self.plain.get(peer).is_some_and(|peer| peer.standing == Standing::Stranger);
        if matches!(client, Client::Plain(peer) if stranger(peer)) {
            return self.fail(format!("hub {hub} tells {client:?}, who has no token for it, of {slot:?}"));
        }
        self.check_durable(hub, slot, &message.heads);
    }

    /// Heads that a hub says it has.
    fn check_durable(&mut self, hub: usize, slot: Slot, heads: &[ChangeHash]) {
        let Some(id) = names::id(slot) else { return };
        let durable = |head: &&ChangeHash| self.central.was_durable(id, head) || names::first(slot).contains(head);
        let lied = heads.iter().find(|head| !durable(head)).copied();
        if let Some(head) = lied {
            self.fail(format!("hub {hub} says that it has {head} of {slot:?}, which was never stored"));
        }
    }

    /// The body of an answer of the exchange.
    pub(crate) fn check_answer(&mut self, hub: usize, body: &[u8]) {
        let body: Value = match ciborium::from_reader(body.get(HEADER_BYTES..).unwrap_or_default()) {
            Ok(body) => body,
            Err(error) => return self.fail(format!("hub {hub} answers with a body that cannot be read: {error}")),
        };
        for (list, content) in [("heads", "heads"), ("messages", "message")] {
            for entry in member(&body, list).and_then(Value::as_array).into_iter().flatten() {
                let bytes = |name: &str| member(entry, name).and_then(Value::as_bytes);
                let id = bytes("document").and_then(|id| <[u8; 16]>::try_from(id.as_slice()).ok()).map(DocumentId);
                let (Some(slot), Some(content)) = (id.and_then(names::slot_of), bytes(content)) else { continue };
                let heads = match list {
                    "heads" => content.chunks(32).filter_map(|hash| ChangeHash::try_from(hash).ok()).collect(),
                    _ => SyncMessage::decode(content).map(|message| message.heads).unwrap_or_default(),
                };
                self.check_durable(hub, slot, &heads);
            }
        }
    }

    /// What is stored must be allowed.
    pub(crate) fn check_stored(&mut self, changes: &[ChangeHash]) {
        if let Some(change) = changes.iter().find(|change| self.model.forbidden.contains(change)) {
            self.fail(format!("a hub stores {change}, by somebody who may not write"));
        }
    }

    /// What was in the store must stay in it, whoever deletes what.
    pub(crate) fn check_kept(&mut self, document: DocumentId) {
        if let Some(change) = self.central.gone(document) {
            self.fail(format!("{change} was stored and is lost: no chunk of {document} has it any more"));
        }
    }

    /// Documents that anybody writes to.
    fn slots(&self) -> BTreeSet<Slot> {
        let keys = self.plan.keys.iter().filter_map(|key| RecordKey::parse(key).ok());
        keys.map(|key| Slot::of(&key)).chain([Slot::Catalog]).collect()
    }

    /// Why it is not the same everywhere yet; none when it is.
    pub(crate) fn unsettled(&mut self) -> Option<String> {
        if let Some(hub) = self.hubs.iter().position(|node| node.core.is_none()) {
            return Some(format!("hub {hub} is dead"));
        }
        for slot in self.slots() {
            let stored = match self.central.load(&self.project, slot) {
                Ok(document) => document,
                Err(error) => return Some(format!("the store cannot be read: {error}")),
            };
            if let Some(why) = self.devices_differ(slot, &stored).or_else(|| self.peers_differ(slot, &stored)) {
                return Some(why);
            }
        }
        None
    }

    fn devices_differ(&self, slot: Slot, stored: &Automerge) -> Option<String> {
        let heads = sorted(stored.get_heads(), slot);
        for (index, device) in self.devices.iter().enumerate() {
            let Some(replica) = &device.replica else { return Some(format!("device {index} is dead")) };
            if device.trespassed {
                continue;
            }
            match slot {
                Slot::Catalog => {
                    let said = description(stored);
                    let here = replica.project(&self.project).map(|info| info.description).unwrap_or_default();
                    if said != here {
                        return Some(format!("device {index} says {here:?} of the project, the store {said:?}"));
                    }
                }
                Slot::Shard(shard) => {
                    let version = replica.version(&self.project).ok();
                    let here = version.as_ref().and_then(|version| version.heads().get(usize::from(shard)));
                    let here = sorted(here.cloned().unwrap_or_default(), slot);
                    if here != heads {
                        return Some(format!("device {index} has {here:?} of {slot:?}, the store {heads:?}"));
                    }
                }
            }
        }
        None
    }

    fn peers_differ(&self, slot: Slot, stored: &Automerge) -> Option<String> {
        let heads = sorted(stored.get_heads(), slot);
        let honest = self.plain.iter().enumerate().filter(|(_, peer)| {
            peer.standing == Standing::Writer || (peer.standing == Standing::Reader && !peer.trespassed)
        });
        for (index, peer) in honest {
            let Some(document) = peer.documents.get(&slot) else { continue };
            let here = sorted(document.get_heads(), slot);
            if here != heads {
                return Some(format!("plain peer {index} has {here:?} of {slot:?}, the store {heads:?}"));
            }
        }
        None
    }

    /// Everything is the same everywhere: now it is looked at.
    pub(crate) fn check_at_rest(&mut self) {
        if let Err(why) = self.rest_is_right() {
            self.fail(why);
        }
    }

    fn rest_is_right(&mut self) -> Result<(), String> {
        if let Some((document, chunk)) = self.central.unnoticed_flips().first() {
            return Err(format!(
                "a bit of {chunk} of {document} flipped, every hub has read it, and it is not set aside"
            ));
        }
        if let Some(document) = self.central.documents().iter().find(|id| names::slot_of(**id).is_none()) {
            return Err(format!("the store holds {document}, which nobody may write"));
        }
        for (slot, changes) in &self.model.acknowledged {
            let stored = self.central.load(&self.project, *slot)?;
            let lost: Vec<&ChangeHash> =
                changes.iter().filter(|change| stored.get_change_meta_by_hash(change).is_none()).collect();
            let flipped = names::id(*slot).is_some_and(|id| self.central.had_flips(id));
            if let Some(change) = lost.first() {
                // Everybody is at rest with the store, so nobody has it any more. Only a flipped bit may do that.
                if !flipped {
                    return Err(format!("{change} of {slot:?} was acknowledged and is lost ({} in all)", lost.len()));
                }
                self.trace.note(self.now, "lost to a flipped bit", format_args!("{slot:?} {}", lost.len()));
            }
        }
        let fresh = self.fresh_replica()?;
        let expected = records(&fresh, self)?;
        if let Some(record) = expected.iter().find(|record| record.text.starts_with(FORBIDDEN)) {
            return Err(format!("the record {} was written by somebody who may not", record.key));
        }
        for (index, device) in self.devices.iter().enumerate() {
            let Some(replica) = &device.replica else { continue };
            // Where there is nothing in a project, not everybody has heard of it.
            if device.trespassed || (expected.is_empty() && replica.project(&self.project).is_err()) {
                continue;
            }
            let found = records(replica, self)?;
            if found != expected {
                return Err(format!(
                    "device {index} has the same heads and other records: {found:?}, not {expected:?}"
                ));
            }
        }
        self.trace.note(self.now, "at rest", format_args!("{} records", expected.len()));
        Ok(())
    }

    /// A replica that gets everything that the store has, at once.
    fn fresh_replica(&mut self) -> Result<Replica, String> {
        let actor = self.rng.bytes();
        let replica = Disk::default().open(actor).map_err(|error| error.to_string())?;
        for slot in self.slots() {
            let stored = self.central.load(&self.project, slot)?;
            let Some(id) = names::id(slot) else { continue };
            let mut message = stored.generate_sync_message(&mut State::new()).ok_or("nothing to say")?;
            let changes = stored.get_changes(names::first(slot));
            message.changes = changes.iter().map(|change| change.raw_bytes().to_vec()).collect::<Vec<_>>().into();
            let body = body_about(id, message.encode()).map_err(|error| error.to_string())?;
            replica.exchange(&self.project, &body).map_err(|error| format!("what is stored is refused: {error}"))?;
        }
        Ok(replica)
    }
}

/// The records of a replica, after its tables were compared with its documents.
fn records(replica: &Replica, world: &World) -> Result<Vec<Record>, String> {
    let report = replica.verify(&world.project).map_err(|error| error.to_string())?;
    if !report.differing.is_empty() {
        return Err(format!("a replica's tables differ from its documents: {:?}", report.differing));
    }
    replica.scan(&world.project, None, usize::MAX).map_err(|error| error.to_string())
}

fn member<'a>(map: &'a Value, name: &str) -> Option<&'a Value> {
    map.as_map()?.iter().find(|(key, _)| key.as_text() == Some(name)).map(|(_, value)| value)
}

/// Heads in order; none for a document that only has its beginning, or not even that.
fn sorted(mut heads: Vec<ChangeHash>, slot: Slot) -> Vec<ChangeHash> {
    heads.retain(|head| !names::first(slot).contains(head));
    heads.sort_unstable();
    heads
}

fn description(catalog: &Automerge) -> String {
    let found = leaves_map(catalog, Slot::Catalog).and_then(|map| catalog.get(&map, "description").ok().flatten());
    found.and_then(|(value, _)| value.into_string().ok()).unwrap_or_default()
}

/// An exchange body with one sync message.
fn body_about(document: DocumentId, message: Vec<u8>) -> Result<Vec<u8>, ciborium::ser::Error<std::io::Error>> {
    let text = |text: &str| Value::Text(text.to_owned());
    let entry = vec![(text("document"), Value::Bytes(document.0.to_vec())), (text("message"), Value::Bytes(message))];
    let body = Value::Map(vec![
        (text("project"), text(names::PROJECT)),
        (text("heads"), Value::Array(Vec::new())),
        (text("messages"), Value::Array(vec![Value::Map(entry)])),
    ]);
    let mut payload = Vec::new();
    ciborium::into_writer(&body, &mut payload)?;
    Ok([b"SKRX1".as_slice(), &crc32fast::hash(&payload).to_be_bytes(), &payload].concat())
}

impl World {
    /// Queues stay within their bounds at every step. Whether there is room for a frame is looked at before it is made, and some
    /// may be in the making at once, so what waits for a socket may pass its bound by so many frames.
    pub(crate) fn check_bounds(&mut self, hub: usize) {
        let Some(core) = self.hubs.get(hub).and_then(|node| node.core.as_ref()) else { return };
        let (status, limits) = (core.status(), &self.plan.limits);
        let queue_max = limits.queue_bytes_max + self.network.largest_frame * IN_THE_MAKING;
        let queue = status.connections.iter().map(|connection| connection.queue_bytes).max().unwrap_or(0);
        let waiting_max = limits.waiting_frames_max * status.connections.len() * self.plan.keys.len().max(4);
        if queue > queue_max {
            self.fail(format!("hub {hub} has {queue} bytes waiting for one connection, more than {queue_max}"));
        } else if status.waiting_frames > waiting_max {
            self.fail(format!("hub {hub} has {} frames waiting for documents", status.waiting_frames));
        }
    }

    /// Which hub holds more than it may when nothing is under way; none when none does.
    pub(crate) fn over_budget(&self) -> Option<String> {
        for (index, node) in self.hubs.iter().enumerate() {
            let Some(status) = node.core.as_ref().map(skerry_sync::hub::Hub::status) else { continue };
            let most = self.plan.limits.documents_bytes_max;
            if status.documents_bytes > most {
                return Some(format!(
                    "hub {index} holds {} bytes of documents at rest, not {most}",
                    status.documents_bytes
                ));
            }
        }
        None
    }
}
