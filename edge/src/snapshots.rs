//! Snapshots that are asked: files of `skerry bake`, answered from without a replica.
//!
//! A file is read and checked whole before anything of it runs. Its parts are compiled each by itself and kept by their SHA-256,
//! so that snapshots with the same model share one compiled model; or native code beside the file is taken, when a trusted
//! key signed it. Queries go through the gateway's own path, so the answers are those of a node, byte for byte.

mod folder;
mod models;
#[cfg(feature = "cli")]
pub mod serve;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use skerry_gateway::{Incoming, Reply};
use skerry_host::artefact::{Profile, load_signed};
use skerry_host::keys::{PublicKey, TrustedKeys};
use skerry_host::snapshot::{self, EMBEDDING, Manifest, QUERY, SnapshotError, SnapshotFile, SnapshotReader};
use skerry_host::{ArtefactError, CallError, Component, Embedder, Engine, Limits};

pub use folder::{Folder, FolderError};
pub use models::SharedModels;

use crate::baked::Asked;
use crate::problem::Problem;

/// Limits of a snapshot's segment and of a call to it: as a node's own.
const LIMITS: Limits = Limits { memory_bytes_max: 3 << 30, deadline: std::time::Duration::from_secs(30) };

/// Bytes of a file at most: what a 32-bit memory holds, and a model.
const FILE_BYTES_MAX: u64 = 5 << 30;

/// How snapshots are opened.
#[derive(Debug, Default)]
pub struct OpenOptions {
    /// Whose signatures count; none: nobody's is asked for, and no native code of others is loaded.
    pub trusted: Option<TrustedKeys>,
    /// Where compiled code is kept; none: in memory only.
    pub cache_dir: Option<PathBuf>,
}

/// Why a snapshot is not opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SnapshotOpenError {
    /// The file cannot be read.
    #[error("cannot read the snapshot {}: {source}", .path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// It is none, it was changed, or it is not by somebody who is trusted.
    #[error("{}: {source}", .path.display())]
    Refused {
        /// The file.
        path: PathBuf,
        /// Why, and what to do.
        source: SnapshotError,
    },
    /// It cannot be compiled here.
    #[error(transparent)]
    Artefact(#[from] ArtefactError),
}

/// An open snapshot. Shared by all threads; each query has an instance for itself.
#[derive(Debug)]
pub struct Snapshot {
    manifest: Manifest,
    signer: Option<PublicKey>,
    engine: Engine,
    query: Component,
    /// Instances that wait for a query.
    idle: Mutex<Vec<SnapshotReader>>,
    model: Result<Arc<Embedder>, String>,
}

/// Instances of a snapshot that are kept when nobody asks. A new one costs microseconds and shares its memory.
const IDLE_MAX: usize = 8;

impl Snapshot {
    /// Reads, checks and compiles a file.
    ///
    /// # Errors
    /// [`SnapshotOpenError`]; nothing of the file was run then, but for what tells that its manifest is not its own.
    pub fn open(
        engine: &Engine,
        path: &Path,
        options: &OpenOptions,
        models: &SharedModels,
    ) -> Result<Snapshot, SnapshotOpenError> {
        let file = read(path)?;
        let refused = |source| SnapshotOpenError::Refused { path: path.to_owned(), source };
        let read = SnapshotFile::read(&file).map_err(refused)?;
        if let Some(trusted) = &options.trusted {
            snapshot::verify(&read, trusted).map_err(refused)?;
        }
        let missing = || refused(SnapshotError::NotASnapshot(format!("it has no part `{QUERY}`")));
        let wasm = read.part(QUERY).ok_or_else(missing)?;
        let query = component(engine, path, options, &read, QUERY, wasm)?;
        let first = SnapshotReader::open(engine, &query, LIMITS).map_err(refused)?;
        first.check(read.manifest()).map_err(refused)?;
        let model = models.of(engine, read.manifest(), || match read.part(EMBEDDING) {
            Some(wasm) => component(engine, path, options, &read, EMBEDDING, wasm).map(Some),
            None => Ok(None),
        })?;
        Ok(Snapshot {
            manifest: read.manifest().clone(),
            signer: read.signer(),
            engine: engine.clone(),
            query,
            idle: Mutex::new(vec![first]),
            model,
        })
    }

    /// What it is.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// Who signed it; checked only where [`OpenOptions::trusted`] was given.
    pub fn signer(&self) -> Option<PublicKey> {
        self.signer
    }

    /// Why texts cannot be embedded here; none when they can.
    pub fn model_missing(&self) -> Option<&str> {
        self.model.as_ref().err().map(String::as_str)
    }

    /// Answers a request of the gateway's part of the API.
    pub fn respond(&self, incoming: &Incoming<'_>) -> Reply {
        let idle = || self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let waiting = idle().pop();
        let reader = waiting.map_or_else(|| SnapshotReader::open(&self.engine, &self.query, LIMITS), Ok);
        let mut reader = match reader {
            Ok(reader) => reader,
            Err(SnapshotError::Call(CallError::Instantiate(reason))) => {
                tracing::error!(reason, "no instance of a snapshot");
                return Reply::problem(&Problem::internal(&reason), incoming.request_id);
            }
            Err(error) => return Reply::problem(&Problem::internal(&error), incoming.request_id),
        };
        let embedder = || self.model.clone();
        let model_id = self.manifest.model.as_ref().map(|model| model.id.as_str());
        let reply =
            skerry_gateway::respond(&mut Asked { reader: &mut reader, embedder: &embedder, model_id }, incoming);
        let mut idle = idle();
        if !reader.is_poisoned() && idle.len() < IDLE_MAX {
            idle.push(reader);
        }
        reply
    }
}

fn read(path: &Path) -> Result<Vec<u8>, SnapshotOpenError> {
    let unreadable = |source| SnapshotOpenError::Io { path: path.to_owned(), source };
    let length = std::fs::metadata(path).map_err(unreadable)?.len();
    if length > FILE_BYTES_MAX {
        let source = SnapshotError::NotASnapshot(format!("it has {length} bytes, which is more than any has"));
        return Err(SnapshotOpenError::Refused { path: path.to_owned(), source });
    }
    std::fs::read(path).map_err(unreadable)
}

/// A part, from signed native code beside the file, from the cache, or compiled.
fn component(
    engine: &Engine,
    path: &Path,
    options: &OpenOptions,
    file: &SnapshotFile<'_>,
    part: &str,
    wasm: &[u8],
) -> Result<Component, SnapshotOpenError> {
    if let (Some(trusted), Some(profile), Some(sha256)) = (&options.trusted, Profile::here(), file.part_sha256(part)) {
        let code = code_path(path, part, profile);
        if code.is_file() {
            match load_signed(engine, &code, trusted, sha256) {
                Ok(component) => return Ok(component),
                Err(error) => tracing::warn!(%error, "compiled here instead"),
            }
        }
    }
    Ok(match &options.cache_dir {
        Some(dir) => Component::open(engine, dir, part, wasm)?,
        None => Component::compile(engine, part, wasm)?,
    })
}

/// Where native code of a snapshot's part lies: `<file>.<part>.<profile>.cwasm`.
pub fn code_path(file: &Path, part: &str, profile: Profile) -> PathBuf {
    let mut path = file.as_os_str().to_owned();
    path.push(format!(".{part}.{profile}.cwasm"));
    PathBuf::from(path)
}
