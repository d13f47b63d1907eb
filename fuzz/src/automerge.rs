//! Checksums of Automerge's chunks.
//!
//! A chunk is the magic `85 6f 4a 83`, the first 4 bytes of SHA-256 over what follows them, its type, its length in LEB128, its
//! content (automerge.org/automerge-binary-format-spec).

use sha2::{Digest, Sha256};

const MAGIC: [u8; 4] = [0x85, 0x6f, 0x4a, 0x83];

/// Puts the checksums of all chunks right, wherever they stand, also within messages that carry them.
pub fn repair(bytes: &mut [u8]) {
    let mut at = 0;
    while let Some(found) = bytes.get(at..).and_then(|rest| rest.windows(4).position(|window| window == MAGIC)) {
        at += found + 4;
        let Some(rest) = bytes.get(at + 4..) else { return };
        let Some(length) = chunk_length(rest) else { continue };
        let checksum = Sha256::digest(rest.get(..length).unwrap_or_default());
        bytes.iter_mut().skip(at).zip(checksum).take(4).for_each(|(to, from)| *to = from);
    }
}

/// Bytes of type, length and content.
fn chunk_length(bytes: &[u8]) -> Option<usize> {
    let mut length = 0_usize;
    for (index, byte) in bytes.get(1..)?.iter().take(5).enumerate() {
        length |= usize::from(byte & 0x7f) << (7 * index);
        if byte & 0x80 == 0 {
            let whole = length + index + 2;
            return (whole <= bytes.len()).then_some(whole);
        }
    }
    None
}
