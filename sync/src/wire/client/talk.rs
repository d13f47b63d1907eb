//! The conversation about one document, on one connection.

use automerge::ChangeHash;
use automerge::sync::{ChunkList, Have, Message, MessageFlags, MessageVersion, State};

use crate::document::DocumentId;
use crate::replica::live::{Beyond, Spoken, Stance};

/// How far it is.
#[derive(Debug, Default)]
pub(super) enum Talk {
    /// Nothing was said on this connection.
    #[default]
    Silent,
    /// It was said which heads are here; there is no answer yet, and the document was not loaded.
    Opened(Vec<ChangeHash>),
    /// Messages go back and forth.
    Going(Box<State>),
    /// Both have these heads. That is all that is kept.
    Agreed(Vec<ChangeHash>),
    /// What the hub says about it cannot be taken. Nothing more is said on this connection.
    Stopped(String),
}

/// A document of a subscribed project.
#[derive(Debug)]
pub(super) struct Document {
    pub(super) id: DocumentId,
    /// The id as messages name it.
    pub(super) name: String,
    /// Heads of its genesis.
    genesis: Vec<ChangeHash>,
    pub(super) talk: Talk,
    /// The last message, if it brought no change.
    quiet: Option<Vec<u8>>,
    /// Starts over on this connection.
    restarts: u8,
    /// What the hub is not known to have.
    pub(super) counted: Option<Counted>,
}

/// What was counted, and for which heads.
#[derive(Debug)]
pub(super) struct Counted {
    pub(super) here: Vec<ChangeHash>,
    pub(super) there: Vec<ChangeHash>,
    pub(super) beyond: Beyond,
}

/// How often a conversation may start over on one connection. Once is what a hub needs that has lost something.
const RESTARTS_MAX: u8 = 3;

impl Document {
    pub(super) fn new(id: DocumentId, genesis: Vec<ChangeHash>) -> Document {
        Document { id, name: id.to_string(), genesis, talk: Talk::Silent, quiet: None, restarts: 0, counted: None }
    }

    /// The heads here, of a document that is on disk with these.
    pub(super) fn heads(&self, stored: Vec<ChangeHash>) -> Vec<ChangeHash> {
        if stored.is_empty() { self.genesis.clone() } else { stored }
    }

    /// Whether both sides have the same.
    pub(super) fn is_agreed(&self) -> bool {
        matches!(self.talk, Talk::Agreed(_))
    }

    /// Forgets the conversation, with the connection that it was on.
    pub(super) fn hang_up(&mut self) {
        (self.talk, self.quiet, self.restarts) = (Talk::Silent, None, 0);
    }

    /// Where an incoming message finds the conversation; none when it calls for nothing.
    pub(super) fn hear(&mut self, message: &Message) -> Option<Heard> {
        if is_reset(message) && self.restarts < RESTARTS_MAX {
            self.restarts += 1;
            // It does not know the changes that it was taken to have. What it says it has is where to start.
            return Some(Heard::Lost(message.heads.clone()));
        }
        let silent = message.changes.is_empty() && message.need.is_empty();
        match std::mem::take(&mut self.talk) {
            Talk::Opened(heads) | Talk::Agreed(heads) if silent && heads == message.heads => {
                self.talk = Talk::Agreed(heads);
                None
            }
            Talk::Opened(heads) => Some(Heard::Answer(Stance::Going(Box::new(opened(heads))))),
            Talk::Agreed(heads) => Some(Heard::Answer(Stance::Has(heads))),
            Talk::Going(state) => Some(Heard::Answer(Stance::Going(state))),
            Talk::Silent => Some(Heard::Answer(Stance::Going(Box::default()))),
            stopped @ Talk::Stopped(_) => {
                self.talk = stopped;
                None
            }
        }
    }

    /// What to say about a local change; none when nothing is to be said, or not now.
    pub(super) fn push(&mut self, heads: &[ChangeHash]) -> Option<Stance> {
        match std::mem::take(&mut self.talk) {
            Talk::Agreed(there) if there != heads => Some(Stance::Has(there)),
            Talk::Going(state) if state.last_sent_heads != heads => Some(Stance::Going(state)),
            unchanged => {
                self.talk = unchanged;
                None
            }
        }
    }

    /// Takes note of a turn and answers what to send, and what both sides have now.
    pub(super) fn spoke(&mut self, spoken: Spoken) -> (Option<Vec<u8>>, Vec<ChangeHash>) {
        let Spoken { state, heads, reply, .. } = spoken;
        let says_nothing = reply.as_ref().is_none_or(|reply| reply.changes.is_empty());
        let bytes = reply.map(Message::encode);
        // A hub that refuses changes asks for them again and again, and would be told the same again and again.
        let repeats = says_nothing && bytes.is_some() && self.quiet == bytes;
        self.quiet = bytes.clone().filter(|_| says_nothing);
        let shared = state.shared_heads.clone();
        let agreed = says_nothing && state.their_heads.as_ref() == Some(&heads);
        self.talk = if agreed { Talk::Agreed(heads) } else { Talk::Going(state) };
        (bytes.filter(|_| !repeats), shared)
    }
}

/// What an incoming message is to a conversation.
#[derive(Debug)]
pub(super) enum Heard {
    /// It goes on from here.
    Answer(Stance),
    /// The hub has lost what it was taken to have; it has these heads.
    Lost(Vec<ChangeHash>),
}

/// The first message about a document, made without loading it: the hub answers with what is new to somebody who has exactly
/// these heads.
pub(super) fn opening(heads: &[ChangeHash]) -> Message {
    let mut flags = MessageFlags::new();
    flags.set(MessageFlags::SUPPORTS_SYNC_RESET);
    Message {
        heads: heads.to_vec(),
        need: Vec::new(),
        have: vec![Have { last_sync: heads.to_vec(), ..Have::default() }],
        changes: ChunkList::empty(),
        flags: Some(flags),
        version: MessageVersion::V1,
    }
}

/// The state after that message.
fn opened(heads: Vec<ChangeHash>) -> State {
    State { last_sent_heads: heads.clone(), shared_heads: heads, have_responded: true, in_flight: true, ..State::new() }
}

/// Whether a message says that its sender does not know the changes that it was taken to have.
fn is_reset(message: &Message) -> bool {
    message.changes.is_empty() && message.need.is_empty() && message.have == [Have::default()]
}
