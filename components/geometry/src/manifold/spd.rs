//! Symmetric positive definite matrices, row by row: three metrics on one set.

mod affine;
mod block;
mod bures;
mod log_euclidean;
mod whitened;

use super::space::Fault;
use crate::linear::cholesky;

pub(crate) use affine::AffineInvariant;
pub(crate) use bures::{BuresWasserstein, distance_from_root, root_and_trace};
pub(crate) use log_euclidean::{LogEuclidean, logarithm};
pub(crate) use whitened::Whitened;

/// How far mirrored entries may differ, as a part of the largest.
const TOLERANCE: f64 = 1e-9;

const INDEFINITE: &str = "the matrix is not positive definite";

pub(crate) fn is_symmetric(a: &[f64], n: usize) -> bool {
    let most = a.iter().fold(0.0_f64, |most, value| most.max(value.abs()));
    let at = |i: usize, j: usize| a.get(i * n + j).copied().unwrap_or_default();
    (0..n).all(|i| (0..i).all(|j| (at(i, j) - at(j, i)).abs() <= TOLERANCE * most))
}

pub(crate) fn check(a: &[f64], n: usize) -> Result<(), &'static str> {
    if !is_symmetric(a, n) {
        return Err("the matrix is not symmetric");
    }
    cholesky::factor(a, n).map(drop).ok_or(INDEFINITE)
}

fn check_tangent(v: &[f64], n: usize) -> Result<(), &'static str> {
    if is_symmetric(v, n) { Ok(()) } else { Err("the matrix of the vector is not symmetric") }
}

/// What a decomposition of a matrix that passed [`check`] cannot lack but by rounding.
fn factor(a: &[f64], n: usize) -> Result<Vec<f64>, Fault> {
    cholesky::factor(a, n).ok_or(Fault::Off(INDEFINITE))
}
