//! Plain Rust twins of the types in `wit/query`; see there for what each field means.

pub use crate::tokenize::Span;

/// A leaf of a record's data or metadata.
#[derive(Debug, Clone, PartialEq)]
pub enum Scalar {
    /// JSON null.
    Null,
    /// A truth value.
    Boolean(bool),
    /// A number as a double.
    Number(f64),
    /// Text.
    Text(String),
}

/// A value at a path.
#[derive(Debug, Clone, PartialEq)]
pub struct Field {
    /// Where it stands.
    pub path: String,
    /// What stands there.
    pub value: Scalar,
}

/// A part of a document's text and its vector.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Chunk {
    /// Where the part stands.
    pub span: Span,
    /// Its vector.
    pub vector: Vec<f32>,
}

/// A record as the index sees it.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Document {
    /// Unique in the segment; 1 to 512 bytes.
    pub key: String,
    /// What keyword search reads.
    pub text: String,
    /// What vector search reads; at most 4,096.
    pub chunks: Vec<Chunk>,
    /// What filters read.
    pub fields: Vec<Field>,
    /// Handed back with a hit.
    pub payload: Vec<u8>,
}

/// Sizes of a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Stats {
    /// Documents held.
    pub documents: u32,
    /// Documents removed that still take room, in a sealed segment.
    pub removed: u32,
    /// Chunks with a vector.
    pub vectors: u32,
    /// Components per vector; 0 while there is none.
    pub dimensions: u32,
    /// Different terms.
    pub terms: u32,
    /// Pairs of term and document.
    pub postings: u64,
    /// Bytes of index data, estimated.
    pub bytes: u64,
    /// Of these, bytes of vectors and graph.
    pub vector_bytes: u64,
    /// It takes no documents any more.
    pub sealed: bool,
    /// It has a graph.
    pub graph: bool,
}

/// Why documents were refused; nothing was changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DocumentError {
    /// A vector with a number that is not finite.
    #[error("the vector of `{0}` has a number that is not finite")]
    VectorNotFinite(String),
    /// A vector of another length than the segment's, or an empty one.
    #[error("the vector of `{0}` has another number of dimensions than the segment")]
    VectorDimensions(String),
    /// More chunks than a document may have.
    #[error("`{0}` has more than 4096 chunks")]
    TooManyChunks(String),
    /// A chunk whose span is not a part of the text.
    #[error("a chunk of `{0}` is not a part of its text")]
    Span(String),
    /// A key of 0 or more than 512 bytes.
    #[error("the key `{0}` is empty or longer than 512 bytes")]
    KeyLength(String),
    /// The segment is sealed.
    #[error("a sealed segment takes no documents, only removals")]
    Sealed,
}

/// Why an image of a segment was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ImageError {
    /// The segment holds something already, or is sealed already.
    #[error("the segment is not empty")]
    NotEmpty,
    /// A section that this version does not know, is missing, or has the wrong length.
    #[error("section `{0}` is unknown, missing, or of the wrong length")]
    Section(String),
    /// The sections do not fit together.
    #[error("the sections do not fit together: {0}")]
    Inconsistent(&'static str),
}

/// How a field is compared.
#[derive(Debug, Clone, PartialEq)]
pub enum Comparison {
    /// Equal, type included.
    Eq(Scalar),
    /// Equal to one of these.
    OneOf(Vec<Scalar>),
    /// Less.
    Less(Scalar),
    /// Less or equal.
    LessOrEqual(Scalar),
    /// Greater.
    Greater(Scalar),
    /// Greater or equal.
    GreaterOrEqual(Scalar),
    /// Text that starts with this.
    Prefix(String),
    /// Text that has these words side by side in this order, compared as keyword search does.
    Words(String),
    /// Has any value.
    Exists,
}

/// A test of one field.
#[derive(Debug, Clone, PartialEq)]
pub struct Condition {
    /// Which field, or `key`.
    pub path: String,
    /// The test.
    pub comparison: Comparison,
}

/// A node of a filter; children are positions before their parent's.
#[derive(Debug, Clone, PartialEq)]
pub enum FilterNode {
    /// Every child passes.
    All(Vec<u32>),
    /// Some child passes.
    Any(Vec<u32>),
    /// The child does not pass.
    Negate(u32),
    /// The condition holds.
    Condition(Condition),
}

/// How two scores become one.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Fusion {
    /// Weighted sum of normalised scores; the weight is the vector's.
    Convex(f32),
    /// Reciprocal rank fusion with this constant.
    ReciprocalRank(u32),
}

/// A query.
#[derive(Debug, Clone, PartialEq)]
pub struct Request {
    /// Keywords.
    pub text: Option<String>,
    /// A vector.
    pub vector: Option<Vec<f32>>,
    /// Hits at most, 1 to 1,000.
    pub k: u32,
    /// Hits to leave out before the first, at most 10,000.
    pub offset: u32,
    /// A filter whose root is the last node; empty for none.
    pub filter: Vec<FilterNode>,
    /// How scores are combined.
    pub fusion: Fusion,
    /// Breadth of the graph search; none for the default, which depends on `k`.
    pub ef: Option<u32>,
    /// Look at every vector instead of walking the graph.
    pub exact: bool,
    /// Least cosine of a hit.
    pub similarity_min: Option<f32>,
    /// Weight of novelty against score, 0 to 1 (maximal marginal relevance); none for the plain order.
    pub diversity: Option<f32>,
    /// Keep only the best hits of each value of a field.
    pub group: Option<Group>,
    /// Say where each score comes from.
    pub explain: bool,
}

