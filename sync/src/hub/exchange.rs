//! The stateless exchange over several documents: merge what came in, make it durable, answer.
//!
//! Messages and answers are those of [`crate::Replica::exchange`]. Documents are merged side by side, each on its own: where
//! a body is refused, what other documents took of it stays. Changes commute, so sending a body again does no harm.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use automerge::sync::State;
use serde_bytes::ByteBuf;

use super::document::{Stage, Task};
use super::epochs::Early;
use super::project::Place;
use super::work::{Said, Talk};
use super::{Access, Effect, ExchangeId, Grant, Hub, Scope, admission};
use crate::document::{DocumentId, Slot};
use crate::epoch::Epoch;
use crate::error::{ExchangeError, ReadError};
use crate::exchange::{BODY_BYTES_SOFT_MAX, Body, DocumentHeads, DocumentMessage};
use crate::record::ProjectName;
use crate::replica::heads_bytes;

/// Documents that answers are made from at once.
const SAYING_MAX: usize = 8;

/// A request that is being answered.
#[derive(Debug)]
pub(super) struct Exchange {
    project: ProjectName,
    /// The epoch whose shards the body speaks of.
    epoch: Epoch,
    slots: BTreeMap<DocumentId, Slot>,
    read_only: bool,
    /// Documents whose messages are not durable yet.
    merging: BTreeSet<DocumentId>,
    /// What the other side said about each document, in the order in which answers go.
    heard: VecDeque<(DocumentId, Heard)>,
    states: BTreeMap<DocumentId, Box<State>>,
    /// Documents that an answer is being made from.
    saying: BTreeMap<DocumentId, Heard>,
    bytes: usize,
    said: BTreeMap<DocumentId, Vec<u8>>,
    /// All documents that are answered about, in order, those with heads alone among them.
    order: Vec<DocumentId>,
}

/// What the other side said about a document.
#[derive(Debug)]
enum Heard {
    Message,
    Heads(Vec<u8>),
}

impl Hub {
    pub(super) fn handle_exchange(&mut self, id: ExchangeId, grant: &Grant, project: ProjectName, body: Vec<u8>) {
        if let Err(error) = self.admit(grant, &project, &body) {
            return self.effects.push(Effect::Answer { exchange: id, outcome: Err(error) });
        }
        let early = Early { project, read_only: grant.access == Access::Read, body };
        self.hold_project(&early.project);
        if self.projects.newest(&early.project).is_none() {
            return self.put_exchange_off(id, early);
        }
        self.begin_exchange(id, early);
    }

    /// The catalog was read: what the body speaks of can be told from what it must not.
    pub(super) fn begin_exchange(&mut self, id: ExchangeId, early: Early) {
        match self.opened(&early) {
            Ok((exchange, messages)) => {
                self.exchanges.insert(id, exchange);
                for (document, message) in messages {
                    self.want(id, document, Some(message), Box::default());
                }
                self.advance(id);
            }
            Err(error) => {
                self.projects.release(&early.project);
                self.effects.push(Effect::Answer { exchange: id, outcome: Err(error) });
            }
        }
    }

    fn admit(&self, grant: &Grant, project: &ProjectName, body: &[u8]) -> Result<(), ExchangeError> {
        if matches!(&grant.scope, Scope::Projects(names) if !names.contains(project)) {
            return Err(ReadError::UnknownProject(project.to_string()).into());
        }
        if body.len() > self.limits.frame_bytes_max {
            let why = format!("it has {} bytes; {} are allowed", body.len(), self.limits.frame_bytes_max);
            return Err(ExchangeError::Damaged(why));
        }
        Ok(())
    }

