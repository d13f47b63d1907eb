//! Curvature, resistance, flow, hypergraphs and the tracker: natively and in the component the same bits, and errors by name.

use skerry_geometry::communities::{Flow, communities};
use skerry_geometry::curvature::ollivier::{self, Idleness};
use skerry_geometry::curvature::resistance::resistance_curvature;
use skerry_geometry::curvature::weighted;
use skerry_geometry::hypergraph::{self, Hypergraph, orchid, spectrum};
use skerry_geometry::{anomaly, graph};
use skerry_host::types::{Aggregation, Change, Dispersion, Edge, Forman, Measure, Scale, Spread, Suspicion, Transport};
use skerry_host::{CurvatureError, Geometry, HypergraphError, TrackerError};

use crate::artefacts::{ENGINE, LIMITS, component};

fn geometry() -> Geometry {
    Geometry::new(&ENGINE, &component("geometry"), LIMITS).unwrap()
}

/// A ring with chords and two hubs, and a length for each edge.
fn sample() -> (u32, Vec<Edge>, Vec<f64>) {
    let mut state = 11_u64;
    let mut chance = |below: u32| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((state >> 33) % u64::from(below)) as u32
    };
    let nodes = 160;
    let ring = (0..nodes).map(|node| (node, (node + 1) % nodes));
    let chords = (0..150).map(|_| (chance(nodes), chance(nodes)));
    let mut pairs: Vec<(u32, u32)> = ring.chain(chords).collect();
    pairs.extend((0..nodes).step_by(2).map(|node| (3, node)));
    pairs.extend((0..nodes).step_by(3).map(|node| (100, node)));
    pairs.iter_mut().for_each(|(a, b)| (*a, *b) = ((*a).min(*b), (*a).max(*b)));
    pairs.retain(|(a, b)| a != b);
    pairs.sort_unstable();
    pairs.dedup();
    let edges: Vec<Edge> = pairs.into_iter().map(|(source, target)| Edge { source, target }).collect();
    let lengths = edges.iter().map(|_| 0.25 + f64::from(chance(1_000)) / 700.0).collect();
    (nodes, edges, lengths)
}

fn native(nodes: u32, edges: &[Edge]) -> graph::Graph {
    let edges: Vec<graph::Edge> =
        edges.iter().map(|edge| graph::Edge { source: edge.source, target: edge.target }).collect();
    graph::Graph::new(nodes, &edges).unwrap()
}

fn bits(values: &[f64]) -> Vec<u64> {
    values.iter().map(|value| value.to_bits()).collect()
}

/// The fractions of optimal transport, and the doubles next to them.
#[test]
fn transport_gives_these_bits() {
    let (nodes, edges, _) = sample();
    let graph = native(nodes, &edges);
    for (kind, native) in [
        (Transport::LinLuYau, ollivier::Transport::LinLuYau),
        (Transport::Ollivier((0, 1)), ollivier::Transport::Ollivier(Idleness::new(0, 1).unwrap())),
        (Transport::Ollivier((1, 2)), ollivier::Transport::Ollivier(Idleness::HALF)),
    ] {
        let ours = geometry().transport_curvature(kind, nodes, &edges).unwrap();
        let expected = ollivier::transport_curvature(native, &graph);
        assert_eq!(ours.len(), expected.len());
        for (ours, expected) in ours.iter().zip(&expected) {
            let expected = (expected.numerator, expected.denominator, expected.nearest().to_bits());
            assert_eq!((ours.numerator, ours.denominator, ours.value.to_bits()), expected);
        }
    }
}

/// What is computed in doubles: lengths, resistance, flow, and scores made of them.
#[test]
fn doubles_are_these_bits() {
    let (nodes, edges, lengths) = sample();
    let (geometry, graph) = (geometry(), native(nodes, &edges));
    let spread = Spread { idleness: 0.4, power: 1.7 };
    let own = weighted::Spread { idleness: 0.4, power: 1.7 };
    let ours = geometry.weighted_curvature(nodes, &edges, &lengths, spread).unwrap();
    assert_eq!(bits(&ours), bits(&weighted::weighted_curvature(&graph, &lengths, own).unwrap()));
    let ours = geometry.resistance_curvature(nodes, &edges, &lengths).unwrap();
    let expected = resistance_curvature(&graph, &lengths).unwrap();
    assert_eq!(bits(&ours.nodes), bits(&expected.nodes));
    assert_eq!(bits(&ours.resistances), bits(&expected.resistances));
    assert_eq!(bits(&ours.edges), bits(&expected.edges));
    let ours = geometry.ricci_flow(nodes, &edges, &lengths, 6, spread).unwrap();
    let expected = communities(&graph, &lengths, Flow { steps: 6, spread: own }).unwrap();
    assert_eq!(bits(&ours.lengths), bits(&expected.lengths));
    assert_eq!((ours.labels, ours.modularity.to_bits()), (expected.labels, expected.modularity.to_bits()));
    let ours = geometry.anomalies(nodes, &edges, Suspicion::Betweenness, Scale::RobustZ).unwrap();
    let expected = anomaly::anomalies(&graph, anomaly::Suspicion::Betweenness, anomaly::Scale::RobustZ).unwrap();
    assert_eq!((bits(&ours.edges), bits(&ours.nodes)), (bits(&expected.edges), bits(&expected.nodes)));
}

