//! The lanes as an array.
#![allow(clippy::indexing_slicing, reason = "lanes are 0 to 3, of arrays of four")]
#![allow(clippy::inline_always, reason = "as the vectors, which these stand in for")]

use std::array::from_fn;
use std::ops::{Add, Div, Mul, Sub};

/// Four `f32`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct F4([f32; 4]);

impl F4 {
    #[inline(always)]
    pub(crate) fn splat(value: f32) -> F4 {
        F4([value; 4])
    }

    #[inline(always)]
    pub(crate) fn load(values: &[f32; 4]) -> F4 {
        F4(*values)
    }

    #[inline(always)]
    pub(crate) fn store(self, values: &mut [f32; 4]) {
        *values = self.0;
    }

    #[inline(always)]
    fn zip(self, other: F4, f: impl Fn(f32, f32) -> f32) -> F4 {
        F4(from_fn(|lane| f(self.0[lane], other.0[lane])))
    }

    /// `other` where it is less.
    #[inline(always)]
    pub(crate) fn min(self, other: F4) -> F4 {
        self.zip(other, |a, b| if b < a { b } else { a })
    }

    /// `other` where it is greater.
    #[inline(always)]
    pub(crate) fn max(self, other: F4) -> F4 {
        self.zip(other, |a, b| if a < b { b } else { a })
    }

    /// Whether a lane is greater than that of `other`.
    #[inline(always)]
    pub(crate) fn any_greater(self, other: F4) -> bool {
        self.0.iter().zip(other.0).any(|(a, b)| *a > b)
    }

    /// `self` in the lanes where `value` is not less than `limit`, and zero where it is.
    #[inline(always)]
    pub(crate) fn or_zero_where_less(self, value: F4, limit: F4) -> F4 {
        F4(from_fn(|lane| if value.0[lane] < limit.0[lane] { 0.0 } else { self.0[lane] }))
    }

    /// The lanes added up, in one fixed order.
    #[inline(always)]
    pub(crate) fn sum(self) -> f32 {
        let [a, b, c, d] = self.0;
        (a + c) + (b + d)
    }

    /// The greatest lane.
    #[inline(always)]
    pub(crate) fn greatest(self) -> f32 {
        self.0.into_iter().reduce(|a, b| if a < b { b } else { a }).unwrap_or(0.0)
    }

    /// `2^n` of lanes that hold `n + ROUND`, for `n` from -126 to 127.
    #[inline(always)]
    pub(crate) fn power_of_two(self) -> F4 {
        F4(self.0.map(|value| f32::from_bits((value.to_bits() << 23).wrapping_add(0x3F80_0000))))
    }

    /// The sums of four outputs without the part that the zero point of the activations adds.
    #[inline(always)]
    pub(crate) fn dequantise(sums: &[i32; 4], row_sums: &[i32; 4], zero: i32) -> F4 {
        F4(from_fn(|lane| sums[lane].wrapping_sub(zero.wrapping_mul(row_sums[lane])) as f32))
    }

    /// Four int8 numbers that stand four bytes apart, from `byte` (0 to 3) on.
    #[inline(always)]
    pub(crate) fn of_bytes(tile: &[u8; 16], byte: usize) -> F4 {
        F4(from_fn(|lane| f32::from(tile[4 * lane + (byte & 3)] as i8)))
    }

    /// Four int8 numbers.
    #[inline(always)]
    pub(crate) fn of_int8(values: [u8; 4]) -> F4 {
        F4(values.map(|value| f32::from(value as i8)))
    }
}

/// Integers from lanes that hold them plus `ROUND`, held to 0..=127.
#[inline(always)]
pub(crate) fn to_seven_bits(lanes: [F4; 4]) -> [u8; 16] {
    let narrow = |value: f32| value.to_bits().wrapping_sub(super::ROUND.to_bits()).cast_signed().clamp(0, 127) as u8;
    from_fn(|at| narrow(lanes[at / 4].0[at % 4]))
}

impl Add for F4 {
    type Output = F4;
    #[inline(always)]
    fn add(self, other: F4) -> F4 {
        self.zip(other, |a, b| a + b)
    }
}

impl Sub for F4 {
    type Output = F4;
    #[inline(always)]
    fn sub(self, other: F4) -> F4 {
        self.zip(other, |a, b| a - b)
    }
}

impl Mul for F4 {
    type Output = F4;
    #[inline(always)]
    fn mul(self, other: F4) -> F4 {
        self.zip(other, |a, b| a * b)
    }
}

impl Div for F4 {
    type Output = F4;
    #[inline(always)]
    fn div(self, other: F4) -> F4 {
        self.zip(other, |a, b| a / b)
    }
}
