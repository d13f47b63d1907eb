//! Calls of the interface `cloud`.

use crate::geometry::{AnalysisError, Geometry};
use crate::types::{CloudEstimates, CloudWishes, Factor};

impl Geometry {
    /// Estimates of dimension, hyperbolicity and curvature of a cloud; those that fail have their faults in their place, see
    /// [`AnalysisError`].
    ///
    /// # Errors
    /// See [`AnalysisError`].
    pub fn cloud(&self, on: &[Factor], points: &[f64], wishes: CloudWishes) -> Result<CloudEstimates, AnalysisError> {
        Ok(self.warm(|world, store| world.skerry_geometry_cloud().call_estimate(store, on, points, wishes))??)
    }
}
