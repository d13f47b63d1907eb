//! Time series: dynamic time warping, and series of several columns as paths through the positive definite matrices.

pub mod trajectory;
mod warp;

pub use warp::{Path, Warping, dtw, warp};

/// Cells of the table of a warping at most: about a second of work.
pub const CELLS_MAX: u64 = 200_000_000;

/// Cells at most when the path is wanted, too; each takes a byte.
pub const PATH_CELLS_MAX: u64 = 64_000_000;
