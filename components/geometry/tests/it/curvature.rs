//! Golden values of curvature, closed forms, and graphs that are refused.

use serde_json::Value;
use skerry_geometry::curvature::forman::{Forman, forman_curvature};
use skerry_geometry::curvature::ollivier::{Idleness, Transport, transport_curvature};
use skerry_geometry::curvature::ratio::Ratio;
use skerry_geometry::graph::{Edge, Graph, GraphError};

/// Every edge of every golden graph, all three kinds of Forman curvature.
#[test]
fn forman_curvature_is_golden() {
    let golden: Value = serde_json::from_str(include_str!("../fixtures/curvature.json")).unwrap();
    let mut compared = 0;
    for (name, graph) in golden["graphs"].as_object().unwrap() {
        let rows = graph["edges"].as_array().unwrap();
        let end = |row: &Value, index: usize| row["e"][index].as_u64().unwrap() as u32;
        let edges: Vec<Edge> = rows.iter().map(|row| Edge { source: end(row, 0), target: end(row, 1) }).collect();
        let nodes = graph["n"].as_u64().unwrap() as u32;
        for (kind, column) in
            [(Forman::Plain, "forman"), (Forman::Augmented, "forman_aug"), (Forman::Balanced, "forman_bal")]
        {
            for (value, row) in forman_curvature(kind, nodes, &edges).unwrap().iter().zip(rows) {
                let expected = row[column].as_f64().unwrap();
                assert!((value - expected).abs() < 1e-12, "{name} {column} {}: {value} != {expected}", row["e"]);
                compared += 1;
            }
        }
    }
    assert_eq!(compared, 3 * (78 + 20 + 5 + 15 + 14 + 12));
}

/// "a/b" or "a".
fn ratio(value: &Value) -> Ratio {
    let text = value.as_str().unwrap();
    let (numerator, denominator) = text.split_once('/').unwrap_or((text, "1"));
    Ratio::new(numerator.parse().unwrap(), denominator.parse().unwrap())
}

/// Ollivier's at 1/2 and 0, and Lin-Lu-Yau: the very fractions.
#[test]
fn transport_curvature_is_golden() {
    let golden: Value = serde_json::from_str(include_str!("../fixtures/curvature.json")).unwrap();
    let mut compared = 0;
    for (name, graph) in golden["graphs"].as_object().unwrap() {
        let rows = graph["edges"].as_array().unwrap();
        let end = |row: &Value, index: usize| row["e"][index].as_u64().unwrap() as u32;
        let edges: Vec<Edge> = rows.iter().map(|row| Edge { source: end(row, 0), target: end(row, 1) }).collect();
        let graph = Graph::new(graph["n"].as_u64().unwrap() as u32, &edges).unwrap();
        for (kind, column) in [
            (Transport::Ollivier(Idleness::HALF), "k_half"),
            (Transport::Ollivier(Idleness::new(0, 1).unwrap()), "k_0"),
            (Transport::LinLuYau, "k_lly"),
        ] {
            for (value, row) in transport_curvature(kind, &graph).iter().zip(rows) {
                assert_eq!(*value, ratio(&row[column]), "{name} {column} {}", row["e"]);
                compared += 1;
            }
        }
    }
    assert_eq!(compared, 3 * (78 + 20 + 5 + 15 + 14 + 12));
}

/// Graphs that are not simple are refused with the edge's position; a huge node count costs nothing.
#[test]
fn bad_graphs_are_refused() {
    let edge = |source, target| Edge { source, target };
    let curvature = |nodes, edges: &[Edge]| forman_curvature(Forman::Balanced, nodes, edges);
    assert_eq!(curvature(2, &[edge(0, 2)]), Err(GraphError::UnknownNode(0)));
    assert_eq!(curvature(2, &[edge(0, 1), edge(1, 1)]), Err(GraphError::SelfLoop(1)));
    assert_eq!(curvature(2, &[edge(0, 1), edge(1, 0)]), Err(GraphError::RepeatedEdge(1)));
    assert_eq!(curvature(0, &[]), Ok(vec![]));
    assert_eq!(curvature(u32::MAX, &[edge(0, 1)]), Ok(vec![0.0]));
}
