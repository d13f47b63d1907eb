//! Eigenvalues and eigenvectors of small symmetric matrices by cyclic Jacobi rotations (Golub and Van Loan, Matrix Computations,
//! 4th edition, algorithm 8.4.3), which find the small eigenvalues of positive definite matrices to their last digits (Demmel and
//! Veselic, SIAM J. Matrix Anal. Appl. 13, 1992). Rows in a fixed order: the same bits everywhere.
#![allow(
    clippy::indexing_slicing,
    reason = "indices run below the side of the matrix, whose length the callers checked"
)]

/// Sweeps at most; 6 to 10 are usual.
const SWEEPS_MAX: usize = 60;

/// Eigenvalues, not in order, and eigenvectors: column `k` of the second matrix goes with value `k`.
#[derive(Debug, Clone, PartialEq)]
pub struct Eigen {
    /// One for each column.
    pub values: Vec<f64>,
    /// Side by side as columns, row by row.
    pub vectors: Vec<f64>,
}

impl Eigen {
    /// Of the symmetric matrix `a` of side `n`, whose numbers are finite.
    pub fn of(a: &[f64], n: usize) -> Eigen {
        let mut a = a.to_vec();
        let mut vectors = vec![0.0; n * n];
        for i in 0..n {
            vectors[i * n + i] = 1.0;
        }
        sweep(&mut a, n, |p, q, c, s| {
            for row in vectors.chunks_exact_mut(n) {
                let (x, y) = (row[p], row[q]);
                row[p] = c * x - s * y;
                row[q] = s * x + c * y;
            }
        });
        Eigen { values: (0..n).map(|i| a[i * n + i]).collect(), vectors }
    }

    /// `V f(values) V^T`, exactly symmetric.
    pub fn map(&self, f: impl Fn(f64) -> f64) -> Vec<f64> {
        let n = self.values.len();
        let images: Vec<f64> = self.values.iter().map(|&value| f(value)).collect();
        let mut out = vec![0.0; n * n];
        for i in 0..n {
            for j in 0..=i {
                let (a, b) = (&self.vectors[i * n..(i + 1) * n], &self.vectors[j * n..(j + 1) * n]);
                let value: f64 = a.iter().zip(b).zip(&images).map(|((a, b), image)| a * b * image).sum();
                out[i * n + j] = value;
                out[j * n + i] = value;
            }
        }
        out
    }

    /// `V^T b V`: a symmetric matrix seen in the basis of the eigenvectors.
    pub fn rotated(&self, b: &[f64]) -> Vec<f64> {
        let n = self.values.len();
        super::cholesky::congruence(&super::transposed(&self.vectors, n), b, n)
    }

    /// `V b V^T`: back from the basis of the eigenvectors.
    pub fn rotated_back(&self, b: &[f64]) -> Vec<f64> {
        super::cholesky::congruence(&self.vectors, b, self.values.len())
    }
}

/// The cosine and sine of the rotation that makes the entry `apq` zero, and the tangent.
fn rotation(app: f64, aqq: f64, apq: f64) -> (f64, f64, f64) {
    let theta = (aqq - app) / (2.0 * apq);
    let t = if theta.abs() > 1e150 {
        0.5 / theta
    } else {
        let t = 1.0 / (theta.abs() + (theta * theta + 1.0).sqrt());
        if theta < 0.0 { -t } else { t }
    };
    let c = 1.0 / (t * t + 1.0).sqrt();
    (c, t * c, t)
}

/// Whether an entry is nothing beside its diagonal: then its rotation would change no digit that counts.
fn is_negligible(app: f64, aqq: f64, apq: f64) -> bool {
    apq == 0.0 || apq * apq <= (f64::EPSILON * f64::EPSILON / 16.0) * (app * aqq).abs()
}

