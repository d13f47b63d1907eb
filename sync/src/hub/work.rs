//! Heavy work on one document, off the core's thread.
//!
//! A document is checked out with everything that is to be done with it: chunks to read, messages to merge, peers to speak
//! to. What the store does not hold yet is never spoken of: either a run ends without anything new, and may answer whoever
//! it heard, or it ends in a chunk, and the answers are made by a later run, when the chunk is durable.
//!
//! Bytes from outside can make Automerge fail or panic in the middle of a change. The document is dropped then, whoever sent
//! the bytes is named, and everybody else is heard again on a fresh copy.

use std::collections::BTreeMap;

use automerge::sync::{Message, MessageFlags, State, SyncDoc};
use automerge::{Automerge, ChangeHash, ReadDoc, SaveOptions};

use super::admission;
use super::body::{self, Body};
use super::peer::{Traits, quiet_state};
use super::project::{self, Named, Place};
use super::types::{Chunk, ChunkName, ConnectionId, ExchangeId};
use crate::document::{DocumentId, Slot};
use crate::guard::guarded;

/// A document and what is to be done with it, checked out of the hub.
#[derive(Debug)]
pub struct DocumentWork {
    /// The document.
    pub document: DocumentId,
    /// None: it is to be read from the chunks.
    pub(super) body: Option<Box<Body>>,
    pub(super) project: Option<Place>,
    pub(super) chunks: Vec<Chunk>,
    /// Chunks of which something was not in the history so far.
    pub(super) partial: BTreeMap<ChunkName, Option<Vec<ChangeHash>>>,
    /// Peers at rest that are to hear of what is new.
    pub(super) groups: Vec<Group>,
    pub(super) talks: Vec<Talk>,
    /// Chunks that a snapshot may cover; none is to be made when empty.
    pub(super) covers: Vec<ChunkName>,
    /// Whether a snapshot was wanted.
    pub(super) covered: bool,
    pub(super) done: Done,
}

/// What came of it.
#[derive(Debug, Default)]
pub(super) struct Done {
    /// Chunks that were read, and those of which all is in the history.
    pub(super) read: Vec<ChunkName>,
    pub(super) bad: Vec<(ChunkName, String)>,
    /// Heads of what is durable.
    pub(super) heads: Vec<ChangeHash>,
    /// What is new, to be stored.
    pub(super) chunk: Option<Chunk>,
    pub(super) snapshot: Option<Chunk>,
    /// What a catalog names that is durable, and what it names with what is new.
    pub(super) named: Option<Named>,
    pub(super) named_next: Option<Named>,
    /// What a document is of which it was not known: the catalog of the project that it says.
    pub(super) found: Option<Place>,
    pub(super) ruin: Option<Ruin>,
}

/// Why a document was dropped in the middle of its work.
#[derive(Debug)]
pub(super) struct Ruin {
    pub(super) culprit: Culprit,
    pub(super) why: String,
}

/// Whose bytes did it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Culprit {
    /// The talk at this position.
    Talk(usize),
    /// A chunk that somebody else stored.
    Chunk(ChunkName),
    /// Nobody's: a fault of this program or of Automerge.
    Fault,
}

/// Peers in the same state, to whom the same is said.
#[derive(Debug)]
pub(super) struct Group {
    pub(super) heads: super::peer::Heads,
    pub(super) traits: Traits,
    pub(super) connections: Vec<ConnectionId>,
    pub(super) state: Option<State>,
    pub(super) said: Option<Vec<u8>>,
}

/// Who talks about the document.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Speaker {
    /// A connection.
    Connection(ConnectionId),
    /// A request of the stateless exchange.
    Exchange(ExchangeId),
}

/// One side of a conversation.
#[derive(Debug)]
pub(super) struct Talk {
    pub(super) speaker: Speaker,
    pub(super) state: Box<State>,
    /// Whether it was told that it may only read.
    pub(super) told: bool,
    /// Sync messages that came in.
    pub(super) messages: Vec<Vec<u8>>,
    /// Whether there is room for an answer.
    pub(super) reply: bool,
    pub(super) said: Option<Said>,
    pub(super) heard: Heard,
    pub(super) failure: Option<String>,
}

/// What came of its messages.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Heard {
    /// Changes of its are in the chunk.
    pub(super) contributed: bool,
    /// Changes of its were not taken, as it may only read.
    pub(super) refused: bool,
    /// It said nothing that it had not said before.
    repeated: bool,
}

/// An answer.
#[derive(Debug)]
pub(super) enum Said {
    /// A sync message.
    Message(Vec<u8>),
    /// Nobody has the document.
    Unavailable,
    /// There is nothing to say.
    Nothing,
}

impl Talk {
    pub(super) fn new(speaker: Speaker, state: Box<State>, messages: Vec<Vec<u8>>, reply: bool) -> Talk {
        Talk { speaker, state, told: false, messages, reply, said: None, heard: Heard::default(), failure: None }
    }
}

