//! The query path: one screen from the request to the answer.

mod neighbourhood;

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::HeaderName;
use axum::response::{IntoResponse, Response};
use skerry_host::Cancel;
use skerry_host::types::{Comparison, Condition, FilterNode, Fusion, Group, Hit, Parsed, Request, Scalar, Span};
use skerry_sync::{ProjectName, ReadError, Record, RecordKey};

use super::highlight::{Shown, highlights};
use super::{project_name, while_wanted};
use crate::alike;
use crate::body::{Answer, FusionBody, GroupBody, HighlightBody, HitBody, Mode, QueryBody, RecordBody, SpanBody};
use crate::extract::{JsonBody, PathParameters};
use crate::filter;
use crate::index::{Answered, ProjectIndex};
use crate::models::ModelError;
use crate::node::Node;
use crate::problem::{Kind, Problem};

/// Characters of a query's text at most.
const TEXT_CHARS_MAX: usize = 8_192;

/// Hits at most.
const K_MAX: u32 = 1_000;

const K_DEFAULT: u32 = 10;

/// Hits left out before the first at most.
const OFFSET_MAX: u32 = 10_000;

/// Hits of one group at most.
const GROUP_SIZE_MAX: u32 = 1_000;

/// Breadth of a walk over the graph at most.
const EF_MAX: u32 = 4_096;

/// Constant of reciprocal rank fusion at most: beyond, neighbouring ranks have the same score in single precision.
const RANK_CONSTANT_MAX: u32 = 1_000_000;

/// Reciprocal rank fusion looks as deep as this many hits at least, so that each page is cut from the same ranking.
const RANKED_MIN: u32 = 100;

/// Bytes of a highlight at least.
const HIGHLIGHT_BYTES_MIN: u32 = 16;

/// Bytes of a highlight when the request does not say.
const HIGHLIGHT_BYTES_DEFAULT: u32 = 240;

/// Weight of the vector score when the request names none: the middle of the flat optimum that Bruch et al. (2023) report.
const VECTOR_WEIGHT_DEFAULT: f32 = 0.8;

/// Finds records by meaning, keywords and filters. `Server-Timing` says where the time went.
#[utoipa::path(post, path = "/projects/{project}/query", tag = "query", params(("project" = String, Path)),
    request_body = QueryBody, responses(
    (status = 200, body = Answer), (status = 400, description = "urn:skerry:problem:invalid-query or unknown-field"),
    (status = 404, description = "urn:skerry:problem:unknown-project, unknown-record or unknown-version"),
    (status = 409, description = "urn:skerry:problem:model-mismatch: the vector is of another model"),
    (status = 502, description = "urn:skerry:problem:model-failed, in the mode `vector`"),
    (status = 503, description = "urn:skerry:problem:model-unavailable, in the mode `vector`")))]
pub(super) async fn query(
    State(node): State<Arc<Node>>,
    PathParameters(project): PathParameters<String>,
    JsonBody(body): JsonBody<QueryBody>,
) -> Result<Response, Problem> {
    while_wanted(move |cancel| {
        let project = project_name(&project)?;
        let (answer, timing) = answer(&node, &project, body, cancel)?;
        Ok(([(HeaderName::from_static("server-timing"), timing.header())], Json(answer)).into_response())
    })
    .await
}

/// Where a query's time went, in milliseconds.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Timing {
    /// Embedding the text.
    embed_ms: f64,
    /// Searching the segments and fetching the records.
    search_ms: f64,
}

impl Timing {
    fn header(self) -> String {
        format!("embed;dur={:.3}, search;dur={:.3}", self.embed_ms, self.search_ms)
    }
}

