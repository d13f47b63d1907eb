//! Geometry over HTTP: records as points of manifolds, series, clouds, links as graphs.

pub(super) mod cloud;
pub(super) mod communities;
pub(super) mod networks;
pub(super) mod property;
pub(super) mod series;

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
