//! A call into a guest: its limits, and what can go wrong with it.

use std::time::Duration;

use wasmtime::{ResourceLimiter, Store, Trap, UpdateDeadline};

use crate::cancel::Cancel;
use crate::engine::Engine;
use crate::ticker::TICK;

/// What a guest may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of memory of one instance, baked data included; at most 4 GiB have an effect.
    pub memory_bytes_max: usize,
    /// Time that one call may take; exact to about 10 ms.
    pub deadline: Duration,
}

impl Default for Limits {
    /// 1 GiB, 30 seconds.
    fn default() -> Self {
        Limits { memory_bytes_max: 1 << 30, deadline: Duration::from_secs(30) }
    }
}

/// Why a call into a component gave no answer. After the first three, a trap and a cancelled one the instance is gone.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CallError {
    /// The call took longer than its deadline. Ask for less at once, or allow more time.
    #[error("the component did not answer within its deadline")]
    DeadlineExceeded,
    /// The instance needed more memory than its limit. Give it less data, or allow more.
    #[error("the component needs more than the {bytes_max} bytes of memory that it may use")]
    MemoryExceeded {
        /// The limit.
        bytes_max: usize,
    },
    /// The guest answered with more than its limit. Ask for less, or allow more.
    #[error("the component answers with more than the {bytes_max} bytes that it may")]
    OutputExceeded {
        /// The limit.
        bytes_max: usize,
    },
    /// The guest trapped: a fault in the component.
    #[error("the component failed: {0}")]
    Trapped(String),
    /// Whoever asked does not wait any more.
    #[error("the call was cancelled")]
    Cancelled,
    /// A call before this one ended in a trap or at its deadline; its data is lost. Make a new instance.
    #[error("this instance failed in an earlier call and cannot be used any more")]
    Poisoned,
    /// No instance could be made: the component is not of the expected world, or too many instances live.
    #[error("the component cannot be started: {0}")]
    Instantiate(String),
    /// The embedding component holds no weights; use the baked one.
    #[error("the embedding component was not baked with weights: {0}")]
    NoWeights(String),
    /// The component's own words for a fault that it has no name for.
    #[error("the component says: {0}")]
    Guest(String),
}

/// What a store knows about its guest's memory and time.
#[derive(Debug)]
pub(crate) struct Guard {
    memory_bytes_max: usize,
    /// Bytes that its memory has grown to; it never gets smaller.
    memory_bytes: usize,
    exceeded: bool,
    /// Looked at once an epoch while a call runs.
    cancel: Option<Cancel>,
    /// Epochs that a call has left, besides the one it is in.
    epochs_left: u64,
}

impl Guard {
    fn is_cancelled(&self) -> bool {
        self.cancel.as_ref().is_some_and(Cancel::is_cancelled)
    }

    fn on_epoch(&mut self) -> UpdateDeadline {
        if self.is_cancelled() || self.epochs_left == 0 {
            return UpdateDeadline::Interrupt;
        }
        self.epochs_left -= 1;
        UpdateDeadline::Continue(1)
    }
}

impl ResourceLimiter for Guard {
    /// Refuses as a full machine would: the guest may handle it, and if it traps instead we know why.
    fn memory_growing(&mut self, _: usize, desired: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        let allowed = desired <= self.memory_bytes_max;
        self.exceeded |= !allowed;
        if allowed {
            self.memory_bytes = self.memory_bytes.max(desired);
        }
        Ok(allowed)
    }

    /// Tables are sized by the compiler; no guest of ours grows one.
    fn table_growing(&mut self, _: usize, desired: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        Ok(desired <= 20_000)
    }
}

/// A guest's store under its limits.
pub(crate) struct Sandbox {
    engine: Engine,
    store: Store<Guard>,
    limits: Limits,
    poisoned: bool,
}

impl std::fmt::Debug for Sandbox {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Sandbox { limits, poisoned, .. } = self;
        f.debug_struct("Sandbox").field("limits", limits).field("poisoned", poisoned).finish_non_exhaustive()
    }
}

