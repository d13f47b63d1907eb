//! Series of several columns as paths through the positive definite matrices: the covariance or correlation of each window, with the
//! affine-invariant metric.
#![allow(clippy::indexing_slicing, reason = "rows and columns run below the lengths that were checked")]

use super::warp::{Path, Warping, warp};
use crate::fault::{AnalysisError, all_finite, invalid, undefined};
use crate::linear::cholesky;
use crate::manifold::{Factor, Kind, Manifold};
use crate::robust::z_scores;

/// Which matrix of a window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    /// How the columns vary, in their units.
    Covariance,
    /// How they vary together, whatever their units: 1 on the diagonal.
    Correlation,
}

/// How a sample's matrix is made well-conditioned: `(1 - s) S + s m`, with `m` the mean variance times the unit matrix.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Shrinkage {
    /// `s` by Ledoit and Wolf (J. Multivariate Analysis 88, 2004), from the sample.
    LedoitWolf,
    /// This `s`, 0 to 1.
    Fixed(f64),
}

/// Columns at most.
pub const COLUMNS_MAX: u32 = 128;

/// What a series becomes.
#[derive(Debug, Clone, PartialEq)]
pub struct Trajectory {
    /// One matrix of side `columns` for each window, row by row.
    pub matrices: Vec<f64>,
    /// The shrinkage of each.
    pub shrinkage: Vec<f64>,
}

/// How a series is cut and summed up.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Windows {
    /// Rows of a window, at least 2.
    pub length: u32,
    /// Rows from one window to the next, at least 1.
    pub step: u32,
    /// Which matrix.
    pub moment: Moment,
    /// How it is shrunk.
    pub shrinkage: Shrinkage,
}

/// The matrix of all rows of `columns` numbers, and its shrinkage: covariances are divided by the number of rows.
///
/// # Errors
/// [`AnalysisError::Undefined`] for a constant column, which has no correlation, and for a matrix that stays singular.
pub fn moment(
    rows: &[f64],
    columns: u32,
    moment: Moment,
    shrinkage: Shrinkage,
) -> Result<(Vec<f64>, f64), AnalysisError> {
    let p = columns as usize;
    if p == 0 || columns > COLUMNS_MAX || !rows.len().is_multiple_of(p) {
        return invalid(format!("{} numbers are not rows of {p} columns; 1 to {COLUMNS_MAX} columns", rows.len()));
    }
    let n = rows.len() / p;
    if n < 2 {
        return undefined("a covariance needs at least two rows");
    }
    all_finite(rows, p)?;
    let centred = centred(rows, p, moment)?;
    let mut s = vec![0.0; p * p];
    for row in centred.chunks_exact(p) {
        for i in 0..p {
            for j in 0..=i {
                s[i * p + j] += row[i] * row[j];
            }
        }
    }
    for i in 0..p {
        for j in 0..=i {
            s[i * p + j] /= n as f64;
            s[j * p + i] = s[i * p + j];
        }
    }
    let part = match shrinkage {
        Shrinkage::LedoitWolf => ledoit_wolf(&centred, &s, p),
        Shrinkage::Fixed(part) if (0.0..=1.0).contains(&part) => part,
        Shrinkage::Fixed(part) => return invalid(format!("the shrinkage is {part}; it must be 0 to 1")),
    };
    let mean = (0..p).map(|i| s[i * p + i]).sum::<f64>() / p as f64;
    for (at, value) in s.iter_mut().enumerate() {
        *value = (1.0 - part) * *value + if at % (p + 1) == 0 { part * mean } else { 0.0 };
    }
    if cholesky::factor(&s, p).is_none() {
        return undefined(format!(
            "the matrix of {n} rows and {p} columns is singular; take longer windows, or shrink it more"
        ));
    }
    Ok((s, part))
}

fn centred(rows: &[f64], p: usize, moment: Moment) -> Result<Vec<f64>, AnalysisError> {
    let n = (rows.len() / p) as f64;
    let mut centred = rows.to_vec();
    for column in 0..p {
        let mean = rows.chunks_exact(p).map(|row| row[column]).sum::<f64>() / n;
        centred.chunks_exact_mut(p).for_each(|row| row[column] -= mean);
        if moment == Moment::Covariance {
            continue;
        }
        let deviation = (centred.chunks_exact(p).map(|row| row[column] * row[column]).sum::<f64>() / n).sqrt();
        if deviation <= 1e-14 * mean.abs() {
            return undefined(format!("column {column} does not vary within a window, so it has no correlation"));
        }
        centred.chunks_exact_mut(p).for_each(|row| row[column] /= deviation);
    }
    Ok(centred)
}

