//! A project's search index: sealed segments for what lies still, a live one for what is fresh.
//!
//! The index is derived from the replica's change feed. Every segment covers a range of the feed: it holds the records whose
//! last change lies in that range. The live segment covers the end of the feed and takes each write at once; when it has
//! grown, background work seals it into a snapshot, together with the smaller segments before it ([`sealing`]). At the start
//! the sealed segments are mapped and only the end of the feed is read. Whatever is missing, damaged or of another model
//! is read from the feed again; vectors come from the replica's cache, so nothing is embedded twice.
//!
//! Each core has a reader of its own, an instance of every segment, so that queries run side by side.

pub mod derive;
mod reader;
mod sealing;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use skerry_host::types::{Excerpt, Parsed, Request, Response, SyntaxError};
use skerry_host::{CallError, Cancel, Component, Engine, Limits, QueryError, Segment};
use skerry_sync::{ProjectName, ReadError, Record, RecordKey, Replica, VersionInfo, WriteError};

use crate::models::{ModelError, Models};
use derive::Derivation;
use reader::{Position, Reader};
pub use sealing::Adopted;
#[cfg(feature = "compile")]
use sealing::Sealed;
use sealing::{Checked, SealedSegments};

/// Changes read from the feed at a time.
const FEED_PAGE: usize = 1_000;

/// Records that get their vectors at a time.
const EMBED_PAGE: usize = 64;

/// How often somebody who waits for a sealing to end looks.
const SEALING_LOOKED_AT: std::time::Duration = std::time::Duration::from_millis(5);

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
    /// The project's model is not there, or failed.
    #[error(transparent)]
    Model(#[from] ModelError),
}

impl From<IndexError> for crate::problem::Problem {
    fn from(error: IndexError) -> Self {
        match error {
            IndexError::Read(error) => error.into(),
            IndexError::Write(error) => error.into(),
            IndexError::Call(error) => error.into(),
            IndexError::Query(error) => error.into(),
            IndexError::Model(error) => error.into(),
        }
    }
}

/// What an index needs to follow its project.
#[derive(Debug)]
pub struct Sources {
    /// Where records and cached vectors come from.
    pub replica: Replica,
    /// Embed what the cache does not have.
    pub models: Models,
    /// Runs segments.
    pub engine: Engine,
    /// The query component.
    pub query: Component,
    /// The same as WebAssembly, for baking; read when it is needed.
    pub query_wasm: PathBuf,
    /// SHA-256 of that: segments of another component are not used.
    pub query_sha256: String,
    /// Where sealed segments are kept.
    pub index_dir: PathBuf,
    /// Queries that run side by side.
    pub readers: usize,
    /// Changes after which the live segment is sealed.
    pub seal_after: usize,
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
    /// Bytes of index data of one reader; sealed segments are shared by all.
    pub bytes: u64,
    /// Documents of each segment, the live one last.
    pub segments: Vec<u32>,
    /// A segment is being sealed in the background.
    pub sealing: bool,
}

/// A query's answer and the version that was asked.
#[derive(Debug)]
pub struct Answered {
    /// The component's answer.
    pub response: Response,
    /// The version of the project that the segments held.
    pub version: String,
    /// Records that vector search did not find yet.
    pub vectors_pending: usize,
    /// Records as they were, for an answer at an earlier version: those that have changed since.
    pub past: Option<Arc<BTreeMap<String, Option<Record>>>>,
}

/// The index of one project.
#[derive(Debug)]
pub struct ProjectIndex {
    project: ProjectName,
    derivation: Derivation,
    sealed: SealedSegments,
    /// Held by whoever reads the feed, so that two do not apply the same change; never while a query waits for it.
    feeding: Mutex<()>,
    /// Where the feed is read to, and what has no vector yet. None before the first use and after a failure.
    state: Mutex<Option<State>>,
    readers: Vec<Mutex<Option<Reader>>>,
    next_reader: AtomicUsize,
    past: Mutex<Option<PastView>>,
    /// A component failed: maybe because of a sealed segment's data, which was not looked at when it was opened.
    suspect: AtomicBool,
    /// Somebody tries to embed again what its model failed at.
    mending: Arc<AtomicBool>,
    /// Another index has taken its place: it answers who has it, and seals nothing more.
    retired: AtomicBool,
}

