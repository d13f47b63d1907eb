//! Epochs of projects: what catalogs say of them, and what becomes of documents whose epoch is over.
//!
//! A project's documents are its catalog and the shards of the newest epoch that the catalog names. Until the catalog of a
//! project was read nothing is said about its shards; whoever asks waits. What a catalog names counts from the moment at which
//! the catalog is durable, before anybody is told so: a replica sends the shards of an epoch once the hub has its catalog.

use super::document::{Document, Stage};
use super::peer::Heads;
use super::project::{Named, Projects};
use super::types::Grant;
use super::{CloseReason, ConnectionId, Effect, ExchangeId, Hub, StoreFailure};
use crate::document::{DocumentId, Slot};
use crate::error::ExchangeError;
use crate::guard::guarded;
use crate::record::ProjectName;

/// A request of the stateless exchange that waits for the catalog.
#[derive(Debug)]
pub(super) struct Early {
    pub(super) project: ProjectName,
    pub(super) read_only: bool,
    pub(super) body: Vec<u8>,
}

impl Hub {
    /// Somebody who may see these is here.
    pub(super) fn hold(&mut self, grant: &Grant) {
        for name in Projects::named(grant) {
            self.hold_project(&name);
        }
    }

    pub(super) fn hold_project(&mut self, name: &ProjectName) {
        let Some(read) = self.projects.hold(name) else { return };
        let catalog = DocumentId::derive(name, Slot::Catalog);
        let now = self.documents.get(&catalog).and_then(|catalog| catalog.heads.as_ref());
        if now != Some(&read) {
            self.projects.unread(name);
        }
    }

    /// The catalog of a project is to be read.
    pub(super) fn look_at_catalog(&mut self, name: &ProjectName) {
        let id = DocumentId::derive(name, Slot::Catalog);
        let place = self.projects.of(id).cloned();
        let document = self.documents.entry(id).or_default();
        document.look = true;
        if document.project.is_none() {
            document.project = place;
        }
        self.dirty.insert(id);
    }

    /// Somebody else changed a document: if it is the catalog of a project, its epochs may be others now.
    pub(super) fn look_again_at_epochs(&mut self, id: DocumentId) {
        let Some(project) = self.projects.with_catalog(id).cloned() else { return };
        if !self.projects.is_used(&project) {
            self.projects.unread(&project);
        } else if self.projects.newest(&project).is_some() {
            self.look_at_catalog(&project);
        }
    }

    /// A catalog that cannot be read is tried again only while somebody is there who needs it.
    pub(super) fn forget_look(&mut self, id: DocumentId, project: &ProjectName) {
        if !self.projects.is_used(project)
            && let Some(document) = self.documents.get_mut(&id)
        {
            document.look = false;
        }
    }

    /// A frame about a document of which nobody can tell yet whether its sender may see it.
    pub(super) fn put_off(&mut self, id: ConnectionId, document: DocumentId, data: Vec<u8>, unread: &[ProjectName]) {
        let (frames, bytes) = (self.limits.waiting_frames_max, self.limits.waiting_bytes_max);
        let most = self.limits.documents_per_connection_max;
        let Some(connection) = self.connections.get_mut(&id) else { return };
        let full = connection.early.len() >= most && !connection.early.contains_key(&document)
            || connection.early.get(&document).is_some_and(|waiting| waiting.len() >= frames)
            || connection.waiting_bytes + data.len() > bytes;
        if full {
            let why = "too many messages wait until it is known what the project consists of; wait for answers";
            return self.close(id, CloseReason::Limit(why.to_owned()));
        }
        connection.waiting_bytes += data.len();
        connection.early.entry(document).or_default().push(data);
        self.early_connections.insert(id);
        unread.iter().for_each(|name| self.look_at_catalog(name));
    }

    /// Takes in what a catalog names, which is durable.
    pub(super) fn learn(&mut self, name: &ProjectName, heads: Heads, named: Named) {
        let Some(learnt) = self.projects.learn(name, heads, named) else { return };
        for id in learnt.over {
            self.end(id, name);
        }
        if learnt.is_later {
            self.effects.push(Effect::Retire { project: name.clone() });
        }
        if learnt.was_unread {
            self.resume(name);
        }
    }

    /// Whoever waited for a project's catalog goes on.
    fn resume(&mut self, name: &ProjectName) {
        for id in std::mem::take(&mut self.early_connections) {
            let Some(connection) = self.connections.get_mut(&id) else { continue };
            let frames = std::mem::take(&mut connection.early);
            let bytes: usize = frames.values().flatten().map(Vec::len).sum();
            connection.waiting_bytes = connection.waiting_bytes.saturating_sub(bytes);
            for (document, frames) in frames {
                frames.into_iter().for_each(|data| self.handle_sync(id, &document.to_string(), data));
            }
        }
        for (id, early) in self.take_early(name) {
            self.begin_exchange(id, early);
        }
    }

