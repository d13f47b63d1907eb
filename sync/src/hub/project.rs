//! Which documents belong to projects, as far as their catalogs have been read.

use std::collections::{BTreeMap, BTreeSet};

use automerge::{Automerge, ROOT, ReadDoc};

use super::peer::Heads;
use super::types::{Grant, Scope};
use crate::document::{DocumentId, Slot};
use crate::epoch::{Epoch, Epochs};
use crate::record::ProjectName;

/// Projects that nobody uses and of which it is remembered what their catalogs said.
const IDLE_MAX: usize = 1_024;

/// Epochs that are over and whose documents are known as such. What is older is not there, without a word why.
const OVER_MAX: usize = 16;

/// What a document is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) project: ProjectName,
    pub(super) epoch: Epoch,
    pub(super) slot: Slot,
}

/// The catalog that a document says it is, when its id is that of this catalog.
pub(super) fn of_catalog(id: DocumentId, document: &Automerge) -> Option<Place> {
    let (value, _) = document.get(ROOT, "project").ok()??;
    let project = ProjectName::parse(value.as_str()?).ok()?;
    let (epoch, slot) = (Epoch::FIRST, Slot::Catalog);
    (epoch.document_id(&project, slot) == id).then_some(Place { project, epoch, slot })
}

/// The epochs that a catalog names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Named {
    newest: Epoch,
    /// Those that are over, as far as they are remembered.
    over: Vec<Epoch>,
}

impl Named {
    pub(super) fn read(project: &ProjectName, catalog: &Automerge) -> Named {
        let epochs = Epochs::read(project, catalog);
        let newest = epochs.newest();
        let mut over: Vec<Epoch> = epochs.all().filter(|epoch| *epoch != newest).collect();
        over.drain(..over.len().saturating_sub(OVER_MAX));
        Named { newest, over }
    }
}

/// What a grant lets somebody see of a document.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Sight {
    /// It may be talked about.
    Seen,
    /// That cannot be told before the catalogs of these projects are read.
    Unread(Vec<ProjectName>),
    /// It belongs to an epoch of this project that is over.
    Over(ProjectName),
    /// There is none, as far as the grant goes.
    Unseen,
}

/// A project.
#[derive(Debug, Default)]
struct Known {
    uses: usize,
    /// Since when nobody uses it, as releases are counted.
    idle: Option<u64>,
    /// Heads of the catalog that was read, and what it names.
    read: Option<(Heads, Named)>,
}

/// The projects that somebody who is here now may see, and some that were used lately. Ids cannot be turned back into names,
/// so they are looked up; whoever names a project brings its documents.
#[derive(Debug, Default)]
pub(super) struct Projects {
    known: BTreeMap<ProjectName, Known>,
    /// Catalogs, and shards of the newest epochs; of projects whose catalog is unread, shards of the first one.
    documents: BTreeMap<DocumentId, Place>,
    over: BTreeMap<DocumentId, ProjectName>,
    idle: BTreeMap<u64, ProjectName>,
    releases: u64,
}

impl Projects {
    /// Somebody uses a project. Answers the heads of its catalog as it was read, where that is long ago: the caller sees
    /// whether they still are its heads.
    pub(super) fn hold(&mut self, name: &ProjectName) -> Option<Heads> {
        let new = !self.known.contains_key(name);
        let known = self.known.entry(name.clone()).or_default();
        known.uses += 1;
        let rested = known.idle.take();
        let read = known.read.as_ref().map(|(heads, _)| heads.clone());
        if new {
            self.place(name, Epoch::FIRST);
        }
        self.idle.remove(&rested?);
        read
    }

    /// Somebody does not use it any more.
    pub(super) fn release(&mut self, name: &ProjectName) {
        let Some(known) = self.known.get_mut(name) else { return };
        known.uses = known.uses.saturating_sub(1);
        if known.uses > 0 || known.idle.is_some() {
            return;
        }
        self.releases += 1;
        known.idle = Some(self.releases);
        self.idle.insert(self.releases, name.clone());
        if self.idle.len() > IDLE_MAX
            && let Some((_, oldest)) = self.idle.pop_first()
        {
            self.forget(&oldest);
        }
    }

    fn forget(&mut self, name: &ProjectName) {
        self.unread(name);
        Epoch::FIRST.slots().for_each(|slot| drop(self.documents.remove(&Epoch::FIRST.document_id(name, slot))));
        self.known.remove(name);
    }

    fn place(&mut self, name: &ProjectName, epoch: Epoch) {
        let place = |slot| (epoch.document_id(name, slot), Place { project: name.clone(), epoch, slot });
        self.documents.extend(epoch.slots().map(place));
    }

    /// What a catalog said no longer counts: it is to be read again before anything of the project is talked about.
    pub(super) fn unread(&mut self, name: &ProjectName) {
        let Some((_, named)) = self.known.get_mut(name).and_then(|known| known.read.take()) else { return };
        named.newest.slots().for_each(|slot| drop(self.documents.remove(&named.newest.document_id(name, slot))));
        for epoch in named.over {
            epoch.slots().for_each(|slot| drop(self.over.remove(&epoch.document_id(name, slot))));
        }
        self.place(name, Epoch::FIRST);
    }

