//! What every factor of a manifold can do, on points of one factor.

/// Why an operation has no answer, before it is known which argument it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// A point or tangent vector that is not one of this manifold, and why.
    Off(&'static str),
    /// The logarithm is not unique, and why.
    Cut(&'static str),
    /// The manifold has no such operation, and what to do instead.
    Undefined(&'static str),
}

/// The geometry of one factor. Points were checked before: lengths fit, numbers are finite, [`Space::check`] said yes.
pub(crate) trait Space {
    /// Whether a point is on the manifold.
    fn check(&self, point: &[f64]) -> Result<(), &'static str>;

    /// Whether a vector is tangent at a point.
    fn check_tangent(&self, _base: &[f64], _vector: &[f64]) -> Result<(), &'static str> {
        Ok(())
    }

    /// Whether there are tangent vectors at a point in these coordinates; not so at the border of a simplex.
    fn check_base(&self, _point: &[f64]) -> Result<(), &'static str> {
        Ok(())
    }

    /// The geodesic distance.
    fn distance(&self, x: &[f64], y: &[f64]) -> f64;

    /// Where the geodesic from `x` with the velocity `v` is at time 1.
    fn exp(&self, x: &[f64], v: &[f64], out: &mut [f64]) -> Result<(), Fault>;

    /// The velocity at `x` of the shortest geodesic that is at `y` at time 1.
    fn log(&self, x: &[f64], y: &[f64], out: &mut [f64]) -> Result<(), Fault>;

    /// `v` carried in parallel from `x` to `y` along the shortest geodesic.
    fn transport(&self, x: &[f64], y: &[f64], v: &[f64], out: &mut [f64]) -> Result<(), Fault>;

    /// The Riemannian length of a vector at `x`.
    fn length(&self, x: &[f64], v: &[f64]) -> f64;

    /// Where a mean of points is looked for first. `weights` sum to 1.
    fn guess(&self, points: &[&[f64]], weights: &[f64]) -> Result<Vec<f64>, Fault>;

    /// Points within this distance of their mean have no other one (Afsari, Proc. AMS 139, 2011, theorem 2.1).
    fn unique_within(&self) -> f64 {
        f64::INFINITY
    }
}

/// `sum of weights * points`, coordinate by coordinate.
pub(crate) fn weighted_sum(points: &[&[f64]], weights: &[f64]) -> Vec<f64> {
    let mut sum = vec![0.0; points.first().map_or(0, |point| point.len())];
    for (point, weight) in points.iter().zip(weights) {
        sum.iter_mut().zip(*point).for_each(|(sum, value)| *sum += weight * value);
    }
    sum
}

/// The length of the difference, without its squares overflowing or vanishing.
#[inline]
pub(crate) fn gap(x: &[f64], y: &[f64]) -> f64 {
    let sum: f64 = x.iter().zip(y).map(|(x, y)| (x - y) * (x - y)).sum();
    if (1e-290..1e300).contains(&sum) {
        return sum.sqrt();
    }
    let scale = x.iter().zip(y).fold(0.0_f64, |most, (x, y)| most.max((x - y).abs()));
    if scale == 0.0 {
        return 0.0;
    }
    let sum: f64 = x.iter().zip(y).map(|(x, y)| ((x - y) / scale) * ((x - y) / scale)).sum();
    scale * sum.sqrt()
}
