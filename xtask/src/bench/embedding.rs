//! Embedding side by side with other runtimes of the same model: latency by length, throughput by batch, memory, cold start.
//!
//! All engines are loaded at once and take turns, so that what else the machine does falls on all of them alike. In its turn
//! an engine makes one call unmeasured, which brings its weights back into the caches, and then a few measured ones. A call
//! goes from text to vector, tokenizer included. `skerry` is the component behind the host's pool as a node uses it;
//! xtask is built by the dev profile with dependencies optimised, which tells little, since the time is spent in the component.

mod bare;
mod engine;
mod process;
mod report;
mod texts;

use std::time::{Duration, Instant};

use anyhow::Context;
use indicatif::{ProgressBar, ProgressStyle};
use serde::Deserialize;
use skerry_host::{Components, Embedder, EngineConfig, Limits};

use crate::{fetch, paths};
use engine::Engine;
use report::{Latency, Report, Throughput};

/// What the embedding benchmark can be told.
#[derive(Debug, clap::Args)]
pub(crate) struct EmbeddingArguments {
    /// Turns of every engine at every length; each has three measured calls.
    #[arg(long, default_value_t = 20)]
    turns: usize,
    /// Times that every batch size is measured; the median counts.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Processes that are started to see how soon the first vector comes.
    #[arg(long, default_value_t = 20)]
    embedding_starts: usize,
}

/// Measured calls of a turn.
const CALLS: usize = 3;

const LIMITS: Limits = Limits { memory_bytes_max: 256 << 20, deadline: Duration::from_mins(2) };

/// Other runtimes: name, threads.
const PEERS: [(&str, usize); 8] = [
    ("onnxruntime-fp32", 1),
    ("onnxruntime-fp32", 2),
    ("onnxruntime-int8", 1),
    ("onnxruntime-int8", 2),
    ("ctranslate2-fp32", 1),
    ("ctranslate2-int8", 1),
    ("fastembed-style", 1),
    ("fastembed-style", 2),
];

/// Runs it; the components are built.
pub(super) fn bench(arguments: &EmbeddingArguments) -> anyhow::Result<()> {
    engine::build_models()?;
    let single = pool(1)?;
    let lengths = texts::exact(&single)?;
    let mix = texts::mix()?;
    let mut tokens: Vec<usize> =
        mix.iter().map(|text| single.tokenize(text).map(|ids| ids.len())).collect::<Result<_, _>>()?;
    tokens.sort_unstable();
    let tokenizing = tokenizing(&single, &lengths)?;

    let mut engines = vec![Engine::pool(single, 1), Engine::pool(pool(2)?, 2)];
    engines.push(Engine::bare(&std::fs::read(paths::components().join("embedding.wasm"))?)?);
    for (name, threads) in PEERS {
        engines.push(Engine::peer(name, threads)?);
    }
    let accuracy = engines.iter_mut().map(accuracy).collect::<anyhow::Result<Vec<_>>>()?;
    let latency = latency(&mut engines, &lengths, arguments.turns)?;
    let throughput = throughput(&mut engines, &mix, arguments.rounds)?;
    drop(engines);

    let hundred = mix.get(..100).context("too few texts")?;
    let bar = ProgressBar::new(6).with_message("starting processes");
    let mut processes = vec![process::skerry(hundred, arguments.embedding_starts)?];
    for (name, _) in PEERS.into_iter().filter(|(_, threads)| *threads == 1) {
        bar.inc(1);
        processes.push(process::peer(name, hundred, arguments.embedding_starts)?);
    }
    bar.finish_and_clear();

    let report = Report { latency, throughput, processes, tokenizing, accuracy, tokens };
    report.print();
    let out = paths::products().join("embedding.json");
    fetch::write_whole(&out, &serde_json::to_vec_pretty(&report.json())?)?;
    report::chart(&out)
}

fn pool(instances: usize) -> anyhow::Result<Embedder> {
    let engine = skerry_host::Engine::new(&EngineConfig::default())?;
    let components = Components::open(&paths::components())?;
    Ok(Embedder::new(&engine, &components.embedding(&engine)?, instances, LIMITS)?)
}

