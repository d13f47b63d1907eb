//! `R^n`: the manifold in which everything is a sum.

use super::space::{Fault, Space, gap, weighted_sum};
use crate::linear::norm;

/// `R^n` with `|x - y|`.
pub(crate) struct Euclidean;

impl Space for Euclidean {
    #[inline]
    fn check(&self, _point: &[f64]) -> Result<(), &'static str> {
        Ok(())
    }

    #[inline]
    fn distance(&self, x: &[f64], y: &[f64]) -> f64 {
        gap(x, y)
    }

    fn exp(&self, x: &[f64], v: &[f64], out: &mut [f64]) -> Result<(), Fault> {
        out.iter_mut().zip(x).zip(v).for_each(|((out, x), v)| *out = x + v);
        Ok(())
    }

    fn log(&self, x: &[f64], y: &[f64], out: &mut [f64]) -> Result<(), Fault> {
        out.iter_mut().zip(x).zip(y).for_each(|((out, x), y)| *out = y - x);
        Ok(())
    }

    fn transport(&self, _x: &[f64], _y: &[f64], v: &[f64], out: &mut [f64]) -> Result<(), Fault> {
        out.copy_from_slice(v);
        Ok(())
    }

    fn length(&self, _x: &[f64], v: &[f64]) -> f64 {
        norm(v)
    }

    fn guess(&self, points: &[&[f64]], weights: &[f64]) -> Result<Vec<f64>, Fault> {
        Ok(weighted_sum(points, weights))
    }
}
