//! What a snapshot says of itself.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::SnapshotError;

/// Version of the manifest.
pub const FORMAT: u32 = 1;

/// What a snapshot is. Written in the order of its members, without white space; nothing in it depends on when, where and by
/// whom it was baked, so that the same version gives the same bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// [`FORMAT`].
    pub format: u32,
    /// The project.
    pub project: String,
    /// Its description.
    pub description: String,
    /// The version, 64 hex digits.
    pub version: String,
    /// What makes the version: heads of documents, in hex, by the document's id.
    pub heads: BTreeMap<String, Vec<String>>,
    /// The epoch of these documents.
    pub epoch: String,
    /// The model of the vectors; none where the records have none.
    pub model: Option<Model>,
    /// How texts were cut.
    pub chunking: Chunking,
    /// Records.
    pub records: u64,
    /// Chunks with a vector.
    pub chunks: u64,
    /// Whether hits come with their records.
    pub has_records: bool,
    /// Whether the embedding component is inside.
    pub has_model: bool,
    /// What the file consists of. Not in the description that is baked in, as that is in a part.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub parts: Vec<Part>,
    /// The program.
    pub made_by: String,
}

/// The model of a snapshot's vectors.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Model {
    /// Its identity: a query's vector must be of the same.
    pub id: String,
    /// The name by which projects ask for it.
    pub name: String,
    /// Numbers in a vector.
    pub dimensions: u32,
    /// Tokens of one text that count.
    pub tokens_max: u32,
}

/// How texts were cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Chunking {
    /// Tokens of a chunk at most.
    pub tokens: u32,
    /// Tokens that a chunk shares with the one before it.
    pub overlap: u32,
}

/// A component inside of the file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    /// `query` or `embedding`.
    pub name: String,
    /// SHA-256 of the component, lowercase hex.
    pub sha256: String,
    /// Its length.
    pub bytes: u64,
}

impl Part {
    pub(super) fn of(name: &str, component: &[u8]) -> Part {
        Part { name: name.to_owned(), sha256: hex::encode(Sha256::digest(component)), bytes: component.len() as u64 }
    }
}

impl Manifest {
    pub(super) fn encode(&self) -> Vec<u8> {
        // Strings, numbers and lists: there is nothing that JSON cannot hold.
        serde_json::to_vec(self).unwrap_or_default()
    }

    /// What is baked into the query component: everything but the parts.
    pub fn describe(&self) -> Vec<u8> {
        Manifest { parts: Vec::new(), ..self.clone() }.encode()
    }

    /// Reads a manifest or a description.
    ///
    /// # Errors
    /// [`SnapshotError::NotASnapshot`] and [`SnapshotError::Format`].
    pub fn decode(json: &[u8]) -> Result<Manifest, SnapshotError> {
        #[derive(Deserialize)]
        struct Versioned {
            format: u32,
        }
        let malformed =
            |error: serde_json::Error| SnapshotError::NotASnapshot(format!("its manifest is none: {error}"));
        // The format first: a manifest of another one may have other members.
        let Versioned { format } = serde_json::from_slice(json).map_err(malformed)?;
        if format != FORMAT {
            return Err(SnapshotError::Format { found: format });
        }
        serde_json::from_slice(json).map_err(malformed)
    }
}
