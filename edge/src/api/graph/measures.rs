//! What is said of the graph as a whole: components, centralities, and its state.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use skerry_host::GraphInstance;
use skerry_host::types::graph::{Centrality, Direction};

use super::{PAGE_DEFAULT, PAGE_MAX, REACH_MAX, ask, find, invalid, limit, names, page, present, with_view, within};
use crate::body::{
    CentralNode, CentralityAnswer, CentralityBody, ComponentBody, ComponentsAnswer, ComponentsBody, DanglingBody,
    ExpansionBody, Measure, NodeName, ReportAnswer, ReportBody, SelectionBody,
};
use crate::extract::{JsonBody, PathParameters};
use crate::node::Node;
use crate::problem::Problem;

/// Nodes of a component that are named when the question does not say.
const NAMED_DEFAULT: u32 = 10;

/// PageRank's damping when the question does not say: that of Page et al. (1998).
const DAMPING_DEFAULT: f64 = 0.85;

/// Connected components: weakly, or along directions.
#[utoipa::path(post, path = "/projects/{project}/graph/components", tag = "graph", params(("project" = String, Path)),
    request_body = ComponentsBody, responses((status = 200, body = ComponentsAnswer),
    (status = 400, description = "urn:skerry:problem:invalid-query"),
    (status = 404, description = "urn:skerry:problem:unknown-project")))]
pub(crate) async fn components(
    State(node): State<Arc<Node>>,
    PathParameters(project): PathParameters<String>,
    JsonBody(body): JsonBody<ComponentsBody>,
) -> Result<Json<ComponentsAnswer>, Problem> {
    let most = limit(body.limit, PAGE_DEFAULT, PAGE_MAX)?;
    let named = within("nodes", body.nodes.unwrap_or(NAMED_DEFAULT), 0, PAGE_MAX)?;
    ask(node, project, move |graph| {
        // Strong components follow directions, so the view has to.
        let default = if body.strong { Direction::Forward } else { Direction::Both };
        with_view(graph, &body.selection, default, |graph, view| {
            let component_of = graph.components(view, body.strong)?;
            let all = everyone(graph, &component_of, &body.selection)?;
            let mut found: BTreeMap<u32, Vec<NodeName>> = BTreeMap::new();
            for (number, name) in all {
                if let Some(component) = component_of.get(number as usize) {
                    found.entry(*component).or_default().push(name);
                }
            }
            let mut found: Vec<Vec<NodeName>> = found.into_values().map(super::sorted).collect();
            found.sort_by(|a, b| b.len().cmp(&a.len()).then_with(|| a.first().cmp(&b.first())));
            let count = found.len();
            let (shown, next_offset) = page(found, body.offset, most);
            let component = |mut nodes: Vec<NodeName>| {
                let size = nodes.len();
                nodes.truncate(named as usize);
                ComponentBody { size, nodes }
            };
            Ok(ComponentsAnswer { count, components: shown.into_iter().map(component).collect(), next_offset })
        })
    })
    .await
}

/// How central nodes are: degree, strength, closeness, harmonic, betweenness, eigenvector, PageRank.
#[utoipa::path(post, path = "/projects/{project}/graph/centrality", tag = "graph", params(("project" = String, Path)),
    request_body = CentralityBody, responses((status = 200, body = CentralityAnswer),
    (status = 400, description = "urn:skerry:problem:invalid-query: also when it would take too many steps"),
    (status = 404, description = "urn:skerry:problem:unknown-project or unknown-record")))]
pub(crate) async fn centrality(
    State(node): State<Arc<Node>>,
    PathParameters(project): PathParameters<String>,
    JsonBody(body): JsonBody<CentralityBody>,
) -> Result<Json<CentralityAnswer>, Problem> {
    let most = limit(body.limit, PAGE_DEFAULT, REACH_MAX)?;
    ask(node, project, move |graph| central(graph, body, most)).await
}

