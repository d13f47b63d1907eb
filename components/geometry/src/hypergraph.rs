//! Hypergraphs: sizes, density, clustering, Forman curvature; in modules the Laplacian, line graphs and Ollivier curvature.

pub mod line_graph;
pub mod orchid;
pub mod spectrum;

use crate::graph::{Adjacency, Edge, Graph, GraphError, common};

/// Members of all hyperedges together.
pub const MEMBERS_MAX: usize = 5_000_000;

/// Pairs of members of one hyperedge, over all of them: what clique expansion goes through.
pub const PAIRS_MAX: usize = 20_000_000;

/// A hypergraph that is none. The number is the hyperedge's position.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HypergraphError {
    /// A member that is not a node.
    #[error("hyperedge {0} names a node that is not there")]
    UnknownNode(u32),
    /// No member.
    #[error("hyperedge {0} has no members")]
    Empty(u32),
    /// A node that is its member twice.
    #[error("hyperedge {0} names a node twice")]
    RepeatedMember(u32),
    /// More than a computation may hold, or an argument out of range; in words.
    #[error("{0}")]
    OutOfRange(String),
}

impl From<GraphError> for HypergraphError {
    fn from(error: GraphError) -> Self {
        HypergraphError::OutOfRange(error.to_string())
    }
}

/// Hyperedges with their members sorted, and each node's hyperedges.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hypergraph {
    edges: Vec<Vec<u32>>,
    incident: Vec<Vec<u32>>,
}

impl Hypergraph {
    /// A hypergraph with the nodes `0..nodes`. Hyperedges may be equal; a node may be in none.
    ///
    /// # Errors
    /// [`HypergraphError`] names the first hyperedge that does not fit.
    pub fn new(nodes: u32, edges: &[Vec<u32>]) -> Result<Hypergraph, HypergraphError> {
        let members: usize = edges.iter().map(Vec::len).sum();
        if members + nodes as usize > MEMBERS_MAX {
            let reason =
                format!("a hypergraph may have {MEMBERS_MAX} nodes and members, and this has {nodes} and {members}");
            return Err(HypergraphError::OutOfRange(reason));
        }
        let mut incident = vec![Vec::new(); nodes as usize];
        let mut sorted = Vec::with_capacity(edges.len());
        for (edge, position) in edges.iter().zip(0_u32..) {
            if edge.is_empty() {
                return Err(HypergraphError::Empty(position));
            }
            let mut edge = edge.clone();
            edge.sort_unstable();
            if edge.windows(2).any(|pair| matches!(pair, [a, b] if a == b)) {
                return Err(HypergraphError::RepeatedMember(position));
            }
            for node in &edge {
                incident.get_mut(*node as usize).ok_or(HypergraphError::UnknownNode(position))?.push(position);
            }
            sorted.push(edge);
        }
        Ok(Hypergraph { edges: sorted, incident })
    }

    /// Each hyperedge's members, ascending.
    pub fn edges(&self) -> &[Vec<u32>] {
        &self.edges
    }

    /// Each node's hyperedges, ascending.
    pub fn incident(&self) -> &[Vec<u32>] {
        &self.incident
    }

    /// Number of hyperedges that each node is in.
    pub fn degrees(&self) -> Vec<u32> {
        self.incident.iter().map(|edges| edges.len() as u32).collect()
    }

    /// Number of members of each hyperedge.
    pub fn sizes(&self) -> Vec<u32> {
        self.edges.iter().map(|edge| edge.len() as u32).collect()
    }

    /// Hyperedges over the `2^n - 1` that `n` nodes could have.
    pub fn density(&self) -> f64 {
        let possible = libm::exp2(self.incident.len() as f64) - 1.0;
        if possible > 0.0 { self.edges.len() as f64 / possible } else { 0.0 }
    }

    /// Nodes that share a hyperedge are next to one another: the clique expansion, each pair once.
    ///
    /// # Errors
    /// [`HypergraphError::OutOfRange`] when there are more than [`PAIRS_MAX`] pairs of members.
    pub fn clique_expansion(&self) -> Result<Graph, HypergraphError> {
        let pairs: usize = self.edges.iter().map(|edge| edge.len() * (edge.len() - 1) / 2).sum();
        if pairs > PAIRS_MAX {
            let reason = format!("the hyperedges have {pairs} pairs of members, and {PAIRS_MAX} are allowed");
            return Err(HypergraphError::OutOfRange(reason));
        }
        let mut pairs: Vec<(u32, u32)> = self.edges.iter().flat_map(|edge| self::pairs(edge)).collect();
        pairs.sort_unstable();
        pairs.dedup();
        let edges: Vec<Edge> = pairs.into_iter().map(|(source, target)| Edge { source, target }).collect();
        Ok(Graph::new(self.incident.len() as u32, &edges)?)
    }

    /// The share of pairs of a node's neighbours that are neighbours themselves, in the clique expansion (Watts and Strogatz, 1998);
    /// 0 for fewer than two.
    ///
    /// # Errors
    /// As [`Hypergraph::clique_expansion`].
    pub fn clustering(&self) -> Result<Vec<f64>, HypergraphError> {
        let graph = self.clique_expansion()?;
        let coefficient = |node: u32| {
            let around = graph.of(node);
            let pairs = around.len() * around.len().saturating_sub(1);
            let closed: usize = around.iter().map(|next| common(graph.of(*next), around)).sum();
            if pairs == 0 { 0.0 } else { closed as f64 / pairs as f64 }
        };
        Ok((0..self.incident.len() as u32).map(coefficient).collect())
    }

    /// Forman curvature of each hyperedge: the sum over its members of `2 - degree` (Leal, Restrepo, Stadler and Jost, Advances in
    /// Complex Systems 24, 2021, for undirected hyperedges).
    pub fn forman(&self) -> Vec<i64> {
        let at = |node: &u32| 2 - self.incident.get(*node as usize).map_or(0, Vec::len) as i64;
        self.edges.iter().map(|edge| edge.iter().map(at).sum()).collect()
    }
}

/// Pairs of members, each once.
pub(crate) fn pairs(edge: &[u32]) -> impl Iterator<Item = (u32, u32)> + '_ {
    edge.iter().enumerate().flat_map(|(place, a)| edge.iter().skip(place + 1).map(move |b| (*a, *b)))
}
