//! Charts, and what is asked with them.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

/// Which fields of a record are a point of which manifold. Nothing is guessed: every coordinate is named.
#[derive(Debug, Clone, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ChartBody {
    /// The factors of a product, 1 to 32; its squared distance is the weighted sum of theirs.
    pub factors: Vec<FactorBody>,
}

/// A chart: the name under which the project saved it, or the chart itself.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(untagged)]
pub enum ChartChoice {
    /// The name.
    Saved(String),
    /// The chart.
    Given(ChartBody),
}

/// By hand, so that an error says which part is wrong; of an untagged enum it says only that nothing fits.
impl<'de> Deserialize<'de> for ChartChoice {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Value::deserialize(deserializer)? {
            Value::String(name) => Ok(ChartChoice::Saved(name)),
            other => serde_json::from_value(other).map(ChartChoice::Given).map_err(serde::de::Error::custom),
        }
    }
}

/// A factor of a chart.
#[derive(Debug, Clone, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct FactorBody {
    /// For people and answers; the manifold's name when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Which manifold.
    pub manifold: ManifoldBody,
    /// Where its numbers are: several fields with a number each, or one with an array of numbers (of rows, for matrices). For
    /// `correlation` and `covariance` an array for each series, all of one length.
    pub fields: Vec<String>,
    /// Its squared distances are multiplied with this; 1 when absent.
    #[serde(default = "one")]
    pub weight: f64,
    /// Bring points onto the manifold: divide by the length (sphere) or by the sum (categorical).
    #[serde(default)]
    pub normalise: bool,
}

fn one() -> f64 {
    1.0
}

/// A manifold, see docs/geometry.md.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ManifoldBody {
    /// `R^n`.
    Euclidean,
    /// The unit sphere; radians.
    Sphere,
    /// The Poincare ball, curvature -1.
    Poincare,
    /// The hyperboloid, time first, curvature -1.
    Lorentz,
    /// Positive definite matrices, affine-invariant metric.
    Spd,
    /// Positive definite matrices, log-Euclidean metric.
    SpdLogEuclidean,
    /// Positive definite matrices, Bures-Wasserstein metric.
    SpdBuresWasserstein,
    /// Gaussians as pairs of mean and standard deviation, Fisher-Rao metric.
    Gaussian,
    /// Shares that sum to 1, Fisher-Rao metric.
    Categorical,
    /// The correlation matrix of series, shrunk by Ledoit and Wolf; affine-invariant metric.
    Correlation,
    /// The covariance matrix of series, shrunk by Ledoit and Wolf; affine-invariant metric.
    Covariance,
}

/// A point: a record's, or numbers of the chart's factors one after another.
#[derive(Debug, Clone, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum PointBody {
    /// The record with this key.
    Key(String),
    /// These coordinates.
    At(Vec<f64>),
}

/// Distances to ask for.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DistancesBody {
    /// The chart, or the name under which the project saved it.
    pub chart: ChartChoice,
    /// From here to each record. Absent: between all pairs, of 500 records at most.
    #[serde(default)]
    pub from: Option<PointBody>,
    /// The records; all of the project when absent, 10,000 at most.
    #[serde(default)]
    pub keys: Option<Vec<String>>,
}

/// Distances.
#[derive(Debug, Serialize, ToSchema)]
pub struct DistancesAnswer {
    /// From the point to each record, in the order of the keys.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub distances: Option<Vec<DistanceBody>>,
    /// Of all pairs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pairs: Option<Vec<PairDistance>>,
    /// Records that lack a field of the chart.
    pub skipped: Skipped,
}

/// A record and how far it is.
#[derive(Debug, Serialize, ToSchema)]
pub struct DistanceBody {
    /// The record.
    pub key: String,
    /// The geodesic distance.
    pub distance: f64,
}

/// Two records and how far they are from each other.
#[derive(Debug, Serialize, ToSchema)]
pub struct PairDistance {
    /// The records.
    pub keys: [String; 2],
    /// Their geodesic distance.
    pub distance: f64,
}

/// Records that lack a field of the chart, and so are no points of it.
#[derive(Debug, Default, Serialize, ToSchema)]
pub struct Skipped {
    /// How many.
    pub count: usize,
    /// The first 20 and the field.
    pub first: Vec<SkippedRecord>,
}

/// A record that is no point.
#[derive(Debug, Serialize, ToSchema)]
pub struct SkippedRecord {
    /// Its key.
    pub key: String,
    /// The field that it lacks.
    pub field: String,
}

