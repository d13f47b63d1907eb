//! Golden values, closed forms, properties and refused input of the geometry component's functions.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

mod curvature;
mod distance;
mod hypergraph;
mod tracker;
mod transport;
mod weighted;
