//! Many seeds, on as many threads as there are cores.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::{Options, Outcome, run};

/// What came of many runs.
#[derive(Debug, Default)]
pub struct Summary {
    /// Runs that were made.
    pub runs: u64,
    /// Those in which a rule was broken, by seed.
    pub failures: Vec<Outcome>,
    /// What happened, how often, over all runs.
    pub counts: BTreeMap<&'static str, u64>,
    /// The runs' own time together, in milliseconds.
    pub simulated_ms: u64,
}

/// Runs `seeds` seeds from `from` on. `progress` is told how many are done. Stops early behind so many failures.
pub fn sweep(from: u64, seeds: u64, failures_max: usize, options: Options, progress: impl Fn(u64) + Sync) -> Summary {
    let next = AtomicU64::new(0);
    let summary = Mutex::new(Summary::default());
    let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    let stop = |summary: &Summary| summary.failures.len() >= failures_max;
                    if index >= seeds || stop(&summary.lock().unwrap_or_else(std::sync::PoisonError::into_inner)) {
                        break;
                    }
                    let outcome = run(from + index, &options);
                    let mut summary = summary.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
                    summary.add(outcome);
                    progress(summary.runs);
                }
            });
        }
    });
    let mut summary = summary.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
    summary.failures.sort_by_key(|outcome| outcome.seed);
    summary
}

impl Summary {
    fn add(&mut self, outcome: Outcome) {
        self.runs += 1;
        self.simulated_ms += outcome.simulated_ms;
        for (kind, count) in &outcome.counts {
            *self.counts.entry(kind).or_default() += count;
        }
        if outcome.failure.is_some() {
            self.failures.push(outcome);
        }
    }
}
