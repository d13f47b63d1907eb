//! The JSON shapes of the API. The OpenAPI description is generated from these types.

mod duplicates;
mod erasure;
pub mod geometry;
mod graph;
mod hub;
mod layers;
mod plugins;
mod projects;
mod query;

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use skerry_sync::{Interval, Link, Member, Record, RecordKey, Target};
use utoipa::ToSchema;

use crate::clock;
use crate::problem::{Kind, Problem};
pub use duplicates::*;
pub use erasure::*;
pub use graph::*;
pub use hub::*;
pub use layers::*;
pub use plugins::*;
pub use projects::*;
pub use query::*;

/// A record: the unit of context.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RecordBody {
    /// Unique in the project; 1 to 512 bytes of UTF-8 without control characters.
    pub key: String,
    /// What is embedded and searched for keywords; at most 1 MiB of UTF-8. Long texts have a vector for each chunk.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub text: String,
    /// Structured content. Objects merge field by field when replicas meet, arrays and scalars as a whole.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    #[schema(value_type = std::collections::BTreeMap<String, Value>)]
    pub data: Map<String, Value>,
    /// About the record: source, author, time. Merges as `data` does. With `data` at most 256 KiB as JSON.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    #[schema(value_type = std::collections::BTreeMap<String, Value>)]
    pub metadata: Map<String, Value>,
    /// Named contexts that the record belongs to; at most 64.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    #[schema(value_type = Vec<String>)]
    pub layers: BTreeSet<String>,
    /// Typed (hyper)edges that this record states; at most 1,000.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub links: Vec<LinkBody>,
}

/// A typed (hyper)edge. Two members and a type make a knowledge-graph triple; type `parent` makes a hierarchy.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LinkBody {
    /// What the link says, for instance `parent` or `can-precede`.
    #[serde(rename = "type")]
    pub kind: String,
    /// Who takes part; 1 to 64. A member may name a record that is not there (yet).
    pub members: Vec<MemberBody>,
    /// Strength, a finite number; 1 when absent.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub weight: f64,
    /// Layers that the link belongs to.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    #[schema(value_type = Vec<String>)]
    pub layers: BTreeSet<String>,
    /// What is said about the link: source, certainty, whatever qualifies the statement; at most 16 KiB as JSON. Merges as
    /// `data` does.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    #[schema(value_type = std::collections::BTreeMap<String, Value>)]
    pub qualifiers: Map<String, Value>,
    /// When what it says holds; always when absent.
    #[serde(default, skip_serializing_if = "IntervalBody::is_always")]
    pub valid: IntervalBody,
}

/// Valid time.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct IntervalBody {
    /// The first moment, RFC 3339 (`2026-11-21T08:30:00Z`, kept to the millisecond); without it, since ever.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Moment>,
    /// The moment behind the last; without it, for ever.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Moment>,
}

/// A moment: RFC 3339 in JSON, milliseconds since 1970 inside.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ToSchema)]
#[schema(value_type = String, format = DateTime)]
pub struct Moment(pub i64);

impl Serialize for Moment {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let text = clock::format_exactly(self.0);
        serializer.serialize_str(&text.ok_or_else(|| serde::ser::Error::custom("a moment beyond the calendar"))?)
    }
}

impl<'de> Deserialize<'de> for Moment {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        clock::parse_ms(&text).map(Moment).ok_or_else(|| {
            serde::de::Error::custom(format_args!("`{text}` is not a moment; write it like 2026-11-21T08:30:00Z"))
        })
    }
}

/// A member of a link: a record or another link.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct MemberBody {
    /// The part that it plays, for instance `child`.
    pub role: String,
    /// The key of a record. Either this or `link`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// The id of a link, whoever states it: a link over links. Either this or `key`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub link: Option<String>,
}

impl MemberBody {
    /// A record in a role.
    pub fn record(role: &str, key: &str) -> Self {
        MemberBody { role: role.to_owned(), key: Some(key.to_owned()), link: None }
    }
}

impl LinkBody {
    /// A link that always holds and has weight 1, of these records in these roles.
    pub fn of(kind: &str, members: &[(&str, &str)]) -> Self {
        LinkBody {
            kind: kind.to_owned(),
            members: members.iter().map(|(role, key)| MemberBody::record(role, key)).collect(),
            weight: 1.0,
            layers: BTreeSet::new(),
            qualifiers: Map::new(),
            valid: IntervalBody::default(),
        }
    }
}

impl IntervalBody {
    fn is_always(&self) -> bool {
        *self == IntervalBody::default()
    }
}

impl From<Interval> for IntervalBody {
    fn from(interval: Interval) -> Self {
        // What another writer put beyond the calendar cannot be said, and is as good as never.
        let moment = |ms: Option<i64>| ms.filter(|ms| clock::format_exactly(*ms).is_some()).map(Moment);
        IntervalBody { since: moment(interval.since), until: moment(interval.until) }
    }
}

impl From<IntervalBody> for Interval {
    fn from(interval: IntervalBody) -> Self {
        Interval { since: interval.since.map(|since| since.0), until: interval.until.map(|until| until.0) }
    }
}

