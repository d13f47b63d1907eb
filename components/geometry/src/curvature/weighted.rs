//! Ollivier curvature of graphs whose edges have lengths, in f64: not exact, but the same bits everywhere.
//!
//! `kappa(x, y) = 1 - W1(m_x, m_y) / d(x, y)` with `d` the shortest way by lengths. `m_x` leaves the idleness at `x` and gives each
//! neighbour `z` a share of the rest proportional to `exp(-d(x, z)^power)`, by the length of the edge (Ni, Lin, Luo and Gao,
//! Scientific Reports 9, 2019); with power 0 all neighbours have the same.
#![allow(clippy::indexing_slicing, reason = "a kernel: indices are nodes below the graph's count")]

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::assignment::plan;
use crate::graph::{Adjacency, Edge, Graph, GraphError, check_weights};

/// Nodes that a graph with lengths may have: all distances are held at once.
pub const WEIGHTED_NODES_MAX: usize = 2_000;

/// How mass is spread.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Spread {
    /// The share that stays, from 0 to 1.
    pub idleness: f64,
    /// How fast shares fall with length; 0 for equal shares.
    pub power: f64,
}

/// The curvature of every edge, in the order of the edges. `lengths` has one for each.
///
/// # Errors
/// [`GraphError::Weight`] for a length that is not positive and finite; [`GraphError::TooLarge`] for more than
/// [`WEIGHTED_NODES_MAX`] nodes, or a spread that is out of range.
pub fn weighted_curvature(graph: &Graph, lengths: &[f64], spread: Spread) -> Result<Vec<f64>, GraphError> {
    check(graph, lengths, spread)?;
    let distances = Distances::new(graph, lengths);
    Ok(graph.edges().iter().map(|edge| distances.curvature(graph, lengths, *edge, spread)).collect())
}

pub(crate) fn check(graph: &Graph, lengths: &[f64], spread: Spread) -> Result<(), GraphError> {
    check_weights(graph.edges().len(), lengths)?;
    if graph.nodes() > WEIGHTED_NODES_MAX {
        let reason =
            format!("a graph with lengths may have {WEIGHTED_NODES_MAX} nodes, and this has {}", graph.nodes());
        return Err(GraphError::TooLarge(reason));
    }
    let powers = 0.0..=16.0;
    if !((0.0..=1.0).contains(&spread.idleness) && powers.contains(&spread.power)) {
        return Err(GraphError::TooLarge("the idleness must be from 0 to 1, and the power from 0 to 16".to_owned()));
    }
    Ok(())
}

/// The shortest way between any two nodes.
pub(crate) struct Distances {
    nodes: usize,
    rows: Vec<f64>,
}

impl Distances {
    pub(crate) fn new(graph: &Graph, lengths: &[f64]) -> Distances {
        let nodes = graph.nodes();
        let rows = (0..nodes as u32).flat_map(|node| from(graph, lengths, node)).collect();
        Distances { nodes, rows }
    }

    pub(crate) fn of(&self, a: u32, b: u32) -> f64 {
        self.rows[a as usize * self.nodes + b as usize]
    }

    pub(crate) fn curvature(&self, graph: &Graph, lengths: &[f64], edge: Edge, spread: Spread) -> f64 {
        let apart = self.of(edge.source, edge.target);
        let (from, to) = (measure(graph, lengths, edge.source, spread), measure(graph, lengths, edge.target, spread));
        // What is at a node in both stays there: both lists are sorted by node.
        let mut supply: Vec<(u32, f64)> = Vec::new();
        let mut demand: Vec<(u32, f64)> = Vec::new();
        let (mut i, mut j) = (0, 0);
        while i < from.len() || j < to.len() {
            let (a, b) = (from.get(i).map_or(u32::MAX, |x| x.0), to.get(j).map_or(u32::MAX, |x| x.0));
            let node = a.min(b);
            let more = if a == node { from[i].1 } else { 0.0 } - if b == node { to[j].1 } else { 0.0 };
            if more > 0.0 {
                supply.push((node, more));
            } else if more < 0.0 {
                demand.push((node, -more));
            }
            i += usize::from(a == node);
            j += usize::from(b == node);
        }
        let cost: Vec<f64> = supply.iter().flat_map(|(a, _)| demand.iter().map(|(b, _)| self.of(*a, *b))).collect();
        let masses = |list: &[(u32, f64)]| list.iter().map(|(_, mass)| *mass).collect::<Vec<f64>>();
        let plan = plan(masses(&supply), masses(&demand), &cost);
        let total: f64 = plan.iter().map(|part| part.amount * cost[part.from * demand.len() + part.to]).sum();
        1.0 - total / apart
    }
}

/// Shares of a node and its neighbours, by node.
fn measure(graph: &Graph, lengths: &[f64], node: u32, spread: Spread) -> Vec<(u32, f64)> {
    let share = |position: &u32| {
        if spread.power == 0.0 { 1.0 } else { libm::exp(-libm::pow(lengths[*position as usize], spread.power)) }
    };
    let mut shares: Vec<f64> = graph.positions_of(node).iter().map(share).collect();
    let mut total: f64 = shares.iter().sum();
    // All neighbours so far away that their shares vanish: the same for each.
    if total < 1e-7 {
        shares.fill(1.0);
        total = shares.len() as f64;
    }
    let around =
        graph.of(node).iter().zip(shares).map(|(next, share)| (*next, (1.0 - spread.idleness) * share / total));
    let mut all: Vec<(u32, f64)> = around.chain([(node, spread.idleness)]).collect();
    all.sort_unstable_by_key(|(node, _)| *node);
    all
}

/// Dijkstra. Positive doubles order as their bits do.
fn from(graph: &Graph, lengths: &[f64], start: u32) -> Vec<f64> {
    let mut distance = vec![f64::INFINITY; graph.nodes()];
    distance[start as usize] = 0.0;
    let mut queue = BinaryHeap::from([Reverse((0_u64, start))]);
    while let Some(Reverse((bits, node))) = queue.pop() {
        let here = f64::from_bits(bits);
        if here > distance[node as usize] {
            continue;
        }
        for (&next, &position) in graph.of(node).iter().zip(graph.positions_of(node)) {
            let there = here + lengths[position as usize];
            if there < distance[next as usize] {
                distance[next as usize] = there;
                queue.push(Reverse((there.to_bits(), next)));
            }
        }
    }
    distance
}
