//! Decompositions of small dense matrices, row by row in slices: the same bits on every host, since nothing here depends on the
//! processor. Libraries choose their kernels by what it can do.

pub mod cholesky;
pub mod jacobi;
pub mod tridiagonal;

/// `x . y`, summed in order.
#[inline]
pub fn dot(x: &[f64], y: &[f64]) -> f64 {
    x.iter().zip(y).map(|(x, y)| x * y).sum()
}

/// Euclidean length.
pub fn norm(x: &[f64]) -> f64 {
    dot(x, x).sqrt()
}

/// The product of two square matrices of side `n`.
pub fn product(a: &[f64], b: &[f64], n: usize) -> Vec<f64> {
    let mut out = vec![0.0; n * n];
    for (row, out) in a.chunks_exact(n).zip(out.chunks_exact_mut(n)) {
        for (&factor, b) in row.iter().zip(b.chunks_exact(n)) {
            out.iter_mut().zip(b).for_each(|(out, b)| *out += factor * b);
        }
    }
    out
}

/// The transpose of a square matrix of side `n`.
pub fn transposed(a: &[f64], n: usize) -> Vec<f64> {
    (0..n * n).map(|at| a.get(at % n * n + at / n).copied().unwrap_or_default()).collect()
}

/// `(a + a^T) / 2`: takes away what rounding added to a matrix that is symmetric by its definition.
pub fn symmetrised(a: &[f64], n: usize) -> Vec<f64> {
    a.iter().zip(transposed(a, n)).map(|(a, b)| f64::midpoint(*a, b)).collect()
}
