//! Measures of a ranking with binary relevance, and the interval of a difference between two of them.

use std::collections::BTreeSet;

/// Hits that count.
pub(crate) const DEPTH: usize = 10;

const RESAMPLES: usize = 1_000;

const SEED: u64 = 0x5eed;

/// The measures of one way to search, a number a question and in the order of the questions. All go from 0 to 1.
#[derive(Debug, Default)]
pub(crate) struct Measured {
    pub(crate) ndcg: Vec<f64>,
    pub(crate) recall: Vec<f64>,
    pub(crate) reciprocal_rank: Vec<f64>,
}

impl Measured {
    /// Adds a question's answer, best first. `relevant` is not empty.
    pub(crate) fn push(&mut self, hits: &[&str], relevant: &BTreeSet<String>) {
        self.ndcg.push(ndcg(hits, relevant));
        self.recall.push(recall(hits, relevant));
        self.reciprocal_rank.push(reciprocal_rank(hits, relevant));
    }

    /// The measures with their names.
    pub(crate) fn all(&self) -> [(&'static str, &[f64]); 3] {
        [("nDCG@10", &self.ndcg), ("recall@10", &self.recall), ("MRR@10", &self.reciprocal_rank)]
    }
}

/// Normalised discounted cumulative gain at [`DEPTH`] with a gain of 1 for what is relevant and `1 / log2(rank + 1)` as the
/// discount (Järvelin and Kekäläinen, ACM TOIS 2002). The ideal is over `min(DEPTH, relevant)` ranks.
pub(crate) fn ndcg(hits: &[&str], relevant: &BTreeSet<String>) -> f64 {
    let discount = |index: usize| 1.0 / (index as f64 + 2.0).log2();
    let ideal: f64 = (0..relevant.len().min(DEPTH)).map(discount).sum();
    let found = hits.iter().take(DEPTH).enumerate().filter(|(_, key)| relevant.contains(**key));
    found.map(|(index, _)| discount(index)).sum::<f64>() / ideal
}

/// Share of what is relevant among the first [`DEPTH`].
fn recall(hits: &[&str], relevant: &BTreeSet<String>) -> f64 {
    let found = hits.iter().take(DEPTH).filter(|key| relevant.contains(**key)).count();
    found as f64 / relevant.len() as f64
}

/// One by the rank of the first that is relevant; 0 when none of the first [`DEPTH`] is.
fn reciprocal_rank(hits: &[&str], relevant: &BTreeSet<String>) -> f64 {
    let first = hits.iter().take(DEPTH).position(|key| relevant.contains(*key));
    first.map_or(0.0, |index| 1.0 / (index as f64 + 1.0))
}

pub(crate) fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

/// A difference of means with its 95 % interval.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Difference {
    pub(crate) value: f64,
    pub(crate) low: f64,
    pub(crate) high: f64,
}

/// By how much a way to search is better than the better of two others, over questions drawn again with replacement
/// (percentile bootstrap). Which of the two is better is asked anew in every draw.
pub(crate) fn difference(ours: &[f64], legs: [&[f64]; 2]) -> Difference {
    let [first, second] = legs;
    let mut random = SEED;
    let mut draws: Vec<f64> = (0..RESAMPLES)
        .map(|_| {
            let mut sums = [0.0; 3];
            for _ in ours {
                let index = below(&mut random, ours.len());
                for (sum, values) in sums.iter_mut().zip([ours, first, second]) {
                    *sum += values.get(index).copied().unwrap_or(f64::NAN);
                }
            }
            (sums[0] - sums[1].max(sums[2])) / ours.len() as f64
        })
        .collect();
    draws.sort_by(f64::total_cmp);
    let at = |per_mille: usize| draws.get((RESAMPLES * per_mille).div_ceil(1000) - 1).copied().unwrap_or(f64::NAN);
    Difference { value: mean(ours) - mean(first).max(mean(second)), low: at(25), high: at(975) }
}

/// The next number below `end` (`SplitMix64`: Steele, Lea, Flood, OOPSLA 2014).
fn below(state: &mut u64, end: usize) -> usize {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut mixed = *state;
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^= mixed >> 31;
    ((u128::from(mixed) * end as u128) >> 64) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(keys: &[&str]) -> BTreeSet<String> {
        keys.iter().map(|&key| key.to_owned()).collect()
    }

    fn assert_near(left: f64, right: f64) {
        assert!((left - right).abs() < 1e-6, "{left} is not {right}");
    }

    /// By hand: hits at ranks 1 and 3 gain 1 + 1/2; three relevant could gain 1 + 0.6309298 + 1/2.
    #[test]
    fn ndcg_is_what_the_formula_gives_by_hand() {
        let three = keys(&["a", "b", "c"]);
        assert_near(ndcg(&["a", "x", "b"], &three), 1.5 / 2.130_929_8);
        assert_near(ndcg(&["b", "c", "a", "x"], &three), 1.0);
        assert_near(ndcg(&["x", "a"], &keys(&["a"])), 0.630_929_8);
        assert_near(ndcg(&["x", "y"], &three), 0.0);
        assert_near(ndcg(&[], &three), 0.0);
    }

    /// What stands behind the tenth place counts for nothing, neither in the answer nor in the ideal.
    #[test]
    fn measures_end_at_the_tenth_hit() {
        let names: Vec<String> = (0..12).map(|number| number.to_string()).collect();
        let hits: Vec<&str> = names.iter().map(String::as_str).collect();
        let all: BTreeSet<String> = names.iter().cloned().collect();
        assert_near(ndcg(&hits, &all), 1.0);
        assert_near(ndcg(&hits, &keys(&["10"])), 0.0);
        assert_near(ndcg(&hits, &keys(&["9"])), 1.0 / 11_f64.log2());
        assert_near(recall(&hits, &all), 10.0 / 12.0);
        assert_near(reciprocal_rank(&hits, &keys(&["11"])), 0.0);
        assert_near(reciprocal_rank(&hits, &keys(&["3", "7"])), 0.25);
        assert_near(recall(&hits, &keys(&["3", "other"])), 0.5);
    }

    /// A leg that is always better by the same amount leaves no doubt; the worse leg plays no part.
    #[test]
    fn a_constant_difference_has_a_narrow_interval() {
        let ours: Vec<f64> = (0..50).map(|number| f64::from(number) / 100.0).collect();
        let better: Vec<f64> = ours.iter().map(|value| value + 0.25).collect();
        let Difference { value, low, high } = difference(&ours, [&vec![0.0; 50], &better]);
        for number in [value, low, high] {
            assert_near(number, -0.25);
        }
    }

    /// The interval must be that of the mean: of 400 fair coins, 0.5 with 1.96 standard errors of 0.025 on each side.
    #[test]
    fn an_interval_has_the_width_of_the_normal_one() {
        let coins: Vec<f64> = (0..400).map(|number| f64::from(number % 2)).collect();
        let zeros = vec![0.0; coins.len()];
        let Difference { value, low, high } = difference(&coins, [&zeros, &zeros]);
        assert_near(value, 0.5);
        assert!((low - 0.451).abs() < 0.006 && (high - 0.549).abs() < 0.006, "{low} to {high}");
    }
}
