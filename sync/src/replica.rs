//! A replica: one device's copy of some projects.
//!
//! Every write goes the same way: edit the documents in memory, write the new changes and the records that they touch in
//! one transaction of the store, answer. When the transaction fails the edited documents are dropped from memory, so that
//! nothing unacknowledged is ever seen. Reads come from the store's tables; only those of the past load documents.

mod catalog;
mod documents;
mod epochs;
mod history;
pub(crate) mod live;
mod merge;
mod project;
mod purge;
mod stored;
mod watch;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use automerge::transaction::{CommitOptions, Transaction};
use automerge::{ActorId, Automerge, ObjId};
use redb::ReadableTable;

use crate::document::{self, Slot};
use crate::epoch::Epoch;
use crate::error::{OpenError, ReadError, StoreError, WriteError};
use crate::record::{ProjectName, Record, RecordKey};
use crate::settings::{self, Settings};
use crate::store::{BackendFactory, FEED, META, PROJECTS, RECORDS, StoreFile};
use crate::version::Version;
use crate::view::View;
use crate::{leaves, materialise};

use catalog::Declared;
pub use catalog::{CHART_BYTES_MAX, CHARTS_MAX, ChartError};
use documents::{At, Documents, Loaded};
pub use epochs::{CutReport, ErasedRecord, Found};
pub use history::{Past, VersionInfo};
use project::ProjectRow;
pub(crate) use project::heads_bytes;
pub use purge::PurgeReport;
pub use stored::{Absorbed, Holdings, ProjectDocuments, Unstored};

/// Milliseconds since the Unix epoch. Brought by the caller: a replica has no clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Timestamp(pub i64);

/// What a write did. It is on disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Commit {
    /// Position of the last change in the change feed.
    pub sequence: u64,
    /// Records that are different from before.
    pub changed: usize,
    /// The project's version after it.
    pub version: Version,
}

/// A project of a replica.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProjectInfo {
    /// Its name.
    pub name: ProjectName,
    /// For people.
    pub description: String,
    /// Live records.
    pub records: u64,
    /// How its texts become vectors.
    pub settings: Settings,
}

/// What to write about a project.
#[derive(Debug, Clone, Copy, Default)]
pub struct ProjectChange<'a> {
    /// Its description; an empty one leaves that of an existing project as it is.
    pub description: &'a str,
    /// Its settings, all of them; none leaves them as they are.
    pub settings: Option<&'a Settings>,
}

/// An entry of the change feed: the last change of a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// Its position; positions grow, and are this replica's own.
    pub sequence: u64,
    /// The record.
    pub key: RecordKey,
    /// True when the change was its deletion.
    pub deleted: bool,
}

/// Whether the replica can write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Health {
    /// As far as is known, yes.
    Ok,
    /// The last write failed. The next one is tried all the same.
    Failed {
        /// Why.
        reason: String,
    },
}

/// What [`Replica::verify`] found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifyReport {
    /// Records read from documents.
    pub records: u64,
    /// Keys whose stored record differs from what the documents say. None on a healthy replica.
    pub differing: Vec<String>,
}

/// One device's copy of some projects. Cheap to clone; all clones are one replica.
#[derive(Debug, Clone)]
pub struct Replica {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    store: StoreFile,
    documents: Mutex<Documents>,
    failure: Mutex<Option<String>>,
    watchers: watch::Watchers,
}

/// Records touched by a write: their keys, by document.
type Touched = BTreeMap<(Epoch, Slot), BTreeSet<RecordKey>>;

impl Replica {
    /// Opens the replica in a folder, making it when it is not there.
    ///
    /// # Errors
    /// See [`OpenError`]; each says what to do.
    pub fn open(dir: &Path) -> Result<Replica, OpenError> {
        let store = StoreFile::open(dir)?;
        Replica::over(store, dir)
    }

    /// Opens a replica over a database of the caller's, for tests of faults.
    ///
    /// # Errors
    /// See [`OpenError`].
    #[doc(hidden)]
    pub fn open_with(open: BackendFactory) -> Result<Replica, OpenError> {
        let path = Path::new("memory");
        Replica::over(StoreFile::open_with(path, open)?, path)
    }

