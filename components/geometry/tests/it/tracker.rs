//! A tracker against computation from scratch, how little it computes, and how anomalies are scored.

use proptest::prelude::*;
use skerry_geometry::anomaly::{Scale, Suspicion, anomalies, edge_suspicion};
use skerry_geometry::curvature::forman::{Forman, forman_curvature};
use skerry_geometry::curvature::ollivier::{Idleness, Transport, transport_curvature};
use skerry_geometry::graph::{Edge, Graph};
use skerry_geometry::tracker::{Change, Measure, Score, Tracker, TrackerError};

fn edge(source: u32, target: u32) -> Edge {
    Edge { source, target }
}

fn from_scratch(measure: Measure, edges: &[Edge]) -> Vec<(u64, Option<(i64, u64)>)> {
    let nodes = edges.iter().map(|edge| edge.source.max(edge.target) + 1).max().unwrap_or(0);
    match measure {
        Measure::Forman(kind) => {
            forman_curvature(kind, nodes, edges).unwrap().iter().map(|value| (value.to_bits(), None)).collect()
        }
        Measure::Transport(kind) => {
            let all = transport_curvature(kind, &Graph::new(nodes, edges).unwrap());
            all.iter().map(|r| (r.nearest().to_bits(), Some((r.numerator, r.denominator)))).collect()
        }
    }
}

fn bits(score: Score) -> (u64, Option<(i64, u64)>) {
    (score.value.to_bits(), score.exact.map(|ratio| (ratio.numerator, ratio.denominator)))
}

fn measures() -> Vec<Measure> {
    vec![
        Measure::Forman(Forman::Plain),
        Measure::Forman(Forman::Augmented),
        Measure::Forman(Forman::Balanced),
        Measure::Transport(Transport::LinLuYau),
        Measure::Transport(Transport::Ollivier(Idleness::HALF)),
        Measure::Transport(Transport::Ollivier(Idleness::new(0, 1).unwrap())),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    /// Batches that insert what is not there and remove what is: after each, every bit is that of a computation from scratch.
    #[test]
    fn scores_are_those_from_scratch(
        measure in prop::sample::select(measures()),
        nodes in 3_u32..24,
        batches in prop::collection::vec(prop::collection::vec((0_u32..24, 0_u32..24), 1..12), 1..8),
    ) {
        let mut tracker = Tracker::new(measure);
        let mut there = std::collections::BTreeSet::new();
        for batch in batches {
            let mut changes = Vec::new();
            for (a, b) in batch {
                let (a, b) = ((a % nodes).min(b % nodes), (a % nodes).max(b % nodes));
                if a != b && there.insert((a, b)) {
                    changes.push(Change::Insert(edge(b, a)));
                } else if there.remove(&(a, b)) {
                    changes.push(Change::Remove(edge(a, b)));
                }
            }
            tracker.apply(&changes).unwrap();
            let edges: Vec<Edge> = there.iter().map(|(a, b)| edge(*a, *b)).collect();
            let ours: Vec<_> = tracker.scores().map(|(edge, score)| { assert!(edge.source < edge.target); bits(score) }).collect();
            prop_assert_eq!(ours, from_scratch(measure, &edges));
        }
    }
}

/// A ring of 10,000 nodes with chords: an edit computes some tens of edges, not twenty thousand.
#[test]
fn work_is_local() {
    let ring = (0..10_000_u32).flat_map(|node| [edge(node, (node + 1) % 10_000), edge(node, (node + 2) % 10_000)]);
    let changes: Vec<Change> = ring.map(Change::Insert).collect();
    for (measure, most) in measures().into_iter().zip([10, 10, 20, 60, 60, 60]) {
        let mut tracker = Tracker::new(measure);
        assert_eq!(tracker.apply(&changes).unwrap().len(), 20_000);
        let before = tracker.recomputed();
        let touched = tracker.apply(&[Change::Insert(edge(17, 5_017))]).unwrap();
        assert!(touched.len() <= most, "{measure:?} computed {} edges", touched.len());
        tracker.apply(&[Change::Remove(edge(17, 5_017))]).unwrap();
        assert!(tracker.recomputed() - before <= 2 * most as u64);
    }
}

/// A batch with one bad change does nothing, and says which.
#[test]
fn bad_changes_are_refused() {
    let mut tracker = Tracker::new(Measure::Forman(Forman::Plain));
    let insert = |a, b| Change::Insert(edge(a, b));
    assert_eq!(tracker.apply(&[insert(0, 1), insert(1, 0)]), Err(TrackerError::RepeatedEdge(1)));
    assert_eq!(tracker.apply(&[Change::Remove(edge(0, 1))]), Err(TrackerError::MissingEdge(0)));
    assert_eq!(tracker.apply(&[insert(3, 3)]), Err(TrackerError::SelfLoop(0)));
    assert!(matches!(tracker.apply(&[insert(0, u32::MAX)]), Err(TrackerError::TooLarge(_))));
    assert_eq!(tracker.scores().count(), 0);
    assert_eq!(tracker.apply(&[insert(0, 1), Change::Remove(edge(1, 0)), insert(0, 1)]).unwrap().len(), 1);
}

/// Two cliques and a bridge: every score but plain Forman curvature puts the bridge first.
#[test]
fn the_bridge_stands_out() {
    let clique = |from: u32| (from..from + 8).flat_map(move |a| (a + 1..from + 8).map(move |b| edge(a, b)));
    let edges: Vec<Edge> = clique(0).chain(clique(8)).chain([edge(3, 12)]).collect();
    let graph = Graph::new(16, &edges).unwrap();
    for suspicion in
        [Suspicion::LinLuYau, Suspicion::Balanced, Suspicion::Augmented, Suspicion::Betweenness, Suspicion::Jaccard]
    {
        for scale in [Scale::Rank, Scale::RobustZ] {
            let found = anomalies(&graph, suspicion, scale).unwrap();
            let bridge = found.edges[edges.len() - 1];
            assert!(found.edges[..edges.len() - 1].iter().all(|score| *score < bridge), "{suspicion:?} {scale:?}");
            assert!(found.nodes[3] > found.nodes[0], "{suspicion:?} {scale:?}");
        }
    }
    let rank = anomalies(&graph, Suspicion::Betweenness, Scale::Rank).unwrap();
    assert!((rank.edges[edges.len() - 1] - (1.0 - 0.5 / edges.len() as f64)).abs() < 1e-12);
    // 64 pairs across go over the bridge.
    assert!((edge_suspicion(&graph, Suspicion::Betweenness).unwrap()[edges.len() - 1] - 64.0).abs() < 1e-9);
}
