//! Fits one vector per token to a teacher's vectors of whole texts.
//!
//! A text's vector is the sum of its tokens' vectors at unit length; its loss is one minus the cosine with the teacher's.
//! Adam (Kingma and Ba, 2015) over batches of texts in a fixed shuffled order, with updates for the tokens of a batch only.
//! Nothing but the four operations and square roots, in one thread: the same bits on every machine.
#![allow(clippy::indexing_slicing, reason = "a kernel: every index is below a length that the caller fixed")]

use super::linear::{dot, normalise};

/// Tokens of texts, and what the sums should point to.
#[derive(Debug)]
pub(crate) struct Lessons {
    pub(crate) texts: Vec<Vec<u32>>,
    /// One vector of unit length a text.
    pub(crate) targets: Vec<f32>,
}

/// How to fit.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Schedule {
    pub(crate) epochs: usize,
    pub(crate) batch: usize,
    /// Step at the beginning; falls linearly to nothing.
    pub(crate) step: f32,
}

/// Decay of the mean of gradients and of their squares.
const DECAYS: (f32, f32) = (0.9, 0.999);

/// Improves `tokens`, `dimensions` numbers each.
pub(crate) fn fit(tokens: &mut [f32], dimensions: usize, lessons: &Lessons, schedule: Schedule) {
    let mut state = State {
        means: vec![0.0; tokens.len()],
        squares: vec![0.0; tokens.len()],
        gradients: vec![0.0; tokens.len()],
        touched: Vec::new(),
        marks: vec![0; tokens.len() / dimensions],
    };
    let mut order: Vec<usize> = (0..lessons.texts.len()).collect();
    let mut random = 0x5eed_u64;
    let steps = schedule.epochs * order.len().div_ceil(schedule.batch);
    let mut step = 0;
    let (mut first, mut second) = (1.0_f32, 1.0_f32);
    for _ in 0..schedule.epochs {
        shuffle(&mut order, &mut random);
        for batch in order.chunks(schedule.batch) {
            step += 1;
            for &text in batch {
                let target = &lessons.targets[text * dimensions..][..dimensions];
                state.learn(tokens, dimensions, &lessons.texts[text], target, step);
            }
            first *= DECAYS.0;
            second *= DECAYS.1;
            let rate = schedule.step * (1.0 - (step - 1) as f32 / steps as f32) * (1.0 - second).sqrt() / (1.0 - first);
            state.apply(tokens, dimensions, rate);
        }
    }
}

struct State {
    means: Vec<f32>,
    squares: Vec<f32>,
    gradients: Vec<f32>,
    /// Tokens of the batch.
    touched: Vec<u32>,
    /// For each token the last step whose batch had it.
    marks: Vec<usize>,
}

impl State {
    /// Adds the gradient of one text.
    fn learn(&mut self, tokens: &[f32], dimensions: usize, text: &[u32], target: &[f32], step: usize) {
        let mut sum = add_up(tokens, dimensions, text);
        let length = dot(&sum, &sum).sqrt();
        if length <= 0.0 {
            return;
        }
        let cosine = dot(&sum, target) / length;
        sum.iter_mut().zip(target).for_each(|(s, t)| *s = (cosine * *s / length - t) / length);
        for &token in text {
            let at = token as usize;
            if self.marks[at] != step {
                self.marks[at] = step;
                self.touched.push(token);
            }
            let gradient = &mut self.gradients[at * dimensions..][..dimensions];
            gradient.iter_mut().zip(&sum).for_each(|(g, s)| *g += s);
        }
    }

    /// Moves the tokens of the batch.
    fn apply(&mut self, tokens: &mut [f32], dimensions: usize, rate: f32) {
        for token in self.touched.drain(..) {
            let range = token as usize * dimensions..(token as usize + 1) * dimensions;
            let vector = tokens[range.clone()].iter_mut();
            let moments = self.means[range.clone()].iter_mut().zip(&mut self.squares[range.clone()]);
            for ((x, (mean, square)), gradient) in vector.zip(moments).zip(&mut self.gradients[range]) {
                *mean = DECAYS.0 * *mean + (1.0 - DECAYS.0) * *gradient;
                *square = DECAYS.1 * *square + (1.0 - DECAYS.1) * *gradient * *gradient;
                *x -= rate * *mean / (square.sqrt() + 1e-8);
                *gradient = 0.0;
            }
        }
    }
}

/// The sum of a text's token vectors, at unit length.
pub(crate) fn sum(tokens: &[f32], dimensions: usize, text: &[u32]) -> Vec<f32> {
    let mut sum = add_up(tokens, dimensions, text);
    normalise(&mut sum);
    sum
}

fn add_up(tokens: &[f32], dimensions: usize, text: &[u32]) -> Vec<f32> {
    let mut sum = vec![0.0_f32; dimensions];
    for &token in text {
        let vector = &tokens[token as usize * dimensions..][..dimensions];
        sum.iter_mut().zip(vector).for_each(|(sum, x)| *sum += x);
    }
    sum
}

/// Fisher and Yates, with Knuth's linear congruential generator.
fn shuffle(order: &mut [usize], random: &mut u64) {
    for last in (1..order.len()).rev() {
        *random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        order.swap(last, (*random >> 33) as usize % (last + 1));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Texts whose targets are the sums of hidden vectors are learned until they point there, and twice to the same bits.
    #[test]
    fn hidden_vectors_are_found() {
        let hidden: Vec<f32> = (0..80_u16).map(|n| f32::from(n * 37 % 19) - 9.0).collect();
        let texts: Vec<Vec<u32>> = (0..200_u32).map(|n| vec![n % 10, n * 7 % 10, n / 20]).collect();
        let targets = texts.iter().flat_map(|text| sum(&hidden, 8, text)).collect();
        let lessons = Lessons { texts, targets };
        let fitted = || {
            let mut tokens: Vec<f32> = (0..80_u16).map(|n| f32::from(n % 3) - 1.0 + f32::from(n % 7) / 8.0).collect();
            fit(&mut tokens, 8, &lessons, Schedule { epochs: 200, batch: 16, step: 0.05 });
            tokens
        };
        let tokens = fitted();
        let cosine = |(n, text): (usize, &Vec<u32>)| dot(&sum(&tokens, 8, text), &lessons.targets[n * 8..][..8]);
        let least = lessons.texts.iter().enumerate().map(cosine).fold(1.0, f32::min);
        assert!(least > 0.9, "{least}");
        assert_eq!(tokens, fitted());
    }
}
