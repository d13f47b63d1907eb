//! Estimates of a project's embeddings, or of records as points of a chart.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use skerry_host::AnalysisError;
use skerry_host::types::{CloudWishes, Factor, ManifoldKind};
use skerry_sync::{ProjectName, RecordKey};

use super::super::{blocking, project_name};
use super::{invalid, within};
use crate::alike;
use crate::body::geometry::{CloudAnswer, CloudBody, EstimateBody, HyperbolicityBody, Skipped};
use crate::chart::{Chart, POINTS_MAX};
use crate::extract::{JsonBody, PathParameters};
use crate::node::Node;
use crate::problem::Problem;

/// Points at most: every pair is measured.
const SAMPLE_MAX: usize = 5_000;

/// Intrinsic dimension, hyperbolicity and curvature: estimates, each with its spread.
#[utoipa::path(post, path = "/projects/{project}/geometry/cloud", tag = "geometry",
    params(("project" = String, Path)), request_body = CloudBody, responses((status = 200, body = CloudAnswer),
    (status = 404, description = "urn:skerry:problem:unknown-project"),
    (status = 422, description = "urn:skerry:problem:invalid-geometry")))]
pub(in crate::api) async fn cloud(
    State(node): State<Arc<Node>>,
    PathParameters(project): PathParameters<String>,
    JsonBody(body): JsonBody<CloudBody>,
) -> Result<Json<CloudAnswer>, Problem> {
    blocking(move || {
        let (project, geometry) = (project_name(&project)?, node.geometry()?);
        let sample = within("sample", body.sample, 1_000, SAMPLE_MAX)?;
        let wishes = CloudWishes { seed: body.seed.unwrap_or(1), ..CloudWishes::default() };
        let (factors, numbers, skipped) = match body.chart {
            None => embeddings(&node, &project)?,
            Some(body) => {
                let mut chart = Chart::open(&node, &project, body)?;
                let found = chart.points(&node, &project, None)?;
                (chart.factors().to_vec(), (found.keys.len(), found.numbers), found.skipped)
            }
        };
        let (of, numbers) = numbers;
        if of < 4 {
            return Err(invalid(format!("{of} points are too few for any estimate; at least 4.")));
        }
        let (points, numbers) = drawn(&numbers, of, sample, wishes.seed);
        let found = geometry.cloud(&factors, &numbers, wishes)?;
        let spread = |value: f64, error: f64, count| EstimateBody {
            value: Some(value),
            low: Some(value - error),
            high: Some(value + error),
            count,
            reason: None,
        };
        let none = |reason: String| EstimateBody { reason: Some(reason), ..EstimateBody::default() };
        let why = |fault| AnalysisError::from(fault).to_string();
        let dimension = |found: Result<skerry_host::types::Dimension, _>| match found {
            Ok(found) => spread(found.dimension, found.error, found.points),
            Err(fault) => none(why(fault)),
        };
        Ok(Json(CloudAnswer {
            points,
            of,
            dimension_two_nearest: dimension(found.two_nearest),
            dimension_maximum_likelihood: dimension(found.maximum_likelihood),
            hyperbolicity: match found.hyperbolicity {
                Ok(found) => HyperbolicityBody {
                    delta: Some(found.delta),
                    mean: Some(found.mean),
                    relative: Some(found.relative),
                    fours: found.fours,
                    exact: found.exact,
                    reason: None,
                },
                Err(fault) => HyperbolicityBody { reason: Some(why(fault)), ..HyperbolicityBody::default() },
            },
            curvature: match found.curvature {
                Ok(found) => EstimateBody {
                    value: Some(found.curvature),
                    low: Some(found.low),
                    high: Some(found.high),
                    count: found.triangles,
                    reason: None,
                },
                Err(fault) => none(why(fault)),
            },
            skipped,
        }))
    })
    .await
}

type Cloud = (Vec<Factor>, (usize, Vec<f64>), Skipped);

/// The directions of the project's records, on the unit sphere. Records without a vector are left out.
fn embeddings(node: &Node, project: &ProjectName) -> Result<Cloud, Problem> {
    let records = node.replica().scan(project, None, POINTS_MAX)?;
    let keys: Vec<RecordKey> = records.into_iter().map(|record| record.key).collect();
    let index = node.index(project)?;
    let documents = index.derivation().documents(node.sources(), project, &keys)?;
    let (mut numbers, mut count, mut width) = (Vec::new(), 0, 0);
    for document in &documents {
        let Some(direction) = alike::direction(&document.chunks) else { continue };
        let length = direction.iter().map(|value| f64::from(*value) * f64::from(*value)).sum::<f64>().sqrt();
        if length > 0.0 {
            width = direction.len();
            count += 1;
            numbers.extend(direction.iter().map(|value| f64::from(*value) / length));
        }
    }
    let factor = Factor::new(ManifoldKind::Sphere, width as u32);
    Ok((vec![factor], (count, numbers), Skipped::default()))
}

/// At most `sample` of the points, in their order, by a seed.
fn drawn(numbers: &[f64], count: usize, sample: usize, seed: u64) -> (usize, Vec<f64>) {
    if count <= sample {
        return (count, numbers.to_vec());
    }
    let width = numbers.len() / count;
    let (mut out, mut taken, mut state) = (Vec::with_capacity(sample * width), 0, seed);
    for (at, point) in numbers.chunks_exact(width).enumerate() {
        // Selection sampling (Knuth, The Art of Computer Programming 2, 3.4.2 S).
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let chance = (state >> 11) as f64 / (1_u64 << 53) as f64;
        if chance * ((count - at) as f64) < (sample - taken) as f64 {
            out.extend_from_slice(point);
            taken += 1;
        }
    }
    (taken, out)
}
