//! Records as points: distances, neighbours, means, geodesics, outliers.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use skerry_host::types::OutlierMeasure;
use skerry_host::{ManifoldError, MeanSettings};
use skerry_sync::ProjectName;

use super::super::{blocking, project_name};
use super::{invalid, within};
use crate::body::geometry::{
    DistanceBody, DistancesAnswer, DistancesBody, GeodesicPoint, InterpolateAnswer, InterpolateBody, MeanAnswer,
    MeanBody, NearestAnswer, NearestBody, OutlierBody, OutliersAnswer, OutliersBody, PairDistance, PointBody,
};
use crate::chart::{Chart, Points};
use crate::extract::{JsonBody, PathParameters};
use crate::node::Node;
use crate::problem::{Kind, Problem};

/// Records whose distances are all answered at most.
const PAIRS_OF_MAX: usize = 500;

/// Neighbours at most.
const K_MAX: usize = 1_000;

/// Points of a geodesic at most.
const TIMES_MAX: usize = 1_000;

/// Outliers that are listed at most.
const LISTED_MAX: usize = 10_000;

/// Names the record that a fault is of; `before` points came before the records.
fn named(error: ManifoldError, points: &Points, before: usize) -> Problem {
    let (point, cut) = match &error {
        ManifoldError::NotFinite(point) | ManifoldError::OffManifold { point, .. } => (*point, false),
        ManifoldError::CutLocus { point, .. } => (*point, true),
        _ => return error.into(),
    };
    let Some(at) = (point as usize).checked_sub(before) else {
        return invalid(format!("What is asked from cannot be used: {error}."));
    };
    let Some(key) = points.keys.get(at) else { return error.into() };
    let reason = match &error {
        ManifoldError::OffManifold { reason, .. } | ManifoldError::CutLocus { reason, .. } => reason.clone(),
        other => other.to_string(),
    };
    let what = if cut { "has no unique geodesic to it" } else { "is not a point of the chart" };
    Problem::new(Kind::InvalidGeometry, format!("The record `{key}` {what}: {reason}.")).with("key", key.as_str())
}

fn distance_bodies(points: &Points, distances: Vec<f64>) -> Vec<DistanceBody> {
    let body = |(key, distance): (&String, f64)| DistanceBody { key: key.clone(), distance };
    points.keys.iter().zip(distances).map(body).collect()
}

/// Answers [`DistancesBody`].
pub(crate) fn distances_of(
    node: &Node,
    project: &ProjectName,
    body: DistancesBody,
) -> Result<DistancesAnswer, Problem> {
    let geometry = node.geometry()?;
    let mut chart = Chart::open(node, project, body.chart)?;
    let mut points = chart.points(node, project, body.keys.as_deref())?;
    let skipped = std::mem::take(&mut points.skipped);
    if points.keys.is_empty() {
        let pairs = body.from.is_none().then(Vec::new);
        return Ok(DistancesAnswer { distances: body.from.map(|_| Vec::new()), pairs, skipped });
    }
    if let Some(from) = &body.from {
        let x = chart.point(node, project, from)?;
        let found = geometry.distances(chart.factors(), &x, &points.numbers);
        let found = found.map_err(|error| named(error, &points, 1))?;
        let distances = Some(distance_bodies(&points, found));
        return Ok(DistancesAnswer { distances, pairs: None, skipped });
    }
    let count = points.keys.len();
    if count > PAIRS_OF_MAX {
        return Err(invalid(format!(
            "{count} records have too many pairs; give `from`, or at most {PAIRS_OF_MAX} `keys`."
        )));
    }
    let found = geometry.all_distances(chart.factors(), &points.numbers);
    let found = found.map_err(|error| named(error, &points, 0))?;
    let ends = points.keys.iter().enumerate();
    let ends = ends.flat_map(|(at, a)| points.keys.iter().skip(at + 1).map(move |b| [a.clone(), b.clone()]));
    let pairs = Some(ends.zip(found).map(|(keys, distance)| PairDistance { keys, distance }).collect());
    Ok(DistancesAnswer { distances: None, pairs, skipped })
}

/// Geodesic distances from a point to records, or between all pairs of records.
#[utoipa::path(post, path = "/projects/{project}/geometry/distances", tag = "geometry",
    params(("project" = String, Path)), request_body = DistancesBody, responses((status = 200, body = DistancesAnswer),
    (status = 404, description = "urn:skerry:problem:unknown-project, unknown-record or unknown-chart"),
    (status = 422, description = "urn:skerry:problem:invalid-geometry, names the record")))]
