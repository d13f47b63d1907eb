//! Records.
#![allow(clippy::unused_async, reason = "`#[Object]` takes asynchronous functions only")]

use async_graphql::dataloader::DataLoader;
use async_graphql::{Context, Object, SimpleObject};
use serde_json::Value;
use skerry_gateway::filter;
use skerry_gateway::types::{Comparison, Condition, FilterNode, Request, Scalar};
use skerry_sync::{ProjectName, RecordKey};

use super::graph::Way;
use super::links::Link;
use super::loader::{Loads, Near};
use super::{Place, page};
use crate::body::RecordBody;
use crate::convert;
use crate::node::Node;
use crate::problem::Problem;

/// The unit of context.
#[derive(Debug, Clone)]
pub(super) struct Record(pub(super) RecordBody);

impl From<skerry_sync::Record> for Record {
    fn from(record: skerry_sync::Record) -> Self {
        Record(record.into())
    }
}

/// The unit of context.
#[Object]
impl Record {
    /// Unique in the project.
    async fn key(&self) -> &str {
        &self.0.key
    }

    /// What is embedded and searched for keywords.
    async fn text(&self) -> &str {
        &self.0.text
    }

    /// Structured content; with a path (`a.b`), what stands there.
    async fn data(&self, path: Option<String>) -> Value {
        at(&self.0.data, path.as_deref())
    }

    /// About the record: source, author, time.
    async fn metadata(&self, path: Option<String>) -> Value {
        at(&self.0.metadata, path.as_deref())
    }

    /// Named contexts that it belongs to.
    async fn layers(&self) -> Vec<&String> {
        self.0.layers.iter().collect()
    }

    /// What is one step away, by name; walked both ways unless `direction` says otherwise.
    #[graphql(complexity = "super::cost(1, first, child_complexity)")]
    async fn neighbours(
        &self,
        context: &Context<'_>,
        #[graphql(default)] types: Vec<String>,
        #[graphql(default_with = "Way::Both")] direction: Way,
        #[graphql(default = 20)] first: usize,
    ) -> async_graphql::Result<Vec<super::graph::Node>> {
        let first = page(first)?;
        let near = Near { key: self.0.key.clone(), types, way: direction };
        let found = context.data::<DataLoader<Loads>>()?.load_one(near).await?.unwrap_or_default();
        Ok(found.into_iter().take(first).map(super::graph::Node).collect())
    }

    /// Links that it states, of this type.
    #[graphql(complexity = "super::cost(0, first, child_complexity)")]
    async fn links(
        &self,
        #[graphql(name = "type")] kind: Option<String>,
        #[graphql(default = 20)] first: usize,
    ) -> async_graphql::Result<Vec<Link>> {
        let links = self.0.links.iter().filter(|link| kind.as_ref().is_none_or(|kind| link.kind == *kind));
        Ok(links.take(page(first)?).map(|link| Link { stated_by: self.0.key.clone(), body: link.clone() }).collect())
    }
}

fn at(object: &serde_json::Map<String, Value>, path: Option<&str>) -> Value {
    let Some(path) = path else { return Value::Object(object.clone()) };
    let mut names = path.split('.');
    let first = names.next().and_then(|name| object.get(name));
    names.fold(first, |value, name| value.and_then(|value| value.get(name))).cloned().unwrap_or_default()
}

/// A page of records.
#[derive(Debug, SimpleObject)]
#[graphql(name = "RecordPage")]
pub(super) struct Records {
    /// In the order of their keys.
    nodes: Vec<Record>,
    /// `after` of the next page; null on the last.
    next: Option<String>,
}

/// Records behind a key, in the order of their keys, that pass a filter.
pub(super) async fn records(
    context: &Context<'_>,
    first: usize,
    after: Option<String>,
    filter: Option<Value>,
) -> async_graphql::Result<Records> {
    let first = page(first)?;
    let place = context.data::<Place>()?;
    place
        .run(move |node, project, _| {
            let after = after.as_deref().map(RecordKey::parse).transpose()?;
            match filter {
                None => {
                    let found = node.replica().scan(project, after.as_ref(), first)?;
                    let next = found.last().filter(|_| found.len() == first).map(|last| last.key.as_str().to_owned());
                    Ok(Records { nodes: found.into_iter().map(Record::from).collect(), next })
                }
                Some(filter) => filtered(node, project, first, after, filter::parse(&filter)?),
            }
        })
        .await
}

/// Hits of a query that is only a filter have one score, so they come in the order of their keys.
fn filtered(
    node: &Node,
    project: &ProjectName,
    first: usize,
    after: Option<RecordKey>,
    mut conditions: Vec<FilterNode>,
) -> Result<Records, Problem> {
    if let Some(after) = after {
        let value = Scalar::Text(after.as_str().to_owned());
        let behind = Condition { path: "key".to_owned(), comparison: Comparison::Greater(value) };
        conditions = filter::both(conditions, vec![FilterNode::Condition(behind)]);
    }
    let request = Request { k: first as u32, filter: conditions, ..Request::default() };
    let answered = node.index(project)?.query(node.sources(), &convert::request_to_wit(request))?;
    let keys = answered.response.hits.iter().map(|hit| RecordKey::parse(&hit.key)).collect::<Result<Vec<_>, _>>()?;
    let next = keys.last().filter(|_| keys.len() == first).map(|last| last.as_str().to_owned());
    let found = node.replica().get_many(project, &keys)?;
    Ok(Records { nodes: found.into_iter().flatten().map(Record::from).collect(), next })
}