    /// Checks a body before anything of it is done.
    #[allow(clippy::type_complexity, reason = "an exchange and its messages, by document")]
    fn opened(&self, early: &Early) -> Result<(Exchange, Vec<(DocumentId, Vec<u8>)>), ExchangeError> {
        let Early { project, read_only, body } = early;
        let read_only = *read_only;
        let body = Body::decode(body)?;
        let epoch = body.epoch()?;
        if body.project != project.as_str() {
            return Err(ExchangeError::Foreign(format!("it is about `{}`", body.project.escape_default())));
        }
        let slots: BTreeMap<DocumentId, Slot> =
            epoch.slots().map(|slot| (epoch.document_id(project, slot), slot)).collect();
        let mut seen = BTreeSet::new();
        let mut known = |bytes: &[u8]| {
            let id = <[u8; 16]>::try_from(bytes).ok().map(DocumentId).filter(|id| slots.contains_key(id));
            let foreign = || ExchangeError::Foreign("it names a document that this project does not have".to_owned());
            let id = id.ok_or_else(foreign)?;
            if seen.insert(id) { Ok(id) } else { Err(ExchangeError::Foreign("it names a document twice".to_owned())) }
        };
        let (mut heard, mut messages) = (VecDeque::new(), Vec::new());
        for DocumentMessage { document, message } in body.messages {
            let document = known(&document)?;
            let read = admission::message(&message).map_err(ExchangeError::Damaged)?;
            if read_only && !read.changes.is_empty() {
                return Err(ExchangeError::ReadOnly);
            }
            // Shards of another epoch are passed over: what is said of the catalog tells the other side why.
            if !self.projects.talks_of(project, epoch, slots.get(&document).copied()) {
                continue;
            }
            heard.push_back((document, Heard::Message));
            messages.push((document, message.into_vec()));
        }
        for DocumentHeads { document, heads } in body.heads {
            heard.push_back((known(&document)?, Heard::Heads(heads.into_vec())));
        }
        let exchange = Exchange {
            project: project.clone(),
            epoch,
            slots,
            read_only,
            merging: messages.iter().map(|(document, _)| *document).collect(),
            heard,
            states: BTreeMap::new(),
            saying: BTreeMap::new(),
            bytes: 0,
            said: BTreeMap::new(),
            order: Vec::new(),
        };
        Ok((exchange, messages))
    }

    /// Asks a document for something.
    fn want(&mut self, id: ExchangeId, document_id: DocumentId, message: Option<Vec<u8>>, mut state: Box<State>) {
        let Some(exchange) = self.exchanges.get(&id) else { return };
        state.read_only = exchange.read_only;
        let document = self.documents.entry(document_id).or_default();
        if document.project.is_none() {
            let (project, epoch) = (exchange.project.clone(), exchange.epoch);
            document.project = exchange.slots.get(&document_id).map(|slot| Place { project, epoch, slot: *slot });
        }
        document.tasks.push_back(Task { exchange: id, message, state });
        self.dirty.insert(document_id);
    }

    /// A document was worked on for a request.
    pub(super) fn exchange_talked(&mut self, document_id: DocumentId, id: ExchangeId, talk: Talk) {
        if let Some(why) = talk.failure {
            return self.fail_exchange(id, ExchangeError::Foreign(why));
        }
        if !talk.messages.is_empty() {
            if talk.heard.contributed
                && let Some(document) = self.documents.get_mut(&document_id)
                && let Stage::Storing(_, storing) = &mut document.stage
            {
                storing.exchanges.push((id, talk.state));
                return;
            }
            return self.exchange_merged(document_id, id, talk.state);
        }
        let message = match talk.said {
            Some(Said::Message(message)) => Some(message),
            _ => None,
        };
        self.exchange_said(document_id, id, message);
    }

    /// A document's part of the body is durable.
    pub(super) fn exchange_merged(&mut self, document_id: DocumentId, id: ExchangeId, state: Box<State>) {
        let Some(exchange) = self.exchanges.get_mut(&id) else { return };
        exchange.merging.remove(&document_id);
        exchange.states.insert(document_id, state);
        self.advance(id);
    }

