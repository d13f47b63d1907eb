//! The tables of docs/benchmarks.md, the goals, and the JSON that the charts are drawn from.

use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use super::engine::Engine;
use super::process::Process;
use crate::bench::percentile;
use crate::bench::python::{self, EMBEDDING, script};
use crate::run::run;

/// What everything is compared with, on one thread.
const YARDSTICKS: [&str; 2] = ["onnxruntime-fp32", "onnxruntime-int8"];

/// Milliseconds of single texts of one length.
pub(super) struct Latency {
    name: &'static str,
    threads: usize,
    tokens: usize,
    pub(super) ms: Vec<f64>,
}

impl Latency {
    pub(super) fn new(engine: &Engine, tokens: usize) -> Latency {
        Latency { name: engine.name, threads: engine.threads, tokens, ms: Vec::new() }
    }
}

/// Texts a second in calls of several, once for each round.
pub(super) struct Throughput {
    name: &'static str,
    threads: usize,
    batch: usize,
    pub(super) per_s: Vec<f64>,
}

impl Throughput {
    pub(super) fn new(engine: &Engine, batch: usize) -> Throughput {
        Throughput { name: engine.name, threads: engine.threads, batch, per_s: Vec::new() }
    }
}

/// All that was measured.
pub(super) struct Report {
    pub(super) latency: Vec<Latency>,
    pub(super) throughput: Vec<Throughput>,
    pub(super) processes: Vec<Process>,
    /// Our tokenizer alone: tokens, milliseconds.
    pub(super) tokenizing: Vec<(usize, Vec<f64>)>,
    /// Least and mean cosine of each engine, in the order of the batches.
    pub(super) accuracy: Vec<(f64, f64)>,
    /// Lengths of the texts of the batches, ascending.
    pub(super) tokens: Vec<usize>,
}

impl Report {
    fn ms(&self, name: &str, threads: usize, tokens: usize) -> f64 {
        let wanted = |row: &&Latency| (row.name, row.threads, row.tokens) == (name, threads, tokens);
        self.latency.iter().find(wanted).map_or(f64::NAN, |row| percentile(&row.ms, 50))
    }

    fn per_s(&self, name: &str, threads: usize, batch: usize) -> f64 {
        let wanted = |row: &&Throughput| (row.name, row.threads, row.batch) == (name, threads, batch);
        self.throughput.iter().find(wanted).map_or(f64::NAN, |row| percentile(&row.per_s, 50))
    }