/// Answers a query: reads its language, embeds its text if it needs a vector, asks the project's index, fetches the records.
///
/// # Errors
/// A [`Problem`] that names the fault.
pub(crate) fn answer(
    node: &Node,
    project: &ProjectName,
    mut body: QueryBody,
    cancel: &Cancel,
) -> Result<(Answer, Timing), Problem> {
    let started = std::time::Instant::now();
    // Before any work: an unknown project must not cost an embedding.
    let before = node.replica().sequence(project)?;
    let index = node.index(project)?;
    // A version has one name, however its digits are written.
    body.version = body.version.map(|version| version.to_ascii_lowercase());
    let version = body.version.clone();
    let written = body.query.clone();
    neighbourhood::check(&body)?;
    let expand = body.expand.take();
    let asked = read(node, &index, project, body, cancel)?;
    let embedded = std::time::Instant::now();
    let ask = |request: &Request| match &version {
        Some(version) => index.query_at(node.sources(), version, request, cancel),
        None => index.query(node.sources(), request),
    };
    let pointed = |problem: Problem| point_at_field(problem, written.as_deref(), asked.parsed.as_ref());
    let answered = ask(&asked.request).map_err(|error| pointed(error.into()))?;
    if let Some(group) = &asked.request.group
        && answered.response.hits.iter().all(|hit| hit.group.is_none())
    {
        ask(&probe(group))?;
    }
    let mut answer = fetch(node, project, &index, &asked, answered, before)?;
    if let Some(expand) = expand {
        neighbourhood::expand(node, project, &index, &asked, &expand, &mut answer)?;
    }
    let milliseconds = |from: std::time::Instant, to: std::time::Instant| (to - from).as_secs_f64() * 1e3;
    let timing = Timing {
        embed_ms: milliseconds(started, embedded),
        search_ms: milliseconds(embedded, std::time::Instant::now()),
    };
    Ok((answer, timing))
}

/// A request that is refused, with the most similar field, when no record has the field that was to be grouped by.
fn probe(group: &Group) -> Request {
    let condition = Condition { path: group.path.clone(), comparison: Comparison::Eq(Scalar::Null) };
    Request { k: 1, filter: vec![FilterNode::Condition(condition)], ..Request::default() }
}

/// Puts the records to the hits. `before` is the feed's position before the index was asked.
fn fetch(
    node: &Node,
    project: &ProjectName,
    index: &ProjectIndex,
    asked: &Asked,
    answered: Answered,
    before: u64,
) -> Result<Answer, Problem> {
    let Answered { mut response, version, vectors_pending, past } = answered;
    let k = asked.k as usize;
    let next = asked.request.offset + asked.k;
    let more = response.hits.len() > k || (asked.request.k == asked.k && response.hits.len() == k);
    response.hits.truncate(k);
    let keys = response.hits.iter().map(|hit| RecordKey::parse(&hit.key)).collect::<Result<Vec<_>, _>>()?;
    let found = node.replica().get_many(project, &keys)?;
    // What was written since the index was asked must not show in an answer that names the version before it. Looking back
    // reads documents, so it is done only when a hit is among what was written.
    let past = if changed_behind(node, project, before, &keys)? {
        Some(Arc::new(changed_since(node, project, &version)?))
    } else {
        past
    };
    let mut hits = Vec::with_capacity(response.hits.len());
    for (hit, now) in response.hits.into_iter().zip(found) {
        let record = match past.as_ref().and_then(|past| past.get(&hit.key)) {
            Some(then) => then.clone(),
            None => now,
        };
        hits.extend(record.map(|record| hit_body(hit, record.into())));
    }
    if let Some((text, bytes)) = &asked.highlight {
        let shown: Vec<Shown<'_>> =
            hits.iter().map(|hit: &HitBody| Shown { text: &hit.record.text, chunk: hit.chunk }).collect();
        let excerpts = |texts: &[&str]| index.excerpts(texts, text.as_deref().unwrap_or_default(), *bytes);
        let highlights = highlights(&shown, text.is_some(), excerpts)?;
        hits.iter_mut().zip(highlights).for_each(|(hit, highlight)| hit.highlight = highlight);
    }
    Ok(Answer {
        version,
        candidates: response.candidates,
        approximate: response.approximate,
        vectors_pending: Some(vectors_pending).filter(|&count| count > 0),
        next_offset: Some(next)
            .filter(|&next| more && next < response.candidates && next <= OFFSET_MAX)
            .filter(|_| asked.request.diversity.is_none()),
        vectors_unavailable: asked.vectors_unavailable.clone(),
        hits,
    })
}

/// Whether one of these records has changed behind a position of the feed.
fn changed_behind(node: &Node, project: &ProjectName, position: u64, keys: &[RecordKey]) -> Result<bool, ReadError> {
    let mut since = position;
    loop {
        let changes = node.replica().changes(project, since, 1_000)?;
        let Some(last) = changes.last().map(|change| change.sequence) else { return Ok(false) };
        if changes.iter().any(|change| keys.contains(&change.key)) {
            return Ok(true);
        }
        since = last;
    }
}

