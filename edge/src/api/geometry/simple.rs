//! The simple graph under a selection of a project's links, and its names.

use std::collections::{BTreeMap, BTreeSet};

use skerry_host::CurvatureError;
use skerry_host::types::Edge;
use skerry_host::types::graph::Direction;
use skerry_sync::ProjectName;

use super::invalid;
use crate::api::graph::{names, with_view};
use crate::body::geometry::GraphSizes;
use crate::body::{LengthBody, NodeName, SelectionBody};
use crate::node::Node;
use crate::problem::{Kind, Problem};

/// Edges at most: they and their names are held in memory, and go into the component whole.
pub(super) const EDGES_MAX: usize = 1_000_000;

/// Nodes are those with an edge, in the order of their names; edges in the order of their ends.
#[derive(Debug)]
pub(super) struct Simple {
    pub(super) names: Vec<NodeName>,
    pub(super) edges: Vec<Edge>,
    /// Of each edge, the sum over its links.
    pub(super) weights: Vec<f64>,
}

impl Simple {
    /// Reads the graph, and lets others read it before anything is computed.
    ///
    /// # Errors
    /// [`Kind::InvalidGeometry`] without any edge, or with more than [`EDGES_MAX`]; what the graph answers.
    pub(super) fn read(node: &Node, project: &ProjectName, selection: &SelectionBody) -> Result<Simple, Problem> {
        // An unknown project must not get a graph.
        node.replica().sequence(project)?;
        let selection = SelectionBody { direction: None, ..selection.clone() };
        node.graph(project).with(|graph| {
            with_view(graph, &selection, Direction::Both, |graph, view| {
                let mut found = graph.edges(view)?;
                found.retain(|(a, b, _)| a != b);
                if found.is_empty() {
                    return Err(invalid(
                        "No link of the selection joins two records, so there is no graph to look at. Ask for other types or layers, or none.",
                    ));
                }
                if found.len() > EDGES_MAX {
                    let detail = format!(
                        "The selection has {} edges; at most {EDGES_MAX} are looked at. Ask for fewer types or layers.",
                        found.len()
                    );
                    return Err(invalid(detail).with("edges", found.len()));
                }
                let numbers: Vec<u32> =
                    found.iter().flat_map(|(a, b, _)| [*a, *b]).collect::<BTreeSet<_>>().into_iter().collect();
                let mut named: Vec<(NodeName, u32)> = names(graph, &numbers)?.into_iter().zip(numbers).collect();
                named.sort_unstable();
                Ok(numbered(named, &found))
            })
        })
    }

    /// Of an edge.
    pub(super) fn ends(&self, edge: Edge) -> Option<[NodeName; 2]> {
        let name = |at: u32| self.names.get(at as usize).cloned();
        Some([name(edge.source)?, name(edge.target)?])
    }

    pub(super) fn nodes(&self) -> u32 {
        self.names.len() as u32
    }

    pub(super) fn sizes(&self) -> GraphSizes {
        GraphSizes { nodes: self.names.len(), edges: self.edges.len(), components: self.components() }
    }

    /// Edges of each node.
    pub(super) fn degrees(&self) -> Vec<usize> {
        let mut degrees = vec![0; self.names.len()];
        for end in self.edges.iter().flat_map(|edge| [edge.source, edge.target]) {
            if let Some(degree) = degrees.get_mut(end as usize) {
                *degree += 1;
            }
        }
        degrees
    }

    fn components(&self) -> usize {
        let mut above: Vec<u32> = (0..self.nodes()).collect();
        let mut joined = 0;
        for edge in &self.edges {
            let (a, b) = (root(&mut above, edge.source), root(&mut above, edge.target));
            if a != b {
                if let Some(place) = above.get_mut(a as usize) {
                    *place = b;
                }
                joined += 1;
            }
        }
        self.names.len() - joined
    }

    /// Lengths of edges; empty where every edge is 1.
    pub(super) fn lengths(&self, length: LengthBody) -> Vec<f64> {
        match length {
            LengthBody::Hops => Vec::new(),
            LengthBody::Weight => self.weights.clone(),
            LengthBody::Reciprocal => self.weights.iter().map(|weight| 1.0 / weight).collect(),
        }
    }

    /// An error with the edge's name in the place of its position.
    pub(super) fn named(&self, error: CurvatureError) -> Problem {
        let CurvatureError::Weight(position) = error else { return error.into() };
        let at = position as usize;
        let Some([a, b]) = self.edges.get(at).and_then(|edge| self.ends(*edge)) else { return error.into() };
        let weight = self.weights.get(at).copied().unwrap_or(f64::NAN);
        let detail = format!(
            "The links between `{}` and `{}` weigh {weight} together, which is no positive length, conductance or weight. \
             Leave them out by `types` or `layers`, or ask without weights.",
            a.as_str(),
            b.as_str()
        );
        Problem::new(Kind::InvalidGeometry, detail).with("ends", [a.as_str(), b.as_str()].map(str::to_owned).to_vec())
    }
}

/// Numbers nodes by their names, and puts edges in order.
fn numbered(named: Vec<(NodeName, u32)>, found: &[(u32, u32, f64)]) -> Simple {
    let position: BTreeMap<u32, u32> =
        named.iter().enumerate().map(|(position, (_, number))| (*number, position as u32)).collect();
    let at = |number: &u32| position.get(number).copied().unwrap_or(0);
    let pairs = found.iter().map(|(a, b, weight)| {
        let (a, b) = (at(a), at(b));
        ((a.min(b), a.max(b)), *weight)
    });
    let pairs: BTreeMap<(u32, u32), f64> = pairs.collect();
    Simple {
        names: named.into_iter().map(|(name, _)| name).collect(),
        edges: pairs.keys().map(|&(source, target)| Edge { source, target }).collect(),
        weights: pairs.into_values().collect(),
    }
}

/// The root of a node's tree; halves the way there.
fn root(above: &mut [u32], node: u32) -> u32 {
    let mut at = node;
    while let Some(&next) = above.get(at as usize)
        && next != at
    {
        let skip = above.get(next as usize).copied().unwrap_or(next);
        if let Some(place) = above.get_mut(at as usize) {
            *place = skip;
        }
        at = skip;
    }
    at
}
