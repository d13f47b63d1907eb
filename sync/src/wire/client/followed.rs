//! The projects that the client follows, and their documents.

use std::collections::BTreeMap;
use std::time::Duration;

use super::known::Known;
use super::talk::{Document, Talk};
use super::{Client, ClientEffect};
use crate::document::Slot;
use crate::epoch::Epoch;
use crate::error::ReadError;
use crate::record::ProjectName;
use crate::replica::live::{self, LiveDocument};

/// A project that the client follows.
#[derive(Debug, Default)]
pub(super) struct Followed {
    /// The epoch that the documents are of.
    pub(super) epoch: Epoch,
    pub(super) documents: BTreeMap<Slot, Document>,
    pub(super) known: Known,
    /// The note of what is known is older than that.
    pub(super) noted: bool,
    /// The hub does not have the project, or not for this token.
    pub(super) refused: Option<String>,
    /// Both sides have the same, as the driver was told.
    pub(super) settled: bool,
}

impl Client {
    /// Puts every document of a project in line to be talked about. Of a later epoch than the first the hub learns from the
    /// catalog: until it has that, it knows of no shards.
    pub(super) fn begin(&mut self, project: &ProjectName) {
        let Some(followed) = self.projects.get(project) else { return };
        let catalog = followed.documents.get(&Slot::Catalog);
        let told = followed.epoch == Epoch::FIRST || catalog.is_some_and(Document::is_agreed);
        let silent = followed.documents.iter().filter(|(_, document)| matches!(document.talk, Talk::Silent));
        let slots = silent.map(|(slot, _)| *slot).filter(|slot| told || *slot == Slot::Catalog);
        let new = slots.map(|slot| (project.clone(), slot)).filter(|name| !self.waiting.contains(name));
        let new: Vec<_> = new.collect();
        self.waiting.extend(new);
    }

    /// Goes over to the documents of another epoch, when the replica is in one or waits for one. Answers the epoch and its
    /// documents as they are.
    pub(super) fn renew(&mut self, project: &ProjectName) -> Result<(Epoch, Vec<LiveDocument>), ReadError> {
        let (epoch, live) = self.replica.live_documents(project)?;
        let Some(followed) = self.projects.get_mut(project) else { return Ok((epoch, live)) };
        if epoch == followed.epoch {
            return Ok((epoch, live));
        }
        let mut documents = documents(project, epoch, &live)?;
        // The catalog is the same in every epoch.
        if let Some(catalog) = followed.documents.remove(&Slot::Catalog) {
            documents.insert(Slot::Catalog, catalog);
        }
        (followed.settled, followed.epoch) = (false, epoch);
        // What the hub refused to hear of documents whose epoch is over is no complaint any more.
        self.complaint = None;
        let old = std::mem::replace(&mut followed.documents, documents);
        old.values().for_each(|document| drop(self.names.remove(&document.name)));
        let names = followed.documents.iter().map(|(slot, document)| (document.name.clone(), *slot));
        self.names.extend(names.map(|(name, slot)| (name, (project.clone(), slot))));
        let other = |(of, slot): &(ProjectName, Slot)| of != project || *slot == Slot::Catalog;
        self.waiting.retain(other);
        self.unanswered.retain(other);
        Ok((epoch, live))
    }

    pub(super) fn subscribe(&mut self, now: Duration, project: &ProjectName, effects: &mut Vec<ClientEffect>) {
        if self.projects.contains_key(project) {
            return self.changed(now, project, effects);
        }
        let note = match self.replica.note_of(&Known::note_name(&self.hub, project)) {
            Ok(note) => note,
            Err(error) => return self.give_up(now, unreadable(&error), effects),
        };
        let live = self.replica.live_documents(project);
        let documents = live.and_then(|(epoch, live)| Ok((epoch, documents(project, epoch, &live)?)));
        let (epoch, documents) = match documents {
            Ok(documents) => documents,
            Err(error) => return self.give_up(now, unreadable(&error), effects),
        };
        for (slot, document) in &documents {
            self.names.insert(document.name.clone(), (project.clone(), *slot));
        }
        let known = note.map(|note| Known::from_note(&note)).unwrap_or_default();
        self.projects.insert(project.clone(), Followed { epoch, documents, known, noted: true, ..Followed::default() });
        if self.is_connected() {
            self.begin(project);
            self.open_waiting(now, effects);
        }
    }

    pub(super) fn unsubscribe(&mut self, project: &ProjectName) {
        self.note_down();
        let Some(followed) = self.projects.remove(project) else { return };
        followed.documents.values().for_each(|document| drop(self.names.remove(&document.name)));
        self.waiting.retain(|(waiting, _)| waiting != project);
        self.unanswered.retain(|(unanswered, _)| unanswered != project);
    }
}

fn documents(
    project: &ProjectName,
    epoch: Epoch,
    live: &[LiveDocument],
) -> Result<BTreeMap<Slot, Document>, ReadError> {
    let documents = live.iter().map(|live| {
        let genesis = live::genesis_heads(project, epoch, live.slot)?;
        Ok((live.slot, Document::new(live.id, genesis)))
    });
    documents.collect()
}

pub(super) fn unreadable(error: &ReadError) -> String {
    format!("the replica cannot be read: {error}")
}
