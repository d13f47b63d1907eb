//! Erasing records, and what follows from a new epoch: an index and a store that hold nothing of what is gone.
//!
//! The replica cuts the epoch; from then on nothing of an erased record is in its documents and tables. What is left is here:
//! segments that were sealed with it, vectors, and the store's free pages. The order to remove that is in the store, so that
//! it is carried out also after a crash, and on every replica that learns of an epoch by a sync.

use std::collections::BTreeSet;
use std::sync::{Arc, PoisonError};

use skerry_sync::{CutReport, ProjectName, PurgeReport, RecordKey, Target, WriteError};

use crate::clock;
use crate::index::derive::Derivation;
use crate::index::{IndexError, ProjectIndex};
use crate::node::Node;
use crate::problem::Problem;
use crate::reembed;

/// Records looked at a time.
const PAGE: usize = 1_000;

/// Records named as linking to an erased one at most.
const LINKED_MAX: usize = 100;

/// What cutting an epoch did on this node.
#[derive(Debug)]
pub struct Receipt {
    /// What the replica did.
    pub cut: CutReport,
    /// What was removed for good, or why that is still to be done.
    pub purged: Result<Purged, IndexError>,
    /// Records that still link to an erased key, by their keys; at most 100.
    pub linked_from: Vec<RecordKey>,
    /// When, in milliseconds since the Unix epoch.
    pub time: i64,
}

/// What was removed for good.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Purged {
    /// Sealed segments that were thrown away; the index is made anew.
    pub segments: usize,
    /// In the store.
    pub store: PurgeReport,
}

impl Node {
    /// Erases records from everything that this node has.
    ///
    /// # Errors
    /// A [`Problem`] when nothing was erased.
    pub fn erase(&self, project: &ProjectName, keys: &[RecordKey]) -> Result<Receipt, Problem> {
        let now = clock::now();
        let cut = self.replica().erase(project, keys, now)?;
        Ok(self.receipt(project, cut, now.0, keys))
    }

    /// Forgets a project's history.
    ///
    /// # Errors
    /// A [`Problem`] when nothing was changed.
    pub fn compact(&self, project: &ProjectName) -> Result<Receipt, Problem> {
        let now = clock::now();
        let cut = self.replica().compact(project, now)?;
        Ok(self.receipt(project, cut, now.0, &[]))
    }

    /// Spreads a project over another number of documents.
    ///
    /// # Errors
    /// A [`Problem`] when nothing was changed.
    pub fn reshard(&self, project: &ProjectName, shards: u16) -> Result<Receipt, Problem> {
        let now = clock::now();
        let cut = self.replica().reshard(project, shards, now)?;
        Ok(self.receipt(project, cut, now.0, &[]))
    }

    fn receipt(&self, project: &ProjectName, cut: CutReport, time: i64, keys: &[RecordKey]) -> Receipt {
        let purged = self.purge(project).map(Option::unwrap_or_default);
        if let Err(error) = &purged {
            tracing::error!(%project, %error, "what is gone could not be removed for good; tried again with the next write");
        }
        let linked_from = self.linked_from(project, keys).unwrap_or_else(|error| {
            tracing::warn!(%project, %error, "the records that link to an erased one could not be looked for");
            Vec::new()
        });
        Receipt { cut, purged, linked_from, time }
    }

    /// Carries out the order to purge a project, if there is one: puts a new index in the place of the old one, whose files
    /// are deleted, and has the store written anew.
    ///
    /// # Errors
    /// [`IndexError`]; the order stays.
    pub fn purge(&self, project: &ProjectName) -> Result<Option<Purged>, IndexError> {
        // One at a time; whoever comes second finds that there is nothing left to do.
        let _purging = self.purging.lock().unwrap_or_else(PoisonError::into_inner);
        if !self.replica().purges()?.iter().any(|(name, _)| name == project) {
            return Ok(None);
        }
        self.forget_graph(project);
        let segments = self.discard_index(project)?;
        #[cfg(feature = "sparql")]
        self.triples().forget(project);
        self.catch_up_words(project);
        let keep = self.vectors_in_use()?;
        let store = self.replica().purge(project, Some(&keep))?;
        Ok(Some(Purged { segments, store: store.unwrap_or_default() }))
    }

    /// Puts a new index in the place of the project's, and deletes what the old one has on disk. Answers how many sealed
    /// segments went.
    fn discard_index(&self, project: &ProjectName) -> Result<usize, IndexError> {
        let derivation = self.derivation(project)?;
        let folder = self.sources().index_dir.join(derivation.folder(project));
        let segments = std::fs::read_dir(&folder).map_or(0, |entries| {
            let names = entries.flatten().map(|entry| entry.file_name());
            names.filter(|name| std::path::Path::new(name).extension().is_some_and(|end| end == "cwasm")).count()
        });
        // A project on its way to another model begins again: its new index may hold what is gone.
        self.cancel_reembedding(project);
        reembed::discard_other_folders(self.sources(), project, &derivation);
        if let Some(old) = self.take_index(project) {
            old.end();
        }
        match std::fs::remove_dir_all(&folder) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                let reason = format!("the index folder {} cannot be deleted: {error}", folder.display());
                return Err(WriteError::Store(skerry_sync::StoreError::Failed(reason)).into());
            }
            _ => {}
        }
        let fresh = Arc::new(ProjectIndex::new(project.clone(), derivation, self.sources()));
        self.replace_index(project, fresh);
        reembed::reconcile(self, project);
        Ok(segments)
    }

    /// Lets the new index follow, while the vectors that it needs are still cached. What fails here is mended as ever.
    fn catch_up_words(&self, project: &ProjectName) {
        if let Err(error) = self.catch_up(project) {
            tracing::warn!(%project, %error, "the new index has not followed yet");
        }
    }

    /// The names in the cache of all vectors that some record of some project needs, by the models in use.
    fn vectors_in_use(&self) -> Result<BTreeSet<[u8; 16]>, IndexError> {
        let mut keep = BTreeSet::new();
        for info in self.replica().projects()? {
            let mut derivations = vec![self.derivation(&info.name)?];
            derivations.push(Derivation::new(self.models(), &info.settings));
            let mut after: Option<RecordKey> = None;
            loop {
                let records = self.replica().scan(&info.name, after.as_ref(), PAGE)?;
                let Some(last) = records.last() else { break };
                after = Some(last.key.clone());
                let texts: Vec<&str> = records.iter().map(|record| record.text.as_str()).collect();
                for derivation in &derivations {
                    keep.extend(derivation.cache_keys(self.replica(), &texts)?);
                }
            }
        }
        Ok(keep)
    }

    /// Records that link to keys.
    fn linked_from(&self, project: &ProjectName, keys: &[RecordKey]) -> Result<Vec<RecordKey>, IndexError> {
        let keys: BTreeSet<&str> = keys.iter().map(RecordKey::as_str).collect();
        let (mut found, mut after) = (Vec::new(), None::<RecordKey>);
        while !keys.is_empty() && found.len() < LINKED_MAX {
            let records = self.replica().scan(project, after.as_ref(), PAGE)?;
            let Some(last) = records.last() else { break };
            after = Some(last.key.clone());
            let linking = records.into_iter().filter(|record| {
                let mut members = record.links.iter().flat_map(|link| &link.members);
                members.any(|member| matches!(&member.target, Target::Key(key) if keys.contains(key.as_str())))
            });
            found.extend(linking.map(|record| record.key));
        }
        found.truncate(LINKED_MAX);
        Ok(found)
    }
}
