//! Changes that were written into documents of an older epoch, carried over into one of the newest.
//!
//! A change is carried over by itself: the new one is made from the old one, from what stands for its dependencies in the new
//! document, and from nothing else, down to its actor, which is a digest of its content. So whoever carries it over makes the
//! same change, and it does not matter how often and where that is done.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::num::NonZeroU64;

use automerge::legacy::{Key, ObjectId, Op, OpId, OpType};
use automerge::{ActorId, Automerge, AutomergeError, Change, ChangeHash, ExpandedChange, ObjId, ReadDoc, ScalarValue};
use sha2::{Digest, Sha256};

use super::Erasures;
pub use super::context::is_whole;
use super::context::{Context, Dot, Origin, Seen, base_map};
pub use super::cut::Shard;
use crate::document::{self, Slot};
use crate::materialise;
use crate::touched;
use crate::view::View;

/// Carries over what a document of the newest epoch has not seen of an older one; answers how many changes it took. What
/// was erased since is left out. The new document must be whole ([`is_whole`]). Doing it again changes nothing.
///
/// # Errors
/// Only by a fault of Automerge; drop the new document then.
pub fn replay(
    old: Shard<'_>,
    new: &mut Automerge,
    at: (super::Epoch, u16),
    erased: &Erasures,
) -> Result<usize, AutomergeError> {
    let (epoch, shard) = at;
    if epoch.related(&old.epoch, old.shard).all(|related| related != shard) {
        return Ok(0);
    }
    let context = Context::of(new, &epoch, shard);
    let Some(map) = document::leaves_map(new, Slot::Shard(shard)) else { return Err(AutomergeError::Fail) };
    let Some(begun) = last_of(new, &epoch.cut_actor(shard)) else { return Err(AutomergeError::Fail) };
    let mut replay = Replay { old, new, epoch, shard, erased, context, map, begun, carried: 0 };
    let root = replay.root()?;
    replay.changes(&root)?;
    Ok(replay.carried)
}

/// The last change of an actor.
fn last_of(document: &Automerge, actor: &ActorId) -> Option<ChangeHash> {
    let changes = document.get_changes_meta(&[]);
    let own = changes.iter().filter(|change| change.actor.as_ref() == actor);
    own.max_by_key(|change| change.seq).map(|change| change.hash)
}

struct Replay<'a> {
    old: Shard<'a>,
    new: &'a mut Automerge,
    epoch: super::Epoch,
    shard: u16,
    erased: &'a Erasures,
    context: Context,
    /// The map of the leaves in the new document.
    map: ObjId,
    /// The last change of the new document's beginning.
    begun: ChangeHash,
    carried: usize,
}

/// A leaf of a document's beginning.
#[derive(Debug)]
struct Begun {
    value: ScalarValue,
    dot: Dot,
    id: OpId,
}

