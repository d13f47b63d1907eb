//! The query path: one screen from the request to the answer.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::HeaderName;
use axum::response::{IntoResponse, Response};
use skerry_host::types::{Fusion, Request};
use skerry_sync::{ProjectName, RecordKey};

use super::{blocking, project_name};
use crate::body::{Answer, FusionBody, HitBody, Mode, QueryBody};
use crate::extract::{JsonBody, PathParameters};
use crate::filter;
use crate::node::Node;
use crate::problem::{Kind, Problem};

/// Characters of a query's text at most.
const TEXT_CHARS_MAX: usize = 8_192;

/// Hits at most.
const K_MAX: u32 = 1_000;

const K_DEFAULT: u32 = 10;

/// Weight of the vector score when the request names none: the middle of the flat optimum that Bruch et al. (2023) report.
const VECTOR_WEIGHT_DEFAULT: f32 = 0.8;

/// Finds records by meaning, keywords and filters. `Server-Timing` says where the time went.
#[utoipa::path(post, path = "/projects/{project}/query", tag = "query", params(("project" = String, Path)),
    request_body = QueryBody, responses(
    (status = 200, body = Answer), (status = 400, description = "urn:skerry:problem:invalid-query or unknown-field"),
    (status = 404, description = "urn:skerry:problem:unknown-project")))]
pub(super) async fn query(
    State(node): State<Arc<Node>>,
    PathParameters(project): PathParameters<String>,
    JsonBody(body): JsonBody<QueryBody>,
) -> Result<Response, Problem> {
    blocking(move || {
        let project = project_name(&project)?;
        let (answer, timing) = answer(&node, &project, body)?;
        Ok(([(HeaderName::from_static("server-timing"), timing.header())], Json(answer)).into_response())
    })
    .await
}

/// Where a query's time went, in milliseconds.
#[derive(Debug, Clone, Copy)]
struct Timing {
    /// Embedding the text.
    embed_ms: f64,
    /// Searching the segment and fetching the records.
    search_ms: f64,
}

impl Timing {
    fn header(self) -> String {
        format!("embed;dur={:.3}, search;dur={:.3}", self.embed_ms, self.search_ms)
    }
}

/// Answers a query: embeds its text if it needs a vector, asks the project's index, fetches the records found.
///
/// # Errors
/// A [`Problem`] that names the fault.
fn answer(node: &Node, project: &ProjectName, body: QueryBody) -> Result<(Answer, Timing), Problem> {
    let started = std::time::Instant::now();
    // Before any work: an unknown project must not cost an embedding.
    node.replica().sequence(project)?;
    let request = request(node, body)?;
    let embedded = std::time::Instant::now();
    let answered = node.index(project).query(node.sources(), &request)?;
    let keys = answered.response.hits.iter().map(|hit| RecordKey::parse(&hit.key)).collect::<Result<Vec<_>, _>>()?;
    let records = node.replica().get_many(project, &keys)?;
    let hits = answered.response.hits.into_iter().zip(records).filter_map(|(hit, record)| {
        // A record deleted since the index answered is no hit any more.
        let record = record?.into();
        let (vector_score, keyword_score) = (hit.vector_score, hit.keyword_score);
        Some(HitBody { key: hit.key, score: hit.score, vector_score, keyword_score, record })
    });
    let answer = Answer {
        version: answered.version.to_string(),
        candidates: answered.response.candidates,
        vectors_pending: Some(answered.vectors_pending).filter(|&count| count > 0),
        hits: hits.collect(),
    };
    let milliseconds = |from: std::time::Instant, to: std::time::Instant| (to - from).as_secs_f64() * 1e3;
    let timing = Timing {
        embed_ms: milliseconds(started, embedded),
        search_ms: milliseconds(embedded, std::time::Instant::now()),
    };
    Ok((answer, timing))
}

fn request(node: &Node, body: QueryBody) -> Result<Request, Problem> {
    let k = body.k.unwrap_or(K_DEFAULT);
    if !(1..=K_MAX).contains(&k) {
        return Err(invalid(format!("`k` is {k}; it goes from 1 to {K_MAX}.")));
    }
    let text = checked_text(body.text)?;
    if text.is_none() && body.vector.is_none() && body.filter.is_none() {
        return Err(invalid("The query is empty: give it a `text`, a `vector` or a `filter`.".to_owned()));
    }
    let filter = body.filter.as_ref().map(filter::parse).transpose()?.unwrap_or_default();
    let vector = match (body.mode, body.vector, &text) {
        (Mode::Keyword, Some(_), _) => {
            return Err(invalid("A keyword query takes no `vector`; use the mode `hybrid` or `vector`.".to_owned()));
        }
        (Mode::Keyword | Mode::Vector, None, None) if body.filter.is_some() => None,
        (Mode::Keyword, None, _) | (_, None, None) => None,
        (_, Some(vector), _) => Some(checked_vector(vector, node.embedder().model().dimensions)?),
        (_, None, Some(text)) => embed(node, text)?,
    };
    let text = text.filter(|_| body.mode != Mode::Vector);
    Ok(Request { text, vector, k, filter, fusion: fusion(body.fusion)? })
}

fn checked_text(text: Option<String>) -> Result<Option<String>, Problem> {
    let Some(text) = text else { return Ok(None) };
    let chars = text.chars().count();
    if text.trim().is_empty() {
        return Err(invalid("`text` is empty; leave it out to ask by `vector` or `filter` alone.".to_owned()));
    }
    if chars > TEXT_CHARS_MAX {
        return Err(invalid(format!("`text` has {chars} characters; at most {TEXT_CHARS_MAX} are taken.")));
    }
    Ok(Some(text))
}

fn checked_vector(vector: Vec<f32>, dimensions: u32) -> Result<Vec<f32>, Problem> {
    if vector.len() != dimensions as usize {
        return Err(invalid(format!("`vector` has {} numbers; the model's vectors have {dimensions}.", vector.len())));
    }
    if vector.iter().any(|number| !number.is_finite()) || vector.iter().all(|&number| number == 0.0) {
        return Err(invalid("`vector` must have finite numbers that are not all zero.".to_owned()));
    }
    Ok(vector)
}

fn embed(node: &Node, text: &str) -> Result<Option<Vec<f32>>, Problem> {
    Ok(node.embedder().embed(&[text])?.pop().map(|embedding| embedding.vector))
}

fn fusion(body: Option<FusionBody>) -> Result<Fusion, Problem> {
    match body {
        None => Ok(Fusion::Convex(VECTOR_WEIGHT_DEFAULT)),
        Some(FusionBody::Convex { vector_weight }) if (0.0..=1.0).contains(&vector_weight) => {
            Ok(Fusion::Convex(vector_weight))
        }
        Some(FusionBody::Convex { vector_weight }) => {
            Err(invalid(format!("`vector_weight` is {vector_weight}; it goes from 0 to 1.")))
        }
        Some(FusionBody::ReciprocalRank { constant }) => Ok(Fusion::ReciprocalRank(constant)),
    }
}

fn invalid(detail: String) -> Problem {
    Problem::new(Kind::InvalidQuery, detail)
}
