//! Curvature with lengths, weights and conductances, Ricci flow and hypergraphs against their oracles.

use serde_json::Value;
use skerry_geometry::communities::{Flow, communities};
use skerry_geometry::curvature::forman::weighted_forman;
use skerry_geometry::curvature::ollivier::{Idleness, Transport, transport_curvature};
use skerry_geometry::curvature::ratio::Ratio;
use skerry_geometry::curvature::resistance::resistance_curvature;
use skerry_geometry::curvature::weighted::{Spread, weighted_curvature};
use skerry_geometry::graph::{Edge, Graph, GraphError};

fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|value| value.as_f64().unwrap()).collect()
}

fn close(ours: &[f64], expected: &[f64], within: f64, what: &str) {
    assert_eq!(ours.len(), expected.len(), "{what}");
    for (place, (ours, expected)) in ours.iter().zip(expected).enumerate() {
        assert!((ours - expected).abs() <= within * expected.abs().max(1.0), "{what} {place}: {ours} != {expected}");
    }
}

fn edges(value: &Value) -> Vec<Edge> {
    let ends = value.as_array().unwrap().iter().map(numbers);
    ends.map(|ends| Edge { source: ends[0] as u32, target: ends[1] as u32 }).collect()
}

fn karate() -> (Value, Graph, Vec<f64>) {
    let golden: Value = serde_json::from_str(include_str!("../fixtures/weighted.json")).unwrap();
    let graph = Graph::new(34, &edges(&golden["edges"])).unwrap();
    let lengths = numbers(&golden["lengths"]);
    (golden, graph, lengths)
}

/// Random lengths on the karate club, shares that fall with length and equal ones.
#[test]
fn curvature_with_lengths_is_that_of_graph_ricci_curvature() {
    let (golden, graph, lengths) = karate();
    for (power, column) in [(2.0, "ollivier_2"), (0.0, "ollivier_0")] {
        let ours = weighted_curvature(&graph, &lengths, Spread { idleness: 0.5, power }).unwrap();
        close(&ours, &numbers(&golden[column]), 1e-9, column);
    }
}

/// Lengths 1 and equal shares: the exact curvature, but for rounding.
#[test]
fn lengths_of_one_give_the_exact_curvature() {
    let (_, graph, lengths) = karate();
    let ones = vec![1.0; lengths.len()];
    let exact = transport_curvature(Transport::Ollivier(Idleness::new(1, 3).unwrap()), &graph);
    let ours = weighted_curvature(&graph, &ones, Spread { idleness: 1.0 / 3.0, power: 0.0 }).unwrap();
    close(&ours, &exact.iter().map(|ratio| ratio.nearest()).collect::<Vec<_>>(), 1e-12, "exact");
}

/// Weights of edges and nodes; all 1 is plain Forman curvature.
#[test]
fn forman_with_weights_is_that_of_graph_ricci_curvature() {
    let (golden, graph, weights) = karate();
    let ours = weighted_forman(&graph, &weights, &numbers(&golden["nodes"])).unwrap();
    close(&ours, &numbers(&golden["forman"]), 1e-12, "forman");
    assert_eq!(weighted_forman(&graph, &weights[1..], &[]), Err(GraphError::Weight(77)));
    let mut bad = weights;
    bad[5] = f64::NAN;
    assert_eq!(weighted_forman(&graph, &bad, &[]), Err(GraphError::Weight(5)));
}

/// Twenty steps of the flow, and the split of the karate club, which 32 of 34 members followed.
#[test]
fn the_flow_is_that_of_graph_ricci_curvature() {
    let (golden, graph, lengths) = karate();
    let found = communities(&graph, &vec![1.0; lengths.len()], Flow::default()).unwrap();
    close(&found.lengths, &numbers(&golden["flow"]), 1e-6, "flow");
    assert!(found.modularity > 0.35, "{}", found.modularity);
    assert!(found.cutoff.is_some());
    let leaders = (found.labels[0], found.labels[33]);
    assert_ne!(leaders.0, leaders.1);
    let empty = communities(&Graph::new(3, &[]).unwrap(), &[], Flow::default()).unwrap();
    assert_eq!((empty.labels.len(), empty.modularity.to_bits()), (0, 0.0_f64.to_bits()));
    let steps = Flow { steps: 201, ..Flow::default() };
    assert!(matches!(communities(&graph, &lengths, steps), Err(GraphError::TooLarge(_))));
}

/// Two cliques with one edge between them: two communities, and the bridge is the longest edge.
#[test]
fn a_bridge_is_cut() {
    let clique = |from: u32| (from..from + 6).flat_map(move |a| (a + 1..from + 6).map(move |b| (a, b)));
    let pairs: Vec<(u32, u32)> = clique(0).chain(clique(6)).chain([(0, 6)]).collect();
    let edges: Vec<Edge> = pairs.into_iter().map(|(source, target)| Edge { source, target }).collect();
    let graph = Graph::new(12, &edges).unwrap();
    let found = communities(&graph, &[1.0; 31], Flow::default()).unwrap();
    assert_eq!(found.labels, [[0; 6], [1; 6]].concat());
    assert!((found.modularity - (30.0 / 31.0 - 0.5)).abs() < 1e-12);
}

