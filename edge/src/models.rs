//! The embedding models of a node: built in, given as components, or asked over HTTP, all behind one trait.
//!
//! A model is opened when somebody first needs it, so that models which nobody uses cost nothing at the start. What cannot be
//! opened says why, and is tried again by whoever asks next.

#![cfg_attr(
    not(all(feature = "compile", feature = "network")),
    allow(dead_code, reason = "without a compiler and a network only models that come with the program can be opened")
)]

mod answer;
mod approximate;
mod component;
pub mod config;
mod pace;
#[cfg(feature = "network")]
mod remote;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use skerry_host::{ArtefactError, CallError, Cancel, Components, Embedder, Engine};
use skerry_sync::{Chunking, Settings, Span};

use component::ComponentModel;
pub use component::EMBEDDING_LIMITS;
#[cfg(feature = "compile")]
pub(crate) use component::given_id;
use config::{ModelConfig, ModelsConfig};
#[cfg(feature = "network")]
use remote::RemoteModel;

/// The model of projects that name none.
pub const DEFAULT_MODEL: &str = "all-MiniLM-L6-v2";

/// The small model that is also built in, and its component.
pub const STATIC_MODEL: &str = "all-MiniLM-L6-v2-static";
const STATIC_COMPONENT: &str = "embedding-static";

/// Tokens of a chunk when the project does not say and the model takes more: one vector for much more says little about each part.
const CHUNK_TOKENS: u32 = 512;

/// Tokens that a chunk shares with the one before it when the project does not say.
const OVERLAP: u32 = 32;

/// What a model is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelCard {
    /// The name by which projects ask for it.
    pub name: String,
    /// Its identity: vectors of models with different ids are never compared.
    pub id: String,
    /// Numbers in a vector.
    pub dimensions: u32,
    /// Tokens of one text that count.
    pub tokens_max: u32,
    /// Names whatever decides where a text is cut.
    pub cutter: String,
}

impl ModelCard {
    /// How this model cuts the texts of a project with these settings.
    pub fn chunking(&self, settings: &Settings) -> Chunking {
        let usual = Chunking { tokens: self.tokens_max.min(CHUNK_TOKENS), overlap: OVERLAP };
        let Chunking { tokens, overlap } = settings.chunking.unwrap_or(usual);
        let tokens = tokens.min(self.tokens_max);
        Chunking { tokens, overlap: overlap.min(tokens.saturating_sub(1) / 2) }
    }
}

/// Turns texts into vectors.
pub trait Model: std::fmt::Debug + Send + Sync {
    /// What it is.
    fn card(&self) -> &ModelCard;

    /// One vector of unit length per text, in the order of the texts; blocks until all are there.
    ///
    /// # Errors
    /// [`ModelError::Failed`] and [`ModelError::Call`]; the latter as [`CallError::Cancelled`] when it was cancelled.
    fn embed(&self, texts: &[&str], cancel: Option<&Cancel>) -> Result<Vec<Vec<f32>>, ModelError>;

    /// Where to cut a text: spans of its bytes at boundaries of characters, in order; at least one. Only white space is in none.
    ///
    /// # Errors
    /// As [`Model::embed`].
    fn split(&self, text: &str, chunking: Chunking) -> Result<Vec<Span>, ModelError>;

    /// Bytes that a text may have to be one chunk for certain, without looking at it.
    fn bytes_of_one_chunk(&self, tokens: u32) -> usize;
}

/// Why a model gives no vectors.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ModelError {
    /// This node has no model of that name.
    #[error(
        "this node has no model `{name}`; it has {known}. Name one of these, or add it to the file given with --models"
    )]
    Unknown {
        /// The name.
        name: String,
        /// Those that there are.
        known: String,
    },
    /// It is configured and cannot be used as things are.
    #[error("the model `{name}` cannot be used on this node: {reason}")]
    Unusable {
        /// Its name.
        name: String,
        /// What to mend.
        reason: String,
    },
    /// It was asked and did not do its part; a later attempt may succeed.
    #[error("the model `{name}` gave no vectors: {reason}")]
    Failed {
        /// Its name.
        name: String,
        /// What happened.
        reason: String,
    },
    /// A component failed.
    #[error(transparent)]
    Call(#[from] CallError),
}

