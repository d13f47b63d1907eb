//! Notices that were passed on a moment ago: each comes twice, at once and again from the stream.

use std::collections::{BTreeSet, VecDeque};
use std::sync::{Mutex, PoisonError};

use skerry_sync::document::DocumentId;
use skerry_sync::hub::ChunkName;

/// Notices that are remembered.
const REMEMBERED_MAX: usize = 4_096;

/// The last notices.
#[derive(Debug, Default)]
pub(super) struct Recent {
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    set: BTreeSet<(DocumentId, ChunkName)>,
    /// The same, oldest first.
    order: VecDeque<(DocumentId, ChunkName)>,
}

impl Recent {
    /// Whether this notice is new.
    pub(super) fn insert(&self, document: DocumentId, chunk: ChunkName) -> bool {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if !known.set.insert((document, chunk)) {
            return false;
        }
        known.order.push_back((document, chunk));
        if known.order.len() > REMEMBERED_MAX
            && let Some(oldest) = known.order.pop_front()
        {
            known.set.remove(&oldest);
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A notice that is told twice is passed on once, and memory stays bounded.
    #[test]
    fn remembers_the_last_ones() {
        let recent = Recent::default();
        let document = DocumentId([1; 16]);
        let chunk = |number: usize| {
            let mut name = [0; 32];
            name[..8].copy_from_slice(&number.to_be_bytes());
            ChunkName(name)
        };
        assert!(recent.insert(document, chunk(0)));
        assert!(!recent.insert(document, chunk(0)));
        assert!(recent.insert(DocumentId([2; 16]), chunk(0)));
        for number in 1..=REMEMBERED_MAX {
            assert!(recent.insert(document, chunk(number)));
        }
        assert!(recent.insert(document, chunk(0)), "the oldest is forgotten");
        assert!(recent.known.lock().unwrap().set.len() <= REMEMBERED_MAX);
    }
}
