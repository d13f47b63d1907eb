//! Graphs through the eigenvalues of their Laplacians. These measures borrow their names from quantum mechanics ("quantum-inspired"); they are
//! classical linear algebra, run on ordinary processors, and promise no speed-up.
//!
//! A graph's Laplacian, divided by its trace, is symmetric, positive semi-definite and of trace 1: a density matrix (Braunstein, Ghosh and
//! Severini, Annals of Combinatorics 10, 2006). Entropies are in bits.
#![allow(clippy::indexing_slicing, reason = "nodes run below their number, which was checked")]

use crate::fault::{AnalysisError, all_finite, invalid, undefined};
use crate::linear::{jacobi, tridiagonal};

/// Nodes at most where eigenvalues are needed.
pub const NODES_MAX: u32 = 2_000;

/// Nodes at most where eigenvectors are needed, too.
pub const VECTORS_MAX: u32 = 1_000;

/// An undirected edge with a weight.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Edge {
    /// One end.
    pub source: u32,
    /// The other.
    pub target: u32,
    /// More than 0. Parallel edges add up.
    pub weight: f64,
}

/// The adjacency matrix, row by row.
///
/// # Errors
/// [`AnalysisError`] for ends that are not nodes, loops, weights that are not positive, and more than `nodes_max` nodes.
pub fn adjacency(nodes: u32, edges: &[Edge], nodes_max: u32) -> Result<Vec<f64>, AnalysisError> {
    if nodes > nodes_max {
        return Err(AnalysisError::TooLarge(format!("{nodes} nodes are more than {nodes_max}")));
    }
    let n = nodes as usize;
    let mut a = vec![0.0; n * n];
    for (at, edge) in edges.iter().enumerate() {
        if !edge.weight.is_finite() {
            return Err(AnalysisError::NotFinite(at as u32));
        }
        if edge.source >= nodes || edge.target >= nodes {
            return invalid(format!("edge {at} names a node that is not there"));
        }
        if edge.source == edge.target || edge.weight <= 0.0 {
            return invalid(format!("edge {at} is a loop or has no weight above 0"));
        }
        let (u, v) = (edge.source as usize, edge.target as usize);
        a[u * n + v] += edge.weight;
        a[v * n + u] += edge.weight;
    }
    Ok(a)
}

/// `D - A` of an adjacency matrix.
pub fn laplacian(a: &[f64], n: usize) -> Vec<f64> {
    let mut l: Vec<f64> = a.iter().map(|value| -value).collect();
    for i in 0..n {
        l[i * n + i] += a[i * n..(i + 1) * n].iter().sum::<f64>();
    }
    l
}

/// The eigenvalues of the Laplacian, ascending.
///
/// # Errors
/// See [`adjacency`]; at most [`NODES_MAX`] nodes.
pub fn spectrum(nodes: u32, edges: &[Edge]) -> Result<Vec<f64>, AnalysisError> {
    let a = adjacency(nodes, edges, NODES_MAX)?;
    Ok(tridiagonal::values(&laplacian(&a, nodes as usize), nodes as usize))
}

/// Entropies of a graph.
#[derive(Debug, Clone, PartialEq)]
pub struct Entropies {
    /// The von Neumann entropy of `L / tr L`, bits.
    pub von_neumann: f64,
    /// The Renyi entropy of order 2, bits: `-log2 purity`.
    pub renyi_2: f64,
    /// `tr rho^2`: 1 over the number of directions that count.
    pub purity: f64,
    /// The von Neumann entropy of the Gibbs state `exp(-beta L) / Z` (De Domenico and Biamonte, Phys. Rev. X 6, 2016), bits.
    pub gibbs: f64,
}

/// `-sum p log2 p` of eigenvalues that sum to 1; rounding below 0 counts as 0.
pub fn entropy(values: impl IntoIterator<Item = f64>) -> f64 {
    values.into_iter().filter(|p| *p > 0.0).map(|p| -p * libm::log2(p)).sum::<f64>().max(0.0)
}

/// Von Neumann and Renyi entropy, purity and Gibbs entropy of a graph at the inverse temperature `beta`.
///
/// # Errors
/// See [`adjacency`]; [`AnalysisError::Undefined`] without edges.
pub fn entropies(nodes: u32, edges: &[Edge], beta: f64) -> Result<Entropies, AnalysisError> {
    if !beta.is_finite() || beta < 0.0 {
        return invalid(format!("beta is {beta}; it must be finite and not negative"));
    }
    let values = spectrum(nodes, edges)?;
    let trace: f64 = values.iter().sum();
    if trace <= 0.0 {
        return undefined("a graph without edges has no density matrix");
    }
    let purity: f64 = values.iter().map(|value| (value / trace) * (value / trace)).sum();
    let weights: Vec<f64> = values.iter().map(|value| libm::exp(-beta * value.max(0.0))).collect();
    let z: f64 = weights.iter().sum();
    Ok(Entropies {
        von_neumann: entropy(values.iter().map(|value| value / trace)),
        renyi_2: -libm::log2(purity),
        purity,
        gibbs: entropy(weights.iter().map(|weight| weight / z)),
    })
}

