//! How a project's texts become vectors: a model, and how long texts are cut for it.

use std::collections::BTreeSet;
use std::sync::Arc;

use sha2::{Digest, Sha256};
use skerry_host::Cancel;
use skerry_host::types::{Chunk, Document, Span};
use skerry_sync::{Chunking, ProjectName, Record, RecordKey, Replica, Settings};

use super::{IndexError, Sources};
use crate::filter;
use crate::models::{DEFAULT_MODEL, Model, ModelError, Models};

/// Chunks of one record at most: what the query component takes.
const CHUNKS_MAX: usize = 4_096;

/// Chunks embedded between two commits of the vector cache: what a crash costs at most, in work.
const EMBED_PAGE: usize = 128;

/// What the vectors of an index are made with.
#[derive(Debug, Clone)]
pub struct Derivation {
    settings: Settings,
    model: Result<Arc<dyn Model>, ModelError>,
    chunking: Chunking,
}

impl Derivation {
    /// What the settings of a project mean on this node. A model that it does not have is no error here: keyword search needs
    /// none.
    pub fn new(models: &Models, settings: &Settings) -> Derivation {
        let model = models.get(Models::name_for(settings)).map_err(|error| match error {
            // The project asks for it, whoever is asking now.
            ModelError::Unknown { name, known } => ModelError::Unusable {
                name,
                reason: format!("it is not configured here, only {known}; add it to the file given with --models"),
            },
            other => other,
        });
        let unknown = Chunking { tokens: 0, overlap: 0 };
        let chunking = match &model {
            Ok(model) => model.card().chunking(settings),
            Err(_) => settings.chunking.unwrap_or(unknown),
        };
        Derivation { settings: settings.clone(), model, chunking }
    }

    /// The settings that it was made from.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The name of the model.
    pub fn model_name(&self) -> &str {
        Models::name_for(&self.settings)
    }

    /// The model.
    ///
    /// # Errors
    /// Why this node does not have it.
    pub fn model(&self) -> Result<&Arc<dyn Model>, ModelError> {
        self.model.as_ref().map_err(Clone::clone)
    }

    /// How texts are cut.
    pub fn chunking(&self) -> Chunking {
        self.chunking
    }

    /// Names the model with its identity and the cutting: vectors under other labels must not meet these.
    pub(super) fn label(&self) -> String {
        let Chunking { tokens, overlap } = self.chunking;
        match &self.model {
            Ok(model) => format!("{} {tokens}/{overlap}", model.card().id),
            Err(_) => format!("none ({})", self.model_name()),
        }
    }

    /// Whether both give the same vectors.
    pub fn is_same(&self, other: &Derivation) -> bool {
        self.label() == other.label()
    }

    /// The name of the index's folder; that of the default model is the project's own.
    pub(crate) fn folder(&self, project: &ProjectName) -> String {
        if self.model_name() == DEFAULT_MODEL && self.settings.chunking.is_none() {
            return project.to_string();
        }
        let Chunking { tokens, overlap } = self.chunking;
        let digest = hex::encode(Sha256::digest(format!("{}\0{tokens}\0{overlap}", self.model_name())));
        format!("{project}@{}", digest.get(..16).unwrap_or(&digest))
    }

    /// Names what decides where texts are cut, for the cache.
    fn cutter(&self, model: &dyn Model) -> String {
        format!("{}\0{}/{}", model.card().cutter, self.chunking.tokens, self.chunking.overlap)
    }

    /// The chunks of each text, as far as the cache has all of them; no chunks for an empty text. Asks no model.
    ///
    /// # Errors
    /// [`IndexError::Read`].
    pub fn cached(&self, replica: &Replica, texts: &[&str]) -> Result<Vec<Option<Vec<Chunk>>>, IndexError> {
        let Ok(model) = &self.model else {
            return Ok(texts.iter().map(|text| text.is_empty().then(Vec::new)).collect());
        };
        let spans = self.cached_spans(replica, model.as_ref(), texts)?;
        let mut vectors = replica.vectors(&model.card().id, &slices(texts, &spans))?.into_iter();
        let chunks = spans.into_iter().map(|spans| {
            let spans = spans?;
            // All of them are taken from the iterator, also when one is missing.
            let found: Vec<Option<Vec<f32>>> = vectors.by_ref().take(spans.len()).collect();
            let chunk = |(span, vector): (Span, Option<Vec<f32>>)| Some(Chunk { span, vector: vector? });
            spans.into_iter().zip(found).map(chunk).collect()
        });
        Ok(chunks.collect())
    }

    /// The names in the cache of everything that belongs to texts; none where the model is not here.
    ///
    /// # Errors
    /// [`IndexError::Read`].
    pub(crate) fn cache_keys(&self, replica: &Replica, texts: &[&str]) -> Result<Vec<[u8; 16]>, IndexError> {
        let Ok(model) = &self.model else { return Ok(Vec::new()) };
        let spans = self.cached_spans(replica, model.as_ref(), texts)?;
        let cutter = self.cutter(model.as_ref());
        let keys = texts.iter().zip(&spans).flat_map(|(text, spans)| {
            let chunks = slices(&[*text], std::slice::from_ref(spans));
            skerry_sync::vector_keys(&model.card().id, &cutter, text, &chunks)
        });
        Ok(keys.collect())
    }

