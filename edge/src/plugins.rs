//! The plugins of a node: components that its operator gives, for transforms, rerankers and subscription filters.
//!
//! A plugin is opened when somebody first needs it. Every call goes through [`Plugin::call`], which counts it, tells the log of a
//! failure, and leaves a plugin that fails again and again alone for a while. What happens when one gives no answer is decided
//! where it is asked: a transform refuses the publish unless the operator says otherwise, a reranker and a filter are passed
//! over, and the answer says so.

pub mod config;
pub(crate) mod filter;
mod health;
mod publish;
pub(crate) mod rerank;
mod shape;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use sha2::{Digest, Sha256};
use skerry_host::plugin::{
    FILE_BYTES_MAX, PluginError, PluginFault, PluginKind, PluginLimits, Reranker, SubscriptionFilter, Transform,
};
use skerry_host::{CallError, Engine};
use skerry_sync::ProjectName;

use crate::clock;
use crate::problem::{Kind, Problem};
use config::{PluginConfig, PluginsConfig};
use health::Health;
pub use health::{Fault, Tally};
pub use publish::{Passed, Publication};

/// Why a plugin gave no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PluginFailure {
    /// It cannot be opened as things are.
    #[error("the plugin `{name}` cannot be used on this node: {reason}")]
    Unusable {
        /// Its name.
        name: String,
        /// What to mend.
        reason: String,
    },
    /// It failed so often that it is not asked for a while.
    #[error(
        "the plugin `{name}` failed {failures} times in a row and is not asked for {seconds} seconds; the last time: {reason}"
    )]
    Paused {
        /// Its name.
        name: String,
        /// How often.
        failures: u32,
        /// Until it is asked again.
        seconds: u64,
        /// What happened the last time.
        reason: String,
    },
    /// It was asked, and failed.
    #[error("the plugin `{name}` failed: {reason}")]
    Failed {
        /// Its name.
        name: String,
        /// What happened.
        reason: String,
    },
    /// It cannot read the argument that the caller gave.
    #[error("the plugin `{name}` cannot read its argument: {reason}")]
    Argument {
        /// Its name.
        name: String,
        /// Its own words.
        reason: String,
    },
    /// Nobody waits for the answer any more.
    #[error("the call was cancelled")]
    Cancelled,
}

/// Opens a component as a plugin of one kind.
type Open<P> = fn(&Engine, &Path, &[u8], PluginLimits) -> Result<P, PluginError>;

/// A plugin of the operator's list.
#[derive(Debug)]
pub(crate) struct Plugin<P> {
    config: PluginConfig,
    engine: Engine,
    cache_dir: PathBuf,
    open: Open<P>,
    opened: Mutex<Option<Arc<P>>>,
    health: Mutex<Health>,
}

impl<P> Plugin<P> {
    fn new(config: PluginConfig, engine: &Engine, cache_dir: &Path, open: Open<P>) -> Plugin<P> {
        let (engine, cache_dir) = (engine.clone(), cache_dir.to_owned());
        Plugin { config, engine, cache_dir, open, opened: Mutex::default(), health: Mutex::default() }
    }

    /// Its name.
    pub(crate) fn name(&self) -> &str {
        &self.config.name
    }

    /// What the operator tells it.
    pub(crate) fn settings(&self) -> &str {
        &self.config.settings
    }

    fn serves(&self, project: &ProjectName) -> bool {
        self.config.projects.as_ref().is_none_or(|projects| projects.contains(project))
    }

