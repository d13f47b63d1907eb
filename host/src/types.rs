//! What goes into the components and comes out: the records of `wit/` as plain Rust types.
//!
//! They are generated from the WIT, so the two cannot differ; the WIT documents each field.

pub use crate::bindings::geometry::exports::skerry::geometry::anomaly::{Scale, Scores as AnomalyScores, Suspicion};
pub use crate::bindings::geometry::exports::skerry::geometry::community::Partition as Communities;
pub use crate::bindings::geometry::exports::skerry::geometry::curvature::{
    Edge, Forman, Ratio, Resistance, Spread, Transport,
};
pub use crate::bindings::geometry::exports::skerry::geometry::distance::Metric;
pub use crate::bindings::geometry::exports::skerry::geometry::hypergraph::{
    Aggregation, Dispersion, LineGraph, Orchid, Statistics as HypergraphStatistics,
};
pub use crate::bindings::geometry::exports::skerry::geometry::tracking::{Change, Measure, Score};
pub use crate::bindings::provider::exports::skerry::embedding::embedder::{
    Embedding, Model as ModelInfo, Span as TextSpan,
};
pub use crate::bindings::query::exports::skerry::query::documents::{Chunk, Document, Field, Scalar, Span, Stats};
pub use crate::bindings::query::exports::skerry::query::language::{Excerpt, FieldUse, Mark, Parsed, SyntaxError};
pub use crate::bindings::query::exports::skerry::query::search::{
    Comparison, Condition, Explanation, FilterNode, Fusion, Group, Hit, Legs, Request, Response, Statistics, TermScore,
};

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
