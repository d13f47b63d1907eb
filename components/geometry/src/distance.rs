//! Distances between points, each in the form that keeps its digits for points close together.

/// What is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Metric {
    /// `|x - y|`.
    Euclidean,
    /// `1 - cos(x, y)`.
    Cosine,
    /// Great-circle distance, radians.
    Sphere,
    /// The Poincare ball of curvature -1.
    Poincare,
}

/// Points that cannot be measured. Position 0 is the first argument.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DistanceError {
    /// Different lengths, or empty.
    #[error("{0}")]
    Dimensions(String),
    /// A number that is not finite.
    #[error("point {0} has a number that is not finite")]
    NotFinite(u32),
    /// Outside the ball, or of zero length.
    #[error("point {0} is not on the manifold")]
    OffManifold(u32),
}

/// The distance of two points.
///
/// # Errors
/// [`DistanceError`] names the point.
pub fn between(metric: Metric, x: &[f64], y: &[f64]) -> Result<f64, DistanceError> {
    if x.len() != y.len() || x.is_empty() {
        return Err(DistanceError::Dimensions(format!("the points have {} and {} coordinates", x.len(), y.len())));
    }
    let mut all = to_many(metric, x, y)?;
    all.pop().ok_or_else(|| DistanceError::Dimensions("no points".to_owned()))
}

/// The distance of one point to each of `points`, whole points one after another.
///
/// # Errors
/// [`DistanceError`] names the point.
pub fn to_many(metric: Metric, x: &[f64], points: &[f64]) -> Result<Vec<f64>, DistanceError> {
    if x.is_empty() || !points.len().is_multiple_of(x.len()) {
        let reason = format!("{} numbers are not whole points of {} coordinates", points.len(), x.len());
        return Err(DistanceError::Dimensions(reason));
    }
    check(metric, x, 0)?;
    points
        .chunks_exact(x.len())
        .zip(1..)
        .map(|(y, position)| check(metric, y, position).map(|()| measure(metric, x, y)))
        .collect()
}

fn check(metric: Metric, point: &[f64], position: u32) -> Result<(), DistanceError> {
    if point.iter().any(|value| !value.is_finite()) {
        return Err(DistanceError::NotFinite(position));
    }
    let on = match metric {
        Metric::Euclidean => true,
        Metric::Cosine | Metric::Sphere => largest(point) > 0.0,
        Metric::Poincare => dot(point, point) < 1.0,
    };
    if on { Ok(()) } else { Err(DistanceError::OffManifold(position)) }
}

fn largest(point: &[f64]) -> f64 {
    point.iter().fold(0.0, |largest, value| value.abs().max(largest))
}

fn measure(metric: Metric, x: &[f64], y: &[f64]) -> f64 {
    match metric {
        Metric::Euclidean => norm(&difference(x, y)),
        // |u - v|^2 / 2 of unit vectors equals 1 - cos and does not cancel for near ones.
        Metric::Cosine => {
            let chord = norm(&difference(&unit(x), &unit(y)));
            chord * chord / 2.0
        }
        // Kahan: 2 atan2(|u - v|, |u + v|) is accurate for near and for opposite points.
        Metric::Sphere => {
            let (u, v) = (unit(x), unit(y));
            let sum: Vec<f64> = u.iter().zip(&v).map(|(u, v)| u + v).collect();
            2.0 * libm::atan2(norm(&difference(&u, &v)), norm(&sum))
        }
        // arcosh(1 + 2 s^2) = 2 arsinh(s).
        Metric::Poincare => {
            let product = (1.0 - dot(x, x)) * (1.0 - dot(y, y));
            2.0 * libm::asinh(norm(&difference(x, y)) / product.sqrt())
        }
    }
}

fn dot(x: &[f64], y: &[f64]) -> f64 {
    x.iter().zip(y).map(|(x, y)| x * y).sum()
}

/// Euclidean length; scaled, so that squares neither overflow nor vanish.
fn norm(x: &[f64]) -> f64 {
    let scale = largest(x);
    if scale == 0.0 {
        return 0.0;
    }
    scale * x.iter().map(|value| (value / scale) * (value / scale)).sum::<f64>().sqrt()
}

fn difference(x: &[f64], y: &[f64]) -> Vec<f64> {
    x.iter().zip(y).map(|(x, y)| x - y).collect()
}

fn unit(x: &[f64]) -> Vec<f64> {
    let scale = largest(x);
    let scaled: Vec<f64> = x.iter().map(|value| value / scale).collect();
    let length = norm(&scaled);
    scaled.iter().map(|value| value / length).collect()
}