/// Milliseconds of our tokenizer alone, by tokens.
fn tokenizing(embedder: &Embedder, lengths: &[texts::Length]) -> anyhow::Result<Vec<(usize, Vec<f64>)>> {
    let of = |length: &texts::Length| {
        let mut times = Vec::new();
        for text in length.texts.iter().cycle().take(20 * length.texts.len()) {
            let begun = Instant::now();
            embedder.tokenize(text)?;
            times.push(begun.elapsed().as_secs_f64() * 1e3);
        }
        Ok((length.tokens, times))
    };
    lengths.iter().map(of).collect()
}

#[derive(Deserialize)]
struct Golden {
    items: Vec<GoldenText>,
}

#[derive(Deserialize)]
struct GoldenText {
    text: String,
    emb: Vec<f32>,
}

/// Least and mean cosine against the golden vectors, which were made in double precision.
fn accuracy(engine: &mut Engine) -> anyhow::Result<(f64, f64)> {
    let path = paths::workspace().join("components/embedding/tests/fixtures/minilm.json");
    let golden: Golden = serde_json::from_slice(&std::fs::read(path)?)?;
    let texts: Vec<String> = golden.items.iter().map(|item| item.text.clone()).collect();
    let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum::<f64>();
    let vectors = engine.vectors(&texts)?;
    let cosines = golden.items.iter().zip(&vectors);
    let cosines: Vec<f64> =
        cosines.map(|(item, vector)| dot(&item.emb, vector) / dot(&item.emb, &item.emb).sqrt()).collect();
    let least = cosines.iter().copied().fold(f64::INFINITY, f64::min);
    Ok((least, cosines.iter().sum::<f64>() / cosines.len() as f64))
}

fn bar(steps: usize, message: &'static str) -> anyhow::Result<ProgressBar> {
    let style = ProgressStyle::with_template("{msg} {wide_bar} {pos}/{len} {eta} left")?;
    Ok(ProgressBar::new(steps as u64).with_style(style).with_message(message))
}

/// Single texts. Two instances are no faster with one text, and fastembed differs from onnxruntime in batches only.
fn latency(engines: &mut [Engine], lengths: &[texts::Length], turns: usize) -> anyhow::Result<Vec<Latency>> {
    let single = |engine: &Engine| engine.name != "fastembed-style" && (engine.name, engine.threads) != ("skerry", 2);
    let mut engines: Vec<&mut Engine> = engines.iter_mut().filter(|engine| single(engine)).collect();
    let mut measured: Vec<Latency> = Vec::new();
    for length in lengths {
        measured.extend(engines.iter().map(|engine| Latency::new(engine, length.tokens)));
    }
    let bar = bar(turns * lengths.len(), "single texts")?;
    for turn in 0..turns {
        for (length, measured) in lengths.iter().zip(measured.chunks_mut(engines.len())) {
            let mut texts = length.texts.iter().cycle().skip(turn * CALLS).take(CALLS).cloned().collect::<Vec<_>>();
            texts.extend(texts.first().cloned());
            texts.rotate_right(1);
            for place in 0..engines.len() {
                // Whoever is after a slow engine is not always the same one's successor.
                let place = (place + turn) % engines.len();
                let (Some(engine), Some(measured)) = (engines.get_mut(place), measured.get_mut(place)) else {
                    continue;
                };
                measured.ms.extend(engine.time(&texts, 1)?.into_iter().skip(1));
            }
            bar.inc(1);
        }
    }
    bar.finish_and_clear();
    Ok(measured)
}

/// Texts of natural lengths, in calls of several.
fn throughput(engines: &mut [Engine], mix: &[String], rounds: usize) -> anyhow::Result<Vec<Throughput>> {
    const BATCHES: [usize; 4] = [1, 8, 32, 256];
    let mut measured: Vec<Throughput> = Vec::new();
    for batch in BATCHES {
        measured.extend(engines.iter().map(|engine| Throughput::new(engine, batch)));
    }
    let bar = bar(rounds * measured.len(), "batches")?;
    for round in 0..rounds {
        for (batch, measured) in BATCHES.into_iter().zip(measured.chunks_mut(engines.len())) {
            for place in 0..engines.len() {
                let place = (place + round) % engines.len();
                let (Some(engine), Some(measured)) = (engines.get_mut(place), measured.get_mut(place)) else {
                    continue;
                };
                let ms: f64 = engine.time(mix, batch)?.iter().sum();
                measured.per_s.push(mix.len() as f64 * 1e3 / ms);
                bar.inc(1);
            }
        }
    }
    bar.finish_and_clear();
    Ok(measured)
}
