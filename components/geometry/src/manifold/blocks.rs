//! Distances from one point to many, block by block: first sums over coordinates, point by point, then one function without branches for
//! the whole block. A number does not depend on its block: what is left over at the end are blocks of one.
#![allow(clippy::inline_always, reason = "lengths and formulas have to be known where the loops are compiled")]
#![allow(
    clippy::neg_cmp_op_on_partial_ord,
    clippy::needless_bitwise_bool,
    clippy::nonminimal_bool,
    reason = "without branches; what is not a number has to count as outside"
)]

use super::{categorical, lorentz, sphere};
use crate::lanes;

/// Points of a block.
pub(super) const LANES: usize = 64;

/// Sums of squares below this have lost digits, or points are the same: the plain way decides.
const SQUARES_MIN: f64 = 1e-290;

/// How a kind of manifold measures in blocks.
pub(super) trait Measure {
    /// What the distance of two points depends on. The first is not a number when `y` may not be a point.
    fn sums(&self, x: &[f64], y: &[f64]) -> (f64, f64);

    /// The distance; not a number where the plain way has to decide.
    fn distance(sums: (f64, f64)) -> f64;
}

#[inline(always)]
fn unless(is_undecided: bool, value: f64) -> f64 {
    if is_undecided { f64::NAN } else { value }
}

/// `R^n`.
pub(super) struct Flat;

impl Measure for Flat {
    #[inline(always)]
    fn sums(&self, x: &[f64], y: &[f64]) -> (f64, f64) {
        (x.iter().zip(y).map(|(x, y)| (x - y) * (x - y)).sum(), 0.0)
    }

    #[inline(always)]
    fn distance((squares, _): (f64, f64)) -> f64 {
        unless(!(squares >= SQUARES_MIN) | !(squares < 1e300), squares.sqrt())
    }
}

/// Spheres.
pub(super) struct Round;

#[inline(always)]
fn angle((apart, along): (f64, f64)) -> f64 {
    unless(!(apart >= SQUARES_MIN), 2.0 * lanes::atan2(apart.sqrt(), along.sqrt()))
}

impl Measure for Round {
    #[inline(always)]
    fn sums(&self, x: &[f64], y: &[f64]) -> (f64, f64) {
        let (mut apart, mut along, mut square) = (0.0, 0.0, 0.0);
        for (x, y) in x.iter().zip(y) {
            apart += (x - y) * (x - y);
            along += (x + y) * (x + y);
            square += y * y;
        }
        (unless(!((square - 1.0_f64).abs() <= 2.0 * sphere::TOLERANCE), apart), along)
    }

    #[inline(always)]
    fn distance(sums: (f64, f64)) -> f64 {
        angle(sums)
    }
}

/// Distributions; `x` are the roots of the shares.
pub(super) struct Shares;

impl Measure for Shares {
    #[inline(always)]
    fn sums(&self, roots: &[f64], y: &[f64]) -> (f64, f64) {
        let sum: f64 = y.iter().sum();
        let by = 1.0 / sum;
        let (mut apart, mut along) = (0.0, 0.0);
        for (root, y) in roots.iter().zip(y) {
            // A negative share has no root, which makes the sums no numbers.
            let other = (y * by).sqrt();
            apart += (root - other) * (root - other);
            along += (root + other) * (root + other);
        }
        (unless(!((sum - 1.0).abs() <= categorical::TOLERANCE), apart), along)
    }

    #[inline(always)]
    fn distance(sums: (f64, f64)) -> f64 {
        2.0 * angle(sums)
    }
}

#[inline(always)]
fn hyperbolic(q: f64) -> f64 {
    unless(!(q >= SQUARES_MIN) | !(q <= 1e150), lanes::arcosh_of_half_squares(q))
}

/// The Poincare ball.
pub(super) struct Ball;

