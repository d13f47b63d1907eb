//! The host over the real components, as `cargo xtask components` builds them.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "tests")]

mod artefact;
mod artefacts;
mod bake;
mod bits;
mod cache;
mod chunks;
mod curvature;
mod embedding;
mod geometry;
mod geometry_bits;
mod graph;
mod graph_instance;
mod limits;
mod oracle;
mod plugins;
mod purity;
mod segment;
mod snapshot;
mod static_model;
