//! The proximity graph of a sealed segment and the walk over it.
//!
//! Hierarchical navigable small world graphs: Malkov and Yashunin, "Efficient and Robust Approximate Nearest Neighbor Search
//! Using Hierarchical Navigable Small World Graphs", IEEE TPAMI 2020. The graph is built by the host; here it is only
//! walked (algorithm 5 of the paper), with the breadth `ef` given by the query. Its nodes are vectors; the breadth counts
//! documents, so that one with many near chunks does not crowd out the others.

use crate::bitset::Bitset;
use crate::image::{Image, are_offsets, are_positions, row as neighbours};
use crate::terms::FixedMap;
use crate::types::ImageError;
use crate::vectors::{Prepared, Vectors};

/// A graph over rows of vectors.
#[derive(Debug, Default)]
pub(crate) struct Graph {
    entry: u32,
    /// From the top to the last above the ground.
    layers: Vec<Layer>,
    offsets: Vec<u32>,
    links: Vec<u32>,
}

/// A layer above the ground: few nodes, found by their row.
#[derive(Debug)]
struct Layer {
    rows: Vec<u32>,
    offsets: Vec<u32>,
    links: Vec<u32>,
}

/// Which rows a walk has seen. Cleared by counting on, so that a query touches only what it visits.
#[derive(Debug, Default)]
pub(crate) struct Visited {
    marks: Vec<u8>,
    generation: u8,
}

impl Visited {
    fn begin(&mut self, rows: usize) {
        if self.marks.len() != rows || self.generation == u8::MAX {
            self.marks.clear();
            self.marks.resize(rows, 0);
            self.generation = 0;
        }
        self.generation += 1;
    }

    #[inline]
    fn insert(&mut self, row: u32) -> bool {
        match self.marks.get_mut(row as usize) {
            Some(mark) if *mark != self.generation => {
                *mark = self.generation;
                true
            }
            _ => false,
        }
    }
}

/// What a walk looks for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Walk<'a> {
    pub(crate) query: &'a Prepared,
    /// Documents kept while walking.
    pub(crate) ef: usize,
    /// Documents that may be answered; the others are walked through.
    pub(crate) accept: Option<&'a Bitset>,
    /// Documents wanted.
    pub(crate) count: usize,
}

impl Graph {
    /// Reads the graph's sections; none when the image has no graph.
    pub(crate) fn read(image: &mut Image, rows: usize) -> Result<Option<Graph>, ImageError> {
        let offsets: Vec<u32> = image.take_optional("graph.offsets");
        if offsets.is_empty() {
            return Ok(None);
        }
        let links: Vec<u32> = image.take("graph.links")?;
        let layers: Vec<u32> = image.take("graph.layers")?;
        let wrong = ImageError::Inconsistent("graph");
        if !are_offsets(&offsets, rows, links.len()) || !are_positions(&links, rows) {
            return Err(wrong);
        }
        let mut numbers = layers.into_iter();
        let (Some(entry), Some(count)) = (numbers.next(), numbers.next()) else { return Err(wrong) };
        let mut layers = Vec::new();
        for _ in 0..count {
            let (Some(nodes), Some(links)) = (numbers.next(), numbers.next()) else { return Err(wrong) };
            let mut part = |length: u32| numbers.by_ref().take(length as usize).collect::<Vec<u32>>();
            let layer = Layer { rows: part(nodes), offsets: part(nodes.saturating_add(1)), links: part(links) };
            if layer.links.len() != links as usize || !are_offsets(&layer.offsets, layer.rows.len(), layer.links.len())
            {
                return Err(wrong);
            }
            layers.push(layer);
        }
        Ok(Some(Graph { entry, layers, offsets, links }))
    }