/// `L / tr L`.
fn density(nodes: u32, edges: &[Edge]) -> Result<Vec<f64>, AnalysisError> {
    let mut l = laplacian(&adjacency(nodes, edges, NODES_MAX)?, nodes as usize);
    let trace: f64 = (0..nodes as usize).map(|i| l[i * nodes as usize + i]).sum();
    if trace <= 0.0 {
        return undefined("a graph without edges has no density matrix");
    }
    l.iter_mut().for_each(|value| *value /= trace);
    Ok(l)
}

/// The quantum Jensen-Shannon divergence of two graphs over the same nodes (Lamberti et al., Phys. Rev. A 77, 2008), bits: 0 to 1. Its root is
/// a metric.
///
/// # Errors
/// As [`entropies`].
pub fn divergence(nodes: u32, first: &[Edge], second: &[Edge]) -> Result<f64, AnalysisError> {
    let (a, b) = (density(nodes, first)?, density(nodes, second)?);
    Ok(divergence_of(&a, &b, nodes as usize))
}

/// The same of two density matrices.
pub(crate) fn divergence_of(a: &[f64], b: &[f64], n: usize) -> f64 {
    let middle: Vec<f64> = a.iter().zip(b).map(|(a, b)| f64::midpoint(*a, *b)).collect();
    let of = |matrix: &[f64]| entropy(tridiagonal::values(matrix, n));
    (of(&middle) - f64::midpoint(of(a), of(b))).clamp(0.0, 1.0)
}

/// What drives a walk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hamiltonian {
    /// The adjacency matrix (Farhi and Gutmann, Phys. Rev. A 58, 1998).
    Adjacency,
    /// The Laplacian (Childs and Goldstone, Phys. Rev. A 70, 2004).
    Laplacian,
}

/// Where a continuous-time quantum walk is at a time: `|<j| exp(-i H t) |start>|^2` for each node.
///
/// # Errors
/// See [`adjacency`]; at most [`VECTORS_MAX`] nodes.
pub fn walk(
    nodes: u32,
    edges: &[Edge],
    hamiltonian: Hamiltonian,
    start: u32,
    time: f64,
) -> Result<Vec<f64>, AnalysisError> {
    if start >= nodes || !time.is_finite() {
        return invalid(format!("the walk starts at node {start} of {nodes} and runs for {time}"));
    }
    let (n, a) = (nodes as usize, adjacency(nodes, edges, VECTORS_MAX)?);
    let matrix = if hamiltonian == Hamiltonian::Laplacian { laplacian(&a, n) } else { a };
    let (values, vectors) = tridiagonal::eigen(&matrix, n);
    let (mut real, mut imaginary) = (vec![0.0; n], vec![0.0; n]);
    for (value, vector) in values.iter().zip(vectors.chunks_exact(n)) {
        let (c, s) = (libm::cos(value * time), libm::sin(value * time));
        let share = vector[start as usize];
        for (j, component) in vector.iter().enumerate() {
            real[j] += c * share * component;
            imaginary[j] -= s * share * component;
        }
    }
    Ok(real.iter().zip(&imaginary).map(|(re, im)| re * re + im * im).collect())
}

/// Rows or columns of a matrix at most, whichever are fewer.
pub const SCHMIDT_MAX: usize = 256;

/// The Schmidt entropy of a matrix of nodes by layers, bits: that of the squares of its singular values, divided by their sum. 0 when all
/// layers say the same of the nodes, `log2` of the smaller side when they have nothing in common.
///
/// # Errors
/// [`AnalysisError`] for numbers that are not finite, a matrix of zeros, and above [`SCHMIDT_MAX`].
pub fn schmidt_entropy(matrix: &[f64], columns: u32) -> Result<f64, AnalysisError> {
    let columns = columns as usize;
    if columns == 0 || !matrix.len().is_multiple_of(columns) || matrix.is_empty() {
        return invalid(format!("{} numbers are not rows of {columns}", matrix.len()));
    }
    all_finite(matrix, columns)?;
    let rows = matrix.len() / columns;
    let side = rows.min(columns);
    if side > SCHMIDT_MAX {
        return Err(AnalysisError::TooLarge(format!("{rows} x {columns}: the smaller side is above {SCHMIDT_MAX}")));
    }
    let at = |i: usize, k: usize| if rows <= columns { matrix[i * columns + k] } else { matrix[k * columns + i] };
    let mut gram = vec![0.0; side * side];
    for i in 0..side {
        for j in 0..=i {
            let sum: f64 = (0..rows.max(columns)).map(|k| at(i, k) * at(j, k)).sum();
            gram[i * side + j] = sum;
            gram[j * side + i] = sum;
        }
    }
    let values = jacobi::values(&gram, side);
    let whole: f64 = values.iter().map(|value| value.max(0.0)).sum();
    if whole <= 0.0 {
        return undefined("a matrix of zeros has no Schmidt entropy");
    }
    Ok(entropy(values.iter().map(|value| value / whole)))
}