    /// The catalog cannot be read now: whoever waits for it is shown out.
    pub(super) fn refuse_early(&mut self, name: &ProjectName, failure: &StoreFailure) {
        let why = format!("{failure}: the catalog of the project cannot be read now. Connect again later");
        let ids: Vec<ConnectionId> = self.early_connections.iter().copied().collect();
        for id in ids {
            let waits = |grant: &Grant| !matches!(&grant.scope, super::Scope::Projects(names) if !names.contains(name));
            if self.connections.get(&id).is_some_and(|connection| waits(&connection.grant)) {
                self.close(id, CloseReason::Store(why.clone()));
            }
        }
        for (id, _) in self.take_early(name) {
            self.projects.release(name);
            let error = super::storing::store_error(failure);
            self.effects.push(Effect::Answer { exchange: id, outcome: Err(error) });
        }
    }

    fn take_early(&mut self, name: &ProjectName) -> Vec<(ExchangeId, Early)> {
        let of: Vec<ExchangeId> =
            self.early.iter().filter(|(_, early)| early.project == *name).map(|(id, _)| *id).collect();
        of.into_iter().filter_map(|id| Some((id, self.early.remove(&id)?))).collect()
    }

    /// Puts a request off until the catalog is read.
    pub(super) fn put_exchange_off(&mut self, id: ExchangeId, early: Early) {
        let waiting: usize = self.early.values().map(|early| early.body.len()).sum();
        if waiting + early.body.len() > self.limits.waiting_bytes_max {
            self.projects.release(&early.project);
            let why = "too much waits until it is known what projects consist of; ask again later".to_owned();
            let error = ExchangeError::from(crate::error::StoreError::Failed(why));
            return self.effects.push(Effect::Answer { exchange: id, outcome: Err(error) });
        }
        self.look_at_catalog(&early.project);
        self.early.insert(id, early);
    }

    /// A document's epoch is over: it leaves memory, and nobody has it open any more.
    fn end(&mut self, id: DocumentId, project: &ProjectName) {
        let Some(document) = self.documents.get_mut(&id) else { return };
        let peers = std::mem::take(&mut document.peers);
        let inbox = std::mem::take(&mut document.inbox);
        let mut exchanges: Vec<ExchangeId> = document.tasks.drain(..).map(|task| task.exchange).collect();
        if let Stage::Storing(_, storing) = &mut document.stage {
            exchanges.extend(storing.exchanges.drain(..).map(|(exchange, _)| exchange));
        }
        document.due.clear();
        document.over = true;
        self.dirty.insert(id);
        for connection_id in peers.keys() {
            let Some(connection) = self.connections.get_mut(connection_id) else { continue };
            connection.documents.remove(&id);
            connection.blocked.remove(&id);
        }
        for waiting in inbox {
            if let Some(connection) = self.connections.get_mut(&waiting.connection) {
                connection.waiting_bytes = connection.waiting_bytes.saturating_sub(waiting.data.len());
            }
            self.say_over(waiting.connection, project, id.to_string());
        }
        exchanges.into_iter().for_each(|exchange| self.exchange_passed_over(id, exchange));
    }

    /// Answers as if the document were not there, and once for each connection and project says why.
    pub(super) fn say_over(&mut self, id: ConnectionId, project: &ProjectName, document: String) {
        let Some(connection) = self.connections.get_mut(&id) else { return };
        // Whoever has the catalog open hears of it from there, and may have had no chance yet.
        let catalog = DocumentId::derive(project, Slot::Catalog);
        if !connection.documents.contains(&catalog) && connection.told_over.insert(project.clone()) {
            let why = format!(
                "{document}: this document belongs to an epoch of the project that is over; read the catalog ({catalog}), \
                 which names the newest epoch, and open the documents of that one"
            );
            self.tell(id, why);
        }
        self.say_unavailable(id, document);
    }

    /// Removes a document whose epoch is over, unless something of it is still on its way.
    pub(super) fn bury(&mut self, id: DocumentId) -> bool {
        let Some(document) = self.documents.get_mut(&id).filter(|document| document.over) else { return false };
        if matches!(document.stage, Stage::Queued) {
            self.loads.retain(|queued| *queued != id);
            document.stage = Stage::Cold;
        }
        if let Stage::Home(body) = &document.stage {
            // Another hub may have retired what was in the store before this one wrote to it: what it wrote builds on that, and
            // can be carried over only with it.
            let snapshot = document.wrote.then(|| guarded(|| body.snapshot()).ok()).flatten();
            self.effects.extend(snapshot.map(|chunk| Effect::Store { document: id, chunk }));
            document.forget_body();
        }
        if !matches!(document.stage, Stage::Cold) || document.replacing.is_some() || document.fetching.is_some() {
            return true;
        }
        let mut document: Document = std::mem::take(document);
        document.bytes = 0;
        self.budget.forget(&document);
        self.documents.remove(&id);
        self.retry.remove(&id);
        true
    }
}
