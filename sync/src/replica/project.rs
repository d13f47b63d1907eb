//! What the store's tables hold about a project besides its documents: its row, its records, its change feed.

use automerge::ChangeHash;
use redb::{ReadTransaction, ReadableTable, WriteTransaction};
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

use crate::document::{SHARDS, Slot};
use crate::epoch::Epoch;
use crate::error::StoreError;
use crate::record::{ProjectName, Record, RecordKey};
use crate::replica::ProjectInfo;
use crate::settings::Settings;
use crate::store::{FEED, PROJECTS, RECORDS};
use crate::version::Version;

/// A project's row: what is asked for all the time, so that nobody loads a document for it.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct ProjectRow {
    pub(super) description: String,
    /// Live records.
    pub(super) records: u64,
    /// Last position of the change feed.
    pub(super) sequence: u64,
    /// Heads by slot, 32 bytes each one after another, sorted; empty for a document that has its genesis only.
    heads: Vec<ByteBuf>,
    /// Absent from rows that older programs wrote.
    #[serde(default)]
    pub(super) settings: Settings,
    /// The epoch of its documents; absent: the first.
    #[serde(default)]
    pub(super) epoch: Epoch,
    /// The newest epoch that the catalog names, while not all of its documents are here.
    #[serde(default)]
    pub(super) next: Option<Next>,
    /// True when the catalog names erasures that the epoch does not have behind it.
    #[serde(default)]
    pub(super) unsettled: bool,
    /// How often what the catalog declares has changed here; none where the rows of `meta` do not say it yet.
    #[serde(default)]
    pub(super) declared: Option<u64>,
}

/// An epoch that is on its way.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Next {
    pub(super) epoch: Epoch,
    /// As those of the row.
    pub(super) heads: Vec<ByteBuf>,
}

impl ProjectRow {
    pub(super) fn info(self, name: ProjectName) -> ProjectInfo {
        ProjectInfo { name, description: self.description, records: self.records, settings: self.settings }
    }

    pub(super) fn decode(bytes: &[u8]) -> Result<ProjectRow, StoreError> {
        ciborium::from_reader(bytes).map_err(|error| StoreError::Damaged(format!("a project's row: {error}")))
    }

    pub(super) fn encode(&self) -> Result<Vec<u8>, StoreError> {
        let mut bytes = Vec::new();
        ciborium::into_writer(self, &mut bytes).map_err(|error| StoreError::Failed(error.to_string()))?;
        Ok(bytes)
    }

    /// The epoch that is talked about with others: the newest that is known.
    pub(super) fn newest(&self) -> Epoch {
        self.next.as_ref().map_or(self.epoch, |next| next.epoch)
    }

    pub(super) fn set_heads(&mut self, epoch: Epoch, slot: Slot, heads: &[ChangeHash]) {
        let entries = match &mut self.next {
            Some(next) if next.epoch == epoch && slot != Slot::Catalog => &mut next.heads,
            _ => &mut self.heads,
        };
        entries.resize(usize::from(epoch.shards).max(SHARDS) + 1, ByteBuf::new());
        if let Some(entry) = entries.get_mut(slot.index()) {
            *entry = heads_bytes(heads);
        }
    }

    /// Forgets the heads of the shards: the documents are others now.
    pub(super) fn enter(&mut self, epoch: Epoch) {
        self.heads.truncate(1);
        self.epoch = epoch;
        self.next = None;
    }

    /// Heads of a document, sorted, one after another; none for a genesis alone.
    pub(super) fn heads_bytes(&self, slot: Slot) -> ByteBuf {
        self.heads.get(slot.index()).cloned().unwrap_or_default()
    }

    /// As [`ProjectRow::heads_bytes`], for a document of any epoch; none where nothing is known of it.
    pub(super) fn heads_of(&self, epoch: Epoch, slot: Slot) -> ByteBuf {
        if slot == Slot::Catalog || epoch == self.epoch {
            return self.heads_bytes(slot);
        }
        let next = self.next.as_ref().filter(|next| next.epoch == epoch);
        next.and_then(|next| next.heads.get(slot.index())).cloned().unwrap_or_default()
    }

