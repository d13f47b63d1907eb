//! The JSON shapes of queries and their answers.
//!
//! What only a node understands is left to the caller as a type: the part of the graph that a query is about (`Within`), how
//! hits lead to other records (`Expand`, `Via`), and how a record is held (`Record`; a snapshot has its JSON already).

mod projects;

use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use projects::*;

#[cfg(feature = "openapi")]
use crate::openapi;
use crate::types::{Explanation, TermScore};

/// A query.
#[derive(Debug, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields, bound = "Within: Deserialize<'de>, Expand: Deserialize<'de>")]
pub struct QueryBody<Within, Expand> {
    /// What to look for, as plain text: words for keyword search, meaning for vector search. 1 to 8,192 characters.
    #[serde(default)]
    pub text: Option<String>,
    /// What to look for, in the query language (docs/query-language.md): words, "phrases", field:value, -minus.
    #[serde(default)]
    pub query: Option<String>,
    /// A vector to use instead of the text's own: as many finite numbers as the project's model has dimensions.
    #[serde(default)]
    pub vector: Option<Vec<f32>>,
    /// Name or identity of the model that the vector is of; refused when it is not the one that the project has.
    #[serde(default)]
    pub model: Option<String>,
    /// A record's key: find others like it, by the mean of its chunks' vectors.
    #[serde(default)]
    pub like: Option<String>,
    /// How many hits at most, 1 to 1,000; 10 when absent.
    #[serde(default)]
    pub k: Option<u32>,
    /// Hits to leave out before the first, at most 10,000: `next_offset` of the page before. Give its `version` too, and pages
    /// fit together whatever is written meanwhile.
    #[serde(default)]
    pub offset: Option<u32>,
    /// Only records that pass: `{"all": [..]}`, `{"any": [..]}`, `{"not": ..}` or
    /// `{"field": "data.x", "op": "eq", "value": ..}`; operators are eq, in, lt, lte, gt, gte, prefix, matches, exists.
    #[serde(default)]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<Object>))]
    pub filter: Option<Value>,
    /// Only records in this part of the graph, as it is now: a neighbourhood, a subtree, a set of layers. Not with `version`.
    #[serde(default)]
    #[cfg_attr(feature = "openapi", schema(schema_with = openapi::within::<Within>))]
    pub within: Option<Within>,
    /// Also records that hits lead to along links. Not with `version`, `offset`, `group` and `diversity`.
    #[serde(default)]
    #[cfg_attr(feature = "openapi", schema(schema_with = openapi::expand::<Expand>))]
    pub expand: Option<Expand>,
    /// What to search with; hybrid when absent.
    #[serde(default)]
    pub mode: Mode,
    /// How keyword and vector scores become one; convex with vector weight 0.8 when absent.
    #[serde(default)]
    pub fusion: Option<FusionBody>,
    /// Answer as of this version of the project (64 hex digits).
    #[serde(default)]
    pub version: Option<String>,
    /// Least cosine similarity of a hit, -1 to 1.
    #[serde(default)]
    pub similarity_min: Option<f32>,
    /// Prefer hits that differ from those before them: 0 for the plain order, up to 1 (maximal marginal relevance). Not with
    /// `offset`.
    #[serde(default)]
    pub diversity: Option<f32>,
    /// Keep only the best hits of each value of a field.
    #[serde(default)]
    pub group: Option<GroupBody>,
    /// Say where each score comes from.
    #[serde(default)]
    pub explain: bool,
    /// Show the part of each text with the words of `text` or `query`, the chunk that matched first; `{}` for the usual length.
    #[serde(default)]
    pub highlight: Option<HighlightBody>,
    /// Breadth of the graph search in large projects (`ef_search`), 1 to 4,096; more finds more of the true nearest.
    #[serde(default)]
    pub ef: Option<u32>,
    /// Look at every vector: the exact answer in large projects, more slowly.
    #[serde(default)]
    pub exact: bool,
    /// Let a plugin of the node put the best hits into another order.
    #[serde(default)]
    pub rerank: Option<RerankBody>,
}

/// By hand, since what a node understands needs no default.
impl<Within, Expand> Default for QueryBody<Within, Expand> {
    fn default() -> Self {
        QueryBody {
            text: None,
            query: None,
            vector: None,
            model: None,
            like: None,
            k: None,
            offset: None,
            filter: None,
            within: None,
            expand: None,
            mode: Mode::default(),
            fusion: None,
            version: None,
            similarity_min: None,
            diversity: None,
            group: None,
            explain: false,
            highlight: None,
            ef: None,
            exact: false,
            rerank: None,
        }
    }
}

/// Which plugin ranks the hits anew.
#[derive(Debug, Clone, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct RerankBody {
    /// A reranker of `GET /plugins`.
    pub plugin: String,
    /// Hits that it is given, at least `offset` and `k` together, at most 1,000; 50 when absent, or as many as are asked for.
    #[serde(default)]
    pub candidates: Option<u32>,
    /// What the plugin is told: a text as it is, anything else as JSON; what it means is the plugin's.
    #[serde(default)]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<Object>))]
    pub argument: Option<Value>,
}

/// What a reranker did.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct RerankedBody {
    /// The plugin.
    pub plugin: String,
    /// Hits that it was given.
    pub candidates: usize,
    /// Why it gave no ranking; the hits are in the query's own order then. Absent as a rule.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failed: Option<String>,
}

/// How to group hits.
#[derive(Debug, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct GroupBody {
    /// The field, for instance `data.source`, not `key`; records without it are a group of their own.
    pub field: String,
    /// Hits of each group at most, 1 to 1,000; 1 when absent.
    #[serde(default = "one_hit")]
    pub size: u32,
}

