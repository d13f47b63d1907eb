//! What goes into the hub's core and what comes out of it.

use std::collections::BTreeSet;
use std::time::Duration;

use super::work::DocumentWork;
use sha2::{Digest, Sha256};

use crate::document::DocumentId;
use crate::error::ExchangeError;
use crate::record::ProjectName;

/// Time since any fixed moment, brought by the driver.
pub type Now = Duration;

/// A connection, as the driver numbers it. Never used twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnectionId(pub u64);

/// A request of the stateless exchange, as the driver numbers it. Never used twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ExchangeId(pub u64);

/// What a token allows. Without a grant there is no connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    /// Which documents.
    pub scope: Scope,
    /// What may be done with them.
    pub access: Access,
}

/// The documents that a grant is about. All others do not exist for whoever holds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scope {
    /// Those of some projects.
    Projects(BTreeSet<ProjectName>),
    /// Every document, also such as belong to no project.
    Any,
}

/// What may be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Access {
    /// Changes are sent, and refused when they come in.
    Read,
    /// Changes go both ways.
    Write,
}

/// A part of a document in the store: named by what it holds, never changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chunk {
    /// Its name.
    pub name: ChunkName,
    /// Saved Automerge changes.
    pub bytes: Vec<u8>,
}

impl Chunk {
    /// A chunk of these bytes.
    pub fn new(bytes: Vec<u8>) -> Chunk {
        Chunk { name: ChunkName(Sha256::digest(&bytes).into()), bytes }
    }

    /// Whether the bytes are those that the name promises.
    pub fn is_whole(&self) -> bool {
        <[u8; 32]>::from(Sha256::digest(&self.bytes)) == self.name.0
    }
}

/// SHA-256 of a chunk's bytes; 64 hex digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ChunkName(pub [u8; 32]);

impl std::fmt::Display for ChunkName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

/// Why the store did not do what it was asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StoreFailure {
    /// No space.
    #[error("the central store is full")]
    Full,
    /// It cannot be reached, or failed.
    #[error("the central store failed: {0}")]
    Failed(String),
}

/// Something happened.
#[derive(Debug)]
#[non_exhaustive]
pub enum Event {
    /// A WebSocket is open, and its token allows this.
    Connected {
        /// The connection.
        connection: ConnectionId,
        /// What its token allows.
        grant: Grant,
    },
    /// A frame came in.
    Received {
        /// The connection.
        connection: ConnectionId,
        /// The frame.
        frame: Vec<u8>,
    },
    /// The connection's socket took a frame of [`Effect::Send`].
    Sent {
        /// The connection.
        connection: ConnectionId,
        /// Bytes of that frame.
        bytes: usize,
    },
    /// The connection is gone.
    Closed {
        /// The connection.
        connection: ConnectionId,
    },
    /// A round of the stateless exchange, answered by [`Effect::Answer`].
    Exchange {
        /// The request.
        exchange: ExchangeId,
        /// What its token allows.
        grant: Grant,
        /// The project in its address.
        project: ProjectName,
        /// Its body (docs/format.md).
        body: Vec<u8>,
    },
    /// Answers [`Effect::Load`]: every chunk of the document; none for a document that is not there.
    Loaded {
        /// The document.
        document: DocumentId,
        /// Its chunks, in any order.
        outcome: Result<Vec<Chunk>, StoreFailure>,
    },
    /// Answers [`Effect::Store`].
    Stored {
        /// The document.
        document: DocumentId,
        /// Whether the chunk is durable.
        outcome: Result<(), StoreFailure>,
    },
    /// Answers [`Effect::Replace`].
    Replaced {
        /// The document.
        document: DocumentId,
        /// Whether the snapshot is durable and what it covers is gone.
        outcome: Result<(), StoreFailure>,
    },
    /// Hands back the work of [`Effect::Work`].
    Worked(Box<DocumentWork>),
    /// Somebody else (another hub, a function) stored a chunk.
    Noticed {
        /// The document.
        document: DocumentId,
        /// The chunk.
        chunk: ChunkName,
    },
    /// Answers [`Effect::Fetch`]: chunks that could be read; one that a snapshot has replaced meanwhile is missing.
    Fetched {
        /// The document.
        document: DocumentId,
        /// The chunks.
        outcome: Result<Vec<Chunk>, StoreFailure>,
    },
    /// An ephemeral message that came to another hub.
    Relayed {
        /// The document.
        document: DocumentId,
        /// The message's frame.
        frame: Vec<u8>,
    },
    /// Notices may have been missed: everything that is open is to be looked at again.
    Missed,
    /// Some time has passed. Once a second is enough.
    Tick,
}

