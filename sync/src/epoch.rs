//! Epochs: generations of a project's documents.
//!
//! Automerge documents never forget. Erasing a record, compacting the history and changing the number of shards are all done
//! by cutting a new epoch: new shard documents that hold what is true now ([`cut`]). Replicas that wrote into documents of
//! an older epoch meanwhile replay it into the new ones ([`replay`]), except for what was erased. The catalog document
//! keeps its id for ever and lists the epochs ([`Epochs`]). Why it is done like this: docs/decisions/0010-epochs.md.

mod catalog;
mod context;
pub(crate) mod cut;
mod erasure;
pub mod replay;
pub mod retire;

use std::fmt;

use automerge::transaction::{CommitOptions, Transactable};
use automerge::{ActorId, Automerge, AutomergeError, ObjType, ROOT};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::document::{self, DocumentId, FORMAT, SHARDS, Slot};
use crate::record::{ProjectName, RecordKey};

pub use catalog::{Cut, Epochs, documents_of};
pub(crate) use catalog::{Entry, leaf_of};
pub use erasure::{ErasedKey, Erasures};

/// Shards of an epoch at most.
pub const SHARDS_MAX: u16 = 4096;

/// Numbers of epochs stay below this, so that every reader can hold them and there is always a next one.
const NUMBER_MAX: u64 = 1 << 52;

/// The root map that says what a shard's document stands on. In documents of later epochs only.
pub(crate) const BASE: &str = "base";

/// A generation of a project's shard documents. They are ordered: the greatest one counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Epoch {
    /// Counts up.
    pub number: u64,
    /// Random: epochs that are cut at the same time are different ones.
    pub nonce: [u8; 8],
    /// Number of shards, a power of two.
    pub shards: u16,
}

impl Default for Epoch {
    fn default() -> Self {
        Epoch::FIRST
    }
}

impl Epoch {
    /// The one that every project starts in.
    pub const FIRST: Epoch = Epoch { number: 0, nonce: [0; 8], shards: SHARDS as u16 };

    /// An epoch, when its numbers are such as we write.
    pub fn new(number: u64, nonce: [u8; 8], shards: u16) -> Option<Epoch> {
        let fits = number < NUMBER_MAX && shards.is_power_of_two() && shards <= SHARDS_MAX;
        let epoch = Epoch { number, nonce, shards };
        (fits && (number > 0 || epoch == Epoch::FIRST)).then_some(epoch)
    }

    /// `<number>-<nonce in hex>`.
    pub fn name(&self) -> String {
        format!("{}-{}", self.number, hex::encode(self.nonce))
    }

    /// Name and number of shards, as one text; [`Epoch::parse`] reads it.
    pub(crate) fn label(&self) -> String {
        format!("{}/{}", self.name(), self.shards)
    }

    pub(crate) fn parse(label: &str) -> Option<Epoch> {
        let (name, shards) = label.split_once('/')?;
        let (number, nonce) = parse_name(name)?;
        Epoch::new(number, nonce, shards.parse().ok()?)
    }

    /// The catalog, then the shards.
    pub fn slots(&self) -> impl Iterator<Item = Slot> + use<> {
        std::iter::once(Slot::Catalog).chain((0..self.shards).map(Slot::Shard))
    }

    /// Sorts keys so that those of one shard are side by side, however many shards there are: whoever writes many records in
    /// this order touches few documents at a time.
    pub fn shard_order(key: &str) -> u64 {
        shard_hash(key).reverse_bits()
    }

    /// The shard that a record lives in: the first 8 bytes of SHA-256 of its key, big-endian, modulo the number of shards.
    pub fn slot_of(&self, key: &RecordKey) -> Slot {
        Slot::Shard((shard_hash(key.as_str()) % u64::from(self.shards.max(1))) as u16)
    }

    /// The shards of this epoch that hold records which live in a shard of the other one. Both numbers are powers of two,
    /// so two shards have records in common when they are equal modulo the smaller one.
    pub(crate) fn related(&self, other: &Epoch, shard: u16) -> impl Iterator<Item = u16> + use<> {
        let smaller = self.shards.min(other.shards).max(1);
        (shard % smaller..self.shards).step_by(usize::from(smaller))
    }

    /// The id of one of a project's documents in this epoch. The catalog has the same in all of them.
    pub fn document_id(&self, project: &ProjectName, slot: Slot) -> DocumentId {
        if *self == Epoch::FIRST || slot == Slot::Catalog {
            return DocumentId::derive(project, slot);
        }
        DocumentId::digest(&format!("skerry/document/2\0{project}\0{}\0{}", self.name(), slot.name()))
    }

