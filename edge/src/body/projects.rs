//! Projects, their models and versions, the node's status, and sync.

use serde::{Deserialize, Serialize};
pub use skerry_gateway::body::{ChunkingBody, Health, Project, ProjectModel, Projects, ReembeddingBody, VersionBody};
use utoipa::ToSchema;

use super::HubStatus;

/// A project's description, to create or change it.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ProjectBody {
    /// For people; at most 4 KiB.
    #[serde(default)]
    pub description: String,
    /// Name of the embedding model, one of `GET /models`; the node's default when the project is created without. A project
    /// with records keeps its model: see `POST /projects/{project}/reembed`.
    #[serde(default)]
    pub model: Option<String>,
    /// Tokens of a chunk of a long text, 8 to what the model takes; that, or 512 if it takes more, when absent.
    #[serde(default)]
    pub chunk_tokens: Option<u32>,
    /// Tokens that a chunk shares with the one before it, less than half of `chunk_tokens`; 32 when absent.
    #[serde(default)]
    pub chunk_overlap: Option<u32>,
}

/// Where to take a project. What is absent stays; another model has chunks of its own unless they are given.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ReembedBody {
    /// Name of the embedding model, one of `GET /models`.
    #[serde(default)]
    pub model: Option<String>,
    /// Tokens of a chunk.
    #[serde(default)]
    pub chunk_tokens: Option<u32>,
    /// Tokens that a chunk shares with the one before it.
    #[serde(default)]
    pub chunk_overlap: Option<u32>,
}

/// The embedding models of a node.
#[derive(Debug, Serialize, ToSchema)]
pub struct ModelsBody {
    /// In the order of their names.
    pub models: Vec<ModelEntry>,
}

/// An embedding model.
#[derive(Debug, Serialize, ToSchema)]
pub struct ModelEntry {
    /// The name by which projects ask for it.
    pub name: String,
    /// `built-in`, `component` or `endpoint`.
    pub kind: &'static str,
    /// Projects that name no model have this one.
    pub default: bool,
    /// Whether it can be used.
    pub usable: bool,
    /// Why not, and what to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Its identity; null when it cannot be used.
    pub id: Option<String>,
    /// Numbers in a vector.
    pub dimensions: Option<u32>,
    /// Tokens of one text that count; of endpoints in about.
    pub tokens_max: Option<u32>,
}

/// What a node is and holds.
#[derive(Debug, Serialize, ToSchema)]
pub struct Status {
    /// The node itself.
    pub node: NodeStatus,
    /// The hub that it syncs with; absent when there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hub: Option<HubStatus>,
    /// Plugins whose last call failed, see `GET /plugins`; absent when there are none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub plugins_failing: Vec<String>,
    /// Its projects, in the order of their names.
    pub projects: Vec<ProjectStatus>,
}

/// What a node is.
#[derive(Debug, Serialize, ToSchema)]
pub struct NodeStatus {
    /// The node's version.
    pub version: &'static str,
    /// `ok` or `failed`.
    pub health: &'static str,
    /// Identity of the default embedding model.
    pub model: String,
    /// Numbers in its vectors.
    pub dimensions: u32,
    /// Proportional set size of the process in bytes; null where the system does not tell.
    pub memory_pss_bytes: Option<u64>,
    /// Seconds since the node was opened.
    pub uptime_seconds: u64,
}

/// What a project holds and how far its index is.
#[derive(Debug, Serialize, ToSchema)]
pub struct ProjectStatus {
    /// The project.
    #[serde(flatten)]
    pub project: Project,
    /// Position in the change feed up to which queries see records; null while nobody has asked this node yet.
    pub indexed_sequence: Option<u64>,
    /// Records that keyword search finds and vector search does not yet; null while the index is not open.
    pub vectors_pending: Option<usize>,
    /// Bytes of index data; null while the index is not open.
    pub index_bytes: Option<u64>,
    /// Records of each segment, the live one last; null while the index is not open.
    pub segments: Option<Vec<u32>>,
    /// A segment is being sealed in the background.
    pub sealing: Option<bool>,
}

/// With whom to sync, and what.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SyncBody {
    /// Address of the other node, for instance `http://127.0.0.1:8788`.
    pub url: String,
    /// Projects to sync; all of both nodes when absent.
    #[serde(default)]
    pub projects: Option<Vec<String>>,
    /// API key of the other node, if it asks for one.
    #[serde(default)]
    pub api_key: Option<String>,
}

/// What a sync did.
#[derive(Debug, Serialize, ToSchema)]
pub struct SyncReport {
    /// In the order of their names.
    pub projects: Vec<ProjectSyncReport>,
}

/// What a sync did to one project.
#[derive(Debug, Serialize, ToSchema)]
pub struct ProjectSyncReport {
    /// The project.
    pub name: String,
    /// Its version afterwards: the same on both nodes unless somebody wrote meanwhile.
    pub version: String,
    /// Requests that it took.
    pub rounds: u32,
    /// Bytes of sync bodies sent.
    pub bytes_sent: u64,
    /// Bytes of sync bodies received.
    pub bytes_received: u64,
    /// Changes sent.
    pub changes_sent: u64,
    /// Changes received.
    pub changes_received: u64,
}

/// The versions of a project, newest first.
#[derive(Debug, Serialize, ToSchema)]
pub struct Versions {
    /// The first is the version of now.
    pub versions: Vec<VersionEntry>,
}

/// A version that a project had.
#[derive(Debug, Serialize, ToSchema)]
pub struct VersionEntry {
    /// Its name.
    pub version: String,
    /// Position of the last change in this node's change feed then.
    pub sequence: u64,
    /// When this node wrote it, in milliseconds since 1970; null when other replicas brought it.
    pub time_ms: Option<i64>,
}
