//! Which documents belong to projects.

use std::collections::{BTreeMap, BTreeSet};

use super::types::{Grant, Scope};
use crate::document::{DocumentId, Slot};
use crate::record::ProjectName;

/// The documents of a project, with what each of them is.
pub(super) fn documents(project: &ProjectName) -> impl Iterator<Item = (DocumentId, Slot)> {
    Slot::all().map(|slot| (DocumentId::derive(project, slot), slot))
}

/// The documents of all projects that somebody who is here now may see. Ids cannot be turned back into names, so they are
/// looked up; whoever names a project brings its documents.
#[derive(Debug, Default)]
pub(super) struct Projects {
    documents: BTreeMap<DocumentId, (ProjectName, Slot)>,
    uses: BTreeMap<ProjectName, usize>,
}

impl Projects {
    /// Somebody may see these.
    pub(super) fn hold(&mut self, names: &BTreeSet<ProjectName>) {
        for name in names {
            let uses = self.uses.entry(name.clone()).or_default();
            *uses += 1;
            if *uses == 1 {
                self.documents.extend(documents(name).map(|(id, slot)| (id, (name.clone(), slot))));
            }
        }
    }

    /// Whoever could see these is gone.
    pub(super) fn release(&mut self, names: &BTreeSet<ProjectName>) {
        for name in names {
            let Some(uses) = self.uses.get_mut(name) else { continue };
            *uses -= 1;
            if *uses == 0 {
                self.uses.remove(name);
                documents(name).for_each(|(id, _)| drop(self.documents.remove(&id)));
            }
        }
    }

    /// What a document is, if it is one of these.
    pub(super) fn of(&self, document: DocumentId) -> Option<&(ProjectName, Slot)> {
        self.documents.get(&document)
    }

    /// Whether a grant is about a document.
    pub(super) fn allows(&self, grant: &Grant, document: DocumentId) -> bool {
        match &grant.scope {
            Scope::Any => true,
            Scope::Projects(names) => self.of(document).is_some_and(|(name, _)| names.contains(name)),
        }
    }
}
