//! `skerry geometry curvature | communities | hypergraph | anomalies`: the project's graph.

use std::path::PathBuf;

use anyhow::Context;
use clap::{Args, ValueEnum};
use serde_json::{Value, json};

use super::{cell, table};
use crate::cli::client::segment;
use crate::cli::layer::set_of_layers;
use crate::cli::search::clip;
use crate::cli::{Globals, note, print_line};

/// Characters of a name in a table at most.
const NAME_CHARS: usize = 60;

/// Members of a community or component that are printed.
const MEMBERS_SHOWN: usize = 12;

/// Links behind an edge whose types are printed.
const TYPES_SHOWN: usize = 4;

/// The part of the graph that is looked at.
#[derive(Debug, Clone, Default, Args)]
pub(super) struct Selection {
    /// Only links of this type; may be given several times.
    #[arg(long = "type", short = 't', value_name = "TYPE")]
    types: Vec<String>,
    /// Only links that are in these layers: `web & 2024`, `web | mobile`, `web - old`, `2 of (a, b, c)`.
    #[arg(long, value_name = "EXPR")]
    layers: Option<String>,
    /// Only what is valid at this moment (RFC 3339).
    #[arg(long, value_name = "TIME")]
    at: Option<String>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Kind {
    /// Lin, Lu and Yau's, a fraction.
    LinLuYau,
    /// Ollivier's, a fraction; with lengths a double.
    Ollivier,
    /// Forman's, 4 - deg - deg; tells next to nothing.
    FormanPlain,
    /// Forman's with triangles.
    FormanAugmented,
    /// Balanced Forman curvature.
    FormanBalanced,
    /// By effective resistance; of records, too.
    Resistance,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Length {
    /// Every edge is 1.
    Hops,
    /// The links' weights.
    Weight,
    /// 1 / weight, for weights that say how strong a link is.
    Reciprocal,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Order {
    Least,
    Greatest,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Dispersion {
    /// Every neighbour the same.
    UnweightedClique,
    /// Every neighbour as often as it shares a link.
    WeightedClique,
    /// Every link the same.
    UnweightedStar,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Aggregation {
    Mean,
    Max,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Score {
    /// Negative Lin-Lu-Yau curvature.
    LinLuYau,
    /// Negative balanced Forman curvature.
    Balanced,
    /// Negative augmented Forman curvature.
    Augmented,
    /// Negative plain Forman curvature; tells next to nothing.
    Plain,
    /// Share of shortest paths.
    Betweenness,
    /// One minus the share of common neighbours.
    Jaccard,
}

/// What the API calls a value of an option.
#[allow(clippy::needless_pass_by_value, reason = "values are names, a byte each")]
fn named(value: impl ValueEnum) -> String {
    value.to_possible_value().map(|value| value.get_name().replace('-', "_")).unwrap_or_default()
}

#[derive(Debug, Args)]
pub(super) struct CurvatureArguments {
    /// Which curvature.
    #[arg(long, value_enum, default_value_t = Kind::LinLuYau)]
    kind: Kind,
    /// The share that stays at a node, for Ollivier's [default: 1/2].
    #[arg(long, value_name = "FRACTION")]
    idleness: Option<String>,
    /// How long an edge is, for Ollivier's.
    #[arg(long, value_enum, default_value_t = Length::Hops)]
    length: Length,
    /// Weights of links count, for forman-plain and resistance.
    #[arg(long)]
    weighted: bool,
    /// Which come first.
    #[arg(long, value_enum, default_value_t = Order::Least)]
    order: Order,
    /// Edges at most.
    #[arg(long, default_value_t = 20)]
    limit: u32,
    #[command(flatten)]
    selection: Selection,
}

#[derive(Debug, Args)]
pub(super) struct CommunitiesArguments {
    /// Steps of the flow, 1 to 200.
    #[arg(long, default_value_t = 20)]
    steps: u32,
    /// How long an edge is at the beginning.
    #[arg(long, value_enum, default_value_t = Length::Hops)]
    length: Length,
    #[command(flatten)]
    selection: Selection,
}

#[derive(Debug, Args)]
pub(super) struct HypergraphArguments {
    /// Links are connected over at least so many shared members.
    #[arg(short, long, default_value_t = 1)]
    s: u32,
    /// The share that stays at a node.
    #[arg(long, value_name = "FRACTION", default_value = "1/2")]
    idleness: String,
    /// Over what a node's mass is spread.
    #[arg(long, value_enum, default_value_t = Dispersion::UnweightedClique)]
    dispersion: Dispersion,
    /// What a link takes from its pairs of members.
    #[arg(long, value_enum, default_value_t = Aggregation::Mean)]
    aggregation: Aggregation,
    /// Links, records and components at most.
    #[arg(long, default_value_t = 20)]
    limit: u32,
    #[command(flatten)]
    selection: Selection,
}

#[derive(Debug, Args)]
pub(super) struct AnomaliesArguments {
    /// What ranks.
    #[arg(long, value_enum, default_value_t = Score::LinLuYau)]
    by: Score,
    /// Other scores to print [default: all but plain].
    #[arg(long, value_enum, value_delimiter = ',')]
    scores: Option<Vec<Score>>,
    /// Links, and records, at most.
    #[arg(long, default_value_t = 20)]
    limit: u32,
    /// Draw a picture into this file as well, SVG.
    #[arg(long, value_name = "FILE.svg")]
    plot: Option<PathBuf>,
    #[command(flatten)]
    selection: Selection,
}

impl Selection {
    fn json(&self) -> anyhow::Result<Value> {
        let mut selection = json!({ "types": self.types });
        if let Some(layers) = &self.layers {
            selection["layers"] = set_of_layers(layers)?;
        }
        if let Some(at) = &self.at {
            selection["at"] = json!(at);
        }
        Ok(selection)
    }
}

impl CurvatureArguments {
    pub(super) fn body(&self) -> anyhow::Result<Value> {
        Ok(json!({ "kind": named(self.kind), "idleness": self.idleness, "length": named(self.length),
            "weighted": self.weighted, "order": named(self.order), "limit": self.limit,
            "selection": self.selection.json()? }))
    }
}

impl CommunitiesArguments {
    pub(super) fn body(&self) -> anyhow::Result<Value> {
        Ok(json!({ "steps": self.steps, "length": named(self.length), "selection": self.selection.json()? }))
    }
}

impl HypergraphArguments {
    pub(super) fn body(&self) -> anyhow::Result<Value> {
        Ok(json!({ "s": self.s, "idleness": self.idleness, "dispersion": named(self.dispersion),
            "aggregation": named(self.aggregation), "limit": self.limit, "selection": self.selection.json()? }))
    }
}

impl AnomaliesArguments {
    pub(super) fn body(&self) -> anyhow::Result<Value> {
        let scores = self.scores.as_ref().map(|scores| scores.iter().copied().map(named).collect::<Vec<_>>());
        Ok(json!({ "by": named(self.by), "scores": scores, "limit": self.limit, "selection": self.selection.json()? }))
    }

    /// Writes the picture, if one is wanted.
    pub(super) fn plot(&self, globals: &Globals) -> anyhow::Result<()> {
        let Some(file) = &self.plot else { return Ok(()) };
        let path = format!("/api/v1/projects/{}/geometry/anomalies/plot", segment(&globals.project));
        let picture = globals.client()?.call_for(&path, &self.body()?, "image/svg+xml")?;
        std::fs::write(file, picture).with_context(|| format!("write {}", file.display()))?;
        note(format_args!("the picture is in {}", file.display()));
        Ok(())
    }
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}

/// A node's name as people type it.
fn name(node: &Value) -> String {
    match (node["key"].as_str(), node["link"].as_str()) {
        (Some(key), _) => clip(key, NAME_CHARS),
        (None, Some(id)) => format!("link:{id}"),
        (None, None) => "-".to_owned(),
    }
}

/// The first names of a list, and how many more there are.
fn some(nodes: &[Value], size: u64) -> String {
    let shown: Vec<String> = nodes.iter().take(MEMBERS_SHOWN).map(name).collect();
    let more = size.saturating_sub(shown.len() as u64);
    if more == 0 { shown.join(", ") } else { format!("{} and {more} more", shown.join(", ")) }
}

/// Sizes of the graph in words.
fn sizes(graph: &Value) -> String {
    let components = if graph["components"] == 1 { "component" } else { "components" };
    format!("{} edges between {} records in {} {components}", graph["edges"], graph["nodes"], graph["components"])
}

pub(super) fn curvature(answer: &Value) -> anyhow::Result<()> {
    let exact = list(&answer["edges"]).iter().any(|edge| edge["fraction"].is_string());
    let row = |edge: &Value| {
        let mut row = vec![name(&edge["ends"][0]), name(&edge["ends"][1]), cell(&edge["value"])];
        if exact {
            row.push(cell(&edge["fraction"]));
        }
        row
    };
    let header: &[&str] =
        if exact { &["record", "record", "curvature", "exactly"] } else { &["record", "record", "curvature"] };
    print_line(table(header, list(&answer["edges"]).iter().map(row)))?;
    let nodes = list(&answer["nodes"]);
    if !nodes.is_empty() {
        let rows = nodes.iter().map(|one| vec![name(&one["node"]), cell(&one["value"])]);
        print_line(table(&["record", "curvature"], rows))?;
    }
    print_line(format_args!(
        "{}; from {} to {}, {} in the mean",
        sizes(&answer["graph"]),
        cell(&answer["least"]),
        cell(&answer["greatest"]),
        cell(&answer["mean"])
    ))?;
    print_line(format_args!("{}", cell(&answer["definition"])))
}

pub(super) fn communities(answer: &Value) -> anyhow::Result<()> {
    let row = |one: &Value| vec![cell(&one["size"]), some(list(&one["members"]), one["size"].as_u64().unwrap_or(0))];
    print_line(table(&["size", "members"], list(&answer["communities"]).iter().map(row)))?;
    print_line(format_args!(
        "{} communities after {} steps, modularity {}; {}",
        list(&answer["communities"]).len(),
        answer["iterations"],
        cell(&answer["modularity"]),
        sizes(&answer["graph"])
    ))
}

pub(super) fn hypergraph(answer: &Value) -> anyhow::Result<()> {
    let links = list(&answer["links"]).iter().map(|link| {
        let members = list(&link["members"]);
        vec![
            cell(&link["type"]),
            some(members, members.len() as u64),
            cell(&link["fraction"]),
            cell(&link["forman"]),
            cell(&link["betweenness"]),
        ]
    });
    print_line(table(&["type", "members", "ORCHID", "Forman", "betweenness"], links))?;
    let nodes = list(&answer["nodes"]).iter().map(|node| {
        vec![name(&node["node"]), cell(&node["degree"]), cell(&node["clustering"]), cell(&node["curvature"])]
    });
    print_line(table(&["record", "links", "clustering", "curvature"], nodes))?;
    let components = list(&answer["components"]).iter().take(MEMBERS_SHOWN);
    let sizes: Vec<String> = components.map(|component| component["size"].to_string()).collect();
    print_line(format_args!(
        "{} links with {} members among {} records, the largest of {}; density {}, clustering {}",
        answer["link_count"],
        answer["member_count"],
        answer["node_count"],
        answer["size_max"],
        cell(&answer["density"]),
        cell(&answer["clustering"])
    ))?;
    print_line(format_args!(
        "{} sets of links are connected over {} shared members or more; the largest have {} links",
        answer["component_count"],
        answer["s"],
        sizes.join(", ")
    ))
}

/// Percentiles are printed; the deviation of what ranks besides.
pub(super) fn anomalies(answer: &Value) -> anyhow::Result<()> {
    let by = answer["by"].as_str().unwrap_or_default();
    let first = list(&answer["edges"]).first().and_then(|edge| edge["scores"].as_object());
    let others: Vec<String> =
        first.into_iter().flat_map(serde_json::Map::keys).filter(|score| *score != by).cloned().collect();
    let percent = |score: &Value| {
        score["percentile"].as_f64().map_or_else(|| "-".to_owned(), |share| format!("{:.1}", share * 100.0))
    };
    let scores = |one: &Value| {
        let own = &one["scores"][by];
        let z = own["robust_z"].as_f64().unwrap_or(0.0);
        let mut row = vec![format!("{z:.2}"), percent(own)];
        row.extend(others.iter().map(|score| percent(&one["scores"][score])));
        row
    };
    let titles: Vec<String> = others.iter().map(|score| format!("{} %", score.replace('_', " "))).collect();
    let header = |first: &[&'static str]| -> Vec<String> {
        let own = ["robust z".to_owned(), format!("{} %", by.replace('_', " "))];
        first.iter().map(|&text| text.to_owned()).chain(own).chain(titles.iter().cloned()).collect()
    };
    let edge = |edge: &Value| {
        let links = list(&edge["links"]);
        let types = links.iter().take(TYPES_SHOWN).map(|link| cell(&link["type"])).collect::<Vec<_>>().join(", ");
        let ends = format!("{} — {}", name(&edge["ends"][0]), name(&edge["ends"][1]));
        let mut row = vec![ends, types, cell(&edge["curvature"])];
        row.extend(scores(edge));
        row
    };
    let columns = header(&["records", "links", "curvature"]);
    let columns: Vec<&str> = columns.iter().map(String::as_str).collect();
    print_line(table(&columns, list(&answer["edges"]).iter().map(edge)))?;
    let node = |node: &Value| {
        let mut row = vec![name(&node["node"]), cell(&node["degree"])];
        row.extend(scores(node));
        row
    };
    let columns = header(&["record", "degree"]);
    let columns: Vec<&str> = columns.iter().map(String::as_str).collect();
    print_line(table(&columns, list(&answer["nodes"]).iter().map(node)))?;
    print_line(format_args!("{}; ranked by {}", sizes(&answer["graph"]), by.replace('_', " ")))?;
    for one in list(&answer["left_out"]) {
        note(format_args!("{} is left out: {}", cell(&one["score"]), cell(&one["reason"])));
    }
    note("a score says that something is unlike the rest, not that it is wrong; in trees it says little");
    Ok(())
}
