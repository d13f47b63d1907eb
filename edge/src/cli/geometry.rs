//! `skerry geometry`: records on manifolds, series, clouds, layers, the project's graph.

mod graphs;

use anyhow::Context;
use clap::{Args, Subcommand};
use comfy_table::{ContentArrangement, Table, presets};
use serde_json::{Value, json};

use super::client::segment;
use super::publish::text;
use super::{Globals, Misuse, note, print_json, print_line};

const EXAMPLES: &str = "\
Examples:
  skerry geometry neighbours ship-7 --factor 'gaussian:data.speed.mean,data.speed.deviation' -k 5
  skerry geometry outliers --factor 'euclidean:data.draught,data.length' --factor 'sphere:data.heading*0.5'
  skerry geometry mean --chart speeds --keys a,b,c     a saved chart, see skerry chart
  skerry geometry interpolate a b --factor 'categorical:data.shares' --at 0.25,0.5,0.75
  skerry geometry dtw monday data.tide tuesday data.tide --window 6 --path
  skerry geometry trajectory portfolio --fields data.oil,data.freight --window 60
  skerry geometry cloud                                dimension and curvature of the embeddings
  skerry geometry multilayer sea air
  skerry geometry curvature --type parent --limit 10   the most negatively curved edges
  skerry geometry curvature --kind ollivier --idleness 1/3 --order greatest
  skerry geometry communities --layers 'web - old'
  skerry geometry hypergraph -s 2 --aggregation max    links with any number of members
  skerry geometry anomalies --plot anomalies.svg       links and records that stand out";

