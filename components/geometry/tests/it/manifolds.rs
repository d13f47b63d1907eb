//! Golden values of every manifold, and the laws that all of them keep.

use proptest::prelude::*;
use serde_json::Value;
use skerry_geometry::manifold::{
    Factor, Kind, Manifold, ManifoldError, MeanSettings, lorentz_to_poincare, moebius_add, poincare_to_lorentz,
};

use crate::numbers;

fn golden() -> Value {
    serde_json::from_str(include_str!("../fixtures/manifolds.json")).unwrap()
}

fn on(kind: Kind, size: u32) -> Manifold {
    Manifold::new(&[Factor::new(kind, size)]).unwrap()
}

fn flat(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().flat_map(numbers).collect()
}

#[track_caller]
fn assert_near(found: &[f64], expected: &[f64], tolerance: f64, what: &str) {
    assert_eq!(found.len(), expected.len(), "{what}");
    let size = expected.iter().fold(1.0_f64, |most, value| most.max(value.abs()));
    for (found, expected) in found.iter().zip(expected) {
        assert!((found - expected).abs() <= tolerance * size, "{what}: {found} is not {expected}");
    }
}

const TIGHT: f64 = 1e-11;

#[test]
fn sphere_and_poincare_are_golden() {
    let golden = golden();
    for (name, manifold) in [("sphere_2", on(Kind::Sphere, 3)), ("poincare_2", on(Kind::Poincare, 2))] {
        let items = golden[name]["items"].as_array().unwrap();
        assert!(items.len() >= 12);
        for item in items {
            let [x, y, v, w] = ["x", "y", "v", "w"].map(|name| numbers(&item[name]));
            assert_near(&manifold.exp(&x, &v).unwrap(), &numbers(&item["exp"]), TIGHT, "exp");
            assert_near(&manifold.log(&x, &y).unwrap(), &numbers(&item["log"]), TIGHT, "log");
            let carried = manifold.transport(&x, &y, &w).unwrap();
            assert_near(&carried, &numbers(&item["pt_w_x_to_y"]), TIGHT, "transport");
            let distance = manifold.distance(&x, &y).unwrap();
            assert_near(&[distance], &[item["dist"].as_f64().unwrap()], TIGHT, "distance");
        }
        let points = flat(&golden[name]["frechet"]["points"]);
        let mean = manifold.mean(&points, &[], MeanSettings::default()).unwrap();
        assert_near(&mean.point, &numbers(&golden[name]["frechet"]["mean"]), TIGHT, "mean");
        assert!(mean.unique && mean.gradient_norm <= 1e-12 && mean.iterations < 50, "{mean:?}");
    }
}

#[test]
fn hyperboloid_and_moebius_are_golden() {
    let lorentz = on(Kind::Lorentz, 3);
    for item in golden()["poincare_2"]["items"].as_array().unwrap() {
        let (x, y) = (numbers(&item["x"]), numbers(&item["y"]));
        assert_near(&moebius_add(&x, &y).unwrap(), &numbers(&item["mobius_add"]), TIGHT, "Moebius addition");
        let (a, b) = (numbers(&item["lorentz_x"]), numbers(&item["lorentz_y"]));
        assert_near(&poincare_to_lorentz(2, &x).unwrap(), &a, TIGHT, "lift");
        assert_near(&lorentz_to_poincare(3, &a).unwrap(), &x, TIGHT, "back");
        assert_near(&[lorentz.distance(&a, &b).unwrap()], &[item["dist"].as_f64().unwrap()], TIGHT, "distance");
    }
}

#[test]
fn matrices_are_golden() {
    let golden = golden();
    let [affine, log, bures] =
        [Kind::SpdAffineInvariant, Kind::SpdLogEuclidean, Kind::SpdBuresWasserstein].map(|kind| on(kind, 3));
    for item in golden["spd_3"]["items"].as_array().unwrap() {
        let [a, b, v] = ["A", "B", "V"].map(|name| flat(&item[name]));
        assert_near(&affine.exp(&a, &v).unwrap(), &flat(&item["ai_exp"]), TIGHT, "exp");
        assert_near(&affine.log(&a, &b).unwrap(), &flat(&item["ai_log"]), TIGHT, "log");
        assert_near(&affine.transport(&a, &b, &v).unwrap(), &flat(&item["ai_pt_V_A_to_B"]), TIGHT, "transport");
        assert_near(&log.log(&a, &b).unwrap(), &flat(&item["le_log"]), TIGHT, "log-Euclidean log");
        for (manifold, name) in [(&affine, "ai_dist"), (&log, "le_dist"), (&bures, "bw_dist")] {
            let expected = item[name].as_f64().unwrap();
            assert_near(&[manifold.distance(&a, &b).unwrap()], &[expected], TIGHT, name);
        }
    }
    let frechet = &golden["spd_3"]["frechet"];
    let points: Vec<f64> = frechet["points"].as_array().unwrap().iter().flat_map(flat).collect();
    for (manifold, name) in [(&affine, "ai_mean"), (&log, "le_mean")] {
        let mean = manifold.mean(&points, &[], MeanSettings::default()).unwrap();
        assert_near(&mean.point, &flat(&frechet[name]), TIGHT, name);
        assert!(mean.unique && mean.iterations < 60, "{mean:?}");
    }
}

