//! The graph engine through its component's interface, side by side with igraph, rustworkx and networkx over the same graph.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::Context;
use serde_json::{Value, json};
use skerry_host::types::graph::{
    Centrality, Direction, Interval, LayerNode, Link, Member, Name, Selection, Source, Target,
};
use skerry_host::{Components, Engine, EngineConfig, GraphInstance, Limits, View};

use super::{percentile, python};
use crate::run::run;
use crate::{fetch, paths};

const LIMITS: Limits = Limits { memory_bytes_max: 3 << 30, deadline: Duration::from_mins(2) };

/// Sources of walks.
const SOURCES: usize = 15;

/// Records given to the component at a time.
const BATCH: usize = 1_000;

/// Runs the graph benchmark.
pub(super) fn bench() -> anyhow::Result<()> {
    let engine = Engine::new(&EngineConfig::default())?;
    let component = Components::open(&paths::components())?.query(&engine)?;
    let new = || GraphInstance::new(&engine, &component, LIMITS);
    let dir = tempfile::tempdir_in(paths::products())?;
    eprintln!("100,000 records, 1,000,000 arcs");
    let medium = measure(&mut new()?, &edges(100_000, 500_000), 100_000, dir.path(), true)?;
    eprintln!("500,000 records, 10,000,000 arcs");
    let large = measure(&mut new()?, &edges(500_000, 5_000_000), 500_000, dir.path(), false)?;
    eprintln!("1,000 layers, 100,000 records");
    let layers = layers(&mut new()?)?;
    let report = json!({ "medium": medium, "large": large, "layers": layers });
    let out = paths::products().join("graph.json");
    fetch::write_whole(&out, &serde_json::to_vec_pretty(&report)?)?;
    println!("{}", serde_json::to_string_pretty(&report)?);
    let mut chart = Command::new(python::GRAPH.python()?);
    run(chart.arg(python::script("graph_chart.py")).arg("--in").arg(&out).arg("--out").arg(python::images()?))
}

/// Chance that is the same in every run.
fn next(state: &mut u64) -> u64 {
    *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    *state >> 33
}

/// Undirected, with some nodes that have many: one end is the least of two draws.
fn edges(nodes: u32, count: usize) -> Vec<(u32, u32)> {
    let mut state = 7;
    let mut draw = || (next(&mut state) % u64::from(nodes)) as u32;
    let mut edges: Vec<(u32, u32)> = std::iter::repeat_with(|| (draw(), draw().min(draw())))
        .filter(|(from, to)| from != to)
        .map(|(from, to)| (from.min(to), from.max(to)))
        .take(count + count / 50)
        .collect();
    edges.sort_unstable();
    edges.dedup();
    edges.truncate(count);
    edges
}

fn key(node: u32) -> String {
    format!("record-{node:07}")
}

fn source(from: u32, to: impl Iterator<Item = u32>) -> Source {
    let member = |role: &str, node: u32| Member { role: role.to_owned(), target: Target::Key(key(node)) };
    let link = |to: u32| Link {
        id: format!("{from:012x}{to:012x}"),
        kind: "relates".to_owned(),
        members: vec![member("subject", from), member("object", to)],
        weight: 1.0,
        layers: Vec::new(),
        qualifiers: Vec::new(),
        valid: Interval { since: None, until: None },
    };
    Source { key: key(from), layers: Vec::new(), links: to.map(link).collect() }
}

fn load(graph: &mut GraphInstance, edges: &[(u32, u32)], nodes: u32) -> anyhow::Result<f64> {
    let (mut rest, mut taken) = (edges, Duration::ZERO);
    for begin in (0..nodes).step_by(BATCH) {
        let batch: Vec<Source> = (begin..nodes.min(begin + BATCH as u32))
            .map(|node| {
                let end = rest.iter().position(|edge| edge.0 != node).unwrap_or(rest.len());
                let (own, others) = rest.split_at(end);
                rest = others;
                source(node, own.iter().map(|edge| edge.1))
            })
            .collect();
        let begun = Instant::now();
        graph.apply(&batch, &[])?;
        taken += begun.elapsed();
    }
    Ok(taken.as_secs_f64())
}

fn median(times: &[f64]) -> f64 {
    percentile(times, 50)
}

fn timed<T>(act: impl FnOnce() -> anyhow::Result<T>) -> anyhow::Result<f64> {
    let begun = Instant::now();
    act()?;
    Ok(begun.elapsed().as_secs_f64())
}

