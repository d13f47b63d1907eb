//! Links with any number of members as a hypergraph.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use skerry_host::types::graph::Direction;
use skerry_host::types::{Aggregation, Dispersion, HypergraphStatistics, LineGraph, Orchid};
use skerry_host::{CallError, Cancel};
use skerry_sync::ProjectName;

use super::super::{project_name, while_wanted};
use super::curvature::{fraction, ordered};
use super::{invalid, within};
use crate::api::graph::{names, present, with_view};
use crate::body::geometry::{
    AggregationBody, DispersionBody, Fraction, HypergraphAnswer, HypergraphBody, HyperlinkBody, HypernodeBody, LinkSet,
    OrderBody,
};
use crate::body::{ExpansionBody, NodeName, SelectionBody};
use crate::extract::{JsonBody, PathParameters};
use crate::node::Node;
use crate::problem::Problem;

/// Links that are looked at, at most.
const LINKS_MAX: usize = 200_000;

/// Members of all of them at most.
const MEMBERS_MAX: usize = 2_000_000;

/// Rows of a list at most.
const LISTED_MAX: usize = 10_000;

/// Links of a component that are named.
const NAMED: usize = 100;

/// Nodes in the order of their names; links in the order of their ids.
struct Hypergraph {
    names: Vec<NodeName>,
    /// Id and type.
    links: Vec<(String, String)>,
    /// Of each link its members' positions, ascending.
    members: Vec<Vec<u32>>,
}

/// A link's type and the numbers of its members.
type Found = BTreeMap<String, (String, BTreeSet<u32>)>;

impl Hypergraph {
    fn read(
        node: &Node,
        project: &ProjectName,
        selection: &SelectionBody,
        cancel: &Cancel,
    ) -> Result<Hypergraph, Problem> {
        // An unknown project must not get a graph.
        node.replica().sequence(project)?;
        let selection = SelectionBody { direction: None, expansion: ExpansionBody::Clique, ..selection.clone() };
        node.graph(project).with(|graph| {
            with_view(graph, &selection, Direction::Both, |graph, view| {
                let mut found = Found::new();
                let mut count = 0;
                for number in present(&graph.components(view, false)?) {
                    if cancel.is_cancelled() {
                        return Err(CallError::Cancelled.into());
                    }
                    for link in graph.incidence(view, number)? {
                        if found.contains_key(&link.id) {
                            continue;
                        }
                        let members: BTreeSet<u32> = link.members.into_iter().map(|(_, member)| member).collect();
                        count += members.len();
                        found.insert(link.id, (link.kind, members));
                        check_size(found.len(), count)?;
                    }
                }
                if found.is_empty() {
                    return Err(invalid(
                        "The selection has no links, so there is no hypergraph. Ask for other types or layers, or none.",
                    ));
                }
                let numbers: BTreeSet<u32> = found.values().flat_map(|(_, members)| members).copied().collect();
                let numbers: Vec<u32> = numbers.into_iter().collect();
                let named = names(graph, &numbers)?.into_iter().zip(numbers).collect();
                Ok(Hypergraph::numbered(named, found))
            })
        })
    }

    fn numbered(mut named: Vec<(NodeName, u32)>, found: Found) -> Hypergraph {
        named.sort_unstable();
        let position: BTreeMap<u32, u32> =
            named.iter().enumerate().map(|(position, (_, number))| (*number, position as u32)).collect();
        let (mut links, mut members) = (Vec::with_capacity(found.len()), Vec::with_capacity(found.len()));
        for (id, (kind, numbers)) in found {
            links.push((id, kind));
            let mut own: Vec<u32> = numbers.iter().filter_map(|number| position.get(number).copied()).collect();
            own.sort_unstable();
            members.push(own);
        }
        Hypergraph { names: named.into_iter().map(|(name, _)| name).collect(), links, members }
    }

    fn id(&self, at: u32) -> Option<&String> {
        self.links.get(at as usize).map(|(id, _)| id)
    }
}

fn check_size(links: usize, members: usize) -> Result<(), Problem> {
    if links <= LINKS_MAX && members <= MEMBERS_MAX {
        return Ok(());
    }
    Err(invalid(format!(
        "The selection has more than {LINKS_MAX} links, or {MEMBERS_MAX} members. Ask for fewer types or layers."
    )))
}

