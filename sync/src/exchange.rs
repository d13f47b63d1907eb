//! The body of the stateless exchange, in bytes.
//!
//! `SKRX1`, CRC-32 (IEEE) of what follows (32 bits, big-endian), then CBOR. Any flipped bit and any missing byte is found
//! before anything is read from it.

use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

use crate::epoch::Epoch;
use crate::error::ExchangeError;
use crate::record::ProjectName;

const MAGIC: &[u8; 5] = b"SKRX1";
const HEADER_BYTES: usize = MAGIC.len() + 4;

/// Bytes of sync messages in one body after which the rest waits for the next round. One message may exceed it.
pub(crate) const BODY_BYTES_SOFT_MAX: usize = 8 << 20;

/// What one side says to the other.
#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Body {
    /// The project's name, so that a body sent to the wrong address is refused.
    pub(crate) project: String,
    /// The epoch whose shards are spoken of, as `<number>-<nonce in hex>/<shards>`; absent: the first. In an answer, the
    /// newest that is known there.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(crate) epoch: String,
    /// In an answer: some documents of that epoch are not there yet.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) waiting: bool,
    /// Heads of documents about which nothing else is said here.
    pub(crate) heads: Vec<DocumentHeads>,
    /// Automerge sync messages.
    pub(crate) messages: Vec<DocumentMessage>,
}

/// A document's heads: 32 bytes each, one after another.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct DocumentHeads {
    pub(crate) document: ByteBuf,
    pub(crate) heads: ByteBuf,
}

/// A sync message about a document.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct DocumentMessage {
    pub(crate) document: ByteBuf,
    pub(crate) message: ByteBuf,
}

impl Body {
    /// A body about a project's documents of an epoch, with nothing said yet.
    pub(crate) fn about(project: &ProjectName, epoch: Epoch) -> Body {
        let mut body = Body { project: project.to_string(), ..Body::default() };
        body.name_epoch(epoch);
        body
    }

    pub(crate) fn name_epoch(&mut self, epoch: Epoch) {
        self.epoch = if epoch == Epoch::FIRST { String::new() } else { epoch.label() };
    }

    /// The epoch that is spoken of.
    pub(crate) fn epoch(&self) -> Result<Epoch, ExchangeError> {
        if self.epoch.is_empty() {
            return Ok(Epoch::FIRST);
        }
        let unknown = || ExchangeError::Foreign(format!("`{}` is not an epoch", self.epoch.escape_default()));
        Epoch::parse(&self.epoch).ok_or_else(unknown)
    }

    pub(crate) fn encode(&self) -> Result<Vec<u8>, ExchangeError> {
        let mut bytes = vec![0; HEADER_BYTES];
        ciborium::into_writer(self, &mut bytes).map_err(|error| ExchangeError::Damaged(error.to_string()))?;
        let (header, payload) = bytes.split_at_mut(HEADER_BYTES);
        let checksum = crc32fast::hash(payload).to_be_bytes();
        header.iter_mut().zip(MAGIC.iter().chain(&checksum)).for_each(|(to, from)| *to = *from);
        Ok(bytes)
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Body, ExchangeError> {
        let damaged = |reason: &str| ExchangeError::Damaged(reason.to_owned());
        let rest = bytes.strip_prefix(MAGIC).ok_or_else(|| damaged("it does not start with SKRX1"))?;
        let (checksum, payload) = rest.split_first_chunk::<4>().ok_or_else(|| damaged("it is too short"))?;
        if crc32fast::hash(payload) != u32::from_be_bytes(*checksum) {
            return Err(damaged("its checksum does not match; it was cut short or changed on the way"));
        }
        ciborium::from_reader(payload).map_err(|error| ExchangeError::Damaged(error.to_string()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Guarantee 3 of the design: nothing from the network makes a process panic, and damage is told from content.
    #[test]
    fn every_cut_and_every_flipped_bit_is_found() {
        let body = Body {
            project: "p".into(),
            epoch: Epoch::new(1, [7; 8], 64).unwrap().label(),
            waiting: true,
            heads: vec![DocumentHeads { document: ByteBuf::from([1; 16]), heads: ByteBuf::from([2; 64]) }],
            messages: vec![DocumentMessage { document: ByteBuf::from([3; 16]), message: ByteBuf::from([4; 40]) }],
        };
        let bytes = body.encode().unwrap();
        assert_eq!(Body::decode(&bytes).unwrap(), body);
        for length in 0..bytes.len() {
            assert!(matches!(Body::decode(&bytes[..length]), Err(ExchangeError::Damaged(_))), "cut to {length}");
        }
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(matches!(Body::decode(&flipped), Err(ExchangeError::Damaged(_))), "bit {bit}");
        }
    }
}
