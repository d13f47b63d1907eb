//! Dynamic time warping (Sakoe and Chiba, IEEE Trans. ASSP 26, 1978): the least root of a sum of squared costs over all monotone
//! alignments.
#![allow(
    clippy::indexing_slicing,
    reason = "indices run below the lengths of the series and of the rows made for them"
)]

use super::{CELLS_MAX, PATH_CELLS_MAX};
use crate::fault::{AnalysisError, all_finite, invalid};

/// An alignment.
#[derive(Debug, Clone, PartialEq)]
pub struct Warping {
    /// The root of the sum of the squared costs along the path.
    pub distance: f64,
    /// Pairs of positions that are aligned, from both beginnings to both ends; empty when it was not asked for.
    pub path: Vec<(u32, u32)>,
}

/// Warps two series of rows of `width` numbers, the cost of two rows being their Euclidean distance.
///
/// `window`: positions that are aligned differ by this at most (Sakoe and Chiba's band); of the longer series by the difference of the
/// lengths more, so that the ends meet.
///
/// # Errors
/// [`AnalysisError`] for empty series, other widths, numbers that are not finite (positions count rows, `y` after `x`), and for more cells
/// than [`CELLS_MAX`].
pub fn dtw(x: &[f64], y: &[f64], width: u32, window: Option<u32>, path: Path) -> Result<Warping, AnalysisError> {
    let width = width as usize;
    if width == 0 || !x.len().is_multiple_of(width) || !y.len().is_multiple_of(width) {
        return invalid(format!("{} and {} numbers are not whole rows of {width}", x.len(), y.len()));
    }
    all_finite(x, width)?;
    all_finite(y, width).map_err(|error| match error {
        AnalysisError::NotFinite(row) => AnalysisError::NotFinite(row + (x.len() / width) as u32),
        other => other,
    })?;
    if width == 1 {
        return warp(x.len(), y.len(), window, path, |i, j| (x[i] - y[j]) * (x[i] - y[j]));
    }
    warp(x.len() / width, y.len() / width, window, path, |i, j| {
        let (x, y) = (&x[i * width..(i + 1) * width], &y[j * width..(j + 1) * width]);
        x.iter().zip(y).map(|(x, y)| (x - y) * (x - y)).sum()
    })
}

/// Whether the path is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Path {
    /// The distance alone: two rows of memory.
    Left,
    /// The path, too.
    Wanted,
}

/// Warps `n` positions to `m` others, by the squared cost of two.
///
/// # Errors
/// As [`dtw`].
pub fn warp(
    n: usize,
    m: usize,
    window: Option<u32>,
    path: Path,
    cost: impl Fn(usize, usize) -> f64,
) -> Result<Warping, AnalysisError> {
    if n == 0 || m == 0 {
        return invalid("a series is empty");
    }
    let window = window.map_or(n.max(m), |window| window as usize);
    let (before, after) = (n.saturating_sub(m) + window, m.saturating_sub(n) + window);
    let cells = n as u64 * m.min(before + after + 1) as u64;
    let (most, table) = if path == Path::Wanted { (PATH_CELLS_MAX, n * m) } else { (CELLS_MAX, 0) };
    if cells > most || table as u64 > PATH_CELLS_MAX {
        let hint = "give a `window`, shorten the series, or leave the path out";
        return Err(AnalysisError::TooLarge(format!("{n} x {m} positions are more than {most} cells; {hint}")));
    }
    // Where a cell's best came from: 0 both before, 1 the row before, 2 the column before.
    let mut from = vec![0_u8; table];
    let (mut above, mut row) = (vec![f64::INFINITY; m + 1], vec![f64::INFINITY; m + 1]);
    above[0] = 0.0;
    for i in 0..n {
        row.fill(f64::INFINITY);
        let (start, end) = (i.saturating_sub(before), (i + after + 1).min(m));
        let mut left = f64::INFINITY;
        for j in start..end {
            let (both, up) = (above[j], above[j + 1]);
            let (mut best, mut way) = (both, 0);
            if up < best {
                (best, way) = (up, 1);
            }
            if left < best {
                (best, way) = (left, 2);
            }
            left = cost(i, j) + best;
            row[j + 1] = left;
            if let Some(cell) = from.get_mut(i * m + j) {
                *cell = way;
            }
        }
        std::mem::swap(&mut above, &mut row);
    }
    let distance = above[m].sqrt();
    Ok(Warping { distance, path: if path == Path::Wanted { trace(&from, n, m) } else { Vec::new() } })
}

fn trace(from: &[u8], n: usize, m: usize) -> Vec<(u32, u32)> {
    let (mut i, mut j) = (n - 1, m - 1);
    let mut path = vec![(i as u32, j as u32)];
    while i > 0 || j > 0 {
        match from[i * m + j] {
            0 => (i, j) = (i.saturating_sub(1), j.saturating_sub(1)),
            1 => i = i.saturating_sub(1),
            _ => j = j.saturating_sub(1),
        }
        path.push((i as u32, j as u32));
    }
    path.reverse();
    path
}
