//! The projects that the client follows, and their documents.

use std::collections::BTreeMap;
use std::time::Duration;

use super::known::Known;
use super::talk::Document;
use super::{Client, ClientEffect, Phase};
use crate::document::Slot;
use crate::error::ReadError;
use crate::record::ProjectName;
use crate::replica::live::{self, LiveDocument};

/// A project that the client follows.
#[derive(Debug, Default)]
pub(super) struct Followed {
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
    pub(super) fn subscribe(&mut self, now: Duration, project: &ProjectName, effects: &mut Vec<ClientEffect>) {
        if self.projects.contains_key(project) {
            return self.changed(now, project, effects);
        }
        let note = match self.replica.note_of(&Known::note_name(&self.hub, project)) {
            Ok(note) => note,
            Err(error) => return self.give_up(now, format!("the replica cannot be read: {error}"), effects),
        };
        let known = note.map(|note| Known::from_note(&note)).unwrap_or_default();
        self.projects.insert(project.clone(), Followed { known, noted: true, ..Followed::default() });
        if self.documents_now(now, project, effects).is_some() {
            self.open_waiting(now, effects);
        }
    }

    /// The documents of a followed project as they are on disk. Where the project has other documents than it had, those are
    /// talked about from here, and the old ones are let go.
    pub(super) fn documents_now(
        &mut self,
        now: Duration,
        project: &ProjectName,
        effects: &mut Vec<ClientEffect>,
    ) -> Option<Vec<LiveDocument>> {
        let documents = self.replica.live_documents(project).and_then(|documents| {
            self.renew(project, &documents)?;
            Ok(documents)
        });
        documents.map_err(|error| self.give_up(now, format!("the replica cannot be read: {error}"), effects)).ok()
    }

    pub(super) fn renew(&mut self, project: &ProjectName, documents: &[LiveDocument]) -> Result<(), ReadError> {
        let Some(followed) = self.projects.get_mut(project) else { return Ok(()) };
        for live in documents {
            let before = followed.documents.get(&live.slot);
            if before.is_some_and(|before| before.id == live.id) {
                continue;
            }
            if let Some(before) = before {
                self.names.remove(&before.name);
                self.unanswered.remove(&(project.clone(), live.slot));
            }
            let document = Document::new(live.id, live::genesis_heads(project, live.slot)?);
            self.names.insert(document.name.clone(), (project.clone(), live.slot));
            followed.documents.insert(live.slot, document);
            if matches!(self.phase, Phase::Connected { .. }) {
                self.waiting.push_back((project.clone(), live.slot));
            }
        }
        Ok(())
    }

    pub(super) fn unsubscribe(&mut self, project: &ProjectName) {
        self.note_down();
        let Some(followed) = self.projects.remove(project) else { return };
        followed.documents.values().for_each(|document| drop(self.names.remove(&document.name)));
        self.waiting.retain(|(waiting, _)| waiting != project);
        self.unanswered.retain(|(unanswered, _)| unanswered != project);
    }
}
