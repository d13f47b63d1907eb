//! The transformer: token ids in, vectors of unit norm out.
//!
//! Integer sums are exact; `f32` parts run over fixed lanes in a fixed order and use no fused operation, so every build gives
//! the same bits, and a text's vector does not depend on the texts that it was encoded together with.
#![allow(clippy::indexing_slicing, reason = "a kernel: every index is below a length that the packed layout fixed")]

use crate::attention::Attention;
use crate::kernel::{self, Sums, TILE_OUTPUTS, TILE_TOKENS};
use crate::lanes::{self, BLOCK, F4};
use crate::math;
use crate::packed::{Layer, Layout, Matrix, Norm};
use crate::quantise::{Outlier, Quantised};
use crate::{DIMENSIONS, INNER, TOKENS_MAX};

const NORM_EPSILON: f32 = 1e-12;

/// Room that texts are worked on in, kept between calls.
#[derive(Debug, Default)]
pub(crate) struct Encoder {
    state: Vec<f32>,
    quantised: Quantised,
    /// Query, key and value of each token; then the inner half of the feed-forward block.
    wide: Vec<f32>,
    mixed: Vec<f32>,
    attention: Attention,
}

impl Encoder {
    /// For each text the mean of its last layer's states, of unit norm. Texts are sorted by length and share the passes over the
    /// weights, as many as have the tokens of one long text together.
    pub(crate) fn encode_all(&mut self, bytes: &[u8], layout: &Layout, texts: &[&[u32]]) -> Vec<Vec<f32>> {
        let mut order: Vec<usize> = (0..texts.len()).collect();
        order.sort_by_key(|&text| texts[text].len());
        let mut vectors = vec![Vec::new(); texts.len()];
        let mut rest = order.as_slice();
        while !rest.is_empty() {
            let mut tokens = 0;
            let fits = |text: &&usize| {
                tokens += texts[**text].len();
                tokens <= TOKENS_MAX
            };
            let (group, behind) = rest.split_at(rest.iter().take_while(fits).count().max(1));
            rest = behind;
            let ids: Vec<&[u32]> = group.iter().map(|&text| texts[text]).collect();
            for (&text, vector) in group.iter().zip(self.encode(bytes, layout, &ids)) {
                vectors[text] = vector;
            }
        }
        vectors
    }

    /// For each text the mean of its last layer's states, of unit norm, all worked on together.
    fn encode(&mut self, bytes: &[u8], layout: &Layout, texts: &[&[u32]]) -> Vec<Vec<f32>> {
        self.state.clear();
        texts.iter().for_each(|ids| self.embed(bytes, layout, ids));
        for layer in &layout.layers {
            self.layer(bytes, layer, texts);
        }
        let mut rest = self.state.as_slice();
        let mut next = |ids: &&[u32]| {
            let (states, behind) = rest.split_at(ids.len() * DIMENSIONS);
            rest = behind;
            pool(states)
        };
        texts.iter().map(&mut next).collect()
    }

    fn embed(&mut self, bytes: &[u8], layout: &Layout, ids: &[u32]) {
        for (id, position) in ids.iter().zip(layout.positions.chunks_exact(DIMENSIONS)) {
            let (scale, word) = layout.word(bytes, *id).unwrap_or((0.0, &[0; DIMENSIONS]));
            let start = self.state.len();
            self.state.extend_from_slice(position);
            let row = &mut self.state[start..];
            let scale = F4::splat(scale);
            for (to, four) in row.as_chunks_mut::<4>().0.iter_mut().zip(word.as_chunks::<4>().0) {
                (F4::of_int8(*four) * scale + F4::load(to)).store(to);
            }
            norm(row, &layout.norm);
        }
    }

    fn layer(&mut self, bytes: &[u8], layer: &Layer, texts: &[&[u32]]) {
        self.quantised.take(&self.state, DIMENSIONS);
        multiply(&self.quantised, bytes, &layer.query_key_value, &mut self.wide);
        self.attend(texts);
        self.quantised.take(&self.mixed, DIMENSIONS);
        multiply(&self.quantised, bytes, &layer.attention, &mut self.wide);
        self.add_and_norm(&layer.attention_norm);
        self.quantised.take(&self.state, DIMENSIONS);
        multiply(&self.quantised, bytes, &layer.inner, &mut self.wide);
        lanes::map(&mut self.wide, math::gelu);
        self.quantised.take(&self.wide, INNER);
        multiply(&self.quantised, bytes, &layer.outer, &mut self.wide);
        self.add_and_norm(&layer.outer_norm);
    }

    fn attend(&mut self, texts: &[&[u32]]) {
        self.mixed.resize(self.state.len(), 0.0);
        let (mut wide, mut mixed) = (self.wide.as_slice(), self.mixed.as_mut_slice());
        for ids in texts {
            let (text, rest) = wide.split_at(ids.len() * 3 * DIMENSIONS);
            let (target, room) = mixed.split_at_mut(ids.len() * DIMENSIONS);
            self.attention.mix(text, target);
            (wide, mixed) = (rest, room);
        }
    }

    fn add_and_norm(&mut self, weights: &Norm) {
        for (row, added) in self.state.chunks_exact_mut(DIMENSIONS).zip(self.wide.chunks_exact(DIMENSIONS)) {
            for (to, added) in row.as_chunks_mut::<BLOCK>().0.iter_mut().zip(added.as_chunks::<BLOCK>().0) {
                let mut sums = lanes::load(to);
                sums.iter_mut().zip(lanes::load(added)).for_each(|(sum, added)| *sum = *sum + added);
                lanes::store(sums, to);
            }
            norm(row, weights);
        }
    }
}