impl Replay<'_> {
    /// Whether a leaf may be carried over into this document.
    fn takes(&self, leaf: &str) -> bool {
        touched::key_of(leaf).is_some_and(|key| {
            self.epoch.slot_of(&key) == Slot::Shard(self.shard)
                && self.old.epoch.slot_of(&key) == Slot::Shard(self.old.shard)
                && !self.erased.contains(&key)
        })
    }

    /// What stands for the old document's beginning in the new one.
    fn root(&mut self) -> Result<Vec<ChangeHash>, AutomergeError> {
        let cut = self.old.epoch.cut_actor(self.old.shard);
        let Some(last) = last_of(self.old.document, &cut) else {
            // The first epoch's documents begin empty.
            return Ok(vec![self.begun]);
        };
        let sequence = self.old.document.get_change_meta_by_hash(&last).map_or(0, |change| change.seq);
        let dot = Dot { origin: Origin::new(&self.old.epoch, self.old.shard, cut), sequence };
        match self.context.seen(&dot) {
            Seen::In(hash) => Ok(vec![hash]),
            Seen::Gone => Ok(vec![self.begun]),
            Seen::No => self.join(&dot).map(|hash| vec![hash]),
        }
    }

    /// Joins the beginnings of two documents of which neither stands on the other: they were cut at the same time. Each
    /// knows which changes it has seen, so what only one of them has is either new to the other or was removed there.
    fn join(&mut self, dot: &Dot) -> Result<ChangeHash, AutomergeError> {
        // As they were begun: what came behind it is carried over change by change.
        let (theirs, behind) = begun(self.old.document, &self.old.epoch, self.old.shard);
        let (ours, _) = begun(self.new, &self.epoch, self.shard);
        let mut puts: BTreeMap<Dot, Vec<Op>> = BTreeMap::new();
        for (leaf, their) in theirs.iter().filter(|(leaf, _)| self.takes(leaf)) {
            if self.context.contains(&their.dot) {
                continue;
            }
            let pred = ours.get(leaf).filter(|our| behind.contains(&our.dot)).map(|our| our.id.clone());
            let op = operation(&self.map, leaf, OpType::Put(their.value.clone()), pred.into_iter());
            puts.entry(their.dot.clone()).or_default().extend(op);
        }
        let removed = ours.iter().filter(|(leaf, our)| {
            let theirs_to_say =
                touched::key_of(leaf).is_some_and(|key| self.old.epoch.slot_of(&key) == Slot::Shard(self.old.shard));
            theirs_to_say && !theirs.contains_key(*leaf) && behind.contains(&our.dot)
        });
        let mut last: Vec<Op> = removed
            .filter_map(|(leaf, our)| operation(&self.map, leaf, OpType::Delete, [our.id.clone()].into_iter()))
            .collect();
        let mut at = vec![self.begun];
        for (dot, operations) in puts {
            at = vec![self.write(&at, operations, Some(&dot), 0)?];
        }
        last.extend(self.base(&behind, dot)?);
        self.write(&at, last, None, 0)
    }

    /// Operations that add to the base what the other beginning stood on, and that beginning itself.
    fn base(&self, behind: &Context, dot: &Dot) -> Result<Vec<Op>, AutomergeError> {
        let base = base_map(self.new).ok_or(AutomergeError::Fail)?;
        let mut clock = behind.clock();
        clock.insert(dot.origin.clone(), dot.sequence);
        let ours = self.context.clock();
        let new = clock.into_iter().filter(|(origin, sequence)| ours.get(origin).is_none_or(|known| known < sequence));
        let put = |(origin, sequence): (Origin, u64)| {
            let pred: Vec<OpId> = self
                .new
                .get_all(&base, origin.text())
                .unwrap_or_default()
                .into_iter()
                .filter_map(|(_, id)| id_of(&id))
                .collect();
            let value = ScalarValue::Int(sequence.cast_signed());
            operation(&base, &origin.text(), OpType::Put(value), pred.into_iter())
        };
        Ok(new.filter_map(put).collect())
    }

    /// Carries over the changes behind the beginning.
    fn changes(&mut self, root: &[ChangeHash]) -> Result<(), AutomergeError> {
        let Some(old_map) = document::leaves_map(self.old.document, Slot::Shard(self.old.shard)) else {
            return Ok(());
        };
        let cut = self.old.epoch.cut_actor(self.old.shard);
        let document = self.old.document;
        // What stands for each old change in the new document.
        let mut images: HashMap<ChangeHash, Vec<ChangeHash>> = HashMap::new();
        for change in document.get_changes(&[]) {
            if change.deps().is_empty() {
                images.insert(change.hash(), vec![self.begun]);
                continue;
            }
            if *change.actor_id() == cut {
                images.insert(change.hash(), root.to_vec());
                continue;
            }
            let Some(meta) = document.get_change_meta_by_hash(&change.hash()) else { continue };
            let dot = Dot::of(&self.old.epoch, self.old.shard, &meta);
            let at = self.image(change.deps(), &images);
            let image = match self.context.seen(&dot) {
                Seen::In(hash) => vec![hash],
                Seen::Gone => at,
                Seen::No => {
                    let operations = self.operations(&change, &old_map, &at)?;
                    if operations.is_empty() {
                        at
                    } else {
                        let hash = self.write(&at, operations, Some(&dot), change.timestamp())?;
                        vec![hash]
                    }
                }
            };
            images.insert(change.hash(), image);
        }
        Ok(())
    }

    /// What stands for an old change's dependencies. The beginning is behind everything else, so it is named alone only.
    fn image(&self, deps: &[ChangeHash], images: &HashMap<ChangeHash, Vec<ChangeHash>>) -> Vec<ChangeHash> {
        let mut at: BTreeSet<ChangeHash> = deps.iter().filter_map(|dep| images.get(dep)).flatten().copied().collect();
        if at.len() > 1 {
            at.remove(&self.begun);
        }
        if at.is_empty() {
            at.insert(self.begun);
        }
        at.into_iter().collect()
    }

    /// What a change did to the leaves of this document.
    fn operations(&self, change: &Change, old_map: &ObjId, at: &[ChangeHash]) -> Result<Vec<Op>, AutomergeError> {
        let document = self.old.document;
        let heads = [change.hash()];
        let then = View::at(document, &heads).ok_or(AutomergeError::Fail)?;
        let mut operations = Vec::new();
        for leaf in touched::leaves(document, old_map, std::slice::from_ref(change)) {
            if !self.takes(&leaf) {
                continue;
            }
            let found = then.get(old_map, leaf.as_str())?;
            let value = found.and_then(|(value, id)| materialise::flat_value(then, &value, &id));
            let before = self.new.get_all_at(&self.map, leaf.as_str(), at)?;
            let mut pred = before.iter().filter_map(|(_, id)| id_of(id)).peekable();
            let action = match value {
                Some(value) => OpType::Put(value),
                // Nothing to remove.
                None if pred.peek().is_none() => continue,
                None => OpType::Delete,
            };
            operations.extend(operation(&self.map, &leaf, action, pred));
        }
        Ok(operations)
    }

    /// Adds a change that follows from its content.
    fn write(
        &mut self,
        deps: &[ChangeHash],
        operations: Vec<Op>,
        dot: Option<&Dot>,
        time: i64,
    ) -> Result<ChangeHash, AutomergeError> {
        let before = deps.iter().filter_map(|dep| self.new.get_change_meta_by_hash(dep)).map(|change| change.max_op);
        let start_op = NonZeroU64::MIN.saturating_add(before.max().unwrap_or(0));
        let mut change = ExpandedChange {
            operations,
            actor_id: ActorId::from([0_u8; 16]),
            hash: None,
            seq: 1,
            start_op,
            time,
            message: dot.map(Dot::message),
            deps: deps.to_vec(),
            extra_bytes: Vec::new(),
            author: None,
        };
        let content = Change::from(change.clone()).hash();
        let digest = Sha256::new().chain_update(b"skerry/replay/1\0").chain_update(content.0).finalize();
        change.actor_id = ActorId::from(digest.get(..16).unwrap_or_default());
        let change = Change::from(change);
        let hash = change.hash();
        if self.new.get_change_meta_by_hash(&hash).is_none() {
            self.new.apply_changes([change])?;
            self.carried += 1;
        }
        if let Some(dot) = dot {
            self.context.remember(dot.clone(), hash);
        }
        Ok(hash)
    }
}

