//! The export `hierarchy`.

use super::Component;
use super::exports::skerry::geometry::hierarchy;
use super::exports::skerry::geometry::manifold::Fault;
use crate::hierarchy::{Embedding, embed};

impl hierarchy::Guest for Component {
    fn embed(parents: Vec<Option<u32>>, edge: Option<f64>, seed: u64) -> Result<hierarchy::Embedding, Fault> {
        let Embedding { points, edge, distortion_mean, distortion_worst, pairs, exact } = embed(&parents, edge, seed)?;
        Ok(hierarchy::Embedding { points, edge, distortion_mean, distortion_worst, pairs, exact })
    }
}
