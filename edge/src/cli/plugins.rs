//! `skerry plugins`.

use comfy_table::{ContentArrangement, Table, presets};
use serde_json::Value;

use super::publish::text;
use super::{Globals, print_json, print_line};

/// Runs `skerry plugins`.
pub(super) fn plugins(globals: &Globals) -> anyhow::Result<()> {
    let answer = globals.client()?.call("GET", "/api/v1/plugins", None)?;
    if globals.json {
        return print_json(&answer);
    }
    let plugins = answer["plugins"].as_array().map(Vec::as_slice).unwrap_or_default();
    if plugins.is_empty() {
        return print_line("this node has no plugins; list them in a file and give it with --plugins");
    }
    let mut table = Table::new();
    table.load_preset(presets::UTF8_HORIZONTAL_ONLY).set_content_arrangement(ContentArrangement::Dynamic);
    table.set_header(["plugin", "kind", "projects", "state", "calls", "failed", "ms a call"]);
    for plugin in plugins {
        let projects = plugin["projects"].as_array().map_or_else(
            || "all".to_owned(),
            |names| names.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(", "),
        );
        table.add_row([
            text(plugin, "name"),
            text(plugin, "kind"),
            projects,
            state(plugin),
            plugin["calls"].to_string(),
            plugin["failures"].to_string(),
            mean_ms(plugin),
        ]);
    }
    print_line(table)
}

fn state(plugin: &Value) -> String {
    if plugin["usable"] != true {
        return text(plugin, "reason");
    }
    let last = text(&plugin["last_error"], "reason");
    match (plugin["paused_seconds"].as_u64(), plugin["failures_in_a_row"].as_u64()) {
        (Some(seconds), _) => format!("not asked for {seconds} s: {last}"),
        (None, Some(failures)) if failures > 0 => format!("failing: {last}"),
        _ => "ok".to_owned(),
    }
}

fn mean_ms(plugin: &Value) -> String {
    match (plugin["calls"].as_f64(), plugin["time_ms"].as_f64()) {
        (Some(calls), Some(time_ms)) if calls > 0.0 => format!("{:.1}", time_ms / calls),
        _ => "-".to_owned(),
    }
}