impl Measure for Ball {
    #[inline(always)]
    fn sums(&self, x: &[f64], y: &[f64]) -> (f64, f64) {
        let (mut xx, mut yy, mut gap) = (0.0, 0.0, 0.0);
        for (x, y) in x.iter().zip(y) {
            xx += x * x;
            yy += y * y;
            gap += (x - y) * (x - y);
        }
        (unless(!(yy < 1.0_f64) | !(gap >= SQUARES_MIN), gap), (1.0 - xx) * (1.0 - yy))
    }

    #[inline(always)]
    fn distance((gap, below): (f64, f64)) -> f64 {
        hyperbolic(gap / below)
    }
}

/// The hyperboloid.
pub(super) struct Sheet;

impl Measure for Sheet {
    #[inline(always)]
    fn sums(&self, x: &[f64], y: &[f64]) -> (f64, f64) {
        let ([t, x @ ..], [u, y @ ..]) = (x, y) else { return (f64::NAN, 0.0) };
        let (mut apart, mut square) = (0.0, 0.0);
        for (x, y) in x.iter().zip(y) {
            apart += (x - y) * (x - y);
            square += y * y;
        }
        let off = ((square - u * u) + 1.0).abs();
        let sound = (*u > 0.0) & (off <= lorentz::TOLERANCE * u * u);
        (unless(!sound, apart - (t - u) * (t - u)), 0.0)
    }

    #[inline(always)]
    fn distance((squares, _): (f64, f64)) -> f64 {
        hyperbolic(squares / 4.0)
    }
}

/// One Gaussian.
pub(super) struct Bell;

impl Measure for Bell {
    #[inline(always)]
    fn sums(&self, x: &[f64], y: &[f64]) -> (f64, f64) {
        let (&[mu, sigma], &[other, spread]) = (x, y) else { return (f64::NAN, 0.0) };
        let (along, up) = (mu - other, sigma - spread);
        (unless(!(spread > 0.0), along * along / 2.0 + up * up), 4.0 * (sigma * spread))
    }

    #[inline(always)]
    fn distance((squares, below): (f64, f64)) -> f64 {
        std::f64::consts::SQRT_2 * hyperbolic(squares / below)
    }
}

/// Puts the distances of `x` to points that follow one another; not numbers where the plain way has to decide.
pub(super) fn measure<M: Measure>(by: &M, x: &[f64], points: &[f64], out: &mut [f64]) {
    match x.len() {
        2 => narrow::<M, 2>(by, x, points, out),
        3 => narrow::<M, 3>(by, x, points, out),
        4 => narrow::<M, 4>(by, x, points, out),
        width => run(by, x, points.chunks_exact(width), out),
    }
}

/// With a length that the compiler knows: loops over coordinates are unrolled.
fn narrow<M: Measure, const N: usize>(by: &M, x: &[f64], points: &[f64], out: &mut [f64]) {
    let Ok(x) = <&[f64; N]>::try_from(x) else { return };
    let known = points.chunks_exact(N).filter_map(|point| <&[f64; N]>::try_from(point).ok());
    run(by, x, known.map(<[f64; N]>::as_slice), out);
}

#[inline(always)]
fn run<'a, M: Measure>(by: &M, x: &[f64], mut points: impl Iterator<Item = &'a [f64]>, out: &mut [f64]) {
    let mut blocks = out.chunks_exact_mut(LANES);
    for out in &mut blocks {
        if let Ok(out) = <&mut [f64; LANES]>::try_from(out) {
            block(by, x, &mut points, out);
        }
    }
    for out in blocks.into_remainder() {
        block(by, x, &mut points, std::array::from_mut(out));
    }
}

#[inline(always)]
fn block<'a, M: Measure, const L: usize>(
    by: &M,
    x: &[f64],
    points: &mut impl Iterator<Item = &'a [f64]>,
    out: &mut [f64; L],
) {
    let (mut first, mut second) = ([0.0; L], [0.0; L]);
    // The counter first: the iterator of points gives up one too many otherwise.
    for (first, second) in first.iter_mut().zip(&mut second) {
        if let Some(y) = points.next() {
            (*first, *second) = by.sums(x, y);
        }
    }
    for ((out, first), second) in out.iter_mut().zip(first).zip(second) {
        *out = M::distance((first, second));
    }
}