    /// All that nobody uses is to be read again.
    pub(super) fn forget_idle(&mut self) {
        while let Some((_, name)) = self.idle.pop_first() {
            self.forget(&name);
        }
    }

    /// Takes in what a catalog names. Answers the documents that are over now, when the epoch is another one than was known;
    /// `was_unread` tells whether anything was.
    pub(super) fn learn(&mut self, name: &ProjectName, heads: Heads, named: &Named) -> Option<Learnt> {
        if !self.known.contains_key(name) {
            // Somebody who may see everything brought it.
            self.hold(name);
            self.release(name);
        }
        let known = self.known.get_mut(name)?;
        let was_unread = known.read.is_none();
        if let Some((at, before)) = &mut known.read
            && before == named
        {
            *at = heads;
            return None;
        }
        self.unread(name);
        self.known.get_mut(name)?.read = Some((heads, named.clone()));
        let mut over = Vec::new();
        for epoch in &named.over {
            for slot in epoch.slots().skip(1) {
                let id = epoch.document_id(name, slot);
                self.documents.remove(&id);
                self.over.insert(id, name.clone());
                over.push(id);
            }
        }
        // Where more epochs are over than are remembered, the first one may be none of them.
        if named.newest != Epoch::FIRST {
            let first = Epoch::FIRST.slots().skip(1).map(|slot| Epoch::FIRST.document_id(name, slot));
            first.for_each(|id| drop(self.documents.remove(&id)));
        }
        self.place(name, named.newest);
        Some(Learnt { over, was_unread, is_later: named.newest != Epoch::FIRST })
    }

    /// The epoch that counts; none as long as the catalog is unread.
    pub(super) fn newest(&self, name: &ProjectName) -> Option<Epoch> {
        self.known.get(name)?.read.as_ref().map(|(_, named)| named.newest)
    }

    /// Whether a document of an epoch is talked about: the catalog is, in all of them, and the shards of the newest one.
    pub(super) fn talks_of(&self, name: &ProjectName, epoch: Epoch, slot: Option<Slot>) -> bool {
        slot.is_some_and(|slot| slot == Slot::Catalog || self.newest(name) == Some(epoch))
    }

    /// Whether somebody uses a project.
    pub(super) fn is_used(&self, name: &ProjectName) -> bool {
        self.known.get(name).is_some_and(|known| known.uses > 0)
    }

    /// Projects that somebody uses and whose catalogs were read.
    pub(super) fn used(&self) -> impl Iterator<Item = &ProjectName> {
        self.known.iter().filter(|(_, known)| known.uses > 0 && known.read.is_some()).map(|(name, _)| name)
    }

    /// What a document is, if it is one of these.
    pub(super) fn of(&self, document: DocumentId) -> Option<&Place> {
        self.documents.get(&document)
    }

    /// The project of which a document is the catalog.
    pub(super) fn with_catalog(&self, document: DocumentId) -> Option<&ProjectName> {
        self.of(document).filter(|place| place.slot == Slot::Catalog).map(|place| &place.project)
    }

    /// What a grant lets somebody see of a document.
    pub(super) fn sight(&self, grant: &Grant, document: DocumentId) -> Sight {
        let allowed = |name: &ProjectName| match &grant.scope {
            Scope::Any => true,
            Scope::Projects(names) => names.contains(name),
        };
        if let Some(place) = self.of(document).filter(|place| allowed(&place.project)) {
            let known = place.slot == Slot::Catalog || self.newest(&place.project).is_some();
            return if known { Sight::Seen } else { Sight::Unread(vec![place.project.clone()]) };
        }
        if let Some(name) = self.over.get(&document).filter(|name| allowed(name)) {
            return Sight::Over(name.clone());
        }
        match &grant.scope {
            Scope::Any => Sight::Seen,
            Scope::Projects(names) => {
                let unread: Vec<ProjectName> =
                    names.iter().filter(|name| self.newest(name).is_none()).cloned().collect();
                if unread.is_empty() { Sight::Unseen } else { Sight::Unread(unread) }
            }
        }
    }

    /// The projects of a grant.
    pub(super) fn named(grant: &Grant) -> BTreeSet<ProjectName> {
        match &grant.scope {
            Scope::Any => BTreeSet::new(),
            Scope::Projects(names) => names.clone(),
        }
    }
}

/// What was new in a catalog.
#[derive(Debug)]
pub(super) struct Learnt {
    /// Documents of epochs that are over.
    pub(super) over: Vec<DocumentId>,
    /// Nothing was known of the project.
    pub(super) was_unread: bool,
    /// The newest epoch is not the first one: documents of others may be in the store.
    pub(super) is_later: bool,
}
