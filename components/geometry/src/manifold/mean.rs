//! Frechet means: the points with the least weighted sum of squared distances, by Karcher's flow.
//!
//! Existence and uniqueness: always on Hadamard manifolds (Euclidean, hyperbolic, affine-invariant and log-Euclidean matrices, Gaussians);
//! on spheres when all points are in an open ball of radius pi/2 (Afsari, Proc. AMS 139, 2011). Otherwise what is found is a critical point.

use super::space::{Fault, Space};
use super::{Manifold, ManifoldError};

/// When to stop.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct MeanSettings {
    /// The length of the gradient of half the mean squared distance at most, as a part of the spread of the points where that is above 1.
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

/// A Frechet mean.
#[derive(Debug, Clone, PartialEq)]
pub struct Mean {
    /// The point.
    pub point: Vec<f64>,
    /// The weighted mean of the squared distances to it.
    pub variance: f64,
    /// The largest distance to it.
    pub radius: f64,
    /// The length of the gradient.
    pub gradient_norm: f64,
    /// Steps that were made, of the factor that took most.
    pub iterations: u32,
    /// Whether a theorem says that there is no other mean.
    pub unique: bool,
}

/// The mean of one factor.
struct Part {
    point: Vec<f64>,
    gradient_norm: f64,
    iterations: u32,
    unique: bool,
}

/// The gradient of half the mean squared distance, its sign turned.
struct Descent {
    direction: Vec<f64>,
    length: f64,
    /// The root of the mean squared length of the logarithms.
    spread: f64,
}

fn descent(space: &dyn Space, at: &[f64], points: &[&[f64]], weights: &[f64]) -> Result<Descent, (usize, Fault)> {
    let mut direction = vec![0.0; at.len()];
    let mut log = vec![0.0; at.len()];
    let mut squares = 0.0;
    for (position, (point, &weight)) in points.iter().zip(weights).enumerate() {
        if weight == 0.0 {
            continue;
        }
        space.log(at, point, &mut log).map_err(|fault| (position, fault))?;
        let length = space.length(at, &log);
        squares += weight * length * length;
        direction.iter_mut().zip(&log).for_each(|(sum, value)| *sum += weight * value);
    }
    let length = space.length(at, &direction);
    Ok(Descent { direction, length, spread: squares.sqrt() })
}

/// Karcher's flow: steps along the mean logarithm. The whole step is right where space is flat; where curvature makes it too long,
/// which the gradient's length tells, it is halved, and grows again afterwards.
fn of_factor(
    space: &dyn Space,
    points: &[&[f64]],
    weights: &[f64],
    settings: MeanSettings,
) -> Result<Part, ManifoldError> {
    let start = space.guess(points, weights).map_err(|fault| fault.at(0))?;
    space.check_base(&start).map_err(|why| Fault::Off(why).at(0))?;
    let (mut point, mut step, mut iterations) = (start, 1.0_f64, 0);
    let mut now = descent(space, &point, points, weights).map_err(|(position, fault)| fault.at(position))?;
    let mut next = vec![0.0; point.len()];
    while now.length.is_nan() || now.length > settings.tolerance * now.spread.max(1.0) {
        if iterations >= settings.iterations_max || step < 1e-9 {
            return Err(ManifoldError::NoConvergence { gradient_norm: now.length, iterations });
        }
        iterations += 1;
        let velocity: Vec<f64> = now.direction.iter().map(|value| step * value).collect();
        let tried = space.exp(&point, &velocity, &mut next).map_err(|fault| (0, fault));
        let there = tried.and_then(|()| descent(space, &next, points, weights));
        match there {
            Ok(there) if there.length < now.length => {
                step = (step * if there.length < 0.5 * now.length { 1.0 } else { 1.25 }).min(1.0);
                std::mem::swap(&mut point, &mut next);
                now = there;
            }
            // Too far, off the manifold, or onto the cut locus.
            _ => step /= 2.0,
        }
    }
    let within = space.unique_within();
    let unique = within.is_infinite() || points.iter().all(|other| space.distance(&point, other) < within);
    Ok(Part { point, gradient_norm: now.length, iterations, unique })
}

fn share(weights: &[f64], count: usize) -> Result<Vec<f64>, ManifoldError> {
    if weights.is_empty() {
        return Ok(vec![1.0 / count as f64; count]);
    }
    if weights.len() != count {
        return Err(ManifoldError::Dimensions(format!("there are {} weights for {count} points", weights.len())));
    }
    if weights.iter().any(|weight| !weight.is_finite() || *weight < 0.0) {
        return Err(ManifoldError::Dimensions("a weight is negative or not finite".to_owned()));
    }
    let sum: f64 = weights.iter().sum();
    if sum <= 0.0 || !sum.is_finite() {
        return Err(ManifoldError::Dimensions("the weights do not have a finite sum above 0".to_owned()));
    }
    Ok(weights.iter().map(|weight| weight / sum).collect())
}

impl Manifold {
    /// The Frechet mean of points, whole ones one after another. No weights: all count the same.
    ///
    /// # Errors
    /// See [`ManifoldError`]; [`ManifoldError::NoConvergence`] with the gradient that was left.
    pub fn mean(&self, points: &[f64], weights: &[f64], settings: MeanSettings) -> Result<Mean, ManifoldError> {
        let count = self.checked(points, 0)?;
        if count == 0 {
            return Err(ManifoldError::Dimensions("a mean needs at least one point".to_owned()));
        }
        if settings.tolerance.is_nan() || settings.tolerance <= 0.0 {
            return Err(ManifoldError::Dimensions("the tolerance must be above 0".to_owned()));
        }
        let weights = share(weights, count)?;
        let mut mean = Mean {
            point: Vec::with_capacity(self.width),
            variance: 0.0,
            radius: 0.0,
            gradient_norm: 0.0,
            iterations: 0,
            unique: true,
        };
        for (factor, range) in self.parts() {
            let parts: Vec<&[f64]> =
                points.chunks_exact(self.width).filter_map(|point| point.get(range.clone())).collect();
            let part = of_factor(factor.space().as_ref(), &parts, &weights, settings)?;
            mean.point.extend(part.point);
            mean.gradient_norm += factor.weight * part.gradient_norm * part.gradient_norm;
            mean.iterations = mean.iterations.max(part.iterations);
            mean.unique &= part.unique;
        }
        mean.gradient_norm = mean.gradient_norm.sqrt();
        let distances = self.distances(&mean.point, points)?;
        mean.variance = distances.iter().zip(&weights).map(|(distance, weight)| weight * distance * distance).sum();
        mean.radius = distances.into_iter().fold(0.0, f64::max);
        Ok(mean)
    }
}
