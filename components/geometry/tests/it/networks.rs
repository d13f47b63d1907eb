//! Graph spectra and multilayer measures against golden values and numpy.

use serde_json::Value;
use skerry_geometry::fault::AnalysisError;
use skerry_geometry::hierarchy::embed;
use skerry_geometry::multilayer::{overlaps, reduction, supra_spectrum};
use skerry_geometry::spectral::{Edge, Hamiltonian, divergence, entropies, schmidt_entropy, walk};

use crate::numbers;

#[track_caller]
fn assert_near(found: &[f64], expected: &[f64], tolerance: f64) {
    assert_eq!(found.len(), expected.len());
    for (found, expected) in found.iter().zip(expected) {
        assert!((found - expected).abs() <= tolerance * expected.abs().max(1.0), "{found} is not {expected}");
    }
}

fn edge(source: u32, target: u32) -> Edge {
    Edge { source, target, weight: 1.0 }
}

fn graph(name: &str) -> (u32, Vec<Edge>) {
    match name {
        "cycle8" => (8, (0..8).map(|i| edge(i, (i + 1) % 8)).collect()),
        "path8" => (8, (0..7).map(|i| edge(i, i + 1)).collect()),
        "star8" => (8, (1..8).map(|i| edge(0, i)).collect()),
        "complete6" => (6, (0..6).flat_map(|i| (i + 1..6).map(move |j| edge(i, j))).collect()),
        "hypercube3" => {
            let ends = (0..8_u32).flat_map(|i| [1, 2, 4].map(|bit| (i, i ^ bit)));
            (8, ends.filter(|(i, j)| i < j).map(|(i, j)| edge(i, j)).collect())
        }
        _ => {
            let golden: Value = serde_json::from_str(include_str!("../fixtures/curvature.json")).unwrap();
            let rows = golden["graphs"]["karate"]["edges"].as_array().unwrap();
            let end = |row: &Value, at: usize| row["e"][at].as_u64().unwrap() as u32;
            (34, rows.iter().map(|row| edge(end(row, 0), end(row, 1))).collect())
        }
    }
}

fn spectral() -> Value {
    serde_json::from_str(include_str!("../fixtures/spectral.json")).unwrap()
}

#[test]
fn entropies_are_golden() {
    for (name, expected) in spectral()["vn_entropy"].as_object().unwrap() {
        let (nodes, edges) = graph(name);
        let found = entropies(nodes, &edges, 1.0).unwrap();
        let names = ["S_bits_L_over_trL", "S_bits_gibbs_beta1", "purity", "renyi2_bits"];
        let expected = names.map(|name| expected[name].as_f64().unwrap());
        assert_near(&[found.von_neumann, found.gibbs, found.purity, found.renyi_2], &expected, 1e-11);
    }
}

#[test]
fn divergences_are_golden() {
    for (names, expected) in spectral()["qjsd_bits"].as_object().unwrap() {
        let (first, second) = names.split_once('|').unwrap();
        let ((nodes, a), (_, b)) = (graph(first), graph(second));
        assert_near(&[divergence(nodes, &a, &b).unwrap()], &[expected.as_f64().unwrap()], 1e-11);
        assert_near(&[divergence(nodes, &a, &a).unwrap()], &[0.0], 1e-12);
    }
}

#[test]
fn walk_and_schmidt_entropy_are_golden() {
    let golden = spectral();
    let (nodes, edges) = graph("karate");
    let found = walk(nodes, &edges, Hamiltonian::Adjacency, 0, 1.0).unwrap();
    assert_near(&found, &numbers(&golden["ctqw_karate_t1_row0"]), 1e-11);
    assert_near(&[found.iter().sum()], &[1.0], 1e-12);
    let rows: Vec<Vec<f64>> = golden["schmidt_node_layer"]["M"].as_array().unwrap().iter().map(numbers).collect();
    let expected = golden["schmidt_node_layer"]["bits"].as_f64().unwrap();
    assert_near(&[schmidt_entropy(&rows.concat(), rows[0].len() as u32).unwrap()], &[expected], 1e-11);
}

#[test]
fn bad_graphs_are_refused() {
    assert!(matches!(entropies(3, &[], 1.0), Err(AnalysisError::Undefined(_))));
    assert!(matches!(entropies(3, &[edge(0, 3)], 1.0), Err(AnalysisError::Invalid(_))));
    assert!(matches!(entropies(3, &[edge(1, 1)], 1.0), Err(AnalysisError::Invalid(_))));
    assert!(matches!(entropies(5_000, &[edge(0, 1)], 1.0), Err(AnalysisError::TooLarge(_))));
    assert!(matches!(overlaps(3, &[]), Err(AnalysisError::Invalid(_))));
    assert!(matches!(reduction(3, &[vec![edge(0, 1)], vec![]]), Err(AnalysisError::Undefined(_))));
}

