//! A snapshot as something that queries are asked of.

use std::borrow::Cow;

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::value::{RawValue, to_raw_value};

use crate::alike;
use crate::backend::Backend;
use crate::body::RecordPage;
use crate::description::{Chunking, Description, Model, NO_MODEL};
use crate::problem::{Kind, Problem};
use crate::source::{EmbedError, Found, ModelCard, Source, no_record_to_be_like, no_text_to_be_like};
use crate::types::{
    Comparison, Condition, Excerpt, FilterNode, Hit, Parsed, Request, Response, Scalar, Span, SyntaxError,
};

/// Chunks of one record at most, as everywhere.
const CHUNKS_MAX: usize = 4_096;

/// A record's JSON as it was baked. It is put into an answer without being read.
pub(crate) type RawRecord = Box<RawValue>;

/// A snapshot, its components ready to be asked.
pub(crate) struct Snapshot<'a, B> {
    pub(crate) backend: &'a mut B,
    pub(crate) description: &'a Description,
    /// The version that the request names.
    pub(crate) version: Option<String>,
}

impl<B: Backend> Snapshot<'_, B> {
    /// The record with this key.
    pub(crate) fn record(&mut self, key: &str) -> Result<Option<Vec<u8>>, Problem> {
        self.check_records()?;
        let request = on_keys(Comparison::Eq(Scalar::Text(key.to_owned())), 1);
        Ok(self.backend.search(request)?.hits.pop().map(|hit| hit.payload))
    }

    /// Records behind a key, in the order of their keys.
    pub(crate) fn page(&mut self, after: Option<String>, limit: u32) -> Result<RecordPage<RawRecord>, Problem> {
        self.check_records()?;
        let comparison = after.map_or(Comparison::Exists, |after| Comparison::Greater(Scalar::Text(after)));
        let Response { mut hits, .. } = self.backend.search(on_keys(comparison, limit))?;
        let next = hits.last().filter(|_| hits.len() == limit as usize).map(|hit| hit.key.clone());
        let records = hits.iter_mut().map(raw).collect::<Result<_, _>>()?;
        Ok(RecordPage { records, next })
    }

    fn check_records(&self) -> Result<(), Problem> {
        if self.description.has_records {
            return Ok(());
        }
        Err(needs_node("This snapshot was baked without its records; a hit names the record's key, and no more."))
    }

    /// A snapshot is one version; of others it knows nothing.
    fn check_version(&self) -> Result<(), Problem> {
        match &self.version {
            Some(version) if *version != self.description.version => {
                let own = &self.description.version;
                let shown: String = version.chars().take(80).collect();
                let detail = format!(
                    "This snapshot is the version `{own}` of the project and knows no other; ask a node for `{shown}`."
                );
                Err(needs_node(detail).with("version", shown))
            }
            _ => Ok(()),
        }
    }

    fn known_model(&self) -> Result<(&Model, Chunking), EmbedError> {
        let Description { model, chunking, .. } = self.description;
        model.as_ref().zip(*chunking).ok_or_else(|| EmbedError::unusable("", NO_MODEL))
    }

    /// The vectors of texts by the project's model, and by no other.
    fn vectors(&mut self, texts: &[&str]) -> Result<Vec<Vec<f32>>, EmbedError> {
        let (Model { id, name, .. }, _) = self.known_model()?;
        let (id, name) = (id.clone(), name.clone());
        let embedding = self.backend.embedding().map_err(|why| EmbedError::unusable(&name, &why))?;
        if embedding.id != id {
            let why = format!("the embedding component beside the snapshot has the model `{}`", embedding.id);
            return Err(EmbedError::unusable(&name, &why));
        }
        let vectors = self.backend.embed(texts).map_err(|why| EmbedError::unusable(&name, &why))?;
        if vectors.len() == texts.len() { Ok(vectors) } else { Err(EmbedError::Failed(Problem::internal())) }
    }

    /// The parts of a text that have vectors of their own, as a node cuts it: into fewer and longer ones where there would be
    /// too many.
    fn cut<'t>(&mut self, text: &'t str) -> Result<Vec<&'t str>, EmbedError> {
        let (Model { name, tokens_max, .. }, chunking) = self.known_model()?;
        let (name, tokens_max, mut tokens) = (name.clone(), *tokens_max, chunking.tokens);
        loop {
            let spans = self.backend.split(text, tokens, chunking.overlap);
            let mut spans = spans.map_err(|why| EmbedError::unusable(&name, &why))?;
            if spans.len() <= CHUNKS_MAX || tokens >= tokens_max {
                spans.truncate(CHUNKS_MAX);
                let part = |Span { start, end }: &Span| text.get(*start as usize..*end as usize).unwrap_or(text);
                return Ok(spans.iter().map(part).collect());
            }
            tokens = tokens.saturating_mul(2).min(tokens_max);
        }
    }
}