impl ModelError {
    /// Whether the caller went away.
    pub fn is_cancelled(&self) -> bool {
        matches!(self, ModelError::Call(CallError::Cancelled))
    }
}

/// Where a model comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ModelKind {
    /// A component that comes with the node.
    BuiltIn,
    /// A component that the operator gave.
    Component,
    /// An HTTP endpoint.
    Endpoint,
}

#[derive(Debug)]
enum Source {
    BuiltIn { component: &'static str },
    Configured(ModelConfig),
}

#[derive(Debug)]
struct Entry {
    source: Source,
    opened: Mutex<Option<Arc<dyn Model>>>,
}

/// A model as it is listed.
#[derive(Debug)]
pub struct Listed {
    /// Its name.
    pub name: String,
    /// Where it comes from.
    pub kind: ModelKind,
    /// The model, or why it cannot be used.
    pub opened: Result<Arc<dyn Model>, ModelError>,
}

/// The models of a node.
#[derive(Debug)]
pub struct Models {
    engine: Engine,
    components: Components,
    components_dir: PathBuf,
    /// Native code of components that the operator gave.
    cache_dir: PathBuf,
    instances: usize,
    allowed_hosts: Vec<String>,
    entries: BTreeMap<String, Entry>,
}

/// What models are opened with.
#[derive(Debug)]
pub struct Workshop {
    /// Runs components.
    pub engine: Engine,
    /// The built components.
    pub components: Components,
    /// Their folder.
    pub components_dir: PathBuf,
    /// Where native code of other components is kept.
    pub cache_dir: PathBuf,
    /// Instances of one model's component at most.
    pub instances: usize,
}

impl Models {
    /// The models of a configuration and those that are built in, of which only the default is opened now.
    ///
    /// # Errors
    /// [`ModelError`] when the default model does not start, [`ArtefactError`] when its component is not there.
    pub fn open(workshop: Workshop, config: ModelsConfig) -> Result<Models, ModelsError> {
        let Workshop { engine, components, components_dir, cache_dir, instances } = workshop;
        let default = Embedder::new(&engine, &components.embedding(&engine)?, instances, EMBEDDING_LIMITS)?;
        let default: Arc<dyn Model> = Arc::new(ComponentModel::built_in(DEFAULT_MODEL, default));
        let entry = |source, opened| Entry { source, opened: Mutex::new(opened) };
        let mut entries = BTreeMap::from([
            (DEFAULT_MODEL.to_owned(), entry(Source::BuiltIn { component: "embedding" }, Some(default))),
            (STATIC_MODEL.to_owned(), entry(Source::BuiltIn { component: STATIC_COMPONENT }, None)),
        ]);
        let configured = config.models.into_iter().map(|(name, model)| (name, entry(Source::Configured(model), None)));
        entries.extend(configured);
        let allowed_hosts = config.allowed_hosts;
        Ok(Models { engine, components, components_dir, cache_dir, instances, allowed_hosts, entries })
    }

    /// The model of a name, opened if it was not.
    ///
    /// # Errors
    /// [`ModelError::Unknown`] and [`ModelError::Unusable`].
    pub fn get(&self, name: &str) -> Result<Arc<dyn Model>, ModelError> {
        let Some(entry) = self.entries.get(name) else {
            let known = self.entries.keys().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
            return Err(ModelError::Unknown { name: name.to_owned(), known });
        };
        // Held while it is opened: two who need it at once wait for one.
        let mut opened = entry.opened.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(model) = opened.as_ref() {
            return Ok(Arc::clone(model));
        }
        let model = self.open_source(name, &entry.source).inspect_err(|error| {
            tracing::warn!(model = name, %error, "a model cannot be used");
        })?;
        *opened = Some(Arc::clone(&model));
        Ok(model)
    }

    /// The model that a project with these settings asks for.
    pub fn name_for(settings: &Settings) -> &str {
        settings.model.as_deref().unwrap_or(DEFAULT_MODEL)
    }

    /// All models, in the order of their names; those that were not yet used are opened.
    pub fn list(&self) -> Vec<Listed> {
        let listed = self.entries.iter().map(|(name, entry)| {
            let kind = match &entry.source {
                Source::BuiltIn { .. } => ModelKind::BuiltIn,
                Source::Configured(ModelConfig::Component(_)) => ModelKind::Component,
                Source::Configured(ModelConfig::Endpoint(_)) => ModelKind::Endpoint,
            };
            Listed { name: name.clone(), kind, opened: self.get(name) }
        });
        listed.collect()
    }

