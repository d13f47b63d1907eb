//! Affine-invariant distances of matrices of side 3 from one of them, block by block: Jacobi's rotations for all matrices of a block at once.
//! Unlike a closed form these keep the digits of the least eigenvalue beside a large one (Demmel and Veselic, SIAM J. Matrix Anal. Appl. 13,
//! 1992). A rotation that would change nothing is one by nothing, so that a matrix does not see how long its neighbours take.
#![allow(clippy::inline_always, reason = "a call in the loop would keep it from being vectorised")]
#![allow(clippy::indexing_slicing, reason = "lanes of arrays of one length, and matrices of side 3")]
#![allow(
    clippy::neg_cmp_op_on_partial_ord,
    clippy::needless_bitwise_bool,
    clippy::nonminimal_bool,
    reason = "without branches; what is not a number has to count as outside"
)]

use super::TOLERANCE;
use crate::lanes;

/// Sweeps at most; four are usual.
const SWEEPS_MAX: usize = 12;

/// Eigenvalues outside of this, whose squares leave double precision, are for the plain way.
const LARGEST: f64 = 1e100;

/// The three diagonal entries, then those at (1, 0), (2, 0), (2, 1); a lane is a matrix.
type Lanes<const L: usize> = [[f64; L]; 6];

#[inline(always)]
fn larger(a: f64, b: f64) -> f64 {
    if a > b { a } else { b }
}

/// `m b m^T` for lower triangular `m`; not numbers for a `b` that is not symmetric.
#[inline(always)]
fn whiten(m: &[[f64; 3]; 3], b: &[f64; 9]) -> [f64; 6] {
    let most = b.iter().fold(0.0, |most, value| larger(value.abs(), most));
    let apart = larger((b[1] - b[3]).abs(), larger((b[2] - b[6]).abs(), (b[5] - b[7]).abs()));
    let by = if apart <= TOLERANCE * most { 1.0 } else { f64::NAN };
    let row = |i: usize| {
        let sum = |j: usize| {
            let mut sum = m[i][0] * b[j];
            for k in 1..=i {
                sum += m[i][k] * b[3 * k + j];
            }
            sum * by
        };
        [sum(0), sum(1), sum(2)]
    };
    let (first, second, third) = (row(0), row(1), row(2));
    [
        first[0] * m[0][0],
        second[0] * m[1][0] + second[1] * m[1][1],
        third[0] * m[2][0] + third[1] * m[2][1] + third[2] * m[2][2],
        second[0] * m[0][0],
        third[0] * m[0][0],
        third[0] * m[1][0] + third[1] * m[1][1],
    ]
}

#[inline(always)]
fn is_nothing_beside(w: f64, p: f64, q: f64) -> bool {
    w * w <= (f64::EPSILON * f64::EPSILON / 16.0) * (p * q).abs()
}

/// Rotates so that `w`, between the diagonal entries `p` and `q`, gets 0; `x` and `y` are what stands beside them. The last number is 1
/// when that changed anything.
#[inline(always)]
fn rotate(p: f64, q: f64, w: f64, x: f64, y: f64) -> ([f64; 5], u64) {
    let is_negligible = is_nothing_beside(w, p, q);
    let apart = q - p;
    let twice = 2.0 * w;
    let root = (apart * apart + twice * twice).sqrt();
    let below = if apart < 0.0 { apart - root } else { apart + root };
    let t = if is_negligible { 0.0 } else { twice / below };
    let c = 1.0 / (t * t + 1.0).sqrt();
    let s = t * c;
    let rest = if is_negligible { w } else { 0.0 };
    ([p - t * w, q + t * w, rest, c * x - s * y, s * x + c * y], u64::from(!is_negligible))
}

/// Makes the matrices diagonal.
#[inline(always)]
fn diagonalise<const L: usize>(a: &mut Lanes<L>) {
    let [d0, d1, d2, x, y, z] = a;
    for _ in 0..SWEEPS_MAX {
        let mut changed = 0;
        for i in 0..L {
            let ([p, q, w, u, v], first) = rotate(d0[i], d1[i], x[i], y[i], z[i]);
            let ([p, r, u, w, v], second) = rotate(p, d2[i], u, w, v);
            let ([q, r, v, w, u], third) = rotate(q, r, v, w, u);
            (d0[i], d1[i], d2[i], x[i], y[i], z[i]) = (p, q, r, w, u, v);
            changed += first + second + third;
        }
        if changed == 0 {
            return;
        }
    }
}

/// Puts the distances from the matrix whose inverse Cholesky factor is `m`; not numbers where the plain way has to decide.
#[inline(always)]
pub(super) fn distances<const L: usize>(m: &[[f64; 3]; 3], points: &[[f64; 9]; L], out: &mut [f64; L]) {
    let mut lanes: Lanes<L> = [[0.0; L]; 6];
    for i in 0..L {
        let white = whiten(m, &points[i]);
        for (lane, value) in lanes.iter_mut().zip(white) {
            lane[i] = value;
        }
        let trace = white[0] + white[1] + white[2];
        // A lane that is not a number is never rotated to an end.
        if !(trace < LARGEST) {
            lanes.iter_mut().for_each(|lane| lane[i] = 0.0);
        }
    }
    diagonalise(&mut lanes);
    let [d0, d1, d2, x, y, z] = &lanes;
    for i in 0..L {
        let (a, b, c) = (lanes::log(d0[i]), lanes::log(d1[i]), lanes::log(d2[i]));
        let least = larger(-d0[i], larger(-d1[i], -d2[i]));
        let is_diagonal = is_nothing_beside(x[i], d0[i], d1[i])
            & is_nothing_beside(y[i], d0[i], d2[i])
            & is_nothing_beside(z[i], d1[i], d2[i]);
        let sound = is_diagonal & (least <= -1.0 / LARGEST);
        out[i] = if sound { (a * a + b * b + c * c).sqrt() } else { f64::NAN };
    }
}