    pub(super) fn version(&self) -> Result<Version, StoreError> {
        let shards = self.epoch.slots().skip(1).map(|slot| heads(&self.heads_bytes(slot)));
        Ok(Version::new(shards.collect::<Result<_, _>>()?))
    }
}

/// Heads, sorted, one after another.
pub(crate) fn heads_bytes(heads: &[ChangeHash]) -> ByteBuf {
    let mut heads = heads.to_vec();
    heads.sort_unstable();
    ByteBuf::from(heads.iter().flat_map(|head| head.0).collect::<Vec<u8>>())
}

/// What [`heads_bytes`] wrote.
pub(super) fn heads(bytes: &[u8]) -> Result<Vec<ChangeHash>, StoreError> {
    let hash = |bytes: &[u8]| ChangeHash::try_from(bytes).map_err(|error| StoreError::Damaged(error.to_string()));
    bytes.chunks(32).map(hash).collect()
}

/// The row of a project, if it is there.
pub(super) fn row(transaction: &ReadTransaction, project: &ProjectName) -> Result<Option<ProjectRow>, StoreError> {
    let table = transaction.open_table(PROJECTS)?;
    table.get(project.as_str())?.map(|row| ProjectRow::decode(row.value())).transpose()
}

pub(super) fn exists(transaction: &ReadTransaction, project: &ProjectName) -> Result<bool, StoreError> {
    Ok(transaction.open_table(PROJECTS)?.get(project.as_str())?.is_some())
}

/// Writes records as the documents say them now, each at a new position of the feed; answers how many differ from before.
pub(super) fn write_records(
    transaction: &WriteTransaction,
    project: &ProjectName,
    records: &[(RecordKey, Option<Record>)],
    row: &mut ProjectRow,
) -> Result<usize, StoreError> {
    let mut table = transaction.open_table(RECORDS)?;
    let mut feed = transaction.open_table(FEED)?;
    let mut changed = 0;
    for (key, record) in records {
        let name = (project.as_str(), key.as_str());
        let json = match record {
            Some(record) => serde_json::to_vec(record).map_err(|error| StoreError::Failed(error.to_string()))?,
            None => Vec::new(),
        };
        let (before, was_live, same) = match table.get(name)? {
            Some(value) => {
                let (sequence, old) = split(value.value())?;
                (Some(sequence), !old.is_empty(), old == json)
            }
            None => (None, false, json.is_empty()),
        };
        if same {
            continue;
        }
        if let Some(before) = before {
            feed.remove((project.as_str(), before))?;
        }
        row.sequence += 1;
        row.records = (row.records + u64::from(record.is_some())).saturating_sub(u64::from(was_live));
        feed.insert((project.as_str(), row.sequence), key.as_str())?;
        let mut value = row.sequence.to_be_bytes().to_vec();
        value.extend_from_slice(&json);
        table.insert(name, value.as_slice())?;
        changed += 1;
    }
    Ok(changed)
}

fn split(value: &[u8]) -> Result<(u64, &[u8]), StoreError> {
    let (sequence, json) =
        value.split_first_chunk::<8>().ok_or_else(|| StoreError::Damaged("a record's row is too short".to_owned()))?;
    Ok((u64::from_be_bytes(*sequence), json))
}

/// The record in a row; none for a deleted one.
pub(super) fn decode_record(value: &[u8]) -> Result<Option<Record>, StoreError> {
    let (_, json) = split(value)?;
    if json.is_empty() {
        return Ok(None);
    }
    serde_json::from_slice(json).map(Some).map_err(|error| StoreError::Damaged(format!("a record's row: {error}")))
}

/// True for the row of a deleted record.
pub(super) fn is_tombstone(value: &[u8]) -> bool {
    value.len() <= 8
}
