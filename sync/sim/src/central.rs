//! The central store: chunks by document, and what was ever durable in it.

use std::collections::{BTreeMap, BTreeSet};

use automerge::{Automerge, Change, ChangeHash};
use sha2::{Digest, Sha256};
use skerry_sync::ProjectName;
use skerry_sync::document::{DocumentId, Slot, genesis};
use skerry_sync::hub::{Chunk, ChunkName};

use crate::rng::Rng;

/// The store that all hubs share.
#[derive(Debug, Default)]
pub(crate) struct Central {
    chunks: BTreeMap<DocumentId, BTreeMap<ChunkName, Vec<u8>>>,
    quarantine: BTreeMap<(DocumentId, ChunkName), Vec<u8>>,
    /// Changes that were in the store at some time: what may be acknowledged.
    durable: BTreeMap<DocumentId, BTreeSet<ChangeHash>>,
    /// Chunks that are not what was stored.
    flips: BTreeSet<(DocumentId, ChunkName)>,
    /// Documents in which a bit flipped, now or earlier.
    flipped: BTreeSet<DocumentId>,
    /// Takes nothing until then.
    pub(crate) full_until: u64,
    /// Does nothing that it is asked until then.
    pub(crate) down_until: u64,
}

impl Central {
    /// Stores a chunk; answers the changes in it.
    pub(crate) fn put(&mut self, document: DocumentId, chunk: &Chunk) -> Vec<ChangeHash> {
        let changes = changes_in(&chunk.bytes);
        self.durable.entry(document).or_default().extend(&changes);
        self.chunks.entry(document).or_default().insert(chunk.name, chunk.bytes.clone());
        // Written again: whole again.
        self.flips.remove(&(document, chunk.name));
        changes
    }

    pub(crate) fn delete(&mut self, document: DocumentId, name: ChunkName) -> bool {
        self.chunks.get_mut(&document).is_some_and(|chunks| chunks.remove(&name).is_some())
    }

    /// All chunks of a document, as they are.
    pub(crate) fn read(&self, document: DocumentId) -> Vec<Chunk> {
        let chunks = self.chunks.get(&document).into_iter().flatten();
        chunks.map(|(name, bytes)| Chunk { name: *name, bytes: bytes.clone() }).collect()
    }

    /// Those of the named chunks that are there.
    pub(crate) fn read_some(&self, document: DocumentId, names: &[ChunkName]) -> Vec<Chunk> {
        let chunks = self.chunks.get(&document);
        let found = names.iter().filter_map(|name| Some((name, chunks?.get(name)?)));
        found.map(|(name, bytes)| Chunk { name: *name, bytes: bytes.clone() }).collect()
    }

    /// Sets a chunk aside, if it is not what its name says: somebody may have written it again since it was read.
    pub(crate) fn quarantine(&mut self, document: DocumentId, name: ChunkName) -> bool {
        let Some(chunks) = self.chunks.get_mut(&document) else { return false };
        let bad = chunks.get(&name).is_some_and(|bytes| !Chunk { name, bytes: bytes.clone() }.is_whole());
        if bad && let Some(bytes) = chunks.remove(&name) {
            self.quarantine.insert((document, name), bytes);
        }
        bad
    }

    /// Flips a bit of a chunk; none when there is no chunk that is whole.
    pub(crate) fn flip(&mut self, rng: &mut Rng) -> Option<(DocumentId, ChunkName)> {
        let all: Vec<(DocumentId, ChunkName)> =
            self.chunks.iter().flat_map(|(id, chunks)| chunks.keys().map(|name| (*id, *name))).collect();
        let place = *rng.pick(&all)?;
        if self.flips.contains(&place) {
            return None;
        }
        let bytes = self.chunks.get_mut(&place.0)?.get_mut(&place.1)?;
        let (at, bit) = (rng.below(bytes.len()), rng.below(8));
        *bytes.get_mut(at)? ^= 1 << bit;
        self.flips.insert(place);
        self.flipped.insert(place.0);
        Some(place)
    }

    /// Whether the store holds bytes that are not what their name says, outside of quarantine.
    pub(crate) fn unnoticed_flips(&self) -> Vec<(DocumentId, ChunkName)> {
        let present = |(document, name): &&(DocumentId, ChunkName)| {
            self.chunks.get(document).is_some_and(|chunks| chunks.contains_key(name))
        };
        self.flips.iter().filter(present).copied().collect()
    }

    /// Whether bits of a document's chunks ever flipped.
    pub(crate) fn had_flips(&self, document: DocumentId) -> bool {
        self.flipped.contains(&document)
    }

    pub(crate) fn was_durable(&self, document: DocumentId, change: &ChangeHash) -> bool {
        self.durable.get(&document).is_some_and(|changes| changes.contains(change))
    }

    /// A change that was in the store and is no more; none where all are, and where a bit flipped, which may take some.
    pub(crate) fn gone(&self, document: DocumentId) -> Option<ChangeHash> {
        if self.had_flips(document) {
            return None;
        }
        let chunks = self.chunks.get(&document).into_iter().flat_map(BTreeMap::values);
        let held: BTreeSet<ChangeHash> = chunks.flat_map(|bytes| changes_in(bytes)).collect();
        self.durable.get(&document)?.difference(&held).next().copied()
    }

    pub(crate) fn documents(&self) -> Vec<DocumentId> {
        self.chunks.keys().copied().collect()
    }

    pub(crate) fn chunk_count(&self) -> usize {
        self.chunks.values().map(BTreeMap::len).sum()
    }

    /// A document as its chunks say, read by nobody's rules but Automerge's.
    ///
    /// # Errors
    /// What Automerge says about chunks that are whole and cannot be read.
    pub(crate) fn load(&self, project: &ProjectName, slot: Slot) -> Result<Automerge, String> {
        let mut document = genesis(project, slot).map_err(|error| error.to_string())?;
        for chunk in self.read(DocumentId::derive(project, slot)).iter().filter(|chunk| chunk.is_whole()) {
            document.load_incremental(&chunk.bytes).map_err(|error| format!("{slot:?}: {error}"))?;
        }
        Ok(document)
    }
}

/// Hashes of the changes in saved bytes: chunks of Automerge's format one behind the other, which are whole documents,
/// changes, or compressed changes. A change's hash is that of its chunk, from the type on.
pub(crate) fn changes_in(bytes: &[u8]) -> Vec<ChangeHash> {
    let mut found = Vec::new();
    let mut rest = bytes;
    while let Some((chunk, behind)) = next_chunk(rest) {
        match chunk.get(8) {
            Some(1) => found.push(ChangeHash(Sha256::digest(chunk.get(8..).unwrap_or_default()).into())),
            Some(2) => found.extend(Change::from_bytes(chunk.to_vec()).ok().map(|change| change.hash())),
            _ => {
                let document = Automerge::load(chunk).ok();
                found
                    .extend(document.iter().flat_map(|document| document.get_changes(&[])).map(|change| change.hash()));
            }
        }
        rest = behind;
    }
    found
}

/// Magic and checksum (8 bytes), type, length in LEB128, content.
fn next_chunk(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut length = 0_usize;
    for (index, byte) in bytes.get(9..)?.iter().take(5).enumerate() {
        length |= usize::from(byte & 0x7f) << (7 * index);
        if byte & 0x80 == 0 {
            return bytes.split_at_checked(9 + index + 1 + length);
        }
    }
    None
}
