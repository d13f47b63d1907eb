//! Distances: one to many, row by row, all pairs. The part that depends on one point only is computed once.

use super::space::{Fault, Space, gap};
use super::spd::Whitened;
use super::{Factor, Kind, Manifold, ManifoldError, spd};
use super::{categorical, euclidean, gaussian, lorentz, poincare, sphere};

/// A point that distances are measured from.
enum Base<'a> {
    Point(&'a [f64]),
    Whitened(Whitened),
    Logarithm(Vec<f64>),
    Root(Vec<f64>, f64),
    Shares(Vec<f64>),
}

const INDEFINITE: Fault = Fault::Off("the matrix is not positive definite");

impl<'a> Base<'a> {
    /// Of a point that was checked.
    fn new(factor: &Factor, point: &'a [f64]) -> Result<Base<'a>, Fault> {
        let side = factor.size as usize;
        Ok(match factor.kind {
            Kind::SpdAffineInvariant => Base::Whitened(Whitened::new(point, side).ok_or(INDEFINITE)?),
            Kind::SpdLogEuclidean => Base::Logarithm(spd::logarithm(point, side)),
            Kind::SpdBuresWasserstein => {
                let (root, trace) = spd::root_and_trace(point, side);
                Base::Root(root, trace)
            }
            Kind::Categorical => Base::Shares(categorical::roots(point)),
            _ => Base::Point(point),
        })
    }
}

/// Puts the distance from a base to each point, of a factor.
fn each<'a>(
    factor: &Factor,
    base: &Base<'_>,
    points: impl Iterator<Item = &'a [f64]>,
    put: &mut impl FnMut(usize, f64),
) -> Result<(), (usize, Fault)> {
    // A loop of its own for each kind, so that nothing is decided inside of it.
    fn run<'a, S: Space>(
        space: &S,
        x: &[f64],
        points: impl Iterator<Item = &'a [f64]>,
        put: &mut impl FnMut(usize, f64),
    ) -> Result<(), (usize, Fault)> {
        match x.len() {
            2 => narrow::<S, 2>(space, x, points, put),
            3 => narrow::<S, 3>(space, x, points, put),
            4 => narrow::<S, 4>(space, x, points, put),
            _ => {
                for (at, y) in points.enumerate() {
                    space.check(y).map_err(|why| (at, Fault::Off(why)))?;
                    put(at, space.distance(x, y));
                }
                Ok(())
            }
        }
    }
    // The same with a length that the compiler knows: its loops over coordinates are unrolled.
    fn narrow<'a, S: Space, const N: usize>(
        space: &S,
        x: &[f64],
        points: impl Iterator<Item = &'a [f64]>,
        put: &mut impl FnMut(usize, f64),
    ) -> Result<(), (usize, Fault)> {
        let Ok(x) = <&[f64; N]>::try_from(x) else { return Ok(()) };
        for (at, y) in points.enumerate() {
            let Ok(y) = <&[f64; N]>::try_from(y) else { continue };
            space.check(y).map_err(|why| (at, Fault::Off(why)))?;
            put(at, space.distance(x, y));
        }
        Ok(())
    }
    let side = factor.size as usize;
    match (factor.kind, base) {
        (Kind::Sphere, Base::Point(x)) => run(&sphere::Sphere, x, points, put),
        (Kind::Poincare, Base::Point(x)) => run(&poincare::Poincare, x, points, put),
        (Kind::Lorentz, Base::Point(x)) => run(&lorentz::Lorentz, x, points, put),
        (Kind::Gaussian, Base::Point(x)) => run(&gaussian::Gaussians, x, points, put),
        (_, Base::Point(x)) => run(&euclidean::Euclidean, x, points, put),
        (_, Base::Shares(roots)) => {
            for (at, y) in points.enumerate() {
                put(at, categorical::distance_from_roots(roots, y).map_err(|why| (at, Fault::Off(why)))?);
            }
            Ok(())
        }
        (_, Base::Whitened(white)) => {
            for (at, y) in points.enumerate() {
                if !spd::is_symmetric(y, side) {
                    return Err((at, Fault::Off("the matrix is not symmetric")));
                }
                put(at, white.distance(y).ok_or((at, INDEFINITE))?);
            }
            Ok(())
        }
        (_, Base::Logarithm(log)) => {
            for (at, y) in points.enumerate() {
                spd::check(y, side).map_err(|why| (at, Fault::Off(why)))?;
                put(at, gap(log, &spd::logarithm(y, side)));
            }
            Ok(())
        }
        (_, Base::Root(root, trace)) => {
            for (at, y) in points.enumerate() {
                spd::check(y, side).map_err(|why| (at, Fault::Off(why)))?;
                put(at, spd::distance_from_root(root, *trace, y, side));
            }
            Ok(())
        }
    }
}

