//! `skerry query`, `get`, `delete` and `status`.

use std::io::IsTerminal;

use comfy_table::{ContentArrangement, Table, presets};
use serde_json::{Value, json};

use super::client::segment;
use super::publish::text;
use super::{Globals, expression, note, print_json, print_line};

/// What to look for.
#[derive(Debug, clap::Args)]
pub(super) struct QueryArguments {
    /// Words or a sentence; may be left out with --filter.
    #[arg(required_unless_present = "filter")]
    text: Option<String>,
    /// Hits at most, 1 to 1000.
    #[arg(short, long, default_value_t = 10)]
    k: u32,
    /// What to search with.
    #[arg(long, value_enum, default_value_t = Mode::Hybrid)]
    mode: Mode,
    /// Only records that pass: data.severity >= 7, layer = "x", key ^= "CWE-1", data.y exists, or the API's JSON. May be
    /// repeated; all must pass.
    #[arg(long)]
    filter: Vec<String>,
    /// Weight of meaning against words in a hybrid query, 0 to 1.
    #[arg(long)]
    vector_weight: Option<f32>,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum Mode {
    /// Meaning and words.
    Hybrid,
    /// Words only (BM25).
    Keyword,
    /// Meaning only (cosine similarity).
    Vector,
}

/// Runs `skerry query`.
pub(super) fn query(globals: &Globals, arguments: &QueryArguments) -> anyhow::Result<()> {
    let mode = match arguments.mode {
        Mode::Hybrid => "hybrid",
        Mode::Keyword => "keyword",
        Mode::Vector => "vector",
    };
    let mut body = json!({ "k": arguments.k, "mode": mode });
    if let Some(text) = &arguments.text {
        body["text"] = json!(text);
    }
    let mut filters =
        arguments.filter.iter().map(|text| expression::parse(text)).collect::<anyhow::Result<Vec<_>>>()?;
    match filters.len() {
        0 => {}
        1 => body["filter"] = filters.remove(0),
        _ => body["filter"] = json!({ "all": filters }),
    }
    if let Some(weight) = arguments.vector_weight {
        body["fusion"] = json!({ "convex": { "vector_weight": weight } });
    }
    let answer = globals.client()?.call(
        "POST",
        &format!("/api/v1/projects/{}/query", segment(&globals.project)),
        Some(&body),
    )?;
    if globals.json {
        return print_json(&answer);
    }
    let hits = answer["hits"].as_array().map(Vec::as_slice).unwrap_or_default();
    if hits.is_empty() {
        print_line(format_args!("nothing found among {} records", answer["candidates"]))?;
    }
    for (hit, rank) in hits.iter().zip(1..) {
        print_hit(hit, rank)?;
    }
    if let Some(pending) = answer["vectors_pending"].as_u64() {
        note(format_args!("{pending} records are still being embedded and are found by words only until then"));
    }
    Ok(())
}

fn print_hit(hit: &Value, rank: usize) -> anyhow::Result<()> {
    let record = &hit["record"];
    let body = text(record, "text");
    let title = ["name", "title"].iter().find_map(|name| record["data"][*name].as_str());
    let title = title.map_or_else(|| body.lines().next().unwrap_or_default().to_owned(), str::to_owned);
    let rest = body.strip_prefix(title.as_str()).unwrap_or(&body);
    let snippet: Vec<&str> = rest.split_whitespace().collect();
    let (bold, dim, plain) = if colours() { ("\x1b[1m", "\x1b[2m", "\x1b[0m") } else { ("", "", "") };
    let score = hit["score"].as_f64().unwrap_or(0.0);
    print_line(format_args!(
        "{rank:>2}. {bold}{}{plain}  {}  {dim}score {score:.3}{plain}",
        text(hit, "key"),
        clip(&title, 90)
    ))?;
    let snippet = clip(&snippet.join(" "), 180);
    if !snippet.is_empty() {
        print_line(format_args!("    {dim}{snippet}{plain}"))?;
    }
    Ok(())
}

fn colours() -> bool {
    std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none()
}

fn clip(text: &str, chars_max: usize) -> String {
    // Escape sequences in stored text must not reach the terminal.
    let clean: String = text.chars().filter(|character| !character.is_control()).collect();
    if clean.chars().count() <= chars_max {
        return clean;
    }
    let cut: String = clean.chars().take(chars_max - 1).collect();
    format!("{}…", cut.trim_end())
}

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

/// Runs `skerry status`.
pub(super) fn status(globals: &Globals) -> anyhow::Result<()> {
    let status = globals.client()?.call("GET", "/api/v1/status", None)?;
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
    let mut table = Table::new();
    table.load_preset(presets::UTF8_HORIZONTAL_ONLY).set_content_arrangement(ContentArrangement::Dynamic);
    table.set_header(["project", "records", "version", "not yet embedded", "description"]);
    for project in status["projects"].as_array().into_iter().flatten() {
        table.add_row([
            text(project, "name"),
            project["records"].to_string(),
            text(project, "version").get(..12).unwrap_or_default().to_owned(),
            project["vectors_pending"].as_u64().map_or_else(|| "-".to_owned(), |count| count.to_string()),
            clip(text(project, "description").lines().next().unwrap_or_default(), 60),
        ]);
    }
    print_line(table)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::clip;

    /// A record's text is somebody else's: it must not steer the terminal.
    #[test]
    fn control_characters_are_not_printed() {
        assert_eq!(clip("a\u{1b}[31mb\u{7}", 20), "a[31mb");
        assert_eq!(clip("abcdef", 4), "abc…");
    }
}
