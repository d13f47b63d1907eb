//! A document in memory, and how it becomes chunks and comes from them.

use std::collections::BTreeMap;

use automerge::{Automerge, ChangeHash, ReadDoc};

use super::admission;
use super::project::Place;
use super::types::{Chunk, ChunkName};
use super::work::{save, size};

/// What is said of a chunk whose bytes are not those that its name promises.
pub(super) const DAMAGED: &str = "its bytes are not those that its name promises";

/// Memory of a document with nothing in it, of an operation besides its content, and of a change. Measured with Automerge
/// 0.12 for 1 to 10,000 changes of 1 to 10,000 operations of 10 to 1,000,000 bytes. What is saved says little: text that
/// deflates well takes 200 times its saved bytes.
const EMPTY_BYTES: usize = 12 << 10;
const OPERATION_BYTES: usize = 16;
const CHANGE_BYTES: usize = 220;

/// A document in memory.
#[derive(Debug)]
pub(super) struct Body {
    pub(super) document: Automerge,
    /// The first change of a project's document.
    pub(super) genesis: Option<ChangeHash>,
    /// The same, while no chunk that was read holds it. It goes with the first chunk that is stored, so that a document can be
    /// read from its chunks by whoever does not know the project.
    beginning: Option<ChangeHash>,
    /// Bytes that the chunks inflate to that it was read from and that were made of it.
    pub(super) bytes: usize,
    /// Whether there are changes here that wait for others.
    pub(super) orphans: bool,
    /// Of each chunk that held all there was when it was read or made, the heads then. A head of now that is in a chunk is
    /// among these, as nothing was ever built upon it.
    tips: BTreeMap<ChunkName, Vec<ChangeHash>>,
}

impl Body {
    /// Estimate of the memory that it takes.
    pub(super) fn memory_bytes(&self) -> usize {
        let (operations, changes) = size(&self.document);
        EMPTY_BYTES + self.bytes + operations as usize * OPERATION_BYTES + changes as usize * CHANGE_BYTES
    }

    /// Puts the first change of a project's document where it is missing.
    pub(super) fn begin(&mut self, place: Option<&Place>) -> Result<(), String> {
        let Some(Place { project, epoch, slot }) = place else { return Ok(()) };
        if self.genesis.is_some() {
            return Ok(());
        }
        let mut genesis = epoch.genesis(project, *slot).map_err(|error| error.to_string())?;
        let Some(&hash) = genesis.get_heads().first() else { return Ok(()) };
        self.genesis = Some(hash);
        if super::contents::has(&self.document, &hash) {
            return Ok(());
        }
        self.beginning = Some(hash);
        if self.document.is_empty() {
            self.document = genesis;
            return Ok(());
        }
        self.document.merge(&mut genesis).map(drop).map_err(|error| error.to_string())
    }

    /// What is not in the store, where these heads are.
    pub(super) fn new_chunk(&self, heads: &[ChangeHash]) -> Chunk {
        let all_new = heads.iter().all(|head| Some(*head) == self.beginning);
        if all_new {
            return Chunk::new(save(&self.document));
        }
        let mut bytes = Vec::new();
        if let Some(beginning) = self.beginning.and_then(|hash| self.document.get_change_by_hash(&hash)) {
            bytes.extend_from_slice(beginning.raw_bytes());
        }
        bytes.extend(self.document.save_after(heads));
        Chunk::new(bytes)
    }

    /// All of it.
    pub(super) fn snapshot(&self) -> Chunk {
        Chunk::new(save(&self.document))
    }

    /// Notes which heads are in a chunk, if it may hold all there is: a saved document, or every change.
    pub(super) fn note_tips(&mut self, chunk: &Chunk) {
        let hashes = super::contents::of(&chunk.bytes);
        let (_, changes) = size(&self.document);
        let less =
            |hashes: &Vec<ChangeHash>| super::contents::are_changes(&chunk.bytes) && (hashes.len() as u64) < changes;
        let tips = match hashes {
            // Not to be told: as if it held all.
            None => self.document.get_heads(),
            Some(hashes) if less(&hashes) => Vec::new(),
            Some(hashes) => self.document.get_heads().into_iter().filter(|head| hashes.contains(head)).collect(),
        };
        self.tips.insert(chunk.name, tips);
    }

