//! The node's plugins, and how they do.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;

use super::blocking;
use crate::body::{PluginEntry, PluginFaultBody, PluginsBody};
use crate::node::Node;
use crate::plugins::Listed;
use crate::problem::Problem;

/// The plugins of this node in the order of its list, which is the one in which transforms run. Those that nobody used yet are
/// opened to see whether they can be. Counts are since the node was opened.
#[utoipa::path(get, path = "/plugins", tag = "node", responses((status = 200, body = PluginsBody)))]
pub(super) async fn plugins(State(node): State<Arc<Node>>) -> Result<Json<PluginsBody>, Problem> {
    blocking(move || Ok(Json(PluginsBody { plugins: node.plugins().list().into_iter().map(entry).collect() }))).await
}

fn entry(listed: Listed) -> PluginEntry {
    let Listed { config, kind, usable, tally } = listed;
    PluginEntry {
        name: config.name,
        kind: kind.world(),
        projects: config.projects.map(|names| names.iter().map(|name| name.as_str().to_owned()).collect()),
        usable: usable.is_ok(),
        reason: usable.err(),
        calls: tally.calls,
        failures: tally.failures,
        failures_in_a_row: tally.failures_in_a_row,
        time_ms: tally.time.as_secs_f64() * 1e3,
        last_error: tally.last_error.map(|fault| PluginFaultBody { reason: fault.reason, time_ms: fault.time_ms }),
        paused_seconds: tally.paused.map(|left| left.as_secs_f64().ceil() as u64),
    }
}
