//! The export `cloud`.

use super::Component;
use super::exports::skerry::geometry::{cloud, manifold};
use super::manifold::factors;
use crate::cloud::{self as core, Dimension, Distances};

impl From<Dimension> for cloud::Dimension {
    fn from(found: Dimension) -> Self {
        cloud::Dimension { dimension: found.dimension, error: found.error, points: found.points }
    }
}

impl cloud::Guest for Component {
    fn estimate(
        on: Vec<manifold::Factor>,
        points: Vec<f64>,
        wishes: cloud::Wishes,
    ) -> Result<cloud::Estimates, manifold::Fault> {
        let distances = Distances::of(&factors(&on), &points)?;
        let likelihood = core::maximum_likelihood(&distances, wishes.neighbours_min, wishes.neighbours_max);
        let hyperbolicity = core::hyperbolicity(&distances, wishes.fours_max, wishes.seed);
        let curvature = core::curvature(&distances, wishes.triangles, wishes.seed);
        Ok(cloud::Estimates {
            two_nearest: core::two_nearest(&distances).map(Into::into).map_err(Into::into),
            maximum_likelihood: likelihood.map(Into::into).map_err(Into::into),
            hyperbolicity: hyperbolicity
                .map(|found| cloud::Hyperbolicity {
                    delta: found.delta,
                    mean: found.mean,
                    relative: found.relative,
                    fours: found.fours,
                    exact: found.exact,
                })
                .map_err(Into::into),
            curvature: curvature
                .map(|found| cloud::Curvature {
                    curvature: found.curvature,
                    low: found.low,
                    high: found.high,
                    triangles: found.triangles,
                })
                .map_err(Into::into),
        })
    }
}
