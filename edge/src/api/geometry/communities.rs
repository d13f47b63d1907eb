//! Communities of a project's graph.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use skerry_host::CurvatureError;
use skerry_host::types::{Edge, Spread};

use super::super::{blocking, project_name};
use super::networks::joined;
use super::{invalid, within};
use crate::body::geometry::{BridgeBody, CommunitiesAnswer, CommunitiesBody};
use crate::extract::{JsonBody, PathParameters};
use crate::node::Node;
use crate::problem::Problem;

/// Steps of a flow at most, and as many as in the paper.
const STEPS_MAX: usize = 200;
const STEPS_DEFAULT: usize = 20;

/// Bridges that are answered.
const BRIDGES_SHOWN: usize = 100;

/// Communities by discrete Ricci flow (Ni, Lin, Luo and Gao, 2019), cut where the modularity is largest. Weights do not count.
#[utoipa::path(post, path = "/projects/{project}/geometry/communities", tag = "geometry",
    params(("project" = String, Path)), request_body = CommunitiesBody, responses((status = 200, body = CommunitiesAnswer),
    (status = 400, description = "urn:skerry:problem:invalid-query: an unknown layer or type"),
    (status = 404, description = "urn:skerry:problem:unknown-project"),
    (status = 422, description = "urn:skerry:problem:invalid-geometry: no links, or above 2,000 records with one")))]
pub(in crate::api) async fn communities(
    State(node): State<Arc<Node>>,
    PathParameters(project): PathParameters<String>,
    JsonBody(body): JsonBody<CommunitiesBody>,
) -> Result<Json<CommunitiesAnswer>, Problem> {
    blocking(move || {
        let (project, geometry) = (project_name(&project)?, node.geometry()?);
        let steps = within("steps", body.steps.map(|steps| steps as usize), STEPS_DEFAULT, STEPS_MAX)?;
        node.replica().sequence(&project)?;
        let joined = joined(&node, &project, &[body.selection])?;
        let edges = joined.parts.first().map_or(&[][..], Vec::as_slice);
        if edges.is_empty() {
            return Err(invalid("This part of the graph joins no records, so it has no communities."));
        }
        let pairs: Vec<Edge> = edges.iter().map(|edge| Edge { source: edge.source, target: edge.target }).collect();
        let spread = Spread { idleness: 0.5, power: 2.0 };
        let found = geometry.ricci_flow(joined.keys.len() as u32, &pairs, &[], steps as u32, spread);
        let found = found.map_err(|error| match error {
            CurvatureError::Call(error) => error.into(),
            other => invalid(format!("{other}.")),
        })?;
        let label = |at: u32| found.labels.get(at as usize).copied();
        let name = |at: u32| joined.keys.get(at as usize).cloned().unwrap_or_default();
        let mut communities: BTreeMap<u32, Vec<String>> = BTreeMap::new();
        for (key, community) in joined.keys.iter().zip(&found.labels) {
            communities.entry(*community).or_default().push(key.clone());
        }
        let mut communities: Vec<Vec<String>> = communities.into_values().collect();
        communities.sort_by(|a, b| b.len().cmp(&a.len()).then_with(|| a.cmp(b)));
        let between = pairs.iter().zip(&found.lengths).filter(|(pair, _)| label(pair.source) != label(pair.target));
        let bridge = |(pair, length): (&Edge, &f64)| BridgeBody {
            keys: [name(pair.source), name(pair.target)],
            length: *length,
        };
        let mut bridges: Vec<BridgeBody> = between.map(bridge).collect();
        bridges.sort_by(|a, b| b.length.total_cmp(&a.length).then_with(|| a.keys.cmp(&b.keys)));
        bridges.truncate(BRIDGES_SHOWN);
        Ok(Json(CommunitiesAnswer {
            nodes: joined.keys.len(),
            edges: edges.len(),
            modularity: found.modularity,
            communities,
            bridges,
        }))
    })
    .await
}
