//! Geometry gives the same bits natively and as a component: replicas that compute by themselves must agree. One digest over all functions
//! of manifolds, series, clouds, spectra, layers and trees, committed.

use sha2::{Digest, Sha256};
use skerry_geometry::cloud::{self, Distances};
use skerry_geometry::manifold::{self as core, Factor as CoreFactor, Kind, Manifold};
use skerry_geometry::property::{self, Measure};
use skerry_geometry::series::trajectory::{self, Moment as CoreMoment, Shrinkage as CoreShrinkage};
use skerry_geometry::series::{Path, dtw};
use skerry_geometry::spectral::{self, Edge, Hamiltonian as CoreHamiltonian};
use skerry_geometry::{hierarchy, multilayer};
use skerry_host::types::{
    CloudWishes, Factor, Hamiltonian, ManifoldKind, Moment, OutlierMeasure, Shrinkage, WeightedEdge, Windows,
};
use skerry_host::{Geometry, MeanSettings, WarpPath};

use crate::artefacts::{ENGINE, LIMITS, component};

/// SHA-256 of all numbers, as little-endian `f64` one after another. It changes with the arithmetic; the failing test prints the new one.
const DIGEST: &str = "4f297ac614311b6822607f81f2793eb2bcfd46cb2b29e5bc4a0431af050a7a24";

const KINDS: [(Kind, ManifoldKind, u32); 9] = [
    (Kind::Euclidean, ManifoldKind::Euclidean, 3),
    (Kind::Sphere, ManifoldKind::Sphere, 4),
    (Kind::Poincare, ManifoldKind::Poincare, 3),
    (Kind::Lorentz, ManifoldKind::Lorentz, 3),
    (Kind::SpdAffineInvariant, ManifoldKind::SpdAffineInvariant, 3),
    (Kind::SpdLogEuclidean, ManifoldKind::SpdLogEuclidean, 4),
    (Kind::SpdBuresWasserstein, ManifoldKind::SpdBuresWasserstein, 2),
    (Kind::Gaussian, ManifoldKind::Gaussian, 2),
    (Kind::Categorical, ManifoldKind::Categorical, 4),
];

/// Numbers from a linear congruential generator, -1 to 1.
struct Chance(u64);

impl Chance {
    fn next(&mut self) -> f64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 11) as f64 / (1_u64 << 52) as f64 - 1.0
    }

    fn take(&mut self, count: usize) -> Vec<f64> {
        (0..count).map(|_| self.next()).collect()
    }

    /// A point, made without any transcendental function.
    fn point(&mut self, kind: Kind, size: usize) -> Vec<f64> {
        match kind {
            Kind::Sphere => {
                let mut point = self.take(size);
                point[0] = 2.0;
                let length = point.iter().map(|x| x * x).sum::<f64>().sqrt();
                point.iter().map(|x| x / length).collect()
            }
            Kind::Poincare => self.take(size).iter().map(|x| x * 0.55).collect(),
            Kind::Lorentz => {
                let space = self.take(size - 1);
                let time = (1.0 + space.iter().map(|x| x * x).sum::<f64>()).sqrt();
                [vec![time], space].concat()
            }
            Kind::Gaussian => (0..size).flat_map(|_| [self.next(), self.next() + 1.5]).collect(),
            Kind::Categorical => {
                let shares: Vec<f64> = self.take(size).iter().map(|x| x + 1.2).collect();
                let sum: f64 = shares.iter().sum();
                shares.iter().map(|share| share / sum).collect()
            }
            Kind::Euclidean => self.take(size),
            _ => {
                let rows = self.take(size * size);
                let product =
                    |i: usize, j: usize| (0..size).map(|k| rows[i * size + k] * rows[j * size + k]).sum::<f64>();
                (0..size * size)
                    .map(|at| product(at / size, at % size) + if at % (size + 1) == 0 { 0.2 } else { 0.0 })
                    .collect()
            }
        }
    }
}

/// What was computed natively and by the component, compared as it comes.
struct Both(Sha256);

impl Both {
    #[track_caller]
    fn same(&mut self, native: &[f64], component: &[f64], what: &str) {
        let bits = |numbers: &[f64]| numbers.iter().map(|number| number.to_bits()).collect::<Vec<_>>();
        assert_eq!(bits(native), bits(component), "{what}");
        native.iter().for_each(|number| self.0.update(number.to_le_bytes()));
    }
}

