//! Hybrid search.

use async_graphql::{Context, InputObject, Object, SimpleObject};
use serde_json::{Value, json};

use super::Place;
use super::error::from_problem;
use super::records::Record;
use crate::body::{HitBody, QueryBody};
use crate::problem::{Kind, Problem};

/// How to search, besides the query itself. Names and meanings are those of POST /query.
#[derive(Debug, Default, InputObject)]
pub(super) struct SearchInput {
    /// Plain words, in the place of the query.
    text: Option<String>,
    /// A record's key: others like it.
    like: Option<String>,
    vector: Option<Vec<f32>>,
    /// hybrid, keyword or vector.
    mode: Option<String>,
    filter: Option<Value>,
    offset: Option<u32>,
    version: Option<String>,
    similarity_min: Option<f32>,
    diversity: Option<f32>,
    /// Weight of the vector score, 0 to 1.
    vector_weight: Option<f32>,
    #[graphql(default)]
    exact: bool,
    #[graphql(default)]
    explain: bool,
}

/// The answer to a search.
#[derive(Debug, SimpleObject)]
pub(super) struct Found {
    /// The version that was asked.
    version: String,
    /// Records that passed the filter.
    candidates: u32,
    /// One of the best may have been missed; `exact` rules that out.
    approximate: bool,
    /// `offset` of the next page.
    next_offset: Option<u32>,
    /// Why vectors were left out.
    vectors_unavailable: Option<String>,
    /// Best first.
    hits: Vec<Hit>,
}

/// A record found.
#[derive(Debug)]
pub(super) struct Hit(HitBody);

/// A record found.
#[Object]
impl Hit {
    async fn key(&self) -> &str {
        &self.0.key
    }

    /// What hits are ordered by.
    async fn score(&self) -> f32 {
        self.0.score
    }

    /// Cosine similarity.
    async fn vector_score(&self) -> Option<f32> {
        self.0.vector_score
    }

    /// BM25.
    async fn keyword_score(&self) -> Option<f32> {
        self.0.keyword_score
    }

    /// Where the score comes from, with `explain`.
    async fn explanation(&self) -> Option<Value> {
        self.0.explanation.as_ref().and_then(|explanation| serde_json::to_value(explanation).ok())
    }

    /// The record itself.
    async fn record(&self) -> Record {
        Record(self.0.record.clone())
    }
}

pub(super) async fn search(
    context: &Context<'_>,
    query: Option<String>,
    k: i32,
    input: SearchInput,
) -> async_graphql::Result<Found> {
    let body = body(query, k, input).map_err(from_problem)?;
    let place = context.data::<Place>()?;
    let answer =
        place.run(move |node, project, cancel| Ok(crate::api::query::answer(node, project, body, cancel)?.0)).await?;
    Ok(Found {
        version: answer.version,
        candidates: answer.candidates,
        approximate: answer.approximate,
        next_offset: answer.next_offset,
        vectors_unavailable: answer.vectors_unavailable,
        hits: answer.hits.into_iter().map(Hit).collect(),
    })
}

fn body(query: Option<String>, k: i32, input: SearchInput) -> Result<QueryBody, Problem> {
    let mode = input.mode.as_deref().unwrap_or("hybrid");
    let mode = serde_json::from_value(json!(mode)).map_err(|_| {
        Problem::new(Kind::InvalidQuery, format!("`mode` is `{mode}`; it is hybrid, keyword or vector."))
    })?;
    Ok(QueryBody {
        query,
        k: Some(k.max(0) as u32),
        text: input.text,
        like: input.like,
        vector: input.vector,
        mode,
        filter: input.filter,
        offset: input.offset,
        version: input.version,
        similarity_min: input.similarity_min,
        diversity: input.diversity,
        fusion: input.vector_weight.map(|vector_weight| crate::body::FusionBody::Convex { vector_weight }),
        exact: input.exact,
        explain: input.explain,
        ..QueryBody::default()
    })
}
