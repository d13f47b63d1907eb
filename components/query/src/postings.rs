//! The inverted index: for each term the documents that have it; for each document its terms in order.

use crate::bitset::Bitset;
use crate::image::{Image, are_offsets, are_positions, flatten, row};
use crate::terms::contains;
use crate::types::ImageError;

/// The postings of a segment.
#[derive(Debug)]
pub(crate) enum Postings {
    Growing(Growing),
    Sealed(Sealed),
}

/// A term's documents, by ascending slot, and how often each has it (at most 65,535 times).
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct List<'a> {
    pub(crate) slots: &'a [u32],
    pub(crate) counts: &'a [u16],
    /// The largest count.
    pub(crate) count_max: u16,
    /// The length of the shortest document.
    pub(crate) length_min: u32,
    /// Documents that have the term and are not removed.
    pub(crate) documents: u32,
}

#[derive(Debug, Default)]
struct GrowingList {
    slots: Vec<u32>,
    counts: Vec<u16>,
    count_max: u16,
    length_min: u32,
}

#[derive(Debug, Default)]
pub(crate) struct Growing {
    lists: Vec<GrowingList>,
    streams: Vec<Box<[u32]>>,
    totals: Totals,
}

#[derive(Debug)]
pub(crate) struct Sealed {
    offsets: Vec<u32>,
    slots: Vec<u32>,
    counts: Vec<u16>,
    counts_max: Vec<u16>,
    lengths_min: Vec<u32>,
    documents: Vec<u32>,
    stream_offsets: Vec<u32>,
    streams: Vec<u32>,
    totals: Totals,
}

/// Sums over the documents that are not removed.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Totals {
    /// Documents with at least one term.
    pub(crate) documents: u32,
    /// Their lengths together, in terms.
    pub(crate) length: u64,
    /// Pairs of term and document.
    pub(crate) postings: u64,
}

fn distinct(stream: &[u32]) -> Vec<u32> {
    let mut terms = stream.to_vec();
    terms.sort_unstable();
    terms.dedup();
    terms
}

impl Growing {
    /// Indexes a document by the numbers of its terms.
    pub(crate) fn insert(&mut self, slot: u32, stream: Box<[u32]>) {
        let mut sorted = stream.to_vec();
        sorted.sort_unstable();
        for same in sorted.chunk_by(|a, b| a == b) {
            let Some(&term) = same.first() else { continue };
            if self.lists.len() <= term as usize {
                self.lists.resize_with(term as usize + 1, GrowingList::default);
            }
            let Some(list) = self.lists.get_mut(term as usize) else { continue };
            let count = u16::try_from(same.len()).unwrap_or(u16::MAX);
            let at = list.slots.partition_point(|other| *other < slot);
            list.slots.insert(at, slot);
            list.counts.insert(at, count);
            list.count_max = list.count_max.max(count);
            let length = stream.len() as u32;
            list.length_min = if list.slots.len() == 1 { length } else { list.length_min.min(length) };
            self.totals.postings += 1;
        }
        self.totals.documents += u32::from(!stream.is_empty());
        self.totals.length += stream.len() as u64;
        if self.streams.len() <= slot as usize {
            self.streams.resize_with(slot as usize + 1, Box::default);
        }
        if let Some(entry) = self.streams.get_mut(slot as usize) {
            *entry = stream;
        }
    }

    fn remove(&mut self, slot: u32) {
        let Some(stream) = self.streams.get_mut(slot as usize).map(std::mem::take) else { return };
        for term in distinct(&stream) {
            let Some(list) = self.lists.get_mut(term as usize) else { continue };
            if let Ok(at) = list.slots.binary_search(&slot) {
                list.slots.remove(at);
                list.counts.remove(at);
                self.totals.postings -= 1;
            }
        }
        self.totals.documents -= u32::from(!stream.is_empty());
        self.totals.length -= stream.len() as u64;
    }

    /// Writes the documents of `slots`, in that order, with terms renumbered.
    pub(crate) fn write(&self, slots: &[u32], renumbered: &[u32], image: &mut Image) {
        let new = |term: &u32| renumbered.get(*term as usize).copied().unwrap_or(0);
        let stream = |slot: &u32| self.streams.get(*slot as usize).map_or(&[][..], |stream| stream);
        let streams = slots.iter().map(|slot| stream(slot).iter().map(new).collect::<Vec<u32>>());
        let (stream_offsets, streams) = flatten(streams);
        let mut lists: Vec<GrowingList> = Vec::new();
        lists.resize_with(renumbered.len(), GrowingList::default);
        for slot in 0..slots.len() as u32 {
            let mut sorted = row(&stream_offsets, &streams, slot).to_vec();
            let length = sorted.len() as u32;
            sorted.sort_unstable();
            for same in sorted.chunk_by(|a, b| a == b) {
                let Some(list) = same.first().and_then(|term| lists.get_mut(*term as usize)) else { continue };
                let count = u16::try_from(same.len()).unwrap_or(u16::MAX);
                list.length_min = if list.slots.is_empty() { length } else { list.length_min.min(length) };
                list.count_max = list.count_max.max(count);
                list.slots.push(slot);
                list.counts.push(count);
            }
        }
        let (offsets, all) = flatten(lists.iter().map(|list| &list.slots));
        image.put("postings.offsets", offsets);
        image.put("postings.slots", all);
        image.put("postings.counts", flatten(lists.iter().map(|list| &list.counts)).1);
        image.put("postings.counts-max", lists.iter().map(|list| list.count_max).collect());
        image.put("postings.lengths-min", lists.iter().map(|list| list.length_min).collect());
        image.put("postings.documents", lists.iter().map(|list| list.slots.len() as u32).collect());
        image.put("streams.offsets", stream_offsets);
        image.put("streams.terms", streams);
    }
}

