//! The end of documents whose epoch is over, in the central store: what was written to them late is carried over, then their
//! chunks go. Until then an erased record is still in the store.
//!
//! One task does it, one project after another: it takes the memory of one project's documents. Any number of hubs may do it
//! at once, and each may stop anywhere: doing it again ends in the same. Nothing is deleted that was not read, and nothing
//! before what it was carried over into is in the store.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use futures_util::future::try_join_all;
use skerry_sync::ProjectName;
use skerry_sync::document::{DocumentId, Slot};
use skerry_sync::epoch::Epoch;
use skerry_sync::epoch::retire::{self, RetireError, Retirement};
use skerry_sync::hub::{Chunk, ChunkName, Event, StoreFailure};
use tokio::sync::mpsc;
use tokio::time::Instant;

use crate::serve::Shared;

/// Documents that are listed or read at once.
const DOCUMENTS_AT_ONCE: usize = 8;

/// The time to the second attempt; each further one waits twice as long.
const AGAIN_AFTER: Duration = Duration::from_secs(1);

/// The longest time to another attempt.
const AGAIN_MAX: Duration = Duration::from_mins(5);

/// Projects of which the outcome is remembered for people.
const REMEMBERED_MAX: usize = 1_000;

/// What came of the last attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// No document of an older epoch is in the store.
    Done,
    /// Documents of the newest epoch are missing.
    Waiting,
    /// Why not.
    Failed(String),
}

/// What became of a project's documents of older epochs.
#[derive(Debug, Clone)]
pub(crate) struct Progress {
    pub(crate) last: Outcome,
    pub(crate) at: SystemTime,
    /// Documents deleted since the start.
    pub(crate) documents: u64,
    /// Chunks written for them since the start.
    pub(crate) carried: u64,
}

/// What became of all of them, for people.
#[derive(Debug, Default)]
pub(crate) struct Retirements(Mutex<BTreeMap<ProjectName, Progress>>);

impl Retirements {
    pub(crate) fn list(&self) -> Vec<(ProjectName, Progress)> {
        let progress = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        progress.iter().map(|(project, progress)| (project.clone(), progress.clone())).collect()
    }

    fn note(&self, project: &ProjectName, last: Outcome, moved: &Moved) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let at = SystemTime::now();
        let progress =
            all.entry(project.clone()).or_insert(Progress { last: Outcome::Done, at, documents: 0, carried: 0 });
        (progress.last, progress.at) = (last, at);
        progress.documents += moved.documents;
        progress.carried += moved.carried;
        if all.len() > REMEMBERED_MAX {
            let done = all.iter().find(|(_, progress)| progress.last == Outcome::Done).map(|(name, _)| name.clone());
            done.map(|name| all.remove(&name));
        }
    }
}

/// What an attempt did.
#[derive(Debug, Default)]
struct Moved {
    documents: u64,
    carried: u64,
}

/// Why an attempt failed.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error(transparent)]
    Store(#[from] StoreFailure),
    #[error(transparent)]
    Retire(#[from] RetireError),
    #[error(
        "the chunk {chunk} of {document} holds other bytes than its name promises; nothing of the project is deleted"
    )]
    Damaged { document: DocumentId, chunk: ChunkName },
    #[error("a fault of this program: {0}")]
    Fault(String),
}

/// When a project is to be looked at.
#[derive(Debug)]
struct Plan {
    due: Instant,
    /// Attempts that were to no end, in a row.
    tries: u32,
    /// Looks since there was nothing left.
    looks: usize,
}

/// Retires what the core asks for, until the hub stops.
pub(crate) async fn run(shared: Arc<Shared>, mut asked: mpsc::UnboundedReceiver<ProjectName>, again: Vec<Duration>) {
    let mut plans: BTreeMap<ProjectName, Plan> = BTreeMap::new();
    loop {
        let next = plans.iter().min_by_key(|(_, plan)| plan.due).map(|(name, plan)| (name.clone(), plan.due));
        let due = next.as_ref().map_or_else(|| Instant::now() + AGAIN_MAX, |(_, due)| *due);
        tokio::select! {
            () = shared.ending.draining.cancelled() => return,
            project = asked.recv() => {
                let Some(project) = project else { return };
                plans.insert(project, Plan { due: Instant::now(), tries: 0, looks: 0 });
            }
            () = tokio::time::sleep_until(due) => {
                let Some((project, _)) = next else { continue };
                let Some(mut plan) = plans.remove(&project) else { continue };
                if let Some(wait) = attempt(&shared, &project, &mut plan, &again).await {
                    plan.due = Instant::now() + wait;
                    plans.insert(project, plan);
                }
            }
        }
    }
}

/// Does it once; answers when to do it again.
async fn attempt(shared: &Arc<Shared>, project: &ProjectName, plan: &mut Plan, again: &[Duration]) -> Option<Duration> {
    let mut moved = Moved::default();
    let outcome = match retire_project(shared, project, &mut moved).await {
        Ok(outcome) => outcome,
        Err(error) => {
            tracing::warn!(%project, %error, "documents of an epoch that is over stay in the store for now");
            Outcome::Failed(error.to_string())
        }
    };
    if moved.documents > 0 {
        let Moved { documents, carried } = moved;
        tracing::info!(%project, documents, carried, "documents of an epoch that is over were deleted");
        plan.looks = 0;
    }
    shared.retirements.note(project, outcome.clone(), &moved);
    if outcome == Outcome::Done {
        plan.tries = 0;
        plan.looks += 1;
        return again.get(plan.looks - 1).copied();
    }
    plan.tries += 1;
    Some(AGAIN_AFTER.saturating_mul(1 << plan.tries.min(16).saturating_sub(1)).min(AGAIN_MAX))
}

