//! A way to stop work that nobody waits for any more.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Stops calls that were given it. Clones are one and the same.
///
/// A guest that runs is interrupted at its next epoch, 5 ms later at most; its instance is thrown away.
///
/// ```
/// let cancel = skerry_host::Cancel::new();
/// let guard = cancel.clone().on_drop();
/// assert!(!cancel.is_cancelled());
/// drop(guard);
/// assert!(cancel.is_cancelled());
/// ```
#[derive(Debug, Clone, Default)]
pub struct Cancel {
    flag: Arc<AtomicBool>,
}

impl Cancel {
    /// One that nobody has used yet.
    pub fn new() -> Cancel {
        Cancel::default()
    }

    /// Stops what was given this, now and later.
    pub fn cancel(&self) {
        self.flag.store(true, Ordering::Release);
    }

    /// Whether it was used.
    pub fn is_cancelled(&self) -> bool {
        self.flag.load(Ordering::Acquire)
    }

    /// Cancels when the answer is dropped: for a future whose caller may go away.
    pub fn on_drop(self) -> CancelOnDrop {
        CancelOnDrop { cancel: self }
    }
}

/// Cancels when it is dropped.
#[derive(Debug)]
pub struct CancelOnDrop {
    cancel: Cancel,
}

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        self.cancel.cancel();
    }
}
