//! The inverted index and BM25.
//!
//! Robertson and Zaragoza, "The Probabilistic Relevance Framework: BM25 and Beyond", 2009, with Lucene's idf, which is
//! never negative: `ln(1 + (N - df + 0.5) / (df + 0.5))`.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, DefaultHasher};

use crate::tokenize;

/// A map whose order nobody sees, with a fixed seed: a pure component has no randomness.
pub(crate) type FixedMap<K, V> = HashMap<K, V, BuildHasherDefault<DefaultHasher>>;

const K1: f32 = 1.2;
const B: f32 = 0.75;

/// A document that has a term, and how often.
#[derive(Debug, Clone, Copy)]
struct Posting {
    slot: u32,
    count: u32,
}

/// Terms, and for each the documents that have it, by slot.
#[derive(Debug, Default)]
pub(crate) struct Postings {
    terms: FixedMap<Box<str>, u32>,
    lists: Vec<Vec<Posting>>,
    /// Lists that have become empty and may be given to another term.
    free: Vec<u32>,
    /// Terms of each document, in words; by slot.
    lengths: Vec<u32>,
    total_length: u64,
    /// Documents with at least one term.
    documents: u32,
    entries: u64,
}

/// Keyword scores by slot, kept between queries so that nothing large is allocated.
#[derive(Debug, Default)]
pub(crate) struct Scores {
    by_slot: Vec<f32>,
    /// Slots with a score, in the order in which they got one.
    pub(crate) scored: Vec<u32>,
}

impl Scores {
    /// The score of a slot; 0 for none.
    pub(crate) fn get(&self, slot: u32) -> f32 {
        self.by_slot.get(slot as usize).copied().unwrap_or(0.0)
    }

    fn reset(&mut self, slots: usize) {
        for &slot in &self.scored {
            if let Some(score) = self.by_slot.get_mut(slot as usize) {
                *score = 0.0;
            }
        }
        self.scored.clear();
        self.by_slot.resize(slots, 0.0);
    }

    fn add(&mut self, slot: u32, score: f32) {
        if let Some(sum) = self.by_slot.get_mut(slot as usize) {
            if *sum == 0.0 {
                self.scored.push(slot);
            }
            *sum += score;
        }
    }
}

impl Postings {
    /// Indexes a document's text and answers the document's terms, which `remove` wants back.
    pub(crate) fn insert(&mut self, slot: u32, text: &str) -> Box<[u32]> {
        let mut counts: FixedMap<u32, u32> = FixedMap::default();
        let mut length = 0;
        tokenize::terms(text, |term| {
            length += 1;
            let id = if let Some(&id) = self.terms.get(term) {
                id
            } else {
                let id = self.free.pop().unwrap_or_else(|| {
                    self.lists.push(Vec::new());
                    self.lists.len() as u32 - 1
                });
                self.terms.insert(term.into(), id);
                id
            };
            *counts.entry(id).or_default() += 1;
        });
        let mut terms: Vec<u32> = counts.keys().copied().collect();
        terms.sort_unstable();
        for &term in &terms {
            let count = counts.get(&term).copied().unwrap_or(0);
            if let Some(list) = self.lists.get_mut(term as usize) {
                let at = list.partition_point(|posting| posting.slot < slot);
                list.insert(at, Posting { slot, count });
            }
        }
        if self.lengths.len() <= slot as usize {
            self.lengths.resize(slot as usize + 1, 0);
        }
        if let Some(entry) = self.lengths.get_mut(slot as usize) {
            *entry = length;
        }
        self.total_length += u64::from(length);
        self.documents += u32::from(length > 0);
        self.entries += terms.len() as u64;
        terms.into_boxed_slice()
    }

    /// Forgets a document.
    pub(crate) fn remove(&mut self, slot: u32, terms: &[u32]) {
        for &term in terms {
            let Some(list) = self.lists.get_mut(term as usize) else { continue };
            let at = list.partition_point(|posting| posting.slot < slot);
            if list.get(at).is_some_and(|posting| posting.slot == slot) {
                list.remove(at);
                self.entries -= 1;
            }
        }
        if let Some(length) = self.lengths.get_mut(slot as usize) {
            self.total_length -= u64::from(*length);
            self.documents -= u32::from(*length > 0);
            *length = 0;
        }
    }

    /// BM25 of every document that has a term of the text. A term that stands in the text twice counts once.
    pub(crate) fn score(&self, text: &str, scores: &mut Scores) {
        scores.reset(self.lengths.len());
        let mut lists = Vec::new();
        tokenize::terms(text, |term| {
            let id = self.terms.get(term).copied();
            if let Some(id) = id.filter(|id| !lists.contains(id)) {
                lists.push(id);
            }
        });
        if self.documents == 0 {
            return;
        }
        let average = (self.total_length as f64 / f64::from(self.documents)) as f32;
        for list in lists.iter().filter_map(|&id| self.lists.get(id as usize)) {
            let idf = idf(self.documents, list.len() as u32);
            for posting in list {
                let length = self.lengths.get(posting.slot as usize).copied().unwrap_or(0) as f32;
                let count = posting.count as f32;
                let norm = K1 * (1.0 - B + B * length / average);
                scores.add(posting.slot, idf * (count * (K1 + 1.0) / (count + norm)));
            }
        }
    }

    /// Drops terms that no document has any more, and shrinks.
    pub(crate) fn compact(&mut self) {
        let lists = &self.lists;
        self.terms.retain(|_, id| lists.get(*id as usize).is_some_and(|list| !list.is_empty()));
        self.terms.shrink_to_fit();
        self.free =
            (0..self.lists.len() as u32).filter(|&id| self.lists.get(id as usize).is_some_and(Vec::is_empty)).collect();
        self.lists.iter_mut().for_each(Vec::shrink_to_fit);
        self.lists.shrink_to_fit();
        self.lengths.shrink_to_fit();
    }

    /// Terms that some document has.
    pub(crate) fn terms(&self) -> u32 {
        self.lists.iter().filter(|list| !list.is_empty()).count() as u32
    }

    pub(crate) fn postings(&self) -> u64 {
        self.entries
    }

    /// Estimated bytes.
    pub(crate) fn bytes(&self) -> u64 {
        let words: usize = self.terms.keys().map(|term| term.len() + 24).sum();
        self.entries * size_of::<Posting>() as u64 + (words + self.lists.len() * 24 + self.lengths.len() * 4) as u64
    }
}

fn idf(documents: u32, with_term: u32) -> f32 {
    let (all, some) = (f64::from(documents), f64::from(with_term));
    libm::log(1.0 + (all - some + 0.5) / (some + 0.5)) as f32
}
