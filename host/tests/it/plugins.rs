//! Plugins: those that work, and everything that somebody else's code can do wrong. No test of these is timed; a plugin that is
//! not stopped makes its test run for ever.

mod examples;
mod faults;
mod foreign;

use std::path::{Path, PathBuf};
use std::sync::LazyLock;
use std::time::Duration;

use skerry_host::Limits;
use skerry_host::plugin::{PluginLimits, Reranker, SubscriptionFilter, Transform};
use skerry_host::types::plugin::{Candidate, Change, ChangeBatch, Entry, PublishBatch, RankingRequest};

use crate::artefacts::ENGINE;

/// Native code of all tests of this run.
static CACHE: LazyLock<tempfile::TempDir> = LazyLock::new(|| tempfile::tempdir().unwrap());

/// Little enough for every fault to be quick; `loop` runs into the deadline, which a slow machine must not reach otherwise.
const LIMITS: PluginLimits = PluginLimits {
    call: Limits { memory_bytes_max: 64 << 20, deadline: Duration::from_secs(2) },
    output_bytes_max: 4 << 20,
    calls_at_once: 2,
};

/// A built plugin.
fn built(name: &str) -> Vec<u8> {
    let workspace = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../target/skerry/plugins"));
    let dir = std::env::var_os("SKERRY_BUILT_PLUGINS").map_or(workspace, PathBuf::from);
    let path = dir.join(format!("{name}.wasm"));
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}; run `cargo xtask plugins`", path.display()))
}

fn cache() -> &'static Path {
    CACHE.path()
}

fn transform(wasm: &[u8]) -> Transform {
    Transform::open(&ENGINE, cache(), wasm, LIMITS).unwrap_or_else(|error| panic!("{error}"))
}

fn reranker(wasm: &[u8]) -> Reranker {
    Reranker::open(&ENGINE, cache(), wasm, LIMITS).unwrap_or_else(|error| panic!("{error}"))
}

fn filter(wasm: &[u8]) -> SubscriptionFilter {
    SubscriptionFilter::open(&ENGINE, cache(), wasm, LIMITS).unwrap_or_else(|error| panic!("{error}"))
}

fn entry(key: &str, text: &str) -> Entry {
    Entry {
        key: key.to_owned(),
        text: text.to_owned(),
        data: "{}".to_owned(),
        metadata: "{}".to_owned(),
        layers: Vec::new(),
        links: Vec::new(),
    }
}

fn batch(settings: &str, entries: Vec<Entry>) -> PublishBatch {
    PublishBatch { project: "notes".to_owned(), settings: settings.to_owned(), entries }
}

fn request(settings: &str, argument: &str, entries: Vec<Entry>) -> RankingRequest {
    let candidate = |(position, entry)| Candidate {
        score: 1.0 / (1.0 + position as f32),
        vector_score: Some(0.5),
        keyword_score: None,
        chunk: None,
        entry,
    };
    RankingRequest {
        project: "notes".to_owned(),
        settings: settings.to_owned(),
        argument: argument.to_owned(),
        text: Some("tide".to_owned()),
        candidates: entries.into_iter().enumerate().map(candidate).collect(),
    }
}

fn changes(settings: &str, argument: &str, keys: &[&str]) -> ChangeBatch {
    let change = |key: &&str| Change { key: (*key).to_owned(), entry: Some(entry(key, "")) };
    ChangeBatch {
        project: "notes".to_owned(),
        settings: settings.to_owned(),
        argument: argument.to_owned(),
        changes: keys.iter().map(change).collect(),
    }
}