    /// Asks it, unless it failed too often just now. Opens it when it was not.
    ///
    /// # Errors
    /// [`PluginFailure`]. The log says so, and the tally counts it, unless it is the caller's fault or nobody's.
    pub(crate) fn call<T>(&self, work: impl FnOnce(&P) -> Result<T, PluginFault>) -> Result<T, PluginFailure> {
        let name = || self.config.name.clone();
        if let Some((seconds, failures, reason)) = self.health().paused(Instant::now()) {
            return Err(PluginFailure::Paused { name: name(), failures, seconds, reason });
        }
        let opened = self.opened();
        // Compiling a plugin is none of its calls.
        let started = Instant::now();
        let answered = match opened {
            Ok(plugin) => work(&plugin).map_err(|fault| match fault {
                PluginFault::Argument(reason) => PluginFailure::Argument { name: name(), reason },
                PluginFault::Call(CallError::Cancelled) => PluginFailure::Cancelled,
                fault => PluginFailure::Failed { name: name(), reason: fault.to_string() },
            }),
            Err(reason) => Err(PluginFailure::Unusable { name: name(), reason }),
        };
        let (now, rule) = (Instant::now(), self.config.pause);
        match &answered {
            Err(PluginFailure::Unusable { reason, .. } | PluginFailure::Failed { reason, .. }) => {
                let paused = self.health().failed(now, now - started, reason, clock::now().0, rule);
                tracing::warn!(plugin = self.config.name, reason, "a plugin gave no answer");
                if paused {
                    let seconds = rule.pause.as_secs();
                    tracing::error!(
                        plugin = self.config.name,
                        seconds,
                        "a plugin fails again and again; it is not asked for a while"
                    );
                }
            }
            Err(_) => self.health().answered(now - started),
            Ok(_) => self.health().succeeded(now - started),
        }
        answered
    }

    fn health(&self) -> MutexGuard<'_, Health> {
        self.health.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The compiled component, or why there is none.
    fn opened(&self) -> Result<Arc<P>, String> {
        // Held while it is opened: two who need it at once wait for one.
        let mut opened = self.opened.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(plugin) = opened.as_ref() {
            return Ok(Arc::clone(plugin));
        }
        let wasm = self.read()?;
        let plugin = (self.open)(&self.engine, &self.cache_dir, &wasm, self.config.limits);
        let plugin = Arc::new(plugin.map_err(|error| format!("{}: {error}", self.config.path.display()))?);
        *opened = Some(Arc::clone(&plugin));
        Ok(plugin)
    }

    fn read(&self) -> Result<Vec<u8>, String> {
        let path = self.config.path.display();
        let unreadable = |error: std::io::Error| format!("cannot read {path}: {error}");
        let length = std::fs::metadata(&self.config.path).map_err(unreadable)?.len();
        if length > FILE_BYTES_MAX as u64 {
            return Err(format!("{path} has {length} bytes; a plugin has at most {FILE_BYTES_MAX}"));
        }
        let wasm = std::fs::read(&self.config.path).map_err(unreadable)?;
        let found = hex::encode(Sha256::digest(&wasm));
        match &self.config.sha256 {
            Some(expected) if *expected != found => {
                Err(format!("{path} is not the file that the list means: its SHA-256 is {found}"))
            }
            _ => Ok(wasm),
        }
    }

    fn listed(&self, kind: PluginKind) -> Listed {
        let usable = self.opened().map(drop);
        let tally = self.health().tally(Instant::now());
        Listed { config: self.config.clone(), kind, usable, tally }
    }
}

/// A plugin as it is listed.
#[derive(Debug)]
pub struct Listed {
    /// What the operator says.
    pub config: PluginConfig,
    /// What it is for.
    pub kind: PluginKind,
    /// Whether it can be opened, or why not.
    pub usable: Result<(), String>,
    /// What it did since the node was opened.
    pub tally: Tally,
}

/// The plugins of a node.
#[derive(Debug)]
pub struct Plugins {
    transforms: Vec<Plugin<Transform>>,
    rerankers: Vec<Plugin<Reranker>>,
    filters: Vec<Plugin<SubscriptionFilter>>,
    /// Names in the order of the list.
    order: Vec<String>,
}

