//! Search over 100,000 glosses of `WordNet`: recall against latency, filters, memory, opening, building; peers in the same run.

mod node;
mod peers;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use indicatif::ProgressBar;
use serde_json::{Value, json};
use skerry_host::types::{Chunk, Comparison, Condition, Document, Field, FilterNode, Request, Scalar, Span};
use skerry_host::{Component, Engine, EngineConfig, Limits, Segment, bake};

use super::native::Native;
use super::{percentile, row};
use crate::wordnet::{self, Gloss};
use crate::{fetch, paths};

const DIMENSIONS: usize = 384;

/// Breadths that are measured.
const BREADTHS: [u32; 7] = [24, 32, 48, 64, 96, 128, 192];

/// The filter that peers are asked with: about 1 % of the glosses.
const FILTER: &str = "noun.event";

/// Shares of the glosses, and what has them.
const FILTERS: [(&str, &str); 5] = [
    ("0.04 %", "noun.motive"),
    ("0.3 %", "noun.shape"),
    ("1.7 %", "noun.body"),
    ("6.4 %", "noun.animal"),
    ("9.9 %", "noun.artifact"),
];

/// What the search benchmark can be told.
#[derive(Debug, clap::Args)]
pub(crate) struct SearchArguments {
    /// Vectors in the index of the search benchmark.
    #[arg(long, default_value_t = 100_000)]
    vectors: usize,
    /// Leave the peers out of the search benchmark.
    #[arg(long)]
    alone: bool,
    /// Only these peers, separated by commas.
    #[arg(long)]
    engines: Option<String>,
}

struct Data {
    glosses: Vec<Gloss>,
    vectors: Vec<f32>,
    queries: Vec<Gloss>,
    query_vectors: Vec<f32>,
}

impl Data {
    fn load(arguments: &SearchArguments, queries: usize) -> anyhow::Result<Data> {
        let mut glosses = wordnet::glosses()?;
        let count = arguments.vectors + queries;
        ensure!(glosses.len() >= count, "WordNet has {} glosses", glosses.len());
        glosses.truncate(count);
        let mut vectors = wordnet::vectors(&glosses)?;
        let queries = glosses.split_off(arguments.vectors);
        let query_vectors = vectors.split_off(arguments.vectors * DIMENSIONS);
        Ok(Data { glosses, vectors, queries, query_vectors })
    }

    fn documents(&self) -> impl Iterator<Item = Vec<Document>> + '_ {
        let document = |(gloss, vector): (&Gloss, &[f32])| Document {
            key: gloss.key.clone(),
            text: gloss.text.clone(),
            chunks: vec![Chunk { span: Span { start: 0, end: gloss.text.len() as u32 }, vector: vector.to_vec() }],
            fields: vec![Field { path: "data.lexname".into(), value: Scalar::Text(gloss.lexname.to_owned()) }],
            payload: Vec::new(),
        };
        let rows: Vec<(&Gloss, &[f32])> = self.glosses.iter().zip(self.vectors.chunks_exact(DIMENSIONS)).collect();
        (0..rows.len()).step_by(1_000).map(move |from| {
            rows.get(from..(from + 1_000).min(rows.len()))
                .unwrap_or_default()
                .iter()
                .map(|row| document(*row))
                .collect()
        })
    }

    fn query_vector(&self, query: usize) -> Vec<f32> {
        self.query_vectors.chunks_exact(DIMENSIONS).nth(query).unwrap_or_default().to_vec()
    }

    /// The ten nearest rows by cosine in f32, among those that `accept` takes.
    fn truth(&self, accept: impl Fn(&Gloss) -> bool + Sync) -> Vec<Vec<usize>> {
        let rows: Vec<(usize, &[f32])> = (0..)
            .zip(self.glosses.iter().zip(self.vectors.chunks_exact(DIMENSIONS)))
            .filter(|(_, (gloss, _))| accept(gloss))
            .map(|(row, (_, vector))| (row, vector))
            .collect();
        let queries: Vec<&[f32]> = self.query_vectors.chunks_exact(DIMENSIONS).collect();
        let nearest = |query: &[f32]| {
            let mut all: Vec<(f32, usize)> = rows.iter().map(|(row, vector)| (dot(query, vector), *row)).collect();
            let at = 10.min(all.len().saturating_sub(1));
            all.select_nth_unstable_by(at, |a, b| b.0.total_cmp(&a.0));
            all.truncate(10);
            all.into_iter().map(|(_, row)| row).collect::<Vec<usize>>()
        };
        let bar = ProgressBar::new(queries.len() as u64).with_message("exact neighbours");
        let (first, second) = queries.split_at(queries.len() / 2);
        let part = |part: &[&[f32]]| {
            let found = part.iter().map(|query| {
                bar.inc(1);
                nearest(query)
            });
            found.collect::<Vec<_>>()
        };
        let (mut first, second) = std::thread::scope(|scope| {
            let second = scope.spawn(|| part(second));
            (part(first), second.join().unwrap_or_default())
        });
        bar.finish_and_clear();
        first.extend(second);
        first
    }
}

