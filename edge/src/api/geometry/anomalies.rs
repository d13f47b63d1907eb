//! What stands out among the links and records of a project.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
#[cfg(feature = "plots")]
use axum::http::header;
#[cfg(feature = "plots")]
use axum::response::IntoResponse;
use skerry_host::types::graph::{Direction, Name};
use skerry_host::types::{Scale, Suspicion, Transport};
use skerry_host::{Cancel, CurvatureError, Geometry};
use skerry_sync::ProjectName;

use super::super::{project_name, while_wanted};
use super::curvature::{fraction, ordered};
#[cfg(feature = "plots")]
use super::plot::{Picture, Spot, draw};
use super::simple::Simple;
use super::within;
use crate::api::graph::with_view;
use crate::body::geometry::{
    AnomaliesAnswer, AnomaliesBody, AnomalousEdge, AnomalousNode, AnomalyScore, LeftOut, LinkBehind, OrderBody,
    ScoreBody,
};
use crate::body::{NodeName, SelectionBody};
use crate::extract::{JsonBody, PathParameters};
use crate::node::Node;
use crate::problem::Problem;

/// Rows of a list at most: the links behind each edge are looked up.
const LISTED_MAX: usize = 1_000;

/// Links behind an edge that are named.
const LINKS_NAMED: usize = 100;

/// Nodes times edges up to which betweenness is computed when nobody asked for it by name: some seconds.
const BETWEENNESS_UNASKED_MAX: u64 = 500_000_000;

/// Those that rows have when nobody says which.
const DEFAULT: [AnomalyScore; 5] = [
    AnomalyScore::LinLuYau,
    AnomalyScore::Balanced,
    AnomalyScore::Augmented,
    AnomalyScore::Betweenness,
    AnomalyScore::Jaccard,
];

/// Scores of one kind, in the order of edges and nodes.
#[derive(Default)]
struct Scores {
    edges: Vec<ScoreBody>,
    nodes: Vec<ScoreBody>,
}

/// The graph with all its scores.
struct Scored {
    graph: Simple,
    scores: BTreeMap<AnomalyScore, Scores>,
    /// Lin-Lu-Yau curvature where it was asked for: text and value.
    curvature: Vec<(String, f64)>,
    left_out: Vec<LeftOut>,
}

fn suspicion(score: AnomalyScore) -> Suspicion {
    match score {
        AnomalyScore::LinLuYau => Suspicion::LinLuYau,
        AnomalyScore::Balanced => Suspicion::Balanced,
        AnomalyScore::Augmented => Suspicion::Augmented,
        AnomalyScore::Plain => Suspicion::Plain,
        AnomalyScore::Betweenness => Suspicion::Betweenness,
        AnomalyScore::Jaccard => Suspicion::Jaccard,
    }
}

fn score(geometry: &Geometry, graph: &Simple, score: AnomalyScore) -> Result<Scores, CurvatureError> {
    let of = |scale| geometry.anomalies(graph.nodes(), &graph.edges, suspicion(score), scale);
    let (ranks, z) = (of(Scale::Rank)?, of(Scale::RobustZ)?);
    let both = |ranks: Vec<f64>, z: Vec<f64>| {
        ranks.into_iter().zip(z).map(|(percentile, robust_z)| ScoreBody { percentile, robust_z }).collect()
    };
    Ok(Scores { edges: both(ranks.edges, z.edges), nodes: both(ranks.nodes, z.nodes) })
}

/// Computes all scores that are wanted.
fn scored(node: &Node, project: &ProjectName, body: &AnomaliesBody, cancel: &Cancel) -> Result<Scored, Problem> {
    let graph = Simple::read(node, project, &body.selection)?;
    let geometry = node.geometry()?.while_wanted(cancel);
    let asked: BTreeSet<AnomalyScore> = body.scores.iter().flatten().copied().chain([body.by]).collect();
    let mut wanted = asked.clone();
    if body.scores.is_none() {
        wanted.extend(DEFAULT);
    }
    let work = graph.names.len() as u64 * graph.edges.len() as u64;
    let mut found = Scored { graph, scores: BTreeMap::new(), curvature: Vec::new(), left_out: Vec::new() };
    for kind in wanted {
        if kind == AnomalyScore::Betweenness && !asked.contains(&kind) && work > BETWEENNESS_UNASKED_MAX {
            let reason = format!(
                "nodes times edges are {work}; above {BETWEENNESS_UNASKED_MAX} it is computed only when `scores` names it"
            );
            found.left_out.push(LeftOut { score: kind, reason });
            continue;
        }
        let scores = score(&geometry, &found.graph, kind).map_err(|error| found.graph.named(error))?;
        found.scores.insert(kind, scores);
    }
    if found.scores.contains_key(&AnomalyScore::LinLuYau) {
        let graph = &found.graph;
        let curvature = geometry.transport_curvature(Transport::LinLuYau, graph.nodes(), &graph.edges);
        let curvature = curvature.map_err(|error| graph.named(error))?;
        found.curvature = curvature.iter().map(|ratio| (fraction(ratio), ratio.value)).collect();
    }
    Ok(found)
}

