//! Balanced Forman curvature of whole graphs: the bits of one edge after the other, and hubs that once took more than a minute.

use proptest::prelude::*;
use skerry_geometry::curvature::forman::{Forman, edge_curvature, forman_curvature};
use skerry_geometry::graph::{Edge, Graph};

fn graph(nodes: u32, pairs: impl Iterator<Item = (u32, u32)>) -> Vec<Edge> {
    let sorted: std::collections::BTreeSet<(u32, u32)> =
        pairs.map(|(a, b)| (a % nodes, b % nodes)).filter(|(a, b)| a != b).map(|(a, b)| (a.min(b), a.max(b))).collect();
    // Half of them turned, so that both ends are sources.
    let turn = |(a, b): (u32, u32)| if (a + b) % 2 == 0 { (b, a) } else { (a, b) };
    sorted.into_iter().map(turn).map(|(source, target)| Edge { source, target }).collect()
}

#[track_caller]
fn assert_same(nodes: u32, edges: &[Edge]) {
    let known = Graph::new(nodes, edges).unwrap();
    let all = forman_curvature(Forman::Balanced, nodes, edges).unwrap();
    for (edge, found) in edges.iter().zip(all) {
        let alone = edge_curvature(Forman::Balanced, &known, *edge);
        assert_eq!(found.to_bits(), alone.to_bits(), "{edge:?}: {found} is not {alone}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// Sparse and dense ones, and, by the squares of one end, ones with hubs.
    #[test]
    fn all_edges_are_as_each_by_itself(
        nodes in 4..40_u32,
        pairs in prop::collection::vec((0..1600_u32, 0..40_u32), 1..260),
        with_hubs: bool,
    ) {
        let skew = |a: u32| if with_hubs { (f64::from(a) / 1600.0).powi(4) * 40.0 } else { f64::from(a) };
        assert_same(nodes, &graph(nodes, pairs.into_iter().map(|(a, b)| (skew(a) as u32, b))));
    }
}

/// Hubs far larger than what is beside them, with and without triangles.
#[test]
fn hubs_are_as_each_by_itself() {
    let leaves = |hubs: u32| (0..600).flat_map(move |leaf| (0..hubs).map(move |hub| (hub, hubs + leaf)));
    assert_same(602, &graph(602, leaves(2)));
    assert_same(604, &graph(604, leaves(3).chain([(0, 1), (3, 4), (5, 9), (600, 602)])));
    assert_same(
        700,
        &graph(700, (0..2_000).map(|at| (at % 3, at * 7 % 700)).chain((0..900).map(|at| (at % 31, at * 13 % 700)))),
    );
}

/// Two hubs with 50,000 leaves in common, by hand: an edge has a hub of degree n and a leaf of degree 2. On the hub's side n - 1
/// leaves are on one square each, on the leaf's side the other hub on n - 1.
#[test]
fn two_hubs_with_all_leaves_in_common() {
    let n = 50_000;
    let edges = graph(n + 2, (0..n).flat_map(|leaf| [(0, 2 + leaf), (1, 2 + leaf)]));
    let found = forman_curvature(Forman::Balanced, n + 2, &edges).unwrap();
    let n = f64::from(n);
    let expected = 2.0 / n - 1.0 + 1.0 / (n - 1.0);
    assert_eq!(found.len(), edges.len());
    assert!(found.iter().all(|value| (value - expected).abs() < 1e-15), "{} is not {expected}", found[0]);
}
