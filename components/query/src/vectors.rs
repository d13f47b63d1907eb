//! Vectors as int8, and the exact scan.
//!
//! Each vector is scaled so that its largest component is 127 and rounded; a cosine does not depend on the scale, so only
//! the length of the rounded vector is kept beside it. Sums are exact integers: the same bits on every host. A document is as
//! similar as its most similar chunk.

use crate::bitset::Bitset;
use crate::image::Image;
use crate::kernel;
use crate::rows::Rows;
use crate::types::{Chunk, ImageError, Span};

/// The vectors of a segment, one a row. A document has as many rows as it has chunks with a direction.
#[derive(Debug, Default)]
pub(crate) struct Vectors {
    dimensions: usize,
    /// `dimensions` bytes a row.
    data: Vec<i8>,
    /// One over the length of the rounded vector; 0 for a free row.
    inverse_norms: Vec<f32>,
    /// Start and end of each row's chunk.
    spans: Vec<u32>,
    /// Rows that are not free.
    count: u32,
    rows: Rows,
}

/// A query vector, ready for the kernel.
#[derive(Debug)]
pub(crate) struct Prepared {
    values: Vec<i16>,
    inverse_norm: f32,
}

fn quantise(vector: &[f32]) -> impl Iterator<Item = i8> + '_ {
    let largest = vector.iter().fold(0.0_f32, |largest, value| largest.max(value.abs()));
    // A subnormal vector would scale to infinity; as far as int8 goes it is zero.
    let scale = if largest > f32::MIN_POSITIVE { 127.0 / largest } else { 0.0 };
    vector.iter().map(move |value| (value * scale).round().clamp(-127.0, 127.0) as i8)
}

fn inverse_norm(values: impl Iterator<Item = i32>) -> f32 {
    let sum: i64 = values.map(|value| i64::from(value) * i64::from(value)).sum();
    if sum == 0 { 0.0 } else { (1.0 / (sum as f64).sqrt()) as f32 }
}

impl Vectors {
    pub(crate) fn dimensions(&self) -> usize {
        self.dimensions
    }

    pub(crate) fn count(&self) -> u32 {
        self.count
    }

    /// Whether some document may have several vectors.
    pub(crate) fn has_several(&self) -> bool {
        self.rows.has_several(self.count)
    }

    /// The document of a row.
    #[inline]
    pub(crate) fn slot(&self, row: u32) -> u32 {
        self.rows.slot(row)
    }

    /// Stores the vectors of a slot that has none, all of the same length, which the caller has checked. A vector of zeros
    /// has no direction and is not stored.
    pub(crate) fn insert(&mut self, slot: u32, chunks: &[Chunk]) {
        for chunk in chunks.iter().rev() {
            let norm = inverse_norm(quantise(&chunk.vector).map(i32::from));
            if norm != 0.0 {
                self.insert_first(slot, chunk, norm);
            }
        }
    }

    fn insert_first(&mut self, slot: u32, chunk: &Chunk, norm: f32) {
        if self.count == 0 {
            *self = Vectors { dimensions: chunk.vector.len(), ..Vectors::default() };
        }
        let Some(row) = self.rows.insert_first(slot) else { return };
        let (row, dimensions) = (row as usize, self.dimensions);
        if self.inverse_norms.len() <= row {
            self.inverse_norms.resize(row + 1, 0.0);
            self.spans.resize((row + 1) * 2, 0);
            self.data.resize((row + 1) * dimensions, 0);
        }
        if let Some(values) = self.data.get_mut(row * dimensions..(row + 1) * dimensions) {
            values.iter_mut().zip(quantise(&chunk.vector)).for_each(|(to, from)| *to = from);
        }
        if let Some(entry) = self.inverse_norms.get_mut(row) {
            *entry = norm;
        }
        if let Some(span) = self.spans.as_chunks_mut().0.get_mut(row) {
            *span = [chunk.span.start, chunk.span.end];
        }
        self.count += 1;
    }

    /// Removes the vectors of a slot of a growing segment.
    pub(crate) fn remove(&mut self, slot: u32) {
        for row in self.rows.of(slot) {
            self.count -= 1;
            if let Some(norm) = self.inverse_norms.get_mut(row as usize) {
                *norm = 0.0;
            }
        }
        self.rows.remove(slot);
    }

    pub(crate) fn prepare(vector: &[f32]) -> Prepared {
        let values: Vec<i16> = quantise(vector).map(i16::from).collect();
        let inverse_norm = inverse_norm(values.iter().map(|&value| i32::from(value)));
        Prepared { values, inverse_norm }
    }

