//! Scaled dot-product attention (Vaswani et al., 2017), head by head, over the tokens of one text.
#![allow(clippy::indexing_slicing, reason = "a kernel: every index is below a length that the packed layout fixed")]

use crate::kernel::{self, PRODUCT_COLUMNS, PRODUCT_ROWS, Strided};
use crate::lanes::{self, BLOCK, F4};
use crate::math;
use crate::{DIMENSIONS, HEAD, HEADS};

/// Query, key and value of a token side by side.
const WIDE: usize = 3 * DIMENSIONS;

/// Room that a head is worked on in, kept between texts.
#[derive(Debug, Default)]
pub(crate) struct Attention {
    /// By component, by token, up to `padded` tokens with zeros behind the text.
    keys: Vec<f32>,
    /// By token, by component, with zeros behind the text.
    values: Vec<f32>,
    /// By query of a block, by token.
    scores: Vec<f32>,
}

impl Attention {
    /// From query, key and value of each token (`wide`) the mixed values, as long as the model is wide (`mixed`).
    pub(crate) fn mix(&mut self, wide: &[f32], mixed: &mut [f32]) {
        let tokens = wide.len() / WIDE;
        let padded = tokens.next_multiple_of(BLOCK);
        self.scores.resize(PRODUCT_ROWS * padded, 0.0);
        for head in 0..HEADS {
            self.take_head(wide, head, padded);
            for first in (0..tokens).step_by(PRODUCT_ROWS) {
                let queries = PRODUCT_ROWS.min(tokens - first);
                let query = Strided { values: &wide[first * WIDE + head * HEAD..], stride: WIDE };
                let weights = self.weigh(query, queries, tokens, padded);
                for column in (0..HEAD).step_by(PRODUCT_COLUMNS) {
                    let scores = Strided { values: &self.scores, stride: padded };
                    let values = Strided { values: &self.values[column..], stride: HEAD };
                    let sums = kernel::product(queries, scores, values, padded);
                    for (query, (sums, weight)) in sums.0.iter().zip(&weights).take(queries).enumerate() {
                        let at = (first + query) * DIMENSIONS + head * HEAD + column;
                        let target = mixed[at..at + PRODUCT_COLUMNS].as_chunks_mut::<4>().0;
                        for (to, from) in target.iter_mut().zip(sums.as_chunks::<4>().0) {
                            (F4::load(from) * F4::splat(*weight)).store(to);
                        }
                    }
                }
            }
        }
    }

    fn take_head(&mut self, wide: &[f32], head: usize, padded: usize) {
        self.keys.clear();
        self.keys.resize(HEAD * padded, 0.0);
        self.values.clear();
        for (token, row) in wide.chunks_exact(WIDE).enumerate() {
            let part = |at: usize| &row[at * DIMENSIONS + head * HEAD..][..HEAD];
            for (component, value) in part(1).iter().enumerate() {
                self.keys[component * padded + token] = *value;
            }
            self.values.extend_from_slice(part(2));
        }
        self.values.resize(HEAD * padded, 0.0);
    }

    /// Puts the exponentials of the scores of some queries in place, zeros behind the text; answers what to scale them by so
    /// that each query's add up to one: softmax.
    fn weigh(&mut self, query: Strided<'_>, queries: usize, tokens: usize, padded: usize) -> [f32; PRODUCT_ROWS] {
        let scale = F4::splat(1.0 / (HEAD as f32).sqrt());
        for key in (0..padded).step_by(PRODUCT_COLUMNS) {
            let keys = Strided { values: &self.keys[key..], stride: padded };
            let sums = kernel::product(queries, query, keys, HEAD);
            for (scores, sums) in self.scores.chunks_exact_mut(padded).zip(&sums.0).take(queries) {
                let target = scores[key..key + PRODUCT_COLUMNS].as_chunks_mut::<4>().0;
                for (to, from) in target.iter_mut().zip(sums.as_chunks::<4>().0) {
                    (F4::load(from) * scale).store(to);
                }
            }
        }
        let mut weights = [0.0; PRODUCT_ROWS];
        for (scores, weight) in self.scores.chunks_exact_mut(padded).zip(&mut weights).take(queries) {
            scores[tokens..].fill(f32::NEG_INFINITY);
            let largest = F4::splat(greatest(scores));
            lanes::map(scores, |score| math::exp_of_negative(score - largest));
            *weight = 1.0 / lanes::sum(scores, |score| score);
        }
        weights
    }
}

fn greatest(scores: &[f32]) -> f32 {
    let mut most = [F4::splat(f32::NEG_INFINITY); 4];
    for block in scores.as_chunks::<BLOCK>().0 {
        most.iter_mut().zip(lanes::load(block)).for_each(|(most, values)| *most = most.max(values));
    }
    let [a, b, c, d] = most;
    a.max(b).max(c.max(d)).greatest()
}
