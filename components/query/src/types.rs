//! Plain Rust twins of the types in `wit/query`; see there for what each field means.

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

/// A record as the index sees it.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Document {
    /// Unique in the segment; 1 to 512 bytes.
    pub key: String,
    /// What keyword search reads.
    pub text: String,
    /// What vector search reads.
    pub vector: Option<Vec<f32>>,
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
    /// Documents with a vector.
    pub vectors: u32,
    /// Components per vector; 0 while there is none.
    pub dimensions: u32,
    /// Different terms.
    pub terms: u32,
    /// Pairs of term and document.
    pub postings: u64,
    /// Bytes of index data, estimated.
    pub bytes: u64,
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
    /// A key of 0 or more than 512 bytes.
    #[error("the key `{0}` is empty or longer than 512 bytes")]
    KeyLength(String),
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
    /// A filter whose root is the last node; empty for none.
    pub filter: Vec<FilterNode>,
    /// How scores are combined.
    pub fusion: Fusion,
}

impl Default for Request {
    fn default() -> Self {
        Request { text: None, vector: None, k: 10, filter: Vec::new(), fusion: Fusion::Convex(0.8) }
    }
}

/// A document found.
#[derive(Debug, Clone, PartialEq)]
pub struct Hit {
    /// Its key.
    pub key: String,
    /// What hits are ordered by.
    pub score: f32,
    /// Cosine similarity.
    pub vector_score: Option<f32>,
    /// BM25.
    pub keyword_score: Option<f32>,
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
}

/// Why a query was refused.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum QueryError {
    /// `k` out of range.
    #[error("k is {0}; it goes from 1 to 1000")]
    KOutOfRange(u32),
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