/// What of geometry is asked for.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct GeometryArguments {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Geodesic distances from a record to the others, or of all pairs.
    Distances {
        /// From this record; of all pairs when it is left out.
        from: Option<String>,
        #[command(flatten)]
        chart: ChartArguments,
    },
    /// The nearest records on the manifold.
    Neighbours {
        /// Of this record.
        key: String,
        /// How many, 1 to 1000.
        #[arg(short, long, default_value_t = 10)]
        k: u32,
        #[command(flatten)]
        chart: ChartArguments,
    },
    /// The Frechet mean of records.
    Mean {
        #[command(flatten)]
        chart: ChartArguments,
    },
    /// Points of the geodesic between two records.
    Interpolate {
        /// Its beginning.
        from: String,
        /// Its end.
        to: String,
        /// Where on it: 0 is the beginning, 1 the end.
        #[arg(long, value_delimiter = ',', default_value = "0.5", allow_negative_numbers = true)]
        at: Vec<f64>,
        #[command(flatten)]
        chart: ChartArguments,
    },
    /// Records that lie far out.
    Outliers {
        /// By the distance to the k-th nearest neighbour, not to the mean.
        #[arg(long, value_name = "K")]
        neighbour: Option<u32>,
        /// Robust z-score from which a record is an outlier.
        #[arg(long, default_value_t = 3.5)]
        threshold: f64,
        /// Records to print at most.
        #[arg(long, default_value_t = 20)]
        limit: usize,
        #[command(flatten)]
        chart: ChartArguments,
    },
    /// Dynamic time warping of two series.
    Dtw {
        /// A record.
        x: String,
        /// Its field.
        x_field: String,
        /// The other record.
        y: String,
        /// Its field.
        y_field: String,
        /// Half the width of Sakoe and Chiba's band.
        #[arg(long)]
        window: Option<u32>,
        /// Print which positions are aligned.
        #[arg(long)]
        path: bool,
    },
    /// A record's series as a path of correlation matrices: where it changes.
    Trajectory {
        /// The record.
        key: String,
        /// Its fields, an array of numbers each.
        #[arg(long, value_delimiter = ',', required = true)]
        fields: Vec<String>,
        /// Rows of a window.
        #[arg(long)]
        window: u32,
        /// Rows from one window to the next.
        #[arg(long, default_value_t = 1)]
        step: u32,
        /// Covariances instead of correlations.
        #[arg(long)]
        covariance: bool,
        /// Compare with the same fields of another record.
        #[arg(long, value_name = "KEY")]
        with: Option<String>,
        /// Robust z-score of the speed from which there is a change.
        #[arg(long, default_value_t = 3.5)]
        threshold: f64,
    },
    /// Estimates of dimension, hyperbolicity and curvature, of the embeddings or of a chart.
    Cloud {
        /// Points at most; of more, so many are drawn.
        #[arg(long, default_value_t = 1_000)]
        sample: usize,
        /// Of what is drawn.
        #[arg(long, default_value_t = 1)]
        seed: u64,
        #[command(flatten)]
        chart: ChartArguments,
    },
    /// The project's hierarchy in the Poincare disk.
    Embedding {
        /// The length of an edge [default: the longest that fits].
        #[arg(long)]
        edge: Option<f64>,
    },
    /// Entropies of the project's links as a graph.
    Spectral {
        /// Only links of this type.
        #[arg(long)]
        link_type: Option<String>,
        /// Only links in this layer.
        #[arg(long)]
        layer: Option<String>,
        /// The divergence to this layer.
        #[arg(long)]
        other_layer: Option<String>,
        /// Only what is valid at this time, for instance 2026-11-21T08:30:00Z.
        #[arg(long, value_name = "TIME")]
        at: Option<String>,
        /// A continuous-time quantum walk from this record.
        #[arg(long, value_name = "KEY")]
        walk_from: Option<String>,
        /// Its time.
        #[arg(long, default_value_t = 1.0)]
        time: f64,
    },
    /// Layers as a multilayer network: overlap, participation, which could be one.
    Multilayer {
        /// The layers, two at least.
        #[arg(required = true, num_args = 2..)]
        layers: Vec<String>,
        /// Only links of this type.
        #[arg(long)]
        link_type: Option<String>,
        /// Only what is valid at this time, for instance 2026-11-21T08:30:00Z.
        #[arg(long, value_name = "TIME")]
        at: Option<String>,
        /// Weight of the links of a record with itself in other layers.
        #[arg(long, default_value_t = 1.0)]
        coupling: f64,
    },
    /// Curvature of the edges of the project's graph.
    Curvature(graphs::CurvatureArguments),
    /// Communities by Ricci flow.
    Communities(graphs::CommunitiesArguments),
    /// Links with any number of members: statistics, curvature, what hangs together.
    Hypergraph(graphs::HypergraphArguments),
    /// Links and records that are unlike the rest.
    Anomalies(graphs::AnomaliesArguments),
}

/// Which fields are a point of which manifold.
#[derive(Debug, Args)]
struct ChartArguments {
    /// A chart: the name under which the project saved it (see `skerry chart`), a file with it as JSON, or the JSON.
    #[arg(long, value_name = "NAME|FILE|JSON", conflicts_with = "factor")]
    chart: Option<String>,
    /// A factor, `MANIFOLD:FIELD,FIELD..` with `*WEIGHT` behind it if it has one: euclidean, sphere, poincare, lorentz, spd,
    /// spd-log-euclidean, spd-bures-wasserstein, gaussian, categorical, correlation, covariance. May be repeated.
    #[arg(long, value_name = "FACTOR")]
    factor: Vec<String>,
    /// Bring points onto spheres and simplices by dividing them.
    #[arg(long)]
    normalise: bool,
    /// Only these records.
    #[arg(long, value_delimiter = ',')]
    keys: Option<Vec<String>>,
}

impl ChartArguments {
    /// The chart as the API takes it; none when no argument says one.
    fn chart(&self) -> anyhow::Result<Option<Value>> {
        if let Some(chart) = &self.chart {
            return chart_json(chart).map(Some);
        }
        if self.factor.is_empty() {
            return Ok(None);
        }
        let factors = self.factor.iter().map(|factor| factor_body(factor, self.normalise));
        Ok(Some(json!({ "factors": factors.collect::<anyhow::Result<Vec<_>>>()? })))
    }

