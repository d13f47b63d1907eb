//! The past: which versions a project went through on this replica, and what its records were then.
//!
//! A version's name is a digest, which cannot be turned back into heads. So every commit writes down the heads that it
//! changed, under a number that grows by one with each. That number is not the feed's position: a change of the
//! description, or a merge that ends in the same records, moves heads and leaves the feed as it is.

use std::collections::BTreeMap;

use redb::{ReadTransaction, ReadableTable, WriteTransaction};
use serde_bytes::ByteBuf;

use super::documents::{self, At};
use super::project::{self, ProjectRow};
use super::{Replica, Timestamp};
use crate::document::Slot;
use crate::epoch::Epoch;
use crate::error::{ReadError, StoreError};
use crate::materialise;
use crate::record::{ProjectName, Record, RecordKey};
use crate::store::{COMMITS, FEED, HISTORY, PROJECTS, StoreFile, VERSIONS};
use crate::view::View;

/// A version that a project had on this replica.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VersionInfo {
    /// Its name, 64 hex digits.
    pub version: String,
    /// Position of the last change in the change feed then.
    pub sequence: u64,
    /// When this replica wrote it; 0 when that is not known, as for what other replicas brought.
    pub time: Timestamp,
}

/// What it takes to turn the records of now into those of an earlier version.
#[derive(Debug, Clone, PartialEq)]
pub struct Past {
    /// Position of the last change in the change feed at that version.
    pub sequence: u64,
    /// The records that changed on this replica since, each as it was at that version, none where it was not there; in the
    /// order of their keys.
    pub changed: Vec<(RecordKey, Option<Record>)>,
}

/// The time of a commit of which nobody said when it happened.
pub(super) const UNKNOWN_TIME: Timestamp = Timestamp(0);

impl Replica {
    /// The versions that the project had on this replica, newest first, at most `limit`. The first one is the version of now.
    /// Versions from before the store kept a history are not among them.
    ///
    /// # Errors
    /// [`ReadError::UnknownProject`] and [`ReadError::Store`].
    pub fn versions(&self, project: &ProjectName, limit: usize) -> Result<Vec<VersionInfo>, ReadError> {
        let found = self.store().read(|transaction| {
            if !project::exists(transaction, project)? {
                return Ok(None);
            }
            let table = transaction.open_table(COMMITS)?;
            let mut versions = Vec::new();
            for entry in table.range((project.as_str(), 0)..=(project.as_str(), u64::MAX))?.rev().take(limit) {
                let (_, commit) = entry?;
                let (digest, sequence, time) = commit.value();
                versions.push(VersionInfo { version: hex::encode(digest), sequence, time: Timestamp(time) });
            }
            Ok(Some(versions))
        })?;
        found.ok_or_else(|| ReadError::UnknownProject(project.to_string()))
    }

    /// Position of the last change in the change feed at a version; none when the project never had that version here.
    ///
    /// # Errors
    /// [`ReadError::Store`].
    pub fn sequence_of(&self, project: &ProjectName, version: &str) -> Result<Option<u64>, ReadError> {
        let mut digest = [0; 32];
        if hex::decode_to_slice(version, &mut digest).is_err() {
            return Ok(None);
        }
        let found = self.store().read(|transaction| {
            let number = transaction.open_table(VERSIONS)?.get((project.as_str(), digest))?;
            let Some(number) = number.map(|number| number.value()) else { return Ok(None) };
            let commit = transaction.open_table(COMMITS)?.get((project.as_str(), number))?;
            Ok(commit.map(|commit| commit.value().1))
        })?;
        Ok(found)
    }

    /// The heads that make a version: of each document of the epoch with more than its first change, by its id as text, the
    /// hashes in hex, sorted. The catalog is no part of a version.
    ///
    /// # Errors
    /// As [`Replica::past`].
    pub fn heads_of(&self, project: &ProjectName, version: &str) -> Result<BTreeMap<String, Vec<String>>, ReadError> {
        let unknown = || ReadError::UnknownVersion(version.to_owned());
        let mut digest = [0; 32];
        hex::decode_to_slice(version, &mut digest).map_err(|_| unknown())?;
        self.store().read(|transaction| {
            let Some(row) = project::row(transaction, project)? else {
                return Ok(Err(ReadError::UnknownProject(project.to_string())));
            };
            // A project that nobody has written to has a version and no commit.
            let number = if row.version()?.digest() == digest {
                u64::MAX
            } else {
                let number = transaction.open_table(VERSIONS)?.get((project.as_str(), digest))?;
                let Some(number) = number.map(|number| number.value()) else { return Ok(Err(unknown())) };
                number
            };
            let history = transaction.open_table(HISTORY)?;
            let mut all = BTreeMap::new();
            for slot in row.epoch.slots().skip(1) {
                let heads = project::heads(&heads_at(&history, project, slot, number)?)?;
                if !heads.is_empty() {
                    let heads = heads.iter().map(ToString::to_string).collect();
                    all.insert(row.epoch.document_id(project, slot).to_string(), heads);
                }
            }
            Ok(Ok(all))
        })?
    }

