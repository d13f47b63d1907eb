//! A snapshot that is open on this machine, as the gateway's routes ask it: no node, no replica, no documents.

use std::sync::Arc;

use skerry_gateway::backend::{Backend, Embedding};
use skerry_gateway::types::{Excerpt, Parsed, Request, Response, Span, SyntaxError};
use skerry_host::snapshot::SnapshotReader;
use skerry_host::{CallError, Embedder, QueryError};

use crate::convert;
use crate::problem::Problem;

/// A snapshot for the time of one request.
pub struct Asked<'a> {
    /// The open snapshot.
    pub reader: &'a mut SnapshotReader,
    /// Gives the model, when the request wants a vector; or says why there is none, in words without a full stop.
    pub embedder: &'a dyn Fn() -> Result<Arc<Embedder>, String>,
    /// The identity of the model where whoever opened it has seen that it is the snapshot's, whatever it calls itself.
    pub model_id: Option<&'a str>,
}

impl std::fmt::Debug for Asked<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Asked").field("reader", &self.reader).finish_non_exhaustive()
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
        let embedder = (self.embedder)()?;
        Ok(Embedding { id: self.model_id.unwrap_or(&embedder.model().id).to_owned() })
    }

    fn embed(&mut self, texts: &[&str]) -> Result<Vec<Vec<f32>>, String> {
        let embedded = (self.embedder)()?.embed(texts).map_err(|error| error.to_string())?;
        Ok(embedded.into_iter().map(|embedding| embedding.vector).collect())
    }

    fn split(&mut self, text: &str, tokens: u32, overlap: u32) -> Result<Vec<Span>, String> {
        let spans = (self.embedder)()?.split(text, tokens, overlap).map_err(|error| error.to_string())?;
        Ok(spans.into_iter().map(|span| Span { start: span.start, end: span.end }).collect())
    }
}
