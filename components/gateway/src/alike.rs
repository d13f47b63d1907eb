//! The direction of a record that may have several chunks.

/// The direction that all chunks of a record together have: the mean of their vectors, each of length 1. The vector itself
/// where there is one chunk; none without any.
pub fn direction<V: AsRef<[f32]>>(vectors: &[V]) -> Option<Vec<f32>> {
    let (first, others) = vectors.split_first()?;
    if others.is_empty() {
        return Some(first.as_ref().to_vec());
    }
    let units = units(vectors);
    let mut mean = vec![0.0; first.as_ref().len()];
    for unit in &units {
        mean.iter_mut().zip(unit).for_each(|(sum, value)| *sum += value / units.len() as f32);
    }
    // Chunks that cancel each other out leave no direction.
    if mean.iter().all(|value| *value == 0.0) { Some(first.as_ref().to_vec()) } else { Some(mean) }
}

/// The vectors with a length of 1; those of zeros are left out.
pub fn units<V: AsRef<[f32]>>(vectors: &[V]) -> Vec<Vec<f32>> {
    let unit = |vector: &[f32]| {
        // Of the largest component first, so that no square is infinite.
        let largest = vector.iter().fold(0.0_f32, |largest, value| largest.max(value.abs()));
        let scaled: Vec<f32> = vector.iter().map(|value| value / largest).collect();
        let length = dot(&scaled, &scaled).sqrt();
        (largest > 0.0).then(|| scaled.into_iter().map(|value| value / length).collect())
    };
    vectors.iter().filter_map(|vector| unit(vector.as_ref())).collect()
}

/// Eight sums side by side, in a fixed order: the same bits everywhere, and the compiler makes it a vector loop.
pub fn dot(a: &[f32], b: &[f32]) -> f32 {
    let ((blocks_a, rest_a), (blocks_b, rest_b)) = (a.as_chunks::<8>(), b.as_chunks::<8>());
    let mut sums = [0.0_f32; 8];
    for (a, b) in blocks_a.iter().zip(blocks_b) {
        sums.iter_mut().zip(a.iter().zip(b)).for_each(|(sum, (a, b))| *sum += a * b);
    }
    let rest: f32 = rest_a.iter().zip(rest_b).map(|(a, b)| a * b).sum();
    sums.iter().sum::<f32>() + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    const X: [f32; 3] = [1.0, 0.0, 0.0];
    const Y: [f32; 3] = [0.0, 2.0, 0.0];

    /// Long and short vectors weigh the same, one chunk is taken as it is, and there is always a direction.
    #[test]
    fn directions_are_means() {
        assert_eq!(direction::<[f32; 3]>(&[]), None);
        assert_eq!(direction(&[Y]), Some(Y.to_vec()));
        assert_eq!(direction(&[X, Y]), Some(vec![0.5, 0.5, 0.0]));
        assert_eq!(direction(&[X, [-1.0, 0.0, 0.0]]), Some(X.to_vec()));
    }

    /// Lengths that are no multiple of eight.
    #[test]
    fn products_are_whole() {
        let numbers: Vec<f32> = (0..21_u8).map(f32::from).collect();
        let expected: f32 = (0..21_u8).map(|n| f32::from(n) * f32::from(n)).sum();
        assert!((dot(&numbers, &numbers) - expected).abs() < 1e-3);
    }
}
