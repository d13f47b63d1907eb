//! Documents from a store of chunks, and back into it: what the drivers of functions and workers need, who have no hub between
//! themselves and the store.
//!
//! A store holds each document as chunks in any order, named by what they hold. Which of them are in a replica, and what of a
//! replica is in no chunk, is kept as [`Holdings`]; losing it costs reading everything once more, and nothing else.

use std::collections::{BTreeMap, BTreeSet};

use automerge::{Automerge, ChangeHash, ReadDoc};
use serde::{Deserialize, Serialize};

use super::documents::{At, Documents, Loaded};
use super::epochs::Arrived;
use super::history::UNKNOWN_TIME;
use super::project::{self, ProjectRow};
use super::{Replica, Touched};
use crate::admission;
use crate::document::{DocumentId, Slot};
use crate::epoch::Epoch;
use crate::error::{ReadError, StoreError, WriteError};
use crate::guard::guarded;
use crate::hub::contents;
use crate::hub::{Chunk, ChunkName};
use crate::record::{ProjectName, RecordKey};
use crate::touched;

/// The documents of a project that are worth reading from a store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProjectDocuments {
    /// The catalog: to be read first, as it names the epochs.
    pub catalog: DocumentId,
    /// The shards of the epoch that the project is in here.
    pub shards: Vec<DocumentId>,
    /// The shards of a newer epoch that has not arrived to the end; records are read from `shards` until it has.
    pub next: Vec<DocumentId>,
}

/// What a store of chunks is known to hold of a project.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Holdings(BTreeMap<DocumentId, Held>);

#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Held {
    /// Chunks of which everything is in the replica.
    chunks: BTreeSet<ChunkName>,
    /// Changes that, with all that they build on, are in the store.
    heads: Vec<ChangeHash>,
}

/// What came of reading chunks.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Absorbed {
    /// Changes that were new here.
    pub changes: u64,
    /// Chunks that cannot be read, and why; they were left out. What is in no list waits for changes of other chunks.
    pub refused: Vec<(DocumentId, ChunkName, String)>,
}

impl Holdings {
    /// Whether everything of a chunk is in the replica.
    pub fn has(&self, document: DocumentId, chunk: ChunkName) -> bool {
        self.0.get(&document).is_some_and(|held| held.chunks.contains(&chunk))
    }

    /// The chunks of a document that are in the replica, by name.
    pub fn chunks(&self, document: DocumentId) -> impl Iterator<Item = ChunkName> + '_ {
        self.0.get(&document).into_iter().flat_map(|held| held.chunks.iter().copied())
    }

    /// Forgets chunks of a document that the store does not list any more: a snapshot has replaced them.
    pub fn keep_listed(&mut self, document: DocumentId, listed: &BTreeSet<ChunkName>) {
        if let Some(held) = self.0.get_mut(&document) {
            held.chunks.retain(|chunk| listed.contains(chunk));
        }
    }

    /// Notes that a chunk of [`Replica::unstored`] is durable.
    pub fn stored(&mut self, unstored: &Unstored) {
        let held = self.0.entry(unstored.document).or_default();
        held.chunks.insert(unstored.chunk.name);
        held.heads.clone_from(&unstored.heads);
    }

    /// As text, for [`Holdings::decode`].
    pub fn encode(&self) -> String {
        let text = |held: &Held| HeldText {
            chunks: held.chunks.iter().map(ToString::to_string).collect(),
            heads: held.heads.iter().map(ToString::to_string).collect(),
        };
        let documents: BTreeMap<String, HeldText> =
            self.0.iter().map(|(id, held)| (hex::encode(id.0), text(held))).collect();
        serde_json::to_string(&documents).unwrap_or_default()
    }

    /// What was encoded; what cannot be read counts as not known.
    pub fn decode(text: &str) -> Holdings {
        let documents: BTreeMap<String, HeldText> = serde_json::from_str(text).unwrap_or_default();
        let held = |text: HeldText| Held {
            chunks: text.chunks.iter().filter_map(|name| Some(ChunkName(digits(name)?))).collect(),
            heads: text.heads.iter().filter_map(|hash| Some(ChangeHash(digits(hash)?))).collect(),
        };
        let known = documents.into_iter().filter_map(|(id, text)| Some((DocumentId(digits(&id)?), held(text))));
        Holdings(known.collect())
    }
}

#[derive(Debug, Serialize, Deserialize)]
struct HeldText {
    chunks: Vec<String>,
    heads: Vec<String>,
}

fn digits<const N: usize>(text: &str) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    hex::decode_to_slice(text, &mut bytes).ok().map(|()| bytes)
}

