//! How long to wait before connecting again.

use std::time::Duration;

/// Bound of the first wait.
const FIRST: Duration = Duration::from_millis(500);

/// Bound of every wait.
const LONGEST: Duration = Duration::from_mins(1);

/// No wait is shorter: a hub that accepts and closes at once must not be asked in a loop.
const SHORTEST: Duration = Duration::from_millis(50);

/// Exponential backoff with full jitter: the bound doubles, the wait is anywhere below it. A thousand replicas that lost
/// their hub at the same moment come back spread out.
#[derive(Debug, Default)]
pub(super) struct Backoff {
    failures: u32,
}

impl Backoff {
    /// The wait after a connection that failed or ended; `random` is any number, all equally likely.
    pub(super) fn next(&mut self, random: u64) -> Duration {
        let bound = FIRST.saturating_mul(1 << self.failures.min(16)).min(LONGEST);
        self.failures = self.failures.saturating_add(1);
        bound.mul_f64(random as f64 / u64::MAX as f64).max(SHORTEST)
    }

    /// A connection did what it was for.
    pub(super) fn settle(&mut self) {
        self.failures = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// From half a second to a minute, anywhere below the bound, and from the beginning after success.
    #[test]
    fn waits_double_up_to_a_minute_and_start_over() {
        let mut backoff = Backoff::default();
        let longest: Vec<f64> = (0..9).map(|_| backoff.next(u64::MAX).as_secs_f64()).collect();
        assert_eq!(longest, [0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 60.0, 60.0]);
        assert_eq!(backoff.next(u64::MAX / 2).as_secs(), 30);
        assert_eq!(backoff.next(0), SHORTEST);
        (0..1000).for_each(|_| assert!(backoff.next(u64::MAX) <= LONGEST));
        backoff.settle();
        assert_eq!(backoff.next(u64::MAX), FIRST);
    }
}
