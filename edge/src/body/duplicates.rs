//! Near-duplicates.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What counts as near, and where to go on.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DuplicatesBody {
    /// Least cosine similarity of a pair, 0.5 to 1; 0.95 when absent.
    #[serde(default)]
    pub similarity_min: Option<f32>,
    /// Records to examine in this request, at most 5,000; 1,000 when absent.
    #[serde(default)]
    pub limit: Option<usize>,
    /// Go on behind this key: `next` of the answer before.
    #[serde(default)]
    pub after: Option<String>,
}

/// Near-duplicates among the examined records and all others, most similar first.
#[derive(Debug, Serialize, ToSchema)]
pub struct Duplicates {
    /// Each pair once, under its first key; at most 20 for each record.
    pub pairs: Vec<Pair>,
    /// Records examined.
    pub examined: usize,
    /// Of these, records whose vector is still being computed, which could not be compared; absent when there are none.
    #[serde(skip_serializing_if = "is_zero")]
    pub vectors_pending: usize,
    /// Pass it as `after` for the next part; null when all are examined.
    pub next: Option<String>,
}

/// Two records that say almost the same.
#[derive(Debug, Serialize, ToSchema)]
pub struct Pair {
    /// Their keys, ascending.
    pub keys: [String; 2],
    /// Cosine similarity; of records of several chunks the least that a chunk of either has to its like in the other.
    pub similarity: f32,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_zero(count: &usize) -> bool {
    *count == 0
}
