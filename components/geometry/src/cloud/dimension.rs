//! Intrinsic dimension.

use super::Distances;
use crate::fault::{AnalysisError, invalid, undefined};

/// An estimate of a dimension.
#[derive(Debug, Clone, PartialEq)]
pub struct Dimension {
    /// The estimate.
    pub dimension: f64,
    /// Its standard error, supposing independent points.
    pub error: f64,
    /// Points that counted.
    pub points: u32,
}

/// The share of the ratios that are fitted: the largest are left out, as in the paper.
const FITTED: f64 = 0.9;

/// `TwoNN` (Facco, d'Errico, Rodriguez and Laio, Scientific Reports 7, 2017): the slope of `-log(1 - F)` over `log(r2 / r1)`, with the
/// distances to the two nearest of each point and the lowest 90 percent of their ratios.
///
/// # Errors
/// [`AnalysisError::Undefined`] for fewer than 10 different points.
pub fn two_nearest(distances: &Distances) -> Result<Dimension, AnalysisError> {
    let mut logs = Vec::with_capacity(distances.len());
    for point in 0..distances.len() {
        if let [first, second] = distances.nearest(point, 2)[..] {
            logs.push(libm::log(second / first));
        }
    }
    let count = logs.len();
    if count < 10 {
        return undefined(format!("{count} different points are too few for a dimension; at least 10"));
    }
    logs.sort_by(f64::total_cmp);
    let fitted = (FITTED * count as f64) as usize;
    let (mut product, mut square) = (0.0, 0.0);
    for (rank, log) in logs.iter().take(fitted).enumerate() {
        let height = -libm::log1p(-((rank + 1) as f64) / count as f64);
        product += log * height;
        square += log * log;
    }
    if square == 0.0 {
        return undefined("every point is as far from its nearest as from its second: a lattice has no such dimension");
    }
    let dimension = product / square;
    Ok(Dimension { dimension, error: dimension / (count as f64).sqrt(), points: count as u32 })
}

/// The maximum likelihood estimate (Levina and Bickel, NIPS 2004), averaged over the points by its inverse (`MacKay` and Ghahramani, 2005),
/// which takes its bias away, and over `from..=to` neighbours.
///
/// # Errors
/// [`AnalysisError`] for fewer than `to + 1` different points, or less than 3 neighbours.
pub fn maximum_likelihood(distances: &Distances, from: u32, to: u32) -> Result<Dimension, AnalysisError> {
    if from < 3 || to < from {
        return invalid(format!("neighbours from {from} to {to}: from 3 on, and not less than from"));
    }
    let mut inverses = vec![0.0; (to - from + 1) as usize];
    let (mut squares, mut count) = (0.0, 0_u32);
    for point in 0..distances.len() {
        let nearest = distances.nearest(point, to as usize);
        if nearest.len() < to as usize {
            continue;
        }
        let logs: Vec<f64> = nearest.iter().map(|&distance| libm::log(distance)).collect();
        let mut last = 0.0;
        for (k, inverse) in (from as usize..).zip(&mut inverses) {
            let sum: f64 = logs.iter().take(k - 1).sum();
            let kth = logs.get(k - 1).copied().unwrap_or_default();
            last = ((k - 1) as f64 * kth - sum) / (k - 1) as f64;
            *inverse += last;
        }
        squares += last * last;
        count += 1;
    }
    if count < 2 {
        return undefined(format!("no two points have {to} different neighbours"));
    }
    let n = f64::from(count);
    let means: Vec<f64> = inverses.iter().map(|sum| sum / n).collect();
    if means.iter().any(|mean| *mean <= 0.0) {
        return undefined("neighbours are all at one distance");
    }
    let dimension = means.iter().map(|mean| 1.0 / mean).sum::<f64>() / means.len() as f64;
    let mean = means.last().copied().unwrap_or_default();
    let deviation = (squares / n - mean * mean).max(0.0).sqrt();
    Ok(Dimension { dimension, error: dimension * deviation / mean / n.sqrt(), points: count })
}