fn manifolds(both: &mut Both, geometry: &Geometry, chance: &mut Chance) {
    for (kind, other, size) in KINDS {
        let native = Manifold::new(&[CoreFactor { kind, size, weight: 1.5 }]).unwrap();
        let on = [Factor { kind: other, size, weight: 1.5 }];
        let points: Vec<Vec<f64>> = (0..12).map(|_| chance.point(kind, size as usize)).collect();
        let (x, y, all) = (&points[0], &points[1], points.concat());
        let name = format!("{kind:?}");
        both.same(&native.distances(x, &all).unwrap(), &geometry.distances(&on, x, &all).unwrap(), &name);
        both.same(&native.all_distances(&all).unwrap(), &geometry.all_distances(&on, &all).unwrap(), &name);
        let log = native.log(x, &all).unwrap();
        both.same(&log, &geometry.log(&on, x, &all).unwrap(), &name);
        both.same(&native.exp(x, &log).unwrap(), &geometry.exp(&on, x, &log).unwrap(), &name);
        let times = [-0.1, 0.0, 0.3, 1.0];
        both.same(&native.geodesic(x, y, &times).unwrap(), &geometry.geodesic(&on, x, y, &times).unwrap(), &name);
        if kind != Kind::SpdBuresWasserstein {
            let carried = native.transport(x, y, &log).unwrap();
            both.same(&carried, &geometry.transport(&on, x, y, &log).unwrap(), &name);
        }
        let mean = native.mean(&all, &[], core::MeanSettings::default()).unwrap();
        let found = geometry.frechet_mean(&on, &all, &[], MeanSettings::default()).unwrap();
        both.same(&mean.point, &found.point, &name);
        both.same(
            &[mean.variance, mean.radius, mean.gradient_norm],
            &[found.variance, found.radius, found.gradient_norm],
            &name,
        );
        for (measure, by) in
            [(Measure::Mean, OutlierMeasure::Mean), (Measure::Neighbour(3), OutlierMeasure::Neighbour(3))]
        {
            let out = property::outliers(&native, &all, measure).unwrap();
            both.same(&out.scores, &geometry.outliers(&on, &all, by).unwrap().scores, &name);
        }
    }
    let ball = chance.point(Kind::Poincare, 3);
    let lifted = core::poincare_to_lorentz(3, &ball).unwrap();
    both.same(&lifted, &geometry.poincare_to_lorentz(3, &ball).unwrap(), "lift");
    let back = core::lorentz_to_poincare(4, &lifted).unwrap();
    both.same(&back, &geometry.lorentz_to_poincare(4, &lifted).unwrap(), "back");
    let other = chance.point(Kind::Poincare, 3);
    both.same(&core::moebius_add(&ball, &other).unwrap(), &geometry.moebius_add(&ball, &other).unwrap(), "Moebius");
}

fn series(both: &mut Both, geometry: &Geometry, chance: &mut Chance) {
    let (x, y) = (chance.take(120), chance.take(90));
    let native = dtw(&x, &y, 3, Some(5), Path::Wanted).unwrap();
    both.same(&[native.distance], &[geometry.dtw(&x, &y, 3, Some(5), WarpPath::Wanted).unwrap().distance], "dtw");
    let (native, windows) = (
        trajectory::Windows {
            length: 12,
            step: 4,
            moment: CoreMoment::Correlation,
            shrinkage: CoreShrinkage::LedoitWolf,
        },
        Windows { length: 12, step: 4, moment: Moment::Correlation, shrinkage: Shrinkage::LedoitWolf },
    );
    let path = trajectory::trajectory(&x, 3, native).unwrap();
    let found = geometry.trajectory(&x, 3, windows).unwrap();
    both.same(&path.matrices, &found.matrices, "trajectory");
    let moves = trajectory::changes(&path.matrices, 3, 2.0).unwrap();
    both.same(&moves.scores, &geometry.changes(&found.matrices, 3, 2.0).unwrap().scores, "changes");
    let half = &path.matrices[..27];
    let apart = trajectory::distance(&path.matrices, half, 3, None).unwrap();
    both.same(&[apart.distance], &[geometry.path_distance(&path.matrices, half, 3, None).unwrap().distance], "paths");
}

fn clouds(both: &mut Both, geometry: &Geometry, chance: &mut Chance) {
    let points = chance.take(2 * 400);
    let wishes = CloudWishes { fours_max: 2_000, triangles: 500, ..CloudWishes::default() };
    let found = geometry.cloud(&[Factor::new(ManifoldKind::Euclidean, 2)], &points, wishes).unwrap();
    let distances = Distances::of(&[CoreFactor::new(Kind::Euclidean, 2)], &points).unwrap();
    let (two, many) = (found.two_nearest.unwrap(), found.maximum_likelihood.unwrap());
    let native = cloud::two_nearest(&distances).unwrap();
    both.same(&[native.dimension, native.error], &[two.dimension, two.error], "two nearest");
    let native = cloud::maximum_likelihood(&distances, 10, 20).unwrap();
    both.same(&[native.dimension, native.error], &[many.dimension, many.error], "likelihood");
    let (native, four) = (cloud::hyperbolicity(&distances, 2_000, 1).unwrap(), found.hyperbolicity.unwrap());
    both.same(&[native.delta, native.mean], &[four.delta, four.mean], "four points");
    let (native, bent) = (cloud::curvature(&distances, 500, 1).unwrap(), found.curvature.unwrap());
    both.same(&[native.curvature, native.low, native.high], &[bent.curvature, bent.low, bent.high], "triangles");
}

