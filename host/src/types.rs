//! What goes into the components and comes out: the records of `wit/` as plain Rust types.
//!
//! They are generated from the WIT, so the two cannot differ; the WIT documents each field.

pub use crate::bindings::geometry::exports::skerry::geometry::curvature::{Edge, Forman};
pub use crate::bindings::geometry::exports::skerry::geometry::distance::Metric;
pub use crate::bindings::provider::exports::skerry::embedding::embedder::{
    Embedding, Model as ModelInfo, Span as TextSpan,
};
pub use crate::bindings::query::exports::skerry::query::documents::{Chunk, Document, Field, Scalar, Span, Stats};
pub use crate::bindings::query::exports::skerry::query::language::{Excerpt, FieldUse, Mark, Parsed, SyntaxError};
pub use crate::bindings::query::exports::skerry::query::search::{
    Comparison, Condition, Explanation, FilterNode, Fusion, Group, Hit, Legs, Request, Response, Statistics, TermScore,
};

/// What the graph of a project is made of and asked with.
pub mod graph {
    pub use crate::bindings::query::exports::skerry::query::documents::Scalar;
    pub use crate::bindings::query::exports::skerry::query::graph::{
        Centrality, Direction, Expansion, Incident, Interval, Layer, LayerNode, Length, Link, Member, Name, Overlap,
        Path, PatternLink, Reached, Rows, Selection, Sizes, Source, Step, Target, Term,
    };

    impl Default for Selection {
        /// Every link, along its direction, every member next to every other.
        fn default() -> Self {
            Selection {
                types: Vec::new(),
                layers: Vec::new(),
                at: None,
                direction: Direction::Forward,
                expansion: Expansion::Clique,
            }
        }
    }
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