impl DocumentWork {
    /// Does it. Blocks; touches nothing but the document.
    pub fn run(&mut self) {
        let states: Vec<Box<State>> = self.talks.iter().map(|talk| talk.state.clone()).collect();
        if let Err(ruin) = self.steps() {
            self.body = None;
            // Answers that were made are not sent: their states must not say that they were.
            for (talk, before) in self.talks.iter_mut().zip(states) {
                (talk.state, talk.said, talk.heard) = (before, None, Heard::default());
            }
            self.done.chunk = None;
            (self.done.named, self.done.named_next) = (None, None);
            self.done.snapshot = None;
            self.done.ruin = Some(ruin);
        }
    }

    fn steps(&mut self) -> Result<(), Ruin> {
        let mut body = self.body()?;
        self.read_chunks(&mut body);
        self.done.heads = body.document.get_heads();
        self.done.found = self.find(&body)?;
        self.done.named = self.named(&body)?;
        self.speak(&body);
        self.snapshot(&mut body)?;
        if self.listen(&mut body.document)? {
            let chunk = guarded(|| body.new_chunk(&self.done.heads)).map_err(|why| fault(&why))?;
            // What the store would refuse to give back is not stored.
            body.bytes += admission::inflated(&chunk.bytes).map_err(|why| fault(&why))?;
            self.done.named_next = self.named(&body)?;
            body.note_tips(&chunk);
            self.done.chunk = Some(chunk);
        } else {
            let heard = |talk: &Talk| !talk.messages.is_empty();
            answer(&body.document, &mut self.talks, heard);
        }
        body.note_orphans();
        self.body = Some(body);
        Ok(())
    }

    /// The document with all chunks in it.
    fn body(&mut self) -> Result<Box<Body>, Ruin> {
        let ours = self.project.as_ref();
        let mut body = if let Some(mut body) = self.body.take() {
            for chunk in &self.chunks {
                let read = if chunk.is_whole() {
                    admission::load(&mut body.document, &chunk.bytes)
                } else {
                    Err(body::DAMAGED.to_owned())
                };
                match read {
                    Ok(inflated) => body.bytes += inflated,
                    Err(why) => {
                        self.done.bad.push((chunk.name, why.clone()));
                        return Err(Ruin { culprit: Culprit::Chunk(chunk.name), why });
                    }
                }
            }
            body
        } else {
            let (body, bad) = body::load(&self.chunks);
            self.chunks.retain(|chunk| !bad.iter().any(|(name, _)| *name == chunk.name));
            self.done.bad = bad;
            Box::new(body)
        };
        body.begin(ours).map_err(|why| fault(&why))?;
        Ok(body)
    }

    /// Whoever may see everything brings documents without saying whose they are. Catalogs say it themselves.
    fn find(&self, body: &Body) -> Result<Option<Place>, Ruin> {
        if self.project.is_some() {
            return Ok(None);
        }
        guarded(|| project::of_catalog(self.document, &body.document)).map_err(|why| fault(&why))
    }

    /// The epochs that a catalog names.
    fn named(&self, body: &Body) -> Result<Option<Named>, Ruin> {
        let place = self.project.as_ref().or(self.done.found.as_ref());
        let Some(place) = place.filter(|place| place.slot == Slot::Catalog) else { return Ok(None) };
        guarded(|| Named::read(&place.project, &body.document)).map(Some).map_err(|why| fault(&why))
    }

    /// Notes what was read, and whether all of it is in the history.
    fn read_chunks(&mut self, body: &mut Body) {
        for chunk in std::mem::take(&mut self.chunks) {
            self.done.read.push(chunk.name);
            body.note_tips(&chunk);
            self.partial.insert(chunk.name, super::contents::of(&chunk.bytes));
        }
        let all = |hashes: &Vec<ChangeHash>| hashes.iter().all(|hash| super::contents::has(&body.document, hash));
        self.partial.retain(|_, hashes| !hashes.as_ref().is_some_and(all));
    }

    /// Tells peers what is durable, before anything new comes in.
    fn speak(&mut self, body: &Body) {
        for group in &mut self.groups {
            let mut state = quiet_state(&group.heads, group.traits);
            // None of these peers has said anything that could be at fault; whoever panics here does so for all.
            let said = guarded(|| body.document.generate_sync_message(&mut state)).ok().flatten();
            group.said = said.map(|mut message| {
                hide_flag(&mut message, false);
                message.encode()
            });
            group.state = Some(state);
        }
        answer(&body.document, &mut self.talks, |talk| talk.messages.is_empty());
    }