impl Sandbox {
    /// An empty store and what `instantiate` puts into it.
    pub(crate) fn new<T>(
        engine: &Engine,
        limits: Limits,
        instantiate: impl FnOnce(&mut Store<Guard>) -> wasmtime::Result<T>,
    ) -> Result<(Sandbox, T), CallError> {
        let memory_bytes_max = limits.memory_bytes_max;
        let guard = Guard { memory_bytes_max, memory_bytes: 0, exceeded: false, cancel: None, epochs_left: 0 };
        let mut store = Store::new(engine.wasm(), guard);
        store.limiter(|guard| guard);
        store.epoch_deadline_callback(|mut context| Ok(context.data_mut().on_epoch()));
        let mut sandbox = Sandbox { engine: engine.clone(), store, limits, poisoned: false };
        let instance = sandbox.call(limits.deadline, instantiate).map_err(|error| match error {
            CallError::Trapped(reason) => CallError::Instantiate(reason),
            other => other,
        })?;
        Ok((sandbox, instance))
    }

    /// Runs one call under a deadline. Any fault of it, other than an error that the guest returned, poisons the sandbox.
    pub(crate) fn call<T>(
        &mut self,
        deadline: Duration,
        call: impl FnOnce(&mut Store<Guard>) -> wasmtime::Result<T>,
    ) -> Result<T, CallError> {
        self.call_with(deadline, None, call)
    }

    /// As [`Sandbox::call`]; ends early when it is cancelled, which poisons the sandbox, too.
    pub(crate) fn call_with<T>(
        &mut self,
        deadline: Duration,
        cancel: Option<&Cancel>,
        call: impl FnOnce(&mut Store<Guard>) -> wasmtime::Result<T>,
    ) -> Result<T, CallError> {
        if self.poisoned {
            return Err(CallError::Poisoned);
        }
        self.store.data_mut().exceeded = false;
        let epochs = ticks(deadline);
        // Only a call that can be cancelled looks up in every epoch.
        let first = if cancel.is_some() { 1 } else { epochs };
        self.store.data_mut().epochs_left = epochs - first;
        self.store.data_mut().cancel = cancel.cloned();
        self.store.set_epoch_deadline(first);
        let running = self.engine.ticker().running();
        let outcome = call(&mut self.store);
        drop(running);
        outcome.map_err(|error| {
            self.poisoned = true;
            self.classify(&error)
        })
    }

    /// Bounds the bytes of each answer, as they lie in the host's memory. Without, the engine's own bound of 128 MiB holds.
    pub(crate) fn limit_output(&mut self, bytes_max: usize) {
        self.store.set_hostcall_fuel(bytes_max);
    }

    pub(crate) fn limits(&self) -> Limits {
        self.limits
    }

    /// What the guest's memory has grown to.
    pub(crate) fn memory_bytes(&self) -> usize {
        self.store.data().memory_bytes
    }

    pub(crate) fn is_poisoned(&self) -> bool {
        self.poisoned
    }

    fn classify(&self, error: &wasmtime::Error) -> CallError {
        if self.store.data().exceeded {
            return CallError::MemoryExceeded { bytes_max: self.limits.memory_bytes_max };
        }
        match error.downcast_ref::<Trap>() {
            Some(Trap::Interrupt) if self.store.data().is_cancelled() => CallError::Cancelled,
            Some(Trap::Interrupt) => CallError::DeadlineExceeded,
            Some(trap) => CallError::Trapped(trap.to_string()),
            // The engine's error has no type that could be asked for; a test pins these words.
            None if format!("{error:#}").contains("fuel allocated for hostcalls") => {
                CallError::OutputExceeded { bytes_max: self.store.hostcall_fuel() }
            }
            None => CallError::Trapped(format!("{error:#}")),
        }
    }
}

/// Epochs until a deadline: rounded up, and one more because the current epoch is already partly over.
fn ticks(deadline: Duration) -> u64 {
    let ticks = deadline.as_nanos().div_ceil(TICK.as_nanos());
    // Far beyond any deadline, and small enough that adding it to an epoch cannot overflow.
    u64::try_from(ticks).unwrap_or(u64::MAX).min(u64::MAX / 4) + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A deadline must never come early, and an absurd one must not wrap around to now.
    #[test]
    fn deadlines_round_up() {
        assert_eq!(ticks(Duration::ZERO), 1);
        assert_eq!(ticks(Duration::from_nanos(1)), 2);
        assert_eq!(ticks(TICK * 4), 5);
        assert!(ticks(Duration::MAX) < u64::MAX / 2);
    }
}