#[derive(Debug)]
struct State {
    position: Position,
    /// Keys whose vector is not there yet.
    pending: BTreeMap<String, u64>,
    /// Changes since the last sealing.
    unsealed: usize,
}

/// An earlier version, kept for whoever turns its pages.
#[derive(Debug)]
struct PastView {
    version: String,
    /// The feed's position when it was made.
    sequence: u64,
    keys: Vec<String>,
    records: Arc<BTreeMap<String, Option<Record>>>,
    segment: Segment,
}

/// Ends mending, however it ends.
#[derive(Debug)]
pub(crate) struct Mending(Arc<AtomicBool>);

impl Drop for Mending {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Release);
    }
}

impl ProjectIndex {
    /// An index that has read nothing yet.
    pub fn new(project: ProjectName, derivation: Derivation, sources: &Sources) -> Self {
        let sealed = SealedSegments::new(&project, &derivation, sources);
        let readers = (0..sources.readers.max(1)).map(|_| Mutex::new(None)).collect();
        ProjectIndex {
            project,
            derivation,
            sealed,
            feeding: Mutex::new(()),
            state: Mutex::new(None),
            readers,
            next_reader: AtomicUsize::new(0),
            past: Mutex::new(None),
            suspect: AtomicBool::new(false),
            mending: Arc::default(),
            retired: AtomicBool::new(false),
        }
    }

    /// What its vectors are made with.
    pub fn derivation(&self) -> &Derivation {
        &self.derivation
    }

    /// Keeps others from trying again at the same time; none when somebody does.
    pub(crate) fn begin_mending(&self) -> Option<Mending> {
        (!self.mending.swap(true, Ordering::AcqRel)).then(|| Mending(Arc::clone(&self.mending)))
    }

    /// Ends its life: another index stands in its place. Its files are deleted; whoever is asking it is answered.
    pub(crate) fn retire(&self) {
        self.retired.store(true, Ordering::Release);
        self.sealed.delete_files();
    }