fn dot(a: &[f32], b: &[f32]) -> f32 {
    let mut sums = [0.0_f32; 16];
    for (a, b) in a.as_chunks::<16>().0.iter().zip(b.as_chunks::<16>().0) {
        for ((sum, a), b) in sums.iter_mut().zip(a).zip(b) {
            *sum += a * b;
        }
    }
    sums.iter().sum()
}

/// One setting's recall and times.
fn point(params: &str, recall: f64, times: &[f64]) -> Value {
    let sum: f64 = times.iter().sum();
    json!({
        "params": params, "recall": recall, "p50_ms": percentile(times, 50), "p95_ms": percentile(times, 95),
        "p99_ms": percentile(times, 99), "qps": times.len() as f64 / sum * 1e3, "queries": times.len(),
    })
}

/// Asks every query and gives the mean recall and each time in milliseconds.
fn measure(
    truth: &[Vec<usize>],
    mut ask: impl FnMut(usize) -> anyhow::Result<Vec<usize>>,
) -> anyhow::Result<(f64, Vec<f64>)> {
    for query in 0..truth.len().min(50) {
        ask(query)?;
    }
    let (mut found, mut wanted, mut times) = (0, 0, Vec::new());
    for (query, truth) in truth.iter().enumerate() {
        let begun = Instant::now();
        let rows = ask(query)?;
        times.push(begun.elapsed().as_secs_f64() * 1e3);
        let rows: BTreeSet<usize> = rows.into_iter().collect();
        found += truth.iter().filter(|row| rows.contains(row)).count();
        wanted += truth.len();
    }
    Ok((found as f64 / wanted as f64, times))
}

/// Measures recall and times of several breadths.
fn sweep(
    truth: &[Vec<usize>],
    mut ask: impl FnMut(u32, usize) -> anyhow::Result<Vec<usize>>,
) -> anyhow::Result<Vec<Value>> {
    let mut points = Vec::new();
    for ef in BREADTHS {
        let (recall, times) = measure(truth, |query| ask(ef, query))?;
        points.push(point(&format!("ef={ef}"), recall, &times));
    }
    Ok(points)
}

/// Runs the search benchmarks.
pub(super) fn bench(arguments: &SearchArguments, queries: usize) -> anyhow::Result<()> {
    let data = Data::load(arguments, queries)?;
    let truth = data.truth(|_| true);
    let filtered_truth = data.truth(|gloss| gloss.lexname == FILTER);
    let dir = tempfile::tempdir_in(paths::products())?;
    let mut rows = Vec::new();
    let mut engines = vec![skerry(&data, &truth, &filtered_truth, dir.path(), &mut rows)?];
    engines.push(native(&data, &truth)?);
    if !arguments.alone {
        let peers = peers::run_all(&data, &truth, &filtered_truth, arguments.engines.as_deref(), dir.path())?;
        engines.extend(peers);
    }
    node::bench(&data, dir.path(), &mut rows)?;
    let report =
        json!({ "vectors": data.glosses.len(), "queries": data.queries.len(), "engines": engines, "rows": rows });
    let out = paths::products().join("search.json");
    fetch::write_whole(&out, &serde_json::to_vec_pretty(&report)?)?;
    print(&report);
    if !arguments.alone {
        peers::chart(&out)?;
    }
    Ok(())
}

