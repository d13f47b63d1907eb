//! The kernel in plain Rust: what the others must equal.

use super::{Sums, TILE_OUTPUTS};

/// Sums over the inputs for up to four tokens (rows of `inputs` activations) and eight outputs (two rows of packed tiles).
pub(crate) fn tile<const TOKENS: usize>(activations: &[u8], inputs: usize, weights: [&[u8]; 2]) -> Sums {
    let mut sums = Sums::default();
    for (row, sums) in activations.chunks_exact(inputs).take(TOKENS).zip(&mut sums) {
        for (half, weights) in weights.iter().enumerate() {
            for (four, tile) in row.as_chunks::<4>().0.iter().zip(weights.as_chunks::<16>().0) {
                for (output, taps) in tile.as_chunks::<4>().0.iter().enumerate() {
                    let products = four.iter().zip(taps).map(|(&a, &w)| i32::from(a) * i32::from(w as i8));
                    if let Some(sum) = sums.get_mut(half * TILE_OUTPUTS / 2 + output) {
                        *sum += products.sum::<i32>();
                    }
                }
            }
        }
    }
    sums
}
