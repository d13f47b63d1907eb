//! Multilayer networks over one set of nodes: how layers overlap, how nodes take part in them, the spectrum of all of them joined, and which
//! layers could be one.
#![allow(clippy::indexing_slicing, reason = "nodes and layers run below their numbers, which were checked")]

use std::collections::BTreeMap;

use crate::fault::{AnalysisError, invalid, undefined};
use crate::linear::tridiagonal;
use crate::spectral::{Edge, NODES_MAX, adjacency, divergence_of, entropy, laplacian};

/// Layers at most.
pub const LAYERS_MAX: usize = 64;

/// Edges of all layers at most.
pub const EDGES_MAX: usize = 5_000_000;

/// A node's place in the layers.
#[derive(Debug, Clone, PartialEq)]
pub struct Participation {
    /// Edges of the node in each layer.
    pub degrees: Vec<u32>,
    /// Their sum, the overlapping degree.
    pub overlapping: u32,
    /// `M / (M - 1) (1 - sum (k_a / o)^2)`: 1 when it is alike in all layers, 0 when in one only (Battiston, Nicosia and Latora, Phys. Rev. E 89,
    /// 2014, equation 12). 0 for nodes without edges, and where there is one layer.
    pub coefficient: f64,
    /// `1 - neighbours / overlapping`: the share of its edges that repeat a neighbour (connective redundancy, Berlingerio et al., World Wide Web
    /// 16, 2013).
    pub redundancy: f64,
}

/// Two layers beside each other.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Overlap {
    /// A layer.
    pub first: u32,
    /// A later one.
    pub second: u32,
    /// Edges in both.
    pub both: u64,
    /// Edges in either.
    pub either: u64,
}

/// Nodes that are joined by the same set of layers (multilinks; Bianconi, Phys. Rev. E 87, 2013).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Multidegree {
    /// The node.
    pub node: u32,
    /// The layers, a bit each.
    pub layers: u64,
    /// Its neighbours by exactly these.
    pub count: u32,
}

/// Overlaps and participation.
#[derive(Debug, Clone, PartialEq)]
pub struct Overlaps {
    /// Every pair of layers.
    pub pairs: Vec<Overlap>,
    /// Every node.
    pub nodes: Vec<Participation>,
    /// Every node and set of layers that occurs, in the order of both.
    pub multidegrees: Vec<Multidegree>,
    /// The share of connected pairs that are connected in more than one layer.
    pub repeated: f64,
}

fn check(layers: &[Vec<Edge>], nodes: u32) -> Result<(), AnalysisError> {
    if layers.is_empty() || layers.len() > LAYERS_MAX {
        return invalid(format!("1 to {LAYERS_MAX} layers, not {}", layers.len()));
    }
    let edges: usize = layers.iter().map(Vec::len).sum();
    if edges > EDGES_MAX {
        return Err(AnalysisError::TooLarge(format!("{edges} edges are more than {EDGES_MAX}")));
    }
    for (layer, edges) in layers.iter().enumerate() {
        for (at, edge) in edges.iter().enumerate() {
            if edge.source >= nodes || edge.target >= nodes || edge.source == edge.target {
                return invalid(format!("edge {at} of layer {layer} is a loop or names a node that is not there"));
            }
            if !(edge.weight > 0.0 && edge.weight.is_finite()) {
                return invalid(format!("edge {at} of layer {layer} has no finite weight above 0"));
            }
        }
    }
    Ok(())
}

