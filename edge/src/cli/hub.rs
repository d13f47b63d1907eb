//! The hub's part of `skerry status`.

use std::time::{Duration, Instant};

use anyhow::bail;
use serde_json::Value;

use super::client::Client;
use super::print_line;
use super::publish::text;
use crate::clock;

/// How often the status is asked for while waiting.
const ASKED_EVERY: Duration = Duration::from_millis(200);

/// Asks for the status until nothing is unsent, and answers it.
pub(super) fn wait_synced(client: &Client, timeout: Duration) -> anyhow::Result<Value> {
    let until = Instant::now() + timeout;
    loop {
        let status = client.call("GET", "/api/v1/status", None)?;
        let hub = &status["hub"];
        if hub.is_null() {
            bail!("this node has no hub; start it with `skerry serve --hub URL`");
        }
        if hub["documents_unsent"] == 0 {
            return Ok(status);
        }
        let unsent = unsent(hub).unwrap_or_default();
        if hub["state"] == "stopped" {
            bail!(
                "{unsent}, and nobody connects this folder to its hub; start `skerry serve --hub {}`",
                text(hub, "url")
            );
        }
        if Instant::now() >= until {
            let why = why(hub).map(|why| format!(" ({why})")).unwrap_or_default();
            bail!("{unsent} after {} s; the hub is {}{why}", timeout.as_secs(), text(hub, "state"));
        }
        std::thread::sleep(ASKED_EVERY);
    }
}

/// Prints how the node stands with its hub.
pub(super) fn print(hub: &Value) -> anyhow::Result<()> {
    if hub.is_null() {
        return Ok(());
    }
    let state = match (text(hub, "state").as_str(), hub["retry_in_ms"].as_u64()) {
        ("waiting", Some(pause)) => format!("not connected, next attempt in {} s", pause.div_ceil(1_000)),
        ("stopped", _) => "not connected, nobody serves this folder".to_owned(),
        (state, _) => state.to_owned(),
    };
    let sent = unsent(hub).unwrap_or_else(|| "everything is there".to_owned());
    print_line(format_args!("hub {}: {state}; {sent}", text(hub, "url")))?;
    if let Some(why) = why(hub) {
        print_line(format_args!("  {why}"))?;
    }
    for project in hub["projects"].as_array().into_iter().flatten() {
        let sent = unsent(project).unwrap_or_else(|| "everything is there".to_owned());
        let agreed = project["agreed_ms"].as_i64().and_then(clock::format_ms);
        let agreed = agreed.map_or_else(|| "never in sync yet".to_owned(), |time| format!("last in sync {time}"));
        let reason = project["reason"].as_str().map(|reason| format!(": {reason}")).unwrap_or_default();
        let (name, state) = (text(project, "name"), text(project, "state"));
        print_line(format_args!("  {name} {state}{reason}; {sent}; {agreed}"))?;
    }
    Ok(())
}

/// What is not at the hub; none when everything is.
fn unsent(of: &Value) -> Option<String> {
    let (records, documents) = (of["records_unsent"].as_u64()?, of["documents_unsent"].as_u64()?);
    let named = |count: u64, what: &str| format!("{count} {what}{}", if count == 1 { "" } else { "s" });
    (documents > 0).then(|| format!("{} in {} not yet sent", named(records, "record"), named(documents, "document")))
}

/// What went wrong last, with its time.
fn why(hub: &Value) -> Option<String> {
    let problem = &hub["problem"];
    let message = problem["message"].as_str()?;
    let time = problem["time_ms"].as_i64().and_then(clock::format_ms);
    Some(time.map_or_else(|| message.to_owned(), |time| format!("{time}: {message}")))
}
