//! The epochs of a project, as its catalog lists them.

use std::collections::{BTreeMap, BTreeSet};

use automerge::{Automerge, ReadDoc, ScalarValue, Value};
use serde::{Deserialize, Serialize};

use super::{Epoch, ErasedKey, Erasures, parse_name};
use crate::document::{self, DocumentId, Slot};
use crate::record::{ProjectName, RecordKey};

/// What the leaves of epochs begin with in the catalog.
const PREFIX: &str = "epoch/";

/// The first map key behind those: U+0030 follows `/`.
const PREFIX_END: &str = "epoch0";

/// Why an epoch was cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Cut {
    /// To erase records.
    Erase,
    /// To change the number of shards.
    Reshard,
    /// To forget the history.
    Compact,
    /// Because an epoch cut at the same time as an erasure held what that erased.
    Again,
}

/// An epoch, as its leaf in the catalog says it (JSON). Written once, by the replica that cut it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Entry {
    shards: u16,
    /// Names of erased keys, by this epoch's nonce.
    erased: Vec<String>,
    /// Names of the epochs that the cutter knew, without those that these knew.
    #[serde(default)]
    after: Vec<String>,
    cut: Cut,
    /// Milliseconds since the Unix epoch, by the cutter's clock.
    time: i64,
}

impl Entry {
    /// The leaf's value for an epoch that is cut now.
    pub(crate) fn new(
        project: &ProjectName,
        epoch: &Epoch,
        keys: &BTreeSet<RecordKey>,
        after: Vec<String>,
        (cut, time): (Cut, i64),
    ) -> Entry {
        let mut erased: Vec<String> = keys.iter().map(|key| ErasedKey::of(epoch, project, key).to_string()).collect();
        erased.sort_unstable();
        Entry { shards: epoch.shards, erased, after, cut, time }
    }
}

/// The map key of an epoch's leaf.
pub(crate) fn leaf_of(epoch: &Epoch) -> String {
    format!("{PREFIX}{}", epoch.name())
}

#[derive(Debug, Clone, Default)]
struct Known {
    erased: BTreeSet<ErasedKey>,
    after: BTreeSet<String>,
}

/// The epochs that a catalog lists, and the first one, which none lists.
#[derive(Debug, Clone)]
pub struct Epochs {
    project: ProjectName,
    known: BTreeMap<Epoch, Known>,
}

impl Epochs {
    /// Reads them. What is not understood is passed over.
    pub fn read(project: &ProjectName, catalog: &Automerge) -> Epochs {
        let mut epochs = Epochs { project: project.clone(), known: BTreeMap::from([(Epoch::FIRST, Known::default())]) };
        let Some(map) = document::leaves_map(catalog, Slot::Catalog) else { return epochs };
        for leaf in catalog.map_range(&map, PREFIX.to_owned()..PREFIX_END.to_owned()) {
            let Some((number, nonce)) = leaf.key.strip_prefix(PREFIX).and_then(parse_name) else { continue };
            // One writer, one value. If somebody wrote another one all the same, all erasures count.
            for (value, _) in catalog.get_all(&map, leaf.key.as_ref()).unwrap_or_default() {
                let Some(entry) = entry(&value) else { continue };
                match Epoch::new(number, nonce, entry.shards) {
                    Some(epoch) if epoch != Epoch::FIRST => epochs.add(epoch, entry),
                    _ => {}
                }
            }
        }
        epochs
    }

    fn add(&mut self, epoch: Epoch, entry: Entry) {
        let known = self.known.entry(epoch).or_default();
        known.erased.extend(entry.erased.iter().filter_map(|digits| ErasedKey::parse(digits)));
        known.after.extend(entry.after);
    }

    /// The one that counts.
    pub fn newest(&self) -> Epoch {
        self.known.keys().next_back().copied().unwrap_or_default()
    }

    /// All of them, in order.
    pub fn all(&self) -> impl Iterator<Item = Epoch> + '_ {
        self.known.keys().copied()
    }

    /// An epoch and all that its cutter knew, through others too.
    fn closure(&self, epoch: Epoch) -> BTreeSet<Epoch> {
        let by_name: BTreeMap<String, Epoch> = self.known.keys().map(|epoch| (epoch.name(), *epoch)).collect();
        let (mut reached, mut open) = (BTreeSet::from([Epoch::FIRST]), vec![epoch]);
        while let Some(epoch) = open.pop() {
            if reached.insert(epoch) {
                let after = self.known.get(&epoch).into_iter().flat_map(|known| &known.after);
                open.extend(after.filter_map(|name| by_name.get(name)));
            }
        }
        reached
    }

    /// What was erased by epochs that the given one does not have behind it: its documents may still hold it, and nobody
    /// may carry it on.
    pub fn erased_since(&self, epoch: Epoch) -> Erasures {
        let behind = self.closure(epoch);
        let since = self.known.iter().filter(|(epoch, known)| !behind.contains(epoch) && !known.erased.is_empty());
        let by_epoch = since.map(|(epoch, known)| (*epoch, known.erased.clone())).collect();
        Erasures { project: self.project.clone(), by_epoch }
    }

    /// Everything that any epoch erased.
    pub fn erased_ever(&self) -> Erasures {
        let all = self.known.iter().filter(|(_, known)| !known.erased.is_empty());
        let by_epoch = all.map(|(epoch, known)| (*epoch, known.erased.clone())).collect();
        Erasures { project: self.project.clone(), by_epoch }
    }

    /// The next epoch's number, and the names of what it has behind it: all that is known.
    pub(crate) fn next(&self) -> (u64, Vec<String>) {
        let others = |epoch: &Epoch| {
            let mut behind = self.closure(*epoch);
            behind.remove(epoch);
            behind
        };
        let behind: BTreeSet<Epoch> = self.known.keys().flat_map(others).collect();
        let last = self.known.keys().filter(|epoch| !behind.contains(epoch) && **epoch != Epoch::FIRST);
        (self.newest().number + 1, last.map(Epoch::name).collect())
    }

    /// Ids of the documents that are, or were, the project's: the catalog, then every epoch's shards from the newest back.
    pub fn documents(&self) -> Vec<DocumentId> {
        let shards = self.known.keys().rev().flat_map(|epoch| epoch.slots().skip(1).map(move |slot| (epoch, slot)));
        std::iter::once(DocumentId::derive(&self.project, Slot::Catalog))
            .chain(shards.map(|(epoch, slot)| epoch.document_id(&self.project, slot)))
            .collect()
    }
}

fn entry(value: &Value<'_>) -> Option<Entry> {
    match value {
        Value::Scalar(value) => match value.as_ref() {
            ScalarValue::Str(json) => serde_json::from_str(json).ok(),
            _ => None,
        },
        Value::Object(_) => None,
    }
}

/// The documents of a project that may be talked about, given its catalog: the catalog itself, and the shards of every
/// epoch that it names, newest first.
pub fn documents_of(project: &ProjectName, catalog: &Automerge) -> Vec<DocumentId> {
    Epochs::read(project, catalog).documents()
}
