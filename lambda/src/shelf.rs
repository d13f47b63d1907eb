//! Baked snapshots from the central store, open in this instance: most questions are answered from them, in a millisecond and
//! without a replica.
//!
//! A snapshot answers as long as the store lists no chunk that it was not baked from; that is looked at again every few seconds.
//! Its native code is loaded when a key that the operator trusts has signed it, and at no other time.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use axum::body::Body;
use axum::http::request::Parts;
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::response::Response;
use skerry_central::snapshots::{Latest, StoredArtefact};
use skerry_central::{CentralStore, has_newer};
use skerry_edge::ProjectName;
use skerry_edge::baked::Asked;
use skerry_edge::models::EMBEDDING_LIMITS;
use skerry_edge::node::find_components;
use skerry_edge::problem::Problem;
use skerry_gateway::{Incoming, Reply, respond};
use skerry_host::artefact::{self, Profile};
use skerry_host::keys::TrustedKeys;
use skerry_host::snapshot::{QUERY, SnapshotReader};
use skerry_host::types::{Embedding, ModelInfo};
use skerry_host::{Component, Components, Embedder, Engine, EngineConfig, Limits};
use tokio::sync::OnceCell;

use crate::settings::Settings;

/// Instances that may live at once: of each snapshot one, of the model one.
const INSTANCES_MAX: u32 = 100;

/// Limits of a snapshot and of a call to it.
const LIMITS: Limits = Limits { memory_bytes_max: 3 << 30, deadline: Duration::from_secs(20) };

/// The header by which one request is followed through logs.
const REQUEST_ID: &str = "x-request-id";

/// The snapshots of this instance.
pub(crate) struct Shelf {
    store: Arc<CentralStore>,
    folder: Folder,
    fresh: Duration,
    components_dir: Option<PathBuf>,
    trusted_keys: Option<PathBuf>,
    tools: OnceCell<Tools>,
    held: tokio::sync::Mutex<BTreeMap<ProjectName, Held>>,
}

/// What snapshots are opened with.
struct Tools {
    engine: Engine,
    trusted: TrustedKeys,
    /// The model of this package, opened when a query first wants a vector.
    components: Option<Components>,
    embedder: Mutex<Option<Result<Arc<Embedder>, String>>>,
}

/// What is known of a project's snapshot.
struct Held {
    /// When the store was last asked.
    looked: Instant,
    /// Whether the store had nothing newer then.
    is_current: bool,
    published: Latest,
    reader: Arc<Mutex<SnapshotReader>>,
}

/// A snapshot for a replica to begin with.
pub(crate) struct Seed {
    pub(crate) published: Latest,
    /// SHA-256 of its query component.
    pub(crate) query_sha256: String,
    /// Its native code, with the signed description beside it.
    pub(crate) code: PathBuf,
    /// The model and how texts were cut, as an index labels them.
    pub(crate) label: String,
    pub(crate) trusted: TrustedKeys,
}

