//! The unit sphere `S^(n-1)` in `R^n`: great circles.

use super::space::{Fault, Space, gap, weighted_sum};
use crate::linear::{dot, norm};

/// How far the length of a point may be from 1: vectors that went through `f32` pass.
pub(crate) const TOLERANCE: f64 = 1e-6;

/// Antipodes closer than this have no unique geodesic: its direction would be made of rounding.
const CUT: f64 = 1e-10;

/// The unit sphere, angles in radians.
pub(crate) struct Sphere;

/// The angle of which the squares of the chord and of its supplement are given; None for squares that vanish.
#[inline]
pub(crate) fn of_squares(apart: f64, along: f64) -> Option<f64> {
    (apart >= 1e-290).then(|| 2.0 * libm::atan((apart / along).sqrt()))
}

/// The angle between unit vectors. Kahan: accurate for near and for opposite ones.
#[inline]
pub(crate) fn angle(x: &[f64], y: &[f64]) -> f64 {
    let (mut apart, mut along) = (0.0, 0.0);
    for (x, y) in x.iter().zip(y) {
        apart += (x - y) * (x - y);
        along += (x + y) * (x + y);
    }
    of_squares(apart, along).unwrap_or_else(|| gap(x, y))
}

/// `sin(t) / t`.
pub(crate) fn sinc(t: f64) -> f64 {
    if t.abs() < 1e-4 { 1.0 - t * t / 6.0 } else { libm::sin(t) / t }
}

/// Takes the part along `x` away from `v`.
pub(crate) fn flatten(x: &[f64], v: &mut [f64]) {
    let along = dot(x, v) / dot(x, x);
    v.iter_mut().zip(x).for_each(|(v, x)| *v -= along * x);
}

impl Space for Sphere {
    #[inline]
    fn check(&self, point: &[f64]) -> Result<(), &'static str> {
        // |x|^2 - 1 is twice |x| - 1: no root is needed.
        if (dot(point, point) - 1.0).abs() <= 2.0 * TOLERANCE { Ok(()) } else { Err("its length is not 1") }
    }

    fn check_tangent(&self, base: &[f64], vector: &[f64]) -> Result<(), &'static str> {
        if dot(base, vector).abs() <= TOLERANCE * norm(vector).max(1.0) {
            Ok(())
        } else {
            Err("the vector is not at a right angle to its point")
        }
    }

    #[inline]
    fn distance(&self, x: &[f64], y: &[f64]) -> f64 {
        angle(x, y)
    }

    fn exp(&self, x: &[f64], v: &[f64], out: &mut [f64]) -> Result<(), Fault> {
        let length = norm(v);
        let (along, aside) = (libm::cos(length), sinc(length));
        out.iter_mut().zip(x).zip(v).for_each(|((out, x), v)| *out = along * x + aside * v);
        let unit = norm(out);
        out.iter_mut().for_each(|out| *out /= unit);
        Ok(())
    }

    fn log(&self, x: &[f64], y: &[f64], out: &mut [f64]) -> Result<(), Fault> {
        let angle = angle(x, y);
        if std::f64::consts::PI - angle < CUT {
            return Err(Fault::Cut("it is the antipode, to which geodesics lead in every direction"));
        }
        // y - x rather than y: what is along x is small then, and cancels without loss.
        out.iter_mut().zip(x).zip(y).for_each(|((out, x), y)| *out = y - x);
        flatten(x, out);
        let length = norm(out);
        if length > 0.0 {
            out.iter_mut().for_each(|out| *out *= angle / length);
        }
        Ok(())
    }

    fn transport(&self, x: &[f64], y: &[f64], v: &[f64], out: &mut [f64]) -> Result<(), Fault> {
        // 1 + cos: |x + y|^2 / 2.
        let sum = x.iter().zip(y).map(|(x, y)| (x + y) * (x + y)).sum::<f64>() / 2.0;
        if sum < CUT * CUT / 2.0 {
            return Err(Fault::Cut("it is the antipode, to which geodesics lead in every direction"));
        }
        let factor = dot(y, v) / sum;
        out.iter_mut().zip(x.iter().zip(y)).zip(v).for_each(|((out, (x, y)), v)| *out = v - factor * (x + y));
        flatten(y, out);
        Ok(())
    }

    fn length(&self, _x: &[f64], v: &[f64]) -> f64 {
        norm(v)
    }

    fn guess(&self, points: &[&[f64]], weights: &[f64]) -> Result<Vec<f64>, Fault> {
        let mut sum = weighted_sum(points, weights);
        let length = norm(&sum);
        if length < CUT {
            return Err(Fault::Cut("the points cancel each other out, so no direction is their middle"));
        }
        sum.iter_mut().for_each(|value| *value /= length);
        Ok(sum)
    }

    /// An open ball of radius pi/2.
    fn unique_within(&self) -> f64 {
        std::f64::consts::FRAC_PI_2
    }
}
