//! The bytes of messages: one CBOR map each.
//!
//! What clients send is read member by member out of the frame, without a tree of values in between, so that a frame never
//! takes much more memory than its own length. Members that are not known are passed over; a member that JavaScript left
//! `undefined` counts as absent.

use minicbor::data::{Tag, Type};
use minicbor::{Decoder, Encoder};

use super::message::{Message, PeerMetadata};

/// Depth to which values that are passed over may be nested. Those of the protocol have three levels.
const DEPTH_MAX: u32 = 16;

/// The greatest integer up to which JavaScript's numbers are exact.
const EXACT_MAX: f64 = 9_007_199_254_740_991.0;

/// Typed arrays of bytes (RFC 8746), as cbor-x writes them unless told otherwise.
const TAG_BYTES: Tag = Tag::new(64);

/// Why a frame is not a message.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WireError {
    /// It is not CBOR, or cut short.
    #[error("the frame is damaged: {0}")]
    Damaged(String),
    /// A member has a wrong type.
    #[error("member `{member}` must be {expected}")]
    Type {
        /// Its name.
        member: &'static str,
        /// What it must be.
        expected: &'static str,
    },
    /// It does not say what it is.
    #[error("a message needs the member `type`")]
    Untyped,
    /// A member is missing.
    #[error("a `{kind}` message needs the member `{member}`")]
    Missing {
        /// The message's type.
        kind: String,
        /// The member's name.
        member: &'static str,
    },
    /// A member is there twice.
    #[error("member `{0}` is there twice")]
    Twice(&'static str),
    /// Messages that are only read cannot be written.
    #[error("messages of type `{0}` are not sent")]
    NotSent(String),
}

impl From<minicbor::decode::Error> for WireError {
    fn from(error: minicbor::decode::Error) -> Self {
        WireError::Damaged(error.to_string())
    }
}

impl From<minicbor::encode::Error<std::convert::Infallible>> for WireError {
    fn from(error: minicbor::encode::Error<std::convert::Infallible>) -> Self {
        WireError::Damaged(error.to_string())
    }
}

/// The members that messages have, as far as they are there.
#[derive(Default)]
struct Members {
    seen: Vec<&'static str>,
    kind: Option<String>,
    sender: Option<String>,
    target: Option<String>,
    document: Option<String>,
    session: Option<String>,
    message: Option<String>,
    version: Option<String>,
    versions: Option<Vec<String>>,
    metadata: Option<PeerMetadata>,
    data: Option<Vec<u8>>,
    count: Option<u64>,
}

/// The names of those members.
const NAMES: [&str; 11] = [
    "type",
    "senderId",
    "targetId",
    "documentId",
    "sessionId",
    "message",
    "selectedProtocolVersion",
    "supportedProtocolVersions",
    "peerMetadata",
    "data",
    "count",
];

impl Members {
    fn read(decoder: &mut Decoder<'_>) -> Result<Members, WireError> {
        let mut members = Members::default();
        each_member(decoder, 0, |decoder, name| {
            let Some(name) = NAMES.into_iter().find(|known| *known == name) else { return pass(decoder, 1) };
            if members.seen.contains(&name) {
                return Err(WireError::Twice(name));
            }
            members.seen.push(name);
            match name {
                "type" => members.kind = text(decoder, name)?,
                "senderId" => members.sender = text(decoder, name)?,
                "targetId" => members.target = text(decoder, name)?,
                "documentId" => members.document = text(decoder, name)?,
                "sessionId" => members.session = text(decoder, name)?,
                "message" => members.message = text(decoder, name)?,
                "selectedProtocolVersion" => members.version = text(decoder, name)?,
                "supportedProtocolVersions" => members.versions = texts(decoder, name)?,
                "peerMetadata" => members.metadata = metadata(decoder)?,
                "data" => members.data = bytes(decoder, name)?,
                _ => members.count = count(decoder, name)?,
            }
            Ok(())
        })?;
        Ok(members)
    }

