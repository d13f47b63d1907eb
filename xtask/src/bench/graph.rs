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
    // Others on the machine make the clock's times longer, hardly those of the thread.
    let busy: Option<f64> = fs::read_to_string("/proc/loadavg")?.split(' ').nth(1).and_then(|load| load.parse().ok());
    let report = json!({ "medium": medium, "large": large, "layers": layers, "load_average_5_min": busy });
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

fn load(graph: &mut GraphInstance, edges: &[(u32, u32)], nodes: u32) -> anyhow::Result<Taken> {
    let (mut rest, mut all) = (edges, Taken { wall: 0.0, cpu: 0.0 });
    for begin in (0..nodes).step_by(BATCH) {
        let batch: Vec<Source> = (begin..nodes.min(begin + BATCH as u32))
            .map(|node| {
                let end = rest.iter().position(|edge| edge.0 != node).unwrap_or(rest.len());
                let (own, others) = rest.split_at(end);
                rest = others;
                source(node, own.iter().map(|edge| edge.1))
            })
            .collect();
        let taken = timed(|| Ok(graph.apply(&batch, &[])?))?;
        (all.wall, all.cpu) = (all.wall + taken.wall, all.cpu + taken.cpu);
    }
    Ok(all)
}

/// Seconds on the clock, and of them those that this thread was on a core: on a machine that others use, the second is what the
/// work takes.
#[derive(Debug, Clone, Copy)]
struct Taken {
    wall: f64,
    cpu: f64,
}

/// Seconds that this thread has been on a core.
fn thread_seconds() -> anyhow::Result<f64> {
    let statistics = fs::read_to_string("/proc/thread-self/schedstat").context("read the time of this thread")?;
    let nanoseconds: u64 =
        statistics.split(' ').next().unwrap_or_default().parse().context("the time of this thread")?;
    Ok(Duration::from_nanos(nanoseconds).as_secs_f64())
}

fn median(times: &[Taken]) -> Taken {
    let of = |part: fn(&Taken) -> f64| percentile(&times.iter().map(part).collect::<Vec<f64>>(), 50);
    Taken { wall: of(|taken| taken.wall), cpu: of(|taken| taken.cpu) }
}

fn timed<T>(act: impl FnOnce() -> anyhow::Result<T>) -> anyhow::Result<Taken> {
    let (begun, before) = (Instant::now(), thread_seconds()?);
    act()?;
    Ok(Taken { wall: begun.elapsed().as_secs_f64(), cpu: thread_seconds()? - before })
}

/// `NAME_s` and `NAME_cpu_s`.
fn entries<'a>(named: impl IntoIterator<Item = (&'a str, Taken)>) -> serde_json::Map<String, Value> {
    let both = |(name, taken): (&str, Taken)| {
        [(format!("{name}_s"), taken.wall.into()), (format!("{name}_cpu_s"), taken.cpu.into())]
    };
    named.into_iter().flat_map(both).collect()
}

