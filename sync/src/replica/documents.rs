//! Documents in memory, and their chunks in the store.

use std::collections::{BTreeMap, BTreeSet};

use automerge::{ActorId, Automerge, ChangeHash, ObjId, ReadDoc};
use redb::{ReadTransaction, ReadableTable, WriteTransaction};

use crate::document::{self, DocumentId, SEPARATOR, Slot};
use crate::error::StoreError;
use crate::record::{ProjectName, RecordKey};
use crate::store::{CHUNKS, StoreFile};

/// Bytes of saved documents kept in memory. A document in memory takes about 20 times its saved size.
const SAVED_BYTES_MAX: usize = 4 << 20;

/// Chunks of a document after which they are written as one.
const CHUNKS_MAX: u32 = 64;

/// A document in memory.
#[derive(Debug)]
pub(crate) struct Loaded {
    pub(crate) document: Automerge,
    /// The map that holds its leaves.
    pub(crate) map: ObjId,
    /// What is on disk.
    pub(crate) saved_heads: Vec<ChangeHash>,
    saved_bytes: usize,
    used: u64,
}

/// The documents in memory: the ones used last, within a budget.
#[derive(Debug)]
pub(crate) struct Documents {
    actor: ActorId,
    loaded: BTreeMap<(ProjectName, Slot), Loaded>,
    clock: u64,
}

impl Documents {
    pub(crate) fn new(actor: ActorId) -> Self {
        Documents { actor, loaded: BTreeMap::new(), clock: 0 }
    }

    /// The document, read from the store if it is not in memory; its genesis alone if it is nowhere.
    pub(crate) fn get(
        &mut self,
        store: &StoreFile,
        project: &ProjectName,
        slot: Slot,
    ) -> Result<&mut Loaded, StoreError> {
        self.clock += 1;
        let name = (project.clone(), slot);
        if !self.loaded.contains_key(&name) {
            let loaded = load(store, project, slot, &self.actor)?;
            self.loaded.insert(name.clone(), loaded);
        }
        let loaded = self.loaded.get_mut(&name).ok_or_else(|| StoreError::Failed("a document vanished".to_owned()))?;
        loaded.used = self.clock;
        Ok(loaded)
    }

    /// Drops documents, with whatever was not written.
    pub(crate) fn forget(&mut self, project: &ProjectName, slots: impl IntoIterator<Item = Slot>) {
        for slot in slots {
            self.loaded.remove(&(project.clone(), slot));
        }
    }

    /// Notes that documents are on disk as they are, then drops those used longest ago until the rest fits the budget.
    pub(crate) fn saved(
        &mut self,
        project: &ProjectName,
        slots: impl IntoIterator<Item = Slot>,
        chunks: &[(DocumentId, Vec<u8>)],
    ) {
        for (slot, (_, chunk)) in slots.into_iter().zip(chunks) {
            if let Some(loaded) = self.loaded.get_mut(&(project.clone(), slot)) {
                loaded.saved_heads = loaded.document.get_heads();
                loaded.saved_bytes += chunk.len();
            }
        }
        let mut bytes: usize = self.loaded.values().map(|loaded| loaded.saved_bytes).sum();
        let mut by_use: Vec<_> = self.loaded.iter().map(|(name, loaded)| (loaded.used, name.clone())).collect();
        by_use.sort_unstable();
        for (_, name) in by_use {
            if bytes <= SAVED_BYTES_MAX {
                break;
            }
            bytes -= self.loaded.remove(&name).map_or(0, |loaded| loaded.saved_bytes);
        }
    }
}

fn load(store: &StoreFile, project: &ProjectName, slot: Slot, actor: &ActorId) -> Result<Loaded, StoreError> {
    let mut loaded = store.read(|transaction| read(transaction, project, slot))?;
    loaded.document.set_actor(actor.clone());
    Ok(loaded)
}

/// The document as it is on disk, its genesis alone if it is not there. Its actor is that of the genesis: whoever writes
/// sets another.
pub(crate) fn read(transaction: &ReadTransaction, project: &ProjectName, slot: Slot) -> Result<Loaded, StoreError> {
    let damaged = |reason: String| StoreError::Damaged(format!("document {slot:?} of {project}: {reason}"));
    let id = DocumentId::derive(project, slot).0;
    let mut document = document::genesis(project, slot).map_err(|error| damaged(error.to_string()))?;
    let mut saved_bytes = 0;
    for entry in transaction.open_table(CHUNKS)?.range((id, 0)..=(id, u32::MAX))? {
        let (_, chunk) = entry?;
        saved_bytes += chunk.value().len();
        document.load_incremental(chunk.value()).map_err(|error| damaged(error.to_string()))?;
    }
    let map = document::leaves_map(&document, slot).ok_or_else(|| damaged("it has no map of leaves".to_owned()))?;
    let saved_heads = document.get_heads();
    Ok(Loaded { document, map, saved_heads, saved_bytes, used: 0 })
}

/// Appends a chunk to each document; when a document has many, they become one.
pub(crate) fn write_chunks(transaction: &WriteTransaction, chunks: &[(DocumentId, Vec<u8>)]) -> Result<(), StoreError> {
    let mut table = transaction.open_table(CHUNKS)?;
    for (id, chunk) in chunks.iter().filter(|(_, chunk)| !chunk.is_empty()) {
        let last = table.range((id.0, 0)..=(id.0, u32::MAX))?.next_back().transpose()?.map(|(name, _)| name.value().1);
        let number = last.map_or(0, |last| last + 1);
        if number < CHUNKS_MAX {
            table.insert((id.0, number), chunk.as_slice())?;
            continue;
        }
        let mut document = Automerge::new();
        for entry in table.range((id.0, 0)..=(id.0, u32::MAX))? {
            let (_, earlier) = entry?;
            load_into(&mut document, earlier.value())?;
        }
        load_into(&mut document, chunk)?;
        for number in 1..number {
            table.remove((id.0, number))?;
        }
        table.insert((id.0, 0), document.save().as_slice())?;
    }
    Ok(())
}

fn load_into(document: &mut Automerge, chunk: &[u8]) -> Result<(), StoreError> {
    document.load_incremental(chunk).map(drop).map_err(|error| StoreError::Damaged(error.to_string()))
}

/// The keys that a document has leaves for, deleted records included.
pub(crate) fn keys(document: &Automerge, map: &ObjId) -> BTreeSet<RecordKey> {
    let leaves = document.keys(map);
    leaves.filter_map(|leaf| RecordKey::parse(leaf.split_once(SEPARATOR)?.0).ok()).collect()
}
