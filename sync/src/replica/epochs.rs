//! Epochs of a replica's projects: cutting a new one, and going over to one that another replica cut.

mod old;

use std::collections::BTreeSet;

use automerge::transaction::Transactable;
use automerge::{Automerge, ChangeHash};

use super::documents::{self, At, Chunk, Documents};
use super::history::{self, UNKNOWN_TIME};
use super::project::{self, Next, ProjectRow};
use super::{Replica, Timestamp, purge};
use crate::document::{DocumentId, Slot};
use crate::epoch::{Cut, Entry, Epoch, Epochs, ErasedKey, leaf_of};
use crate::error::{ReadError, WriteError};
use crate::record::{ProjectName, Record, RecordKey};
use crate::store::PROJECTS;

use old::Old;

/// What an erasure found of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Found {
    /// A record.
    Live,
    /// No record any more, but its past.
    Past,
    /// Nothing on this replica. Others may have it; they erase it when they learn of this.
    Nothing,
}

/// A key that was erased.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ErasedRecord {
    /// The key.
    pub key: RecordKey,
    /// What the catalog says in its place.
    pub digest: ErasedKey,
    /// What there was of it.
    pub found: Found,
}

/// What cutting an epoch did. It is on disk; [`Replica::purge`] is still to remove what lies in free pages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CutReport {
    /// The epoch that the project is in now.
    pub epoch: Epoch,
    /// The keys that were to be erased, in order.
    pub erased: Vec<ErasedRecord>,
    /// Documents that were written anew.
    pub documents: usize,
    /// Versions that can no longer be asked for.
    pub versions_forgotten: u64,
    /// Position of the last change in the change feed: indexes must have followed to here before [`Replica::purge`].
    pub sequence: u64,
}

/// What to cut for.
struct Order<'a> {
    why: Cut,
    erase: &'a BTreeSet<RecordKey>,
    shards: Option<u16>,
}

/// What a merge brought.
#[derive(Debug, Default)]
pub(super) struct Arrived {
    /// Changes of the catalog.
    pub(super) catalog: bool,
    /// Keys of the records that changes of the documents of now touch.
    pub(super) keys: BTreeSet<RecordKey>,
}

/// What takes the place of a project's documents.
struct Installed {
    epoch: Epoch,
    documents: Vec<(Slot, Vec<ChangeHash>, Vec<u8>)>,
    /// Records that differ.
    records: Vec<(RecordKey, Option<Record>)>,
    catalog: Option<(Vec<ChangeHash>, Chunk)>,
    unsettled: bool,
}

