//! Near-duplicates: records that say almost the same.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use skerry_host::types::Request;
use skerry_sync::RecordKey;

use super::{blocking, project_name};
use crate::body::{Duplicates, DuplicatesBody, Pair};
use crate::extract::{JsonBody, PathParameters};
use crate::node::Node;
use crate::problem::{Kind, Problem};

const SIMILARITY_DEFAULT: f32 = 0.95;

/// Records looked at in one request at most: each costs a query.
const LIMIT_MAX: usize = 5_000;

const LIMIT_DEFAULT: usize = 1_000;

/// Neighbours of one record at most.
const NEIGHBOURS: u32 = 20;

/// Pairs of records whose vectors are nearly the same, found by a query for each record, page by page.
#[utoipa::path(post, path = "/projects/{project}/duplicates", tag = "query", params(("project" = String, Path)),
    request_body = DuplicatesBody, responses((status = 200, body = Duplicates),
    (status = 400, description = "urn:skerry:problem:invalid-query"),
    (status = 404, description = "urn:skerry:problem:unknown-project")))]
pub(super) async fn duplicates(
    State(node): State<Arc<Node>>,
    PathParameters(project): PathParameters<String>,
    JsonBody(body): JsonBody<DuplicatesBody>,
) -> Result<Json<Duplicates>, Problem> {
    let invalid = |detail: String| Err(Problem::new(Kind::InvalidQuery, detail));
    let min = body.similarity_min.unwrap_or(SIMILARITY_DEFAULT);
    if !(0.5..=1.0).contains(&min) {
        return invalid(format!("`similarity_min` is {min}; it goes from 0.5 to 1."));
    }
    let limit = body.limit.unwrap_or(LIMIT_DEFAULT);
    if !(1..=LIMIT_MAX).contains(&limit) {
        return invalid(format!("`limit` is {limit}; it goes from 1 to {LIMIT_MAX}."));
    }
    blocking(move || {
        let project = project_name(&project)?;
        let after = body.after.as_deref().map(RecordKey::parse).transpose()?;
        let records = node.replica().scan(&project, after.as_ref(), limit)?;
        let texts: Vec<&str> = records.iter().map(|record| record.text.as_str()).collect();
        let vectors = node.replica().vectors(&node.embedder().model().id, &texts)?;
        let index = node.index(&project);
        let mut seen = BTreeSet::new();
        let mut pairs = Vec::new();
        for (record, vector) in records.iter().zip(vectors) {
            let Some(vector) = vector.filter(|_| !record.text.is_empty()) else { continue };
            let request =
                Request { vector: Some(vector), k: NEIGHBOURS, similarity_min: Some(min), ..Request::default() };
            for hit in index.query(node.sources(), &request)?.response.hits {
                let key = record.key.as_str();
                // Of a pair that two pages see, the page of its first key tells.
                if hit.key.as_str() > key && seen.insert((key.to_owned(), hit.key.clone())) {
                    pairs.push(Pair { keys: [key.to_owned(), hit.key], similarity: hit.score });
                }
            }
        }
        pairs.sort_by(|a, b| b.similarity.total_cmp(&a.similarity).then_with(|| a.keys.cmp(&b.keys)));
        let next = records.last().filter(|_| records.len() == limit).map(|last| last.key.as_str().to_owned());
        Ok(Json(Duplicates { pairs, examined: records.len(), next }))
    })
    .await
}
