//! The affine-invariant metric `tr(A^-1 V A^-1 V)` (Pennec, Fillard and Ayache, Int. J. Computer Vision 66, 2006).
//!
//! Everything is computed at the unit matrix, where `A = L L^T` is carried by `L^-1 . L^-T`: congruences are isometries.

use super::super::space::{Fault, Space, weighted_sum};
use super::{Whitened, check, check_tangent, factor};
use crate::linear::cholesky::{congruence, inverse};
use crate::linear::jacobi::{self, Eigen};
use crate::linear::{product, symmetrised};

/// Matrices of this side.
pub(crate) struct AffineInvariant(pub(crate) usize);

impl Space for AffineInvariant {
    fn check(&self, point: &[f64]) -> Result<(), &'static str> {
        check(point, self.0)
    }

    fn check_tangent(&self, _base: &[f64], vector: &[f64]) -> Result<(), &'static str> {
        check_tangent(vector, self.0)
    }

    fn distance(&self, x: &[f64], y: &[f64]) -> f64 {
        Whitened::new(x, self.0).and_then(|x| x.distance(y)).unwrap_or(f64::NAN)
    }

    fn exp(&self, x: &[f64], v: &[f64], out: &mut [f64]) -> Result<(), Fault> {
        let l = factor(x, self.0)?;
        let white = congruence(&inverse(&l, self.0), v, self.0);
        out.copy_from_slice(&congruence(&l, &Eigen::of(&white, self.0).map(libm::exp), self.0));
        if out.iter().all(|value| value.is_finite()) {
            Ok(())
        } else {
            Err(Fault::Off("the vector leads beyond double precision"))
        }
    }

    fn log(&self, x: &[f64], y: &[f64], out: &mut [f64]) -> Result<(), Fault> {
        let l = factor(x, self.0)?;
        let white = congruence(&inverse(&l, self.0), y, self.0);
        out.copy_from_slice(&congruence(&l, &Eigen::of(&white, self.0).map(libm::log), self.0));
        Ok(())
    }

    /// `E V E^T` with `E = (B A^-1)^(1/2) = L (L^-1 B L^-T)^(1/2) L^-1` (Sra and Hosseini, SIAM J. Optimization 25, 2015).
    fn transport(&self, x: &[f64], y: &[f64], v: &[f64], out: &mut [f64]) -> Result<(), Fault> {
        let n = self.0;
        let l = factor(x, n)?;
        let back = inverse(&l, n);
        let root = Eigen::of(&congruence(&back, y, n), n).map(f64::sqrt);
        let e = product(&product(&l, &root, n), &back, n);
        out.copy_from_slice(&congruence(&e, &symmetrised(v, n), n));
        Ok(())
    }

    fn length(&self, x: &[f64], v: &[f64]) -> f64 {
        match factor(x, self.0) {
            Ok(l) => crate::linear::norm(&congruence(&inverse(&l, self.0), v, self.0)),
            Err(_) => f64::NAN,
        }
    }

    /// The log-Euclidean mean.
    fn guess(&self, points: &[&[f64]], weights: &[f64]) -> Result<Vec<f64>, Fault> {
        let logs: Vec<Vec<f64>> = points.iter().map(|point| Eigen::of(point, self.0).map(libm::log)).collect();
        let mean = weighted_sum(&logs.iter().map(Vec::as_slice).collect::<Vec<_>>(), weights);
        Ok(Eigen::of(&mean, self.0).map(libm::exp))
    }
}

/// The eigenvalues of a matrix that passed the check, for what asks for its logarithms.
pub(super) fn eigenvalues(a: &[f64], n: usize) -> Vec<f64> {
    jacobi::values(a, n)
}
