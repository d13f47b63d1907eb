//! A hub of a hundred lines: automerge documents and one sync state for each connection and document. It stores at once and
//! forgets only what a test tells it to.

use std::collections::{BTreeMap, BTreeSet};

use automerge::Automerge;
use automerge::sync::{Message as SyncMessage, State, SyncDoc};
use skerry_sync::ProjectName;
use skerry_sync::document::{DocumentId, Slot, genesis};
use skerry_sync::wire::message::{Message, PeerMetadata};

/// A connection.
pub(crate) type Line = usize;

#[derive(Default)]
pub(crate) struct SmallHub {
    pub(crate) documents: BTreeMap<String, Automerge>,
    states: BTreeMap<(Line, String), State>,
    peers: BTreeMap<Line, String>,
    /// Connections whose changes are refused.
    pub(crate) read_only: BTreeSet<Line>,
}

impl SmallHub {
    /// A hub that has these projects, empty.
    pub(crate) fn with(projects: &[&str]) -> SmallHub {
        let mut hub = SmallHub::default();
        for project in projects.iter().map(|name| ProjectName::parse(name).unwrap()) {
            for slot in Slot::all() {
                let id = DocumentId::derive(&project, slot).to_string();
                hub.documents.insert(id, genesis(&project, slot).unwrap());
            }
        }
        hub
    }

    pub(crate) fn hang_up(&mut self, line: Line) {
        self.peers.remove(&line);
        self.states.retain(|(owner, _), _| *owner != line);
    }

    fn say(&self, line: Line, document: &str, state: &mut State) -> Option<(Line, Vec<u8>)> {
        let data = self.documents[document].generate_sync_message(state)?.encode();
        let target = self.peers.get(&line)?.clone();
        let message = Message::Sync { sender: "hub".into(), target, document: document.into(), data, request: false };
        Some((line, message.encode().unwrap()))
    }

    /// Takes a frame; answers frames for whoever is to be told something.
    pub(crate) fn receive(&mut self, line: Line, frame: &[u8]) -> Vec<(Line, Vec<u8>)> {
        match Message::decode(frame).unwrap() {
            Message::Join { sender, .. } => {
                self.peers.insert(line, sender.clone());
                let metadata = PeerMetadata::default();
                let peer = Message::Peer { sender: "hub".into(), target: sender, version: "1".into(), metadata };
                vec![(line, peer.encode().unwrap())]
            }
            Message::Sync { document, data, sender, .. } => {
                let message = SyncMessage::decode(&data).unwrap();
                if !self.documents.contains_key(&document) {
                    let none = Message::DocUnavailable { sender: "hub".into(), target: sender, document };
                    return vec![(line, none.encode().unwrap())];
                }
                self.sync(line, &document, sender, message)
            }
            other => panic!("a replica does not say {other:?}"),
        }
    }

    fn sync(&mut self, line: Line, document: &str, sender: String, message: SyncMessage) -> Vec<(Line, Vec<u8>)> {
        let mut said = Vec::new();
        let mut state = self.states.remove(&(line, document.to_owned())).unwrap_or_default();
        let mut message = message;
        if self.read_only.contains(&line) && !message.changes.is_empty() {
            message.changes = automerge::sync::ChunkList::empty();
            let text = "this token may only read; nothing of what you sent was stored".to_owned();
            let error = Message::Error { sender: "hub".into(), target: sender, message: text };
            said.push((line, error.encode().unwrap()));
        }
        self.documents.get_mut(document).unwrap().receive_sync_message(&mut state, message).unwrap();
        self.states.insert((line, document.to_owned()), state);
        let lines: Vec<Line> = self.states.keys().filter(|(_, name)| name == document).map(|(line, _)| *line).collect();
        for line in lines {
            let mut state = self.states.remove(&(line, document.to_owned())).unwrap();
            said.extend(self.say(line, document, &mut state));
            self.states.insert((line, document.to_owned()), state);
        }
        said
    }
}
