//! The node: a replica, the components, and an index for each project, joined.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use skerry_host::{ArtefactError, CallError, Components, Embedder, Engine, EngineConfig, EngineError, Limits};
use skerry_sync::{Commit, OpenError, ProjectName, Record, RecordKey, Replica, WriteError};

use crate::clock;
use crate::index::{IndexError, ProjectIndex, Sources};
use crate::problem::Problem;

/// Where a node keeps its data and finds its components.
#[derive(Debug, Clone)]
pub struct NodeConfig {
    /// The replica's folder; made when absent.
    pub data_dir: PathBuf,
    /// The folder with the built components; looked for next to the program when absent.
    pub components_dir: Option<PathBuf>,
    /// Instances of the embedding component, each for one core; about 30 MiB of private memory each.
    pub embedder_instances: usize,
    /// Changes after which the live segment of a project is sealed; [`SEAL_AFTER`] unless there is a reason.
    pub seal_after: usize,
}

/// Changes that make sealing a segment worth its while: it costs about two seconds of work in the background.
pub const SEAL_AFTER: usize = 4_096;

/// Why a node does not open.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NodeError {
    /// The replica's folder.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The component artefacts.
    #[error(transparent)]
    Artefact(#[from] ArtefactError),
    /// The WebAssembly engine.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// A component could not be started.
    #[error("the embedding component does not start: {0}")]
    Component(#[from] CallError),
    /// No folder with components was found.
    #[error(
        "cannot find the components (query.wasm, embedding.wasm); looked in {looked}. Run `cargo xtask components`, or \
         name their folder with --components or SKERRY_COMPONENTS"
    )]
    NoComponents {
        /// Where they were looked for.
        looked: String,
    },
}

/// Limits of an embedding call.
const EMBEDDING_LIMITS: Limits = Limits { memory_bytes_max: 256 << 20, deadline: Duration::from_mins(2) };

/// Limits of a segment and of a call to it.
const SEGMENT_LIMITS: Limits = Limits { memory_bytes_max: 3 << 30, deadline: Duration::from_secs(30) };

/// A running node. One per data folder and machine: the replica's store is locked while it is open.
#[derive(Debug)]
pub struct Node {
    sources: Arc<Sources>,
    data_dir: PathBuf,
    indexes: Mutex<BTreeMap<ProjectName, Arc<ProjectIndex>>>,
    opened: Instant,
    instance: String,
}

impl Node {
    /// Opens the replica and starts the components.
    ///
    /// # Errors
    /// See [`NodeError`]; each names what to do.
    pub fn open(config: &NodeConfig) -> Result<Arc<Node>, NodeError> {
        let opened = Instant::now();
        let components_dir = find_components(config.components_dir.as_deref())?;
        let components = Components::open(&components_dir)?;
        let replica = Replica::open(&config.data_dir)?;
        let engine = Engine::new(&EngineConfig::default())?;
        let embedding = components.embedding(&engine)?;
        let embedder = Embedder::new(&engine, &embedding, config.embedder_instances.max(1), EMBEDDING_LIMITS)?;
        let query = components.query(&engine)?;
        let query_sha256 = components.manifest().get("query").map(|entry| entry.sha256.clone()).unwrap_or_default();
        let sources = Arc::new(Sources {
            replica,
            embedder,
            engine,
            query,
            query_wasm: components_dir.join("query.wasm"),
            query_sha256,
            index_dir: config.data_dir.join("index"),
            readers: std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
            seal_after: config.seal_after.max(1),
            limits: SEGMENT_LIMITS,
        });
        let instance = format!("{:x}-{:x}", std::process::id(), clock::now().0);
        let node = Node { sources, instance, data_dir: config.data_dir.clone(), indexes: Mutex::default(), opened };
        Ok(Arc::new(node))
    }

    /// The replica.
    pub fn replica(&self) -> &Replica {
        &self.sources.replica
    }

    /// The embedder.
    pub fn embedder(&self) -> &Embedder {
        &self.sources.embedder
    }

    /// What indexes are made from.
    pub fn sources(&self) -> &Sources {
        &self.sources
    }

    /// The replica's folder.
    pub fn data_dir(&self) -> &std::path::Path {
        &self.data_dir
    }

    /// Names this run of the node: what answers at its address is it only if it says the same.
    pub fn instance(&self) -> &str {
        &self.instance
    }

    /// How long the node has been open.
    pub fn uptime(&self) -> Duration {
        self.opened.elapsed()
    }

    /// The project's index, made (empty) when this is the first who asks.
    pub fn index(&self, project: &ProjectName) -> Arc<ProjectIndex> {
        let mut indexes = self.indexes.lock().unwrap_or_else(PoisonError::into_inner);
        let index = indexes
            .entry(project.clone())
            .or_insert_with(|| Arc::new(ProjectIndex::new(project.clone(), &self.sources)));
        Arc::clone(index)
    }

    /// The project's index if anybody asked for it before.
    pub fn index_if_open(&self, project: &ProjectName) -> Option<Arc<ProjectIndex>> {
        self.indexes.lock().unwrap_or_else(PoisonError::into_inner).get(project).map(Arc::clone)
    }

