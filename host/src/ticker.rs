//! The clock of deadlines: a thread that advances the engine's epoch while calls are running, and sleeps otherwise.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

/// Time between two epochs: how exact deadlines are.
pub(crate) const TICK: Duration = Duration::from_millis(5);

/// Advances epochs until it is dropped.
#[derive(Debug)]
pub(crate) struct Ticker {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    wake: Condvar,
}

#[derive(Debug, Default)]
struct State {
    /// Calls that run now.
    running: usize,
    /// The thread waits without a timeout: whoever starts a call must wake it.
    parked: bool,
    stopped: bool,
}

impl Shared {
    /// The state is whole after every statement, so a holder's panic leaves nothing to repair.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Ticker {
    /// Starts the thread. `tick` must not block.
    pub(crate) fn start(tick: impl Fn() + Send + 'static) -> std::io::Result<Self> {
        let shared = Arc::new(Shared::default());
        let theirs = Arc::clone(&shared);
        let thread =
            std::thread::Builder::new().name("skerry-deadlines".to_owned()).spawn(move || run(&theirs, tick))?;
        Ok(Ticker { shared, thread: Some(thread) })
    }

    /// Marks a call as running until the answer is dropped.
    pub(crate) fn running(&self) -> Running<'_> {
        let mut state = self.shared.lock();
        state.running += 1;
        if state.parked {
            self.shared.wake.notify_one();
        }
        Running { shared: &self.shared }
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        self.shared.lock().stopped = true;
        self.shared.wake.notify_one();
        if let Some(thread) = self.thread.take() {
            // A panic in the thread has no one left to tell.
            let _ = thread.join();
        }
    }
}

/// A call that runs.
#[derive(Debug)]
pub(crate) struct Running<'a> {
    shared: &'a Shared,
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.shared.lock().running -= 1;
    }
}

fn run(shared: &Shared, tick: impl Fn()) {
    let mut state = shared.lock();
    while !state.stopped {
        if state.running == 0 {
            state.parked = true;
            state = shared.wake.wait(state).unwrap_or_else(PoisonError::into_inner);
            state.parked = false;
        } else {
            (state, _) = shared.wake.wait_timeout(state, TICK).unwrap_or_else(PoisonError::into_inner);
            tick();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::*;

    /// An idle node must not wake the processor; a running call must meet its deadline; a dropped engine leaves no thread.
    #[test]
    fn ticks_only_while_a_call_runs_and_stops_when_dropped() {
        let ticks = Arc::new(AtomicU64::new(0));
        let theirs = Arc::clone(&ticks);
        let ticker = Ticker::start(move || {
            theirs.fetch_add(1, Ordering::Relaxed);
        })
        .unwrap();
        let running = ticker.running();
        while ticks.load(Ordering::Relaxed) < 3 {
            std::thread::yield_now();
        }
        drop(running);
        // One tick may be on its way when the call ends; the thread parks after it.
        while !ticker.shared.lock().parked {
            std::thread::yield_now();
        }
        let after = ticks.load(Ordering::Relaxed);
        assert!(ticker.shared.lock().parked);
        assert_eq!(ticks.load(Ordering::Relaxed), after);
        drop(ticker);
        assert_eq!(Arc::strong_count(&ticks), 1, "the thread still holds its closure");
    }
}
