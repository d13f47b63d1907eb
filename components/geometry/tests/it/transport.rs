//! Exact curvature against a plain computation from the definition: all distances, whole measures, one unit path at a time.

use proptest::prelude::*;
use skerry_geometry::curvature::ollivier::{Idleness, Transport, transport_curvature};
use skerry_geometry::curvature::ratio::Ratio;
use skerry_geometry::graph::{Adjacency, Edge, Graph};

/// Steps from a node to every other.
fn steps(graph: &Graph, from: u32) -> Vec<i64> {
    let mut steps = vec![i64::from(u32::MAX); graph.nodes()];
    steps[from as usize] = 0;
    let mut queue = vec![from];
    let mut next = 0;
    while next < queue.len() {
        let node = queue[next];
        next += 1;
        for &neighbour in graph.of(node) {
            if steps[neighbour as usize] > steps[node as usize] + 1 {
                steps[neighbour as usize] = steps[node as usize] + 1;
                queue.push(neighbour);
            }
        }
    }
    steps
}

/// Least cost of turning `supply` into `demand`: successive shortest paths by Bellman and Ford.
fn least_cost(mut supply: Vec<i64>, mut demand: Vec<i64>, cost: &[Vec<i64>]) -> i64 {
    let (n, m) = (supply.len(), demand.len());
    let mut flow = vec![vec![0_i64; m]; n];
    let mut total = 0;
    while supply.iter().any(|left| *left > 0) {
        let mut length = vec![i64::MAX / 2; n + m];
        let mut before = vec![usize::MAX; n + m];
        (0..n).filter(|&i| supply[i] > 0).for_each(|i| length[i] = 0);
        let mut changed = true;
        while changed {
            changed = false;
            for i in 0..n {
                for j in 0..m {
                    if length[i] + cost[i][j] < length[n + j] {
                        (length[n + j], before[n + j], changed) = (length[i] + cost[i][j], i, true);
                    }
                    if flow[i][j] > 0 && length[n + j] - cost[i][j] < length[i] {
                        (length[i], before[i], changed) = (length[n + j] - cost[i][j], n + j, true);
                    }
                }
            }
        }
        let end = (n..n + m).filter(|j| demand[j - n] > 0).min_by_key(|&j| length[j]).unwrap();
        let mut path = vec![end];
        while before[*path.last().unwrap()] != usize::MAX {
            path.push(before[*path.last().unwrap()]);
        }
        path.reverse();
        let mut amount = supply[path[0]].min(demand[end - n]);
        for pair in path.windows(2).filter(|pair| pair[0] >= n) {
            amount = amount.min(flow[pair[1]][pair[0] - n]);
        }
        for pair in path.windows(2) {
            if pair[0] < n { flow[pair[0]][pair[1] - n] += amount } else { flow[pair[1]][pair[0] - n] -= amount }
        }
        supply[path[0]] -= amount;
        demand[end - n] -= amount;
        total += amount * length[end];
    }
    total
}

/// `1 - W1`, by the definition.
fn by_definition(graph: &Graph, edge: Edge, (numerator, denominator): (i64, i64)) -> Ratio {
    let degrees = [edge.source, edge.target].map(|end| graph.of(end).len() as i64);
    let whole = degrees[0] * degrees[1] * denominator;
    let measure = |end: u32, degree: i64| -> Vec<(u32, i64)> {
        let share = (denominator - numerator) * (whole / denominator / degree);
        let around = graph.of(end).iter().map(|&node| (node, share));
        around.chain([(end, numerator * (whole / denominator))]).collect()
    };
    let (from, to) = (measure(edge.source, degrees[0]), measure(edge.target, degrees[1]));
    let cost: Vec<Vec<i64>> = from
        .iter()
        .map(|(node, _)| {
            let steps = steps(graph, *node);
            to.iter().map(|(other, _)| steps[*other as usize]).collect()
        })
        .collect();
    let masses = |measure: &[(u32, i64)]| measure.iter().map(|(_, mass)| *mass).collect();
    Ratio::new(whole - least_cost(masses(&from), masses(&to), &cost), whole as u64)
}

fn graph(nodes: u32, pairs: &[(u32, u32)]) -> Graph {
    let mut edges: Vec<(u32, u32)> = pairs.iter().map(|(a, b)| ((*a).min(*b) % nodes, (*a).max(*b) % nodes)).collect();
    edges.iter_mut().for_each(|(a, b)| (*a, *b) = ((*a).min(*b), (*a).max(*b)));
    edges.retain(|(a, b)| a != b);
    edges.sort_unstable();
    edges.dedup();
    let edges: Vec<Edge> = edges.into_iter().map(|(source, target)| Edge { source, target }).collect();
    Graph::new(nodes, &edges).unwrap()
}

