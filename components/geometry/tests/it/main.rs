//! Golden values of curvature and distance, and refused input.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

mod clouds;
mod manifolds;
mod networks;
mod series;

use serde_json::Value;
use skerry_geometry::curvature::{CurvatureError, Edge, Forman, forman_curvature};
use skerry_geometry::distance::{DistanceError, Metric, between, to_many};

pub(crate) fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|value| value.as_f64().unwrap()).collect()
}

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

/// Distances on sphere and Poincare ball, both ways round, one and many.
#[test]
fn distances_are_golden() {
    let golden: Value = serde_json::from_str(include_str!("../fixtures/manifolds.json")).unwrap();
    for (name, metric) in [("sphere_2", Metric::Sphere), ("poincare_2", Metric::Poincare)] {
        let items = golden[name]["items"].as_array().unwrap();
        assert!(!items.is_empty());
        for item in items {
            let (x, y, expected) = (numbers(&item["x"]), numbers(&item["y"]), item["dist"].as_f64().unwrap());
            for distance in [between(metric, &x, &y).unwrap(), between(metric, &y, &x).unwrap()] {
                assert!((distance - expected).abs() < 1e-10 * expected.max(1.0), "{name}: {distance} != {expected}");
            }
            let both = [y.clone(), x.clone()].concat();
            assert_eq!(to_many(metric, &x, &both).unwrap(), [between(metric, &x, &y).unwrap(), 0.0]);
        }
    }
}

/// Points close together keep their digits: a naive arccos gives 0 for the first of these.
#[test]
fn near_points_are_measured() {
    let tiny = 1e-9;
    let sphere = between(Metric::Sphere, &[1.0, 0.0], &[1.0, tiny]).unwrap();
    assert!((sphere / tiny - 1.0).abs() < 1e-6, "{sphere}");
    let poincare = between(Metric::Poincare, &[0.0, 0.0], &[0.0, tiny]).unwrap();
    assert!((poincare / (2.0 * tiny) - 1.0).abs() < 1e-6, "{poincare}");
    let cosine = between(Metric::Cosine, &[1.0, 0.0], &[1.0, tiny]).unwrap();
    assert!((cosine / (tiny * tiny / 2.0) - 1.0).abs() < 1e-6, "{cosine}");
    let large = between(Metric::Euclidean, &[1e200, 0.0], &[0.0, 0.0]).unwrap();
    assert!((large / 1e200 - 1.0).abs() < 1e-15, "squares must not overflow: {large}");
    assert!((between(Metric::Sphere, &[1.0, 0.0], &[-1.0, 0.0]).unwrap() - std::f64::consts::PI).abs() < 1e-15);
}

/// Every refusal names the point.
#[test]
fn bad_points_are_refused() {
    use DistanceError::{Dimensions, NotFinite, OffManifold};
    assert!(matches!(between(Metric::Euclidean, &[1.0], &[1.0, 2.0]), Err(Dimensions(_))));
    assert!(matches!(between(Metric::Euclidean, &[], &[]), Err(Dimensions(_))));
    assert!(matches!(to_many(Metric::Euclidean, &[1.0, 2.0], &[1.0; 3]), Err(Dimensions(_))));
    assert_eq!(between(Metric::Euclidean, &[f64::NAN], &[1.0]), Err(NotFinite(0)));
    assert_eq!(between(Metric::Euclidean, &[1.0], &[f64::INFINITY]), Err(NotFinite(1)));
    assert_eq!(between(Metric::Sphere, &[0.0, 0.0], &[1.0, 0.0]), Err(OffManifold(0)));
    assert_eq!(between(Metric::Poincare, &[0.0, 0.0], &[1.0, 0.0]), Err(OffManifold(1)));
}

/// Graphs that are not simple are refused with the edge's position; a huge node count costs nothing.
#[test]
fn bad_graphs_are_refused() {
    let edge = |source, target| Edge { source, target };
    let curvature = |nodes, edges: &[Edge]| forman_curvature(Forman::Balanced, nodes, edges);
    assert_eq!(curvature(2, &[edge(0, 2)]), Err(CurvatureError::UnknownNode(0)));
    assert_eq!(curvature(2, &[edge(0, 1), edge(1, 1)]), Err(CurvatureError::SelfLoop(1)));
    assert_eq!(curvature(2, &[edge(0, 1), edge(1, 0)]), Err(CurvatureError::RepeatedEdge(1)));
    assert_eq!(curvature(0, &[]), Ok(vec![]));
    assert_eq!(curvature(u32::MAX, &[edge(0, 1)]), Ok(vec![0.0]));
}
