//! Vectors as int8, and the exact scan.
//!
//! Each vector is scaled so that its largest component is 127 and rounded; a cosine does not depend on the scale, so only
//! the length of the rounded vector is kept beside it. Sums are exact integers: the same bits on every host.

use crate::kernel;

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

    /// Writes the cosine of every slot into `cosines`; what stands there for slots without a vector means nothing.
    pub(crate) fn scan(&self, query: &Prepared, cosines: &mut Vec<f32>) {
        cosines.clear();
        let rows = self.data.chunks_exact(self.dimensions.max(1));
        cosines.extend(
            rows.zip(&self.inverse_norms)
                .map(|(row, norm)| kernel::dot(&query.values, row) as f32 * query.inverse_norm * norm),
        );
        cosines.resize(self.inverse_norms.len(), 0.0);
    }

    /// The cosine of one slot.
    pub(crate) fn cosine(&self, query: &Prepared, slot: u32) -> f32 {
        let at = slot as usize * self.dimensions;
        let Some(row) = self.data.get(at..at + self.dimensions) else { return 0.0 };
        let norm = self.inverse_norms.get(slot as usize).copied().unwrap_or(0.0);
        kernel::dot(&query.values, row) as f32 * query.inverse_norm * norm
    }

    pub(crate) fn shrink(&mut self) {
        self.data.shrink_to_fit();
        self.inverse_norms.shrink_to_fit();
    }

    pub(crate) fn bytes(&self) -> u64 {
        (self.data.len() + self.inverse_norms.len() * 4) as u64
    }
}
