//! `skerry get`, `delete` and `status`.

use std::time::Duration;

use comfy_table::{ContentArrangement, Table, presets};
use serde_json::{Value, json};

use super::client::segment;
use super::hub;
use super::models::way_of;
use super::publish::text;
use super::search::clip;
use super::{Globals, print_json, print_line};

/// Runs `skerry get`.
pub(super) fn get(globals: &Globals, key: &str) -> anyhow::Result<()> {
    let path = format!("/api/v1/projects/{}/records/{}", segment(&globals.project), segment(key));
    print_json(&globals.client()?.call("GET", &path, None)?)
}

/// Runs `skerry delete`.
pub(super) fn delete(globals: &Globals, keys: &[String]) -> anyhow::Result<()> {
    let path = format!("/api/v1/projects/{}/deletions", segment(&globals.project));
    let answer = globals.client()?.call("POST", &path, Some(&json!({ "keys": keys })))?;
    if globals.json {
        return print_json(&answer);
    }
    print_line(format_args!("deleted {} of {} records", answer["deleted"], keys.len()))?;
    Ok(())
}

/// What `skerry status` waits for.
#[derive(Debug, clap::Args)]
pub(super) struct StatusArguments {
    /// Wait until the hub has everything that was written here, for instance before the device is switched off.
    #[arg(long)]
    wait_synced: bool,
    /// How long to wait at most, in seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = 60, requires = "wait_synced")]
    timeout: u64,
}

/// Runs `skerry status`.
pub(super) fn status(globals: &Globals, arguments: &StatusArguments) -> anyhow::Result<()> {
    let client = globals.client()?;
    let status = if arguments.wait_synced {
        hub::wait_synced(&client, Duration::from_secs(arguments.timeout))?
    } else {
        client.call("GET", "/api/v1/status", None)?
    };
    if globals.json {
        return print_json(&status);
    }
    let node = &status["node"];
    print_line(format_args!(
        "skerry {}, store {}, model {} ({} dimensions)",
        text(node, "version"),
        text(node, "health"),
        text(node, "model"),
        node["dimensions"]
    ))?;
    if let Some(bytes) = node["memory_pss_bytes"].as_u64() {
        print_line(format_args!("memory {} MiB (Pss), up {} s", bytes >> 20, node["uptime_seconds"]))?;
    }
    hub::print(&status["hub"])?;
    if let Some(failing) = status["plugins_failing"].as_array() {
        let names: Vec<&str> = failing.iter().filter_map(Value::as_str).collect();
        print_line(format_args!("plugins that fail: {}; see `skerry plugins`", names.join(", ")))?;
    }
    let mut table = Table::new();
    table.load_preset(presets::UTF8_HORIZONTAL_ONLY).set_content_arrangement(ContentArrangement::Dynamic);
    table.set_header(["project", "records", "version", "model", "not yet embedded", "index", "description"]);
    for project in status["projects"].as_array().into_iter().flatten() {
        table.add_row([
            text(project, "name"),
            project["records"].to_string(),
            text(project, "version").get(..12).unwrap_or_default().to_owned(),
            way_of(project).unwrap_or_else(|| model_name(project)),
            project["vectors_pending"].as_u64().map_or_else(|| "-".to_owned(), |count| count.to_string()),
            index_size(project),
            clip(text(project, "description").lines().next().unwrap_or_default(), 60),
        ]);
    }
    print_line(table)?;
    Ok(())
}

/// The name of a project's model, marked where this node does not have it.
fn model_name(project: &Value) -> String {
    let name = text(&project["model"], "name");
    if project["model"]["id"].is_null() { format!("{name} (not here)") } else { name }
}

/// Megabytes and segments of a project's index; a dash while nobody has asked the node for it.
fn index_size(project: &Value) -> String {
    let Some(bytes) = project["index_bytes"].as_u64() else { return "-".to_owned() };
    let segments = project["segments"].as_array().map_or(0, Vec::len);
    let sealing = if project["sealing"] == true { ", sealing" } else { "" };
    format!("{:.1} MB in {segments}{sealing}", bytes as f64 / 1e6)
}