    /// Ends its life for good: when this returns, nobody seals for it any more, and it has no files.
    pub(crate) fn end(&self) {
        self.retired.store(true, Ordering::Release);
        // Whoever is sealing sees at the end that nobody wants it; nobody begins after that.
        while self.sealed.begin().map(std::mem::forget).is_none() {
            std::thread::sleep(SEALING_LOOKED_AT);
        }
        self.sealed.delete_files();
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
        if lock(&self.state).as_ref().is_some_and(|state| state.position.sequence >= current) {
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
        let (response, position) = self.with_reader(|reader| {
            let response = reader.query(request, None)?;
            Ok((response, reader.position().clone()))
        })?;
        let vectors_pending = lock(&self.state).as_ref().map_or(0, |state| state.pending.len());
        Ok(Answered { response, version: position.version, vectors_pending, past: None })
    }

    /// Answers a query as of an earlier version of the project. Costs as much as has changed since.
    ///
    /// # Errors
    /// [`ReadError::UnknownVersion`] when this replica has not seen the version; what the replica or a component answered.
    pub fn query_at(
        &self,
        sources: &Sources,
        version: &str,
        request: &Request,
        cancel: &Cancel,
    ) -> Result<Answered, IndexError> {
        // Nothing may move between looking at the past and asking: whoever writes waits for this query.
        let _feeding = lock(&self.feeding);
        self.read_feed(sources)?;
        let mut past = lock(&self.past);
        let sequence = sources.replica.sequence(&self.project)?;
        if past.as_ref().is_none_or(|past| past.version != version || past.sequence != sequence) {
            *past = None;
            *past = Some(self.look_back(sources, version, sequence, cancel)?);
        }
        let Some(view) = past.as_mut() else { return Err(being_rebuilt()) };
        let answer = self.with_reader(|reader| reader.query(request, Some((&mut view.segment, &view.keys))));
        let records = Arc::clone(&view.records);
        if answer.is_err() {
            *past = None;
        }
        Ok(Answered { response: answer?, version: version.to_owned(), vectors_pending: 0, past: Some(records) })
    }

    /// A segment of the records that have changed since a version, as they were then.
    fn look_back(
        &self,
        sources: &Sources,
        version: &str,
        sequence: u64,
        cancel: &Cancel,
    ) -> Result<PastView, IndexError> {
        let past = sources.replica.past(&self.project, version)?;
        let mut segment = Segment::new(&sources.engine, &sources.query, sources.limits)?;
        let then: Vec<Record> = past.changed.iter().filter_map(|(_, record)| record.clone()).collect();
        for records in then.chunks(EMBED_PAGE) {
            segment.upsert(match self.derivation.model() {
                Ok(_) => self.derivation.embedded_documents(sources, records, Some(cancel))?,
                Err(_) => Derivation::documents_without_vectors(records),
            })?;
        }
        let keys = past.changed.iter().map(|(key, _)| key.as_str().to_owned()).collect();
        let records = past.changed.into_iter().map(|(key, record)| (key.as_str().to_owned(), record)).collect();
        Ok(PastView { version: version.to_owned(), sequence, keys, records: Arc::new(records), segment })
    }

    /// Reads a query of the query language.
    ///
    /// # Errors
    /// The inner error is the writer's and points at a character.
    pub fn parse(&self, sources: &Sources, query: &str) -> Result<Result<Parsed, SyntaxError>, IndexError> {
        self.refresh(sources)?;
        self.with_reader(|reader| Ok(reader.live().parse(query)?))
    }

    /// The parts of texts that best show why a query found them.
    ///
    /// # Errors
    /// What the component answered.
    pub fn excerpts(&self, texts: &[&str], query: &str, bytes_max: u32) -> Result<Vec<Excerpt>, IndexError> {
        self.with_reader(|reader| {
            let excerpt = |text: &&str| Ok(reader.live().excerpt(text, query, bytes_max)?);
            texts.iter().map(excerpt).collect()
        })
    }

    /// How far the index is; none before anybody asked it anything.
    ///
    /// # Errors
    /// What the component answered.
    pub fn progress(&self) -> Result<Option<Progress>, IndexError> {
        let (sequence, vectors_pending) = match lock(&self.state).as_ref() {
            Some(state) => (state.position.sequence, state.pending.len()),
            None => return Ok(None),
        };
        // Looked at before the segments: who hears that nothing is being sealed sees what the last sealing came to.
        let sealing = self.sealed.is_busy();
        let (bytes, segments) = self.with_reader(Reader::sizes)?;
        Ok(Some(Progress { sequence, vectors_pending, bytes, segments, sealing }))
    }

    /// Runs `work` with a reader that is free, or the next one to become free. A reader whose component failed is dropped with
    /// the whole state, and made again from the feed.
    fn with_reader<T>(&self, work: impl FnOnce(&mut Reader) -> Result<T, IndexError>) -> Result<T, IndexError> {
        let start = self.next_reader.fetch_add(1, Ordering::Relaxed);
        let count = self.readers.len();
        let mut order = (0..count).filter_map(|step| self.readers.get((start + step) % count));
        let free = order.clone().find_map(|reader| reader.try_lock().ok());
        let Some(mut guard) = free.or_else(|| order.next().map(lock)) else { return Err(being_rebuilt()) };
        let Some(reader) = guard.as_mut() else { return Err(being_rebuilt()) };
        let outcome = work(reader);
        let poisoned = reader.is_poisoned();
        drop(guard);
        if poisoned {
            self.give_up();
        }
        outcome
    }

    /// Drops all state after a component failed: the next who asks starts from the feed again, and looks at every byte of the
    /// sealed segments first.
    fn give_up(&self) {
        self.suspect.store(true, Ordering::Release);
        *lock(&self.state) = None;
    }

    /// Applies the feed page by page. The caller holds `feeding`.
    fn read_feed(&self, sources: &Sources) -> Result<(), IndexError> {
        loop {
            let since = self.position(sources)?;
            // The version is read before the changes: what it names is then at least what the segments hold after the last page.
            let version = current_version(sources, &self.project)?;
            let changes = sources.replica.changes(&self.project, since, FEED_PAGE)?;
            let Some(last) = changes.last().map(|change| change.sequence) else {
                let position = Position { sequence: since, version: version.version };
                if lock(&self.state).as_ref().is_some_and(|state| state.position != position) {
                    self.change(|reader| {
                        reader.moved(position.clone());
                        Ok(())
                    })?;
                    if let Some(state) = lock(&self.state).as_mut() {
                        state.position = position;
                    }
                }
                return Ok(());
            };
            let keys: Vec<RecordKey> = changes.iter().map(|change| change.key.clone()).collect();
            let position = Position { sequence: last, version: version.version };
            self.apply(sources, &keys, &position)?;
        }
    }

    /// The position that the segments are at; they are opened when there are none.
    fn position(&self, sources: &Sources) -> Result<u64, IndexError> {
        if let Some(state) = lock(&self.state).as_ref() {
            return Ok(state.position.sequence);
        }
        let checked = if self.suspect.swap(false, Ordering::AcqRel) { Checked::Everything } else { Checked::Code };
        let sealed = self.sealed.open(sources, &self.project, checked)?;
        let version = current_version(sources, &self.project)?.version;
        let position = Position { sequence: sealed.last().map_or(0, |last| last.to), version };
        let stale = sealing::stale_keys(sources, &self.project, &sealed)?;
        for slot in &self.readers {
            let reader = Reader::open(sources, &sealed, &stale, position.clone()).inspect_err(|_| self.give_up())?;
            *lock(slot) = Some(reader);
        }
        let sequence = position.sequence;
        *lock(&self.state) = Some(State { position, pending: BTreeMap::new(), unsealed: 0 });
        Ok(sequence)
    }

    fn apply(&self, sources: &Sources, keys: &[RecordKey], position: &Position) -> Result<(), IndexError> {
        let documents = self.derivation.documents(sources, &self.project, keys)?;
        let pending: Vec<String> = documents
            .iter()
            .filter(|document| document.chunks.is_empty() && !document.text.is_empty())
            .map(|document| document.key.clone())
            .collect();
        let keys: Vec<String> = keys.iter().map(|key| key.as_str().to_owned()).collect();
        self.change(|reader| reader.apply(&keys, documents.clone(), position.clone()))?;
        if let Some(state) = lock(&self.state).as_mut() {
            for key in &keys {
                state.pending.remove(key);
            }
            state.pending.extend(pending.into_iter().map(|key| (key, position.sequence)));
            state.unsealed += keys.len();
            state.position = position.clone();
        }
        Ok(())
    }

    /// Embeds what the cache lacks, page by page; queries go on meanwhile. The caller holds `feeding`, so the records
    /// in the segments cannot change under it.
    fn embed_pending(&self, sources: &Sources) -> Result<(), IndexError> {
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
            let documents = self.derivation.embedded_documents(sources, &records, None)?;
            self.change(|reader| Ok(reader.live().upsert(documents.clone())?))?;
            if let Some(state) = lock(&self.state).as_mut() {
                for key in &keys {
                    state.pending.remove(key.as_str());
                }
            }
        }
    }

