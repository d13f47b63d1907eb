//! Walks over a project's links.

mod hierarchy;
mod matching;
mod measures;
mod nodes;

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use skerry_host::GraphInstance;
use skerry_host::types::graph::{Direction, Length, Step};

use super::blocking;
use super::project_name;
use crate::body::{
    FoundPath, IncidenceAnswer, IncidenceBody, IncidentBody, LengthBody, MetapathAnswer, MetapathBody, MetapathEnd,
    Neighbourhood, NeighboursAnswer, NeighboursBody, PathAnswer, PathBody, ReachAnswer, ReachBody, ReachedBody,
    RoleBody,
};
use crate::extract::{JsonBody, PathParameters};
use crate::node::Node;
use crate::problem::{Kind, Problem};
pub(crate) use hierarchy::*;
pub(crate) use matching::*;
pub(crate) use measures::*;
pub(crate) use nodes::{add_layers, find, names, present, sorted, with_view};

/// Nodes that a question names at most.
pub(crate) const NODES_MAX: usize = 1_000;

/// Nodes of a walk's answer at most, and when nothing is said.
pub(crate) const REACH_MAX: u32 = 100_000;
const REACH_DEFAULT: u32 = 1_000;

/// Rows of other answers at most, and when nothing is said.
pub(crate) const PAGE_MAX: u32 = 10_000;
const PAGE_DEFAULT: u32 = 100;

/// Steps of a metapath at most.
const STEPS_MAX: usize = 16;

/// Asks the project's graph, off the threads that serve connections.
pub(crate) async fn ask<T: Send + 'static>(
    node: Arc<Node>,
    project: String,
    work: impl FnOnce(&mut GraphInstance) -> Result<T, Problem> + Send + 'static,
) -> Result<Json<T>, Problem> {
    blocking(move || {
        let project = project_name(&project)?;
        // An unknown project must not get a graph.
        node.replica().sequence(&project)?;
        node.graph(&project).with(work).map(Json)
    })
    .await
}

pub(crate) fn limit(given: Option<u32>, default: u32, most: u32) -> Result<u32, Problem> {
    within("limit", given.unwrap_or(default), 1, most)
}

pub(crate) fn within(name: &str, value: u32, least: u32, most: u32) -> Result<u32, Problem> {
    if (least..=most).contains(&value) {
        return Ok(value);
    }
    Err(invalid(format!("`{name}` is {value}; it goes from {least} to {most}.")))
}

pub(crate) fn invalid(detail: impl Into<String>) -> Problem {
    Problem::new(Kind::InvalidQuery, detail)
}

/// A page of a list, and the offset of the next.
pub(crate) fn page<T>(all: Vec<T>, offset: u32, limit: u32) -> (Vec<T>, Option<u32>) {
    let next = offset.saturating_add(limit);
    let more = all.len() > next as usize;
    let page = all.into_iter().skip(offset as usize).take(limit as usize).collect();
    (page, more.then_some(next))
}

/// What is one step away from each node.
#[utoipa::path(post, path = "/projects/{project}/graph/neighbours", tag = "graph", params(("project" = String, Path)),
    request_body = NeighboursBody, responses((status = 200, body = NeighboursAnswer),
    (status = 400, description = "urn:skerry:problem:invalid-query"),
    (status = 404, description = "urn:skerry:problem:unknown-project or unknown-record")))]
pub(super) async fn neighbours(
    State(node): State<Arc<Node>>,
    PathParameters(project): PathParameters<String>,
    JsonBody(body): JsonBody<NeighboursBody>,
) -> Result<Json<NeighboursAnswer>, Problem> {
    let most = limit(body.limit, REACH_DEFAULT, PAGE_MAX)?;
    ask(node, project, move |graph| {
        let of = find(graph, &body.of)?;
        with_view(graph, &body.selection, Direction::Both, |graph, view| {
            let mut nodes = Vec::with_capacity(of.len());
            for (name, number) in body.of.into_iter().zip(of) {
                let found = graph.neighbours(view, number)?;
                let degree = found.len();
                let mut neighbours = sorted(names(graph, &found)?);
                neighbours.truncate(most as usize);
                nodes.push(Neighbourhood { node: name, neighbours, degree });
            }
            Ok(NeighboursAnswer { nodes })
        })
    })
    .await
}

/// What is within some steps of nodes: their neighbourhood.
#[utoipa::path(post, path = "/projects/{project}/graph/reach", tag = "graph", params(("project" = String, Path)),
    request_body = ReachBody, responses((status = 200, body = ReachAnswer),
    (status = 400, description = "urn:skerry:problem:invalid-query"),
    (status = 404, description = "urn:skerry:problem:unknown-project or unknown-record")))]
pub(super) async fn reach(
    State(node): State<Arc<Node>>,
    PathParameters(project): PathParameters<String>,
    JsonBody(body): JsonBody<ReachBody>,
) -> Result<Json<ReachAnswer>, Problem> {
    let most = limit(body.limit, REACH_DEFAULT, REACH_MAX)?;
    ask(node, project, move |graph| {
        let starts = find(graph, &body.from)?;
        with_view(graph, &body.selection, Direction::Both, |graph, view| {
            walk(graph, view, &starts, body.hops.unwrap_or(1), most)
        })
    })
    .await
}

