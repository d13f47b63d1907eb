//! Time series.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A series: fields of a record, or numbers.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum SeriesBody {
    /// Columns of a record: each field an array of numbers, all of one length; or one field with an array of rows.
    Record {
        /// The record.
        key: String,
        /// The fields.
        fields: Vec<String>,
    },
    /// Rows of numbers, all of one length.
    Rows(Vec<Vec<f64>>),
    /// Numbers: a series of one column.
    Values(Vec<f64>),
}

/// Two series to warp.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DtwBody {
    /// One.
    pub x: SeriesBody,
    /// The other, with as many columns.
    pub y: SeriesBody,
    /// Half the width of Sakoe and Chiba's band; none when absent.
    #[serde(default)]
    pub window: Option<u32>,
    /// Answer the path, too.
    #[serde(default)]
    pub path: bool,
}

/// An alignment of two series.
#[derive(Debug, Serialize, ToSchema)]
pub struct DtwAnswer {
    /// The root of the sum of the squared distances of aligned rows.
    pub distance: f64,
    /// Rows of both series.
    pub lengths: [usize; 2],
    /// Positions that are aligned, from both beginnings to both ends.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<Vec<[u32; 2]>>,
}

/// A series to see as a path through the positive definite matrices.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TrajectoryBody {
    /// The series, of two columns at least as a rule.
    pub series: SeriesBody,
    /// Another one to compare with: time warping over the affine-invariant distance.
    #[serde(default)]
    pub other: Option<SeriesBody>,
    /// Rows of a window.
    pub window: u32,
    /// Rows from one window to the next; 1 when absent.
    #[serde(default)]
    pub step: Option<u32>,
    /// Covariances instead of correlations.
    #[serde(default)]
    pub covariance: bool,
    /// Shrinkage, 0 to 1; by Ledoit and Wolf when absent.
    #[serde(default)]
    pub shrinkage: Option<f64>,
    /// Robust z-score of the speed from which there is a change; 3.5 when absent.
    #[serde(default)]
    pub threshold: Option<f64>,
    /// Answer the matrices, too.
    #[serde(default)]
    pub matrices: bool,
}

/// A path through the positive definite matrices.
#[derive(Debug, Serialize, ToSchema)]
pub struct TrajectoryAnswer {
    /// Windows.
    pub windows: Vec<WindowBody>,
    /// Windows after which the path changes.
    pub changes: Vec<PathChange>,
    /// The distance to the other series.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub distance: Option<f64>,
}

/// A window of a series.
#[derive(Debug, Serialize, ToSchema)]
pub struct WindowBody {
    /// Its first row.
    pub row: usize,
    /// How its matrix was shrunk.
    pub shrinkage: f64,
    /// The distance to the next window's matrix; none for the last.
    pub speed: Option<f64>,
    /// Its robust z-score.
    pub score: Option<f64>,
    /// The matrix, row by row.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub matrix: Option<Vec<f64>>,
}

/// A change.
#[derive(Debug, Serialize, ToSchema)]
pub struct PathChange {
    /// The first row of the window before.
    pub row: usize,
    /// The row after the window behind: the change is in between.
    pub end: usize,
    /// The robust z-score of the speed.
    pub score: f64,
}