impl Manifold {
    /// The distance of two points.
    ///
    /// # Errors
    /// See [`ManifoldError`]; `x` is point 0, `y` point 1.
    pub fn distance(&self, x: &[f64], y: &[f64]) -> Result<f64, ManifoldError> {
        if y.len() != self.width {
            return Err(self.one_point(y.len()));
        }
        self.distances(x, y)?.pop().ok_or_else(|| self.one_point(0))
    }

    fn one_point(&self, numbers: usize) -> ManifoldError {
        ManifoldError::Dimensions(format!("one point has {} numbers here, not {numbers}", self.width))
    }

    /// The distances of one point to many, whole points one after another.
    ///
    /// # Errors
    /// See [`ManifoldError`]; `x` is point 0, the first of `points` point 1.
    pub fn distances(&self, x: &[f64], points: &[f64]) -> Result<Vec<f64>, ManifoldError> {
        if x.len() != self.width {
            return Err(self.one_point(x.len()));
        }
        self.checked(x, 0)?;
        let count = self.count(points, 1)?;
        self.unchecked(x, points, count, 1)
    }

    /// As [`Manifold::distances`] for a base that was checked and points that are finite.
    fn unchecked(&self, x: &[f64], points: &[f64], count: usize, from: usize) -> Result<Vec<f64>, ManifoldError> {
        let mut out = vec![0.0; count];
        let single = self.factors.len() == 1;
        for (factor, range) in self.parts() {
            let base = Base::new(factor, x.get(range.clone()).unwrap_or_default()).map_err(|fault| fault.at(0))?;
            let rows = points.chunks_exact(self.width).filter_map(|point| point.get(range.clone()));
            let mut put = |at: usize, distance: f64| {
                if let Some(out) = out.get_mut(at) {
                    *out += if single { distance } else { factor.weight * distance * distance };
                }
            };
            each(factor, &base, rows, &mut put).map_err(|(at, fault)| fault.at(from + at))?;
        }
        if single {
            let scale = self.factors.first().map_or(1.0, |factor| factor.weight).sqrt();
            out.iter_mut().for_each(|out| *out *= scale);
        } else {
            out.iter_mut().for_each(|out| *out = out.sqrt());
        }
        Ok(out)
    }

    /// The distances of `xs` and `ys`, row by row.
    ///
    /// # Errors
    /// See [`ManifoldError`]; the points of `ys` count after all of `xs`.
    pub fn pair_distances(&self, xs: &[f64], ys: &[f64]) -> Result<Vec<f64>, ManifoldError> {
        let count = self.count(xs, 0)?;
        if self.count(ys, count)? != count {
            let others = ys.len() / self.width;
            return Err(ManifoldError::Dimensions(format!("there are {count} points and {others} others")));
        }
        self.checked(xs, 0)?;
        let mut out = Vec::with_capacity(count);
        for (at, (x, y)) in xs.chunks_exact(self.width).zip(ys.chunks_exact(self.width)).enumerate() {
            let moved = |error| match error {
                ManifoldError::OffManifold { point: 0, reason } => {
                    ManifoldError::OffManifold { point: at as u32, reason }
                }
                other => other,
            };
            out.extend(self.unchecked(x, y, 1, count + at).map_err(moved)?);
        }
        Ok(out)
    }

    /// The distances of all pairs of points: `(0, 1), (0, 2) .. (1, 2) ..`.
    ///
    /// # Errors
    /// See [`ManifoldError`].
    pub fn all_distances(&self, points: &[f64]) -> Result<Vec<f64>, ManifoldError> {
        let count = self.checked(points, 0)?;
        let mut out = Vec::with_capacity(count * count.saturating_sub(1) / 2);
        for at in 0..count {
            let (x, rest) = points.get(at * self.width..).unwrap_or_default().split_at(self.width);
            out.extend(self.unchecked(x, rest, count - at - 1, at + 1)?);
        }
        Ok(out)
    }
}
