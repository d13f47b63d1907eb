//! Eigenvalues and eigenvectors of larger symmetric matrices: Householder's reduction to tridiagonal form, then QL steps with
//! implicit shifts (Golub and Van Loan, Matrix Computations, 4th edition, 8.3; the order of operations of EISPACK's `tred2` and `tql2`).
#![allow(
    clippy::indexing_slicing,
    reason = "indices run below the side of the matrix, whose length the callers checked"
)]

/// Steps for one eigenvalue at most; 1 to 3 are usual.
const STEPS_MAX: usize = 60;

/// The eigenvalues of a symmetric matrix, ascending.
pub fn values(a: &[f64], n: usize) -> Vec<f64> {
    let mut reduced = Reduced::new(a, n);
    let (mut d, mut e) = (reduced.diagonal(), std::mem::take(&mut reduced.beside));
    steps(&mut d, &mut e, |_, _, _| {});
    d.sort_by(f64::total_cmp);
    d
}

/// The eigenvalues of a symmetric matrix, ascending, and its eigenvectors: row `k` of the second goes with value `k`.
pub fn eigen(a: &[f64], n: usize) -> (Vec<f64>, Vec<f64>) {
    let mut reduced = Reduced::new(a, n);
    let (mut d, mut e) = (reduced.diagonal(), std::mem::take(&mut reduced.beside));
    let mut vectors = reduced.basis();
    steps(&mut d, &mut e, |i, c, s| {
        let (head, tail) = vectors.split_at_mut((i + 1) * n);
        for (x, y) in head[i * n..].iter_mut().zip(&mut tail[..n]) {
            (*x, *y) = (c * *x - s * *y, s * *x + c * *y);
        }
    });
    let mut order: Vec<usize> = (0..n).collect();
    order.sort_by(|&a, &b| d[a].total_cmp(&d[b]));
    let sorted = order.iter().map(|&k| d[k]).collect();
    (sorted, order.iter().flat_map(|&k| vectors[k * n..(k + 1) * n].iter().copied()).collect())
}

/// `Q^T a Q` tridiagonal, with `Q` a product of reflections `1 - beta v v^T`.
struct Reduced {
    n: usize,
    /// What is left of the matrix; its diagonal is that of the tridiagonal form.
    a: Vec<f64>,
    /// `beside[i]` joins `i` and `i + 1`; the last is 0.
    beside: Vec<f64>,
    /// Vector and factor of each reflection; the vector of the `k`th has zeros up to `k`.
    reflections: Vec<(Vec<f64>, f64)>,
}

impl Reduced {
    fn new(a: &[f64], n: usize) -> Reduced {
        let mut a = a.to_vec();
        let mut beside = vec![0.0; n];
        let mut reflections = Vec::with_capacity(n.saturating_sub(2));
        for k in 0..n.saturating_sub(1) {
            let mut v: Vec<f64> = a[k * n + k + 1..(k + 1) * n].to_vec();
            let scale = v.iter().fold(0.0_f64, |most, value| most.max(value.abs()));
            let rest = v.iter().skip(1).fold(0.0_f64, |most, value| most.max(value.abs()));
            if rest == 0.0 || scale == 0.0 {
                beside[k] = v.first().copied().unwrap_or_default();
                reflections.push((Vec::new(), 0.0));
                continue;
            }
            v.iter_mut().for_each(|value| *value /= scale);
            let length = super::norm(&v);
            let alpha = if v[0] > 0.0 { -length } else { length };
            v[0] -= alpha;
            let beta = 2.0 / super::dot(&v, &v);
            beside[k] = alpha * scale;
            reflect(&mut a, n, k + 1, &v, beta);
            reflections.push((v, beta));
        }
        Reduced { n, a, beside, reflections }
    }

    fn diagonal(&self) -> Vec<f64> {
        (0..self.n).map(|i| self.a[i * self.n + i]).collect()
    }

    /// `Q^T`: its rows are the basis in which the matrix is tridiagonal.
    fn basis(&self) -> Vec<f64> {
        let n = self.n;
        let mut q = vec![0.0; n * n];
        for i in 0..n {
            q[i * n + i] = 1.0;
        }
        // Q^T = H_last ... H_1: from the last to the first, each on the columns that it touches.
        for (k, (v, beta)) in self.reflections.iter().enumerate().rev() {
            if v.is_empty() {
                continue;
            }
            for row in q.chunks_exact_mut(n).skip(k + 1) {
                let part = &mut row[k + 1..];
                let factor = beta * super::dot(part, v);
                part.iter_mut().zip(v).for_each(|(value, v)| *value -= factor * v);
            }
        }
        q
    }
}

/// `H a H` on the lower right block from `from`, both halves kept.
fn reflect(a: &mut [f64], n: usize, from: usize, v: &[f64], beta: f64) {
    let mut p = vec![0.0; n - from];
    for (i, p) in p.iter_mut().enumerate() {
        *p = beta * super::dot(&a[(from + i) * n + from..(from + i + 1) * n], v);
    }
    let half = beta / 2.0 * super::dot(&p, v);
    let w: Vec<f64> = p.iter().zip(v).map(|(p, v)| p - half * v).collect();
    for (i, (vi, wi)) in v.iter().zip(&w).enumerate() {
        let row = &mut a[(from + i) * n + from..(from + i + 1) * n];
        for ((value, vj), wj) in row.iter_mut().zip(v).zip(&w) {
            *value -= vi * wj + wi * vj;
        }
    }
}

/// QL steps until what stands beside the diagonal is nothing; each rotation of `i` and `i + 1` is told.
fn steps(d: &mut [f64], e: &mut [f64], mut rotated: impl FnMut(usize, f64, f64)) {
    let n = d.len();
    for l in 0..n {
        for _ in 0..STEPS_MAX {
            let small = |m: usize| e[m].abs() <= f64::EPSILON * (d[m].abs() + d[m + 1].abs()) || e[m].abs() < 1e-300;
            let m = (l..n - 1).find(|&m| small(m)).unwrap_or(n - 1);
            if m == l {
                break;
            }
            let g = (d[l + 1] - d[l]) / (2.0 * e[l]);
            let r = libm::hypot(g, 1.0);
            let mut g = d[m] - d[l] + e[l] / (g + if g < 0.0 { -r } else { r });
            let (mut s, mut c, mut p) = (1.0, 1.0, 0.0);
            let mut underflow = false;
            for i in (l..m).rev() {
                let (f, b) = (s * e[i], c * e[i]);
                let r = libm::hypot(f, g);
                e[i + 1] = r;
                if r == 0.0 {
                    d[i + 1] -= p;
                    e[m] = 0.0;
                    underflow = true;
                    break;
                }
                s = f / r;
                c = g / r;
                g = d[i + 1] - p;
                let r = (d[i] - g) * s + 2.0 * c * b;
                p = s * r;
                d[i + 1] = g + p;
                g = c * r - b;
                rotated(i, c, s);
            }
            if underflow {
                continue;
            }
            d[l] -= p;
            e[l] = g;
            e[m] = 0.0;
        }
    }
}
