//! The store itself: an object store, a place in it, and the few operations that everything else is made of.

use std::sync::Arc;
use std::time::Duration;

use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt, PutMode, PutOptions, PutPayload};
use serde::{Deserialize, Serialize};
use skerry_sync::hub::StoreFailure;
use tokio::sync::Semaphore;

use crate::health::Health;

/// Operations on the store at once. A slow store delays documents, not the rest of the process.
const OPERATIONS_MAX: usize = 64;

/// What the marker of a store says that this program can use.
const FORMAT: &str = "skerry-store/1";

/// Bytes that a probe writes at most.
const PROBE_BYTES_MAX: usize = 8 << 20;

/// How often a failing store is to be probed.
pub const PROBE_EVERY: Duration = Duration::from_secs(2);

/// The central store of one or more hubs.
#[derive(Debug)]
pub struct CentralStore {
    pub(crate) objects: Arc<dyn ObjectStore>,
    pub(crate) prefix: Path,
    pub(crate) shown: String,
    pub(crate) health: Health,
    pub(crate) permits: Semaphore,
}

/// What a store says about itself, in its object `store.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Marker {
    format: String,
    /// The same for all hubs over this store, whatever address they know it by.
    id: String,
}

/// Why a store cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum UseError {
    /// It cannot be read or written.
    #[error(transparent)]
    Store(#[from] StoreFailure),
    /// It was written by a newer program, or `store.json` is not ours.
    #[error("the store says of itself `{found}`; this program knows `{FORMAT}`. Use the program that made it")]
    Foreign {
        /// What it says.
        found: String,
    },
    /// The system has no randomness.
    #[error("no random numbers: {0}")]
    Random(getrandom::Error),
}

impl CentralStore {
    /// A store that is given: for tests, and for whoever brings an own [`ObjectStore`].
    pub fn new(objects: Arc<dyn ObjectStore>, prefix: Path) -> CentralStore {
        let shown = format!("{objects}");
        CentralStore { objects, prefix, shown, health: Health::default(), permits: Semaphore::new(OPERATIONS_MAX) }
    }

    /// Its address, for people. Without secrets: those come from the environment.
    pub fn shown(&self) -> &str {
        &self.shown
    }

    /// Whether it did what it was last asked.
    pub fn health(&self) -> &Health {
        &self.health
    }

    /// Checks that the store is ours and can be written, and answers its id. Makes the marker of a new store.
    ///
    /// # Errors
    /// [`UseError`]. Nothing was changed then.
    pub async fn identify(&self) -> Result<String, UseError> {
        self.probe().await?;
        let location = self.prefix.clone().join("store.json");
        if let Some(marker) = self.read_marker(&location).await? {
            return Ok(marker.id);
        }
        let mut id = [0; 16];
        getrandom::fill(&mut id).map_err(UseError::Random)?;
        let marker = serde_json::json!({ "format": FORMAT, "id": hex::encode(id) });
        let create = PutOptions::from(PutMode::Create);
        let outcome = self.objects.put_opts(&location, PutPayload::from(marker.to_string()), create).await;
        match outcome {
            // Another hub was faster: its id counts.
            Ok(_) | Err(object_store::Error::AlreadyExists { .. } | object_store::Error::Precondition { .. }) => {}
            Err(error) => return Err(self.health.write_failed(&error, 0).into()),
        }
        let written = self.read_marker(&location).await?;
        Ok(written.ok_or_else(|| StoreFailure::Failed("what was just written is not there".to_owned()))?.id)
    }

    async fn read_marker(&self, location: &Path) -> Result<Option<Marker>, UseError> {
        let Some(bytes) = self.get(location).await? else { return Ok(None) };
        let foreign = || UseError::Foreign { found: String::from_utf8_lossy(&bytes).chars().take(200).collect() };
        let marker: Marker = serde_json::from_slice(&bytes).map_err(|_| foreign())?;
        if marker.format == FORMAT { Ok(Some(marker)) } else { Err(foreign()) }
    }

    /// Writes, reads and deletes an object, as large as the write that failed last: a store that was full may have room
    /// for less and not for more.
    ///
    /// # Errors
    /// [`StoreFailure`].
    pub async fn probe(&self) -> Result<(), StoreFailure> {
        let mut name = [0; 8];
        getrandom::fill(&mut name).map_err(|error| StoreFailure::Failed(error.to_string()))?;
        let location = self.prefix.clone().join("probe").join(hex::encode(name));
        let bytes = vec![0x5a; self.health.failed_bytes().clamp(64, PROBE_BYTES_MAX)];
        self.put(&location, bytes.clone()).await?;
        let read = self.get(&location).await?;
        self.delete(&location).await?;
        if read.is_some_and(|read| read == bytes) {
            return Ok(());
        }
        Err(self.health.note(StoreFailure::Failed("what was just written reads otherwise".to_owned()), bytes.len()))
    }

    /// Durable when this is answered: the file's bytes and name are on disk, or S3 said so.
    pub(crate) async fn put(&self, location: &Path, bytes: Vec<u8>) -> Result<(), StoreFailure> {
        let length = bytes.len();
        match self.objects.put(location, PutPayload::from(bytes)).await {
            Ok(_) => {
                self.health.wrote();
                Ok(())
            }
            Err(error) => Err(self.health.write_failed(&error, length)),
        }
    }

    /// None when there is no such object.
    pub(crate) async fn get(&self, location: &Path) -> Result<Option<Vec<u8>>, StoreFailure> {
        let read = async { self.objects.get(location).await?.bytes().await };
        match read.await {
            Ok(bytes) => {
                self.health.read();
                Ok(Some(bytes.into()))
            }
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(self.health.read_failed(&error)),
        }
    }

    /// An object that is not there is deleted already.
    pub(crate) async fn delete(&self, location: &Path) -> Result<(), StoreFailure> {
        match self.objects.delete(location).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(self.health.write_failed(&error, 0)),
        }
    }

    /// Last parts of the names of all objects directly under `folder`.
    pub(crate) async fn list(&self, folder: &Path) -> Result<Vec<String>, StoreFailure> {
        use futures_util::TryStreamExt;
        let listed: Result<Vec<_>, _> = self.objects.list(Some(folder)).try_collect().await;
        let objects = listed.map_err(|error| self.health.read_failed(&error))?;
        let under = |object: object_store::ObjectMeta| {
            let mut parts = object.location.prefix_match(folder)?;
            let name = parts.next()?.as_ref().to_owned();
            parts.next().is_none().then_some(name)
        };
        Ok(objects.into_iter().filter_map(under).collect())
    }

    /// A place under the store's prefix.
    pub(crate) fn folder(&self, name: &str) -> Path {
        self.prefix.clone().join(name)
    }
}
