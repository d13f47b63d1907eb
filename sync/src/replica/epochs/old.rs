//! What a project's documents on disk hold, for those of another epoch.

use std::collections::BTreeSet;

use automerge::{Automerge, ChangeHash};
use redb::ReadTransaction;

use super::Found;
use crate::document::{self, Slot};
use crate::epoch::replay::{Shard, is_whole, replay};
use crate::epoch::{Epoch, Erasures, cut};
use crate::error::StoreError;
use crate::guard::guarded;
use crate::materialise;
use crate::record::{ProjectName, Record, RecordKey};
use crate::replica::documents::{self, At};
use crate::replica::project;
use crate::store::RECORDS;
use crate::view::View;

/// A project's documents as they are on disk.
pub(super) struct Old<'a> {
    pub(super) transaction: &'a ReadTransaction,
    pub(super) project: &'a ProjectName,
    pub(super) epoch: Epoch,
}

/// Documents of a new epoch: slot, heads, and the whole document.
pub(super) type Parts = Vec<(Slot, Vec<ChangeHash>, Vec<u8>)>;

impl Old<'_> {
    fn read(&self, epoch: Epoch, shard: u16) -> Result<Automerge, StoreError> {
        let at = At { project: self.project, epoch, slot: Slot::Shard(shard) };
        Ok(documents::read(self.transaction, at)?.document)
    }

    /// The documents that hold records of a shard of another epoch.
    fn related(&self, epoch: Epoch, shard: u16) -> Result<Vec<(u16, Automerge)>, StoreError> {
        self.epoch.related(&epoch, shard).map(|old| Ok((old, self.read(self.epoch, old)?))).collect()
    }

    /// The documents of a new epoch.
    pub(super) fn cut(&self, epoch: Epoch, gone: impl Fn(&RecordKey) -> bool) -> Result<Parts, StoreError> {
        let mut parts = Parts::new();
        for shard in 0..epoch.shards {
            let old = self.related(epoch, shard)?;
            let old: Vec<Shard<'_>> =
                old.iter().map(|(shard, document)| Shard { epoch: self.epoch, shard: *shard, document }).collect();
            let new = automerge(|| cut::document(self.project, (&epoch, shard), &old, &gone))?;
            parts.push((Slot::Shard(shard), new.get_heads(), new.save()));
        }
        Ok(parts)
    }

    /// The documents of an epoch that has arrived, with what they have not seen of the documents of now; none when one of
    /// them is not whole. And the records that differ from those of now.
    #[expect(clippy::type_complexity, reason = "both halves are used at once, in one place")]
    pub(super) fn join(
        &self,
        next: Epoch,
        erased: &Erasures,
    ) -> Result<Option<(Parts, Vec<(RecordKey, Option<Record>)>)>, StoreError> {
        let (mut parts, mut records, mut seen) = (Parts::new(), Vec::new(), BTreeSet::new());
        let stored = self.transaction.open_table(RECORDS)?;
        for shard in 0..next.shards {
            let slot = Slot::Shard(shard);
            let mut new = self.read(next, shard)?;
            if !is_whole(&new) {
                return Ok(None);
            }
            for (old, document) in self.related(next, shard)? {
                let old = Shard { epoch: self.epoch, shard: old, document: &document };
                automerge(|| replay(old, &mut new, (next, shard), erased))?;
            }
            let Some(map) = document::leaves_map(&new, slot) else { return Ok(None) };
            for key in document::keys(&new, &map).into_iter().filter(|key| next.slot_of(key) == slot) {
                let Some(record) = automerge(|| materialise::record(View::now(&new), &map, &key))? else { continue };
                let before = stored.get((self.project.as_str(), key.as_str()))?;
                let before = before.map(|row| project::decode_record(row.value())).transpose()?.flatten();
                seen.insert(key.clone());
                if before.as_ref() != Some(&record) {
                    records.push((key, Some(record)));
                }
            }
            parts.push((slot, new.get_heads(), new.save()));
        }
        records.extend(self.keys()?.into_iter().filter(|key| !seen.contains(key)).map(|key| (key, None)));
        Ok(Some((parts, records)))
    }

    /// Keys that the table of records knows, deleted ones included.
    fn keys(&self) -> Result<Vec<RecordKey>, StoreError> {
        let mut keys = Vec::new();
        for entry in self.transaction.open_table(RECORDS)?.range((self.project.as_str(), "")..)? {
            let (name, _) = entry?;
            let (owner, key) = name.value();
            if owner != self.project.as_str() {
                break;
            }
            keys.push(RecordKey::parse(key).map_err(|error| StoreError::Damaged(error.to_string()))?);
        }
        Ok(keys)
    }

    /// The rows of erased keys, which are to say that there is no record.
    pub(super) fn erased_records(
        &self,
        keys: &BTreeSet<RecordKey>,
        since: &Erasures,
    ) -> Result<Vec<(RecordKey, Option<Record>)>, StoreError> {
        let mut gone = keys.clone();
        if !since.is_empty() {
            gone.extend(self.keys()?.into_iter().filter(|key| since.contains(key)));
        }
        Ok(gone.into_iter().map(|key| (key, None)).collect())
    }

    /// What there is of keys.
    pub(super) fn found(&self, keys: &BTreeSet<RecordKey>) -> Result<Vec<Found>, StoreError> {
        let records = self.transaction.open_table(RECORDS)?;
        let found = |key: &RecordKey| {
            let row = records.get((self.project.as_str(), key.as_str()))?;
            if row.is_some_and(|row| !project::is_tombstone(row.value())) {
                return Ok(Found::Live);
            }
            let Slot::Shard(shard) = self.epoch.slot_of(key) else { return Ok(Found::Nothing) };
            let document = self.read(self.epoch, shard)?;
            let past = automerge(|| Ok(cut::keys_ever(&document)))?.contains(key);
            Ok(if past { Found::Past } else { Found::Nothing })
        };
        keys.iter().map(found).collect()
    }

    /// Whether any document holds something of erased keys, be it in its past.
    pub(super) fn holds(&self, erased: &Erasures) -> Result<bool, StoreError> {
        for shard in 0..self.epoch.shards {
            let document = self.read(self.epoch, shard)?;
            if automerge(|| Ok(cut::holds(&document, erased)))? {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

/// Runs Automerge on documents that others wrote into.
fn automerge<T>(work: impl FnOnce() -> Result<T, automerge::AutomergeError>) -> Result<T, StoreError> {
    let outcome = guarded(work).map_err(|error| StoreError::Failed(error.to_string()))?;
    outcome.map_err(|error| StoreError::Failed(error.to_string()))
}
