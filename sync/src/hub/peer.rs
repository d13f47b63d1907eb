//! What the hub remembers about a document that a connection has open.
//!
//! Ten thousand connections may have 65 documents open each, nearly all of them at rest. A peer at rest is known by the heads
//! that it shares with the hub, one allocation for all of them; Automerge's whole state is made again from that.

use std::sync::Arc;

use automerge::ChangeHash;
use automerge::sync::{Capability, Have, Message, MessageFlags, State};

/// Heads of a document, sorted, as many peers share them.
pub(super) type Heads = Arc<[ChangeHash]>;

/// A connection's side of a document.
#[derive(Debug)]
pub(super) struct Peer {
    pub(super) state: PeerState,
    /// Its frames that wait for the document.
    pub(super) waiting: u32,
    /// Whether it was told that it may only read.
    pub(super) told: bool,
}

/// How far the conversation is.
#[derive(Debug)]
pub(super) enum PeerState {
    /// Nothing was said yet.
    New,
    /// Both sides know that both have these heads.
    Quiet(Heads, Traits),
    /// Something is on its way.
    Active(Box<State>),
    /// Checked out with the document.
    Away,
}

/// What a peer can do, as its messages say.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Traits(u8);

impl Traits {
    const MESSAGE_V2: u8 = 1;
    const SYNC_RESET: u8 = 1 << 1;
    const READS_ONLY: u8 = 1 << 2;
    const MAY_ONLY_READ: u8 = 1 << 3;

    fn has(self, bit: u8) -> bool {
        self.0 & bit != 0
    }

    fn with(self, bit: u8, on: bool) -> Traits {
        Traits(if on { self.0 | bit } else { self.0 })
    }

    fn of(state: &State) -> Traits {
        let can = |capability| state.their_capabilities.as_ref().is_some_and(|all| all.contains(&capability));
        Traits(0)
            .with(Traits::MESSAGE_V2, can(Capability::MessageV2))
            .with(Traits::SYNC_RESET, can(Capability::SyncReset))
            .with(Traits::READS_ONLY, state.peer_read_only)
            .with(Traits::MAY_ONLY_READ, state.read_only)
    }

    /// What a message says about its sender, who may only read where `read_only`.
    pub(super) fn said(message: &Message, read_only: bool) -> Traits {
        let flags = message.flags.unwrap_or_default();
        Traits(0)
            .with(Traits::MESSAGE_V2, message.flags.is_some())
            .with(Traits::SYNC_RESET, flags.contains(MessageFlags::SUPPORTS_SYNC_RESET))
            .with(Traits::READS_ONLY, flags.contains(MessageFlags::READ_ONLY))
            .with(Traits::MAY_ONLY_READ, read_only)
    }
}

/// Automerge's state of a peer that is at rest at these heads.
pub(super) fn quiet_state(heads: &[ChangeHash], traits: Traits) -> State {
    let mut capabilities = Vec::new();
    if traits.has(Traits::MESSAGE_V2) {
        capabilities.push(Capability::MessageV2);
    }
    if traits.has(Traits::SYNC_RESET) {
        capabilities.push(Capability::SyncReset);
    }
    State {
        shared_heads: heads.to_vec(),
        last_sent_heads: heads.to_vec(),
        their_heads: Some(heads.to_vec()),
        their_need: Some(Vec::new()),
        their_have: Some(vec![Have { last_sync: heads.to_vec(), ..Have::default() }]),
        have_responded: true,
        their_capabilities: (!capabilities.is_empty()).then_some(capabilities),
        peer_read_only: traits.has(Traits::READS_ONLY),
        read_only: traits.has(Traits::MAY_ONLY_READ),
        ..State::default()
    }
}

impl PeerState {
    /// The smallest form of a state, given the heads that are durable.
    pub(super) fn compact(state: Box<State>, durable: Option<&Heads>) -> PeerState {
        match durable {
            Some(heads) if is_at_rest(&state, heads) => PeerState::Quiet(heads.clone(), Traits::of(&state)),
            _ => PeerState::Active(state),
        }
    }

    /// Whether this peer has these heads and knows that the hub has them.
    pub(super) fn is_quiet_at(&self, heads: &Heads) -> bool {
        matches!(self, PeerState::Quiet(at, _) if at == heads)
    }

    /// Whether the hub has told this peer that it has these heads.
    pub(super) fn has_heard(&self, heads: &[ChangeHash]) -> bool {
        match self {
            PeerState::Quiet(at, _) => **at == *heads,
            PeerState::Active(state) => state.have_responded && state.last_sent_heads == heads,
            PeerState::New | PeerState::Away => false,
        }
    }

    /// Has the peer send again what it sent since the heads that the hub has: the hub lost it.
    pub(super) fn start_over(&mut self) {
        if let PeerState::Active(state) = self {
            start_over(state);
        }
    }
}

/// As [`PeerState::start_over`].
pub(super) fn start_over(state: &mut State) {
    state.needs_reset = true;
    state.in_flight = false;
    state.have_responded = false;
}

fn is_at_rest(state: &State, heads: &[ChangeHash]) -> bool {
    let same = |of: &[ChangeHash]| of == heads;
    state.have_responded
        && !state.needs_reset
        && same(&state.last_sent_heads)
        && state.their_heads.as_deref().is_some_and(same)
        && state.their_need.as_ref().is_none_or(Vec::is_empty)
}

/// The message that says nothing but that the hub has these heads, to a peer that has them, too.
pub(super) fn greeting(heads: &[ChangeHash], traits: Traits) -> Vec<u8> {
    let mut flags = MessageFlags::new();
    flags.set(MessageFlags::SUPPORTS_SYNC_RESET);
    let v2 = traits.has(Traits::MESSAGE_V2);
    let message = Message {
        heads: heads.to_vec(),
        need: Vec::new(),
        have: vec![Have { last_sync: heads.to_vec(), ..Have::default() }],
        changes: Vec::<Vec<u8>>::new().into(),
        flags: Some(flags),
        version: if v2 { automerge::sync::MessageVersion::V2 } else { automerge::sync::MessageVersion::V1 },
    };
    message.encode()
}
