//! A project at a version as one file: what `skerry bake` and the hub's worker write.
//!
//! Records come from the replica, vectors from its cache, as far as it has them; the rest is embedded. Everything goes in in the
//! order of the records' keys and nothing says when or where, so the same version gives the same bytes on every replica with
//! the same components and the same model.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;

use skerry_host::bake::{self, BakeError};
use skerry_host::keys::SigningKey;
use skerry_host::snapshot::{self, Chunking, Manifest, Model};
use skerry_host::types::Document;
use skerry_sync::{ProjectName, ReadError, Record, RecordKey, Replica};

use crate::body::RecordBody;
use crate::index::IndexError;
use crate::index::derive::Derivation;
use crate::node::Node;
use crate::problem::{Kind, Problem};

/// Records that get their vectors at a time.
const EMBED_PAGE: usize = 64;

/// Documents that go into the segment at a time.
const BATCH: usize = 500;

/// Records read at a time.
const READ_PAGE: usize = 1_000;

/// What to bake.
#[derive(Debug, Default)]
pub struct BakeOptions {
    /// The version; none for the one of now.
    pub at: Option<String>,
    /// Leave the records out: hits name keys then.
    pub without_records: bool,
    /// Put the embedding component into the file.
    pub with_model: bool,
    /// Who signs.
    pub key: Option<SigningKey>,
}

/// How far it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// So many records have their vectors, of so many.
    Vectors {
        /// Done.
        done: u64,
        /// In all.
        of: u64,
    },
    /// The segment is being made.
    Segment(bake::Step),
}

/// Bakes a project. Blocks; what was embedded stays in the cache, also when it fails.
///
/// # Errors
/// [`Kind::UnknownProject`], [`Kind::UnknownVersion`], [`Kind::ModelUnavailable`] when the model is to be put in and cannot be,
/// what the model answers, and [`Kind::Internal`].
pub fn bake(
    node: &Node,
    project: &ProjectName,
    options: &BakeOptions,
    progress: &(dyn Fn(Step) + Send + Sync),
) -> Result<Vec<u8>, Problem> {
    let replica = node.replica();
    let info = replica.project(project)?;
    let version = match &options.at {
        Some(version) => version.to_ascii_lowercase(),
        None => replica.version(project)?.to_string(),
    };
    let heads = replica.heads_of(project, &version)?;
    let records = records_at(replica, project, &version)?;
    let derivation = Derivation::new(node.models(), &info.settings);
    let embedding = options.with_model.then(|| model_component(node, &derivation)).transpose()?;
    let model = derivation.model().ok().map(|model| model.card());
    if model.is_some() {
        embed(node, &derivation, &records, progress)?;
    }
    let manifest = Manifest {
        format: snapshot::FORMAT,
        project: project.to_string(),
        description: info.description,
        version,
        heads,
        epoch: replica.epoch(project)?.name(),
        model: model.map(|card| Model {
            id: card.id.clone(),
            name: card.name.clone(),
            dimensions: card.dimensions,
            tokens_max: card.tokens_max,
        }),
        chunking: chunking(&derivation),
        records: records.len() as u64,
        chunks: 0,
        has_records: !options.without_records,
        has_model: embedding.is_some(),
        parts: Vec::new(),
        made_by: concat!("skerry ", env!("CARGO_PKG_VERSION")).to_owned(),
    };
    let (query, manifest) = segment(node, &derivation, &records, manifest, progress)?;
    let file = snapshot::assemble(&query, embedding.as_deref(), &manifest).map_err(|error| failed(&error))?;
    match &options.key {
        Some(key) => snapshot::sign(file, key).map_err(|error| failed(&error)),
        None => Ok(file),
    }
}

