//! All chance of a run, from its seed.

/// Random numbers that are the same for the same seed.
#[derive(Debug)]
pub(crate) struct Rng(fastrand::Rng);

impl Rng {
    pub(crate) fn new(seed: u64) -> Rng {
        Rng(fastrand::Rng::with_seed(seed))
    }

    /// A number from 0 up to and without `end`; 0 where that is 0.
    pub(crate) fn below(&mut self, end: usize) -> usize {
        self.0.usize(..end.max(1))
    }

    /// A number within a range, ends included.
    pub(crate) fn between(&mut self, low: u64, high: u64) -> u64 {
        self.0.u64(low..=high.max(low))
    }

    /// True in so many of a thousand cases.
    pub(crate) fn per_mille(&mut self, chance: u32) -> bool {
        self.0.u32(..1_000) < chance
    }

    pub(crate) fn number(&mut self) -> u64 {
        self.0.u64(..)
    }

    /// One of these; none where there are none.
    pub(crate) fn pick<'a, T>(&mut self, all: &'a [T]) -> Option<&'a T> {
        all.get(self.below(all.len()))
    }

    /// Sixteen bytes.
    pub(crate) fn bytes(&mut self) -> [u8; 16] {
        self.0.u128(..).to_be_bytes()
    }
}
