//! The automerge-repo network protocol, without I/O: what goes over a WebSocket, and the replica's side of a connection.
//!
//! Any client of automerge-repo (version 2, protocol "1") speaks it. Messages are CBOR maps, one to a binary frame.

mod cbor;
pub mod message;

pub use cbor::WireError;
