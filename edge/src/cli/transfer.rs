//! `skerry export`, `skerry import`, `skerry sync`.
//!
//! An export is JSON Lines: a header, a record a line in the order of the keys, and a trailer with the count and the SHA-256
//! of all lines before it, so that a file cut short is found before anything of it is imported.

use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::client::{Client, segment};
use super::publish::{ensure_project, progress_bar, publish_all, text};
use super::{Globals, Misuse, StandardOutput, note, print_json, print_line};
use crate::body::{LayerBody, RecordBody};
use crate::input::graph::{self, Columns, GraphFormat};
use crate::input::{self, Found, Place, cwe};
use crate::output::{hif, ntriples};

const FORMAT: &str = "skerry-export/1";

/// What to import.
#[derive(Debug, clap::Args)]
pub(super) struct ImportArguments {
    /// The file.
    path: PathBuf,
    /// What it is.
    #[arg(long, value_enum, default_value_t = ImportFormat::Auto)]
    format: ImportFormat,
    /// Names of the columns of an edge list without a header: source,target and any of type, weight, layer, since, until and
    /// names of your own; an empty one is passed over.
    #[arg(long, value_name = "NAMES")]
    columns: Option<Columns>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum ImportFormat {
    /// By its name's ending: .whl, .ttl, .nt, .graphml, .csv, .tsv, .edges, .hif; .json by what is in it; anything else is an
    /// export.
    Auto,
    /// What `skerry export` wrote.
    Skerry,
    /// The `PyPI` wheel `cwe2` with the CWE catalogue.
    Cwe,
    /// RDF as Turtle.
    Turtle,
    /// RDF as N-Triples.
    Ntriples,
    /// `GraphML`.
    Graphml,
    /// A list of edges, one a line, with commas, semicolons, tabs or spaces.
    Edges,
    /// A hypergraph as JSON: HIF, or that of XGI.
    Hypergraph,
}

impl ImportFormat {
    /// The graph format that a file is read in; none for an export or a catalogue.
    fn graph(self, path: &Path) -> Option<GraphFormat> {
        match self {
            ImportFormat::Auto => GraphFormat::of(path),
            ImportFormat::Skerry | ImportFormat::Cwe => None,
            ImportFormat::Turtle => Some(GraphFormat::Turtle),
            ImportFormat::Ntriples => Some(GraphFormat::NTriples),
            ImportFormat::Graphml => Some(GraphFormat::Graphml),
            ImportFormat::Edges => Some(GraphFormat::Edges),
            ImportFormat::Hypergraph => Some(GraphFormat::Hypergraph),
        }
    }
}

/// What a file holds.
#[derive(Default)]
struct Imported {
    records: Vec<Found>,
    layers: Vec<LayerBody>,
    /// For a project that has no description.
    description: String,
    /// For people.
    notes: Vec<String>,
}

/// Where to export to.
#[derive(Debug, clap::Args)]
pub(super) struct ExportArguments {
    /// The file; standard output when absent or `-`.
    #[arg(short, long)]
    output: Option<PathBuf>,
    /// What to write.
    #[arg(long, value_enum, default_value_t = ExportFormat::Skerry)]
    format: ExportFormat,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum ExportFormat {
    /// Everything, for `skerry import`.
    Skerry,
    /// Records as nodes and links as edges of a hypergraph: Hypergraph Interchange Format, JSON.
    Hif,
    /// Data and links of two records as RDF.
    Ntriples,
}

/// With whom to sync.
#[derive(Debug, clap::Args)]
pub(super) struct SyncArguments {
    /// Address of the other node, for instance <http://127.0.0.1:8788>.
    peer: String,
    /// Only these projects; all of both nodes when absent.
    #[arg(long = "only", value_name = "PROJECT")]
    only: Vec<String>,
    /// API key of the other node.
    #[arg(long, env = "SKERRY_PEER_API_KEY", hide_env_values = true)]
    peer_api_key: Option<String>,
}

/// Runs `skerry import`.
pub(super) fn import(globals: &Globals, arguments: &ImportArguments) -> anyhow::Result<()> {
    let imported = read(arguments)?;
    if imported.records.is_empty() {
        bail!("{} has no records", arguments.path.display());
    }
    input::check(&imported.records)?;
    for layer in &imported.layers {
        skerry_sync::Layer::from(layer.clone()).check().with_context(|| arguments.path.display().to_string())?;
    }
    let records: Vec<RecordBody> = imported.records.into_iter().map(|found| found.record).collect();
    imported.notes.iter().for_each(note);
    let client = globals.client()?;
    ensure_project(globals, &client, &imported.description)?;
    if !imported.layers.is_empty() {
        let path = format!("/api/v1/projects/{}/layers", segment(&globals.project));
        client.call("POST", &path, Some(&json!({ "layers": imported.layers })))?;
    }
    let imported_records = records.len();
    let links: usize = records.iter().map(|record| record.links.len()).sum();
    let done = publish_all(globals, &client, records)?;
    if globals.json {
        return print_json(&json!({ "imported": imported_records, "links": links, "layers": imported.layers.len(),
            "changed": done.changed, "version": done.version }));
    }
    print_line(format_args!(
        "imported {imported_records} records ({} changed) with {links} links into {}, version {}",
        done.changed,
        globals.project,
        done.short()
    ))?;
    Ok(())
}

fn read(arguments: &ImportArguments) -> anyhow::Result<Imported> {
    let path = &arguments.path;
    let wheel = path.extension().is_some_and(|ending| ending == "whl");
    let format = arguments.format.graph(path);
    if arguments.columns.is_some() && format != Some(GraphFormat::Edges) {
        return Err(Misuse("--columns goes with a list of edges; add --format edges if it is one".to_owned()).into());
    }
    match format {
        Some(format) => {
            let graph = graph::read(path, format, arguments.columns.as_ref())?;
            Ok(Imported { records: graph.records, notes: graph.notes, ..Imported::default() })
        }
        None if arguments.format == ImportFormat::Cwe || (arguments.format == ImportFormat::Auto && wheel) => {
            read_cwe(path)
        }
        None => read_export(path),
    }
}

fn read_cwe(path: &Path) -> anyhow::Result<Imported> {
    let catalogue = cwe::read_wheel(path)?;
    let records = (1..).map(Place::Number).zip(catalogue.records);
    Ok(Imported {
        records: input::found_in(&path.display().to_string(), records),
        layers: catalogue.layers,
        description: catalogue.notice,
        notes: Vec::new(),
    })
}

fn read_export(path: &Path) -> anyhow::Result<Imported> {
    let text = std::fs::read_to_string(path).with_context(|| format!("read {}", path.display()))?;
    let (records, layers, description) =
        parse_export(&text).with_context(|| format!("{} was not imported", path.display()))?;
    // The header is line 1.
    let records = (2..).map(Place::Line).zip(records);
    Ok(Imported {
        records: input::found_in(&path.display().to_string(), records),
        layers,
        description,
        notes: Vec::new(),
    })
}

/// Records, layers and description of an export that is whole.
fn parse_export(text: &str) -> anyhow::Result<(Vec<RecordBody>, Vec<LayerBody>, String)> {
    let body = text.strip_suffix('\n').context("it was cut short: its last line has no end")?;
    let (content, trailer) = body.rsplit_once('\n').context("it is not an export")?;
    let trailer: Value =
        serde_json::from_str(trailer).context("it was cut short or changed: the last line is no trailer")?;
    let mut lines = content.lines();
    let header: Value =
        serde_json::from_str(lines.next().unwrap_or_default()).context("it is not an export of skerry")?;
    if header["format"] != FORMAT {
        bail!("it is not an export of skerry in the format {FORMAT}");
    }
    let digest = hex::encode(Sha256::digest(format!("{content}\n")));
    if trailer["sha256"] != digest.as_str() {
        bail!("it was cut short or changed: its digest differs from the one in its last line");
    }
    let records = lines
        .zip(2..)
        .map(|(line, number)| serde_json::from_str(line).with_context(|| format!("line {number} is not a record")));
    let records = records.collect::<anyhow::Result<Vec<RecordBody>>>()?;
    if trailer["records"] != records.len() {
        bail!("it has {} records, unlike its last line says", records.len());
    }
    let layers = match header.get("layers") {
        Some(layers) => {
            serde_json::from_value(layers.clone()).context("the layers of its first line cannot be read")?
        }
        None => Vec::new(),
    };
    Ok((records, layers, header["description"].as_str().unwrap_or_default().to_owned()))
}

/// Runs `skerry export`.
pub(super) fn export(globals: &Globals, arguments: &ExportArguments) -> anyhow::Result<()> {
    let client = globals.client()?;
    let Some(path) = arguments.output.as_ref().filter(|path| *path != Path::new("-")) else {
        write(globals, &client, arguments.format, &mut BufWriter::new(StandardOutput))?;
        return Ok(());
    };
    // Beside the file, then renamed: an export that is cut off leaves no file that looks whole.
    let temporary = path.with_extension(format!("partial-{}", std::process::id()));
    let file = std::fs::File::create(&temporary).with_context(|| format!("write {}", temporary.display()))?;
    let mut out = BufWriter::new(file);
    let count = write(globals, &client, arguments.format, &mut out)?;
    out.into_inner().context("write the export")?.sync_all().context("write the export")?;
    std::fs::rename(&temporary, path).with_context(|| format!("write {}", path.display()))?;
    if globals.json {
        return print_json(&json!({ "exported": count }));
    }
    print_line(format_args!("exported {count} records of {} to {}", globals.project, path.display()))?;
    Ok(())
}

fn write(globals: &Globals, client: &Client, format: ExportFormat, out: &mut impl Write) -> anyhow::Result<u64> {
    if format == ExportFormat::Skerry {
        return write_export(globals, client, out);
    }
    let base = format!("/api/v1/projects/{}", segment(&globals.project));
    let mut records: Vec<RecordBody> = Vec::new();
    each_record(client, &base, &mut |record| {
        records.push(serde_json::from_value(record.clone()).context("read a record")?);
        Ok(())
    })?;
    if format == ExportFormat::Hif {
        serde_json::to_writer_pretty(&mut *out, &hif::document(&records)).context("write the export")?;
        writeln!(out).context("write the export")?;
    } else {
        let left_out = ntriples::write(&records, &mut *out).context("write the export")?;
        if left_out > 0 {
            note(format_args!("left out {left_out} links that are not between two records"));
        }
    }
    out.flush().context("write the export")?;
    Ok(records.len() as u64)
}

/// Gives every record of a project, page by page.
fn each_record(client: &Client, base: &str, take: &mut dyn FnMut(&Value) -> anyhow::Result<()>) -> anyhow::Result<()> {
    let mut after = String::new();
    loop {
        let page = client.call("GET", &format!("{base}/records?limit=500{after}"), None)?;
        page["records"].as_array().into_iter().flatten().try_for_each(&mut *take)?;
        match page["next"].as_str() {
            Some(next) => after = format!("&after={}", segment(next).replace('&', "%26").replace('+', "%2B")),
            None => return Ok(()),
        }
    }
}

fn write_export(globals: &Globals, client: &Client, out: &mut impl Write) -> anyhow::Result<u64> {
    let base = format!("/api/v1/projects/{}", segment(&globals.project));
    let project = client.call("GET", &base, None)?;
    let total = project["records"].as_u64().unwrap_or(0);
    let mut digest = Sha256::new();
    let mut line = |value: &Value| -> anyhow::Result<()> {
        let line = format!("{value}\n");
        digest.update(&line);
        out.write_all(line.as_bytes()).context("write the export")
    };
    let layers = client.call("GET", &format!("{base}/layers"), None)?;
    line(&json!({ "format": FORMAT, "project": project["name"], "version": project["version"],
        "description": project["description"], "layers": layers["layers"] }))?;
    let bar = progress_bar(total, "exporting");
    let mut count = 0;
    each_record(client, &base, &mut |record| {
        count += 1;
        bar.set_position(count);
        line(record)
    })?;
    bar.finish_and_clear();
    let trailer = json!({ "records": count, "sha256": hex::encode(digest.finalize()) });
    writeln!(out, "{trailer}").context("write the export")?;
    out.flush().context("write the export")?;
    Ok(count)
}

/// Runs `skerry sync`.
pub(super) fn sync(globals: &Globals, arguments: &SyncArguments) -> anyhow::Result<()> {
    let mut body = json!({ "url": arguments.peer });
    if !arguments.only.is_empty() {
        body["projects"] = json!(arguments.only);
    }
    if let Some(key) = &arguments.peer_api_key {
        body["api_key"] = json!(key);
    }
    let report = globals.client()?.call("POST", "/api/v1/sync", Some(&body))?;
    if globals.json {
        return print_json(&report);
    }
    let projects = report["projects"].as_array().map(Vec::as_slice).unwrap_or_default();
    for project in projects {
        let number = |name: &str| project[name].as_u64().unwrap_or(0);
        print_line(format_args!(
            "{}: {} changes received, {} sent; {} KiB in, {} KiB out, {} requests; version {}",
            text(project, "name"),
            number("changes_received"),
            number("changes_sent"),
            number("bytes_received").div_ceil(1024),
            number("bytes_sent").div_ceil(1024),
            number("rounds"),
            text(project, "version").get(..12).unwrap_or_default()
        ))?;
    }
    if projects.is_empty() {
        print_line("neither node has a project yet")?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> String {
        let content = format!(
            "{}\n{}\n",
            json!({"format": FORMAT, "project": "p", "description": "d", "layers": [{"name": "l", "weight": 2.0}]}),
            json!({"key": "a", "text": "t"})
        );
        let trailer = json!({"records": 1, "sha256": hex::encode(Sha256::digest(&content))});
        format!("{content}{trailer}\n")
    }

    /// Wherever an export is cut or changed, nothing of it is imported.
    #[test]
    fn only_whole_exports_are_read() {
        let whole = sample();
        let (records, layers, description) = parse_export(&whole).unwrap();
        assert_eq!((records.len(), records[0].key.as_str(), description.as_str()), (1, "a", "d"));
        assert_eq!((layers.len(), layers[0].name.as_str()), (1, "l"));
        for length in 0..whole.len() {
            assert!(parse_export(&whole[..length]).is_err(), "cut to {length}");
        }
        assert!(parse_export(&whole.replace("\"t\"", "\"T\"")).is_err());
    }

    /// A changed export whose digest was put right reads as what it says, or as an error; it is not believed about how much it has.
    #[test]
    fn any_export() {
        let whole = sample().into_bytes();
        let repair = |bytes: &mut Vec<u8>| {
            let Some(end) = bytes.strip_suffix(b"\n").and_then(|text| text.iter().rposition(|byte| *byte == b'\n'))
            else {
                return;
            };
            let trailer = json!({"records": 1, "sha256": hex::encode(Sha256::digest(&bytes[..=end]))});
            bytes.truncate(end + 1);
            bytes.extend(format!("{trailer}\n").bytes());
        };
        let words = ["\n", "{\"key\":\"b\"}\n", "null", "\"links\":[", "\u{1f}"];
        skerry_fuzz::Target::new("exports", &[whole]).repair(repair).words(&words).cases(10_000).run_text(|text| {
            if let Ok((records, ..)) = parse_export(text) {
                assert_eq!(records.len(), 1);
            }
        });
    }
}