pub(in crate::api) async fn distances(
    State(node): State<Arc<Node>>,
    PathParameters(project): PathParameters<String>,
    JsonBody(body): JsonBody<DistancesBody>,
) -> Result<Json<DistancesAnswer>, Problem> {
    blocking(move || distances_of(&node, &project_name(&project)?, body).map(Json)).await
}

/// Answers [`NearestBody`].
pub(crate) fn neighbours_of(node: &Node, project: &ProjectName, body: NearestBody) -> Result<NearestAnswer, Problem> {
    let geometry = node.geometry()?;
    let k = within("k", body.k.map(|k| k as usize), 10, K_MAX)?;
    let mut chart = Chart::open(node, project, body.chart)?;
    let mut points = chart.points(node, project, body.keys.as_deref())?;
    let skipped = std::mem::take(&mut points.skipped);
    let x = chart.point(node, project, &body.of)?;
    let itself = match &body.of {
        PointBody::Key(key) => points.position(key),
        PointBody::At(_) => None,
    };
    let found = geometry.nearest(chart.factors(), &x, &points.numbers, k as u32 + 1);
    let found = found.map_err(|error| named(error, &points, 1))?;
    let others = found.into_iter().filter(|near| Some(near.point as usize) != itself).take(k);
    let body = |near: skerry_host::types::Neighbour| {
        let key = points.keys.get(near.point as usize)?;
        Some(DistanceBody { key: key.clone(), distance: near.distance })
    };
    Ok(NearestAnswer { neighbours: others.filter_map(body).collect(), skipped })
}

/// The nearest records on the manifold.
#[utoipa::path(post, path = "/projects/{project}/geometry/neighbours", tag = "geometry",
    params(("project" = String, Path)), request_body = NearestBody, responses((status = 200, body = NearestAnswer),
    (status = 404, description = "urn:skerry:problem:unknown-project, unknown-record or unknown-chart"),
    (status = 422, description = "urn:skerry:problem:invalid-geometry, names the record")))]
pub(in crate::api) async fn neighbours(
    State(node): State<Arc<Node>>,
    PathParameters(project): PathParameters<String>,
    JsonBody(body): JsonBody<NearestBody>,
) -> Result<Json<NearestAnswer>, Problem> {
    blocking(move || neighbours_of(&node, &project_name(&project)?, body).map(Json)).await
}

/// Answers [`MeanBody`].
pub(crate) fn mean_of(node: &Node, project: &ProjectName, body: MeanBody) -> Result<MeanAnswer, Problem> {
    let geometry = node.geometry()?;
    let mut chart = Chart::open(node, project, body.chart)?;
    let mut points = chart.points(node, project, body.keys.as_deref())?;
    let skipped = std::mem::take(&mut points.skipped);
    if points.keys.is_empty() {
        return Err(invalid("No record is a point of this chart, so there is no mean."));
    }
    let weights = body.weights.unwrap_or_default();
    if !weights.is_empty() && (body.keys.is_none() || skipped.count > 0) {
        return Err(invalid("`weights` go with `keys`, one for each, and every record must have all fields."));
    }
    let settings = MeanSettings::default();
    let settings = MeanSettings { tolerance: body.tolerance.unwrap_or(settings.tolerance), ..settings };
    let found = geometry.frechet_mean(chart.factors(), &points.numbers, &weights, settings);
    let found = found.map_err(|error| named(error, &points, 0))?;
    let near = geometry.nearest(chart.factors(), &found.point, &points.numbers, 1)?;
    let near = near.first().and_then(|near| {
        let key = points.keys.get(near.point as usize)?;
        Some(DistanceBody { key: key.clone(), distance: near.distance })
    });
    Ok(MeanAnswer {
        point: chart.named(&found.point),
        variance: found.variance,
        radius: found.radius,
        gradient_norm: found.gradient_norm,
        iterations: found.iterations,
        unique: found.unique,
        nearest: near,
        records: points.keys.len(),
        skipped,
    })
}

/// The Frechet mean of records, and the record that is nearest to it.
#[utoipa::path(post, path = "/projects/{project}/geometry/mean", tag = "geometry",
    params(("project" = String, Path)), request_body = MeanBody, responses((status = 200, body = MeanAnswer),
    (status = 404, description = "urn:skerry:problem:unknown-project, unknown-record or unknown-chart"),
    (status = 422, description = "urn:skerry:problem:invalid-geometry, names the record; no-convergence")))]
pub(in crate::api) async fn mean(
    State(node): State<Arc<Node>>,
    PathParameters(project): PathParameters<String>,
    JsonBody(body): JsonBody<MeanBody>,
) -> Result<Json<MeanAnswer>, Problem> {
    blocking(move || mean_of(&node, &project_name(&project)?, body).map(Json)).await
}

