//! Geometry side by side with Python's libraries, each part in a file of its own, and what anomaly scores find.

pub(super) mod anomalies;
mod curvature;
mod manifolds;

use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};
use skerry_host::{Components, Engine, EngineConfig, Geometry, Limits};

use super::python;
use crate::run::run;
use crate::{components, paths};

/// What the geometry benchmark can be told.
#[derive(Debug, clap::Args)]
pub(crate) struct GeometryArguments {
    /// Times that everything is measured; the median counts.
    #[arg(long, default_value_t = 3)]
    geometry_rounds: usize,
    /// Seeds of the anomalies.
    #[arg(long, default_value_t = 10)]
    anomaly_seeds: u64,
}

const LIMITS: Limits = Limits { memory_bytes_max: 1 << 30, deadline: Duration::from_mins(5) };

/// The component, built, as a node calls it.
fn component() -> anyhow::Result<Geometry> {
    components::build()?;
    let engine = Engine::new(&EngineConfig::default())?;
    let component = Components::open(&paths::components())?.component(&engine, "geometry")?;
    Ok(Geometry::new(&engine, &component, LIMITS)?)
}

/// Runs every part.
pub(super) fn bench(arguments: &GeometryArguments) -> anyhow::Result<()> {
    let geometry = component()?;
    let report = json!({ "curvature": curvature::bench(&geometry, arguments.geometry_rounds)? });
    finish(&report, "curvature.json", "curvature_chart.py")?;
    manifolds::bench()
}

/// Runs the evaluation of anomaly scores.
pub(super) fn evaluate(arguments: &GeometryArguments) -> anyhow::Result<()> {
    let report = anomalies::evaluate(&component()?, arguments.anomaly_seeds)?;
    finish(&report, "anomalies.json", "anomaly_chart.py")
}

fn finish(report: &Value, file: &str, chart: &str) -> anyhow::Result<()> {
    let out = paths::products().join(file);
    std::fs::write(&out, serde_json::to_vec_pretty(report)?)?;
    println!("written to {}", out.display());
    let mut draw = Command::new(python::GEOMETRY.python()?);
    draw.arg(python::script(chart)).arg("--in").arg(&out).arg("--out").arg(python::images()?);
    run(&mut draw)
}
