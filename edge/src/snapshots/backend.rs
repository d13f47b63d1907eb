//! A snapshot as the gateway asks it.

use std::sync::Arc;

use skerry_gateway::backend::{Backend, Embedding};
use skerry_gateway::types::{Excerpt, Parsed, Request, Response, Span, SyntaxError};
use skerry_host::snapshot::{Model, SnapshotReader};
use skerry_host::{CallError, Embedder, QueryError};

use crate::convert;
use crate::problem::Problem;

/// An instance for one request, and the model.
pub(super) struct Asked<'a> {
    pub(super) reader: SnapshotReader,
    pub(super) model: &'a Result<Arc<Embedder>, String>,
    /// The model of the snapshot's vectors.
    pub(super) given: Option<&'a Model>,
}

impl Asked<'_> {
    fn embedder(&self) -> Result<&Embedder, String> {
        self.model.as_deref().map_err(Clone::clone)
    }
}

fn query_problem(error: QueryError) -> skerry_gateway::Problem {
    Problem::from(error).into()
}

fn call_problem(error: CallError) -> skerry_gateway::Problem {
    Problem::from(error).into()
}

impl Backend for Asked<'_> {
    fn describe(&mut self) -> Result<Vec<u8>, skerry_gateway::Problem> {
        Ok(self.reader.describe().to_vec())
    }

    fn search(&mut self, request: Request) -> Result<Response, skerry_gateway::Problem> {
        let response = self.reader.search(&convert::request_to_wit(request)).map_err(query_problem)?;
        Ok(convert::response_from_wit(response))
    }

    fn parse(&mut self, query: &str) -> Result<Result<Parsed, SyntaxError>, skerry_gateway::Problem> {
        self.reader.parse(query).map(convert::parsed_from_wit).map_err(call_problem)
    }

    fn excerpt(&mut self, text: &str, words: &str, bytes_max: u32) -> Result<Excerpt, skerry_gateway::Problem> {
        self.reader.excerpt(text, words, bytes_max).map(convert::excerpt_from_wit).map_err(call_problem)
    }

    fn embedding(&mut self) -> Result<Embedding, String> {
        self.embedder()?;
        // Whether it is the snapshot's was seen when it was opened; a component that an operator gave has another name here.
        let id = self.given.map(|model| model.id.clone()).unwrap_or_default();
        Ok(Embedding { id })
    }

    fn embed(&mut self, texts: &[&str]) -> Result<Vec<Vec<f32>>, String> {
        let embedded = self.embedder()?.embed(texts).map_err(|error| error.to_string())?;
        Ok(embedded.into_iter().map(|embedding| embedding.vector).collect())
    }

    fn split(&mut self, text: &str, tokens: u32, overlap: u32) -> Result<Vec<Span>, String> {
        let spans = self.embedder()?.split(text, tokens, overlap).map_err(|error| error.to_string())?;
        Ok(spans.into_iter().map(|span| Span { start: span.start, end: span.end }).collect())
    }
}
