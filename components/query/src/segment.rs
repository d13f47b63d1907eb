//! A segment: documents in slots, each slot's parts in the vectors, postings and columns.

use std::collections::BTreeMap;

use crate::bitset::Bitset;
use crate::columns::Columns;
use crate::postings::{Postings, Scores};
use crate::types::{Document, DocumentError, Stats};
use crate::vectors::Vectors;

/// Bytes of a key at most.
const KEY_BYTES_MAX: usize = 512;

/// What a slot needs to be emptied again, and what a hit shows.
#[derive(Debug, Default)]
struct Entry {
    key: Box<str>,
    terms: Box<[u32]>,
    columns: Box<[u32]>,
    payload: Box<[u8]>,
}

/// A mutable index over documents.
#[derive(Debug, Default)]
pub struct Segment {
    slots: BTreeMap<Box<str>, u32>,
    entries: Vec<Entry>,
    live: Bitset,
    free: Vec<u32>,
    vectors: Vectors,
    postings: Postings,
    columns: Columns,
    /// Room for scores, reused from query to query.
    pub(crate) scratch: Scratch,
}

/// Room that a query works in.
#[derive(Debug, Default)]
pub(crate) struct Scratch {
    pub(crate) keyword: Scores,
    pub(crate) cosines: Vec<f32>,
}

impl Segment {
    /// Adds documents, replacing those with the same key; all or none. The last of equal keys wins.
    ///
    /// # Errors
    /// [`DocumentError`]; nothing was changed then.
    pub fn upsert(&mut self, documents: Vec<Document>) -> Result<(), DocumentError> {
        self.check(&documents)?;
        for document in documents {
            self.remove_one(&document.key);
            let slot = self.free.pop().unwrap_or_else(|| {
                self.entries.push(Entry::default());
                self.entries.len() as u32 - 1
            });
            if let Some(vector) = &document.vector {
                self.vectors.insert(slot, vector);
            }
            let terms = self.postings.insert(slot, &document.text);
            let columns = self.columns.insert(slot, &document.fields);
            let key: Box<str> = document.key.into();
            self.slots.insert(key.clone(), slot);
            self.live.insert(slot);
            if let Some(entry) = self.entries.get_mut(slot as usize) {
                *entry = Entry { key, terms, columns, payload: document.payload.into() };
            }
        }
        Ok(())
    }

    fn check(&self, documents: &[Document]) -> Result<(), DocumentError> {
        // Documents about to be replaced do not fix the number of dimensions when no vector would be left.
        let mut dimensions = (self.vectors.count() > 0).then_some(self.vectors.dimensions());
        for document in documents {
            let key = &document.key;
            if key.is_empty() || key.len() > KEY_BYTES_MAX {
                return Err(DocumentError::KeyLength(key.chars().take(80).collect()));
            }
            let Some(vector) = &document.vector else { continue };
            if vector.is_empty() || vector.len() != *dimensions.get_or_insert(vector.len()) {
                return Err(DocumentError::VectorDimensions(key.clone()));
            }
            if vector.iter().any(|value| !value.is_finite()) {
                return Err(DocumentError::VectorNotFinite(key.clone()));
            }
        }
        Ok(())
    }

    /// Removes documents; keys that are not there are passed over. Answers how many were removed.
    pub fn remove(&mut self, keys: &[String]) -> u32 {
        keys.iter().map(|key| u32::from(self.remove_one(key))).sum()
    }

    fn remove_one(&mut self, key: &str) -> bool {
        let Some(slot) = self.slots.remove(key) else { return false };
        let Some(entry) = self.entries.get_mut(slot as usize) else { return false };
        let Entry { terms, columns, .. } = std::mem::take(entry);
        self.live.remove(slot);
        self.vectors.remove(slot);
        self.postings.remove(slot, &terms);
        self.columns.remove(slot, &columns);
        self.free.push(slot);
        true
    }

    /// Drops what removed documents left behind and shrinks every buffer to its exact size.
    pub fn compact(&mut self) {
        self.postings.compact();
        self.columns.shrink();
        self.vectors.shrink();
        self.live.shrink();
        self.entries.shrink_to_fit();
        self.free.shrink_to_fit();
        self.scratch = Scratch::default();
    }

    /// Sizes of the segment.
    pub fn describe(&self) -> Stats {
        let entries: usize = self
            .entries
            .iter()
            .map(|entry| 2 * entry.key.len() + entry.payload.len() + 4 * (entry.terms.len() + entry.columns.len()) + 96)
            .sum();
        Stats {
            documents: self.slots.len() as u32,
            vectors: self.vectors.count(),
            dimensions: if self.vectors.count() == 0 { 0 } else { self.vectors.dimensions() as u32 },
            terms: self.postings.terms(),
            postings: self.postings.postings(),
            bytes: entries as u64 + self.vectors.bytes() + self.postings.bytes() + self.columns.bytes(),
        }
    }

    pub(crate) fn live(&self) -> &Bitset {
        &self.live
    }

    /// Number of slots, empty ones included.
    pub(crate) fn slots(&self) -> usize {
        self.entries.len()
    }

    /// Keys and their slots, in the order of the keys.
    pub(crate) fn keys(&self) -> impl Iterator<Item = (&str, u32)> {
        self.slots.iter().map(|(key, slot)| (&**key, *slot))
    }

    pub(crate) fn key(&self, slot: u32) -> &str {
        self.entries.get(slot as usize).map_or("", |entry| &entry.key)
    }

    pub(crate) fn payload(&self, slot: u32) -> &[u8] {
        self.entries.get(slot as usize).map_or(&[], |entry| &entry.payload)
    }

    pub(crate) fn vectors(&self) -> &Vectors {
        &self.vectors
    }

    pub(crate) fn postings(&self) -> &Postings {
        &self.postings
    }

    pub(crate) fn columns(&self) -> &Columns {
        &self.columns
    }
}
