//! The log-Euclidean metric (Arsigny, Fillard, Pennec and Ayache, SIAM J. Matrix Anal. Appl. 29, 2007): the matrices as the flat
//! space of their logarithms.
#![allow(clippy::indexing_slicing, reason = "indices run below the side of the matrix, whose length was checked")]

use super::super::space::{Fault, Space, gap, weighted_sum};
use super::{check, check_tangent};
use crate::linear::jacobi::Eigen;
use crate::linear::norm;

/// Matrices of this side.
pub(crate) struct LogEuclidean(pub(crate) usize);

/// The logarithm of a matrix.
pub(crate) fn logarithm(a: &[f64], n: usize) -> Vec<f64> {
    Eigen::of(a, n).map(libm::log)
}

/// How the logarithm changes when the matrix changes by `v` (Daleckii and Krein): in the basis of the eigenvectors each entry is
/// multiplied by the slope of the logarithm between its two eigenvalues; divided by it to go back.
fn slope(at: &Eigen, v: &[f64], is_inverse: Inverse) -> Vec<f64> {
    let n = at.values.len();
    let mut rotated = at.rotated(v);
    for i in 0..n {
        for j in 0..n {
            let (a, b) = (at.values[i], at.values[j]);
            let slope = slope_of_log(a, b);
            match is_inverse {
                Inverse::No => rotated[i * n + j] *= slope,
                Inverse::Yes => rotated[i * n + j] /= slope,
            }
        }
    }
    at.rotated_back(&rotated)
}

#[derive(Clone, Copy)]
enum Inverse {
    Yes,
    No,
}

/// `(log a - log b) / (a - b)`, by `atanh` for near ones.
fn slope_of_log(a: f64, b: f64) -> f64 {
    let part = (a - b) / (a + b);
    if part.abs() < 1e-4 { 2.0 * (1.0 + part * part / 3.0) / (a + b) } else { 2.0 * libm::atanh(part) / (a - b) }
}

impl Space for LogEuclidean {
    fn check(&self, point: &[f64]) -> Result<(), &'static str> {
        check(point, self.0)
    }

    fn check_tangent(&self, _base: &[f64], vector: &[f64]) -> Result<(), &'static str> {
        check_tangent(vector, self.0)
    }

    fn distance(&self, x: &[f64], y: &[f64]) -> f64 {
        gap(&logarithm(x, self.0), &logarithm(y, self.0))
    }

    fn exp(&self, x: &[f64], v: &[f64], out: &mut [f64]) -> Result<(), Fault> {
        let at = Eigen::of(x, self.0);
        let mut sum = slope(&at, v, Inverse::No);
        sum.iter_mut().zip(at.map(libm::log)).for_each(|(sum, log)| *sum += log);
        out.copy_from_slice(&Eigen::of(&sum, self.0).map(libm::exp));
        if out.iter().all(|value| value.is_finite()) {
            Ok(())
        } else {
            Err(Fault::Off("the vector leads beyond double precision"))
        }
    }

    fn log(&self, x: &[f64], y: &[f64], out: &mut [f64]) -> Result<(), Fault> {
        let at = Eigen::of(x, self.0);
        let mut apart = logarithm(y, self.0);
        apart.iter_mut().zip(at.map(libm::log)).for_each(|(apart, log)| *apart -= log);
        out.copy_from_slice(&slope(&at, &apart, Inverse::Yes));
        Ok(())
    }

    fn transport(&self, x: &[f64], y: &[f64], v: &[f64], out: &mut [f64]) -> Result<(), Fault> {
        let flat = slope(&Eigen::of(x, self.0), v, Inverse::No);
        out.copy_from_slice(&slope(&Eigen::of(y, self.0), &flat, Inverse::Yes));
        Ok(())
    }

    fn length(&self, x: &[f64], v: &[f64]) -> f64 {
        norm(&slope(&Eigen::of(x, self.0), v, Inverse::No))
    }

    /// The mean itself.
    fn guess(&self, points: &[&[f64]], weights: &[f64]) -> Result<Vec<f64>, Fault> {
        let logs: Vec<Vec<f64>> = points.iter().map(|point| logarithm(point, self.0)).collect();
        let mean = weighted_sum(&logs.iter().map(Vec::as_slice).collect::<Vec<_>>(), weights);
        Ok(Eigen::of(&mean, self.0).map(libm::exp))
    }
}
