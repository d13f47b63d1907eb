//! The worker that bakes snapshots of projects into the central store: what functions and devices answer from.
//!
//! It reads a project's documents into a replica of its own, which it keeps from one round to the next, so that only new chunks
//! are read and only new texts are embedded. Files are named by what they hold, and `latest.json` is written last: whoever reads it
//! finds everything that it names. Any number of workers may run over one store: they bake the same bytes.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::SystemTime;

use anyhow::Context;
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};
use skerry_central::snapshots::{LATEST_FORMAT, Latest, StoredArtefact};
use skerry_central::{CentralStore, Filled, fill};
use skerry_edge::bake::{BakeOptions, bake};
use skerry_edge::node::{Node, NodeConfig, SEAL_AFTER};
use skerry_host::artefact::{self, Profile};
use skerry_host::keys::SigningKey;
use skerry_host::snapshot::{EMBEDDING, SnapshotFile};
use skerry_sync::ProjectName;

/// What a worker works with.
#[derive(Debug)]
pub struct WorkerConfig {
    /// Its replica, and its cache of vectors. May be deleted at any time; then everything is read and embedded again.
    pub work_dir: PathBuf,
    /// The built components; looked for beside the program when absent.
    pub components_dir: Option<PathBuf>,
    /// The file with further models.
    pub models_file: Option<PathBuf>,
    /// The file with the key that signs.
    pub key: Option<PathBuf>,
    /// Machines for which native code is made; none without a key.
    pub profiles: Vec<Profile>,
    /// Put the model into the snapshots.
    pub with_model: bool,
    /// Leave the records out.
    pub without_records: bool,
    /// Snapshots of a project that stay at least.
    pub keep: usize,
}

/// What came of a project.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The store has nothing of it.
    Nothing,
    /// Documents of its newest epoch are missing; baking waits for them.
    Waiting,
    /// The newest snapshot is of this.
    Unchanged {
        /// The file.
        sha256: String,
    },
    /// A new one.
    Baked {
        /// The file.
        sha256: String,
        /// Its length.
        bytes: u64,
    },
}

/// Bakes snapshots, one project after another.
#[derive(Debug)]
pub struct Worker {
    node: Arc<Node>,
    store: Arc<CentralStore>,
    config: WorkerConfig,
    /// Names everything but the project that decides what a snapshot's bytes are.
    recipe: String,
}

impl Worker {
    /// Opens the worker's replica and its components. Blocks.
    ///
    /// # Errors
    /// When the folder, the components or the key cannot be used.
    pub fn open(store: Arc<CentralStore>, config: WorkerConfig) -> anyhow::Result<Worker> {
        let key = config.key.as_deref().map(SigningKey::read).transpose()?;
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let node = Node::open(&NodeConfig {
            data_dir: config.work_dir.clone(),
            components_dir: config.components_dir.clone(),
            embedder_instances: cores,
            seal_after: SEAL_AFTER,
            models_file: config.models_file.clone(),
            plugins_file: None,
        })?;
        let profiles: Vec<&str> = config.profiles.iter().map(|profile| profile.name()).collect();
        let recipe = format!(
            "{} {} {} {} {} {}",
            env!("CARGO_PKG_VERSION"),
            node.sources().query_sha256,
            config.with_model,
            config.without_records,
            key.map(|key| key.public().to_string()).unwrap_or_default(),
            profiles.join(" ")
        );
        Ok(Worker { node, store, config, recipe })
    }

    /// Bakes a project if there is something new.
    ///
    /// # Errors
    /// What the store, the replica or a component answered; the newest snapshot is the one before.
    pub async fn bake(&self, project: &ProjectName) -> anyhow::Result<Outcome> {
        let filled = fill(self.node.replica(), project, &self.store).await.context("read the project")?;
        self.purge(project).await?;
        if !filled.is_there() {
            return Ok(Outcome::Nothing);
        }
        // A project that reached the store over WebSocket alone is known by its name from here on.
        self.store.note_project(project).await?;
        if filled.waiting {
            return Ok(Outcome::Waiting);
        }
        let recipe = self.recipe_of(project)?;
        let newest = self.store.latest_snapshot(project).await?;
        if let Some(newest) = &newest
            && newest.recipe == recipe
            && self.store.has_snapshot(project, newest).await?
        {
            return self.unchanged(project, newest, &filled).await;
        }
        let (node, name, options) = (Arc::clone(&self.node), project.clone(), self.options()?);
        let file = tokio::task::spawn_blocking(move || bake(&node, &name, &options, &|_| ())).await??;
        self.publish(project, file, newest, &filled, recipe).await
    }

    /// Deletes snapshots that nobody needs. Answers how many objects went.
    ///
    /// # Errors
    /// What the store answered.
    pub async fn collect(&self) -> anyhow::Result<usize> {
        Ok(self.store.collect_snapshots(self.config.keep, SystemTime::now()).await?)
    }

