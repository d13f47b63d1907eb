//! `skerry layer`.

pub(super) mod expression;

use std::io::Read;

use anyhow::Context;
use comfy_table::{ContentArrangement, Table, presets};
use serde_json::{Map, Value, json};

use super::client::{Client, Refused, segment};
use super::publish::{progress_bar, text};
use super::{Globals, Misuse, expression as filter_expression, note, print_json, print_line};
use crate::body::LayerKindBody;

/// Keys in one request.
const KEYS_MAX: usize = 1_000;

/// What to do with layers.
#[derive(Debug, clap::Subcommand)]
pub(super) enum LayerCommand {
    /// List the layers, declared or only named, with what is in them.
    List,
    /// Print what is declared about a layer, as JSON.
    Show {
        /// Its name.
        name: String,
    },
    /// Declare a layer, or change what is declared about it; what is not given stays as it is.
    Set(SetArguments),
    /// Take a layer's declaration back.
    Delete {
        /// Its name.
        name: String,
        /// Also take it out of all records and links that are in it. When this is interrupted, start it again.
        #[arg(long)]
        records: bool,
    },
    /// Put records into a layer, or their links.
    Add(MemberArguments),
    /// Take records out of a layer, or their links.
    Remove(MemberArguments),
    /// List the records that are in a set of layers.
    Records {
        /// `a & b`, `a | b`, `a - b`, `2 of (a, b, c)`; names with spaces or signs in double quotes.
        set: String,
        #[command(flatten)]
        page: PageArguments,
    },
    /// List the layers that share records with a set of layers, the most similar first.
    Overlaps {
        /// As for `records`.
        set: String,
        /// Layers that hold at this time, for instance 2026-11-21T08:30:00Z.
        #[arg(long, value_name = "TIME")]
        at: Option<String>,
    },
}

/// What to say about a layer.
#[derive(Debug, clap::Args)]
pub(super) struct SetArguments {
    /// Its name.
    name: String,
    /// What it is about.
    #[arg(long, value_enum)]
    kind: Option<LayerKindBody>,
    /// For people.
    #[arg(long)]
    description: Option<String>,
    /// What the weight of its links is multiplied by, 0 or more.
    #[arg(long)]
    weight: Option<f64>,
    /// What is in this layer is in the one that is set, too; may be repeated, and takes the place of what it inherited from.
    /// An empty name alone takes all away.
    #[arg(long, value_name = "LAYER")]
    inherits: Vec<String>,
    /// When it begins to hold, for instance 2026-11-21T08:30:00Z; empty for since ever.
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// When it ceases to hold; empty for never.
    #[arg(long, value_name = "TIME")]
    until: Option<String>,
    /// Whatever else is to be said, a JSON object. Of a spatial layer {"area": [west, south, east, north]}.
    #[arg(long, value_name = "JSON")]
    fields: Option<String>,
}

/// Which records.
#[derive(Debug, clap::Args)]
pub(super) struct MemberArguments {
    /// The layer.
    name: String,
    /// Keys of records, or `-` for one a line on standard input.
    #[arg(required_unless_present = "filter")]
    keys: Vec<String>,
    /// The records that pass, as for `skerry query --filter`; may be repeated, all must pass.
    #[arg(long, conflicts_with = "keys")]
    filter: Vec<String>,
    /// Not the records but their links, all of them or those of the types given.
    #[arg(long, value_name = "TYPE", num_args = 0..=1, default_missing_value = "")]
    links: Option<Vec<String>>,
}

/// Which part of a list.
#[derive(Debug, clap::Args)]
pub(super) struct PageArguments {
    /// Layers that hold at this time, for instance 2026-11-21T08:30:00Z.
    #[arg(long, value_name = "TIME")]
    at: Option<String>,
    /// Records at most, 1 to 10000.
    #[arg(long, default_value_t = 100)]
    limit: u32,
    /// Records to leave out before the first.
    #[arg(long, default_value_t = 0)]
    offset: u32,
}

/// Runs `skerry layer`.
pub(super) fn layer(globals: &Globals, command: &LayerCommand) -> anyhow::Result<()> {
    match command {
        LayerCommand::List => list(globals),
        LayerCommand::Show { name } => print_json(&globals.client()?.call("GET", &path_of(globals, name), None)?),
        LayerCommand::Set(arguments) => set(globals, arguments),
        LayerCommand::Delete { name, records } => delete(globals, name, *records),
        LayerCommand::Add(arguments) => change(globals, arguments, "add"),
        LayerCommand::Remove(arguments) => change(globals, arguments, "remove"),
        LayerCommand::Records { set, page } => records(globals, set, page),
        LayerCommand::Overlaps { set, at } => overlaps(globals, set, at.as_deref()),
    }
}

fn path(globals: &Globals) -> String {
    format!("/api/v1/projects/{}/layers", segment(&globals.project))
}

