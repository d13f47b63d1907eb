//! Erased keys, told apart without being written down.

use std::collections::{BTreeMap, BTreeSet};

use sha2::{Digest, Sha256};

use super::Epoch;
use crate::record::{ProjectName, RecordKey};

const BLOCK_BYTES: usize = 64;

/// The name of an erased key: HMAC-SHA-256 over project, NUL and key, with the epoch's nonce as the key, halved. Whoever
/// knows the key can tell that it was erased; whoever does not has to guess it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ErasedKey(pub [u8; 16]);

impl ErasedKey {
    /// The name under which an epoch erases a key.
    pub fn of(epoch: &Epoch, project: &ProjectName, key: &RecordKey) -> ErasedKey {
        // HMAC (RFC 2104); the nonce is shorter than a block.
        let pad = |byte: u8| {
            let mut block = [byte; BLOCK_BYTES];
            block.iter_mut().zip(epoch.nonce).for_each(|(to, from)| *to ^= from);
            block
        };
        let inner = Sha256::new()
            .chain_update(pad(0x36))
            .chain_update(project.as_str())
            .chain_update([0])
            .chain_update(key.as_str())
            .finalize();
        let digest = Sha256::new().chain_update(pad(0x5c)).chain_update(inner).finalize();
        let mut half = [0; 16];
        half.iter_mut().zip(digest).for_each(|(to, from)| *to = from);
        ErasedKey(half)
    }

    pub(super) fn parse(digits: &str) -> Option<ErasedKey> {
        let mut bytes = [0; 16];
        hex::decode_to_slice(digits, &mut bytes).ok()?;
        Some(ErasedKey(bytes))
    }
}

/// 32 hex digits.
impl std::fmt::Display for ErasedKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

/// Keys that some epochs erased.
#[derive(Debug, Clone)]
pub struct Erasures {
    pub(super) project: ProjectName,
    pub(super) by_epoch: BTreeMap<Epoch, BTreeSet<ErasedKey>>,
}

impl Erasures {
    /// Whether a key is among them.
    pub fn contains(&self, key: &RecordKey) -> bool {
        self.by_epoch.iter().any(|(epoch, erased)| erased.contains(&ErasedKey::of(epoch, &self.project, key)))
    }

    /// True when there are none.
    pub fn is_empty(&self) -> bool {
        self.by_epoch.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The value is part of the format: other replicas compute it. Taken from Python's hmac.
    #[test]
    fn the_digest_is_pinned() {
        let epoch = Epoch::new(1, [1, 2, 3, 4, 5, 6, 7, 8], 64).unwrap();
        let (project, key) = (ProjectName::parse("notes").unwrap(), RecordKey::parse("secret").unwrap());
        assert_eq!(ErasedKey::of(&epoch, &project, &key).to_string(), "970c9eb94a1adb059e69c7064dc882ee");
    }
}
