//! Golden values of hypergraphs, exact curvature of the paper's kind, and refused input.

use serde_json::Value;
use skerry_geometry::curvature::ollivier::{Idleness, Transport, transport_curvature};
use skerry_geometry::hypergraph::line_graph::{s_betweenness, s_components};
use skerry_geometry::hypergraph::orchid::{Aggregation, Dispersion, orchid};
use skerry_geometry::hypergraph::spectrum::laplacian_spectrum;
use skerry_geometry::hypergraph::{Hypergraph, HypergraphError};

use crate::weighted::ratio;

fn golden() -> Value {
    serde_json::from_str(include_str!("../fixtures/hypergraph.json")).unwrap()
}

fn lists(value: &Value) -> Vec<Vec<u32>> {
    serde_json::from_value(value.clone()).unwrap()
}

fn floats(value: &Value) -> Vec<f64> {
    serde_json::from_value(value.clone()).unwrap()
}

fn close(ours: &[f64], expected: &[f64], what: &str) {
    assert_eq!(ours.len(), expected.len(), "{what}");
    for (ours, expected) in ours.iter().zip(expected) {
        assert!((ours - expected).abs() < 1e-12, "{what}: {ours} != {expected}");
    }
}

/// The women of Davis and the events that they came to.
#[test]
fn statistics_are_golden() {
    let golden = golden();
    let hypergraph = Hypergraph::new(18, &lists(&golden["edges"])).unwrap();
    let whole = |name: &str| serde_json::from_value::<Vec<u32>>(golden[name].clone()).unwrap();
    assert_eq!(hypergraph.degrees(), whole("degree"));
    assert_eq!(hypergraph.sizes(), whole("edge_size"));
    close(&[hypergraph.density()], &[golden["density"].as_f64().unwrap()], "density");
    close(&hypergraph.clustering().unwrap(), &floats(&golden["clustering_coefficient"]), "clustering");
    let forman: Vec<i64> = serde_json::from_value(golden["forman_hyper"].clone()).unwrap();
    assert_eq!(hypergraph.forman(), forman);
    close(&laplacian_spectrum(&hypergraph).unwrap(), &floats(&golden["zhou_laplacian_spectrum"]), "spectrum");
    let sizes: Vec<usize> = s_components(&hypergraph, 1).unwrap().iter().map(Vec::len).collect();
    assert_eq!(sizes, [14]);
    let between = s_betweenness(&hypergraph, 1).unwrap();
    let expected: Vec<f64> = (0..14).map(|edge| golden["s1_betweenness"][edge.to_string()].as_f64().unwrap()).collect();
    close(&between, &expected, "betweenness");
}

/// Every pair and every hyperedge of the toys: the very fractions.
#[test]
fn orchid_is_golden() {
    for (name, toy) in golden()["orchid_toys"].as_object().unwrap() {
        let hypergraph = Hypergraph::new(toy["n"].as_u64().unwrap() as u32, &lists(&toy["edges"])).unwrap();
        let idleness = Idleness::new(1, 10).unwrap();
        let ours = orchid(&hypergraph, Dispersion::UnweightedStar, Aggregation::Max, idleness).unwrap();
        let expected: Vec<_> = toy["edge_exact"].as_array().unwrap().iter().map(ratio).collect();
        assert_eq!(ours.edges, expected, "{name}");
        let pairs = toy["directional_exact"].as_object().unwrap();
        assert_eq!(ours.pairs.len(), pairs.len(), "{name}");
        for ((a, b), value) in ours.pairs {
            assert_eq!(value, ratio(&pairs[&format!("{a},{b}")]), "{name} {a} {b}");
        }
    }
}

/// Hyperedges of two members are a graph, and then every dispersion and aggregation is Ollivier's curvature.
#[test]
fn a_graph_is_a_hypergraph() {
    let edges = [[0, 1], [1, 2], [2, 3], [3, 0], [0, 2], [3, 4], [4, 5]];
    let hypergraph = Hypergraph::new(6, &edges.map(|edge| edge.to_vec())).unwrap();
    let graph = hypergraph.clique_expansion().unwrap();
    let idleness = Idleness::new(1, 5).unwrap();
    let expected = transport_curvature(Transport::Ollivier(idleness), &graph);
    for dispersion in [Dispersion::UnweightedClique, Dispersion::WeightedClique, Dispersion::UnweightedStar] {
        for aggregation in [Aggregation::Mean, Aggregation::Max] {
            let ours = orchid(&hypergraph, dispersion, aggregation, idleness).unwrap();
            let pairs: Vec<_> = ours.pairs.iter().map(|(_, value)| *value).collect();
            assert_eq!(pairs, expected);
            let mut sorted = ours.edges.clone();
            sorted.sort_by(|a, b| a.nearest().total_cmp(&b.nearest()));
            let mut wanted = expected.clone();
            wanted.sort_by(|a, b| a.nearest().total_cmp(&b.nearest()));
            assert_eq!(sorted, wanted);
        }
    }
}

/// The first hyperedge that does not fit is named; single members and nodes without hyperedges are fine.
#[test]
fn bad_hypergraphs_are_refused() {
    assert_eq!(Hypergraph::new(2, &[vec![0], vec![0, 2]]), Err(HypergraphError::UnknownNode(1)));
    assert_eq!(Hypergraph::new(2, &[vec![]]), Err(HypergraphError::Empty(0)));
    assert_eq!(Hypergraph::new(2, &[vec![1, 1]]), Err(HypergraphError::RepeatedMember(0)));
    let lonely = Hypergraph::new(3, &[vec![1]]).unwrap();
    assert!(s_components(&lonely, 0).is_err());
    assert_eq!(s_components(&lonely, 1).unwrap(), [[0]]);
    assert_eq!(laplacian_spectrum(&lonely).unwrap(), [0.0; 3]);
    let ours = orchid(&lonely, Dispersion::WeightedClique, Aggregation::Mean, Idleness::HALF).unwrap();
    assert_eq!((ours.edges.len(), ours.pairs.len(), ours.nodes), (1, 0, vec![0.0; 3]));
}
