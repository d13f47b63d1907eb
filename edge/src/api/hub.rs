//! The hub's part of the status.

use std::time::Duration;

use skerry_sync::wire::client::{Agreement, ClientStatus, Link, ProjectSync};

use crate::body::{HubProblem, HubProject, HubStatus};
use crate::hub::{Hub, HubAddress};
use crate::node::Node;
use crate::problem::Problem;

/// How the node stands with its hub; none when it has none and its folder never had.
pub(super) fn status(node: &Node) -> Result<Option<HubStatus>, Problem> {
    if let Some(hub) = node.hub() {
        let status = hub.status()?;
        let now = hub.now();
        let (state, retry_in, since) = match &status.link {
            Link::Waiting { until } => ("waiting", Some(until.saturating_sub(now)), None),
            Link::Connecting => ("connecting", None, None),
            Link::Connected { since } => ("connected", None, Some(*since)),
        };
        return Ok(Some(HubStatus {
            retry_in_ms: retry_in.map(milliseconds),
            connected_since_ms: since.map(milliseconds),
            ..body(hub.address(), state, status)
        }));
    }
    let last = Hub::last(node.replica())?;
    Ok(last.map(|(address, status)| body(&address, "stopped", status)))
}

fn body(address: &HubAddress, state: &'static str, status: ClientStatus) -> HubStatus {
    let problem = status
        .complaint
        .map(|complaint| HubProblem { message: complaint.message, time_ms: milliseconds(complaint.at) });
    HubStatus {
        url: address.to_string(),
        state,
        retry_in_ms: None,
        connected_since_ms: None,
        problem,
        records_unsent: status.projects.iter().map(|project| project.records_unsent).sum(),
        documents_unsent: status.projects.iter().map(|project| project.documents_unsent).sum(),
        projects: status.projects.into_iter().map(project).collect(),
    }
}

fn project(project: ProjectSync) -> HubProject {
    let (state, reason) = match project.agreement {
        Agreement::Settled => ("settled", None),
        Agreement::Syncing => ("syncing", None),
        Agreement::Refused(reason) => ("refused", Some(reason)),
        _ => ("apart", None),
    };
    HubProject {
        name: project.name.to_string(),
        state,
        reason,
        records_unsent: project.records_unsent,
        documents_unsent: project.documents_unsent,
        agreed_ms: project.agreed.map(milliseconds),
    }
}

fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
