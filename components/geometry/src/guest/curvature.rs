//! The export `curvature`.

use super::Component;
use super::exports::skerry::geometry::curvature;
use crate::curvature as curvature_core;

impl curvature::Guest for Component {
    fn forman_curvature(
        kind: curvature::Forman,
        nodes: u32,
        edges: Vec<curvature::Edge>,
    ) -> Result<Vec<f64>, curvature::Error> {
        let kind = match kind {
            curvature::Forman::Plain => curvature_core::Forman::Plain,
            curvature::Forman::Augmented => curvature_core::Forman::Augmented,
            curvature::Forman::Balanced => curvature_core::Forman::Balanced,
        };
        let edge = |edge: &curvature::Edge| curvature_core::Edge { source: edge.source, target: edge.target };
        let edges: Vec<curvature_core::Edge> = edges.iter().map(edge).collect();
        curvature_core::forman_curvature(kind, nodes, &edges).map_err(|error| match error {
            curvature_core::CurvatureError::UnknownNode(edge) => curvature::Error::UnknownNode(edge),
            curvature_core::CurvatureError::SelfLoop(edge) => curvature::Error::SelfLoop(edge),
            curvature_core::CurvatureError::RepeatedEdge(edge) => curvature::Error::RepeatedEdge(edge),
        })
    }
}