fn path_of(globals: &Globals, name: &str) -> String {
    // At these two names the API has questions; written so, they are layers.
    let name = match name {
        "query" => "%71uery".to_owned(),
        "overlaps" => "%6Fverlaps".to_owned(),
        other => segment(other),
    };
    format!("{}/{name}", path(globals))
}

fn list(globals: &Globals) -> anyhow::Result<()> {
    let answer = globals.client()?.call("GET", &format!("{}?counts=true", path(globals)), None)?;
    if globals.json {
        return print_json(&answer);
    }
    let declared = answer["layers"].as_array().map(Vec::as_slice).unwrap_or_default();
    let counts = answer["counts"].as_array().map(Vec::as_slice).unwrap_or_default();
    let mut table = Table::new();
    table.load_preset(presets::NOTHING).set_content_arrangement(ContentArrangement::Dynamic);
    table.set_header(["layer", "kind", "records", "links", "inherits from", "description"]);
    for count in counts {
        let name = text(count, "name");
        let said = declared.iter().find(|layer| layer["name"] == name.as_str()).unwrap_or(&Value::Null);
        let parents: Vec<&str> = said["inherits"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        let kind = if said.is_null() { "(not declared)".to_owned() } else { text(said, "kind") };
        let first = text(said, "description").lines().next().unwrap_or_default().to_owned();
        let numbers = ["records", "links"].map(|what| count[what].to_string());
        let [records, links] = numbers;
        table.add_row([name, kind, records, links, parents.join(", "), first]);
    }
    for circle in answer["circles"].as_array().into_iter().flatten() {
        note(format_args!("these layers inherit from one another in a circle, whose steps do not count: {circle}"));
    }
    if counts.is_empty() {
        return print_line(format_args!("no layers in {}", globals.project));
    }
    print_line(table)
}

fn set(globals: &Globals, arguments: &SetArguments) -> anyhow::Result<()> {
    let client = globals.client()?;
    let path = path_of(globals, &arguments.name);
    let before = match client.call("GET", &path, None) {
        Ok(layer) => layer,
        Err(error) if is_unknown_layer(&error) => json!({}),
        Err(error) => return Err(error),
    };
    let mut layer = before.as_object().cloned().unwrap_or_default();
    if let Some(kind) = arguments.kind {
        layer.insert("kind".to_owned(), serde_json::to_value(kind)?);
    }
    if let Some(description) = &arguments.description {
        layer.insert("description".to_owned(), json!(description));
    }
    if let Some(weight) = arguments.weight {
        layer.insert("weight".to_owned(), json!(weight));
    }
    if !arguments.inherits.is_empty() {
        let parents: Vec<&String> = arguments.inherits.iter().filter(|parent| !parent.is_empty()).collect();
        layer.insert("inherits".to_owned(), json!(parents));
    }
    let mut valid = layer.get("valid").and_then(Value::as_object).cloned().unwrap_or_default();
    for (name, end) in [("since", &arguments.since), ("until", &arguments.until)] {
        match end.as_deref() {
            Some("") => drop(valid.remove(name)),
            Some(moment) => drop(valid.insert(name.to_owned(), json!(moment))),
            None => {}
        }
    }
    layer.insert("valid".to_owned(), Value::Object(valid));
    if let Some(data) = &arguments.fields {
        let data: Map<String, Value> =
            serde_json::from_str(data).map_err(|error| Misuse(format!("--fields is not a JSON object: {error}")))?;
        layer.insert("data".to_owned(), Value::Object(data));
    }
    let answer = client.call("PUT", &path, Some(&Value::Object(layer)))?;
    if globals.json {
        return print_json(&answer);
    }
    print_line(format_args!("declared the layer {} of {}", arguments.name, globals.project))
}

fn is_unknown_layer(error: &anyhow::Error) -> bool {
    let refused = error.downcast_ref::<Refused>();
    refused.is_some_and(|Refused(problem)| problem["type"] == "urn:skerry:problem:unknown-layer")
}

fn delete(globals: &Globals, name: &str, records: bool) -> anyhow::Result<()> {
    let client = globals.client()?;
    let path = path_of(globals, name);
    let mut changed = 0;
    let mut after = String::new();
    let answer = loop {
        let query = if records { format!("?records=true{after}") } else { String::new() };
        let answer = client.call("DELETE", &format!("{path}{query}"), None)?;
        changed += answer["records"].as_u64().unwrap_or(0);
        match answer["next"].as_str() {
            Some(next) => after = format!("&after={}", segment(next).replace('&', "%26").replace('+', "%2B")),
            None => break answer,
        }
    };
    if globals.json {
        return print_json(&json!({ "deleted": answer["deleted"], "records": changed }));
    }
    print_line(format_args!("deleted the layer {name}, and took it out of {changed} records"))
}

fn change(globals: &Globals, arguments: &MemberArguments, what: &str) -> anyhow::Result<()> {
    let client = globals.client()?;
    let keys = keys(globals, &client, arguments)?;
    let path = format!("{}/{what}", path_of(globals, &arguments.name));
    let types = arguments.links.as_ref();
    let types: Option<Vec<&String>> = types.map(|types| types.iter().filter(|kind| !kind.is_empty()).collect());
    let bar = progress_bar(keys.len() as u64, "changing");
    let (mut changed, mut unknown) = (0, Vec::new());
    for keys in keys.chunks(KEYS_MAX) {
        let answer = client.call("POST", &path, Some(&json!({ "keys": keys, "link_types": types })))?;
        changed += answer["changed"].as_u64().unwrap_or(0);
        unknown.extend(answer["unknown"].as_array().cloned().unwrap_or_default());
        bar.inc(keys.len() as u64);
    }
    bar.finish_and_clear();
    if globals.json {
        return print_json(&json!({ "records": keys.len(), "changed": changed, "unknown": unknown }));
    }
    for key in unknown.iter().take(10) {
        note(format_args!("there is no record {key}"));
    }
    print_line(format_args!("{changed} of {} records changed", keys.len()))
}

/// The keys that were named, or those of the records that pass the filter.
fn keys(globals: &Globals, client: &Client, arguments: &MemberArguments) -> anyhow::Result<Vec<String>> {
    if let [dash] = arguments.keys.as_slice()
        && dash == "-"
    {
        let mut lines = String::new();
        std::io::stdin().read_to_string(&mut lines).context("read keys from standard input")?;
        return Ok(lines.lines().map(str::trim).filter(|line| !line.is_empty()).map(str::to_owned).collect());
    }
    if arguments.filter.is_empty() {
        return Ok(arguments.keys.clone());
    }
    let filters: Vec<Value> = arguments
        .filter
        .iter()
        .map(|filter| filter_expression::parse(filter).map_err(|error| Misuse(error.to_string())))
        .collect::<Result<_, _>>()?;
    let path = format!("/api/v1/projects/{}/query", segment(&globals.project));
    let mut keys = Vec::new();
    let mut offset = Some(0);
    // What is found is taken at one version, so that the pages fit together.
    let mut version = Value::Null;
    while let Some(from) = offset {
        let body = json!({ "filter": { "all": filters }, "k": KEYS_MAX, "offset": from, "version": version });
        let answer = client.call("POST", &path, Some(&body))?;
        let hits = answer["hits"].as_array().into_iter().flatten();
        keys.extend(hits.map(|hit| text(hit, "key")));
        version = answer["version"].clone();
        offset = answer["next_offset"].as_u64();
        if offset.is_none() && answer["candidates"].as_u64().is_some_and(|found| found > keys.len() as u64) {
            let detail =
                format!("the filter finds {} records; {} can be listed. Narrow it", answer["candidates"], keys.len());
            return Err(Misuse(detail).into());
        }
    }
    Ok(keys)
}

fn records(globals: &Globals, set: &str, page: &PageArguments) -> anyhow::Result<()> {
    let set = set_of_layers(set)?;
    let body = json!({ "set": set, "at": page.at, "limit": page.limit, "offset": page.offset });
    let answer = globals.client()?.call("POST", &format!("{}/query", path(globals)), Some(&body))?;
    if globals.json {
        return print_json(&answer);
    }
    let keys = answer["records"].as_array().map(Vec::as_slice).unwrap_or_default();
    for key in keys.iter().filter_map(Value::as_str) {
        print_line(key)?;
    }
    note(format_args!("{} of {} records", keys.len(), answer["count"]));
    Ok(())
}

fn overlaps(globals: &Globals, set: &str, at: Option<&str>) -> anyhow::Result<()> {
    let set = set_of_layers(set)?;
    let path = format!("{}/overlaps", path(globals));
    let answer = globals.client()?.call("POST", &path, Some(&json!({ "set": set, "at": at })))?;
    if globals.json {
        return print_json(&answer);
    }
    let mut table = Table::new();
    table.load_preset(presets::NOTHING).set_content_arrangement(ContentArrangement::Dynamic);
    table.set_header(["layer", "in both", "in either", "Jaccard"]);
    for overlap in answer["overlaps"].as_array().into_iter().flatten() {
        let jaccard = format!("{:.3}", overlap["jaccard"].as_f64().unwrap_or(0.0));
        table.add_row([text(overlap, "layer"), overlap["both"].to_string(), overlap["either"].to_string(), jaccard]);
    }
    print_line(table)
}

/// A set of layers as people write it, in the form of the API.
pub(super) fn set_of_layers(text: &str) -> anyhow::Result<Value> {
    Ok(expression::parse(text).map_err(Misuse)?)
}