fn print(report: &Value) {
    super::print_rows(report["rows"].as_array().map(Vec::as_slice).unwrap_or_default());
    println!(
        "\n| engine | setting | recall@10 | p50 ms | p95 ms | p99 ms | queries/s | build s | open ms | MB per 100,000 |"
    );
    println!("| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |");
    let number = |value: &Value, digits: usize| {
        value.as_f64().map_or_else(|| "-".to_owned(), |value| format!("{value:.digits$}"))
    };
    for engine in report["engines"].as_array().into_iter().flatten() {
        let name = engine["engine"].as_str().unwrap_or_default();
        if let Some(error) = engine["error"].as_str() {
            println!("| {name} | failed: {} |", error.lines().next().unwrap_or_default());
        }
        for point in engine["points"].as_array().into_iter().flatten() {
            println!(
                "| {name} | {} | {} | {} | {} | {} | {} | {} | {} | {} |",
                point["params"].as_str().unwrap_or_default(),
                number(&point["recall"], 4),
                number(&point["p50_ms"], 3),
                number(&point["p95_ms"], 3),
                number(&point["p99_ms"], 3),
                number(&point["qps"], 0),
                number(&engine["build_s"], 1),
                number(&engine["open_ms"], 2),
                number(&engine["memory_after_queries_mb_per_100k"], 1),
            );
        }
        let filtered = &engine["filtered"];
        if filtered.is_object() {
            println!(
                "| {name}, 1 % filter | {} | {} | {} | {} |",
                filtered["params"].as_str().unwrap_or_default(),
                number(&filtered["recall"], 4),
                number(&filtered["p50_ms"], 3),
                number(&filtered["p95_ms"], 3)
            );
        }
    }
}

