//! Curvature of graphs.

use super::Geometry;
use crate::bindings::geometry::exports::skerry::geometry::curvature;
use crate::call::CallError;
use crate::types::{Communities, Edge, Forman, Ratio, Resistance, Spread, Transport};

/// Why there is no curvature.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CurvatureError {
    /// The edge at this position names a node that is not there.
    #[error("edge {0} names a node that is not there")]
    UnknownNode(u32),
    /// The edge at this position joins a node with itself.
    #[error("edge {0} joins a node with itself")]
    SelfLoop(u32),
    /// The edge at this position was given before, in either direction.
    #[error("edge {0} was given before")]
    RepeatedEdge(u32),
    /// The weight at this position is not a positive finite number; or weights end there while what they weigh goes on.
    #[error("weight {0} is missing, or is not a positive finite number")]
    Weight(u32),
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

impl Geometry {
    /// The Forman curvature of each edge of an undirected simple graph with the nodes `0..nodes`.
    ///
    /// # Errors
    /// See [`CurvatureError`].
    pub fn forman_curvature(&self, kind: Forman, nodes: u32, edges: &[Edge]) -> Result<Vec<f64>, CurvatureError> {
        let (mut sandbox, world) = self.instance()?;
        let curvature = world.skerry_geometry_curvature();
        Ok(sandbox.call_with(self.limits.deadline, self.cancel.as_ref(), |store| {
            curvature.call_forman_curvature(store, kind, nodes, edges)
        })??)
    }

    /// The exact curvature of each edge by optimal transport.
    ///
    /// # Errors
    /// See [`CurvatureError`].
    pub fn transport_curvature(
        &self,
        kind: Transport,
        nodes: u32,
        edges: &[Edge],
    ) -> Result<Vec<Ratio>, CurvatureError> {
        let (mut sandbox, world) = self.instance()?;
        let curvature = world.skerry_geometry_curvature();
        Ok(sandbox.call_with(self.limits.deadline, self.cancel.as_ref(), |store| {
            curvature.call_transport_curvature(store, kind, nodes, edges)
        })??)
    }

    /// Forman curvature with a weight for each edge, and for each node or none.
    ///
    /// # Errors
    /// See [`CurvatureError`].
    pub fn weighted_forman(
        &self,
        nodes: u32,
        edges: &[Edge],
        edge_weights: &[f64],
        node_weights: &[f64],
    ) -> Result<Vec<f64>, CurvatureError> {
        let (mut sandbox, world) = self.instance()?;
        let curvature = world.skerry_geometry_curvature();
        Ok(sandbox.call_with(self.limits.deadline, self.cancel.as_ref(), |store| {
            curvature.call_weighted_forman(store, nodes, edges, edge_weights, node_weights)
        })??)
    }

    /// Ollivier's curvature of a graph whose edges have lengths.
    ///
    /// # Errors
    /// See [`CurvatureError`].
    pub fn weighted_curvature(
        &self,
        nodes: u32,
        edges: &[Edge],
        lengths: &[f64],
        spread: Spread,
    ) -> Result<Vec<f64>, CurvatureError> {
        let (mut sandbox, world) = self.instance()?;
        let curvature = world.skerry_geometry_curvature();
        Ok(sandbox.call_with(self.limits.deadline, self.cancel.as_ref(), |store| {
            curvature.call_weighted_curvature(store, nodes, edges, lengths, spread)
        })??)
    }

    /// Curvature by effective resistance; no conductances stand for 1.
    ///
    /// # Errors
    /// See [`CurvatureError`].
    pub fn resistance_curvature(
        &self,
        nodes: u32,
        edges: &[Edge],
        conductances: &[f64],
    ) -> Result<Resistance, CurvatureError> {
        let (mut sandbox, world) = self.instance()?;
        let curvature = world.skerry_geometry_curvature();
        Ok(sandbox.call_with(self.limits.deadline, self.cancel.as_ref(), |store| {
            curvature.call_resistance_curvature(store, nodes, edges, conductances)
        })??)
    }

    /// Communities by Ricci flow; no lengths stand for 1.
    ///
    /// # Errors
    /// See [`CurvatureError`].
    pub fn ricci_flow(
        &self,
        nodes: u32,
        edges: &[Edge],
        lengths: &[f64],
        steps: u32,
        spread: Spread,
    ) -> Result<Communities, CurvatureError> {
        let (mut sandbox, world) = self.instance()?;
        let community = world.skerry_geometry_community();
        Ok(sandbox.call_with(self.limits.deadline, self.cancel.as_ref(), |store| {
            community.call_ricci_flow(store, nodes, edges, lengths, steps, spread)
        })??)
    }
}

impl From<curvature::Error> for CurvatureError {
    fn from(error: curvature::Error) -> Self {
        match error {
            curvature::Error::UnknownNode(edge) => CurvatureError::UnknownNode(edge),
            curvature::Error::SelfLoop(edge) => CurvatureError::SelfLoop(edge),
            curvature::Error::RepeatedEdge(edge) => CurvatureError::RepeatedEdge(edge),
            curvature::Error::Weight(place) => CurvatureError::Weight(place),
            curvature::Error::OutOfRange(reason) => CurvatureError::OutOfRange(reason),
            curvature::Error::Other(reason) => CurvatureError::Other(reason),
        }
    }
}
