//! How much edges and nodes stand out of their graph: curvature and its baselines as scores of suspicion.
//!
//! An edge between parts of a graph that have little to do with one another has negative curvature, lies on many shortest paths, and
//! its ends share few neighbours. So suspicion is the negative of a curvature or of the Jaccard index, or the betweenness. A node's
//! suspicion is the mean over its edges. docs/geometry-graphs.md says how well each finds what was put in.

use crate::betweenness::betweenness;
use crate::curvature::forman::{Forman, edge_curvature};
use crate::curvature::ollivier::{Transport, transport_curvature};
use crate::graph::{Adjacency, Edge, Graph, GraphError, common};

/// Nodes times edges that betweenness may cost.
pub const BETWEENNESS_WORK_MAX: u64 = 20_000_000_000;

/// What suspicion is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Suspicion {
    /// Negative Lin-Lu-Yau curvature.
    LinLuYau,
    /// Negative balanced Forman curvature.
    Balanced,
    /// Negative augmented Forman curvature.
    Augmented,
    /// Negative plain Forman curvature: the sum of two degrees. Kept to show that it tells next to nothing.
    Plain,
    /// Edge betweenness: a baseline.
    Betweenness,
    /// One minus the share of common neighbours among all neighbours of the two ends, the ends themselves left out (Jaccard, 1912): a
    /// baseline. 1 where there is no other neighbour.
    Jaccard,
}

/// How scores become comparable between graphs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scale {
    /// The share of scores below, with half of the equal ones: 0 to 1.
    Rank,
    /// `0.6745 (x - median) / MAD` (Iglewicz and Hoaglin, 1993). Where more than half of all are equal the MAD is 0, and
    /// `(x - median) / (1.2533 mean absolute deviation)` takes its place; 0 when all are equal.
    RobustZ,
}

/// Scores, larger ones more suspicious.
#[derive(Debug, Clone, PartialEq)]
pub struct Anomalies {
    /// Of each edge.
    pub edges: Vec<f64>,
    /// Of each node up to the last with an edge. A node without edges has the least of all.
    pub nodes: Vec<f64>,
}

/// Scores of all edges and nodes.
///
/// # Errors
/// [`GraphError::TooLarge`] for betweenness above [`BETWEENNESS_WORK_MAX`].
pub fn anomalies(graph: &Graph, suspicion: Suspicion, scale: Scale) -> Result<Anomalies, GraphError> {
    let edges = edge_suspicion(graph, suspicion)?;
    let nodes = node_suspicion(graph, &edges);
    Ok(Anomalies { edges: scaled(&edges, scale), nodes: scaled(&nodes, scale) })
}

/// Suspicion of each edge, in units of what it is made of.
///
/// # Errors
/// As [`anomalies`].
pub fn edge_suspicion(graph: &Graph, suspicion: Suspicion) -> Result<Vec<f64>, GraphError> {
    let forman = |kind| graph.edges().iter().map(|edge| -edge_curvature(kind, graph, *edge)).collect();
    Ok(match suspicion {
        Suspicion::LinLuYau => {
            transport_curvature(Transport::LinLuYau, graph).iter().map(|ratio| -ratio.nearest()).collect()
        }
        Suspicion::Balanced => forman(Forman::Balanced),
        Suspicion::Augmented => forman(Forman::Augmented),
        Suspicion::Plain => forman(Forman::Plain),
        Suspicion::Betweenness => {
            let work = graph.nodes() as u64 * graph.edges().len() as u64;
            if work > BETWEENNESS_WORK_MAX {
                let reason =
                    format!("betweenness takes nodes times edges, here {work}; {BETWEENNESS_WORK_MAX} are allowed");
                return Err(GraphError::TooLarge(reason));
            }
            betweenness(graph).edges
        }
        Suspicion::Jaccard => graph.edges().iter().map(|edge| 1.0 - jaccard(graph, *edge)).collect(),
    })
}

fn jaccard(graph: &Graph, edge: Edge) -> f64 {
    let (a, b) = (graph.of(edge.source), graph.of(edge.target));
    let shared = common(a, b);
    // The ends are each other's neighbours, and do not count.
    let all = a.len() + b.len() - 2 - shared;
    if all == 0 { 0.0 } else { shared as f64 / all as f64 }
}

/// The mean over a node's edges; minus infinity without any.
fn node_suspicion(graph: &Graph, edges: &[f64]) -> Vec<f64> {
    let mean = |node: u32| {
        let own = graph.positions_of(node).iter().filter_map(|position| edges.get(*position as usize));
        if graph.degree(node) == 0 { f64::NEG_INFINITY } else { own.sum::<f64>() / graph.degree(node) as f64 }
    };
    (0..graph.nodes() as u32).map(mean).collect()
}

fn scaled(values: &[f64], scale: Scale) -> Vec<f64> {
    match scale {
        Scale::Rank => ranks(values),
        Scale::RobustZ => robust_z(values),
    }
}

fn ranks(values: &[f64]) -> Vec<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let rank = |value: &f64| {
        let below = sorted.partition_point(|other| other < value);
        let until = sorted.partition_point(|other| other <= value);
        (below + until) as f64 / (2 * sorted.len()) as f64
    };
    values.iter().map(rank).collect()
}

fn robust_z(values: &[f64]) -> Vec<f64> {
    let finite: Vec<f64> = values.iter().copied().filter(|value| value.is_finite()).collect();
    let middle = median(&finite);
    let deviations: Vec<f64> = finite.iter().map(|value| (value - middle).abs()).collect();
    let median_deviation = median(&deviations);
    let mean_deviation = deviations.iter().sum::<f64>() / deviations.len().max(1) as f64;
    let unit = if median_deviation > 0.0 { median_deviation / 0.6745 } else { 1.2533 * mean_deviation };
    let z = |value: &f64| if unit > 0.0 { (value - middle) / unit } else { 0.0 };
    let least = finite.iter().map(z).fold(0.0, f64::min);
    values.iter().map(|value| if value.is_finite() { z(value) } else { least }).collect()
}

fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let half = sorted.len() / 2;
    match (sorted.get(half.wrapping_sub(1)), sorted.get(half)) {
        (Some(below), Some(above)) if sorted.len().is_multiple_of(2) => f64::midpoint(*below, *above),
        (_, Some(middle)) => *middle,
        _ => 0.0,
    }
}
