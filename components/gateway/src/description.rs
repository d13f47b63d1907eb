//! What a snapshot says of itself.

use serde::Deserialize;

use crate::body::{ChunkingBody, Project, ProjectModel};

/// The description that is baked into a snapshot beside its documents: the manifest of its file without what only the file
/// knows. What is not named here is passed over.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Description {
    /// The project.
    pub project: String,
    /// For people.
    #[serde(default)]
    pub description: String,
    /// The version of the project.
    pub version: String,
    /// The model that its vectors are of; none when the node that baked it did not have it.
    #[serde(default)]
    pub model: Option<Model>,
    /// How its long texts were cut.
    #[serde(default)]
    pub chunking: Option<Chunking>,
    /// Records.
    pub records: u64,
    /// Each document's payload is its record.
    #[serde(default)]
    pub has_records: bool,
}

/// A model.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Model {
    /// Its identity.
    pub id: String,
    /// The name by which projects ask for it.
    pub name: String,
    /// Numbers in a vector.
    pub dimensions: u32,
    /// Tokens of one text that count.
    pub tokens_max: u32,
}

/// How long texts are cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub struct Chunking {
    /// Tokens of a chunk.
    pub tokens: u32,
    /// Tokens that a chunk shares with the one before it.
    pub overlap: u32,
}

impl Description {
    /// The project as a node shows it. A snapshot has no change feed, so nothing has a position in it but 0.
    pub fn project(&self) -> Project {
        let model = match &self.model {
            Some(Model { id, name, dimensions, .. }) => ProjectModel {
                name: name.clone(),
                id: Some(id.clone()),
                dimensions: Some(*dimensions),
                unavailable: None,
            },
            None => {
                ProjectModel { name: String::new(), id: None, dimensions: None, unavailable: Some(NO_MODEL.to_owned()) }
            }
        };
        let cut = |Chunking { tokens, overlap }: Chunking| ChunkingBody { tokens, overlap };
        Project {
            name: self.project.clone(),
            description: self.description.clone(),
            records: self.records,
            version: self.version.clone(),
            sequence: 0,
            chunking: self.chunking.filter(|_| self.model.is_some()).map(cut),
            model,
            reembedding: None,
        }
    }
}

/// Why vector search does not work where the baking node had no model.
pub(crate) const NO_MODEL: &str = "the snapshot was baked where the project's model was not to be had";