impl Sealed {
    pub(crate) fn read(image: &mut Image, slots: usize, terms: usize) -> Result<Sealed, ImageError> {
        let mut sealed = Sealed {
            offsets: image.take("postings.offsets")?,
            slots: image.take("postings.slots")?,
            counts: image.take("postings.counts")?,
            counts_max: image.take("postings.counts-max")?,
            lengths_min: image.take("postings.lengths-min")?,
            documents: image.take("postings.documents")?,
            stream_offsets: image.take("streams.offsets")?,
            streams: image.take("streams.terms")?,
            totals: Totals::default(),
        };
        let whole = are_offsets(&sealed.offsets, terms, sealed.slots.len())
            && sealed.documents.len() == terms
            && sealed.counts.len() == sealed.slots.len()
            && are_offsets(&sealed.stream_offsets, slots, sealed.streams.len())
            && are_positions(&sealed.slots, slots)
            && are_positions(&sealed.streams, terms);
        if !whole {
            return Err(ImageError::Inconsistent("postings"));
        }
        let lengths = sealed.stream_offsets.array_windows().filter(|[start, end]| start < end).count();
        sealed.totals = Totals {
            documents: lengths as u32,
            length: sealed.streams.len() as u64,
            postings: sealed.slots.len() as u64,
        };
        Ok(sealed)
    }

    fn remove(&mut self, slot: u32) {
        let stream = row(&self.stream_offsets, &self.streams, slot);
        let terms = distinct(stream);
        // Streams and lists came from outside: where they contradict each other, counts end at zero.
        self.totals.documents = self.totals.documents.saturating_sub(u32::from(!stream.is_empty()));
        self.totals.length = self.totals.length.saturating_sub(stream.len() as u64);
        self.totals.postings = self.totals.postings.saturating_sub(terms.len() as u64);
        for term in terms {
            if let Some(documents) = self.documents.get_mut(term as usize) {
                *documents = documents.saturating_sub(1);
            }
        }
    }
}

impl Postings {
    /// Forgets a document. In a sealed segment it stays in the lists, and only the counts know.
    pub(crate) fn remove(&mut self, slot: u32) {
        match self {
            Postings::Growing(growing) => growing.remove(slot),
            Postings::Sealed(sealed) => sealed.remove(slot),
        }
    }

    pub(crate) fn totals(&self) -> Totals {
        match self {
            Postings::Growing(growing) => growing.totals,
            Postings::Sealed(sealed) => sealed.totals,
        }
    }

    pub(crate) fn list(&self, term: u32) -> List<'_> {
        match self {
            Postings::Growing(growing) => growing.lists.get(term as usize).map_or_else(List::default, |list| List {
                slots: &list.slots,
                counts: &list.counts,
                count_max: list.count_max,
                length_min: list.length_min,
                documents: list.slots.len() as u32,
            }),
            Postings::Sealed(sealed) => {
                let at = |values: &[u32]| values.get(term as usize).copied().unwrap_or(0);
                List {
                    slots: row(&sealed.offsets, &sealed.slots, term),
                    counts: row(&sealed.offsets, &sealed.counts, term),
                    count_max: sealed.counts_max.get(term as usize).copied().unwrap_or(0),
                    length_min: at(&sealed.lengths_min),
                    documents: at(&sealed.documents),
                }
            }
        }
    }

    /// The terms of a document, in order.
    pub(crate) fn stream(&self, slot: u32) -> &[u32] {
        match self {
            Postings::Growing(growing) => growing.streams.get(slot as usize).map_or(&[], |stream| stream),
            Postings::Sealed(sealed) => row(&sealed.stream_offsets, &sealed.streams, slot),
        }
    }

    /// Documents that have the phrase.
    pub(crate) fn with_phrase(&self, phrase: &[u32], slots: usize) -> Bitset {
        let mut selected = Bitset::new(slots);
        let rarest = phrase.iter().map(|term| self.list(*term)).min_by_key(|list| list.slots.len());
        for slot in rarest.map_or(&[][..], |list| list.slots) {
            if contains(self.stream(*slot), phrase) {
                selected.insert(*slot);
            }
        }
        selected
    }

    /// Terms that some document has.
    pub(crate) fn terms(&self) -> u32 {
        let used = match self {
            Postings::Growing(growing) => growing.lists.iter().filter(|list| !list.slots.is_empty()).count(),
            Postings::Sealed(sealed) => sealed.documents.iter().filter(|documents| **documents > 0).count(),
        };
        used as u32
    }

    /// Estimated bytes.
    pub(crate) fn bytes(&self) -> u64 {
        let lists = match self {
            Postings::Growing(growing) => growing.lists.len() * size_of::<GrowingList>() + growing.streams.len() * 16,
            Postings::Sealed(sealed) => sealed.offsets.len() * 14 + sealed.stream_offsets.len() * 4,
        };
        let totals = self.totals();
        totals.postings * 6 + totals.length * 4 + lists as u64
    }
}
