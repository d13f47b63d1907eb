//! The proximity graph of a sealed segment and the walk over it.
//!
//! Hierarchical navigable small world graphs: Malkov and Yashunin, "Efficient and Robust Approximate Nearest Neighbor Search
//! Using Hierarchical Navigable Small World Graphs", IEEE TPAMI 2020. The graph is built by the host; here it is only
//! walked (algorithm 5 of the paper), with the breadth `ef` given by the query.

use crate::bitset::Bitset;
use crate::image::{Image, row};
use crate::types::ImageError;
use crate::vectors::{Prepared, Vectors};

/// A graph over slots.
#[derive(Debug, Default)]
pub(crate) struct Graph {
    entry: u32,
    /// From the top to the last above the ground.
    layers: Vec<Layer>,
    offsets: Vec<u32>,
    links: Vec<u32>,
}

/// A layer above the ground: few nodes, found by their slot.
#[derive(Debug)]
struct Layer {
    slots: Vec<u32>,
    offsets: Vec<u32>,
    links: Vec<u32>,
}

/// Which slots a walk has seen. Cleared by counting on, so that a query touches only what it visits.
#[derive(Debug, Default)]
pub(crate) struct Visited {
    marks: Vec<u8>,
    generation: u8,
}

impl Visited {
    fn begin(&mut self, slots: usize) {
        if self.marks.len() != slots || self.generation == u8::MAX {
            self.marks.clear();
            self.marks.resize(slots, 0);
            self.generation = 0;
        }
        self.generation += 1;
    }

