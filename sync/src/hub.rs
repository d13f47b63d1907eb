//! The hub's core: connections and documents of a sync service, without I/O, without a clock and without threads.
//!
//! A driver feeds [`Event`]s to [`Hub::handle`] and carries out the [`Effect`]s that come back: it holds the sockets and the
//! store. Heavy work on a document comes out as [`Effect::Work`], to be run anywhere and handed back, so that one huge
//! document does not stop the others. The same core runs behind sockets and in the seeded simulator.

mod types;

pub use types::{
    Access, Chunk, ChunkName, CloseReason, ConnectionId, DocumentWork, Effect, Event, ExchangeId, Grant, Limits, Now,
    Scope, StoreFailure,
};
