//! What mutations take.

use std::collections::BTreeSet;

use async_graphql::InputObject;
use serde_json::{Map, Value};

use crate::body::{IntervalBody, LinkBody, MemberBody, Moment, RecordBody};
use crate::clock;
use crate::problem::{Kind, Problem};

/// A record to publish.
#[derive(Debug, InputObject)]
pub(super) struct RecordInput {
    /// Unique in the project.
    key: String,
    /// What is embedded and searched.
    #[graphql(default)]
    text: String,
    /// An object.
    data: Option<Value>,
    /// An object.
    metadata: Option<Value>,
    #[graphql(default)]
    layers: Vec<String>,
    #[graphql(default)]
    links: Vec<LinkInput>,
}

/// A link to state.
#[derive(Debug, InputObject)]
pub(super) struct LinkInput {
    #[graphql(name = "type")]
    kind: String,
    members: Vec<MemberInput>,
    #[graphql(default = 1.0)]
    weight: f64,
    #[graphql(default)]
    layers: Vec<String>,
    /// An object.
    qualifiers: Option<Value>,
    /// RFC 3339.
    valid_since: Option<String>,
    /// RFC 3339.
    valid_until: Option<String>,
}

/// A member: either `key` or `link`.
#[derive(Debug, InputObject)]
pub(super) struct MemberInput {
    role: String,
    key: Option<String>,
    link: Option<String>,
}

impl RecordInput {
    pub(super) fn into_body(self) -> Result<RecordBody, Problem> {
        let RecordInput { key, text, data, metadata, layers, links } = self;
        Ok(RecordBody {
            data: object(data, "data", &key)?,
            metadata: object(metadata, "metadata", &key)?,
            layers: layers.into_iter().collect::<BTreeSet<_>>(),
            links: links.into_iter().map(|link| link.into_body(&key)).collect::<Result<_, _>>()?,
            key,
            text,
        })
    }
}

impl LinkInput {
    fn into_body(self, record: &str) -> Result<LinkBody, Problem> {
        let moment = |text: Option<String>| {
            let parse = |text: String| {
                clock::parse_ms(&text).map(Moment).ok_or_else(|| {
                    invalid(record, &format!("`{text}` is not a moment; write it like 2026-11-21T08:30:00Z"))
                })
            };
            text.map(parse).transpose()
        };
        let member = |member: MemberInput| MemberBody { role: member.role, key: member.key, link: member.link };
        Ok(LinkBody {
            members: self.members.into_iter().map(member).collect(),
            kind: self.kind,
            weight: self.weight,
            layers: self.layers.into_iter().collect(),
            qualifiers: object(self.qualifiers, "qualifiers", record)?,
            valid: IntervalBody { since: moment(self.valid_since)?, until: moment(self.valid_until)? },
        })
    }
}

fn object(value: Option<Value>, name: &str, record: &str) -> Result<Map<String, Value>, Problem> {
    match value {
        None | Some(Value::Null) => Ok(Map::new()),
        Some(Value::Object(object)) => Ok(object),
        Some(_) => Err(invalid(record, &format!("`{name}` is not an object"))),
    }
}

fn invalid(record: &str, reason: &str) -> Problem {
    let shown: String = record.chars().flat_map(char::escape_default).take(80).collect();
    Problem::new(Kind::InvalidRecord, format!("Record `{shown}`: {reason}. Nothing of this request was stored."))
}