    /// Changes every reader; drops all state when a component failed, so that the next one starts from the feed again.
    fn change(&self, change: impl Fn(&mut Reader) -> Result<(), IndexError> + Sync) -> Result<(), IndexError> {
        let one = |slot: &Mutex<Option<Reader>>| lock(slot).as_mut().map_or(Ok(()), &change);
        let outcome = std::thread::scope(|scope| {
            let mut slots = self.readers.iter();
            let first = slots.next();
            let others: Vec<_> = slots.map(|slot| scope.spawn(move || one(slot))).collect();
            let first = first.map_or(Ok(()), one);
            let joined = others.into_iter().map(|other| other.join().unwrap_or_else(|_| Err(being_rebuilt())));
            joined.fold(first, Result::and)
        });
        if outcome.is_err() {
            self.give_up();
        }
        outcome
    }

    /// Seals the live segment if it has grown enough; long work, for a thread of its own. Answers whether it did.
    ///
    /// # Errors
    /// What the replica or a component answered; the index is as before then.
    #[cfg(feature = "compile")]
    pub fn seal(&self, sources: &Sources) -> Result<bool, IndexError> {
        let Some(_busy) = self.sealed.begin() else { return Ok(false) };
        if !self.has_grown(sources) {
            return Ok(false);
        }
        // What is sealed gets no vector any more. So the range ends where the index is when every vector is there, and not at
        // what somebody has published since, whose texts are yet to be embedded.
        let now = {
            let _feeding = lock(&self.feeding);
            self.read_feed(sources)?;
            self.embed_pending(sources)?;
            lock(&self.state).as_ref().map(|state| state.position.clone())
        };
        let Some(now) = now else { return Ok(false) };
        let Some(plan) = self.sealed.plan(sources, &self.project, now.sequence)? else { return Ok(false) };
        let new = self.sealed.bake(sources, &self.project, &plan)?;
        self.install(sources, new, plan.to)?;
        if self.retired.load(Ordering::Acquire) {
            self.sealed.delete_files();
        }
        Ok(true)
    }

