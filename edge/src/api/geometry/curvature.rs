//! Curvature of the edges of a project's graph, and communities by Ricci flow.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use skerry_host::types::{Forman, Ratio, Spread, Transport};
use skerry_host::{Cancel, Geometry};
use skerry_sync::ProjectName;

use super::super::{project_name, while_wanted};
use super::simple::Simple;
use super::{invalid, within};
use crate::body::geometry::{
    CommunitiesAnswer, CommunitiesBody, CommunityBody, CurvatureAnswer, CurvatureBody, CurvatureKind, EdgeCurvature,
    Fraction, NodeCurvature, OrderBody,
};
use crate::body::{LengthBody, NodeName};
use crate::extract::{JsonBody, PathParameters};
use crate::node::Node;
use crate::problem::Problem;

/// Edges of an answer at most.
const LISTED_MAX: usize = 100_000;

/// Steps of a flow at most: those that the component takes.
const STEPS_MAX: usize = 200;

/// The power that Ni, Lin, Luo and Gao (2019) use.
const POWER_DEFAULT: f64 = 2.0;

/// A curvature's values in the order of the edges.
#[derive(Default)]
struct Values {
    edges: Vec<f64>,
    fractions: Vec<String>,
    resistances: Vec<f64>,
    nodes: Vec<f64>,
}

/// A fraction as people write it.
pub(super) fn fraction(ratio: &Ratio) -> String {
    match ratio.denominator {
        1 => ratio.numerator.to_string(),
        denominator => format!("{}/{denominator}", ratio.numerator),
    }
}

fn spread(idleness: Option<Fraction>, power: Option<f64>) -> Spread {
    Spread { idleness: idleness.unwrap_or(Fraction::HALF).value(), power: power.unwrap_or(POWER_DEFAULT) }
}

/// Options that the kind has no meaning for are refused, so that nobody believes they counted.
fn check(body: &CurvatureBody) -> Result<(), Problem> {
    let ollivier = body.kind == CurvatureKind::Ollivier;
    if body.idleness.is_some() && !ollivier {
        return Err(invalid("`idleness` is for the kind `ollivier` only."));
    }
    if body.length != LengthBody::Hops && !ollivier {
        return Err(invalid(
            "`length` is for the kind `ollivier` only; `forman_plain` and `resistance` take `weighted`.",
        ));
    }
    if body.power.is_some() && body.length == LengthBody::Hops {
        return Err(invalid("`power` says how mass is spread by length; it needs `length`, `weight` or `reciprocal`."));
    }
    if body.weighted && !matches!(body.kind, CurvatureKind::FormanPlain | CurvatureKind::Resistance) {
        return Err(invalid(
            "`weighted` is for the kinds `forman_plain` and `resistance` only; `ollivier` takes `length`.",
        ));
    }
    Ok(())
}

fn definition(body: &CurvatureBody) -> &'static str {
    match (body.kind, body.length, body.weighted) {
        (CurvatureKind::LinLuYau, ..) => "Lin, Lu and Yau (2011), definition 1.1",
        (CurvatureKind::Ollivier, LengthBody::Hops, _) => "Ollivier (2009), definition 3",
        (CurvatureKind::Ollivier, ..) => {
            "Ollivier (2009), definition 3; shares by length as Ni, Lin, Luo and Gao (2019)"
        }
        (CurvatureKind::FormanPlain, _, false) => "Sreejith et al. (2016): 4 - deg - deg",
        (CurvatureKind::FormanPlain, _, true) => "Sreejith et al. (2016), with weights of edges",
        (CurvatureKind::FormanAugmented, ..) => "Samal et al. (2018): 4 - deg - deg + 3 triangles",
        (CurvatureKind::FormanBalanced, ..) => "Topping et al. (2022), definition 1",
        (CurvatureKind::Resistance, ..) => "Devriendt and Lambiotte (2022)",
    }
}