    /// Spans of texts that are in the cache or need no cutting.
    fn cached_spans(
        &self,
        replica: &Replica,
        model: &dyn Model,
        texts: &[&str],
    ) -> Result<Vec<Option<Vec<Span>>>, IndexError> {
        let bytes_of_one = model.bytes_of_one_chunk(self.chunking.tokens);
        let long: Vec<&str> = texts.iter().copied().filter(|text| text.len() > bytes_of_one).collect();
        let mut cut = if long.is_empty() { Vec::new() } else { replica.spans(&self.cutter(model), &long)? }.into_iter();
        let spans = texts.iter().map(|text| match text.len() {
            0 => Some(Vec::new()),
            bytes if bytes <= bytes_of_one => Some(vec![Span { start: 0, end: bytes as u32 }]),
            _ => cut.next()?.map(|spans| spans.into_iter().map(|(start, end)| Span { start, end }).collect()),
        });
        Ok(spans.collect())
    }

    /// The chunks of each text, from the cache, or else cut, embedded and cached.
    ///
    /// # Errors
    /// [`IndexError::Model`] when the model is not there or fails; what was embedded before stays in the cache.
    pub fn embedded(
        &self,
        replica: &Replica,
        texts: &[&str],
        cancel: Option<&Cancel>,
    ) -> Result<Vec<Vec<Chunk>>, IndexError> {
        let model = self.model()?.as_ref();
        let mut spans = self.cached_spans(replica, model, texts)?;
        let mut cut = Vec::new();
        for (text, _) in texts.iter().zip(&spans).filter(|(_, spans)| spans.is_none()) {
            cut.push((*text, self.cut(model, text)?));
        }
        if !cut.is_empty() {
            let entries: Vec<_> = cut.iter().map(|(text, spans)| (*text, spans.as_slice())).collect();
            replica.put_spans(&self.cutter(model), &entries)?;
            spans = self.cached_spans(replica, model, texts)?;
        }
        let slices = slices(texts, &spans);
        let vectors = replica.vectors(&model.card().id, &slices)?;
        let missing: BTreeSet<&str> =
            slices.iter().zip(vectors).filter(|(_, vector)| vector.is_none()).map(|(slice, _)| *slice).collect();
        for page in missing.into_iter().collect::<Vec<_>>().chunks(EMBED_PAGE) {
            let vectors = model.embed(page, cancel)?;
            let entries: Vec<(&str, &[f32])> = page.iter().copied().zip(vectors.iter().map(Vec::as_slice)).collect();
            replica.put_vectors(&model.card().id, &entries)?;
        }
        let lost = || ModelError::Failed {
            name: self.model_name().to_owned(),
            reason: "the cache of vectors does not keep what is put into it".to_owned(),
        };
        let chunks = self.cached(replica, texts)?.into_iter().collect::<Option<Vec<_>>>();
        Ok(chunks.ok_or_else(lost)?)
    }

    /// Cuts a text; into fewer and longer chunks where there would be too many.
    fn cut(&self, model: &dyn Model, text: &str) -> Result<Vec<(u32, u32)>, ModelError> {
        let mut chunking = self.chunking;
        loop {
            let mut spans = model.split(text, chunking)?;
            if spans.len() <= CHUNKS_MAX || chunking.tokens >= model.card().tokens_max {
                // What is still too long is a text of a megabyte for a model of a few tokens.
                spans.truncate(CHUNKS_MAX);
                return Ok(spans);
            }
            chunking.tokens = chunking.tokens.saturating_mul(2).min(model.card().tokens_max);
        }
    }

    /// Those of the records that are there, with their vectors as far as the cache has them.
    pub(crate) fn documents(
        &self,
        sources: &Sources,
        project: &ProjectName,
        keys: &[RecordKey],
    ) -> Result<Vec<Document>, IndexError> {
        let records: Vec<Record> = sources.replica.get_many(project, keys)?.into_iter().flatten().collect();
        let chunks = self.cached(&sources.replica, &texts(&records))?;
        Ok(records.iter().zip(chunks).map(|(record, chunks)| document(record, chunks.unwrap_or_default())).collect())
    }

    /// Records with their vectors, for a snapshot; without, where there is no model.
    ///
    /// # Errors
    /// As [`Derivation::embedded`].
    #[cfg(feature = "compile")]
    pub(crate) fn baked_documents(&self, sources: &Sources, records: &[Record]) -> Result<Vec<Document>, IndexError> {
        match &self.model {
            Ok(_) => self.embedded_documents(sources, records, None),
            Err(_) => Ok(Derivation::documents_without_vectors(records)),
        }
    }

    /// Records for whom there is no model.
    pub(super) fn documents_without_vectors(records: &[Record]) -> Vec<Document> {
        records.iter().map(|record| document(record, Vec::new())).collect()
    }

    /// Records with their vectors.
    pub(super) fn embedded_documents(
        &self,
        sources: &Sources,
        records: &[Record],
        cancel: Option<&Cancel>,
    ) -> Result<Vec<Document>, IndexError> {
        let chunks = self.embedded(&sources.replica, &texts(records), cancel)?;
        Ok(records.iter().zip(chunks).map(|(record, chunks)| document(record, chunks)).collect())
    }
}

fn texts(records: &[Record]) -> Vec<&str> {
    records.iter().map(|record| record.text.as_str()).collect()
}

/// The parts of the texts that the spans name, one text after another.
fn slices<'a>(texts: &[&'a str], spans: &[Option<Vec<Span>>]) -> Vec<&'a str> {
    // A span that is no part of the text is one of another text whose hash is the same, which does not happen.
    let slice = |text: &'a str, span: &Span| text.get(span.start as usize..span.end as usize).unwrap_or(text);
    let all = texts.iter().zip(spans).flat_map(|(text, spans)| spans.iter().flatten().map(|span| slice(text, span)));
    all.collect()
}

fn document(record: &Record, chunks: Vec<Chunk>) -> Document {
    Document {
        key: record.key.as_str().to_owned(),
        text: record.text.clone(),
        chunks,
        fields: filter::fields(record),
        payload: Vec::new(),
    }
}
