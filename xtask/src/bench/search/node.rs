//! A whole node over the same glosses: many clients at once, fresh writes, memory, starting.

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use indicatif::ProgressBar;
use serde_json::{Value, json};
use skerry_host::{Components, Embedder, Engine, EngineConfig, Limits};
use skerry_sync::{ProjectName, Record, RecordKey, Replica, Timestamp};

use super::{DIMENSIONS, Data};
use crate::bench::{Node, percentile, row};
use crate::paths;

/// Clients that ask at the same time. They run on the same cores as the node.
const CLIENTS: usize = 4;

const QUERIES: usize = 20_000;

/// Fills a replica, starts a node over it and asks it.
pub(super) fn bench(data: &Data, dir: &Path, rows: &mut Vec<Value>) -> anyhow::Result<()> {
    let folder = dir.join("node");
    fill(data, &folder)?;
    let mut node = Node::start(&folder)?;
    let path = "/projects/wordnet/query";
    node.call("POST", path, &json!({ "text": "warm up" }))?;
    wait_for_sealing(&mut node)?;
    let body = |query: usize| {
        let at = query % data.queries.len();
        let text = data.queries.get(at).map(|gloss| &gloss.text);
        json!({ "text": text, "vector": data.query_vector(at), "k": 10 })
    };
    let bodies: Vec<String> = (0..data.queries.len()).map(|query| body(query).to_string()).collect();
    for (name, short) in [("whole glosses", false), ("4 words", true)] {
        let bodies: Vec<String> = if short {
            let shorten = |query: usize| {
                let mut body = body(query);
                let text = body["text"].as_str().unwrap_or_default().split(' ').take(4).collect::<Vec<_>>().join(" ");
                body["text"] = json!(text);
                body.to_string()
            };
            (0..data.queries.len()).map(shorten).collect()
        } else {
            bodies.clone()
        };
        let (per_second, times) = storm(&node, path, &bodies)?;
        rows.push(row(
            &format!("hybrid queries of {name} over HTTP, vectors given, {CLIENTS} clients"),
            per_second,
            "/s",
        ));
        rows.push(row("the same, p50", percentile(&times, 50), "ms"));
        rows.push(row("the same, p99", percentile(&times, 99), "ms"));
    }
    rows.push(row("memory of the node (Pss)", node.pss_mib()?, "MiB"));

    // The vectors of these texts are in the cache: what is measured is the write and the index, not embedding.
    let mut visible = Vec::new();
    let mut stored = Vec::new();
    for (gloss, number) in data.glosses.iter().zip(0..200) {
        let key = format!("fresh-{number}");
        let begun = Instant::now();
        let record = json!({ "records": [{ "key": key, "text": gloss.text }] });
        node.call("POST", "/projects/wordnet/records", &record)?;
        let published = begun.elapsed().as_secs_f64() * 1e3;
        let filter = json!({ "field": "key", "value": key });
        let (answer, _) = node.call("POST", path, &json!({ "filter": filter, "k": 1 }))?;
        if answer["hits"][0]["key"] != key.as_str() {
            bail!("a write was not visible to the next query: {answer}");
        }
        visible.push(begun.elapsed().as_secs_f64() * 1e3);
        stored.push(published);
    }
    rows.push(row("a durable write, p50", percentile(&stored, 50), "ms"));
    rows.push(row("a durable write and a next query that sees it, p50", percentile(&visible, 50), "ms"));
    rows.push(row("the same, p95", percentile(&visible, 95), "ms"));
    let gaps: Vec<f64> = visible.iter().zip(&stored).map(|(visible, stored)| visible - stored).collect();
    rows.push(row("from the acknowledgement to the answer that has the write, p50", percentile(&gaps, 50), "ms"));
    rows.push(row("the same, p95", percentile(&gaps, 95), "ms"));
    node.stop()?;
    let mut starts = Vec::new();
    for _ in 0..5 {
        let begun = Instant::now();
        let mut node = Node::start(&folder)?;
        node.call("POST", path, &json!({ "text": "a kind of boat" }))?;
        starts.push(begun.elapsed().as_secs_f64() * 1e3);
        node.stop()?;
    }
    rows.push(row("process start to first hybrid answer over all of them, p50", percentile(&starts, 50), "ms"));
    Ok(())
}