    /// The documents nearest to the query that were found, nearest first, each with the cosine of the best of its rows that
    /// the walk came across.
    pub(crate) fn search(&self, vectors: &Vectors, walk: &Walk<'_>, visited: &mut Visited) -> Vec<(u32, f32)> {
        let mut best = self.entry;
        let mut best_cosine = vectors.cosine(walk.query, best);
        for layer in &self.layers {
            (best, best_cosine) = layer.descend(vectors, walk.query, best, best_cosine);
        }
        visited.begin(self.offsets.len().saturating_sub(1));
        visited.insert(best);
        let mut beam = Beam::new(walk.ef, vectors);
        let mut found = walk.accept.map(|accept| (accept, Beam::new(walk.count, vectors)));
        beam.offer(best, best_cosine);
        if let Some((accept, found)) = &mut found
            && accept.contains(vectors.slot(best))
        {
            found.offer(best, best_cosine);
        }
        let mut fresh = Vec::with_capacity(64);
        while let Some(row) = beam.next() {
            fresh.clear();
            fresh
                .extend(neighbours(&self.offsets, &self.links, row).iter().copied().filter(|row| visited.insert(*row)));
            for &row in &fresh {
                let cosine = vectors.cosine(walk.query, row);
                beam.offer(row, cosine);
                if let Some((accept, found)) = &mut found
                    && accept.contains(vectors.slot(row))
                {
                    found.offer(row, cosine);
                }
            }
        }
        found.map_or(beam, |(_, found)| found).into_documents(walk.count)
    }

    pub(crate) fn bytes(&self) -> u64 {
        let upper: usize = self.layers.iter().map(|layer| layer.rows.len() * 2 + layer.links.len()).sum();
        ((self.offsets.len() + self.links.len() + upper) * 4) as u64
    }
}

impl Layer {
    /// Walks to a node of this layer that is nearer than all its neighbours.
    fn descend(&self, vectors: &Vectors, query: &Prepared, from: u32, cosine: f32) -> (u32, f32) {
        let (mut best, mut best_cosine) = (from, cosine);
        loop {
            let before = best;
            let Ok(node) = self.rows.binary_search(&best) else { return (best, best_cosine) };
            for &row in neighbours(&self.offsets, &self.links, node as u32) {
                let cosine = vectors.cosine(query, row);
                if cosine > best_cosine {
                    (best, best_cosine) = (row, cosine);
                }
            }
            if best == before {
                return (best, best_cosine);
            }
        }
    }
}

/// The best nodes so far, nearest first, each with a mark once its neighbours have been looked at. Nodes of one document
/// count as one.
///
/// An entry is one number: the cosine turned so that larger ones sort first, the row, and the mark in the last bit.
#[derive(Debug)]
struct Beam<'a> {
    vectors: &'a Vectors,
    entries: Vec<u64>,
    width: usize,
    /// Only entries before this one are taken.
    bound: u64,
    /// No entry before this one is unmarked.
    unmarked: usize,
    /// How many entries each document has, where one may have several.
    documents: Option<FixedMap<u32, u32>>,
}

