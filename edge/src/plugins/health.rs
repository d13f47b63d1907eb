//! What a plugin did, and whether it is asked: after some failures in a row it is left alone for a while, then asked once more.

use std::time::{Duration, Instant};

/// When a plugin is left alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PauseRule {
    /// Failures in a row that are enough.
    pub failures_max: u32,
    /// For how long.
    pub pause: Duration,
}

impl Default for PauseRule {
    /// Five failures, one minute.
    fn default() -> Self {
        PauseRule { failures_max: 5, pause: Duration::from_mins(1) }
    }
}

/// A failure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// What happened.
    pub reason: String,
    /// When, in milliseconds since 1970.
    pub time_ms: i64,
}

/// What a plugin did since the node was opened.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tally {
    /// Calls, those that failed included.
    pub calls: u64,
    /// Calls that failed.
    pub failures: u64,
    /// Failures since the last call that succeeded.
    pub failures_in_a_row: u32,
    /// Time of all calls together.
    pub time: Duration,
    /// The last failure.
    pub last_error: Option<Fault>,
    /// Time until it is asked again, when it is left alone.
    pub paused: Option<Duration>,
}

/// The same, as it is kept. Time comes in, so that nothing here waits.
#[derive(Debug, Default)]
pub(super) struct Health {
    tally: Tally,
    paused_until: Option<Instant>,
}

impl Health {
    /// When it is left alone: whole seconds until it is asked, its failures in a row, and the last one's reason.
    pub(super) fn paused(&self, now: Instant) -> Option<(u64, u32, String)> {
        let left = self.left(now)?;
        let reason = self.tally.last_error.as_ref().map(|fault| fault.reason.clone()).unwrap_or_default();
        Some((left.as_secs_f64().ceil() as u64, self.tally.failures_in_a_row, reason))
    }

    fn left(&self, now: Instant) -> Option<Duration> {
        self.paused_until.and_then(|until| until.checked_duration_since(now)).filter(|left| !left.is_zero())
    }

    /// A call succeeded.
    pub(super) fn succeeded(&mut self, took: Duration) {
        self.answered(took);
        self.tally.failures_in_a_row = 0;
        self.paused_until = None;
    }

    /// A call came to nothing, and the plugin is not to blame.
    pub(super) fn answered(&mut self, took: Duration) {
        self.tally.calls += 1;
        self.tally.time += took;
    }

    /// A call failed; true when the plugin is left alone from now on. After a pause one failure is enough.
    pub(super) fn failed(&mut self, now: Instant, took: Duration, reason: &str, time_ms: i64, rule: PauseRule) -> bool {
        self.answered(took);
        self.tally.failures += 1;
        self.tally.failures_in_a_row = self.tally.failures_in_a_row.saturating_add(1);
        self.tally.last_error = Some(Fault { reason: reason.to_owned(), time_ms });
        // Calls that ran when the pause began do not make it longer.
        let pauses = self.tally.failures_in_a_row >= rule.failures_max && self.left(now).is_none();
        if pauses {
            self.paused_until = Some(now + rule.pause);
        }
        pauses
    }

    /// Whether the last call failed.
    pub(super) fn is_failing(&self) -> bool {
        self.tally.failures_in_a_row > 0
    }

    pub(super) fn tally(&self, now: Instant) -> Tally {
        Tally { paused: self.left(now), ..self.tally.clone() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULE: PauseRule = PauseRule { failures_max: 3, pause: Duration::from_mins(1) };
    const TOOK: Duration = Duration::from_millis(5);

    fn fail(health: &mut Health, now: Instant) -> bool {
        health.failed(now, TOOK, "trap", 7, RULE)
    }

    /// Failures in a row pause it, successes in between do not; a pause ends by itself, and the next failure brings it back.
    #[test]
    fn a_plugin_is_left_alone_for_a_while() {
        let start = Instant::now();
        let after = |seconds| start + Duration::from_secs(seconds);
        let mut health = Health::default();
        assert!(!fail(&mut health, start) && !fail(&mut health, start));
        health.succeeded(TOOK);
        assert!(!fail(&mut health, start) && !fail(&mut health, start));
        assert_eq!(health.paused(start), None);
        assert!(fail(&mut health, start));
        assert_eq!(health.paused(after(1)), Some((59, 3, "trap".to_owned())));
        assert!(!fail(&mut health, after(1)), "a call that was on its way");
        assert_eq!(health.paused(after(59)).unwrap().0, 1);
        assert_eq!(health.paused(after(60)), None);
        assert!(health.is_failing());
        assert!(fail(&mut health, after(61)));
        assert_eq!(health.paused(after(62)).unwrap().0, 59);
        health.succeeded(TOOK);
        assert_eq!(health.paused(after(62)), None);
        let tally = health.tally(after(62));
        assert_eq!((tally.calls, tally.failures, tally.failures_in_a_row, tally.time), (9, 7, 0, TOOK * 9));
        assert_eq!(tally.last_error, Some(Fault { reason: "trap".to_owned(), time_ms: 7 }));
    }

    /// Who gives a wrong argument, or goes away, does not bring a pause upon others, nor ends one.
    #[test]
    fn callers_are_not_held_against_it() {
        let start = Instant::now();
        let mut health = Health::default();
        fail(&mut health, start);
        for _ in 0..10 {
            health.answered(TOOK);
        }
        assert_eq!((health.paused(start), health.tally(start).failures_in_a_row), (None, 1));
    }
}
