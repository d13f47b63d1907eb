//! Golden values, closed forms, properties and refused input of the geometry component's functions.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

mod clouds;
mod curvature;
mod distance;
mod forman;
mod hypergraph;
mod manifolds;
mod networks;
mod series;
mod tracker;
mod transport;
mod weighted;

use serde_json::Value;

pub(crate) fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|value| value.as_f64().unwrap()).collect()
}
