//! The other engines: bench/peers.py in an environment of its own.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::Command;

use anyhow::Context;
use serde_json::{Value, json};

use super::{Data, FILTER};
use crate::bench::python::{self, SEARCH, script};
use crate::run::run;

/// Runs the peers over the same data; the answer is one object for each engine.
pub(super) fn run_all(
    data: &Data,
    truth: &[Vec<usize>],
    filtered_truth: &[Vec<usize>],
    engines: Option<&str>,
    dir: &Path,
) -> anyhow::Result<Vec<Value>> {
    let python = SEARCH.python()?;
    let input = dir.join("input");
    write(data, truth, filtered_truth, &input)?;
    let out = dir.join("peers.json");
    let mut command = Command::new(python);
    command.arg(script("peers.py")).arg("--data").arg(&input).arg("--out").arg(&out);
    if let Some(engines) = engines {
        command.args(["--engines", engines]);
    }
    run(&mut command)?;
    let mut report: Value = serde_json::from_slice(&fs::read(&out).context("read what the peers say")?)?;
    match report["engines"].take() {
        Value::Array(engines) => Ok(engines),
        _ => anyhow::bail!("the peers gave no list of engines"),
    }
}

/// Draws the charts of a report into docs/images.
pub(super) fn chart(report: &Path) -> anyhow::Result<()> {
    let mut command = Command::new(SEARCH.python()?);
    run(command.arg(script("chart.py")).arg("--in").arg(report).arg("--out").arg(python::images()?))
}

fn write(data: &Data, truth: &[Vec<usize>], filtered_truth: &[Vec<usize>], dir: &Path) -> anyhow::Result<()> {
    fs::create_dir_all(dir)?;
    let floats = |numbers: &[f32]| numbers.iter().flat_map(|number| number.to_le_bytes()).collect::<Vec<u8>>();
    fs::write(dir.join("vectors.f32"), floats(&data.vectors))?;
    fs::write(dir.join("queries.f32"), floats(&data.query_vectors))?;
    let mut texts = fs::File::create(dir.join("texts.jsonl"))?;
    for gloss in &data.glosses {
        writeln!(texts, "{}", json!({ "key": gloss.key, "text": gloss.text, "lexname": gloss.lexname }))?;
    }
    let mut queries = fs::File::create(dir.join("query_texts.jsonl"))?;
    for gloss in &data.queries {
        writeln!(queries, "{}", json!({ "text": gloss.text }))?;
    }
    fs::write(dir.join("truth.json"), json!({ "top10": truth }).to_string())?;
    fs::write(dir.join("filter.json"), json!({ "lexname": FILTER, "top10": filtered_truth }).to_string())?;
    Ok(())
}