/// Records that have changed since a version, as they were then.
fn changed_since(
    node: &Node,
    project: &ProjectName,
    version: &str,
) -> Result<BTreeMap<String, Option<Record>>, ReadError> {
    let past = node.replica().past(project, version)?;
    Ok(past.changed.into_iter().map(|(key, record)| (key.as_str().to_owned(), record)).collect())
}

fn hit_body(hit: Hit, record: RecordBody) -> HitBody {
    HitBody {
        key: hit.key,
        score: hit.score,
        vector_score: hit.vector_score,
        keyword_score: hit.keyword_score,
        chunk: hit.chunk.map(|Span { start, end }| SpanBody { start, end }),
        group: hit.group.map(filter::to_json),
        explanation: hit.explanation.map(Into::into),
        highlight: None,
        via: None,
        record,
    }
}

/// What a body asks for.
struct Asked {
    request: Request,
    /// The query in the query language.
    parsed: Option<Parsed>,
    /// Hits wanted; the request may ask for more.
    k: u32,
    /// The words to mark, if there are any, and in how many bytes of text.
    highlight: Option<(Option<String>, u32)>,
    /// Why there is no vector although one was asked for.
    vectors_unavailable: Option<String>,
}

fn read(
    node: &Node,
    index: &ProjectIndex,
    project: &ProjectName,
    body: QueryBody,
    cancel: &Cancel,
) -> Result<Asked, Problem> {
    let k = within("k", body.k.unwrap_or(K_DEFAULT), 1, K_MAX)?;
    let offset = within("offset", body.offset.unwrap_or(0), 0, OFFSET_MAX)?;
    if body.diversity.is_some() && offset > 0 {
        // Each next hit depends on how many are chosen from: pages would repeat hits and leave others out.
        return Err(invalid("`diversity` has no pages: leave `offset` out and ask for all hits with `k`.".to_owned()));
    }
    let ef = body.ef.map(|ef| within("ef", ef, 1, EF_MAX)).transpose()?;
    let parsed = body.query.as_deref().map(|query| parse(node, index, query)).transpose()?;
    if parsed.is_some() && body.text.is_some() {
        return Err(invalid(
            "Give either `text`, plain words, or `query`, in the query language; not both.".to_owned(),
        ));
    }
    let text = checked_text(body.text)?.or_else(|| parsed.as_ref().map(|parsed| parsed.text.clone()));
    let text = text.filter(|text| !text.is_empty());
    let mut filter = body.filter.as_ref().map(filter::parse).transpose()?.unwrap_or_default();
    if let Some(parsed) = &parsed {
        filter = filter::both(filter, parsed.filter.clone());
    }
    check_model(index, body.model.as_deref())?;
    let mut given = body.vector;
    if let Some(key) = &body.like {
        let has_words = given.is_some() || text.is_some();
        check_like(has_words, body.mode)?;
        given = Some(like(node, index, project, key, body.version.as_deref(), cancel)?);
        let itself = Condition { path: "key".to_owned(), comparison: Comparison::Eq(Scalar::Text(key.clone())) };
        filter = filter::both(filter, vec![FilterNode::Condition(itself), FilterNode::Negate(0)]);
    }
    if let Some(within) = &body.within {
        filter = filter::both(filter, neighbourhood::filter(node, project, within)?);
    }
    if filter.len() > filter::NODES_MAX {
        let (count, most) = (filter.len(), filter::NODES_MAX);
        return Err(invalid(format!(
            "`filter`, `query` and `like` have {count} conditions and groups together; at most {most} are taken."
        )));
    }
    if text.is_none() && given.is_none() && filter.is_empty() {
        return Err(invalid(
            "The query is empty: give it a `text`, a `query`, a `vector`, a `filter` or `like`.".to_owned(),
        ));
    }
    let mut vectors_unavailable = None;
    let vector = match (body.mode, given, &text) {
        (Mode::Keyword, Some(_), _) => {
            return Err(invalid("A keyword query takes no `vector`; use the mode `hybrid` or `vector`.".to_owned()));
        }
        (Mode::Keyword, None, _) | (_, None, None) => None,
        (_, Some(vector), _) => Some(checked_vector(vector, index)?),
        (Mode::Vector, None, Some(text)) => Some(embed(index, text, cancel)?),
        (Mode::Hybrid, None, Some(text)) => match embed(index, text, cancel) {
            Ok(vector) => Some(vector),
            Err(ModelError::Call(error)) => return Err(error.into()),
            // Words find records without any model; who asked for both is told.
            Err(error) => {
                vectors_unavailable = Some(error.to_string());
                None
            }
        },
    };
    let similarity_min = body.similarity_min.map(|min| share("similarity_min", min, -1.0)).transpose()?;
    if let (Some(reason), Some(_)) = (&vectors_unavailable, similarity_min) {
        let detail = format!("`similarity_min` needs a vector to compare with, and {reason}.");
        return Err(Problem::new(Kind::ModelUnavailable, detail).with("model", index.derivation().model_name()));
    }
    if similarity_min.is_some() && vector.is_none() {
        return Err(invalid(
            "`similarity_min` needs something to be similar to: a text, a vector or `like`, and not the mode `keyword`."
                .to_owned(),
        ));
    }
    let fusion = fusion(body.fusion)?;
    let bytes = body.highlight.map(highlight_bytes).transpose()?;
    let request = Request {
        text: text.clone().filter(|_| body.mode != Mode::Vector),
        vector,
        k: hits_asked_for(k, offset, fusion, body.diversity.is_some()),
        offset,
        filter,
        fusion,
        ef,
        exact: body.exact,
        similarity_min,
        diversity: body.diversity.map(|diversity| share("diversity", diversity, 0.0)).transpose()?,
        group: body.group.map(group).transpose()?,
        explain: body.explain,
    };
    Ok(Asked { request, parsed, k, highlight: bytes.map(|bytes| (text, bytes)), vectors_unavailable })
}

