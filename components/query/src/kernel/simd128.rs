//! The kernel in 128-bit SIMD: 64 components a turn, so that the epoch check on the loop's back edge costs little.
#![allow(unsafe_code, reason = "a named SIMD module")]
#![allow(clippy::inline_always, reason = "a call per vector would cost more than the work")]
#![allow(clippy::cast_ptr_alignment, reason = "v128 loads and stores need no alignment")]

use core::arch::wasm32::{
    i8x16_add, i8x16_popcnt, i16x8_extadd_pairwise_u8x16, i16x8_extend_high_i8x16, i16x8_extend_low_i8x16, i32x4_add,
    i32x4_dot_i16x8, i32x4_extadd_pairwise_u16x8, i32x4_extract_lane, i32x4_splat, v128, v128_and, v128_load,
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

/// Words a turn: 8 vectors, whose counts of at most 8 a byte add up to 64 in a byte.
const WORDS: usize = 16;

/// Bits set in both. The shorter length counts.
pub(crate) fn count_both(a: &[u64], b: &[u64]) -> u32 {
    let (a_blocks, a_rest) = a.as_chunks::<WORDS>();
    let (b_blocks, b_rest) = b.as_chunks::<WORDS>();
    let mut sums = i32x4_splat(0);
    for (a, b) in a_blocks.iter().zip(b_blocks) {
        // SAFETY: both arrays are of WORDS words, which is 8 vectors.
        sums = i32x4_add(sums, unsafe { count_block(a, b) });
    }
    let total = i32x4_extract_lane::<0>(sums)
        + i32x4_extract_lane::<1>(sums)
        + i32x4_extract_lane::<2>(sums)
        + i32x4_extract_lane::<3>(sums);
    // One of the two has no more whole blocks; the other may have them still.
    let done = a_blocks.len().min(b_blocks.len()) * WORDS;
    let (a_rest, b_rest) = if a_blocks.len() == b_blocks.len() {
        (a_rest, b_rest)
    } else {
        (a.get(done..).unwrap_or_default(), b.get(done..).unwrap_or_default())
    };
    let rest: u32 = a_rest.iter().zip(b_rest).map(|(a, b)| (a & b).count_ones()).sum();
    total as u32 + rest
}

/// Four sums of the bits set in both of two blocks.
///
/// # Safety
/// None beyond the array types: 16 words are 8 vectors.
#[inline(always)]
unsafe fn count_block(a: &[u64; WORDS], b: &[u64; WORDS]) -> v128 {
    let (a, b) = (a.as_ptr().cast::<v128>(), b.as_ptr().cast::<v128>());
    let mut counts = i32x4_splat(0);
    for index in 0..WORDS / 2 {
        // SAFETY: index is below 8: both are inside their arrays; v128_load needs no alignment.
        let both = unsafe { v128_and(v128_load(a.add(index)), v128_load(b.add(index))) };
        counts = i8x16_add(counts, i8x16_popcnt(both));
    }
    i32x4_extadd_pairwise_u16x8(i16x8_extadd_pairwise_u8x16(counts))
}
