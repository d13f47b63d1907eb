//! The other engines: bench/peers.py in an environment of its own.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context;
use serde_json::{Value, json};

use super::{Data, FILTER};
use crate::paths;
use crate::run::run;

/// Runs the peers over the same data; the answer is one object for each engine.
pub(super) fn run_all(
    data: &Data,
    truth: &[Vec<usize>],
    filtered_truth: &[Vec<usize>],
    engines: Option<&str>,
    dir: &Path,
) -> anyhow::Result<Vec<Value>> {
    let python = environment()?;
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
    let images = paths::workspace().join("docs/images");
    fs::create_dir_all(&images)?;
    run(Command::new(environment()?).arg(script("chart.py")).arg("--in").arg(report).arg("--out").arg(images))
}

fn script(name: &str) -> PathBuf {
    paths::workspace().join("bench").join(name)
}

/// A Python with the pinned packages. One that does not install is left out, and the bench says so.
fn environment() -> anyhow::Result<PathBuf> {
    let dir = paths::products().join("peers");
    let python = dir.join("bin/python");
    let pinned = fs::read_to_string(script("requirements.txt"))?;
    let stamp = dir.join("installed.txt");
    if fs::read_to_string(&stamp).is_ok_and(|installed| installed == pinned) {
        return Ok(python);
    }
    run(Command::new("python3").args(["-m", "venv"]).arg(&dir))?;
    let pip = |arguments: &[&str]| {
        let mut command = Command::new(&python);
        command.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"]).args(arguments);
        run(&mut command)
    };
    let all = script("requirements.txt");
    if pip(&["-r", &all.to_string_lossy()]).is_err() {
        for line in pinned.lines().filter(|line| !line.trim().is_empty() && !line.starts_with('#')) {
            if pip(&[line]).is_err() {
                eprintln!("{line} does not install here");
            }
        }
    }
    fs::write(&stamp, pinned)?;
    Ok(python)
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
