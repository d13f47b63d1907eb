//! Calls of the interface `spectral`.

use crate::geometry::{AnalysisError, Geometry};
use crate::types::{Entropies, Hamiltonian, WeightedEdge};

impl Geometry {
    /// The eigenvalues of a graph's Laplacian, ascending.
    ///
    /// # Errors
    /// See [`AnalysisError`].
    pub fn spectrum(&self, nodes: u32, edges: &[WeightedEdge]) -> Result<Vec<f64>, AnalysisError> {
        Ok(self.warm(|world, store| world.skerry_geometry_spectral().call_spectrum(store, nodes, edges))??)
    }

    /// Entropies of a graph, bits.
    ///
    /// # Errors
    /// See [`AnalysisError`].
    pub fn entropies(&self, nodes: u32, edges: &[WeightedEdge], beta: f64) -> Result<Entropies, AnalysisError> {
        Ok(self.warm(|world, store| world.skerry_geometry_spectral().call_entropies_of(store, nodes, edges, beta))??)
    }

    /// The quantum Jensen-Shannon divergence of two graphs over the same nodes, bits.
    ///
    /// # Errors
    /// See [`AnalysisError`].
    pub fn divergence(
        &self,
        nodes: u32,
        first: &[WeightedEdge],
        second: &[WeightedEdge],
    ) -> Result<f64, AnalysisError> {
        Ok(self.warm(|world, store| world.skerry_geometry_spectral().call_divergence(store, nodes, first, second))??)
    }

    /// Where a continuous-time quantum walk is at a time.
    ///
    /// # Errors
    /// See [`AnalysisError`].
    pub fn walk(
        &self,
        nodes: u32,
        edges: &[WeightedEdge],
        hamiltonian: Hamiltonian,
        start: u32,
        time: f64,
    ) -> Result<Vec<f64>, AnalysisError> {
        Ok(self.warm(|world, store| {
            world.skerry_geometry_spectral().call_walk(store, nodes, edges, hamiltonian, start, time)
        })??)
    }

    /// The Schmidt entropy of a matrix, bits.
    ///
    /// # Errors
    /// See [`AnalysisError`].
    pub fn schmidt_entropy(&self, matrix: &[f64], columns: u32) -> Result<f64, AnalysisError> {
        Ok(self.warm(|world, store| world.skerry_geometry_spectral().call_schmidt_entropy(store, matrix, columns))??)
    }
}