/// All records of a version, in the order of their keys. Nobody who writes has to wait: what changes while the records are
/// read is put back to what it was.
fn records_at(replica: &Replica, project: &ProjectName, version: &str) -> Result<Vec<Record>, Problem> {
    let mut records: BTreeMap<RecordKey, Record> = BTreeMap::new();
    let mut after: Option<RecordKey> = None;
    loop {
        let page = replica.scan(project, after.as_ref(), READ_PAGE)?;
        let Some(last) = page.last() else { break };
        after = Some(last.key.clone());
        records.extend(page.into_iter().map(|record| (record.key.clone(), record)));
    }
    let past = match replica.past(project, version) {
        // A project that nobody has written to has a version and no history.
        Err(ReadError::UnknownVersion(_)) if replica.version(project)?.to_string() == version => Vec::new(),
        past => past?.changed,
    };
    for (key, then) in past {
        match then {
            Some(record) => records.insert(key, record),
            None => records.remove(&key),
        };
    }
    Ok(records.into_values().collect())
}

/// Embeds what the cache does not have.
fn embed(
    node: &Node,
    derivation: &Derivation,
    records: &[Record],
    progress: &(dyn Fn(Step) + Send + Sync),
) -> Result<(), Problem> {
    let mut done = 0;
    for page in records.chunks(EMBED_PAGE) {
        let texts: Vec<&str> = page.iter().map(|record| record.text.as_str()).collect();
        derivation.embedded(node.replica(), &texts, None)?;
        done += page.len() as u64;
        progress(Step::Vectors { done, of: records.len() as u64 });
    }
    Ok(())
}

/// Bakes the segment and the description, which says how many chunks there are.
fn segment(
    node: &Node,
    derivation: &Derivation,
    records: &[Record],
    manifest: Manifest,
    progress: &(dyn Fn(Step) + Send + Sync),
) -> Result<(Vec<u8>, Manifest), Problem> {
    let path = &node.sources().query_wasm;
    let wasm = std::fs::read(path).map_err(|error| failed(&format!("cannot read {}: {error}", path.display())))?;
    let (chunks, failure) = (Cell::new(0), RefCell::new(None));
    let mut pages = records.chunks(BATCH);
    // An iterator has no way to fail but to end.
    let batches = std::iter::from_fn(|| match documents(node, derivation, pages.next()?, manifest.has_records) {
        Ok(documents) => {
            let count: usize = documents.iter().map(|document| document.chunks.len()).sum();
            chunks.set(chunks.get() + count as u64);
            Some(documents)
        }
        Err(error) => {
            failure.replace(Some(error));
            None
        }
    });
    let describe = || Manifest { chunks: chunks.get(), ..manifest.clone() }.describe();
    let baked = bake::snapshot(&wasm, batches, describe, &|step| progress(Step::Segment(step)));
    match failure.take() {
        Some(failure) => Err(failure),
        None => Ok((baked.map_err(refused)?, Manifest { chunks: chunks.get(), ..manifest })),
    }
}

fn documents(
    node: &Node,
    derivation: &Derivation,
    records: &[Record],
    has_records: bool,
) -> Result<Vec<Document>, Problem> {
    let mut documents = derivation.baked_documents(node.sources(), records)?;
    if has_records {
        for (document, record) in documents.iter_mut().zip(records) {
            // What the API answers of the record, byte for byte.
            document.payload = serde_json::to_vec(&RecordBody::from(record.clone())).map_err(|error| failed(&error))?;
        }
    }
    Ok(documents)
}

/// The model's component, for whoever runs the snapshot.
fn model_component(node: &Node, derivation: &Derivation) -> Result<Vec<u8>, Problem> {
    // Where it is not here there are no vectors that it would be compared with.
    derivation.model()?;
    let path = node.models().component_path(derivation.model_name())?;
    std::fs::read(&path).map_err(|error| {
        let detail = "The model's component cannot be read; bake without the model, or mend the installation.";
        tracing::error!(path = %path.display(), %error, "a model's component cannot be read");
        Problem::new(Kind::ModelUnavailable, detail).with("model", derivation.model_name())
    })
}

fn chunking(derivation: &Derivation) -> Chunking {
    let skerry_sync::Chunking { tokens, overlap } = derivation.chunking();
    Chunking { tokens, overlap }
}

fn refused(error: BakeError) -> Problem {
    match error {
        BakeError::Document(error) => IndexError::from(skerry_host::QueryError::from(error)).into(),
        other => failed(&other),
    }
}

fn failed(cause: &dyn std::fmt::Display) -> Problem {
    Problem::internal(cause)
}