impl Scored {
    /// Positions of edges, the most suspicious first.
    fn edges_by(&self, by: AnomalyScore, limit: usize) -> Vec<usize> {
        let scores: Vec<f64> = self.of(by).iter().map(|score| score.robust_z).collect();
        ordered(&scores, OrderBody::Greatest, limit)
    }

    fn nodes_by(&self, by: AnomalyScore, limit: usize) -> Vec<usize> {
        let nodes = self.scores.get(&by).map(|scores| scores.nodes.as_slice()).unwrap_or_default();
        let scores: Vec<f64> = nodes.iter().map(|score| score.robust_z).collect();
        ordered(&scores, OrderBody::Greatest, limit)
    }

    /// Of all edges.
    fn of(&self, kind: AnomalyScore) -> &[ScoreBody] {
        self.scores.get(&kind).map(|scores| scores.edges.as_slice()).unwrap_or_default()
    }
}

/// The links between two nodes of a selection. They are looked up by name: the graph is not held while scores are computed, so
/// one that has gone meanwhile has no links.
fn links_behind(
    node: &Node,
    project: &ProjectName,
    selection: &SelectionBody,
    ends: &[[NodeName; 2]],
) -> Result<Vec<Vec<LinkBehind>>, Problem> {
    let selection = SelectionBody { direction: None, ..selection.clone() };
    let name = |name: &NodeName| match name {
        NodeName::Key(key) => Name::Key(key.clone()),
        NodeName::Link(id) => Name::Link(id.clone()),
    };
    node.graph(project).with(|graph| {
        with_view(graph, &selection, Direction::Both, |graph, view| {
            let mut behind = Vec::with_capacity(ends.len());
            for pair in ends {
                let found = graph.find(&[name(&pair[0]), name(&pair[1])])?;
                let &[Some(a), Some(b)] = found.as_slice() else {
                    behind.push(Vec::new());
                    continue;
                };
                // With star expansion one end is the link itself.
                let is_end = |id: &str| pair.iter().any(|end| matches!(end, NodeName::Link(link) if link == id));
                let links = graph.incidence(view, a)?.into_iter();
                let links = links.filter(|link| is_end(&link.id) || link.members.iter().any(|(_, node)| *node == b));
                let links = links.take(LINKS_NAMED).map(|link| LinkBehind { id: link.id, kind: link.kind });
                behind.push(links.collect());
            }
            Ok(behind)
        })
    })
}

/// Answers [`AnomaliesBody`].
pub(crate) fn anomalies_of(
    node: &Node,
    project: &ProjectName,
    body: &AnomaliesBody,
    cancel: &Cancel,
) -> Result<AnomaliesAnswer, Problem> {
    let limit = within("limit", body.limit.map(|limit| limit as usize), 20, LISTED_MAX)?;
    let found = scored(node, project, body, cancel)?;
    let graph = &found.graph;
    let positions = found.edges_by(body.by, limit);
    let ends: Vec<[NodeName; 2]> =
        positions.iter().filter_map(|at| graph.edges.get(*at).and_then(|edge| graph.ends(*edge))).collect();
    let behind = links_behind(node, project, &body.selection, &ends)?;
    let edges = positions.iter().zip(ends.into_iter().zip(behind)).map(|(at, (ends, links))| AnomalousEdge {
        ends,
        links,
        curvature: found.curvature.get(*at).map(|(text, _)| text.clone()),
        scores: found.scores.iter().filter_map(|(kind, all)| Some((*kind, *all.edges.get(*at)?))).collect(),
    });
    let degrees = graph.degrees();
    let nodes = found.nodes_by(body.by, limit).into_iter().filter_map(|at| {
        Some(AnomalousNode {
            node: graph.names.get(at)?.clone(),
            degree: degrees.get(at).copied()?,
            scores: found.scores.iter().filter_map(|(kind, all)| Some((*kind, *all.nodes.get(at)?))).collect(),
        })
    });
    Ok(AnomaliesAnswer {
        by: body.by,
        graph: graph.sizes(),
        edges: edges.collect(),
        nodes: nodes.collect(),
        left_out: found.left_out,
    })
}

