//! Calls of the interface `manifold`, and the errors that the others share with it.

use wasmtime::Store;

use crate::bindings::geometry::exports::skerry::geometry::manifold;
use crate::call::{CallError, Guard};
use crate::geometry::Geometry;
use crate::types::{Factor, FrechetMean, ManifoldKind};

/// Why there is no answer about points. Positions count the points of all arguments, in the order of the arguments, from 0.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ManifoldError {
    /// Lists that are not whole points, or a manifold that there is not.
    #[error("{0}")]
    Dimensions(String),
    /// A number that is not finite.
    #[error("point {0} has a number that is not finite")]
    NotFinite(u32),
    /// A point that is not on the manifold, or a vector that is not tangent.
    #[error("point {point} is not on the manifold: {reason}")]
    OffManifold {
        /// Which.
        point: u32,
        /// Why.
        reason: String,
    },
    /// Several shortest geodesics lead to the point.
    #[error("the logarithm of point {point} is not unique: {reason}")]
    CutLocus {
        /// Which.
        point: u32,
        /// Why.
        reason: String,
    },
    /// A mean was not found: allow more steps or a larger tolerance.
    #[error("the mean was not found in {iterations} steps; the gradient is {gradient_norm:e} long")]
    NoConvergence {
        /// The length of the gradient where it stopped.
        gradient_norm: f64,
        /// Steps that were made.
        iterations: u32,
    },
    /// The manifold has no such operation.
    #[error("{0}")]
    Undefined(String),
    /// Anything else, in the component's words.
    #[error("{0}")]
    Other(String),
    /// The component gave no answer.
    #[error(transparent)]
    Call(#[from] CallError),
}

/// Why there is no answer about series, clouds, graphs and trees.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AnalysisError {
    /// Arguments that do not fit together or are out of range.
    #[error("{0}")]
    Invalid(String),
    /// The row, point or edge at this position has a number that is not finite.
    #[error("item {0} has a number that is not finite")]
    NotFinite(u32),
    /// More than a limit.
    #[error("{0}")]
    TooLarge(String),
    /// The data have no such measure.
    #[error("{0}")]
    Undefined(String),
    /// Anything else, in the component's words.
    #[error("{0}")]
    Other(String),
    /// The component gave no answer.
    #[error(transparent)]
    Call(#[from] CallError),
}

/// When the iteration for a mean stops.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct MeanSettings {
    /// The length of the gradient at most, as a part of the points' spread where that is above 1.
    pub tolerance: f64,
    /// Steps at most.
    pub iterations_max: u32,
}

impl Default for MeanSettings {
    /// 1e-12, 2,000 steps.
    fn default() -> Self {
        MeanSettings { tolerance: 1e-12, iterations_max: 2_000 }
    }
}

/// Distances, maps and means. Points are flat lists, `on` is a product of factors; the WIT documents each call.
impl Geometry {
    /// The distance of two points.
    ///
    /// # Errors
    /// See [`ManifoldError`].
    pub fn distance(&self, on: &[Factor], x: &[f64], y: &[f64]) -> Result<f64, ManifoldError> {
        self.warm(|world, store| distance(world.skerry_geometry_manifold(), store, on, x, y))?
    }

    /// The distances of one point to many.
    ///
    /// # Errors
    /// See [`ManifoldError`].
    pub fn distances(&self, on: &[Factor], x: &[f64], points: &[f64]) -> Result<Vec<f64>, ManifoldError> {
        Ok(self.warm(|world, store| world.skerry_geometry_manifold().call_distances(store, on, x, points))??)
    }

    /// The distances of two lists, row by row.
    ///
    /// # Errors
    /// See [`ManifoldError`].
    pub fn pair_distances(&self, on: &[Factor], xs: &[f64], ys: &[f64]) -> Result<Vec<f64>, ManifoldError> {
        Ok(self.warm(|world, store| world.skerry_geometry_manifold().call_pair_distances(store, on, xs, ys))??)
    }

    /// The distances of all pairs: `(0, 1), (0, 2) .. (1, 2) ..`.
    ///
    /// # Errors
    /// See [`ManifoldError`].
    pub fn all_distances(&self, on: &[Factor], points: &[f64]) -> Result<Vec<f64>, ManifoldError> {
        Ok(self.warm(|world, store| world.skerry_geometry_manifold().call_all_distances(store, on, points))??)
    }

    /// Where geodesics are at time 1.
    ///
    /// # Errors
    /// See [`ManifoldError`].
    pub fn exp(&self, on: &[Factor], points: &[f64], vectors: &[f64]) -> Result<Vec<f64>, ManifoldError> {
        Ok(self.warm(|world, store| world.skerry_geometry_manifold().call_exp(store, on, points, vectors))??)
    }

    /// The velocities of the shortest geodesics.
    ///
    /// # Errors
    /// See [`ManifoldError`].
    pub fn log(&self, on: &[Factor], xs: &[f64], ys: &[f64]) -> Result<Vec<f64>, ManifoldError> {
        Ok(self.warm(|world, store| world.skerry_geometry_manifold().call_log(store, on, xs, ys))??)
    }

    /// Vectors carried in parallel along the shortest geodesics.
    ///
    /// # Errors
    /// See [`ManifoldError`].
    pub fn transport(&self, on: &[Factor], xs: &[f64], ys: &[f64], vectors: &[f64]) -> Result<Vec<f64>, ManifoldError> {
        Ok(self.warm(|world, store| world.skerry_geometry_manifold().call_transport(store, on, xs, ys, vectors))??)
    }