    /// As [`Replica::open_with`], with the actor of the changes that are written here: the simulator brings all chance itself.
    ///
    /// # Errors
    /// See [`OpenError`].
    #[doc(hidden)]
    pub fn open_with_actor(open: BackendFactory, actor: [u8; 16]) -> Result<Replica, OpenError> {
        Replica::by_actor(StoreFile::open_with(Path::new("memory"), open)?, actor)
    }

    fn over(store: StoreFile, dir: &Path) -> Result<Replica, OpenError> {
        // A new actor at every opening: a folder may have been copied or restored from a backup since, and two writers
        // with one actor id would give different changes the same name, which no merge survives.
        let mut actor = [0; 16];
        getrandom::fill(&mut actor)
            .map_err(|error| OpenError::Io { path: dir.to_owned(), reason: format!("no randomness: {error}") })?;
        Replica::by_actor(store, actor)
    }

    fn by_actor(store: StoreFile, actor: [u8; 16]) -> Result<Replica, OpenError> {
        history::begin(&store).map_err(|error| store.refusal(error))?;
        catalog::begin(&store).map_err(|error| store.refusal(error))?;
        let documents = Mutex::new(Documents::new(ActorId::from(actor)));
        Ok(Replica {
            inner: Arc::new(Inner {
                store,
                documents,
                failure: Mutex::default(),
                watchers: watch::Watchers::default(),
            }),
        })
    }

    pub(crate) fn store(&self) -> &StoreFile {
        &self.inner.store
    }

    fn documents(&self) -> MutexGuard<'_, Documents> {
        self.inner.documents.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the last write succeeded.
    pub fn health(&self) -> Health {
        let failure = self.inner.failure.lock().unwrap_or_else(PoisonError::into_inner);
        failure.as_ref().map_or(Health::Ok, |reason| Health::Failed { reason: reason.clone() })
    }

    fn note<T>(&self, outcome: Result<T, StoreError>) -> Result<T, StoreError> {
        let mut failure = self.inner.failure.lock().unwrap_or_else(PoisonError::into_inner);
        *failure = outcome.as_ref().err().map(ToString::to_string);
        outcome
    }

    /// Creates a project or changes its description; answers whether it was created. An empty description leaves an
    /// existing one as it is.
    ///
    /// # Errors
    /// As [`Replica::put_project`].
    pub fn create_project(&self, project: &ProjectName, description: &str, now: Timestamp) -> Result<bool, WriteError> {
        self.put_project(project, ProjectChange { description, settings: None }, now)
    }

    /// Creates a project or changes what it says about itself; answers whether it was created.
    ///
    /// # Errors
    /// [`WriteError::Settings`], [`WriteError::StoreFull`] and [`WriteError::Store`]; nothing was written then.
    pub fn put_project(
        &self,
        project: &ProjectName,
        change: ProjectChange<'_>,
        now: Timestamp,
    ) -> Result<bool, WriteError> {
        if let Some(settings) = change.settings {
            settings.check()?;
        }
        let mut documents = self.documents();
        let existing = self.project_row(project)?;
        let created = existing.is_none();
        let before = existing.clone().unwrap_or_default();
        let description = Some(change.description).filter(|new| !new.is_empty() && *new != before.description);
        let settings = change.settings.filter(|new| **new != before.settings);
        if !created && description.is_none() && settings.is_none() {
            return Ok(false);
        }
        let mut touched = Touched::new();
        if description.is_some() || settings.is_some() {
            let epoch = before.epoch;
            let loaded = documents.get(self.store(), At { project, epoch, slot: Slot::Catalog })?;
            loaded.edit(now, |transaction, map| {
                if let Some(description) = description {
                    settings::write_description(transaction, map, description)?;
                }
                if let Some(settings) = settings {
                    settings.write(transaction, map)?;
                }
                Ok(())
            })?;
            touched.insert((before.epoch, Slot::Catalog), BTreeSet::new());
        }
        self.store_changes(&mut documents, project, &touched, existing.unwrap_or_default(), now)?;
        Ok(created)
    }