/// The most central nodes.
pub(crate) fn central(graph: &mut GraphInstance, body: CentralityBody, most: u32) -> Result<CentralityAnswer, Problem> {
    check_options(&body)?;
    let restart = if body.restart.is_empty() { Vec::new() } else { find(graph, &body.restart)? };
    let of = if body.of.is_empty() { Vec::new() } else { find(graph, &body.of)? };
    let (what, default) = match body.measure {
        Measure::Degree => (Centrality::Degree, Direction::Both),
        Measure::Strength => (Centrality::Strength, Direction::Both),
        Measure::Closeness => (Centrality::Closeness, Direction::Both),
        Measure::Harmonic => (Centrality::Harmonic, Direction::Both),
        Measure::Betweenness => (Centrality::Betweenness(body.pivots), Direction::Both),
        Measure::Eigenvector => (Centrality::Eigenvector, Direction::Both),
        Measure::PageRank => {
            (Centrality::PageRank((body.damping.unwrap_or(DAMPING_DEFAULT), restart)), Direction::Forward)
        }
    };
    with_view(graph, &body.selection, default, |graph, view| {
        let scores = graph.centrality(view, &what)?;
        let score = |node: u32| scores.get(node as usize).copied().unwrap_or(0.0);
        if !of.is_empty() {
            let nodes = body.of.into_iter().zip(of);
            let nodes = nodes.map(|(node, number)| CentralNode { node, score: score(number) }).collect();
            return Ok(CentralityAnswer { nodes, next_offset: None });
        }
        let component_of = graph.components(view, false)?;
        let all = everyone(graph, &component_of, &body.selection)?;
        let mut nodes: Vec<CentralNode> =
            all.into_iter().map(|(number, node)| CentralNode { node, score: score(number) }).collect();
        nodes.sort_by(|a, b| b.score.total_cmp(&a.score).then_with(|| a.node.cmp(&b.node)));
        let (nodes, next_offset) = page(nodes, body.offset, most);
        Ok(CentralityAnswer { nodes, next_offset })
    })
}

fn check_options(body: &CentralityBody) -> Result<(), Problem> {
    if body.pivots.is_some() && body.measure != Measure::Betweenness {
        return Err(invalid("`pivots` is for `betweenness` only."));
    }
    if (body.damping.is_some() || !body.restart.is_empty()) && body.measure != Measure::PageRank {
        return Err(invalid("`damping` and `restart` are for `page_rank` only."));
    }
    Ok(())
}

/// The nodes that measures are about, in the order of their numbers: records, there or not, and where links are nodes, links.
fn everyone(
    graph: &mut GraphInstance,
    component_of: &[u32],
    selection: &SelectionBody,
) -> Result<Vec<(u32, NodeName)>, Problem> {
    // What was deleted keeps its number, and is in no view.
    let numbers: Vec<u32> = present(component_of).collect();
    let all = numbers.iter().copied().zip(names(graph, &numbers)?);
    let wanted = |name: &NodeName| match name {
        // A number that names nothing any more has an empty key.
        NodeName::Key(key) => !key.is_empty(),
        NodeName::Link(_) => selection.expansion == ExpansionBody::Star,
    };
    Ok(all.filter(|(_, name)| wanted(name)).collect())
}

/// The state of the graph: its sizes, members that are not there, and circles in the hierarchy.
#[utoipa::path(post, path = "/projects/{project}/graph/report", tag = "graph", params(("project" = String, Path)),
    request_body = ReportBody, responses((status = 200, body = ReportAnswer),
    (status = 404, description = "urn:skerry:problem:unknown-project")))]
pub(crate) async fn report(
    State(node): State<Arc<Node>>,
    PathParameters(project): PathParameters<String>,
    JsonBody(body): JsonBody<ReportBody>,
) -> Result<Json<ReportAnswer>, Problem> {
    let most = limit(body.limit, PAGE_DEFAULT, PAGE_MAX)?;
    ask(node, project, move |graph| {
        let sizes = graph.describe()?;
        let dangling = graph.dangling(body.offset, most)?;
        let numbers: Vec<u32> = dangling.iter().map(|(node, _)| *node).collect();
        let named = names(graph, &numbers)?.into_iter().zip(&dangling);
        let dangling: Vec<DanglingBody> =
            named.map(|(node, (_, links))| DanglingBody { node, links: *links }).collect();
        let next = body.offset.saturating_add(most);
        let cycles = with_view(graph, &SelectionBody::default(), Direction::Forward, |graph, view| {
            let circles = graph.cycles(view)?.into_iter().take(most as usize);
            circles.map(|circle| Ok(super::sorted(names(graph, &circle)?))).collect::<Result<Vec<_>, Problem>>()
        })?;
        Ok(ReportAnswer {
            records: sizes.records,
            links: sizes.links,
            members: sizes.members,
            layers: sizes.layers,
            bytes: sizes.bytes,
            dangling_count: sizes.dangling,
            next_offset: (next < sizes.dangling).then_some(next),
            dangling,
            cycles,
        })
    })
    .await
}
