//! Questions about points of a declared manifold: which are nearest, which lie out.

use crate::fault::{AnalysisError, invalid, undefined};
use crate::manifold::{Manifold, Mean, MeanSettings};
use crate::robust::z_scores;

/// Points at most where every pair is looked at.
pub const POINTS_MAX: usize = 5_000;

/// A point and how far it is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Neighbour {
    /// Its position.
    pub point: u32,
    /// The geodesic distance.
    pub distance: f64,
}

/// The `k` nearest points to `x`, nearest first; equal distances in the order of their positions.
///
/// # Errors
/// [`crate::manifold::ManifoldError`]; `x` is point 0.
pub fn nearest(
    manifold: &Manifold,
    x: &[f64],
    points: &[f64],
    k: u32,
) -> Result<Vec<Neighbour>, crate::manifold::ManifoldError> {
    let distances = manifold.distances(x, points)?;
    let mut all: Vec<Neighbour> =
        distances.into_iter().zip(0..).map(|(distance, point)| Neighbour { point, distance }).collect();
    let order = |a: &Neighbour, b: &Neighbour| a.distance.total_cmp(&b.distance).then(a.point.cmp(&b.point));
    let k = k as usize;
    if k > 0 && k < all.len() {
        all.select_nth_unstable_by(k - 1, order);
    }
    all.truncate(k);
    all.sort_by(order);
    Ok(all)
}

/// What makes a point an outlier.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Measure {
    /// Its distance to the Frechet mean.
    Mean,
    /// Its distance to its k-th nearest neighbour (Ramaswamy, Rastogi and Shim, SIGMOD 2000).
    Neighbour(u32),
}

/// How far out each point is.
#[derive(Debug, Clone, PartialEq)]
pub struct Outliers {
    /// By the measure.
    pub distances: Vec<f64>,
    /// Robust z-scores of the distances: above 3.5 counts as out (Iglewicz and Hoaglin, 1993).
    pub scores: Vec<f64>,
    /// The mean, when it is what is measured from.
    pub mean: Option<Mean>,
}

/// How far out points are.
///
/// # Errors
/// [`AnalysisError`] for fewer than three points, or more than [`POINTS_MAX`] with neighbours.
pub fn outliers(manifold: &Manifold, points: &[f64], measure: Measure) -> Result<Outliers, AnalysisError> {
    let count = points.len() / manifold.width();
    if count < 3 {
        return undefined(format!("{count} points are too few for one to lie out; at least 3"));
    }
    let (distances, mean) = match measure {
        Measure::Mean => {
            let mean = manifold.mean(points, &[], MeanSettings::default())?;
            (manifold.distances(&mean.point, points)?, Some(mean))
        }
        Measure::Neighbour(k) => (kth_distances(manifold, points, count, k)?, None),
    };
    Ok(Outliers { scores: z_scores(&distances), distances, mean })
}

fn kth_distances(manifold: &Manifold, points: &[f64], count: usize, k: u32) -> Result<Vec<f64>, AnalysisError> {
    let k = k as usize;
    if k == 0 || k >= count {
        return invalid(format!("k is {k}; it must be 1 to {}, one less than there are points", count - 1));
    }
    if count > POINTS_MAX {
        return Err(AnalysisError::TooLarge(format!(
            "{count} points are more than {POINTS_MAX}; take the mean instead"
        )));
    }
    let mut out = Vec::with_capacity(count);
    for x in points.chunks_exact(manifold.width()) {
        let mut distances = manifold.distances(x, points)?;
        // The point itself is the nearest, so position k is the k-th other.
        let (_, kth, _) = distances.select_nth_unstable_by(k, f64::total_cmp);
        out.push(*kth);
    }
    Ok(out)
}
