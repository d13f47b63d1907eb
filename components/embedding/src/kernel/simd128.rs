//! The kernels in 128-bit SIMD, with the relaxed dot product where the build has it.
//!
//! One operand is 0 to 127, the other -127 to 127: then the relaxed instruction cannot saturate, and its sums are exact
//! whatever the hardware does with it. The build without relaxed SIMD multiplies 16-bit lanes and gives the same numbers.
//!
//! Two things about wasmtime's compiler shape the code. It keeps no vector register over the back edge of a loop, where
//! deadlines are checked; so sums live in memory, which costs nothing here since loads and stores have units of their own. And
//! it computes a value only when a store or a branch wants it, so all loads of a straight run of code come first, into more
//! registers than there are; so each token's sums are stored before the next token is loaded, and a fence keeps the
//! optimiser before it from changing that order.
#![allow(unsafe_code, reason = "a named SIMD module")]
#![allow(clippy::inline_always, reason = "a call per vector would cost more than the work")]
#![allow(clippy::cast_ptr_alignment, reason = "v128 loads and stores need no alignment")]

use core::arch::wasm32::{
    f32x4_add, f32x4_mul, i16x8_add, i32x4_add, i32x4_extadd_pairwise_i16x8, i32x4_shuffle, v128, v128_load, v128_store,
};
use core::array::from_fn;
use core::sync::atomic::{Ordering, compiler_fence};

use super::{PRODUCT_COLUMNS, Products, Strided, Sums, TILE_TOKENS};

/// Inputs of one iteration.
const STEP: usize = 16;

/// The sums of two inputs each, of two vectors of four inputs by four outputs: for each output two sums of four products.
#[cfg(target_feature = "relaxed-simd")]
#[inline(always)]
fn two_dots(weights: [v128; 2], activations: [v128; 2]) -> v128 {
    use core::arch::wasm32::i16x8_relaxed_dot_i8x16_i7x16 as dot;
    i32x4_extadd_pairwise_i16x8(i16x8_add(dot(weights[0], activations[0]), dot(weights[1], activations[1])))
}

#[cfg(not(target_feature = "relaxed-simd"))]
#[inline(always)]
fn two_dots(weights: [v128; 2], activations: [v128; 2]) -> v128 {
    use core::arch::wasm32::{
        i8x16_shuffle, i16x8_extmul_high_i8x16 as multiply_high, i16x8_extmul_low_i8x16 as multiply_low,
    };
    // Two products of 8-bit lanes fit 16 bits; pairs are added in 32 bits, then pairs of pairs.
    let low = i16x8_add(multiply_low(weights[0], activations[0]), multiply_low(weights[1], activations[1]));
    let high = i16x8_add(multiply_high(weights[0], activations[0]), multiply_high(weights[1], activations[1]));
    let (low, high) = (i32x4_extadd_pairwise_i16x8(low), i32x4_extadd_pairwise_i16x8(high));
    let even = i8x16_shuffle::<0, 1, 2, 3, 8, 9, 10, 11, 16, 17, 18, 19, 24, 25, 26, 27>(low, high);
    let odd = i8x16_shuffle::<4, 5, 6, 7, 12, 13, 14, 15, 20, 21, 22, 23, 28, 29, 30, 31>(low, high);
    i32x4_add(even, odd)
}

/// Runs a function for each number below a constant, unrolled.
macro_rules! unrolled {
    ($count:ident, $function:ident, $arguments:tt) => {
        unrolled!(@ $count, $function, $arguments, 0 1 2 3 4 5 6 7);
    };
    (@ $count:ident, $function:ident, $arguments:tt, $($index:literal)*) => {
        $(if $index < $count { $function::<$index> $arguments; })*
    };
}

pub(super) fn tile_tokens<const TOKENS: usize>(
    activations: &[u8],
    inputs: usize,
    weights: [&[u8]; 2],
    sums: &mut Sums,
) {
    assert!(TOKENS <= TILE_TOKENS && inputs.is_multiple_of(STEP), "tiles are four by four, rows sixteen by sixteen");
    assert!(
        activations.len() >= TOKENS * inputs && weights.iter().all(|tiles| tiles.len() >= 4 * inputs),
        "rows are whole"
    );
    let weights = weights.map(<[u8]>::as_ptr);
    // SAFETY: the lengths were checked, and a row of sums is two vectors of four i32.
    unsafe { add_tile::<TOKENS>(activations.as_ptr(), inputs, weights, sums.0.as_mut_ptr().cast()) }
}

