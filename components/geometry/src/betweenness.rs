//! Betweenness: on how many shortest paths nodes and edges lie (Brandes, 2001 and 2008). A baseline for curvature.
#![allow(clippy::indexing_slicing, reason = "a kernel: indices are nodes and edges below the graph's counts")]

use crate::graph::{Adjacency, Graph};

/// Sums over unordered pairs of nodes, not normalised.
#[derive(Debug, Clone, PartialEq)]
pub struct Betweenness {
    /// Of each node, as an inner node of paths.
    pub nodes: Vec<f64>,
    /// Of each edge.
    pub edges: Vec<f64>,
}

/// Exact betweenness, in time nodes times edges.
pub fn betweenness(graph: &Graph) -> Betweenness {
    let size = graph.nodes();
    let (mut nodes, mut edges) = (vec![0.0; size], vec![0.0; graph.edges().len()]);
    let (mut depth, mut paths, mut share) = (vec![u32::MAX; size], vec![0.0; size], vec![0.0; size]);
    let mut order = Vec::with_capacity(size);
    for start in 0..size as u32 {
        depth.fill(u32::MAX);
        paths.fill(0.0);
        share.fill(0.0);
        order.clear();
        (depth[start as usize], paths[start as usize]) = (0, 1.0);
        order.push(start);
        let mut next = 0;
        while next < order.len() {
            let node = order[next] as usize;
            next += 1;
            for &other in graph.of(node as u32) {
                let other = other as usize;
                if depth[other] == u32::MAX {
                    depth[other] = depth[node] + 1;
                    order.push(other as u32);
                }
                if depth[other] == depth[node] + 1 {
                    paths[other] += paths[node];
                }
            }
        }
        for &node in order.iter().rev() {
            let at = node as usize;
            for (&other, &position) in graph.of(node).iter().zip(graph.positions_of(node)) {
                let other = other as usize;
                if depth[other] + 1 == depth[at] {
                    let part = paths[other] / paths[at] * (1.0 + share[at]);
                    share[other] += part;
                    edges[position as usize] += part;
                }
            }
            if node != start {
                nodes[at] += share[at];
            }
        }
    }
    // Every pair was seen from both ends.
    nodes.iter_mut().chain(&mut edges).for_each(|value| *value /= 2.0);
    Betweenness { nodes, edges }
}
