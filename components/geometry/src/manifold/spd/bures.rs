//! The Bures-Wasserstein metric: the 2-Wasserstein distance of centred Gaussians with these covariances (Bhatia, Jain and Lim,
//! Expositiones Mathematicae 37, 2019; Malago, Montrucchio and Pistone, Information Geometry 1, 2018).
#![allow(clippy::indexing_slicing, reason = "indices run below the side of the matrix, whose length was checked")]

use super::super::space::{Fault, Space, weighted_sum};
use super::affine::eigenvalues;
use super::{check, check_tangent};
use crate::linear::cholesky::congruence;
use crate::linear::jacobi::Eigen;
use crate::linear::{dot, product, symmetrised, transposed};

/// Matrices of this side.
pub(crate) struct BuresWasserstein(pub(crate) usize);

fn trace(a: &[f64], n: usize) -> f64 {
    (0..n).map(|i| a[i * n + i]).sum()
}

/// The distance, with the root of `x` given: `sqrt(tr X + tr Y - 2 tr (X^(1/2) Y X^(1/2))^(1/2))`.
pub(crate) fn distance_from_root(root: &[f64], trace_x: f64, y: &[f64], n: usize) -> f64 {
    let cross: f64 = eigenvalues(&congruence(root, y, n), n).into_iter().map(|value| value.max(0.0).sqrt()).sum();
    (trace_x + trace(y, n) - 2.0 * cross).max(0.0).sqrt()
}

/// The root of a matrix, and its trace.
pub(crate) fn root_and_trace(x: &[f64], n: usize) -> (Vec<f64>, f64) {
    (Eigen::of(x, n).map(f64::sqrt), trace(x, n))
}

/// `L` with `L X + X L = V`.
fn lyapunov(at: &Eigen, v: &[f64]) -> Vec<f64> {
    let n = at.values.len();
    let mut rotated = at.rotated(v);
    for i in 0..n {
        for j in 0..n {
            rotated[i * n + j] /= at.values[i] + at.values[j];
        }
    }
    at.rotated_back(&rotated)
}

impl Space for BuresWasserstein {
    fn check(&self, point: &[f64]) -> Result<(), &'static str> {
        check(point, self.0)
    }

    fn check_tangent(&self, _base: &[f64], vector: &[f64]) -> Result<(), &'static str> {
        check_tangent(vector, self.0)
    }

    fn distance(&self, x: &[f64], y: &[f64]) -> f64 {
        let (root, trace) = root_and_trace(x, self.0);
        distance_from_root(&root, trace, y, self.0)
    }

    /// `(1 + L) X (1 + L)`, as long as `1 + L` is positive definite.
    fn exp(&self, x: &[f64], v: &[f64], out: &mut [f64]) -> Result<(), Fault> {
        let n = self.0;
        let mut l = lyapunov(&Eigen::of(x, n), v);
        for i in 0..n {
            l[i * n + i] += 1.0;
        }
        if eigenvalues(&l, n).iter().any(|value| *value <= 0.0) {
            return Err(Fault::Off("the vector leads out of the positive definite matrices; take a shorter one"));
        }
        out.copy_from_slice(&congruence(&l, x, n));
        Ok(())
    }

    /// `(T - 1) X + X (T - 1)` with the optimal transport map `T`.
    fn log(&self, x: &[f64], y: &[f64], out: &mut [f64]) -> Result<(), Fault> {
        let n = self.0;
        let at = Eigen::of(x, n);
        let (root, back) = (at.map(f64::sqrt), at.map(|value| 1.0 / value.sqrt()));
        let mut map = congruence(&back, &Eigen::of(&congruence(&root, y, n), n).map(|value| value.max(0.0).sqrt()), n);
        for i in 0..n {
            map[i * n + i] -= 1.0;
        }
        let half = product(&map, x, n);
        let sum: Vec<f64> = half.iter().zip(transposed(&half, n)).map(|(a, b)| a + b).collect();
        out.copy_from_slice(&symmetrised(&sum, n));
        Ok(())
    }

    fn transport(&self, _x: &[f64], _y: &[f64], _v: &[f64], _out: &mut [f64]) -> Result<(), Fault> {
        Err(Fault::Undefined(
            "parallel transport of the Bures-Wasserstein metric has no closed form; take the affine-invariant or the \
             log-Euclidean metric",
        ))
    }

    /// `sqrt(tr(L X L))`.
    fn length(&self, x: &[f64], v: &[f64]) -> f64 {
        (dot(&lyapunov(&Eigen::of(x, self.0), v), v) / 2.0).max(0.0).sqrt()
    }

    fn guess(&self, points: &[&[f64]], weights: &[f64]) -> Result<Vec<f64>, Fault> {
        Ok(weighted_sum(points, weights))
    }

    /// Its curvature is not negative, and no bound on it holds for all matrices; yet the barycentre of positive definite matrices
    /// is unique (Agueh and Carlier, SIAM J. Math. Anal. 43, 2011).
    fn unique_within(&self) -> f64 {
        f64::INFINITY
    }
}