/// # Safety
/// There are `TOKENS` rows of `inputs` activations, two rows of tiles of `4 * inputs` weights, and `2 * TOKENS` vectors of
/// sums.
#[inline(never)]
unsafe fn add_tile<const TOKENS: usize>(
    activations: *const u8,
    inputs: usize,
    weights: [*const u8; 2],
    sums: *mut v128,
) {
    for step in 0..inputs / STEP {
        // SAFETY: step < inputs / 16, so 64 * step + 64 <= 4 * inputs, and 16 * step + 16 <= inputs.
        unsafe {
            let tiles: [[v128; 4]; 2] =
                weights.map(|weights| from_fn(|part| v128_load(weights.add(4 * STEP * step + 16 * part).cast())));
            let activations = activations.add(STEP * step);
            unrolled!(TOKENS, add_token, (activations, inputs, &tiles, sums));
        }
    }
}

/// # Safety
/// There are sixteen activations in row `TOKEN`, and `2 * TOKEN + 2` vectors of sums.
#[inline(always)]
unsafe fn add_token<const TOKEN: usize>(
    activations: *const u8,
    inputs: usize,
    tiles: &[[v128; 4]; 2],
    sums: *mut v128,
) {
    // SAFETY: as this function's.
    unsafe {
        let row = v128_load(activations.add(TOKEN * inputs).cast());
        let fours = [
            i32x4_shuffle::<0, 0, 0, 0>(row, row),
            i32x4_shuffle::<1, 1, 1, 1>(row, row),
            i32x4_shuffle::<2, 2, 2, 2>(row, row),
            i32x4_shuffle::<3, 3, 3, 3>(row, row),
        ];
        let dots = |tiles: &[v128; 4]| {
            let first = two_dots([tiles[0], tiles[1]], [fours[0], fours[1]]);
            i32x4_add(first, two_dots([tiles[2], tiles[3]], [fours[2], fours[3]]))
        };
        v128_store(sums.add(2 * TOKEN), i32x4_add(v128_load(sums.add(2 * TOKEN)), dots(&tiles[0])));
        v128_store(sums.add(2 * TOKEN + 1), i32x4_add(v128_load(sums.add(2 * TOKEN + 1)), dots(&tiles[1])));
    }
    compiler_fence(Ordering::SeqCst);
}

/// Numbers of each row of `a` that one iteration takes.
const DEPTH: usize = 4;

pub(super) fn product_rows<const ROWS: usize>(a: Strided<'_>, b: Strided<'_>, depth: usize, sums: &mut Products) {
    assert!(depth.is_multiple_of(DEPTH) && depth > 0 && ROWS > 0, "there is something to add");
    assert!(
        a.values.len() >= (ROWS - 1) * a.stride + depth && b.values.len() >= (depth - 1) * b.stride + PRODUCT_COLUMNS,
        "the matrices are whole"
    );
    // SAFETY: the lengths were checked, and a row of sums is two vectors of four f32.
    unsafe {
        add_product::<ROWS>(
            a.values.as_ptr(),
            a.stride,
            b.values.as_ptr(),
            b.stride,
            depth,
            sums.0.as_mut_ptr().cast(),
        );
    }
}

/// # Safety
/// There are `ROWS` rows of `depth` numbers, `a_stride` apart, `depth` rows of eight numbers, `b_stride` apart, and
/// `2 * ROWS` vectors of sums.
#[inline(never)]
unsafe fn add_product<const ROWS: usize>(
    a: *const f32,
    a_stride: usize,
    b: *const f32,
    b_stride: usize,
    depth: usize,
    sums: *mut v128,
) {
    for at in (0..depth).step_by(DEPTH) {
        // SAFETY: at + 4 <= depth.
        unsafe {
            let columns: [[v128; 2]; DEPTH] = from_fn(|row| {
                let row = b.add((at + row) * b_stride);
                [v128_load(row.cast()), v128_load(row.add(4).cast())]
            });
            let a = a.add(at);
            unrolled!(ROWS, add_row, (a, a_stride, &columns, sums));
        }
    }
}

/// # Safety
/// There are four numbers in row `ROW`, and `2 * ROW + 2` vectors of sums.
#[inline(always)]
unsafe fn add_row<const ROW: usize>(a: *const f32, a_stride: usize, columns: &[[v128; 2]; DEPTH], sums: *mut v128) {
    // SAFETY: as this function's.
    unsafe {
        let row = v128_load(a.add(ROW * a_stride).cast());
        let factors = [
            i32x4_shuffle::<0, 0, 0, 0>(row, row),
            i32x4_shuffle::<1, 1, 1, 1>(row, row),
            i32x4_shuffle::<2, 2, 2, 2>(row, row),
            i32x4_shuffle::<3, 3, 3, 3>(row, row),
        ];
        let add = |sum: v128, half: fn(&[v128; 2]) -> v128| {
            factors.iter().zip(columns).fold(sum, |sum, (factor, row)| f32x4_add(sum, f32x4_mul(*factor, half(row))))
        };
        v128_store(sums.add(2 * ROW), add(v128_load(sums.add(2 * ROW)), |[left, _]| *left));
        v128_store(sums.add(2 * ROW + 1), add(v128_load(sums.add(2 * ROW + 1)), |[_, right]| *right));
    }
    compiler_fence(Ordering::SeqCst);
}
