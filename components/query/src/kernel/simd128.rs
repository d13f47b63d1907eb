//! The kernel in 128-bit SIMD: 64 components a turn, so that the epoch check on the loop's back edge costs little.
#![allow(unsafe_code, reason = "a named SIMD module")]
#![allow(clippy::inline_always, reason = "a call per vector would cost more than the work")]
#![allow(clippy::cast_ptr_alignment, reason = "v128 loads and stores need no alignment")]

use core::arch::wasm32::{
    i16x8_extend_high_i8x16, i16x8_extend_low_i8x16, i32x4_add, i32x4_dot_i16x8, i32x4_extract_lane, i32x4_splat, v128,
    v128_load,
};

const BLOCK: usize = 64;

/// The inner product. The shorter length counts.
pub(crate) fn dot(query: &[i16], row: &[i8]) -> i32 {
    let (query_blocks, query_rest) = query.as_chunks::<BLOCK>();
    let (row_blocks, row_rest) = row.as_chunks::<BLOCK>();
    let mut sums = [i32x4_splat(0); 4];
    for (query, row) in query_blocks.iter().zip(row_blocks) {
        // SAFETY: both arrays have exactly BLOCK elements, and the offsets below stay inside.
        unsafe { add_block(query, row, &mut sums) };
    }
    let [a, b, c, d] = sums;
    let sum = i32x4_add(i32x4_add(a, b), i32x4_add(c, d));
    let mut total = i32x4_extract_lane::<0>(sum)
        + i32x4_extract_lane::<1>(sum)
        + i32x4_extract_lane::<2>(sum)
        + i32x4_extract_lane::<3>(sum);
    for (&a, &b) in query_rest.iter().zip(row_rest) {
        total += i32::from(a) * i32::from(b);
    }
    total
}

/// Adds the products of one block.
///
/// # Safety
/// None beyond the array types: 64 `i16` are 8 vectors, 64 `i8` are 4.
#[inline(always)]
unsafe fn add_block(query: &[i16; BLOCK], row: &[i8; BLOCK], sums: &mut [v128; 4]) {
    let query = query.as_ptr().cast::<v128>();
    let row = row.as_ptr().cast::<v128>();
    for (index, sum) in sums.iter_mut().enumerate() {
        // SAFETY: index is below 4: row + index and query + 2 * index + 1 are inside their arrays; v128_load needs no alignment.
        let (values, low, high) = unsafe {
            (v128_load(row.add(index)), v128_load(query.add(2 * index)), v128_load(query.add(2 * index + 1)))
        };
        let low = i32x4_dot_i16x8(low, i16x8_extend_low_i8x16(values));
        let high = i32x4_dot_i16x8(high, i16x8_extend_high_i8x16(values));
        *sum = i32x4_add(*sum, i32x4_add(low, high));
    }
}