/// The mean of a text's states, of unit norm.
fn pool(states: &[f32]) -> Vec<f32> {
    let mut mean = vec![0.0_f32; DIMENSIONS];
    for row in states.chunks_exact(DIMENSIONS) {
        mean.iter_mut().zip(row).for_each(|(sum, value)| *sum += value);
    }
    let count = (states.len() / DIMENSIONS) as f32;
    mean.iter_mut().for_each(|sum| *sum /= count);
    let length = lanes::sum(&mean, |value| value * value).sqrt().max(1e-12);
    mean.iter_mut().for_each(|value| *value /= length);
    mean
}

/// The product of each token's activations with a matrix, plus its bias.
fn multiply(activations: &Quantised, bytes: &[u8], matrix: &Matrix, out: &mut Vec<f32>) {
    let Matrix { outputs, inputs, .. } = *matrix;
    let tokens = activations.scales.len();
    out.resize(tokens * outputs, 0.0);
    let weights = &bytes[matrix.weights.clone()];
    let mut corrections = matrix.corrections.as_slice();
    for (block, tiles) in weights.chunks_exact(TILE_OUTPUTS * inputs).enumerate() {
        let (upper, lower) = tiles.split_at(TILE_OUTPUTS / 2 * inputs);
        let output = block * TILE_OUTPUTS;
        let count = corrections.iter().take_while(|correction| correction.output < output + TILE_OUTPUTS).count();
        let (own, behind) = corrections.split_at(count);
        corrections = behind;
        for first in (0..tokens).step_by(TILE_TOKENS) {
            let count = TILE_TOKENS.min(tokens - first);
            let rows = &activations.values[first * inputs..(first + count) * inputs];
            let mut sums = kernel::tile(count, rows, inputs, [upper, lower]);
            for (row, sums) in rows.chunks_exact(inputs).zip(&mut sums.0) {
                for correction in own {
                    sums[correction.output - output] += i32::from(row[correction.input]) * correction.weight;
                }
            }
            scale(activations, matrix, first, output, &sums, out);
            for outlier in activations.outliers_of(first) {
                let row = &mut out[outlier.token * outputs + output..][..TILE_OUTPUTS];
                add_outlier(*outlier, [upper, lower], &matrix.scales[output..output + TILE_OUTPUTS], row);
            }
        }
    }
}

/// Turns integer sums into numbers: scales of token and output, zero point of the token, bias of the output.
#[inline]
fn scale(activations: &Quantised, matrix: &Matrix, first: usize, output: usize, sums: &Sums, out: &mut [f32]) {
    let columns = output..output + TILE_OUTPUTS;
    let scales = matrix.scales[columns.clone()].as_chunks::<4>().0;
    let biases = matrix.biases[columns.clone()].as_chunks::<4>().0;
    let row_sums = matrix.row_sums[columns.clone()].as_chunks::<4>().0;
    let tokens = activations.scales[first..].iter().zip(&activations.zeros[first..]);
    let rows = out[first * matrix.outputs..].chunks_exact_mut(matrix.outputs);
    for ((sums, (token_scale, zero)), row) in sums.0.iter().zip(tokens).zip(rows) {
        let token_scale = F4::splat(*token_scale);
        let target = row[columns.clone()].as_chunks_mut::<4>().0;
        for (half, to) in target.iter_mut().enumerate() {
            let sum = F4::dequantise(&sums.as_chunks::<4>().0[half], &row_sums[half], *zero);
            (sum * (token_scale * F4::load(&scales[half])) + F4::load(&biases[half])).store(to);
        }
    }
}

/// Adds an activation's products with its part of the weights of eight outputs.
#[inline]
fn add_outlier(outlier: Outlier, tiles: [&[u8]; 2], scales: &[f32], row: &mut [f32]) {
    let value = F4::splat(outlier.value);
    // Four outputs a tile; within it this input's weights are four bytes apart.
    let (tile, byte) = (outlier.input / 4, outlier.input % 4);
    let fours = row.as_chunks_mut::<4>().0.iter_mut().zip(scales.as_chunks::<4>().0);
    for ((to, scales), tiles) in fours.zip(tiles) {
        let weights = F4::of_bytes(&tiles.as_chunks::<16>().0[tile], byte);
        (F4::load(to) + value * (weights * F4::load(scales))).store(to);
    }
}

/// Layer normalisation (Ba, Kiros, Hinton, 2016).
fn norm(row: &mut [f32], weights: &Norm) {
    let count = DIMENSIONS as f32;
    let mean = F4::splat(lanes::sum(row, |value| value) / count);
    let variance = lanes::sum(row, |value| (value - mean) * (value - mean)) / count;
    let inverse = F4::splat(1.0 / (variance + NORM_EPSILON).sqrt());
    let parameters = weights.weight.as_chunks::<BLOCK>().0.iter().zip(weights.bias.as_chunks::<BLOCK>().0);
    for (values, (weights, biases)) in row.as_chunks_mut::<BLOCK>().0.iter_mut().zip(parameters) {
        let mut normed = lanes::load(values).map(|value| (value - mean) * inverse);
        let parameters = lanes::load(weights).into_iter().zip(lanes::load(biases));
        normed.iter_mut().zip(parameters).for_each(|(value, (weight, bias))| *value = *value * weight + bias);
        lanes::store(normed, values);
    }
}
