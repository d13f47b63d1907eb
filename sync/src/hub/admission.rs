//! What the hub lets into documents: one place for all checks on bytes that others wrote.

use automerge::sync::{Message, State, SyncDoc};
use automerge::{Automerge, ChangeHash};

use crate::admission;
use crate::guard::guarded;
use crate::inflate::{self, INFLATED_BYTES_MAX};

/// Heads, needs and hashes of the last synchronisation that one message may name.
const HASHES_MAX: usize = 65_536;

/// Probes and bits for each entry of a Bloom filter. Automerge writes 7 and 10, and believes whatever it reads: four
/// billion probes are 16 GB of memory for each change that it asks the filter for, and no bits at all a division by zero.
const PROBES_MAX: u64 = 64;

/// Reads a sync message.
///
/// # Errors
/// What is wrong with it, for whoever sent it.
pub(super) fn message(bytes: &[u8]) -> Result<Message, String> {
    let message = guarded(|| Message::decode(bytes)).map_err(|error| error.to_string())?;
    let message = message.map_err(|error| format!("the sync message cannot be read: {error}"))?;
    let have: usize = message.have.iter().map(|have| have.last_sync.len()).sum();
    if message.heads.len() + message.need.len() + have > HASHES_MAX {
        return Err(format!("the sync message names more than {HASHES_MAX} changes"));
    }
    let sorted = |hashes: &[ChangeHash]| hashes.is_sorted();
    if !sorted(&message.heads) || !message.have.iter().all(|have| sorted(&have.last_sync)) {
        return Err("the sync message names changes out of order".to_owned());
    }
    if message.have.iter().any(|have| !is_sane(&have.bloom.to_bytes())) {
        return Err("the sync message has a Bloom filter that nobody would make".to_owned());
    }
    Ok(message)
}

/// Whether a Bloom filter is one to ask: entries, bits for each, probes, bits.
fn is_sane(filter: &[u8]) -> bool {
    if filter.is_empty() {
        return true;
    }
    let mut rest = filter;
    let mut number = || {
        let mut value = 0_u64;
        for shift in (0..64).step_by(7) {
            let (&byte, behind) = rest.split_first()?;
            rest = behind;
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Some(value);
            }
        }
        None
    };
    let (Some(_entries), Some(bits), Some(probes)) = (number(), number(), number()) else { return false };
    (1..=PROBES_MAX).contains(&bits) && (1..=PROBES_MAX).contains(&probes) && !rest.is_empty()
}

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
