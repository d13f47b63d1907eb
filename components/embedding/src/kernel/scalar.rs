//! The kernels in plain Rust: what the others must equal.

use super::{Products, Strided, Sums, TILE_OUTPUTS};

pub(super) fn tile_tokens<const TOKENS: usize>(
    activations: &[u8],
    inputs: usize,
    weights: [&[u8]; 2],
    sums: &mut Sums,
) {
    for (row, sums) in activations.chunks_exact(inputs).take(TOKENS).zip(&mut sums.0) {
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
}

pub(super) fn product_rows<const ROWS: usize>(a: Strided<'_>, b: Strided<'_>, depth: usize, sums: &mut Products) {
    for (row, sums) in a.values.chunks(a.stride).take(ROWS).zip(&mut sums.0) {
        for (factor, row) in row.iter().zip(b.values.chunks(b.stride)).take(depth) {
            for (sum, value) in sums.iter_mut().zip(row) {
                *sum += factor * value;
            }
        }
    }
}