    /// Stores records durably, then makes them findable. Blocks; runs to its end even when nobody waits any more.
    ///
    /// # Errors
    /// A [`Problem`] when nothing was stored. A fault of the index after the records were stored is logged and mended by
    /// the next catch-up; the publish itself has succeeded.
    pub fn publish(&self, project: &ProjectName, records: &[Record]) -> Result<Commit, Problem> {
        let commit = self.sources.replica.publish(project, records, clock::now())?;
        self.follow(project);
        Ok(commit)
    }

    /// Deletes records durably, then from the index.
    ///
    /// # Errors
    /// As [`Node::publish`].
    pub fn delete(&self, project: &ProjectName, keys: &[RecordKey]) -> Result<Commit, WriteError> {
        let commit = self.sources.replica.delete(project, keys, clock::now())?;
        self.follow(project);
        Ok(commit)
    }

    /// Brings the project's index up to date; faults go to the log. What has grown is sealed in the background.
    pub fn follow(&self, project: &ProjectName) {
        follow(&self.sources, project, &self.index(project));
    }

    /// Seals what has grown, now and in this thread: for a process that is about to end.
    pub fn seal(&self) {
        let indexes: Vec<Arc<ProjectIndex>> =
            self.indexes.lock().unwrap_or_else(PoisonError::into_inner).values().map(Arc::clone).collect();
        for index in indexes.iter().filter(|index| index.wants_sealing(&self.sources)) {
            if let Err(error) = index.seal(&self.sources) {
                tracing::error!(%error, "a segment could not be sealed");
            }
        }
    }

    /// Brings the project's index up to date, vectors included.
    ///
    /// # Errors
    /// See [`IndexError`].
    pub fn catch_up(&self, project: &ProjectName) -> Result<(), IndexError> {
        self.index(project).catch_up(&self.sources)
    }

    /// Opens the index of every project; embeds what a crash or an offline publish left without a vector. What was sealed is
    /// then checked in the background, in a thread of its own: nobody waits for it, not even the end of the program.
    pub fn warm_up(&self) {
        let names: Vec<ProjectName> = match self.sources.replica.projects() {
            Ok(projects) => projects.into_iter().map(|project| project.name).collect(),
            Err(error) => {
                tracing::error!(%error, "the projects could not be listed");
                return;
            }
        };
        names.iter().for_each(|project| self.follow(project));
        let indexes: Vec<_> = names.into_iter().map(|name| (self.index(&name), name)).collect();
        let sources = Arc::clone(&self.sources);
        let checking = std::thread::Builder::new().name("checking".to_owned()).spawn(move || {
            for (index, project) in &indexes {
                if index.check(&sources) {
                    follow(&sources, project, index);
                }
            }
        });
        if let Err(error) = checking {
            tracing::error!(%error, "no thread to check the segments in; damage will go unnoticed until the next start");
        }
    }
}

fn follow(sources: &Arc<Sources>, project: &ProjectName, index: &Arc<ProjectIndex>) {
    if let Err(error) = index.catch_up(sources) {
        tracing::error!(%project, %error, "the index could not follow; it will be rebuilt");
        return;
    }
    if !index.wants_sealing(sources) {
        return;
    }
    let (sources, project, index) = (Arc::clone(sources), project.clone(), Arc::clone(index));
    let sealing = std::thread::Builder::new().name("sealing".to_owned()).spawn(move || {
        // What was written meanwhile may be enough for another one.
        while index.wants_sealing(&sources) {
            match index.seal(&sources) {
                Ok(true) => {}
                Ok(false) => break,
                Err(error) => {
                    tracing::error!(%project, %error, "a segment could not be sealed; the live one goes on growing");
                    break;
                }
            }
        }
    });
    if let Err(error) = sealing {
        tracing::error!(%error, "no thread to seal a segment in; tried again with the next write");
    }
}

/// The folder that was named, or the one next to the program.
pub(crate) fn find_components(named: Option<&Path>) -> Result<PathBuf, NodeError> {
    let candidates: Vec<PathBuf> = match named {
        Some(dir) => vec![dir.to_owned()],
        None => beside_program(),
    };
    let found = candidates.iter().find(|dir| dir.join("manifest.json").is_file());
    found.cloned().ok_or_else(|| {
        let looked = candidates.iter().map(|dir| dir.display().to_string()).collect::<Vec<_>>().join(", ");
        NodeError::NoComponents { looked }
    })
}

/// `bin/skerry` finds `bin/components` and `share/skerry/components`; a build in `target/debug` finds `target/skerry/components`.
fn beside_program() -> Vec<PathBuf> {
    let Ok(program) = std::env::current_exe() else { return Vec::new() };
    let Some(dir) = program.parent() else { return Vec::new() };
    let mut candidates = vec![dir.join("components")];
    if let Some(prefix) = dir.parent() {
        candidates.push(prefix.join("share/skerry/components"));
        candidates.push(prefix.join("skerry/components"));
    }
    candidates
}
