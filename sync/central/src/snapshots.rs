//! Baked snapshots of projects, beside the documents that they were baked from.
//!
//! Whatever is large is named by the SHA-256 of what it holds and never changed: snapshots, models, native code. One small
//! object for each project, `snapshots/<project>/latest.json`, says which is the newest; it is written last.

use std::collections::BTreeMap;

use object_store::path::Path;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use skerry_sync::ProjectName;
use skerry_sync::document::DocumentId;
use skerry_sync::hub::{ChunkName, StoreFailure};

use crate::store::CentralStore;

/// Version of `latest.json`.
pub const PUBLISHED_FORMAT: u32 = 1;

/// The object that names a project's newest snapshot.
const LATEST: &str = "latest.json";

/// The newest snapshot of a project.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Published {
    /// [`PUBLISHED_FORMAT`].
    pub format: u32,
    /// The project.
    pub project: String,
    /// The version that it is of.
    pub version: String,
    /// SHA-256 of the file, `snapshots/<project>/<sha256>.wasm`.
    pub sha256: String,
    /// The file's length.
    pub bytes: u64,
    /// SHA-256 of its query component, which native code is compiled from.
    pub query_sha256: String,
    /// SHA-256 of the query component that it was baked into: only a node with the same one can go on from it.
    pub unbaked_sha256: String,
    /// Records in it.
    pub records: u64,
    /// SHA-256 of the embedding component that queries want, `models/<sha256>.wasm`; none where the records have no vectors.
    pub model_sha256: Option<String>,
    /// The chunks that it was baked from, by document: as long as the store lists no others, there is nothing newer.
    pub covers: BTreeMap<String, Vec<String>>,
    /// Native code of its parts.
    pub artefacts: Vec<PublishedCode>,
}

/// Native code of a component.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PublishedCode {
    /// `query` or `embedding`.
    pub part: String,
    /// The object with the code, `artefacts/<sha256>.cwasm`.
    pub object: String,
    /// What was signed, and the signature: the JSON beside the code in a folder.
    #[serde(flatten)]
    pub description: Map<String, Value>,
}

impl PublishedCode {
    /// The kind of machine that it is for.
    pub fn profile(&self) -> &str {
        self.description.get("profile").and_then(Value::as_str).unwrap_or_default()
    }
}

impl Published {
    /// The chunks that it was baked from. What is no name of a document or a chunk is left out: it covers nothing.
    pub fn covered(&self) -> BTreeMap<DocumentId, Vec<ChunkName>> {
        let chunk = |name: &String| {
            let mut bytes = [0; 32];
            hex::decode_to_slice(name, &mut bytes).ok().map(|()| ChunkName(bytes))
        };
        let document = |(id, names): (&String, &Vec<String>)| {
            Some((DocumentId::parse(id)?, names.iter().filter_map(chunk).collect::<Vec<_>>()))
        };
        self.covers.iter().filter_map(document).collect()
    }

    /// Names of chunks as `covers` has them.
    pub fn covers_of(chunks: &BTreeMap<DocumentId, Vec<ChunkName>>) -> BTreeMap<String, Vec<String>> {
        let names = |names: &Vec<ChunkName>| names.iter().map(ToString::to_string).collect();
        chunks.iter().map(|(document, chunks)| (document.to_string(), names(chunks))).collect()
    }
}

impl CentralStore {
    /// The newest snapshot of a project; none when nothing was ever baked, or by a newer program.
    ///
    /// # Errors
    /// [`StoreFailure`].
    pub async fn latest_snapshot(&self, project: &ProjectName) -> Result<Option<Published>, StoreFailure> {
        let Some(bytes) = self.get(&self.snapshots(project).join(LATEST)).await? else { return Ok(None) };
        match serde_json::from_slice::<Published>(&bytes) {
            Ok(published) if published.format == PUBLISHED_FORMAT && published.project == project.as_str() => {
                Ok(Some(published))
            }
            Ok(published) => {
                tracing::warn!(%project, format = published.format, "a snapshot of another format or project is passed over");
                Ok(None)
            }
            Err(error) => {
                tracing::warn!(%project, %error, "what should name the newest snapshot does not read; it is passed over");
                Ok(None)
            }
        }
    }

    /// Native code that [`Published`] names; none when it is gone. Whether it is what was signed is for the caller to see.
    ///
    /// # Errors
    /// [`StoreFailure`].
    pub async fn native_code(&self, code: &PublishedCode) -> Result<Option<Vec<u8>>, StoreFailure> {
        let Some(name) = code.object.strip_prefix("artefacts/").filter(|name| !name.contains('/')) else {
            return Err(StoreFailure::Failed(format!("`{}` is no place of native code", code.object)));
        };
        self.get(&self.folder("artefacts").join(name)).await
    }

    /// Where snapshots of a project lie.
    pub(crate) fn snapshots(&self, project: &ProjectName) -> Path {
        self.folder("snapshots").join(project.as_str())
    }
}