impl<'a> Beam<'a> {
    fn new(width: usize, vectors: &'a Vectors) -> Beam<'a> {
        let documents = vectors.has_several().then(FixedMap::default);
        let bound = if width == 0 { 0 } else { u64::MAX };
        Beam { vectors, entries: Vec::with_capacity(width + 1), width, bound, unmarked: 0, documents }
    }

    #[inline]
    fn offer(&mut self, row: u32, cosine: f32) {
        let entry = u64::from(!ordered(cosine)) << 32 | u64::from(row) << 1;
        if entry < self.bound {
            self.take(entry);
        }
    }

    fn take(&mut self, entry: u64) {
        if self.documents.is_none() && self.entries.len() == self.width {
            self.entries.pop();
        }
        let at = self.entries.partition_point(|other| *other < entry);
        self.entries.insert(at, entry);
        self.unmarked = self.unmarked.min(at);
        let mut count = self.entries.len();
        if let Some(documents) = &mut self.documents {
            *documents.entry(self.vectors.slot(row_of(entry))).or_default() += 1;
            count = self.trim();
        }
        if count == self.width {
            self.bound = self.entries.last().copied().unwrap_or(0);
        }
    }

    /// Takes entries from the end until there are at most `width` documents and, if there are so many, the last entry is the
    /// only one of its document: whatever is not nearer than that is of no use. Answers the number of documents.
    fn trim(&mut self) -> usize {
        let Some(documents) = &mut self.documents else { return self.entries.len() };
        while let Some(last) = self.entries.last() {
            let slot = self.vectors.slot(row_of(*last));
            let count = documents.get(&slot).copied().unwrap_or(0);
            if documents.len() < self.width || (documents.len() == self.width && count < 2) {
                break;
            }
            self.entries.pop();
            if count < 2 {
                documents.remove(&slot);
            } else {
                documents.insert(slot, count - 1);
            }
        }
        documents.len()
    }

    /// The nearest unmarked node, marked now.
    #[inline]
    fn next(&mut self) -> Option<u32> {
        while let Some(entry) = self.entries.get_mut(self.unmarked) {
            self.unmarked += 1;
            if *entry & 1 == 0 {
                *entry |= 1;
                return Some(row_of(*entry));
            }
        }
        None
    }

    /// At most `count` different documents.
    fn into_documents(self, count: usize) -> Vec<(u32, f32)> {
        let document = |entry: u64| (self.vectors.slot(row_of(entry)), from_ordered(!((entry >> 32) as u32)));
        let found = self.entries.into_iter().map(document);
        match self.documents {
            // The first entry of a document is its best; the count of its entries goes with it.
            Some(mut counts) => found.filter(|(slot, _)| counts.remove(slot).is_some()).take(count).collect(),
            None => found.take(count).collect(),
        }
    }
}

fn row_of(entry: u64) -> u32 {
    (entry >> 1) as u32 & (u32::MAX >> 1)
}

/// A number that sorts as the float does.
fn ordered(value: f32) -> u32 {
    let bits = value.to_bits();
    if bits >> 31 == 0 { bits | 1 << 31 } else { !bits }
}

fn from_ordered(value: u32) -> f32 {
    f32::from_bits(if value >> 31 == 1 { value & !(1 << 31) } else { !value })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::Chunk;

    /// The beam's order rests on this.
    #[test]
    fn floats_keep_their_order() {
        let values = [-1.0, -0.5, -f32::MIN_POSITIVE, 0.0, 1e-20, 0.3, 0.999, 1.0];
        assert!(values.map(ordered).is_sorted());
        assert_eq!(values.map(|value| from_ordered(ordered(value)).to_bits()), values.map(f32::to_bits));
    }

    /// Vectors of documents with so many chunks each; rows are given in reverse.
    fn vectors(chunks: &[usize]) -> Vectors {
        let mut vectors = Vectors::default();
        for (slot, count) in (0..).zip(chunks) {
            vectors.insert(slot, &vec![Chunk { vector: vec![1.0], ..Chunk::default() }; *count]);
        }
        vectors
    }

    /// The beam keeps the nearest, gives each out once, and comes back to a nearer one that was offered late.
    #[test]
    fn beams_keep_the_nearest() {
        let vectors = vectors(&[1; 10]);
        let mut beam = Beam::new(3, &vectors);
        beam.offer(7, 0.5);
        assert_eq!(beam.next(), Some(7));
        beam.offer(1, 0.1);
        beam.offer(2, 0.2);
        beam.offer(9, 0.9);
        assert_eq!((beam.next(), beam.next(), beam.next()), (Some(9), Some(2), None));
        assert_eq!(beam.into_documents(2), [(9, 0.9), (7, 0.5)]);
    }

    /// Rows of one document take the room of one, and what is not nearer than the last document is let go.
    #[test]
    fn beams_count_documents() {
        // Rows 0 to 4 are document 0's, 5 and 6 document 1's, 7 is document 2's.
        let vectors = vectors(&[5, 2, 1]);
        let mut beam = Beam::new(2, &vectors);
        for (row, cosine) in [(0, 0.9), (1, 0.1), (5, 0.5), (2, 0.8), (6, 0.3), (3, 0.7), (4, 0.2)] {
            beam.offer(row, cosine);
        }
        let given: Vec<u32> = std::iter::from_fn(|| beam.next()).collect();
        assert_eq!(given, [0, 2, 3, 5]);
        beam.offer(7, 0.6);
        assert_eq!((beam.next(), beam.next()), (Some(7), None));
        assert_eq!(beam.into_documents(9), [(0, 0.9), (2, 0.6)]);
    }
}
