//! Whether the store does what it is asked, and since when it does not.

use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;

use skerry_sync::hub::StoreFailure;

/// What the last operations on the store came to.
///
/// A write that succeeds clears everything; a read that succeeds clears only a read that failed, because a full store
/// still reads.
#[derive(Debug, Default)]
pub struct Health {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    failing: Option<Failing>,
    failures: u64,
}

/// A store that fails.
#[derive(Debug, Clone)]
pub struct Failing {
    /// The first failure since the last success.
    pub since: SystemTime,
    /// The last failure.
    pub failure: StoreFailure,
    /// Whether it was in writing.
    write: bool,
    /// Bytes of the write.
    bytes: usize,
}

impl Health {
    /// How the store fails; none while it works.
    pub fn failing(&self) -> Option<Failing> {
        self.state().failing.clone()
    }

    /// Failed operations since the start.
    pub fn failures(&self) -> u64 {
        self.state().failures
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn failed_bytes(&self) -> usize {
        self.state().failing.as_ref().map_or(0, |failing| failing.bytes)
    }

    pub(crate) fn wrote(&self) {
        if self.state().failing.take().is_some() {
            tracing::info!("the central store works again");
        }
    }

    pub(crate) fn read(&self) {
        let mut state = self.state();
        if state.failing.as_ref().is_some_and(|failing| !failing.write) {
            state.failing = None;
            tracing::info!("the central store works again");
        }
    }

    pub(crate) fn read_failed(&self, error: &object_store::Error) -> StoreFailure {
        self.keep(classify(error), false, 0)
    }

    pub(crate) fn write_failed(&self, error: &object_store::Error, bytes: usize) -> StoreFailure {
        self.keep(classify(error), true, bytes)
    }

    /// Takes down a failure that the object store did not notice itself, of a write of so many bytes.
    pub fn note(&self, failure: StoreFailure, bytes: usize) -> StoreFailure {
        self.keep(failure, true, bytes)
    }

    fn keep(&self, failure: StoreFailure, write: bool, bytes: usize) -> StoreFailure {
        let mut state = self.state();
        state.failures += 1;
        if state.failing.is_none() {
            tracing::error!(cause = %failure, "the central store failed");
        }
        let before = state.failing.take();
        state.failing = Some(Failing {
            since: before.as_ref().map_or_else(SystemTime::now, |before| before.since),
            failure: failure.clone(),
            write: write || before.as_ref().is_some_and(|before| before.write),
            bytes: bytes.max(before.map_or(0, |before| before.bytes)),
        });
        failure
    }
}

/// Tells a full store from one that fails otherwise. Behind S3 a full store says so in words only.
fn classify(error: &object_store::Error) -> StoreFailure {
    use std::io::ErrorKind::{FileTooLarge, QuotaExceeded, StorageFull, WriteZero};
    let mut words = error.to_string();
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(here) = cause {
        if let Some(error) = here.downcast_ref::<std::io::Error>()
            && matches!(error.kind(), StorageFull | FileTooLarge | QuotaExceeded | WriteZero)
        {
            return StoreFailure::Full;
        }
        let more = here.to_string();
        if !words.contains(&more) {
            words = format!("{words}: {more}");
        }
        cause = here.source();
    }
    let full = ["507 Insufficient Storage", "StorageFull", "InsufficientStorage", "QuotaExceeded"];
    if full.iter().any(|mark| words.contains(mark)) { StoreFailure::Full } else { StoreFailure::Failed(words) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn full() -> object_store::Error {
        let source = Box::new(std::io::Error::from(std::io::ErrorKind::StorageFull));
        object_store::Error::Generic { store: "test", source }
    }

    fn broken() -> object_store::Error {
        object_store::Error::Generic { store: "test", source: "wire cut".into() }
    }

    /// Clients are told apart whether to free space or to wait.
    #[test]
    fn a_full_store_is_told_from_a_broken_one() {
        assert_eq!(classify(&full()), StoreFailure::Full);
        let answer =
            object_store::Error::Generic { store: "S3", source: "Server returned 507 Insufficient Storage".into() };
        assert_eq!(classify(&answer), StoreFailure::Full);
        assert!(matches!(classify(&broken()), StoreFailure::Failed(reason) if reason.contains("wire cut")));
    }

    /// A full store reads well; that must not make it look healthy.
    #[test]
    fn reading_does_not_heal_a_failure_of_writing() {
        let health = Health::default();
        health.write_failed(&full(), 4096);
        health.read();
        let failing = health.failing().unwrap();
        assert_eq!((failing.failure, failing.bytes), (StoreFailure::Full, 4096));
        health.wrote();
        assert!(health.failing().is_none());
        health.read_failed(&broken());
        assert!(health.failing().is_some());
        health.read();
        assert!(health.failing().is_none());
    }
}
