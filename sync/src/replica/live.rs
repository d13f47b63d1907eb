//! The conversation with a hub: what it says becomes durable, then it is answered.
//!
//! Unlike the stateless exchange it keeps what was said, so that nothing is said twice. Messages about several documents that
//! came together are one transaction: their cost is that of one fsync.

use std::collections::{BTreeMap, BTreeSet};

use automerge::sync::{Capability, Have, Message, State, SyncDoc};
use automerge::{Automerge, ChangeHash};

use super::documents::{At, Loaded};
use super::epochs::Arrived;
use super::history::UNKNOWN_TIME;
use super::{Replica, Touched, project};
use crate::admission::{self, Refusal};
use crate::document::{DocumentId, Slot};
use crate::epoch::Epoch;
use crate::error::{ReadError, StoreError, WriteError};
use crate::guard::guarded;
use crate::record::{ProjectName, RecordKey};
use crate::touched;

/// One of a project's documents, as it is on disk.
#[derive(Debug, Clone)]
pub(crate) struct LiveDocument {
    pub(crate) slot: Slot,
    pub(crate) id: DocumentId,
    /// Sorted; none for a genesis alone.
    pub(crate) heads: Vec<ChangeHash>,
}

/// What a document has beyond some heads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Beyond {
    pub(crate) changes: usize,
    /// Records that these changes touch.
    pub(crate) records: usize,
}

/// What is known of the other side's copy of a document.
#[derive(Debug)]
pub(crate) enum Stance {
    /// What was said so far.
    Going(Box<State>),
    /// It has the changes up to these heads, and nothing was said since.
    Has(Vec<ChangeHash>),
}

/// What the other side said about a document, to be answered.
#[derive(Debug)]
pub(crate) struct Turn {
    pub(crate) slot: Slot,
    pub(crate) stance: Stance,
    /// Messages, oldest first; none where this side speaks first.
    pub(crate) heard: Vec<Message>,
}

/// What came of a turn.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) slot: Slot,
    /// Why the other side's messages about this document cannot be taken; nothing of them was stored then.
    pub(crate) outcome: Result<Spoken, String>,
}

/// A document after a turn.
#[derive(Debug)]
pub(crate) struct Spoken {
    pub(crate) state: Box<State>,
    /// Heads on disk, sorted.
    pub(crate) heads: Vec<ChangeHash>,
    /// What to say.
    pub(crate) reply: Option<Message>,
    /// Changes that came in.
    pub(crate) brought: u64,
}

impl Replica {
    /// The epoch of a project that is talked about with others, which is the newest that is known, and its documents with
    /// their heads, none of them loaded. A project that is not here has what every project begins with.
    pub(crate) fn live_documents(&self, project: &ProjectName) -> Result<(Epoch, Vec<LiveDocument>), ReadError> {
        let row = self.project_row(project)?.unwrap_or_default();
        let epoch = row.newest();
        let document = |slot| {
            let heads = project::heads(&row.heads_of(epoch, slot))?;
            Ok(LiveDocument { slot, id: epoch.document_id(project, slot), heads })
        };
        let documents = epoch.slots().map(document).collect::<Result<_, ReadError>>()?;
        Ok((epoch, documents))
    }

    /// Takes what was heard about documents of a project's epoch, durably and in one transaction, and says what to answer. A
    /// document whose messages cannot be taken is left as it was; the others are not held up by it. Nothing is answered about
    /// documents of an epoch that is over.
    ///
    /// # Errors
    /// [`WriteError`] when nothing of it could be stored, or a document could not be read.
    pub(crate) fn converse(
        &self,
        project: &ProjectName,
        epoch: Epoch,
        turns: Vec<Turn>,
    ) -> Result<Vec<Answer>, WriteError> {
        let mut documents = self.documents();
        let row = self.project_row(project)?.unwrap_or_default();
        let mut touched = Touched::new();
        let mut taken = BTreeMap::new();
        for turn in turns.into_iter().filter(|turn| row.talks_of(epoch, turn.slot)) {
            let at = At { project, epoch, slot: turn.slot };
            let loaded = match documents.get(self.store(), at) {
                Ok(loaded) => loaded,
                Err(error) => {
                    documents.forget(touched.keys().map(|(epoch, slot)| epoch.document_id(project, *slot)));
                    return Err(error.into());
                }
            };
            let outcome = take(loaded, at, turn);
            match &outcome {
                Ok(taken) if taken.brought > 0 => {
                    // Records are read from the documents of the epoch that the replica is in.
                    let keys = if epoch == row.epoch { taken.keys.clone() } else { BTreeSet::new() };
                    touched.insert((epoch, at.slot), keys);
                }
                Ok(_) => {}
                Err(_) => documents.forget([at.id()]),
            }
            taken.insert(at.slot, outcome);
        }
        if !touched.is_empty() {
            let catalog = touched.contains_key(&(epoch, Slot::Catalog));
            self.store_changes(&mut documents, project, &touched, row, UNKNOWN_TIME)?;
            let arrived = Arrived { catalog, keys: touched.into_values().flatten().collect() };
            self.advance(&mut documents, project, &arrived)?;
        }
        let row = self.project_row(project)?.unwrap_or_default();
        let mut answers = Vec::new();
        for (slot, outcome) in taken.into_iter().filter(|(slot, _)| row.talks_of(epoch, *slot)) {
            let outcome = match outcome {
                Ok(Taken { mut state, brought, .. }) => {
                    let loaded = documents.get(self.store(), At { project, epoch, slot })?;
                    let reply = guarded(|| loaded.document.generate_sync_message(&mut state));
                    let heads = sorted_heads(&loaded.document);
                    reply.map(|reply| Spoken { state, heads, reply, brought }).map_err(|panicked| panicked.to_string())
                }
                Err(refusal) => Err(refusal.to_string()),
            };
            answers.push(Answer { slot, outcome });
        }
        documents.saved(&[]);
        Ok(answers)
    }

