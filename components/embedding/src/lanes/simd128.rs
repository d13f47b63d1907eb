//! The lanes as a 128-bit vector.
#![allow(unsafe_code, reason = "a named SIMD module: loads and stores of whole arrays")]
#![allow(clippy::inline_always, reason = "a call per vector would cost more than the work")]
#![allow(clippy::cast_ptr_alignment, reason = "v128 loads and stores need no alignment")]

use core::arch::wasm32::{
    f32x4_add, f32x4_convert_i32x4, f32x4_div, f32x4_extract_lane, f32x4_gt, f32x4_lt, f32x4_mul, f32x4_pmax,
    f32x4_pmin, f32x4_splat, f32x4_sub, i16x8_extend_low_i8x16, i16x8_narrow_i32x4, i32x4_add, i32x4_extend_low_i16x8,
    i32x4_mul, i32x4_shl, i32x4_shr, i32x4_splat, i32x4_sub, u8x16_min, u8x16_narrow_i16x8, u8x16_splat, v128,
    v128_andnot, v128_any_true, v128_load, v128_load32_zero, v128_store,
};
use std::ops::{Add, Div, Mul, Sub};

/// Four `f32`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct F4(v128);

impl F4 {
    #[inline(always)]
    pub(crate) fn splat(value: f32) -> F4 {
        F4(f32x4_splat(value))
    }

    #[inline(always)]
    pub(crate) fn load(values: &[f32; 4]) -> F4 {
        // SAFETY: the array is the 16 bytes that are read; v128_load needs no alignment.
        F4(unsafe { v128_load(values.as_ptr().cast()) })
    }

    #[inline(always)]
    pub(crate) fn store(self, values: &mut [f32; 4]) {
        // SAFETY: the array is the 16 bytes that are written; v128_store needs no alignment.
        unsafe { v128_store(values.as_mut_ptr().cast(), self.0) };
    }

    /// `other` where it is less.
    #[inline(always)]
    pub(crate) fn min(self, other: F4) -> F4 {
        F4(f32x4_pmin(self.0, other.0))
    }

    /// `other` where it is greater.
    #[inline(always)]
    pub(crate) fn max(self, other: F4) -> F4 {
        F4(f32x4_pmax(self.0, other.0))
    }

    /// Whether a lane is greater than that of `other`.
    #[inline(always)]
    pub(crate) fn any_greater(self, other: F4) -> bool {
        v128_any_true(f32x4_gt(self.0, other.0))
    }

    /// `self` in the lanes where `value` is not less than `limit`, and zero where it is.
    #[inline(always)]
    pub(crate) fn or_zero_where_less(self, value: F4, limit: F4) -> F4 {
        F4(v128_andnot(self.0, f32x4_lt(value.0, limit.0)))
    }

    #[inline(always)]
    fn lanes(self) -> [f32; 4] {
        [
            f32x4_extract_lane::<0>(self.0),
            f32x4_extract_lane::<1>(self.0),
            f32x4_extract_lane::<2>(self.0),
            f32x4_extract_lane::<3>(self.0),
        ]
    }

    /// The lanes added up, in one fixed order.
    #[inline(always)]
    pub(crate) fn sum(self) -> f32 {
        let [a, b, c, d] = self.lanes();
        (a + c) + (b + d)
    }

    /// The greatest lane.
    #[inline(always)]
    pub(crate) fn greatest(self) -> f32 {
        self.lanes().into_iter().reduce(|a, b| if a < b { b } else { a }).unwrap_or(0.0)
    }

    /// `2^n` of lanes that hold `n + ROUND`, for `n` from -126 to 127.
    #[inline(always)]
    pub(crate) fn power_of_two(self) -> F4 {
        F4(i32x4_add(i32x4_shl(self.0, 23), i32x4_splat(0x3F80_0000)))
    }

    /// The sums of four outputs without the part that the zero point of the activations adds.
    #[inline(always)]
    pub(crate) fn dequantise(sums: &[i32; 4], row_sums: &[i32; 4], zero: i32) -> F4 {
        // SAFETY: both arrays are the 16 bytes that are read; v128_load needs no alignment.
        let (sums, row_sums) = unsafe { (v128_load(sums.as_ptr().cast()), v128_load(row_sums.as_ptr().cast())) };
        F4(f32x4_convert_i32x4(i32x4_sub(sums, i32x4_mul(i32x4_splat(zero), row_sums))))
    }

    /// Four int8 numbers that stand four bytes apart, from `byte` (0 to 3) on.
    #[inline(always)]
    pub(crate) fn of_bytes(tile: &[u8; 16], byte: usize) -> F4 {
        // SAFETY: the array is the 16 bytes that are read; v128_load needs no alignment.
        let tile = unsafe { v128_load(tile.as_ptr().cast()) };
        F4(f32x4_convert_i32x4(i32x4_shr(i32x4_shl(tile, 24 - 8 * (byte as u32 & 3)), 24)))
    }

    /// Four int8 numbers.
    #[inline(always)]
    pub(crate) fn of_int8(values: [u8; 4]) -> F4 {
        // SAFETY: the array is the 4 bytes that are read; v128_load32_zero needs no alignment.
        let values = unsafe { v128_load32_zero(values.as_ptr().cast()) };
        F4(f32x4_convert_i32x4(i32x4_extend_low_i16x8(i16x8_extend_low_i8x16(values))))
    }
}

/// Integers from lanes that hold them plus `ROUND`, held to 0..=127.
#[inline(always)]
pub(crate) fn to_seven_bits(lanes: [F4; 4]) -> [u8; 16] {
    let base = i32x4_splat(super::ROUND.to_bits().cast_signed());
    let [a, b, c, d] = lanes.map(|lane| i32x4_sub(lane.0, base));
    let narrow = u8x16_narrow_i16x8(i16x8_narrow_i32x4(a, b), i16x8_narrow_i32x4(c, d));
    let mut bytes = [0; 16];
    // SAFETY: the array is the 16 bytes that are written; v128_store needs no alignment.
    unsafe { v128_store(bytes.as_mut_ptr().cast(), u8x16_min(narrow, u8x16_splat(127))) };
    bytes
}

impl Add for F4 {
    type Output = F4;
    #[inline(always)]
    fn add(self, other: F4) -> F4 {
        F4(f32x4_add(self.0, other.0))
    }
}

impl Sub for F4 {
    type Output = F4;
    #[inline(always)]
    fn sub(self, other: F4) -> F4 {
        F4(f32x4_sub(self.0, other.0))
    }
}

impl Mul for F4 {
    type Output = F4;
    #[inline(always)]
    fn mul(self, other: F4) -> F4 {
        F4(f32x4_mul(self.0, other.0))
    }
}

impl Div for F4 {
    type Output = F4;
    #[inline(always)]
    fn div(self, other: F4) -> F4 {
        F4(f32x4_div(self.0, other.0))
    }
}