    /// Every slot that has a vector, with the cosine of its best one. `accept` limits the slots to those in it.
    pub(crate) fn scan<'a>(
        &'a self,
        query: &'a Prepared,
        accept: Option<&'a Bitset>,
    ) -> impl Iterator<Item = (u32, f32)> + 'a {
        let several = self.has_several();
        let by_row = (accept.is_none() && !several).then(|| {
            let rows = self.data.chunks_exact(self.dimensions.max(1));
            rows.zip(&self.inverse_norms).zip(0..).filter(|((_, norm), _)| **norm != 0.0).map(
                |((values, norm), row)| {
                    (self.slot(row), kernel::dot(&query.values, values) as f32 * query.inverse_norm * norm)
                },
            )
        });
        let every_slot = 0..if accept.is_none() && several { self.rows.slots_end() } else { 0 };
        let by_slot = accept.into_iter().flat_map(Bitset::iter).chain(every_slot);
        let best = |slot| self.best(query, slot).map(|(_, cosine)| (slot, cosine));
        by_row.into_iter().flatten().chain(by_slot.filter_map(best))
    }

    /// The row of a slot that is most similar, the earliest of equals, and its cosine; none when it has no vector.
    #[inline]
    pub(crate) fn best(&self, query: &Prepared, slot: u32) -> Option<(u32, f32)> {
        let rows = self.rows.of(slot).map(|row| (row, self.cosine(query, row)));
        rows.reduce(|best, other| if other.1 > best.1 { other } else { best })
    }

    /// The row of a slot's first chunk.
    pub(crate) fn first(&self, slot: u32) -> Option<u32> {
        self.rows.of(slot).next()
    }

    /// The cosine of one row.
    #[inline]
    pub(crate) fn cosine(&self, query: &Prepared, row: u32) -> f32 {
        let norm = self.inverse_norms.get(row as usize).copied().unwrap_or(0.0);
        kernel::dot(&query.values, self.values(row)) as f32 * query.inverse_norm * norm
    }

    /// The int8 vector of a row.
    #[inline]
    pub(crate) fn values(&self, row: u32) -> &[i8] {
        let at = row as usize * self.dimensions;
        self.data.get(at..at + self.dimensions).unwrap_or_default()
    }

    /// The chunk of a row.
    pub(crate) fn span(&self, row: u32) -> Span {
        let [start, end] = self.spans.as_chunks().0.get(row as usize).copied().unwrap_or_default();
        Span { start, end }
    }

    /// Writes the vectors of `slots`, in that order.
    pub(crate) fn write(&self, slots: &[u32], image: &mut Image) {
        let count = self.count as usize;
        let mut rows = Vec::with_capacity(count * self.dimensions);
        let mut norms = Vec::with_capacity(count);
        let mut spans = Vec::with_capacity(count * 2);
        for row in slots.iter().flat_map(|slot| self.rows.of(*slot)) {
            rows.extend_from_slice(self.values(row));
            norms.push(self.inverse_norms.get(row as usize).copied().unwrap_or(0.0));
            let Span { start, end } = self.span(row);
            spans.extend([start, end]);
        }
        image.put("vectors.rows", rows);
        image.put("vectors.inverse-norms", norms);
        image.put("vectors.spans", spans);
        self.rows.write(slots, image);
    }

    /// The vectors of a sealed segment with so many slots.
    pub(crate) fn read(image: &mut Image, slots: usize) -> Result<Vectors, ImageError> {
        let data: Vec<i8> = image.take("vectors.rows")?;
        let inverse_norms: Vec<f32> = image.take("vectors.inverse-norms")?;
        let spans: Vec<u32> = image.take("vectors.spans")?;
        let dimensions = data.len().checked_div(inverse_norms.len()).unwrap_or(0);
        let whole = data.len() == dimensions * inverse_norms.len()
            && spans.len() == inverse_norms.len() * 2
            && spans.as_chunks().0.iter().all(|[start, end]| start <= end)
            && inverse_norms.iter().all(|norm| norm.is_normal() && *norm > 0.0);
        if !whole {
            return Err(ImageError::Inconsistent("vectors"));
        }
        let rows = Rows::read(image, inverse_norms.len(), slots)?;
        Ok(Vectors { dimensions, data, count: inverse_norms.len() as u32, inverse_norms, spans, rows })
    }

    /// Vectors, with the dead ones of a sealed segment.
    pub(crate) fn rows_count(&self) -> usize {
        self.inverse_norms.len()
    }

    pub(crate) fn bytes(&self) -> u64 {
        (self.data.len() + self.inverse_norms.len() * 4 + self.spans.len() * 4) as u64 + self.rows.bytes()
    }
}

/// The cosine of two int8 vectors; 0 when one has no direction.
pub(crate) fn cosine_of_rows(a: &[i8], b: &[i8]) -> f32 {
    let wide: Vec<i16> = a.iter().map(|value| i16::from(*value)).collect();
    let norm = |row: &[i8]| inverse_norm(row.iter().map(|value| i32::from(*value)));
    kernel::dot(&wide, b) as f32 * norm(a) * norm(b)
}
