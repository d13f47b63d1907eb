//! Estimates on samples of manifolds whose dimension and curvature are known.

use skerry_geometry::cloud::{Distances, curvature, hyperbolicity, maximum_likelihood, two_nearest};
use skerry_geometry::fault::AnalysisError;
use skerry_geometry::manifold::{Factor, Kind, Manifold};
use skerry_geometry::property::{Measure, nearest, outliers};
use skerry_geometry::robust::{median, z_scores};

struct Chance(u64);

impl Chance {
    fn uniform(&mut self) -> f64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 11) as f64 / (1_u64 << 53) as f64
    }

    fn normal(&mut self) -> f64 {
        (-2.0 * (1.0 - self.uniform()).ln()).sqrt() * (std::f64::consts::TAU * self.uniform()).cos()
    }
}

fn sphere(count: usize) -> Distances {
    let mut chance = Chance(3);
    let mut points = Vec::new();
    for _ in 0..count {
        let v = [chance.normal(), chance.normal(), chance.normal()];
        let length = v.iter().map(|x| x * x).sum::<f64>().sqrt();
        points.extend(v.map(|x| x / length));
    }
    Distances::of(&[Factor::new(Kind::Sphere, 3)], &points).unwrap()
}

/// Uniform in a disk of the hyperbolic plane.
fn hyperbolic(count: usize, radius: f64) -> Distances {
    let mut chance = Chance(4);
    let mut points = Vec::new();
    for _ in 0..count {
        let r = (1.0 + chance.uniform() * (radius.cosh() - 1.0)).acosh();
        let angle = std::f64::consts::TAU * chance.uniform();
        let in_disk = (r / 2.0).tanh();
        points.extend([in_disk * angle.cos(), in_disk * angle.sin()]);
    }
    Distances::of(&[Factor::new(Kind::Poincare, 2)], &points).unwrap()
}

fn flat(count: usize, dimension: usize, ambient: usize) -> Distances {
    let mut chance = Chance(5);
    let mut points = Vec::new();
    for _ in 0..count {
        points.extend((0..ambient).map(|axis| if axis < dimension { chance.uniform() } else { 0.5 }));
    }
    Distances::of(&[Factor::new(Kind::Euclidean, ambient as u32)], &points).unwrap()
}

#[test]
fn dimensions_of_known_samples() {
    for (name, cloud, expected) in [
        ("sphere", sphere(1_500), 2.0),
        ("hyperbolic plane", hyperbolic(1_500, 2.5), 2.0),
        ("line", flat(1_000, 1, 6), 1.0),
        ("cube", flat(1_500, 3, 6), 3.0),
    ] {
        for found in [two_nearest(&cloud).unwrap(), maximum_likelihood(&cloud, 10, 20).unwrap()] {
            assert!((found.dimension - expected).abs() < 0.12 * expected, "{name}: {found:?}");
            assert!(found.error > 0.0 && found.error < 0.1 * expected, "{name}: {found:?}");
        }
    }
    let one = Distances::of(&[Factor::new(Kind::Euclidean, 1)], &[1.0; 30]).unwrap();
    assert!(matches!(two_nearest(&one), Err(AnalysisError::Undefined(_))));
}

#[test]
fn curvatures_of_known_samples() {
    for (name, cloud, expected) in [
        ("sphere", sphere(1_500), 1.0),
        ("plane", flat(1_500, 2, 2), 0.0),
        ("hyperbolic", hyperbolic(1_500, 2.5), -1.0),
    ] {
        let found = curvature(&cloud, 2_000, 9).unwrap();
        assert!((found.curvature - expected).abs() < 0.25 && found.triangles > 100, "{name}: {found:?}");
        assert!(found.low <= found.curvature && found.curvature <= found.high, "{name}: {found:?}");
    }
    assert!(matches!(curvature(&flat(100, 6, 6), 200, 9), Err(AnalysisError::Undefined(_))));
}

/// A tree has delta 0, a square of side 1 has `2 sqrt 2 - 2` over 2; drawn fours find no more than all of them.
#[test]
fn four_points_tell_trees() {
    let line = Distances::of(&[Factor::new(Kind::Euclidean, 1)], &[0.0, 1.0, 3.0, 7.0, 8.5]).unwrap();
    let found = hyperbolicity(&line, 1_000, 1).unwrap();
    assert!(found.exact && found.fours == 5 && found.delta < 1e-12, "{found:?}");
    let square = [0.0, 0.0, 1.0, 0.0, 1.0, 1.0, 0.0, 1.0];
    let square = Distances::of(&[Factor::new(Kind::Euclidean, 2)], &square).unwrap();
    let found = hyperbolicity(&square, 1_000, 1).unwrap();
    assert!((found.delta - (2.0_f64.sqrt() - 1.0)).abs() < 1e-12, "{found:?}");
    let cloud = sphere(40);
    let (all, drawn) = (hyperbolicity(&cloud, 1 << 30, 1).unwrap(), hyperbolicity(&cloud, 5_000, 1).unwrap());
    assert!(all.exact && !drawn.exact && drawn.delta <= all.delta && drawn.delta > 0.7 * all.delta);
    assert!((drawn.mean / all.mean - 1.0).abs() < 0.05, "{all:?} {drawn:?}");
}

#[test]
fn nearest_and_outlying_points() {
    let ball = Manifold::new(&[Factor::new(Kind::Poincare, 2)]).unwrap();
    let points = [0.0, 0.0, 0.1, 0.0, 0.0, 0.12, -0.1, 0.05, 0.97, 0.0, 0.05, 0.05];
    let found = nearest(&ball, &[0.0, 0.0], &points, 3).unwrap();
    assert_eq!(found.iter().map(|near| near.point).collect::<Vec<_>>(), [0, 5, 1]);
    for measure in [Measure::Mean, Measure::Neighbour(2)] {
        let out = outliers(&ball, &points, measure).unwrap();
        let above: Vec<usize> = (0..6).filter(|&at| out.scores[at] > 3.5).collect();
        assert_eq!(above, [4], "{out:?}");
    }
    assert!(outliers(&ball, &points, Measure::Neighbour(6)).is_err());
    assert!(outliers(&ball, &points[..4], Measure::Mean).is_err());
}

#[test]
fn robust_statistics() {
    assert_eq!(median(&[3.0, 1.0, 2.0]).to_bits(), 2.0_f64.to_bits());
    assert_eq!(median(&[4.0, 1.0, 2.0, 3.0]).to_bits(), 2.5_f64.to_bits());
    let scores = z_scores(&[1.0, 2.0, 3.0, 4.0, 100.0]);
    assert!((scores[4] - 97.0 / 1.482_602_218_505_602).abs() < 1e-9, "{scores:?}");
    assert_eq!(z_scores(&[5.0; 4]), [0.0; 4]);
    assert!(z_scores(&[5.0, 5.0, 5.0, 9.0])[3] > 3.0 / 1.2533);
}