    /// What was different at an earlier version: laid over the records of now, it gives the records of then. All of one
    /// moment, and nobody who writes has to wait for it. Reads the documents of the shards in which something changed since,
    /// one after another, and nothing when the version is the one of now.
    ///
    /// # Errors
    /// [`ReadError::UnknownVersion`] when the project never had it on this replica, or when it is not a version at all;
    /// [`ReadError::UnknownProject`] and [`ReadError::Store`].
    pub fn past(&self, project: &ProjectName, version: &str) -> Result<Past, ReadError> {
        let unknown = || ReadError::UnknownVersion(version.to_owned());
        let mut digest = [0; 32];
        hex::decode_to_slice(version, &mut digest).map_err(|_| unknown())?;
        self.store().read(|transaction| {
            if !project::exists(transaction, project)? {
                return Ok(Err(ReadError::UnknownProject(project.to_string())));
            }
            let number = transaction.open_table(VERSIONS)?.get((project.as_str(), digest))?;
            let Some(number) = number.map(|number| number.value()) else { return Ok(Err(unknown())) };
            let commit = transaction.open_table(COMMITS)?.get((project.as_str(), number))?;
            let (_, sequence, _) = commit
                .ok_or_else(|| StoreError::Damaged(format!("the commit {number} of {project} is missing")))?
                .value();
            let mut changed = Vec::new();
            let epoch = project::row(transaction, project)?.unwrap_or_default().epoch;
            for (slot, keys) in keys_since(transaction, project, epoch, sequence)? {
                changed.extend(records_at(transaction, At { project, epoch, slot }, number, keys)?);
            }
            changed.sort_unstable_by(|(one, _), (other, _)| one.cmp(other));
            Ok(Ok(Past { sequence, changed }))
        })?
    }
}

/// Keys of the records whose last change lies behind a position of the feed, by the document that holds them.
fn keys_since(
    transaction: &ReadTransaction,
    project: &ProjectName,
    epoch: Epoch,
    sequence: u64,
) -> Result<BTreeMap<Slot, Vec<RecordKey>>, StoreError> {
    let feed = transaction.open_table(FEED)?;
    let mut keys: BTreeMap<Slot, Vec<RecordKey>> = BTreeMap::new();
    for entry in feed.range((project.as_str(), sequence.saturating_add(1))..=(project.as_str(), u64::MAX))? {
        let (_, key) = entry?;
        let key = RecordKey::parse(key.value()).map_err(|error| StoreError::Damaged(error.to_string()))?;
        keys.entry(epoch.slot_of(&key)).or_default().push(key);
    }
    Ok(keys)
}

/// Records of one document as they were after a commit.
fn records_at(
    transaction: &ReadTransaction,
    at: At<'_>,
    commit: u64,
    keys: Vec<RecordKey>,
) -> Result<Vec<(RecordKey, Option<Record>)>, StoreError> {
    let At { project, slot, .. } = at;
    let damaged = |reason: String| StoreError::Damaged(format!("document {slot:?} of {project}: {reason}"));
    let heads = heads_at(&transaction.open_table(HISTORY)?, project, slot, commit)?;
    if heads.is_empty() {
        // Nothing but the genesis then.
        return Ok(keys.into_iter().map(|key| (key, None)).collect());
    }
    let stored = documents::read(transaction, at)?;
    let heads = project::heads(&heads)?;
    let view = View::at(&stored.document, &heads)
        .ok_or_else(|| damaged("it does not hold the changes that its history names".to_owned()))?;
    let record = |key: RecordKey| {
        let record = materialise::record(view, &stored.map, &key).map_err(|error| damaged(error.to_string()))?;
        Ok((key, record))
    };
    keys.into_iter().map(record).collect()
}

