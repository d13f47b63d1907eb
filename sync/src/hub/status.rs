//! What the hub is doing, for people and for health checks.

use super::document::Stage;
use super::{ChunkName, ConnectionId, Hub};
use crate::document::DocumentId;

/// Quarantined chunks that are remembered; the store has all of them.
const QUARANTINED_MAX: usize = 1_000;

/// The state of a hub.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct HubStatus {
    /// Connections, those among them that have not said who they are.
    pub connections: Vec<ConnectionStatus>,
    /// Documents in memory.
    pub documents: usize,
    /// Estimate of the bytes that they take.
    pub documents_bytes: usize,
    /// Documents with changes that are on their way to the store.
    pub storing: usize,
    /// Frames that wait for a document to be read or worked on.
    pub waiting_frames: usize,
    /// What the store failed with last, since a write or read went well.
    pub store_failure: Option<String>,
    /// Chunks that could not be read, newest last.
    pub quarantined: Vec<Quarantined>,
}

/// The state of a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ConnectionStatus {
    /// The connection.
    pub connection: ConnectionId,
    /// Who it says it is.
    pub name: Option<String>,
    /// Documents that it has open.
    pub documents: usize,
    /// Bytes that wait for its socket.
    pub queue_bytes: usize,
}

/// A chunk that could not be read.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Quarantined {
    /// The document that it belongs to.
    pub document: DocumentId,
    /// The chunk.
    pub chunk: ChunkName,
    /// What is wrong with it.
    pub reason: String,
}

impl Hub {
    /// What the hub is doing now.
    pub fn status(&self) -> HubStatus {
        let in_memory = |stage: &Stage| matches!(stage, Stage::Home(_) | Stage::Out | Stage::Storing(..));
        let connections = self.connections.iter().map(|(id, connection)| ConnectionStatus {
            connection: *id,
            name: connection.name.as_deref().map(str::to_owned),
            documents: connection.documents.len(),
            queue_bytes: connection.queued_bytes,
        });
        HubStatus {
            connections: connections.collect(),
            documents: self.documents.values().filter(|document| in_memory(&document.stage)).count(),
            documents_bytes: self.budget.bytes,
            storing: self.documents.values().filter(|document| matches!(document.stage, Stage::Storing(..))).count(),
            waiting_frames: self.documents.values().map(|document| document.inbox.len()).sum(),
            store_failure: self.failure.clone(),
            quarantined: self.quarantined.iter().cloned().collect(),
        }
    }

    pub(super) fn quarantined(&mut self, chunk: Quarantined) {
        self.quarantined.push_back(chunk);
        if self.quarantined.len() > QUARANTINED_MAX {
            self.quarantined.pop_front();
        }
    }
}