fn one() -> f64 {
    1.0
}

#[allow(clippy::float_cmp, clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference; 1 is exact")]
fn is_one(weight: &f64) -> bool {
    *weight == 1.0
}

impl From<Record> for RecordBody {
    fn from(record: Record) -> Self {
        RecordBody {
            key: record.key.as_str().to_owned(),
            text: record.text,
            data: record.data,
            metadata: record.metadata,
            layers: record.layers,
            links: record.links.into_iter().map(LinkBody::from).collect(),
        }
    }
}

impl From<Link> for LinkBody {
    fn from(link: Link) -> Self {
        let member = |member: Member| match member.target {
            Target::Key(key) => MemberBody { role: member.role, key: Some(key), link: None },
            Target::Link(id) => MemberBody { role: member.role, key: None, link: Some(id) },
        };
        LinkBody {
            kind: link.kind,
            members: link.members.into_iter().map(member).collect(),
            weight: link.weight,
            layers: link.layers,
            qualifiers: link.qualifiers,
            valid: link.valid.into(),
        }
    }
}

impl LinkBody {
    /// The link of the record model.
    ///
    /// # Errors
    /// A sentence when a member is neither a record nor a link, or both.
    pub fn into_link(self) -> Result<Link, String> {
        let member = |member: MemberBody| match (member.key, member.link) {
            (Some(key), None) => Ok(Member { role: member.role, target: Target::Key(key) }),
            (None, Some(id)) => Ok(Member { role: member.role, target: Target::Link(id) }),
            _ => Err(format!("a member (of the link `{}`) has either `key` or `link`", self.kind)),
        };
        let members = self.members.into_iter().map(member).collect::<Result<_, _>>()?;
        Ok(Link {
            members,
            kind: self.kind,
            weight: self.weight,
            layers: self.layers,
            qualifiers: self.qualifiers,
            valid: self.valid.into(),
        })
    }
}

impl RecordBody {
    /// The record, checked.
    ///
    /// # Errors
    /// A sentence on the first rule that it breaks.
    pub fn into_record(self) -> Result<Record, String> {
        let record = Record {
            key: RecordKey::parse(&self.key).map_err(|error| error.to_string())?,
            text: self.text,
            data: self.data,
            metadata: self.metadata,
            layers: self.layers,
            links: self.links.into_iter().map(LinkBody::into_link).collect::<Result<_, _>>()?,
        };
        record.check().map_err(|error| error.to_string())?;
        Ok(record)
    }
}

/// Checks every record of a request and reports every bad one at once.
///
/// # Errors
/// [`Kind::InvalidRecord`] whose member `errors` lists index, key and reason (the first 100).
pub fn into_records(bodies: Vec<RecordBody>) -> Result<Vec<Record>, Problem> {
    let mut records = Vec::with_capacity(bodies.len());
    let mut errors = Vec::new();
    for (index, body) in bodies.into_iter().enumerate() {
        let key = body.key.clone();
        match body.into_record() {
            Ok(record) => records.push(record),
            Err(reason) => errors.push((index, key, reason)),
        }
    }
    let Some((index, key, reason)) = errors.first() else {
        return Ok(records);
    };
    let shown: String = key.chars().flat_map(char::escape_default).take(80).collect();
    let more = match errors.len() {
        1 => String::new(),
        count => format!(" {} more records have errors.", count - 1),
    };
    let detail = format!("Record {index} (`{shown}`): {reason}.{more} Nothing of this request was stored.");
    let list: Vec<Value> = errors
        .iter()
        .take(100)
        .map(|(index, key, reason)| serde_json::json!({ "index": index, "key": key, "detail": reason }))
        .collect();
    Err(Problem::new(Kind::InvalidRecord, detail).with("errors", list))
}

/// Records to publish.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PublishBody {
    /// At most 10,000. The last of records with one key wins.
    pub records: Vec<RecordBody>,
}

/// What a publish did. When it is answered, every record is on disk.
#[derive(Debug, Serialize, ToSchema)]
pub struct Published {
    /// Records in the request.
    pub published: usize,
    /// Records that are different from before.
    pub changed: usize,
    /// Position of the last change in this replica's change feed.
    pub sequence: u64,
    /// The project's version: the same on every replica that holds the same changes.
    pub version: String,
    /// Transforms that gave no answer and that the node's operator lets pass: the records are stored without them. Absent as a
    /// rule.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub transforms_failed: Vec<PassedBody>,
}

/// Keys to delete.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DeletionsBody {
    /// At most 10,000; keys that are not there are passed over.
    pub keys: Vec<String>,
}

/// What a delete did. When it is answered, the deletion is on disk.
#[derive(Debug, Serialize, ToSchema)]
pub struct Deleted {
    /// Records that were there and are gone.
    pub deleted: usize,
    /// Position of the last change in this replica's change feed.
    pub sequence: u64,
    /// The project's version.
    pub version: String,
}

/// A page of records in the order of their keys.
pub type RecordPage = skerry_gateway::body::RecordPage<RecordBody>;