    /// Whether a snapshot of all of it may replace a chunk that it has everything of.
    ///
    /// Two hubs write the same changes as different bytes, each in the order in which they came. If either might replace the
    /// other's snapshot by its own, both could go at once. So a chunk is replaced only by one that has more, or has the same
    /// and comes before it by name: no two chunks ever replace each other, also not by way of others.
    pub(super) fn may_replace(&self, snapshot: ChunkName, chunk: ChunkName) -> bool {
        let Some(tips) = self.tips.get(&chunk) else { return false };
        let has_less = || self.document.get_heads().iter().any(|head| !tips.contains(head));
        chunk != snapshot && (chunk > snapshot || has_less())
    }

    /// The beginning is durable.
    pub(super) fn stored(&mut self) {
        self.beginning = None;
    }

    pub(super) fn note_orphans(&mut self) {
        self.orphans = !self.document.get_missing_deps(&[]).is_empty();
    }
}

/// Reads a document from its chunks; those that cannot be read are left out and told.
pub(super) fn load(chunks: &[Chunk]) -> (Body, Vec<(ChunkName, String)>) {
    let mut bad: Vec<(ChunkName, String)> = Vec::new();
    for chunk in chunks.iter().filter(|chunk| !chunk.is_whole()) {
        bad.push((chunk.name, DAMAGED.to_owned()));
    }
    // The largest first: Automerge reads a saved document into an empty one much faster than into another one.
    let mut order: Vec<&Chunk> = chunks.iter().collect();
    order.sort_by_key(|chunk| (std::cmp::Reverse(chunk.bytes.len()), chunk.name));
    loop {
        let mut document = Automerge::new();
        let mut bytes = 0;
        let mut failed = None;
        for chunk in order.iter().filter(|chunk| !bad.iter().any(|(name, _)| *name == chunk.name)) {
            match admission::load(&mut document, &chunk.bytes) {
                Ok(inflated) => bytes += inflated,
                Err(why) => {
                    failed = Some((chunk.name, why));
                    break;
                }
            }
        }
        match failed {
            // What it left behind may be in pieces: from the start, without it.
            Some(failed) => bad.push(failed),
            None => {
                return (
                    Body { document, genesis: None, beginning: None, bytes, orphans: false, tips: BTreeMap::new() },
                    bad,
                );
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use automerge::transaction::Transactable;
    use automerge::{ActorId, ROOT};

    use super::*;

    /// Two hubs hold the same changes, which came in another order. Each read both snapshots and makes its own again. The
    /// simulator found that each deleted the other's, and with both the document.
    #[test]
    fn one_of_two_equal_snapshots_stays() {
        let change = |actor: u8| {
            let mut document = Automerge::new().with_actor(ActorId::from([actor]));
            let mut transaction = document.transaction();
            transaction.put(ROOT, format!("key{actor}"), i64::from(actor)).unwrap();
            transaction.commit();
            Chunk::new(document.save_after(&[]))
        };
        let whole = |order: [u8; 4]| {
            let mut document = Automerge::new();
            for actor in order {
                document.load_incremental(&change(actor).bytes).unwrap();
            }
            Chunk::new(save(&document))
        };
        let (one, other) = (whole([1, 2, 3, 4]), whole([4, 3, 2, 1]));
        assert_ne!(one.name, other.name, "the order is in the bytes");
        let mut body = load(&[one.clone(), other.clone(), change(1)]).0;
        for chunk in [&one, &other, &change(1)] {
            body.note_tips(chunk);
        }
        assert!(body.may_replace(one.name, other.name) != body.may_replace(other.name, one.name));
        assert!(body.may_replace(one.name, change(1).name) && body.may_replace(other.name, change(1).name));
        assert!(!body.may_replace(one.name, one.name));
        assert!(!body.may_replace(one.name, change(2).name), "of a chunk that it has not read it knows nothing");
    }
}
