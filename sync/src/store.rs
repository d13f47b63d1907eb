//! The device store: one redb file with everything a replica holds.
//!
//! After a failed write the database is closed and opened again before it is used: redb refuses further work on a handle
//! that saw an I/O error, and opening recovers the last committed state.

mod rewrite;

use std::fs::OpenOptions;
use std::path::{Path, PathBuf};
use std::sync::{RwLock, RwLockReadGuard};

use redb::{Database, ReadTransaction, ReadableDatabase, TableDefinition, TableHandle, WriteTransaction};

use crate::error::{OpenError, StoreError};

/// Newest format of the store that this program writes and reads.
pub(crate) const FORMAT: u32 = 1;

/// Names: `format` (u32, big-endian).
pub(crate) const META: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("meta");
/// Project -> its row, CBOR.
pub(crate) const PROJECTS: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("projects");
/// (document, number) -> saved Automerge changes; together, in order, the document.
pub(crate) const CHUNKS: TableDefinition<'_, ([u8; 16], u32), &[u8]> = TableDefinition::new("chunks");
/// (project, key) -> sequence of the last change (u64, big-endian), then the record as JSON, or nothing when deleted.
pub(crate) const RECORDS: TableDefinition<'_, (&str, &str), &[u8]> = TableDefinition::new("records");
/// (project, sequence) -> key: the last change of each key only.
pub(crate) const FEED: TableDefinition<'_, (&str, u64), &str> = TableDefinition::new("feed");
/// SHA-256 of model and text, halved -> little-endian f32.
pub(crate) const VECTORS: TableDefinition<'_, [u8; 16], &[u8]> = TableDefinition::new("vectors");

/// (project, slot, commit) -> heads of the document after the commit that changed them, sorted, 32 bytes each.
pub(crate) const HISTORY: TableDefinition<'_, (&str, u16, u64), &[u8]> = TableDefinition::new("history");
/// (project, commit) -> the version after it, the feed's position then, and the time in milliseconds (0: not known).
pub(crate) const COMMITS: TableDefinition<'_, (&str, u64), ([u8; 32], u64, i64)> = TableDefinition::new("commits");
/// (project, version) -> the last commit that ended in it.
pub(crate) const VERSIONS: TableDefinition<'_, (&str, [u8; 32]), u64> = TableDefinition::new("versions");

const FILE_NAME: &str = "store.redb";
const MARKER_NAME: &str = "skerry.id";

/// Page cache of the database.
const CACHE_BYTES: usize = 16 << 20;

/// Opens the database anew; called once at first and after every failed write.
pub type BackendFactory = Box<dyn Fn() -> Result<Database, redb::DatabaseError> + Send + Sync>;

/// An open store.
pub struct StoreFile {
    path: PathBuf,
    /// The database's file; none over a backend of the caller's.
    file: Option<PathBuf>,
    open: BackendFactory,
    database: RwLock<Option<Database>>,
}

impl std::fmt::Debug for StoreFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("StoreFile").field("path", &self.path).finish_non_exhaustive()
    }
}

impl StoreFile {
    /// Opens the store in a folder, making both when they are not there.
    pub(crate) fn open(dir: &Path) -> Result<StoreFile, OpenError> {
        let io = |error: std::io::Error| OpenError::Io { path: dir.to_owned(), reason: error.to_string() };
        std::fs::create_dir_all(dir).map_err(io)?;
        let path = dir.join(FILE_NAME);
        let marker = dir.join(MARKER_NAME);
        // A store that was made once and is gone or empty now lost data; a new one in its place would hide that.
        let length = std::fs::metadata(&path).map_or(0, |metadata| metadata.len());
        if marker.exists() && length == 0 {
            return Err(OpenError::Damaged { path, reason: "the file is gone or empty".to_owned() });
        }
        let file = path.clone();
        let mut store = StoreFile::open_with(&path, Box::new(move || builder().create(&file)))?;
        // The folder is ours from here on.
        rewrite::clean(&path).map_err(io)?;
        store.file = Some(path);
        if !marker.exists() {
            write_durably(&marker, b"This folder is a Skerry replica. Its data is in store.redb.\n").map_err(io)?;
            sync_dir(dir).map_err(io)?;
        }
        Ok(store)
    }