impl<B: Backend> Source for Snapshot<'_, B> {
    type Record = RawRecord;
    // Both are refused, whatever they say.
    type Within = IgnoredAny;
    type Expand = IgnoredAny;
    type Via = IgnoredVia;

    fn model_name(&self) -> &str {
        self.description.model.as_ref().map_or("", |model| &model.name)
    }

    fn model(&self) -> Result<ModelCard<'_>, Problem> {
        let (Model { id, name, dimensions, .. }, _) = self.known_model().map_err(EmbedError::into_problem)?;
        Ok(ModelCard { name, id, dimensions: *dimensions })
    }

    fn parse(&mut self, query: &str) -> Result<Result<Parsed, SyntaxError>, Problem> {
        self.backend.parse(query)
    }

    fn embed(&mut self, text: &str) -> Result<Vec<f32>, EmbedError> {
        self.vectors(&[text])?.pop().ok_or_else(|| EmbedError::Failed(Problem::internal()))
    }

    fn like(&mut self, key: &str) -> Result<Vec<f32>, Problem> {
        crate::names::check_key(key)?;
        self.check_version()?;
        let record = self.record(key)?.ok_or_else(|| no_record_to_be_like(key))?;
        let text = text_of(&record).into_owned();
        if text.is_empty() {
            return Err(no_text_to_be_like(key));
        }
        let parts = self.cut(&text).map_err(EmbedError::into_problem)?;
        let vectors = self.vectors(&parts).map_err(EmbedError::into_problem)?;
        alike::direction(&vectors).ok_or_else(Problem::internal)
    }

    fn within(&mut self, _: &IgnoredAny) -> Result<Vec<FilterNode>, Problem> {
        Err(no_graph())
    }

    fn search(&mut self, request: Request) -> Result<Found, Problem> {
        self.check_version()?;
        let response = self.backend.search(request)?;
        Ok(Found { response, version: self.description.version.clone(), vectors_pending: 0 })
    }

    fn records(&mut self, hits: &mut [Hit], _: &str) -> Result<Vec<Option<RawRecord>>, Problem> {
        hits.iter_mut().map(|hit| raw(hit).map(Some)).collect()
    }

    fn text(record: &RawRecord) -> Cow<'_, str> {
        text_of(record.get().as_bytes())
    }

    fn excerpts(&mut self, texts: &[&str], words: &str, bytes_max: u32) -> Result<Vec<Excerpt>, Problem> {
        texts.iter().map(|text| self.backend.excerpt(text, words, bytes_max)).collect()
    }
}

/// Without a graph nothing is come by along links.
#[derive(Debug, serde::Serialize)]
pub(crate) enum IgnoredVia {}

/// A snapshot holds records and no graph.
pub(crate) fn no_graph() -> Problem {
    needs_node("A snapshot has no graph, so `within` and `expand` need a node.")
}

pub(crate) fn needs_node(detail: impl Into<String>) -> Problem {
    Problem::new(Kind::NeedsNode, detail)
}

/// Documents by their keys: a request with nothing but a filter is answered in the order of keys.
fn on_keys(comparison: Comparison, k: u32) -> Request {
    let condition = Condition { path: "key".to_owned(), comparison };
    Request { k, filter: vec![FilterNode::Condition(condition)], ..Request::default() }
}

/// The record of a hit; of a snapshot without records its key alone.
fn raw(hit: &mut Hit) -> Result<RawRecord, Problem> {
    #[derive(serde::Serialize)]
    struct Named<'a> {
        key: &'a str,
    }
    let payload = std::mem::take(&mut hit.payload);
    let record = if payload.is_empty() {
        to_raw_value(&Named { key: &hit.key }).ok()
    } else {
        String::from_utf8(payload).ok().and_then(|payload| RawValue::from_string(payload).ok())
    };
    record.ok_or_else(Problem::internal)
}

/// The member `text` of a record.
fn text_of(record: &[u8]) -> Cow<'_, str> {
    #[derive(Deserialize)]
    struct Text<'a> {
        #[serde(borrow, default)]
        text: Cow<'a, str>,
    }
    serde_json::from_slice(record).map_or(Cow::Borrowed(""), |Text { text }| text)
}
