//! How like two records are that may have several chunks each.

use skerry_gateway::alike::{dot, units};
use skerry_host::types::Chunk;

/// The direction that all chunks of a record together have; none without any.
pub(crate) fn direction(chunks: &[Chunk]) -> Option<Vec<f32>> {
    skerry_gateway::alike::direction(&vectors(chunks))
}

fn vectors(chunks: &[Chunk]) -> Vec<&[f32]> {
    chunks.iter().map(|chunk| chunk.vector.as_slice()).collect()
}

/// How similar two records are in all their parts, -1 to 1: every chunk of either is compared with the most similar one of
/// the other, and the least of these cosines counts. Copies have 1; whatever only one of the two says lowers it. None when it
/// is below `min`.
pub(crate) fn similarity(a: &[Chunk], b: &[Chunk], min: f32) -> Option<f32> {
    let (a, b) = (units(&vectors(a)), units(&vectors(b)));
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
}
