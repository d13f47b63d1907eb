//! Effective resistance and the curvature made of it (Devriendt and Lambiotte, J. Physics: Complexity 3, 2022).
#![allow(clippy::indexing_slicing, reason = "a kernel: indices are nodes below the graph's count")]

use crate::graph::{Adjacency, Graph, GraphError, check_weights};

/// Nodes that one component may have: the matrix is dense, and its cube is the time.
pub const RESISTANCE_NODES_MAX: usize = 3_000;

/// Curvature by effective resistance.
#[derive(Debug, Clone, PartialEq)]
pub struct Resistance {
    /// Of each node up to the last with an edge: `1 - 1/2` the sum of conductance times resistance over its edges (eq. 3 there).
    pub nodes: Vec<f64>,
    /// The effective resistance between the ends of each edge.
    pub resistances: Vec<f64>,
    /// Of each edge: `2 (p_i + p_j) / r_ij` (eq. 5).
    pub edges: Vec<f64>,
}

/// Both curvatures; `conductances` has a positive number for each edge (1 for an unweighted graph). Components are
/// taken each by itself; a node without edges has curvature 1.
///
/// # Errors
/// [`GraphError::Weight`], or [`GraphError::TooLarge`] for a component of more than [`RESISTANCE_NODES_MAX`] nodes.
pub fn resistance_curvature(graph: &Graph, conductances: &[f64]) -> Result<Resistance, GraphError> {
    check_weights(graph.edges().len(), conductances)?;
    let mut resistances = vec![0.0; graph.edges().len()];
    for members in components(graph) {
        if members.len() > RESISTANCE_NODES_MAX {
            return Err(GraphError::TooLarge(format!(
                "resistance is computed for components of up to {RESISTANCE_NODES_MAX} nodes, and one has {}",
                members.len()
            )));
        }
        resist(graph, conductances, &members, &mut resistances);
    }
    let mut nodes = vec![1.0; graph.nodes()];
    for (node, curvature) in (0_u32..).zip(&mut nodes) {
        let sum: f64 =
            graph.positions_of(node).iter().map(|at| conductances[*at as usize] * resistances[*at as usize]).sum();
        *curvature -= 0.5 * sum;
    }
    let both = graph.edges().iter().zip(&resistances);
    let edges = both.map(|(edge, r)| 2.0 * (nodes[edge.source as usize] + nodes[edge.target as usize]) / r).collect();
    Ok(Resistance { nodes, resistances, edges })
}

/// Nodes of each component with an edge, ascending.
pub(crate) fn components(graph: &impl Adjacency) -> Vec<Vec<u32>> {
    let mut seen = vec![false; graph.nodes()];
    let mut all = Vec::new();
    for start in 0..graph.nodes() as u32 {
        if seen[start as usize] || graph.of(start).is_empty() {
            continue;
        }
        seen[start as usize] = true;
        let mut members = vec![start];
        let mut next = 0;
        while next < members.len() {
            for &node in graph.of(members[next]) {
                if !std::mem::replace(&mut seen[node as usize], true) {
                    members.push(node);
                }
            }
            next += 1;
        }
        members.sort_unstable();
        all.push(members);
    }
    all
}

/// `r_ij = |z_i - z_j|^2` where the `z` are columns of the inverse of the Cholesky factor of the Laplacian without its first node.
fn resist(graph: &Graph, conductances: &[f64], members: &[u32], resistances: &mut [f64]) {
    let size = members.len() - 1;
    // The first member is the ground: its column is zero.
    let place = |node: u32| members.binary_search(&node).ok().and_then(|place| place.checked_sub(1));
    let mut factor = vec![0.0; size * size];
    for (row, &node) in members.iter().skip(1).enumerate() {
        for (&next, &position) in graph.of(node).iter().zip(graph.positions_of(node)) {
            factor[row * size + row] += conductances[position as usize];
            if let Some(column) = place(next).filter(|column| *column < row) {
                factor[row * size + column] = -conductances[position as usize];
            }
        }
    }
    for row in 0..size {
        for column in 0..=row {
            let known = dot(&factor[row * size..row * size + column], &factor[column * size..column * size + column]);
            let value = factor[row * size + column] - known;
            factor[row * size + column] =
                if column == row { value.sqrt() } else { value / factor[column * size + column] };
        }
    }
    // Column `c` of the inverse, from its own row on.
    let column = |c: usize| {
        let mut z = vec![0.0; size];
        z[c] = 1.0 / factor[c * size + c];
        for row in c + 1..size {
            z[row] = -dot(&factor[row * size + c..row * size + row], &z[c..row]) / factor[row * size + row];
        }
        z
    };
    let columns: Vec<Vec<f64>> = (0..size).map(column).collect();
    let ground = vec![0.0; size];
    for &node in members {
        for (&next, &position) in graph.of(node).iter().zip(graph.positions_of(node)).filter(|(next, _)| **next > node)
        {
            let z = |node| place(node).map_or(&ground, |place| &columns[place]);
            let squares = z(node).iter().zip(z(next)).map(|(a, b)| (a - b) * (a - b));
            resistances[position as usize] = squares.sum();
        }
    }
}

/// Four sums side by side, in an order that is the same everywhere.
fn dot(a: &[f64], b: &[f64]) -> f64 {
    let mut sums = [0.0; 4];
    let (a_chunks, b_chunks) = (a.chunks_exact(4), b.chunks_exact(4));
    let rest: f64 = a_chunks.remainder().iter().zip(b_chunks.remainder()).map(|(a, b)| a * b).sum();
    for (a, b) in a_chunks.zip(b_chunks) {
        sums.iter_mut().zip(a.iter().zip(b)).for_each(|(sum, (a, b))| *sum += a * b);
    }
    (sums[0] + sums[1]) + (sums[2] + sums[3]) + rest
}
