//! When to ask an endpoint: no faster than it is allowed, and slower after each failure.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use skerry_host::Cancel;

/// How often somebody who waits looks whether the work is still wanted.
const LOOKED_AT: Duration = Duration::from_millis(20);

/// The longest wait between two tries, whatever the endpoint or the doubling asks for.
pub(super) const WAIT_MAX: Duration = Duration::from_mins(1);

/// Spaces requests evenly.
#[derive(Debug)]
pub(super) struct Pace {
    interval: Duration,
    next: Mutex<Option<Instant>>,
}

impl Pace {
    pub(super) fn new(requests_per_second: f64) -> Pace {
        let interval = Duration::try_from_secs_f64(1.0 / requests_per_second).unwrap_or(WAIT_MAX);
        Pace { interval, next: Mutex::default() }
    }

    /// Takes the next free place and answers how long it is until then.
    pub(super) fn take(&self, now: Instant) -> Duration {
        let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
        let at = next.map_or(now, |next| next.max(now));
        *next = Some(at + self.interval);
        at - now
    }
}

/// How long to wait before the next try: `first` doubled for each try that failed, of which `share` (0 to 1) picks a place in
/// the upper half, so that many clients do not come back at once; what the endpoint asked for if that is longer.
pub(super) fn backoff(first: Duration, failed: u32, share: f64, asked: Option<Duration>) -> Duration {
    let doubled = first.saturating_mul(2_u32.saturating_pow(failed.saturating_sub(1))).min(WAIT_MAX);
    doubled.mul_f64(0.5 + share.clamp(0.0, 1.0) / 2.0).max(asked.unwrap_or_default())
}

/// A number from 0 to 1. Without randomness all wait the same, which is no reason to fail.
pub(super) fn random_share() -> f64 {
    getrandom::u32().map_or(1.0, |number| f64::from(number) / f64::from(u32::MAX))
}

/// Waits; false when it was cancelled before the time was over.
pub(super) fn wait(mut time: Duration, cancel: Option<&Cancel>) -> bool {
    let is_cancelled = || cancel.is_some_and(Cancel::is_cancelled);
    while !time.is_zero() && !is_cancelled() {
        let step = if cancel.is_some() { time.min(LOOKED_AT) } else { time };
        std::thread::sleep(step);
        time = time.saturating_sub(step);
    }
    !is_cancelled()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Requests stand an interval apart; after a rest the next may go at once, and a rest saves up nothing.
    #[test]
    fn requests_are_spaced() {
        let (pace, now) = (Pace::new(10.0), Instant::now());
        let waits: Vec<u128> = (0..3).map(|_| pace.take(now).as_millis()).collect();
        assert_eq!(waits, [0, 100, 200]);
        let later = now + Duration::from_secs(5);
        assert_eq!([pace.take(later).as_millis(), pace.take(later).as_millis()], [0, 100]);
    }

    /// Waits double, never beyond the limit, and are never shorter than the endpoint asked for.
    #[test]
    fn waits_double() {
        let first = Duration::from_millis(100);
        let waits: Vec<u128> = (1..5).map(|failed| backoff(first, failed, 1.0, None).as_millis()).collect();
        assert_eq!(waits, [100, 200, 400, 800]);
        assert_eq!(backoff(first, 1, 0.0, None).as_millis(), 50);
        assert_eq!(backoff(first, u32::MAX, 1.0, None), WAIT_MAX);
        assert_eq!(backoff(first, 1, 0.5, Some(Duration::from_secs(3))), Duration::from_secs(3));
    }

    /// Who is cancelled does not wait out the time.
    #[test]
    fn waiting_can_be_cancelled() {
        let cancel = Cancel::new();
        assert!(wait(Duration::ZERO, Some(&cancel)));
        cancel.cancel();
        assert!(!wait(Duration::from_hours(1), Some(&cancel)));
    }
}
