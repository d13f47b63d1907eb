//! Hypergraphs.

use super::Geometry;
use crate::bindings::geometry::exports::skerry::geometry::hypergraph;
use crate::call::CallError;
use crate::types::{Aggregation, Dispersion, HypergraphStatistics, LineGraph, Orchid};

/// Why a hypergraph has no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HypergraphError {
    /// The hyperedge at this position names a node that is not there.
    #[error("hyperedge {0} names a node that is not there")]
    UnknownNode(u32),
    /// The hyperedge at this position has no members.
    #[error("hyperedge {0} has no members")]
    Empty(u32),
    /// The hyperedge at this position names a node twice.
    #[error("hyperedge {0} names a node twice")]
    RepeatedMember(u32),
    /// More than can be computed, or an argument out of its range; the text says which.
    #[error("{0}")]
    OutOfRange(String),
    /// Anything else, in the component's words.
    #[error("{0}")]
    Other(String),
    /// The component gave no answer.
    #[error(transparent)]
    Call(#[from] CallError),
}

impl From<hypergraph::Error> for HypergraphError {
    fn from(error: hypergraph::Error) -> Self {
        match error {
            hypergraph::Error::UnknownNode(edge) => HypergraphError::UnknownNode(edge),
            hypergraph::Error::Empty(edge) => HypergraphError::Empty(edge),
            hypergraph::Error::RepeatedMember(edge) => HypergraphError::RepeatedMember(edge),
            hypergraph::Error::OutOfRange(reason) => HypergraphError::OutOfRange(reason),
            hypergraph::Error::Other(reason) => HypergraphError::Other(reason),
        }
    }
}

impl Geometry {
    /// Degrees, sizes, density, clustering and Forman curvature.
    ///
    /// # Errors
    /// See [`HypergraphError`].
    pub fn hypergraph_statistics(
        &self,
        nodes: u32,
        edges: &[Vec<u32>],
    ) -> Result<HypergraphStatistics, HypergraphError> {
        let (mut sandbox, world) = self.instance()?;
        let interface = world.skerry_geometry_hypergraph();
        Ok(sandbox.call_with(self.limits.deadline, self.cancel.as_ref(), |store| {
            interface.call_describe(store, nodes, edges)
        })??)
    }

    /// Eigenvalues of the normalised Laplacian, ascending.
    ///
    /// # Errors
    /// See [`HypergraphError`].
    pub fn hypergraph_spectrum(&self, nodes: u32, edges: &[Vec<u32>]) -> Result<Vec<f64>, HypergraphError> {
        let (mut sandbox, world) = self.instance()?;
        let interface = world.skerry_geometry_hypergraph();
        Ok(sandbox.call_with(self.limits.deadline, self.cancel.as_ref(), |store| {
            interface.call_spectrum(store, nodes, edges)
        })??)
    }

    /// Components and betweenness of the s-line graph.
    ///
    /// # Errors
    /// See [`HypergraphError`].
    pub fn line_graph(&self, nodes: u32, edges: &[Vec<u32>], s: u32) -> Result<LineGraph, HypergraphError> {
        let (mut sandbox, world) = self.instance()?;
        let interface = world.skerry_geometry_hypergraph();
        Ok(sandbox.call_with(self.limits.deadline, self.cancel.as_ref(), |store| {
            interface.call_line(store, nodes, edges, s)
        })??)
    }

    /// Exact Ollivier curvature of a hypergraph; the idleness is a fraction.
    ///
    /// # Errors
    /// See [`HypergraphError`].
    pub fn orchid(
        &self,
        nodes: u32,
        edges: &[Vec<u32>],
        dispersion: Dispersion,
        aggregation: Aggregation,
        idleness: (u32, u32),
    ) -> Result<Orchid, HypergraphError> {
        let (mut sandbox, world) = self.instance()?;
        let interface = world.skerry_geometry_hypergraph();
        Ok(sandbox.call_with(self.limits.deadline, self.cancel.as_ref(), |store| {
            interface.call_ollivier(store, nodes, edges, dispersion, aggregation, idleness)
        })??)
    }
}
