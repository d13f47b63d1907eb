//! Merging what other replicas say: the server's round of the exchange, and the step that both sides share.

use std::collections::{BTreeMap, BTreeSet};

use automerge::legacy::{Key, ObjectId, OpId};
use automerge::sync::{State, SyncDoc};
use automerge::{Automerge, Change, ObjId, Prop, ReadDoc};
use serde_bytes::ByteBuf;

use super::documents::Documents;
use super::history::UNKNOWN_TIME;
use super::{Replica, Touched, project};
use crate::admission::{self, Refusal};
use crate::document::{DocumentId, SEPARATOR, Slot};
use crate::error::ExchangeError;
use crate::exchange::{BODY_BYTES_SOFT_MAX, Body, DocumentHeads, DocumentMessage};
use crate::guard::guarded;
use crate::record::{ProjectName, RecordKey};
use crate::sync_message;

/// The exchange with another replica.
impl Replica {
    /// Answers one round of the stateless exchange; creates the project when it is not there. What came in is on disk when
    /// this returns.
    ///
    /// # Errors
    /// [`ExchangeError`]; nothing of the body was stored then.
    pub fn exchange(&self, project: &ProjectName, body: &[u8]) -> Result<Vec<u8>, ExchangeError> {
        let asked = Body::decode(body)?;
        check_names(project, &asked)?;
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
        check_names(project, body)?;
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
            (row, _) = self.store_changes(&mut documents, project, &touched, row, UNKNOWN_TIME)?;
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
        let message = sync_message::read(message).map_err(ExchangeError::Damaged)?;
        let loaded = documents.get(self.store(), project, slot)?;
        let mut state = State::new();
        let new = admission::receive(&mut loaded.document, &mut state, message)?;
        let keys = guarded(|| touched_keys(&loaded.document, &loaded.map, &new)).map_err(Refusal::from)?;
        // A leaf in another document than its record's is nobody's.
        let keys = keys.into_iter().filter(|key| Slot::of(key) == slot).collect();
        Ok((slot, state, keys, new.len() as u64))
    }
}

/// Every document that a body names is one of the project, and named once: a body is refused as a whole, before anything
/// of it is done.
fn check_names(project: &ProjectName, body: &Body) -> Result<(), ExchangeError> {
    let told = body.heads.iter().map(|told| &told.document);
    let mut named = BTreeSet::new();
    for document in told.chain(body.messages.iter().map(|message| &message.document)) {
        if !named.insert(slot_of(project, document)?) {
            return Err(ExchangeError::Foreign("it names a document twice".to_owned()));
        }
    }
    Ok(())
}

/// The slot of a document of this project.
fn slot_of(project: &ProjectName, document: &[u8]) -> Result<Slot, ExchangeError> {
    Slot::all()
        .find(|&slot| DocumentId::derive(project, slot).0 == document)
        .ok_or_else(|| ExchangeError::Foreign("it names a document that this project does not have".to_owned()))
}

/// Keys of the records that the changes touch, by what the changes themselves say. Automerge's patches do not tell: they are
/// about the values that win, and a deletion counts here also where its value loses (see [`crate::leaves::are_live`]).
pub(super) fn touched_keys(document: &Automerge, map: &ObjId, changes: &[Change]) -> BTreeSet<RecordKey> {
    let mut leaves = BTreeSet::new();
    let mut nested: BTreeMap<(u64, Vec<u8>), Option<String>> = BTreeMap::new();
    for change in changes {
        for operation in change.decode().operations {
            let ObjectId::Id(OpId(counter, actor)) = operation.obj else { continue };
            let object = ObjId::Id(counter, actor, 0);
            if object == *map {
                if let Key::Map(leaf) = operation.key {
                    leaves.insert(leaf.to_string());
                }
            } else if let ObjId::Id(counter, actor, _) = &object {
                let name = (*counter, actor.to_bytes().to_vec());
                nested.entry(name).or_insert_with(|| leaf_above(document, map, &object));
            }
        }
    }
    leaves.extend(nested.into_values().flatten());
    leaves.iter().filter_map(|leaf| RecordKey::parse(leaf.split_once(SEPARATOR)?.0).ok()).collect()
}

/// The leaf that an object (a text, a list, a map of another writer) is a part of.
fn leaf_above(document: &Automerge, map: &ObjId, object: &ObjId) -> Option<String> {
    let mut parents = document.parents(object).ok()?;
    parents.find(|parent| parent.obj == *map).and_then(|parent| match parent.prop {
        Prop::Map(leaf) => Some(leaf),
        Prop::Seq(_) => None,
    })
}