    fn into_message(self) -> Result<Message, WireError> {
        let kind = self.kind.ok_or(WireError::Untyped)?;
        let missing = |member| WireError::Missing { kind: kind.clone(), member };
        let sender = self.sender.ok_or_else(|| missing("senderId"));
        let target = self.target.ok_or_else(|| missing("targetId"));
        let document = self.document.ok_or_else(|| missing("documentId"));
        let data = self.data.ok_or_else(|| missing("data"));
        Ok(match kind.as_str() {
            "join" => Message::Join {
                sender: sender?,
                // Clients from before there were versions speak the first one; the JS server takes it so, too.
                versions: self.versions.unwrap_or_else(|| vec!["1".to_owned()]),
                metadata: self.metadata.unwrap_or_default(),
            },
            "peer" => Message::Peer {
                sender: sender?,
                target: target?,
                version: self.version.ok_or_else(|| missing("selectedProtocolVersion"))?,
                metadata: self.metadata.unwrap_or_default(),
            },
            "leave" => Message::Leave { sender: sender? },
            "sync" | "request" => Message::Sync {
                sender: sender?,
                target: target?,
                document: document?,
                data: data?,
                request: kind == "request",
            },
            "doc-unavailable" => Message::DocUnavailable { sender: sender?, target: target?, document: document? },
            "ephemeral" => Message::Ephemeral {
                sender: sender?,
                target: target?,
                document: document?,
                count: self.count.ok_or_else(|| missing("count"))?,
                session: self.session.ok_or_else(|| missing("sessionId"))?,
                data: data?,
            },
            // Some peers say in an error only what went wrong.
            "error" => Message::Error {
                sender: sender.unwrap_or_default(),
                target: target.unwrap_or_default(),
                message: self.message.ok_or_else(|| missing("message"))?,
            },
            _ => Message::Ignored { kind },
        })
    }
}

impl Message {
    /// Reads a frame. Messages of types that are not known are [`Message::Ignored`].
    ///
    /// # Errors
    /// [`WireError`], which names the member that is wrong. Nothing else happens, whatever the bytes are.
    pub fn decode(frame: &[u8]) -> Result<Message, WireError> {
        let mut decoder = Decoder::new(frame);
        let members = Members::read(&mut decoder)?;
        if decoder.position() != frame.len() {
            return Err(WireError::Damaged("there is something behind the message".to_owned()));
        }
        members.into_message()
    }

    /// The message as a frame.
    ///
    /// # Errors
    /// [`WireError::NotSent`] for [`Message::Ignored`].
    pub fn encode(&self) -> Result<Vec<u8>, WireError> {
        let data_bytes = match self {
            Message::Sync { data, .. } | Message::Ephemeral { data, .. } => data.len(),
            _ => 0,
        };
        let mut encoder = Encoder::new(Vec::with_capacity(data_bytes + 256));
        self.write(&mut encoder)?;
        Ok(encoder.into_writer())
    }

    fn write(&self, encoder: &mut Encoder<Vec<u8>>) -> Result<(), WireError> {
        match self {
            Message::Join { sender, versions, metadata } => {
                head(encoder, 4, "join", sender)?.str("supportedProtocolVersions")?.array(versions.len() as u64)?;
                for version in versions {
                    encoder.str(version)?;
                }
                write_metadata(encoder, metadata)?;
            }
            Message::Peer { sender, target, version, metadata } => {
                let encoder = head(encoder, 5, "peer", sender)?.str("targetId")?.str(target)?;
                encoder.str("selectedProtocolVersion")?.str(version)?;
                write_metadata(encoder, metadata)?;
            }
            Message::Leave { sender } => {
                head(encoder, 2, "leave", sender)?;
            }
            Message::Sync { sender, target, document, data, request } => {
                let kind = if *request { "request" } else { "sync" };
                let encoder = head(encoder, 5, kind, sender)?.str("targetId")?.str(target)?;
                encoder.str("documentId")?.str(document)?.str("data")?.bytes(data)?;
            }
            Message::DocUnavailable { sender, target, document } => {
                let encoder = head(encoder, 4, "doc-unavailable", sender)?.str("targetId")?.str(target)?;
                encoder.str("documentId")?.str(document)?;
            }
            Message::Ephemeral { sender, target, document, count, session, data } => {
                let encoder = head(encoder, 7, "ephemeral", sender)?.str("targetId")?.str(target)?;
                encoder.str("documentId")?.str(document)?.str("count")?.u64(*count)?;
                encoder.str("sessionId")?.str(session)?.str("data")?.bytes(data)?;
            }
            Message::Error { sender, target, message } => {
                let encoder = head(encoder, 4, "error", sender)?.str("targetId")?.str(target)?;
                encoder.str("message")?.str(message)?;
            }
            Message::Ignored { kind } => return Err(WireError::NotSent(kind.clone())),
        }
        Ok(())
    }
}

