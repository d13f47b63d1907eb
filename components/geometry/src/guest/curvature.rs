//! The export `curvature`.

use super::Component;
use super::exports::skerry::geometry::curvature;
use crate::{curvature::forman as curvature_core, graph as graph_core};

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
        let edge = |edge: &curvature::Edge| graph_core::Edge { source: edge.source, target: edge.target };
        let edges: Vec<graph_core::Edge> = edges.iter().map(edge).collect();
        curvature_core::forman_curvature(kind, nodes, &edges).map_err(|error| match error {
            graph_core::GraphError::UnknownNode(edge) => curvature::Error::UnknownNode(edge),
            graph_core::GraphError::SelfLoop(edge) => curvature::Error::SelfLoop(edge),
            graph_core::GraphError::RepeatedEdge(edge) => curvature::Error::RepeatedEdge(edge),
        })
    }
}
