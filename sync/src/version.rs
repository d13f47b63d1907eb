//! Versions: the name of one state of a project.

use std::fmt;

use automerge::ChangeHash;
use sha2::{Digest, Sha256};

/// The heads of every shard of a project. Two replicas at the same version hold the same changes, so the same records,
/// and give the same answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Version {
    heads: Vec<Vec<ChangeHash>>,
    digest: [u8; 32],
}

impl Version {
    pub(crate) fn new(mut heads: Vec<Vec<ChangeHash>>) -> Self {
        let mut hash = Sha256::new();
        for shard in &mut heads {
            shard.sort_unstable();
            hash.update((shard.len() as u32).to_be_bytes());
            shard.iter().for_each(|head| hash.update(head.as_ref()));
        }
        let digest = hash.finalize().into();
        Version { heads, digest }
    }

    pub(crate) fn digest(&self) -> [u8; 32] {
        self.digest
    }

    /// The heads, by shard, sorted.
    pub fn heads(&self) -> &[Vec<ChangeHash>] {
        &self.heads
    }
}

/// 64 lowercase hex digits: SHA-256 over, for each shard, the number of heads (32 bits, big-endian) and the sorted heads.
impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.digest))
    }
}
