//! The hyperboloid model of hyperbolic space, curvature -1: `-t^2 + |x|^2 = -1` with `t > 0`, time first (Nickel and Kiela, ICML 2018).

use super::space::{Fault, Space, weighted_sum};
use crate::linear::dot;

/// How far `<x, x>` may be from -1, as a part of `t^2`.
pub(super) const TOLERANCE: f64 = 1e-6;

/// The upper sheet.
pub(crate) struct Lorentz;

/// `-t t' + x . x'`.
pub(crate) fn inner(x: &[f64], y: &[f64]) -> f64 {
    match (x, y) {
        ([t, x @ ..], [u, y @ ..]) => dot(x, y) - t * u,
        _ => 0.0,
    }
}

/// The point of the ball that a point of the hyperboloid is: `x / (1 + t)`.
pub(crate) fn to_poincare(x: &[f64]) -> Vec<f64> {
    match x {
        [t, x @ ..] => x.iter().map(|x| x / (1.0 + t)).collect(),
        [] => Vec::new(),
    }
}

/// The vector inside the cone, of length 1.
pub(crate) fn normalised(mut x: Vec<f64>) -> Vec<f64> {
    let length = (-inner(&x, &x)).max(f64::MIN_POSITIVE).sqrt();
    x.iter_mut().for_each(|value| *value /= length);
    lift(&mut x);
    x
}

/// Puts the time so that the point is on the sheet.
fn lift(point: &mut [f64]) {
    if let [t, x @ ..] = point {
        *t = libm::hypot(1.0, dot(x, x).sqrt());
    }
}

/// `sinh(t) / t`.
fn sinh_by(t: f64) -> f64 {
    if t < 1e-4 { 1.0 + t * t / 6.0 } else { libm::sinh(t) / t }
}

/// Half the chord: `sinh(d / 2)`.
fn half_chord(x: &[f64], y: &[f64]) -> f64 {
    let apart: Vec<f64> = x.iter().zip(y).map(|(x, y)| x - y).collect();
    inner(&apart, &apart).max(0.0).sqrt() / 2.0
}

impl Space for Lorentz {
    #[inline]
    fn check(&self, point: &[f64]) -> Result<(), &'static str> {
        let t = point.first().copied().unwrap_or_default();
        if t <= 0.0 {
            return Err("its time, the first coordinate, is not positive");
        }
        if (inner(point, point) + 1.0).abs() <= TOLERANCE * t * t { Ok(()) } else { Err("-t^2 + |x|^2 is not -1") }
    }

    fn check_tangent(&self, base: &[f64], vector: &[f64]) -> Result<(), &'static str> {
        let size = dot(base, base).sqrt() * dot(vector, vector).sqrt();
        if inner(base, vector).abs() <= TOLERANCE * size.max(1.0) {
            Ok(())
        } else {
            Err("the vector is not orthogonal to its point in the Lorentz product")
        }
    }

    #[inline]
    fn distance(&self, x: &[f64], y: &[f64]) -> f64 {
        let sum = match (x, y) {
            ([t, x @ ..], [u, y @ ..]) => {
                x.iter().zip(y).map(|(x, y)| (x - y) * (x - y)).sum::<f64>() - (t - u) * (t - u)
            }
            _ => 0.0,
        };
        2.0 * libm::asinh(sum.max(0.0).sqrt() / 2.0)
    }

    fn exp(&self, x: &[f64], v: &[f64], out: &mut [f64]) -> Result<(), Fault> {
        let length = self.length(x, v);
        let (along, aside) = (libm::cosh(length), sinh_by(length));
        out.iter_mut().zip(x).zip(v).for_each(|((out, x), v)| *out = along * x + aside * v);
        lift(out);
        Ok(())
    }

    fn log(&self, x: &[f64], y: &[f64], out: &mut [f64]) -> Result<(), Fault> {
        // y - cosh(d) x = (y - x) - 2 sinh^2(d/2) x, which does not cancel for near points.
        let half = half_chord(x, y);
        let distance = 2.0 * libm::asinh(half);
        out.iter_mut().zip(x).zip(y).for_each(|((out, x), y)| *out = (y - x) - 2.0 * half * half * x);
        let factor = 1.0 / sinh_by(distance);
        out.iter_mut().for_each(|out| *out *= factor);
        Ok(())
    }

    fn transport(&self, x: &[f64], y: &[f64], v: &[f64], out: &mut [f64]) -> Result<(), Fault> {
        // 1 - <x, y> = 2 + 2 sinh^2(d/2).
        let half = half_chord(x, y);
        let factor = inner(y, v) / (2.0 + 2.0 * half * half);
        out.iter_mut().zip(x.iter().zip(y)).zip(v).for_each(|((out, (x, y)), v)| *out = v + factor * (x + y));
        Ok(())
    }

    fn length(&self, _x: &[f64], v: &[f64]) -> f64 {
        inner(v, v).max(0.0).sqrt()
    }

    fn guess(&self, points: &[&[f64]], weights: &[f64]) -> Result<Vec<f64>, Fault> {
        Ok(normalised(weighted_sum(points, weights)))
    }
}
