//! Search over 100,000 glosses of `WordNet`: recall against latency, filters, memory, opening, building; peers in the same run.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use indicatif::ProgressBar;
use serde_json::{Value, json};
use skerry_host::types::{Comparison, Condition, Document, Field, FilterNode, Request, Scalar};
use skerry_host::{Component, Components, Engine, EngineConfig, Limits, Segment, bake};

use super::native::Native;
use super::percentile;
use crate::run::run;
use crate::wordnet::{self, Gloss};
use crate::{fetch, paths};

const DIMENSIONS: usize = 384;

/// Breadths that are measured.
const BREADTHS: [u32; 7] = [16, 24, 32, 48, 64, 96, 128];

/// What `bench search` can be told.
#[derive(Debug, clap::Args)]
pub(crate) struct SearchArguments {
    /// Vectors in the index.
    #[arg(long, default_value_t = 100_000)]
    vectors: usize,
    /// Queries per measurement: glosses that are not in the index.
    #[arg(long, default_value_t = 1_000)]
    queries: usize,
    /// Leave the peers out.
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
    fn load(arguments: &SearchArguments) -> anyhow::Result<Data> {
        let mut glosses = wordnet::glosses()?;
        let count = arguments.vectors + arguments.queries;
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
            vector: Some(vector.to_vec()),
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

/// Runs the search benchmarks.
pub(crate) fn bench(arguments: &SearchArguments) -> anyhow::Result<()> {
    let data = Data::load(arguments)?;
    let truth = data.truth(|_| true);
    let engine = Engine::new(&EngineConfig::default())?;
    let limits = Limits { memory_bytes_max: 3 << 30, deadline: Duration::from_mins(5) };
    let dir = tempfile::tempdir_in(paths::products())?;
    let wasm = std::fs::read(paths::components().join("query.wasm"))?;

    let begun = Instant::now();
    let baked = bake::segment(&wasm, data.documents(), &|step| {
        if !matches!(step, bake::Step::Documents(done) if done % 20_000 != 0) {
            eprintln!("{step:?} after {:.1} s", begun.elapsed().as_secs_f64());
        }
    })?;
    eprintln!("baked after {:.1} s: {} MB", begun.elapsed().as_secs_f64(), baked.len() / 1_000_000);
    Component::open(&engine, dir.path(), "segment", &baked)?;
    let build_s = begun.elapsed().as_secs_f64();
    let mut opens = Vec::new();
    for _ in 0..20 {
        let begun = Instant::now();
        let component = Component::open(&engine, dir.path(), "segment", &baked)?;
        Segment::new(&engine, &component, limits)?;
        opens.push(begun.elapsed().as_secs_f64() * 1e3);
    }
    let component = Component::open(&engine, dir.path(), "segment", &baked)?;
    let mut segment = Segment::new(&engine, &component, limits)?;
    let stats = segment.describe()?;
    println!("{stats:?}\nbuild {build_s:.1} s, open p50 {:.3} ms", percentile(&opens, 50));

    let row_of_key: std::collections::BTreeMap<&str, usize> =
        data.glosses.iter().map(|gloss| gloss.key.as_str()).zip(0..).collect();
    let mut points = Vec::new();
    let mut ask = |request: &Request| -> anyhow::Result<Vec<usize>> {
        let hits = segment.query(request)?.hits;
        Ok(hits.iter().filter_map(|hit| row_of_key.get(hit.key.as_str()).copied()).collect())
    };
    for ef in BREADTHS {
        let (recall, times) = measure(&truth, |query| {
            ask(&Request { vector: Some(data.query_vector(query)), ef: Some(ef), ..Request::default() })
        })?;
        points.push(point(&format!("ef={ef}"), recall, &times));
        println!("{}", points.last().unwrap_or(&Value::Null));
    }
    let (recall, times) = measure(truth.get(..100).unwrap_or_default(), |query| {
        ask(&Request { vector: Some(data.query_vector(query)), exact: true, ..Request::default() })
    })?;
    println!("exact {}", point("exact", recall, &times));
    let (_, times) = measure(&truth, |query| {
        let text = data.queries.get(query).map(|gloss| gloss.text.clone());
        ask(&Request { text, ..Request::default() })
    })?;
    println!("keyword {}", point("", 0.0, &times));
    let (_, times) = measure(&truth, |query| {
        let text = data.queries.get(query).map(|gloss| gloss.text.clone());
        ask(&Request { text, vector: Some(data.query_vector(query)), ..Request::default() })
    })?;
    println!("hybrid {}", point("", 0.0, &times));
    for lexname in ["noun.motive", "noun.shape", "noun.body", "noun.animal", "noun.artifact"] {
        let count = data.glosses.iter().filter(|gloss| gloss.lexname == lexname).count();
        let truth = data.truth(|gloss| gloss.lexname == lexname);
        let condition =
            Condition { path: "data.lexname".into(), comparison: Comparison::Eq(Scalar::Text(lexname.into())) };
        let filter = vec![FilterNode::Condition(condition)];
        let (recall, times) = measure(&truth, |query| {
            let vector = Some(data.query_vector(query));
            ask(&Request { vector, filter: filter.clone(), ..Request::default() })
        })?;
        println!("filter {lexname} {count} {}", point("", recall, &times));
    }
    let begun = Instant::now();
    let native = Native::build(&data.vectors, &data.query_vectors)?;
    println!("native build on two threads {:.1} s", begun.elapsed().as_secs_f64());
    for ef in BREADTHS {
        let mut search = native.with_ef(ef as u8)?;
        let (recall, times) = measure(&truth, |query| Ok(search(query).into_iter().map(|row| row as usize).collect()))?;
        println!("native {}", point(&format!("ef={ef}"), recall, &times));
    }
    let _ = (run as fn(&mut Command) -> _, fetch::write_whole as fn(&Path, &[u8]) -> _, Value::Null);
    Ok(())
}