#[test]
fn gaussians_are_golden() {
    let gaussian = on(Kind::Gaussian, 1);
    for item in golden()["gaussian1d_fisher_rao"]["items"].as_array().unwrap() {
        let distance = gaussian.distance(&numbers(&item["a"]), &numbers(&item["b"])).unwrap();
        assert_near(&[distance], &[item["dist"].as_f64().unwrap()], TIGHT, "Fisher-Rao");
    }
}

/// A diagonal Gaussian is the product of its parts, a categorical distribution a point of a sphere of radius 2, closed forms.
#[test]
fn closed_forms_hold() {
    let (one, two) = (on(Kind::Gaussian, 1), on(Kind::Gaussian, 2));
    let first = one.distance(&[0.0, 1.0], &[1.0, 2.0]).unwrap();
    let second = one.distance(&[3.0, 0.5], &[3.0, 4.0]).unwrap();
    // Along sigma alone the distance is sqrt 2 times the logarithm of the quotient.
    assert_near(&[second], &[2.0_f64.sqrt() * 8.0_f64.ln()], TIGHT, "scaling");
    let both = two.distance(&[0.0, 1.0, 3.0, 0.5], &[1.0, 2.0, 3.0, 4.0]).unwrap();
    assert_near(&[both], &[first.hypot(second)], TIGHT, "product");
    let categorical = on(Kind::Categorical, 3);
    let corners = categorical.distance(&[1.0, 0.0, 0.0], &[0.0, 1.0, 0.0]).unwrap();
    assert_near(&[corners], &[std::f64::consts::PI], TIGHT, "corners are a quarter of a circle of radius 2 apart");
    // 2 arccos(sum sqrt(p q)).
    let (p, q): ([f64; 3], [f64; 3]) = ([0.2, 0.3, 0.5], [0.6, 0.1, 0.3]);
    let expected = 2.0 * p.iter().zip(q).map(|(p, q)| (p * q).sqrt()).sum::<f64>().acos();
    assert_near(&[categorical.distance(&p, &q).unwrap()], &[expected], TIGHT, "Bhattacharyya angle");
}

/// The weights of a product multiply squared distances; a part of the data that weighs more counts more in the mean.
#[test]
fn products_and_weights_count() {
    let factors =
        [Factor { kind: Kind::Euclidean, size: 1, weight: 4.0 }, Factor { kind: Kind::Sphere, size: 2, weight: 0.25 }];
    let product = Manifold::new(&factors).unwrap();
    let distance = product.distance(&[0.0, 1.0, 0.0], &[3.0, 0.0, 1.0]).unwrap();
    let quarter = std::f64::consts::FRAC_PI_2;
    assert_near(&[distance], &[(4.0 * 9.0 + 0.25 * quarter * quarter).sqrt()], TIGHT, "product");
    let line = on(Kind::Euclidean, 1);
    let mean = line.mean(&[0.0, 10.0], &[3.0, 1.0], MeanSettings::default()).unwrap();
    assert_near(&[mean.point[0], mean.variance, mean.radius], &[2.5, 18.75, 7.5], TIGHT, "weighted mean");
}

/// A naive whole step overshoots here: ten points up to 14 units apart in the ball.
#[test]
fn means_of_wide_clouds_converge() {
    let ball = on(Kind::Poincare, 2);
    let mut points = Vec::new();
    for step in 0..10 {
        let angle = f64::from(step) * 2.3;
        let radius = (f64::from(step + 1) * 0.35).tanh();
        points.extend([radius * angle.cos(), radius * angle.sin()]);
    }
    let mean = ball.mean(&points, &[], MeanSettings::default()).unwrap();
    assert!(mean.gradient_norm <= 1e-11 && mean.unique, "{mean:?}");
    let few = MeanSettings { iterations_max: 1, ..MeanSettings::default() };
    let error = ball.mean(&points, &[], few).unwrap_err();
    assert!(
        matches!(error, ManifoldError::NoConvergence { iterations: 1, gradient_norm } if gradient_norm > 1e-3),
        "{error}"
    );
}