    fn exchange_said(&mut self, document_id: DocumentId, id: ExchangeId, message: Option<Vec<u8>>) {
        let ours = self.told_heads(document_id);
        let Some(exchange) = self.exchanges.get_mut(&id) else { return };
        let Some(heard) = exchange.saying.remove(&document_id) else { return };
        let same = matches!(&heard, Heard::Heads(theirs) if ours.as_ref() == Some(theirs));
        if same {
            exchange.order.retain(|document| *document != document_id);
        } else if let Some(message) = message
            && exchange.bytes < BODY_BYTES_SOFT_MAX
        {
            exchange.bytes += message.len();
            exchange.said.insert(document_id, message);
        }
        self.advance(id);
    }

    /// Heads of a document as bodies have them: none for a first change alone. None at all where they are not known.
    fn told_heads(&self, document_id: DocumentId) -> Option<Vec<u8>> {
        let document = self.documents.get(&document_id)?;
        let heads = document.heads.as_ref()?;
        let beginning = heads.iter().all(|head| Some(*head) == document.genesis);
        Some(if beginning { Vec::new() } else { heads_bytes(heads).into_vec() })
    }

    /// Goes on to answer, once everything that came in is durable.
    fn advance(&mut self, id: ExchangeId) {
        loop {
            let Some(exchange) = self.exchanges.get_mut(&id) else { return };
            if !exchange.merging.is_empty() || exchange.saying.len() >= SAYING_MAX {
                return;
            }
            let Some((document_id, heard)) = exchange.heard.pop_front() else { break };
            let Exchange { project, epoch, slots, .. } = &*exchange;
            if !self.projects.talks_of(project, *epoch, slots.get(&document_id).copied()) {
                continue;
            }
            let state = exchange.states.remove(&document_id).unwrap_or_default();
            let full = exchange.bytes >= BODY_BYTES_SOFT_MAX;
            let ours = self.told_heads(document_id);
            let durable = self.documents.get(&document_id).and_then(|document| document.heads.clone());
            let Some(exchange) = self.exchanges.get_mut(&id) else { return };
            let in_sync = match &heard {
                Heard::Heads(theirs) => ours.as_ref() == Some(theirs),
                Heard::Message => durable.is_some() && state.their_heads.as_deref() == durable.as_deref(),
            };
            if matches!(heard, Heard::Message) || !in_sync {
                exchange.order.push(document_id);
            }
            let told = full && ours.is_some();
            if !in_sync && !told {
                exchange.saying.insert(document_id, heard);
                self.want(id, document_id, None, state);
            }
        }
        if self.exchanges.get(&id).is_some_and(|exchange| exchange.saying.is_empty()) {
            self.finish(id);
        }
    }

    fn finish(&mut self, id: ExchangeId) {
        let Some(mut exchange) = self.exchanges.remove(&id) else { return };
        let newest = self.projects.newest(&exchange.project).unwrap_or_default();
        self.projects.release(&exchange.project);
        let mut body = Body::about(&exchange.project, newest);
        for document_id in exchange.order {
            let document = ByteBuf::from(document_id.0);
            if let Some(message) = exchange.said.remove(&document_id) {
                body.messages.push(DocumentMessage { document, message: ByteBuf::from(message) });
            } else if let Some(heads) = self.told_heads(document_id) {
                body.heads.push(DocumentHeads { document, heads: ByteBuf::from(heads) });
            }
        }
        self.effects.push(Effect::Answer { exchange: id, outcome: body.encode() });
    }

    /// A document's epoch came to an end while a request was about it.
    pub(super) fn exchange_passed_over(&mut self, document_id: DocumentId, id: ExchangeId) {
        let Some(exchange) = self.exchanges.get_mut(&id) else { return };
        exchange.merging.remove(&document_id);
        exchange.saying.remove(&document_id);
        exchange.order.retain(|document| *document != document_id);
        self.advance(id);
    }

    /// A request ends here. Whatever is still being done for it is of no more use.
    pub(super) fn fail_exchange(&mut self, id: ExchangeId, error: ExchangeError) {
        if let Some(exchange) = self.exchanges.remove(&id) {
            self.projects.release(&exchange.project);
            self.effects.push(Effect::Answer { exchange: id, outcome: Err(error) });
        }
    }
}