fn measure(
    graph: &mut GraphInstance,
    edges: &[(u32, u32)],
    nodes: u32,
    dir: &Path,
    is_whole: bool,
) -> anyhow::Result<Value> {
    let load = load(graph, edges, nodes)?;
    let arcs = edges.len() * 2;
    let bytes = graph.describe()?.bytes;
    let view = graph.open(&Selection { direction: Direction::Both, ..Selection::default() })?;
    let sources: Vec<u32> = (0..SOURCES as u32).map(|at| at * (nodes / SOURCES as u32)).collect();
    let names: Vec<Name> = sources.iter().map(|&node| Name::Key(key(node))).collect();
    let numbers: Vec<u32> = graph.find(&names)?.into_iter().flatten().collect();
    let first = *numbers.first().context("no sources")?;
    let lay_out = timed(|| Ok(graph.distances(&view, first)?))?;
    let again = again(graph, first)?;
    let mut each = |act: &mut dyn FnMut(&mut GraphInstance, u32) -> anyhow::Result<()>| -> anyhow::Result<Taken> {
        let times = numbers.iter().map(|&node| timed(|| act(graph, node))).collect::<anyhow::Result<Vec<Taken>>>()?;
        Ok(median(&times))
    };
    let bfs = each(&mut |graph, node| graph.distances(&view, node).map(drop).map_err(Into::into))?;
    let hops = each(&mut |graph, node| graph.reach(&view, &[node], 2, u32::MAX).map(drop).map_err(Into::into))?;
    let page_rank = Centrality::PageRank((0.85, Vec::new()));
    let page_rank = timed(|| Ok(graph.centrality(&view, &page_rank)?))?;
    let [call, session, batch] = points(graph, &view, nodes)?;
    let one_more = one_more(graph, nodes)?;
    let mut found = peers(edges, nodes, &sources, dir, is_whole)?;
    let mut ours = entries([
        ("bfs", bfs),
        ("page_rank", page_rank),
        ("hops", hops),
        ("neighbours", session),
        ("neighbours_by_call", call),
        ("neighbours_in_batch", batch),
        ("lay_out_and_bfs", lay_out),
        ("bfs_of_a_new_view", again),
        ("one_more_record", one_more),
        ("load", load),
    ]);
    ours.insert("arcs_per_s".to_owned(), (arcs as f64 / bfs.wall).into());
    ours.insert("arcs_per_cpu_s".to_owned(), (arcs as f64 / bfs.cpu).into());
    ours.insert("bytes_per_arc".to_owned(), (bytes as f64 / arcs as f64).into());
    found["skerry"] = ours.into();
    (found["nodes"], found["arcs"]) = (nodes.into(), arcs.into());
    Ok(found)
}

/// Neighbours of single nodes: a call each, in a session, and many at once. Seconds for one node.
fn points(graph: &mut GraphInstance, view: &View, nodes: u32) -> anyhow::Result<[Taken; 3]> {
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
    let calls = f64::from(CALLS);
    Ok(times.map(|times| median(&times)).map(|Taken { wall, cpu }| Taken { wall: wall / calls, cpu: cpu / calls }))
}

/// The same search in a view that is opened for it, as each request opens one.
fn again(graph: &mut GraphInstance, start: u32) -> anyhow::Result<Taken> {
    let times = (0..5).map(|_| {
        timed(|| {
            let view = graph.open(&Selection { direction: Direction::Both, ..Selection::default() })?;
            graph.distances(&view, start)?;
            Ok(graph.close(view)?)
        })
    });
    Ok(median(&times.collect::<anyhow::Result<Vec<Taken>>>()?))
}

/// One more record with ten links, when everything is there.
fn one_more(graph: &mut GraphInstance, nodes: u32) -> anyhow::Result<Taken> {
    let mut times = Vec::new();
    for at in 0..1_000 {
        let record = source(nodes + at, (0..10).map(|step| (at * 97 + step * 31) % nodes));
        times.push(timed(|| Ok(graph.apply(std::slice::from_ref(&record), &[])?))?);
    }
    let mean = |part: fn(&Taken) -> f64| times.iter().map(part).sum::<f64>() / times.len() as f64;
    Ok(Taken { wall: mean(|taken| taken.wall), cpu: mean(|taken| taken.cpu) })
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
        (0..100).map(|at| timed(|| Ok(graph.layer_count(&both(at), None)?))).collect::<anyhow::Result<Vec<Taken>>>()?;
    let all = (0..100)
        .map(|at| timed(|| Ok(graph.layer_overlaps(&[layer(at)], None)?)))
        .collect::<anyhow::Result<Vec<Taken>>>()?;
    let mut layers = entries([("and", median(&and)), ("overlaps", median(&all))]);
    layers.insert("bytes".to_owned(), graph.describe()?.bytes.into());
    Ok(layers.into())
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
