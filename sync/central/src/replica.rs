//! Projects from the store into a replica, and what is written there back into the store, without a hub between.
//!
//! Changes commute, chunks are named by what they hold and never change: a thousand functions may do this at once, beside any
//! number of hubs, which find the chunks when they look. Only what is new is read: which chunks a replica has is noted in it.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::{StreamExt, TryStreamExt, stream};
use sha2::{Digest, Sha256};
use skerry_sync::document::DocumentId;
use skerry_sync::hub::{Chunk, ChunkName, StoreFailure};
use skerry_sync::{Absorbed, Holdings, ProjectName, ReadError, Replica, Timestamp, WriteError};

use crate::chunks::LISTS_AT_ONCE;
use crate::store::CentralStore;

/// Documents that go into the replica in one transaction. One in memory takes twenty times its saved size.
const DOCUMENTS_AT_ONCE: usize = 8;

/// How often a document is listed anew because chunks vanished while they were read.
const READ_ATTEMPTS: usize = 8;

/// Epochs that may follow on one another while a project is read.
const EPOCHS_MAX: usize = 8;

/// Why a project was not brought from the store, or not into it. What was done before stays done, and doing it again goes on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FillError {
    /// The central store failed.
    #[error(transparent)]
    Store(#[from] StoreFailure),
    /// The replica cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The replica cannot be written.
    #[error(transparent)]
    Write(#[from] WriteError),
    /// A fault of this program.
    #[error("a fault of this program: {0}")]
    Fault(String),
}

/// What was read of a project.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filled {
    /// Every document of the epoch that the project is in, its catalog too, with the chunks that the store had of it. As long as
    /// the store lists no others, there is nothing newer.
    pub covers: BTreeMap<DocumentId, Vec<ChunkName>>,
    /// Chunks that were read now.
    pub chunks_read: usize,
    /// Changes that were new to the replica.
    pub changes: u64,
    /// Chunks that cannot be read, and why; they were left out.
    pub refused: Vec<(DocumentId, ChunkName, String)>,
    /// The catalog names an epoch whose documents are not all there: records are those of the epoch before.
    pub waiting: bool,
}

impl Filled {
    /// Whether the store has anything of the project.
    pub fn is_there(&self) -> bool {
        self.covers.values().any(|chunks| !chunks.is_empty())
    }
}

/// Reads what the store has of a project and the replica has not. A project that is in neither is not made; one whose name alone
/// the store has is made empty.
///
/// # Errors
/// [`FillError`]; documents that were read before it are in the replica.
pub async fn fill(replica: &Replica, project: &ProjectName, store: &CentralStore) -> Result<Filled, FillError> {
    let note = Note::of(store, project);
    let mut holdings = note.read(replica)?;
    let before = holdings.clone();
    let mut filled = Filled::default();
    let outcome = read_all(replica, project, store, &mut holdings, &mut filled).await;
    if holdings != before {
        note.write(replica, &holdings)?;
    }
    outcome?;
    // A project in which nothing was ever written has no chunks, and is there all the same.
    if !filled.is_there() && replica.project(project).is_err() && store.has_project(project).await? {
        replica.create_project(project, "", Timestamp(0))?;
    }
    Ok(filled)
}

