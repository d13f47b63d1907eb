//! Categorical distributions under the Fisher-Rao metric `sum dp_i^2 / p_i`: by `2 sqrt p` the part of the sphere of radius 2 whose
//! coordinates are positive (Rao 1945; Amari and Nagaoka, Methods of Information Geometry, 2000).

use super::space::{Fault, Space, weighted_sum};
use super::sphere::{Sphere, angle, of_squares};

/// How far the sum of the shares may be from 1.
pub(super) const TOLERANCE: f64 = 1e-6;

/// The simplex; its border has distances, but no tangent vectors.
pub(crate) struct Categorical;

/// The distance to a distribution from one whose roots are given, in one pass.
pub(crate) fn distance_from_roots(roots: &[f64], y: &[f64]) -> Result<f64, &'static str> {
    Categorical.check(y)?;
    let by = 1.0 / y.iter().sum::<f64>();
    let (mut apart, mut along) = (0.0, 0.0);
    for (root, y) in roots.iter().zip(y) {
        let other = (y * by).sqrt();
        apart += (root - other) * (root - other);
        along += (root + other) * (root + other);
    }
    Ok(2.0 * of_squares(apart, along).unwrap_or(0.0))
}

pub(crate) fn roots(p: &[f64]) -> Vec<f64> {
    let sum: f64 = p.iter().sum();
    let by = 1.0 / sum;
    p.iter().map(|p| (p * by).sqrt()).collect()
}

/// A vector of shares as one of the unit sphere: `dz = dp / (2 sqrt p)`.
fn onto(z: &[f64], v: &[f64]) -> Vec<f64> {
    let mut out: Vec<f64> = v.iter().zip(z).map(|(v, z)| v / (2.0 * z)).collect();
    super::sphere::flatten(z, &mut out);
    out
}

/// And back.
fn back(z: &[f64], v: &mut [f64]) {
    v.iter_mut().zip(z).for_each(|(v, z)| *v *= 2.0 * z);
}

impl Space for Categorical {
    #[inline]
    fn check(&self, point: &[f64]) -> Result<(), &'static str> {
        if point.iter().any(|p| *p < 0.0) {
            return Err("a share is negative");
        }
        let sum: f64 = point.iter().sum();
        if (sum - 1.0).abs() <= TOLERANCE { Ok(()) } else { Err("its shares do not sum to 1") }
    }

    fn check_base(&self, point: &[f64]) -> Result<(), &'static str> {
        let inside = point.iter().all(|p| *p > 0.0);
        if inside { Ok(()) } else { Err("a share is 0: tangent vectors need all shares to be positive") }
    }

    fn check_tangent(&self, _base: &[f64], vector: &[f64]) -> Result<(), &'static str> {
        let size: f64 = vector.iter().map(|v| v.abs()).sum();
        let sum: f64 = vector.iter().sum();
        if sum.abs() <= TOLERANCE * size.max(1.0) { Ok(()) } else { Err("the changes of the shares do not sum to 0") }
    }

    #[inline]
    fn distance(&self, x: &[f64], y: &[f64]) -> f64 {
        2.0 * angle(&roots(x), &roots(y))
    }

    fn exp(&self, x: &[f64], v: &[f64], out: &mut [f64]) -> Result<(), Fault> {
        let z = roots(x);
        Sphere.exp(&z, &onto(&z, v), out)?;
        if out.iter().any(|z| *z < 0.0) {
            return Err(Fault::Off("the vector leads out of the simplex; take a shorter one"));
        }
        out.iter_mut().for_each(|z| *z *= *z);
        Ok(())
    }

    fn log(&self, x: &[f64], y: &[f64], out: &mut [f64]) -> Result<(), Fault> {
        let z = roots(x);
        Sphere.log(&z, &roots(y), out)?;
        back(&z, out);
        Ok(())
    }

    fn transport(&self, x: &[f64], y: &[f64], v: &[f64], out: &mut [f64]) -> Result<(), Fault> {
        let (from, to) = (roots(x), roots(y));
        Sphere.transport(&from, &to, &onto(&from, v), out)?;
        back(&to, out);
        Ok(())
    }

    fn length(&self, x: &[f64], v: &[f64]) -> f64 {
        v.iter().zip(x).map(|(v, x)| v * v / x).sum::<f64>().sqrt()
    }

    fn guess(&self, points: &[&[f64]], weights: &[f64]) -> Result<Vec<f64>, Fault> {
        let roots: Vec<Vec<f64>> = points.iter().map(|point| roots(point)).collect();
        let sum = weighted_sum(&roots.iter().map(Vec::as_slice).collect::<Vec<_>>(), weights);
        let whole: f64 = sum.iter().map(|z| z * z).sum();
        Ok(sum.into_iter().map(|z| z * z / whole).collect())
    }
}