    /// A body with the chart and the keys in it, besides these members.
    fn body(&self, mut members: Value) -> anyhow::Result<Value> {
        let chart = self.chart()?.ok_or_else(|| {
            Misuse("say which fields are a point: --factor MANIFOLD:FIELD,.. or --chart NAME".to_owned())
        })?;
        members["chart"] = chart;
        if let Some(keys) = &self.keys {
            members["keys"] = json!(keys);
        }
        Ok(members)
    }
}

/// What `--chart` says: JSON, what a file holds, or the name of a saved chart.
fn chart_json(chart: &str) -> anyhow::Result<Value> {
    if chart.trim_start().starts_with('{') {
        return serde_json::from_str(chart).map_err(|error| Misuse(format!("--chart is not JSON: {error}")).into());
    }
    if !std::path::Path::new(chart).is_file() {
        return Ok(json!(chart));
    }
    let text = std::fs::read_to_string(chart).with_context(|| format!("read {chart}"))?;
    serde_json::from_str(&text).with_context(|| format!("{chart} is not JSON"))
}

pub(super) fn factor_body(factor: &str, normalise: bool) -> anyhow::Result<Value> {
    let misuse = || Misuse(format!("--factor {factor}: write MANIFOLD:FIELD,FIELD.. and, if it has a weight, *WEIGHT"));
    let (manifold, rest) = factor.split_once(':').ok_or_else(misuse)?;
    let (fields, weight) = match rest.rsplit_once('*') {
        Some((fields, weight)) => (fields, weight.trim().parse().map_err(|_| misuse())?),
        None => (rest, 1.0_f64),
    };
    let fields: Vec<&str> = fields.split(',').map(str::trim).collect();
    Ok(
        json!({ "manifold": manifold.trim().replace('-', "_"), "fields": fields, "weight": weight, "normalise": normalise }),
    )
}

/// Runs `skerry geometry`.
pub(super) fn geometry(globals: &Globals, arguments: &GeometryArguments) -> anyhow::Result<()> {
    let (path, body) = request(&arguments.what)?;
    let path = format!("/api/v1/projects/{}/geometry/{path}", segment(&globals.project));
    let answer = globals.client()?.call("POST", &path, Some(&body))?;
    if let What::Anomalies(arguments) = &arguments.what {
        arguments.plot(globals)?;
    }
    if globals.json {
        return print_json(&answer);
    }
    if let Some(count) = answer["skipped"]["count"].as_u64().filter(|&count| count > 0) {
        let first = &answer["skipped"]["first"][0];
        let (key, field) = (text(first, "key"), text(first, "field"));
        let lack = if count == 1 { "record lacks a field and is" } else { "records lack a field and are" };
        note(format_args!("{count} {lack} left out, the first is {key} without {field}"));
    }
    print(&arguments.what, &answer)
}

