//! Automerge on bytes from outside.
//!
//! Automerge 0.12 panics on some changes whose checksums are right and whose content is not (`batch.rs`: an operation in a
//! text that is not there). For whoever runs a service that is an error like any other.

use std::panic::{AssertUnwindSafe, catch_unwind};

/// Automerge panicked. Whatever document it worked on is to be dropped: it may be in pieces.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("Automerge panicked: {reason}")]
pub(crate) struct Panicked {
    /// What the panic said.
    pub(crate) reason: String,
}

/// Runs Automerge on bytes from outside.
///
/// # Errors
/// [`Panicked`]: drop every document that `work` could change.
pub(crate) fn guarded<T>(work: impl FnOnce() -> T) -> Result<T, Panicked> {
    // Nothing that `work` borrowed is used again after a panic: callers drop it, which is what the error says.
    catch_unwind(AssertUnwindSafe(work)).map_err(|payload| {
        let text = payload.downcast_ref::<&str>().map(|text| (*text).to_owned());
        let reason = text.or_else(|| payload.downcast_ref::<String>().cloned());
        Panicked { reason: reason.unwrap_or_else(|| "without a reason".to_owned()) }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A panic becomes an error that says why; work that goes well is not touched.
    #[test]
    fn panics_are_errors() {
        assert_eq!(guarded(|| 7), Ok(7));
        let number = std::hint::black_box(3);
        let panicked = guarded(|| assert_eq!(number, 4, "as planned")).unwrap_err();
        assert!(panicked.reason.contains("as planned"), "{panicked}");
    }
}
