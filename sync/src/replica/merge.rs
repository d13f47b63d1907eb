//! Merging what other replicas say: the server's round of the exchange, and the step that both sides share.
//!
//! A body is about the catalog and the shards of one epoch. Shards of an epoch that a replica is neither in nor waiting for
//! are passed over: what it says of its catalog tells the other side why.

use std::collections::{BTreeMap, BTreeSet};

use automerge::sync::{State, SyncDoc};
use serde_bytes::ByteBuf;

use super::documents::{At, Documents};
use super::epochs::Arrived;
use super::history::UNKNOWN_TIME;
use super::project::ProjectRow;
use super::{Replica, Touched, project};
use crate::admission::{self, Refusal};
use crate::document::{DocumentId, Slot};
use crate::epoch::Epoch;
use crate::error::ExchangeError;
use crate::exchange::{BODY_BYTES_SOFT_MAX, Body, DocumentHeads, DocumentMessage};
use crate::guard::guarded;
use crate::record::{ProjectName, RecordKey};
use crate::{sync_message, touched};

/// The exchange with another replica.
impl Replica {
    /// Answers one round of the stateless exchange; creates the project when it is not there. What came in is on disk when
    /// this returns.
    ///
    /// # Errors
    /// [`ExchangeError`]; nothing of the body was stored then.
    pub fn exchange(&self, project: &ProjectName, body: &[u8]) -> Result<Vec<u8>, ExchangeError> {
        let asked = Body::decode(body)?;
        let epoch = asked.epoch()?;
        let names = Names::of(project, epoch, &asked)?;
        let (mut answer, _) = self.merge(project, &asked)?;
        // Documents whose heads differ and about which nothing was said yet: start talking.
        let mut documents = self.documents();
        let row = self.known_row(project)?;
        let mut bytes: usize = answer.messages.iter().map(|message| message.message.len()).sum();
        for DocumentHeads { document, heads } in &asked.heads {
            let slot = names.slot(document)?;
            if !row.talks_of(epoch, slot) || *heads == row.heads_of(epoch, slot) {
                continue;
            }
            if bytes < BODY_BYTES_SOFT_MAX {
                let loaded = documents.get(self.store(), At { project, epoch, slot })?;
                let message = guarded(|| loaded.document.generate_sync_message(&mut State::new()));
                if let Some(message) = message.map_err(Refusal::from)? {
                    let message = ByteBuf::from(message.encode());
                    bytes += message.len();
                    answer.messages.push(DocumentMessage { document: document.clone(), message });
                    continue;
                }
            }
            answer.heads.push(DocumentHeads { document: document.clone(), heads: row.heads_of(epoch, slot) });
        }
        drop(documents);
        answer.name_epoch(row.newest());
        answer.waiting = row.next.is_some();
        answer.encode()
    }

    /// Heads of the catalog and of the shards of an epoch, as a body to begin with; none for what is a genesis alone.
    pub(crate) fn opening(&self, project: &ProjectName, epoch: Epoch) -> Result<Body, ExchangeError> {
        let row = self.project_row(project)?.unwrap_or_default();
        let mut body = Body::about(project, epoch);
        for slot in epoch.slots() {
            let document = ByteBuf::from(epoch.document_id(project, slot).0);
            body.heads.push(DocumentHeads { document, heads: row.heads_of(epoch, slot) });
        }
        Ok(body)
    }

    /// The epoch that a project is in here, and the newest that is known.
    pub(crate) fn epochs_of(&self, project: &ProjectName) -> Result<(Epoch, Epoch), ExchangeError> {
        let row = self.project_row(project)?.unwrap_or_default();
        Ok((row.epoch, row.newest()))
    }

    /// Applies the messages of a body durably and answers each with the next one, as far as a body may be long. Also
    /// answers how many changes came in.
    pub(crate) fn merge(&self, project: &ProjectName, body: &Body) -> Result<(Body, u64), ExchangeError> {
        if body.project != project.as_str() {
            return Err(ExchangeError::Foreign(format!("it is about `{}`", body.project.escape_default())));
        }
        let epoch = body.epoch()?;
        let names = Names::of(project, epoch, body)?;
        let mut documents = self.documents();
        let row = self.project_row(project)?;
        let known = row.is_some();
        let row = row.unwrap_or_default();
        let mut talks = Vec::new();
        let mut touched = Touched::new();
        let mut arrived = 0;
        for DocumentMessage { document, message } in &body.messages {
            let slot = names.slot(document)?;
            if !row.talks_of(epoch, slot) {
                continue;
            }
            match self.receive(&mut documents, At { project, epoch, slot }, message) {
                Ok((state, keys, changes)) => {
                    arrived += changes;
                    talks.push((slot, state));
                    if changes > 0 {
                        // Records are read from the documents of the epoch that the replica is in.
                        let keys = if epoch == row.epoch { keys } else { BTreeSet::new() };
                        touched.entry((epoch, slot)).or_default().extend(keys);
                    }
                }
                Err(error) => {
                    documents.forget(names.0.keys().copied());
                    return Err(error);
                }
            }
        }
        if !known || !touched.is_empty() {
            let catalog = touched.contains_key(&(epoch, Slot::Catalog));
            self.store_changes(&mut documents, project, &touched, row, UNKNOWN_TIME)?;
            let arrived = Arrived { catalog, keys: touched.into_values().flatten().collect() };
            self.advance(&mut documents, project, &arrived)?;
        }
        let answer = self.reply(&mut documents, project, epoch, talks)?;
        Ok((answer, arrived))
    }

