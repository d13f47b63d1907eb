//! A project's search index: one live segment that follows the replica's change feed.
//!
//! The index is derived. It starts empty, reads the feed from the beginning, and is thrown away and read again when a
//! component call fails half-way. Records whose vector is not in the replica's cache become findable by keyword at
//! once and by vector when their text has been embedded; both steps go through [`ProjectIndex::catch_up`].

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use skerry_host::types::{Document, Request, Response, Stats};
use skerry_host::{CallError, Component, Embedder, Engine, Limits, QueryError, Segment};
use skerry_sync::{ProjectName, ReadError, Record, RecordKey, Replica, Version, WriteError};

use crate::filter;

/// Changes read from the feed at a time.
const FEED_PAGE: usize = 1_000;

/// Texts embedded between two commits of the vector cache: what a crash costs at most, in work.
const EMBED_PAGE: usize = 64;

/// Why an index could not follow its project.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum IndexError {
    /// The replica could not be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The vector cache could not be written.
    #[error(transparent)]
    Write(#[from] WriteError),
    /// A component failed.
    #[error(transparent)]
    Call(#[from] CallError),
    /// The query component refused a document.
    #[error(transparent)]
    Query(#[from] QueryError),
}

impl From<IndexError> for crate::problem::Problem {
    fn from(error: IndexError) -> Self {
        match error {
            IndexError::Read(error) => error.into(),
            IndexError::Write(error) => error.into(),
            IndexError::Call(error) => error.into(),
            IndexError::Query(error) => error.into(),
        }
    }
}

/// What an index needs to follow its project.
#[derive(Debug)]
pub struct Sources {
    /// Where records and cached vectors come from.
    pub replica: Replica,
    /// Embeds what the cache does not have.
    pub embedder: Embedder,
    /// Runs segments.
    pub engine: Engine,
    /// The query component.
    pub query: Component,
    /// Limits of a segment.
    pub limits: Limits,
}

/// How far an index is.
#[derive(Debug, Clone)]
pub struct Progress {
    /// Position in the change feed up to which records are findable.
    pub sequence: u64,
    /// Records that vector search does not find yet.
    pub vectors_pending: usize,
    /// Sizes of the segment.
    pub stats: Stats,
}

/// A query's answer and the version that was asked.
#[derive(Debug)]
pub struct Answered {
    /// The component's answer.
    pub response: Response,
    /// The version of the project that the segment held.
    pub version: Version,
    /// Records that vector search did not find yet.
    pub vectors_pending: usize,
}

/// The index of one project.
#[derive(Debug)]
pub struct ProjectIndex {
    project: ProjectName,
    /// Held by whoever reads the feed, so that two do not apply the same change; never while a query waits for it.
    feeding: Mutex<()>,
    state: Mutex<Option<State>>,
}

#[derive(Debug)]
struct State {
    segment: Segment,
    sequence: u64,
    version: Version,
    /// Keys whose vector is not there yet.
    pending: BTreeMap<String, u64>,
}

impl ProjectIndex {
    /// An index that has read nothing yet.
    pub fn new(project: ProjectName) -> Self {
        ProjectIndex { project, feeding: Mutex::new(()), state: Mutex::new(None) }
    }

    /// Makes every change up to now findable, embedding what the cache lacks.
    ///
    /// # Errors
    /// What the replica or a component answered; the records stay stored, and the next call goes on.
    pub fn catch_up(&self, sources: &Sources) -> Result<(), IndexError> {
        let _feeding = lock(&self.feeding);
        self.read_feed(sources)?;
        self.embed_pending(sources)
    }

    /// Makes every change up to now findable by keyword and filter, and by vector where the cache has it.
    fn refresh(&self, sources: &Sources) -> Result<(), IndexError> {
        let current = sources.replica.sequence(&self.project)?;
        if lock(&self.state).as_ref().is_some_and(|state| state.sequence >= current) {
            return Ok(());
        }
        let _feeding = lock(&self.feeding);
        self.read_feed(sources)
    }

    /// Answers a query over everything that is stored now.
    ///
    /// # Errors
    /// What the replica or the component answered.
    pub fn query(&self, sources: &Sources, request: &Request) -> Result<Answered, IndexError> {
        self.refresh(sources)?;
        let mut guard = lock(&self.state);
        let Some(state) = guard.as_mut() else {
            return Err(QueryError::Invalid("The index is being rebuilt; ask again.".to_owned()).into());
        };
        match state.segment.query(request) {
            Ok(response) => {
                Ok(Answered { response, version: state.version.clone(), vectors_pending: state.pending.len() })
            }
            Err(error) => {
                if state.segment.is_poisoned() {
                    *guard = None;
                }
                Err(error.into())
            }
        }
    }

    /// How far the index is; none before anybody asked it anything.
    ///
    /// # Errors
    /// What the component answered.
    pub fn progress(&self) -> Result<Option<Progress>, IndexError> {
        let mut guard = lock(&self.state);
        let Some(state) = guard.as_mut() else { return Ok(None) };
        let stats = state.segment.describe()?;
        Ok(Some(Progress { sequence: state.sequence, vectors_pending: state.pending.len(), stats }))
    }

    /// Applies the feed page by page. The caller holds `feeding`.
    fn read_feed(&self, sources: &Sources) -> Result<(), IndexError> {
        loop {
            let since = self.position(sources)?;
            // The version is read before the changes: what it names is then at least what the segment holds after the last page.
            let version = sources.replica.version(&self.project)?;
            let changes = sources.replica.changes(&self.project, since, FEED_PAGE)?;
            let Some(last) = changes.last().map(|change| change.sequence) else {
                if let Some(state) = lock(&self.state).as_mut() {
                    state.version = version;
                }
                return Ok(());
            };
            let keys: Vec<RecordKey> = changes.iter().map(|change| change.key.clone()).collect();
            let records = sources.replica.get_many(&self.project, &keys)?;
            let mut removed = Vec::new();
            let mut present = Vec::new();
            for (key, record) in keys.into_iter().zip(records) {
                match record {
                    Some(record) => present.push(record),
                    None => removed.push(key.as_str().to_owned()),
                }
            }
            self.apply(sources, &present, &removed, last, version)?;
        }
    }

    /// The position that the segment is at, made anew when there is none.
    fn position(&self, sources: &Sources) -> Result<u64, IndexError> {
        let mut guard = lock(&self.state);
        if let Some(state) = guard.as_ref() {
            return Ok(state.sequence);
        }
        let segment = Segment::new(&sources.engine, &sources.query, sources.limits)?;
        let version = sources.replica.version(&self.project)?;
        *guard = Some(State { segment, sequence: 0, version, pending: BTreeMap::new() });
        Ok(0)
    }

    fn apply(
        &self,
        sources: &Sources,
        records: &[Record],
        removed: &[String],
        sequence: u64,
        version: Version,
    ) -> Result<(), IndexError> {
        let model = &sources.embedder.model().id;
        let texts: Vec<&str> = records.iter().map(|record| record.text.as_str()).collect();
        let vectors = sources.replica.vectors(model, &texts)?;
        let mut pending = Vec::new();
        let mut documents = Vec::with_capacity(records.len());
        for (record, vector) in records.iter().zip(vectors) {
            if vector.is_none() && !record.text.is_empty() {
                pending.push(record.key.as_str().to_owned());
            }
            documents.push(document(record, vector));
        }
        self.change(|state| {
            for document in &documents {
                state.pending.remove(&document.key);
            }
            state.segment.upsert(documents)?;
            for key in removed {
                state.pending.remove(key);
            }
            if !removed.is_empty() {
                state.segment.remove(removed)?;
            }
            state.pending.extend(pending.into_iter().map(|key| (key, sequence)));
            state.sequence = sequence;
            state.version = version;
            Ok(())
        })
    }

    /// Embeds what the cache lacks, page by page; queries go on meanwhile. The caller holds `feeding`, so the records
    /// in the segment cannot change under it.
    fn embed_pending(&self, sources: &Sources) -> Result<(), IndexError> {
        let model = sources.embedder.model().id.clone();
        loop {
            let keys: Vec<RecordKey> = match lock(&self.state).as_ref() {
                Some(state) => {
                    state.pending.keys().take(EMBED_PAGE).filter_map(|key| RecordKey::parse(key).ok()).collect()
                }
                None => return Ok(()),
            };
            if keys.is_empty() {
                return Ok(());
            }
            let found = sources.replica.get_many(&self.project, &keys)?;
            let records: Vec<Record> = found.into_iter().flatten().collect();
            let texts: Vec<&str> = records.iter().map(|record| record.text.as_str()).collect();
            let embeddings = sources.embedder.embed(&texts)?;
            let entries: Vec<(&str, &[f32])> =
                texts.iter().copied().zip(embeddings.iter().map(|embedding| embedding.vector.as_slice())).collect();
            sources.replica.put_vectors(&model, &entries)?;
            let documents: Vec<Document> = records
                .iter()
                .zip(&embeddings)
                .map(|(record, embedding)| document(record, Some(embedding.vector.clone())))
                .collect();
            self.change(|state| {
                for key in &keys {
                    state.pending.remove(key.as_str());
                }
                Ok(state.segment.upsert(documents)?)
            })?;
        }
    }

    /// Changes the state; drops it when the component failed, so that the next reader starts from the feed again.
    fn change(&self, change: impl FnOnce(&mut State) -> Result<(), IndexError>) -> Result<(), IndexError> {
        let mut guard = lock(&self.state);
        let Some(state) = guard.as_mut() else { return Ok(()) };
        let outcome = change(state);
        if outcome.is_err() {
            *guard = None;
        }
        outcome
    }
}

fn document(record: &Record, vector: Option<Vec<f32>>) -> Document {
    Document {
        key: record.key.as_str().to_owned(),
        text: record.text.clone(),
        vector: vector.filter(|_| !record.text.is_empty()),
        fields: filter::fields(record),
        payload: Vec::new(),
    }
}

/// A lock whose holder panicked still guards whole state: every change replaces or drops it.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
