//! The gateway over loopback: what a fresh instance for each request costs, against instances that are used again and against
//! the node itself, which does the same work without `wasi:http` around it.
//!
//! The workload is a keyword query over some thousand short records with ten hits, so that what is measured is the way there
//! and not the embedding. Clients and server share the machine's cores.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use serde_json::{Value, json};
use skerry_host::bake;
use skerry_host::snapshot::{Chunking, FORMAT, Manifest};
use skerry_host::types::Document;

use super::{Client, Node, agent, percentile, report, row, sentences};
use crate::{fetch, paths};

/// What the benchmark of the gateway can be told.
#[derive(Debug, clap::Args)]
pub(crate) struct GatewayArguments {
    /// Records of the snapshot.
    #[arg(long, default_value_t = 4_000)]
    gateway_records: usize,
    /// Seconds of each measurement.
    #[arg(long, default_value_t = 5)]
    gateway_seconds: u64,
}

/// Callers at once.
const CALLERS: [usize; 2] = [1, 8];

/// Requests that an instance answers before another takes its place, where they are used again.
const MANY: usize = 1_000_000;

/// Different queries.
const QUERIES: usize = 200;

const PROJECT: &str = "bench";

/// Measures and reports.
pub(super) fn bench(arguments: &GatewayArguments) -> anyhow::Result<()> {
    let texts = sentences(&fetch::sample()?)?;
    ensure!(texts.len() >= arguments.gateway_records + QUERIES, "the sample has only {} sentences", texts.len());
    let (records, queries) = texts.split_at(texts.len() - QUERIES);
    let records = records.get(..arguments.gateway_records).unwrap_or(records);
    let bodies: Vec<String> =
        queries.iter().map(|text| json!({ "text": text, "mode": "keyword" }).to_string()).collect();
    let data = tempfile::tempdir_in(paths::products()).context("make a folder for the bench")?;
    let seconds = Duration::from_secs(arguments.gateway_seconds);
    let mut rows = Vec::new();

    let mut node = Node::start(data.path())?;
    node.call("PUT", &format!("/projects/{PROJECT}"), &json!({}))?;
    for batch in records.chunks(500) {
        node.publish(PROJECT, batch)?;
    }
    let snapshot = data.path().join("snapshot.wasm");
    std::fs::write(&snapshot, baked(&mut node)?)?;
    let expected = answer(&node.client(), bodies.first().context("no query")?)?;
    measure("the node", &node.url, &bodies, seconds, &mut rows)?;
    node.stop()?;

    for (version, gateway) in [("0.3", "gateway.wasm"), ("0.2", "gateway-wasip2.wasm")] {
        for (how, requests_per_instance) in [("a fresh instance each", 1), ("instances used again", MANY)] {
            let served = Served::start(gateway, &snapshot, requests_per_instance)?;
            let client = Client { agent: agent(), url: served.url.clone() };
            let found = answer(&client, bodies.first().context("no query")?)?;
            ensure!(found == expected, "the gateway answers otherwise than the node");
            measure(&format!("wasi:http {version}, {how}"), &served.url, &bodies, seconds, &mut rows)?;
        }
    }
    report(&rows)
}

/// The node's project as a snapshot whose documents have no vectors.
fn baked(node: &mut Node) -> anyhow::Result<Vec<u8>> {
    let (project, _) = node.call("GET", &format!("/projects/{PROJECT}"), &Value::Null)?;
    let mut documents = Vec::new();
    let mut path = format!("/projects/{PROJECT}/records?limit=1000");
    loop {
        let (page, _) = node.call("GET", &path, &Value::Null)?;
        for record in page["records"].as_array().context("no records")? {
            documents.push(Document {
                key: record["key"].as_str().unwrap_or_default().to_owned(),
                text: record["text"].as_str().unwrap_or_default().to_owned(),
                chunks: Vec::new(),
                fields: Vec::new(),
                payload: serde_json::to_vec(record)?,
            });
        }
        let Some(next) = page["next"].as_str() else { break };
        path = format!("/projects/{PROJECT}/records?limit=1000&after={next}");
    }
    let manifest = Manifest {
        format: FORMAT,
        project: PROJECT.to_owned(),
        description: String::new(),
        version: project["version"].as_str().context("no version")?.to_owned(),
        heads: BTreeMap::new(),
        epoch: String::new(),
        model: None,
        chunking: Chunking { tokens: 0, overlap: 0 },
        records: documents.len() as u64,
        chunks: 0,
        has_records: true,
        has_model: false,
        parts: Vec::new(),
        made_by: String::new(),
    };
    let query = std::fs::read(paths::components().join("query.wasm")).context("read the query component")?;
    Ok(bake::snapshot(&query, std::iter::once(documents), || manifest.describe(), &|_| ())?)
}