    /// What a document has that somebody who has these heads does not have.
    pub(crate) fn beyond(
        &self,
        project: &ProjectName,
        epoch: Epoch,
        slot: Slot,
        heads: &[ChangeHash],
    ) -> Result<Beyond, ReadError> {
        let mut documents = self.documents();
        let loaded = documents.get(self.store(), At { project, epoch, slot })?;
        let known: Vec<ChangeHash> = heads.iter().filter(|head| has_change(&loaded.document, head)).copied().collect();
        let mut changes = loaded.document.get_changes(&known);
        // Everybody has the genesis.
        changes.retain(|change| !change.deps().is_empty());
        let leaves = touched::leaves(&loaded.document, &loaded.map, &changes);
        let records: BTreeSet<RecordKey> = leaves.iter().filter_map(|leaf| touched::key_of(leaf)).collect();
        documents.saved(&[]);
        Ok(Beyond { changes: changes.len(), records: records.len() })
    }
}

/// What was heard and is in memory.
struct Taken {
    state: Box<State>,
    keys: BTreeSet<RecordKey>,
    /// Changes.
    brought: u64,
}

/// Applies what was heard to the document in memory.
fn take(loaded: &mut Loaded, at: At<'_>, turn: Turn) -> Result<Taken, Refusal> {
    let mut state = match turn.stance {
        Stance::Going(state) => state,
        Stance::Has(heads) if heads.iter().all(|head| has_change(&loaded.document, head)) => Box::new(behind(heads)),
        // It has what is not here: both have to say what they have.
        Stance::Has(_) => Box::new(State::new()),
    };
    let mut new = Vec::new();
    for message in turn.heard {
        new.extend(admission::receive(&mut loaded.document, &mut state, message)?);
    }
    let leaves = guarded(|| touched::leaves(&loaded.document, &loaded.map, &new))?;
    // A leaf in another document than its record's is nobody's.
    let keys = leaves.iter().filter_map(|leaf| touched::key_of(leaf));
    let keys = keys.filter(|key| at.epoch.slot_of(key) == at.slot).collect();
    Ok(Taken { state, keys, brought: new.len() as u64 })
}

/// The state of a conversation with somebody who has the changes up to these heads and was told so.
fn behind(heads: Vec<ChangeHash>) -> State {
    State {
        last_sent_heads: heads.clone(),
        their_heads: Some(heads.clone()),
        their_need: Some(Vec::new()),
        their_have: Some(vec![Have { last_sync: heads.clone(), ..Have::default() }]),
        their_capabilities: Some(vec![Capability::MessageV2, Capability::SyncReset]),
        have_responded: true,
        shared_heads: heads,
        ..State::new()
    }
}

fn has_change(document: &Automerge, hash: &ChangeHash) -> bool {
    document.get_change_meta_by_hash(hash).is_some()
}

fn sorted_heads(document: &Automerge) -> Vec<ChangeHash> {
    let mut heads = document.get_heads();
    heads.sort_unstable();
    heads
}

/// Heads of a document that nobody has written.
pub(crate) fn genesis_heads(project: &ProjectName, epoch: Epoch, slot: Slot) -> Result<Vec<ChangeHash>, ReadError> {
    let genesis = epoch.genesis(project, slot).map_err(|error| StoreError::Failed(error.to_string()))?;
    Ok(sorted_heads(&genesis))
}
