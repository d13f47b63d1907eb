//! A document as the hub knows it, in memory or not.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use automerge::ChangeHash;
use automerge::sync::State;

use super::body::Body;
use super::peer::{Heads, Peer, PeerState};
use super::project::{Named, Place};
use super::types::{ChunkName, ConnectionId, ExchangeId, Now};
use crate::record::ProjectName;

/// A document.
#[derive(Debug, Default)]
#[allow(
    clippy::struct_excessive_bools,
    reason = "four facts about a document, independent of each other and of its stage"
)]
pub(super) struct Document {
    /// What it is, where it belongs to a project.
    pub(super) project: Option<Place>,
    pub(super) stage: Stage,
    /// To be read though nobody asks for it: a catalog that somebody waits for.
    pub(super) look: bool,
    /// Its epoch is over. It goes when nothing of it is on its way any more.
    pub(super) over: bool,
    /// Chunks of it were stored by this hub.
    pub(super) wrote: bool,
    /// Heads of what is durable, also while the document is not in memory; none where somebody else may have changed it.
    pub(super) heads: Option<Heads>,
    /// Chunks in the store that are in memory; with the changes of those that are not in the history yet.
    pub(super) chunks: BTreeSet<ChunkName>,
    pub(super) partial: BTreeMap<ChunkName, Option<Vec<ChangeHash>>>,
    /// Chunks of others to be read.
    pub(super) noticed: BTreeSet<ChunkName>,
    /// All chunks are to be looked at: some may have been missed.
    pub(super) missed: bool,
    /// What [`super::Effect::Fetch`] asked for; empty for all.
    pub(super) fetching: Option<BTreeSet<ChunkName>>,
    /// Chunks that were fetched, to be read.
    pub(super) fetched: Vec<super::Chunk>,
    pub(super) peers: BTreeMap<ConnectionId, Peer>,
    /// Those that something is to be said to.
    pub(super) due: BTreeSet<ConnectionId>,
    /// Frames that wait, oldest first.
    pub(super) inbox: VecDeque<Waiting>,
    pub(super) tasks: VecDeque<Task>,
    pub(super) replacing: Option<Replacing>,
    /// Not before: the store failed.
    pub(super) retry_at: Now,
    /// No snapshot before this.
    pub(super) compact_at: Now,
    /// Chunks that there were when no snapshot could replace any of them: with more it is tried again.
    pub(super) fruitless: usize,
    /// When it was used last, as the hub counts.
    pub(super) used: u64,
    /// Memory that it takes, and as it was counted last.
    pub(super) bytes: usize,
    pub(super) counted: usize,
    /// The first change of a project's document, once that was made.
    pub(super) genesis: Option<ChangeHash>,
}

/// Where the document is.
#[derive(Debug, Default)]
pub(super) enum Stage {
    /// Only in the store.
    #[default]
    Cold,
    /// In the queue of those to be read.
    Queued,
    /// Being read.
    Loading,
    /// Here.
    Home(Box<Body>),
    /// Checked out.
    Out,
    /// Here, with changes that are being stored. Nobody may see it.
    Storing(Box<Body>, Storing),
}

/// A chunk on its way to the store.
#[derive(Debug)]
pub(super) struct Storing {
    pub(super) name: ChunkName,
    pub(super) heads: Heads,
    /// Whose changes are in it.
    pub(super) connections: BTreeSet<ConnectionId>,
    pub(super) exchanges: Vec<(ExchangeId, Box<State>)>,
    /// What it names, where it is a catalog.
    pub(super) named: Option<(ProjectName, Named)>,
}

/// A snapshot on its way to the store.
#[derive(Debug)]
pub(super) struct Replacing {
    pub(super) snapshot: ChunkName,
    pub(super) covers: Vec<ChunkName>,
}

/// A sync message that waits.
#[derive(Debug)]
pub(super) struct Waiting {
    pub(super) connection: ConnectionId,
    pub(super) data: Vec<u8>,
}

/// Something that a request of the stateless exchange wants of the document.
#[derive(Debug)]
pub(super) struct Task {
    pub(super) exchange: ExchangeId,
    /// What it says; none: it wants a message, going on from the state.
    pub(super) message: Option<Vec<u8>>,
    pub(super) state: Box<State>,
}

impl Document {
    /// Marks everybody who does not know yet that these are the heads.
    pub(super) fn tell(&mut self, heads: &Heads) {
        let news = self.peers.iter().filter(|(_, peer)| !peer.state.is_quiet_at(heads));
        self.due.extend(news.map(|(connection, _)| *connection));
    }

    /// Drops what is in memory. Peers whose changes may have been in there, waiting for others, send them again.
    pub(super) fn forget_body(&mut self) {
        self.stage = Stage::Cold;
        self.bytes = 0;
        self.chunks.clear();
        self.partial.clear();
        self.noticed.clear();
        self.fetched.clear();
        self.missed = false;
        self.fruitless = 0;
    }

    /// As if none of what peers sent and is not durable had arrived.
    pub(super) fn start_over(&mut self) {
        for (connection, peer) in &mut self.peers {
            peer.state.start_over();
            if matches!(peer.state, PeerState::Active(_)) {
                self.due.insert(*connection);
            }
        }
    }

    /// Whether it may be dropped from memory now.
    pub(super) fn is_idle(&self) -> bool {
        matches!(self.stage, Stage::Home(_))
            && self.inbox.is_empty()
            && self.tasks.is_empty()
            && !self.look
            && self.fetched.is_empty()
            && self.fetching.is_none()
            && self.replacing.is_none()
    }

    /// Whether nobody would miss the entry itself.
    pub(super) fn is_spare(&self) -> bool {
        matches!(self.stage, Stage::Cold)
            && self.peers.is_empty()
            && self.tasks.is_empty()
            && !self.look
            && self.replacing.is_none()
            && self.fetching.is_none()
    }
}
