//! The export `curvature`.

use super::Component;
use super::exports::skerry::geometry::curvature::{self as wit, Error};
use crate::curvature::forman::{self, Forman};
use crate::curvature::ollivier::{Idleness, IdlenessError, Transport, transport_curvature};
use crate::curvature::ratio::Ratio;
use crate::curvature::resistance::resistance_curvature;
use crate::curvature::weighted::{Spread, weighted_curvature};
use crate::graph::{Edge, Graph, GraphError};

impl From<GraphError> for Error {
    fn from(error: GraphError) -> Self {
        match error {
            GraphError::UnknownNode(edge) => Error::UnknownNode(edge),
            GraphError::SelfLoop(edge) => Error::SelfLoop(edge),
            GraphError::RepeatedEdge(edge) => Error::RepeatedEdge(edge),
            GraphError::Weight(place) => Error::Weight(place),
            GraphError::TooLarge(reason) => Error::OutOfRange(reason),
        }
    }
}

impl From<IdlenessError> for Error {
    fn from(error: IdlenessError) -> Self {
        Error::OutOfRange(error.to_string())
    }
}

impl From<Ratio> for wit::Ratio {
    fn from(ratio: Ratio) -> Self {
        wit::Ratio { numerator: ratio.numerator, denominator: ratio.denominator, value: ratio.nearest() }
    }
}

impl From<wit::Forman> for Forman {
    fn from(kind: wit::Forman) -> Self {
        match kind {
            wit::Forman::Plain => Forman::Plain,
            wit::Forman::Augmented => Forman::Augmented,
            wit::Forman::Balanced => Forman::Balanced,
        }
    }
}

impl From<wit::Spread> for Spread {
    fn from(spread: wit::Spread) -> Self {
        Spread { idleness: spread.idleness, power: spread.power }
    }
}

pub(super) fn transport(kind: wit::Transport) -> Result<Transport, IdlenessError> {
    Ok(match kind {
        wit::Transport::Ollivier((numerator, denominator)) => {
            Transport::Ollivier(Idleness::new(numerator, denominator)?)
        }
        wit::Transport::LinLuYau => Transport::LinLuYau,
    })
}

pub(super) fn edges(edges: &[wit::Edge]) -> Vec<Edge> {
    edges.iter().map(|edge| Edge { source: edge.source, target: edge.target }).collect()
}

pub(super) fn graph(nodes: u32, list: &[wit::Edge]) -> Result<Graph, Error> {
    Ok(Graph::new(nodes, &edges(list))?)
}

/// Weights of edges, where none stand for 1.
pub(super) fn or_ones(weights: Vec<f64>, graph: &Graph) -> Vec<f64> {
    if weights.is_empty() { vec![1.0; graph.edges().len()] } else { weights }
}

impl wit::Guest for Component {
    fn forman_curvature(kind: wit::Forman, nodes: u32, list: Vec<wit::Edge>) -> Result<Vec<f64>, Error> {
        Ok(forman::forman_curvature(kind.into(), nodes, &edges(&list))?)
    }

    fn transport_curvature(kind: wit::Transport, nodes: u32, list: Vec<wit::Edge>) -> Result<Vec<wit::Ratio>, Error> {
        let (kind, graph) = (transport(kind)?, graph(nodes, &list)?);
        Ok(transport_curvature(kind, &graph).into_iter().map(wit::Ratio::from).collect())
    }

    fn weighted_forman(
        nodes: u32,
        list: Vec<wit::Edge>,
        edge_weights: Vec<f64>,
        node_weights: Vec<f64>,
    ) -> Result<Vec<f64>, Error> {
        Ok(forman::weighted_forman(&graph(nodes, &list)?, &edge_weights, &node_weights)?)
    }

    fn weighted_curvature(
        nodes: u32,
        list: Vec<wit::Edge>,
        lengths: Vec<f64>,
        spread: wit::Spread,
    ) -> Result<Vec<f64>, Error> {
        Ok(weighted_curvature(&graph(nodes, &list)?, &lengths, spread.into())?)
    }

    fn resistance_curvature(
        nodes: u32,
        list: Vec<wit::Edge>,
        conductances: Vec<f64>,
    ) -> Result<wit::Resistance, Error> {
        let graph = graph(nodes, &list)?;
        let found = resistance_curvature(&graph, &or_ones(conductances, &graph))?;
        Ok(wit::Resistance { nodes: found.nodes, resistances: found.resistances, edges: found.edges })
    }
}