    /// The projects, in the order of their names.
    ///
    /// # Errors
    /// [`ReadError::Store`].
    pub fn projects(&self) -> Result<Vec<ProjectInfo>, ReadError> {
        let rows = self.store().read(|transaction| {
            let table = transaction.open_table(PROJECTS)?;
            let mut rows = Vec::new();
            for entry in table.iter()? {
                let (name, row) = entry?;
                let name = ProjectName::parse(name.value()).map_err(|error| StoreError::Damaged(error.to_string()))?;
                let row = ProjectRow::decode(row.value())?;
                rows.push(row.info(name));
            }
            Ok(rows)
        })?;
        Ok(rows)
    }

    /// A project.
    ///
    /// # Errors
    /// [`ReadError::UnknownProject`] and [`ReadError::Store`].
    pub fn project(&self, project: &ProjectName) -> Result<ProjectInfo, ReadError> {
        Ok(self.known_row(project)?.info(project.clone()))
    }

    /// What this replica alone noted down under a name; no other replica learns of it.
    ///
    /// # Errors
    /// [`ReadError::Store`].
    pub fn note_of(&self, name: &str) -> Result<Option<String>, ReadError> {
        let found = self.store().read(|transaction| {
            let note =
                transaction.open_table(META)?.get(format!("{NOTE}{name}").as_str())?.map(|note| note.value().to_vec());
            Ok(note)
        })?;
        Ok(found.and_then(|note| String::from_utf8(note).ok()))
    }

    /// Notes something down for this replica alone. On disk when this returns.
    ///
    /// # Errors
    /// [`WriteError::StoreFull`] and [`WriteError::Store`].
    pub fn put_note(&self, name: &str, note: &str) -> Result<(), WriteError> {
        self.store().write(|transaction| {
            transaction.open_table(META)?.insert(format!("{NOTE}{name}").as_str(), note.as_bytes())?;
            Ok(())
        })?;
        Ok(())
    }

    fn project_row(&self, project: &ProjectName) -> Result<Option<ProjectRow>, StoreError> {
        self.store().read(|transaction| project::row(transaction, project))
    }

    fn known_row(&self, project: &ProjectName) -> Result<ProjectRow, ReadError> {
        self.project_row(project)?.ok_or_else(|| ReadError::UnknownProject(project.to_string()))
    }

    /// Publishes records: each is created, or replaces the one with its key, merging field by field with what other
    /// replicas write at the same time. All or none; on disk when this returns. The last of equal keys wins.
    ///
    /// # Errors
    /// [`WriteError`]; nothing was written then.
    pub fn publish(&self, project: &ProjectName, records: &[Record], now: Timestamp) -> Result<Commit, WriteError> {
        for (index, record) in records.iter().enumerate() {
            record.check().map_err(|reason| WriteError::Record { index, key: record.key.to_string(), reason })?;
        }
        let by_key: BTreeMap<&RecordKey, Option<&Record>> =
            records.iter().map(|record| (&record.key, Some(record))).collect();
        let mut documents = self.documents();
        self.settle(&mut documents, project, by_key.keys().copied(), now)?;
        self.edit_records(&mut documents, project, now, &by_key)
    }

    /// Deletes records; keys that are not there are passed over. All or none; on disk when this returns.
    ///
    /// # Errors
    /// [`WriteError`]; nothing was written then.
    pub fn delete(&self, project: &ProjectName, keys: &[RecordKey], now: Timestamp) -> Result<Commit, WriteError> {
        let by_key: BTreeMap<&RecordKey, Option<&Record>> = keys.iter().map(|key| (key, None)).collect();
        self.edit_records(&mut self.documents(), project, now, &by_key)
    }

