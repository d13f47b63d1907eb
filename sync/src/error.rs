//! What can go wrong, told apart by what the caller can do about it.

use std::path::PathBuf;

use crate::admission::Refusal;
use crate::layers::LayerError;
use crate::record::RecordError;
use crate::replica::ChartError;
use crate::settings::SettingsError;

/// The store could not do what it was asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The disk (or a quota on it) is full.
    #[error("the disk that holds the store is full")]
    Full,
    /// Reading or writing failed.
    #[error("the store failed: {0}")]
    Failed(String),
    /// What is stored cannot be understood.
    #[error("the store is damaged: {0}")]
    Damaged(String),
}

impl<E: Into<redb::Error>> From<E> for StoreError {
    fn from(error: E) -> Self {
        use std::io::ErrorKind::{FileTooLarge, QuotaExceeded, StorageFull, WriteZero};
        match error.into() {
            redb::Error::Io(error)
                if matches!(error.kind(), StorageFull | FileTooLarge | QuotaExceeded | WriteZero) =>
            {
                StoreError::Full
            }
            redb::Error::Corrupted(reason) => StoreError::Damaged(reason),
            other => StoreError::Failed(other.to_string()),
        }
    }
}

/// Why a replica does not open.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// Another process (a node, a command) has it open.
    #[error(
        "{} is in use by another process; stop it, talk to it with --url, or choose another folder with --data",
        path.display()
    )]
    InUse {
        /// The folder.
        path: PathBuf,
    },
    /// The store file is cut short, overwritten or gone.
    #[error(
        "the store {} is damaged ({reason}). Move the folder away, start with a new one, and sync it with another replica \
         or import an export; nothing here was changed",
        path.display()
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// It was written by a newer Skerry.
    #[error("the store {} has format {found}; this program knows format {known}. Use a newer skerry", path.display())]
    FormatTooNew {
        /// The file.
        path: PathBuf,
        /// Its format.
        found: u32,
        /// The newest format known here.
        known: u32,
    },
    /// The folder or the file cannot be read or written.
    #[error("cannot open the store in {}: {reason}", path.display())]
    Io {
        /// The folder.
        path: PathBuf,
        /// What the system says.
        reason: String,
    },
}

/// Why something could not be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// This replica has no such project.
    #[error("there is no project `{0}`")]
    UnknownProject(String),
    /// The project never had this version on this replica, or it is not a version.
    #[error("this replica has not seen the version `{0}`; sync first, or list the versions")]
    UnknownVersion(String),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Why nothing was written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WriteError {
    /// This replica has no such project; create it first.
    #[error("there is no project `{0}`")]
    UnknownProject(String),
    /// A record breaks a rule.
    #[error("record {index} (`{key}`): {reason}")]
    Record {
        /// Its position in the call.
        index: usize,
        /// Its key.
        key: String,
        /// The rule.
        reason: RecordError,
    },
    /// A project's settings break a rule.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// A layer's declaration breaks a rule.
    #[error(transparent)]
    Layer(#[from] LayerError),
    /// A saved chart breaks a rule.
    #[error(transparent)]
    Chart(#[from] ChartError),
    /// A number of shards that no epoch has.
    #[error("a project has 1 to 4096 shards, a power of two, not {0}")]
    Shards(u16),
    /// The record was erased by another replica, and the documents that have it behind them have not arrived here yet. A
    /// record written now would be erased too. Sync, then publish it again.
    #[error("the record `{key}` is being erased by another replica; sync to the end, then publish it again")]
    BeingErased {
        /// Its key.
        key: String,
    },
    /// The disk is full. Everything acknowledged before is safe; try again when there is space.
    #[error("the disk that holds the store is full; nothing was written")]
    StoreFull,
    /// The store failed. Everything acknowledged before is safe.
    #[error(transparent)]
    Store(StoreError),
    /// A document could not take the change; a fault of this program.
    #[error("a document refused the change: {0}")]
    Document(String),
}

impl From<StoreError> for WriteError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Full => WriteError::StoreFull,
            other => WriteError::Store(other),
        }
    }
}

impl From<ReadError> for WriteError {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::UnknownProject(name) => WriteError::UnknownProject(name),
            ReadError::Store(error) => error.into(),
            // No write asks for a version.
            error @ ReadError::UnknownVersion(_) => WriteError::Document(error.to_string()),
        }
    }
}

impl From<automerge::AutomergeError> for WriteError {
    fn from(error: automerge::AutomergeError) -> Self {
        WriteError::Document(error.to_string())
    }
}

/// Why an exchange with another replica stopped. Nothing of the body it concerns was stored.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ExchangeError {
    /// The body is cut short, has flipped bits, or is not an exchange body. Send it again.
    #[error("the exchange body is damaged: {0}")]
    Damaged(String),
    /// The body speaks of another project, or of changes that do not build on its documents.
    #[error("the exchange body does not belong to this project: {0}")]
    Foreign(String),
    /// The body holds changes, and whoever sent it may only read.
    #[error("changes are refused: the token allows only reading")]
    ReadOnly,
    /// What came in could not be stored.
    #[error(transparent)]
    Write(#[from] WriteError),
    /// The replica could not be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The two replicas did not agree within the allowed number of rounds; somebody may be writing all the time. Sync again.
    #[error("the replicas did not agree after {0} rounds; sync again")]
    TooManyRounds(u32),
}

impl From<StoreError> for ExchangeError {
    fn from(error: StoreError) -> Self {
        ExchangeError::Write(error.into())
    }
}

impl From<Refusal> for ExchangeError {
    fn from(refusal: Refusal) -> Self {
        ExchangeError::Foreign(refusal.to_string())
    }
}
