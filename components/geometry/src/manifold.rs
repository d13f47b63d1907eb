//! Riemannian manifolds and products of them: distances, exponential and logarithm, parallel transport, geodesics, means.
//!
//! A point is a list of numbers, that of each factor after that of the one before. `exp`, `log` and the others work on products factor by
//! factor; the squared distance of a product is the weighted sum of the squared distances.

mod base;
mod blocks;
mod categorical;
mod euclidean;
mod gaussian;
mod lorentz;
mod maps;
mod mean;
mod poincare;
mod space;
mod spd;
mod sphere;

use space::{Fault, Space};

pub use mean::{Mean, MeanSettings};

/// A kind of manifold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Kind {
    /// `R^size`.
    Euclidean,
    /// The unit sphere in `R^size`, which is `S^(size - 1)`; angles in radians.
    Sphere,
    /// The Poincare ball in `R^size`, curvature -1.
    Poincare,
    /// The hyperboloid `-t^2 + |x|^2 = -1` in `R^size`, time first, curvature -1: hyperbolic space of `size - 1` dimensions.
    Lorentz,
    /// Positive definite matrices of side `size`, row by row, affine-invariant metric.
    SpdAffineInvariant,
    /// The same with the log-Euclidean metric.
    SpdLogEuclidean,
    /// The same with the Bures-Wasserstein metric; without parallel transport.
    SpdBuresWasserstein,
    /// `size` univariate Gaussians as pairs `mu, sigma`, Fisher-Rao metric; more than one are a diagonal Gaussian.
    Gaussian,
    /// Distributions over `size` categories, Fisher-Rao metric.
    Categorical,
}

/// A factor of a product.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Factor {
    /// Which manifold.
    pub kind: Kind,
    /// Its size; what that counts depends on the kind.
    pub size: u32,
    /// What its squared distances are multiplied with; more than 0.
    pub weight: f64,
}

/// Numbers of a point at most.
pub const WIDTH_MAX: usize = 1 << 16;

/// The side of a matrix at most.
pub const SIDE_MAX: u32 = 128;

/// Why there is no answer. Positions count the points of all arguments, in the order of the arguments, from 0.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ManifoldError {
    /// Lists that are not whole points, or a manifold that there is not.
    #[error("{0}")]
    Dimensions(String),
    /// A number that is not finite.
    #[error("point {0} has a number that is not finite")]
    NotFinite(u32),
    /// A point that is not on the manifold, or a vector that is not tangent to it.
    #[error("point {point} is not on the manifold: {reason}")]
    OffManifold {
        /// Which.
        point: u32,
        /// Why.
        reason: String,
    },
    /// There is more than one shortest geodesic to the point.
    #[error("the logarithm of point {point} is not unique: {reason}")]
    CutLocus {
        /// Which.
        point: u32,
        /// Why.
        reason: String,
    },
    /// The iteration for a mean did not end.
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
}

impl Fault {
    fn at(self, point: usize) -> ManifoldError {
        let (point, reason) = (u32::try_from(point).unwrap_or(u32::MAX), str::to_owned);
        match self {
            Fault::Off(why) => ManifoldError::OffManifold { point, reason: reason(why) },
            Fault::Cut(why) => ManifoldError::CutLocus { point, reason: reason(why) },
            Fault::Undefined(why) => ManifoldError::Undefined(reason(why)),
        }
    }
}

impl Factor {
    /// A manifold by itself.
    pub fn new(kind: Kind, size: u32) -> Factor {
        Factor { kind, size, weight: 1.0 }
    }

    /// Numbers of a point.
    fn width(&self) -> usize {
        let size = self.size as usize;
        match self.kind {
            Kind::SpdAffineInvariant | Kind::SpdLogEuclidean | Kind::SpdBuresWasserstein => size * size,
            Kind::Gaussian => 2 * size,
            _ => size,
        }
    }

    fn is_matrix(&self) -> bool {
        matches!(self.kind, Kind::SpdAffineInvariant | Kind::SpdLogEuclidean | Kind::SpdBuresWasserstein)
    }

    fn space(&self) -> Box<dyn Space> {
        let side = self.size as usize;
        match self.kind {
            Kind::Euclidean => Box::new(euclidean::Euclidean),
            Kind::Sphere => Box::new(sphere::Sphere),
            Kind::Poincare => Box::new(poincare::Poincare),
            Kind::Lorentz => Box::new(lorentz::Lorentz),
            Kind::SpdAffineInvariant => Box::new(spd::AffineInvariant(side)),
            Kind::SpdLogEuclidean => Box::new(spd::LogEuclidean(side)),
            Kind::SpdBuresWasserstein => Box::new(spd::BuresWasserstein(side)),
            Kind::Gaussian => Box::new(gaussian::Gaussians),
            Kind::Categorical => Box::new(categorical::Categorical),
        }
    }
}

/// A manifold, or a product of several.
#[derive(Debug, Clone, PartialEq)]
pub struct Manifold {
    factors: Vec<Factor>,
    width: usize,
}

