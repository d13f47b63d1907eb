//! The client side of the stateless exchange: what to send next, given what came back.

use std::collections::BTreeSet;

use serde_bytes::ByteBuf;

use crate::epoch::Epoch;
use crate::error::ExchangeError;
use crate::exchange::Body;
use crate::record::ProjectName;
use crate::replica::{Replica, heads_bytes};

/// Rounds after which a session gives up. Three are usual; more are needed for more than 8 MiB, and while others write.
const ROUNDS_MAX: u32 = 10_000;

/// Rounds in which nothing new was learnt, after which a session gives up.
const IDLE_ROUNDS_MAX: u32 = 8;

/// What a session moved.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SessionSummary {
    /// Requests sent.
    pub rounds: u32,
    /// Bytes of bodies sent.
    pub bytes_sent: u64,
    /// Bytes of bodies received.
    pub bytes_received: u64,
    /// Changes received and stored.
    pub changes_received: u64,
    /// Changes sent.
    pub changes_sent: u64,
}

/// One synchronisation of one project with one other replica. Does no I/O of its own besides the replica's store.
#[derive(Debug)]
pub struct Session {
    replica: Replica,
    project: ProjectName,
    next: Option<Body>,
    started: bool,
    /// The epoch whose shards are talked about.
    epoch: Epoch,
    /// The newest epoch that the other side knows, and whether it waits for documents of it; none before its first answer.
    theirs: Option<(Epoch, bool)>,
    idle: u32,
    summary: SessionSummary,
}

impl Replica {
    /// Begins to synchronise a project, which need not exist here yet.
    pub fn session(&self, project: &ProjectName) -> Session {
        let (replica, project) = (self.clone(), project.clone());
        let (epoch, theirs, summary) = (Epoch::FIRST, None, SessionSummary::default());
        Session { replica, project, next: None, started: false, epoch, theirs, idle: 0, summary }
    }
}

impl Session {
    /// The body to send next; none when both replicas hold the same changes.
    ///
    /// # Errors
    /// [`ExchangeError::TooManyRounds`], and what the replica answers.
    pub fn next_request(&mut self) -> Result<Option<Vec<u8>>, ExchangeError> {
        if !self.started {
            self.started = true;
            self.epoch = self.replica.epochs_of(&self.project)?.1;
            self.next = Some(self.replica.opening(&self.project, self.epoch)?);
        }
        let Some(body) = self.next.take() else { return Ok(None) };
        if self.summary.rounds >= ROUNDS_MAX || self.idle > IDLE_ROUNDS_MAX {
            return Err(ExchangeError::TooManyRounds(self.summary.rounds));
        }
        let bytes = body.encode()?;
        self.summary.rounds += 1;
        self.summary.bytes_sent += bytes.len() as u64;
        self.summary.changes_sent += changes_in(&body);
        Ok(Some(bytes))
    }

    /// Takes the answer to the last request.
    ///
    /// # Errors
    /// [`ExchangeError`]. Nothing of this answer was stored then; what came in before is kept.
    pub fn handle_response(&mut self, response: &[u8]) -> Result<(), ExchangeError> {
        let answer = Body::decode(response)?;
        self.summary.bytes_received += response.len() as u64;
        let theirs = (answer.epoch()?, answer.waiting);
        let (here, newest) = self.replica.epochs_of(&self.project)?;
        // Shards of the epoch that was asked about, or the catalog alone.
        let mut said = answer;
        said.name_epoch(self.epoch);
        let (mut body, arrived) = self.replica.merge(&self.project, &said)?;
        self.summary.changes_received += arrived;
        let after = self.replica.epochs_of(&self.project)?;
        let moved = arrived > 0 || changes_in(&said) > 0 || changes_in(&body) > 0 || after != (here, newest);
        self.idle = if moved { 0 } else { self.idle + 1 };
        if after != (here, newest) || self.has_moved(theirs) {
            self.theirs = Some(theirs);
            return self.open(after.1);
        }
        self.theirs = Some(theirs);
        // Documents about which heads were told only, for want of room or of anything to say: ask again where they differ.
        let opening = self.replica.opening(&self.project, self.epoch)?;
        let spoken = |document: &[u8]| body.messages.iter().any(|message| message.document.as_ref() == document);
        let told = said.heads.iter().chain(&body.heads).map(|told| &told.document);
        let quiet: BTreeSet<&ByteBuf> = told.filter(|document| !spoken(document)).collect();
        let ours = opening.heads.into_iter().filter(|ours| quiet.contains(&ours.document));
        let again = ours.filter(|ours| declared_heads(&said, &ours.document).as_ref() != Some(&ours.heads)).collect();
        body.heads = again;
        let finished = body.heads.is_empty() && body.messages.is_empty();
        self.next = (!finished).then_some(body);
        // The newest epoch does not arrive whole from there: what is written meanwhile goes on in the one before.
        if finished && self.epoch != after.0 {
            return self.open(after.0);
        }
        Ok(())
    }

    /// Whether the other side has come to where it can take what it passed over before.
    fn has_moved(&self, theirs: (Epoch, bool)) -> bool {
        match self.theirs {
            Some(before) => before != theirs,
            // What was asked first was about an epoch that it did not know.
            None => false,
        }
    }

    /// Begins anew, about an epoch.
    fn open(&mut self, epoch: Epoch) -> Result<(), ExchangeError> {
        self.epoch = epoch;
        self.next = Some(self.replica.opening(&self.project, epoch)?);
        Ok(())
    }

    /// What was moved so far.
    pub fn summary(&self) -> SessionSummary {
        self.summary
    }
}

/// The heads that a body says a document has.
fn declared_heads(body: &Body, document: &[u8]) -> Option<ByteBuf> {
    if let Some(told) = body.heads.iter().find(|told| told.document.as_ref() == document) {
        return Some(told.heads.clone());
    }
    let message = body.messages.iter().find(|message| message.document.as_ref() == document)?;
    let message = automerge::sync::Message::decode(&message.message).ok()?;
    Some(heads_bytes(&message.heads))
}

fn changes_in(body: &Body) -> u64 {
    let count =
        |message: &[u8]| automerge::sync::Message::decode(message).map_or(0, |message| message.changes.len() as u64);
    body.messages.iter().map(|message| count(&message.message)).sum()
}
