//! Links and their members.

use async_graphql::dataloader::DataLoader;
use async_graphql::{Context, Object, SimpleObject};
use serde_json::Value;
use skerry_host::types::{Comparison, Condition, FilterNode, Request, Scalar};
use skerry_sync::RecordKey;

use super::loader::{ByKey, Loads};
use super::records::Record;
use super::{Place, page};
use crate::body::{LinkBody, MemberBody};

/// Records that are read at a time while links are looked for.
const READ: usize = 200;

/// A typed (hyper)edge.
#[derive(Debug, Clone)]
pub(super) struct Link {
    pub(super) stated_by: String,
    pub(super) body: LinkBody,
}

impl Link {
    fn id(&self) -> String {
        self.body.clone().into_link().map(|link| link.id()).unwrap_or_default()
    }
}

/// A typed (hyper)edge.
#[Object]
impl Link {
    /// The same for everybody who states this type and these members.
    #[graphql(name = "id")]
    async fn identity(&self) -> async_graphql::ID {
        self.id().into()
    }

    /// What it says, for instance `parent`.
    #[graphql(name = "type")]
    async fn kind(&self) -> &str {
        &self.body.kind
    }

    /// Who takes part.
    #[graphql(complexity = "super::cost(0, 4, child_complexity)")]
    async fn members(&self, role: Option<String>) -> Vec<Member> {
        let members = self.body.members.iter().filter(|member| role.as_ref().is_none_or(|role| member.role == *role));
        members.cloned().map(Member).collect()
    }

    /// Its strength.
    async fn weight(&self) -> f64 {
        self.body.weight
    }

    /// Layers that it belongs to; without any it is in those of the record that states it.
    async fn layers(&self) -> Vec<&String> {
        self.body.layers.iter().collect()
    }

    /// What is said about it.
    async fn qualifiers(&self) -> Value {
        Value::Object(self.body.qualifiers.clone())
    }

    /// Since when it holds, RFC 3339.
    async fn valid_since(&self) -> Option<String> {
        self.body.valid.since.and_then(|moment| crate::clock::format_exactly(moment.0))
    }

    /// The moment behind the last at which it holds, RFC 3339.
    async fn valid_until(&self) -> Option<String> {
        self.body.valid.until.and_then(|moment| crate::clock::format_exactly(moment.0))
    }

    /// The record that states it.
    async fn stated_by(&self, context: &Context<'_>) -> async_graphql::Result<Option<Record>> {
        context.data::<DataLoader<Loads>>()?.load_one(ByKey(self.stated_by.clone())).await
    }
}

/// Who takes part in a link.
#[derive(Debug, Clone)]
pub(super) struct Member(MemberBody);

/// Who takes part in a link: a record, or another link.
#[Object]
impl Member {
    /// The part that it plays.
    async fn role(&self) -> &str {
        &self.0.role
    }

    /// The record's key.
    async fn key(&self) -> Option<&String> {
        self.0.key.as_ref()
    }

    /// The other link's id.
    async fn link(&self) -> Option<&String> {
        self.0.link.as_ref()
    }

    /// The record; null when it is not there (yet), and for a link.
    async fn record(&self, context: &Context<'_>) -> async_graphql::Result<Option<Record>> {
        let Some(key) = &self.0.key else { return Ok(None) };
        context.data::<DataLoader<Loads>>()?.load_one(ByKey(key.clone())).await
    }
}

/// A page of links.
#[derive(Debug, SimpleObject)]
#[graphql(name = "LinkPage")]
pub(super) struct Links {
    /// In the order of the records that state them, each record's in the order of their ids.
    nodes: Vec<Link>,
    /// `after` of the next page; null on the last.
    next: Option<String>,
}

/// Links of a type, whoever states them.
pub(super) async fn links(
    context: &Context<'_>,
    kind: Option<String>,
    first: usize,
    after: Option<String>,
) -> async_graphql::Result<Links> {
    let first = page(first)?;
    let place = context.data::<Place>()?;
    place
        .run(move |node, project, cancel| {
            // A cursor is a link's id and the key of the record that states it.
            let passed = after.as_deref().and_then(|after| after.split_once(' '));
            let passed = passed.map(|(id, key)| (id.to_owned(), key.to_owned()));
            let mut from = None;
            let mut nodes: Vec<Link> = Vec::new();
            while nodes.len() < first && !cancel.is_cancelled() {
                let (records, last) = stating(node, project, kind.as_deref(), from.as_ref(), passed.as_ref())?;
                let links = records.into_iter().flat_map(|record| {
                    let key = record.key.as_str().to_owned();
                    let bodies = crate::body::RecordBody::from(record).links;
                    bodies.into_iter().map(move |body| Link { stated_by: key.clone(), body })
                });
                let wanted =
                    links.filter(|link| kind.as_ref().is_none_or(|kind| link.body.kind == *kind)).filter(|link| {
                        match &passed {
                            Some((id, key)) if link.stated_by == *key => link.id() > *id,
                            Some((_, key)) => link.stated_by > *key,
                            None => true,
                        }
                    });
                nodes.extend(wanted);
                match last {
                    Some(last) => from = Some(last),
                    None => break,
                }
            }
            let more = nodes.len() > first;
            nodes.truncate(first);
            let next = nodes.last().filter(|_| more || nodes.len() == first);
            let next = next.map(|link| format!("{} {}", link.id(), link.stated_by));
            Ok(Links { nodes, next })
        })
        .await
}

/// Records that state links of a type, from the cursor's on or behind a key, and where to go on.
fn stating(
    node: &crate::node::Node,
    project: &skerry_sync::ProjectName,
    kind: Option<&str>,
    behind: Option<&RecordKey>,
    passed: Option<&(String, String)>,
) -> Result<(Vec<skerry_sync::Record>, Option<RecordKey>), crate::problem::Problem> {
    let text = |text: &str| Scalar::Text(text.to_owned());
    let condition = |path: &str, comparison| FilterNode::Condition(Condition { path: path.to_owned(), comparison });
    let mut filter = vec![match kind {
        Some(kind) => condition("link.type", Comparison::OneOf(vec![text(kind)])),
        None => condition("link.type", Comparison::Exists),
    }];
    let place = match (behind, passed) {
        (Some(key), _) => Some(Comparison::Greater(text(key.as_str()))),
        (None, Some((_, key))) => Some(Comparison::GreaterOrEqual(text(key))),
        (None, None) => None,
    };
    if let Some(place) = place {
        filter.push(condition("key", place));
        filter.push(FilterNode::All(vec![0, 1]));
    }
    let request = Request { k: READ as u32, filter, ..Request::default() };
    let index = node.index(project)?;
    let hits = match index.query(node.sources(), &request) {
        Ok(answered) => answered.response.hits,
        // No record has a link.
        Err(crate::index::IndexError::Query(skerry_host::QueryError::UnknownField { .. })) => Vec::new(),
        Err(error) => return Err(error.into()),
    };
    let keys = hits.iter().map(|hit| RecordKey::parse(&hit.key)).collect::<Result<Vec<_>, _>>()?;
    let last = keys.last().filter(|_| keys.len() == READ).cloned();
    Ok((node.replica().get_many(project, &keys)?.into_iter().flatten().collect(), last))
}
