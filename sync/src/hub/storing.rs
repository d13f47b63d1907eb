//! What the store says.

use std::collections::BTreeSet;
use std::time::Duration;

use super::document::{Document, Stage};
use super::{Chunk, ChunkName, CloseReason, Effect, Hub, Now, StoreFailure};
use crate::document::DocumentId;
use crate::error::{ExchangeError, StoreError};
use crate::record::ProjectName;

/// How long a document is left alone when the store failed to read it.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// How long no snapshot is made of a document when the store failed to take the last one.
const COMPACT_AFTER: Duration = Duration::from_secs(30);

impl Hub {
    /// Chunks of a document that was asked for. If they cannot be read, whoever waits for the document is shown out.
    pub(super) fn handle_loaded(&mut self, now: Now, id: DocumentId, outcome: Result<Vec<Chunk>, StoreFailure>) {
        let Some(document) = self.documents.get_mut(&id) else { return };
        if !matches!(document.stage, Stage::Loading) {
            return;
        }
        self.loading = self.loading.saturating_sub(1);
        self.dirty.insert(id);
        match outcome {
            Ok(chunks) => {
                self.failure = None;
                let names: BTreeSet<ChunkName> = chunks.iter().map(|chunk| chunk.name).collect();
                document.noticed.retain(|name| !names.contains(name));
                document.fetched.retain(|chunk| !names.contains(&chunk.name));
                self.begin(id, chunks);
            }
            Err(failure) => {
                document.stage = Stage::Cold;
                document.retry_at = now + RETRY_AFTER;
                let connections: BTreeSet<_> = document.inbox.iter().map(|waiting| waiting.connection).collect();
                let exchanges: BTreeSet<_> = document.tasks.drain(..).map(|task| task.exchange).collect();
                self.retry.insert(id);
                self.failure = Some(failure.to_string());
                if let Some(project) = self.projects.with_catalog(id).cloned() {
                    self.refuse_early(&project, &failure);
                    self.forget_look(id, &project);
                }
                let why = format!("{failure}: {id} cannot be read now. Connect again later");
                for connection in connections {
                    self.close(connection, CloseReason::Store(why.clone()));
                }
                for exchange in exchanges {
                    self.fail_exchange(exchange, store_error(&failure));
                }
            }
        }
    }

    /// A chunk is durable, and counts from here; or it is not, and nothing of it ever did.
    pub(super) fn handle_stored(&mut self, id: DocumentId, outcome: Result<(), StoreFailure>) {
        let Some(document) = self.documents.get_mut(&id) else { return };
        let (mut body, storing) = match std::mem::take(&mut document.stage) {
            Stage::Storing(body, storing) => (body, storing),
            other => {
                document.stage = other;
                return;
            }
        };
        self.dirty.insert(id);
        match outcome {
            Ok(()) => {
                self.failure = None;
                body.stored();
                document.stage = Stage::Home(body);
                document.chunks.insert(storing.name);
                document.wrote = true;
                document.heads = Some(storing.heads.clone());
                document.tell(&storing.heads);
                self.effects.push(Effect::Announce { document: id, chunk: storing.name });
                if let Some((project, named)) = storing.named {
                    self.learn(&project, storing.heads, &named);
                }
                for (exchange, state) in storing.exchanges {
                    self.exchange_merged(id, exchange, state);
                }
            }
            Err(failure) => {
                // Whether the chunk is there is not known (an answer can be lost): the next one to ask has it read.
                document.forget_body();
                document.replacing = None;
                document.heads = None;
                document.start_over();
                self.failure = Some(failure.to_string());
                let why = format!(
                    "{failure}: the changes to {id} are not stored, nothing of them counts. Connect again later"
                );
                for connection in storing.connections {
                    self.close(connection, CloseReason::Store(why.clone()));
                }
                for (exchange, _) in storing.exchanges {
                    self.fail_exchange(exchange, store_error(&failure));
                }
            }
        }
    }

    /// A snapshot is durable and what it covers is gone. Chunks that were stored meanwhile are not covered: `Store` and
    /// `Replace` of one document may be on their way at once, as each names only what it holds.
    pub(super) fn handle_replaced(&mut self, now: Now, id: DocumentId, outcome: Result<(), StoreFailure>) {
        let Some(document) = self.documents.get_mut(&id) else { return };
        self.dirty.insert(id);
        let Some(replacing) = document.replacing.take() else {
            // The document was read again since; that may have been before or after.
            document.missed = !matches!(document.stage, Stage::Cold);
            return;
        };
        // In memory is all that the snapshot holds, as it was made from there.
        document.chunks.insert(replacing.snapshot);
        document.fruitless = 0;
        match outcome {
            Ok(()) => document.chunks.retain(|name| !replacing.covers.contains(name)),
            Err(failure) => {
                // Some of what it covers may be gone, and the snapshot may be there. Covering what is not there does no harm.
                document.compact_at = now + COMPACT_AFTER;
                self.failure = Some(failure.to_string());
            }
        }
    }

