//! The beginning of a document in a new epoch: what is true in the old ones, without how it came to be.

use std::collections::{BTreeMap, BTreeSet};

use automerge::legacy::Key;
use automerge::transaction::{CommitOptions, Transactable};
use automerge::{Automerge, AutomergeError, ChangeHash, ScalarValue};

use super::context::{Context, Dot, Origin, WHOLE, base_map};
use super::{Epoch, Erasures};
use crate::document::{self, Slot};
use crate::leaves;
use crate::materialise;
use crate::record::{ProjectName, RecordKey};
use crate::touched;
use crate::view::View;

/// A shard's document.
#[derive(Debug, Clone, Copy)]
pub struct Shard<'a> {
    /// Its epoch.
    pub epoch: Epoch,
    /// Its number in it.
    pub shard: u16,
    /// The document.
    pub document: &'a Automerge,
}

/// A leaf that goes into a new document.
type Leaf = (String, ScalarValue);

/// A document of a new epoch, with all live records of old documents that belong into it, but for what is erased. Fields
/// keep the name of the change that wrote them: a change of the new document for each.
///
/// # Errors
/// Only by a fault of Automerge.
pub(crate) fn document(
    project: &ProjectName,
    (epoch, shard): (&Epoch, u16),
    old: &[Shard<'_>],
    erased: impl Fn(&RecordKey) -> bool,
) -> Result<Automerge, AutomergeError> {
    let mut by_dot: BTreeMap<Dot, Vec<Leaf>> = BTreeMap::new();
    let mut clock: BTreeMap<Origin, u64> = BTreeMap::new();
    for old in old {
        collect(old, |key| epoch.slot_of(key) == Slot::Shard(shard) && !erased(key), &mut by_dot)?;
        for (origin, sequence) in Context::of(old.document, &old.epoch, old.shard).clock() {
            let last = clock.entry(origin).or_default();
            *last = sequence.max(*last);
        }
    }
    let mut new = epoch.genesis(project, Slot::Shard(shard))?;
    new.set_actor(epoch.cut_actor(shard));
    let map = document::leaves_map(&new, Slot::Shard(shard)).ok_or(AutomergeError::Fail)?;
    for (dot, leaves) in by_dot {
        let mut transaction = new.transaction();
        for (leaf, value) in leaves {
            transaction.put(&map, leaf, value)?;
        }
        transaction.commit_with(CommitOptions::default().with_message(dot.message()).with_time(0));
    }
    let base = base_map(&new).ok_or(AutomergeError::Fail)?;
    let mut transaction = new.transaction();
    for (origin, sequence) in clock {
        transaction.put(&base, origin.text(), sequence.cast_signed())?;
    }
    transaction.put(&base, WHOLE, true)?;
    transaction.commit_with(CommitOptions::default().with_time(0));
    Ok(new)
}

/// The leaves of the live records that belong into a new document, by who wrote them.
fn collect(
    old: &Shard<'_>,
    belongs: impl Fn(&RecordKey) -> bool,
    by_dot: &mut BTreeMap<Dot, Vec<Leaf>>,
) -> Result<(), AutomergeError> {
    let view = View::now(old.document);
    let Some(map) = document::leaves_map(old.document, Slot::Shard(old.shard)) else { return Ok(()) };
    let dots: BTreeMap<ChangeHash, Dot> = old
        .document
        .get_changes_meta(&[])
        .iter()
        .map(|change| (change.hash, Dot::of(&old.epoch, old.shard, change)))
        .collect();
    let own = |key: &RecordKey| old.epoch.slot_of(key) == Slot::Shard(old.shard);
    for key in document::keys(old.document, &map).into_iter().filter(|key| own(key) && belongs(key)) {
        if !leaves::are_live(&view.get_all(&map, leaves::live_of(key.as_str()))?) {
            continue;
        }
        for item in view.map_range(&map, leaves::range_of(key.as_str())) {
            let Some(value) = materialise::flat(view, &item.value, || item.id()) else { continue };
            let dot = old.document.hash_for_opid(&item.id()).and_then(|hash| dots.get(&hash));
            let dot = dot.ok_or(AutomergeError::Fail)?.clone();
            by_dot.entry(dot).or_default().push((item.key.into_owned(), value));
        }
    }
    Ok(())
}

/// Every record key that a document ever had a leaf of, whatever became of it.
pub(crate) fn keys_ever(document: &Automerge) -> BTreeSet<RecordKey> {
    let mut keys = BTreeSet::new();
    for change in document.get_changes(&[]) {
        keys.extend(change.decode().operations.iter().filter_map(|operation| match &operation.key {
            Key::Map(leaf) => touched::key_of(leaf),
            Key::Seq(_) => None,
        }));
    }
    keys
}

/// Whether a document holds anything, past or present, of keys that were erased.
pub(crate) fn holds(document: &Automerge, erased: &Erasures) -> bool {
    !erased.is_empty() && keys_ever(document).iter().any(|key| erased.contains(key))
}
