//! The documents of the one project that is simulated: their ids, names and first changes, made once.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use automerge::ChangeHash;
use skerry_sync::ProjectName;
use skerry_sync::document::{DocumentId, Slot, genesis};

/// The project's name.
pub(crate) const PROJECT: &str = "notes";

#[derive(Debug, Default)]
struct Names {
    documents: BTreeMap<Slot, (String, DocumentId, Vec<ChangeHash>)>,
    slots: BTreeMap<String, Slot>,
    ids: BTreeMap<DocumentId, Slot>,
}

static NAMES: LazyLock<Names> = LazyLock::new(|| {
    let mut names = Names::default();
    let Ok(project) = ProjectName::parse(PROJECT) else { return names };
    for slot in Slot::all() {
        let id = DocumentId::derive(&project, slot);
        let first = genesis(&project, slot).map(|document| document.get_heads()).unwrap_or_default();
        names.slots.insert(id.to_string(), slot);
        names.ids.insert(id, slot);
        names.documents.insert(slot, (id.to_string(), id, first));
    }
    names
});

/// A document's name on the wire.
pub(crate) fn of(slot: Slot) -> &'static str {
    NAMES.documents.get(&slot).map_or("", |(name, _, _)| name)
}

/// The document of a name.
pub(crate) fn slot(name: &str) -> Option<Slot> {
    NAMES.slots.get(name).copied()
}

/// The document of an id.
pub(crate) fn slot_of(id: DocumentId) -> Option<Slot> {
    NAMES.ids.get(&id).copied()
}

/// The change that a document begins with.
pub(crate) fn first(slot: Slot) -> &'static [ChangeHash] {
    NAMES.documents.get(&slot).map_or(&[], |(_, _, first)| first)
}

/// A document's id.
pub(crate) fn id(slot: Slot) -> Option<DocumentId> {
    NAMES.documents.get(&slot).map(|(_, id, _)| *id)
}