fn values(geometry: &Geometry, graph: &Simple, body: &CurvatureBody) -> Result<Values, Problem> {
    let (nodes, edges) = (graph.nodes(), graph.edges.as_slice());
    let exact = |kind| {
        let found = geometry.transport_curvature(kind, nodes, edges).map_err(|error| graph.named(error))?;
        let fractions = found.iter().map(fraction).collect();
        Ok(Values { edges: found.iter().map(|ratio| ratio.value).collect(), fractions, ..Values::default() })
    };
    let forman = |kind| {
        let found = geometry.forman_curvature(kind, nodes, edges).map_err(|error| graph.named(error))?;
        Ok(Values { edges: found, ..Values::default() })
    };
    match body.kind {
        CurvatureKind::LinLuYau => exact(Transport::LinLuYau),
        CurvatureKind::Ollivier if body.length == LengthBody::Hops => {
            let Fraction { numerator, denominator } = body.idleness.unwrap_or(Fraction::HALF);
            exact(Transport::Ollivier((numerator, denominator)))
        }
        CurvatureKind::Ollivier => {
            let (lengths, spread) = (graph.lengths(body.length), spread(body.idleness, body.power));
            let found = geometry.weighted_curvature(nodes, edges, &lengths, spread);
            Ok(Values { edges: found.map_err(|error| graph.named(error))?, ..Values::default() })
        }
        CurvatureKind::FormanPlain if body.weighted => {
            let found = geometry.weighted_forman(nodes, edges, &graph.weights, &[]);
            Ok(Values { edges: found.map_err(|error| graph.named(error))?, ..Values::default() })
        }
        CurvatureKind::FormanPlain => forman(Forman::Plain),
        CurvatureKind::FormanAugmented => forman(Forman::Augmented),
        CurvatureKind::FormanBalanced => forman(Forman::Balanced),
        CurvatureKind::Resistance => {
            let conductances = if body.weighted { graph.weights.as_slice() } else { &[] };
            let found = geometry.resistance_curvature(nodes, edges, conductances);
            let found = found.map_err(|error| graph.named(error))?;
            let (edges, nodes, resistances) = (found.edges, found.nodes, found.resistances);
            Ok(Values { edges, resistances, nodes, ..Values::default() })
        }
    }
}

/// Positions by value; equal ones stay in the order of their names.
pub(super) fn ordered(values: &[f64], order: OrderBody, limit: usize) -> Vec<usize> {
    let value = |at: &usize| values.get(*at).copied().unwrap_or(f64::NAN);
    let mut positions: Vec<usize> = (0..values.len()).collect();
    positions.sort_by(|a, b| match order {
        OrderBody::Least => value(a).total_cmp(&value(b)),
        OrderBody::Greatest => value(b).total_cmp(&value(a)),
    });
    positions.truncate(limit);
    positions
}

/// Answers [`CurvatureBody`].
pub(crate) fn curvature_of(
    node: &Node,
    project: &ProjectName,
    body: &CurvatureBody,
    cancel: &Cancel,
) -> Result<CurvatureAnswer, Problem> {
    let limit = within("limit", body.limit.map(|limit| limit as usize), 100, LISTED_MAX)?;
    check(body)?;
    let graph = Simple::read(node, project, &body.selection)?;
    let found = values(&node.geometry()?.while_wanted(cancel), &graph, body)?;
    let edge = |at: usize| {
        Some(EdgeCurvature {
            ends: graph.ends(*graph.edges.get(at)?)?,
            value: found.edges.get(at).copied()?,
            fraction: found.fractions.get(at).cloned(),
            resistance: found.resistances.get(at).copied(),
        })
    };
    let node =
        |at: usize| Some(NodeCurvature { node: graph.names.get(at).cloned()?, value: found.nodes.get(at).copied()? });
    Ok(CurvatureAnswer {
        kind: body.kind,
        definition: definition(body),
        graph: graph.sizes(),
        least: found.edges.iter().copied().fold(f64::INFINITY, f64::min),
        greatest: found.edges.iter().copied().fold(f64::NEG_INFINITY, f64::max),
        mean: found.edges.iter().sum::<f64>() / found.edges.len().max(1) as f64,
        edges: ordered(&found.edges, body.order, limit).into_iter().filter_map(edge).collect(),
        nodes: ordered(&found.nodes, body.order, limit).into_iter().filter_map(node).collect(),
    })
}