/// Why a snapshot is not opened; the replica answers then.
#[derive(Debug, thiserror::Error)]
enum ShelfError {
    #[error(transparent)]
    Store(#[from] skerry_sync::hub::StoreFailure),
    #[error(transparent)]
    Artefact(#[from] artefact::ArtefactError),
    #[error(transparent)]
    Snapshot(#[from] skerry_host::snapshot::SnapshotError),
    #[error("{0}")]
    Unusable(String),
    #[error("cannot write to {}", .path.display())]
    Folder { path: PathBuf, source: io::Error },
}

impl Shelf {
    pub(crate) fn new(store: Arc<CentralStore>, settings: &Settings) -> Shelf {
        Shelf {
            store,
            folder: Folder { dir: settings.temporary_dir.clone(), bytes_max: settings.temporary_bytes_max },
            fresh: settings.fresh,
            components_dir: settings.components_dir.clone(),
            trusted_keys: settings.trusted_keys.clone(),
            tools: OnceCell::new(),
            held: tokio::sync::Mutex::default(),
        }
    }

    /// Whether a request may be answered from a snapshot: all that is known of it before is its path.
    pub(crate) fn takes(method: &Method, path: &str) -> bool {
        let below: Vec<&str> = path.strip_prefix("/api/v1/projects/").unwrap_or_default().split('/').skip(1).collect();
        match below.as_slice() {
            ["query"] => *method == Method::POST,
            [] | ["version" | "records"] | ["records", _] => *method == Method::GET || *method == Method::HEAD,
            _ => false,
        }
    }

    /// Answers from the project's snapshot, with the bytes that a node would answer. None when there is none, when the store has
    /// something newer, or when the request wants what only a node has.
    pub(crate) async fn answer(&self, project: &ProjectName, parts: &Parts, body: &[u8]) -> Option<Response> {
        let reader = match self.current(project).await {
            Ok(reader) => reader?,
            Err(error) => {
                tracing::warn!(%project, %error, "the snapshot is not used");
                return None;
            }
        };
        let text = |name: &str| parts.headers.get(name).and_then(|value| value.to_str().ok());
        let request_id = text(REQUEST_ID);
        let incoming = Incoming {
            method: parts.method.as_str(),
            path: parts.uri.path(),
            query: parts.uri.query(),
            content_type: text(header::CONTENT_TYPE.as_str()),
            request_id,
            body,
        };
        let embedder = || self.tools.get().ok_or_else(|| "nothing is open".to_owned()).and_then(Tools::embedder);
        let reply = respond(&mut Asked { reader: &mut lock(&reader), embedder: &embedder, model_id: None }, &incoming);
        if lock(&reader).is_poisoned() {
            // The next request opens it anew.
            self.held.lock().await.remove(project);
        }
        if wants_node(&reply) {
            return None;
        }
        Some(response(reply, request_id))
    }

    /// Opens the project's snapshot, and the model, before they are needed. Answers its version.
    pub(crate) async fn warm(&self, project: &ProjectName) -> Option<String> {
        let reader =
            self.current(project).await.inspect_err(|error| tracing::warn!(%project, %error, "not opened")).ok()??;
        self.tools.get().map(Tools::embedder);
        let version = lock(&reader).manifest().version.clone();
        Some(version)
    }

    /// The newest snapshot of a project, for a replica to begin with; none when there is none that can be used.
    pub(crate) async fn seed(&self, project: &ProjectName) -> Option<Seed> {
        let failed = |error: &ShelfError| tracing::warn!(%project, %error, "the replica begins without the snapshot");
        // Whether it is the newest does not matter here.
        self.current(project).await.inspect_err(failed).ok()?;
        let held = self.held.lock().await;
        let Held { published, reader, .. } = held.get(project)?;
        let code = query_code(published).ok()?;
        let query_sha256 = code.member("wasm_sha256").to_owned();
        let code = self.fetch(code).await.inspect_err(failed).ok()?;
        let label = {
            let reader = lock(reader);
            let manifest = reader.manifest();
            let skerry_host::snapshot::Chunking { tokens, overlap } = manifest.chunking;
            manifest.model.as_ref().map(|model| format!("{} {tokens}/{overlap}", model.id))?
        };
        Some(Seed {
            published: published.clone(),
            query_sha256,
            code,
            label,
            trusted: self.tools.get()?.trusted.clone(),
        })
    }

    /// Vectors of texts, by the model of this package.
    ///
    /// # Errors
    /// [`Problem`]: the model cannot be opened, or failed.
    pub(crate) async fn embed(&self, texts: Vec<String>) -> Result<(ModelInfo, Vec<Embedding>), Problem> {
        let tools = self.tools().await.map_err(|error| Problem::internal(&error))?;
        let embedder = tools.embedder().map_err(|reason| Problem::internal(&reason))?;
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        let embeddings = embedder.embed(&texts).map_err(|error| Problem::internal(&error))?;
        Ok((embedder.model().clone(), embeddings))
    }

    /// The project's snapshot, if it has all that the store has.
    async fn current(&self, project: &ProjectName) -> Result<Option<Arc<Mutex<SnapshotReader>>>, ShelfError> {
        // Held while the store is asked: of two requests one waits, and finds what the other has opened.
        let mut all = self.held.lock().await;
        if let Some(held) = all.get(project).filter(|held| held.looked.elapsed() < self.fresh) {
            return Ok(held.is_current.then(|| Arc::clone(&held.reader)));
        }
        let Some(published) = self.store.latest_snapshot(project).await? else { return Ok(None) };
        let covered = published.covered();
        let looked = Instant::now();
        let newer = has_newer(&covered, &self.store);
        let known = all.get(project).filter(|held| held.published.sha256 == published.sha256);
        let (is_current, reader) = if let Some(held) = known {
            (!newer.await?, Arc::clone(&held.reader))
        } else {
            let (newer, opened) = tokio::join!(newer, self.open(&published));
            (!newer?, opened?)
        };
        let held = Held { looked, is_current, published, reader: Arc::clone(&reader) };
        all.insert(project.clone(), held);
        Ok(is_current.then_some(reader))
    }

    async fn open(&self, published: &Latest) -> Result<Arc<Mutex<SnapshotReader>>, ShelfError> {
        let code = query_code(published)?;
        let path = self.fetch(code).await?;
        let tools = self.tools().await?;
        let component = artefact::load_signed(&tools.engine, &path, &tools.trusted, code.member("wasm_sha256"))?;
        Ok(Arc::new(Mutex::new(tools.open(&component, published)?)))
    }

    /// Native code from the store, in the folder for temporary files.
    async fn fetch(&self, code: &StoredArtefact) -> Result<PathBuf, ShelfError> {
        let name = format!("{}.cwasm", code.member("cwasm_sha256"));
        if name.contains(['/', '\\']) {
            return Err(ShelfError::Unusable("its native code has no name".to_owned()));
        }
        if let Some(path) = self.folder.find(&name) {
            return Ok(path);
        }
        let gone = || ShelfError::Unusable("its native code is gone; a newer snapshot is there in a moment".to_owned());
        let bytes = self.store.read_unchecked(code).await?.ok_or_else(gone)?;
        let description =
            serde_json::to_vec(&code.description).map_err(|error| ShelfError::Unusable(error.to_string()))?;
        self.folder.keep(&name, &bytes, &description).map_err(|(path, source)| ShelfError::Folder { path, source })
    }

    async fn tools(&self) -> Result<&Tools, ShelfError> {
        self.tools.get_or_try_init(async || self.make_tools()).await
    }

    fn make_tools(&self) -> Result<Tools, ShelfError> {
        let unusable = |error: &dyn std::fmt::Display| ShelfError::Unusable(error.to_string());
        let trusted = match &self.trusted_keys {
            Some(path) => TrustedKeys::read(path).map_err(|error| unusable(&error))?,
            None => TrustedKeys::default(),
        };
        let engine = Engine::new(&EngineConfig { instances_max: INSTANCES_MAX }).map_err(|error| unusable(&error))?;
        let components =
            find_components(self.components_dir.as_deref()).ok().and_then(|dir| Components::open(&dir).ok());
        let components = components.map(|components| components.trusting(trusted.clone()));
        Ok(Tools { engine, trusted, components, embedder: Mutex::default() })
    }
}

impl Tools {
    fn open(&self, component: &Component, published: &Latest) -> Result<SnapshotReader, ShelfError> {
        let reader = SnapshotReader::open(&self.engine, component, LIMITS)?;
        let manifest = reader.manifest();
        if manifest.project != published.project || manifest.version != published.version {
            let reason = format!("it is of {} at {}, not of what the store says", manifest.project, manifest.version);
            return Err(ShelfError::Unusable(reason));
        }
        Ok(reader)
    }

    /// The model of this package, or why there is none.
    fn embedder(&self) -> Result<Arc<Embedder>, String> {
        let mut embedder = lock(&self.embedder);
        embedder.get_or_insert_with(|| self.open_embedder()).clone()
    }

    fn open_embedder(&self) -> Result<Arc<Embedder>, String> {
        let components = self.components.as_ref().ok_or("this function was packed without a model")?;
        let component = components.embedding(&self.engine).map_err(|error| error.to_string())?;
        let embedder =
            Embedder::new(&self.engine, &component, 1, EMBEDDING_LIMITS).map_err(|error| error.to_string())?;
        Ok(Arc::new(embedder))
    }
}

/// Files of this instance, within a budget.
struct Folder {
    dir: PathBuf,
    bytes_max: u64,
}

impl Folder {
    /// A file that is here, marked as used now.
    fn find(&self, name: &str) -> Option<PathBuf> {
        let path = self.dir.join(name);
        let file = fs::File::open(&path).ok()?;
        if !artefact::description_path(&path).is_file() {
            return None;
        }
        // The time tells which goes first when room is needed; without it an older one goes too early.
        let _ = file.set_modified(std::time::SystemTime::now());
        Some(path)
    }

    /// Keeps native code with its description beside it. Makes room first, by what was used longest ago: what is mapped stays usable.
    fn keep(&self, name: &str, code: &[u8], description: &[u8]) -> Result<PathBuf, (PathBuf, io::Error)> {
        let path = self.dir.join(name);
        let write = || {
            fs::create_dir_all(&self.dir)?;
            self.make_room((code.len() + description.len()) as u64)?;
            // Under another name first: a file that is there is whole.
            let unfinished = self.dir.join(format!("{name}.{}", std::process::id()));
            fs::write(&unfinished, code)?;
            fs::rename(&unfinished, &path)?;
            fs::write(artefact::description_path(&path), description)
        };
        write().map_err(|error| (path.clone(), error))?;
        Ok(path)
    }

    fn make_room(&self, bytes: u64) -> io::Result<()> {
        if bytes > self.bytes_max {
            let reason = format!("{bytes} bytes are more than SKERRY_TEMPORARY_MIB allows ({})", self.bytes_max);
            return Err(io::Error::new(io::ErrorKind::StorageFull, reason));
        }
        // Code goes with its description: one without the other is of no use.
        let (mut files, mut used) = (Vec::new(), bytes);
        for entry in fs::read_dir(&self.dir)? {
            let path = entry?.path();
            if path.extension().is_some_and(|extension| extension == "json") {
                continue;
            }
            let (code, description) = (fs::metadata(&path)?, fs::metadata(artefact::description_path(&path)));
            let length = code.len() + description.map_or(0, |description| description.len());
            used += length;
            files.push((code.modified()?, length, path));
        }
        files.sort();
        for (_, length, path) in files {
            if used <= self.bytes_max {
                break;
            }
            // An unfinished file has no description.
            let _ = fs::remove_file(artefact::description_path(&path));
            fs::remove_file(&path)?;
            used -= length;
        }
        Ok(())
    }
}

/// The code of a snapshot for this machine.
fn query_code(published: &Latest) -> Result<&StoredArtefact, ShelfError> {
    let unusable = |reason: &str| ShelfError::Unusable(reason.to_owned());
    let profile = Profile::here().ok_or_else(|| unusable("there is no native code for processors of this kind"))?;
    let code = published.artefacts.iter().find(|code| code.part == QUERY && code.member("profile") == profile.name());
    code.ok_or_else(|| unusable("it has no native code for this machine; bake it with `--profile`"))
}

/// Whether the answer is that only a node can answer.
fn wants_node(reply: &Reply) -> bool {
    reply.status == skerry_gateway::Kind::NeedsNode.status()
}

fn response(reply: Reply, request_id: Option<&str>) -> Response {
    let mut response = Response::new(Body::from(reply.body));
    *response.status_mut() = StatusCode::from_u16(reply.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(reply.content_type));
    if let Some(id) = request_id.and_then(|id| HeaderValue::from_str(id).ok()) {
        headers.insert(REQUEST_ID, id);
    }
    response
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The folder never holds more than its budget, the one used last stays, and what is larger than all of it is refused.
    #[test]
    fn the_folder_keeps_to_its_budget() {
        let dir = tempfile::tempdir().unwrap();
        let folder = Folder { dir: dir.path().join("s"), bytes_max: 1_000 };
        let keep = |name: &str, bytes: usize| {
            folder.keep(name, &vec![7; bytes], b"{}").map(drop).map_err(|(_, error)| error.kind())
        };
        keep("a", 400).unwrap();
        keep("b", 400).unwrap();
        let used = |name: &str, ago: u64| {
            let file = fs::File::open(folder.dir.join(name)).unwrap();
            file.set_modified(std::time::SystemTime::now() - Duration::from_secs(ago)).unwrap();
        };
        used("a", 100);
        used("b", 50);
        assert!(folder.find("a").is_some(), "looking for it is using it");
        keep("c", 400).unwrap();
        assert!(folder.find("b").is_none() && folder.find("a").is_some() && folder.find("c").is_some());
        assert_eq!(keep("d", 1_001), Err(io::ErrorKind::StorageFull));
        let bytes: u64 = fs::read_dir(&folder.dir).unwrap().map(|file| file.unwrap().metadata().unwrap().len()).sum();
        assert!(bytes <= 1_000, "{bytes}");
    }

    /// Only what a snapshot can answer is asked of one.
    #[test]
    fn reads_go_to_the_snapshot() {
        for (method, path, takes) in [
            ("POST", "/query", true),
            ("GET", "", true),
            ("GET", "/records/k", true),
            ("HEAD", "/version", true),
            ("PUT", "/records/k", false),
            ("POST", "/records", false),
            ("GET", "/query", false),
            ("POST", "/graph/path", false),
        ] {
            assert_eq!(
                Shelf::takes(&method.parse().unwrap(), &format!("/api/v1/projects/p{path}")),
                takes,
                "{method} {path}"
            );
        }
    }
}
