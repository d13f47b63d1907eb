//! What the hub is known to have, noted down so that the next connection starts from there and status tells it offline.

use std::collections::BTreeMap;
use std::time::Duration;

use automerge::ChangeHash;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::document::DocumentId;
use crate::record::ProjectName;

/// Heads of the hub's copies of a project's documents, as far as both sides have their changes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Known {
    heads: BTreeMap<DocumentId, Vec<ChangeHash>>,
    /// When both had the same last, as the driver counts time.
    pub(super) agreed: Option<Duration>,
}

/// Its form in the store: JSON.
#[derive(Serialize, Deserialize)]
struct Note {
    /// Document id in hex -> heads in hex, one after another.
    heads: BTreeMap<String, String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    agreed_ms: Option<u64>,
}

impl Known {
    pub(super) fn get(&self, document: &DocumentId) -> Option<&Vec<ChangeHash>> {
        self.heads.get(document)
    }

    /// Answers whether it is news.
    pub(super) fn set(&mut self, document: DocumentId, mut heads: Vec<ChangeHash>) -> bool {
        heads.sort_unstable();
        heads.dedup();
        self.heads.insert(document, heads.clone()) != Some(heads)
    }

    /// The note's name: a replica that goes to another hub starts with that one from nothing.
    pub(super) fn note_name(hub: &str, project: &ProjectName) -> String {
        let digest: [u8; 32] = Sha256::digest(hub.as_bytes()).into();
        format!("hub/{}/{project}", hex::encode(digest.get(..8).unwrap_or_default()))
    }

    pub(super) fn to_note(&self) -> String {
        let bytes = |heads: &[ChangeHash]| heads.iter().flat_map(|head| head.0).collect::<Vec<u8>>();
        let heads = self.heads.iter().map(|(document, heads)| (hex::encode(document.0), hex::encode(bytes(heads))));
        let agreed_ms = self.agreed.map(|agreed| u64::try_from(agreed.as_millis()).unwrap_or(u64::MAX));
        serde_json::to_string(&Note { heads: heads.collect(), agreed_ms }).unwrap_or_default()
    }

    /// A note that cannot be read says nothing: whatever it said is asked for again.
    pub(super) fn from_note(note: &str) -> Known {
        let Ok(note) = serde_json::from_str::<Note>(note) else { return Known::default() };
        let heads = note.heads.iter().filter_map(|(document, heads)| {
            let mut id = [0; 16];
            hex::decode_to_slice(document, &mut id).ok()?;
            let heads = hex::decode(heads).ok()?;
            let heads: Result<Vec<ChangeHash>, _> = heads.chunks(32).map(ChangeHash::try_from).collect();
            Some((DocumentId(id), heads.ok()?))
        });
        Known { heads: heads.collect(), agreed: note.agreed_ms.map(Duration::from_millis) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is noted is what is read, and a damaged note is no fault.
    #[test]
    fn notes_come_back() {
        let mut known = Known::default();
        assert!(known.set(DocumentId([1; 16]), vec![ChangeHash([9; 32]), ChangeHash([3; 32])]));
        assert!(!known.set(DocumentId([1; 16]), vec![ChangeHash([3; 32]), ChangeHash([9; 32])]));
        known.agreed = Some(Duration::from_millis(1_700_000_000_123));
        let note = known.to_note();
        assert_eq!(Known::from_note(&note), known);
        for length in 0..note.len() {
            assert_eq!(Known::from_note(&note[..length]), Known::default());
        }
        let project = ProjectName::parse("p").unwrap();
        assert_ne!(Known::note_name("ws://a", &project), Known::note_name("ws://b", &project));
    }
}