/// The shrinkage that is optimal in the limit (lemmas 3.2 to 3.4).
fn ledoit_wolf(centred: &[f64], s: &[f64], p: usize) -> f64 {
    let n = (centred.len() / p) as f64;
    let mean = (0..p).map(|i| s[i * p + i]).sum::<f64>() / p as f64;
    let far: f64 =
        (0..p * p).map(|at| s[at] - if at % (p + 1) == 0 { mean } else { 0.0 }).map(|value| value * value).sum();
    // sum over rows of |x x^T - S|^2 = sum |x|^4 - n |S|^2.
    let fourth: f64 =
        centred.chunks_exact(p).map(|row| row.iter().map(|x| x * x).sum::<f64>()).map(|sum| sum * sum).sum();
    let size: f64 = s.iter().map(|value| value * value).sum();
    let noise = ((fourth / n - size) / n).max(0.0);
    if far <= 0.0 { 0.0 } else { (noise / far).min(1.0) }
}

/// The matrices of the windows of a series of rows.
///
/// # Errors
/// As [`moment`]; [`AnalysisError::Invalid`] where no window fits.
pub fn trajectory(rows: &[f64], columns: u32, windows: Windows) -> Result<Trajectory, AnalysisError> {
    let (p, length, step) = (columns as usize, windows.length as usize, windows.step as usize);
    if p == 0 || !rows.len().is_multiple_of(p) {
        return invalid(format!("{} numbers are not rows of {p} columns", rows.len()));
    }
    let n = rows.len() / p;
    if length < 2 || step == 0 || length > n {
        return invalid(format!(
            "windows of {length} rows, {step} apart, do not fit {n} rows; they need 2 rows at least"
        ));
    }
    let mut out = Trajectory { matrices: Vec::new(), shrinkage: Vec::new() };
    for start in (0..=n - length).step_by(step) {
        let window = &rows[start * p..(start + length) * p];
        let (matrix, part) = moment(window, columns, windows.moment, windows.shrinkage)?;
        out.matrices.extend(matrix);
        out.shrinkage.push(part);
    }
    Ok(out)
}

fn spd(side: u32) -> Result<Manifold, AnalysisError> {
    Ok(Manifold::new(&[Factor::new(Kind::SpdAffineInvariant, side)])?)
}

/// Pairs of matrices that are compared at most.
pub const PAIRS_MAX: usize = 4_000_000;

/// The distance of two trajectories of matrices of one side: time warping with the affine-invariant distance as cost.
///
/// # Errors
/// [`AnalysisError`]; [`AnalysisError::TooLarge`] above [`PAIRS_MAX`] pairs.
pub fn distance(x: &[f64], y: &[f64], side: u32, window: Option<u32>) -> Result<Warping, AnalysisError> {
    let manifold = spd(side)?;
    let (n, m) = (manifold.checked(x, 0)?, x.len() / manifold.width());
    let others = manifold.checked(y, m)?;
    if n.saturating_mul(others) > PAIRS_MAX {
        return Err(AnalysisError::TooLarge(format!("{n} x {others} matrices are more than {PAIRS_MAX} pairs")));
    }
    let mut costs = Vec::with_capacity(n * others);
    for matrix in x.chunks_exact(manifold.width()) {
        costs.extend(manifold.distances(matrix, y)?);
    }
    warp(n, others, window, Path::Wanted, |i, j| costs[i * others + j] * costs[i * others + j])
}

/// How fast a trajectory moves.
#[derive(Debug, Clone, PartialEq)]
pub struct Speeds {
    /// The distance from each matrix to the next.
    pub speeds: Vec<f64>,
    /// Their robust z-scores.
    pub scores: Vec<f64>,
    /// Positions whose score is above the threshold and the highest around: the change is between this matrix and the next.
    pub changes: Vec<u32>,
}

/// Where a trajectory changes: its geodesic speed beside its usual one.
///
/// # Errors
/// [`AnalysisError`] for fewer than three matrices.
pub fn changes(matrices: &[f64], side: u32, threshold: f64) -> Result<Speeds, AnalysisError> {
    let manifold = spd(side)?;
    let count = manifold.checked(matrices, 0)?;
    if count < 3 {
        return undefined(format!("{count} windows are too few to tell a change; at least 3"));
    }
    let width = manifold.width();
    let speeds = manifold.pair_distances(&matrices[..(count - 1) * width], &matrices[width..])?;
    let scores = z_scores(&speeds);
    let is_peak = |at: usize| {
        let score = scores[at];
        let before = at.checked_sub(1).map_or(f64::NEG_INFINITY, |before| scores[before]);
        let after = scores.get(at + 1).copied().unwrap_or(f64::NEG_INFINITY);
        score > threshold && score > before && score >= after
    };
    let changes = (0..scores.len()).filter(|&at| is_peak(at)).map(|at| at as u32).collect();
    Ok(Speeds { speeds, scores, changes })
}
