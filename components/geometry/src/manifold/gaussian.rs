//! Univariate Gaussians under the Fisher-Rao metric `ds^2 = (d mu^2 + 2 d sigma^2) / sigma^2` (Atkinson and Mitchell, 1981; Costa,
//! Santos and Strapasson, 2015), and products of them: the upper half-plane with `x = mu / sqrt 2`, scaled by `sqrt 2`.
#![allow(clippy::indexing_slicing, reason = "pairs of a slice whose length is even")]

use std::f64::consts::SQRT_2;

use super::space::{Fault, Space, weighted_sum};

/// Pairs `mu, sigma`, one after another: a diagonal Gaussian.
pub(crate) struct Gaussians;

/// `z` seen from `base`, which is moved to `i` by a translation and a scaling.
fn seen(base: &[f64], z: &[f64]) -> (f64, f64) {
    ((z[0] - base[0]) / (SQRT_2 * base[1]), z[1] / base[1])
}

/// Hyperbolic distance from `i`.
fn from_i(x: f64, y: f64) -> f64 {
    2.0 * libm::asinh(((x * x + (y - 1.0) * (y - 1.0)) / y).sqrt() / 2.0)
}

/// `sinh(t) / t`.
fn sinh_by(t: f64) -> f64 {
    if t < 1e-4 { 1.0 + t * t / 6.0 } else { libm::sinh(t) / t }
}

/// The velocity at `i` that leads to `(x, y)`.
fn log_i(x: f64, y: f64) -> (f64, f64) {
    let by = 1.0 / (sinh_by(from_i(x, y)) * y);
    (x * by, (x * x + (y - 1.0) * (y + 1.0)) * by / 2.0)
}

/// `cosh t - b sinh t` for a unit velocity `(a, b)`, without cancelling where it points up.
fn below(a: f64, b: f64, t: f64) -> f64 {
    let (up, down) = if b > 0.0 { (a * a / (1.0 + b), 1.0 + b) } else { (1.0 - b, a * a / (1.0 - b)) };
    f64::midpoint(libm::exp(t) * up, libm::exp(-t) * down)
}

impl Space for Gaussians {
    #[inline]
    fn check(&self, point: &[f64]) -> Result<(), &'static str> {
        if point.chunks_exact(2).all(|pair| pair[1] > 0.0) { Ok(()) } else { Err("a sigma is not positive") }
    }

    #[inline]
    fn distance(&self, x: &[f64], y: &[f64]) -> f64 {
        let one = |x: &[f64], y: &[f64]| {
            let (along, up) = (x[0] - y[0], x[1] - y[1]);
            2.0 * SQRT_2 * libm::asinh(((along * along / 2.0 + up * up) / (x[1] * y[1])).sqrt() / 2.0)
        };
        if x.len() == 2 {
            return one(x, y);
        }
        let sum: f64 = x.chunks_exact(2).zip(y.chunks_exact(2)).map(|(x, y)| one(x, y) * one(x, y)).sum();
        sum.sqrt()
    }

    fn exp(&self, x: &[f64], v: &[f64], out: &mut [f64]) -> Result<(), Fault> {
        for ((x, v), out) in x.chunks_exact(2).zip(v.chunks_exact(2)).zip(out.chunks_exact_mut(2)) {
            let (a, b) = (v[0] / (SQRT_2 * x[1]), v[1] / x[1]);
            let t = libm::hypot(a, b);
            if t == 0.0 {
                out.copy_from_slice(x);
                continue;
            }
            let below = below(a / t, b / t, t);
            out[0] = x[0] + SQRT_2 * x[1] * (a * sinh_by(t) / below);
            out[1] = x[1] / below;
            if !(out[0].is_finite() && out[1].is_finite() && out[1] > 0.0) {
                return Err(Fault::Off("the vector leads to a sigma beyond double precision"));
            }
        }
        Ok(())
    }

    fn log(&self, x: &[f64], y: &[f64], out: &mut [f64]) -> Result<(), Fault> {
        for ((x, y), out) in x.chunks_exact(2).zip(y.chunks_exact(2)).zip(out.chunks_exact_mut(2)) {
            let (to, up) = seen(x, y);
            let (a, b) = log_i(to, up);
            out[0] = a * SQRT_2 * x[1];
            out[1] = b * x[1];
        }
        Ok(())
    }

    /// In two dimensions a carried vector keeps its angle to the geodesic.
    fn transport(&self, x: &[f64], y: &[f64], v: &[f64], out: &mut [f64]) -> Result<(), Fault> {
        let pairs = x.chunks_exact(2).zip(y.chunks_exact(2)).zip(v.chunks_exact(2));
        for (((x, y), v), out) in pairs.zip(out.chunks_exact_mut(2)) {
            let (to, up) = seen(x, y);
            let (a, b) = log_i(to, up);
            let t = libm::hypot(a, b);
            let (mut along, mut aside) = (v[0] / SQRT_2, v[1]);
            if t > 0.0 {
                let (a, b) = (a / t, b / t);
                // The unit tangent at the end, and with it the rotation from the one at the start.
                let (c, s) = (a * up, (b * libm::cosh(t) - libm::sinh(t)) * up);
                let (turn, lift) = (c * a + s * b, s * a - c * b);
                (along, aside) = (turn * along - lift * aside, lift * along + turn * aside);
            }
            out[0] = along * SQRT_2 * y[1] / x[1];
            out[1] = aside * y[1] / x[1];
        }
        Ok(())
    }

    fn length(&self, x: &[f64], v: &[f64]) -> f64 {
        let one = |x: &[f64], v: &[f64]| (v[0] * v[0] + 2.0 * v[1] * v[1]) / (x[1] * x[1]);
        x.chunks_exact(2).zip(v.chunks_exact(2)).map(|(x, v)| one(x, v)).sum::<f64>().sqrt()
    }

    fn guess(&self, points: &[&[f64]], weights: &[f64]) -> Result<Vec<f64>, Fault> {
        Ok(weighted_sum(points, weights))
    }
}
