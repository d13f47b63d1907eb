//! A writer that is not ours: plain Automerge documents, and exchange bodies put together by hand as docs/format.md says.

use std::collections::BTreeMap;

use automerge::sync::{ChunkList, Have, Message, MessageVersion};
use automerge::transaction::Transaction;
use automerge::{ActorId, Automerge, AutomergeError, ChangeHash, ObjId};
use serde::Serialize;
use serde_bytes::ByteBuf;
use skerry_sync::document::{self, DocumentId, Slot};
use skerry_sync::{ExchangeError, ProjectName, Replica};

use crate::project;

#[derive(Debug, Default, Serialize)]
pub(crate) struct Body {
    project: String,
    heads: Vec<Heads>,
    messages: Vec<Said>,
}

#[derive(Debug, Clone, Serialize)]
struct Heads {
    document: ByteBuf,
    heads: ByteBuf,
}

#[derive(Debug, Clone, Serialize)]
struct Said {
    document: ByteBuf,
    message: ByteBuf,
}

impl Body {
    pub(crate) fn new(project: &ProjectName) -> Body {
        Body { project: project.to_string(), ..Body::default() }
    }

    /// Declares heads of a document, of whatever id.
    pub(crate) fn declaring(mut self, document: [u8; 16]) -> Body {
        self.heads.push(Heads { document: ByteBuf::from(document), heads: ByteBuf::from([7; 32]) });
        self
    }

    /// Sends saved Automerge bytes as changes of a document.
    pub(crate) fn sending(mut self, document: [u8; 16], heads: Vec<ChangeHash>, changes: Vec<u8>) -> Body {
        let message = Message {
            heads,
            need: vec![],
            have: vec![Have::default()],
            changes: ChunkList::from(changes),
            flags: None,
            version: MessageVersion::V1,
        };
        self.messages.push(Said { document: ByteBuf::from(document), message: ByteBuf::from(message.encode()) });
        self
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut payload = Vec::new();
        ciborium::into_writer(self, &mut payload).unwrap();
        [b"SKRX1".as_slice(), &crc32fast::hash(&payload).to_be_bytes(), &payload].concat()
    }
}

/// Documents of the tests' project, as somebody else would keep them.
pub(crate) struct Peer {
    actor: ActorId,
    documents: BTreeMap<Slot, Automerge>,
}

impl Peer {
    pub(crate) fn new(actor: u8) -> Peer {
        Peer { actor: ActorId::from([actor; 16]), documents: BTreeMap::new() }
    }

    pub(crate) fn document(&mut self, slot: Slot) -> &mut Automerge {
        let actor = self.actor.clone();
        self.documents.entry(slot).or_insert_with(|| document::genesis(&project(), slot).unwrap().with_actor(actor))
    }

    /// One change of a document; the map is the one that holds the leaves.
    pub(crate) fn edit(
        &mut self,
        slot: Slot,
        edit: impl FnOnce(&mut Transaction<'_>, &ObjId) -> Result<(), AutomergeError>,
    ) {
        let document = self.document(slot);
        let map = document::leaves_map(document, slot).unwrap();
        let mut transaction = document.transaction();
        edit(&mut transaction, &map).unwrap();
        transaction.commit();
    }

    /// Everything this peer has, said at once.
    pub(crate) fn body(&self) -> Body {
        self.documents.iter().fold(Body::new(&project()), |body, (&slot, document)| {
            body.sending(DocumentId::derive(&project(), slot).0, document.get_heads(), document.save())
        })
    }

    pub(crate) fn tell(&self, replica: &Replica) -> Result<(), ExchangeError> {
        replica.exchange(&project(), &self.body().encode()).map(drop)
    }
}