/// How layers overlap. Weights do not count here, only whether there is an edge.
///
/// # Errors
/// [`AnalysisError`] for edges that do not fit, and above the limits.
pub fn overlaps(nodes: u32, layers: &[Vec<Edge>]) -> Result<Overlaps, AnalysisError> {
    check(layers, nodes)?;
    if nodes as usize > EDGES_MAX {
        return Err(AnalysisError::TooLarge(format!("{nodes} nodes are more than {EDGES_MAX}")));
    }
    let mut links: BTreeMap<(u32, u32), u64> = BTreeMap::new();
    for (layer, edges) in layers.iter().enumerate() {
        for edge in edges {
            let ends = (edge.source.min(edge.target), edge.source.max(edge.target));
            *links.entry(ends).or_default() |= 1 << layer;
        }
    }
    let count = layers.len();
    let mut pairs = Vec::new();
    for first in 0..count {
        for second in first + 1..count {
            let (a, b) = (1_u64 << first, 1_u64 << second);
            let both = links.values().filter(|&&set| set & a != 0 && set & b != 0).count() as u64;
            let either = links.values().filter(|&&set| set & (a | b) != 0).count() as u64;
            pairs.push(Overlap { first: first as u32, second: second as u32, both, either });
        }
    }
    let mut degrees = vec![vec![0_u32; count]; nodes as usize];
    let mut neighbours = vec![0_u32; nodes as usize];
    let mut multidegrees: BTreeMap<(u32, u64), u32> = BTreeMap::new();
    for (&(a, b), &set) in &links {
        for node in [a, b] {
            neighbours[node as usize] += 1;
            *multidegrees.entry((node, set)).or_default() += 1;
            (0..count).filter(|layer| set >> layer & 1 == 1).for_each(|layer| degrees[node as usize][layer] += 1);
        }
    }
    let repeated = links.values().filter(|set| set.count_ones() > 1).count();
    let nodes = degrees.into_iter().zip(neighbours).map(|(degrees, neighbours)| participation(degrees, neighbours));
    Ok(Overlaps {
        pairs,
        nodes: nodes.collect(),
        multidegrees: multidegrees
            .into_iter()
            .map(|((node, layers), count)| Multidegree { node, layers, count })
            .collect(),
        repeated: repeated as f64 / links.len().max(1) as f64,
    })
}

fn participation(degrees: Vec<u32>, neighbours: u32) -> Participation {
    let overlapping: u32 = degrees.iter().sum();
    let (m, whole) = (degrees.len() as f64, f64::from(overlapping));
    let has_shares = overlapping > 0 && degrees.len() > 1;
    let squares: f64 = degrees.iter().map(|&degree| f64::from(degree) / whole).map(|share| share * share).sum();
    Participation {
        coefficient: if has_shares { m / (m - 1.0) * (1.0 - squares) } else { 0.0 },
        redundancy: if overlapping > 0 { 1.0 - f64::from(neighbours) / whole } else { 0.0 },
        overlapping,
        degrees,
    }
}

/// The eigenvalues of the supra-Laplacian, ascending: the Laplacians of the layers as blocks, and each node joined with itself in every
/// other layer by the weight `coupling` (Gomez et al., Phys. Rev. Lett. 110, 2013). The second is the algebraic connectivity.
///
/// # Errors
/// [`AnalysisError`]; nodes times layers are at most [`NODES_MAX`].
pub fn supra_spectrum(nodes: u32, layers: &[Vec<Edge>], coupling: f64) -> Result<Vec<f64>, AnalysisError> {
    check(layers, nodes)?;
    if !(coupling >= 0.0 && coupling.is_finite()) {
        return invalid(format!("the coupling is {coupling}; it must be finite and not negative"));
    }
    let (n, m) = (nodes as usize, layers.len());
    let side = n.saturating_mul(m);
    if side > NODES_MAX as usize {
        return Err(AnalysisError::TooLarge(format!("{n} nodes in {m} layers are more than {NODES_MAX} together")));
    }
    let mut supra = vec![0.0; side * side];
    for (layer, edges) in layers.iter().enumerate() {
        let block = laplacian(&adjacency(nodes, edges, NODES_MAX)?, n);
        for i in 0..n {
            let row = (layer * n + i) * side;
            supra[row + layer * n..row + (layer + 1) * n].copy_from_slice(&block[i * n..(i + 1) * n]);
            supra[row + layer * n + i] += coupling * (m - 1) as f64;
            (0..m).filter(|&other| other != layer).for_each(|other| supra[row + other * n + i] = -coupling);
        }
    }
    Ok(tridiagonal::values(&supra, side))
}

/// A step of an aggregation.
#[derive(Debug, Clone, PartialEq)]
pub struct Merge {
    /// The groups that become one; a group is named by its lowest layer.
    pub first: u32,
    /// The other, which is gone after this.
    pub second: u32,
    /// Their Jensen-Shannon distance, the root of the divergence.
    pub distance: f64,
    /// The quality of what is there after this merge.
    pub quality: f64,
}

