//! What plugins cost: opening one, and a call of each kind, every call in a fresh instance as a node makes it.

use std::time::{Duration, Instant};

use skerry_host::plugin::{PluginLimits, Reranker, SubscriptionFilter, Transform};
use skerry_host::types::plugin::{Candidate, Change, ChangeBatch, Entry, PublishBatch, RankingRequest};
use skerry_host::{Engine, EngineConfig, Limits};

use super::sentences;
use crate::{fetch, plugins};

/// Records of a publish, hits of a query, changes of a read of the feed.
const RECORDS: usize = 100;
const HITS: usize = 50;
const CHANGES: usize = 64;

const ROUNDS: usize = 200;

/// Measures, and prints a table.
pub(super) fn bench() -> anyhow::Result<()> {
    let built = plugins::build()?;
    let read = |name: &str| std::fs::read(built.join(format!("{name}.wasm")));
    let (redact, faults, recency) = (read("redact")?, read("faults")?, read("recency")?);
    let texts = sentences(&fetch::sample()?)?;
    let entries: Vec<Entry> = texts.iter().take(RECORDS).enumerate().map(|(n, text)| entry(n, text)).collect();
    let engine = Engine::new(&EngineConfig::default())?;
    let cache = tempfile::tempdir()?;
    let call = Limits { deadline: Duration::from_mins(1), ..PluginLimits::default().call };
    let limits = PluginLimits { call, ..PluginLimits::default() };

    for (name, wasm) in [("redact, Rust", &redact), ("recency, JavaScript", &recency)] {
        for what in ["compiled", "from the cache"] {
            let started = Instant::now();
            if name.starts_with("redact") {
                Transform::open(&engine, cache.path(), wasm, limits)?;
            } else {
                Reranker::open(&engine, cache.path(), wasm, limits)?;
            }
            println!("open {name} ({:.1} MB), {what}: {:.1} ms", wasm.len() as f64 / 1e6, ms(started.elapsed()));
        }
    }
    let transform = |wasm: &[u8]| Transform::open(&engine, cache.path(), wasm, limits);
    let publish = |settings: &str| PublishBatch {
        project: "bench".to_owned(),
        settings: settings.to_owned(),
        entries: entries.clone(),
    };
    let (redact, faults_transform) = (transform(&redact)?, transform(&faults)?);
    let (kept, echoed, redacted) = (publish(""), publish("echo"), publish(""));
    measure("transform of 100 records that keeps all, Rust", || faults_transform.transform(&kept, None))?;
    measure("transform of 100 records that answers all, Rust", || faults_transform.transform(&echoed, None))?;
    measure("redact of 100 records, Rust", || redact.transform(&redacted, None))?;
    measure("the same without WebAssembly", || {
        let cleaned: Vec<_> = entries.iter().map(|entry| skerry_plugin_redact::redact(&entry.text)).collect();
        let parsed = entries.iter().map(|entry| serde_json::from_str::<serde_json::Value>(&entry.data));
        parsed.collect::<Result<Vec<_>, _>>().map(|parsed| (cleaned, parsed))
    })?;

    let candidate = |(n, entry): (usize, &Entry)| Candidate {
        score: 1.0 - n as f32 / 100.0,
        vector_score: Some(0.5),
        keyword_score: None,
        chunk: None,
        entry: entry.clone(),
    };
    let request = RankingRequest {
        project: "bench".to_owned(),
        settings: String::new(),
        argument: r#"{"now":"2026-11-21"}"#.to_owned(),
        text: Some("buffer overflow".to_owned()),
        candidates: entries.iter().take(HITS).enumerate().map(candidate).collect(),
    };
    let plain = Reranker::open(&engine, cache.path(), &faults, limits)?;
    let recency = Reranker::open(&engine, cache.path(), &recency, limits)?;
    measure("rerank of 50 hits, Rust", || plain.rerank(&request, None))?;
    measure("recency of 50 hits, JavaScript", || recency.rerank(&request, None))?;

    let change = |entry: &Entry| Change { key: entry.key.clone(), entry: Some(entry.clone()) };
    let batch = ChangeBatch {
        project: "bench".to_owned(),
        settings: String::new(),
        argument: "1".to_owned(),
        changes: entries.iter().take(CHANGES).map(change).collect(),
    };
    let filter = SubscriptionFilter::open(&engine, cache.path(), &faults, limits)?;
    measure("filter of 64 changes, Rust", || filter.keep(&batch, None))
}

fn entry(n: usize, text: &str) -> Entry {
    Entry {
        key: format!("record-{n}"),
        text: text.to_owned(),
        data: format!(r#"{{"number":{n},"date":"2026-11-{:02}","by":"someone"}}"#, n % 28 + 1),
        metadata: r#"{"source":"bench"}"#.to_owned(),
        layers: vec!["bench".to_owned()],
        links: Vec::new(),
    }
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

/// Prints the median and the 95th percentile of a call.
fn measure<T, E: std::error::Error + Send + Sync + 'static>(
    what: &str,
    call: impl Fn() -> Result<T, E>,
) -> anyhow::Result<()> {
    let mut times = Vec::with_capacity(ROUNDS);
    for _ in 0..ROUNDS {
        let started = Instant::now();
        call()?;
        times.push(started.elapsed());
    }
    times.sort_unstable();
    let at = |share: usize| times.get(ROUNDS * share / 100).copied().map_or(0.0, ms);
    println!("{what}: p50 {:.3} ms, p95 {:.3} ms", at(50), at(95));
    Ok(())
}