    #[inline]
    fn insert(&mut self, slot: u32) -> bool {
        match self.marks.get_mut(slot as usize) {
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
    /// Nodes kept while walking.
    pub(crate) ef: usize,
    /// Nodes that may be answered; the others are walked through.
    pub(crate) accept: Option<&'a Bitset>,
    /// Nodes wanted.
    pub(crate) count: usize,
}

impl Graph {
    /// Reads the graph's sections; none when the image has no graph.
    pub(crate) fn read(image: &mut Image, slots: usize) -> Result<Option<Graph>, ImageError> {
        let offsets: Vec<u32> = image.take_optional("graph.offsets");
        if offsets.is_empty() {
            return Ok(None);
        }
        let links: Vec<u32> = image.take("graph.links")?;
        let layers: Vec<u32> = image.take("graph.layers")?;
        let wrong = ImageError::Inconsistent("graph");
        if offsets.len() != slots + 1 || offsets.last().is_none_or(|end| *end as usize != links.len()) {
            return Err(wrong);
        }
        let mut numbers = layers.into_iter();
        let (Some(entry), Some(count)) = (numbers.next(), numbers.next()) else { return Err(wrong) };
        let mut layers = Vec::new();
        for _ in 0..count {
            let (Some(nodes), Some(links)) = (numbers.next(), numbers.next()) else { return Err(wrong) };
            let mut part = |length: u32| numbers.by_ref().take(length as usize).collect::<Vec<u32>>();
            let layer = Layer { slots: part(nodes), offsets: part(nodes + 1), links: part(links) };
            if layer.links.len() != links as usize {
                return Err(wrong);
            }
            layers.push(layer);
        }
        Ok(Some(Graph { entry, layers, offsets, links }))
    }

    /// The nodes nearest to the query that were found, nearest first.
    pub(crate) fn search(&self, vectors: &Vectors, walk: &Walk<'_>, visited: &mut Visited) -> Vec<(u32, f32)> {
        let mut best = self.entry;
        let mut best_cosine = vectors.cosine(walk.query, best);
        for layer in &self.layers {
            (best, best_cosine) = layer.descend(vectors, walk.query, best, best_cosine);
        }
        visited.begin(self.offsets.len().saturating_sub(1));
        visited.insert(best);
        let mut beam = Beam::new(walk.ef);
        let mut found = walk.accept.map(|accept| (accept, Beam::new(walk.count)));
        beam.offer(best, best_cosine);
        if let Some((accept, found)) = &mut found
            && accept.contains(best)
        {
            found.offer(best, best_cosine);
        }
        let mut fresh = Vec::with_capacity(64);
        while let Some(slot) = beam.next() {
            fresh.clear();
            fresh.extend(row(&self.offsets, &self.links, slot).iter().copied().filter(|slot| visited.insert(*slot)));
            for &slot in &fresh {
                let cosine = vectors.cosine(walk.query, slot);
                beam.offer(slot, cosine);
                if let Some((accept, found)) = &mut found
                    && accept.contains(slot)
                {
                    found.offer(slot, cosine);
                }
            }
        }
        let mut answer = found.map_or(beam, |(_, found)| found).into_pairs();
        answer.truncate(walk.count);
        answer
    }

    pub(crate) fn bytes(&self) -> u64 {
        let upper: usize = self.layers.iter().map(|layer| layer.slots.len() * 2 + layer.links.len()).sum();
        ((self.offsets.len() + self.links.len() + upper) * 4) as u64
    }
}

impl Layer {
    /// Walks to a node of this layer that is nearer than all its neighbours.
    fn descend(&self, vectors: &Vectors, query: &Prepared, from: u32, cosine: f32) -> (u32, f32) {
        let (mut best, mut best_cosine) = (from, cosine);
        loop {
            let before = best;
            let Ok(node) = self.slots.binary_search(&best) else { return (best, best_cosine) };
            for &slot in row(&self.offsets, &self.links, node as u32) {
                let cosine = vectors.cosine(query, slot);
                if cosine > best_cosine {
                    (best, best_cosine) = (slot, cosine);
                }
            }
            if best == before {
                return (best, best_cosine);
            }
        }
    }
}

/// The best nodes so far, nearest first, each with a mark once its neighbours have been looked at.
///
/// An entry is one number: the cosine turned so that larger ones sort first, the slot, and the mark in the last bit.
#[derive(Debug)]
struct Beam {
    entries: Vec<u64>,
    width: usize,
    /// No entry before this one is unmarked.
    unmarked: usize,
}

impl Beam {
    fn new(width: usize) -> Beam {
        Beam { entries: Vec::with_capacity(width + 1), width, unmarked: 0 }
    }

    #[inline]
    fn offer(&mut self, slot: u32, cosine: f32) {
        let entry = u64::from(!ordered(cosine)) << 32 | u64::from(slot) << 1;
        if self.entries.len() == self.width {
            if self.entries.last().is_none_or(|last| entry >= *last) {
                return;
            }
            self.entries.pop();
        }
        let at = self.entries.partition_point(|other| *other < entry);
        self.entries.insert(at, entry);
        self.unmarked = self.unmarked.min(at);
    }

    /// The nearest unmarked node, marked now.
    #[inline]
    fn next(&mut self) -> Option<u32> {
        while let Some(entry) = self.entries.get_mut(self.unmarked) {
            self.unmarked += 1;
            if *entry & 1 == 0 {
                *entry |= 1;
                return Some((*entry >> 1) as u32 & (u32::MAX >> 1));
            }
        }
        None
    }

    fn into_pairs(self) -> Vec<(u32, f32)> {
        let pair = |entry: u64| ((entry >> 1) as u32 & (u32::MAX >> 1), from_ordered(!((entry >> 32) as u32)));
        self.entries.into_iter().map(pair).collect()
    }
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

    /// The beam's order rests on this.
    #[test]
    fn floats_keep_their_order() {
        let values = [-1.0, -0.5, -f32::MIN_POSITIVE, 0.0, 1e-20, 0.3, 0.999, 1.0];
        assert!(values.map(ordered).is_sorted());
        assert_eq!(values.map(|value| from_ordered(ordered(value)).to_bits()), values.map(f32::to_bits));
    }

    /// The beam keeps the nearest, gives each out once, and comes back to a nearer one that was offered late.
    #[test]
    fn beams_keep_the_nearest() {
        let mut beam = Beam::new(3);
        beam.offer(7, 0.5);
        assert_eq!(beam.next(), Some(7));
        beam.offer(1, 0.1);
        beam.offer(2, 0.2);
        beam.offer(9, 0.9);
        assert_eq!((beam.next(), beam.next(), beam.next()), (Some(9), Some(2), None));
        assert_eq!(beam.into_pairs(), [(9, 0.9), (7, 0.5), (2, 0.2)]);
    }
}
