//! Four numbers side by side: one vector register where there is one, four scalars elsewhere, the same bits in both.
//!
//! Every operation is one correctly rounded IEEE 754 operation a lane (never fused), so what is written in terms of these
//! gives the same bits on every host.
#![allow(clippy::inline_always, reason = "a call per vector would cost more than the work")]

#[cfg(not(all(target_arch = "wasm32", target_feature = "simd128")))]
mod scalar;
#[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
mod simd128;

#[cfg(not(all(target_arch = "wasm32", target_feature = "simd128")))]
pub(crate) use scalar::{F4, to_seven_bits};
#[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
pub(crate) use simd128::{F4, to_seven_bits};

/// Adding this rounds a number below 2^22 to an integer, ties to even, which then stands in the low bits: 1.5 * 2^23.
pub(crate) const ROUND: f32 = 12_582_912.0;

/// Numbers that a loop takes at a time: four vectors, so that its bookkeeping counts for little.
pub(crate) const BLOCK: usize = 16;

/// Four vectors.
pub(crate) type Block = [F4; BLOCK / 4];

/// The four vectors of a block.
#[inline(always)]
pub(crate) fn load(block: &[f32; BLOCK]) -> Block {
    let mut values = [F4::splat(0.0); BLOCK / 4];
    values.iter_mut().zip(block.as_chunks::<4>().0).for_each(|(value, four)| *value = F4::load(four));
    values
}

/// Puts four vectors into a block.
#[inline(always)]
pub(crate) fn store(values: Block, block: &mut [f32; BLOCK]) {
    block.as_chunks_mut::<4>().0.iter_mut().zip(values).for_each(|(to, from)| from.store(to));
}

/// The sum of what `f` makes of each vector of a row, whose length is a multiple of [`BLOCK`].
#[inline(always)]
pub(crate) fn sum(row: &[f32], f: impl Fn(F4) -> F4) -> f32 {
    let mut sums = [F4::splat(0.0); 4];
    for block in row.as_chunks::<BLOCK>().0 {
        sums.iter_mut().zip(load(block)).for_each(|(sum, values)| *sum = *sum + f(values));
    }
    let [a, b, c, d] = sums;
    ((a + b) + (c + d)).sum()
}

/// Replaces each vector of a row, whose length is a multiple of [`BLOCK`].
#[inline(always)]
pub(crate) fn map(row: &mut [f32], f: impl Fn(F4) -> F4) {
    for block in row.as_chunks_mut::<BLOCK>().0 {
        store(load(block).map(&f), block);
    }
}
