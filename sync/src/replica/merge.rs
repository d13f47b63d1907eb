//! Merging what other replicas say: the server's round of the exchange, and the step that both sides share.

use std::collections::BTreeSet;

use automerge::sync::{Message, State, SyncDoc};
use automerge::{Automerge, ObjId, PatchAction, PatchLog, Prop};
use serde_bytes::ByteBuf;

use super::documents::Documents;
use super::{Replica, Touched, project};
use crate::document::{DocumentId, SEPARATOR, Slot};
use crate::error::ExchangeError;
use crate::exchange::{BODY_BYTES_SOFT_MAX, Body, DocumentHeads, DocumentMessage};
use crate::record::{ProjectName, RecordKey};

/// The exchange with another replica.
impl Replica {
    /// Answers one round of the stateless exchange; creates the project when it is not there. What came in is on disk when
    /// this returns.
    ///
    /// # Errors
    /// [`ExchangeError`]; nothing of the body was stored then.
    pub fn exchange(&self, project: &ProjectName, body: &[u8]) -> Result<Vec<u8>, ExchangeError> {
        let asked = Body::decode(body)?;
        let (mut answer, _) = self.merge(project, &asked)?;
        // Documents whose heads differ and about which nothing was said yet: start talking.
        let row = self.known_row(project)?;
        let mut documents = self.documents();
        let mut bytes: usize = answer.messages.iter().map(|message| message.message.len()).sum();
        for DocumentHeads { document, heads } in &asked.heads {
            let slot = slot_of(project, document)?;
            if *heads == row.heads_bytes(slot) {
                continue;
            }
            if bytes < BODY_BYTES_SOFT_MAX {
                let loaded = documents.get(self.store(), project, slot)?;
                if let Some(message) = loaded.document.generate_sync_message(&mut State::new()) {
                    let message = ByteBuf::from(message.encode());
                    bytes += message.len();
                    answer.messages.push(DocumentMessage { document: document.clone(), message });
                    continue;
                }
            }
            answer.heads.push(DocumentHeads { document: document.clone(), heads: row.heads_bytes(slot) });
        }
        drop(documents);
        answer.encode()
    }

    /// Heads of all documents of a project, as a body to begin with; the genesis heads where the project is not there yet.
    pub(crate) fn opening(&self, project: &ProjectName) -> Result<Body, ExchangeError> {
        let row = self.project_row(project)?.unwrap_or_default();
        let mut body = Body { project: project.to_string(), ..Body::default() };
        for slot in Slot::all() {
            let document = ByteBuf::from(DocumentId::derive(project, slot).0);
            body.heads.push(DocumentHeads { document, heads: row.heads_bytes(slot) });
        }
        Ok(body)
    }

    /// Applies the messages of a body durably and answers each with the next one, as far as a body may be long. Also
    /// answers how many changes came in.
    pub(crate) fn merge(&self, project: &ProjectName, body: &Body) -> Result<(Body, u64), ExchangeError> {
        if body.project != project.as_str() {
            return Err(ExchangeError::Foreign(format!("it is about `{}`", body.project.escape_default())));
        }
        let mut documents = self.documents();
        let row = self.project_row(project)?;
        let known = row.is_some();
        let mut row = row.unwrap_or_default();
        let mut talks = Vec::new();
        let mut touched = Touched::new();
        let mut arrived = 0;
        for DocumentMessage { document, message } in &body.messages {
            let outcome = self.receive(&mut documents, project, document, message);
            match outcome {
                Ok((slot, state, keys, changes)) => {
                    arrived += changes;
                    talks.push((slot, state));
                    if changes > 0 {
                        touched.entry(slot).or_default().extend(keys);
                    }
                }
                Err(error) => {
                    let slots = body.messages.iter().filter_map(|message| slot_of(project, &message.document).ok());
                    documents.forget(project, slots);
                    return Err(error);
                }
            }
        }
        if !known || !touched.is_empty() {
            (row, _) = self.store_changes(&mut documents, project, &touched, row)?;
        }
        let mut answer = Body { project: project.to_string(), ..Body::default() };
        let mut bytes = 0;
        for (slot, mut state) in talks {
            let document = ByteBuf::from(DocumentId::derive(project, slot).0);
            let heads = row.heads_bytes(slot);
            let theirs = state.their_heads.as_ref().map(|heads| project::heads_bytes(heads));
            if theirs.as_ref() == Some(&heads) || bytes >= BODY_BYTES_SOFT_MAX {
                answer.heads.push(DocumentHeads { document, heads });
                continue;
            }
            let loaded = documents.get(self.store(), project, slot)?;
            match loaded.document.generate_sync_message(&mut state) {
                Some(message) => {
                    let message = ByteBuf::from(message.encode());
                    bytes += message.len();
                    answer.messages.push(DocumentMessage { document, message });
                }
                None => answer.heads.push(DocumentHeads { document, heads }),
            }
        }
        Ok((answer, arrived))
    }

    /// Applies one message to its document in memory.
    fn receive(
        &self,
        documents: &mut Documents,
        project: &ProjectName,
        document: &[u8],
        message: &[u8],
    ) -> Result<(Slot, State, BTreeSet<RecordKey>, u64), ExchangeError> {
        let slot = slot_of(project, document)?;
        let message = Message::decode(message).map_err(|error| ExchangeError::Damaged(error.to_string()))?;
        let loaded = documents.get(self.store(), project, slot)?;
        let before = loaded.document.get_heads();
        let mut state = State::new();
        let mut log = PatchLog::active();
        loaded
            .document
            .receive_sync_message_log_patches(&mut state, message, &mut log)
            .map_err(|error| ExchangeError::Foreign(error.to_string()))?;
        let new = loaded.document.get_changes_meta(&before);
        // Only the genesis builds on nothing. Another such change began another document.
        if let Some(change) = new.iter().find(|change| change.deps.is_empty()) {
            return Err(ExchangeError::Foreign(format!("the change {} does not build on this project", change.hash)));
        }
        let changes = new.len() as u64;
        let keys = touched_keys(&loaded.document, &loaded.map, &mut log);
        Ok((slot, state, keys, changes))
    }
}

/// The slot of a document of this project.
fn slot_of(project: &ProjectName, document: &[u8]) -> Result<Slot, ExchangeError> {
    Slot::all()
        .find(|&slot| DocumentId::derive(project, slot).0 == document)
        .ok_or_else(|| ExchangeError::Foreign("it names a document that this project does not have".to_owned()))
}

/// Keys of the records that the logged patches touch.
fn touched_keys(document: &Automerge, map: &ObjId, log: &mut PatchLog) -> BTreeSet<RecordKey> {
    let mut keys = BTreeSet::new();
    for patch in document.make_patches(log) {
        let leaf = if patch.obj == *map {
            match &patch.action {
                PatchAction::PutMap { key, .. }
                | PatchAction::DeleteMap { key }
                | PatchAction::Conflict { prop: Prop::Map(key) }
                | PatchAction::Increment { prop: Prop::Map(key), .. } => Some(key.as_str()),
                _ => None,
            }
        } else {
            patch.path.iter().find(|(object, _)| object == map).and_then(|(_, prop)| match prop {
                Prop::Map(key) => Some(key.as_str()),
                Prop::Seq(_) => None,
            })
        };
        let key = leaf.and_then(|leaf| leaf.split_once(SEPARATOR)).and_then(|(key, _)| RecordKey::parse(key).ok());
        keys.extend(key);
    }
    keys
}
