//! The JSON shapes of the API. The OpenAPI description is generated from these types.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use skerry_host::types::{Explanation, TermScore};
use skerry_sync::{Link, Member, Record, RecordKey};
use utoipa::ToSchema;

use crate::problem::{Kind, Problem};

/// A record: the unit of context.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RecordBody {
    /// Unique in the project; 1 to 512 bytes of UTF-8 without control characters.
    pub key: String,
    /// What is embedded and searched for keywords; at most 1 MiB of UTF-8. Long texts have a vector for each chunk.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub text: String,
    /// Structured content. Objects merge field by field when replicas meet, arrays and scalars as a whole.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    #[schema(value_type = std::collections::BTreeMap<String, Value>)]
    pub data: Map<String, Value>,
    /// About the record: source, author, time. Merges as `data` does. With `data` at most 256 KiB as JSON.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    #[schema(value_type = std::collections::BTreeMap<String, Value>)]
    pub metadata: Map<String, Value>,
    /// Named contexts that the record belongs to; at most 64.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    #[schema(value_type = Vec<String>)]
    pub layers: BTreeSet<String>,
    /// Typed (hyper)edges that this record states; at most 1,000.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub links: Vec<LinkBody>,
}

/// A typed (hyper)edge. Two members and a type make a knowledge-graph triple; type `parent` makes a hierarchy.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LinkBody {
    /// What the link says, for instance `parent` or `can-precede`.
    #[serde(rename = "type")]
    pub kind: String,
    /// Who takes part; 1 to 64. A member may name a record that is not there (yet).
    pub members: Vec<MemberBody>,
    /// Strength, a finite number; 1 when absent.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub weight: f64,
    /// Layers that the link belongs to.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    #[schema(value_type = Vec<String>)]
    pub layers: BTreeSet<String>,
}

/// A member of a link.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct MemberBody {
    /// The part that it plays, for instance `child`.
    pub role: String,
    /// The key of a record.
    pub key: String,
}

fn one() -> f64 {
    1.0
}

#[allow(clippy::float_cmp, clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference; 1 is exact")]
fn is_one(weight: &f64) -> bool {
    *weight == 1.0
}

impl From<Record> for RecordBody {
    fn from(record: Record) -> Self {
        RecordBody {
            key: record.key.as_str().to_owned(),
            text: record.text,
            data: record.data,
            metadata: record.metadata,
            layers: record.layers,
            links: record.links.into_iter().map(LinkBody::from).collect(),
        }
    }
}

impl From<Link> for LinkBody {
    fn from(link: Link) -> Self {
        let members = link.members.into_iter().map(|member| MemberBody { role: member.role, key: member.key });
        LinkBody { kind: link.kind, members: members.collect(), weight: link.weight, layers: link.layers }
    }
}

impl From<LinkBody> for Link {
    fn from(link: LinkBody) -> Self {
        let members = link.members.into_iter().map(|member| Member { role: member.role, key: member.key });
        Link { kind: link.kind, members: members.collect(), weight: link.weight, layers: link.layers }
    }
}

impl RecordBody {
    fn into_record(self) -> Result<Record, String> {
        let record = Record {
            key: RecordKey::parse(&self.key).map_err(|error| error.to_string())?,
            text: self.text,
            data: self.data,
            metadata: self.metadata,
            layers: self.layers,
            links: self.links.into_iter().map(Link::from).collect(),
        };
        record.check().map_err(|error| error.to_string())?;
        Ok(record)
    }
}

/// Checks every record of a request and reports every bad one at once.
///
/// # Errors
/// [`Kind::InvalidRecord`] whose member `errors` lists index, key and reason (the first 100).
pub fn into_records(bodies: Vec<RecordBody>) -> Result<Vec<Record>, Problem> {
    let mut records = Vec::with_capacity(bodies.len());
    let mut errors = Vec::new();
    for (index, body) in bodies.into_iter().enumerate() {
        let key = body.key.clone();
        match body.into_record() {
            Ok(record) => records.push(record),
            Err(reason) => errors.push((index, key, reason)),
        }
    }
    let Some((index, key, reason)) = errors.first() else {
        return Ok(records);
    };
    let shown: String = key.chars().flat_map(char::escape_default).take(80).collect();
    let more = match errors.len() {
        1 => String::new(),
        count => format!(" {} more records have errors.", count - 1),
    };
    let detail = format!("Record {index} (`{shown}`): {reason}.{more} Nothing of this request was stored.");
    let list: Vec<Value> = errors
        .iter()
        .take(100)
        .map(|(index, key, reason)| serde_json::json!({ "index": index, "key": key, "detail": reason }))
        .collect();
    Err(Problem::new(Kind::InvalidRecord, detail).with("errors", list))
}