/// Fractions and eigenvalues of a hypergraph.
#[test]
fn hypergraphs_are_these_bits() {
    let edges: Vec<Vec<u32>> =
        (0..40_u32).map(|n| (0..2 + n % 5).map(|at| (n * 7 + at * (3 + n % 4)) % 41).collect()).collect();
    let native = Hypergraph::new(41, &edges).unwrap();
    let geometry = geometry();
    let spectrum = spectrum::laplacian_spectrum(&native).unwrap();
    assert_eq!(bits(&geometry.hypergraph_spectrum(41, &edges).unwrap()), bits(&spectrum));
    let ours = geometry.orchid(41, &edges, Dispersion::UnweightedStar, Aggregation::Mean, (1, 3)).unwrap();
    let expected = orchid::orchid(
        &native,
        orchid::Dispersion::UnweightedStar,
        orchid::Aggregation::Mean,
        Idleness::new(1, 3).unwrap(),
    )
    .unwrap();
    let ours: Vec<_> = ours.edges.iter().map(|ratio| (ratio.numerator, ratio.denominator)).collect();
    let expected: Vec<_> = expected.edges.iter().map(|ratio| (ratio.numerator, ratio.denominator)).collect();
    assert_eq!(ours, expected);
    let statistics = geometry.hypergraph_statistics(41, &edges).unwrap();
    assert_eq!((statistics.degrees, statistics.forman), (native.degrees(), native.forman()));
    let line = geometry.line_graph(41, &edges, 2).unwrap();
    let betweenness = hypergraph::line_graph::s_betweenness(&native, 2).unwrap();
    assert_eq!(bits(&line.betweenness), bits(&betweenness));
}

/// A tracker lives as long as its owner, follows edits, and refuses without harm.
#[test]
fn a_tracker_follows_edits() {
    let (nodes, edges, _) = sample();
    let geometry = geometry();
    let mut tracker = geometry.tracker(Measure::Transport(Transport::LinLuYau)).unwrap();
    let inserts: Vec<Change> = edges.iter().map(|edge| Change::Insert(*edge)).collect();
    assert_eq!(tracker.apply(&inserts).unwrap().len(), edges.len());
    assert_eq!(tracker.apply(&inserts[..1]), Err(TrackerError::RepeatedEdge(0)));
    let removed = tracker.apply(&[Change::Remove(edges[40])]).unwrap();
    assert_eq!(tracker.recomputed().unwrap(), (edges.len() + removed.len()) as u64);
    let rest: Vec<Edge> = edges.iter().copied().filter(|edge| *edge != edges[40]).collect();
    let fresh = geometry.transport_curvature(Transport::LinLuYau, nodes, &rest).unwrap();
    let scores = tracker.scores().unwrap();
    assert_eq!(scores.len(), rest.len());
    for ((score, edge), fresh) in scores.iter().zip(&rest).zip(fresh) {
        assert_eq!((score.edge, score.exact), (*edge, Some(fresh)));
    }
}

/// What cannot be computed is refused in words, or by position.
#[test]
fn faults_of_graphs_are_named() {
    let geometry = geometry();
    let edges = [Edge { source: 0, target: 1 }, Edge { source: 1, target: 2 }];
    let refused = geometry.transport_curvature(Transport::Ollivier((3, 2)), 3, &edges);
    assert!(matches!(refused, Err(CurvatureError::OutOfRange(_))), "{refused:?}");
    assert_eq!(geometry.resistance_curvature(3, &edges, &[1.0, 0.0]).unwrap_err(), CurvatureError::Weight(1));
    assert_eq!(geometry.weighted_forman(3, &edges, &[1.0], &[]).unwrap_err(), CurvatureError::Weight(1));
    assert_eq!(geometry.forman_curvature(Forman::Plain, 2, &edges).unwrap_err(), CurvatureError::UnknownNode(1));
    assert_eq!(geometry.line_graph(3, &[vec![]], 1).unwrap_err(), HypergraphError::Empty(0));
}
