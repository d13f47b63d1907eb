//! Walks over the graph.

use async_graphql::dataloader::DataLoader;
use async_graphql::{Context, Enum, InputObject, Object, SimpleObject};
use skerry_host::types::graph::Direction;

use super::loader::{ByKey, Loads};
use super::records::Record;
use super::{Place, WALK_COST, page};
use crate::api::graph as api;
use crate::body::{DirectionBody, ExpansionBody, LayerSetBody, Moment, NodeName, SelectionBody};
use crate::clock;
use crate::problem::Problem;

/// A node of the graph: a record, there or not (yet), or a link.
#[derive(Debug, Clone)]
pub(super) struct Node(pub(super) NodeName);

/// A node of the graph: a record, there or not (yet), or a link.
#[Object]
impl Node {
    /// The record's key.
    async fn key(&self) -> Option<&String> {
        match &self.0 {
            NodeName::Key(key) => Some(key),
            NodeName::Link(_) => None,
        }
    }

    /// The link's id.
    async fn link(&self) -> Option<&String> {
        match &self.0 {
            NodeName::Link(id) => Some(id),
            NodeName::Key(_) => None,
        }
    }

    /// The record; null for a link, and when it is not there.
    async fn record(&self, context: &Context<'_>) -> async_graphql::Result<Option<Record>> {
        let NodeName::Key(key) = &self.0 else { return Ok(None) };
        context.data::<DataLoader<Loads>>()?.load_one(ByKey(key.clone())).await
    }
}

/// Which way links of two members are walked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Enum)]
#[graphql(name = "Direction")]
pub(super) enum Way {
    /// From the first member to the second.
    Forward,
    /// From the second to the first.
    Backward,
    /// Both ways.
    Both,
}

impl From<Way> for DirectionBody {
    fn from(way: Way) -> Self {
        match way {
            Way::Forward => DirectionBody::Forward,
            Way::Backward => DirectionBody::Backward,
            Way::Both => DirectionBody::Both,
        }
    }
}

/// The part of the graph that is looked at, and how.
#[derive(Debug, Clone, Default, InputObject)]
pub(super) struct Selection {
    #[graphql(default)]
    types: Vec<String>,
    /// A layer or a set of layers, as in docs/graph-api.md.
    layers: Option<serde_json::Value>,
    /// RFC 3339.
    at: Option<String>,
    direction: Option<Way>,
    /// Links are nodes between their members.
    #[graphql(default)]
    star: bool,
}

impl Selection {
    fn body(self) -> Result<SelectionBody, Problem> {
        let layers =
            self.layers.as_ref().map(LayerSetBody::read).transpose().map_err(|reason| api::invalid(reason + "."))?;
        let at = self.at.map(|text| {
            clock::parse_ms(&text)
                .map(Moment)
                .ok_or_else(|| api::invalid(format!("`{text}` is not a moment (RFC 3339).")))
        });
        let direction = self.direction.map(DirectionBody::from);
        let expansion = if self.star { ExpansionBody::Star } else { ExpansionBody::Clique };
        Ok(SelectionBody { types: self.types, layers, at: at.transpose()?, direction, expansion })
    }
}

/// A node that a walk came to.
#[derive(Debug, SimpleObject)]
pub(super) struct Reached {
    node: Node,
    /// Steps from the nearest start.
    distance: u32,
    /// The node before it; null for a start.
    before: Option<Node>,
}

/// A shortest path.
#[derive(Debug, SimpleObject)]
#[graphql(name = "Path")]
pub(super) struct FoundPath {
    nodes: Vec<Node>,
    /// The id of the link of each step.
    links: Vec<String>,
    cost: f64,
}

/// What fits a pattern.
#[derive(Debug, SimpleObject)]
pub(super) struct Matches {
    variables: Vec<String>,
    rows: Vec<Vec<Node>>,
    /// There are no others.
    complete: bool,
}

/// How central a node is.
#[derive(Debug, SimpleObject)]
pub(super) struct Central {
    node: Node,
    score: f64,
}

/// The links as a graph.
#[derive(Debug, Clone, Copy)]
pub(super) struct Graph;