/// One more than wanted tells whether there is another page.
fn hits_asked_for(k: u32, offset: u32, fusion: Fusion, is_diverse: bool) -> u32 {
    match fusion {
        _ if is_diverse => k,
        Fusion::ReciprocalRank(_) => (k + 1).max(RANKED_MIN.saturating_sub(offset)).min(K_MAX),
        Fusion::Convex(_) => (k + 1).min(K_MAX),
    }
}

fn group(body: GroupBody) -> Result<Group, Problem> {
    if body.field == "key" {
        return Err(invalid("`group.field` is `key`, which no two records share; group by another field.".to_owned()));
    }
    filter::check_path(&body.field, "group.field")?;
    Ok(Group { path: body.field, size: within("group.size", body.size, 1, GROUP_SIZE_MAX)? })
}

fn highlight_bytes(body: HighlightBody) -> Result<u32, Problem> {
    let bytes = body.bytes.unwrap_or(HIGHLIGHT_BYTES_DEFAULT);
    if bytes < HIGHLIGHT_BYTES_MIN {
        return Err(invalid(format!("`highlight.bytes` is {bytes}; it is at least {HIGHLIGHT_BYTES_MIN}.")));
    }
    Ok(bytes)
}

fn parse(node: &Node, index: &ProjectIndex, query: &str) -> Result<Parsed, Problem> {
    if query.trim().is_empty() {
        return Err(invalid("`query` is empty; leave it out to ask by `vector` or `filter` alone.".to_owned()));
    }
    index.parse(node.sources(), query)?.map_err(|error| {
        let detail = format!("At character {} of the query: {}", error.at + 1, error.message);
        Problem::new(Kind::InvalidQuery, detail).with("position", error.at).with("query", query)
    })
}

/// An unknown field of the query language is pointed at like a mistake in the syntax.
fn point_at_field(problem: Problem, query: Option<&str>, parsed: Option<&Parsed>) -> Problem {
    let field = problem.member("field").and_then(|field| field.as_str().map(str::to_owned));
    let position = parsed
        .zip(field)
        .and_then(|(parsed, field)| parsed.fields.iter().find(|used| used.path == field).map(|used| used.at));
    match (position, query) {
        (Some(position), Some(query)) => problem.with("position", position).with("query", query),
        _ => problem,
    }
}