type Written<'e> = Result<&'e mut Encoder<Vec<u8>>, WireError>;

/// A map with so many members, of which the first two are there already.
fn head<'e>(encoder: &'e mut Encoder<Vec<u8>>, members: u64, kind: &str, sender: &str) -> Written<'e> {
    Ok(encoder.map(members)?.str("type")?.str(kind)?.str("senderId")?.str(sender)?)
}

fn write_metadata(encoder: &mut Encoder<Vec<u8>>, metadata: &PeerMetadata) -> Result<(), WireError> {
    encoder.str("peerMetadata")?.map(1 + u64::from(metadata.storage.is_some()))?;
    if let Some(storage) = &metadata.storage {
        encoder.str("storageId")?.str(storage)?;
    }
    encoder.str("isEphemeral")?.bool(metadata.ephemeral)?;
    Ok(())
}

/// Calls for each member of a map, with the decoder at its value.
fn each_member<'b>(
    decoder: &mut Decoder<'b>,
    depth: u32,
    mut read: impl FnMut(&mut Decoder<'b>, &str) -> Result<(), WireError>,
) -> Result<(), WireError> {
    let mut left = decoder.map()?;
    while has_more(decoder, &mut left)? {
        if matches!(decoder.datatype()?, Type::String | Type::StringIndef) {
            let name = whole_text(decoder)?;
            read(decoder, &name)?;
        } else {
            pass(decoder, depth + 1)?;
            pass(decoder, depth + 1)?;
        }
    }
    Ok(())
}

/// Whether a list or map of known (`Some`) or open length goes on.
fn has_more(decoder: &mut Decoder<'_>, left: &mut Option<u64>) -> Result<bool, WireError> {
    match left {
        Some(0) => Ok(false),
        Some(left) => {
            *left -= 1;
            Ok(true)
        }
        None if decoder.datatype()? == Type::Break => {
            decoder.set_position(decoder.position() + 1);
            Ok(false)
        }
        None => Ok(true),
    }
}

/// Passes over a value. Minicbor's own way keeps a stack as deep as the value is nested.
fn pass(decoder: &mut Decoder<'_>, depth: u32) -> Result<(), WireError> {
    if depth > DEPTH_MAX {
        return Err(WireError::Damaged(format!("values are nested deeper than {DEPTH_MAX} levels")));
    }
    match decoder.datatype()? {
        Type::Array | Type::ArrayIndef => {
            let mut left = decoder.array()?;
            while has_more(decoder, &mut left)? {
                pass(decoder, depth + 1)?;
            }
        }
        Type::Map | Type::MapIndef => {
            let mut left = decoder.map()?;
            while has_more(decoder, &mut left)? {
                pass(decoder, depth + 1)?;
                pass(decoder, depth + 1)?;
            }
        }
        Type::Tag => {
            decoder.tag()?;
            pass(decoder, depth + 1)?;
        }
        Type::Break => return Err(WireError::Damaged("there is an end without a beginning".to_owned())),
        // All that is left are single values.
        _ => decoder.skip()?,
    }
    Ok(())
}

