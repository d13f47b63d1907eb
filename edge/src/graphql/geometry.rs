//! Geometry: what a question and its answer hold is what the paths under /geometry take and give, as JSON.

use async_graphql::{Context, Object};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use skerry_host::Cancel;
use skerry_sync::ProjectName;

use super::{GEOMETRY_COST, Place};
use crate::api::geometry::{anomalies, curvature, hypergraph, property};
use crate::extract::parse_json;
use crate::node::Node;
use crate::problem::Problem;

/// Records on manifolds and the curvature of the project's graph. Each field takes the body of the path of its name under
/// /geometry (docs/geometry.md, docs/geometry-graphs.md) and answers what that path answers.
#[derive(Debug, Clone, Copy)]
pub(super) struct Geometry;

/// Asks, with faults of the input as problems.
async fn ask<B: DeserializeOwned + Send + 'static, A: Serialize + Send + 'static>(
    context: &Context<'_>,
    input: Option<Value>,
    answer: impl FnOnce(&Node, &ProjectName, B, &Cancel) -> Result<A, Problem> + Send + 'static,
) -> async_graphql::Result<Value> {
    let text = input.unwrap_or_else(|| Value::Object(serde_json::Map::new())).to_string();
    let place = context.data::<Place>()?;
    place
        .run(move |node, project, cancel| {
            let body = parse_json(text.as_bytes())?;
            let found = answer(node, project, body, cancel)?;
            serde_json::to_value(found).map_err(|error| Problem::internal(&error))
        })
        .await
}

/// Records on manifolds and the curvature of the project's graph. Each field takes the body of the path of its name under
/// /geometry (docs/geometry.md, docs/geometry-graphs.md) and answers what that path answers.
#[Object]
impl Geometry {
    /// Curvature of the edges of the project's graph.
    #[graphql(complexity = "GEOMETRY_COST")]
    async fn curvature(&self, context: &Context<'_>, input: Option<Value>) -> async_graphql::Result<Value> {
        ask(context, input, |node, project, body, cancel| curvature::curvature_of(node, project, &body, cancel)).await
    }

    /// Communities by Ricci flow.
    #[graphql(complexity = "GEOMETRY_COST")]
    async fn communities(&self, context: &Context<'_>, input: Option<Value>) -> async_graphql::Result<Value> {
        ask(context, input, |node, project, body, cancel| curvature::communities_of(node, project, &body, cancel)).await
    }

    /// Links with any number of members.
    #[graphql(complexity = "GEOMETRY_COST")]
    async fn hypergraph(&self, context: &Context<'_>, input: Option<Value>) -> async_graphql::Result<Value> {
        ask(context, input, |node, project, body, cancel| hypergraph::hypergraph_of(node, project, &body, cancel)).await
    }

    /// Links and records that are unlike the rest.
    #[graphql(complexity = "GEOMETRY_COST")]
    async fn anomalies(&self, context: &Context<'_>, input: Option<Value>) -> async_graphql::Result<Value> {
        ask(context, input, |node, project, body, cancel| anomalies::anomalies_of(node, project, &body, cancel)).await
    }

    /// Geodesic distances, by a chart.
    #[graphql(complexity = "GEOMETRY_COST")]
    async fn distances(&self, context: &Context<'_>, input: Value) -> async_graphql::Result<Value> {
        ask(context, Some(input), |node, project, body, _| property::distances_of(node, project, body)).await
    }

    /// The nearest records, by a chart.
    #[graphql(complexity = "GEOMETRY_COST")]
    async fn neighbours(&self, context: &Context<'_>, input: Value) -> async_graphql::Result<Value> {
        ask(context, Some(input), |node, project, body, _| property::neighbours_of(node, project, body)).await
    }

    /// The Frechet mean of records, by a chart.
    #[graphql(complexity = "GEOMETRY_COST")]
    async fn mean(&self, context: &Context<'_>, input: Value) -> async_graphql::Result<Value> {
        ask(context, Some(input), |node, project, body, _| property::mean_of(node, project, body)).await
    }

    /// Records that lie far out, by a chart.
    #[graphql(complexity = "GEOMETRY_COST")]
    async fn outliers(&self, context: &Context<'_>, input: Value) -> async_graphql::Result<Value> {
        ask(context, Some(input), |node, project, body, _| property::outliers_of(node, project, body)).await
    }
}
