//! Near-duplicates: records that say almost the same.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use skerry_host::types::{Comparison, Condition, FilterNode, Request, Scalar};
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
        // One more than wanted tells whether there is a next page.
        let mut records = node.replica().scan(&project, after.as_ref(), limit + 1)?;
        let more = records.len() > limit;
        records.truncate(limit);
        let texts: Vec<&str> = records.iter().map(|record| record.text.as_str()).collect();
        let vectors = node.replica().vectors(&node.embedder().model().id, &texts)?;
        let index = node.index(&project);
        let mut vectors_pending = 0;
        let mut pairs = Vec::new();
        for (record, vector) in records.iter().zip(vectors).filter(|(record, _)| !record.text.is_empty()) {
            let Some(vector) = vector else {
                vectors_pending += 1;
                continue;
            };
            let key = record.key.as_str();
            for hit in index.query(node.sources(), &near_behind(key, vector, min))?.response.hits {
                pairs.push(Pair { keys: [key.to_owned(), hit.key], similarity: hit.score });
            }
        }
        pairs.sort_by(|a, b| b.similarity.total_cmp(&a.similarity).then_with(|| a.keys.cmp(&b.keys)));
        let next = records.last().filter(|_| more).map(|last| last.key.as_str().to_owned());
        Ok(Json(Duplicates { pairs, examined: records.len(), vectors_pending, next }))
    })
    .await
}

/// Each pair is told under its first key, so only what comes behind it counts: among many equal records, those before it would
/// take all the room.
fn near_behind(key: &str, vector: Vec<f32>, similarity_min: f32) -> Request {
    let behind = Condition { path: "key".to_owned(), comparison: Comparison::Greater(Scalar::Text(key.to_owned())) };
    Request {
        vector: Some(vector),
        k: NEIGHBOURS,
        similarity_min: Some(similarity_min),
        filter: vec![FilterNode::Condition(behind)],
        ..Request::default()
    }
}
