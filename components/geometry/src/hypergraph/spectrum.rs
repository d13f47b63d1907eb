//! The normalised Laplacian of a hypergraph and its eigenvalues.
#![allow(clippy::indexing_slicing, reason = "a kernel: indices are rows of a square matrix")]

use super::{Hypergraph, HypergraphError};

/// Nodes of a hypergraph whose spectrum is computed: the matrix is dense, and its cube is the time.
pub const SPECTRUM_NODES_MAX: usize = 1_500;

/// Eigenvalues, ascending, of `I - Dv^-1/2 H De^-1 H^T Dv^-1/2` with all hyperedges of weight 1 (Zhou, Huang and Schölkopf, "Learning
/// with hypergraphs", NIPS 2006, eq. 6). A node in no hyperedge adds an eigenvalue 0.
///
/// # Errors
/// [`HypergraphError::OutOfRange`] for more than [`SPECTRUM_NODES_MAX`] nodes.
pub fn laplacian_spectrum(hypergraph: &Hypergraph) -> Result<Vec<f64>, HypergraphError> {
    let size = hypergraph.incident().len();
    if size > SPECTRUM_NODES_MAX {
        let reason = format!("a spectrum is computed for up to {SPECTRUM_NODES_MAX} nodes, and this has {size}");
        return Err(HypergraphError::OutOfRange(reason));
    }
    let mut matrix = vec![0.0; size * size];
    let degrees: Vec<f64> = hypergraph.incident().iter().map(|edges| edges.len() as f64).collect();
    for edge in hypergraph.edges() {
        for &a in edge {
            for &b in edge {
                let (a, b) = (a as usize, b as usize);
                matrix[a * size + b] -= 1.0 / (edge.len() as f64 * (degrees[a] * degrees[b]).sqrt());
            }
        }
    }
    (0..size).filter(|node| degrees[*node] > 0.0).for_each(|node| matrix[node * size + node] += 1.0);
    let (mut diagonal, mut beside) = tridiagonal(&mut matrix, size);
    eigenvalues(&mut diagonal, &mut beside);
    diagonal.sort_by(f64::total_cmp);
    Ok(diagonal)
}

/// Householder's reduction of a symmetric matrix: its diagonal, and what is beside it (from index 1 on).
fn tridiagonal(matrix: &mut [f64], size: usize) -> (Vec<f64>, Vec<f64>) {
    let (mut diagonal, mut beside) = (vec![0.0; size], vec![0.0; size]);
    for row in (1..size).rev() {
        let mut v: Vec<f64> = matrix[row * size..row * size + row].to_vec();
        let scale: f64 = v.iter().map(|x| x.abs()).sum();
        let rest: f64 = v[..row - 1].iter().map(|x| x.abs()).sum();
        if rest == 0.0 {
            beside[row] = v[row - 1];
            continue;
        }
        v.iter_mut().for_each(|x| *x /= scale);
        let norm = v.iter().map(|x| x * x).sum::<f64>().sqrt();
        let sign = if v[row - 1] >= 0.0 { -norm } else { norm };
        beside[row] = scale * sign;
        v[row - 1] -= sign;
        let half: f64 = v.iter().map(|x| x * x).sum::<f64>() / 2.0;
        // p = A v / h; q = p - (v.p / 2h) v; A -= v q^T + q v^T.
        let mut p: Vec<f64> =
            (0..row).map(|i| (0..row).map(|j| matrix[i.max(j) * size + i.min(j)] * v[j]).sum::<f64>() / half).collect();
        let share: f64 = v.iter().zip(&p).map(|(v, p)| v * p).sum::<f64>() / (2.0 * half);
        p.iter_mut().zip(&v).for_each(|(p, v)| *p -= share * v);
        for i in 0..row {
            for j in 0..=i {
                matrix[i * size + j] -= v[i] * p[j] + p[i] * v[j];
            }
        }
    }
    (0..size).for_each(|row| diagonal[row] = matrix[row * size + row]);
    (diagonal, beside)
}

/// Implicit QL (Dubrulle, Martin and Wilkinson, 1968) without vectors.
fn eigenvalues(diagonal: &mut [f64], beside: &mut [f64]) {
    let size = diagonal.len();
    beside.rotate_left(usize::from(size > 0));
    if let Some(last) = beside.last_mut() {
        *last = 0.0;
    }
    for first in 0..size {
        // 64 rounds are far more than the three or so that an eigenvalue takes.
        for _ in 0..64 {
            let small =
                |at: &usize| beside[*at].abs() <= f64::EPSILON * (diagonal[*at].abs() + diagonal[*at + 1].abs());
            let last = (first..size - 1).find(small).unwrap_or(size - 1);
            if last == first {
                break;
            }
            turn(diagonal, beside, first, last);
        }
    }
}

fn turn(diagonal: &mut [f64], beside: &mut [f64], first: usize, last: usize) {
    let length = |a: f64, b: f64| (a * a + b * b).sqrt();
    let mut g = (diagonal[first + 1] - diagonal[first]) / (2.0 * beside[first]);
    let r = length(g, 1.0);
    g = diagonal[last] - diagonal[first] + beside[first] / (g + if g >= 0.0 { r } else { -r });
    let (mut s, mut c, mut p) = (1.0, 1.0, 0.0);
    for at in (first..last).rev() {
        let (f, b) = (s * beside[at], c * beside[at]);
        let r = length(f, g);
        beside[at + 1] = r;
        if r == 0.0 {
            diagonal[at + 1] -= p;
            beside[last] = 0.0;
            return;
        }
        (s, c) = (f / r, g / r);
        g = diagonal[at + 1] - p;
        let r = (diagonal[at] - g) * s + 2.0 * c * b;
        p = s * r;
        diagonal[at + 1] = g + p;
        g = c * r - b;
    }
    diagonal[first] -= p;
    beside[first] = g;
    beside[last] = 0.0;
}
