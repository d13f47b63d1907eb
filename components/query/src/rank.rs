//! The best k of many: highest score first, equal scores by key.

use std::cmp::Ordering;
use std::collections::BinaryHeap;

/// A candidate with its score.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ranked<'a> {
    pub(crate) score: f32,
    pub(crate) key: &'a str,
    pub(crate) slot: u32,
}

impl PartialEq for Ranked<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Ranked<'_> {}

impl PartialOrd for Ranked<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// The better one is less, so that sorting puts it first and a max-heap has the worst on top.
impl Ord for Ranked<'_> {
    fn cmp(&self, other: &Self) -> Ordering {
        other.score.total_cmp(&self.score).then_with(|| self.key.cmp(other.key))
    }
}

/// The best `k`, best first. `key` is asked for only where a score is good enough.
pub(crate) fn best<'a>(
    k: usize,
    scores: impl Iterator<Item = (u32, f32)>,
    key: impl Fn(u32) -> &'a str,
) -> Vec<Ranked<'a>> {
    let mut heap: BinaryHeap<Ranked<'a>> = BinaryHeap::with_capacity(k.min(1024) + 1);
    for (slot, score) in scores {
        if heap.len() == k && heap.peek().is_some_and(|worst| score < worst.score) {
            continue;
        }
        heap.push(Ranked { score, key: key(slot), slot });
        if heap.len() > k {
            heap.pop();
        }
    }
    heap.into_sorted_vec()
}
