//! Messages of the automerge-repo protocol. [`Message::encode`] and [`Message::decode`] give and read their bytes, as
//! `@automerge/automerge-repo` 2.5 does with cbor-x: maps with the members in camel case, binary data as plain byte strings.

/// A message, in either direction.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Message {
    /// The first message of a client.
    Join {
        /// Who speaks.
        sender: String,
        /// Protocol versions that it knows; ours is "1".
        versions: Vec<String>,
        /// What it says about itself.
        metadata: PeerMetadata,
    },
    /// The answer to a join.
    Peer {
        /// Who speaks.
        sender: String,
        /// Who is spoken to.
        target: String,
        /// The protocol version that both use from here.
        version: String,
        /// What it says about itself.
        metadata: PeerMetadata,
    },
    /// The last message of a client.
    Leave {
        /// Who speaks.
        sender: String,
    },
    /// An Automerge sync message about a document.
    Sync {
        /// Who speaks.
        sender: String,
        /// Who is spoken to.
        target: String,
        /// The document, base58 with checksum.
        document: String,
        /// The Automerge sync message.
        data: Vec<u8>,
        /// True for `request`: the sender has nothing of the document and asks whether there is any.
        request: bool,
    },
    /// The sender has nothing of the document.
    DocUnavailable {
        /// Who speaks.
        sender: String,
        /// Who is spoken to.
        target: String,
        /// The document, base58 with checksum.
        document: String,
    },
    /// Passed on to whoever has the document open, and stored nowhere.
    Ephemeral {
        /// Who spoke first.
        sender: String,
        /// Who is spoken to.
        target: String,
        /// The document, base58 with checksum.
        document: String,
        /// Counts up within the session.
        count: u64,
        /// The sender's session.
        session: String,
        /// What is said.
        data: Vec<u8>,
    },
    /// Something that the receiver did was refused.
    Error {
        /// Who speaks.
        sender: String,
        /// Who is spoken to.
        target: String,
        /// What was refused and what to do about it.
        message: String,
    },
    /// A message of the protocol that is passed over: gossip about the heads of others.
    Ignored {
        /// Its `type`.
        kind: String,
    },
}

/// What a peer says about itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PeerMetadata {
    /// Its store, when it has one that stays.
    pub storage: Option<String>,
    /// True when it keeps nothing.
    pub ephemeral: bool,
}
