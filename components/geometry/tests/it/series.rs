//! Warping against golden values and another implementation, covariances against scikit-learn's, changes that were put in on purpose.

use serde_json::Value;
use skerry_geometry::fault::AnalysisError;
use skerry_geometry::linear::tridiagonal;
use skerry_geometry::series::trajectory::{Moment, Shrinkage, Windows, changes, distance, moment, trajectory};
use skerry_geometry::series::{Path, dtw};

use crate::numbers;

fn oracle() -> Value {
    serde_json::from_str(include_str!("../fixtures/analysis.json")).unwrap()
}

#[track_caller]
fn assert_near(found: &[f64], expected: &[f64], tolerance: f64) {
    assert_eq!(found.len(), expected.len());
    for (found, expected) in found.iter().zip(expected) {
        assert!((found - expected).abs() <= tolerance * expected.abs().max(1.0), "{found} is not {expected}");
    }
}

/// The path must cost what the distance says, and never go back.
#[test]
fn warping_is_golden() {
    let golden: Value = serde_json::from_str(include_str!("../fixtures/dtw.json")).unwrap();
    for item in golden["dtw_sqrt_of_squared_costs"].as_array().unwrap() {
        let (x, y) = (numbers(&item["x"]), numbers(&item["y"]));
        let warping = dtw(&x, &y, 1, None, Path::Wanted).unwrap();
        assert_near(&[warping.distance], &[item["d"].as_f64().unwrap()], 1e-12);
        let costs = warping.path.iter().map(|&(i, j)| (x[i as usize] - y[j as usize]).powi(2));
        assert_near(&[costs.sum::<f64>().sqrt()], &[warping.distance], 1e-12);
        assert!(warping.path.windows(2).all(|pair| {
            let (di, dj) = (pair[1].0 - pair[0].0, pair[1].1 - pair[0].1);
            di <= 1 && dj <= 1 && di + dj > 0
        }));
    }
}

#[test]
fn warping_equals_another_implementation() {
    let oracle = oracle();
    for item in oracle["dtw"].as_array().unwrap() {
        let window = item["window"].as_u64().map(|window| window as u32);
        let (x, y) = (numbers(&item["x"]), numbers(&item["y"]));
        let expected = item["distance"].as_f64().unwrap();
        for path in [Path::Left, Path::Wanted] {
            assert_near(&[dtw(&x, &y, 1, window, path).unwrap().distance], &[expected], 1e-12);
        }
    }
    let rows = &oracle["dtw_3"];
    let warping = dtw(&numbers(&rows["x"]), &numbers(&rows["y"]), 3, None, Path::Left).unwrap();
    assert_near(&[warping.distance], &[rows["distance"].as_f64().unwrap()], 1e-12);
}

#[test]
fn what_cannot_be_warped_is_refused() {
    assert!(matches!(dtw(&[], &[1.0], 1, None, Path::Left), Err(AnalysisError::Invalid(_))));
    assert!(matches!(dtw(&[1.0; 3], &[1.0; 2], 2, None, Path::Left), Err(AnalysisError::Invalid(_))));
    assert_eq!(dtw(&[1.0; 2], &[f64::NAN], 1, None, Path::Left), Err(AnalysisError::NotFinite(2)));
    let long = vec![0.0; 20_000];
    assert!(matches!(dtw(&long, &long, 1, None, Path::Left), Err(AnalysisError::TooLarge(_))));
    assert_near(&[dtw(&long, &long, 1, Some(10), Path::Left).unwrap().distance], &[0.0], 0.0);
}

#[test]
fn shrinkage_is_that_of_ledoit_and_wolf() {
    for item in oracle()["ledoit_wolf"].as_array().unwrap() {
        let columns = item["columns"].as_u64().unwrap() as u32;
        let rows = numbers(&item["rows"]);
        let (matrix, part) = moment(&rows, columns, Moment::Covariance, Shrinkage::LedoitWolf).unwrap();
        assert_near(&[part], &[item["shrinkage"].as_f64().unwrap()], 1e-10);
        assert_near(&matrix, &numbers(&item["covariance"]), 1e-10);
        let (correlation, _) = moment(&rows, columns, Moment::Correlation, Shrinkage::LedoitWolf).unwrap();
        let diagonal: Vec<f64> = (0..columns as usize).map(|i| correlation[i * (columns as usize + 1)]).collect();
        assert_near(&diagonal, &vec![1.0; columns as usize], 1e-12);
    }
    let constant = [1.0, 2.0, 1.0, 3.0, 1.0, 4.0];
    let refused = moment(&constant, 2, Moment::Correlation, Shrinkage::LedoitWolf);
    assert!(matches!(refused, Err(AnalysisError::Undefined(_))), "{refused:?}");
    let singular = moment(&[0.0, 0.0, 1.0, 2.0], 2, Moment::Covariance, Shrinkage::Fixed(0.0));
    assert!(matches!(singular, Err(AnalysisError::Undefined(_))), "{singular:?}");
}

/// Two columns that go together for 300 rows, then against each other: the change is found where it is, and nowhere else.
#[test]
fn a_change_of_correlation_is_found() {
    let mut state = 7_u64;
    let mut noise = || {
        let sum: f64 = (0..12)
            .map(|_| {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                (state >> 11) as f64 / (1_u64 << 53) as f64
            })
            .sum();
        sum - 6.0
    };
    let mut rows = Vec::new();
    for t in 0..600 {
        let shared = noise();
        let sign = if t < 300 { 1.0 } else { -1.0 };
        rows.extend([shared + 0.3 * noise(), sign * shared + 0.3 * noise()]);
    }
    let windows = Windows { length: 60, step: 20, moment: Moment::Correlation, shrinkage: Shrinkage::LedoitWolf };
    let path = trajectory(&rows, 2, windows).unwrap();
    assert_eq!(path.matrices.len(), 4 * 28);
    let found = changes(&path.matrices, 2, 3.5).unwrap();
    // Windows 12 to 15 begin before row 300 and end after it.
    assert!(!found.changes.is_empty() && found.changes.iter().all(|at| (11..15).contains(at)), "{:?}", found.changes);
    assert_near(&[distance(&path.matrices, &path.matrices, 2, None).unwrap().distance], &[0.0], 1e-6);
    let (early, late) = (&path.matrices[..40], &path.matrices[72..]);
    assert!(distance(early, late, 2, None).unwrap().distance > 3.0);
}

#[test]
fn eigenvalues_are_those_of_lapack() {
    let item = &oracle()["eigen"];
    let (a, expected) = (numbers(&item["a"]), numbers(&item["values"]));
    assert_near(&tridiagonal::values(&a, 40), &expected, 1e-12);
    let (values, vectors) = tridiagonal::eigen(&a, 40);
    assert_near(&values, &expected, 1e-12);
    for (value, vector) in values.iter().zip(vectors.chunks_exact(40)) {
        let image: Vec<f64> = a.chunks_exact(40).map(|row| row.iter().zip(vector).map(|(a, b)| a * b).sum()).collect();
        assert_near(&image, &vector.iter().map(|component| value * component).collect::<Vec<_>>(), 1e-12);
    }
}