/// Answers [`CommunitiesBody`].
pub(crate) fn communities_of(
    node: &Node,
    project: &ProjectName,
    body: &CommunitiesBody,
    cancel: &Cancel,
) -> Result<CommunitiesAnswer, Problem> {
    let steps = within("steps", body.steps.map(|steps| steps as usize), 20, STEPS_MAX)? as u32;
    let graph = Simple::read(node, project, &body.selection)?;
    let geometry = node.geometry()?.while_wanted(cancel);
    let (lengths, spread) = (graph.lengths(body.length), spread(body.idleness, body.power));
    let found = geometry.ricci_flow(graph.nodes(), &graph.edges, &lengths, steps, spread);
    let found = found.map_err(|error| graph.named(error))?;
    let mut members: BTreeMap<u32, Vec<NodeName>> = BTreeMap::new();
    for (label, name) in found.labels.iter().zip(&graph.names) {
        members.entry(*label).or_default().push(name.clone());
    }
    let community = |members: Vec<NodeName>| CommunityBody { size: members.len(), members };
    let mut communities: Vec<CommunityBody> = members.into_values().map(community).collect();
    // Labels are by first members already.
    communities.sort_by_key(|community| std::cmp::Reverse(community.size));
    Ok(CommunitiesAnswer {
        graph: graph.sizes(),
        modularity: found.modularity,
        iterations: steps,
        cutoff: found.cutoff,
        communities,
    })
}

/// Discrete Ricci curvature of the edges of the project's graph.
///
/// Edges of different components know nothing of one another: a graph that is not connected has the curvature of its parts.
#[utoipa::path(post, path = "/projects/{project}/geometry/curvature", tag = "geometry",
    params(("project" = String, Path)), request_body = CurvatureBody, responses((status = 200, body = CurvatureAnswer),
    (status = 400, description = "urn:skerry:problem:invalid-query: a type or layer that there is not"),
    (status = 404, description = "urn:skerry:problem:unknown-project"),
    (status = 422, description = "urn:skerry:problem:invalid-geometry: no edges, more than the kind allows, a weight that is none")))]
pub(in crate::api) async fn curvature(
    State(node): State<Arc<Node>>,
    PathParameters(project): PathParameters<String>,
    JsonBody(body): JsonBody<CurvatureBody>,
) -> Result<Json<CurvatureAnswer>, Problem> {
    while_wanted(move |cancel| curvature_of(&node, &project_name(&project)?, &body, cancel).map(Json)).await
}

/// Communities by discrete Ricci flow (Ni, Lin, Luo and Gao, 2019). The same graph always gives the same.
#[utoipa::path(post, path = "/projects/{project}/geometry/communities", tag = "geometry",
    params(("project" = String, Path)), request_body = CommunitiesBody, responses((status = 200, body = CommunitiesAnswer),
    (status = 400, description = "urn:skerry:problem:invalid-query: a type or layer that there is not"),
    (status = 404, description = "urn:skerry:problem:unknown-project"),
    (status = 422, description = "urn:skerry:problem:invalid-geometry: no edges, above 2,000 nodes, a weight that is none")))]
pub(in crate::api) async fn communities(
    State(node): State<Arc<Node>>,
    PathParameters(project): PathParameters<String>,
    JsonBody(body): JsonBody<CommunitiesBody>,
) -> Result<Json<CommunitiesAnswer>, Problem> {
    while_wanted(move |cancel| communities_of(&node, &project_name(&project)?, &body, cancel).map(Json)).await
}