    /// The file with a model's component, to be handed on.
    ///
    /// # Errors
    /// [`ModelError::Unknown`], and [`ModelError::Unusable`] for a model at an endpoint, which is no file.
    #[cfg(feature = "compile")]
    pub fn component_path(&self, name: &str) -> Result<PathBuf, ModelError> {
        // An unknown one is told by the function that tells it.
        let Some(entry) = self.entries.get(name) else {
            return self
                .get(name)
                .and(Err(ModelError::Unusable { name: name.to_owned(), reason: "it is gone".to_owned() }));
        };
        match &entry.source {
            Source::BuiltIn { component } => Ok(self.components_dir.join(format!("{component}.wasm"))),
            Source::Configured(ModelConfig::Component(config)) => Ok(config.path.clone()),
            Source::Configured(ModelConfig::Endpoint(_)) => Err(ModelError::Unusable {
                name: name.to_owned(),
                reason: "it is asked over the network, so it cannot be put into a file; bake without the model"
                    .to_owned(),
            }),
        }
    }

    fn open_source(&self, name: &str, source: &Source) -> Result<Arc<dyn Model>, ModelError> {
        let unusable = |reason: String| ModelError::Unusable { name: name.to_owned(), reason };
        match source {
            Source::BuiltIn { component } => {
                if !self.components.manifest().contains_key(*component) {
                    let dir = self.components_dir.display();
                    return Err(unusable(format!(
                        "the components in {dir} are without `{component}`; build them anew with `cargo xtask components`"
                    )));
                }
                let component =
                    self.components.component(&self.engine, component).map_err(|error| unusable(error.to_string()))?;
                let embedder = Embedder::new(&self.engine, &component, self.instances, EMBEDDING_LIMITS)
                    .map_err(|error| unusable(error.to_string()))?;
                Ok(Arc::new(ComponentModel::built_in(name, embedder)))
            }
            #[cfg(not(feature = "compile"))]
            Source::Configured(ModelConfig::Component(_)) => {
                Err(unusable("this program cannot compile components; use a node".to_owned()))
            }
            #[cfg(feature = "compile")]
            Source::Configured(ModelConfig::Component(config)) => {
                let opened = ComponentModel::open(name, config, &self.engine, &self.cache_dir, self.instances);
                Ok(Arc::new(opened.map_err(unusable)?))
            }
            #[cfg(not(feature = "network"))]
            Source::Configured(ModelConfig::Endpoint(_)) => {
                Err(unusable("this program asks nobody over the network; use a node".to_owned()))
            }
            #[cfg(feature = "network")]
            Source::Configured(ModelConfig::Endpoint(config)) => {
                Ok(Arc::new(RemoteModel::open(name, config, &self.allowed_hosts).map_err(unusable)?))
            }
        }
    }
}

/// Why a node has no models at all.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ModelsError {
    /// The default model's component.
    #[error(transparent)]
    Artefact(#[from] ArtefactError),
    /// The default model does not start.
    #[error("the embedding component does not start: {0}")]
    Component(#[from] CallError),
}

#[cfg(test)]
mod tests {
    use super::*;

    fn card(tokens_max: u32) -> ModelCard {
        let text = || "m".to_owned();
        ModelCard { name: text(), id: text(), dimensions: 3, tokens_max, cutter: text() }
    }

    /// A model that takes little is given that; one that takes a book is not, unless the project wants it; and chunks that
    /// another replica chose for a larger model fit the smaller one.
    #[test]
    fn chunks_fit_the_model() {
        let of = |tokens_max, chunking: Option<(u32, u32)>| {
            let chunking = chunking.map(|(tokens, overlap)| Chunking { tokens, overlap });
            let Chunking { tokens, overlap } = card(tokens_max).chunking(&Settings { model: None, chunking });
            (tokens, overlap)
        };
        assert_eq!([of(256, None), of(4_096, None), of(8, None)], [(256, 32), (512, 32), (8, 3)]);
        assert_eq!([of(4_096, Some((2_000, 100))), of(256, Some((2_000, 900)))], [(2_000, 100), (256, 127)]);
    }
}
