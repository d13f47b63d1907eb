//! What the gateway asks the query component and what that answers: twins of the records in `wit/query`, which documents each
//! field. They belong to no runtime, so the node, a guest and a test can all speak them; [`conversions`](crate::conversions)
//! turns them into the types of generated bindings.

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

/// How a field is compared with a filter's value.
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
    /// Text that has these words side by side.
    Words(String),
    /// The field has a value.
    Exists,
}

/// A test of one field.
#[derive(Debug, Clone, PartialEq)]
pub struct Condition {
    /// The field.
    pub path: String,
    /// The test.
    pub comparison: Comparison,
}

/// A node of a filter; children are positions in the list that it stands in, before their parent.
#[derive(Debug, Clone, PartialEq)]
pub enum FilterNode {
    /// What passes all of these.
    All(Vec<u32>),
    /// What passes one of these.
    Any(Vec<u32>),
    /// What does not pass this.
    Negate(u32),
    /// What passes this test.
    Condition(Condition),
}

/// How keyword and vector scores become one.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Fusion {
    /// A convex combination with this weight of the vector score.
    Convex(f32),
    /// Reciprocal rank fusion with this constant.
    ReciprocalRank(u32),
}

/// How hits are grouped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// The field.
    pub path: String,
    /// Hits of each group at most.
    pub size: u32,
}

/// A query.
#[derive(Debug, Clone, PartialEq)]
pub struct Request {
    /// Keywords.
    pub text: Option<String>,
    /// A vector of the project's dimensions.
    pub vector: Option<Vec<f32>>,
    /// Hits at most.
    pub k: u32,
    /// Hits to leave out before the first.
    pub offset: u32,
    /// A filter whose root is the last node; empty for none.
    pub filter: Vec<FilterNode>,
    /// How scores become one.
    pub fusion: Fusion,
    /// Breadth of a walk over the graph.
    pub ef: Option<u32>,
    /// Look at every vector.
    pub exact: bool,
    /// Least cosine of a hit.
    pub similarity_min: Option<f32>,
    /// Maximal marginal relevance.
    pub diversity: Option<f32>,
    /// How hits are grouped.
    pub group: Option<Group>,
    /// Say where scores come from.
    pub explain: bool,
}

impl Default for Request {
    /// Ten hits, convex fusion with vector weight 0.8; nothing is asked yet.
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

/// A part of a text, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// Its first byte.
    pub start: u32,
    /// The byte behind its last.
    pub end: u32,
}

/// A term's part in a keyword score.
#[derive(Debug, Clone, PartialEq)]
pub struct TermScore {
    /// The term as it is indexed.
    pub term: String,
    /// How often the document has it.
    pub count: u32,
    /// Inverse document frequency.
    pub idf: f32,
    /// What it adds.
    pub score: f32,
}

/// Where a hit's score comes from.
#[derive(Debug, Clone, PartialEq)]
pub struct Explanation {
    /// The vector's part.
    pub vector_part: f32,
    /// The keywords' part.
    pub keyword_part: f32,
    /// Position by vector.
    pub vector_rank: Option<u32>,
    /// Position by keywords.
    pub keyword_rank: Option<u32>,
    /// Terms that the document has.
    pub terms: Vec<TermScore>,
}

/// A document found.
#[derive(Debug, Clone, PartialEq)]
pub struct Hit {
    /// Its key.
    pub key: String,
    /// What the hits are ordered by.
    pub score: f32,
    /// Cosine of its best chunk.
    pub vector_score: Option<f32>,
    /// BM25.
    pub keyword_score: Option<f32>,
    /// That chunk.
    pub chunk: Option<Span>,
    /// The value that it was grouped by.
    pub group: Option<Scalar>,
    /// Where its score comes from.
    pub explanation: Option<Explanation>,
    /// The document's payload.
    pub payload: Vec<u8>,
}

/// The documents found.
#[derive(Debug, Clone, PartialEq)]
pub struct Response {
    /// Best first.
    pub hits: Vec<Hit>,
    /// Documents that passed the filter.
    pub candidates: u32,
    /// A graph was walked.
    pub approximate: bool,
}

/// Where a filter of the query language names a field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldUse {
    /// The field.
    pub path: String,
    /// Offset of its name in the query, in characters.
    pub at: u32,
}

/// What a query of the query language means.
#[derive(Debug, Clone, PartialEq)]
pub struct Parsed {
    /// Words to score and to embed.
    pub text: String,
    /// What has to hold.
    pub filter: Vec<FilterNode>,
    /// Where it names fields.
    pub fields: Vec<FieldUse>,
}

/// Why a query of the query language is none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SyntaxError {
    /// Where, in characters.
    pub at: u32,
    /// What is wrong and what to write instead.
    pub message: String,
}

/// A word in a text, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mark {
    /// Its first byte.
    pub start: u32,
    /// The byte behind its last.
    pub end: u32,
}

/// The part of a text that shows best why it was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Excerpt {
    /// The part.
    pub text: String,
    /// Words of the query in it.
    pub marks: Vec<Mark>,
    /// Text stands before it.
    pub cut_before: bool,
    /// Text stands behind it.
    pub cut_after: bool,
}
