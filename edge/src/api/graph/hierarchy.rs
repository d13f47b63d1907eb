//! The hierarchy: what stands above and below.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use skerry_host::types::graph::Direction;
use skerry_sync::PARENT;

use super::{REACH_DEFAULT, REACH_MAX, ask, find, invalid, limit, names, page, sorted, walk, with_view};
use crate::body::{
    CyclesAnswer, DepthAnswer, DepthBody, DirectionBody, HierarchyBody, NodesAnswer, ReachAnswer, SelectionBody,
};
use crate::extract::{JsonBody, PathParameters};
use crate::node::Node;
use crate::problem::Problem;

/// Everything above nodes, nearest first, the nodes themselves at distance 0. Circles end the walk.
#[utoipa::path(post, path = "/projects/{project}/graph/ancestors", tag = "graph", params(("project" = String, Path)),
    request_body = HierarchyBody, responses((status = 200, body = ReachAnswer),
    (status = 404, description = "urn:skerry:problem:unknown-project or unknown-record")))]
pub(crate) async fn ancestors(
    node: State<Arc<Node>>,
    project: PathParameters<String>,
    JsonBody(body): JsonBody<HierarchyBody>,
) -> Result<Json<ReachAnswer>, Problem> {
    climb(node, project, body, DirectionBody::Forward).await
}

/// Everything below nodes: their subtrees, nearest first. `before` is the parent by which a node was reached.
#[utoipa::path(post, path = "/projects/{project}/graph/descendants", tag = "graph", params(("project" = String, Path)),
    request_body = HierarchyBody, responses((status = 200, body = ReachAnswer),
    (status = 404, description = "urn:skerry:problem:unknown-project or unknown-record")))]
pub(crate) async fn descendants(
    node: State<Arc<Node>>,
    project: PathParameters<String>,
    JsonBody(body): JsonBody<HierarchyBody>,
) -> Result<Json<ReachAnswer>, Problem> {
    climb(node, project, body, DirectionBody::Backward).await
}

async fn climb(
    State(node): State<Arc<Node>>,
    PathParameters(project): PathParameters<String>,
    body: HierarchyBody,
    direction: DirectionBody,
) -> Result<Json<ReachAnswer>, Problem> {
    let most = limit(body.limit, REACH_DEFAULT, REACH_MAX)?;
    let selection = along(body.selection, direction);
    ask(node, project, move |graph| {
        let starts = find(graph, &body.of)?;
        with_view(graph, &selection, Direction::Forward, |graph, view| {
            walk(graph, view, &starts, body.levels.unwrap_or(u32::MAX - 1), most)
        })
    })
    .await
}

/// A selection that goes up or down the hierarchy.
pub(crate) fn along(selection: SelectionBody, direction: DirectionBody) -> SelectionBody {
    let types = if selection.types.is_empty() { vec![PARENT.to_owned()] } else { selection.types };
    SelectionBody { types, direction: Some(direction), ..selection }
}

/// The nodes above all of these (or one of these itself) below which no other is: the lowest common ancestors. A tree has one; a
/// hierarchy with several parents may have more.
#[utoipa::path(post, path = "/projects/{project}/graph/common-ancestors", tag = "graph",
    params(("project" = String, Path)), request_body = HierarchyBody, responses((status = 200, body = NodesAnswer),
    (status = 404, description = "urn:skerry:problem:unknown-project or unknown-record")))]
pub(crate) async fn common_ancestors(
    State(node): State<Arc<Node>>,
    PathParameters(project): PathParameters<String>,
    JsonBody(body): JsonBody<HierarchyBody>,
) -> Result<Json<NodesAnswer>, Problem> {
    ask(node, project, move |graph| {
        let of = find(graph, &body.of)?;
        with_view(graph, &body.selection, Direction::Forward, |graph, view| {
            let found = graph.lowest_common_ancestors(view, &of)?;
            Ok(NodesAnswer { nodes: sorted(names(graph, &found)?), next_offset: None })
        })
    })
    .await
}

/// How many steps nodes are below the nearest root.
#[utoipa::path(post, path = "/projects/{project}/graph/depth", tag = "graph", params(("project" = String, Path)),
    request_body = HierarchyBody, responses((status = 200, body = DepthAnswer),
    (status = 404, description = "urn:skerry:problem:unknown-project or unknown-record")))]
pub(crate) async fn depth(
    State(node): State<Arc<Node>>,
    PathParameters(project): PathParameters<String>,
    JsonBody(body): JsonBody<HierarchyBody>,
) -> Result<Json<DepthAnswer>, Problem> {
    ask(node, project, move |graph| {
        let of = find(graph, &body.of)?;
        with_view(graph, &body.selection, Direction::Forward, |graph, view| {
            let mut nodes = Vec::with_capacity(of.len());
            for (node, number) in body.of.into_iter().zip(of) {
                nodes.push(DepthBody { node, depth: graph.depth(view, number)? });
            }
            Ok(DepthAnswer { nodes })
        })
    })
    .await
}

/// Nodes of the hierarchy without a parent, that are one.
#[utoipa::path(post, path = "/projects/{project}/graph/roots", tag = "graph", params(("project" = String, Path)),
    request_body = HierarchyBody, responses((status = 200, body = NodesAnswer),
    (status = 404, description = "urn:skerry:problem:unknown-project")))]
pub(crate) async fn roots(
    State(node): State<Arc<Node>>,
    PathParameters(project): PathParameters<String>,
    JsonBody(body): JsonBody<HierarchyBody>,
) -> Result<Json<NodesAnswer>, Problem> {
    let most = limit(body.limit, REACH_DEFAULT, REACH_MAX)?;
    check_nobody(&body)?;
    ask(node, project, move |graph| {
        with_view(graph, &body.selection, Direction::Forward, |graph, view| {
            let found = graph.roots(view)?;
            let (nodes, next_offset) = page(sorted(names(graph, &found)?), body.offset, most);
            Ok(NodesAnswer { nodes, next_offset })
        })
    })
    .await
}

/// Circles of the hierarchy, which two replicas can make together, each with a half. They end every walk, and are for people
/// to resolve.
#[utoipa::path(post, path = "/projects/{project}/graph/cycles", tag = "graph", params(("project" = String, Path)),
    request_body = HierarchyBody, responses((status = 200, body = CyclesAnswer),
    (status = 404, description = "urn:skerry:problem:unknown-project")))]
pub(crate) async fn cycles(
    State(node): State<Arc<Node>>,
    PathParameters(project): PathParameters<String>,
    JsonBody(body): JsonBody<HierarchyBody>,
) -> Result<Json<CyclesAnswer>, Problem> {
    let most = limit(body.limit, REACH_DEFAULT, REACH_MAX)?;
    check_nobody(&body)?;
    ask(node, project, move |graph| {
        with_view(graph, &body.selection, Direction::Forward, |graph, view| {
            let (found, next_offset) = page(graph.cycles(view)?, body.offset, most);
            let named = found.into_iter().map(|circle| Ok(sorted(names(graph, &circle)?)));
            Ok(CyclesAnswer { cycles: named.collect::<Result<_, Problem>>()?, next_offset })
        })
    })
    .await
}

fn check_nobody(body: &HierarchyBody) -> Result<(), Problem> {
    if body.of.is_empty() {
        return Ok(());
    }
    Err(invalid("This is about the whole hierarchy; leave `of` out."))
}
