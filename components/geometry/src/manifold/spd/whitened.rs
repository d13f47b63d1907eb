//! Distances from one matrix to many: the one is made the unit matrix, once.
#![allow(clippy::indexing_slicing, reason = "a matrix has the side that it was checked for")]

use super::super::blocks::LANES;
use super::block;
use crate::linear::{cholesky, jacobi};

/// The inverse Cholesky factor of a matrix: `d(A, B)` is the length of the logarithms of the eigenvalues of `L^-1 B L^-T`.
#[derive(Debug)]
pub(crate) enum Whitened {
    /// Side 2.
    Two([[f64; 2]; 2]),
    /// Side 3.
    Three([[f64; 3]; 3]),
    /// Any other.
    Any(Vec<f64>, usize),
}

/// The Cholesky factor of a small matrix; None when it is not positive definite.
fn factor<const N: usize>(a: &[f64]) -> Option<[[f64; N]; N]> {
    let mut l = [[0.0; N]; N];
    for i in 0..N {
        for j in 0..=i {
            let mut sum = a[i * N + j];
            for (a, b) in l[i].iter().zip(&l[j]).take(j) {
                sum -= a * b;
            }
            if i == j {
                if sum.is_nan() || sum <= 0.0 {
                    return None;
                }
                l[i][i] = sum.sqrt();
            } else {
                l[i][j] = sum / l[j][j];
            }
        }
    }
    Some(l)
}

fn inverse<const N: usize>(l: &[[f64; N]; N]) -> [[f64; N]; N] {
    let mut inverse = [[0.0; N]; N];
    for j in 0..N {
        inverse[j][j] = 1.0 / l[j][j];
        for i in j + 1..N {
            let mut sum = 0.0;
            for k in j..i {
                sum -= l[i][k] * inverse[k][j];
            }
            inverse[i][j] = sum / l[i][i];
        }
    }
    inverse
}

/// The lower half of `m b m^T` for lower triangular `m`.
fn congruence<const N: usize>(m: &[[f64; N]; N], b: &[f64]) -> [[f64; N]; N] {
    let mut half = [[0.0; N]; N];
    for i in 0..N {
        for j in 0..N {
            for k in 0..=i {
                half[i][j] += m[i][k] * b[k * N + j];
            }
        }
    }
    let mut out = [[0.0; N]; N];
    for i in 0..N {
        for j in 0..=i {
            for k in 0..=j {
                out[i][j] += half[i][k] * m[j][k];
            }
        }
    }
    out
}

fn size(eigenvalues: &[f64]) -> Option<f64> {
    if eigenvalues.iter().any(|value| value.is_nan() || *value <= 0.0) {
        return None;
    }
    let sum: f64 = eigenvalues.iter().map(|&value| libm::log(value)).map(|log| log * log).sum();
    Some(sum.sqrt())
}

impl Whitened {
    /// None when the matrix is not positive definite.
    pub(crate) fn new(a: &[f64], n: usize) -> Option<Whitened> {
        Some(match n {
            2 => Whitened::Two(inverse(&factor(a)?)),
            3 => Whitened::Three(inverse(&factor(a)?)),
            _ => Whitened::Any(cholesky::inverse(&cholesky::factor(a, n)?, n), n),
        })
    }

    /// Puts the distances to matrices that follow one another; not numbers where [`Whitened::distance`] has to decide.
    pub(crate) fn measure(&self, points: &[f64], out: &mut [f64]) {
        let Whitened::Three(m) = self else { return out.fill(f64::NAN) };
        let (rows, _) = points.as_chunks::<9>();
        let (blocks, rest) = rows.as_chunks::<LANES>();
        let (out_blocks, out_rest) = out.as_chunks_mut::<LANES>();
        blocks.iter().zip(out_blocks).for_each(|(points, out)| block::distances(m, points, out));
        let singles = rest.iter().zip(out_rest);
        singles.for_each(|(point, out)| block::distances(m, std::array::from_ref(point), std::array::from_mut(out)));
    }

    /// The affine-invariant distance to `b`; None when that is not positive definite.
    pub(crate) fn distance(&self, b: &[f64]) -> Option<f64> {
        match self {
            Whitened::Two(m) => size(&jacobi::values_2(congruence(m, b))),
            Whitened::Three(m) => size(&jacobi::positive_values_3(congruence(m, b))),
            Whitened::Any(m, n) => size(&jacobi::values(&cholesky::congruence(m, b, *n), *n)),
        }
    }
}