    /// Changes records as they are at this moment, each by `edit`; nothing is written in between. Keys that are not there are
    /// passed over. All or none; on disk when this returns.
    ///
    /// # Errors
    /// [`WriteError`]; nothing was written then. [`WriteError::Record`] when a record breaks a rule afterwards.
    pub fn update(
        &self,
        project: &ProjectName,
        keys: &[RecordKey],
        edit: impl Fn(&mut Record),
        now: Timestamp,
    ) -> Result<Commit, WriteError> {
        let mut documents = self.documents();
        self.settle(&mut documents, project, keys.iter(), now)?;
        let mut records: Vec<Record> = self.get_many(project, keys)?.into_iter().flatten().collect();
        for (index, record) in records.iter_mut().enumerate() {
            edit(record);
            record.check().map_err(|reason| WriteError::Record { index, key: record.key.to_string(), reason })?;
        }
        let by_key = records.iter().map(|record| (&record.key, Some(record))).collect();
        self.edit_records(&mut documents, project, now, &by_key)
    }

    /// Publishes records, and deletes those of the keys that have none.
    fn edit_records(
        &self,
        documents: &mut Documents,
        project: &ProjectName,
        now: Timestamp,
        by_key: &BTreeMap<&RecordKey, Option<&Record>>,
    ) -> Result<Commit, WriteError> {
        let row = self.known_row(project)?;
        let epoch = row.epoch;
        let mut by_slot: BTreeMap<Slot, Vec<(&RecordKey, Option<&Record>)>> = BTreeMap::new();
        for (key, record) in by_key {
            by_slot.entry(epoch.slot_of(key)).or_default().push((key, *record));
        }
        let mut touched = Touched::new();
        for (slot, items) in by_slot {
            let at = At { project, epoch, slot };
            let outcome = documents.get(self.store(), at).map_err(WriteError::from).and_then(|loaded| {
                loaded.edit(now, |transaction, map| {
                    let mut keys = BTreeSet::new();
                    for (key, record) in items {
                        let changed = match record {
                            Some(record) => leaves::put(transaction, map, record)?,
                            None => leaves::delete(transaction, map, key)?,
                        };
                        if changed {
                            keys.insert(key.clone());
                        }
                    }
                    Ok(keys)
                })
            });
            match outcome {
                Ok(keys) if keys.is_empty() => {}
                Ok(keys) => {
                    touched.insert((epoch, slot), keys);
                }
                Err(error) => {
                    let edited = touched.keys().map(|(epoch, slot)| epoch.document_id(project, *slot));
                    documents.forget(edited.chain([at.id()]));
                    return Err(error);
                }
            }
        }
        if touched.is_empty() {
            return Ok(Commit { sequence: row.sequence, changed: 0, version: row.version()? });
        }
        let (row, changed) = self.store_changes(documents, project, &touched, row, now)?;
        Ok(Commit { sequence: row.sequence, changed, version: row.version()? })
    }