/// Publishes the glosses and their vectors into a replica, without embedding them again.
fn fill(data: &Data, folder: &Path) -> anyhow::Result<()> {
    let engine = Engine::new(&EngineConfig::default())?;
    let components = Components::open(&paths::components())?;
    let limits = Limits { memory_bytes_max: 256 << 20, deadline: Duration::from_mins(2) };
    let model = Embedder::new(&engine, &components.embedding(&engine)?, 1, limits)?.model().id.clone();
    let replica = Replica::open(folder)?;
    let project = ProjectName::parse("wordnet")?;
    replica.create_project(&project, "WordNet", Timestamp(0))?;
    let bar = ProgressBar::new(data.glosses.len() as u64).with_message("publishing");
    let vectors: Vec<&[f32]> = data.vectors.chunks_exact(DIMENSIONS).collect();
    for (glosses, vectors) in data.glosses.chunks(2_000).zip(vectors.chunks(2_000)) {
        let entries: Vec<(&str, &[f32])> =
            glosses.iter().map(|gloss| gloss.text.as_str()).zip(vectors.iter().copied()).collect();
        replica.put_vectors(&model, &entries)?;
        let record = |gloss: &crate::wordnet::Gloss| -> anyhow::Result<Record> {
            let value = json!({ "lexname": gloss.lexname, "words": gloss.words });
            let mut record = Record::text(RecordKey::parse(&gloss.key)?, &gloss.text);
            record.data = value.as_object().cloned().unwrap_or_default();
            Ok(record)
        };
        let records = glosses.iter().map(record).collect::<anyhow::Result<Vec<_>>>()?;
        replica.publish(&project, &records, Timestamp(0))?;
        bar.inc(records.len() as u64);
    }
    bar.finish_and_clear();
    Ok(())
}

fn wait_for_sealing(node: &mut Node) -> anyhow::Result<()> {
    let bar = ProgressBar::new_spinner().with_message("the node seals its segments");
    bar.enable_steady_tick(Duration::from_millis(200));
    // Somebody has to write for the node to look at what has grown.
    node.call("POST", "/projects/wordnet/records", &json!({ "records": [{ "key": "zz", "text": "" }] }))?;
    loop {
        let (status, _) = node.call("GET", "/status", &Value::Null)?;
        let project = &status["projects"][0];
        let live = project["segments"].as_array().and_then(|segments| segments.last()).and_then(Value::as_u64);
        if project["sealing"] == false && live.is_some_and(|live| live < 4_096) {
            bar.finish_and_clear();
            eprintln!("segments: {}", project["segments"]);
            return Ok(());
        }
        std::thread::sleep(Duration::from_millis(500));
    }
}

/// Queries per second and each one's milliseconds, with several clients at once.
fn storm(node: &Node, path: &str, bodies: &[String]) -> anyhow::Result<(f64, Vec<f64>)> {
    let next = AtomicUsize::new(0);
    let begun = Instant::now();
    let client = || -> anyhow::Result<Vec<f64>> {
        let client = node.client();
        let mut times = Vec::new();
        loop {
            let query = next.fetch_add(1, Ordering::Relaxed);
            if query >= QUERIES {
                return Ok(times);
            }
            let body = bodies.get(query % bodies.len()).context("no query")?;
            let begun = Instant::now();
            client.post(path, body)?;
            times.push(begun.elapsed().as_secs_f64() * 1e3);
        }
    };
    let times: Vec<f64> = std::thread::scope(|scope| {
        let clients: Vec<_> = (0..CLIENTS).map(|_| scope.spawn(client)).collect();
        let joined = clients.into_iter().map(|client| client.join().unwrap_or_else(|_| bail!("a client failed")));
        joined.collect::<anyhow::Result<Vec<_>>>()
    })?
    .concat();
    Ok((times.len() as f64 / begun.elapsed().as_secs_f64(), times))
}
