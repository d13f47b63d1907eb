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
pub use crate::bindings::geometry::exports::skerry::geometry::{
    cloud::{
        Curvature as CloudCurvature, Dimension, Estimates as CloudEstimates, Hyperbolicity, Wishes as CloudWishes,
    },
    hierarchy::Embedding as TreeEmbedding,
    manifold::{Factor, Kind as ManifoldKind, Mean as FrechetMean},
    multilayer::{Merge, Multidegree, Overlap, Overlaps, Participation, Reduction},
    property::{Measure as OutlierMeasure, Neighbour, Outlyingness},
    series::{Moment, Path as SpdPath, Shrinkage, Speeds, Step as WarpStep, Warping, Windows},
    spectral::{Entropies, Hamiltonian, WeightedEdge},
};
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

/// What plugins are given and answer.
pub mod plugin {
    pub use crate::bindings::reranker::exports::skerry::plugin::ranking::{
        Candidate, Ranking, Request as RankingRequest, Span,
    };
    pub use crate::bindings::subscription_filter::exports::skerry::plugin::filtering::{Batch as ChangeBatch, Change};
    pub use crate::bindings::transform::exports::skerry::plugin::publishing::{Batch as PublishBatch, Verdict};
    pub use crate::bindings::transform::skerry::plugin::types::{Entry, Link, Member, Target};
}

impl Factor {
    /// A manifold by itself, with weight 1.
    pub fn new(kind: ManifoldKind, size: u32) -> Self {
        Factor { kind, size, weight: 1.0 }
    }
}

impl Default for CloudWishes {
    /// 10 to 20 neighbours, a million fours, 5,000 triangles, seed 1.
    fn default() -> Self {
        CloudWishes { neighbours_min: 10, neighbours_max: 20, fours_max: 1_000_000, triangles: 5_000, seed: 1 }
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
