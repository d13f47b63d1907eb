//! The principal axes of a set of vectors, with the same bits on every machine: plain `f64`, nothing but the four operations
//! and square roots, sums in a fixed order.
#![allow(clippy::indexing_slicing, reason = "a kernel: every index is below a length that the caller fixed")]

/// Sweeps of rotations after which nothing is left to rotate, with room to spare.
const SWEEPS_MAX: usize = 16;

/// The `count` axes along which vectors of `dimensions` components have most of their length, as rows, longest first. Not
/// centred: inner products are what is to be kept.
pub(crate) fn principal_axes(vectors: &[f32], dimensions: usize, count: usize) -> Vec<f32> {
    let mut moments = vec![0.0_f64; dimensions * dimensions];
    for vector in vectors.chunks_exact(dimensions) {
        for (row, &x) in moments.chunks_exact_mut(dimensions).zip(vector) {
            row.iter_mut().zip(vector).for_each(|(moment, &y)| *moment += f64::from(x) * f64::from(y));
        }
    }
    let axes = diagonalise(&mut moments, dimensions);
    let mut order: Vec<usize> = (0..dimensions).collect();
    order.sort_by(|&a, &b| moments[b * dimensions + b].total_cmp(&moments[a * dimensions + a]));
    order
        .iter()
        .take(count)
        .flat_map(|&axis| axes[axis * dimensions..][..dimensions].iter().map(|x| *x as f32))
        .collect()
}

/// Jacobi's method by cyclic rotations (Golub and Van Loan, "Matrix Computations", 8.5): leaves the eigenvalues of a
/// symmetric matrix on its diagonal, and gives the eigenvectors as rows.
fn diagonalise(matrix: &mut [f64], n: usize) -> Vec<f64> {
    let mut vectors = vec![0.0; n * n];
    (0..n).for_each(|i| vectors[i * n + i] = 1.0);
    let trace: f64 = (0..n).map(|i| matrix[i * n + i]).sum();
    for _ in 0..SWEEPS_MAX {
        let mut rotated = false;
        for p in 0..n {
            for q in p + 1..n {
                let off = matrix[p * n + q];
                if off.abs() <= 1e-12 * trace {
                    continue;
                }
                rotated = true;
                let theta = (matrix[q * n + q] - matrix[p * n + p]) / (2.0 * off);
                let t = theta.signum() / (theta.abs() + (theta * theta + 1.0).sqrt());
                let c = 1.0 / (t * t + 1.0).sqrt();
                let s = t * c;
                rotate_rows(matrix, n, p, q, c, s);
                for row in matrix.chunks_exact_mut(n) {
                    (row[p], row[q]) = (c * row[p] - s * row[q], s * row[p] + c * row[q]);
                }
                rotate_rows(&mut vectors, n, p, q, c, s);
            }
        }
        if !rotated {
            break;
        }
    }
    vectors
}

fn rotate_rows(matrix: &mut [f64], n: usize, p: usize, q: usize, c: f64, s: f64) {
    let (before, after) = matrix.split_at_mut(q * n);
    for (x, y) in before[p * n..][..n].iter_mut().zip(&mut after[..n]) {
        (*x, *y) = (c * *x - s * *y, s * *x + c * *y);
    }
}

/// The matrix of `inputs` rows and `outputs` columns that takes each of `from` (rows of `inputs`) as near as possible to its row of
/// `to` (rows of `outputs`), held small by `ridge` times the mean square of an input (Hoerl and Kennard, 1970).
pub(crate) fn least_squares(from: &[f32], inputs: usize, to: &[f32], outputs: usize, ridge: f64) -> Vec<f32> {
    let mut matrix = vec![0.0_f64; inputs * inputs];
    let mut right = vec![0.0_f64; inputs * outputs];
    for (x, y) in from.chunks_exact(inputs).zip(to.chunks_exact(outputs)) {
        for (i, &value) in x.iter().enumerate() {
            let value = f64::from(value);
            let row = matrix[i * inputs..][..=i].iter_mut();
            row.zip(x).for_each(|(sum, &other)| *sum += value * f64::from(other));
            let row = right[i * outputs..][..outputs].iter_mut();
            row.zip(y).for_each(|(sum, &other)| *sum += value * f64::from(other));
        }
    }
    let trace: f64 = (0..inputs).map(|i| matrix[i * inputs + i]).sum();
    (0..inputs).for_each(|i| matrix[i * inputs + i] += ridge * trace / inputs as f64);
    cholesky(&mut matrix, inputs);
    // Forwards through the lower triangle, then backwards through its transpose.
    for i in 0..inputs {
        let (before, row) = right.split_at_mut(i * outputs);
        for (m, other) in before.chunks_exact(outputs).enumerate() {
            subtract(&mut row[..outputs], other, matrix[i * inputs + m]);
        }
        row[..outputs].iter_mut().for_each(|value| *value /= matrix[i * inputs + i]);
    }
    for i in (0..inputs).rev() {
        let (before, after) = right.split_at_mut((i + 1) * outputs);
        let row = &mut before[i * outputs..];
        for (m, other) in after.chunks_exact(outputs).enumerate() {
            subtract(row, other, matrix[(i + 1 + m) * inputs + i]);
        }
        row.iter_mut().for_each(|value| *value /= matrix[i * inputs + i]);
    }
    right.iter().map(|value| *value as f32).collect()
}

