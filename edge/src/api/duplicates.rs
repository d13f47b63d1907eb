//! Near-duplicates: records that say almost the same.
//!
//! Of records with several chunks, each chunk of either must have its like in the other. So whichever chunk of one record is
//! asked with finds the other; it is the middle one, since beginnings and ends are what different texts have in common.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use skerry_host::types::{Comparison, Condition, Document, FilterNode, Hit, Request, Scalar};
use skerry_sync::{ProjectName, RecordKey};

use super::{blocking, project_name};
use crate::alike;
use crate::body::{Duplicates, DuplicatesBody, Pair};
use crate::extract::{JsonBody, PathParameters};
use crate::index::derive::Derivation;
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
        let keys: Vec<RecordKey> = records.iter().map(|record| record.key.clone()).collect();
        let index = node.index(&project)?;
        index.derivation().model()?;
        let mut vectors_pending = 0;
        let mut pairs = Vec::new();
        for document in
            index.derivation().documents(node.sources(), &project, &keys)?.iter().filter(|one| !one.text.is_empty())
        {
            let Some(chunk) = document.chunks.get(document.chunks.len() / 2) else {
                vectors_pending += 1;
                continue;
            };
            let request = near_behind(&document.key, chunk.vector.clone(), min);
            let near = index.query(node.sources(), &request)?.response.hits;
            pairs.extend(alike_in_all_parts(&node, &project, index.derivation(), document, &near, min)?);
        }
        pairs.sort_by(|a, b| b.similarity.total_cmp(&a.similarity).then_with(|| a.keys.cmp(&b.keys)));
        let next = records.last().filter(|_| more).map(|last| last.key.as_str().to_owned());
        Ok(Json(Duplicates { pairs, examined: records.len(), vectors_pending, next }))
    })
    .await
}

/// The pairs of a document with those of the hits that are near to it not only in one chunk.
fn alike_in_all_parts(
    node: &Node,
    project: &ProjectName,
    derivation: &Derivation,
    document: &Document,
    near: &[Hit],
    min: f32,
) -> Result<Vec<Pair>, Problem> {
    let keys = near.iter().map(|hit| RecordKey::parse(&hit.key)).collect::<Result<Vec<_>, _>>()?;
    let others = derivation.documents(node.sources(), project, &keys)?;
    let mut pairs = Vec::new();
    for other in others {
        let similarity = match (document.chunks.as_slice(), other.chunks.as_slice()) {
            ([_], [_]) => near.iter().find(|hit| hit.key == other.key).map(|hit| hit.score),
            (these, those) => alike::similarity(these, those, min),
        };
        let pair = |similarity| Pair { keys: [document.key.clone(), other.key], similarity };
        pairs.extend(similarity.map(pair));
    }
    Ok(pairs)
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
