//! The physical end of what was erased: rows that only say that something is gone, cached vectors, and pages that are free
//! but still hold their bytes.
//!
//! Cutting an epoch orders a purge; the order is in the store, so that it outlives crashes, and goes with the rewritten store.

use std::collections::BTreeSet;

use redb::{ReadableTable, WriteTransaction};

use super::{Replica, project};
use crate::error::{ReadError, StoreError, WriteError};
use crate::record::ProjectName;
use crate::store::{FEED, META, RECORDS, VECTORS};

/// What the names of orders begin with in the store.
const ORDER: &str = "purge/";

/// What [`Replica::purge`] removed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PurgeReport {
    /// Rows that named deleted records.
    pub tombstones: usize,
    /// Cached vectors and cuts.
    pub vectors: usize,
    /// Bytes of the store before.
    pub bytes_before: u64,
    /// Bytes of the store after.
    pub bytes_after: u64,
}

/// Notes down that a project is to be purged up to a position of its feed.
pub(super) fn order(transaction: &WriteTransaction, project: &ProjectName, sequence: u64) -> Result<(), StoreError> {
    let name = format!("{ORDER}{project}");
    transaction.open_table(META)?.insert(name.as_str(), sequence.to_be_bytes().as_slice())?;
    Ok(())
}

impl Replica {
    /// The projects that are to be purged, each with the position of its change feed that indexes must have followed to.
    ///
    /// # Errors
    /// [`ReadError::Store`].
    pub fn purges(&self) -> Result<Vec<(ProjectName, u64)>, ReadError> {
        let orders = self.store().read(|transaction| {
            let mut orders = Vec::new();
            for entry in transaction.open_table(META)?.range(ORDER.."purge0")? {
                let (name, sequence) = entry?;
                let project = name.value().strip_prefix(ORDER).and_then(|name| ProjectName::parse(name).ok());
                let sequence = sequence.value().try_into().ok().map(u64::from_be_bytes);
                orders.extend(project.zip(sequence));
            }
            Ok(orders)
        })?;
        Ok(orders)
    }

    /// Removes for good what is gone from a project: the rows of deleted records and their entries of the change feed,
    /// cached vectors except those to be kept (see [`crate::vector_keys`]; all go when none are given), and, by writing the
    /// store anew, what lies in its free pages. Call it when every index has followed the change feed up to the position
    /// that [`Replica::purges`] names; nobody can follow the deletions afterwards. Does nothing where nothing is ordered.
    /// While the store is written anew everybody else waits.
    ///
    /// # Errors
    /// [`WriteError`]; the order stays, to be carried out later.
    pub fn purge(
        &self,
        project: &ProjectName,
        keep: Option<&BTreeSet<[u8; 16]>>,
    ) -> Result<Option<PurgeReport>, WriteError> {
        // Nobody writes in between: the order must not be one that was given after the rows were looked at.
        let _documents = self.documents();
        let Some((_, sequence)) = self.purges()?.into_iter().find(|(name, _)| name == project) else {
            return Ok(None);
        };
        let mut report = PurgeReport::default();
        self.note(self.store().write(|transaction| {
            report.tombstones = remove_tombstones(transaction, project, sequence)?;
            let mut vectors = transaction.open_table(VECTORS)?;
            vectors.retain(|key, _| {
                let kept = keep.is_some_and(|keep| keep.contains(&key));
                report.vectors += usize::from(!kept);
                kept
            })?;
            Ok(())
        }))?;
        let order = format!("{ORDER}{project}");
        (report.bytes_before, report.bytes_after) = self.note(self.store().rewrite(&order))?;
        Ok(Some(report))
    }
}

/// Removes the rows of deleted records, and what the feed says of them, up to a position of the feed.
fn remove_tombstones(
    transaction: &WriteTransaction,
    project: &ProjectName,
    sequence: u64,
) -> Result<usize, StoreError> {
    let mut feed = transaction.open_table(FEED)?;
    let mut records = transaction.open_table(RECORDS)?;
    let mut gone = Vec::new();
    for entry in feed.range((project.as_str(), 0)..=(project.as_str(), sequence))? {
        let (position, key) = entry?;
        let row = records.get((project.as_str(), key.value()))?;
        if row.is_none_or(|row| project::is_tombstone(row.value())) {
            gone.push((position.value().1, key.value().to_owned()));
        }
    }
    for (position, key) in &gone {
        feed.remove((project.as_str(), *position))?;
        records.remove((project.as_str(), key.as_str()))?;
    }
    Ok(gone.len())
}
