//! How the node stands with its hub, and what has changed in a project.

use serde::Serialize;
use utoipa::ToSchema;

use super::RecordBody;

/// How the node stands with the hub that it is to be connected to.
#[derive(Debug, Serialize, ToSchema)]
pub struct HubStatus {
    /// Its address.
    pub url: String,
    /// `connected`, `connecting`, `waiting` (for the next attempt), or `stopped`: this process does not connect; what is said
    /// is what the last connection left behind.
    pub state: &'static str,
    /// Milliseconds until the next attempt, while `waiting`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry_in_ms: Option<u64>,
    /// When the connection was made, in milliseconds since 1970, while `connected`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub connected_since_ms: Option<u64>,
    /// What the hub refused last, or why the last connection ended; absent when all is well since.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub problem: Option<HubProblem>,
    /// Records changed here that the hub is not known to have, of all projects that are synced with it.
    pub records_unsent: usize,
    /// Documents (parts of projects) with changes that the hub is not known to have.
    pub documents_unsent: usize,
    /// The projects that are synced with it, in the order of their names.
    pub projects: Vec<HubProject>,
}

/// Something that went wrong with the hub.
#[derive(Debug, Serialize, ToSchema)]
pub struct HubProblem {
    /// What.
    pub message: String,
    /// When, in milliseconds since 1970.
    pub time_ms: u64,
}

/// How a project stands with the hub.
#[derive(Debug, Serialize, ToSchema)]
pub struct HubProject {
    /// Its name. It need not be on this node yet.
    pub name: String,
    /// `settled` (both have the same), `syncing`, `refused`, or `apart` while there is no connection.
    pub state: &'static str,
    /// Why it is refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Records changed here that the hub is not known to have.
    pub records_unsent: usize,
    /// Documents with changes that the hub is not known to have.
    pub documents_unsent: usize,
    /// When both had the same last, in milliseconds since 1970; null when they never had.
    pub agreed_ms: Option<u64>,
}

/// A page of a project's changes, oldest first.
#[derive(Debug, Serialize, ToSchema)]
pub struct ChangesPage {
    /// Of each record the last change only.
    pub changes: Vec<ChangeBody>,
    /// What to ask with as `since` for what comes behind this page.
    pub next: u64,
}

/// The last change of a record.
#[derive(Debug, Serialize, ToSchema)]
pub struct ChangeBody {
    /// Its position in this node's change feed. Positions grow; other nodes have others.
    pub sequence: u64,
    /// The record's key.
    pub key: String,
    /// True when the record was deleted.
    pub deleted: bool,
    /// The record as it is now, where records were asked for and it is there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub record: Option<RecordBody>,
    /// Why the filter was passed over that was to choose changes: this one is told whether it would be kept or not. Absent as a
    /// rule.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub filter_failed: Option<String>,
}