/// Answers [`HypergraphBody`].
pub(crate) fn hypergraph_of(
    node: &Node,
    project: &ProjectName,
    body: &HypergraphBody,
    cancel: &Cancel,
) -> Result<HypergraphAnswer, Problem> {
    let limit = within("limit", body.limit.map(|limit| limit as usize), 100, LISTED_MAX)?;
    let s = within("s", body.s.map(|s| s as usize), 1, MEMBERS_MAX)? as u32;
    let graph = Hypergraph::read(node, project, &body.selection, cancel)?;
    let geometry = node.geometry()?.while_wanted(cancel);
    let nodes = graph.names.len() as u32;
    let dispersion = match body.dispersion {
        DispersionBody::UnweightedClique => Dispersion::UnweightedClique,
        DispersionBody::WeightedClique => Dispersion::WeightedClique,
        DispersionBody::UnweightedStar => Dispersion::UnweightedStar,
    };
    let aggregation = match body.aggregation {
        AggregationBody::Mean => Aggregation::Mean,
        AggregationBody::Max => Aggregation::Max,
    };
    let Fraction { numerator, denominator } = body.idleness.unwrap_or(Fraction::HALF);
    let statistics = geometry.hypergraph_statistics(nodes, &graph.members)?;
    let line = geometry.line_graph(nodes, &graph.members, s)?;
    let orchid = geometry.orchid(nodes, &graph.members, dispersion, aggregation, (numerator, denominator))?;
    let mut components: Vec<LinkSet> = line.components.iter().map(|links| link_set(&graph, links)).collect();
    components.sort_by(|a, b| b.size.cmp(&a.size).then_with(|| a.links.cmp(&b.links)));
    let component_count = components.len();
    components.truncate(limit);
    Ok(HypergraphAnswer {
        node_count: graph.names.len(),
        link_count: graph.links.len(),
        member_count: graph.members.iter().map(Vec::len).sum(),
        size_max: statistics.sizes.iter().copied().max().unwrap_or(0),
        degree_max: statistics.degrees.iter().copied().max().unwrap_or(0),
        density: statistics.density,
        clustering: statistics.clustering.iter().sum::<f64>() / statistics.clustering.len().max(1) as f64,
        links: link_bodies(&graph, &statistics, &line, &orchid, limit),
        nodes: node_bodies(&graph, &statistics, &orchid, limit),
        s,
        component_count,
        components,
    })
}

fn link_set(graph: &Hypergraph, links: &[u32]) -> LinkSet {
    let mut ids: Vec<String> = links.iter().filter_map(|link| graph.id(*link)).cloned().collect();
    ids.sort_unstable();
    ids.truncate(NAMED);
    LinkSet { size: links.len(), links: ids }
}

fn link_bodies(
    graph: &Hypergraph,
    statistics: &HypergraphStatistics,
    line: &LineGraph,
    orchid: &Orchid,
    limit: usize,
) -> Vec<HyperlinkBody> {
    let curvature: Vec<f64> = orchid.edges.iter().map(|ratio| ratio.value).collect();
    let link = |at: usize| {
        let (id, kind) = graph.links.get(at)?.clone();
        let members = graph.members.get(at)?.iter().filter_map(|member| graph.names.get(*member as usize));
        let ratio = orchid.edges.get(at)?;
        Some(HyperlinkBody {
            id,
            kind,
            members: members.cloned().collect(),
            curvature: ratio.value,
            fraction: fraction(ratio),
            forman: statistics.forman.get(at).copied()?,
            betweenness: line.betweenness.get(at).copied()?,
        })
    };
    ordered(&curvature, OrderBody::Least, limit).into_iter().filter_map(link).collect()
}

fn node_bodies(
    graph: &Hypergraph,
    statistics: &HypergraphStatistics,
    orchid: &Orchid,
    limit: usize,
) -> Vec<HypernodeBody> {
    let node = |at: usize| {
        Some(HypernodeBody {
            node: graph.names.get(at).cloned()?,
            degree: statistics.degrees.get(at).copied()?,
            clustering: statistics.clustering.get(at).copied()?,
            curvature: orchid.nodes.get(at).copied()?,
        })
    };
    ordered(&orchid.nodes, OrderBody::Least, limit).into_iter().filter_map(node).collect()
}

/// The selection's links as a hypergraph: statistics, Forman and ORCHID curvature, components over shared members.
#[utoipa::path(post, path = "/projects/{project}/geometry/hypergraph", tag = "geometry",
    params(("project" = String, Path)), request_body = HypergraphBody, responses((status = 200, body = HypergraphAnswer),
    (status = 400, description = "urn:skerry:problem:invalid-query: a type or layer that there is not"),
    (status = 404, description = "urn:skerry:problem:unknown-project"),
    (status = 422, description = "urn:skerry:problem:invalid-geometry: no links, or more than 1,000 neighbours of a node")))]
pub(in crate::api) async fn hypergraph(
    State(node): State<Arc<Node>>,
    PathParameters(project): PathParameters<String>,
    JsonBody(body): JsonBody<HypergraphBody>,
) -> Result<Json<HypergraphAnswer>, Problem> {
    while_wanted(move |cancel| hypergraph_of(&node, &project_name(&project)?, &body, cancel).map(Json)).await
}
