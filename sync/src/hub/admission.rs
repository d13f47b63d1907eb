//! What the hub lets into documents: one place for all checks on bytes that others wrote.

use automerge::Automerge;
use automerge::sync::{Message, State, SyncDoc};

use crate::admission;
use crate::guard::guarded;
use crate::inflate::{self, INFLATED_BYTES_MAX};

pub(super) use crate::sync_message::read as message;

/// Applies a message to a document; of a project where `ours`.
///
/// # Errors
/// Why not. The document is to be dropped then.
pub(super) fn receive(document: &mut Automerge, state: &mut State, message: Message, ours: bool) -> Result<(), String> {
    let error = |error: &dyn std::error::Error| error.to_string();
    if ours {
        return admission::receive(document, state, message).map(drop).map_err(|why| error(&why));
    }
    admission::check_inflated(&message).map_err(|why| error(&why))?;
    guarded(|| document.receive_sync_message(state, message)).map_err(|why| error(&why))?.map_err(|why| error(&why))
}

/// Reads a chunk into a document; answers how many bytes it inflates to, which is about what it takes in memory.
///
/// # Errors
/// Why it cannot be read. The document is to be dropped then.
pub(super) fn load(document: &mut Automerge, chunk: &[u8]) -> Result<usize, String> {
    let bytes = inflated(chunk)?;
    let loaded = guarded(|| document.load_incremental(chunk)).map_err(|error| error.to_string())?;
    loaded.map(|_| bytes).map_err(|error| error.to_string())
}

/// Bytes that a chunk inflates to.
///
/// # Errors
/// Why Automerge must not see it.
pub(super) fn inflated(chunk: &[u8]) -> Result<usize, String> {
    inflate::check(chunk, INFLATED_BYTES_MAX).map_err(|error| error.to_string())
}
