//! Erasing, compacting, resharding.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Records to erase.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct EraseBody {
    /// Their keys; 1 to 10,000. Also of records that are deleted or unknown here: the past of this or other replicas may hold them.
    pub keys: Vec<String>,
}

/// How many documents a project is spread over.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ReshardBody {
    /// A power of two, 1 to 4,096. 64 at first; about 2,000 records to a document are a good size.
    pub shards: u16,
}

/// What was done, and what is still to come.
#[derive(Debug, Serialize, ToSchema)]
pub struct Receipt {
    /// The project.
    pub project: String,
    /// The epoch that it is in now, on this node.
    pub epoch: EpochBody,
    /// When, in milliseconds since the Unix epoch, by this node's clock.
    pub time: i64,
    /// What was erased, in the order of the keys; empty unless records were to be erased.
    pub erased: Vec<ErasedBody>,
    /// What was removed on this node.
    pub removed: Removed,
    /// Records that link to an erased key; at most 100. They are not changed.
    pub linked_from: Vec<String>,
    /// Where it has not happened yet, and what makes it happen.
    pub remaining: Vec<String>,
}

/// A generation of a project's documents.
#[derive(Debug, Serialize, ToSchema)]
pub struct EpochBody {
    /// Counts up; 0 is the first.
    pub number: u64,
    /// Number and random digits: epochs cut at the same time are different ones.
    pub name: String,
    /// Documents that the records are spread over.
    pub shards: u16,
}

/// A key that was erased.
#[derive(Debug, Serialize, ToSchema)]
pub struct ErasedBody {
    /// The key. This receipt is the only place that still has it.
    pub key: String,
    /// What the project's catalog says in its place: 32 hex digits that only those who know the key can make sense of.
    pub digest: String,
    /// `live`: there was a record. `past`: it had been deleted, its past was there. `nothing`: this node had nothing of it.
    #[schema(value_type = String)]
    pub found: &'static str,
}

/// What was removed.
#[derive(Debug, Serialize, ToSchema)]
pub struct Removed {
    /// Documents that were written anew, without their history.
    pub documents: usize,
    /// Versions that can no longer be asked for.
    pub versions: u64,
    /// Rows that named deleted records.
    pub tombstones: usize,
    /// Cached vectors that no record needs.
    pub vectors: usize,
    /// Sealed segments of the index, which is made anew.
    pub segments: usize,
    /// Bytes of the store before it was written anew.
    pub store_bytes_before: u64,
    /// Bytes of the store after.
    pub store_bytes_after: u64,
}
