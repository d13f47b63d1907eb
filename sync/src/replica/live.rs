//! The conversation with a hub: what it says becomes durable, then it is answered.
//!
//! Unlike the stateless exchange it keeps what was said, so that nothing is said twice. Messages about several documents that
//! came together are one transaction: their cost is that of one fsync.

use std::collections::BTreeSet;

use automerge::sync::{Capability, Have, Message, State, SyncDoc};
use automerge::{Automerge, ChangeHash};

use super::documents::Loaded;
use super::history::UNKNOWN_TIME;
use super::merge::touched_keys;
use super::{Replica, Touched, project};
use crate::admission::{self, Refusal};
use crate::document::{self, DocumentId, Slot};
use crate::error::{ReadError, StoreError, WriteError};
use crate::guard::guarded;
use crate::record::{ProjectName, RecordKey};

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
    /// The document that was talked about. It may be another one by now.
    pub(crate) id: DocumentId,
    pub(crate) stance: Stance,
    /// Messages, oldest first; none where this side speaks first.
    pub(crate) heard: Vec<Message>,
}

/// What came of a turn.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) slot: Slot,
    pub(crate) outcome: Result<Spoken, Halt>,
}

/// Why a conversation does not go on. Nothing of what was heard was stored.
#[derive(Debug)]
pub(crate) enum Halt {
    /// What was heard cannot be taken.
    Refused(String),
    /// The project has another document in this place now.
    Moved,
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
    /// The documents of a project with their heads, none of them loaded. A project that is not here has what every project
    /// begins with.
    pub(crate) fn live_documents(&self, project: &ProjectName) -> Result<Vec<LiveDocument>, ReadError> {
        let row = self.project_row(project)?.unwrap_or_default();
        let document = |slot| {
            let heads = project::heads(&row.heads_bytes(slot))?;
            Ok(LiveDocument { slot, id: DocumentId::derive(project, slot), heads })
        };
        Slot::all().map(document).collect()
    }

    /// Takes what was heard about documents of a project, durably and in one transaction, and says what to answer. A document
    /// whose messages cannot be taken is left as it was; the others are not held up by it.
    ///
    /// # Errors
    /// [`WriteError`] when nothing of it could be stored, or a document could not be read.
    pub(crate) fn converse(&self, project: &ProjectName, turns: Vec<Turn>) -> Result<Vec<Answer>, WriteError> {
        let mut documents = self.documents();
        let row = self.project_row(project)?.unwrap_or_default();
        let mut touched = Touched::new();
        let mut taken = Vec::new();
        for turn in turns {
            let slot = turn.slot;
            if turn.id != DocumentId::derive(project, slot) {
                taken.push((slot, Err(Halt::Moved)));
                continue;
            }
            let loaded = match documents.get(self.store(), project, slot) {
                Ok(loaded) => loaded,
                Err(error) => {
                    documents.forget(project, touched.into_keys());
                    return Err(error.into());
                }
            };
            match take(loaded, turn) {
                Ok((state, keys, brought)) => {
                    if brought > 0 {
                        touched.insert(slot, keys);
                    }
                    taken.push((slot, Ok((state, brought))));
                }
                Err(refusal) => {
                    documents.forget(project, [slot]);
                    taken.push((slot, Err(Halt::Refused(refusal.to_string()))));
                }
            }
        }
        if !touched.is_empty() {
            self.store_changes(&mut documents, project, &touched, row, UNKNOWN_TIME)?;
        }
        let mut answers = Vec::new();
        for (slot, outcome) in taken {
            let outcome = match outcome {
                Ok((mut state, brought)) => {
                    let loaded = documents.get(self.store(), project, slot)?;
                    let reply = guarded(|| loaded.document.generate_sync_message(&mut state));
                    let heads = sorted_heads(&loaded.document);
                    reply
                        .map(|reply| Spoken { state, heads, reply, brought })
                        .map_err(|panicked| Halt::Refused(panicked.to_string()))
                }
                Err(halt) => Err(halt),
            };
            answers.push(Answer { slot, outcome });
        }
        documents.saved(project, [], &[]);
        Ok(answers)
    }

    /// What a document has that somebody who has these heads does not have.
    pub(crate) fn beyond(&self, project: &ProjectName, slot: Slot, heads: &[ChangeHash]) -> Result<Beyond, ReadError> {
        let mut documents = self.documents();
        let loaded = documents.get(self.store(), project, slot)?;
        let known: Vec<ChangeHash> = heads.iter().filter(|head| has_change(&loaded.document, head)).copied().collect();
        let mut changes = loaded.document.get_changes(&known);
        // Everybody has the genesis.
        changes.retain(|change| !change.deps().is_empty());
        let records = touched_keys(&loaded.document, &loaded.map, &changes).len();
        documents.saved(project, [], &[]);
        Ok(Beyond { changes: changes.len(), records })
    }
}

/// Applies what was heard to the document in memory.
fn take(loaded: &mut Loaded, turn: Turn) -> Result<(Box<State>, BTreeSet<RecordKey>, u64), Refusal> {
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
    let keys = guarded(|| touched_keys(&loaded.document, &loaded.map, &new))?;
    // A leaf in another document than its record's is nobody's.
    let keys = keys.into_iter().filter(|key| Slot::of(key) == turn.slot).collect();
    Ok((state, keys, new.len() as u64))
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
pub(crate) fn genesis_heads(project: &ProjectName, slot: Slot) -> Result<Vec<ChangeHash>, ReadError> {
    let genesis = document::genesis(project, slot).map_err(|error| StoreError::Failed(error.to_string()))?;
    Ok(sorted_heads(&genesis))
}
