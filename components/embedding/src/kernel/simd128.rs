//! The kernel in 128-bit SIMD, with the relaxed dot product where the build has it.
//!
//! One operand is 0 to 127, the other -127 to 127: then the relaxed instruction cannot saturate, and its sum is exact
//! whatever the hardware does with it. The build without relaxed SIMD multiplies 16-bit lanes and gives the same numbers.
#![allow(unsafe_code, reason = "a named SIMD module")]
#![allow(clippy::inline_always, reason = "a call per vector would cost more than the work")]
#![allow(clippy::cast_ptr_alignment, reason = "v128 loads and stores need no alignment")]

use core::arch::wasm32::{i32x4_shuffle, i32x4_splat, v128, v128_load, v128_store};
use core::array::from_fn;

use super::{Sums, TILE_OUTPUTS, TILE_TOKENS};

#[cfg(target_feature = "relaxed-simd")]
#[inline(always)]
fn dot_add(weights: v128, activations: v128, sum: v128) -> v128 {
    core::arch::wasm32::i32x4_relaxed_dot_i8x16_i7x16_add(weights, activations, sum)
}

#[cfg(not(target_feature = "relaxed-simd"))]
#[inline(always)]
fn dot_add(weights: v128, activations: v128, sum: v128) -> v128 {
    use core::arch::wasm32::{
        i8x16_shuffle, i16x8_extmul_high_i8x16, i16x8_extmul_low_i8x16, i32x4_add, i32x4_extadd_pairwise_i16x8,
    };
    // Products of 8-bit lanes fit 16 bits; pairs are added in 32 bits, then pairs of pairs.
    let low = i32x4_extadd_pairwise_i16x8(i16x8_extmul_low_i8x16(weights, activations));
    let high = i32x4_extadd_pairwise_i16x8(i16x8_extmul_high_i8x16(weights, activations));
    let even = i8x16_shuffle::<0, 1, 2, 3, 8, 9, 10, 11, 16, 17, 18, 19, 24, 25, 26, 27>(low, high);
    let odd = i8x16_shuffle::<4, 5, 6, 7, 12, 13, 14, 15, 20, 21, 22, 23, 28, 29, 30, 31>(low, high);
    i32x4_add(sum, i32x4_add(even, odd))
}

/// Inputs of one iteration.
const STEP: usize = 16;

/// Sums over the inputs for up to four tokens (rows of `inputs` activations) and eight outputs (two rows of packed tiles).
pub(crate) fn tile<const TOKENS: usize>(activations: &[u8], inputs: usize, weights: [&[u8]; 2]) -> Sums {
    assert!(TOKENS <= TILE_TOKENS && inputs.is_multiple_of(STEP), "tiles are four by four, rows sixteen by sixteen");
    assert!(
        activations.len() >= TOKENS * inputs && weights.iter().all(|tiles| tiles.len() >= 4 * inputs),
        "rows are whole"
    );
    let mut out = Sums::default();
    for (half, tiles) in weights.into_iter().enumerate() {
        for (to, from) in out.iter_mut().zip(four_outputs::<TOKENS>(activations, inputs, tiles)) {
            // SAFETY: half is 0 or 1, and a row of `Sums` is two vectors of four i32; v128_store needs no alignment.
            unsafe { v128_store(to.as_mut_ptr().add(half * TILE_OUTPUTS / 2).cast(), from) };
        }
    }
    out
}

/// The sums of four outputs. The caller has checked the lengths.
///
/// A host that checks deadlines on the back edge of loops keeps no vector register over it, so every iteration stores and
/// loads its sums. Hence only four of them, and four products for each: eight sums with one product each took 1.4 times
/// as long. More products would not help: wasmtime does all loads of an iteration before the first product.
#[inline(always)]
fn four_outputs<const TOKENS: usize>(activations: &[u8], inputs: usize, tiles: &[u8]) -> [v128; TOKENS] {
    let mut sums = [i32x4_splat(0); TOKENS];
    for step in 0..inputs / STEP {
        // SAFETY: step < inputs / 16, so token * inputs + 16 * step + 16 <= TOKENS * inputs <= the length of the
        // activations, and 64 * step + 64 <= 4 * inputs <= the length of the tiles.
        let (rows, weights): ([v128; TOKENS], [v128; 4]) = unsafe {
            (
                from_fn(|token| v128_load(activations.as_ptr().add(token * inputs + STEP * step).cast())),
                from_fn(|part| v128_load(tiles.as_ptr().add(4 * STEP * step + 16 * part).cast())),
            )
        };
        for (row, sum) in rows.into_iter().zip(&mut sums) {
            // Four inputs at a time, each four against four outputs.
            *sum = dot_add(weights[0], i32x4_shuffle::<0, 0, 0, 0>(row, row), *sum);
            *sum = dot_add(weights[1], i32x4_shuffle::<1, 1, 1, 1>(row, row), *sum);
            *sum = dot_add(weights[2], i32x4_shuffle::<2, 2, 2, 2>(row, row), *sum);
            *sum = dot_add(weights[3], i32x4_shuffle::<3, 3, 3, 3>(row, row), *sum);
        }
    }
    sums
}
