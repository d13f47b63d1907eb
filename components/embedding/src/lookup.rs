//! The static model: one vector per token, looked up and added (after Tulkens and van Dongen, "`Model2Vec`", 2024).
//!
//! | part | bytes |
//! | --- | --- |
//! | magic `SKRYSTA1` | 8 |
//! | CRC-32 of everything behind this field | 4 |
//! | length of the model's id, the id (UTF-8), zeros up to 64 | 4 + 48 |
//! | components per vector, tokens that count, tokens known (u32 each) | 12 |
//! | per token a scale (f32), then its int8 components | tokens * (4 + components) |
//! | vocabulary, as in the other format | |
//!
//! A token's weight is the length of its vector. Rows are added in the order of the tokens, in `f32` without fused operations,
//! so every host computes the same bits.

use crate::lanes::{self, BLOCK};
use crate::packed::Reader;
use crate::vocabulary::Packed;

pub(crate) const MAGIC: &[u8; 8] = b"SKRYSTA1";

/// Where everything stands.
#[derive(Debug)]
pub(crate) struct Lookup {
    pub(crate) id: String,
    pub(crate) dimensions: usize,
    pub(crate) tokens_max: usize,
    rows: std::ops::Range<usize>,
    table: usize,
    strings: usize,
}

impl Lookup {
    /// Checks packed weights and finds their parts.
    pub(crate) fn read(bytes: &[u8]) -> Result<Lookup, String> {
        let (mut reader, id) = Reader::open(bytes, *MAGIC)?;
        let (dimensions, tokens_max) = (reader.u32()? as usize, reader.u32()? as usize);
        let tokens = reader.u32()? as usize;
        if dimensions == 0 || !dimensions.is_multiple_of(BLOCK) || dimensions > 1_024 {
            return Err(format!("{dimensions} components are not a multiple of {BLOCK} up to 1,024"));
        }
        if !(crate::TOKENS_MIN as usize..=4_096).contains(&tokens_max) {
            return Err(format!("{tokens_max} tokens are not from {} to 4,096", crate::TOKENS_MIN));
        }
        let rows = reader.at();
        // With scales up to 1 no sum of rows can leave the range of f32.
        for row in reader.take(tokens.saturating_mul(4 + dimensions))?.chunks_exact(4 + dimensions) {
            let scale = row.first_chunk::<4>().map_or(f32::NAN, |scale| f32::from_le_bytes(*scale));
            if !(0.0..=1.0).contains(&scale) {
                return Err("a token's scale is not from 0 to 1".to_owned());
            }
        }
        let rows = rows..reader.at();
        let (table, strings) = reader.vocabulary()?;
        Ok(Lookup { id, dimensions, tokens_max, rows, table, strings })
    }

    /// The vocabulary.
    pub(crate) fn vocabulary<'a>(&self, bytes: &'a [u8]) -> Packed<'a> {
        let table = bytes.get(self.table..self.strings).unwrap_or_default();
        Packed::new(table, bytes.get(self.strings..).unwrap_or_default())
    }

    /// The vector of a text with these tokens. An id without a row adds nothing.
    pub(crate) fn embed(&self, bytes: &[u8], ids: &[u32]) -> Vec<f32> {
        let width = 4 + self.dimensions;
        let rows = bytes.get(self.rows.clone()).unwrap_or_default();
        let mut sum = vec![0.0_f32; self.dimensions];
        for &id in ids {
            let start = id as usize * width;
            let Some((scale, row)) = rows.get(start..start + width).and_then(|row| row.split_first_chunk::<4>()) else {
                continue;
            };
            let scale = f32::from_le_bytes(*scale);
            sum.iter_mut().zip(row).for_each(|(sum, value)| *sum += scale * f32::from(value.cast_signed()));
        }
        let square = lanes::sum(&sum, |value| value * value);
        if square > 0.0 {
            let length = square.sqrt();
            sum.iter_mut().for_each(|value| *value /= length);
        } else if let Some(first) = sum.first_mut() {
            // Tokens that cancel out say nothing, but a vector has a direction.
            *first = 1.0;
        }
        sum
    }
}