/// Every refusal names the point and why.
#[test]
fn bad_points_are_refused() {
    use ManifoldError::{CutLocus, Dimensions, NotFinite, OffManifold, Undefined};
    let sphere = on(Kind::Sphere, 3);
    assert!(matches!(sphere.distance(&[1.0, 0.0], &[1.0, 0.0, 0.0]), Err(Dimensions(_))));
    assert_eq!(sphere.distance(&[1.0, 0.0, 0.0], &[f64::NAN, 0.0, 0.0]), Err(NotFinite(1)));
    let off = |error: ManifoldError| match error {
        OffManifold { point, .. } => point,
        other => panic!("{other}"),
    };
    assert_eq!(off(sphere.distance(&[1.0, 0.0, 0.0], &[1.0, 1.0, 0.0]).unwrap_err()), 1);
    assert_eq!(off(sphere.exp(&[1.0, 0.0, 0.0], &[1.0, 0.0, 0.0]).unwrap_err()), 1);
    let opposite = sphere.log(&[1.0, 0.0, 0.0], &[-1.0, 0.0, 0.0]);
    assert!(matches!(opposite, Err(CutLocus { point: 1, .. })), "{opposite:?}");
    let nowhere = sphere.mean(&[1.0, 0.0, 0.0, -1.0, 0.0, 0.0], &[], MeanSettings::default());
    assert!(matches!(nowhere, Err(CutLocus { .. })), "{nowhere:?}");
    let spd = on(Kind::SpdAffineInvariant, 2);
    let good = [1.0, 0.0, 0.0, 1.0];
    for bad in [[1.0, 2.0, 2.0, 1.0], [1.0, 0.5, 0.0, 1.0], [0.0; 4]] {
        assert_eq!(off(spd.distances(&good, &[good, bad].concat()).unwrap_err()), 2);
        assert_eq!(off(spd.pair_distances(&[good, good].concat(), &[good, bad].concat()).unwrap_err()), 3);
        assert_eq!(off(spd.pair_distances(&[good, bad].concat(), &[good, good].concat()).unwrap_err()), 1);
    }
    let bures = on(Kind::SpdBuresWasserstein, 2);
    assert!(matches!(bures.transport(&good, &good, &good), Err(Undefined(_))));
    assert_eq!(off(on(Kind::Gaussian, 1).distance(&[0.0, 1.0], &[0.0, 0.0]).unwrap_err()), 1);
    assert_eq!(off(on(Kind::Categorical, 2).log(&[1.0, 0.0], &[0.5, 0.5]).unwrap_err()), 0);
    assert_eq!(off(on(Kind::Poincare, 2).distance(&[0.0, 0.0], &[0.8, 0.8]).unwrap_err()), 1);
    assert_eq!(off(on(Kind::Lorentz, 2).distance(&[1.0, 0.0], &[1.0, 1.0]).unwrap_err()), 1);
    assert!(Manifold::new(&[]).is_err() && Manifold::new(&[Factor::new(Kind::Sphere, 1)]).is_err());
    assert!(Manifold::new(&[Factor { kind: Kind::Euclidean, size: 1, weight: 0.0 }]).is_err());
}

/// A point of a manifold from any numbers.
fn place(kind: Kind, seed: &[f64]) -> Vec<f64> {
    let length = seed.iter().map(|value| value * value).sum::<f64>().sqrt().max(1e-3);
    match kind {
        Kind::Sphere => {
            let mut point = seed[..3].to_vec();
            // Within a quarter of the circle of a pole, so that nothing is near a cut locus.
            point[0] = 1.0 + point[1].hypot(point[2]);
            let length = point.iter().map(|value| value * value).sum::<f64>().sqrt();
            point.iter().map(|value| value / length).collect()
        }
        Kind::Poincare => seed[..3].iter().map(|value| value / length * (length / 2.0).tanh()).collect(),
        Kind::Lorentz => {
            let space = &seed[..3];
            let time = (1.0 + space.iter().map(|value| value * value).sum::<f64>()).sqrt();
            [&[time], space].concat()
        }
        Kind::Gaussian => vec![seed[0], seed[1].exp(), seed[2], (seed[3] / 2.0).exp()],
        Kind::Categorical => {
            let shares: Vec<f64> = seed[..4].iter().map(|value| value.exp()).collect();
            let sum: f64 = shares.iter().sum();
            shares.iter().map(|share| share / sum).collect()
        }
        Kind::Euclidean => seed[..3].to_vec(),
        _ => {
            let rows: Vec<&[f64]> = seed.chunks_exact(3).take(3).collect();
            let mut matrix = Vec::new();
            for i in 0..3 {
                for j in 0..3 {
                    let sum: f64 = rows[i].iter().zip(rows[j]).map(|(a, b)| a * b).sum();
                    matrix.push(sum + f64::from(u8::from(i == j)) * 0.3);
                }
            }
            matrix
        }
    }
}