#[test]
fn multilayer_measures_equal_numpys() {
    let oracle: Value = serde_json::from_str(include_str!("../fixtures/analysis.json")).unwrap();
    let expected = &oracle["multilayer"];
    let layers: Vec<Vec<Edge>> = expected["layers"].as_array().unwrap().iter().map(layer).collect();
    let nodes = expected["nodes"].as_u64().unwrap() as u32;
    let supra = supra_spectrum(nodes, &layers, expected["coupling"].as_f64().unwrap()).unwrap();
    assert_near(&supra, &numbers(&expected["supra"]), 1e-11);
    let found = overlaps(nodes, &layers).unwrap();
    let column =
        |f: fn(&skerry_geometry::multilayer::Participation) -> f64| found.nodes.iter().map(f).collect::<Vec<_>>();
    assert_near(&column(|node| node.coefficient), &numbers(&expected["participation"]), 1e-12);
    assert_near(&column(|node| node.redundancy), &numbers(&expected["redundancy"]), 1e-12);
    let pairs = |f: fn(&skerry_geometry::multilayer::Overlap) -> u64| {
        found.pairs.iter().map(|pair| f(pair) as f64).collect::<Vec<_>>()
    };
    assert_near(&pairs(|pair| pair.both), &numbers(&expected["both"]), 0.0);
    assert_near(&pairs(|pair| pair.either), &numbers(&expected["either"]), 0.0);
    // Every neighbour is by one set of layers.
    for node in 0..nodes {
        let of = found.multidegrees.iter().filter(|multidegree| multidegree.node == node);
        let sum: u32 = of.map(|multidegree| multidegree.count * multidegree.layers.count_ones()).sum();
        assert_eq!(sum, found.nodes[node as usize].overlapping);
    }
    let reduced = reduction(nodes, &layers).unwrap();
    assert_near(&reduced.distances, &numbers(&expected["js"]), 1e-10);
    assert_near(&[reduced.quality], &[expected["quality"].as_f64().unwrap()], 1e-10);
    assert_eq!(reduced.merges.len(), layers.len() - 1);
    assert!(reduced.merges.last().unwrap().quality.abs() < 1e-12, "all in one: nothing is gained");
}

fn layer(edges: &Value) -> Vec<Edge> {
    let end = |row: &Value, at: usize| row[at].as_u64().unwrap() as u32;
    edges.as_array().unwrap().iter().map(|row| edge(end(row, 0), end(row, 1))).collect()
}

/// Two layers that are one must merge first and for nothing.
#[test]
fn equal_layers_are_reduced() {
    let (nodes, cycle) = graph("cycle8");
    let (_, star) = graph("star8");
    let reduced = reduction(nodes, &[cycle.clone(), star, cycle]).unwrap();
    assert_eq!((reduced.merges[0].first, reduced.merges[0].second), (0, 2));
    assert!(reduced.merges[0].distance < 1e-6 && reduced.best >= 1, "{reduced:?}");
}

/// Sarkar's theorem: long edges embed a tree almost without distortion. A binary tree of seven levels, and a forest.
#[test]
fn trees_fit_the_disk() {
    let parents: Vec<Option<u32>> = (0..127_u32).map(|node| node.checked_sub(1).map(|above| above / 2)).collect();
    let short = embed(&parents, Some(1.0), 1).unwrap();
    let long = embed(&parents, None, 1).unwrap();
    assert!(long.exact && long.pairs == 127 * 126 / 2);
    assert!(long.distortion_worst < 1.35 && long.distortion_worst < short.distortion_worst, "{long:?}");
    assert!(long.points.chunks_exact(2).all(|p| p[0] * p[0] + p[1] * p[1] < 1.0));
    let forest = embed(&[None, None, Some(0), Some(1), Some(1)], Some(3.0), 1).unwrap();
    assert!(forest.distortion_worst < 1.8, "{forest:?}");
    for bad in [vec![Some(1), Some(0)], vec![Some(0)], vec![Some(7)], vec![]] {
        assert!(matches!(embed(&bad, None, 1), Err(AnalysisError::Invalid(_))), "{bad:?}");
    }
    let path: Vec<Option<u32>> = (0..100_u32).map(|node| node.checked_sub(1)).collect();
    assert!(matches!(embed(&path, Some(1.0), 1), Err(AnalysisError::Invalid(_))));
}