/// Something to do.
#[derive(Debug)]
#[non_exhaustive]
pub enum Effect {
    /// Send a frame; reported by [`Event::Sent`] when the socket has taken it.
    Send {
        /// The connection.
        connection: ConnectionId,
        /// The frame.
        frame: Vec<u8>,
    },
    /// Close a connection, behind the frames sent before.
    Close {
        /// The connection.
        connection: ConnectionId,
        /// Why.
        reason: CloseReason,
    },
    /// Answer a request of the stateless exchange.
    Answer {
        /// The request.
        exchange: ExchangeId,
        /// The body, or why there is none.
        outcome: Result<Vec<u8>, ExchangeError>,
    },
    /// Read all chunks of a document.
    Load {
        /// The document.
        document: DocumentId,
    },
    /// Store a chunk durably. At most one of a document is on its way.
    Store {
        /// The document.
        document: DocumentId,
        /// The chunk.
        chunk: Chunk,
    },
    /// Store a snapshot durably and only then delete the chunks that it covers.
    Replace {
        /// The document.
        document: DocumentId,
        /// All changes of the covered chunks, and perhaps more.
        snapshot: Chunk,
        /// What may go.
        covers: Vec<ChunkName>,
    },
    /// Read chunks of a document that somebody else stored; all that are new when none is named.
    Fetch {
        /// The document.
        document: DocumentId,
        /// The chunks; empty: all of the document.
        chunks: Vec<ChunkName>,
    },
    /// Set a chunk aside: it cannot be read. It is kept for people to look at and no longer loaded.
    Quarantine {
        /// The document.
        document: DocumentId,
        /// The chunk.
        chunk: ChunkName,
        /// What is wrong with it.
        reason: String,
    },
    /// Run [`DocumentWork::run`] off this thread, and hand it back by [`Event::Worked`].
    Work(Box<DocumentWork>),
    /// Tell the other hubs that a chunk is stored.
    Announce {
        /// The document.
        document: DocumentId,
        /// The chunk.
        chunk: ChunkName,
    },
    /// A project's catalog, which is durable, names a later epoch than the first: what the store holds of older ones is to be
    /// carried over and deleted ([`crate::epoch::retire::retire`]), off the core's thread. Comes once when that is learnt, and
    /// again when the project was not used for a time.
    Retire {
        /// The project.
        project: ProjectName,
    },
    /// Tell the other hubs an ephemeral message.
    Relay {
        /// The document.
        document: DocumentId,
        /// The message's frame.
        frame: Vec<u8>,
    },
}

/// Why the hub closes a connection. The client was told so in an `error` message before.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CloseReason {
    /// A message cannot be read, or is not one that a client may send now.
    #[error("protocol error: {0}")]
    Protocol(String),
    /// A limit of the connection was passed.
    #[error("limit: {0}")]
    Limit(String),
    /// What it sent could not be stored; nothing of it counts. It may connect again later.
    #[error("store: {0}")]
    Store(String),
    /// The client said goodbye.
    #[error("the client left")]
    Left,
}

/// Bounds on what clients and documents may take. Each passed one is told to the client as an `error` message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Connections at once.
    pub connections_max: usize,
    /// Documents that one connection may have open.
    pub documents_per_connection_max: usize,
    /// Bytes of a frame that comes in.
    pub frame_bytes_max: usize,
    /// Messages that a connection may send in a second, on average; it may save up ten seconds' worth.
    pub messages_per_second: u32,
    /// Bytes that a connection may send in a second, on average; it may save up ten seconds' worth, and at least one
    /// frame of the greatest size.
    pub bytes_per_second: u64,
    /// Bytes that may wait for a socket to take them; beyond that the hub makes nothing more for that connection.
    pub queue_bytes_max: usize,
    /// Frames that may wait for a document to be loaded or worked on, for each document and connection.
    pub waiting_frames_max: usize,
    /// Bytes of frames of one connection that may wait for documents.
    pub waiting_bytes_max: usize,
    /// Documents that are read from the store at once.
    pub loads_max: usize,
    /// Estimated bytes of documents in memory; those used longest ago are dropped.
    pub documents_bytes_max: usize,
    /// Chunks of a document after which they are replaced by a snapshot.
    pub chunks_max: usize,
    /// How long a new connection may take to say who it is.
    pub handshake_max: Duration,
    /// Within how long each document that somebody has open is compared with the store, notice or not.
    pub look_again_after: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            connections_max: 20_000,
            documents_per_connection_max: 10_000,
            frame_bytes_max: 64 << 20,
            messages_per_second: 2_000,
            bytes_per_second: 64 << 20,
            queue_bytes_max: 4 << 20,
            waiting_frames_max: 256,
            waiting_bytes_max: 128 << 20,
            loads_max: 32,
            documents_bytes_max: 64 << 20,
            chunks_max: 64,
            handshake_max: Duration::from_secs(10),
            look_again_after: Duration::from_mins(5),
        }
    }
}
