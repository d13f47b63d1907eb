//! Activations in seven bits.
#![allow(clippy::indexing_slicing, reason = "a kernel: every index is below a length that the packed layout fixed")]

use crate::kernel::TILE_TOKENS;
use crate::lanes::{self, BLOCK, F4, ROUND};

/// Activations this many times larger than the root mean square of their token are kept as they are.
///
/// One such value among 384 would take most of the 7 bits from all others: without this the golden texts' cosine falls from
/// 0.9957 to 0.9765 at worst. It concerns 0.24 % of the values.
const OUTLIER: f32 = 6.0;

/// Activations as 7-bit numbers with scale and zero point of their token, and those that are too large for that.
#[derive(Debug, Default)]
pub(crate) struct Quantised {
    pub(crate) values: Vec<u8>,
    pub(crate) scales: Vec<f32>,
    pub(crate) zeros: Vec<i32>,
    /// By token, by input.
    outliers: Vec<Outlier>,
    /// For each tile of tokens the end of its outliers.
    ends: Vec<usize>,
}

/// An activation outside the 7-bit range.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Outlier {
    pub(crate) token: usize,
    pub(crate) input: usize,
    pub(crate) value: f32,
}

impl Quantised {
    /// Takes rows of `width` activations, a multiple of [`BLOCK`].
    pub(crate) fn take(&mut self, rows: &[f32], width: usize) {
        self.scales.clear();
        self.zeros.clear();
        self.outliers.clear();
        self.ends.clear();
        self.values.resize(rows.len(), 0);
        let targets = self.values.chunks_exact_mut(width);
        for (token, (row, target)) in rows.chunks_exact(width).zip(targets).enumerate() {
            let square = lanes::sum(row, |values| values * values);
            let limit = OUTLIER * OUTLIER * square / width as f32;
            let known = self.outliers.len();
            let (low, high) = range_within(row, limit, |input, value| {
                self.outliers.push(Outlier { token, input, value });
            });
            let scale = if high > low { (high - low) / 127.0 } else { 1.0 };
            let inverse = 1.0 / scale;
            let zero = (-low * inverse + ROUND) - ROUND;
            let (factor, shift) = (F4::splat(inverse), F4::splat(zero + ROUND));
            for (from, to) in row.as_chunks::<BLOCK>().0.iter().zip(target.as_chunks_mut::<BLOCK>().0) {
                *to = lanes::to_seven_bits(lanes::load(from).map(|value| value * factor + shift));
            }
            for outlier in &self.outliers[known..] {
                target[outlier.input] = zero as u8;
            }
            self.scales.push(scale);
            self.zeros.push(zero as i32);
            if token % TILE_TOKENS == TILE_TOKENS - 1 {
                self.ends.push(self.outliers.len());
            }
        }
        self.ends.push(self.outliers.len());
    }

    /// The outliers of the tile of tokens that begins with `first`.
    pub(crate) fn outliers_of(&self, first: usize) -> &[Outlier] {
        let tile = first / TILE_TOKENS;
        let start = if tile == 0 { 0 } else { self.ends[tile - 1] };
        &self.outliers[start..self.ends[tile]]
    }
}

/// The least and the greatest of zero, which must be representable, and the values whose squares are not above the limit;
/// `outside` gets the others.
fn range_within(row: &[f32], limit: f32, mut outside: impl FnMut(usize, f32)) -> (f32, f32) {
    let zero = F4::splat(0.0);
    let (mut low, mut high) = ([zero; 2], [zero; 2]);
    let most = F4::splat(limit);
    for (index, block) in row.as_chunks::<BLOCK>().0.iter().enumerate() {
        let mut values = lanes::load(block);
        let [a, b, c, d] = values.map(|value| value * value);
        if a.max(b).max(c.max(d)).any_greater(most) {
            let mut inside = *block;
            for (at, value) in inside.iter_mut().enumerate() {
                if *value * *value > limit {
                    outside(index * BLOCK + at, *value);
                    *value = 0.0;
                }
            }
            values = lanes::load(&inside);
        }
        let [a, b, c, d] = values;
        low = [low[0].min(a).min(b), low[1].min(c).min(d)];
        high = [high[0].max(a).max(b), high[1].max(c).max(d)];
    }
    // The least is the greatest of the negated.
    (-(zero - low[0].min(low[1])).greatest(), high[0].max(high[1]).greatest())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Seven bits give each value back within half a step, the largest are kept as they are, and each tile of tokens has its own.
    #[test]
    fn values_come_back_within_half_a_step() {
        let width = 384;
        let tokens = TILE_TOKENS + 3;
        let mut rows: Vec<f32> = (0..tokens * width).map(|at| ((at * 7919) % 2003) as f32 / 1000.0 - 0.7).collect();
        rows[5] = 40.0;
        rows[TILE_TOKENS * width + 9] = -60.0;
        let mut quantised = Quantised::default();
        quantised.take(&rows, width);
        for (token, (row, values)) in rows.chunks(width).zip(quantised.values.chunks(width)).enumerate() {
            let (scale, zero) = (quantised.scales[token], quantised.zeros[token]);
            for (value, seven_bits) in row.iter().zip(values).filter(|(value, _)| value.abs() < 10.0) {
                let back = scale * (i32::from(*seven_bits) - zero) as f32;
                assert!((back - value).abs() <= 0.501 * scale, "{back} for {value}, step {scale}");
            }
        }
        let places = |first| -> Vec<(usize, usize, f32)> {
            quantised.outliers_of(first).iter().map(|one| (one.token, one.input, one.value)).collect()
        };
        assert_eq!(places(0), [(0, 5, 40.0)]);
        assert_eq!(places(TILE_TOKENS), [(TILE_TOKENS, 9, -60.0)]);
        assert_eq!(i32::from(quantised.values[5]), quantised.zeros[0], "an outlier counts as zero");
    }
}
