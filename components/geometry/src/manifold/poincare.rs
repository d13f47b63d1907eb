//! The Poincare ball of curvature -1 by gyrovectors (Ungar, Analytic Hyperbolic Geometry, 2005; the formulas as in Ganea et al.,
//! Hyperbolic Neural Networks, 2018): the metric at `x` is `(2 / (1 - |x|^2))^2` times the Euclidean one.

use super::space::{Fault, Space, gap, weighted_sum};
use crate::linear::{dot, norm};

/// The open unit ball.
pub(crate) struct Poincare;

/// Where results are kept from the border, which is infinitely far away.
const INSIDE: f64 = 1.0 - 1e-15;

/// Moebius addition, the ball's own way to go from `x` on by `y`.
pub(crate) fn add(x: &[f64], y: &[f64], out: &mut [f64]) {
    let (xy, xx, yy) = (dot(x, y), dot(x, x), dot(y, y));
    let below = 1.0 + 2.0 * xy + xx * yy;
    let (of_x, of_y) = ((1.0 + 2.0 * xy + yy) / below, (1.0 - xx) / below);
    out.iter_mut().zip(x.iter().zip(y)).for_each(|(out, (x, y))| *out = of_x * x + of_y * y);
}

/// `y` seen from `x`: `(-x) + y`, without cancelling for near points.
fn seen_from(x: &[f64], y: &[f64], out: &mut [f64]) {
    // ((1 - 2xy + yy)(-x) + (1 - xx) y) / (1 - 2xy + xx yy) with 1 - 2xy + yy = (1 - xx) + |y - x|^2.
    let (xy, xx, yy) = (dot(x, y), dot(x, x), dot(y, y));
    let below = 1.0 - 2.0 * xy + xx * yy;
    let gap = gap(x, y);
    out.iter_mut().zip(x.iter().zip(y)).for_each(|(out, (x, y))| *out = ((1.0 - xx) * (y - x) - gap * gap * x) / below);
}

/// `atanh(t) / t`.
fn atanh_by(t: f64) -> f64 {
    if t < 1e-4 { 1.0 + t * t / 3.0 } else { libm::atanh(t.min(INSIDE)) / t }
}

/// `tanh(t) / t`.
fn tanh_by(t: f64) -> f64 {
    if t < 1e-4 { 1.0 - t * t / 3.0 } else { libm::tanh(t) / t }
}

fn keep_inside(point: &mut [f64]) {
    let length = norm(point);
    if length > INSIDE {
        point.iter_mut().for_each(|value| *value *= INSIDE / length);
    }
}

/// A point of the ball on the hyperboloid `-t^2 + |x|^2 = -1`, time first.
pub(crate) fn to_lorentz(x: &[f64]) -> Vec<f64> {
    let xx = dot(x, x);
    let below = 1.0 - xx;
    std::iter::once((1.0 + xx) / below).chain(x.iter().map(|x| 2.0 * x / below)).collect()
}

impl Space for Poincare {
    #[inline]
    fn check(&self, point: &[f64]) -> Result<(), &'static str> {
        if dot(point, point) < 1.0 { Ok(()) } else { Err("it is not inside the unit ball") }
    }

    #[inline]
    fn distance(&self, x: &[f64], y: &[f64]) -> f64 {
        // arcosh(1 + 2 s^2) = 2 arsinh(s).
        let (mut xx, mut yy) = (0.0, 0.0);
        for (x, y) in x.iter().zip(y) {
            xx += x * x;
            yy += y * y;
        }
        2.0 * libm::asinh(gap(x, y) / ((1.0 - xx) * (1.0 - yy)).sqrt())
    }

    fn exp(&self, x: &[f64], v: &[f64], out: &mut [f64]) -> Result<(), Fault> {
        // tanh(lambda |v| / 2) v / |v| with lambda = 2 / (1 - |x|^2).
        let by = 1.0 / (1.0 - dot(x, x));
        let factor = tanh_by(by * norm(v)) * by;
        let step: Vec<f64> = v.iter().map(|v| factor * v).collect();
        add(x, &step, out);
        keep_inside(out);
        Ok(())
    }

    fn log(&self, x: &[f64], y: &[f64], out: &mut [f64]) -> Result<(), Fault> {
        seen_from(x, y, out);
        let factor = (1.0 - dot(x, x)) * atanh_by(norm(out));
        out.iter_mut().for_each(|out| *out *= factor);
        Ok(())
    }

    /// `(lambda_x / lambda_y) gyr[y, -x] v`.
    fn transport(&self, x: &[f64], y: &[f64], v: &[f64], out: &mut [f64]) -> Result<(), Fault> {
        let (yy, xx, xy) = (dot(y, y), dot(x, x), -dot(x, y));
        let (yv, xv) = (dot(y, v), -dot(x, v));
        let of_y = -yv * xx + xv + 2.0 * xy * xv;
        let of_x = -xv * yy - yv;
        let below = 1.0 + 2.0 * xy + yy * xx;
        let scale = (1.0 - yy) / (1.0 - xx);
        out.iter_mut()
            .zip(x.iter().zip(y))
            .zip(v)
            .for_each(|((out, (x, y)), v)| *out = scale * (v + 2.0 * (of_y * y - of_x * x) / below));
        Ok(())
    }

    fn length(&self, x: &[f64], v: &[f64]) -> f64 {
        2.0 * norm(v) / (1.0 - dot(x, x))
    }

    /// The mean in the ball of Klein, by weights of relativity (Ungar's gyromidpoint): near the true one, and inside.
    fn guess(&self, points: &[&[f64]], weights: &[f64]) -> Result<Vec<f64>, Fault> {
        let lifted: Vec<Vec<f64>> = points.iter().map(|point| to_lorentz(point)).collect();
        let sum = weighted_sum(&lifted.iter().map(Vec::as_slice).collect::<Vec<_>>(), weights);
        Ok(super::lorentz::to_poincare(&super::lorentz::normalised(sum)))
    }
}
