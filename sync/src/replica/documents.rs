//! Documents in memory, and their chunks in the store.

use std::collections::BTreeMap;

use automerge::{ActorId, Automerge, ChangeHash, ObjId};
use redb::{ReadTransaction, ReadableTable, WriteTransaction};

use crate::document::{self, DocumentId, Slot};
use crate::epoch::Epoch;
use crate::error::StoreError;
use crate::guard::guarded;
use crate::record::ProjectName;
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
    /// Chunks that it consists of on disk.
    chunks: u32,
    used: u64,
}

/// What is to be written of a document.
#[derive(Debug)]
pub(crate) struct Chunk {
    pub(crate) id: DocumentId,
    pub(crate) bytes: Vec<u8>,
    /// True for a whole document, which takes the place of all chunks before it.
    pub(crate) whole: bool,
}

/// Which document: its project, epoch and slot.
#[derive(Debug, Clone, Copy)]
pub(crate) struct At<'a> {
    pub(crate) project: &'a ProjectName,
    pub(crate) epoch: Epoch,
    pub(crate) slot: Slot,
}

impl At<'_> {
    pub(crate) fn id(&self) -> DocumentId {
        self.epoch.document_id(self.project, self.slot)
    }
}

/// The documents in memory: the ones used last, within a budget.
#[derive(Debug)]
pub(crate) struct Documents {
    actor: ActorId,
    loaded: BTreeMap<DocumentId, Loaded>,
    clock: u64,
}

impl Documents {
    pub(crate) fn new(actor: ActorId) -> Self {
        Documents { actor, loaded: BTreeMap::new(), clock: 0 }
    }

    /// The document, read from the store if it is not in memory; its genesis alone if it is nowhere.
    pub(crate) fn get(&mut self, store: &StoreFile, at: At<'_>) -> Result<&mut Loaded, StoreError> {
        self.clock += 1;
        let id = at.id();
        if !self.loaded.contains_key(&id) {
            let mut loaded = store.read(|transaction| read(transaction, at))?;
            loaded.document.set_actor(self.actor.clone());
            self.loaded.insert(id, loaded);
        }
        let loaded = self.loaded.get_mut(&id).ok_or_else(|| StoreError::Failed("a document vanished".to_owned()))?;
        loaded.used = self.clock;
        Ok(loaded)
    }

    /// Drops documents, with whatever was not written.
    pub(crate) fn forget(&mut self, documents: impl IntoIterator<Item = DocumentId>) {
        for id in documents {
            self.loaded.remove(&id);
        }
    }

    /// Notes that documents are on disk as they are, then drops those used longest ago until the rest fits the budget.
    pub(crate) fn saved(&mut self, chunks: &[Chunk]) {
        for chunk in chunks {
            if let Some(loaded) = self.loaded.get_mut(&chunk.id) {
                loaded.saved_heads = loaded.document.get_heads();
                if chunk.whole {
                    (loaded.saved_bytes, loaded.chunks) = (0, 0);
                }
                loaded.saved_bytes += chunk.bytes.len();
                loaded.chunks += u32::from(!chunk.bytes.is_empty());
            }
        }
        let mut bytes: usize = self.loaded.values().map(|loaded| loaded.saved_bytes).sum();
        let mut by_use: Vec<_> = self.loaded.iter().map(|(id, loaded)| (loaded.used, *id)).collect();
        by_use.sort_unstable();
        for (_, id) in by_use {
            if bytes <= SAVED_BYTES_MAX {
                break;
            }
            bytes -= self.loaded.remove(&id).map_or(0, |loaded| loaded.saved_bytes);
        }
    }
}

impl Loaded {
    /// What is new in it since it was last written. When it consists of many chunks, the whole of it, provided that what is
    /// saved can be loaded again.
    pub(crate) fn unsaved(&self, id: DocumentId) -> Chunk {
        if self.chunks >= CHUNKS_MAX
            && let Some(bytes) = snapshot(&self.document)
        {
            return Chunk { id, bytes, whole: true };
        }
        Chunk { id, bytes: self.document.save_after(&self.saved_heads), whole: false }
    }
}

/// A whole document, when it comes back as it is. Changes of other writers may be such that Automerge takes them one by one
/// and does not load what it saves of them.
fn snapshot(document: &Automerge) -> Option<Vec<u8>> {
    let outcome = guarded(|| {
        let bytes = document.save();
        let loaded = Automerge::load(&bytes).ok()?;
        (loaded.get_heads() == document.get_heads()).then_some(bytes)
    });
    outcome.ok().flatten()
}

/// The document as it is on disk, its genesis alone if it is not there. Its actor is that of the genesis: whoever writes
/// sets another.
pub(crate) fn read(transaction: &ReadTransaction, at: At<'_>) -> Result<Loaded, StoreError> {
    let damaged = |reason: String| StoreError::Damaged(format!("document {:?} of {}: {reason}", at.slot, at.project));
    let id = at.id().0;
    let mut document = at.epoch.genesis(at.project, at.slot).map_err(|error| damaged(error.to_string()))?;
    let (mut saved_bytes, mut chunks) = (0, 0);
    for entry in transaction.open_table(CHUNKS)?.range((id, 0)..=(id, u32::MAX))? {
        let (_, chunk) = entry?;
        saved_bytes += chunk.value().len();
        chunks += 1;
        document.load_incremental(chunk.value()).map_err(|error| damaged(error.to_string()))?;
    }
    let map = document::leaves_map(&document, at.slot).ok_or_else(|| damaged("it has no map of leaves".to_owned()))?;
    let saved_heads = document.get_heads();
    Ok(Loaded { document, map, saved_heads, saved_bytes, chunks, used: 0 })
}

/// Adds chunks to documents.
pub(crate) fn write_chunks(transaction: &WriteTransaction, chunks: &[Chunk]) -> Result<(), StoreError> {
    for chunk in chunks.iter().filter(|chunk| !chunk.bytes.is_empty()) {
        if chunk.whole {
            remove(transaction, chunk.id)?;
        }
        let mut table = transaction.open_table(CHUNKS)?;
        let range = (chunk.id.0, 0)..=(chunk.id.0, u32::MAX);
        let last = table.range(range)?.next_back().transpose()?.map(|(name, _)| name.value().1);
        table.insert((chunk.id.0, last.map_or(0, |last| last + 1)), chunk.bytes.as_slice())?;
    }
    Ok(())
}

/// Removes a document.
pub(crate) fn remove(transaction: &WriteTransaction, id: DocumentId) -> Result<(), StoreError> {
    let mut table = transaction.open_table(CHUNKS)?;
    table.retain_in((id.0, 0)..=(id.0, u32::MAX), |_, _| false)?;
    Ok(())
}