    /// Opens a store through a factory; `path` is for messages.
    pub(crate) fn open_with(path: &Path, open: BackendFactory) -> Result<StoreFile, OpenError> {
        let database = open_guarded(path, &open)?;
        let store = StoreFile { path: path.to_owned(), file: None, open, database: RwLock::new(Some(database)) };
        let found = store.prepare().map_err(|error| store.refusal(error))?;
        if found > FORMAT {
            return Err(OpenError::FormatTooNew { path: path.to_owned(), found, known: FORMAT });
        }
        Ok(store)
    }

    /// Why the replica does not open, for an error met on the way.
    pub(crate) fn refusal(&self, error: StoreError) -> OpenError {
        let path = self.path.clone();
        match error {
            StoreError::Damaged(reason) => OpenError::Damaged { path, reason },
            other => OpenError::Io { path, reason: other.to_string() },
        }
    }

    /// Makes sure that every table is there, and reads the format.
    fn prepare(&self) -> Result<u32, StoreError> {
        let format = self.read(|transaction| {
            let table = match transaction.open_table(META) {
                Ok(table) => table,
                Err(redb::TableError::TableDoesNotExist(_)) => return Ok(None),
                Err(error) => return Err(error.into()),
            };
            Ok(table.get("format")?.map(|value| value.value().to_vec()))
        })?;
        match format {
            Some(bytes) => {
                let bytes = <[u8; 4]>::try_from(bytes.as_slice())
                    .map_err(|_| StoreError::Damaged("the format number cannot be read".to_owned()))?;
                let format = u32::from_be_bytes(bytes);
                // Stores of format 1 that are older than the history lack its tables.
                if format <= FORMAT && !self.read(has_history)? {
                    self.write(make_history)?;
                }
                Ok(format)
            }
            None => self.write(|transaction| {
                transaction.open_table(META)?.insert("format", FORMAT.to_be_bytes().as_slice())?;
                transaction.open_table(PROJECTS)?;
                transaction.open_table(CHUNKS)?;
                transaction.open_table(RECORDS)?;
                transaction.open_table(FEED)?;
                transaction.open_table(VECTORS)?;
                make_history(transaction)?;
                Ok(FORMAT)
            }),
        }
    }

    /// Runs `work` on the state of the last commit.
    pub(crate) fn read<T>(
        &self,
        work: impl FnOnce(&ReadTransaction) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let database = self.database()?;
        let Some(database) = database.as_ref() else { return Err(StoreError::Failed("closed".to_owned())) };
        guarded(|| {
            let transaction = database.begin_read()?;
            work(&transaction)
        })
    }

    /// Runs `work` in a transaction that is on disk when this returns, or has not happened.
    pub(crate) fn write<T>(
        &self,
        work: impl FnOnce(&WriteTransaction) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let outcome = {
            let database = self.database()?;
            let Some(database) = database.as_ref() else { return Err(StoreError::Failed("closed".to_owned())) };
            guarded(|| run(database, work))
        };
        if let Err(error) = &outcome {
            tracing::error!(%error, "a write to the store failed; opening it again");
            self.reopen();
        }
        outcome
    }

    /// The database, opened again if the last attempt to do so failed.
    fn database(&self) -> Result<RwLockReadGuard<'_, Option<Database>>, StoreError> {
        {
            let guard = self.database.read().unwrap_or_else(std::sync::PoisonError::into_inner);
            if guard.is_some() {
                return Ok(guard);
            }
        }
        let mut guard = self.database.write().unwrap_or_else(std::sync::PoisonError::into_inner);
        if guard.is_none() {
            let opened = open_guarded(&self.path, &self.open).map_err(|error| StoreError::Failed(error.to_string()))?;
            *guard = Some(opened);
        }
        drop(guard);
        Ok(self.database.read().unwrap_or_else(std::sync::PoisonError::into_inner))
    }

    fn reopen(&self) {
        let mut guard = self.database.write().unwrap_or_else(std::sync::PoisonError::into_inner);
        // The old handle holds the lock on the file: it goes first.
        close(guard.take());
        match open_guarded(&self.path, &self.open) {
            Ok(database) => *guard = Some(database),
            Err(error) => tracing::error!(%error, "the store does not open again yet"),
        }
    }
}