/// The path and body of what is asked for.
fn request(what: &What) -> anyhow::Result<(&'static str, Value)> {
    let key = |key: &str| json!({ "key": key });
    Ok(match what {
        What::Distances { from, chart } => ("distances", chart.body(json!({ "from": from.as_deref().map(key) }))?),
        What::Neighbours { key: of, k, chart } => ("neighbours", chart.body(json!({ "of": key(of), "k": k }))?),
        What::Mean { chart } => ("mean", chart.body(json!({}))?),
        What::Interpolate { from, to, at, chart } => {
            let mut body = chart.body(json!({ "from": key(from), "to": key(to), "at": at }))?;
            body.as_object_mut().map(|body| body.remove("keys"));
            ("interpolate", body)
        }
        What::Outliers { neighbour, threshold, limit, chart } => {
            ("outliers", chart.body(json!({ "neighbour": neighbour, "threshold": threshold, "limit": limit }))?)
        }
        What::Dtw { x, x_field, y, y_field, window, path } => {
            let series = |key: &str, field: &str| json!({ "record": { "key": key, "fields": [field] } });
            let body = json!({ "x": series(x, x_field), "y": series(y, y_field), "window": window, "path": path });
            ("series/dtw", body)
        }
        What::Trajectory { key, fields, window, step, covariance, with, threshold } => {
            let series = |key: &str| json!({ "record": { "key": key, "fields": fields } });
            let other = with.as_deref().map(series);
            let body = json!({ "series": series(key), "other": other, "window": window, "step": step,
                               "covariance": covariance, "threshold": threshold });
            ("series/trajectory", body)
        }
        What::Cloud { sample, seed, chart } => {
            ("cloud", json!({ "chart": chart.chart()?, "sample": sample, "seed": seed }))
        }
        What::Embedding { edge } => ("embedding", json!({ "edge": edge })),
        What::Spectral { link_type, layer, other_layer, at, walk_from, time } => {
            let part = |layer: &Option<String>| selection(link_type.as_ref(), layer.as_ref(), at.as_ref());
            let other = other_layer.as_ref().map(|_| part(other_layer));
            ("spectral", json!({ "selection": part(layer), "other": other, "walk_from": walk_from, "time": time }))
        }
        What::Multilayer { layers, link_type, at, coupling } => {
            let types: Vec<&String> = link_type.iter().collect();
            ("multilayer", json!({ "layers": layers, "types": types, "at": at, "coupling": coupling }))
        }
        What::Curvature(arguments) => ("curvature", arguments.body()?),
        What::Communities(arguments) => ("communities", arguments.body()?),
        What::Hypergraph(arguments) => ("hypergraph", arguments.body()?),
        What::Anomalies(arguments) => ("anomalies", arguments.body()?),
    })
}

/// A part of the graph as the API takes it.
fn selection(link_type: Option<&String>, layer: Option<&String>, at: Option<&String>) -> Value {
    let types: Vec<&String> = link_type.into_iter().collect();
    json!({ "types": types, "layers": layer, "at": at })
}

fn print(what: &What, answer: &Value) -> anyhow::Result<()> {
    match what {
        What::Distances { from: None, .. } => {
            let row = |pair: &Value| vec![cell(&pair["keys"][0]), cell(&pair["keys"][1]), cell(&pair["distance"])];
            print_line(table(
                &["record", "record", "distance"],
                answer["pairs"].as_array().into_iter().flatten().map(row),
            ))
        }
        What::Distances { .. } => distances(&answer["distances"]),
        What::Neighbours { .. } => distances(&answer["neighbours"]),
        What::Mean { .. } => mean(answer),
        What::Interpolate { .. } => {
            print_line(format_args!("distance {}", cell(&answer["distance"])))?;
            for point in answer["points"].as_array().into_iter().flatten() {
                print_line(format_args!("at {}", point["at"]))?;
                coordinates(&point["point"])?;
            }
            Ok(())
        }
        What::Outliers { .. } => {
            let rows = answer["records"].as_array().into_iter().flatten().map(|record| {
                let mark = if record["outlier"] == true { "outlier" } else { "" };
                vec![cell(&record["key"]), cell(&record["distance"]), cell(&record["score"]), mark.to_owned()]
            });
            print_line(table(&["record", "distance", "robust z", ""], rows))?;
            print_line(format_args!("{} of {} records lie out", answer["outliers"], answer["compared"]))
        }
        What::Dtw { .. } => {
            let lengths = &answer["lengths"];
            print_line(format_args!(
                "distance {} ({} and {} rows)",
                cell(&answer["distance"]),
                lengths[0],
                lengths[1]
            ))?;
            for step in answer["path"].as_array().into_iter().flatten() {
                print_line(format_args!("{} {}", step[0], step[1]))?;
            }
            Ok(())
        }
        What::Trajectory { .. } => trajectory(answer),
        What::Cloud { .. } => cloud(answer),
        What::Embedding { .. } => {
            let rows = answer["nodes"].as_array().into_iter().flatten();
            let rows = rows.map(|node| {
                vec![cell(&node["key"]), cell(&node["at"][0]), cell(&node["at"][1]), cell(&node["parent"])]
            });
            print_line(table(&["record", "x", "y", "parent"], rows))?;
            print_line(format_args!(
                "edges of {}; distortion {} in the mean, {} at worst, over {} pairs",
                cell(&answer["edge"]),
                cell(&answer["distortion_mean"]),
                cell(&answer["distortion_worst"]),
                answer["pairs"]
            ))
        }
        What::Spectral { .. } => spectral(answer),
        What::Multilayer { layers, .. } => multilayer(layers, answer),
        What::Curvature(_) => graphs::curvature(answer),
        What::Communities(_) => graphs::communities(answer),
        What::Hypergraph(_) => graphs::hypergraph(answer),
        What::Anomalies(_) => graphs::anomalies(answer),
    }
}