    /// Answers messages that were received, as far as a body may be long.
    fn reply(
        &self,
        documents: &mut Documents,
        project: &ProjectName,
        epoch: Epoch,
        talks: Vec<(Slot, State)>,
    ) -> Result<Body, ExchangeError> {
        let row = self.known_row(project)?;
        let mut answer = Body::about(project, epoch);
        let mut bytes = 0;
        for (slot, mut state) in talks.into_iter().filter(|(slot, _)| row.talks_of(epoch, *slot)) {
            let document = ByteBuf::from(epoch.document_id(project, slot).0);
            let heads = row.heads_of(epoch, slot);
            let theirs = state.their_heads.as_ref().map(|heads| project::heads_bytes(heads));
            if theirs.as_ref() == Some(&heads) || bytes >= BODY_BYTES_SOFT_MAX {
                answer.heads.push(DocumentHeads { document, heads });
                continue;
            }
            let loaded = documents.get(self.store(), At { project, epoch, slot })?;
            match guarded(|| loaded.document.generate_sync_message(&mut state)).map_err(Refusal::from)? {
                Some(message) => {
                    let message = ByteBuf::from(message.encode());
                    bytes += message.len();
                    answer.messages.push(DocumentMessage { document, message });
                }
                None => answer.heads.push(DocumentHeads { document, heads }),
            }
        }
        Ok(answer)
    }

    /// Applies one message to its document in memory.
    fn receive(
        &self,
        documents: &mut Documents,
        at: At<'_>,
        message: &[u8],
    ) -> Result<(State, BTreeSet<RecordKey>, u64), ExchangeError> {
        let message = sync_message::read(message).map_err(ExchangeError::Damaged)?;
        let loaded = documents.get(self.store(), at)?;
        let mut state = State::new();
        let new = admission::receive(&mut loaded.document, &mut state, message)?;
        let leaves = guarded(|| touched::leaves(&loaded.document, &loaded.map, &new)).map_err(Refusal::from)?;
        // A leaf in another document than its record's is nobody's.
        let keys = leaves.iter().filter_map(|leaf| touched::key_of(leaf));
        let keys = keys.filter(|key| at.epoch.slot_of(key) == at.slot).collect();
        Ok((state, keys, new.len() as u64))
    }
}

impl ProjectRow {
    /// Whether a document is one that is talked about here: the catalog, and the shards of the epoch that the project is in
    /// or that is on its way.
    pub(super) fn talks_of(&self, epoch: Epoch, slot: Slot) -> bool {
        slot == Slot::Catalog || epoch == self.epoch || self.next.as_ref().is_some_and(|next| next.epoch == epoch)
    }
}

/// The documents that a body may name: the catalog, and the shards of its epoch.
struct Names(BTreeMap<DocumentId, Slot>);

impl Names {
    /// Every document that the body names is one of them, and named once: a body is refused as a whole, before anything of
    /// it is done.
    fn of(project: &ProjectName, epoch: Epoch, body: &Body) -> Result<Names, ExchangeError> {
        let names = Names(epoch.slots().map(|slot| (epoch.document_id(project, slot), slot)).collect());
        let told = body.heads.iter().map(|told| &told.document);
        let mut named = BTreeSet::new();
        for document in told.chain(body.messages.iter().map(|message| &message.document)) {
            if !named.insert(names.slot(document)?) {
                return Err(ExchangeError::Foreign("it names a document twice".to_owned()));
            }
        }
        Ok(names)
    }

    fn slot(&self, document: &[u8]) -> Result<Slot, ExchangeError> {
        let id = document.try_into().ok().map(DocumentId);
        let slot = id.and_then(|id| self.0.get(&id)).copied();
        slot.ok_or_else(|| ExchangeError::Foreign("it names a document that this project does not have".to_owned()))
    }
}