/// Points of the shortest geodesic between two records.
#[utoipa::path(post, path = "/projects/{project}/geometry/interpolate", tag = "geometry",
    params(("project" = String, Path)), request_body = InterpolateBody, responses((status = 200, body = InterpolateAnswer),
    (status = 404, description = "urn:skerry:problem:unknown-project, unknown-record or unknown-chart"),
    (status = 422, description = "urn:skerry:problem:invalid-geometry: not a point, or no unique geodesic")))]
pub(in crate::api) async fn interpolate(
    State(node): State<Arc<Node>>,
    PathParameters(project): PathParameters<String>,
    JsonBody(body): JsonBody<InterpolateBody>,
) -> Result<Json<InterpolateAnswer>, Problem> {
    blocking(move || {
        let (project, geometry) = (project_name(&project)?, node.geometry()?);
        let times = body.at.unwrap_or_else(|| vec![0.5]);
        within("at", Some(times.len()), 1, TIMES_MAX)?;
        let mut chart = Chart::open(&node, &project, body.chart)?;
        // A record first: it tells how many numbers a point has.
        let (x, y) = if matches!(body.from, PointBody::At(_)) {
            let y = chart.point(&node, &project, &body.to)?;
            (chart.point(&node, &project, &body.from)?, y)
        } else {
            (chart.point(&node, &project, &body.from)?, chart.point(&node, &project, &body.to)?)
        };
        let distance = geometry.distance(chart.factors(), &x, &y)?;
        let numbers = geometry.geodesic(chart.factors(), &x, &y, &times)?;
        let points = numbers.chunks_exact(x.len().max(1)).zip(times);
        let points = points.map(|(point, at)| GeodesicPoint { at, point: chart.named(point) }).collect();
        Ok(Json(InterpolateAnswer { distance, points }))
    })
    .await
}

/// Answers [`OutliersBody`].
pub(crate) fn outliers_of(node: &Node, project: &ProjectName, body: OutliersBody) -> Result<OutliersAnswer, Problem> {
    let geometry = node.geometry()?;
    let limit = within("limit", body.limit, 100, LISTED_MAX)?;
    let threshold = body.threshold.unwrap_or(3.5);
    let mut chart = Chart::open(node, project, body.chart)?;
    let mut points = chart.points(node, project, body.keys.as_deref())?;
    let skipped = std::mem::take(&mut points.skipped);
    if points.keys.len() < 3 {
        let count = points.keys.len();
        return Err(invalid(format!("{count} records are points of this chart; outliers need at least 3.")));
    }
    let measure = body.neighbour.map_or(OutlierMeasure::Mean, OutlierMeasure::Neighbour);
    // Before the measure: this names a record that is no point.
    let first = points.numbers.get(..points.numbers.len() / points.keys.len()).unwrap_or_default();
    let checked = geometry.distances(chart.factors(), first, &points.numbers);
    checked.map_err(|error| named(error, &points, 1))?;
    let found = geometry.outliers(chart.factors(), &points.numbers, measure)?;
    let scored = points.keys.iter().zip(found.distances.iter().zip(&found.scores));
    let mut records: Vec<OutlierBody> = scored
        .map(|(key, (&distance, &score))| OutlierBody { key: key.clone(), distance, score, outlier: score > threshold })
        .collect();
    records.sort_by(|a, b| b.distance.total_cmp(&a.distance).then_with(|| a.key.cmp(&b.key)));
    let (compared, outliers) = (records.len(), records.iter().filter(|record| record.outlier).count());
    records.truncate(limit);
    Ok(OutliersAnswer { records, outliers, compared, skipped })
}

/// Records that lie far out, by a robust z-score of their distance to the mean or to their k-th neighbour.
#[utoipa::path(post, path = "/projects/{project}/geometry/outliers", tag = "geometry",
    params(("project" = String, Path)), request_body = OutliersBody, responses((status = 200, body = OutliersAnswer),
    (status = 404, description = "urn:skerry:problem:unknown-project, unknown-record or unknown-chart"),
    (status = 422, description = "urn:skerry:problem:invalid-geometry or no-convergence")))]
pub(in crate::api) async fn outliers(
    State(node): State<Arc<Node>>,
    PathParameters(project): PathParameters<String>,
    JsonBody(body): JsonBody<OutliersBody>,
) -> Result<Json<OutliersAnswer>, Problem> {
    blocking(move || outliers_of(&node, &project_name(&project)?, body).map(Json)).await
}
