//! Which documents a project consists of, and how each of them begins.
//!
//! Everything here is derived from names, so that replicas that never met name the same documents and start them with the
//! same change.

use std::collections::BTreeSet;

use automerge::transaction::{CommitOptions, Transactable};
use automerge::{ActorId, Automerge, AutomergeError, ObjId, ObjType, ROOT, ReadDoc};
use sha2::{Digest, Sha256};

use crate::record::{ProjectName, RecordKey};

/// Shards of a project in its first epoch. Later ones: [`crate::epoch::Epoch`].
pub const SHARDS: usize = 64;

/// The first epoch, which the functions of this module are about.
pub const EPOCH: u64 = 0;

/// What every document of ours says at its root under `format`.
pub const FORMAT: &str = "skerry/1";

/// Between a record's key and the path of one of its fields.
pub const SEPARATOR: char = '\u{1f}';

/// One of the documents of a project.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Slot {
    /// About the project itself.
    Catalog,
    /// Records whose key hashes to this shard, below [`SHARDS`].
    Shard(u16),
}

impl Slot {
    /// Every slot: the catalog, then the shards.
    pub fn all() -> impl Iterator<Item = Slot> {
        std::iter::once(Slot::Catalog).chain((0..SHARDS as u16).map(Slot::Shard))
    }

    /// The shard that a record lives in: the first 8 bytes of SHA-256 of its key, big-endian, modulo the number of shards.
    pub fn of(key: &RecordKey) -> Slot {
        let digest: [u8; 32] = Sha256::digest(key.as_str().as_bytes()).into();
        let [a, b, c, d, e, f, g, h, ..] = digest;
        Slot::Shard((u64::from_be_bytes([a, b, c, d, e, f, g, h]) % SHARDS as u64) as u16)
    }

    /// Its position: 0 for the catalog, 1 and up for the shards.
    pub fn index(self) -> usize {
        match self {
            Slot::Catalog => 0,
            Slot::Shard(shard) => usize::from(shard) + 1,
        }
    }

    pub(crate) fn name(self) -> String {
        match self {
            Slot::Catalog => "catalog".to_owned(),
            Slot::Shard(shard) => shard.to_string(),
        }
    }
}

/// A document's id: 16 bytes, shown as automerge-repo shows them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DocumentId(pub [u8; 16]);

impl DocumentId {
    /// The id of one of a project's documents: the start of SHA-256 over `skerry/document/1`, the project's name, the epoch
    /// and the slot's name, with NUL between them.
    pub fn derive(project: &ProjectName, slot: Slot) -> DocumentId {
        DocumentId::digest(&format!("skerry/document/1\0{project}\0{EPOCH}\0{}", slot.name()))
    }

    /// Reads an id as it is shown; none when the text is none.
    pub fn parse(text: &str) -> Option<DocumentId> {
        let bytes = bs58::decode(text).with_check(None).into_vec().ok()?;
        Some(DocumentId(bytes.try_into().ok()?))
    }

    pub(crate) fn digest(name: &str) -> DocumentId {
        let digest = Sha256::digest(name.as_bytes());
        let mut id = [0; 16];
        id.iter_mut().zip(digest).for_each(|(to, from)| *to = from);
        DocumentId(id)
    }
}

/// Base58 with checksum, as in `automerge:` URLs.
impl std::fmt::Display for DocumentId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&bs58::encode(self.0).with_check().into_string())
    }
}

/// The name of the map that holds the leaves.
pub fn map_name(slot: Slot) -> &'static str {
    match slot {
        Slot::Catalog => "fields",
        Slot::Shard(_) => "records",
    }
}

/// A document with nothing in it but its genesis: one change with a fixed actor and time, the same on every replica.
///
/// # Errors
/// Only by a fault of Automerge.
pub fn genesis(project: &ProjectName, slot: Slot) -> Result<Automerge, AutomergeError> {
    let mut document = Automerge::new().with_actor(ActorId::from([0_u8; 16]));
    let mut transaction = document.transaction();
    transaction.put(ROOT, "format", FORMAT)?;
    transaction.put(ROOT, "project", project.as_str())?;
    transaction.put(ROOT, "epoch", EPOCH as i64)?;
    match slot {
        Slot::Catalog => transaction.put(ROOT, "shards", SHARDS as i64)?,
        Slot::Shard(shard) => transaction.put(ROOT, "shard", i64::from(shard))?,
    }
    transaction.put_object(ROOT, map_name(slot), ObjType::Map)?;
    transaction.commit_with(CommitOptions::default().with_time(0));
    Ok(document)
}

/// The map that holds the leaves; none when the document is not of ours.
pub fn leaves_map(document: &Automerge, slot: Slot) -> Option<ObjId> {
    match document.get(ROOT, map_name(slot)) {
        Ok(Some((value, id))) if value.is_object() => Some(id),
        _ => None,
    }
}

/// The keys that a document has leaves for, deleted records included.
pub(crate) fn keys(document: &Automerge, map: &ObjId) -> BTreeSet<RecordKey> {
    document.keys(map).filter_map(|leaf| RecordKey::parse(leaf.split_once(SEPARATOR)?.0).ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Ids, genesis hashes and shards are part of the format: other replicas, JS clients among them, derive them too.
    #[test]
    fn derived_values_are_pinned() {
        let project = ProjectName::parse("cwe").unwrap();
        assert_eq!(DocumentId::derive(&project, Slot::Catalog).to_string(), "3UVbMt3Z3wSgupTisuKdvzWHe9MK");
        assert_eq!(DocumentId::derive(&project, Slot::Shard(7)).to_string(), "2m4Bsu5iXayB4rHP8NDnYEUrxunp");
        assert_eq!(Slot::of(&RecordKey::parse("CWE-79").unwrap()), Slot::Shard(20));
        let genesis = genesis(&project, Slot::Shard(7)).unwrap();
        assert_eq!(
            genesis.get_heads()[0].to_string(),
            "cb3a2d0c3df2813c8bf24d52d01badcf1f8cfe7cebe9528f3448672cf80126b1"
        );
    }

    /// Each document starts with a change of its own, so changes of one cannot be applied to another.
    #[test]
    fn every_genesis_differs() {
        let heads = |name: &str, slot| genesis(&ProjectName::parse(name).unwrap(), slot).unwrap().get_heads();
        assert_eq!(heads("a", Slot::Shard(0)), heads("a", Slot::Shard(0)));
        assert_ne!(heads("a", Slot::Shard(0)), heads("a", Slot::Shard(1)));
        assert_ne!(heads("a", Slot::Shard(0)), heads("b", Slot::Shard(0)));
        assert_ne!(heads("a", Slot::Shard(0)), heads("a", Slot::Catalog));
    }
}
