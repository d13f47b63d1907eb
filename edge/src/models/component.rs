//! A model in a WebAssembly component: one of ours, or one that the operator gave.

use std::path::Path;
use std::time::Duration;

use sha2::{Digest, Sha256};
use skerry_host::{Cancel, Component, Embedder, Engine, Limits, inspect};
use skerry_sync::{CHUNK_TOKENS_MIN, Chunking, Span};

use super::answer::unit;
use super::config::{ComponentConfig, DIMENSIONS_MAX};
use super::{Model, ModelCard, ModelError};

/// Limits of a call to a model that is built in.
pub const EMBEDDING_LIMITS: Limits = Limits { memory_bytes_max: 256 << 20, deadline: Duration::from_mins(2) };

/// Bytes of a given component at most.
const FILE_BYTES_MAX: u64 = 1 << 30;

/// What a model exports.
const INTERFACE: &str = "skerry:embedding/embedder@";

/// Special tokens of a text.
const SPECIAL_TOKENS: usize = 2;

/// A pool of instances of a component.
#[derive(Debug)]
pub(super) struct ComponentModel {
    card: ModelCard,
    embedder: Embedder,
    /// Vectors of a component of ours are as its contract says.
    is_trusted: bool,
}

impl ComponentModel {
    pub(super) fn built_in(name: &str, embedder: Embedder) -> ComponentModel {
        let model = embedder.model();
        let card = ModelCard {
            name: name.to_owned(),
            id: model.id.clone(),
            dimensions: model.dimensions,
            tokens_max: model.tokens_max,
            cutter: model.id.clone(),
        };
        ComponentModel { card, embedder, is_trusted: true }
    }

    /// Opens a component that somebody else built: it must import nothing, and offer what a model offers.
    ///
    /// # Errors
    /// What is wrong with it, and what to do.
    pub(super) fn open(
        name: &str,
        config: &ComponentConfig,
        engine: &Engine,
        cache_dir: &Path,
        instances: usize,
    ) -> Result<ComponentModel, String> {
        let path = config.path.display();
        let unreadable = |error: std::io::Error| format!("cannot read {path}: {error}");
        let length = std::fs::metadata(&config.path).map_err(unreadable)?.len();
        if length > FILE_BYTES_MAX {
            return Err(format!("{path} has {length} bytes; a component has at most {FILE_BYTES_MAX}"));
        }
        let wasm = std::fs::read(&config.path).map_err(unreadable)?;
        check(&wasm).map_err(|reason| format!("{path} {reason}"))?;
        let failed = |error: &dyn std::fmt::Display| format!("{path} does not start: {error}");
        let component = Component::open(engine, cache_dir, "model", &wasm).map_err(|error| failed(&error))?;
        let embedder = Embedder::new(engine, &component, instances, config.limits).map_err(|error| failed(&error))?;
        let model = embedder.model();
        if !(1..=DIMENSIONS_MAX).contains(&model.dimensions) || model.tokens_max < CHUNK_TOKENS_MIN {
            return Err(format!(
                "{path} says that its vectors have {} numbers, of texts of {} tokens; they have 1 to {DIMENSIONS_MAX}, of {CHUNK_TOKENS_MIN} tokens or more",
                model.dimensions, model.tokens_max
            ));
        }
        // Whatever it calls itself: other bytes are another model, and never use its vectors.
        let digest = hex::encode(Sha256::digest(&wasm));
        let id = given_id(&model.id, &digest);
        let card = ModelCard {
            name: name.to_owned(),
            cutter: id.clone(),
            id,
            dimensions: model.dimensions,
            tokens_max: model.tokens_max,
        };
        Ok(ComponentModel { card, embedder, is_trusted: false })
    }
}

/// The identity of a model whose component somebody gave: what it calls itself, and the SHA-256 of the component.
pub(crate) fn given_id(own: &str, sha256: &str) -> String {
    let own: String = own.chars().filter(|c| !c.is_control()).take(64).collect();
    format!("component:{own}@{}", sha256.get(..16).unwrap_or(sha256))
}

/// Refuses what is no model, before anything of it is compiled.
fn check(wasm: &[u8]) -> Result<(), String> {
    let imports = inspect::imports(wasm).map_err(|error| format!("cannot be used: {error}"))?;
    if let Some(first) = imports.first() {
        return Err(format!("imports `{first}`; a model is a pure function and imports nothing"));
    }
    let exports = inspect::exports(wasm).map_err(|error| format!("cannot be used: {error}"))?;
    if !exports.iter().any(|export| export.starts_with(INTERFACE)) {
        let exports = if exports.is_empty() { "nothing".to_owned() } else { exports.join(", ") };
        return Err(format!(
            "is no model: it exports {exports}; the world `skerry:embedding/provider` asks for `skerry:embedding/embedder@0.1.0`"
        ));
    }
    Ok(())
}

impl Model for ComponentModel {
    fn card(&self) -> &ModelCard {
        &self.card
    }

    fn embed(&self, texts: &[&str], cancel: Option<&Cancel>) -> Result<Vec<Vec<f32>>, ModelError> {
        let vectors = self.embedder.embed_with(texts, cancel)?.into_iter().map(|embedding| embedding.vector);
        if self.is_trusted {
            return Ok(vectors.collect());
        }
        let checked = vectors.map(|vector| {
            let length: f32 = vector.iter().map(|number| number * number).sum();
            // Scaling moves bits: what has unit length as far as `f32` can tell is left as it is.
            let is_unit = vector.len() == self.card.dimensions as usize && (length - 1.0).abs() < 1e-4;
            if is_unit { Ok(vector) } else { unit(vector, self.card.dimensions) }
        });
        checked.collect::<Result<_, String>>().map_err(|reason| ModelError::Failed {
            name: self.card.name.clone(),
            reason: format!("its answer {reason}"),
        })
    }

    fn split(&self, text: &str, chunking: Chunking) -> Result<Vec<Span>, ModelError> {
        let spans = self.embedder.split(text, chunking.tokens, chunking.overlap)?;
        let is_part = |start: u32, end: u32| text.get(start as usize..end as usize).is_some();
        if spans.is_empty() || spans.iter().any(|span| !is_part(span.start, span.end)) {
            let reason = "it cut a text where no characters begin or end".to_owned();
            return Err(ModelError::Failed { name: self.card.name.clone(), reason });
        }
        Ok(spans.into_iter().map(|span| (span.start, span.end)).collect())
    }

    /// A token is made of one byte at least: decomposing characters adds marks, which are dropped, and the parts of a Hangul
    /// syllable are at most as many as its bytes.
    fn bytes_of_one_chunk(&self, tokens: u32) -> usize {
        (tokens as usize).saturating_sub(SPECIAL_TOKENS)
    }
}
