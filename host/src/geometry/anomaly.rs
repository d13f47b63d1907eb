//! Scores of edges and nodes that stand out.

use super::{CurvatureError, Geometry};
use crate::types::{AnomalyScores, Edge, Scale, Suspicion};

impl Geometry {
    /// The scores of all edges, and of nodes up to the last with an edge; larger ones are more suspicious.
    ///
    /// # Errors
    /// See [`CurvatureError`].
    pub fn anomalies(
        &self,
        nodes: u32,
        edges: &[Edge],
        suspicion: Suspicion,
        scale: Scale,
    ) -> Result<AnomalyScores, CurvatureError> {
        let (mut sandbox, world) = self.instance()?;
        let anomaly = world.skerry_geometry_anomaly();
        Ok(sandbox.call_with(self.limits.deadline, self.cancel.as_ref(), |store| {
            anomaly.call_score(store, nodes, edges, suspicion, scale)
        })??)
    }
}