/// Which layers could be one.
#[derive(Debug, Clone, PartialEq)]
pub struct Reduction {
    /// Jensen-Shannon distances of the layers: `(0, 1), (0, 2) .. (1, 2) ..`.
    pub distances: Vec<f64>,
    /// The quality of the layers as they are.
    pub quality: f64,
    /// The merges, the nearest first, down to one layer.
    pub merges: Vec<Merge>,
    /// How many of the merges lead to the best quality.
    pub best: u32,
}

/// Nodes times nodes times layers at most for a reduction.
const REDUCTION_NODES_MAX: u32 = 500;

struct Group {
    name: u32,
    adjacency: Vec<f64>,
    density: Vec<f64>,
    entropy: f64,
}

impl Group {
    fn new(name: u32, adjacency: Vec<f64>, n: usize) -> Group {
        let mut density = laplacian(&adjacency, n);
        let trace: f64 = (0..n).map(|i| density[i * n + i]).sum();
        density.iter_mut().for_each(|value| *value /= trace);
        let entropy = entropy(tridiagonal::values(&density, n));
        Group { name, adjacency, density, entropy }
    }
}

/// Structural reducibility (De Domenico, Nicosia, Arenas and Latora, Nature Communications 6, 2015): layers are merged, the nearest by their
/// Jensen-Shannon distance first; the quality is `1 - mean entropy of the layers / entropy of their aggregate`.
///
/// # Errors
/// [`AnalysisError`]; at most 500 nodes; layers without edges are [`AnalysisError::Undefined`].
pub fn reduction(nodes: u32, layers: &[Vec<Edge>]) -> Result<Reduction, AnalysisError> {
    check(layers, nodes)?;
    let n = nodes as usize;
    if let Some(layer) = layers.iter().position(Vec::is_empty) {
        return undefined(format!("layer {layer} has no edges, and so no density matrix"));
    }
    let mut groups = Vec::new();
    let mut all = vec![0.0; n * n];
    for (layer, edges) in layers.iter().enumerate() {
        let a = adjacency(nodes, edges, REDUCTION_NODES_MAX)?;
        all.iter_mut().zip(&a).for_each(|(all, a)| *all += a);
        groups.push(Group::new(layer as u32, a, n));
    }
    let whole = Group::new(0, all, n).entropy;
    let quality = |groups: &[Group]| {
        let mean = groups.iter().map(|group| group.entropy).sum::<f64>() / groups.len() as f64;
        if whole > 0.0 { 1.0 - mean / whole } else { 0.0 }
    };
    let between = |a: &Group, b: &Group| divergence_of(&a.density, &b.density, n).sqrt();
    let mut table: BTreeMap<(u32, u32), f64> = BTreeMap::new();
    for (at, a) in groups.iter().enumerate() {
        table.extend(groups.iter().skip(at + 1).map(|b| ((a.name, b.name), between(a, b))));
    }
    let (distances, first_quality) = (table.values().copied().collect(), quality(&groups));
    let (mut merges, mut best, mut highest) = (Vec::new(), 0, first_quality);
    while let Some((&(first, second), &distance)) = table.iter().min_by(|a, b| a.1.total_cmp(b.1)) {
        let Some(gone) = groups.iter().position(|group| group.name == second) else { break };
        let gone = groups.remove(gone);
        let Some(kept) = groups.iter().position(|group| group.name == first) else { break };
        let sum = groups[kept].adjacency.iter().zip(&gone.adjacency).map(|(a, b)| a + b).collect();
        groups[kept] = Group::new(first, sum, n);
        table.retain(|&(a, b), _| a != second && b != second);
        for group in groups.iter().filter(|group| group.name != first) {
            let name = (group.name.min(first), group.name.max(first));
            table.insert(name, between(&groups[kept], group));
        }
        let quality = quality(&groups);
        merges.push(Merge { first, second, distance, quality });
        if quality > highest {
            (highest, best) = (quality, merges.len() as u32);
        }
    }
    Ok(Reduction { distances, quality: first_quality, merges, best })
}
