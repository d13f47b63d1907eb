//! The query path that needs no node: from a request's body to what the index is asked, and from hits to the answer.
//!
//! [`read`] and [`answer`] are all that a node and a snapshot do with a query, so they cannot answer differently.

use crate::body::{Answer, FusionBody, GroupBody, HighlightBody, HitBody, Mode, QueryBody, SpanBody};
use crate::filter;
use crate::highlight::{Shown, highlights};
use crate::problem::{Kind, Problem};
use crate::source::{EmbedError, Found, ModelCard, Source};
use crate::types::{Comparison, Condition, FieldUse, FilterNode, Fusion, Group, Hit, Parsed, Request, Scalar, Span};

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

/// What a body asks for.
#[derive(Debug)]
pub struct Asked {
    request: Request,
    /// The query in the query language, and where it names fields.
    written: Option<(String, Vec<FieldUse>)>,
    /// Hits wanted; the request may ask for more.
    k: u32,
    /// The words to mark, if there are any, and in how many bytes of text.
    highlight: Option<(Option<String>, u32)>,
    /// Why there is no vector although one was asked for.
    vectors_unavailable: Option<String>,
}

impl Asked {
    /// Hits wanted.
    pub fn k(&self) -> u32 {
        self.k
    }

    /// What has to hold of a hit.
    pub fn filter(&self) -> &[FilterNode] {
        &self.request.filter
    }
}

/// A version has one name, however its digits are written.
pub fn version<W, E>(body: &QueryBody<W, E>) -> Option<String> {
    body.version.as_ref().map(|version| version.to_ascii_lowercase())
}