fn builder() -> redb::Builder {
    let mut builder = Database::builder();
    builder.set_cache_size(CACHE_BYTES);
    builder
}

impl Drop for StoreFile {
    fn drop(&mut self) {
        close(self.database.get_mut().unwrap_or_else(std::sync::PoisonError::into_inner).take());
    }
}

/// Closing writes a last page or two, which panics on a damaged file as reading does. What was acknowledged is on disk before.
fn close(database: Option<Database>) {
    if let Err(error) = guarded(|| {
        drop(database);
        Ok(())
    }) {
        tracing::error!(%error, "the store could not be closed in order; it will be repaired when it is opened again");
    }
}

fn has_history(transaction: &ReadTransaction) -> Result<bool, StoreError> {
    let names: Vec<String> = transaction.list_tables()?.map(|table| table.name().to_owned()).collect();
    let wanted = [HISTORY.name(), COMMITS.name(), VERSIONS.name()];
    Ok(wanted.iter().all(|wanted| names.iter().any(|name| name == wanted)))
}

fn make_history(transaction: &WriteTransaction) -> Result<(), StoreError> {
    transaction.open_table(HISTORY)?;
    transaction.open_table(COMMITS)?;
    transaction.open_table(VERSIONS)?;
    Ok(())
}

fn run<T>(database: &Database, work: impl FnOnce(&WriteTransaction) -> Result<T, StoreError>) -> Result<T, StoreError> {
    let transaction = database.begin_write()?;
    let outcome = work(&transaction)?;
    transaction.commit()?;
    Ok(outcome)
}

/// redb panics on some kinds of damaged pages; for whoever uses the store that is an error like any other.
fn guarded<T>(work: impl FnOnce() -> Result<T, StoreError>) -> Result<T, StoreError> {
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(work))
        .unwrap_or_else(|_| Err(StoreError::Damaged("its pages do not fit together".to_owned())))
}

fn open_guarded(path: &Path, open: &BackendFactory) -> Result<Database, OpenError> {
    let damaged = |reason: String| OpenError::Damaged { path: path.to_owned(), reason };
    let opened = std::panic::catch_unwind(std::panic::AssertUnwindSafe(open))
        .map_err(|_| damaged("its pages do not fit together".to_owned()))?;
    let folder = || path.parent().unwrap_or(path).to_owned();
    opened.map_err(|error| match error {
        redb::DatabaseError::DatabaseAlreadyOpen => OpenError::InUse { path: folder() },
        redb::DatabaseError::Storage(redb::StorageError::Corrupted(reason)) => damaged(reason),
        redb::DatabaseError::Storage(redb::StorageError::Io(error)) => match error.kind() {
            // Reading behind the end or a wrong magic number: the file is not what was written.
            std::io::ErrorKind::UnexpectedEof | std::io::ErrorKind::InvalidData => damaged(error.to_string()),
            _ => OpenError::Io { path: folder(), reason: error.to_string() },
        },
        redb::DatabaseError::RepairAborted => damaged("it could not be repaired".to_owned()),
        other => OpenError::Io { path: folder(), reason: other.to_string() },
    })
}

fn write_durably(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    use std::io::Write;
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// Makes new directory entries durable.
fn sync_dir(dir: &Path) -> std::io::Result<()> {
    #[cfg(unix)]
    std::fs::File::open(dir)?.sync_all()?;
    #[cfg(not(unix))]
    let _ = dir;
    Ok(())
}
