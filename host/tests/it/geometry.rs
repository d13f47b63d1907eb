use skerry_host::types::{Edge, Factor, Forman, ManifoldKind, Metric};
use skerry_host::{
    AnalysisError, CallError, CurvatureError, DistanceError, Geometry, Limits, ManifoldError, MeanSettings, WarpPath,
};

use crate::artefacts::{ENGINE, LIMITS, component};

fn geometry() -> Geometry {
    Geometry::new(&ENGINE, &component("geometry"), LIMITS).unwrap()
}

/// Numbers, lists and enums arrive as they were sent.
#[test]
fn distances_come_back() {
    let geometry = geometry();
    assert_eq!(geometry.between(Metric::Euclidean, &[0.0, 0.0], &[3.0, 4.0]).unwrap().to_bits(), 5.0_f64.to_bits());
    let quarter = geometry.between(Metric::Sphere, &[1.0, 0.0], &[0.0, 2.0]).unwrap();
    assert!((quarter - std::f64::consts::FRAC_PI_2).abs() < 1e-12);
    let many = geometry.to_many(Metric::Euclidean, &[0.0, 0.0], &[3.0, 4.0, 6.0, 8.0]).unwrap();
    assert_eq!(many, [5.0, 10.0]);
}

/// The guest's named errors reach the caller with their positions.
#[test]
fn faults_are_named() {
    let geometry = geometry();
    let between = |x: &[f64], y: &[f64], metric| geometry.between(metric, x, y).unwrap_err();
    assert!(matches!(between(&[1.0], &[1.0, 2.0], Metric::Euclidean), DistanceError::Dimensions(_)));
    assert_eq!(between(&[1.0], &[f64::NAN], Metric::Euclidean), DistanceError::NotFinite(1));
    assert_eq!(between(&[0.0, 0.0], &[2.0, 0.0], Metric::Poincare), DistanceError::OffManifold(1));
    let forman = |edges: &[Edge]| geometry.forman_curvature(Forman::Plain, 3, edges).unwrap_err();
    let edge = |source, target| Edge { source, target };
    assert_eq!(forman(&[edge(0, 1), edge(1, 3)]), CurvatureError::UnknownNode(1));
    assert_eq!(forman(&[edge(1, 1)]), CurvatureError::SelfLoop(0));
    assert_eq!(forman(&[edge(0, 1), edge(1, 0)]), CurvatureError::RepeatedEdge(1));
}

/// A triangle: 4 - 2 - 2 for each edge, and 3 more for the triangle it lies in.
#[test]
fn curvature_of_a_triangle() {
    let geometry = geometry();
    let triangle = [Edge { source: 0, target: 1 }, Edge { source: 1, target: 2 }, Edge { source: 2, target: 0 }];
    assert_eq!(geometry.forman_curvature(Forman::Plain, 3, &triangle).unwrap(), [0.0; 3]);
    assert_eq!(geometry.forman_curvature(Forman::Augmented, 3, &triangle).unwrap(), [3.0; 3]);
}

/// Calls at once have an instance each: a thousand of them, on several threads, leave nothing behind and run out of nothing.
#[test]
fn instances_are_given_back() {
    let geometry = geometry();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for n in 0..1_000_u32 {
                    let x = f64::from(n);
                    assert_eq!(geometry.between(Metric::Euclidean, &[x], &[0.0]).unwrap().to_bits(), x.to_bits());
                }
            });
        }
    });
}

/// Named errors of the manifolds, with their points and numbers.
#[test]
fn faults_of_points_are_named() {
    let geometry = geometry();
    let sphere = [Factor::new(ManifoldKind::Sphere, 2)];
    let opposite = geometry.log(&sphere, &[1.0, 0.0], &[-1.0, 0.0]).unwrap_err();
    assert!(matches!(opposite, ManifoldError::CutLocus { point: 1, .. }), "{opposite}");
    let off = geometry.distances(&sphere, &[1.0, 0.0], &[0.0, 1.0, 2.0, 0.0]).unwrap_err();
    assert!(matches!(off, ManifoldError::OffManifold { point: 2, .. }), "{off}");
    let ball = [Factor::new(ManifoldKind::Poincare, 2)];
    let one_step = MeanSettings { iterations_max: 1, ..MeanSettings::default() };
    let stopped = geometry.frechet_mean(&ball, &[0.0, 0.0, 0.9, 0.1, -0.3, 0.8], &[], one_step).unwrap_err();
    assert!(matches!(stopped, ManifoldError::NoConvergence { iterations: 1, .. }), "{stopped}");
    let empty = geometry.dtw(&[], &[1.0], 1, None, WarpPath::Left).unwrap_err();
    assert!(matches!(empty, AnalysisError::Invalid(_)), "{empty}");
}

/// An instance that ran into its deadline must not serve the next call.
#[test]
fn failed_instances_are_thrown_away() {
    let limits = Limits { deadline: std::time::Duration::from_millis(30), ..LIMITS };
    let geometry = Geometry::new(&ENGINE, &component("geometry"), limits).unwrap();
    let long = vec![0.5; 14_000];
    let late = geometry.dtw(&long, &long, 1, None, WarpPath::Left).unwrap_err();
    assert_eq!(late, AnalysisError::Call(CallError::DeadlineExceeded));
    for _ in 0..3 {
        assert!(geometry.dtw(&[0.0, 1.0], &[0.0, 1.0], 1, None, WarpPath::Left).unwrap().distance < 1e-12);
    }
}