/// Refuses a query that is about another model than the project's.
fn check_model(index: &ProjectIndex, model: Option<&str>) -> Result<(), Problem> {
    let Some(given) = model else { return Ok(()) };
    let derivation = index.derivation();
    let name = derivation.model_name();
    let is_id = derivation.model().is_ok_and(|model| model.card().id == given);
    if given == name || is_id {
        return Ok(());
    }
    let detail = format!(
        "The query's vector is of the model `{given}`; the project's vectors are of `{name}`, and the two must not be compared."
    );
    Err(Problem::new(Kind::ModelMismatch, detail).with("model", name))
}

fn check_like(has_words: bool, mode: Mode) -> Result<(), Problem> {
    if has_words {
        return Err(invalid(
            "`like` stands for the text and the vector; leave `text`, `query` words and `vector` out.".to_owned(),
        ));
    }
    if mode == Mode::Keyword {
        return Err(invalid("`like` compares by meaning; use the mode `hybrid` or `vector`.".to_owned()));
    }
    Ok(())
}

/// What a record is about, as it was at the version: the mean of its chunks' vectors, from the cache as a rule, since they were
/// embedded when it was published.
fn like(
    node: &Node,
    index: &ProjectIndex,
    project: &ProjectName,
    key: &str,
    version: Option<&str>,
    cancel: &Cancel,
) -> Result<Vec<f32>, Problem> {
    let parsed = RecordKey::parse(key)?;
    let mut record = node.replica().get(project, &parsed)?;
    if let Some(version) = version
        && let Some(then) = changed_since(node, project, version)?.remove(key)
    {
        record = then;
    }
    let record = record.ok_or_else(|| {
        Problem::new(Kind::UnknownRecord, format!("There is no record `{key}` to look for others like it."))
    })?;
    if record.text.is_empty() {
        return Err(invalid(format!("The record `{key}` has no text, so nothing can be like it in meaning.")));
    }
    let chunks = index.derivation().embedded(node.replica(), &[&record.text], Some(cancel))?.pop();
    let direction = chunks.and_then(|chunks| alike::direction(&chunks));
    direction.ok_or_else(|| Problem::internal(&"the model gave no vector"))
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

fn checked_vector(vector: Vec<f32>, index: &ProjectIndex) -> Result<Vec<f32>, Problem> {
    let model = index.derivation().model()?;
    let (dimensions, name) = (model.card().dimensions, &model.card().name);
    if vector.len() != dimensions as usize {
        let detail = format!(
            "`vector` has {} numbers; the vectors of the project's model, `{name}`, have {dimensions}.",
            vector.len()
        );
        return Err(Problem::new(Kind::InvalidQuery, detail)
            .with("model", name.as_str())
            .with("dimensions", dimensions));
    }
    if vector.iter().any(|number| !number.is_finite()) || vector.iter().all(|&number| number == 0.0) {
        return Err(invalid("`vector` must have finite numbers that are not all zero.".to_owned()));
    }
    Ok(vector)
}

fn within(name: &str, value: u32, least: u32, most: u32) -> Result<u32, Problem> {
    if (least..=most).contains(&value) {
        return Ok(value);
    }
    Err(invalid(format!("`{name}` is {value}; it goes from {least} to {most}.")))
}

fn share(name: &str, value: f32, least: f32) -> Result<f32, Problem> {
    if (least..=1.0).contains(&value) {
        return Ok(value);
    }
    Err(invalid(format!("`{name}` is {value}; it goes from {least} to 1.")))
}

fn embed(index: &ProjectIndex, text: &str, cancel: &Cancel) -> Result<Vec<f32>, ModelError> {
    let model = index.derivation().model()?;
    let vector = model.embed(&[text], Some(cancel))?.pop();
    vector.ok_or_else(|| ModelError::Failed {
        name: model.card().name.clone(),
        reason: "it gave no vector for the query".to_owned(),
    })
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
        Some(FusionBody::ReciprocalRank { constant }) => {
            Ok(Fusion::ReciprocalRank(within("constant", constant, 0, RANK_CONSTANT_MAX)?))
        }
    }
}

fn invalid(detail: String) -> Problem {
    Problem::new(Kind::InvalidQuery, detail)
}