/// What is in a replica's document and in no chunk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unstored {
    /// The document.
    pub document: DocumentId,
    /// The changes, and its first one where the store has nothing of the document.
    pub chunk: Chunk,
    /// What the store holds when the chunk is in it.
    heads: Vec<ChangeHash>,
}

impl Replica {
    /// The documents of a project that are worth reading. A project that is not here has those that every project begins with.
    ///
    /// # Errors
    /// [`ReadError::Store`].
    pub fn documents_of(&self, project: &ProjectName) -> Result<ProjectDocuments, ReadError> {
        let row = self.project_row(project)?.unwrap_or_default();
        let shards = |epoch: Epoch| epoch.slots().skip(1).map(move |slot| epoch.document_id(project, slot));
        Ok(ProjectDocuments {
            catalog: DocumentId::derive(project, Slot::Catalog),
            shards: shards(row.epoch).collect(),
            next: row.next.iter().flat_map(|next| shards(next.epoch)).collect(),
        })
    }

    /// Takes chunks of a project's documents in, durably and in one transaction; makes the project when it is not here. Chunks of
    /// other documents are passed over, and so is one that cannot be read: the others are not held up by it.
    ///
    /// # Errors
    /// [`WriteError`]; nothing was written then, and `holdings` are as before.
    pub fn absorb(
        &self,
        project: &ProjectName,
        chunks: BTreeMap<DocumentId, Vec<Chunk>>,
        holdings: &mut Holdings,
    ) -> Result<Absorbed, WriteError> {
        let mut documents = self.documents();
        let row = self.project_row(project)?.unwrap_or_default();
        let places = row.places(project);
        let (mut touched, mut read) = (Touched::new(), Vec::new());
        for (id, chunks) in chunks {
            let Some(&(epoch, slot)) = places.get(&id) else { continue };
            match self.load(&mut documents, At { project, epoch, slot }, chunks) {
                Ok(mut loaded) => {
                    let held = holdings.0.get(&id).map(|held| held.heads.as_slice()).unwrap_or_default();
                    loaded.hashes.extend_from_slice(held);
                    let document = &documents.get(self.store(), At { project, epoch, slot })?.document;
                    loaded.hashes = heads_of(document, std::mem::take(&mut loaded.hashes));
                    if loaded.changes > 0 {
                        // Records are read from the documents of the epoch that the replica is in.
                        let keys = if epoch == row.epoch { loaded.keys.clone() } else { BTreeSet::new() };
                        touched.insert((epoch, slot), keys);
                    }
                    read.push((id, loaded));
                }
                Err(error) => {
                    documents.forget(touched.keys().map(|(epoch, slot)| epoch.document_id(project, *slot)));
                    return Err(error.into());
                }
            }
        }
        let catalog = touched.contains_key(&(row.epoch, Slot::Catalog));
        if !touched.is_empty() {
            self.store_changes(&mut documents, project, &touched, row, UNKNOWN_TIME)?;
        }
        let mut absorbed = Absorbed::default();
        for (id, loaded) in read {
            absorbed.changes += loaded.changes;
            absorbed.refused.extend(loaded.refused.into_iter().map(|(name, why)| (id, name, why)));
            let held = holdings.0.entry(id).or_default();
            held.chunks.extend(loaded.taken);
            held.heads = loaded.hashes;
        }
        if !touched.is_empty() {
            let arrived = Arrived { catalog, keys: touched.into_values().flatten().collect() };
            self.advance(&mut documents, project, &arrived)?;
        }
        documents.saved(&[]);
        Ok(absorbed)
    }

    /// Reads chunks into a document in memory.
    fn load(&self, documents: &mut Documents, at: At<'_>, chunks: Vec<Chunk>) -> Result<Read, StoreError> {
        let mut chunks = chunks;
        // The largest first: it is the one that others build on, as a rule.
        chunks.sort_by_key(|chunk| (std::cmp::Reverse(chunk.bytes.len()), chunk.name));
        let mut refused = Vec::new();
        loop {
            let loaded = documents.get(self.store(), at)?;
            let before = loaded.document.get_heads();
            match load_all(&mut loaded.document, &chunks) {
                Ok(()) => {
                    let read = Read { refused, ..Read::of(loaded, at, &before, &chunks) };
                    return Ok(read);
                }
                Err((name, why)) => {
                    // What it left behind may be in pieces: from the start, without it.
                    documents.forget([at.id()]);
                    chunks.retain(|chunk| chunk.name != name);
                    refused.push((name, why));
                }
            }
        }
    }

