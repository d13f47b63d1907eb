//! Curvature of graphs against GraphRicciCurvature, and hub-heavy graphs of 100,000 edges.

use std::process::Command;
use std::time::Instant;

use anyhow::{Context, ensure};
use serde_json::{Map, Value, json};
use skerry_host::Geometry;
use skerry_host::types::{Edge, Forman, Transport};

use crate::bench::python;
use crate::paths;
use crate::run::run;

/// Ours over theirs, by the graph's first letters.
const GOALS: [(&str, f64); 3] = [("BA", 20.0), ("Gnm", 60.0), ("WS", 100.0)];
const FORMAN_GOAL: f64 = 200.0;
const HUBS_GOAL_S: f64 = 20.0;

pub(super) fn bench(geometry: &Geometry, rounds: usize) -> anyhow::Result<Value> {
    let out = paths::products().join("geometry-peers.json");
    let mut peers = Command::new(python::GEOMETRY.python()?);
    peers.arg(python::script("geometry_curvature.py")).arg("--out").arg(&out).args(["--rounds", &rounds.to_string()]);
    run(&mut peers)?;
    let peers: Value = serde_json::from_slice(&std::fs::read(&out)?)?;
    let part = |name: &str| peers.get(name).and_then(Value::as_object).with_context(|| format!("no {name}"));
    let mut ratios = Vec::new();
    for (name, row) in part("graphs")? {
        let row = row.as_object().context("a row")?;
        ratios.extend(compare(geometry, name, row, rounds)?);
    }
    let mut hubs = Vec::new();
    for (name, list) in part("hubs")? {
        let edges = edges(list)?;
        let begun = Instant::now();
        geometry.transport_curvature(Transport::Ollivier((1, 2)), nodes(&edges), &edges)?;
        let seconds = begun.elapsed().as_secs_f64();
        println!("{name}: {} edges in {seconds:.2} s (goal {HUBS_GOAL_S} s)", edges.len());
        hubs.push(json!({ "name": name, "edges": edges.len(), "seconds": seconds, "goal_seconds": HUBS_GOAL_S }));
    }
    Ok(json!({ "ratios": ratios, "hubs": hubs }))
}

fn compare(geometry: &Geometry, name: &str, row: &Map<String, Value>, rounds: usize) -> anyhow::Result<Vec<Value>> {
    let edges = edges(row.get("edges").context("edges")?)?;
    let nodes = nodes(&edges);
    let number = |key: &str| row.get(key).and_then(Value::as_f64).with_context(|| format!("no {key}"));
    let numbers = |key: &str| -> anyhow::Result<Vec<f64>> {
        Ok(serde_json::from_value(row.get(key).cloned().with_context(|| format!("no {key}"))?)?)
    };
    let (ollivier_s, exact) =
        median(rounds, || Ok(geometry.transport_curvature(Transport::Ollivier((1, 2)), nodes, &edges)?))?;
    let ours: Vec<f64> = exact.iter().map(|ratio| ratio.value).collect();
    check(name, &ours, &numbers("ollivier")?)?;
    let (forman_s, ours) = median(rounds, || Ok(geometry.forman_curvature(Forman::Augmented, nodes, &edges)?))?;
    check(name, &ours, &numbers("forman")?)?;
    let goal = GOALS.iter().find(|(first, _)| name.starts_with(first)).map_or(1.0, |(_, goal)| *goal);
    let best = number("ollivier_1_s")?.min(number("ollivier_default_s")?);
    let mut rows = Vec::new();
    for (what, ours_s, peer_s, goal) in
        [("Ollivier", ollivier_s, best, goal), ("Forman", forman_s, number("forman_s")?, FORMAN_GOAL)]
    {
        let ratio = peer_s / ours_s;
        println!("{what}, {name}: {:.2} ms against {:.1} ms, {ratio:.0}x (goal {goal}x)", ours_s * 1e3, peer_s * 1e3);
        rows.push(json!({ "name": format!("{what}, {name}"), "ours_s": ours_s, "peer_s": peer_s, "ratio": ratio, "goal": goal }));
    }
    Ok(rows)
}

/// The median of some calls, after one that does not count.
fn median<T>(rounds: usize, mut call: impl FnMut() -> anyhow::Result<T>) -> anyhow::Result<(f64, T)> {
    let mut answer = call()?;
    let mut times = Vec::new();
    // Ours take milliseconds: more rounds than the peer's.
    for _ in 0..rounds.max(1) * 3 {
        let begun = Instant::now();
        answer = call()?;
        times.push(begun.elapsed().as_secs_f64());
    }
    times.sort_by(f64::total_cmp);
    Ok((times.get(times.len() / 2).copied().context("no time")?, answer))
}

fn check(name: &str, ours: &[f64], theirs: &[f64]) -> anyhow::Result<()> {
    ensure!(ours.len() == theirs.len(), "{name}: {} values against {}", ours.len(), theirs.len());
    let most = ours.iter().zip(theirs).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
    ensure!(most < 1e-9, "{name}: values differ by {most}");
    Ok(())
}

fn edges(list: &Value) -> anyhow::Result<Vec<Edge>> {
    let pairs: Vec<(u32, u32)> = serde_json::from_value(list.clone())?;
    Ok(pairs.into_iter().map(|(source, target)| Edge { source, target }).collect())
}

fn nodes(edges: &[Edge]) -> u32 {
    edges.iter().map(|edge| edge.source.max(edge.target) + 1).max().unwrap_or(0)
}