fn sweep(a: &mut [f64], n: usize, mut rotated: impl FnMut(usize, usize, f64, f64)) {
    let floor = a.iter().fold(0.0_f64, |most, value| most.max(value.abs())) * 1e-300;
    for _ in 0..SWEEPS_MAX {
        let mut done = true;
        for p in 0..n {
            for q in p + 1..n {
                let (app, aqq, apq) = (a[p * n + p], a[q * n + q], a[p * n + q]);
                if is_negligible(app, aqq, apq) || apq.abs() <= floor {
                    continue;
                }
                // What singular matrices leave beside zeros of their diagonal never gets negligible by comparison.
                done &= apq.abs() <= f64::EPSILON * f64::EPSILON * (app.abs() + aqq.abs());
                let (c, s, t) = rotation(app, aqq, apq);
                a[p * n + p] = app - t * apq;
                a[q * n + q] = aqq + t * apq;
                a[p * n + q] = 0.0;
                a[q * n + p] = 0.0;
                for k in (0..n).filter(|&k| k != p && k != q) {
                    let (x, y) = (a[k * n + p], a[k * n + q]);
                    let (x, y) = (c * x - s * y, s * x + c * y);
                    a[k * n + p] = x;
                    a[p * n + k] = x;
                    a[k * n + q] = y;
                    a[q * n + k] = y;
                }
                rotated(p, q, c, s);
            }
        }
        if done {
            return;
        }
    }
}

/// The eigenvalues of a symmetric matrix of side `n`, not in order.
pub fn values(a: &[f64], n: usize) -> Vec<f64> {
    let mut a = a.to_vec();
    sweep(&mut a, n, |_, _, _, _| {});
    (0..n).map(|i| a[i * n + i]).collect()
}

/// The eigenvalues of a symmetric matrix of side 2.
pub fn values_2(a: [[f64; 2]; 2]) -> [f64; 2] {
    let (app, aqq, apq) = (a[0][0], a[1][1], a[1][0]);
    if is_negligible(app, aqq, apq) {
        return [app, aqq];
    }
    let (_, _, t) = rotation(app, aqq, apq);
    [app - t * apq, aqq + t * apq]
}

/// The least eigenvalue beside the largest for which the closed form is as good: its errors are a rounding of the largest.
const CLOSED_FORM_MIN: f64 = 1e-3;

/// The eigenvalues of a positive definite matrix of side 3: the closed form (Smith, Communications of the ACM 4, 1961) where it keeps
/// the digits of the least one, else Jacobi's rotations. Near eigenvalues take errors of opposite signs, which sums of a smooth
/// function of them do not see.
pub fn positive_values_3(a: [[f64; 3]; 3]) -> [f64; 3] {
    let (x, y, z) = (a[1][0], a[2][0], a[2][1]);
    let middle = (a[0][0] + a[1][1] + a[2][2]) / 3.0;
    let (d0, d1, d2) = (a[0][0] - middle, a[1][1] - middle, a[2][2] - middle);
    let p = ((d0 * d0 + d1 * d1 + d2 * d2 + 2.0 * (x * x + y * y + z * z)) / 6.0).sqrt();
    if p > 0.0 {
        let half = d0 * (d1 * d2 - z * z) - x * (x * d2 - y * z) + y * (x * z - y * d1);
        let angle = libm::acos((half / (2.0 * p * p * p)).clamp(-1.0, 1.0)) / 3.0;
        let (c, s) = (libm::cos(angle), libm::sin(angle));
        let side = 1.732_050_807_568_877_2 * s;
        let (first, second, third) = (middle + 2.0 * p * c, middle - p * (c - side), middle - p * (c + side));
        if third > CLOSED_FORM_MIN * first {
            return [first, second, third];
        }
    }
    values_3(a)
}

/// The eigenvalues of a symmetric matrix of side 3: the same rotations without loops over memory.
pub fn values_3(a: [[f64; 3]; 3]) -> [f64; 3] {
    let (mut d0, mut d1, mut d2) = (a[0][0], a[1][1], a[2][2]);
    let (mut x, mut y, mut z) = (a[1][0], a[2][0], a[2][1]);
    for _ in 0..SWEEPS_MAX {
        let mut done = true;
        if !is_negligible(d0, d1, x) {
            let (c, s, t) = rotation(d0, d1, x);
            (d0, d1, x) = (d0 - t * x, d1 + t * x, 0.0);
            (y, z) = (c * y - s * z, s * y + c * z);
            done = false;
        }
        if !is_negligible(d0, d2, y) {
            let (c, s, t) = rotation(d0, d2, y);
            (d0, d2, y) = (d0 - t * y, d2 + t * y, 0.0);
            (x, z) = (c * x - s * z, s * x + c * z);
            done = false;
        }
        if !is_negligible(d1, d2, z) {
            let (c, s, t) = rotation(d1, d2, z);
            (d1, d2, z) = (d1 - t * z, d2 + t * z, 0.0);
            (x, y) = (c * x - s * y, s * x + c * y);
            done = false;
        }
        if done {
            break;
        }
    }
    [d0, d1, d2]
}