async fn retire_project(shared: &Shared, project: &ProjectName, moved: &mut Moved) -> Result<Outcome, Failure> {
    let catalog = bytes(read(shared, DocumentId::derive(project, Slot::Catalog)).await?);
    let epochs = retire::epochs(project, &catalog)?;
    let newest = epochs.newest();
    let mut old = Vec::new();
    let over: Vec<Epoch> = epochs.all().filter(|epoch| *epoch != newest).collect();
    for epoch in over {
        old.extend(find(shared, &shards(project, epoch)).await?);
    }
    if old.is_empty() {
        return Ok(Outcome::Done);
    }
    let new = shards(project, newest);
    let there = find(shared, &new).await?;
    if there.iter().filter(|found| found.chunks).count() < new.len() {
        return Ok(Outcome::Waiting);
    }
    let mut names: BTreeMap<DocumentId, Vec<ChunkName>> = BTreeMap::new();
    let mut documents = BTreeMap::new();
    let held: Vec<DocumentId> = there.iter().chain(&old).filter(|found| found.chunks).map(|found| found.id).collect();
    for some in held.chunks(DOCUMENTS_AT_ONCE) {
        let reads: Vec<_> = some.iter().map(|id| read_named(shared, *id)).collect();
        for (id, chunks) in try_join_all(reads).await? {
            names.insert(id, chunks.iter().map(|chunk| chunk.name).collect());
            documents.insert(id, bytes(chunks));
        }
    }
    let Some(retirement) = plan(project.clone(), catalog, documents).await? else { return Ok(Outcome::Waiting) };
    for (document, chunk) in retirement.store {
        put(shared, document, Chunk::new(chunk)).await?;
        moved.carried += 1;
    }
    // Where all chunks are set aside there is nothing to carry over, and nothing to keep any more.
    let aside = old.iter().filter(|found| !found.chunks).map(|found| found.id);
    for document in retirement.delete.into_iter().chain(aside) {
        shared.store.discard(document, names.get(&document).map_or(&[], Vec::as_slice)).await?;
        moved.documents += 1;
    }
    match retirement.incomplete.first() {
        Some(document) => Err(RetireError::Incomplete(*document).into()),
        // What was written meanwhile was not read and is still there: the next look finds it.
        None => Ok(Outcome::Done),
    }
}

fn shards(project: &ProjectName, epoch: Epoch) -> Vec<DocumentId> {
    epoch.slots().skip(1).map(|slot| epoch.document_id(project, slot)).collect()
}

/// A document of which something is in the store.
struct Found {
    id: DocumentId,
    /// Chunks, and not only such as were set aside.
    chunks: bool,
}

/// Those of which something is in the store.
async fn find(shared: &Shared, documents: &[DocumentId]) -> Result<Vec<Found>, StoreFailure> {
    let mut found = Vec::new();
    for some in documents.chunks(DOCUMENTS_AT_ONCE) {
        let looks: Vec<_> = some.iter().map(|id| look(shared, *id)).collect();
        found.extend(try_join_all(looks).await?.into_iter().flatten());
    }
    Ok(found)
}

async fn look(shared: &Shared, id: DocumentId) -> Result<Option<Found>, StoreFailure> {
    let chunks = !shared.store.chunk_names(id).await?.is_empty();
    Ok((chunks || shared.store.has_quarantined(id).await?).then_some(Found { id, chunks }))
}

async fn read_named(shared: &Shared, document: DocumentId) -> Result<(DocumentId, Vec<Chunk>), Failure> {
    Ok((document, read(shared, document).await?))
}

/// All chunks of a document.
async fn read(shared: &Shared, document: DocumentId) -> Result<Vec<Chunk>, Failure> {
    let chunks = shared.store.load(document).await?;
    match chunks.iter().find(|chunk| !chunk.is_whole()) {
        Some(chunk) => Err(Failure::Damaged { document, chunk: chunk.name }),
        None => Ok(chunks),
    }
}

fn bytes(chunks: Vec<Chunk>) -> Vec<Vec<u8>> {
    chunks.into_iter().map(|chunk| chunk.bytes).collect()
}

/// What is to be done; none as long as the newest epoch's documents are not all there.
async fn plan(
    project: ProjectName,
    catalog: Vec<Vec<u8>>,
    documents: BTreeMap<DocumentId, Vec<Vec<u8>>>,
) -> Result<Option<Retirement>, Failure> {
    let planned = tokio::task::spawn_blocking(move || {
        if !retire::is_complete(&project, &catalog, &documents)? {
            return Ok(None);
        }
        retire::retire(&project, &catalog, &documents).map(Some)
    });
    Ok(planned.await.map_err(|error| Failure::Fault(error.to_string()))??)
}

/// Stores a chunk, sees that it reads as it was written, and tells everybody.
async fn put(shared: &Shared, document: DocumentId, chunk: Chunk) -> Result<(), Failure> {
    let name = chunk.name;
    shared.store.store(document, chunk).await?;
    let read = shared.store.fetch(document, vec![name]).await?;
    // A snapshot may have taken its place already; then another hub has read it.
    if let Some(read) = read.iter().find(|read| !read.is_whole()) {
        return Err(Failure::Damaged { document, chunk: read.name });
    }
    shared.notices.announce(document, name);
    let told = shared.core.notice(Event::Noticed { document, chunk: name }).await;
    told.map_err(|stopped| Failure::Fault(stopped.to_string()))
}