    /// Lays a snapshot down as the sealed segment of an index that nobody has asked yet.
    ///
    /// # Errors
    /// In words, when it does not fit; the index is made from the feed then.
    pub fn adopt(&self, sources: &Sources, snapshot: &Adopted<'_>) -> Result<(), String> {
        let _feeding = lock(&self.feeding);
        if lock(&self.state).is_some() {
            return Err("the index is in use already".to_owned());
        }
        self.sealed.adopt(sources, snapshot)
    }

    /// Reads the files of the sealed segments in full, which opening them does not, and leaves out those that are damaged:
    /// long work, for the background. Answers whether something was damaged; what was in it is read from the feed then.
    pub fn check(&self, sources: &Sources) -> bool {
        let damaged = self.sealed.damaged(sources);
        if damaged.is_empty() {
            return false;
        }
        let _feeding = lock(&self.feeding);
        // What was merged into another segment meanwhile has lost its files, and nobody needs it.
        let discarded = self.sealed.discard_damaged(sources, &self.project, &damaged);
        if discarded {
            *lock(&self.state) = None;
        }
        discarded
    }

    /// Whether sealing would do something.
    pub fn wants_sealing(&self, sources: &Sources) -> bool {
        cfg!(feature = "compile") && !self.sealed.is_busy() && self.has_grown(sources)
    }

    /// Enough has changed since the last sealing, and every vector is there.
    fn has_grown(&self, sources: &Sources) -> bool {
        if self.retired.load(Ordering::Acquire) {
            return false;
        }
        let state = lock(&self.state);
        state.as_ref().is_some_and(|state| state.pending.is_empty() && state.unsealed >= sources.seal_after)
    }

    /// Puts a new segment in the place of those that it covers. Whoever writes waits; queries wait for a reader at most as long
    /// as it takes to read what was written while the segment was baked.
    #[cfg(feature = "compile")]
    fn install(&self, sources: &Sources, new: Option<Sealed>, sealed_to: u64) -> Result<(), IndexError> {
        let _feeding = lock(&self.feeding);
        self.read_feed(sources)?;
        let Some(position) = lock(&self.state).as_ref().map(|state| state.position.clone()) else { return Ok(()) };
        let (mut held, mut fresh) = (Vec::new(), Vec::new());
        let mut since = sealed_to;
        loop {
            let changes = sources.replica.changes(&self.project, since, FEED_PAGE)?;
            let Some(last) = changes.last().map(|change| change.sequence) else { break };
            // What was published after this index last read the feed comes with its next reading.
            let keys: Vec<RecordKey> = changes
                .into_iter()
                .filter(|change| change.sequence <= position.sequence)
                .map(|change| change.key)
                .collect();
            held.extend(self.derivation.documents(sources, &self.project, &keys)?);
            fresh.extend(keys.iter().map(|key| key.as_str().to_owned()));
            since = last;
        }
        let Some(segments) = self.sealed.install(sources, &self.project, new, &position) else { return Ok(()) };
        for slot in &self.readers {
            let mut guard = lock(slot);
            let Some(reader) = guard.as_mut() else { continue };
            if let Err(error) = reader.replace(sources, &segments, &held, &fresh) {
                drop(guard);
                self.give_up();
                return Err(error);
            }
        }
        if let Some(state) = lock(&self.state).as_mut() {
            state.unsealed = fresh.len();
        }
        self.sealed.discard_unused(&segments);
        Ok(())
    }
}

fn current_version(sources: &Sources, project: &ProjectName) -> Result<VersionInfo, IndexError> {
    let newest = sources.replica.versions(project, 1)?.into_iter().next();
    match newest {
        Some(version) => Ok(version),
        // A project without a commit: nothing was ever written into it.
        None => Ok(VersionInfo {
            version: sources.replica.version(project)?.to_string(),
            sequence: sources.replica.sequence(project)?,
            time: skerry_sync::Timestamp(0),
        }),
    }
}

fn being_rebuilt() -> IndexError {
    QueryError::Invalid("The index is being rebuilt; ask again.".to_owned()).into()
}

/// A lock whose holder panicked still guards whole state: every change replaces or drops it.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