/// The gateway in a process of its own, stopped when dropped.
struct Served {
    child: Child,
    url: String,
}

impl Served {
    fn start(gateway: &str, snapshot: &Path, requests_per_instance: usize) -> anyhow::Result<Served> {
        let components = paths::components();
        let mut command = Command::new(program());
        command.arg(components.join(gateway)).arg(snapshot).arg(components.join("embedding.wasm"));
        command.arg("--requests-per-instance").arg(requests_per_instance.to_string());
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().context("start the gateway")?;
        let mut line = String::new();
        BufReader::new(child.stdout.take().context("no output")?).read_line(&mut line)?;
        let url = line.trim().strip_prefix("the gateway listens on ").context("the gateway did not start")?.to_owned();
        Ok(Served { child, url })
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        // It ends when its input does.
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}

fn program() -> PathBuf {
    paths::skerry().with_file_name("skerry-gateway-server")
}

fn path() -> String {
    format!("/projects/{PROJECT}/query")
}

fn answer(client: &Client, body: &str) -> anyhow::Result<Vec<u8>> {
    let request = ureq::http::Request::post(format!("{}/api/v1{}", client.url, path()));
    let request = request.header("content-type", "application/json").body(body)?;
    Ok(client.agent.run(request)?.body_mut().read_to_vec()?)
}

/// Asks as fast as answers come, by each number of callers.
fn measure(name: &str, url: &str, bodies: &[String], seconds: Duration, rows: &mut Vec<Value>) -> anyhow::Result<()> {
    for callers in CALLERS {
        // Connections are made and instances are there before it counts.
        ask(url, bodies, callers, seconds / 5)?;
        let begun = Instant::now();
        let times = ask(url, bodies, callers, seconds)?;
        let rate = times.len() as f64 / begun.elapsed().as_secs_f64();
        rows.push(row(&format!("{name}, {callers} callers, requests"), rate, "1/s"));
        rows.push(row(&format!("{name}, {callers} callers, p50"), percentile(&times, 50), "ms"));
        rows.push(row(&format!("{name}, {callers} callers, p99"), percentile(&times, 99), "ms"));
    }
    Ok(())
}

/// The milliseconds of every request.
fn ask(url: &str, bodies: &[String], callers: usize, duration: Duration) -> anyhow::Result<Vec<f64>> {
    std::thread::scope(|scope| {
        let caller = |first: usize| {
            let client = Client { agent: agent(), url: url.to_owned() };
            move || -> anyhow::Result<Vec<f64>> {
                let (begun, mut times) = (Instant::now(), Vec::new());
                for body in bodies.iter().cycle().skip(first) {
                    if begun.elapsed() >= duration {
                        break;
                    }
                    let asked = Instant::now();
                    client.post(&path(), body)?;
                    times.push(asked.elapsed().as_secs_f64() * 1e3);
                }
                Ok(times)
            }
        };
        let threads: Vec<_> = (0..callers).map(|at| scope.spawn(caller(at * 17))).collect();
        let mut all = Vec::new();
        for thread in threads {
            all.extend(thread.join().map_err(|_| anyhow::anyhow!("a caller panicked"))??);
        }
        Ok(all)
    })
}
