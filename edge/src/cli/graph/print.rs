//! Answers as tables.

use comfy_table::{ContentArrangement, Table, presets};
use serde_json::Value;

use super::note_more;
use crate::cli::search::clip;
use crate::cli::{note, print_line};

/// Characters of a name in a table at most.
const NAME_CHARS: usize = 60;

/// A node's name as people type it.
pub(super) fn name(node: &Value) -> String {
    match (node["key"].as_str(), node["link"].as_str()) {
        (Some(key), _) => clip(key, NAME_CHARS),
        (None, Some(id)) => format!("link:{id}"),
        (None, None) => "-".to_owned(),
    }
}

fn names(nodes: &Value) -> String {
    nodes.as_array().into_iter().flatten().map(name).collect::<Vec<_>>().join(", ")
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}

fn table(header: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_preset(presets::UTF8_HORIZONTAL_ONLY).set_content_arrangement(ContentArrangement::Dynamic);
    table.set_header(header);
    table
}

/// Prints the answer to an operation.
pub(super) fn answer(what: &str, answer: &Value) -> anyhow::Result<()> {
    match what {
        "neighbours" => {
            for one in list(&answer["nodes"]) {
                print_line(format_args!("{} ({}): {}", name(&one["node"]), one["degree"], names(&one["neighbours"])))?;
            }
        }
        "reach" | "descendants" => {
            let mut rows = table(&["steps", "node", "by"]);
            for one in list(&answer["nodes"]) {
                rows.add_row([one["distance"].to_string(), name(&one["node"]), name(&one["before"])]);
            }
            print_line(rows)?;
        }
        "path" => return path(&answer["path"]),
        "incidence" => return incidence(answer),
        "pattern" => pattern(answer)?,
        "metapath" => {
            let mut rows = table(&["node", "paths"]);
            for one in list(&answer["nodes"]) {
                rows.add_row([name(&one["node"]), one["paths"].to_string()]);
            }
            print_line(rows)?;
        }
        "components" => {
            print_line(format_args!("{} components", answer["count"]))?;
            let mut rows = table(&["size", "nodes"]);
            for one in list(&answer["components"]) {
                let more = if one["size"].as_u64() > Some(list(&one["nodes"]).len() as u64) { ", …" } else { "" };
                rows.add_row([one["size"].to_string(), format!("{}{more}", names(&one["nodes"]))]);
            }
            print_line(rows)?;
        }
        "centrality" => {
            let mut rows = table(&["node", "score"]);
            for one in list(&answer["nodes"]) {
                rows.add_row([name(&one["node"]), format!("{:.6}", one["score"].as_f64().unwrap_or(0.0))]);
            }
            return print_line(rows);
        }
        "depth" => {
            for one in list(&answer["nodes"]) {
                let depth =
                    one["depth"].as_u64().map_or_else(|| "below a circle".to_owned(), |depth| depth.to_string());
                print_line(format_args!("{}  {depth}", name(&one["node"])))?;
            }
        }
        "cycles" => {
            if list(&answer["cycles"]).is_empty() {
                print_line("no circles")?;
            }
            list(&answer["cycles"]).iter().try_for_each(|circle| print_line(names(circle)))?;
        }
        "report" => return report(answer),
        _ => {
            if list(&answer["nodes"]).is_empty() {
                print_line("none")?;
            }
            list(&answer["nodes"]).iter().try_for_each(|node| print_line(name(node)))?;
        }
    }
    note_more(answer);
    incomplete(answer);
    Ok(())
}

/// Says when a walk was cut.
pub(super) fn incomplete(answer: &Value) {
    if answer["complete"] == false {
        note("there is more; raise --limit");
    }
}

fn path(path: &Value) -> anyhow::Result<()> {
    if path.is_null() {
        return print_line("there is no path");
    }
    let nodes: Vec<String> = list(&path["nodes"]).iter().map(name).collect();
    print_line(format_args!("{}  (length {})", nodes.join(" — "), path["cost"]))
}

fn incidence(answer: &Value) -> anyhow::Result<()> {
    let mut rows = table(&["type", "members", "weight", "id"]);
    for link in list(&answer["links"]) {
        let members = list(&link["members"]).iter();
        let members: Vec<String> = members
            .map(|member| format!("{}: {}", member["role"].as_str().unwrap_or_default(), name(member)))
            .collect();
        rows.add_row([
            clip(link["type"].as_str().unwrap_or_default(), NAME_CHARS),
            members.join(", "),
            link["weight"].to_string(),
            link["id"].as_str().unwrap_or_default().to_owned(),
        ]);
    }
    print_line(rows)?;
    note_more(answer);
    Ok(())
}

fn pattern(answer: &Value) -> anyhow::Result<()> {
    let variables: Vec<String> =
        list(&answer["variables"]).iter().map(|name| format!("?{}", name.as_str().unwrap_or_default())).collect();
    let found = list(&answer["rows"]);
    if found.is_empty() {
        return print_line("nothing fits");
    }
    if variables.is_empty() {
        return print_line("it is so");
    }
    let mut rows = table(&variables.iter().map(String::as_str).collect::<Vec<_>>());
    for row in found {
        rows.add_row(list(row).iter().map(name));
    }
    print_line(rows)
}

fn report(answer: &Value) -> anyhow::Result<()> {
    print_line(format_args!(
        "{} records, {} links with {} members, {} layers; {:.1} MB",
        answer["records"],
        answer["links"],
        answer["members"],
        answer["layers"],
        answer["bytes"].as_f64().unwrap_or(0.0) / 1e6
    ))?;
    print_line(format_args!("{} members are not there", answer["dangling_count"]))?;
    for one in list(&answer["dangling"]) {
        print_line(format_args!("  {}  in {} links", name(&one["node"]), one["links"]))?;
    }
    print_line(format_args!("{} circles in the hierarchy", list(&answer["cycles"]).len()))?;
    for circle in list(&answer["cycles"]) {
        print_line(format_args!("  {}", names(circle)))?;
    }
    note_more(answer);
    Ok(())
}

/// Rows of SPARQL, or its yes or no.
pub(super) fn sparql(answer: &Value) -> anyhow::Result<()> {
    if let Some(verdict) = answer["boolean"].as_bool() {
        return print_line(if verdict { "yes" } else { "no" });
    }
    let variables: Vec<&str> = list(&answer["head"]["vars"]).iter().filter_map(Value::as_str).collect();
    let mut rows = table(&variables);
    for row in list(&answer["results"]["bindings"]) {
        rows.add_row(variables.iter().map(|variable| {
            let value = row[*variable]["value"].as_str().unwrap_or_default();
            let record = value.strip_prefix("urn:skerry:record:");
            clip(&record.map_or_else(|| value.to_owned(), |key| format!("record:{key}")), 120)
        }));
    }
    print_line(rows)
}
