//! What a chunk holds, by hashes.
//!
//! Automerge passes over what it cannot read at a chunk's end, and keeps changes whose dependencies are missing in a queue that
//! is no part of the document. A snapshot must not replace a chunk of which anything is not in the document's history, so the
//! changes of each chunk are looked for there.

use automerge::{Automerge, Change, ChangeHash};

use crate::chunks::{CHANGE, COMPRESSED_CHANGE, DOCUMENT, HASH_BYTES, Input, Layout};

/// Changes that stand for everything in a chunk: each change, or the heads of a saved document. A document whose history has
/// these has all of the chunk. None where that cannot be told.
pub(crate) fn of(chunk: &[u8]) -> Option<Vec<ChangeHash>> {
    let mut hashes = Vec::new();
    let mut rest = Input(chunk);
    while let Some(chunk) = rest.chunk().ok()? {
        match chunk.kind {
            DOCUMENT => hashes.extend(heads(chunk.data).ok()?),
            CHANGE | COMPRESSED_CHANGE => hashes.push(Change::from_bytes(chunk.whole.to_vec()).ok()?.hash()),
            _ => return None,
        }
    }
    Some(hashes)
}

/// Whether a chunk is changes only, each of which [`of`] names; a saved document is named by its heads.
pub(super) fn are_changes(chunk: &[u8]) -> bool {
    let mut rest = Input(chunk);
    loop {
        match rest.chunk() {
            Ok(Some(chunk)) if chunk.kind != DOCUMENT => {}
            Ok(None) => return true,
            _ => return false,
        }
    }
}

/// Whether a document's history has a change.
pub(crate) fn has(document: &Automerge, hash: &ChangeHash) -> bool {
    document.get_change_meta_by_hash(hash).is_some()
}

/// The heads of a saved document: they stand behind its actors.
fn heads(mut document: Input<'_>) -> Result<Vec<ChangeHash>, Layout> {
    document.each(Input::prefixed)?;
    let mut heads = Vec::new();
    document.each(|document| {
        let hash = document.take(HASH_BYTES)?;
        heads.push(ChangeHash(hash.try_into().map_err(|_| Layout)?));
        Ok(())
    })?;
    Ok(heads)
}
