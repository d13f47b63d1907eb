//! The component: [`respond`](crate::respond) behind `wasi:http`, over the components that it is composed with.
//!
//! There are two builds of it, by the version of `wasi:http` that a host speaks; the backend is the same.
#![allow(
    unsafe_code,
    missing_docs,
    unreachable_pub,
    clippy::pedantic,
    reason = "generated bindings: the canonical ABI is raw memory"
)]

#[cfg(feature = "wasip3")]
mod handler;
#[cfg(feature = "wasip2")]
mod incoming;

use crate::Problem;
use crate::backend::{Backend, Embedding};
use crate::types::{Excerpt, Parsed, Request, Response, Span, SyntaxError};

wit_bindgen::generate!({
    inline: "
        package skerry:gateway@0.1.0;
        world gateway {
            import skerry:embedding/embedder@0.1.0;
            import skerry:query/search@0.1.0;
            import skerry:query/language@0.1.0;
            import skerry:query/snapshot@0.1.0;
        }
    ",
    path: ["../../wit/embedding", "../../wit/query"],
    world: "skerry:gateway/gateway",
    generate_all,
});

use skerry::embedding::embedder;
use skerry::query::{language, search, snapshot};

/// The bindings' types side by side, as the conversions name them.
mod wit {
    pub use super::skerry::query::documents::{Scalar, Span};
    pub use super::skerry::query::language::{Excerpt, FieldUse, Mark, Parsed, SyntaxError};
    pub use super::skerry::query::search::{
        Comparison, Condition, Explanation, FilterNode, Fusion, Group, Hit, Request, Response, TermScore,
    };
}

crate::conversions!();

/// The components that this one is composed with.
struct Composed;

impl Backend for Composed {
    fn describe(&mut self) -> Result<Vec<u8>, Problem> {
        Ok(snapshot::describe())
    }

    fn search(&mut self, request: Request) -> Result<Response, Problem> {
        search::query(&request_to_wit(request)).map(response_from_wit).map_err(refused)
    }

    fn parse(&mut self, query: &str) -> Result<Result<Parsed, SyntaxError>, Problem> {
        Ok(parsed_from_wit(language::parse(query)))
    }

    fn excerpt(&mut self, text: &str, words: &str, bytes_max: u32) -> Result<Excerpt, Problem> {
        Ok(excerpt_from_wit(language::show(text, words, bytes_max)))
    }

    fn embedding(&mut self) -> Result<Embedding, String> {
        embedder::describe().map(|model| Embedding { id: model.id }).map_err(in_words)
    }

    fn embed(&mut self, texts: &[&str]) -> Result<Vec<Vec<f32>>, String> {
        let mut vectors = Vec::with_capacity(texts.len());
        for page in texts.chunks(TEXTS_MAX) {
            let page: Vec<String> = page.iter().map(|&text| text.to_owned()).collect();
            let embeddings = embedder::embed(&page).map_err(in_words)?;
            vectors.extend(embeddings.into_iter().map(|embedding| embedding.vector));
        }
        Ok(vectors)
    }

    fn split(&mut self, text: &str, tokens: u32, overlap: u32) -> Result<Vec<Span>, String> {
        let spans = embedder::split(text, tokens, overlap).map_err(in_words)?;
        Ok(spans.into_iter().map(|embedder::Span { start, end }| Span { start, end }).collect())
    }
}

/// Texts of one call at most; what the embedding component takes is more.
const TEXTS_MAX: usize = 256;

/// What the component refuses although the limits were checked. The words are the host's.
fn refused(error: search::Error) -> Problem {
    match error {
        search::Error::UnknownField((path, similar)) => Problem::unknown_field(path, similar),
        search::Error::MalformedFilter(reason) => Problem::invalid_query(format!("the filter is malformed: {reason}.")),
        // Of all others `query::read` has refused the cause.
        error => {
            eprintln!("the query component failed: {error:?}");
            Problem::internal()
        }
    }
}

fn in_words(error: embedder::Error) -> String {
    match error {
        embedder::Error::NoWeights(reason) => format!("the embedding component has no weights: {reason}"),
        embedder::Error::BatchTooLarge(most) => format!("it takes at most {most} texts at once"),
        embedder::Error::Other(reason) => reason,
    }
}