/// Records to publish.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PublishBody {
    /// At most 10,000. The last of records with one key wins.
    pub records: Vec<RecordBody>,
}

/// What a publish did. When it is answered, every record is on disk.
#[derive(Debug, Serialize, ToSchema)]
pub struct Published {
    /// Records in the request.
    pub published: usize,
    /// Records that are different from before.
    pub changed: usize,
    /// Position of the last change in this replica's change feed.
    pub sequence: u64,
    /// The project's version: the same on every replica that holds the same changes.
    pub version: String,
}

/// Keys to delete.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DeletionsBody {
    /// At most 10,000; keys that are not there are passed over.
    pub keys: Vec<String>,
}

/// What a delete did. When it is answered, the deletion is on disk.
#[derive(Debug, Serialize, ToSchema)]
pub struct Deleted {
    /// Records that were there and are gone.
    pub deleted: usize,
    /// Position of the last change in this replica's change feed.
    pub sequence: u64,
    /// The project's version.
    pub version: String,
}

/// A page of records in the order of their keys.
#[derive(Debug, Serialize, ToSchema)]
pub struct RecordPage {
    /// The records.
    pub records: Vec<RecordBody>,
    /// Pass it as `after` for the next page; null on the last one.
    pub next: Option<String>,
}

/// A project's description, to create or change it.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ProjectBody {
    /// For people; at most 4 KiB.
    #[serde(default)]
    pub description: String,
    /// Name of the embedding model, one of `GET /models`; the node's default when the project is created without. A project
    /// with records keeps its model: see `POST /projects/{project}/reembed`.
    #[serde(default)]
    pub model: Option<String>,
    /// Tokens of a chunk of a long text, 8 to what the model takes; that, or 512 if it takes more, when absent.
    #[serde(default)]
    pub chunk_tokens: Option<u32>,
    /// Tokens that a chunk shares with the one before it, less than half of `chunk_tokens`; 32 when absent.
    #[serde(default)]
    pub chunk_overlap: Option<u32>,
}

/// Where to take a project. What is absent stays; another model has chunks of its own unless they are given.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ReembedBody {
    /// Name of the embedding model, one of `GET /models`.
    #[serde(default)]
    pub model: Option<String>,
    /// Tokens of a chunk.
    #[serde(default)]
    pub chunk_tokens: Option<u32>,
    /// Tokens that a chunk shares with the one before it.
    #[serde(default)]
    pub chunk_overlap: Option<u32>,
}

/// The embedding models of a node.
#[derive(Debug, Serialize, ToSchema)]
pub struct ModelsBody {
    /// In the order of their names.
    pub models: Vec<ModelEntry>,
}

/// An embedding model.
#[derive(Debug, Serialize, ToSchema)]
pub struct ModelEntry {
    /// The name by which projects ask for it.
    pub name: String,
    /// `built-in`, `component` or `endpoint`.
    pub kind: &'static str,
    /// Projects that name no model have this one.
    pub default: bool,
    /// Whether it can be used.
    pub usable: bool,
    /// Why not, and what to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Its identity; null when it cannot be used.
    pub id: Option<String>,
    /// Numbers in a vector.
    pub dimensions: Option<u32>,
    /// Tokens of one text that count; of endpoints in about.
    pub tokens_max: Option<u32>,
}

/// The model that a project's queries are answered with.
#[derive(Debug, Serialize, ToSchema)]
pub struct ProjectModel {
    /// Its name.
    pub name: String,
    /// Its identity; null when this node does not have it.
    pub id: Option<String>,
    /// Numbers in a vector; null when this node does not have it.
    pub dimensions: Option<u32>,
    /// Why vector search does not work here.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unavailable: Option<String>,
}

/// How long texts are cut.
#[derive(Debug, Serialize, ToSchema)]
pub struct ChunkingBody {
    /// Tokens of a chunk.
    pub tokens: u32,
    /// Tokens that a chunk shares with the one before it.
    pub overlap: u32,
}