impl Replica {
    /// The epoch that a project is in here.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn epoch(&self, project: &ProjectName) -> Result<Epoch, ReadError> {
        Ok(self.known_row(project)?.epoch)
    }

    /// Erases records: neither they nor anything that they ever were is in the project's documents, records and history when
    /// this returns, nor comes back from other replicas. Keys of which there is nothing here are erased all the same: others
    /// may have them. Needs nobody else; other replicas and hubs erase when they learn of it. All versions of the project are
    /// forgotten. [`Replica::purge`] does the rest, once indexes have followed.
    ///
    /// # Errors
    /// [`WriteError`]; nothing was erased then.
    pub fn erase(&self, project: &ProjectName, keys: &[RecordKey], now: Timestamp) -> Result<CutReport, WriteError> {
        let erase = keys.iter().cloned().collect();
        self.cut(&mut self.documents(), project, &Order { why: Cut::Erase, erase: &erase, shards: None }, now)
    }

    /// Forgets the project's history, everywhere, so that its documents are as small as they can be.
    ///
    /// # Errors
    /// [`WriteError`]; nothing was changed then.
    pub fn compact(&self, project: &ProjectName, now: Timestamp) -> Result<CutReport, WriteError> {
        let order = Order { why: Cut::Compact, erase: &BTreeSet::new(), shards: None };
        self.cut(&mut self.documents(), project, &order, now)
    }

    /// Spreads the project's records over another number of documents, everywhere, and forgets its history.
    ///
    /// # Errors
    /// [`WriteError::Shards`] for a number that is not a power of two up to 4096, and as [`Replica::compact`].
    pub fn reshard(&self, project: &ProjectName, shards: u16, now: Timestamp) -> Result<CutReport, WriteError> {
        let order = Order { why: Cut::Reshard, erase: &BTreeSet::new(), shards: Some(shards) };
        self.cut(&mut self.documents(), project, &order, now)
    }

    fn cut(
        &self,
        documents: &mut Documents,
        project: &ProjectName,
        order: &Order<'_>,
        now: Timestamp,
    ) -> Result<CutReport, WriteError> {
        let row = self.known_row(project)?;
        let at = At { project, epoch: row.epoch, slot: Slot::Catalog };
        let epochs = Epochs::read(project, &documents.get(self.store(), at)?.document);
        let (number, after) = epochs.next();
        let mut nonce = [0; 8];
        getrandom::fill(&mut nonce).map_err(|error| WriteError::Document(format!("no randomness: {error}")))?;
        let shards = order.shards.unwrap_or(row.epoch.shards);
        let epoch = Epoch::new(number, nonce, shards).ok_or(WriteError::Shards(shards))?;
        let since = epochs.erased_since(row.epoch);
        let (parts, records, found) = self.store().read(|transaction| {
            let old = Old { transaction, project, epoch: row.epoch };
            let parts = old.cut(epoch, |key| order.erase.contains(key) || since.contains(key))?;
            Ok((parts, old.erased_records(order.erase, &since)?, old.found(order.erase)?))
        })?;
        let entry = Entry::new(project, &epoch, order.erase, after, (order.why, now.0));
        let json = serde_json::to_string(&entry).map_err(|error| WriteError::Document(error.to_string()))?;
        let catalog = documents.get(self.store(), at)?;
        catalog.edit(now, |transaction, map| Ok(transaction.put(map, leaf_of(&epoch), json)?))?;
        let catalog = Some((catalog.document.get_heads(), catalog.unsaved(at.id())));
        let rewritten = parts.len();
        let installed = Installed { epoch, documents: parts, records, catalog, unsettled: false };
        let (row, versions_forgotten) = self.install(documents, project, row, installed, now)?;
        let erased = order.erase.iter().zip(found).map(|(key, found)| ErasedRecord {
            key: key.clone(),
            digest: ErasedKey::of(&epoch, project, key),
            found,
        });
        let (erased, sequence) = (erased.collect(), row.sequence);
        Ok(CutReport { epoch, erased, documents: rewritten, versions_forgotten, sequence })
    }

    /// Puts documents of another epoch in the place of a project's documents, in one transaction, and forgets its history.
    fn install(
        &self,
        documents: &mut Documents,
        project: &ProjectName,
        row: ProjectRow,
        installed: Installed,
        time: Timestamp,
    ) -> Result<(ProjectRow, u64), WriteError> {
        let mut row = row;
        let before =
            shards_of(project, row.epoch).chain(row.next.iter().flat_map(|next| shards_of(project, next.epoch)));
        let before: Vec<DocumentId> = before.collect();
        row.enter(installed.epoch);
        row.unsettled = installed.unsettled;
        let epoch = installed.epoch;
        let mut chunks = Vec::new();
        for (slot, heads, bytes) in installed.documents {
            row.set_heads(epoch, slot, &heads);
            chunks.push(Chunk { id: epoch.document_id(project, slot), bytes, whole: true });
        }
        if let Some((heads, chunk)) = installed.catalog {
            row.set_heads(epoch, Slot::Catalog, &heads);
            chunks.push(chunk);
        }
        let outcome = self.note(self.store().write(|transaction| {
            for id in &before {
                documents::remove(transaction, *id)?;
            }
            documents::write_chunks(transaction, &chunks)?;
            project::write_records(transaction, project, &installed.records, &mut row)?;
            let forgotten = history::forget(transaction, project)?;
            transaction.open_table(PROJECTS)?.insert(project.as_str(), row.encode()?.as_slice())?;
            history::write_commit(transaction, project, &row, epoch.slots(), time)?;
            purge::order(transaction, project, row.sequence)?;
            Ok(forgotten)
        }));
        documents.forget(before);
        match outcome {
            Ok(forgotten) => {
                documents.saved(&chunks);
                self.inner.watchers.tell(project);
                Ok((row, forgotten))
            }
            Err(error) => {
                documents.forget(chunks.iter().map(|chunk| chunk.id));
                Err(error.into())
            }
        }
    }

    /// Goes over to the epoch that is on its way, when all its documents are here, and cuts once more where the documents
    /// hold what an epoch cut at the same time erased. Answers whether the epoch is another one now.
    pub(super) fn advance(
        &self,
        documents: &mut Documents,
        project: &ProjectName,
        arrived: &Arrived,
    ) -> Result<bool, WriteError> {
        let Some(row) = self.project_row(project)? else { return Ok(false) };
        let at = At { project, epoch: row.epoch, slot: Slot::Catalog };
        let mut current = row.epoch;
        if let Some(next) = row.next.as_ref().map(|next| next.epoch)
            && next.slots().skip(1).all(|slot| !row.heads_of(next, slot).is_empty())
        {
            let epochs = Epochs::read(project, &documents.get(self.store(), at)?.document);
            let erased = epochs.erased_since(row.epoch);
            let unsettled = !epochs.erased_since(next).is_empty();
            let went = self.store().read(|transaction| {
                let old = Old { transaction, project, epoch: row.epoch };
                let Some((parts, records)) = old.join(next, &erased)? else { return Ok(None) };
                Ok(Some(Installed { epoch: next, documents: parts, records, catalog: None, unsettled }))
            })?;
            if let Some(installed) = went {
                current = next;
                self.install(documents, project, row.clone(), installed, UNKNOWN_TIME)?;
            }
        }
        let went = current != row.epoch;
        if !went && !arrived.catalog && (!row.unsettled || arrived.keys.is_empty()) {
            return Ok(false);
        }
        let epochs = Epochs::read(project, &documents.get(self.store(), at)?.document);
        let erased = epochs.erased_since(current);
        let waiting = epochs.newest() != current;
        if waiting || erased.is_empty() {
            return Ok(went);
        }
        let held = if went || arrived.catalog {
            self.store().read(|transaction| Old { transaction, project, epoch: current }.holds(&erased))?
        } else {
            arrived.keys.iter().any(|key| erased.contains(key))
        };
        if held {
            let order = Order { why: Cut::Again, erase: &BTreeSet::new(), shards: None };
            self.cut(documents, project, &order, UNKNOWN_TIME)?;
        }
        Ok(went || held)
    }

    /// Before records are published: a key that another epoch erased may be written again only in an epoch that has the
    /// erasure behind it, or the erasure would take the new record too.
    pub(super) fn settle<'a>(
        &self,
        documents: &mut Documents,
        project: &ProjectName,
        mut keys: impl Iterator<Item = &'a RecordKey>,
        now: Timestamp,
    ) -> Result<(), WriteError> {
        let row = self.known_row(project)?;
        if !row.unsettled {
            return Ok(());
        }
        let at = At { project, epoch: row.epoch, slot: Slot::Catalog };
        let erased = Epochs::read(project, &documents.get(self.store(), at)?.document).erased_since(row.epoch);
        let Some(key) = keys.find(|key| erased.contains(key)) else { return Ok(()) };
        if row.next.is_some() {
            return Err(WriteError::BeingErased { key: key.to_string() });
        }
        let order = Order { why: Cut::Again, erase: &BTreeSet::new(), shards: None };
        self.cut(documents, project, &order, now).map(drop)
    }
}

/// Takes note of the epochs that a catalog names. Answers the documents that are of no use any more: those of an epoch that
/// was on its way and is no longer the newest.
pub(super) fn learn(project: &ProjectName, catalog: &Automerge, row: &mut ProjectRow) -> Vec<DocumentId> {
    let epochs = Epochs::read(project, catalog);
    let newest = epochs.newest();
    row.unsettled = !epochs.erased_since(row.epoch).is_empty();
    if newest <= row.newest() {
        return Vec::new();
    }
    let before = row.next.replace(Next { epoch: newest, heads: Vec::new() });
    before.into_iter().flat_map(|next| shards_of(project, next.epoch)).collect()
}

fn shards_of(project: &ProjectName, epoch: Epoch) -> impl Iterator<Item = DocumentId> + use<'_> {
    epoch.slots().skip(1).map(move |slot| epoch.document_id(project, slot))
}
