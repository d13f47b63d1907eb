//! The geometry component: distances between points and curvature of graphs, as pure functions.
//!
//! ```
//! use skerry_geometry::curvature::forman::{Forman, forman_curvature};
//! use skerry_geometry::graph::Edge;
//!
//! // A path of three nodes: 4 - deg(u) - deg(v) = 1 on both edges.
//! let edges = [Edge { source: 0, target: 1 }, Edge { source: 1, target: 2 }];
//! assert_eq!(forman_curvature(Forman::Plain, 3, &edges)?, [1.0, 1.0]);
//! # Ok::<(), skerry_geometry::graph::GraphError>(())
//! ```
//!
//! The same crate is the rlib that tests use natively and, on `wasm32`, the component with the world
//! `skerry:geometry/geometry`.

pub mod anomaly;
pub mod betweenness;
pub mod cloud;
pub mod communities;
pub mod curvature;
pub mod distance;
mod draw;
pub mod fault;
pub mod graph;
#[cfg(target_arch = "wasm32")]
mod guest;
pub mod hierarchy;
pub mod hypergraph;
mod lanes;
pub mod linear;
pub mod manifold;
pub mod multilayer;
pub mod property;
pub mod robust;
pub mod series;
pub mod spectral;
pub mod tracker;
