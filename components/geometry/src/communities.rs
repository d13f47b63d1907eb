//! Communities by discrete Ricci flow (Ni, Lin, Luo and Gao, "Community detection on networks with Ricci flow", Scientific Reports 9,
//! 2019), in f64.
//!
//! Every step gives each edge the length `(1 - kappa) d`, `d` being the shortest way between its ends, and scales all so that their
//! sum is the number of edges. Edges between communities grow. At the end edges are cut from the longest on; of all the partitions
//! that come about, the one with the largest modularity (Newman and Girvan, 2004) of the graph as given is taken.
#![allow(clippy::indexing_slicing, reason = "a kernel: indices are nodes and edges below the graph's counts")]

use crate::curvature::weighted::{Distances, Spread, check};
use crate::graph::{Adjacency, Graph, GraphError};

/// Steps of flow that may be asked for.
pub const FLOW_STEPS_MAX: u32 = 200;

/// How the flow runs.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Flow {
    /// Steps; 20 in the paper.
    pub steps: u32,
    /// How mass is spread; 0.5 and 2 in the paper's code.
    pub spread: Spread,
}

impl Default for Flow {
    fn default() -> Self {
        Flow { steps: 20, spread: Spread { idleness: 0.5, power: 2.0 } }
    }
}

/// A partition of the nodes.
#[derive(Debug, Clone, PartialEq)]
pub struct Communities {
    /// For each node up to the last with an edge its community; they are numbered from 0 by their least nodes.
    pub labels: Vec<u32>,
    /// Newman and Girvan's, of the partition.
    pub modularity: f64,
    /// Edges longer than this are cut; none when nothing is.
    pub cutoff: Option<f64>,
    /// Lengths after the flow, in the order of the edges.
    pub lengths: Vec<f64>,
    /// Curvature at the end of the flow.
    pub curvature: Vec<f64>,
}

/// Runs the flow and cuts. `lengths` is where it starts (1 for an unweighted graph); modularity counts each edge once.
///
/// # Errors
/// [`GraphError`] for lengths, sizes, spreads and steps that are out of range.
pub fn communities(graph: &Graph, lengths: &[f64], flow: Flow) -> Result<Communities, GraphError> {
    check(graph, lengths, flow.spread)?;
    if flow.steps > FLOW_STEPS_MAX {
        return Err(GraphError::TooLarge(format!("the flow may have {FLOW_STEPS_MAX} steps, not {}", flow.steps)));
    }
    let mut lengths = lengths.to_vec();
    let mut curvature = vec![0.0; lengths.len()];
    for _ in 0..flow.steps {
        let distances = Distances::new(graph, &lengths);
        for (edge, kappa) in graph.edges().iter().zip(&mut curvature) {
            *kappa = distances.curvature(graph, &lengths, *edge, flow.spread);
        }
        let apart = graph.edges().iter().map(|edge| distances.of(edge.source, edge.target));
        // Not below a floor, so that a length stays one: parts that melt together would otherwise divide by zero.
        let flown: Vec<f64> = apart.zip(&curvature).map(|(d, kappa)| ((1.0 - kappa) * d).max(1e-9)).collect();
        let scale = flown.len() as f64 / flown.iter().sum::<f64>();
        lengths = flown.iter().map(|length| (length * scale).max(1e-9)).collect();
    }
    let (labels, modularity, cutoff) = cut(graph, &lengths);
    Ok(Communities { labels, modularity, cutoff, lengths, curvature })
}

/// Joins edges from the shortest on, and keeps the best partition on the way: the same as cutting from the longest on.
fn cut(graph: &Graph, lengths: &[f64]) -> (Vec<u32>, f64, Option<f64>) {
    let mut order: Vec<usize> = (0..lengths.len()).collect();
    order.sort_by(|a, b| lengths[*a].total_cmp(&lengths[*b]).then(a.cmp(b)));
    let mut sets = Sets::new(graph);
    let mut best: (f64, usize) = (f64::NEG_INFINITY, 0);
    let mut joined = 0;
    while joined < order.len() {
        // Edges of one length, but for rounding, go together.
        let until = lengths[order[joined]] * (1.0 + 1e-9);
        while joined < order.len() && lengths[order[joined]] <= until {
            let edge = graph.edges()[order[joined]];
            sets.join(edge.source, edge.target);
            joined += 1;
        }
        let modularity = sets.modularity();
        // Nearly equal ones: the one with fewer cuts.
        if modularity >= best.0 - 1e-12 {
            best = (modularity.max(best.0), joined);
        }
    }
    let mut sets = Sets::new(graph);
    for &place in &order[..best.1] {
        let edge = graph.edges()[place];
        sets.join(edge.source, edge.target);
    }
    let cutoff = (best.1 < order.len()).then(|| lengths[order[best.1 - 1]]);
    (sets.labels(), sets.modularity(), cutoff)
}

/// Sets of nodes that grow together, with the sum that modularity is made of.
struct Sets<'g> {
    graph: &'g Graph,
    parent: Vec<u32>,
    members: Vec<Vec<u32>>,
    /// Edges inside of sets.
    inside: u64,
    /// Sum of degrees of each set, by its root.
    degrees: Vec<u64>,
    squares: u128,
}

impl<'g> Sets<'g> {
    fn new(graph: &'g Graph) -> Sets<'g> {
        let nodes = 0..graph.nodes() as u32;
        let degrees: Vec<u64> = nodes.clone().map(|node| graph.degree(node) as u64).collect();
        let squares = degrees.iter().map(|degree| u128::from(*degree) * u128::from(*degree)).sum();
        Sets {
            graph,
            parent: nodes.clone().collect(),
            members: nodes.map(|node| vec![node]).collect(),
            inside: 0,
            degrees,
            squares,
        }
    }

    /// Every node knows its root; the smaller set's nodes are told.
    fn join(&mut self, a: u32, b: u32) {
        let (a, b) = (self.parent[a as usize], self.parent[b as usize]);
        if a == b {
            return;
        }
        let (small, large) =
            if self.members[a as usize].len() < self.members[b as usize].len() { (a, b) } else { (b, a) };
        let moved = std::mem::take(&mut self.members[small as usize]);
        for &node in &moved {
            let inside = self.graph.of(node).iter().filter(|next| self.parent[**next as usize] == large).count();
            self.inside += inside as u64;
        }
        moved.iter().for_each(|node| self.parent[*node as usize] = large);
        // Edges within the moved ones were inside before, and are counted once.
        self.members[large as usize].extend(moved);
        let (less, more) = (self.degrees[small as usize], self.degrees[large as usize]);
        self.squares += 2 * u128::from(less) * u128::from(more);
        self.degrees[large as usize] += less;
    }

    fn modularity(&self) -> f64 {
        let edges = self.graph.edges().len().max(1) as f64;
        self.inside as f64 / edges - self.squares as f64 / (4.0 * edges * edges)
    }

    fn labels(&self) -> Vec<u32> {
        let mut numbers = vec![u32::MAX; self.parent.len()];
        let mut next = 0;
        let label = |root: &u32| {
            let number = &mut numbers[*root as usize];
            if *number == u32::MAX {
                *number = next;
                next += 1;
            }
            *number
        };
        self.parent.iter().map(label).collect()
    }
}