fn measure(
    graph: &mut GraphInstance,
    edges: &[(u32, u32)],
    nodes: u32,
    dir: &Path,
    is_whole: bool,
) -> anyhow::Result<Value> {
    let load_s = load(graph, edges, nodes)?;
    let arcs = edges.len() * 2;
    let bytes = graph.describe()?.bytes;
    let view = graph.open(&Selection { direction: Direction::Both, ..Selection::default() })?;
    let sources: Vec<u32> = (0..SOURCES as u32).map(|at| at * (nodes / SOURCES as u32)).collect();
    let names: Vec<Name> = sources.iter().map(|&node| Name::Key(key(node))).collect();
    let numbers: Vec<u32> = graph.find(&names)?.into_iter().flatten().collect();
    let first = *numbers.first().context("no sources")?;
    let lay_out_s = timed(|| Ok(graph.distances(&view, first)?))?;
    let mut each = |act: &mut dyn FnMut(&mut GraphInstance, u32) -> anyhow::Result<()>| -> anyhow::Result<f64> {
        let times = numbers.iter().map(|&node| timed(|| act(graph, node))).collect::<anyhow::Result<Vec<f64>>>()?;
        Ok(median(&times))
    };
    let bfs_s = each(&mut |graph, node| graph.distances(&view, node).map(drop).map_err(Into::into))?;
    let hops_s = each(&mut |graph, node| graph.reach(&view, &[node], 2, u32::MAX).map(drop).map_err(Into::into))?;
    let page_rank = Centrality::PageRank((0.85, Vec::new()));
    let page_rank_s = timed(|| Ok(graph.centrality(&view, &page_rank)?))?;
    let points = points(graph, &view, nodes)?;
    let one_more_s = one_more(graph, nodes)?;
    let mut found = peers(edges, nodes, &sources, dir, is_whole)?;
    found["skerry"] = json!({
        "bfs_s": bfs_s, "page_rank_s": page_rank_s, "hops_s": hops_s, "neighbours_s": points["session_s"], "points": points,
        "arcs_per_s": arcs as f64 / bfs_s, "lay_out_and_bfs_s": lay_out_s, "load_s": load_s,
        "bytes_per_arc": bytes as f64 / arcs as f64, "one_more_record_s": one_more_s,
    });
    (found["nodes"], found["arcs"]) = (nodes.into(), arcs.into());
    Ok(found)
}

/// Neighbours of single nodes: a call each, in a session, and many at once. Seconds for one node.
fn points(graph: &mut GraphInstance, view: &View, nodes: u32) -> anyhow::Result<Value> {
    const CALLS: u32 = 200_000;
    let mut state = 3;
    let asked: Vec<u32> = (0..CALLS).map(|_| (next(&mut state) % u64::from(nodes)) as u32).collect();
    let mut times = [Vec::new(), Vec::new(), Vec::new()];
    for _ in 0..5 {
        times[0].push(timed(|| {
            for &node in &asked {
                graph.neighbours(view, node)?;
            }
            Ok(())
        })?);
        times[1].push(timed(|| {
            graph.session(|session| asked.iter().try_for_each(|&node| session.neighbours(view, node).map(drop)))?;
            Ok(())
        })?);
        times[2].push(timed(|| Ok(graph.neighbours_of(view, &asked)?))?);
    }
    let [call, session, batch] = times.map(|times| median(&times) / f64::from(CALLS));
    Ok(json!({ "call_s": call, "session_s": session, "batch_s": batch }))
}

/// One more record with ten links, when everything is there.
fn one_more(graph: &mut GraphInstance, nodes: u32) -> anyhow::Result<f64> {
    let mut times = Vec::new();
    for at in 0..1_000 {
        let record = source(nodes + at, (0..10).map(|step| (at * 97 + step * 31) % nodes));
        times.push(timed(|| Ok(graph.apply(std::slice::from_ref(&record), &[])?))?);
    }
    Ok(times.iter().sum::<f64>() / times.len() as f64)
}

fn layers(graph: &mut GraphInstance) -> anyhow::Result<Value> {
    let mut state = 5;
    for begin in (0..100_000).step_by(BATCH) {
        let record = |node: u32| {
            let layers = (0..50).map(|_| format!("layer-{:04}", next(&mut state) % 1_000)).collect();
            Source { layers, ..source(node, std::iter::empty()) }
        };
        let batch: Vec<Source> = (begin..begin + BATCH as u32).map(record).collect();
        graph.apply(&batch, &[])?;
    }
    let layer = |number: usize| LayerNode::Layer(format!("layer-{number:04}"));
    let both = |number: usize| [layer(number), layer(999 - number), LayerNode::All(vec![0, 1])];
    let and =
        (0..100).map(|at| timed(|| Ok(graph.layer_count(&both(at), None)?))).collect::<anyhow::Result<Vec<f64>>>()?;
    let all = (0..100)
        .map(|at| timed(|| Ok(graph.layer_overlaps(&[layer(at)], None)?)))
        .collect::<anyhow::Result<Vec<f64>>>()?;
    Ok(json!({ "and_s": median(&and), "overlaps_s": median(&all), "bytes": graph.describe()?.bytes }))
}

fn peers(edges: &[(u32, u32)], nodes: u32, sources: &[u32], dir: &Path, is_whole: bool) -> anyhow::Result<Value> {
    let file = dir.join("edges");
    let bytes: Vec<u8> = edges.iter().flat_map(|&(from, to)| [from, to]).flat_map(u32::to_le_bytes).collect();
    fs::write(&file, bytes)?;
    let sources: Vec<String> = sources.iter().map(u32::to_string).collect();
    let mut peers = Command::new(python::GRAPH.python()?);
    peers.arg(python::script("graph_peers.py")).arg("--edges").arg(&file);
    peers.args(["--nodes", &nodes.to_string(), "--sources", &sources.join(",")]);
    let output = peers.args(["--networkx", if is_whole { "1" } else { "0" }]).output().context("start the peers")?;
    anyhow::ensure!(output.status.success(), "the peers failed: {}", String::from_utf8_lossy(&output.stderr));
    Ok(serde_json::from_slice(&output.stdout)?)
}
