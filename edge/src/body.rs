//! The JSON shapes of the API. The OpenAPI description is generated from these types.

mod duplicates;
mod erasure;
mod hub;
mod projects;
mod query;

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use skerry_sync::{Link, Member, Record, RecordKey};
use utoipa::ToSchema;

use crate::problem::{Kind, Problem};
pub use duplicates::*;
pub use erasure::*;
pub use hub::*;
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
}

/// A member of a link.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct MemberBody {
    /// The part that it plays, for instance `child`.
    pub role: String,
    /// The key of a record.
    pub key: String,
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
        let members = link.members.into_iter().map(|member| MemberBody { role: member.role, key: member.key });
        LinkBody { kind: link.kind, members: members.collect(), weight: link.weight, layers: link.layers }
    }
}

impl From<LinkBody> for Link {
    fn from(link: LinkBody) -> Self {
        let members = link.members.into_iter().map(|member| Member { role: member.role, key: member.key });
        Link { kind: link.kind, members: members.collect(), weight: link.weight, layers: link.layers }
    }
}

impl RecordBody {
    fn into_record(self) -> Result<Record, String> {
        let record = Record {
            key: RecordKey::parse(&self.key).map_err(|error| error.to_string())?,
            text: self.text,
            data: self.data,
            metadata: self.metadata,
            layers: self.layers,
            links: self.links.into_iter().map(Link::from).collect(),
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
#[derive(Debug, Serialize, ToSchema)]
pub struct RecordPage {
    /// The records.
    pub records: Vec<RecordBody>,
    /// Pass it as `after` for the next page; null on the last one.
    pub next: Option<String>,
}
