//! Calls of the interface `multilayer`.

use crate::geometry::{AnalysisError, Geometry};
use crate::types::{Overlaps, Reduction, WeightedEdge};

impl Geometry {
    /// Overlap of layers and participation of nodes.
    ///
    /// # Errors
    /// See [`AnalysisError`].
    pub fn overlaps(&self, nodes: u32, layers: &[Vec<WeightedEdge>]) -> Result<Overlaps, AnalysisError> {
        Ok(self.warm(|world, store| world.skerry_geometry_multilayer().call_overlaps_of(store, nodes, layers))??)
    }

    /// The eigenvalues of the supra-Laplacian, ascending.
    ///
    /// # Errors
    /// See [`AnalysisError`].
    pub fn supra_spectrum(
        &self,
        nodes: u32,
        layers: &[Vec<WeightedEdge>],
        coupling: f64,
    ) -> Result<Vec<f64>, AnalysisError> {
        Ok(self.warm(|world, store| {
            world.skerry_geometry_multilayer().call_supra_spectrum(store, nodes, layers, coupling)
        })??)
    }

    /// Which layers could be one.
    ///
    /// # Errors
    /// See [`AnalysisError`].
    pub fn reduce(&self, nodes: u32, layers: &[Vec<WeightedEdge>]) -> Result<Reduction, AnalysisError> {
        Ok(self.warm(|world, store| world.skerry_geometry_multilayer().call_reduce(store, nodes, layers))??)
    }
}
