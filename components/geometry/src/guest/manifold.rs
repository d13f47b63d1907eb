//! The export `manifold`.

use super::Component;
use super::exports::skerry::geometry::manifold;
use crate::fault::AnalysisError;
use crate::manifold::{self as core, Factor, Kind, Manifold, ManifoldError, MeanSettings};

pub(super) fn factors(on: &[manifold::Factor]) -> Vec<Factor> {
    let kind = |kind: manifold::Kind| match kind {
        manifold::Kind::Euclidean => Kind::Euclidean,
        manifold::Kind::Sphere => Kind::Sphere,
        manifold::Kind::Poincare => Kind::Poincare,
        manifold::Kind::Lorentz => Kind::Lorentz,
        manifold::Kind::SpdAffineInvariant => Kind::SpdAffineInvariant,
        manifold::Kind::SpdLogEuclidean => Kind::SpdLogEuclidean,
        manifold::Kind::SpdBuresWasserstein => Kind::SpdBuresWasserstein,
        manifold::Kind::Gaussian => Kind::Gaussian,
        manifold::Kind::Categorical => Kind::Categorical,
    };
    on.iter().map(|factor| Factor { kind: kind(factor.kind), size: factor.size, weight: factor.weight }).collect()
}

pub(super) fn product(on: &[manifold::Factor]) -> Result<Manifold, ManifoldError> {
    Manifold::new(&factors(on))
}

impl From<ManifoldError> for manifold::Error {
    fn from(error: ManifoldError) -> Self {
        match error {
            ManifoldError::Dimensions(reason) => manifold::Error::Dimensions(reason),
            ManifoldError::NotFinite(point) => manifold::Error::NotFinite(point),
            ManifoldError::OffManifold { point, reason } => {
                manifold::Error::OffManifold(manifold::Flaw { point, reason })
            }
            ManifoldError::CutLocus { point, reason } => manifold::Error::CutLocus(manifold::Flaw { point, reason }),
            ManifoldError::NoConvergence { gradient_norm, iterations } => {
                manifold::Error::NoConvergence(manifold::Remainder { gradient_norm, iterations })
            }
            ManifoldError::Undefined(reason) => manifold::Error::Undefined(reason),
        }
    }
}

impl From<AnalysisError> for manifold::Fault {
    fn from(error: AnalysisError) -> Self {
        match error {
            AnalysisError::Invalid(reason) => manifold::Fault::Invalid(reason),
            AnalysisError::NotFinite(item) => manifold::Fault::NotFinite(item),
            AnalysisError::TooLarge(reason) => manifold::Fault::TooLarge(reason),
            AnalysisError::Undefined(reason) => manifold::Fault::Undefined(reason),
        }
    }
}

impl From<core::Mean> for manifold::Mean {
    fn from(mean: core::Mean) -> Self {
        let core::Mean { point, variance, radius, gradient_norm, iterations, unique } = mean;
        manifold::Mean { point, variance, radius, gradient_norm, iterations, unique }
    }
}

/// A symmetric matrix of side 3 by its upper half.
fn whole((a, b, c, d, e, f): manifold::Small) -> [f64; 9] {
    [a, b, c, b, d, e, c, e, f]
}

type Numbers = Result<Vec<f64>, manifold::Error>;

impl manifold::Guest for Component {
    fn distance(on: Vec<manifold::Factor>, x: Vec<f64>, y: Vec<f64>) -> Result<f64, manifold::Error> {
        Ok(product(&on)?.distance(&x, &y)?)
    }

    fn small_distance(on: manifold::Factor, x: manifold::Small, y: manifold::Small) -> f64 {
        let measured = product(&[on]).and_then(|on| match on.width() {
            9 => on.distance(&whole(x), &whole(y)),
            width => on.distance(
                <[f64; 6]>::from(x).get(..width).unwrap_or_default(),
                <[f64; 6]>::from(y).get(..width).unwrap_or_default(),
            ),
        });
        measured.unwrap_or(f64::NAN)
    }

    fn distances(on: Vec<manifold::Factor>, x: Vec<f64>, points: Vec<f64>) -> Numbers {
        Ok(product(&on)?.distances(&x, &points)?)
    }

    fn pair_distances(on: Vec<manifold::Factor>, xs: Vec<f64>, ys: Vec<f64>) -> Numbers {
        Ok(product(&on)?.pair_distances(&xs, &ys)?)
    }

    fn all_distances(on: Vec<manifold::Factor>, points: Vec<f64>) -> Numbers {
        Ok(product(&on)?.all_distances(&points)?)
    }

    fn exp(on: Vec<manifold::Factor>, points: Vec<f64>, vectors: Vec<f64>) -> Numbers {
        Ok(product(&on)?.exp(&points, &vectors)?)
    }

    fn log(on: Vec<manifold::Factor>, xs: Vec<f64>, ys: Vec<f64>) -> Numbers {
        Ok(product(&on)?.log(&xs, &ys)?)
    }

    fn transport(on: Vec<manifold::Factor>, xs: Vec<f64>, ys: Vec<f64>, vectors: Vec<f64>) -> Numbers {
        Ok(product(&on)?.transport(&xs, &ys, &vectors)?)
    }

    fn geodesic(on: Vec<manifold::Factor>, x: Vec<f64>, y: Vec<f64>, times: Vec<f64>) -> Numbers {
        Ok(product(&on)?.geodesic(&x, &y, &times)?)
    }

    fn frechet_mean(
        on: Vec<manifold::Factor>,
        points: Vec<f64>,
        weights: Vec<f64>,
        tolerance: f64,
        iterations_max: u32,
    ) -> Result<manifold::Mean, manifold::Error> {
        let settings = MeanSettings { tolerance, iterations_max };
        Ok(product(&on)?.mean(&points, &weights, settings)?.into())
    }

    fn poincare_to_lorentz(size: u32, points: Vec<f64>) -> Numbers {
        Ok(core::poincare_to_lorentz(size, &points)?)
    }

    fn lorentz_to_poincare(size: u32, points: Vec<f64>) -> Numbers {
        Ok(core::lorentz_to_poincare(size, &points)?)
    }

    fn moebius_add(x: Vec<f64>, y: Vec<f64>) -> Numbers {
        Ok(core::moebius_add(&x, &y)?)
    }
}