impl Plugins {
    /// The plugins of a list, of which none is opened yet. Their native code is kept in `cache_dir`.
    pub fn new(engine: &Engine, cache_dir: &Path, config: PluginsConfig) -> Plugins {
        let order = config.plugins.iter().map(|plugin| plugin.name.clone()).collect();
        let mut plugins = Plugins { transforms: Vec::new(), rerankers: Vec::new(), filters: Vec::new(), order };
        for config in config.plugins {
            match config.kind {
                PluginKind::Transform => {
                    plugins.transforms.push(Plugin::new(config, engine, cache_dir, Transform::open));
                }
                PluginKind::Reranker => plugins.rerankers.push(Plugin::new(config, engine, cache_dir, Reranker::open)),
                PluginKind::SubscriptionFilter => {
                    plugins.filters.push(Plugin::new(config, engine, cache_dir, SubscriptionFilter::open));
                }
            }
        }
        plugins
    }

    /// All of them, in the order of the list; those that nobody used yet are opened.
    pub fn list(&self) -> Vec<Listed> {
        let transforms = self.transforms.iter().map(|plugin| plugin.listed(PluginKind::Transform));
        let rerankers = self.rerankers.iter().map(|plugin| plugin.listed(PluginKind::Reranker));
        let filters = self.filters.iter().map(|plugin| plugin.listed(PluginKind::SubscriptionFilter));
        let mut listed: Vec<Listed> = transforms.chain(rerankers).chain(filters).collect();
        listed.sort_by_key(|listed| self.order.iter().position(|name| *name == listed.config.name));
        listed
    }

    /// Opens all of them, so that nobody has to wait while one is compiled; what cannot be opened goes to the log.
    pub(crate) fn open_all(&self) {
        for Listed { config, usable, .. } in self.list() {
            if let Err(reason) = usable {
                tracing::warn!(plugin = config.name, reason, "a plugin cannot be used");
            }
        }
    }

    /// Names of those whose last call failed, in the order of the list; none is opened for it.
    pub fn failing(&self) -> Vec<String> {
        let transforms = self.transforms.iter().map(|plugin| (plugin.name(), plugin.health().is_failing()));
        let rerankers = self.rerankers.iter().map(|plugin| (plugin.name(), plugin.health().is_failing()));
        let filters = self.filters.iter().map(|plugin| (plugin.name(), plugin.health().is_failing()));
        let failing: Vec<&str> = transforms
            .chain(rerankers)
            .chain(filters)
            .filter_map(|(name, is_failing)| Some(name).filter(|_| is_failing))
            .collect();
        self.order.iter().filter(|name| failing.contains(&name.as_str())).cloned().collect()
    }

    /// The reranker of a name, for a project.
    ///
    /// # Errors
    /// [`Kind::UnknownPlugin`].
    pub(crate) fn reranker(&self, name: &str, project: &ProjectName) -> Result<&Plugin<Reranker>, Problem> {
        find(&self.rerankers, PluginKind::Reranker, name, project)
    }

    /// The subscription filter of a name, for a project.
    ///
    /// # Errors
    /// [`Kind::UnknownPlugin`].
    pub(crate) fn filter(&self, name: &str, project: &ProjectName) -> Result<&Plugin<SubscriptionFilter>, Problem> {
        find(&self.filters, PluginKind::SubscriptionFilter, name, project)
    }
}

fn find<'a, P>(
    plugins: &'a [Plugin<P>],
    kind: PluginKind,
    name: &str,
    project: &ProjectName,
) -> Result<&'a Plugin<P>, Problem> {
    let serving = plugins.iter().filter(|plugin| plugin.serves(project));
    if let Some(found) = serving.clone().find(|plugin| plugin.name() == name) {
        return Ok(found);
    }
    let known: Vec<String> = serving.map(|plugin| format!("`{}`", plugin.name())).collect();
    let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
    let shown: String = name.chars().filter(|character| !character.is_control()).take(80).collect();
    let detail = format!(
        "This node has no {kind} `{shown}` for this project; it has {known}. The operator lists plugins in the file given with --plugins."
    );
    Err(Problem::new(Kind::UnknownPlugin, detail).with("plugin", shown))
}