/// Our own segment, asked in this process as a node asks it.
fn skerry(
    data: &Data,
    truth: &[Vec<usize>],
    filtered_truth: &[Vec<usize>],
    dir: &Path,
    rows: &mut Vec<Value>,
) -> anyhow::Result<Value> {
    let engine = Engine::new(&EngineConfig::default())?;
    let limits = Limits { memory_bytes_max: 3 << 30, deadline: Duration::from_mins(5) };
    let wasm = std::fs::read(paths::components().join("query.wasm"))?;
    let bar = ProgressBar::new_spinner();
    bar.enable_steady_tick(Duration::from_millis(200));
    let begun = Instant::now();
    let baked = bake::segment(&wasm, data.documents(), &|step| {
        bar.set_message(format!("baking: {step:?}, {:.0} s", begun.elapsed().as_secs_f64()));
    })?;
    let (component, sha256) = Component::keep(&engine, dir, "segment", &baked)?;
    bar.finish_and_clear();
    let build_s = begun.elapsed().as_secs_f64();
    let per_100k = 1e5 / data.glosses.len() as f64;
    rows.push(row("build of a segment, indexing, graph, snapshot and native code", build_s, "s"));

    let (mut opens, mut first_queries) = (Vec::new(), Vec::new());
    for query in 0..50 {
        let begun = Instant::now();
        let component = Component::open_compiled(&engine, dir, "segment", &sha256).context("open the segment")?;
        let mut segment = Segment::new(&engine, &component, limits)?;
        opens.push(begun.elapsed().as_secs_f64() * 1e3);
        segment.query(&Request { vector: Some(data.query_vector(query)), ..Request::default() })?;
        first_queries.push(begun.elapsed().as_secs_f64() * 1e3);
    }
    rows.push(row("opening a baked segment, instance included, p50", percentile(&opens, 50), "ms"));
    rows.push(row("the same, p95", percentile(&opens, 95), "ms"));
    rows.push(row("the same and a first query, p50", percentile(&first_queries, 50), "ms"));
    let mut instances = Vec::new();
    for _ in 0..200 {
        let begun = Instant::now();
        let segment = Segment::new(&engine, &component, limits)?;
        instances.push(begun.elapsed().as_secs_f64() * 1e6);
        drop(segment);
    }
    rows.push(row("another instance of an open segment, p50", percentile(&instances, 50), "us"));

    let mut segment = Segment::new(&engine, &component, limits)?;
    let stats = segment.describe()?;
    rows.push(row("vectors and graph, per 100,000", stats.vector_bytes as f64 / 1e6 * per_100k, "MB"));
    rows.push(row("the whole index, per 100,000", stats.bytes as f64 / 1e6 * per_100k, "MB"));
    let row_of_key: BTreeMap<&str, usize> = data.glosses.iter().map(|gloss| gloss.key.as_str()).zip(0..).collect();
    let mut ask = |request: &Request| -> anyhow::Result<Vec<usize>> {
        let hits = segment.query(request)?.hits;
        Ok(hits.iter().filter_map(|hit| row_of_key.get(hit.key.as_str()).copied()).collect())
    };
    let by_vector = |query: usize| Request { vector: Some(data.query_vector(query)), ..Request::default() };
    let mut points = sweep(truth, |ef, query| ask(&Request { ef: Some(ef), ..by_vector(query) }))?;
    let (recall, times) = measure(truth, |query| ask(&by_vector(query)))?;
    rows.push(row("vector search at the default breadth, recall@10", recall, ""));
    rows.push(row("the same, p50", percentile(&times, 50), "ms"));
    rows.push(row("the same, p95", percentile(&times, 95), "ms"));
    let (recall, times) =
        measure(truth.get(..200).unwrap_or(truth), |query| ask(&Request { exact: true, ..by_vector(query) }))?;
    points.push(point("exact", recall, &times));
    let text = |query: usize| data.queries.get(query).map(|gloss| gloss.text.clone());
    let short = |query: usize| text(query).map(|text| text.split(' ').take(4).collect::<Vec<_>>().join(" "));
    for (name, text) in [("a whole gloss", &text as &dyn Fn(usize) -> Option<String>), ("its first 4 words", &short)] {
        for (kind, with_vector) in [("keyword", false), ("hybrid", true)] {
            let (_, times) = measure(truth, |query| {
                let vector = with_vector.then(|| data.query_vector(query));
                ask(&Request { text: text(query), vector, ..Request::default() })
            })?;
            rows.push(row(&format!("{kind} search by {name}, p50"), percentile(&times, 50), "ms"));
            rows.push(row(&format!("{kind} search by {name}, p95"), percentile(&times, 95), "ms"));
        }
    }
    rows.push(row(
        "hybrid queries of 4 words, two instances on two threads, in process",
        pair(&engine, &component, limits, data, &short)?,
        "/s",
    ));
    for (share, lexname) in FILTERS {
        let truth = data.truth(|gloss| gloss.lexname == lexname);
        let (recall, times) = measure(&truth, |query| ask(&Request { filter: only(lexname), ..by_vector(query) }))?;
        rows.push(row(&format!("vector search behind a filter of {share}, recall@10"), recall, ""));
        rows.push(row(&format!("vector search behind a filter of {share}, p95"), percentile(&times, 95), "ms"));
    }
    let (recall, times) = measure(filtered_truth, |query| ask(&Request { filter: only(FILTER), ..by_vector(query) }))?;
    let filtered = point("scan of what passes", recall, &times);
    let probe = probe(dir, &sha256, data)?;
    Ok(json!({
        "engine": "skerry", "version": env!("CARGO_PKG_VERSION"), "kind": "vector", "error": null, "build_s": build_s,
        "open_ms": percentile(&opens, 50), "memory_mb": probe["opened_mb"], "memory_after_queries_mb": probe["asked_mb"],
        "memory_mb_per_100k": probe["opened_mb"].as_f64().map(|mb| mb * per_100k),
        "memory_after_queries_mb_per_100k": probe["asked_mb"].as_f64().map(|mb| mb * per_100k),
        "points": points, "filtered": filtered, "note": "WebAssembly, int8; postings, keys and columns included in memory",
    }))
}