/// Reads what a body asks for: checks its limits, reads its query language and filter, embeds its text if it needs a vector.
///
/// `expand` and `rerank` are the caller's to look at, before and after.
///
/// # Errors
/// A [`Problem`] that names the fault.
pub fn read<S: Source>(source: &mut S, body: QueryBody<S::Within, S::Expand>) -> Result<Asked, Problem> {
    let k = within("k", body.k.unwrap_or(K_DEFAULT), 1, K_MAX)?;
    let offset = within("offset", body.offset.unwrap_or(0), 0, OFFSET_MAX)?;
    if body.diversity.is_some() && offset > 0 {
        // Each next hit depends on how many are chosen from: pages would repeat hits and leave others out.
        return Err(invalid("`diversity` has no pages: leave `offset` out and ask for all hits with `k`."));
    }
    let ef = body.ef.map(|ef| within("ef", ef, 1, EF_MAX)).transpose()?;
    let parsed = body.query.as_deref().map(|query| parse(source, query)).transpose()?;
    if parsed.is_some() && body.text.is_some() {
        return Err(invalid("Give either `text`, plain words, or `query`, in the query language; not both."));
    }
    let mut filter = Vec::new();
    let mut written = None;
    let mut text = checked_text(body.text)?;
    let given = body.filter.as_ref().map(filter::parse).transpose()?.unwrap_or_default();
    if let Some(Parsed { text: words, filter: conditions, fields }) = parsed {
        text = text.or(Some(words));
        filter = conditions;
        written = body.query.map(|query| (query, fields));
    }
    let mut filter = filter::both(given, filter);
    let text = text.filter(|text| !text.is_empty());
    check_model(source, body.model.as_deref())?;
    let mut given = body.vector;
    if let Some(key) = &body.like {
        let has_words = given.is_some() || text.is_some();
        check_like(has_words, body.mode)?;
        given = Some(source.like(key)?);
        let itself = Condition { path: "key".to_owned(), comparison: Comparison::Eq(Scalar::Text(key.clone())) };
        filter = filter::both(filter, vec![FilterNode::Condition(itself), FilterNode::Negate(0)]);
    }
    if let Some(part) = &body.within {
        filter = filter::both(filter, source.within(part)?);
    }
    if filter.len() > filter::NODES_MAX {
        let (count, most) = (filter.len(), filter::NODES_MAX);
        return Err(invalid(format!(
            "`filter`, `query` and `like` have {count} conditions and groups together; at most {most} are taken."
        )));
    }
    if text.is_none() && given.is_none() && filter.is_empty() {
        return Err(invalid("The query is empty: give it a `text`, a `query`, a `vector`, a `filter` or `like`."));
    }
    let (vector, vectors_unavailable) = vector(source, body.mode, given, text.as_deref())?;
    let similarity_min = body.similarity_min.map(|min| share("similarity_min", min, -1.0)).transpose()?;
    if let (Some(reason), Some(_)) = (&vectors_unavailable, similarity_min) {
        let detail = format!("`similarity_min` needs a vector to compare with, and {reason}.");
        return Err(Problem::new(Kind::ModelUnavailable, detail).with("model", source.model_name()));
    }
    if similarity_min.is_some() && vector.is_none() {
        return Err(invalid(
            "`similarity_min` needs something to be similar to: a text, a vector or `like`, and not the mode `keyword`.",
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
    Ok(Asked { request, written, k, highlight: bytes.map(|bytes| (text, bytes)), vectors_unavailable })
}

/// The vector to search with, or why a hybrid query has to do without.
fn vector<S: Source>(
    source: &mut S,
    mode: Mode,
    given: Option<Vec<f32>>,
    text: Option<&str>,
) -> Result<(Option<Vec<f32>>, Option<String>), Problem> {
    match (mode, given, text) {
        (Mode::Keyword, Some(_), _) => {
            Err(invalid("A keyword query takes no `vector`; use the mode `hybrid` or `vector`."))
        }
        (Mode::Keyword, None, _) | (_, None, None) => Ok((None, None)),
        (_, Some(vector), _) => Ok((Some(checked_vector(vector, source)?), None)),
        (Mode::Vector, None, Some(text)) => Ok((Some(source.embed(text).map_err(EmbedError::into_problem)?), None)),
        (Mode::Hybrid, None, Some(text)) => match source.embed(text) {
            Ok(vector) => Ok((Some(vector), None)),
            Err(EmbedError::Failed(problem)) => Err(problem),
            // Words find records without any model; who asked for both is told.
            Err(EmbedError::Unavailable { reason, .. }) => Ok((None, Some(reason))),
        },
    }
}

/// Asks the index, and puts records and highlights to the hits.
///
/// # Errors
/// A [`Problem`] that names the fault.
pub fn answer<S: Source>(source: &mut S, asked: Asked) -> Result<Answer<S::Record, S::Via>, Problem> {
    let Asked { request, written, k, highlight, vectors_unavailable } = asked;
    let (offset, k_asked_for, is_diverse) = (request.offset, request.k, request.diversity.is_some());
    let group = request.group.clone();
    let found = source.search(request).map_err(|problem| point_at_field(problem, written.as_ref()))?;
    // The records first: another search may follow.
    let Found { mut response, version, vectors_pending } = found;
    let more = response.hits.len() > k as usize || (k_asked_for == k && response.hits.len() == k as usize);
    let is_grouped = response.hits.iter().any(|hit| hit.group.is_some());
    response.hits.truncate(k as usize);
    let records = source.records(&mut response.hits, &version)?;
    if let Some(group) = &group
        && !is_grouped
    {
        source.search(probe(group))?;
    }
    let mut hits: Vec<_> = response
        .hits
        .into_iter()
        .zip(records)
        .filter_map(|(hit, record)| record.map(|record| hit_body(hit, record)))
        .collect();
    if let Some((words, bytes)) = &highlight {
        let texts: Vec<_> = hits.iter().map(|hit: &HitBody<S::Record, S::Via>| S::text(&hit.record)).collect();
        let shown: Vec<Shown<'_>> =
            texts.iter().zip(&hits).map(|(text, hit)| Shown { text, chunk: hit.chunk }).collect();
        let excerpts = |texts: &[&str]| source.excerpts(texts, words.as_deref().unwrap_or_default(), *bytes);
        let highlights = highlights(&shown, words.is_some(), excerpts)?;
        hits.iter_mut().zip(highlights).for_each(|(hit, highlight)| hit.highlight = highlight);
    }
    let next = offset + k;
    Ok(Answer {
        version,
        candidates: response.candidates,
        approximate: response.approximate,
        vectors_pending: Some(vectors_pending).filter(|&count| count > 0),
        next_offset: Some(next)
            .filter(|&next| more && next < response.candidates && next <= OFFSET_MAX)
            .filter(|_| !is_diverse),
        vectors_unavailable,
        reranked: None,
        hits,
    })
}

/// A request that is refused, with the most similar field, when no record has the field that was to be grouped by.
fn probe(group: &Group) -> Request {
    let condition = Condition { path: group.path.clone(), comparison: Comparison::Eq(Scalar::Null) };
    Request { k: 1, filter: vec![FilterNode::Condition(condition)], ..Request::default() }
}

fn hit_body<R, V>(hit: Hit, record: R) -> HitBody<R, V> {
    HitBody {
        key: hit.key,
        score: hit.score,
        query_score: None,
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
        return Err(invalid("`group.field` is `key`, which no two records share; group by another field."));
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

fn parse(source: &mut impl Source, query: &str) -> Result<Parsed, Problem> {
    if query.trim().is_empty() {
        return Err(invalid("`query` is empty; leave it out to ask by `vector` or `filter` alone."));
    }
    source.parse(query)?.map_err(|error| {
        let detail = format!("At character {} of the query: {}", error.at + 1, error.message);
        Problem::new(Kind::InvalidQuery, detail).with("position", error.at).with("query", query)
    })
}

/// An unknown field of the query language is pointed at like a mistake in the syntax.
fn point_at_field(problem: Problem, written: Option<&(String, Vec<FieldUse>)>) -> Problem {
    let Some((query, fields)) = written else { return problem };
    let field = problem.member("field").and_then(|field| field.as_str());
    let position = field.and_then(|field| fields.iter().find(|used| used.path == field).map(|used| used.at));
    match position {
        Some(position) => problem.with("position", position).with("query", query.as_str()),
        None => problem,
    }
}

/// Refuses a query that is about another model than the project's.
fn check_model(source: &impl Source, model: Option<&str>) -> Result<(), Problem> {
    let Some(given) = model else { return Ok(()) };
    let name = source.model_name();
    let is_id = source.model().is_ok_and(|model| model.id == given);
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
            "`like` stands for the text and the vector; leave `text`, `query` words and `vector` out.",
        ));
    }
    if mode == Mode::Keyword {
        return Err(invalid("`like` compares by meaning; use the mode `hybrid` or `vector`."));
    }
    Ok(())
}

fn checked_text(text: Option<String>) -> Result<Option<String>, Problem> {
    let Some(text) = text else { return Ok(None) };
    let chars = text.chars().count();
    if text.trim().is_empty() {
        return Err(invalid("`text` is empty; leave it out to ask by `vector` or `filter` alone."));
    }
    if chars > TEXT_CHARS_MAX {
        return Err(invalid(format!("`text` has {chars} characters; at most {TEXT_CHARS_MAX} are taken.")));
    }
    Ok(Some(text))
}

fn checked_vector(vector: Vec<f32>, source: &impl Source) -> Result<Vec<f32>, Problem> {
    let ModelCard { dimensions, name, .. } = source.model()?;
    if vector.len() != dimensions as usize {
        let detail = format!(
            "`vector` has {} numbers; the vectors of the project's model, `{name}`, have {dimensions}.",
            vector.len()
        );
        return Err(Problem::new(Kind::InvalidQuery, detail).with("model", name).with("dimensions", dimensions));
    }
    if vector.iter().any(|number| !number.is_finite()) || vector.iter().all(|&number| number == 0.0) {
        return Err(invalid("`vector` must have finite numbers that are not all zero."));
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

fn invalid(detail: impl Into<String>) -> Problem {
    Problem::invalid_query(detail)
}
