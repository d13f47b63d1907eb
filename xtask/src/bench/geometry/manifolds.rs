//! Distances on manifolds and time warping, through the component's interface, against geomstats, pyriemann and dtaidistance.

use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use serde_json::{Map, Value, json};
use skerry_host::types::{Factor, ManifoldKind};
use skerry_host::{Components, Engine, EngineConfig, Geometry, Limits, WarpPath};

use crate::bench::{percentile, python};
use crate::run::run;
use crate::{fetch, paths};

/// Points of a batch.
const POINTS: usize = 100_000;

/// Matrices of a batch: the peers take microseconds for one.
const MATRICES: usize = 20_000;

/// Calls of a session.
const SESSION: usize = 2_000;

/// Rows of the series that are warped.
const ROWS: usize = 1_000;

/// Numbers from a linear congruential generator, -1 to 1.
struct Chance(u64);

impl Chance {
    fn next(&mut self) -> f64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 11) as f64 / (1_u64 << 52) as f64 - 1.0
    }

    fn take(&mut self, count: usize) -> Vec<f64> {
        (0..count).map(|_| self.next()).collect()
    }
}

/// A manifold of the bench.
struct Case {
    name: &'static str,
    label: &'static str,
    factor: Factor,
    points: Vec<f64>,
    width: usize,
}

fn divided(numbers: Vec<f64>, by: f64) -> Vec<f64> {
    numbers.into_iter().map(|number| number / by).collect()
}

fn matrix(chance: &mut Chance) -> Vec<f64> {
    let rows = chance.take(9);
    let row = |i: usize| rows.get(3 * i..3 * i + 3).unwrap_or_default();
    let product = |i: usize, j: usize| row(i).iter().zip(row(j)).map(|(a, b)| a * b).sum::<f64>();
    (0..9).map(|at| product(at / 3, at % 3) + if at % 4 == 0 { 0.3 } else { 0.0 }).collect()
}

fn point(name: &str, chance: &mut Chance) -> Vec<f64> {
    match name {
        "sphere" => {
            let v = chance.take(3);
            let length = v.iter().map(|x| x * x).sum::<f64>().sqrt();
            divided(v, length.max(1e-9))
        }
        "poincare" => divided(chance.take(2), 1.6),
        "lorentz" => {
            let x = divided(chance.take(2), 0.5);
            let time = (1.0 + x.iter().map(|x| x * x).sum::<f64>()).sqrt();
            [vec![time], x].concat()
        }
        "gaussian" => vec![chance.next(), chance.next() + 1.5],
        "categorical" => {
            let shares: Vec<f64> = chance.take(4).iter().map(|x| x + 1.2).collect();
            let sum = shares.iter().sum();
            divided(shares, sum)
        }
        "euclidean" => chance.take(3),
        _ => matrix(chance),
    }
}

fn cases() -> Vec<Case> {
    let mut chance = Chance(20_261_121);
    let kinds = [
        ("euclidean", "R^3", ManifoldKind::Euclidean, 3),
        ("sphere", "sphere S^2", ManifoldKind::Sphere, 3),
        ("poincare", "Poincare disk", ManifoldKind::Poincare, 2),
        ("lorentz", "hyperboloid H^2", ManifoldKind::Lorentz, 3),
        ("gaussian", "Gaussians", ManifoldKind::Gaussian, 1),
        ("categorical", "categorical, 4 shares", ManifoldKind::Categorical, 4),
        ("spd_affine", "SPD(3) affine-invariant", ManifoldKind::SpdAffineInvariant, 3),
        ("spd_log_euclidean", "SPD(3) log-Euclidean", ManifoldKind::SpdLogEuclidean, 3),
        ("spd_bures", "SPD(3) Bures-Wasserstein", ManifoldKind::SpdBuresWasserstein, 3),
    ];
    kinds
        .into_iter()
        .map(|(name, label, kind, size)| {
            let count = if name.starts_with("spd") { MATRICES } else { POINTS };
            let points: Vec<f64> = (0..count).flat_map(|_| point(name, &mut chance)).collect();
            Case { name, label, factor: Factor::new(kind, size), width: points.len() / count, points }
        })
        .collect()
}

/// The median time of some runs, nanoseconds.
fn median_ns(runs: usize, mut work: impl FnMut() -> anyhow::Result<()>) -> anyhow::Result<f64> {
    work()?;
    let mut times = Vec::with_capacity(runs);
    for _ in 0..runs {
        let begun = Instant::now();
        work()?;
        times.push(begun.elapsed().as_secs_f64() * 1e9);
    }
    Ok(percentile(&times, 50))
}

/// What ours take for a distance in nanoseconds, and the first values.
struct Ours {
    batched: f64,
    /// Each call under a deadline of its own.
    scalar: f64,
    /// Calls of a session.
    session: f64,
    values: Vec<f64>,
}

