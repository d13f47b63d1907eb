//! The kernel in 128-bit SIMD, with the relaxed dot product where the build has it.
//!
//! One operand is 0 to 127, the other -127 to 127: then the relaxed instruction cannot saturate, and its sum is exact
//! whatever the hardware does with it. The build without relaxed SIMD multiplies 16-bit lanes and gives the same numbers.
#![allow(unsafe_code, reason = "a named SIMD module")]
#![allow(clippy::inline_always, reason = "a call per vector would cost more than the work")]
#![allow(clippy::cast_ptr_alignment, reason = "v128 loads and stores need no alignment")]

use core::arch::wasm32::{i32x4_splat, v128, v128_load, v128_load32_splat, v128_store};

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

/// Sums over the inputs for up to four tokens (rows of `inputs` activations) and eight outputs (two rows of packed tiles).
pub(crate) fn tile<const TOKENS: usize>(activations: &[u8], inputs: usize, weights: [&[u8]; 2]) -> Sums {
    let [first, second] = weights;
    assert!(TOKENS <= TILE_TOKENS && inputs.is_multiple_of(4), "tiles are four by four");
    assert!(
        activations.len() >= TOKENS * inputs && first.len() >= 4 * inputs && second.len() >= 4 * inputs,
        "rows are whole"
    );
    let mut sums = [[i32x4_splat(0); 2]; TOKENS];
    for step in 0..inputs / 4 {
        // SAFETY: step < inputs / 4, so 16 * step + 16 <= 4 * inputs <= the length of each row of tiles, and
        // token * inputs + 4 * step + 4 <= TOKENS * inputs <= the length of the activations, as asserted above.
        unsafe {
            let low = v128_load(first.as_ptr().add(16 * step).cast());
            let high = v128_load(second.as_ptr().add(16 * step).cast());
            for (token, sums) in sums.iter_mut().enumerate() {
                let four = v128_load32_splat(activations.as_ptr().add(token * inputs + 4 * step).cast());
                sums[0] = dot_add(low, four, sums[0]);
                sums[1] = dot_add(high, four, sums[1]);
            }
        }
    }
    let mut out = Sums::default();
    for (to, from) in out.iter_mut().zip(&sums) {
        // SAFETY: eight i32 are two vectors; v128_store needs no alignment.
        unsafe {
            v128_store(to.as_mut_ptr().cast(), from[0]);
            v128_store(to.as_mut_ptr().add(TILE_OUTPUTS / 2).cast(), from[1]);
        }
    }
    out
}