    /// Points of the shortest geodesic at these times.
    ///
    /// # Errors
    /// See [`ManifoldError`].
    pub fn geodesic(&self, on: &[Factor], x: &[f64], y: &[f64], times: &[f64]) -> Result<Vec<f64>, ManifoldError> {
        Ok(self.warm(|world, store| world.skerry_geometry_manifold().call_geodesic(store, on, x, y, times))??)
    }

    /// The Frechet mean; without weights all points count the same.
    ///
    /// # Errors
    /// See [`ManifoldError`].
    pub fn frechet_mean(
        &self,
        on: &[Factor],
        points: &[f64],
        weights: &[f64],
        settings: MeanSettings,
    ) -> Result<FrechetMean, ManifoldError> {
        let MeanSettings { tolerance, iterations_max } = settings;
        Ok(self.warm(|world, store| {
            let manifold = world.skerry_geometry_manifold();
            manifold.call_frechet_mean(store, on, points, weights, tolerance, iterations_max)
        })??)
    }

    /// Points of the Poincare ball on the hyperboloid.
    ///
    /// # Errors
    /// See [`ManifoldError`].
    pub fn poincare_to_lorentz(&self, size: u32, points: &[f64]) -> Result<Vec<f64>, ManifoldError> {
        Ok(self.warm(|world, store| world.skerry_geometry_manifold().call_poincare_to_lorentz(store, size, points))??)
    }

    /// Points of the hyperboloid in the Poincare ball.
    ///
    /// # Errors
    /// See [`ManifoldError`].
    pub fn lorentz_to_poincare(&self, size: u32, points: &[f64]) -> Result<Vec<f64>, ManifoldError> {
        Ok(self.warm(|world, store| world.skerry_geometry_manifold().call_lorentz_to_poincare(store, size, points))??)
    }

    /// Moebius addition in the Poincare ball.
    ///
    /// # Errors
    /// See [`ManifoldError`].
    pub fn moebius_add(&self, x: &[f64], y: &[f64]) -> Result<Vec<f64>, ManifoldError> {
        Ok(self.warm(|world, store| world.skerry_geometry_manifold().call_moebius_add(store, x, y))??)
    }
}

/// By the call that passes no lists where that can be, which has the same bits; errors are asked for in full.
pub(super) fn distance(
    manifold: &manifold::Guest,
    store: &mut Store<Guard>,
    on: &[Factor],
    x: &[f64],
    y: &[f64],
) -> wasmtime::Result<Result<f64, ManifoldError>> {
    if let [factor] = on
        && let (Some(x), Some(y)) = (small(factor, x), small(factor, y))
    {
        let measured = manifold.call_small_distance(&mut *store, *factor, x, y)?;
        if !measured.is_nan() {
            return Ok(Ok(measured));
        }
    }
    Ok(manifold.call_distance(store, on, x, y)?.map_err(ManifoldError::from))
}

/// A point as the numbers of a small call; none when it has another length, or is a matrix whose halves differ.
#[allow(clippy::float_cmp, reason = "only what is the same to the last bit may be left out")]
fn small(factor: &Factor, point: &[f64]) -> Option<manifold::Small> {
    let is_matrix = matches!(
        factor.kind,
        ManifoldKind::SpdAffineInvariant | ManifoldKind::SpdLogEuclidean | ManifoldKind::SpdBuresWasserstein
    );
    let width = match factor.kind {
        ManifoldKind::Gaussian => factor.size.checked_mul(2)?,
        _ if is_matrix => factor.size.checked_mul(factor.size)?,
        _ => factor.size,
    };
    if point.len() != width as usize {
        return None;
    }
    match *point {
        [a, b, c, d, e, f, g, h, i] if is_matrix => (b == d && c == g && f == h).then_some((a, b, c, e, f, i)),
        [a, b] => Some((a, b, 0.0, 0.0, 0.0, 0.0)),
        [a, b, c] => Some((a, b, c, 0.0, 0.0, 0.0)),
        [a, b, c, d] => Some((a, b, c, d, 0.0, 0.0)),
        [a, b, c, d, e] => Some((a, b, c, d, e, 0.0)),
        [a, b, c, d, e, f] => Some((a, b, c, d, e, f)),
        _ => None,
    }
}

impl From<manifold::Error> for ManifoldError {
    fn from(error: manifold::Error) -> Self {
        match error {
            manifold::Error::Dimensions(reason) => ManifoldError::Dimensions(reason),
            manifold::Error::NotFinite(point) => ManifoldError::NotFinite(point),
            manifold::Error::OffManifold(manifold::Flaw { point, reason }) => {
                ManifoldError::OffManifold { point, reason }
            }
            manifold::Error::CutLocus(manifold::Flaw { point, reason }) => ManifoldError::CutLocus { point, reason },
            manifold::Error::NoConvergence(manifold::Remainder { gradient_norm, iterations }) => {
                ManifoldError::NoConvergence { gradient_norm, iterations }
            }
            manifold::Error::Undefined(reason) => ManifoldError::Undefined(reason),
            manifold::Error::Other(reason) => ManifoldError::Other(reason),
        }
    }
}

impl From<manifold::Fault> for AnalysisError {
    fn from(fault: manifold::Fault) -> Self {
        match fault {
            manifold::Fault::Invalid(reason) => AnalysisError::Invalid(reason),
            manifold::Fault::NotFinite(item) => AnalysisError::NotFinite(item),
            manifold::Fault::TooLarge(reason) => AnalysisError::TooLarge(reason),
            manifold::Fault::Undefined(reason) => AnalysisError::Undefined(reason),
            manifold::Fault::Other(reason) => AnalysisError::Other(reason),
        }
    }
}