/// Passes over what JavaScript writes for a member without a value; whether there was such.
fn is_absent(decoder: &mut Decoder<'_>) -> Result<bool, WireError> {
    let absent = matches!(decoder.datatype()?, Type::Undefined | Type::Null);
    if absent {
        decoder.skip()?;
    }
    Ok(absent)
}

fn whole_text(decoder: &mut Decoder<'_>) -> Result<String, WireError> {
    Ok(decoder.str_iter()?.collect::<Result<String, _>>()?)
}

fn text(decoder: &mut Decoder<'_>, member: &'static str) -> Result<Option<String>, WireError> {
    if is_absent(decoder)? {
        return Ok(None);
    }
    if !matches!(decoder.datatype()?, Type::String | Type::StringIndef) {
        return Err(WireError::Type { member, expected: "a text" });
    }
    whole_text(decoder).map(Some)
}

fn texts(decoder: &mut Decoder<'_>, member: &'static str) -> Result<Option<Vec<String>>, WireError> {
    if is_absent(decoder)? {
        return Ok(None);
    }
    let wrong = WireError::Type { member, expected: "a list of texts" };
    if !matches!(decoder.datatype()?, Type::Array | Type::ArrayIndef) {
        return Err(wrong);
    }
    let mut left = decoder.array()?;
    let mut found = Vec::new();
    while has_more(decoder, &mut left)? {
        if !matches!(decoder.datatype()?, Type::String | Type::StringIndef) {
            return Err(wrong);
        }
        found.push(whole_text(decoder)?);
    }
    Ok(Some(found))
}

fn bytes(decoder: &mut Decoder<'_>, member: &'static str) -> Result<Option<Vec<u8>>, WireError> {
    if is_absent(decoder)? {
        return Ok(None);
    }
    let wrong = WireError::Type { member, expected: "a byte string" };
    if decoder.datatype()? == Type::Tag && decoder.tag()? != TAG_BYTES {
        return Err(wrong);
    }
    match decoder.datatype()? {
        Type::Bytes => Ok(Some(decoder.bytes()?.to_vec())),
        Type::BytesIndef => {
            let mut found = Vec::new();
            for part in decoder.bytes_iter()? {
                found.extend_from_slice(part?);
            }
            Ok(Some(found))
        }
        _ => Err(wrong),
    }
}

/// A count. JavaScript has only doubles; cbor-x writes those above 32 bits as such.
fn count(decoder: &mut Decoder<'_>, member: &'static str) -> Result<Option<u64>, WireError> {
    if is_absent(decoder)? {
        return Ok(None);
    }
    let wrong = WireError::Type { member, expected: "a whole number" };
    match decoder.datatype()? {
        Type::U8 | Type::U16 | Type::U32 | Type::U64 => Ok(Some(decoder.u64()?)),
        Type::F16 | Type::F32 | Type::F64 => {
            let number = decoder.f64()?;
            let whole = number.fract() == 0.0 && (0.0..=EXACT_MAX).contains(&number);
            whole.then_some(Some(number as u64)).ok_or(wrong)
        }
        _ => Err(wrong),
    }
}

fn metadata(decoder: &mut Decoder<'_>) -> Result<Option<PeerMetadata>, WireError> {
    if is_absent(decoder)? {
        return Ok(None);
    }
    if !matches!(decoder.datatype()?, Type::Map | Type::MapIndef) {
        return Err(WireError::Type { member: "peerMetadata", expected: "a map" });
    }
    let mut found = PeerMetadata::default();
    let mut seen = Vec::new();
    each_member(decoder, 1, |decoder, name| {
        let known = ["storageId", "isEphemeral"].into_iter().find(|known| *known == name);
        let Some(name) = known else { return pass(decoder, 2) };
        if seen.contains(&name) {
            return Err(WireError::Twice(name));
        }
        seen.push(name);
        if name == "storageId" {
            found.storage = text(decoder, name)?;
        } else if !is_absent(decoder)? {
            let wrong = |_| WireError::Type { member: name, expected: "true or false" };
            found.ephemeral = decoder.bool().map_err(wrong)?;
        }
        Ok(())
    })?;
    Ok(Some(found))
}