/// Nearest neighbours to ask for.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NearestBody {
    /// The chart, or the name under which the project saved it.
    pub chart: ChartChoice,
    /// Of what; a record is not its own neighbour.
    pub of: PointBody,
    /// How many, 1 to 1,000; 10 when absent.
    #[serde(default)]
    pub k: Option<u32>,
    /// Among these records; all of the project when absent.
    #[serde(default)]
    pub keys: Option<Vec<String>>,
}

/// Nearest neighbours on the manifold.
#[derive(Debug, Serialize, ToSchema)]
pub struct NearestAnswer {
    /// Nearest first.
    pub neighbours: Vec<DistanceBody>,
    /// Records that lack a field of the chart.
    pub skipped: Skipped,
}

/// A mean to ask for.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct MeanBody {
    /// The chart, or the name under which the project saved it.
    pub chart: ChartChoice,
    /// Of these records; all of the project when absent.
    #[serde(default)]
    pub keys: Option<Vec<String>>,
    /// A weight for each of `keys`; all the same when absent.
    #[serde(default)]
    pub weights: Option<Vec<f64>>,
    /// The length of the gradient at the end at most; 1e-12 when absent.
    #[serde(default)]
    pub tolerance: Option<f64>,
}

/// A Frechet mean.
#[derive(Debug, Serialize, ToSchema)]
pub struct MeanAnswer {
    /// The mean, factor by factor.
    pub point: Vec<CoordinatesBody>,
    /// The weighted mean of the squared distances to it.
    pub variance: f64,
    /// The largest distance to it.
    pub radius: f64,
    /// The length of the gradient where the iteration ended.
    pub gradient_norm: f64,
    /// Steps of the iteration.
    pub iterations: u32,
    /// Whether a theorem says that there is no other mean.
    pub unique: bool,
    /// The record that is nearest to it.
    pub nearest: Option<DistanceBody>,
    /// Records that counted.
    pub records: usize,
    /// Records that lack a field of the chart.
    pub skipped: Skipped,
}

/// Coordinates of a factor.
#[derive(Debug, Serialize, ToSchema)]
pub struct CoordinatesBody {
    /// The factor's name.
    pub factor: String,
    /// Its numbers; matrices row by row.
    pub coordinates: Vec<f64>,
}

/// A geodesic to ask for.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct InterpolateBody {
    /// The chart, or the name under which the project saved it.
    pub chart: ChartChoice,
    /// Its beginning.
    pub from: PointBody,
    /// Its end.
    pub to: PointBody,
    /// Where on it: 0 is the beginning, 1 the end; 1,000 at most, `[0.5]` when absent.
    #[serde(default)]
    pub at: Option<Vec<f64>>,
}

/// Points of a geodesic.
#[derive(Debug, Serialize, ToSchema)]
pub struct InterpolateAnswer {
    /// Its length.
    pub distance: f64,
    /// One for each of `at`.
    pub points: Vec<GeodesicPoint>,
}

/// A point of a geodesic.
#[derive(Debug, Serialize, ToSchema)]
pub struct GeodesicPoint {
    /// Where on it.
    pub at: f64,
    /// The point, factor by factor.
    pub point: Vec<CoordinatesBody>,
}

/// Outliers to ask for.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct OutliersBody {
    /// The chart, or the name under which the project saved it.
    pub chart: ChartChoice,
    /// Among these records; all of the project when absent.
    #[serde(default)]
    pub keys: Option<Vec<String>>,
    /// Measure by the distance to the k-th nearest neighbour; absent: by the distance to the mean.
    #[serde(default)]
    pub neighbour: Option<u32>,
    /// Robust z-score from which a record is an outlier; 3.5 when absent.
    #[serde(default)]
    pub threshold: Option<f64>,
    /// Records in the answer at most, the farthest first; 100 when absent, 10,000 at most.
    #[serde(default)]
    pub limit: Option<usize>,
}

/// Outliers.
#[derive(Debug, Serialize, ToSchema)]
pub struct OutliersAnswer {
    /// Farthest out first.
    pub records: Vec<OutlierBody>,
    /// How many are above the threshold, also beyond `limit`.
    pub outliers: usize,
    /// Records that were compared.
    pub compared: usize,
    /// Records that lack a field of the chart.
    pub skipped: Skipped,
}

/// How far out a record is.
#[derive(Debug, Serialize, ToSchema)]
pub struct OutlierBody {
    /// The record.
    pub key: String,
    /// By the measure.
    pub distance: f64,
    /// Its robust z-score.
    pub score: f64,
    /// Whether the score is above the threshold.
    pub outlier: bool,
}
