//! Keys and payloads of the documents, by slot.

use std::collections::BTreeMap;

use crate::image::{Image, Strings, are_offsets, row};
use crate::types::ImageError;

/// The documents of a segment. In a sealed one the slots are in the order of the keys.
#[derive(Debug)]
pub(crate) enum Documents {
    Growing(Growing),
    Sealed(Sealed),
}

#[derive(Debug, Default)]
pub(crate) struct Growing {
    slots: BTreeMap<Box<str>, u32>,
    entries: Vec<(Box<str>, Box<[u8]>)>,
    free: Vec<u32>,
}

#[derive(Debug)]
pub(crate) struct Sealed {
    keys: Strings,
    payload_offsets: Vec<u32>,
    payload_bytes: Vec<u8>,
}

impl Growing {
    /// A slot for a document whose key is not there.
    pub(crate) fn insert(&mut self, key: &str, payload: Vec<u8>) -> u32 {
        let slot = self.free.pop().unwrap_or_else(|| {
            self.entries.push((Box::default(), Box::default()));
            self.entries.len() as u32 - 1
        });
        self.slots.insert(key.into(), slot);
        if let Some(entry) = self.entries.get_mut(slot as usize) {
            *entry = (key.into(), payload.into());
        }
        slot
    }

    pub(crate) fn remove(&mut self, key: &str) {
        let Some(slot) = self.slots.remove(key) else { return };
        if let Some(entry) = self.entries.get_mut(slot as usize) {
            *entry = (Box::default(), Box::default());
        }
        self.free.push(slot);
    }

    /// Slots in the order of their keys.
    pub(crate) fn ordered(&self) -> Vec<u32> {
        self.slots.values().copied().collect()
    }

    pub(crate) fn write(&self, image: &mut Image) {
        let (offsets, bytes) = Strings::build(self.slots.keys().map(|key| &**key));
        image.put("keys.offsets", offsets);
        image.put("keys.bytes", bytes);
        let payloads =
            self.slots.values().map(|slot| self.entries.get(*slot as usize).map_or(&[][..], |entry| &entry.1));
        let (offsets, bytes) = crate::image::flatten(payloads);
        image.put("payloads.offsets", offsets);
        image.put("payloads.bytes", bytes);
    }
}

impl Sealed {
    pub(crate) fn read(image: &mut Image) -> Result<Sealed, ImageError> {
        let keys = Strings::new(image.take("keys.offsets")?, image.take("keys.bytes")?)?;
        let payload_offsets: Vec<u32> = image.take("payloads.offsets")?;
        let payload_bytes: Vec<u8> = image.take("payloads.bytes")?;
        if !are_offsets(&payload_offsets, keys.len(), payload_bytes.len()) {
            return Err(ImageError::Inconsistent("payload offsets"));
        }
        Ok(Sealed { keys, payload_offsets, payload_bytes })
    }
}

impl Documents {
    /// Number of slots, empty ones included.
    pub(crate) fn slots(&self) -> usize {
        match self {
            Documents::Growing(growing) => growing.entries.len(),
            Documents::Sealed(sealed) => sealed.keys.len(),
        }
    }

    /// The slot of a key, removed or not.
    pub(crate) fn find(&self, key: &str) -> Option<u32> {
        match self {
            Documents::Growing(growing) => growing.slots.get(key).copied(),
            Documents::Sealed(sealed) => sealed.keys.find(key),
        }
    }

    pub(crate) fn key(&self, slot: u32) -> &str {
        match self {
            Documents::Growing(growing) => growing.entries.get(slot as usize).map_or("", |entry| &entry.0),
            Documents::Sealed(sealed) => sealed.keys.get(slot),
        }
    }

    pub(crate) fn payload(&self, slot: u32) -> &[u8] {
        match self {
            Documents::Growing(growing) => growing.entries.get(slot as usize).map_or(&[], |entry| &entry.1),
            Documents::Sealed(sealed) => row(&sealed.payload_offsets, &sealed.payload_bytes, slot),
        }
    }

    /// Slots from the first key that is not less than `from`, in the order of the keys.
    pub(crate) fn starting_at<'a>(&'a self, from: &str) -> Box<dyn Iterator<Item = u32> + 'a> {
        match self {
            Documents::Growing(growing) => {
                let range = (std::ops::Bound::Included(from), std::ops::Bound::Unbounded);
                Box::new(growing.slots.range::<str, _>(range).map(|(_, slot)| *slot))
            }
            Documents::Sealed(sealed) => Box::new(sealed.keys.lower_bound(from)..sealed.keys.len() as u32),
        }
    }

    /// Estimated bytes.
    pub(crate) fn bytes(&self) -> u64 {
        match self {
            Documents::Growing(growing) => {
                growing.entries.iter().map(|(key, payload)| (2 * key.len() + payload.len() + 64) as u64).sum()
            }
            Documents::Sealed(sealed) => {
                sealed.keys.size() + (sealed.payload_offsets.len() * 4 + sealed.payload_bytes.len()) as u64
            }
        }
    }
}