const ALL: [(Kind, u32); 9] = [
    (Kind::Euclidean, 3),
    (Kind::Sphere, 3),
    (Kind::Poincare, 3),
    (Kind::Lorentz, 4),
    (Kind::SpdAffineInvariant, 3),
    (Kind::SpdLogEuclidean, 3),
    (Kind::SpdBuresWasserstein, 3),
    (Kind::Gaussian, 2),
    (Kind::Categorical, 4),
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// exp undoes log, the distance is the length of the logarithm and obeys the triangle, a geodesic's middle halves it, transport there
    /// and back changes nothing and keeps the tangent of the geodesic.
    #[test]
    fn laws_hold(seeds in prop::collection::vec(-2.0..2.0_f64, 27), which in 0..ALL.len()) {
        let (kind, size) = ALL[which];
        let manifold = on(kind, size);
        let [x, y, z] = [0, 9, 18].map(|from| place(kind, &seeds[from..from + 9]));
        let log = manifold.log(&x, &y).unwrap();
        assert_near(&manifold.exp(&x, &log).unwrap(), &y, 1e-8, "exp of log");
        let apart = manifold.distance(&x, &y).unwrap();
        prop_assert!((apart - manifold.distance(&y, &x).unwrap()).abs() < 1e-10 * (1.0 + apart));
        let around = manifold.distance(&x, &z).unwrap() + manifold.distance(&z, &y).unwrap();
        prop_assert!(apart <= around + 1e-9);
        let middle = manifold.geodesic(&x, &y, &[0.5]).unwrap();
        for end in [&x, &y] {
            let half = manifold.distance(end, &middle).unwrap();
            prop_assert!((2.0 * half - apart).abs() < 1e-8 * (1.0 + apart), "{kind:?}: {half} of {apart}");
        }
        let mean = manifold.mean(&[x.clone(), y.clone()].concat(), &[], MeanSettings::default()).unwrap();
        prop_assert!(manifold.distance(&mean.point, &middle).unwrap() < 1e-6 * (1.0 + apart));
        if kind == Kind::SpdBuresWasserstein {
            return Ok(());
        }
        let there = manifold.transport(&x, &y, &log).unwrap();
        let back: Vec<f64> = manifold.log(&y, &x).unwrap().iter().map(|value| -value).collect();
        assert_near(&there, &back, 1e-7, "the tangent is carried to the tangent");
        let other = manifold.log(&x, &z).unwrap();
        let round = manifold.transport(&y, &x, &manifold.transport(&x, &y, &other).unwrap()).unwrap();
        assert_near(&round, &other, 1e-7, "there and back");
    }

    /// One to many, rows and all pairs are the same numbers as one by one, to the last bit.
    #[test]
    fn batches_equal_single_calls(seeds in prop::collection::vec(-2.0..2.0_f64, 36), which in 0..ALL.len()) {
        let (kind, size) = ALL[which];
        let manifold = on(kind, size);
        let points: Vec<Vec<f64>> = seeds.chunks_exact(9).map(|seed| place(kind, seed)).collect();
        let flat = points.concat();
        let one = |a: usize, b: usize| manifold.distance(&points[a], &points[b]).unwrap();
        let many = manifold.distances(&points[0], &flat).unwrap();
        prop_assert_eq!(&many, &(0..4).map(|b| one(0, b)).collect::<Vec<_>>());
        let rows = manifold.pair_distances(&flat, &points[1..].iter().chain(&points[..1]).flatten().copied().collect::<Vec<_>>());
        prop_assert_eq!(rows.unwrap(), vec![one(0, 1), one(1, 2), one(2, 3), one(3, 0)]);
        let all = manifold.all_distances(&flat).unwrap();
        prop_assert_eq!(all, vec![one(0, 1), one(0, 2), one(0, 3), one(1, 2), one(1, 3), one(2, 3)]);
        let logs = manifold.log(&points[0], &flat).unwrap();
        prop_assert_eq!(&logs[flat.len() / 4..flat.len() / 2], manifold.log(&points[0], &points[1]).unwrap());
    }
}
