//! A folder of snapshots, each opened when somebody first asks for its project.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use skerry_gateway::problem::Problem as GatewayProblem;
use skerry_gateway::{Incoming, Reply};
use skerry_host::Engine;
use skerry_host::snapshot::{self, Manifest, SnapshotFile};

use super::{OpenOptions, SharedModels, Snapshot, SnapshotOpenError, read};
use crate::problem::Problem;

/// Snapshots that are open at once; those asked longest ago are closed.
const OPEN_MAX: usize = 64;

/// Why a folder is not served.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FolderError {
    /// A file in it, or the folder.
    #[error(transparent)]
    Open(#[from] SnapshotOpenError),
    /// Two files are snapshots of one project: which is to answer?
    #[error("{} and {} are both snapshots of the project `{project}`; take one out", .one.display(), .other.display())]
    Twice {
        /// The project.
        project: String,
        /// A file.
        one: PathBuf,
        /// The other.
        other: PathBuf,
    },
    /// There is nothing to serve.
    #[error("{} holds no snapshots (`*.wasm`); `skerry bake` makes one", .0.display())]
    Empty(PathBuf),
}

/// One file, or all of a folder.
#[derive(Debug)]
pub struct Folder {
    engine: Engine,
    options: OpenOptions,
    models: SharedModels,
    files: BTreeMap<String, (PathBuf, Manifest)>,
    open: Mutex<Open>,
}

/// Snapshots that are open.
#[derive(Debug, Default)]
struct Open {
    /// Counts questions.
    clock: u64,
    /// By project, with when it was last asked.
    snapshots: BTreeMap<String, (u64, Arc<Snapshot>)>,
}

impl Folder {
    /// Reads and checks every file; compiles none.
    ///
    /// # Errors
    /// [`FolderError`]: one file that is not as it should be refuses all.
    pub fn read(
        engine: &Engine,
        path: &Path,
        options: OpenOptions,
        models: SharedModels,
    ) -> Result<Folder, FolderError> {
        let mut files: BTreeMap<String, (PathBuf, Manifest)> = BTreeMap::new();
        for path in paths(path)? {
            let bytes = read(&path)?;
            let refused = |source| SnapshotOpenError::Refused { path: path.clone(), source };
            let file = SnapshotFile::read(&bytes).map_err(refused)?;
            if let Some(trusted) = &options.trusted {
                snapshot::verify(&file, trusted).map_err(refused)?;
            }
            let manifest = file.manifest().clone();
            let project = manifest.project.clone();
            if let Some((one, _)) = files.insert(project.clone(), (path.clone(), manifest)) {
                return Err(FolderError::Twice { project, one, other: path });
            }
        }
        if files.is_empty() {
            return Err(FolderError::Empty(path.to_owned()));
        }
        Ok(Folder { engine: engine.clone(), options, models, files, open: Mutex::default() })
    }

    /// What is in it.
    pub fn manifests(&self) -> impl Iterator<Item = &Manifest> {
        self.files.values().map(|(_, manifest)| manifest)
    }

    /// The snapshot of a project, opened if it was not; none when there is none.
    ///
    /// # Errors
    /// [`SnapshotOpenError`], also when the file was changed since the folder was read.
    pub fn snapshot(&self, project: &str) -> Result<Option<Arc<Snapshot>>, SnapshotOpenError> {
        let Some((path, _)) = self.files.get(project) else { return Ok(None) };
        // Held while it is opened: two who need it at once wait for one.
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let Open { clock, snapshots } = &mut *open;
        *clock += 1;
        if let Some((used, snapshot)) = snapshots.get_mut(project) {
            *used = *clock;
            return Ok(Some(Arc::clone(snapshot)));
        }
        let snapshot = Arc::new(Snapshot::open(&self.engine, path, &self.options, &self.models)?);
        if snapshots.len() >= OPEN_MAX
            && let Some(oldest) = snapshots.iter().min_by_key(|(_, (used, _))| *used).map(|(name, _)| name.clone())
        {
            snapshots.remove(&oldest);
        }
        snapshots.insert(project.to_owned(), (*clock, Arc::clone(&snapshot)));
        Ok(Some(snapshot))
    }

    /// Answers a request: by the snapshot of the project that its path names.
    pub fn respond(&self, incoming: &Incoming<'_>) -> Reply {
        let path = incoming.path.strip_prefix("/api/v1/projects/");
        let named = path.map(|rest| rest.split('/').next().unwrap_or_default()).unwrap_or_default();
        let name = percent_encoding::percent_decode_str(named).decode_utf8_lossy();
        // What is not about one project, health or a list or a mistake, any of them answers; the list is of all.
        let first = || self.files.keys().next().cloned().unwrap_or_default();
        let project = if self.files.contains_key(name.as_ref()) { name.into_owned() } else { first() };
        if incoming.path == "/api/v1/projects" && self.files.len() > 1 {
            return self.list(incoming);
        }
        match self.snapshot(&project) {
            Ok(Some(snapshot)) => snapshot.respond(incoming),
            Ok(None) => Reply::problem(&GatewayProblem::unknown_path(), incoming.request_id),
            Err(error) => Reply::problem(&Problem::internal(&error), incoming.request_id),
        }
    }

    /// The lists of all, as one.
    fn list(&self, incoming: &Incoming<'_>) -> Reply {
        let mut all = Vec::new();
        for project in self.files.keys() {
            let reply = match self.snapshot(project) {
                Ok(Some(snapshot)) => snapshot.respond(&Incoming { method: "GET", ..*incoming }),
                Ok(None) => continue,
                Err(error) => return Reply::problem(&Problem::internal(&error), incoming.request_id),
            };
            let mut body: serde_json::Value = serde_json::from_slice(&reply.body).unwrap_or_default();
            match body.get_mut("projects").map(serde_json::Value::take) {
                Some(serde_json::Value::Array(projects)) => all.extend(projects),
                _ => return reply,
            }
        }
        let body = serde_json::json!({ "projects": all }).to_string().into_bytes();
        let body = if incoming.method == "HEAD" { Vec::new() } else { body };
        Reply { status: 200, content_type: "application/json", body }
    }
}

/// The file, or the snapshots of a folder by name.
fn paths(path: &Path) -> Result<Vec<PathBuf>, SnapshotOpenError> {
    let unreadable = |source| SnapshotOpenError::Io { path: path.to_owned(), source };
    if !path.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let mut paths = Vec::new();
    for entry in std::fs::read_dir(path).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        if path.extension().is_some_and(|extension| extension == "wasm") {
            paths.push(path);
        }
    }
    paths.sort_unstable();
    Ok(paths)
}
