//! Which changes may enter a document of a project.
//!
//! Every document begins with a change that follows from names ([`crate::document`]): its frame, the keys at the root. All
//! replicas must agree on it for ever, or the ones that load a document later see another one than those who have it in
//! memory. So a change that does not build on it, or that touches the root, is refused, whoever wrote it.

use automerge::legacy::ObjectId;
use automerge::sync::{Message, State, SyncDoc};
use automerge::{Automerge, AutomergeError, Change, ChangeHash};

use crate::guard::{Panicked, guarded};
use crate::inflate::{self, INFLATED_BYTES_MAX, InflateError};

/// Why changes are refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refusal {
    /// Another beginning than the document's.
    #[error("the change {0} does not build on this project")]
    Beginning(ChangeHash),
    /// Keys at the root are not to be changed.
    #[error("the change {0} alters the frame of a document")]
    Frame(ChangeHash),
    /// Too large once it is unpacked.
    #[error("its changes cannot be taken: {0}")]
    Inflates(#[from] InflateError),
    /// Automerge refused them.
    #[error("its changes cannot be taken: {0}")]
    Automerge(String),
    /// Automerge does not survive them.
    #[error("its changes cannot be taken: {0}")]
    Panicked(#[from] Panicked),
}

impl From<AutomergeError> for Refusal {
    fn from(error: AutomergeError) -> Self {
        Refusal::Automerge(error.to_string())
    }
}

/// Applies a sync message to a document of a project and answers the changes that it brought.
///
/// # Errors
/// [`Refusal`]. The document may hold some of what was refused, or be in pieces: drop it and read it again from where it
/// is stored.
pub(crate) fn receive(document: &mut Automerge, state: &mut State, message: Message) -> Result<Vec<Change>, Refusal> {
    let before = document.get_heads();
    check_inflated(&message)?;
    guarded(|| {
        document.receive_sync_message(state, message)?;
        let new = document.get_changes(&before);
        check(&new)?;
        Ok(new)
    })?
}

/// Applies saved changes to a document of a project and answers those that were new to it.
///
/// # Errors
/// As [`receive`].
pub(crate) fn load(document: &mut Automerge, chunk: &[u8]) -> Result<Vec<Change>, Refusal> {
    let before = document.get_heads();
    inflate::check(chunk, INFLATED_BYTES_MAX)?;
    guarded(|| {
        document.load_incremental(chunk)?;
        let new = document.get_changes(&before);
        check(&new)?;
        Ok(new)
    })?
}

/// What a message's changes inflate to, against the limit. They are read as one: a chunk may begin in one part of the list
/// and end in the next.
pub(crate) fn check_inflated(message: &Message) -> Result<usize, InflateError> {
    let mut parts = message.changes.iter();
    match (parts.next(), parts.len()) {
        (None, _) => Ok(0),
        (Some(only), 0) => inflate::check(only, INFLATED_BYTES_MAX),
        _ => inflate::check(&message.changes.iter().flatten().copied().collect::<Vec<u8>>(), INFLATED_BYTES_MAX),
    }
}

/// Whether changes, which are not the document's first, may enter it.
///
/// # Errors
/// [`Refusal::Beginning`] and [`Refusal::Frame`], for the first that may not.
pub(crate) fn check(changes: &[Change]) -> Result<(), Refusal> {
    for change in changes {
        // Only the genesis builds on nothing. Another such change began another document.
        if change.deps().is_empty() {
            return Err(Refusal::Beginning(change.hash()));
        }
        if change.decode().operations.iter().any(|operation| operation.obj == ObjectId::Root) {
            return Err(Refusal::Frame(change.hash()));
        }
    }
    Ok(())
}