/// Queries per second of two instances, each on a thread of its own.
fn pair(
    engine: &Engine,
    component: &Component,
    limits: Limits,
    data: &Data,
    text: &dyn Fn(usize) -> Option<String>,
) -> anyhow::Result<f64> {
    const ROUNDS: usize = 5;
    let requests: Vec<Request> = (0..data.queries.len())
        .map(|query| Request { text: text(query), vector: Some(data.query_vector(query)), ..Request::default() })
        .collect();
    let work = || -> anyhow::Result<()> {
        let mut segment = Segment::new(engine, component, limits)?;
        for request in requests.iter().cycle().take(ROUNDS * requests.len()) {
            segment.query(request)?;
        }
        Ok(())
    };
    let begun = Instant::now();
    std::thread::scope(|scope| {
        let other = scope.spawn(work);
        work()?;
        other.join().unwrap_or_else(|_| anyhow::bail!("a thread failed"))
    })?;
    Ok((2 * ROUNDS * requests.len()) as f64 / begun.elapsed().as_secs_f64())
}

fn only(lexname: &str) -> Vec<FilterNode> {
    let comparison = Comparison::Eq(Scalar::Text(lexname.to_owned()));
    vec![FilterNode::Condition(Condition { path: "data.lexname".into(), comparison })]
}

/// Memory in a fresh process, as the peers are measured.
fn probe(dir: &Path, sha256: &str, data: &Data) -> anyhow::Result<Value> {
    let queries = dir.join("probe.f32");
    std::fs::write(&queries, data.query_vectors.iter().flat_map(|number| number.to_le_bytes()).collect::<Vec<u8>>())?;
    // Not `current_exe`: the build at the start of the bench may have replaced it.
    let mut command =
        Command::new(paths::target().join("debug").join(format!("xtask{}", std::env::consts::EXE_SUFFIX)));
    command.arg("bench-probe").arg(dir).arg(sha256).arg(&queries);
    let output = command.output().context("start the probe")?;
    ensure!(output.status.success(), "the probe failed: {}", String::from_utf8_lossy(&output.stderr));
    Ok(serde_json::from_slice(&output.stdout)?)
}

/// Opens a segment, asks it, and says what that took of memory.
pub(crate) fn probe_main(dir: &Path, sha256: &str, queries: &Path) -> anyhow::Result<()> {
    let bytes = std::fs::read(queries)?;
    let numbers: Vec<f32> = bytes.as_chunks().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect();
    drop(bytes);
    let engine = Engine::new(&EngineConfig::default())?;
    let limits = Limits { memory_bytes_max: 3 << 30, deadline: Duration::from_mins(5) };
    let before = pss_mb()?;
    let component = Component::open_compiled(&engine, dir, "segment", sha256).context("open the segment")?;
    let mut segment = Segment::new(&engine, &component, limits)?;
    let opened = pss_mb()?;
    for vector in numbers.chunks_exact(DIMENSIONS) {
        segment.query(&Request { vector: Some(vector.to_vec()), ..Request::default() })?;
    }
    let asked = pss_mb()?;
    println!("{}", json!({ "opened_mb": opened - before, "asked_mb": asked - before }));
    Ok(())
}

fn pss_mb() -> anyhow::Result<f64> {
    let rollup = std::fs::read_to_string("/proc/self/smaps_rollup").context("this system does not tell Pss")?;
    let line = rollup.lines().find_map(|line| line.strip_prefix("Pss:")).context("no Pss")?;
    let kibibytes: f64 = line.split_whitespace().next().context("no Pss")?.parse()?;
    Ok(kibibytes * 1024.0 / 1e6)
}

/// instant-distance with its own defaults, over the same int8 vectors with an AVX2 distance.
fn native(data: &Data, truth: &[Vec<usize>]) -> anyhow::Result<Value> {
    eprintln!("building with instant-distance's defaults, natively");
    let begun = Instant::now();
    let native = Native::build(&data.vectors, &data.query_vectors)?;
    let build_s = begun.elapsed().as_secs_f64();
    let mut points = Vec::new();
    for ef in BREADTHS {
        let mut search = native.with_ef(u8::try_from(ef)?)?;
        let (recall, times) = measure(truth, |query| Ok(search(query).into_iter().map(|row| row as usize).collect()))?;
        points.push(point(&format!("ef={ef}"), recall, &times));
    }
    Ok(json!({
        "engine": "instant-distance", "version": "0.6.1", "kind": "vector", "error": null, "build_s": build_s,
        "points": points, "filtered": null, "note": "native, AVX2, the same int8 vectors, its default parameters",
    }))
}