/// Reads exactly the chunks that a snapshot was baked from, into a replica that has nothing of the project: it is then at the
/// snapshot's version. False when some are gone, because a hub has joined them with others; what was read is in the replica.
///
/// # Errors
/// [`FillError`].
pub async fn fill_covered(
    replica: &Replica,
    project: &ProjectName,
    store: &CentralStore,
    covered: &BTreeMap<DocumentId, Vec<ChunkName>>,
) -> Result<bool, FillError> {
    let note = Note::of(store, project);
    let mut holdings = note.read(replica)?;
    // The catalog first: it names the epoch whose documents the others are.
    let catalog = replica.documents_of(project)?.catalog;
    let (first, rest): (Vec<_>, Vec<_>) = covered.iter().partition(|(document, _)| **document == catalog);
    let mut whole = true;
    for some in std::iter::once(first.as_slice()).chain(rest.chunks(DOCUMENTS_AT_ONCE)) {
        let reads: Vec<_> = some
            .iter()
            .filter(|(_, names)| !names.is_empty())
            .map(|(document, names)| async move {
                let chunks = store.fetch(**document, (*names).clone()).await?;
                Ok::<_, StoreFailure>((**document, chunks.len() == names.len(), chunks))
            })
            .collect();
        let read: Vec<_> = stream::iter(reads).buffer_unordered(DOCUMENTS_AT_ONCE).try_collect().await?;
        whole &= read.iter().all(|(_, all, _)| *all);
        let chunks: BTreeMap<_, _> = read.into_iter().map(|(document, _, chunks)| (document, chunks)).collect();
        let (copy, name, mut held) = (replica.clone(), project.clone(), std::mem::take(&mut holdings));
        let (outcome, held) = blocking(move || (copy.absorb(&name, chunks, &mut held), held)).await?;
        holdings = held;
        whole &= outcome?.refused.is_empty();
    }
    note.write(replica, &holdings)?;
    Ok(whole)
}

/// Stores what the replica has of a project and the store has not: a chunk for each document that differs. Durable when this
/// returns; answers what was written. [`fill`] first, or the store may get what it has already, which does no harm.
///
/// # Errors
/// [`FillError`]; some documents may be stored, and the rest will be by the next push.
pub async fn push(
    replica: &Replica,
    project: &ProjectName,
    store: &CentralStore,
) -> Result<Vec<(DocumentId, ChunkName)>, FillError> {
    let note = Note::of(store, project);
    let mut holdings = note.read(replica)?;
    let (copy, name, held) = (replica.clone(), project.clone(), holdings.clone());
    let unstored = blocking(move || copy.unstored(&name, &held)).await??;
    if unstored.is_empty() {
        // Nothing was ever written into it: its name is all that others can know of it.
        if holdings == Holdings::default() {
            store.note_project(project).await?;
        }
        return Ok(Vec::new());
    }
    let writes: Vec<_> =
        unstored.iter().map(|unstored| store.store(unstored.document, unstored.chunk.clone())).collect();
    stream::iter(writes).buffer_unordered(LISTS_AT_ONCE).try_collect::<()>().await?;
    // Names of projects cannot be told from documents: whoever looks for projects reads them here.
    store.note_project(project).await?;
    unstored.iter().for_each(|unstored| holdings.stored(unstored));
    note.write(replica, &holdings)?;
    Ok(unstored.into_iter().map(|unstored| (unstored.document, unstored.chunk.name)).collect())
}

/// Whether the store lists a chunk of a project that `covers` does not name: a look that reads no chunk.
///
/// # Errors
/// [`StoreFailure`].
pub async fn has_newer(
    covers: &BTreeMap<DocumentId, Vec<ChunkName>>,
    store: &CentralStore,
) -> Result<bool, StoreFailure> {
    let documents: Vec<DocumentId> = covers.keys().copied().collect();
    let listed = store.list_chunks(&documents).await?;
    let known =
        |document: &DocumentId, name: &ChunkName| covers.get(document).is_some_and(|names| names.contains(name));
    Ok(listed.iter().any(|(document, names)| names.iter().any(|name| !known(document, name))))
}

async fn read_all(
    replica: &Replica,
    project: &ProjectName,
    store: &CentralStore,
    holdings: &mut Holdings,
    filled: &mut Filled,
) -> Result<(), FillError> {
    for _ in 0..EPOCHS_MAX {
        filled.covers.clear();
        let first = replica.documents_of(project)?;
        read_documents(replica, project, store, &[first.catalog], holdings, filled).await?;
        // The catalog may have named another epoch.
        let known = replica.documents_of(project)?;
        read_documents(replica, project, store, &known.next, holdings, filled).await?;
        read_documents(replica, project, store, &known.shards, holdings, filled).await?;
        let now = replica.documents_of(project)?;
        if now == known {
            filled.covers.retain(|document, _| !now.next.contains(document));
            filled.waiting = !now.next.is_empty();
            return Ok(());
        }
    }
    Err(FillError::Fault(format!("the epochs of {project} follow on one another while they are read")))
}