    /// A document of this epoch with nothing in it but its genesis.
    ///
    /// # Errors
    /// Only by a fault of Automerge.
    pub fn genesis(&self, project: &ProjectName, slot: Slot) -> Result<Automerge, AutomergeError> {
        let Slot::Shard(shard) = slot else { return document::genesis(project, slot) };
        if *self == Epoch::FIRST {
            return document::genesis(project, slot);
        }
        let mut document = Automerge::new().with_actor(ActorId::from([0_u8; 16]));
        let mut transaction = document.transaction();
        transaction.put(ROOT, "format", FORMAT)?;
        transaction.put(ROOT, "project", project.as_str())?;
        transaction.put(ROOT, "epoch", self.number.cast_signed())?;
        transaction.put(ROOT, "nonce", hex::encode(self.nonce))?;
        transaction.put(ROOT, "shards", i64::from(self.shards))?;
        transaction.put(ROOT, "shard", i64::from(shard))?;
        transaction.put_object(ROOT, document::map_name(slot), ObjType::Map)?;
        transaction.put_object(ROOT, BASE, ObjType::Map)?;
        transaction.commit_with(CommitOptions::default().with_time(0));
        Ok(document)
    }

    /// The actor of the changes that begin a document of this epoch, behind its genesis.
    pub(crate) fn cut_actor(&self, shard: u16) -> ActorId {
        let digest = Sha256::digest(format!("skerry/cut/1\0{}\0{shard}", self.name()).as_bytes());
        ActorId::from(digest.get(..16).unwrap_or_default())
    }
}

impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name())
    }
}

/// Number and nonce of an epoch's name, written as we write them.
fn parse_name(name: &str) -> Option<(u64, [u8; 8])> {
    let (number, nonce) = name.split_once('-')?;
    let mut bytes = [0; 8];
    hex::decode_to_slice(nonce, &mut bytes).ok()?;
    let number: u64 = number.parse().ok()?;
    (name == format!("{number}-{}", hex::encode(bytes))).then_some((number, bytes))
}

/// What a key's shard follows from.
fn shard_hash(key: &str) -> u64 {
    let digest: [u8; 32] = Sha256::digest(key.as_bytes()).into();
    let [a, b, c, d, e, f, g, h, ..] = digest;
    u64::from_be_bytes([a, b, c, d, e, f, g, h])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn project() -> ProjectName {
        ProjectName::parse("cwe").unwrap()
    }

    /// Ids and genesis of later epochs are part of the format; those of the first one are as they always were.
    #[test]
    fn derived_values_are_pinned() {
        let later = Epoch::new(3, [1, 2, 3, 4, 5, 6, 7, 8], 128).unwrap();
        assert_eq!(later.document_id(&project(), Slot::Catalog), DocumentId::derive(&project(), Slot::Catalog));
        assert_eq!(Epoch::FIRST.document_id(&project(), Slot::Shard(7)).to_string(), "2m4Bsu5iXayB4rHP8NDnYEUrxunp");
        let name = ["skerry/document/2", "cwe", "3-0102030405060708", "7"].join("\0");
        let digest: [u8; 32] = Sha256::digest(name.as_bytes()).into();
        assert_eq!(later.document_id(&project(), Slot::Shard(7)).0, digest[..16]);
        let genesis = later.genesis(&project(), Slot::Shard(7)).unwrap();
        assert_eq!(
            genesis.get_heads()[0].to_string(),
            "eab18d027afcc688ebb42ed1179bb725203ad426b2a94a4346588673393118bc"
        );
        let genesis = Epoch::FIRST.genesis(&project(), Slot::Shard(7)).unwrap();
        assert_eq!(
            genesis.get_heads()[0].to_string(),
            "cb3a2d0c3df2813c8bf24d52d01badcf1f8cfe7cebe9528f3448672cf80126b1"
        );
    }

    /// Labels are read as they are written, and nothing else is: whoever names an epoch otherwise means another one.
    #[test]
    fn labels_have_one_form() {
        let epoch = Epoch::new(12, [0xab; 8], 4096).unwrap();
        assert_eq!(Epoch::parse(&epoch.label()), Some(epoch));
        assert_eq!(Epoch::parse(&Epoch::FIRST.label()), Some(Epoch::FIRST));
        for bad in [
            "",
            "12",
            "12-abababababababab",
            "12-abababababababab/0",
            "12-abababababababab/96",
            "12-abababababababab/8192",
            "012-abababababababab/64",
            "12-ABABABABABABABAB/64",
            "0-abababababababab/64",
            "0-0000000000000000/128",
            "4503599627370496-abababababababab/64",
        ] {
            assert_eq!(Epoch::parse(bad), None, "{bad}");
        }
    }

    /// Every key's shards in two epochs are related, whichever has more.
    #[test]
    fn related_shards_share_keys() {
        let epochs = [1, 2, 64, 128, 4096].map(|shards| Epoch::new(1, [0; 8], shards).unwrap());
        for key in 0..50 {
            let key = RecordKey::parse(&format!("key {key}")).unwrap();
            for (one, other) in epochs.iter().flat_map(|one| epochs.iter().map(move |other| (one, other))) {
                let (Slot::Shard(a), Slot::Shard(b)) = (one.slot_of(&key), other.slot_of(&key)) else { panic!() };
                assert!(one.related(other, b).any(|shard| shard == a));
                assert_eq!(one.related(other, b).count(), usize::from((one.shards / other.shards).max(1)));
            }
        }
    }
}
