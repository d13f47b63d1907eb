//! What goes into the components and comes out: the records of `wit/` as plain Rust types.
//!
//! They are generated from the WIT, so the two cannot differ; the WIT documents each field.

pub use crate::bindings::embedding::exports::skerry::embedding::embedder::{Embedding, Model as ModelInfo};
pub use crate::bindings::geometry::exports::skerry::geometry::curvature::{Edge, Forman};
pub use crate::bindings::geometry::exports::skerry::geometry::distance::Metric;
pub use crate::bindings::query::exports::skerry::query::documents::{Document, Field, Scalar, Stats};
pub use crate::bindings::query::exports::skerry::query::search::{
    Comparison, Condition, FilterNode, Fusion, Hit, Request, Response,
};
