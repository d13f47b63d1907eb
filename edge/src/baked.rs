//! A snapshot that is open on this machine, as the gateway's routes ask it: no node, no replica, no documents.

use std::sync::Arc;

use skerry_gateway::types::{Excerpt, Parsed, Request, Response, Span, SyntaxError};
use skerry_gateway::{Backend, Problem, backend};
use skerry_host::snapshot::SnapshotReader;
use skerry_host::{CallError, Embedder, QueryError};

use crate::convert;

/// An open snapshot, and the model that its queries are embedded with.
#[derive(Debug)]
pub struct Baked {
    reader: SnapshotReader,
    embedder: Result<Arc<Embedder>, String>,
}

impl Baked {
    /// Puts both together. Without a model, say why in words without a full stop: a query that wants a vector is told.
    pub fn new(reader: SnapshotReader, embedder: Result<Arc<Embedder>, String>) -> Baked {
        Baked { reader, embedder }
    }

    /// The snapshot.
    pub fn reader(&self) -> &SnapshotReader {
        &self.reader
    }

    fn embedder(&self) -> Result<&Embedder, String> {
        self.embedder.as_deref().map_err(Clone::clone)
    }
}

impl Backend for Baked {
    fn describe(&mut self) -> Result<Vec<u8>, Problem> {
        Ok(self.reader.describe().to_vec())
    }

    fn search(&mut self, request: Request) -> Result<Response, Problem> {
        match self.reader.search(&convert::request_to_wit(request)) {
            Ok(response) => Ok(convert::response_from_wit(response)),
            Err(QueryError::UnknownField { path, similar }) => Err(Problem::unknown_field(path, similar)),
            Err(QueryError::Invalid(reason)) => Err(Problem::invalid_query(format!("{reason}."))),
            Err(error) => Err(failed(&error)),
        }
    }

    fn parse(&mut self, query: &str) -> Result<Result<Parsed, SyntaxError>, Problem> {
        self.reader.parse(query).map(convert::parsed_from_wit).map_err(|error| failed(&error))
    }

    fn excerpt(&mut self, text: &str, words: &str, bytes_max: u32) -> Result<Excerpt, Problem> {
        self.reader.excerpt(text, words, bytes_max).map(convert::excerpt_from_wit).map_err(|error| failed(&error))
    }

    fn embedding(&mut self) -> Result<backend::Embedding, String> {
        Ok(backend::Embedding { id: self.embedder()?.model().id.clone() })
    }

    fn embed(&mut self, texts: &[&str]) -> Result<Vec<Vec<f32>>, String> {
        let embeddings = self.embedder()?.embed(texts).map_err(|error: CallError| error.to_string())?;
        Ok(embeddings.into_iter().map(|embedding| embedding.vector).collect())
    }

    fn split(&mut self, text: &str, tokens: u32, overlap: u32) -> Result<Vec<Span>, String> {
        let spans = self.embedder()?.split(text, tokens, overlap).map_err(|error| error.to_string())?;
        Ok(spans.into_iter().map(|span| Span { start: span.start, end: span.end }).collect())
    }
}

fn failed(error: &dyn std::fmt::Display) -> Problem {
    tracing::error!(%error, "a snapshot's component failed");
    Problem::internal()
}
