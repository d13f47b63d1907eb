//! s-line graphs: hyperedges that share at least `s` members are next to one another (Aksoy, Joslyn, Ortiz Marrero, Praggastis and
//! Purvine, "Hypernetwork science via high-order hypergraph walks", EPJ Data Science 9, 2020).

use std::collections::BTreeMap;

use super::{Hypergraph, HypergraphError, PAIRS_MAX, pairs};
use crate::betweenness::betweenness;
use crate::curvature::resistance::components;
use crate::graph::{Edge, Graph};

/// The line graph: nodes are the hyperedges' positions.
///
/// # Errors
/// [`HypergraphError::OutOfRange`] for an `s` of 0, or when more than [`PAIRS_MAX`] pairs of hyperedges meet in a node.
pub fn line_graph(hypergraph: &Hypergraph, s: u32) -> Result<Graph, HypergraphError> {
    if s == 0 {
        return Err(HypergraphError::OutOfRange("s must be at least 1".to_owned()));
    }
    let meetings: usize =
        hypergraph.incident().iter().map(|edges| edges.len() * edges.len().saturating_sub(1) / 2).sum();
    if meetings > PAIRS_MAX {
        let reason = format!("hyperedges meet {meetings} times, and {PAIRS_MAX} are allowed");
        return Err(HypergraphError::OutOfRange(reason));
    }
    let mut shared: BTreeMap<(u32, u32), u32> = BTreeMap::new();
    for pair in hypergraph.incident().iter().flat_map(|edges| pairs(edges)) {
        *shared.entry(pair).or_default() += 1;
    }
    let near = shared.into_iter().filter(|(_, count)| *count >= s);
    let edges: Vec<Edge> = near.map(|((source, target), _)| Edge { source, target }).collect();
    Ok(Graph::new(hypergraph.edges().len() as u32, &edges)?)
}

/// Components of the hyperedges of at least `s` members, each ascending, in the order of their first.
///
/// # Errors
/// As [`line_graph`].
pub fn s_components(hypergraph: &Hypergraph, s: u32) -> Result<Vec<Vec<u32>>, HypergraphError> {
    let mut all = components(&line_graph(hypergraph, s)?);
    let mut placed = vec![false; hypergraph.edges().len()];
    all.iter().flatten().for_each(|edge| placed.get_mut(*edge as usize).into_iter().for_each(|placed| *placed = true));
    for (edge, placed) in (0_u32..).zip(placed) {
        let large = hypergraph.edges().get(edge as usize).is_some_and(|members| members.len() >= s as usize);
        if !placed && large {
            all.push(vec![edge]);
        }
    }
    all.sort();
    Ok(all)
}

/// Betweenness of each hyperedge in the line graph, normalised by the pairs of the others among the hyperedges of at least `s` members.
///
/// # Errors
/// As [`line_graph`].
pub fn s_betweenness(hypergraph: &Hypergraph, s: u32) -> Result<Vec<f64>, HypergraphError> {
    let graph = line_graph(hypergraph, s)?;
    let count = hypergraph.edges().iter().filter(|members| members.len() >= s as usize).count() as f64;
    let mut values = betweenness(&graph).nodes;
    values.resize(hypergraph.edges().len(), 0.0);
    let pairs = ((count - 1.0) * (count - 2.0) / 2.0).max(1.0);
    values.iter_mut().for_each(|value| *value /= pairs);
    Ok(values)
}
