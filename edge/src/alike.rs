//! How like two records are that may have several chunks each.

use skerry_host::types::Chunk;

/// The direction that all chunks of a record together have: the mean of their vectors, each of length 1. The vector itself
/// where there is one chunk; none without any.
pub(crate) fn direction(chunks: &[Chunk]) -> Option<Vec<f32>> {
    let (first, others) = chunks.split_first()?;
    if others.is_empty() {
        return Some(first.vector.clone());
    }
    let units = units(chunks);
    let mut mean = vec![0.0; first.vector.len()];
    for unit in &units {
        mean.iter_mut().zip(unit).for_each(|(sum, value)| *sum += value / units.len() as f32);
    }
    // Chunks that cancel each other out leave no direction.
    if mean.iter().all(|value| *value == 0.0) { Some(first.vector.clone()) } else { Some(mean) }
}

/// How similar two records are in all their parts, -1 to 1: every chunk of either is compared with the most similar one of
/// the other, and the least of these cosines counts. Copies have 1; whatever only one of the two says lowers it. None when it
/// is below `min`.
pub(crate) fn similarity(a: &[Chunk], b: &[Chunk], min: f32) -> Option<f32> {
    let (a, b) = (units(a), units(b));
    let mut best_of_b = vec![f32::NEG_INFINITY; b.len()];
    let mut least = if a.is_empty() || b.is_empty() { f32::NEG_INFINITY } else { f32::INFINITY };
    for one in &a {
        let mut best = f32::NEG_INFINITY;
        for (other, best_of_other) in b.iter().zip(&mut best_of_b) {
            let cosine = dot(one, other);
            best = best.max(cosine);
            *best_of_other = best_of_other.max(cosine);
        }
        least = least.min(best);
        // Most records that share a part share no more than that.
        if least < min {
            return None;
        }
    }
    Some(best_of_b.into_iter().fold(least, f32::min)).filter(|least| *least >= min)
}

/// The vectors with a length of 1; those of zeros are left out.
fn units(chunks: &[Chunk]) -> Vec<Vec<f32>> {
    let unit = |chunk: &Chunk| {
        // Of the largest component first, so that no square is infinite.
        let largest = chunk.vector.iter().fold(0.0_f32, |largest, value| largest.max(value.abs()));
        let scaled: Vec<f32> = chunk.vector.iter().map(|value| value / largest).collect();
        let length = dot(&scaled, &scaled).sqrt();
        (largest > 0.0).then(|| scaled.into_iter().map(|value| value / length).collect())
    };
    chunks.iter().filter_map(unit).collect()
}

/// Eight sums side by side, in a fixed order: the same bits everywhere, and the compiler makes it a vector loop.
fn dot(a: &[f32], b: &[f32]) -> f32 {
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
    use skerry_host::types::Span;

    use super::*;

    fn chunks(vectors: &[[f32; 3]]) -> Vec<Chunk> {
        let chunk = |vector: &[f32; 3]| Chunk { span: Span { start: 0, end: 0 }, vector: vector.to_vec() };
        vectors.iter().map(chunk).collect()
    }

    const X: [f32; 3] = [1.0, 0.0, 0.0];
    const Y: [f32; 3] = [0.0, 2.0, 0.0];

    /// Records are alike when each part of either has its like in the other, in whatever order; not when one has more.
    #[test]
    fn all_parts_count() {
        let near = |a: &[[f32; 3]], b: &[[f32; 3]]| {
            let found = similarity(&chunks(a), &chunks(b), 0.7);
            assert_eq!(found, similarity(&chunks(b), &chunks(a), 0.7), "both ways");
            found
        };
        assert_eq!(near(&[X, Y], &[Y, X]), Some(1.0));
        assert_eq!(near(&[X], &[X, X, [3e38, 0.0, 0.0]]), Some(1.0));
        assert_eq!(near(&[X], &[X, Y]), None, "one has more");
        let slanted = near(&[X, Y], &[[4.0, 3.0, 0.0], Y]).unwrap();
        assert!((slanted - 0.8).abs() < 1e-6, "the least similar part counts: {slanted}");
        assert_eq!(near(&[], &[X]), None);
        assert_eq!(near(&[], &[]), None);
    }

    /// Long and short vectors weigh the same, one chunk is taken as it is, and there is always a direction.
    #[test]
    fn directions_are_means() {
        assert_eq!(direction(&chunks(&[])), None);
        assert_eq!(direction(&chunks(&[Y])), Some(Y.to_vec()));
        assert_eq!(direction(&chunks(&[X, Y])), Some(vec![0.5, 0.5, 0.0]));
        assert_eq!(direction(&chunks(&[X, [-1.0, 0.0, 0.0]])), Some(X.to_vec()));
    }

    /// Lengths that are no multiple of eight.
    #[test]
    fn products_are_whole() {
        let numbers: Vec<f32> = (0..21_u8).map(f32::from).collect();
        let expected: f32 = (0..21_u8).map(|n| f32::from(n) * f32::from(n)).sum();
        assert!((dot(&numbers, &numbers) - expected).abs() < 1e-3);
    }
}
