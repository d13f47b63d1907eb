//! Distances: one to many, row by row, all pairs. The part that depends on one point only is computed once.

use super::blocks::measure;
use super::space::{Fault, gap};
use super::spd::Whitened;
use super::{Factor, Kind, Manifold, ManifoldError, spd};
use super::{blocks, categorical, first_not_finite};

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

/// Puts the distances from a base to the points of a factor; not numbers where [`plainly`] has to decide.
fn in_blocks(factor: &Factor, base: &Base<'_>, points: &[f64], out: &mut [f64]) {
    match (factor.kind, base) {
        (Kind::Euclidean, Base::Point(x)) => measure(&blocks::Flat, x, points, out),
        (Kind::Sphere, Base::Point(x)) => measure(&blocks::Round, x, points, out),
        (Kind::Poincare, Base::Point(x)) => measure(&blocks::Ball, x, points, out),
        (Kind::Lorentz, Base::Point(x)) => measure(&blocks::Sheet, x, points, out),
        (Kind::Gaussian, Base::Point(x)) if x.len() == 2 => measure(&blocks::Bell, x, points, out),
        (_, Base::Shares(roots)) => measure(&blocks::Shares, roots, points, out),
        (_, Base::Whitened(white)) => white.measure(points, out),
        _ => out.fill(f64::NAN),
    }
}

/// The distance from a base to a point of a factor, which may be none.
fn plainly(factor: &Factor, base: &Base<'_>, y: &[f64]) -> Result<f64, Fault> {
    let side = factor.size as usize;
    match base {
        Base::Point(x) => {
            let space = factor.space();
            space.check(y).map_err(Fault::Off)?;
            Ok(space.distance(x, y))
        }
        Base::Shares(roots) => categorical::distance_from_roots(roots, y).map_err(Fault::Off),
        Base::Whitened(white) => {
            if !spd::is_symmetric(y, side) {
                return Err(Fault::Off("the matrix is not symmetric"));
            }
            white.distance(y).ok_or(INDEFINITE)
        }
        Base::Logarithm(log) => {
            spd::check(y, side).map_err(Fault::Off)?;
            Ok(gap(log, &spd::logarithm(y, side)))
        }
        Base::Root(root, trace) => {
            spd::check(y, side).map_err(Fault::Off)?;
            Ok(spd::distance_from_root(root, *trace, y, side))
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
        let count = self.whole(points)?;
        self.unchecked(x, points, count, 1)
    }

    /// As [`Manifold::distances`] for a base that was checked and whole points.
    fn unchecked(&self, x: &[f64], points: &[f64], count: usize, from: usize) -> Result<Vec<f64>, ManifoldError> {
        if let [factor] = self.factors.as_slice() {
            let mut out = vec![0.0; count];
            self.of_factor(factor, x, points, from, &mut out)?;
            #[allow(clippy::float_cmp, reason = "1 is exact")]
            if factor.weight != 1.0 {
                let scale = factor.weight.sqrt();
                out.iter_mut().for_each(|out| *out *= scale);
            }
            return Ok(out);
        }
        let (mut out, mut found) = (vec![0.0; count], vec![0.0; count]);
        for (factor, range) in self.parts() {
            let rows = points.chunks_exact(self.width).filter_map(|point| point.get(range.clone()));
            let rows: Vec<f64> = rows.flatten().copied().collect();
            let base = x.get(range.clone()).unwrap_or_default();
            let done = self.of_factor(factor, base, &rows, from, &mut found);
            // A number that is not finite is told before anything else, wherever it is.
            done.or_else(|error| self.count(points, from).and(Err(error)))?;
            out.iter_mut().zip(&found).for_each(|(out, distance)| *out += factor.weight * distance * distance);
        }
        out.iter_mut().for_each(|out| *out = out.sqrt());
        Ok(out)
    }

    /// Puts the distances of a factor.
    #[allow(clippy::unused_self, reason = "read as a method among methods")]
    fn of_factor(
        &self,
        factor: &Factor,
        x: &[f64],
        points: &[f64],
        from: usize,
        out: &mut [f64],
    ) -> Result<(), ManifoldError> {
        let base = Base::new(factor, x).map_err(|fault| fault.at(0))?;
        in_blocks(factor, &base, points, out);
        let mut is_finite = false;
        let undecided = out.iter_mut().zip(points.chunks_exact(factor.width())).enumerate();
        for (at, (out, point)) in undecided.filter(|(_, (out, _))| out.is_nan()) {
            if !is_finite {
                first_not_finite(points, factor.width(), from)?;
                is_finite = true;
            }
            *out = plainly(factor, &base, point).map_err(|fault| fault.at(from + at))?;
        }
        Ok(())
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