fn distances(list: &Value) -> anyhow::Result<()> {
    let rows = list.as_array().into_iter().flatten().map(|one| vec![cell(&one["key"]), cell(&one["distance"])]);
    print_line(table(&["record", "distance"], rows))
}

fn coordinates(point: &Value) -> anyhow::Result<()> {
    for factor in point.as_array().into_iter().flatten() {
        let numbers: Vec<String> = factor["coordinates"].as_array().into_iter().flatten().map(cell).collect();
        print_line(format_args!("  {}: {}", text(factor, "factor"), numbers.join(" ")))?;
    }
    Ok(())
}

fn mean(answer: &Value) -> anyhow::Result<()> {
    coordinates(&answer["point"])?;
    print_line(format_args!(
        "variance {}, radius {}, of {} records, {}",
        cell(&answer["variance"]),
        cell(&answer["radius"]),
        answer["records"],
        if answer["unique"] == true { "the only mean" } else { "not known to be the only mean" }
    ))?;
    print_line(format_args!(
        "nearest record {} at {}",
        text(&answer["nearest"], "key"),
        cell(&answer["nearest"]["distance"])
    ))
}

fn trajectory(answer: &Value) -> anyhow::Result<()> {
    let changes: Vec<&Value> = answer["changes"].as_array().into_iter().flatten().collect();
    let windows = answer["windows"].as_array().map_or(0, Vec::len);
    if !answer["distance"].is_null() {
        print_line(format_args!("distance {}", cell(&answer["distance"])))?;
    }
    print_line(format_args!("{windows} windows, {} changes", changes.len()))?;
    if changes.is_empty() {
        return Ok(());
    }
    let rows =
        changes.into_iter().map(|change| vec![cell(&change["row"]), cell(&change["end"]), cell(&change["score"])]);
    print_line(table(&["from row", "to row", "robust z"], rows))
}

fn cloud(answer: &Value) -> anyhow::Result<()> {
    let row = |name: &str, estimate: &Value| {
        let why = estimate["reason"].as_str().unwrap_or_default().to_owned();
        vec![name.to_owned(), cell(&estimate["value"]), cell(&estimate["low"]), cell(&estimate["high"]), why]
    };
    let hyperbolicity = &answer["hyperbolicity"];
    let relative = json!({ "value": hyperbolicity["relative"], "reason": hyperbolicity["reason"] });
    let rows = [
        row("dimension (two nearest)", &answer["dimension_two_nearest"]),
        row("dimension (maximum likelihood)", &answer["dimension_maximum_likelihood"]),
        row("curvature (triangles)", &answer["curvature"]),
        row("2 delta / diameter (0: a tree)", &relative),
    ];
    print_line(table(&["estimate", "value", "from", "to", ""], rows))?;
    print_line(format_args!("of {} points out of {}", answer["points"], answer["of"]))
}

