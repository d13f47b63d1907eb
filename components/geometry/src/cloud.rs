//! Estimates from clouds of points: their intrinsic dimension, how tree-like they are, how curved. Estimates, not measurements: each comes
//! with its spread, and all suppose that the points are a sample of something smooth.
#![allow(clippy::indexing_slicing, reason = "positions of points run below their number")]

mod comparison;
mod dimension;
mod hyperbolicity;

use crate::fault::AnalysisError;
use crate::manifold::{Factor, Manifold};

pub use comparison::{Curvature, curvature};
pub use dimension::{Dimension, maximum_likelihood, two_nearest};
pub use hyperbolicity::{Hyperbolicity, hyperbolicity};

/// Points at most.
pub const POINTS_MAX: usize = 5_000;

/// The distances of all pairs.
#[derive(Debug, Clone)]
pub struct Distances {
    n: usize,
    /// `(0, 1), (0, 2) .. (1, 2) ..`
    condensed: Vec<f64>,
}

impl Distances {
    /// Of points of a manifold, one after another.
    ///
    /// # Errors
    /// [`AnalysisError`] for points that are not on it, and more than [`POINTS_MAX`]: draw some of them.
    pub fn of(factors: &[Factor], points: &[f64]) -> Result<Distances, AnalysisError> {
        let manifold = Manifold::new(factors)?;
        let n = points.len() / manifold.width();
        if n > POINTS_MAX {
            return Err(AnalysisError::TooLarge(format!("{n} points are more than {POINTS_MAX}; draw some of them")));
        }
        Ok(Distances { n, condensed: manifold.all_distances(points)? })
    }

    /// The number of points.
    pub fn len(&self) -> usize {
        self.n
    }

    /// Whether there are no points.
    pub fn is_empty(&self) -> bool {
        self.n == 0
    }

    /// The distance of two points.
    pub fn between(&self, a: usize, b: usize) -> f64 {
        let (a, b) = (a.min(b), a.max(b));
        if a == b { 0.0 } else { self.condensed[a * (2 * self.n - a - 1) / 2 + b - a - 1] }
    }

    /// The distances from a point to its nearest others, ascending; equal points are left out.
    fn nearest(&self, point: usize, count: usize) -> Vec<f64> {
        let others = (0..self.n).filter(|&other| other != point).map(|other| self.between(point, other));
        let mut others: Vec<f64> = others.filter(|distance| *distance > 0.0).collect();
        let count = count.min(others.len());
        if count > 0 && count < others.len() {
            others.select_nth_unstable_by(count - 1, f64::total_cmp);
        }
        others.truncate(count);
        others.sort_by(f64::total_cmp);
        others
    }
}