    /// Writes what is new in the touched documents, the records that it changed, and its place in the history, in one
    /// transaction; whatever moves heads goes through here. On failure the documents are dropped from memory: the next one
    /// who needs them reads what is on disk.
    fn store_changes(
        &self,
        documents: &mut Documents,
        project: &ProjectName,
        touched: &Touched,
        row: ProjectRow,
        time: Timestamp,
    ) -> Result<(ProjectRow, usize), WriteError> {
        let mut row = row;
        let mut records = Vec::new();
        let mut chunks = Vec::new();
        let mut stale = Vec::new();
        let mut declared = None;
        row.declared.get_or_insert_default();
        for (&(epoch, slot), keys) in touched {
            let at = At { project, epoch, slot };
            let loaded = documents.get(self.store(), at)?;
            let map = loaded.map.clone();
            for key in keys {
                let record = materialise::record(View::now(&loaded.document), &map, key)?;
                records.push((key.clone(), record));
            }
            if slot == Slot::Catalog {
                row.description = settings::description(&loaded.document, &map);
                row.settings = settings::catalog_settings(&loaded.document, &map);
                stale.extend(epochs::learn(project, &loaded.document, &mut row));
                declared = Some(Declared::of(project, &loaded.document, &map)?);
            }
            row.set_heads(epoch, slot, &loaded.document.get_heads());
            chunks.push(loaded.unsaved(at.id()));
        }
        // The history is that of the documents that are read from.
        let own = touched.keys().filter(|(epoch, slot)| *slot == Slot::Catalog || *epoch == row.epoch);
        let own: Vec<Slot> = own.map(|(_, slot)| *slot).collect();
        let outcome = self.note(self.store().write(|transaction| {
            documents::write_chunks(transaction, &chunks)?;
            for id in &stale {
                documents::remove(transaction, *id)?;
            }
            let changed = project::write_records(transaction, project, &records, &mut row)?;
            if let Some(declared) = declared {
                declared.write(transaction, project, &mut row)?;
            }
            transaction.open_table(PROJECTS)?.insert(project.as_str(), row.encode()?.as_slice())?;
            if !own.is_empty() || touched.is_empty() {
                history::write_commit(transaction, project, &row, own.iter().copied(), time)?;
            }
            Ok(changed)
        }));
        match outcome {
            Ok(changed) => {
                documents.saved(&chunks);
                documents.forget(stale);
                self.inner.watchers.tell(project);
                Ok((row, changed))
            }
            Err(error) => {
                documents.forget(chunks.iter().map(|chunk| chunk.id));
                Err(error.into())
            }
        }
    }

    /// A record.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn get(&self, project: &ProjectName, key: &RecordKey) -> Result<Option<Record>, ReadError> {
        Ok(self.get_many(project, std::slice::from_ref(key))?.into_iter().next().flatten())
    }

    /// Records, in the order of the keys, all of one moment.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn get_many(&self, project: &ProjectName, keys: &[RecordKey]) -> Result<Vec<Option<Record>>, ReadError> {
        let found = self.store().read(|transaction| {
            if !project::exists(transaction, project)? {
                return Ok(None);
            }
            let table = transaction.open_table(RECORDS)?;
            let get = |key: &RecordKey| match table.get((project.as_str(), key.as_str()))? {
                Some(value) => project::decode_record(value.value()),
                None => Ok(None),
            };
            keys.iter().map(get).collect::<Result<Vec<_>, _>>().map(Some)
        })?;
        found.ok_or_else(|| ReadError::UnknownProject(project.to_string()))
    }

    /// At most `limit` records in the order of their keys, starting behind `after`.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn scan(
        &self,
        project: &ProjectName,
        after: Option<&RecordKey>,
        limit: usize,
    ) -> Result<Vec<Record>, ReadError> {
        let found = self.store().read(|transaction| {
            if !project::exists(transaction, project)? {
                return Ok(None);
            }
            let table = transaction.open_table(RECORDS)?;
            let start = after.map_or("", RecordKey::as_str);
            let mut records = Vec::new();
            for entry in table.range((project.as_str(), start)..)? {
                let (name, value) = entry?;
                let (owner, key) = name.value();
                if owner != project.as_str() || records.len() == limit {
                    break;
                }
                if after.is_none_or(|after| after.as_str() != key) {
                    records.extend(project::decode_record(value.value())?);
                }
            }
            Ok(Some(records))
        })?;
        found.ok_or_else(|| ReadError::UnknownProject(project.to_string()))
    }

    /// The project's version.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn version(&self, project: &ProjectName) -> Result<Version, ReadError> {
        Ok(self.known_row(project)?.version()?)
    }

    /// Position of the last change in the change feed; 0 before the first.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn sequence(&self, project: &ProjectName) -> Result<u64, ReadError> {
        Ok(self.known_row(project)?.sequence)
    }

    /// Changes behind the position `since`, at most `limit`, oldest first; of each record the last one only. The feed is
    /// durable.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn changes(&self, project: &ProjectName, since: u64, limit: usize) -> Result<Vec<Change>, ReadError> {
        let found = self.store().read(|transaction| {
            if !project::exists(transaction, project)? {
                return Ok(None);
            }
            let feed = transaction.open_table(FEED)?;
            let records = transaction.open_table(RECORDS)?;
            let mut changes = Vec::new();
            for entry in feed.range((project.as_str(), since.saturating_add(1))..)? {
                let (position, key) = entry?;
                let (owner, sequence) = position.value();
                if owner != project.as_str() || changes.len() == limit {
                    break;
                }
                let row = records.get((owner, key.value()))?;
                let deleted = row.is_none_or(|row| project::is_tombstone(row.value()));
                let key = RecordKey::parse(key.value()).map_err(|error| StoreError::Damaged(error.to_string()))?;
                changes.push(Change { sequence, key, deleted });
            }
            Ok(Some(changes))
        })?;
        found.ok_or_else(|| ReadError::UnknownProject(project.to_string()))
    }

    /// Reads every record from the documents and compares it with the stored one.
    ///
    /// # Errors
    /// [`ReadError`], and a damaged document as [`StoreError::Damaged`].
    pub fn verify(&self, project: &ProjectName) -> Result<VerifyReport, ReadError> {
        let mut documents = self.documents();
        let row = self.known_row(project)?;
        let mut report = VerifyReport { records: 0, differing: Vec::new() };
        let mut seen = BTreeSet::new();
        for slot in row.epoch.slots().skip(1) {
            let loaded = documents.get(self.store(), At { project, epoch: row.epoch, slot })?;
            let keys = document::keys(&loaded.document, &loaded.map);
            for key in keys.into_iter().filter(|key| row.epoch.slot_of(key) == slot) {
                let said = materialise::record(View::now(&loaded.document), &loaded.map, &key)
                    .map_err(|error| StoreError::Damaged(error.to_string()))?;
                report.records += u64::from(said.is_some());
                if self.get(project, &key)? != said {
                    report.differing.push(key.to_string());
                }
                seen.insert(key);
            }
        }
        let stored = self.scan(project, None, usize::MAX)?;
        let unsaid = stored.iter().filter(|record| !seen.contains(&record.key));
        report.differing.extend(unsaid.map(|record| record.key.to_string()));
        if report.records != row.records {
            report.differing.push(format!("(count: {} stored, {} in documents)", row.records, report.records));
        }
        Ok(report)
    }
}