    /// What is in the project's documents here and, as far as is known, in no chunk of the store; a chunk for each document.
    /// Loads only documents that differ.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn unstored(&self, project: &ProjectName, holdings: &Holdings) -> Result<Vec<Unstored>, ReadError> {
        let mut documents = self.documents();
        let row = self.known_row(project)?;
        let mut unstored = Vec::new();
        for slot in row.epoch.slots() {
            let at = At { project, epoch: row.epoch, slot };
            let heads = row.heads_of(row.epoch, slot);
            let known = holdings.0.get(&at.id()).map(|held| held.heads.as_slice()).unwrap_or_default();
            // Nobody stores a document that has nothing but its first change.
            if heads.is_empty() || project::heads_bytes(known) == heads {
                continue;
            }
            let document = &documents.get(self.store(), at)?.document;
            let known: Vec<ChangeHash> = known.iter().filter(|hash| contents::has(document, hash)).copied().collect();
            let bytes = document.save_after(&known);
            if !bytes.is_empty() {
                let heads = sorted(document.get_heads());
                unstored.push(Unstored { document: at.id(), chunk: Chunk::new(bytes), heads });
            }
        }
        documents.saved(&[]);
        Ok(unstored)
    }
}

/// A document after chunks were read into it.
#[derive(Debug, Default)]
struct Read {
    changes: u64,
    keys: BTreeSet<RecordKey>,
    /// Chunks of which everything is in the document's history.
    taken: Vec<ChunkName>,
    /// Changes in those; then the heads of what the store holds.
    hashes: Vec<ChangeHash>,
    refused: Vec<(ChunkName, String)>,
}

impl Read {
    fn of(loaded: &Loaded, at: At<'_>, before: &[ChangeHash], chunks: &[Chunk]) -> Read {
        let document = &loaded.document;
        let new = document.get_changes(before);
        let leaves = touched::leaves(document, &loaded.map, &new);
        // A leaf in another document than its record's is nobody's.
        let keys = leaves.iter().filter_map(|leaf| touched::key_of(leaf));
        let keys = keys.filter(|key| at.epoch.slot_of(key) == at.slot).collect();
        let mut read = Read { changes: new.len() as u64, keys, ..Read::default() };
        let orphans = !document.get_missing_deps(&[]).is_empty();
        for chunk in chunks {
            let hashes = contents::of(&chunk.bytes);
            let all_there = match &hashes {
                Some(hashes) => hashes.iter().all(|hash| contents::has(document, hash)),
                // Not to be told: all of it, unless something waits.
                None => !orphans,
            };
            if all_there {
                read.taken.push(chunk.name);
                read.hashes.extend(hashes.unwrap_or_default());
            }
        }
        read
    }
}

fn load_all(document: &mut Automerge, chunks: &[Chunk]) -> Result<(), (ChunkName, String)> {
    for chunk in chunks {
        if !chunk.is_whole() {
            return Err((chunk.name, "its bytes are not those that its name promises".to_owned()));
        }
        admission::load(document, &chunk.bytes).map_err(|refusal| (chunk.name, refusal.to_string()))?;
    }
    Ok(())
}

/// The heads of what these changes and all that they build on are.
fn heads_of(document: &Automerge, known: Vec<ChangeHash>) -> Vec<ChangeHash> {
    let mut known: BTreeSet<ChangeHash> = known.into_iter().filter(|hash| contents::has(document, hash)).collect();
    // Everything here is stored, as a rule; the first change is in every document.
    if guarded(|| document.get_changes(&known.iter().copied().collect::<Vec<_>>())).is_ok_and(|rest| rest.is_empty()) {
        return sorted(document.get_heads());
    }
    let below = |hash: &ChangeHash| document.get_change_by_hash(hash).map(|change| change.deps().to_vec());
    let deps: Vec<ChangeHash> = known.iter().filter_map(below).flatten().collect();
    deps.iter().for_each(|hash| {
        known.remove(hash);
    });
    known.into_iter().collect()
}

fn sorted(mut heads: Vec<ChangeHash>) -> Vec<ChangeHash> {
    heads.sort_unstable();
    heads
}

impl ProjectRow {
    /// The documents that are talked about here.
    fn places(&self, project: &ProjectName) -> BTreeMap<DocumentId, (Epoch, Slot)> {
        let place = |epoch: Epoch, slot| (epoch.document_id(project, slot), (epoch, slot));
        let next = self.next.iter().flat_map(|next| next.epoch.slots().map(move |slot| place(next.epoch, slot)));
        // The catalog is one document, which is spoken of in the epoch of now.
        next.chain(self.epoch.slots().map(|slot| place(self.epoch, slot))).collect()
    }
}
