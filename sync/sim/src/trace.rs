//! What happened: counted, hashed, and written down where somebody wants to read it.

use std::collections::BTreeMap;
use std::fmt::Arguments;

use automerge::sync::Message as SyncMessage;
use sha2::{Digest, Sha256};
use skerry_sync::wire::message::Message;

use crate::names;

/// The record of a run. Its digest covers every line, so two runs with one digest did the same.
#[derive(Debug, Default)]
pub(crate) struct Trace {
    lines: Option<Vec<String>>,
    hash: Sha256,
    counts: BTreeMap<&'static str, u64>,
}

impl Trace {
    pub(crate) fn new(keep: bool) -> Trace {
        Trace { lines: keep.then(Vec::new), ..Trace::default() }
    }

    /// A line for people, which is no part of the digest.
    pub(crate) fn detail(&mut self, now: u64, what: impl FnOnce() -> String) {
        if let Some(lines) = &mut self.lines {
            lines.push(format!("{now:>8}   {}", what()));
        }
    }

    /// Something of a kind happened at a time.
    pub(crate) fn note(&mut self, now: u64, kind: &'static str, what: Arguments<'_>) {
        *self.counts.entry(kind).or_default() += 1;
        let line = format!("{now:>8} {kind:<28} {what}");
        self.hash.update(line.as_bytes());
        self.hash.update([b'\n']);
        if let Some(lines) = &mut self.lines {
            lines.push(line);
        }
    }

    pub(crate) fn finish(self) -> (String, BTreeMap<&'static str, u64>, Vec<String>) {
        (hex::encode(self.hash.finalize()), self.counts, self.lines.unwrap_or_default())
    }
}

/// The first digits of a name that is long.
pub(crate) fn short(name: &dyn std::fmt::Display) -> String {
    name.to_string().chars().take(8).collect()
}

/// A frame in a few words.
pub(crate) fn frame(frame: &[u8]) -> String {
    match Message::decode(frame) {
        Ok(Message::Sync { document, data, .. }) => {
            let Ok(message) = SyncMessage::decode(&data) else { return format!("sync {document} unreadable") };
            let heads: Vec<String> = message.heads.iter().map(|head| short(head)).collect();
            let (need, have, changes) = (message.need.len(), message.have.len(), message.changes.len());
            let about = names::slot(&document).map_or_else(|| document.clone(), |slot| format!("{slot:?}"));
            format!("{about} heads {heads:?} need {need} have {have} changes {changes}")
        }
        Ok(Message::DocUnavailable { document, .. }) => format!("{document} unavailable"),
        Ok(Message::Error { message, .. }) => format!("error {message}"),
        Ok(Message::Join { .. }) => "join".to_owned(),
        Ok(Message::Peer { .. }) => "peer".to_owned(),
        _ => format!("{} bytes", frame.len()),
    }
}