    /// Merges what came in. Whether there is anything new.
    fn listen(&mut self, document: &mut Automerge) -> Result<bool, Ruin> {
        let ours = self.project.is_some();
        for (index, talk) in self.talks.iter_mut().enumerate() {
            let heads = document.get_heads();
            for bytes in &talk.messages {
                let message = match admission::message(bytes) {
                    Ok(message) => message,
                    Err(why) => {
                        talk.failure = Some(why);
                        break;
                    }
                };
                talk.heard.repeated = repeats(&talk.state, &message);
                talk.heard.refused |= talk.state.read_only && !message.changes.is_empty();
                let told = talk.state.last_sent_heads.clone();
                let received = admission::receive(document, &mut talk.state, message, ours);
                received.map_err(|why| Ruin { culprit: Culprit::Talk(index), why })?;
                // Automerge takes heads that both have for heads that the peer was told. It may have named them as those of
                // changes that it sent before, and waits to hear that they are durable.
                if talk.state.last_sent_heads == document.get_heads() {
                    talk.state.last_sent_heads = told;
                }
            }
            talk.heard.contributed = document.get_heads() != heads;
        }
        Ok(document.get_heads() != self.done.heads)
    }

    fn snapshot(&mut self, body: &mut Body) -> Result<(), Ruin> {
        self.covers.retain(|name| !self.partial.contains_key(name));
        if self.covers.is_empty() {
            return Ok(());
        }
        let snapshot = guarded(|| body.snapshot()).map_err(|why| fault(&why))?;
        // What a snapshot is for is to delete chunks: it is read before it is believed.
        let mut read = Automerge::new();
        let loads = admission::load(&mut read, &snapshot.bytes);
        let Some(inflated) = loads.as_ref().ok().filter(|_| read.get_heads() == self.done.heads) else {
            tracing::error!(document = %self.document, ?loads, "a snapshot does not hold what it was made of");
            self.covers.clear();
            return Ok(());
        };
        body.bytes = *inflated;
        body.note_tips(&snapshot);
        self.covers.retain(|name| body.may_replace(snapshot.name, *name));
        self.done.snapshot = Some(snapshot).filter(|_| !self.covers.is_empty());
        Ok(())
    }
}

fn fault(why: &dyn std::fmt::Display) -> Ruin {
    Ruin { culprit: Culprit::Fault, why: why.to_string() }
}

/// Makes the answers of those who have room for one, about a document that is durable.
fn answer(document: &Automerge, talks: &mut [Talk], which: impl Fn(&Talk) -> bool) {
    let heads = document.get_heads();
    for talk in talks.iter_mut().filter(|talk| talk.reply && talk.failure.is_none() && which(talk)) {
        let state = &mut *talk.state;
        let theirs_empty = state.their_heads.as_ref().is_none_or(Vec::is_empty);
        if heads.is_empty() && (theirs_empty || state.read_only) {
            let asked = !talk.messages.is_empty();
            talk.said = Some(if asked { Said::Unavailable } else { Said::Nothing });
            continue;
        }
        if talk.heard.refused && !talk.told {
            // What it is told now goes with the flag that it may only read, and it sends no more.
            (talk.told, state.have_responded) = (true, false);
        }
        // Two sides that cannot agree, as one does not take what the other sends, would say the same for ever.
        let repeats =
            talk.heard.repeated && state.last_sent_heads == heads && state.have_responded && !state.needs_reset;
        // A filter in the peer's message is asked here: whatever that does is the peer's doing.
        match guarded(|| document.generate_sync_message(state)) {
            Ok(Some(message)) if repeats && message.changes.is_empty() => talk.said = Some(Said::Nothing),
            Ok(Some(mut message)) => {
                hide_flag(&mut message, talk.told);
                talk.said = Some(Said::Message(message.encode()));
            }
            Ok(None) => talk.said = Some(Said::Nothing),
            Err(why) => talk.failure = Some(why.to_string()),
        }
    }
}

/// Whether a message says what its sender said in the last one.
fn repeats(state: &State, message: &Message) -> bool {
    message.changes.is_empty()
        && state.their_heads.as_ref() == Some(&message.heads)
        && state.their_need.as_ref() == Some(&message.need)
        && state.their_have.as_ref() == Some(&message.have)
        && !message.flags.unwrap_or_default().contains(MessageFlags::SYNC_RESET)
}

/// Automerge tells a peer that may only read so by a flag, and it sends no changes. It would never learn that they are
/// refused; so the flag is left out until it was told in words.
fn hide_flag(message: &mut Message, told: bool) {
    let Some(flags) = message.flags.filter(|flags| flags.contains(MessageFlags::READ_ONLY) && !told) else { return };
    let mut shown = MessageFlags::new();
    for flag in [MessageFlags::SUPPORTS_SYNC_RESET, MessageFlags::SYNC_RESET] {
        if flags.contains(flag) {
            shown.set(flag);
        }
    }
    message.flags = Some(shown);
}

/// A document as one saved file, without what is not part of its history.
pub(super) fn save(document: &Automerge) -> Vec<u8> {
    document.save_with_options(SaveOptions { retain_orphans: false, ..SaveOptions::default() })
}

/// Operations and changes, for the estimate of memory.
pub(super) fn size(document: &Automerge) -> (u64, u64) {
    let stats = document.stats();
    (stats.num_ops, stats.num_changes)
}
