//! Clouds of points.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{ChartChoice, Skipped};

/// A cloud to estimate.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CloudBody {
    /// Records as points of a chart, or of the one saved under a name. Absent: the project's embeddings on the unit sphere.
    #[serde(default)]
    pub chart: Option<ChartChoice>,
    /// Points at most, 4 to 5,000; of more, so many are drawn. 1,000 when absent.
    #[serde(default)]
    pub sample: Option<usize>,
    /// Of what is drawn; 1 when absent.
    #[serde(default)]
    pub seed: Option<u64>,
}

/// Estimates with their spread; each says why when there is none.
#[derive(Debug, Serialize, ToSchema)]
pub struct CloudAnswer {
    /// Points that were looked at.
    pub points: usize,
    /// Points there are.
    pub of: usize,
    /// Intrinsic dimension by the two nearest neighbours (`TwoNN`, Facco et al., 2017).
    pub dimension_two_nearest: EstimateBody,
    /// Intrinsic dimension by maximum likelihood over 10 to 20 neighbours (Levina and Bickel, 2004).
    pub dimension_maximum_likelihood: EstimateBody,
    /// Gromov's four-point delta, 0 for trees.
    pub hyperbolicity: HyperbolicityBody,
    /// Sectional curvature by comparison of triangles, in 1 / distance^2.
    pub curvature: EstimateBody,
    /// Records that lack a field of the chart.
    pub skipped: Skipped,
}

/// An estimate.
#[derive(Debug, Default, Serialize, ToSchema)]
pub struct EstimateBody {
    /// The estimate; null when there is none.
    pub value: Option<f64>,
    /// Lower end of its spread: one standard error, or the lower quartile.
    pub low: Option<f64>,
    /// Upper end.
    pub high: Option<f64>,
    /// Points or triangles that counted.
    pub count: u32,
    /// Why there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// Four-point hyperbolicity.
#[derive(Debug, Default, Serialize, ToSchema)]
pub struct HyperbolicityBody {
    /// The largest over fours; null when there is none.
    pub delta: Option<f64>,
    /// The mean over fours.
    pub mean: Option<f64>,
    /// `2 delta / diameter`.
    pub relative: Option<f64>,
    /// Fours that were looked at.
    pub fours: u64,
    /// Whether those are all; else `delta` is a lower bound.
    pub exact: bool,
    /// Why there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}