/// A project's way to another model.
#[derive(Debug, Serialize, ToSchema)]
pub struct ReembeddingBody {
    /// Name of the model that it leads to.
    pub model: String,
    /// How texts are cut then; null when this node does not have the model.
    pub chunking: Option<ChunkingBody>,
    /// Records that have their vectors.
    pub records_done: u64,
    /// Records of the project.
    pub records_total: u64,
    /// What holds it up; tried again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// A project.
#[derive(Debug, Serialize, ToSchema)]
pub struct Project {
    /// Its name, the same on every replica.
    pub name: String,
    /// For people.
    pub description: String,
    /// Live records.
    pub records: u64,
    /// The project's version.
    pub version: String,
    /// Position of the last change in this replica's change feed.
    pub sequence: u64,
    /// The model that its queries are answered with.
    pub model: ProjectModel,
    /// How its long texts are cut; null when this node does not have the model.
    pub chunking: Option<ChunkingBody>,
    /// Its way to another model; absent when it is on none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reembedding: Option<ReembeddingBody>,
}

/// The projects of a node.
#[derive(Debug, Serialize, ToSchema)]
pub struct Projects {
    /// In the order of their names.
    pub projects: Vec<Project>,
}

/// A project's version.
#[derive(Debug, Serialize, ToSchema)]
pub struct VersionBody {
    /// SHA-256 over the heads of every shard, hex: equal on two replicas exactly when they hold the same changes.
    pub version: String,
    /// Position of the last change in this replica's change feed.
    pub sequence: u64,
}

/// The node's state of health.
#[derive(Debug, Serialize, ToSchema)]
pub struct Health {
    /// `ok` or `failed`.
    pub status: &'static str,
    /// Why it failed, when it did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The node's version.
    pub version: &'static str,
    /// Names this run of the node.
    pub instance: String,
}

/// What a node is and holds.
#[derive(Debug, Serialize, ToSchema)]
pub struct Status {
    /// The node itself.
    pub node: NodeStatus,
    /// Its projects, in the order of their names.
    pub projects: Vec<ProjectStatus>,
}

/// What a node is.
#[derive(Debug, Serialize, ToSchema)]
pub struct NodeStatus {
    /// The node's version.
    pub version: &'static str,
    /// `ok` or `failed`.
    pub health: &'static str,
    /// Identity of the default embedding model.
    pub model: String,
    /// Numbers in its vectors.
    pub dimensions: u32,
    /// Proportional set size of the process in bytes; null where the system does not tell.
    pub memory_pss_bytes: Option<u64>,
    /// Seconds since the node was opened.
    pub uptime_seconds: u64,
}

/// What a project holds and how far its index is.
#[derive(Debug, Serialize, ToSchema)]
pub struct ProjectStatus {
    /// The project.
    #[serde(flatten)]
    pub project: Project,
    /// Position in the change feed up to which queries see records; null while nobody has asked this node yet.
    pub indexed_sequence: Option<u64>,
    /// Records that keyword search finds and vector search does not yet; null while the index is not open.
    pub vectors_pending: Option<usize>,
    /// Bytes of index data; null while the index is not open.
    pub index_bytes: Option<u64>,
    /// Records of each segment, the live one last; null while the index is not open.
    pub segments: Option<Vec<u32>>,
    /// A segment is being sealed in the background.
    pub sealing: Option<bool>,
}

/// With whom to sync, and what.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SyncBody {
    /// Address of the other node, for instance `http://127.0.0.1:8788`.
    pub url: String,
    /// Projects to sync; all of both nodes when absent.
    #[serde(default)]
    pub projects: Option<Vec<String>>,
    /// API key of the other node, if it asks for one.
    #[serde(default)]
    pub api_key: Option<String>,
}

/// What a sync did.
#[derive(Debug, Serialize, ToSchema)]
pub struct SyncReport {
    /// In the order of their names.
    pub projects: Vec<ProjectSyncReport>,
}

/// What a sync did to one project.
#[derive(Debug, Serialize, ToSchema)]
pub struct ProjectSyncReport {
    /// The project.
    pub name: String,
    /// Its version afterwards: the same on both nodes unless somebody wrote meanwhile.
    pub version: String,
    /// Requests that it took.
    pub rounds: u32,
    /// Bytes of sync bodies sent.
    pub bytes_sent: u64,
    /// Bytes of sync bodies received.
    pub bytes_received: u64,
    /// Changes sent.
    pub changes_sent: u64,
    /// Changes received.
    pub changes_received: u64,
}

