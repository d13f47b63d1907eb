//! What is going to happen, in the order of time.

use std::collections::BTreeMap;

/// Happenings by time; those of one moment in the order in which they were decided.
#[derive(Debug)]
pub(crate) struct Queue<T> {
    due: BTreeMap<(u64, u64), T>,
    serial: u64,
}

impl<T> Default for Queue<T> {
    fn default() -> Self {
        Queue { due: BTreeMap::new(), serial: 0 }
    }
}

impl<T> Queue<T> {
    pub(crate) fn at(&mut self, time: u64, happening: T) {
        self.serial += 1;
        self.due.insert((time, self.serial), happening);
    }

    pub(crate) fn next(&mut self) -> Option<(u64, T)> {
        self.due.pop_first().map(|((time, _), happening)| (time, happening))
    }

    pub(crate) fn next_time(&self) -> Option<u64> {
        self.due.first_key_value().map(|((time, _), _)| *time)
    }
}