/// Heads of a document after a commit, as a project's row has them.
fn heads_at(
    history: &impl ReadableTable<(&'static str, u16, u64), &'static [u8]>,
    project: &ProjectName,
    slot: Slot,
    commit: u64,
) -> Result<ByteBuf, StoreError> {
    let slot = slot.index() as u16;
    let mut entries = history.range((project.as_str(), slot, 0)..=(project.as_str(), slot, commit))?;
    let last = entries.next_back().transpose()?;
    Ok(last.map(|(_, heads)| ByteBuf::from(heads.value())).unwrap_or_default())
}

/// Writes down a commit: the heads of the documents that it touched, and the version it ends in. A version reached twice (the
/// catalog has no part in it) is the later commit from then on.
pub(super) fn write_commit(
    transaction: &WriteTransaction,
    project: &ProjectName,
    row: &ProjectRow,
    touched: impl IntoIterator<Item = Slot>,
    time: Timestamp,
) -> Result<(), StoreError> {
    let mut commits = transaction.open_table(COMMITS)?;
    let last = commits.range((project.as_str(), 0)..=(project.as_str(), u64::MAX))?.next_back().transpose()?;
    let number = last.map_or(1, |(name, _)| name.value().1 + 1);
    let mut history = transaction.open_table(HISTORY)?;
    for slot in touched {
        let name = (project.as_str(), slot.index() as u16, number);
        history.insert(name, row.heads_bytes(slot).as_slice())?;
    }
    let digest = row.version()?.digest();
    let mut time = time;
    let earlier = transaction.open_table(VERSIONS)?.insert((project.as_str(), digest), number)?.map(|was| was.value());
    if let Some(earlier) = earlier
        && let Some(was) = commits.remove((project.as_str(), earlier))?
        && time == UNKNOWN_TIME
    {
        time = Timestamp(was.value().2);
    }
    commits.insert((project.as_str(), number), (digest, row.sequence, time.0))?;
    Ok(())
}

/// Forgets a project's history; answers how many versions it had.
pub(super) fn forget(transaction: &WriteTransaction, project: &ProjectName) -> Result<u64, StoreError> {
    let name = project.as_str();
    let mut commits = transaction.open_table(COMMITS)?;
    let mut forgotten = 0;
    commits.retain_in((name, 0)..=(name, u64::MAX), |_, _| {
        forgotten += 1;
        false
    })?;
    transaction.open_table(HISTORY)?.retain_in((name, 0, 0)..=(name, u16::MAX, u64::MAX), |_, _| false)?;
    transaction.open_table(VERSIONS)?.retain_in((name, [0; 32])..=(name, [u8::MAX; 32]), |_, _| false)?;
    Ok(forgotten)
}

/// Writes the heads of now down where the history does not end in them: the store was made, or last written to, by a program
/// that kept no history. What came before is known as far as it was written down.
pub(super) fn begin(store: &StoreFile) -> Result<(), StoreError> {
    let missing = store.read(|transaction| {
        let mut missing = Vec::new();
        let history = transaction.open_table(HISTORY)?;
        let commits = transaction.open_table(COMMITS)?;
        for entry in transaction.open_table(PROJECTS)?.iter()? {
            let (name, row) = entry?;
            let name = ProjectName::parse(name.value()).map_err(|error| StoreError::Damaged(error.to_string()))?;
            let row = ProjectRow::decode(row.value())?;
            let last = commits.range((name.as_str(), 0)..=(name.as_str(), u64::MAX))?.next_back().transpose()?;
            let known = match last {
                Some((_, commit)) => commit.value().0 == row.version()?.digest(),
                None => false,
            };
            let mut slots = Vec::new();
            for slot in row.epoch.slots() {
                if heads_at(&history, &name, slot, u64::MAX)? != row.heads_bytes(slot) {
                    slots.push(slot);
                }
            }
            if !known || !slots.is_empty() {
                missing.push((name, row, slots));
            }
        }
        Ok(missing)
    })?;
    if missing.is_empty() {
        return Ok(());
    }
    store.write(|transaction| {
        for (name, row, slots) in &missing {
            write_commit(transaction, name, row, slots.iter().copied(), UNKNOWN_TIME)?;
        }
        Ok(())
    })
}
