//! The components that a snapshot is made of, as the gateway asks them.

use crate::problem::Problem;
use crate::types::{Excerpt, Parsed, Request, Response, Span, SyntaxError};

/// What an embedding component says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Embedding {
    /// The identity of the model that was baked into it.
    pub id: String,
}

/// A baked query component, and an embedding component beside it.
///
/// A guest of `wasi:http` imports them, a program of ours runs them, a test may do as it likes.
pub trait Backend {
    /// The description that was baked in with the documents, as JSON; empty when this is no snapshot.
    ///
    /// # Errors
    /// The component failed.
    fn describe(&mut self) -> Result<Vec<u8>, Problem>;

    /// The best documents for a request, with their payloads.
    ///
    /// # Errors
    /// [`Problem::unknown_field`], [`Problem::invalid_query`] when the request is wrong; the component failed.
    fn search(&mut self, request: Request) -> Result<Response, Problem>;

    /// Reads a query of the query language. The inner error is the writer's.
    ///
    /// # Errors
    /// The component failed.
    fn parse(&mut self, query: &str) -> Result<Result<Parsed, SyntaxError>, Problem>;

    /// The part of a text that shows best why a query with these words found it.
    ///
    /// # Errors
    /// The component failed.
    fn excerpt(&mut self, text: &str, words: &str, bytes_max: u32) -> Result<Excerpt, Problem>;

    /// The model of the embedding component.
    ///
    /// # Errors
    /// Why there is none, in words without a full stop.
    fn embedding(&mut self) -> Result<Embedding, String>;

    /// One vector per text.
    ///
    /// # Errors
    /// What the component says, in words without a full stop.
    fn embed(&mut self, texts: &[&str]) -> Result<Vec<Vec<f32>>, String>;

    /// Where to cut a text into chunks of at most `tokens` tokens that share at most `overlap`.
    ///
    /// # Errors
    /// What the component says, in words without a full stop.
    fn split(&mut self, text: &str, tokens: u32, overlap: u32) -> Result<Vec<Span>, String>;
}