/// A query.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct QueryBody {
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
    #[schema(value_type = Option<Object>)]
    pub filter: Option<Value>,
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
}

/// How to group hits.
#[derive(Debug, Deserialize, ToSchema)]
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
#[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct HighlightBody {
    /// Bytes of the part at most, at least 16; 240 when absent.
    #[serde(default)]
    pub bytes: Option<u32>,
}

/// What to search with.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Deserialize, ToSchema)]
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
#[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
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
#[derive(Debug, Serialize, ToSchema)]
pub struct Answer {
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
    /// Best first; equal scores in the order of their keys.
    pub hits: Vec<HitBody>,
}

/// A record found.
#[derive(Debug, Serialize, ToSchema)]
pub struct HitBody {
    /// The record's key.
    pub key: String,
    /// What the hits are ordered by.
    pub score: f32,
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
    #[schema(value_type = Option<Object>)]
    pub group: Option<Value>,
    /// Where the score comes from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub explanation: Option<ExplanationBody>,
    /// The part of the text with the query's words: of the chunk that matched where it has some of them, or where the whole
    /// text has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub highlight: Option<Highlight>,
    /// The record itself.
    pub record: RecordBody,
}

/// A part of a record's text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
pub struct SpanBody {
    /// Its first byte in the text's UTF-8.
    pub start: u32,
    /// The byte behind its last.
    pub end: u32,
}

/// Where a score comes from: the two parts add up to it.
#[derive(Debug, Serialize, ToSchema)]
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
#[derive(Debug, Serialize, ToSchema)]
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
#[derive(Debug, Serialize, ToSchema)]
pub struct Highlight {
    /// The pieces in order.
    pub fragments: Vec<Fragment>,
    /// Text stands before it.
    pub cut_before: bool,
    /// Text stands behind it.
    pub cut_after: bool,
}

/// A piece of text.
#[derive(Debug, Serialize, ToSchema)]
pub struct Fragment {
    /// The piece.
    pub text: String,
    /// It is a word of the query.
    #[serde(rename = "match")]
    pub is_match: bool,
}

/// The versions of a project, newest first.
#[derive(Debug, Serialize, ToSchema)]
pub struct Versions {
    /// The first is the version of now.
    pub versions: Vec<VersionEntry>,
}

/// A version that a project had.
#[derive(Debug, Serialize, ToSchema)]
pub struct VersionEntry {
    /// Its name.
    pub version: String,
    /// Position of the last change in this node's change feed then.
    pub sequence: u64,
    /// When this node wrote it, in milliseconds since 1970; null when other replicas brought it.
    pub time_ms: Option<i64>,
}

/// What counts as near, and where to go on.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DuplicatesBody {
    /// Least cosine similarity of a pair, 0.5 to 1; 0.95 when absent.
    #[serde(default)]
    pub similarity_min: Option<f32>,
    /// Records to examine in this request, at most 5,000; 1,000 when absent.
    #[serde(default)]
    pub limit: Option<usize>,
    /// Go on behind this key: `next` of the answer before.
    #[serde(default)]
    pub after: Option<String>,
}

/// Near-duplicates among the examined records and all others, most similar first.
#[derive(Debug, Serialize, ToSchema)]
pub struct Duplicates {
    /// Each pair once, under its first key; at most 20 for each record.
    pub pairs: Vec<Pair>,
    /// Records examined.
    pub examined: usize,
    /// Of these, records whose vector is still being computed, which could not be compared; absent when there are none.
    #[serde(skip_serializing_if = "is_zero")]
    pub vectors_pending: usize,
    /// Pass it as `after` for the next part; null when all are examined.
    pub next: Option<String>,
}

/// Two records that say almost the same.
#[derive(Debug, Serialize, ToSchema)]
pub struct Pair {
    /// Their keys, ascending.
    pub keys: [String; 2],
    /// Cosine similarity; of records of several chunks the least that a chunk of either has to its like in the other.
    pub similarity: f32,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_false(value: &bool) -> bool {
    !*value
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_zero(count: &usize) -> bool {
    *count == 0
}