    /// Engines with their threads, each once, in the order they were measured.
    fn engines<'a>(rows: impl Iterator<Item = (&'a str, usize)>) -> Vec<(&'a str, usize)> {
        let mut engines = Vec::new();
        for engine in rows {
            if !engines.contains(&engine) {
                engines.push(engine);
            }
        }
        engines
    }

    pub(super) fn print(&self) {
        self.print_latency();
        self.print_throughput();
        println!(
            "\n| whole process, one thread | MB (Pss) after 100 texts | start to first vector, p50 ms | worst ms |"
        );
        println!("| --- | --- | --- | --- |");
        for Process { name, pss_mb, first_ms } in &self.processes {
            let (p50, worst) = (percentile(first_ms, 50), percentile(first_ms, 100));
            println!("| {name} | {pss_mb:.1} | {p50:.1} | {worst:.1} |");
        }
        println!("\n| goal | measured | met |\n| --- | --- | --- |");
        for Goal { what, value, limit, at_most, unit } in self.goals() {
            let met = if at_most { value <= limit } else { value >= limit };
            let sign = if at_most { "<=" } else { ">=" };
            println!("| {what}: {sign} {limit}{unit} | {value:.2}{unit} | {} |", if met { "yes" } else { "no" });
        }
    }

    fn print_latency(&self) {
        let lengths: Vec<usize> = self.tokenizing.iter().map(|(tokens, _)| *tokens).collect();
        let columns: Vec<String> = lengths.iter().map(|tokens| format!("{tokens} tokens")).collect();
        let head = || {
            println!("| engine | threads | {} |", columns.join(" | "));
            println!("| --- | --- |{}", " --- |".repeat(columns.len()));
        };
        println!("\nMilliseconds of one text, tokenizer included, p50 / p95:\n");
        head();
        for rows in self.by_engine() {
            let Some(Latency { name, threads, .. }) = rows.first() else { continue };
            let cell = |row: &&Latency| format!("{:.2} / {:.2}", percentile(&row.ms, 50), percentile(&row.ms, 95));
            println!("| {name} | {threads} | {} |", rows.iter().map(cell).collect::<Vec<_>>().join(" | "));
        }
        let cell = |(_, ms): &(usize, Vec<f64>)| format!("{:.3} / {:.3}", percentile(ms, 50), percentile(ms, 95));
        let cells: Vec<String> = self.tokenizing.iter().map(cell).collect();
        println!("| skerry, the tokenizer alone | 1 | {} |", cells.join(" | "));
        println!("\nTimes the p50 of onnxruntime fp32 / int8 on one thread:\n");
        head();
        for (name, threads) in Self::engines(self.latency.iter().map(|row| (row.name, row.threads))) {
            let ratio = |tokens: &usize| {
                YARDSTICKS.map(|peer| format!("{:.2}", self.ms(name, threads, *tokens) / self.ms(peer, 1, *tokens)))
            };
            let cells: Vec<String> = lengths.iter().map(|tokens| ratio(tokens).join(" / ")).collect();
            println!("| {name} | {threads} | {} |", cells.join(" | "));
        }
    }

    fn by_engine(&self) -> Vec<Vec<&Latency>> {
        let engines = Self::engines(self.latency.iter().map(|row| (row.name, row.threads)));
        let of = |engine| self.latency.iter().filter(|row| (row.name, row.threads) == engine).collect();
        engines.into_iter().map(of).collect()
    }

    fn print_throughput(&self) {
        let mut batches: Vec<usize> = self.throughput.iter().map(|row| row.batch).collect();
        batches.dedup();
        let count = self.tokens.len();
        let mean = self.tokens.iter().sum::<usize>() as f64 / count as f64;
        let (median, longest) = (self.tokens.get(count / 2).unwrap_or(&0), self.tokens.last().unwrap_or(&0));
        println!(
            "\nTexts a second, {count} glosses of {mean:.1} tokens (median {median}, longest {longest}), with so many"
        );
        println!("in a call; in brackets how many times those of onnxruntime fp32 / int8 on one thread:\n");
        let columns: Vec<String> = batches.iter().map(|batch| format!("calls of {batch}")).collect();
        println!("| engine | threads | {} | cosine, least / mean |", columns.join(" | "));
        println!("| --- | --- |{} --- |", " --- |".repeat(columns.len()));
        let engines = Self::engines(self.throughput.iter().map(|row| (row.name, row.threads)));
        for ((name, threads), (least, mean)) in engines.into_iter().zip(&self.accuracy) {
            let cell = |batch: &usize| {
                let own = self.per_s(name, threads, *batch);
                let ratios = YARDSTICKS.map(|peer| format!("{:.2}", own / self.per_s(peer, 1, *batch)));
                format!("{own:.0} ({})", ratios.join(" / "))
            };
            let cells: Vec<String> = batches.iter().map(cell).collect();
            println!("| {name} | {threads} | {} | {least:.4} / {mean:.4} |", cells.join(" | "));
        }
    }

    fn goals(&self) -> Vec<Goal> {
        let [fp32, int8] = YARDSTICKS.map(|peer| self.ms("skerry", 1, 32) / self.ms(peer, 1, 32));
        // Its makers may order the texts of a batch or not; the faster of both is the peer.
        let batch = |threads: usize| {
            let peers = ["onnxruntime-fp32", "fastembed-style"].map(|peer| self.per_s(peer, threads, 32));
            self.per_s("skerry", threads, 32) / peers.into_iter().fold(f64::NAN, f64::max)
        };
        let own = self.processes.iter().find(|process| process.name == "skerry");
        let at_most = |what, value, limit, unit| Goal { what, value, limit, at_most: true, unit };
        let at_least = |what, value, limit, unit| Goal { what, value, limit, at_most: false, unit };
        vec![
            at_most("32 tokens, one thread, against onnxruntime fp32", fp32, 1.0, "x"),
            at_most("32 tokens, one thread, against onnxruntime int8", int8, 2.0, "x"),
            at_least("batch of 32, one thread, against onnxruntime fp32", batch(1), 1.2, "x"),
            at_least("batch of 32, two threads, against onnxruntime fp32", batch(2), 1.2, "x"),
            at_most("memory of the process (Pss)", own.map_or(f64::NAN, |own| own.pss_mb), 60.0, " MB"),
            at_most(
                "process start to first vector, p50",
                own.map_or(f64::NAN, |own| percentile(&own.first_ms, 50)),
                60.0,
                " ms",
            ),
        ]
    }

    pub(super) fn json(&self) -> Value {
        let latency = |row: &Latency| {
            json!({
                "engine": row.name, "threads": row.threads, "tokens": row.tokens, "calls": row.ms.len(),
                "p50_ms": percentile(&row.ms, 50), "p95_ms": percentile(&row.ms, 95), "least_ms": percentile(&row.ms, 0),
                "times_fp32": self.ms(row.name, row.threads, row.tokens) / self.ms(YARDSTICKS[0], 1, row.tokens),
                "times_int8": self.ms(row.name, row.threads, row.tokens) / self.ms(YARDSTICKS[1], 1, row.tokens),
            })
        };
        let throughput = |row: &Throughput| {
            json!({
                "engine": row.name, "threads": row.threads, "batch": row.batch, "rounds": row.per_s.len(),
                "texts_per_s": percentile(&row.per_s, 50),
            })
        };
        let tokenizing = |(tokens, ms): &(usize, Vec<f64>)| json!({ "tokens": tokens, "p50_ms": percentile(ms, 50), "p95_ms": percentile(ms, 95) });
        let engines = Self::engines(self.throughput.iter().map(|row| (row.name, row.threads)));
        let accuracy = |((name, threads), (least, mean)): ((&str, usize), &(f64, f64))| json!({ "engine": name, "threads": threads, "cosine_least": least, "cosine_mean": mean });
        json!({
            "latency": self.latency.iter().map(latency).collect::<Vec<_>>(),
            "throughput": self.throughput.iter().map(throughput).collect::<Vec<_>>(),
            "processes": self.processes.iter().map(Process::json).collect::<Vec<_>>(),
            "tokenizing": self.tokenizing.iter().map(tokenizing).collect::<Vec<_>>(),
            "accuracy": engines.into_iter().zip(&self.accuracy).map(accuracy).collect::<Vec<_>>(),
            "goals": self.goals().iter().map(Goal::json).collect::<Vec<_>>(),
        })
    }
}

/// A goal and what was measured of it.
struct Goal {
    what: &'static str,
    value: f64,
    limit: f64,
    at_most: bool,
    unit: &'static str,
}

impl Goal {
    fn json(&self) -> Value {
        let Goal { what, value, limit, at_most, unit } = self;
        json!({ "goal": what, "value": value, "limit": limit, "at_most": at_most, "unit": unit.trim() })
    }
}

/// Draws the charts of a report into docs/images.
pub(super) fn chart(report: &Path) -> anyhow::Result<()> {
    let mut command = Command::new(EMBEDDING.python()?);
    run(command.arg(script("embedding_chart.py")).arg("--in").arg(report).arg("--out").arg(python::images()?))
}