/// A walk with names. One node more than wanted tells whether there are others.
pub(crate) fn walk(
    graph: &mut GraphInstance,
    view: &skerry_host::View,
    starts: &[u32],
    hops: u32,
    most: u32,
) -> Result<ReachAnswer, Problem> {
    let mut reached = graph.reach(view, starts, hops, most + 1)?;
    let complete = reached.len() <= most as usize;
    reached.truncate(most as usize);
    let numbers: Vec<u32> = reached.iter().map(|reached| reached.node).collect();
    let befores: Vec<u32> = reached.iter().filter_map(|reached| reached.before).collect();
    let (found, mut before) = (names(graph, &numbers)?, names(graph, &befores)?.into_iter());
    let nodes = reached.into_iter().zip(found).map(|(reached, node)| ReachedBody {
        node,
        distance: reached.distance,
        before: reached.before.and_then(|_| before.next()),
    });
    Ok(ReachAnswer { nodes: nodes.collect(), complete })
}

/// A shortest path between two nodes; of equal ones always the same.
#[utoipa::path(post, path = "/projects/{project}/graph/path", tag = "graph", params(("project" = String, Path)),
    request_body = PathBody, responses((status = 200, body = PathAnswer),
    (status = 400, description = "urn:skerry:problem:invalid-query: also for a weight that is no length"),
    (status = 404, description = "urn:skerry:problem:unknown-project or unknown-record")))]
pub(super) async fn path(
    State(node): State<Arc<Node>>,
    PathParameters(project): PathParameters<String>,
    JsonBody(body): JsonBody<PathBody>,
) -> Result<Json<PathAnswer>, Problem> {
    ask(node, project, move |graph| {
        let ends = find(graph, &[body.from, body.to])?;
        let &[from, to] = ends.as_slice() else { return Err(Problem::internal(&"two ends were asked for")) };
        let length = match body.length {
            LengthBody::Hops => Length::Hops,
            LengthBody::Weight => Length::Weight,
            LengthBody::Reciprocal => Length::Reciprocal,
        };
        with_view(graph, &body.selection, Direction::Both, |graph, view| {
            let Some(found) = graph.path(view, from, to, length)? else { return Ok(PathAnswer { path: None }) };
            let nodes = names(graph, &found.nodes)?;
            Ok(PathAnswer { path: Some(FoundPath { nodes, links: found.links, cost: found.cost }) })
        })
    })
    .await
}

/// The links that a node is a member of, with all their members.
#[utoipa::path(post, path = "/projects/{project}/graph/incidence", tag = "graph", params(("project" = String, Path)),
    request_body = IncidenceBody, responses((status = 200, body = IncidenceAnswer),
    (status = 400, description = "urn:skerry:problem:invalid-query"),
    (status = 404, description = "urn:skerry:problem:unknown-project or unknown-record")))]
pub(super) async fn incidence(
    State(node): State<Arc<Node>>,
    PathParameters(project): PathParameters<String>,
    JsonBody(body): JsonBody<IncidenceBody>,
) -> Result<Json<IncidenceAnswer>, Problem> {
    let most = limit(body.limit, PAGE_DEFAULT, PAGE_MAX)?;
    ask(node, project, move |graph| {
        let of = find(graph, std::slice::from_ref(&body.of))?;
        let &[of] = of.as_slice() else { return Err(Problem::internal(&"one node was asked for")) };
        with_view(graph, &body.selection, Direction::Both, |graph, view| {
            let (found, next_offset) = page(graph.incidence(view, of)?, body.offset, most);
            let members: Vec<u32> = found.iter().flat_map(|link| &link.members).map(|(_, node)| *node).collect();
            let mut named = names(graph, &members)?.into_iter();
            let links = found.into_iter().map(|link| IncidentBody {
                id: link.id,
                kind: link.kind,
                roles: link.roles,
                members: link
                    .members
                    .into_iter()
                    .zip(&mut named)
                    .map(|((role, _), node)| RoleBody { role, node })
                    .collect(),
                weight: link.weight,
            });
            Ok(IncidenceAnswer { links: links.collect(), next_offset })
        })
    })
    .await
}

/// Where a sequence of typed steps leads, and along how many paths.
#[utoipa::path(post, path = "/projects/{project}/graph/metapath", tag = "graph", params(("project" = String, Path)),
    request_body = MetapathBody, responses((status = 200, body = MetapathAnswer),
    (status = 400, description = "urn:skerry:problem:invalid-query"),
    (status = 404, description = "urn:skerry:problem:unknown-project or unknown-record")))]
pub(super) async fn metapath(
    State(node): State<Arc<Node>>,
    PathParameters(project): PathParameters<String>,
    JsonBody(body): JsonBody<MetapathBody>,
) -> Result<Json<MetapathAnswer>, Problem> {
    let most = limit(body.limit, PAGE_DEFAULT, PAGE_MAX)?;
    if !(1..=STEPS_MAX).contains(&body.steps.len()) {
        return Err(invalid(format!("`steps` has {} steps; it has 1 to {STEPS_MAX}.", body.steps.len())));
    }
    ask(node, project, move |graph| {
        let from = find(graph, std::slice::from_ref(&body.from))?;
        let &[from] = from.as_slice() else { return Err(Problem::internal(&"one node was asked for")) };
        let step = |step: crate::body::StepBody| Step {
            types: step.types,
            direction: nodes::direction(step.direction, Direction::Forward),
        };
        let steps: Vec<Step> = body.steps.into_iter().map(step).collect();
        with_view(graph, &body.selection, Direction::Both, |graph, view| {
            let (found, next_offset) = page(graph.metapath(view, from, &steps)?, body.offset, most);
            let numbers: Vec<u32> = found.iter().map(|(node, _)| *node).collect();
            let ends = names(graph, &numbers)?.into_iter().zip(found);
            let nodes = ends.map(|(node, (_, paths))| MetapathEnd { node, paths }).collect();
            Ok(MetapathAnswer { nodes, next_offset })
        })
    })
    .await
}
