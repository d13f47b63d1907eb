//! Plugins and how they do.

use serde::Serialize;
use utoipa::ToSchema;

/// The plugins of a node.
#[derive(Debug, Serialize, ToSchema)]
pub struct PluginsBody {
    /// In the order of the operator's list.
    pub plugins: Vec<PluginEntry>,
}

/// A plugin, and what it did since the node was opened.
#[derive(Debug, Serialize, ToSchema)]
pub struct PluginEntry {
    /// The name by which it is asked for.
    pub name: String,
    /// `transform`, `reranker` or `subscription-filter`.
    pub kind: &'static str,
    /// Projects that it serves; absent for all of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub projects: Option<Vec<String>>,
    /// It can be opened.
    pub usable: bool,
    /// Why it cannot.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Calls, those that failed included. A publish may be several.
    pub calls: u64,
    /// Calls that failed.
    pub failures: u64,
    /// Failures since the last call that succeeded.
    pub failures_in_a_row: u32,
    /// Time of all calls together, in milliseconds.
    pub time_ms: f64,
    /// The last failure.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_error: Option<PluginFaultBody>,
    /// Seconds until it is asked again: it failed too often in a row. Absent when it is asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub paused_seconds: Option<u64>,
}

/// A failure of a plugin.
#[derive(Debug, Serialize, ToSchema)]
pub struct PluginFaultBody {
    /// What happened.
    pub reason: String,
    /// When, in milliseconds since 1970.
    pub time_ms: i64,
}

/// A transform that gave no answer, and that the operator lets pass.
#[derive(Debug, Serialize, ToSchema)]
pub struct PassedBody {
    /// Its name.
    pub plugin: String,
    /// Why it gave none.
    pub reason: String,
}