fn one_hit() -> u32 {
    1
}

/// How to highlight.
#[derive(Debug, Clone, Copy, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct HighlightBody {
    /// Bytes of the part at most, at least 16; 240 when absent.
    #[serde(default)]
    pub bytes: Option<u32>,
}

/// What to search with.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// Keywords and vector.
    #[default]
    Hybrid,
    /// BM25 only.
    Keyword,
    /// Cosine similarity only.
    Vector,
}

/// How keyword and vector scores become one.
#[derive(Debug, Clone, Copy, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum FusionBody {
    /// A weighted sum of both scores, each normalised by this query's best.
    Convex {
        /// Weight of the vector score, 0 to 1; the keyword score has the rest.
        vector_weight: f32,
    },
    /// Reciprocal rank fusion.
    ReciprocalRank {
        /// Added to each rank, 0 to 1,000,000; 60 is usual.
        constant: u32,
    },
}

/// The answer to a query. The same query at the same version gives the same bytes on every replica.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Answer<Record, Via> {
    /// The version that was asked.
    pub version: String,
    /// Records that passed the filter (all of them without one).
    pub candidates: u32,
    /// The project is large and its graph was walked: one of the best may have been missed. Set `exact` to rule that out.
    #[serde(skip_serializing_if = "is_false")]
    pub approximate: bool,
    /// `offset` of the next page; null when this is the last, when it would be above 10,000, and with `diversity`.
    pub next_offset: Option<u32>,
    /// Records whose vector is still being computed, which vector search cannot find yet; absent when there are none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vectors_pending: Option<usize>,
    /// Why the vectors were left out of a hybrid query, whose model this node does not have or cannot reach; absent as a rule.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vectors_unavailable: Option<String>,
    /// What the reranker did that the query asked for; absent without one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reranked: Option<RerankedBody>,
    /// Best first; equal scores in the order of their keys.
    #[cfg_attr(feature = "openapi", schema(schema_with = openapi::hits::<HitBody<Record, Via>>))]
    pub hits: Vec<HitBody<Record, Via>>,
}

/// A record found.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct HitBody<Record, Via> {
    /// The record's key.
    pub key: String,
    /// What the hits are ordered by.
    pub score: f32,
    /// The query's own score, which a reranker has put another in the place of.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub query_score: Option<f32>,
    /// Cosine similarity of the chunk, -1 to 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vector_score: Option<f32>,
    /// The part of the record's text that is most similar to the query; where there is a `vector_score`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub chunk: Option<SpanBody>,
    /// BM25 score.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub keyword_score: Option<f32>,
    /// The value of the field that was grouped by.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<Object>))]
    pub group: Option<Value>,
    /// Where the score comes from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub explanation: Option<ExplanationBody>,
    /// The part of the text with the query's words: of the chunk that matched where it has some of them, or where the whole
    /// text has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub highlight: Option<Highlight>,
    /// The links along which it was come by; absent for what the query itself found with a score as high.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(schema_with = openapi::via::<Via>))]
    pub via: Option<Via>,
    /// The record itself.
    #[cfg_attr(feature = "openapi", schema(schema_with = openapi::record::<Record>))]
    pub record: Record,
}

/// A page of records in the order of their keys.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct RecordPage<Record> {
    /// The records.
    #[cfg_attr(feature = "openapi", schema(schema_with = openapi::records::<Record>))]
    pub records: Vec<Record>,
    /// Pass it as `after` for the next page; null on the last one.
    pub next: Option<String>,
}

/// A part of a record's text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct SpanBody {
    /// Its first byte in the text's UTF-8.
    pub start: u32,
    /// The byte behind its last.
    pub end: u32,
}

/// Where a score comes from: the two parts add up to it.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ExplanationBody {
    /// The vector's part: its weight times the normalised cosine, or its share by rank.
    pub vector_part: f32,
    /// The keywords' part.
    pub keyword_part: f32,
    /// Position by vector, from 1, with reciprocal rank fusion.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vector_rank: Option<u32>,
    /// Position by keywords.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub keyword_rank: Option<u32>,
    /// The terms of the query that the record has; their scores add up to `keyword_score`.
    pub terms: Vec<TermBody>,
}

/// A term's part in a keyword score.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct TermBody {
    /// The term as it is indexed: lower case, stemmed.
    pub term: String,
    /// How often the record has it.
    pub count: u32,
    /// Inverse document frequency.
    pub idf: f32,
    /// What it adds to the keyword score.
    pub score: f32,
}

impl From<Explanation> for ExplanationBody {
    fn from(explanation: Explanation) -> Self {
        let Explanation { vector_part, keyword_part, vector_rank, keyword_rank, terms } = explanation;
        let term = |TermScore { term, count, idf, score }| TermBody { term, count, idf, score };
        ExplanationBody {
            vector_part,
            keyword_part,
            vector_rank,
            keyword_rank,
            terms: terms.into_iter().map(term).collect(),
        }
    }
}

/// A part of a text in pieces; put together they are the part.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Highlight {
    /// The pieces in order.
    pub fragments: Vec<Fragment>,
    /// Text stands before it.
    pub cut_before: bool,
    /// Text stands behind it.
    pub cut_after: bool,
}

/// A piece of text.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Fragment {
    /// The piece.
    pub text: String,
    /// It is a word of the query.
    #[serde(rename = "match")]
    pub is_match: bool,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_false(value: &bool) -> bool {
    !*value
}