    /// Somebody else stored a chunk.
    pub(super) fn handle_noticed(&mut self, id: DocumentId, chunk: ChunkName) {
        self.look_again_at_epochs(id);
        let Some(document) = self.documents.get_mut(&id) else { return };
        match &document.stage {
            Stage::Cold | Stage::Queued => look_again(document),
            Stage::Storing(_, storing) if storing.name == chunk => return,
            _ => {
                let asked = document.fetching.as_ref().is_some_and(|asked| asked.contains(&chunk));
                let here = document.fetched.iter().any(|fetched| fetched.name == chunk);
                if !document.chunks.contains(&chunk) && !asked && !here {
                    document.noticed.insert(chunk);
                }
            }
        }
        self.dirty.insert(id);
    }

    /// Notices may have been missed.
    pub(super) fn handle_missed(&mut self) {
        self.projects.forget_idle();
        let used: Vec<ProjectName> = self.projects.used().cloned().collect();
        used.iter().for_each(|project| self.look_at_catalog(project));
        let all: Vec<DocumentId> = self.documents.keys().copied().collect();
        all.into_iter().for_each(|id| self.miss(id));
    }

    /// Has a document compared with the store.
    fn miss(&mut self, id: DocumentId) {
        let Some(document) = self.documents.get_mut(&id) else { return };
        match &document.stage {
            Stage::Cold | Stage::Queued => look_again(document),
            _ => document.missed = true,
        }
        self.dirty.insert(id);
    }

    /// Has the documents whose turn it is compared with the store. Nobody announces a chunk whose hub died before it could,
    /// or that arrived in the store after its hub gave up on it; another hub that has the document in memory would serve it
    /// without that chunk for as long as it stays there.
    pub(super) fn look_around(&mut self, now: Now) {
        let (last, behind) = self.looked;
        let whole = self.limits.look_again_after.max(Duration::from_secs(1));
        let share = now.saturating_sub(last).as_secs_f64() / whole.as_secs_f64();
        let count = (self.documents.len() as f64 * share.min(1.0)) as usize;
        // Time goes on counting until there is a whole document's worth of it.
        if count == 0 && !self.documents.is_empty() {
            return;
        }
        let after = behind.map_or(std::ops::Bound::Unbounded, std::ops::Bound::Excluded);
        let next = self.documents.range((after, std::ops::Bound::Unbounded)).chain(&self.documents);
        let turn: Vec<DocumentId> = next.map(|(id, _)| *id).take(count).collect();
        self.looked = (now, turn.last().copied().or(behind));
        turn.into_iter().for_each(|id| self.miss(id));
    }

    /// Chunks that somebody else stored.
    pub(super) fn handle_fetched(&mut self, now: Now, id: DocumentId, outcome: Result<Vec<Chunk>, StoreFailure>) {
        let Some(document) = self.documents.get_mut(&id) else { return };
        let Some(asked) = document.fetching.take() else { return };
        self.dirty.insert(id);
        if matches!(document.stage, Stage::Cold | Stage::Queued) {
            return;
        }
        match outcome {
            Ok(chunks) => {
                let found: BTreeSet<ChunkName> = chunks.iter().map(|chunk| chunk.name).collect();
                // A chunk that is gone was replaced by a snapshot, of which only a look at everything tells.
                document.missed |= asked.iter().any(|name| !found.contains(name) && !document.chunks.contains(name));
                let new = chunks.into_iter().filter(|chunk| !document.chunks.contains(&chunk.name));
                document.fetched.extend(new);
            }
            Err(failure) => {
                document.missed = true;
                document.retry_at = now + RETRY_AFTER;
                self.retry.insert(id);
                self.failure = Some(failure.to_string());
            }
        }
    }
}

/// A document that is not in memory may have changed: it is read when anybody has it open.
fn look_again(document: &mut Document) {
    document.heads = None;
    document.due.extend(document.peers.keys());
}

pub(super) fn store_error(failure: &StoreFailure) -> ExchangeError {
    ExchangeError::from(match failure {
        StoreFailure::Full => StoreError::Full,
        StoreFailure::Failed(why) => StoreError::Failed(why.clone()),
    })
}
