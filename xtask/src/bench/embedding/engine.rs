//! What is measured: our component in this process, other runtimes in processes of their own.

use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Instant;

use anyhow::{Context, ensure};
use serde::Deserialize;
use serde_json::{Value, json};
use skerry_host::Embedder;

use super::bare::Bare;
use crate::bench::python::{EMBEDDING, script};
use crate::paths;
use crate::run::run;

/// Something that turns texts into vectors.
pub(super) struct Engine {
    /// Name in tables and charts.
    pub(super) name: &'static str,
    /// Threads that work on one call; instances, for our component.
    pub(super) threads: usize,
    runner: Runner,
}

enum Runner {
    Pool(Embedder),
    Bare(Box<Bare>),
    Peer(Peer),
}

impl Engine {
    /// Our component behind the host's pool, as a node uses it.
    pub(super) fn pool(embedder: Embedder, instances: usize) -> Engine {
        Engine { name: "skerry", threads: instances, runner: Runner::Pool(embedder) }
    }

    /// Our component without the host.
    pub(super) fn bare(wasm: &[u8]) -> anyhow::Result<Engine> {
        Ok(Engine { name: "skerry-bare", threads: 1, runner: Runner::Bare(Box::new(Bare::new(wasm)?)) })
    }

    /// Another runtime, by its name in `bench/embedding_peers.py`.
    pub(super) fn peer(name: &'static str, threads: usize) -> anyhow::Result<Engine> {
        Ok(Engine { name, threads, runner: Runner::Peer(Peer::start(name, threads)?) })
    }

    /// Embeds texts, so many in a call, and answers the milliseconds of each call.
    pub(super) fn time(&mut self, texts: &[String], call: usize) -> anyhow::Result<Vec<f64>> {
        match &mut self.runner {
            Runner::Pool(embedder) => timed(texts, call, |texts| pooled(embedder, texts)),
            Runner::Bare(bare) => timed(texts, call, |texts| bare.embed(texts)),
            Runner::Peer(peer) => {
                let answer = peer.ask(&json!({ "texts": texts, "call": call }))?;
                Ok(answer.ns.into_iter().map(|ns| ns / 1e6).collect())
            }
        }
    }

    /// The vectors of texts, one text in a call.
    pub(super) fn vectors(&mut self, texts: &[String]) -> anyhow::Result<Vec<Vec<f32>>> {
        match &mut self.runner {
            Runner::Pool(embedder) => pooled(embedder, texts),
            Runner::Bare(bare) => bare.embed(texts),
            Runner::Peer(peer) => Ok(peer.ask(&json!({ "texts": texts, "call": 1, "vectors": true }))?.vectors),
        }
    }
}

fn pooled(embedder: &Embedder, texts: &[String]) -> anyhow::Result<Vec<Vec<f32>>> {
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    Ok(embedder.embed(&texts)?.into_iter().map(|embedding| embedding.vector).collect())
}

fn timed(
    texts: &[String],
    call: usize,
    mut embed: impl FnMut(&[String]) -> anyhow::Result<Vec<Vec<f32>>>,
) -> anyhow::Result<Vec<f64>> {
    let mut times = Vec::new();
    for texts in texts.chunks(call) {
        let begun = Instant::now();
        let vectors = embed(texts)?;
        times.push(begun.elapsed().as_secs_f64() * 1e3);
        ensure!(vectors.len() == texts.len(), "a text has no vector");
    }
    Ok(times)
}

/// A process of `bench/embedding_peers.py`, ended when dropped.
pub(super) struct Peer {
    child: Child,
    requests: ChildStdin,
    answers: BufReader<ChildStdout>,
}

/// What a peer answers.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Answer {
    ns: Vec<f64>,
    vectors: Vec<Vec<f32>>,
    pss_bytes: f64,
}

impl Peer {
    /// Starts it; it answers when it has loaded its model.
    pub(super) fn start(name: &str, threads: usize) -> anyhow::Result<Peer> {
        let mut command = Command::new(EMBEDDING.python()?);
        command.arg(script("embedding_peers.py")).args(["--engine", name, "--threads", &threads.to_string()]);
        command.arg("--models").arg(models()).arg("--tokenizer").arg(paths::model().join("tokenizer.json"));
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().context("start a peer")?;
        let requests = child.stdin.take().context("a peer takes no requests")?;
        let answers = BufReader::new(child.stdout.take().context("a peer gives no answers")?);
        Ok(Peer { child, requests, answers })
    }

    fn ask(&mut self, request: &Value) -> anyhow::Result<Answer> {
        writeln!(self.requests, "{request}").context("ask a peer")?;
        let mut line = String::new();
        self.answers.read_line(&mut line)?;
        serde_json::from_str(&line).context("a peer did not answer")
    }

    /// Embeds texts one by one.
    pub(super) fn embed(&mut self, texts: &[String]) -> anyhow::Result<()> {
        self.ask(&json!({ "texts": texts, "call": 1 })).map(drop)
    }

    /// What the process takes of memory.
    pub(super) fn pss_bytes(&mut self) -> anyhow::Result<f64> {
        Ok(self.ask(&json!({ "pss": true }))?.pss_bytes)
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn models() -> PathBuf {
    EMBEDDING.folder().join("models")
}

/// Builds the model for the other runtimes, unless it is there.
pub(super) fn build_models() -> anyhow::Result<()> {
    let stamp = models().join("built.txt");
    let recipe = std::fs::read(script("embedding_model.py"))?;
    let python = EMBEDDING.python()?;
    if std::fs::read(&stamp).is_ok_and(|built| built == recipe) {
        return Ok(());
    }
    let mut command = Command::new(python);
    command.arg(script("embedding_model.py")).arg("--model").arg(paths::model()).arg("--out").arg(models());
    run(&mut command)?;
    Ok(std::fs::write(stamp, recipe)?)
}