impl Manifold {
    /// The product of these factors; one factor is that manifold itself, scaled by the root of its weight.
    ///
    /// # Errors
    /// [`ManifoldError::Dimensions`] when there is no factor, a size or weight is out of range, or points would be longer than
    /// [`WIDTH_MAX`].
    pub fn new(factors: &[Factor]) -> Result<Manifold, ManifoldError> {
        let refuse = |reason: String| Err(ManifoldError::Dimensions(reason));
        if factors.is_empty() {
            return refuse("a manifold needs at least one factor".to_owned());
        }
        let mut width = 0_usize;
        for (at, factor) in factors.iter().enumerate() {
            let least = if matches!(factor.kind, Kind::Sphere | Kind::Lorentz | Kind::Categorical) { 2 } else { 1 };
            if factor.size < least {
                return refuse(format!("factor {at} has the size {}; it needs at least {least}", factor.size));
            }
            if factor.is_matrix() && factor.size > SIDE_MAX {
                return refuse(format!("factor {at} has matrices of side {}; at most {SIDE_MAX}", factor.size));
            }
            if !(factor.weight > 0.0 && factor.weight.is_finite()) {
                return refuse(format!("factor {at} has the weight {}; it must be finite and above 0", factor.weight));
            }
            width = width.saturating_add(factor.width());
        }
        if width > WIDTH_MAX {
            return refuse(format!("a point would have {width} numbers; at most {WIDTH_MAX}"));
        }
        Ok(Manifold { factors: factors.to_vec(), width })
    }

    /// Numbers of a point.
    pub fn width(&self) -> usize {
        self.width
    }

    /// The factors.
    pub fn factors(&self) -> &[Factor] {
        &self.factors
    }

    /// Each factor with where its numbers begin.
    fn parts(&self) -> impl Iterator<Item = (&Factor, std::ops::Range<usize>)> {
        let mut at = 0;
        self.factors.iter().map(move |factor| {
            let start = at;
            at += factor.width();
            (factor, start..at)
        })
    }

    /// How many points a list is.
    fn whole(&self, points: &[f64]) -> Result<usize, ManifoldError> {
        if !points.len().is_multiple_of(self.width) {
            let (numbers, width) = (points.len(), self.width);
            return Err(ManifoldError::Dimensions(format!("{numbers} numbers are not whole points of {width}")));
        }
        Ok(points.len() / self.width)
    }

    /// How many points a list of finite numbers is.
    fn count(&self, points: &[f64], from: usize) -> Result<usize, ManifoldError> {
        let count = self.whole(points)?;
        first_not_finite(points, self.width, from)?;
        Ok(count)
    }

    /// The number of points of a list, each checked; `from` is the position of the first.
    pub(crate) fn checked(&self, points: &[f64], from: usize) -> Result<usize, ManifoldError> {
        let count = self.count(points, from)?;
        for (factor, range) in self.parts() {
            let space = factor.space();
            for (at, point) in points.chunks_exact(self.width).enumerate() {
                let part = point.get(range.clone()).unwrap_or_default();
                space.check(part).map_err(|why| Fault::Off(why).at(from + at))?;
            }
        }
        Ok(count)
    }
}

/// Refuses points of which one has a number that is not finite; `from` is the position of the first.
fn first_not_finite(points: &[f64], width: usize, from: usize) -> Result<(), ManifoldError> {
    match points.iter().position(|value| !value.is_finite()) {
        Some(at) => Err(ManifoldError::NotFinite((from + at / width) as u32)),
        None => Ok(()),
    }
}

/// Points of the Poincare ball of `size` dimensions on the hyperboloid, one after another, each with one number more.
///
/// # Errors
/// [`ManifoldError`] for points outside.
pub fn poincare_to_lorentz(size: u32, points: &[f64]) -> Result<Vec<f64>, ManifoldError> {
    let manifold = Manifold::new(&[Factor::new(Kind::Poincare, size)])?;
    manifold.checked(points, 0)?;
    Ok(points.chunks_exact(manifold.width).flat_map(poincare::to_lorentz).collect())
}

/// Points of the hyperboloid in `size` numbers each, in the ball, each with one number less.
///
/// # Errors
/// [`ManifoldError`] for points beside it.
pub fn lorentz_to_poincare(size: u32, points: &[f64]) -> Result<Vec<f64>, ManifoldError> {
    let manifold = Manifold::new(&[Factor::new(Kind::Lorentz, size)])?;
    manifold.checked(points, 0)?;
    Ok(points.chunks_exact(manifold.width).flat_map(lorentz::to_poincare).collect())
}

/// Moebius addition of two points of the Poincare ball.
///
/// # Errors
/// [`ManifoldError`] for points outside.
pub fn moebius_add(x: &[f64], y: &[f64]) -> Result<Vec<f64>, ManifoldError> {
    let manifold = Manifold::new(&[Factor::new(Kind::Poincare, x.len() as u32)])?;
    if x.len() != y.len() {
        return Err(ManifoldError::Dimensions(format!("the points have {} and {} numbers", x.len(), y.len())));
    }
    manifold.checked(x, 0)?;
    manifold.checked(y, 1)?;
    let mut out = vec![0.0; x.len()];
    poincare::add(x, y, &mut out);
    Ok(out)
}
