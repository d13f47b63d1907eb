//! Distances between points.

use super::Geometry;
use crate::bindings::geometry::exports::skerry::geometry::distance;
use crate::call::CallError;
use crate::types::Metric;

/// Why there is no distance.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DistanceError {
    /// Points of different lengths, or empty ones.
    #[error("the points do not fit together: {0}")]
    Dimensions(String),
    /// The point at this position (0 is the first argument) has a number that is not finite.
    #[error("point {0} has a number that is not finite")]
    NotFinite(u32),
    /// The point at this position is not on the manifold.
    #[error("point {0} is not on the manifold")]
    OffManifold(u32),
    /// Anything else, in the component's words.
    #[error("{0}")]
    Other(String),
    /// The component gave no answer.
    #[error(transparent)]
    Call(#[from] CallError),
}

impl Geometry {
    /// The distance of two points.
    ///
    /// # Errors
    /// See [`DistanceError`].
    pub fn between(&self, metric: Metric, x: &[f64], y: &[f64]) -> Result<f64, DistanceError> {
        Ok(self.warm(|world, store| world.skerry_geometry_distance().call_between(store, metric, x, y))??)
    }

    /// The distance of `x` to each point of `points`, which holds whole points of `x`'s length one after another.
    ///
    /// # Errors
    /// See [`DistanceError`].
    pub fn to_many(&self, metric: Metric, x: &[f64], points: &[f64]) -> Result<Vec<f64>, DistanceError> {
        Ok(self.warm(|world, store| world.skerry_geometry_distance().call_to_many(store, metric, x, points))??)
    }
}

impl From<distance::Error> for DistanceError {
    fn from(error: distance::Error) -> Self {
        match error {
            distance::Error::Dimensions(reason) => DistanceError::Dimensions(reason),
            distance::Error::NotFinite(point) => DistanceError::NotFinite(point),
            distance::Error::OffManifold(point) => DistanceError::OffManifold(point),
            distance::Error::Other(reason) => DistanceError::Other(reason),
        }
    }
}