/// What the names of notes begin with in the store.
const NOTE: &str = "note/";

impl Loaded {
    fn edit<T>(
        &mut self,
        now: Timestamp,
        edit: impl FnOnce(&mut Transaction<'_>, &ObjId) -> Result<T, WriteError>,
    ) -> Result<T, WriteError> {
        let mut transaction = self.document.transaction();
        let outcome = edit(&mut transaction, &self.map);
        match &outcome {
            Ok(_) => {
                transaction.commit_with(CommitOptions::default().with_time(now.0.div_euclid(1000)));
            }
            Err(_) => {
                transaction.rollback();
            }
        }
        outcome
    }
}

impl Replica {
    #[doc(hidden)]
    pub fn document_for_tests(&self, project: &ProjectName, epoch: &Epoch, slot: Slot) -> Result<Automerge, ReadError> {
        let at = At { project, epoch: *epoch, slot };
        Ok(self.store().read(|transaction| Ok(documents::read(transaction, at)?.document))?)
    }

    #[doc(hidden)]
    pub fn edit_document_for_tests(
        &self,
        project: &ProjectName,
        key: &RecordKey,
        edit: impl FnOnce(&mut Transaction<'_>, &ObjId) -> Result<(), automerge::AutomergeError>,
    ) -> Result<(), WriteError> {
        let mut documents = self.documents();
        let row = self.known_row(project)?;
        let (epoch, slot) = (row.epoch, row.epoch.slot_of(key));
        let loaded = documents.get(self.store(), At { project, epoch, slot })?;
        loaded.edit(Timestamp(0), |transaction, map| Ok(edit(transaction, map)?))?;
        let touched = Touched::from([((epoch, slot), BTreeSet::from([key.clone()]))]);
        self.store_changes(&mut documents, project, &touched, row, Timestamp(0))?;
        Ok(())
    }
}
