//! Curvature of graphs.

use super::Geometry;
use crate::bindings::geometry::exports::skerry::geometry::curvature;
use crate::call::CallError;
use crate::types::{Edge, Forman};

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
        Ok(sandbox.call(self.limits.deadline, |store| curvature.call_forman_curvature(store, kind, nodes, edges))??)
    }
}

impl From<curvature::Error> for CurvatureError {
    fn from(error: curvature::Error) -> Self {
        match error {
            curvature::Error::UnknownNode(edge) => CurvatureError::UnknownNode(edge),
            curvature::Error::SelfLoop(edge) => CurvatureError::SelfLoop(edge),
            curvature::Error::RepeatedEdge(edge) => CurvatureError::RepeatedEdge(edge),
            curvature::Error::Other(reason) => CurvatureError::Other(reason),
        }
    }
}
