//! Vectors as int8, and the exact scan.
//!
//! Each vector is scaled so that its largest component is 127 and rounded; a cosine does not depend on the scale, so only
//! the length of the rounded vector is kept beside it. Sums are exact integers: the same bits on every host.

use crate::bitset::Bitset;
use crate::image::Image;
use crate::kernel;
use crate::types::ImageError;

/// The vectors of a segment, by slot.
#[derive(Debug, Default)]
pub(crate) struct Vectors {
    dimensions: usize,
    /// `dimensions` bytes a slot.
    data: Vec<i8>,
    /// One over the length of the rounded vector; 0 where a slot has none.
    inverse_norms: Vec<f32>,
    count: u32,
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

    pub(crate) fn has(&self, slot: u32) -> bool {
        self.inverse_norms.get(slot as usize).is_some_and(|&norm| norm != 0.0)
    }

    /// Stores a vector, whose length the caller has checked. A vector of zeros has no direction and is not stored.
    pub(crate) fn insert(&mut self, slot: u32, vector: &[f32]) {
        if self.count == 0 {
            self.dimensions = vector.len();
            self.data.clear();
        }
        let (slot, dimensions) = (slot as usize, self.dimensions);
        if self.inverse_norms.len() <= slot {
            self.inverse_norms.resize(slot + 1, 0.0);
        }
        if self.data.len() < (slot + 1) * dimensions {
            self.data.resize((slot + 1) * dimensions, 0);
        }
        let Some(row) = self.data.get_mut(slot * dimensions..(slot + 1) * dimensions) else { return };
        row.iter_mut().zip(quantise(vector)).for_each(|(to, from)| *to = from);
        let norm = inverse_norm(row.iter().map(|&value| i32::from(value)));
        if let Some(entry) = self.inverse_norms.get_mut(slot) {
            *entry = norm;
        }
        self.count += u32::from(norm != 0.0);
    }

    pub(crate) fn remove(&mut self, slot: u32) {
        self.count -= u32::from(self.has(slot));
        if let Some(norm) = self.inverse_norms.get_mut(slot as usize) {
            *norm = 0.0;
        }
    }

    pub(crate) fn prepare(vector: &[f32]) -> Prepared {
        let values: Vec<i16> = quantise(vector).map(i16::from).collect();
        let inverse_norm = inverse_norm(values.iter().map(|&value| i32::from(value)));
        Prepared { values, inverse_norm }
    }

    /// Every slot that has a vector, with its cosine. `accept` limits the slots to those in it.
    pub(crate) fn scan<'a>(
        &'a self,
        query: &'a Prepared,
        accept: Option<&'a Bitset>,
    ) -> impl Iterator<Item = (u32, f32)> + 'a {
        let every = accept.is_none().then(|| {
            let rows = self.data.chunks_exact(self.dimensions.max(1));
            rows.zip(&self.inverse_norms)
                .zip(0..)
                .filter(|((_, norm), _)| **norm != 0.0)
                .map(|((row, norm), slot)| (slot, kernel::dot(&query.values, row) as f32 * query.inverse_norm * norm))
        });
        let some = accept.into_iter().flat_map(Bitset::iter).filter(|slot| self.has(*slot));
        every.into_iter().flatten().chain(some.map(|slot| (slot, self.cosine(query, slot))))
    }

    /// The cosine of one slot.
    #[inline]
    pub(crate) fn cosine(&self, query: &Prepared, slot: u32) -> f32 {
        let norm = self.inverse_norms.get(slot as usize).copied().unwrap_or(0.0);
        kernel::dot(&query.values, self.row(slot)) as f32 * query.inverse_norm * norm
    }

    /// The int8 vector of a slot; empty when there is none.
    #[inline]
    pub(crate) fn row(&self, slot: u32) -> &[i8] {
        let at = slot as usize * self.dimensions;
        self.data.get(at..at + self.dimensions).unwrap_or_default()
    }

    /// Writes the vectors of `slots`, in that order; zeros where a slot has none.
    pub(crate) fn write(&self, slots: &[u32], image: &mut Image) {
        let mut rows = Vec::with_capacity(slots.len() * self.dimensions);
        let mut norms = Vec::with_capacity(slots.len());
        if self.count > 0 {
            for slot in slots {
                let norm = self.inverse_norms.get(*slot as usize).copied().unwrap_or(0.0);
                let row = Some(self.row(*slot)).filter(|row| norm != 0.0 && row.len() == self.dimensions);
                match row {
                    Some(row) => rows.extend_from_slice(row),
                    None => rows.resize(rows.len() + self.dimensions, 0),
                }
                norms.push(norm);
            }
        }
        image.put("vectors.rows", rows);
        image.put("vectors.inverse-norms", norms);
    }

    pub(crate) fn read(image: &mut Image, slots: usize) -> Result<Vectors, ImageError> {
        let data: Vec<i8> = image.take("vectors.rows")?;
        let inverse_norms: Vec<f32> = image.take("vectors.inverse-norms")?;
        let dimensions = data.len().checked_div(inverse_norms.len()).unwrap_or(0);
        let whole = data.len() == dimensions * inverse_norms.len()
            && (inverse_norms.len() == slots || inverse_norms.is_empty())
            && inverse_norms.iter().all(|norm| norm.is_finite());
        if !whole {
            return Err(ImageError::Inconsistent("vectors"));
        }
        let count = inverse_norms.iter().filter(|norm| **norm != 0.0).count() as u32;
        Ok(Vectors { dimensions, data, inverse_norms, count })
    }

    pub(crate) fn bytes(&self) -> u64 {
        (self.data.len() + self.inverse_norms.len() * 4) as u64
    }
}

/// The cosine of two int8 vectors; 0 when one has no direction.
pub(crate) fn cosine_of_rows(a: &[i8], b: &[i8]) -> f32 {
    let wide: Vec<i16> = a.iter().map(|value| i16::from(*value)).collect();
    let norm = |row: &[i8]| inverse_norm(row.iter().map(|value| i32::from(*value)));
    kernel::dot(&wide, b) as f32 * norm(a) * norm(b)
}
