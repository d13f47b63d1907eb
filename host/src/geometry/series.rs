//! Calls of the interface `series`.

use crate::geometry::{AnalysisError, Geometry};
use crate::types::{Moment, Shrinkage, SpdPath, Speeds, Warping, Windows};

/// Whether the path of an alignment is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WarpPath {
    /// The distance alone.
    Left,
    /// The path, too.
    Wanted,
}

impl Geometry {
    /// Warps two series of rows of `width` numbers.
    ///
    /// # Errors
    /// See [`AnalysisError`].
    pub fn dtw(
        &self,
        x: &[f64],
        y: &[f64],
        width: u32,
        window: Option<u32>,
        path: WarpPath,
    ) -> Result<Warping, AnalysisError> {
        let wanted = path == WarpPath::Wanted;
        Ok(self.warm(|world, store| world.skerry_geometry_series().call_dtw(store, x, y, width, window, wanted))??)
    }

    /// The covariance or correlation matrix of all rows.
    ///
    /// # Errors
    /// See [`AnalysisError`].
    pub fn moment(
        &self,
        rows: &[f64],
        columns: u32,
        moment: Moment,
        shrinkage: Shrinkage,
    ) -> Result<SpdPath, AnalysisError> {
        Ok(self.warm(|world, store| {
            world.skerry_geometry_series().call_moment_of(store, rows, columns, moment, shrinkage)
        })??)
    }

    /// The matrices of the windows of a series.
    ///
    /// # Errors
    /// See [`AnalysisError`].
    pub fn trajectory(&self, rows: &[f64], columns: u32, windows: Windows) -> Result<SpdPath, AnalysisError> {
        Ok(self.warm(|world, store| world.skerry_geometry_series().call_trajectory(store, rows, columns, windows))??)
    }

    /// Warps two paths of matrices.
    ///
    /// # Errors
    /// See [`AnalysisError`].
    pub fn path_distance(
        &self,
        x: &[f64],
        y: &[f64],
        side: u32,
        window: Option<u32>,
    ) -> Result<Warping, AnalysisError> {
        Ok(self.warm(|world, store| world.skerry_geometry_series().call_path_distance(store, x, y, side, window))??)
    }

    /// Where a path of matrices changes.
    ///
    /// # Errors
    /// See [`AnalysisError`].
    pub fn changes(&self, matrices: &[f64], side: u32, threshold: f64) -> Result<Speeds, AnalysisError> {
        Ok(self.warm(|world, store| world.skerry_geometry_series().call_changes(store, matrices, side, threshold))??)
    }
}
