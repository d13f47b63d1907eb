//! Geometry over HTTP: records as points of manifolds, series, clouds, links as graphs.

pub(crate) mod anomalies;
pub(super) mod cloud;
pub(crate) mod curvature;
pub(crate) mod hypergraph;
pub(super) mod networks;
#[cfg(feature = "plots")]
mod plot;
pub(crate) mod property;
pub(super) mod series;
mod simple;

use crate::problem::{Kind, Problem};

fn invalid(detail: impl Into<String>) -> Problem {
    Problem::new(Kind::InvalidGeometry, detail)
}

/// A limit with its default, checked.
fn within(name: &str, value: Option<usize>, default: usize, most: usize) -> Result<usize, Problem> {
    let value = value.unwrap_or(default);
    if (1..=most).contains(&value) {
        return Ok(value);
    }
    Err(invalid(format!("`{name}` is {value}; it goes from 1 to {most}.")))
}