fn compare(graph: &Graph, idleness: (u32, u32), every: usize) {
    let kind = Transport::Ollivier(Idleness::new(idleness.0, idleness.1).unwrap());
    let fast = transport_curvature(kind, graph);
    for (edge, value) in graph.edges().iter().zip(&fast).step_by(every) {
        let expected = by_definition(graph, *edge, (i64::from(idleness.0), i64::from(idleness.1)));
        assert_eq!(*value, expected, "{edge:?} of {:?} at {idleness:?}", graph.edges());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(192))]

    /// Sparse and dense small graphs, connected or not, at every kind of idleness.
    #[test]
    fn curvature_follows_the_definition(
        nodes in 2_u32..16,
        pairs in prop::collection::vec((0_u32..64, 0_u32..64), 1..60),
        idleness in prop::sample::select(vec![(0, 1), (1, 2), (1, 7), (1, 30), (2, 3), (1, 1), (13, 1_000)]),
    ) {
        compare(&graph(nodes, &pairs), idleness, 1);
    }

    /// Lin-Lu-Yau is twice Ollivier's at one half.
    #[test]
    fn the_limit_is_twice_the_half(nodes in 2_u32..40, pairs in prop::collection::vec((0_u32..64, 0_u32..64), 1..200)) {
        let graph = graph(nodes, &pairs);
        let halves = transport_curvature(Transport::Ollivier(Idleness::HALF), &graph);
        let limits = transport_curvature(Transport::LinLuYau, &graph);
        for (half, limit) in halves.iter().zip(&limits) {
            prop_assert_eq!(Ratio::new(2 * half.numerator, half.denominator), *limit);
        }
    }
}

/// Hubs of 65 to 200 neighbours, which need several words, lists and rows of bits, beside each other and beside small nodes.
#[test]
fn hubs_follow_the_definition() {
    let mut state = 7_u64;
    let mut chance = |below: u32| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((state >> 33) % u64::from(below)) as u32
    };
    for (hubs, leaves, links, idleness) in
        [(2, 150, 40, (1, 2)), (4, 200, 150, (1, 3)), (3, 140, 500, (0, 1)), (5, 160, 60, (1, 150))]
    {
        let mut pairs: Vec<(u32, u32)> = (1..hubs).map(|hub| (0, hub)).collect();
        for leaf in hubs..hubs + leaves {
            pairs.push((leaf, chance(hubs)));
            pairs.push((leaf, chance(hubs)));
        }
        for _ in 0..links {
            pairs.push((hubs + chance(leaves), hubs + chance(leaves)));
        }
        let graph = graph(hubs + leaves, &pairs);
        assert!((0..hubs).any(|hub| graph.degree(hub) > 64));
        let every = if hubs > 3 { 7 } else { 3 };
        compare(&graph, idleness, every);
    }
}

/// A star, a bipartite graph and a path of which one can say the curvature by hand; and two stars with joined hubs of 20,000.
#[test]
fn closed_forms_hold() {
    let star: Vec<(u32, u32)> = (1..100_000).map(|leaf| (0, leaf)).collect();
    let star = transport_curvature(Transport::LinLuYau, &graph(100_000, &star));
    assert!(star.iter().all(|value| *value == Ratio::new(2, 99_999)));
    // Complete bipartite, d and d: 2 / d (Bourne et al.: all neighbours are matched over edges).
    let bipartite: Vec<(u32, u32)> = (0..30).flat_map(|a| (30..60).map(move |b| (a, b))).collect();
    let bipartite = transport_curvature(Transport::LinLuYau, &graph(60, &bipartite));
    assert!(bipartite.iter().all(|value| *value == Ratio::new(2, 30)));
    // A tree: 2/d + 2/d' - 2 where both are at least 2 (Jost and Liu, 2014).
    let double: Vec<(u32, u32)> = [(0, 1)]
        .into_iter()
        .chain((2..20_001).map(|leaf| (0, leaf)))
        .chain((20_001..40_000).map(|leaf| (1, leaf)))
        .collect();
    let graph = graph(40_000, &double);
    let joined = transport_curvature(Transport::LinLuYau, &graph)[0];
    assert_eq!(joined, Ratio::new(4 - 2 * 20_000, 20_000));
}
