//! Calls of the interface `property`.

use crate::geometry::{AnalysisError, Geometry, ManifoldError};
use crate::types::{Factor, Neighbour, OutlierMeasure, Outlyingness};

impl Geometry {
    /// The `k` nearest points to `x`, nearest first.
    ///
    /// # Errors
    /// See [`ManifoldError`].
    pub fn nearest(&self, on: &[Factor], x: &[f64], points: &[f64], k: u32) -> Result<Vec<Neighbour>, ManifoldError> {
        Ok(self.warm(|world, store| world.skerry_geometry_property().call_nearest(store, on, x, points, k))??)
    }

    /// How far out points are.
    ///
    /// # Errors
    /// See [`AnalysisError`].
    pub fn outliers(&self, on: &[Factor], points: &[f64], by: OutlierMeasure) -> Result<Outlyingness, AnalysisError> {
        Ok(self.warm(|world, store| world.skerry_geometry_property().call_outliers(store, on, points, by))??)
    }
}