/// The leaves that a document began with, and what it stood on then.
fn begun(document: &Automerge, epoch: &super::Epoch, shard: u16) -> (BTreeMap<String, Begun>, Context) {
    let (mut leaves, mut context) = (BTreeMap::new(), Context::default());
    let object = |id: Option<ObjId>| id.as_ref().and_then(id_of).map(ObjectId::Id);
    let map = object(document::leaves_map(document, Slot::Shard(shard)));
    let base = object(base_map(document));
    let cut = epoch.cut_actor(shard);
    for change in document.get_changes(&[]).iter().filter(|change| *change.actor_id() == cut) {
        let dot = change.message().and_then(Dot::parse);
        if let Some(dot) = &dot {
            context.remember(dot.clone(), change.hash());
        }
        for (counter, operation) in (change.start_op().get()..).zip(change.decode().operations) {
            let (OpType::Put(value), Key::Map(leaf)) = (operation.action, operation.key) else { continue };
            if Some(&operation.obj) == base.as_ref() {
                context.stand_on(&leaf, &value);
            } else if let Some(dot) = dot.as_ref().filter(|_| Some(&operation.obj) == map.as_ref()) {
                let id = OpId(counter, cut.clone());
                leaves.insert(leaf.to_string(), Begun { value, dot: dot.clone(), id });
            }
        }
    }
    (leaves, context)
}

/// The id of the operation that an object id, or what stands for one beside a scalar, names.
fn id_of(id: &ObjId) -> Option<OpId> {
    match id {
        ObjId::Root => None,
        ObjId::Id(counter, actor, _) => Some(OpId(*counter, actor.clone())),
    }
}

fn operation(map: &ObjId, leaf: &str, action: OpType, pred: impl Iterator<Item = OpId>) -> Option<Op> {
    Some(Op { action, obj: ObjectId::Id(id_of(map)?), key: Key::Map(leaf.into()), pred: pred.collect(), insert: false })
}