/// The picture of [`AnomaliesBody`], as SVG.
#[cfg(feature = "plots")]
fn picture_of(node: &Node, project: &ProjectName, body: &AnomaliesBody, cancel: &Cancel) -> Result<String, Problem> {
    let limit = within("limit", body.limit.map(|limit| limit as usize), 20, LISTED_MAX)?;
    let mut found = scored(node, project, body, cancel)?;
    // What ranks against the first baseline that there is and that is another.
    let baselines = [AnomalyScore::Betweenness, AnomalyScore::Jaccard, AnomalyScore::LinLuYau];
    let against = baselines.into_iter().find(|kind| *kind != body.by && found.scores.contains_key(kind));
    let against = if let Some(against) = against {
        against
    } else {
        let other = if body.by == AnomalyScore::Jaccard { AnomalyScore::Balanced } else { AnomalyScore::Jaccard };
        let scores = score(&node.geometry()?.while_wanted(cancel), &found.graph, other);
        found.scores.insert(other, scores.map_err(|error| found.graph.named(error))?);
        other
    };
    let order = found.edges_by(body.by, usize::MAX);
    // People read curvature as curvature, everything else as deviations.
    let is_curvature = body.by == AnomalyScore::LinLuYau && !found.curvature.is_empty();
    let spot = |at: &usize| {
        let own = found.of(body.by).get(*at)?;
        let x = if is_curvature { found.curvature.get(*at)?.1 } else { own.robust_z };
        let [a, b] = found.graph.ends(*found.graph.edges.get(*at)?)?;
        let label = format!("{} — {}", a.as_str(), b.as_str());
        Some(Spot { x, y: found.of(against).get(*at)?.robust_z, score: own.robust_z, label })
    };
    let spots: Vec<Spot> = order.iter().filter_map(spot).collect();
    let sizes = found.graph.sizes();
    draw(&Picture {
        title: format!("{}: what stands out among {} edges of {} nodes", project.as_str(), sizes.edges, sizes.nodes),
        x: if is_curvature { "Lin-Lu-Yau curvature".to_owned() } else { format!("{} (robust z)", words(body.by)) },
        y: format!("{} (robust z)", words(against)),
        score: format!("{} (robust z)", words(body.by)),
        spots: &spots,
        shown: limit,
    })
}

#[cfg(feature = "plots")]
fn words(score: AnomalyScore) -> &'static str {
    match score {
        AnomalyScore::LinLuYau => "negative Lin-Lu-Yau curvature",
        AnomalyScore::Balanced => "negative balanced Forman curvature",
        AnomalyScore::Augmented => "negative augmented Forman curvature",
        AnomalyScore::Plain => "negative plain Forman curvature",
        AnomalyScore::Betweenness => "betweenness",
        AnomalyScore::Jaccard => "one minus Jaccard index",
    }
}

/// Links and records that are unlike the rest of the project's graph, with the baselines' scores beside.
///
/// A score is evidence, not a verdict. In trees and catalogues do not read much into any of them.
#[utoipa::path(post, path = "/projects/{project}/geometry/anomalies", tag = "geometry",
    params(("project" = String, Path)), request_body = AnomaliesBody, responses((status = 200, body = AnomaliesAnswer),
    (status = 400, description = "urn:skerry:problem:invalid-query: a type or layer that there is not"),
    (status = 404, description = "urn:skerry:problem:unknown-project"),
    (status = 422, description = "urn:skerry:problem:invalid-geometry: no edges, or more than the score allows")))]
pub(in crate::api) async fn anomalies(
    State(node): State<Arc<Node>>,
    PathParameters(project): PathParameters<String>,
    JsonBody(body): JsonBody<AnomaliesBody>,
) -> Result<Json<AnomaliesAnswer>, Problem> {
    while_wanted(move |cancel| anomalies_of(&node, &project_name(&project)?, &body, cancel).map(Json)).await
}

#[cfg(feature = "plots")]
/// What stands out, as a picture: the score that ranks against a baseline, and the first of the ranking.
#[utoipa::path(post, path = "/projects/{project}/geometry/anomalies/plot", tag = "geometry",
    params(("project" = String, Path)), request_body = AnomaliesBody,
    responses((status = 200, body = String, content_type = "image/svg+xml"),
    (status = 404, description = "urn:skerry:problem:unknown-project"),
    (status = 422, description = "urn:skerry:problem:invalid-geometry: as /geometry/anomalies")))]
pub(in crate::api) async fn plot(
    State(node): State<Arc<Node>>,
    PathParameters(project): PathParameters<String>,
    JsonBody(body): JsonBody<AnomaliesBody>,
) -> Result<impl IntoResponse, Problem> {
    let picture = while_wanted(move |cancel| picture_of(&node, &project_name(&project)?, &body, cancel)).await?;
    Ok(([(header::CONTENT_TYPE, "image/svg+xml")], picture))
}
