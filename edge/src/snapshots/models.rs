//! Models of snapshots: each compiled once, however many snapshots hold it.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use skerry_host::snapshot::{EMBEDDING, Manifest};
use skerry_host::{Component, Components, Embedder, Engine};

use super::SnapshotOpenError;
use crate::models::{DEFAULT_MODEL, EMBEDDING_LIMITS, STATIC_MODEL};

/// The models that are open.
#[derive(Debug, Default)]
pub struct SharedModels {
    /// By SHA-256 of their component.
    inside: Mutex<BTreeMap<String, Arc<Embedder>>>,
    /// By name, of the folder with components.
    beside: Mutex<BTreeMap<&'static str, Arc<Embedder>>>,
    /// Where the built components are, for snapshots without a model.
    components_dir: Option<PathBuf>,
    instances: usize,
}

impl SharedModels {
    /// No model yet. Snapshots without one find theirs in the folder with components, if there is one.
    pub fn new(components_dir: Option<PathBuf>, instances: usize) -> SharedModels {
        SharedModels { components_dir, instances, ..SharedModels::default() }
    }

    /// The model of a snapshot, or why there is none: then its words are all that can be asked. `inside` gives the component
    /// that is in the file.
    pub(super) fn of(
        &self,
        engine: &Engine,
        manifest: &Manifest,
        inside: impl FnOnce() -> Result<Option<Component>, SnapshotOpenError>,
    ) -> Result<Result<Arc<Embedder>, String>, SnapshotOpenError> {
        let Some(model) = &manifest.model else {
            return Ok(Err("its records have no vectors: the model was not there where it was baked".to_owned()));
        };
        let part = manifest.parts.iter().find(|part| part.name == EMBEDDING);
        if let Some(part) = part {
            let mut open = self.inside.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(embedder) = open.get(&part.sha256) {
                return Ok(Ok(Arc::clone(embedder)));
            }
            let Some(component) = inside()? else { return Ok(Err("its model is not in the file".to_owned())) };
            let embedder = match Embedder::new(engine, &component, self.instances.max(1), EMBEDDING_LIMITS) {
                Ok(embedder) => Arc::new(embedder),
                Err(error) => return Ok(Err(format!("the model inside does not start: {error}"))),
            };
            if !is_of(&embedder, &part.sha256, &model.id) {
                let found = &embedder.model().id;
                return Ok(Err(format!("the model inside is `{found}`, and its vectors are of `{}`", model.id)));
            }
            open.insert(part.sha256.clone(), Arc::clone(&embedder));
            return Ok(Ok(embedder));
        }
        Ok(self.beside(engine, &model.name, &model.id))
    }

    /// A model that is installed here.
    fn beside(&self, engine: &Engine, name: &str, id: &str) -> Result<Arc<Embedder>, String> {
        let absent = "the snapshot has no model inside";
        let Some(dir) = &self.components_dir else {
            return Err(format!(
                "{absent}; name a folder that has `{name}` with --components, or bake with --with-model"
            ));
        };
        let component = match name {
            DEFAULT_MODEL => "embedding",
            STATIC_MODEL => "embedding-static",
            _ => return Err(format!("{absent}, and `{name}` is none of those that are built in")),
        };
        let mut open = self.beside.lock().unwrap_or_else(PoisonError::into_inner);
        let embedder = if let Some(embedder) = open.get(component) {
            Arc::clone(embedder)
        } else {
            let opened = Components::open(dir).and_then(|components| components.component(engine, component));
            let opened = opened.map_err(|error| format!("{absent}, and `{name}` cannot be used: {error}"))?;
            let embedder = Embedder::new(engine, &opened, self.instances.max(1), EMBEDDING_LIMITS)
                .map_err(|error| format!("{absent}, and `{name}` does not start: {error}"))?;
            let embedder = Arc::new(embedder);
            open.insert(component, Arc::clone(&embedder));
            embedder
        };
        let found = embedder.model().id.clone();
        if found == id {
            return Ok(embedder);
        }
        Err(format!("{absent}, and the one that is installed here is `{found}`, not `{id}`"))
    }
}

/// Whether a component is the model that vectors were made with. One that an operator gave is named with its hash, whatever it
/// calls itself.
fn is_of(embedder: &Embedder, sha256: &str, id: &str) -> bool {
    let own = &embedder.model().id;
    own == id || crate::models::given_id(own, sha256) == id
}