fn graphs(both: &mut Both, geometry: &Geometry, chance: &mut Chance) {
    let mut layer = || -> (Vec<Edge>, Vec<WeightedEdge>) {
        let ends: Vec<(u32, u32, f64)> = (0..70)
            .map(|_| ((chance.next().abs() * 24.0) as u32, (chance.next().abs() * 24.0) as u32, chance.next() + 1.1))
            .filter(|(a, b, _)| a != b)
            .collect();
        let native = ends.iter().map(|&(source, target, weight)| Edge { source, target, weight }).collect();
        (native, ends.into_iter().map(|(source, target, weight)| WeightedEdge { source, target, weight }).collect())
    };
    let ((a, other_a), (b, other_b)) = (layer(), layer());
    let native = spectral::entropies(24, &a, 0.7).unwrap();
    let found = geometry.entropies(24, &other_a, 0.7).unwrap();
    both.same(
        &[native.von_neumann, native.renyi_2, native.purity, native.gibbs],
        &[found.von_neumann, found.renyi2, found.purity, found.gibbs],
        "entropies",
    );
    both.same(&spectral::spectrum(24, &a).unwrap(), &geometry.spectrum(24, &other_a).unwrap(), "spectrum");
    both.same(
        &[spectral::divergence(24, &a, &b).unwrap()],
        &[geometry.divergence(24, &other_a, &other_b).unwrap()],
        "divergence",
    );
    for (native, hamiltonian) in
        [(CoreHamiltonian::Adjacency, Hamiltonian::Adjacency), (CoreHamiltonian::Laplacian, Hamiltonian::Laplacian)]
    {
        let walked = spectral::walk(24, &a, native, 3, 1.7).unwrap();
        both.same(&walked, &geometry.walk(24, &other_a, hamiltonian, 3, 1.7).unwrap(), "walk");
    }
    let (layers, others) = ([a, b], [other_a, other_b]);
    let matrix: Vec<f64> = layers.iter().flatten().take(60).map(|edge| edge.weight).collect();
    both.same(
        &[spectral::schmidt_entropy(&matrix, 4).unwrap()],
        &[geometry.schmidt_entropy(&matrix, 4).unwrap()],
        "Schmidt",
    );
    let native = multilayer::overlaps(24, &layers).unwrap();
    let found = geometry.overlaps(24, &others).unwrap();
    let native: Vec<f64> = native.nodes.iter().flat_map(|node| [node.coefficient, node.redundancy]).collect();
    let found: Vec<f64> = found.nodes.iter().flat_map(|node| [node.coefficient, node.redundancy]).collect();
    both.same(&native, &found, "overlaps");
    let supra = multilayer::supra_spectrum(24, &layers, 0.5).unwrap();
    both.same(&supra, &geometry.supra_spectrum(24, &others, 0.5).unwrap(), "supra-Laplacian");
    let native = multilayer::reduction(24, &layers).unwrap();
    both.same(&native.distances, &geometry.reduce(24, &others).unwrap().distances, "reduction");
    let parents: Vec<Option<u32>> = (0..80_u32).map(|node| node.checked_sub(1).map(|above| above / 3)).collect();
    let native = hierarchy::embed(&parents, None, 1).unwrap();
    let found = geometry.embed_tree(&parents, None, 1).unwrap();
    both.same(&native.points, &found.points, "tree");
    both.same(
        &[native.distortion_mean, native.distortion_worst],
        &[found.distortion_mean, found.distortion_worst],
        "distortion",
    );
}

#[test]
fn native_code_and_the_component_give_the_same_bits() {
    let geometry = Geometry::new(&ENGINE, &component("geometry"), LIMITS).unwrap();
    let (mut both, mut chance) = (Both(Sha256::new()), Chance(11));
    manifolds(&mut both, &geometry, &mut chance);
    series(&mut both, &geometry, &mut chance);
    clouds(&mut both, &geometry, &mut chance);
    graphs(&mut both, &geometry, &mut chance);
    let digest = hex::encode(both.0.finalize());
    assert_eq!(digest, DIGEST, "the digest of all numbers is {digest}");
}
