//! Which documents stay in memory: those used last, within a budget.

use std::collections::BTreeMap;

use super::Hub;
use super::document::{Document, Stage};
use crate::document::DocumentId;

/// Documents of which nothing but the heads is kept, so that a client that is in sync can be told so without reading them.
const SPARE_MAX: usize = 16_384;

/// Documents by when they were used last.
#[derive(Debug, Default)]
pub(super) struct Budget {
    clock: u64,
    /// Those in memory that nothing is done with at the moment.
    home: BTreeMap<u64, DocumentId>,
    /// Those that only their heads are kept of.
    spare: BTreeMap<u64, DocumentId>,
    /// Estimate of the memory of all that are in memory.
    pub(super) bytes: usize,
}

impl Budget {
    /// Forgets a document that is no longer there.
    pub(super) fn forget(&mut self, document: &Document) {
        self.home.remove(&document.used);
        self.spare.remove(&document.used);
        self.bytes = self.bytes.saturating_sub(document.counted);
    }

    /// Notes that a document was used, and where it is now.
    pub(super) fn note(&mut self, id: DocumentId, document: &mut Document) {
        self.home.remove(&document.used);
        self.spare.remove(&document.used);
        self.clock += 1;
        document.used = self.clock;
        self.bytes = self.bytes.saturating_sub(document.counted).saturating_add(document.bytes);
        document.counted = document.bytes;
        if matches!(document.stage, Stage::Home(_)) {
            self.home.insert(document.used, id);
        } else if document.is_spare() {
            self.spare.insert(document.used, id);
        }
    }
}

impl Hub {
    /// Drops what was used longest ago until the rest fits.
    pub(super) fn trim(&mut self) {
        let mut next = 0;
        while self.budget.bytes > self.limits.documents_bytes_max {
            let Some((&used, &id)) = self.budget.home.range(next..).next() else { break };
            next = used + 1;
            let Some(document) = self.documents.get_mut(&id).filter(|document| document.is_idle()) else { continue };
            let orphans = matches!(&document.stage, Stage::Home(body) if body.orphans);
            document.forget_body();
            if orphans {
                document.peers.values_mut().for_each(|peer| peer.state.start_over());
            }
            self.budget.note(id, document);
        }
        while self.budget.spare.len() > SPARE_MAX {
            let Some((_, id)) = self.budget.spare.pop_first() else { break };
            self.documents.remove(&id);
        }
    }
}
