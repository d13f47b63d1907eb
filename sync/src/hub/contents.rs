//! What a chunk holds, by hashes.
//!
//! Automerge passes over what it cannot read at a chunk's end, and keeps changes whose dependencies are missing in a queue that
//! is no part of the document. A snapshot must not replace a chunk of which anything is not in the document's history, so the
//! changes of each chunk are looked for there.

use automerge::{Automerge, Change, ChangeHash};

const MAGIC: [u8; 4] = [0x85, 0x6f, 0x4a, 0x83];
const CHECKSUM_BYTES: usize = 4;
const HASH_BYTES: usize = 32;
const DOCUMENT: u8 = 0;
const CHANGE: u8 = 1;
const COMPRESSED_CHANGE: u8 = 2;

/// Changes that stand for everything in a chunk: each change, or the heads of a saved document. A document whose history has
/// these has all of the chunk. None where that cannot be told.
pub(super) fn of(chunk: &[u8]) -> Option<Vec<ChangeHash>> {
    let mut hashes = Vec::new();
    let mut rest = chunk;
    while !rest.is_empty() {
        let (header, behind) = rest.split_at_checked(MAGIC.len() + CHECKSUM_BYTES)?;
        let (&kind, behind) = behind.split_first()?;
        let (length, data) = leb128(behind)?;
        let (data, next) = data.split_at_checked(length)?;
        if header.get(..MAGIC.len())? != MAGIC {
            return None;
        }
        let whole = rest.get(..rest.len() - next.len())?;
        match kind {
            DOCUMENT => hashes.extend(heads(data)?),
            CHANGE | COMPRESSED_CHANGE => hashes.push(Change::from_bytes(whole.to_vec()).ok()?.hash()),
            _ => return None,
        }
        rest = next;
    }
    Some(hashes)
}

/// Whether a chunk is changes only, each of which [`of`] names; a saved document is named by its heads.
pub(super) fn are_changes(chunk: &[u8]) -> bool {
    let mut rest = chunk;
    while let Some((&kind, behind)) = rest.get(MAGIC.len() + CHECKSUM_BYTES..).and_then(<[u8]>::split_first) {
        let next = leb128(behind).and_then(|(length, data)| data.get(length..));
        match next {
            Some(next) if kind != DOCUMENT => rest = next,
            _ => return false,
        }
    }
    rest.is_empty()
}

/// Whether a document's history has a change.
pub(super) fn has(document: &Automerge, hash: &ChangeHash) -> bool {
    document.get_change_meta_by_hash(hash).is_some()
}

/// The heads of a saved document: they stand behind its actors.
fn heads(data: &[u8]) -> Option<Vec<ChangeHash>> {
    let (actors, mut rest) = leb128(data)?;
    for _ in 0..actors {
        let (length, behind) = leb128(rest)?;
        rest = behind.split_at_checked(length)?.1;
    }
    let (count, mut rest) = leb128(rest)?;
    let mut heads = Vec::new();
    for _ in 0..count {
        let (hash, behind) = rest.split_first_chunk::<HASH_BYTES>()?;
        heads.push(ChangeHash(*hash));
        rest = behind;
    }
    Some(heads)
}

fn leb128(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let mut value = 0_u64;
    for (index, &byte) in bytes.iter().enumerate().take(9) {
        value |= u64::from(byte & 0x7f) << (7 * index);
        if byte & 0x80 == 0 {
            return Some((usize::try_from(value).ok()?, bytes.get(index + 1..)?));
        }
    }
    None
}