/// The links as a graph. Nodes are given by their keys.
#[Object]
impl Graph {
    /// What is within some steps of records, nearest first.
    #[graphql(complexity = "super::cost(WALK_COST, first, child_complexity)")]
    async fn reach(
        &self,
        context: &Context<'_>,
        from: Vec<String>,
        #[graphql(default = 1)] hops: u32,
        #[graphql(default = 100)] first: usize,
        #[graphql(default)] selection: Selection,
    ) -> async_graphql::Result<Vec<Reached>> {
        let first = page(first)?;
        asked(context, move |graph| {
            let starts = api::find(graph, &from.into_iter().map(NodeName::Key).collect::<Vec<_>>())?;
            let answer = api::with_view(graph, &selection.body()?, Direction::Both, |graph, view| {
                api::walk(graph, view, &starts, hops, first as u32)
            })?;
            let reached = |one: crate::body::ReachedBody| Reached {
                node: Node(one.node),
                distance: one.distance,
                before: one.before.map(Node),
            };
            Ok(answer.nodes.into_iter().map(reached).collect())
        })
        .await
    }

    /// A shortest path, counted in steps; null when there is none.
    #[graphql(complexity = "super::cost(WALK_COST, 10, child_complexity)")]
    async fn path(
        &self,
        context: &Context<'_>,
        from: String,
        to: String,
        #[graphql(default)] selection: Selection,
    ) -> async_graphql::Result<Option<FoundPath>> {
        asked(context, move |graph| {
            let ends = api::find(graph, &[NodeName::Key(from), NodeName::Key(to)])?;
            let &[from, to] = ends.as_slice() else { return Err(Problem::internal(&"two ends were asked for")) };
            api::with_view(graph, &selection.body()?, Direction::Both, |graph, view| {
                let length = skerry_host::types::graph::Length::Hops;
                let Some(found) = graph.path(view, from, to, length)? else { return Ok(None) };
                let nodes = api::names(graph, &found.nodes)?.into_iter().map(Node).collect();
                Ok(Some(FoundPath { nodes, links: found.links, cost: found.cost }))
            })
        })
        .await
    }

    /// Everything that fits a pattern: `?a -[parent]-> ?b; ?b -[can-precede]-> CWE-79`.
    #[graphql(complexity = "super::cost(WALK_COST, first, child_complexity)")]
    async fn pattern(
        &self,
        context: &Context<'_>,
        pattern: String,
        #[graphql(default = 100)] first: usize,
        #[graphql(default)] offset: u32,
        #[graphql(default)] selection: Selection,
    ) -> async_graphql::Result<Matches> {
        let first = page(first)?;
        asked(context, move |graph| {
            let pattern = api::read(&pattern)?;
            let answer = api::matches(graph, pattern, &selection.body()?, offset, first as u32)?;
            let rows = answer.rows.into_iter().map(|row| row.into_iter().map(Node).collect()).collect();
            Ok(Matches { variables: answer.variables, rows, complete: answer.next_offset.is_none() })
        })
        .await
    }

    /// The most central nodes by PageRank (damping 0.85), restarting in some records.
    #[graphql(complexity = "super::cost(10 * WALK_COST, first, child_complexity)")]
    async fn page_rank(
        &self,
        context: &Context<'_>,
        #[graphql(default)] restart: Vec<String>,
        #[graphql(default = 20)] first: usize,
        #[graphql(default)] selection: Selection,
    ) -> async_graphql::Result<Vec<Central>> {
        let first = page(first)?;
        asked(context, move |graph| {
            let body = crate::body::CentralityBody {
                measure: crate::body::Measure::PageRank,
                pivots: None,
                damping: None,
                restart: restart.into_iter().map(NodeName::Key).collect(),
                selection: selection.body()?,
                of: Vec::new(),
                offset: 0,
                limit: None,
            };
            let answer = api::central(graph, body, first as u32)?;
            Ok(answer.nodes.into_iter().map(|one| Central { node: Node(one.node), score: one.score }).collect())
        })
        .await
    }
}

async fn asked<T: Send + 'static>(
    context: &Context<'_>,
    work: impl FnOnce(&mut skerry_host::GraphInstance) -> Result<T, Problem> + Send + 'static,
) -> async_graphql::Result<T> {
    let place = context.data::<Place>()?;
    place
        .run(move |node, project, _| {
            node.replica().sequence(project)?;
            node.graph(project).with(work)
        })
        .await
}