fn spectral(answer: &Value) -> anyhow::Result<()> {
    let names = [
        ("records", "nodes"),
        ("joined pairs", "edges"),
        ("von Neumann entropy, bits", "von_neumann_entropy"),
        ("Renyi-2 entropy, bits", "renyi2_entropy"),
        ("purity", "purity"),
        ("Gibbs entropy, bits", "gibbs_entropy"),
        ("algebraic connectivity", "algebraic_connectivity"),
        ("divergence to the other layer", "divergence"),
    ];
    let there = names.iter().filter(|(_, member)| !answer[*member].is_null());
    print_line(table(
        &["measure", "value"],
        there.map(|(name, member)| vec![(*name).to_owned(), cell(&answer[*member])]),
    ))?;
    let Some(walk) = answer["walk"].as_array() else { return Ok(()) };
    print_line(table(
        &["record", "probability"],
        walk.iter().take(20).map(|one| vec![cell(&one["key"]), cell(&one["probability"])]),
    ))
}

fn multilayer(layers: &[String], answer: &Value) -> anyhow::Result<()> {
    let pairs = answer["pairs"].as_array().into_iter().flatten();
    let pairs = pairs.map(|pair| {
        vec![
            cell(&pair["layers"][0]),
            cell(&pair["layers"][1]),
            cell(&pair["both"]),
            cell(&pair["either"]),
            cell(&pair["overlap"]),
        ]
    });
    print_line(table(&["layer", "layer", "in both", "in either", "overlap"], pairs))?;
    let mut header = vec!["record"];
    header.extend(layers.iter().map(String::as_str));
    header.extend(["participation", "redundancy"]);
    let records = answer["records"].as_array().into_iter().flatten().take(20).map(|record| {
        let mut row = vec![cell(&record["key"])];
        row.extend(record["degrees"].as_array().into_iter().flatten().map(cell));
        row.extend([cell(&record["participation"]), cell(&record["redundancy"])]);
        row
    });
    print_line(table(&header, records))?;
    let reduction = &answer["reduction"];
    for merge in reduction["merges"].as_array().into_iter().flatten() {
        print_line(format_args!("{} and {} could be one", cell(&merge["layers"][0]), cell(&merge["layers"][1])))?;
    }
    print_line(format_args!(
        "Schmidt entropy of records by layers {} bits, algebraic connectivity {}",
        cell(&answer["schmidt_entropy"]),
        cell(&answer["algebraic_connectivity"])
    ))
}

/// A value for people: six digits of a number, a dash for nothing.
fn cell(value: &Value) -> String {
    match value {
        Value::Null => "-".to_owned(),
        Value::String(text) => text.chars().filter(|character| !character.is_control()).collect(),
        Value::Number(number) if number.is_f64() => {
            let number = number.as_f64().unwrap_or(f64::NAN);
            let small = number != 0.0 && !(1e-4..1e7).contains(&number.abs());
            if small { format!("{number:.4e}") } else { format!("{number:.6}") }
        }
        other => other.to_string(),
    }
}

fn table(header: &[&str], rows: impl IntoIterator<Item = Vec<String>>) -> Table {
    let mut table = Table::new();
    table.load_preset(presets::UTF8_HORIZONTAL_ONLY).set_content_arrangement(ContentArrangement::Dynamic);
    table.set_header(header);
    table.add_rows(rows);
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Fields may hold dots and dashes; a weight is behind the last star.
    #[test]
    fn factors_are_read() {
        let body = factor_body("spd-log-euclidean: data.a-b, metadata.c * 0.25", false).unwrap();
        let expected = json!({ "manifold": "spd_log_euclidean", "fields": ["data.a-b", "metadata.c"], "weight": 0.25, "normalise": false });
        assert_eq!(body, expected);
        assert!(factor_body("sphere", false).is_err() && factor_body("sphere:data.x*y", false).is_err());
    }
}
