//! Exponential, logarithm, parallel transport and geodesics, for lists of points at once.

#![allow(clippy::float_cmp, reason = "the ends of a geodesic are at exactly 0 and 1")]

use super::space::{Fault, Space};
use super::{Factor, Manifold, ManifoldError};

impl Manifold {
    /// How many rows a call has: lists have one length, or one of them a single point that goes with every other.
    fn rows(&self, lists: &[&[f64]]) -> Result<usize, ManifoldError> {
        let (mut rows, mut from) = (1, 0);
        for list in lists {
            let count = self.count(list, from)?;
            if count != 1 && rows != 1 && count != rows {
                return Err(ManifoldError::Dimensions(format!("there are {rows} points and {count} others")));
            }
            rows = if count == 1 { rows } else { count };
            from += count;
        }
        Ok(rows)
    }

    fn row<'a>(&self, list: &'a [f64], row: usize) -> (usize, &'a [f64]) {
        let at = if list.len() == self.width { 0 } else { row };
        (at, list.get(at * self.width..(at + 1) * self.width).unwrap_or_default())
    }

    /// Vectors are tangent at their points, and their points have tangents.
    fn check_vectors(&self, points: &[f64], vectors: &[f64], rows: usize, from: usize) -> Result<(), ManifoldError> {
        for (factor, range) in self.parts() {
            let space = factor.space();
            for row in 0..rows {
                let ((at, x), (vector, v)) = (self.row(points, row), self.row(vectors, row));
                let (x, v) = (x.get(range.clone()).unwrap_or_default(), v.get(range.clone()).unwrap_or_default());
                space.check_base(x).map_err(|why| Fault::Off(why).at(at))?;
                space.check_tangent(x, v).map_err(|why| Fault::Off(why).at(from + vector))?;
            }
        }
        Ok(())
    }

    fn check_bases(&self, points: &[f64], from: usize) -> Result<(), ManifoldError> {
        for (factor, range) in self.parts() {
            let space = factor.space();
            for (at, point) in points.chunks_exact(self.width).enumerate() {
                let part = point.get(range.clone()).unwrap_or_default();
                space.check_base(part).map_err(|why| Fault::Off(why).at(from + at))?;
            }
        }
        Ok(())
    }

    /// Runs an operation on every row and factor; `at` is the position that a fault of a row is told for.
    fn run(
        &self,
        lists: &[&[f64]],
        rows: usize,
        at: impl Fn(usize) -> usize,
        mut act: impl FnMut(&Factor, &dyn Space, &[&[f64]], &mut [f64]) -> Result<(), Fault>,
    ) -> Result<Vec<f64>, ManifoldError> {
        let mut out = vec![0.0; rows * self.width];
        for (factor, range) in self.parts() {
            let space = factor.space();
            let mut parts: Vec<&[f64]> = Vec::with_capacity(lists.len());
            for (row, out) in out.chunks_exact_mut(self.width).enumerate() {
                parts.clear();
                parts.extend(lists.iter().filter_map(|list| self.row(list, row).1.get(range.clone())));
                let Some(out) = out.get_mut(range.clone()) else { continue };
                act(factor, space.as_ref(), &parts, out).map_err(|fault| fault.at(at(row)))?;
            }
        }
        Ok(out)
    }

    /// Where geodesics are at time 1: `xs` with the velocities `vs`, row by row. Either may be a single one for all rows.
    ///
    /// # Errors
    /// See [`ManifoldError`]; the vectors count after the points.
    pub fn exp(&self, xs: &[f64], vs: &[f64]) -> Result<Vec<f64>, ManifoldError> {
        let rows = self.rows(&[xs, vs])?;
        let points = self.checked(xs, 0)?;
        self.check_vectors(xs, vs, rows, points)?;
        self.run(
            &[xs, vs],
            rows,
            |row| points + row,
            |_, space, parts, out| match parts {
                [x, v] => space.exp(x, v, out),
                _ => Ok(()),
            },
        )
    }

    /// The velocities at `xs` of the shortest geodesics to `ys`, row by row. Either may be a single one for all rows.
    ///
    /// # Errors
    /// See [`ManifoldError`]; `ys` count after `xs`. [`ManifoldError::CutLocus`] where there are several.
    pub fn log(&self, xs: &[f64], ys: &[f64]) -> Result<Vec<f64>, ManifoldError> {
        let rows = self.rows(&[xs, ys])?;
        let points = self.checked(xs, 0)?;
        self.checked(ys, points)?;
        self.check_bases(xs, 0)?;
        self.run(
            &[xs, ys],
            rows,
            |row| points + row,
            |_, space, parts, out| match parts {
                [x, y] => space.log(x, y, out),
                _ => Ok(()),
            },
        )
    }

    /// Vectors at `xs` carried in parallel to `ys` along the shortest geodesics, row by row. Each may be a single one for all.
    ///
    /// # Errors
    /// See [`ManifoldError`]; first `xs` count, then `ys`, then the vectors. [`ManifoldError::Undefined`] for the
    /// Bures-Wasserstein metric.
    pub fn transport(&self, xs: &[f64], ys: &[f64], vs: &[f64]) -> Result<Vec<f64>, ManifoldError> {
        let rows = self.rows(&[xs, ys, vs])?;
        let points = self.checked(xs, 0)?;
        let both = points + self.checked(ys, points)?;
        self.check_bases(ys, points)?;
        self.check_vectors(xs, vs, rows, both)?;
        self.run(
            &[xs, ys, vs],
            rows,
            |row| points + row,
            |_, space, parts, out| match parts {
                [x, y, v] => space.transport(x, y, v, out),
                _ => Ok(()),
            },
        )
    }

    /// Points of the shortest geodesic from `x` to `y` at these times: 0 is `x`, 1 is `y`; before and after them it goes on.
    ///
    /// # Errors
    /// See [`ManifoldError`].
    pub fn geodesic(&self, x: &[f64], y: &[f64], times: &[f64]) -> Result<Vec<f64>, ManifoldError> {
        if x.len() != self.width || y.len() != self.width {
            let (first, second) = (x.len(), y.len());
            return Err(ManifoldError::Dimensions(format!(
                "a geodesic has two ends of {} numbers, not {first} and {second}",
                self.width
            )));
        }
        if times.iter().any(|time| !time.is_finite()) {
            return Err(ManifoldError::Dimensions("a time is not finite".to_owned()));
        }
        let velocity = self.log(x, y)?;
        let mut out = Vec::with_capacity(times.len() * self.width);
        for &time in times {
            // The ends as they were given, to the last bit.
            if time == 0.0 || time == 1.0 {
                out.extend_from_slice(if time == 0.0 { x } else { y });
                continue;
            }
            let step: Vec<f64> = velocity.iter().map(|value| time * value).collect();
            out.extend(self.run(
                &[x, &step],
                1,
                |_| 1,
                |_, space, parts, out| match parts {
                    [x, v] => space.exp(x, v, out),
                    _ => Ok(()),
                },
            )?);
        }
        Ok(out)
    }
}
