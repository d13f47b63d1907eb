//! The gateway in this process, over instances of our own host: as `skerry run` and functions use it.

use std::sync::Mutex;

use skerry_edge::problem::Problem;
use skerry_gateway::backend::{Backend, Embedding};
use skerry_gateway::types::{Excerpt, Parsed, Request, Response, Span, SyntaxError};
use skerry_gateway::{Incoming, respond};
use skerry_host::{Component, Embedder, Engine, EngineConfig, Limits, Segment, types as wit};

use crate::asking::{Ask, Told};
use crate::component;
use crate::fixture::Fixture;

skerry_gateway::conversions!();

/// Components that run here.
pub(crate) struct Native {
    segment: Segment,
    embedder: Embedder,
    description: Vec<u8>,
}

const LIMITS: Limits = Limits { memory_bytes_max: 1 << 30, deadline: std::time::Duration::from_mins(1) };

impl Native {
    pub(crate) fn new(fixture: &Fixture) -> Mutex<Native> {
        let engine = Engine::new(&EngineConfig::default()).unwrap();
        let query = Component::compile(&engine, "snapshot", &fixture.snapshot).unwrap();
        let embedding = Component::compile(&engine, "embedding", &component("embedding.wasm")).unwrap();
        Mutex::new(Native {
            segment: Segment::new(&engine, &query, LIMITS).unwrap(),
            embedder: Embedder::new(&engine, &embedding, 1, LIMITS).unwrap(),
            description: fixture.description.clone(),
        })
    }

    pub(crate) fn says(&mut self, ask: &Ask) -> Told {
        let (path, query) =
            ask.path.split_once('?').map_or((ask.path.as_str(), None), |(path, query)| (path, Some(query)));
        let incoming = Incoming {
            method: ask.method,
            path,
            query,
            content_type: ask.content_type,
            request_id: Some("seven"),
            body: &ask.body,
        };
        let reply = respond(self, &incoming);
        let body = String::from_utf8(reply.body).unwrap();
        Told { status: reply.status, content_type: reply.content_type.to_owned(), body }
    }
}

fn failed(error: impl Into<Problem>) -> skerry_gateway::Problem {
    let problem: Problem = error.into();
    problem.into()
}

impl Backend for Native {
    fn describe(&mut self) -> Result<Vec<u8>, skerry_gateway::Problem> {
        Ok(self.description.clone())
    }

    fn search(&mut self, request: Request) -> Result<Response, skerry_gateway::Problem> {
        self.segment.query(&request_to_wit(request)).map(response_from_wit).map_err(failed)
    }

    fn parse(&mut self, query: &str) -> Result<Result<Parsed, SyntaxError>, skerry_gateway::Problem> {
        self.segment.parse(query).map(parsed_from_wit).map_err(failed)
    }

    fn excerpt(&mut self, text: &str, words: &str, bytes_max: u32) -> Result<Excerpt, skerry_gateway::Problem> {
        self.segment.excerpt(text, words, bytes_max).map(excerpt_from_wit).map_err(failed)
    }

    fn embedding(&mut self) -> Result<Embedding, String> {
        Ok(Embedding { id: self.embedder.model().id.clone() })
    }

    fn embed(&mut self, texts: &[&str]) -> Result<Vec<Vec<f32>>, String> {
        let embeddings = self.embedder.embed(texts).map_err(|error| error.to_string())?;
        Ok(embeddings.into_iter().map(|embedding| embedding.vector).collect())
    }

    fn split(&mut self, text: &str, tokens: u32, overlap: u32) -> Result<Vec<Span>, String> {
        let spans = self.embedder.split(text, tokens, overlap).map_err(|error| error.to_string())?;
        Ok(spans.into_iter().map(|skerry_host::Span { start, end }| Span { start, end }).collect())
    }
}