impl Default for Request {
    fn default() -> Self {
        Request {
            text: None,
            vector: None,
            k: 10,
            offset: 0,
            filter: Vec::new(),
            fusion: Fusion::Convex(0.8),
            ef: None,
            exact: false,
            similarity_min: None,
            diversity: None,
            group: None,
            explain: false,
        }
    }
}

/// How hits are grouped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// The field; documents without it are a group of their own.
    pub path: String,
    /// Hits of each group at most.
    pub size: u32,
}

/// How often the terms of a query stand in some documents: what BM25 needs to know of all segments together.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Statistics {
    /// Documents with at least one term.
    pub documents: u32,
    /// Their terms, counted with repetition.
    pub total_length: u64,
    /// For each term of the query, in the order of the terms: the documents that have it.
    pub terms: Vec<(String, u32)>,
}

/// A term's part in a keyword score.
#[derive(Debug, Clone, PartialEq)]
pub struct TermScore {
    /// The term, as it is indexed.
    pub term: String,
    /// How often the document has it.
    pub count: u32,
    /// Its inverse document frequency.
    pub idf: f32,
    /// What it adds to the score.
    pub score: f32,
}

/// A document that one of the legs found.
#[derive(Debug, Clone, PartialEq)]
pub struct Candidate {
    /// Its key.
    pub key: String,
    /// Cosine similarity of the best chunk.
    pub vector_score: Option<f32>,
    /// BM25.
    pub keyword_score: Option<f32>,
    /// The most similar chunk.
    pub chunk: Option<Span>,
    /// The value of the field to group by.
    pub group: Option<Scalar>,
    /// The terms' parts, when an explanation was asked for.
    pub terms: Vec<TermScore>,
    /// The int8 vector of that chunk, or else of the first, when diversity was asked for.
    pub vector: Vec<i8>,
    /// The document's payload.
    pub payload: Vec<u8>,
}

/// What one segment found for a query: each leg's best documents, with both scores.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Legs {
    /// The union of what both legs found, in no particular order.
    pub candidates: Vec<Candidate>,
    /// Documents that passed the filter.
    pub matching: u32,
    /// The cosine that no document outside `candidates` exceeds; none when every document with a vector is inside.
    pub vector_rest: Option<f32>,
    /// The BM25 score that no document outside `candidates` exceeds; none when every document with a score is inside.
    pub keyword_rest: Option<f32>,
    /// The vector leg walked a graph: `vector_rest` is likely, not certain.
    pub approximate: bool,
    /// Documents of the segment.
    pub documents: u32,
    /// Paths of the filter that no document here has, with the most similar path that there is.
    pub unknown_fields: Vec<(String, Option<String>)>,
}

/// Where a hit's score comes from.
#[derive(Debug, Clone, PartialEq)]
pub struct Explanation {
    /// The vector leg's part of the score.
    pub vector_part: f32,
    /// The keyword leg's part of the score.
    pub keyword_part: f32,
    /// Position in the vector leg, from 1, where fusion is by rank.
    pub vector_rank: Option<u32>,
    /// Position in the keyword leg, from 1, where fusion is by rank.
    pub keyword_rank: Option<u32>,
    /// The terms of the query that the document has.
    pub terms: Vec<TermScore>,
}

/// A document found.
#[derive(Debug, Clone, PartialEq)]
pub struct Hit {
    /// Its key.
    pub key: String,
    /// What hits are ordered by.
    pub score: f32,
    /// Cosine similarity of the best chunk.
    pub vector_score: Option<f32>,
    /// BM25.
    pub keyword_score: Option<f32>,
    /// The most similar chunk.
    pub chunk: Option<Span>,
    /// The value of the field that was grouped by.
    pub group: Option<Scalar>,
    /// Where the score comes from, when asked for.
    pub explanation: Option<Explanation>,
    /// The document's payload.
    pub payload: Vec<u8>,
}

/// An answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Response {
    /// Best first.
    pub hits: Vec<Hit>,
    /// Documents that passed the filter.
    pub candidates: u32,
    /// A graph was walked: a document among the best may have been missed.
    pub approximate: bool,
}

/// Why a query was refused.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum QueryError {
    /// `k` out of range.
    #[error("k is {0}; it goes from 1 to 1000")]
    KOutOfRange(u32),
    /// `offset` out of range.
    #[error("offset is {0}; it goes from 0 to 10000")]
    OffsetOutOfRange(u32),
    /// Nothing was asked.
    #[error("the request has neither text, nor vector, nor filter")]
    EmptyRequest,
    /// The vector is not one.
    #[error("the query vector has a number that is not finite, or only zeros")]
    VectorNotFinite,
    /// The vector's length.
    #[error("the query vector has {0} dimensions, unlike the segment's")]
    VectorDimensions(u32),
    /// A weight outside 0 to 1.
    #[error("the weight is {0}; it goes from 0 to 1")]
    WeightOutOfRange(f32),
    /// A path that no document has.
    #[error("no document has the field `{path}`")]
    UnknownField {
        /// The path.
        path: String,
        /// The most similar path that there is.
        similar: Option<String>,
    },
    /// The filter is not a tree as described.
    #[error("malformed filter: {0}")]
    MalformedFilter(String),
}