/// The lower triangle whose product with its transpose is a positive definite matrix, in place.
fn cholesky(matrix: &mut [f64], n: usize) {
    for i in 0..n {
        let (before, row) = matrix.split_at_mut(i * n);
        for j in 0..=i {
            let mut sum = row[j];
            if j < i {
                let other = &before[j * n..][..=j];
                row[..j].iter().zip(other).for_each(|(x, y)| sum -= x * y);
                row[j] = sum / other[j];
            } else {
                row[..i].iter().for_each(|x| sum -= x * x);
                row[i] = sum.sqrt();
            }
        }
    }
}

fn subtract(row: &mut [f64], other: &[f64], factor: f64) {
    row.iter_mut().zip(other).for_each(|(value, x)| *value -= factor * x);
}

/// The product of each vector with the axes, at unit length.
pub(crate) fn project(vectors: &[f32], axes: &[f32], dimensions: usize) -> Vec<f32> {
    let mut projected = Vec::with_capacity(vectors.len() / dimensions * (axes.len() / dimensions));
    for vector in vectors.chunks_exact(dimensions) {
        let start = projected.len();
        projected.extend(axes.chunks_exact(dimensions).map(|axis| dot(vector, axis)));
        normalise(&mut projected[start..]);
    }
    projected
}

/// Each vector times a matrix of as many rows as it has components.
pub(crate) fn times(vectors: &[f32], matrix: &[f32], dimensions: usize) -> Vec<f32> {
    let columns = matrix.len() / dimensions;
    let product = |vector: &[f32]| {
        let mut product = vec![0.0_f32; columns];
        for (x, row) in vector.iter().zip(matrix.chunks_exact(columns)) {
            product.iter_mut().zip(row).for_each(|(sum, y)| *sum += x * y);
        }
        product
    };
    vectors.chunks_exact(dimensions).flat_map(product).collect()
}

/// An inner product over eight lanes, added up in a fixed order.
pub(crate) fn dot(a: &[f32], b: &[f32]) -> f32 {
    let mut lanes = [0.0_f32; 8];
    for (x, y) in a.as_chunks::<8>().0.iter().zip(b.as_chunks::<8>().0) {
        for lane in 0..8 {
            lanes[lane] += x[lane] * y[lane];
        }
    }
    lanes.iter().sum()
}

/// Brings a vector to unit length; leaves one of no length.
pub(crate) fn normalise(vector: &mut [f32]) {
    let length = dot(vector, vector).sqrt();
    if length > 0.0 {
        vector.iter_mut().for_each(|x| *x /= length);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Vectors in a plane of a space of eight dimensions have two axes, and projecting on them keeps inner products.
    #[test]
    fn a_plane_has_two_axes() {
        let (u, v) = ([0.6, 0.0, 0.0, 0.8, 0.0, 0.0, 0.0, 0.0], [0.0, 0.0, 0.28, 0.0, 0.0, 0.0, 0.96, 0.0]);
        let vector = |n: i16| -> Vec<f32> {
            let (a, b) = (f32::from(n % 7) - 3.0, f32::from(n % 5) - 1.5);
            let mut vector: Vec<f32> = u.iter().zip(v).map(|(u, v)| a * u + b * v).collect();
            normalise(&mut vector);
            vector
        };
        let vectors: Vec<f32> = (1..30).flat_map(vector).collect();
        let axes = principal_axes(&vectors, 8, 2);
        assert!(dot(&axes[..8], &axes[8..]).abs() < 1e-6);
        let projected: Vec<f32> =
            vectors.chunks_exact(8).flat_map(|x| [dot(x, &axes[..8]), dot(x, &axes[8..])]).collect();
        for (x, p) in vectors.chunks_exact(8).zip(projected.chunks_exact(2)) {
            let (y, q) = (&vectors[..8], &projected[..2]);
            assert!((dot(x, y) - (p[0] * q[0] + p[1] * q[1])).abs() < 1e-5);
        }
    }

    /// With more points than unknowns and a small ridge, the matrix that the points were made with comes back.
    #[test]
    fn least_squares_find_the_matrix() {
        let from: Vec<f32> = (0..120_u16).map(|n| f32::from(n * n % 17) - f32::from(n % 11)).collect();
        let matrix = [0.5, -1.0, 2.0, 0.25, -0.75, 1.5, 3.0, -2.0_f32];
        let times = |x: &[f32]| -> Vec<f32> {
            (0..2).map(|column| (0..4).map(|row| x[row] * matrix[row * 2 + column]).sum()).collect()
        };
        let to: Vec<f32> = from.chunks_exact(4).flat_map(times).collect();
        for (found, expected) in least_squares(&from, 4, &to, 2, 1e-9).iter().zip(matrix) {
            assert!((found - expected).abs() < 1e-4, "{found} for {expected}");
        }
    }
}
