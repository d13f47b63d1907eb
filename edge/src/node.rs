//! The node: a replica, the components, and an index for each project, joined.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::time::{Duration, Instant};

use skerry_host::keys::TrustedKeys;
use skerry_host::{ArtefactError, Components, Engine, EngineConfig, EngineError, Geometry, Limits};
use skerry_sync::{Commit, OpenError, ProjectName, ReadError, Record, RecordKey, Replica, Settings, WriteError};

use crate::clock;
use crate::graph::ProjectGraph;
#[cfg(feature = "network")]
use crate::hub::{Hub, HubConfig};
use crate::index::derive::Derivation;
use crate::index::{IndexError, ProjectIndex, Sources};
use crate::models::config::{ConfigError, ModelsConfig};
use crate::models::{ModelError, Models, ModelsError, Workshop};
use crate::moves::Moves;
use crate::plugins::config::PluginsConfig;
use crate::plugins::{Plugins, Publication};
use crate::problem::Problem;
use crate::reembed::{self, Reembedding};
#[cfg(feature = "sparql")]
use crate::sparql;

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
    /// The file with further models; only those that are built in when absent.
    pub models_file: Option<PathBuf>,
    /// The file with plugins; none when absent.
    pub plugins_file: Option<PathBuf>,
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
    /// The default model.
    #[error(transparent)]
    Models(#[from] ModelsError),
    /// The file with further models.
    #[error("the list of models cannot be used: {0}")]
    ModelsFile(#[source] ConfigError),
    /// The file with plugins.
    #[error("the list of plugins cannot be used: {0}")]
    PluginsFile(#[source] ConfigError),
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

/// Time until records whose model failed are tried again, at first and at most.
const MENDING_FIRST: Duration = Duration::from_secs(1);
const MENDING_MAX: Duration = Duration::from_mins(5);

/// Limits of a segment and of a call to it.
const SEGMENT_LIMITS: Limits = Limits { memory_bytes_max: 3 << 30, deadline: Duration::from_secs(30) };

/// Limits of a call to the geometry component.
const GEOMETRY_LIMITS: Limits = Limits { memory_bytes_max: 1 << 30, deadline: Duration::from_secs(30) };

/// A running node. One per data folder and machine: the replica's store is locked while it is open.
#[derive(Debug)]
pub struct Node {
    sources: Arc<Sources>,
    data_dir: PathBuf,
    indexes: Mutex<BTreeMap<ProjectName, Arc<ProjectIndex>>>,
    pub(crate) graphs: Mutex<BTreeMap<ProjectName, Arc<ProjectGraph>>>,
    /// Projects on their way to another model.
    pub(crate) reembeddings: Mutex<BTreeMap<ProjectName, Arc<Reembedding>>>,
    moves: Arc<Moves>,
    plugins: Plugins,
    /// Projects that were asked by SPARQL.
    #[cfg(feature = "sparql")]
    triples: sparql::Views,
    #[cfg(feature = "network")]
    hub: OnceLock<Arc<Hub>>,
    components: Components,
    geometry: OnceLock<Geometry>,
    /// Held by whoever removes for good what is gone.
    pub(crate) purging: Mutex<()>,
    /// For threads in the background, which do not keep the node alive.
    me: Weak<Node>,
    opened: Instant,
    instance: String,
    /// The index follows when somebody asks, not with each write.
    waits: AtomicBool,
}

impl Node {
    /// Opens the replica and starts the components.
    ///
    /// # Errors
    /// See [`NodeError`]; each names what to do.
    pub fn open(config: &NodeConfig) -> Result<Arc<Node>, NodeError> {
        Node::open_trusting(config, TrustedKeys::default())
    }

    /// As [`Node::open`], with native code of the components that one of these keys has signed: where nothing can be compiled.
    ///
    /// # Errors
    /// As [`Node::open`].
    pub fn open_trusting(config: &NodeConfig, trusted: TrustedKeys) -> Result<Arc<Node>, NodeError> {
        let opened = Instant::now();
        let components_dir = find_components(config.components_dir.as_deref())?;
        let models_config = config.models_file.as_deref().map(ModelsConfig::read).transpose();
        let models_config = models_config.map_err(NodeError::ModelsFile)?.unwrap_or_default();
        let plugins_config = config.plugins_file.as_deref().map(PluginsConfig::read).transpose();
        let plugins_config = plugins_config.map_err(NodeError::PluginsFile)?.unwrap_or_default();
        let components = Components::open(&components_dir)?.trusting(trusted);
        let replica = Replica::open(&config.data_dir)?;
        let engine = Engine::new(&EngineConfig::default())?;
        let query = components.query(&engine)?;
        let query_sha256 = components.manifest().get("query").map(|entry| entry.sha256.clone()).unwrap_or_default();
        let workshop = Workshop {
            engine: engine.clone(),
            components: components.clone(),
            components_dir: components_dir.clone(),
            cache_dir: config.data_dir.join("models"),
            instances: config.embedder_instances.max(1),
        };
        let models = Models::open(workshop, models_config)?;
        let plugins = Plugins::new(&engine, &config.data_dir.join("plugins"), plugins_config);
        let sources = Arc::new(Sources {
            replica,
            models,
            engine,
            query,
            query_wasm: components_dir.join("query.wasm"),
            query_sha256,
            index_dir: config.data_dir.join("index"),
            readers: std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
            seal_after: config.seal_after.max(1),
            limits: SEGMENT_LIMITS,
        });
        let moves = Arc::new(Moves::default());
        let told = Arc::clone(&moves);
        sources.replica.on_change(move |project| told.tell(project));
        let instance = format!("{:x}-{:x}", std::process::id(), clock::now().0);
        Ok(Arc::new_cyclic(|me| Node {
            sources,
            instance,
            waits: AtomicBool::new(false),
            data_dir: config.data_dir.clone(),
            indexes: Mutex::default(),
            graphs: Mutex::default(),
            reembeddings: Mutex::default(),
            moves,
            plugins,
            #[cfg(feature = "sparql")]
            triples: sparql::Views::default(),
            #[cfg(feature = "network")]
            hub: OnceLock::new(),
            components,
            geometry: OnceLock::new(),
            purging: Mutex::default(),
            me: Weak::clone(me),
            opened,
        }))
    }

    /// The replica.
    pub fn replica(&self) -> &Replica {
        &self.sources.replica
    }

    /// The models.
    pub fn models(&self) -> &Models {
        &self.sources.models
    }

    /// The plugins.
    pub fn plugins(&self) -> &Plugins {
        &self.plugins
    }

    /// What indexes are made from.
    pub fn sources(&self) -> &Sources {
        &self.sources
    }

    /// The same, for what lives as long as it is used.
    pub(crate) fn shared_sources(&self) -> Arc<Sources> {
        Arc::clone(&self.sources)
    }

    /// The geometry component, opened by the first who asks.
    ///
    /// # Errors
    /// [`Kind::Internal`](crate::problem::Kind::Internal) when its artefact is not there or damaged; the log says so.
    pub fn geometry(&self) -> Result<&Geometry, Problem> {
        if let Some(geometry) = self.geometry.get() {
            return Ok(geometry);
        }
        let engine = &self.sources.engine;
        let component = self.components.geometry(engine).map_err(|error| Problem::internal(&error))?;
        let geometry = Geometry::new(engine, &component, GEOMETRY_LIMITS).map_err(|error| Problem::internal(&error))?;
        Ok(self.geometry.get_or_init(|| geometry))
    }

    /// The replica's folder.
    pub fn data_dir(&self) -> &std::path::Path {
        &self.data_dir
    }

    /// Wakes those who wait for changes.
    pub fn moves(&self) -> &Moves {
        &self.moves
    }

    /// The projects as RDF.
    #[cfg(feature = "sparql")]
    pub fn triples(&self) -> &sparql::Views {
        &self.triples
    }

    /// Takes the node to a hub, which it then has for the rest of its life. [`Hub::run`] connects it.
    ///
    /// # Errors
    /// [`ReadError`].
    #[cfg(feature = "network")]
    pub fn join(&self, config: HubConfig) -> Result<Arc<Hub>, ReadError> {
        let hub = Hub::new(self, config)?;
        Ok(Arc::clone(self.hub.get_or_init(|| hub)))
    }

    /// The hub that the node is to be connected to.
    #[cfg(feature = "network")]
    pub fn hub(&self) -> Option<&Arc<Hub>> {
        self.hub.get()
    }

    /// Names this run of the node: what answers at its address is it only if it says the same.
    pub fn instance(&self) -> &str {
        &self.instance
    }

    /// From now on the index follows when somebody asks, and embeds with [`Node::catch_up`], instead of with each write: for a
    /// process that may have nothing to do but to write.
    pub fn follow_when_asked(&self) {
        self.waits.store(true, Ordering::Release);
    }

    /// How long the node has been open.
    pub fn uptime(&self) -> Duration {
        self.opened.elapsed()
    }

    /// The project's index, made (empty) when this is the first who asks.
    ///
    /// # Errors
    /// [`IndexError::Read`].
    pub fn index(&self, project: &ProjectName) -> Result<Arc<ProjectIndex>, IndexError> {
        if let Some(index) = self.index_if_open(project) {
            return Ok(index);
        }
        // Before the lock is taken: a model may have to be compiled.
        let derivation = self.derivation(project)?;
        if let Err(error) = reembed::note_serving(self.replica(), project, derivation.settings()) {
            // Only a change of the model needs it, and makes sure of it.
            tracing::warn!(%project, %error, "which model answers could not be noted down");
        }
        let mut indexes = self.indexes();
        let index = indexes.entry(project.clone()).or_insert_with(|| {
            reembed::discard_other_folders(&self.sources, project, &derivation);
            Arc::new(ProjectIndex::new(project.clone(), derivation, &self.sources))
        });
        Ok(Arc::clone(index))
    }

    fn indexes(&self) -> MutexGuard<'_, BTreeMap<ProjectName, Arc<ProjectIndex>>> {
        self.indexes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The project's index if anybody asked for it before.
    pub fn index_if_open(&self, project: &ProjectName) -> Option<Arc<ProjectIndex>> {
        self.indexes().get(project).map(Arc::clone)
    }

    /// Puts another index in the place of the project's; who has the old one goes on asking it.
    pub(crate) fn replace_index(&self, project: &ProjectName, index: Arc<ProjectIndex>) {
        if let Some(old) = self.indexes().insert(project.clone(), index) {
            old.retire();
        }
    }

    /// Takes the project's index away; the next who asks makes a new one.
    pub(crate) fn take_index(&self, project: &ProjectName) -> Option<Arc<ProjectIndex>> {
        self.indexes().remove(project)
    }

    /// What the project's queries are answered with: the model that it names, or, while its records are being embedded anew,
    /// the one before.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn derivation(&self, project: &ProjectName) -> Result<Derivation, ReadError> {
        if let Some(index) = self.index_if_open(project) {
            return Ok(index.derivation().clone());
        }
        let named = self.replica().project(project)?.settings;
        let serving: Option<Settings> = reembed::serving(self.replica(), project)?;
        Ok(Derivation::new(&self.sources.models, serving.as_ref().unwrap_or(&named)))
    }

    /// Stores records durably, as the project's transforms make them, then makes them findable. Blocks; runs to its end even
    /// when nobody waits any more. Whatever a client publishes comes this way; what other replicas bring does not.
    ///
    /// # Errors
    /// A [`Problem`] when nothing was stored. A fault of the index after the records were stored is logged and mended by
    /// the next catch-up; the publish itself has succeeded.
    pub fn publish(&self, project: &ProjectName, records: &[Record]) -> Result<Publication, Problem> {
        let (records, passed) = if self.plugins.has_transforms(project) {
            // No plugin is asked about a project that there is not.
            self.replica().sequence(project)?;
            self.plugins.transform(project, records)?
        } else {
            (Cow::Borrowed(records), Vec::new())
        };
        let commit = self.sources.replica.publish(project, &records, clock::now())?;
        self.follow(project);
        Ok(Publication { commit, passed })
    }

    /// Changes records as they are, and takes the changes into the index.
    ///
    /// # Errors
    /// As [`Replica::update`].
    pub fn update(
        &self,
        project: &ProjectName,
        keys: &[RecordKey],
        edit: impl Fn(&mut Record),
    ) -> Result<Commit, WriteError> {
        let commit = self.sources.replica.update(project, keys, edit, clock::now())?;
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

    /// Brings the project's index up to date; faults go to the log. What has grown is sealed in the background, and a project
    /// that names another model than the one in use is embedded anew there.
    pub fn follow(&self, project: &ProjectName) {
        // Another replica erased something, or an earlier attempt was interrupted.
        if let Err(error) = self.purge(project) {
            tracing::error!(%project, %error, "what is gone could not be removed for good; tried again with the next write");
        }
        if self.waits.load(Ordering::Acquire) {
            return;
        }
        let index = match self.index(project) {
            Ok(index) => index,
            Err(error) => {
                tracing::error!(%project, %error, "the index could not be opened; tried again with the next write");
                return;
            }
        };
        if follow(&self.sources, project, &index) == Followed::Failing {
            self.follow_later(project, &index);
        }
        reembed::reconcile(self, project);
    }

    /// Tries again while the project's model fails; the records are stored, and found by their words until then.
    fn follow_later(&self, project: &ProjectName, index: &Arc<ProjectIndex>) {
        let Some(mending) = index.begin_mending() else { return };
        let (project, index, node) = (project.clone(), Arc::clone(index), self.weak());
        let later = move || {
            let _mending = mending;
            let mut pause = MENDING_FIRST;
            loop {
                std::thread::sleep(pause);
                pause = (pause * 2).min(MENDING_MAX);
                let Some(node) = node.upgrade() else { return };
                if follow(&node.sources, &project, &index) != Followed::Failing {
                    return;
                }
            }
        };
        if let Err(error) = std::thread::Builder::new().name("mending".to_owned()).spawn(later) {
            tracing::error!(%error, "no thread to try again in; the next write does");
        }
    }

    /// For threads in the background: while they hold it the node can still end.
    pub(crate) fn weak(&self) -> Weak<Node> {
        Weak::clone(&self.me)
    }

    /// Seals what has grown, now and in this thread: for a process that is about to end.
    #[cfg(feature = "compile")]
    pub fn seal(&self) {
        let indexes: Vec<Arc<ProjectIndex>> = self.indexes().values().map(Arc::clone).collect();
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
        self.index(project)?.catch_up(&self.sources)
    }

    /// Opens the index of every project, and the plugins; embeds what a crash or an offline publish left without a vector. What was sealed is
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
        self.plugins.open_all();
        let indexes: Vec<_> = names.into_iter().filter_map(|name| Some((self.index(&name).ok()?, name))).collect();
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

/// How far an index came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Followed {
    /// Up to date, or with a fault that time alone does not mend.
    Done,
    /// Up to date but for vectors, whose model fails for now.
    Failing,
}

fn follow(sources: &Arc<Sources>, project: &ProjectName, index: &Arc<ProjectIndex>) -> Followed {
    match index.catch_up(sources) {
        Ok(()) => {}
        Err(IndexError::Model(error)) => {
            tracing::warn!(%project, %error, "records wait for their vectors; keyword search finds them");
            let may_pass = matches!(error, ModelError::Failed { .. });
            return if may_pass { Followed::Failing } else { Followed::Done };
        }
        Err(error) => {
            tracing::error!(%project, %error, "the index could not follow; it will be rebuilt");
            return Followed::Done;
        }
    }
    #[cfg(feature = "compile")]
    seal_later(sources, project, index);
    Followed::Done
}

/// Seals what has grown, in a thread of its own.
#[cfg(feature = "compile")]
fn seal_later(sources: &Arc<Sources>, project: &ProjectName, index: &Arc<ProjectIndex>) {
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

/// The folder with components: the one that was named, or the one next to the program.
///
/// # Errors
/// [`NodeError::NoComponents`].
pub fn find_components(named: Option<&Path>) -> Result<PathBuf, NodeError> {
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