async fn read_documents(
    replica: &Replica,
    project: &ProjectName,
    store: &CentralStore,
    documents: &[DocumentId],
    holdings: &mut Holdings,
    filled: &mut Filled,
) -> Result<(), FillError> {
    for some in documents.chunks(DOCUMENTS_AT_ONCE * LISTS_AT_ONCE) {
        let listed: Vec<(DocumentId, Vec<ChunkName>)> = store.list_chunks(some).await?.into_iter().collect();
        for some in listed.chunks(DOCUMENTS_AT_ONCE) {
            let held = &*holdings;
            let reads: Vec<_> = some.iter().map(|(id, names)| read_new(store, *id, names, held)).collect();
            let read: Vec<New> = stream::iter(reads).buffer_unordered(DOCUMENTS_AT_ONCE).try_collect().await?;
            let mut chunks = BTreeMap::new();
            for new in read {
                holdings.keep_listed(new.document, &new.listed);
                filled.covers.insert(new.document, new.listed.into_iter().collect());
                filled.chunks_read += new.chunks.len();
                if !new.chunks.is_empty() {
                    chunks.insert(new.document, new.chunks);
                }
            }
            if chunks.is_empty() {
                continue;
            }
            let (copy, name, mut held) = (replica.clone(), project.clone(), std::mem::take(holdings));
            let (outcome, held) = blocking(move || (copy.absorb(&name, chunks, &mut held), held)).await?;
            *holdings = held;
            let Absorbed { changes, refused, .. } = outcome?;
            filled.changes += changes;
            for (document, chunk, why) in &refused {
                tracing::warn!(%project, %document, %chunk, why, "a chunk of the store cannot be read; it is left out");
            }
            filled.refused.extend(refused);
        }
    }
    Ok(())
}

/// What the store has of a document and the replica has not.
struct New {
    document: DocumentId,
    listed: BTreeSet<ChunkName>,
    chunks: Vec<Chunk>,
}

async fn read_new(
    store: &CentralStore,
    document: DocumentId,
    names: &[ChunkName],
    holdings: &Holdings,
) -> Result<New, StoreFailure> {
    let mut listed: BTreeSet<ChunkName> = names.iter().copied().collect();
    for _ in 0..READ_ATTEMPTS {
        let wanted: Vec<ChunkName> = listed.iter().copied().filter(|chunk| !holdings.has(document, *chunk)).collect();
        let count = wanted.len();
        let chunks = if wanted.is_empty() { Vec::new() } else { store.fetch(document, wanted).await? };
        if chunks.len() == count {
            return Ok(New { document, listed, chunks });
        }
        // A chunk that is listed and gone was replaced by a snapshot: that one has to be listed too.
        listed = store.chunk_names(document).await?.into_iter().collect();
    }
    Err(StoreFailure::Failed(format!("the document {document} is replaced again and again while it is read")))
}

/// Where a replica notes what a store holds of a project.
struct Note(String);

impl Note {
    fn of(store: &CentralStore, project: &ProjectName) -> Note {
        let digest = hex::encode(Sha256::digest(store.shown().as_bytes()));
        Note(format!("central/{}/{project}", digest.get(..16).unwrap_or(&digest)))
    }

    fn read(&self, replica: &Replica) -> Result<Holdings, ReadError> {
        Ok(replica.note_of(&self.0)?.map(|text| Holdings::decode(&text)).unwrap_or_default())
    }

    fn write(&self, replica: &Replica, holdings: &Holdings) -> Result<(), WriteError> {
        replica.put_note(&self.0, &holdings.encode())
    }
}

/// The replica's own work reads and writes a disk.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, FillError> {
    tokio::task::spawn_blocking(work).await.map_err(|error| FillError::Fault(error.to_string()))
}