fn ours(geometry: &Geometry, case: &Case) -> anyhow::Result<Ours> {
    let on = [case.factor];
    let (x, rest) = case.points.split_at(case.width);
    let y = rest.get(..case.width).context("two points")?;
    let count = (case.points.len() / case.width) as f64;
    let batched = median_ns(7, || geometry.distances(&on, x, &case.points).map(drop).context("measure distances"))?;
    let scalar = median_ns(2_000, || geometry.distance(&on, x, y).map(drop).context("measure a distance"))?;
    // Thousands in one go: reading the clock takes as long as a tenth of a call.
    let together = median_ns(20, || {
        geometry.session(|session| {
            for _ in 0..SESSION {
                // Its answer was checked above.
                let _ = std::hint::black_box(session.distance(&on, x, y)?);
            }
            Ok(())
        })?;
        Ok(())
    })?;
    let mut values = geometry.distances(&on, x, &case.points)?;
    values.truncate(50);
    Ok(Ours { batched: batched / count, scalar, session: together / SESSION as f64, values })
}

fn machine() -> String {
    let cpu = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let name = cpu.lines().find_map(|line| line.strip_prefix("model name")).unwrap_or_default();
    name.trim_start_matches([' ', '\t', ':']).trim().to_owned()
}

/// Runs the comparison and draws it.
pub(super) fn bench() -> anyhow::Result<()> {
    let engine = Engine::new(&EngineConfig::default())?;
    let component = Components::open(&paths::components())?.geometry(&engine)?;
    let limits = Limits { memory_bytes_max: 1 << 30, deadline: Duration::from_mins(1) };
    let geometry = Geometry::new(&engine, &component, limits)?;
    let cases = cases();
    let mut chance = Chance(7);
    let (x, y) = (chance.take(ROWS), chance.take(ROWS));
    let given: Map<String, Value> = cases
        .iter()
        .map(|case| (case.name.to_owned(), json!({ "points": case.points, "width": case.width })))
        .collect();
    let dir = tempfile::tempdir_in(paths::products()).context("make a folder for the bench")?;
    let (input, output) = (dir.path().join("in.json"), dir.path().join("out.json"));
    std::fs::write(&input, json!({ "manifolds": given, "dtw": { "x": x, "y": y } }).to_string())?;
    let python = python::GEOMETRY.python()?;
    let mut peers = Command::new(&python);
    peers.arg(python::script("geometry_peers.py")).arg("--in").arg(&input).arg("--out").arg(&output);
    run(&mut peers)?;
    let peers: Value = serde_json::from_slice(&std::fs::read(&output)?)?;
    let mut rows = Vec::new();
    for case in &cases {
        let Ours { batched, scalar, session, values } = ours(&geometry, case)?;
        for (peer, found) in peers["rows"][case.name].as_object().into_iter().flatten() {
            let theirs = found["values"].as_array().into_iter().flatten().filter_map(Value::as_f64);
            // Geomstats loses half of the digits where distances are near 0.
            let apart = theirs.zip(&values).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
            ensure!(apart < 1e-6, "{peer} and we differ by {apart} on {}", case.name);
            let of = |name: &str| found[name].as_f64().unwrap_or(f64::NAN);
            rows.push(json!({
                "name": case.name, "label": case.label, "peer": peer, "batched_ns": batched, "scalar_ns": scalar,
                "peer_batched_ns": of("batched_ns"), "peer_scalar_ns": of("scalar_ns"),
                "batched_ratio": of("batched_ns") / batched, "scalar_ratio": of("scalar_ns") / scalar,
                "session_ns": session, "session_ratio": of("scalar_ns") / session, "differ": apart,
            }));
        }
    }
    let warped = median_ns(7, || geometry.dtw(&x, &y, 1, None, WarpPath::Left).map(drop).context("warp two series"))?;
    let theirs = peers["rows"]["dtw"]["dtaidistance"]["batched_ns"].as_f64().unwrap_or(f64::NAN);
    rows.push(
        json!({ "name": "dtw", "label": "time warping, 1,000 x 1,000", "peer": "dtaidistance", "batched_ns": warped,
                      "peer_batched_ns": theirs, "batched_ratio": theirs / warped }),
    );
    print(&rows);
    let report = json!({ "rows": rows, "versions": peers["versions"], "machine": machine() });
    let path = paths::products().join("geometry-manifolds.json");
    fetch::write_whole(&path, &serde_json::to_vec_pretty(&report)?)?;
    let mut chart = Command::new(&python);
    run(chart.arg(python::script("manifolds_chart.py")).arg("--in").arg(&path).arg("--out").arg(python::images()?))
}

fn print(rows: &[Value]) {
    println!(
        "| manifold | against | batched, ns each | theirs | ratio | one call, us | in a session, us | theirs | ratio | in a session |"
    );
    println!("| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |");
    for row in rows {
        let number =
            |name: &str, by: f64| row[name].as_f64().map_or("-".to_owned(), |value| format!("{:.1}", value / by));
        println!(
            "| {} | {} | {} | {} | {} | {} | {} | {} | {} | {} |",
            row["label"].as_str().unwrap_or_default(),
            row["peer"].as_str().unwrap_or_default(),
            number("batched_ns", 1.0),
            number("peer_batched_ns", 1.0),
            number("batched_ratio", 1.0),
            number("scalar_ns", 1e3),
            number("session_ns", 1e3),
            number("peer_scalar_ns", 1e3),
            number("scalar_ratio", 1.0),
            number("session_ratio", 1.0),
        );
    }
}
