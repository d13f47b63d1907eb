//! Cholesky factors and triangular systems.
#![allow(
    clippy::indexing_slicing,
    reason = "indices run below the side of the matrix, whose length the callers checked"
)]

/// The lower triangular `L` with `L L^T = a`, for a symmetric matrix of side `n`; only its lower half is read. None when it is not
/// positive definite.
pub fn factor(a: &[f64], n: usize) -> Option<Vec<f64>> {
    let mut l = vec![0.0; n * n];
    for i in 0..n {
        for j in 0..=i {
            let mut sum = a[i * n + j];
            for k in 0..j {
                sum -= l[i * n + k] * l[j * n + k];
            }
            if i == j {
                if sum.is_nan() || sum <= 0.0 || sum.is_infinite() {
                    return None;
                }
                l[i * n + i] = sum.sqrt();
            } else {
                l[i * n + j] = sum / l[j * n + j];
            }
        }
    }
    Some(l)
}

/// The inverse of a lower triangular matrix.
pub fn inverse(l: &[f64], n: usize) -> Vec<f64> {
    let mut inverse = vec![0.0; n * n];
    for j in 0..n {
        inverse[j * n + j] = 1.0 / l[j * n + j];
        for i in j + 1..n {
            let mut sum = 0.0;
            for k in j..i {
                sum -= l[i * n + k] * inverse[k * n + j];
            }
            inverse[i * n + j] = sum / l[i * n + i];
        }
    }
    inverse
}

/// `m b m^T` for symmetric `b`, exactly symmetric.
pub fn congruence(m: &[f64], b: &[f64], n: usize) -> Vec<f64> {
    let half = super::product(m, b, n);
    let mut out = vec![0.0; n * n];
    for i in 0..n {
        for j in 0..=i {
            let value = super::dot(&half[i * n..(i + 1) * n], &m[j * n..(j + 1) * n]);
            out[i * n + j] = value;
            out[j * n + i] = value;
        }
    }
    out
}
