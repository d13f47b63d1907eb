//! Projects, their models and versions, health.

use serde::Serialize;

/// The model that a project's queries are answered with.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ProjectModel {
    /// Its name.
    pub name: String,
    /// Its identity; null when this node does not have it.
    pub id: Option<String>,
    /// Numbers in a vector; null when this node does not have it.
    pub dimensions: Option<u32>,
    /// Why vector search does not work here.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unavailable: Option<String>,
}

/// How long texts are cut.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ChunkingBody {
    /// Tokens of a chunk.
    pub tokens: u32,
    /// Tokens that a chunk shares with the one before it.
    pub overlap: u32,
}

/// A project's way to another model.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ReembeddingBody {
    /// Name of the model that it leads to.
    pub model: String,
    /// How texts are cut then; null when this node does not have the model.
    pub chunking: Option<ChunkingBody>,
    /// Records that have their vectors.
    pub records_done: u64,
    /// Records of the project.
    pub records_total: u64,
    /// What holds it up; tried again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// A project.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Project {
    /// Its name, the same on every replica.
    pub name: String,
    /// For people.
    pub description: String,
    /// Live records.
    pub records: u64,
    /// The project's version.
    pub version: String,
    /// Position of the last change in this replica's change feed.
    pub sequence: u64,
    /// The model that its queries are answered with.
    pub model: ProjectModel,
    /// How its long texts are cut; null when this node does not have the model.
    pub chunking: Option<ChunkingBody>,
    /// Its way to another model; absent when it is on none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reembedding: Option<ReembeddingBody>,
}

/// The projects of a node.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Projects {
    /// In the order of their names.
    pub projects: Vec<Project>,
}

/// A project's version.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct VersionBody {
    /// SHA-256 over the heads of every shard, hex: equal on two replicas exactly when they hold the same changes.
    pub version: String,
    /// Position of the last change in this replica's change feed.
    pub sequence: u64,
}

/// The node's state of health.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Health {
    /// `ok` or `failed`.
    pub status: &'static str,
    /// Why it failed, when it did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The node's version.
    pub version: &'static str,
    /// Names this run of the node.
    pub instance: String,
}
