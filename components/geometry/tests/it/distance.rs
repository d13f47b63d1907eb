//! Golden values of distances, and refused points.

use serde_json::Value;
use skerry_geometry::distance::{DistanceError, Metric, between, to_many};

fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|value| value.as_f64().unwrap()).collect()
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