/// Node and edge curvature; two graphs at once give what each gives alone; doubled conductances halve resistances.
#[test]
fn resistance_is_golden() {
    let golden: Value = serde_json::from_str(include_str!("../fixtures/resistance.json")).unwrap();
    for (name, values) in golden["resistance"].as_object().unwrap() {
        let rows: Vec<Vec<f64>> = values["edge"].as_array().unwrap().iter().map(numbers).collect();
        let edges: Vec<Edge> = rows.iter().map(|row| Edge { source: row[0] as u32, target: row[1] as u32 }).collect();
        let nodes = values["node_p"].as_array().unwrap().len() as u32;
        let graph = Graph::new(nodes, &edges).unwrap();
        let ours = resistance_curvature(&graph, &vec![1.0; edges.len()]).unwrap();
        let column = |at: usize| rows.iter().map(|row| row[at]).collect::<Vec<_>>();
        close(&ours.nodes, &numbers(&values["node_p"]), 1e-11, name);
        close(&ours.resistances, &column(2), 1e-11, name);
        close(&ours.edges, &column(3), 1e-11, name);
        let shifted = edges.iter().map(|edge| Edge { source: edge.source + nodes, target: edge.target + nodes });
        let twice: Vec<Edge> = edges.iter().copied().chain(shifted).collect();
        let both = resistance_curvature(&Graph::new(2 * nodes, &twice).unwrap(), &vec![2.0; twice.len()]).unwrap();
        close(&both.nodes[nodes as usize..], &ours.nodes, 1e-11, name);
        close(&both.resistances[..edges.len()], &column(2).iter().map(|r| r / 2.0).collect::<Vec<_>>(), 1e-11, name);
    }
    let path: Vec<Edge> = (0..3_001).map(|node| Edge { source: node, target: node + 1 }).collect();
    let refused = resistance_curvature(&Graph::new(4_000, &path).unwrap(), &vec![1.0; path.len()]);
    assert!(matches!(refused, Err(GraphError::TooLarge(_))));
}

/// Ratios of golden files: "a/b".
pub(crate) fn ratio(value: &Value) -> Ratio {
    let text = value.as_str().unwrap();
    let (numerator, denominator) = text.split_once('/').unwrap_or((text, "1"));
    Ratio::new(numerator.parse().unwrap(), denominator.parse().unwrap())
}

/// Normalised mutual information: twice the mutual information of two partitions over the sum of their entropies.
fn agreement(found: &[u32], truth: &[u32]) -> f64 {
    let count = found.len() as f64;
    let entropy = |groups: std::collections::BTreeMap<(u32, u32), f64>| {
        groups.values().map(|size| -(size / count) * (size / count).ln()).sum::<f64>()
    };
    let groups = |by: &dyn Fn(usize) -> (u32, u32)| {
        let mut groups = std::collections::BTreeMap::new();
        (0..found.len()).for_each(|node| *groups.entry(by(node)).or_insert(0.0) += 1.0);
        entropy(groups)
    };
    let (one, other) = (groups(&|node| (found[node], 0)), groups(&|node| (0, truth[node])));
    2.0 * (one + other - groups(&|node| (found[node], truth[node]))) / (one + other)
}

/// Stochastic block models, as Ni et al. test their flow on: blocks are found again. The bounds are below what was measured.
#[test]
fn planted_blocks_are_found() {
    for (blocks, size, inside, outside, least) in
        [(2, 40, 0.3, 0.02, 0.9), (4, 25, 0.4, 0.02, 0.9), (5, 20, 0.5, 0.05, 0.8)]
    {
        let mut sum = 0.0;
        for seed in 1..=3_u64 {
            let mut state = seed;
            let mut chance = || {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                (state >> 11) as f64 / (1_u64 << 53) as f64
            };
            let nodes = blocks * size;
            let pairs = (0..nodes).flat_map(|a| (a + 1..nodes).map(move |b| (a, b)));
            let joined = pairs.filter(|(a, b)| chance() < if a / size == b / size { inside } else { outside });
            let edges: Vec<Edge> = joined.map(|(source, target)| Edge { source, target }).collect();
            let graph = Graph::new(nodes, &edges).unwrap();
            let found = communities(&graph, &vec![1.0; edges.len()], Flow::default()).unwrap();
            let truth: Vec<u32> = (0..nodes).map(|node| node / size).collect();
            let agrees = agreement(&found.labels, &truth[..found.labels.len()]);
            println!("{blocks} x {size}, {inside}/{outside}, seed {seed}: {agrees:.3}");
            sum += agrees;
        }
        assert!(sum / 3.0 >= least, "{blocks} blocks: {}", sum / 3.0);
    }
}
