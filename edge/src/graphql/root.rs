//! Where queries begin.

use async_graphql::dataloader::DataLoader;
use async_graphql::{Context, Object, SimpleObject};
use serde_json::Value;

use super::geometry::Geometry;
use super::graph::Graph;
use super::links::{Links, links};
use super::loader::{ByKey, Loads};
use super::records::{Record, Records, records};
use super::search::{Found, SearchInput, search};
use super::{Place, SEARCH_COST};
use crate::body::LayerBody;
use crate::problem::Problem;

/// Where queries begin.
#[derive(Debug, Clone, Copy)]
pub(super) struct Query;

/// A namespace of records.
#[derive(Debug, SimpleObject)]
pub(super) struct Project {
    name: String,
    description: String,
    /// Records in it.
    records: u64,
    /// The same on every replica that holds the same changes.
    version: String,
    /// Where this node's feed ends, for `changes(since:)`.
    position: async_graphql::ID,
}

/// A named context.
#[derive(Debug, SimpleObject)]
pub(super) struct Layer {
    name: String,
    /// Records in it, with those in layers that it inherits from.
    records: u32,
    /// Links in it.
    links: u32,
    /// What the project declares about it, as GET /layers/{name}; null when it is only named.
    declaration: Option<Value>,
}

/// Where queries begin.
#[Object]
impl Query {
    /// The project.
    async fn project(&self, context: &Context<'_>) -> async_graphql::Result<Project> {
        context
            .data::<Place>()?
            .run(|node, project, _| {
                let info = node.replica().project(project)?;
                Ok(Project {
                    name: info.name.as_str().to_owned(),
                    description: info.description,
                    records: info.records,
                    version: node.replica().version(project)?.to_string(),
                    position: node.replica().sequence(project)?.to_string().into(),
                })
            })
            .await
    }

    /// A record; null when there is none with this key.
    async fn record(&self, context: &Context<'_>, key: String) -> async_graphql::Result<Option<Record>> {
        context.data::<DataLoader<Loads>>()?.load_one(ByKey(key)).await
    }

    /// Records in the order of their keys; `filter` as in POST /query.
    #[graphql(complexity = "super::cost(0, first, child_complexity)")]
    async fn records(
        &self,
        context: &Context<'_>,
        #[graphql(default = 20)] first: usize,
        #[graphql(desc = "`next` of the page before")] after: Option<String>,
        filter: Option<Value>,
    ) -> async_graphql::Result<Records> {
        records(context, first, after, filter).await
    }

    /// Links, whoever states them; one stated by two records stands here twice.
    #[graphql(complexity = "super::cost(0, first, child_complexity)")]
    async fn links(
        &self,
        context: &Context<'_>,
        #[graphql(name = "type")] kind: Option<String>,
        #[graphql(default = 20)] first: usize,
        #[graphql(desc = "`next` of the page before")] after: Option<String>,
    ) -> async_graphql::Result<Links> {
        links(context, kind, first, after).await
    }

    /// The layers that are declared or named, with their records and links.
    #[graphql(complexity = "super::cost(SEARCH_COST, 100, child_complexity)")]
    async fn layers(&self, context: &Context<'_>) -> async_graphql::Result<Vec<Layer>> {
        let place = context.data::<Place>()?;
        place
            .run(|node, project, _| {
                let declared = node.replica().layers(project)?;
                let sizes = node.graph(project).with(|graph| Ok::<_, Problem>(graph.layer_sizes()?))?;
                let layer = |(name, records, links): (String, u32, u32)| {
                    let found = declared.iter().find(|layer| layer.name == name);
                    let body = found.and_then(|layer| serde_json::to_value(LayerBody::from(layer.clone())).ok());
                    Layer { name, records, links, declaration: body }
                };
                Ok(sizes.into_iter().map(layer).collect())
            })
            .await
    }

    /// The links as a graph.
    async fn graph(&self) -> Graph {
        Graph
    }

    /// Finds records by meaning, words and filters: POST /query.
    #[graphql(complexity = "super::cost(SEARCH_COST, k.clamp(0, 1000) as usize, child_complexity)")]
    async fn search(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "In the query language (docs/query-language.md)")] query: Option<String>,
        #[graphql(default = 10)] k: i32,
        #[graphql(default)] input: SearchInput,
    ) -> async_graphql::Result<Found> {
        search(context, query, k, input).await
    }

    /// Records on manifolds, and the curvature of the project's graph.
    async fn geometry(&self) -> Geometry {
        Geometry
    }
}