    /// What was erased elsewhere must not stay in the worker's folder.
    async fn purge(&self, project: &ProjectName) -> anyhow::Result<()> {
        let (node, name) = (Arc::clone(&self.node), project.clone());
        tokio::task::spawn_blocking(move || node.purge(&name).map(drop)).await??;
        Ok(())
    }

    fn options(&self) -> anyhow::Result<BakeOptions> {
        Ok(BakeOptions {
            at: None,
            without_records: self.config.without_records,
            with_model: self.config.with_model,
            key: self.key()?,
        })
    }

    fn key(&self) -> anyhow::Result<Option<SigningKey>> {
        Ok(self.config.key.as_deref().map(SigningKey::read).transpose()?)
    }

    /// Names what a snapshot of the project as it is now would be.
    fn recipe_of(&self, project: &ProjectName) -> anyhow::Result<String> {
        let info = self.node.replica().project(project)?;
        let version = self.node.replica().version(project)?;
        let derivation = skerry_edge::index::derive::Derivation::new(self.node.models(), &info.settings);
        let model = derivation.model().map(|model| model.card().id.clone()).unwrap_or_default();
        let chunking = derivation.chunking();
        let all = format!(
            "{}\0{version}\0{}\0{model}\0{}\0{}",
            self.recipe, info.description, chunking.tokens, chunking.overlap
        );
        Ok(hex::encode(Sha256::digest(all)))
    }

    /// The hub may have put a snapshot of a document in the place of its chunks: readers are told that this is nothing new.
    async fn unchanged(&self, project: &ProjectName, newest: &Latest, filled: &Filled) -> anyhow::Result<Outcome> {
        let covers = Latest::covers_of(&filled.covers);
        if covers != newest.covers {
            self.store.publish_snapshot(project, None, &Latest { covers, ..newest.clone() }).await?;
        }
        Ok(Outcome::Unchanged { sha256: newest.sha256.clone() })
    }

    async fn publish(
        &self,
        project: &ProjectName,
        file: Vec<u8>,
        before: Option<Latest>,
        filled: &Filled,
        recipe: String,
    ) -> anyhow::Result<Outcome> {
        let read = SnapshotFile::read(&file)?;
        let manifest = read.manifest().clone();
        let mut artefacts = Vec::new();
        for profile in &self.config.profiles {
            for part in &manifest.parts {
                let known = before.iter().flat_map(|before| &before.artefacts).find(|known| {
                    known.part == part.name
                        && known.member("profile") == profile.name()
                        && known.member("wasm_sha256") == part.sha256
                        && known.member("wasmtime") == artefact::WASMTIME
                });
                artefacts.push(match known {
                    // The model's, as a rule.
                    Some(known) if self.is_ours(known)? && self.store.has_artefact(known).await? => known.clone(),
                    _ => self.compile(*profile, &part.name, read.part(&part.name).unwrap_or_default()).await?,
                });
            }
        }
        if let Some(model) = read.part(EMBEDDING) {
            self.store.store_model(model.to_vec()).await?;
        }
        let latest = Latest {
            format: LATEST_FORMAT,
            project: project.to_string(),
            version: manifest.version.clone(),
            epoch: manifest.epoch.clone(),
            sha256: hex::encode(Sha256::digest(&file)),
            bytes: file.len() as u64,
            unbaked_sha256: self.node.sources().query_sha256.clone(),
            records: manifest.records,
            model_sha256: read.part_sha256(EMBEDDING).map(str::to_owned),
            covers: Latest::covers_of(&filled.covers),
            artefacts,
            recipe,
        };
        drop(read);
        self.store.publish_snapshot(project, Some(file), &latest).await?;
        tracing::info!(%project, version = latest.version, sha256 = latest.sha256, bytes = latest.bytes, "baked");
        Ok(Outcome::Baked { sha256: latest.sha256, bytes: latest.bytes })
    }

    /// Whether the key of now signed it.
    fn is_ours(&self, known: &StoredArtefact) -> anyhow::Result<bool> {
        Ok(self.key()?.is_some_and(|key| key.public().to_string() == known.member("key")))
    }

    async fn compile(&self, profile: Profile, part: &str, wasm: &[u8]) -> anyhow::Result<StoredArtefact> {
        let key = self.key()?.context("native code is made only where there is a key that signs it; give --sign")?;
        let wasm = wasm.to_vec();
        let compiled = tokio::task::spawn_blocking(move || artefact::compile_and_sign(profile, &wasm, &key)).await?;
        let (code, description) = compiled?;
        let object = self.store.store_artefact(code).await?;
        let description = match serde_json::to_value(&description)? {
            Value::Object(members) => members,
            _ => Map::new(),
        };
        Ok(StoredArtefact { part: part.to_owned(), object, description })
    }
}

/// The projects that were named, or all that the store knows of.
///
/// # Errors
/// What the store answered.
pub async fn projects(store: &CentralStore, named: &[ProjectName]) -> anyhow::Result<Vec<ProjectName>> {
    if !named.is_empty() {
        return Ok(named.iter().cloned().collect::<BTreeSet<_>>().into_iter().collect());
    }
    Ok(store.projects().await?)
}
