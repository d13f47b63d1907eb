//! What a whole process takes: memory after 100 texts, and the time from its start to its first vector.

use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context, ensure};
use serde_json::{Value, json};

use super::engine::Peer;
use crate::bench::percentile;
use crate::paths;

/// What is measured of a process.
pub(super) struct Process {
    pub(super) name: &'static str,
    pub(super) pss_mb: f64,
    pub(super) first_ms: Vec<f64>,
}

impl Process {
    /// As a row of the report.
    pub(super) fn json(&self) -> Value {
        json!({
            "engine": self.name, "pss_mb": self.pss_mb, "starts": self.first_ms.len(),
            "first_vector_p50_ms": percentile(&self.first_ms, 50), "first_vector_worst_ms": percentile(&self.first_ms, 100),
        })
    }
}

/// `skerry embed`, from native code that is there already.
pub(super) fn skerry(texts: &[String], starts: usize) -> anyhow::Result<Process> {
    let command = |argument: &str| {
        let mut command = Command::new(paths::skerry());
        command.arg("--components").arg(paths::components()).args(["embed", argument]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        command
    };
    let mut child = command("-").spawn().context("start skerry")?;
    let mut requests = child.stdin.take().context("skerry takes no texts")?;
    let mut answers = BufReader::new(child.stdout.take().context("skerry gives no answers")?);
    for text in texts {
        writeln!(requests, "{}", text.replace('\n', " "))?;
        let mut line = String::new();
        ensure!(answers.read_line(&mut line)? > 0, "skerry did not answer");
    }
    let pss_mb = pss_mb_of(child.id())?;
    drop(requests);
    ensure!(child.wait()?.success(), "skerry failed");
    let text = texts.first().context("no text")?;
    let mut first_ms = Vec::new();
    for _ in 0..starts {
        let begun = Instant::now();
        let mut child = command(text).spawn().context("start skerry")?;
        let mut line = String::new();
        BufReader::new(child.stdout.take().context("skerry gives no answers")?).read_line(&mut line)?;
        first_ms.push(begun.elapsed().as_secs_f64() * 1e3);
        ensure!(child.wait()?.success() && line.contains("vector"), "skerry did not answer");
    }
    Ok(Process { name: "skerry", pss_mb, first_ms })
}

/// A peer on one thread; its start includes Python's.
pub(super) fn peer(name: &'static str, texts: &[String], starts: usize) -> anyhow::Result<Process> {
    let mut peer = Peer::start(name, 1)?;
    peer.embed(texts)?;
    let pss_mb = peer.pss_bytes()? / 1e6;
    drop(peer);
    let first = texts.get(..1).context("no text")?;
    let mut first_ms = Vec::new();
    for _ in 0..starts {
        let begun = Instant::now();
        Peer::start(name, 1)?.embed(first)?;
        first_ms.push(begun.elapsed().as_secs_f64() * 1e3);
    }
    Ok(Process { name, pss_mb, first_ms })
}

fn pss_mb_of(process: u32) -> anyhow::Result<f64> {
    let rollup = std::fs::read_to_string(format!("/proc/{process}/smaps_rollup"));
    let rollup = rollup.context("this system does not tell Pss")?;
    let line = rollup.lines().find_map(|line| line.strip_prefix("Pss:")).context("no Pss")?;
    let kibibytes: f64 = line.split_whitespace().next().context("no Pss")?.parse()?;
    Ok(kibibytes * 1024.0 / 1e6)
}
