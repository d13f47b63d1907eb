//! The packed weights: one run of bytes, little-endian, read in place.
//!
//! | part | bytes |
//! | --- | --- |
//! | magic `SKRYEMB2` | 8 |
//! | CRC-32 of everything behind this field | 4 |
//! | length of the model's id, the id (UTF-8), zeros up to 64 | 4 + 48 |
//! | word embeddings: per word a scale (f32), then 384 int8 | 30,522 * (4 + 384) |
//! | position embeddings with the token type's added: f32 | 256 * 384 * 4 |
//! | embedding norm: weight, bias, f32 | 2 * 384 * 4 |
//! | six layers: query+key+value, output, norm, inner, outer, norm | |
//! | vocabulary: count (u32), then per word in byte order: offset, length, id (u32 each); then the words | |
//!
//! A matrix of `o` outputs and `i` inputs is: `o` scales (f32), `o` biases (f32), `o` sums of its row (i32), then the
//! int8 weights in tiles of 4 outputs by 4 inputs, tile by tile along the inputs, row of tiles by row of tiles; then the
//! corrections: their count (u32), and for each, by output, the output (u16), the input (u16) and what its weight lacks (i16).
//! In the tiles, the positive weights of each group (see the module `kernel`) add up to 258 at most, and so do the negative
//! ones; where the model's do not, the largest are made smaller and the rest of them becomes a correction.

use crate::vocabulary::Packed;
use crate::{DIMENSIONS, INNER, LAYERS, TOKENS_MAX, WORDS};

pub(crate) const MAGIC: &[u8; 8] = b"SKRYEMB2";
#[cfg(not(target_arch = "wasm32"))]
pub(crate) const HEADER_BYTES: usize = 64;
pub(crate) const ID_BYTES_MAX: usize = 48;
#[cfg(not(target_arch = "wasm32"))]
/// Revision of the arithmetic: vectors of different revisions must not be mixed.
pub(crate) const KERNEL_REVISION: u32 = 2;

/// A matrix; weights are a range of the packed bytes.
#[derive(Debug)]
pub(crate) struct Matrix {
    pub(crate) outputs: usize,
    pub(crate) inputs: usize,
    pub(crate) scales: Vec<f32>,
    pub(crate) biases: Vec<f32>,
    pub(crate) row_sums: Vec<i32>,
    pub(crate) weights: std::ops::Range<usize>,
    /// What was taken away from weights so that no sum leaves 16 bits on its way, by output.
    pub(crate) corrections: Vec<Correction>,
}

/// The rest of a weight.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Correction {
    pub(crate) output: usize,
    pub(crate) input: usize,
    pub(crate) weight: i32,
}

/// Weight and bias of a layer norm.
#[derive(Debug)]
pub(crate) struct Norm {
    pub(crate) weight: Vec<f32>,
    pub(crate) bias: Vec<f32>,
}

/// One transformer layer.
#[derive(Debug)]
pub(crate) struct Layer {
    pub(crate) query_key_value: Matrix,
    pub(crate) attention: Matrix,
    pub(crate) attention_norm: Norm,
    pub(crate) inner: Matrix,
    pub(crate) outer: Matrix,
    pub(crate) outer_norm: Norm,
}

/// Where everything stands.
#[derive(Debug)]
pub(crate) struct Layout {
    pub(crate) id: String,
    pub(crate) words: usize,
    pub(crate) positions: Vec<f32>,
    pub(crate) norm: Norm,
    pub(crate) layers: Vec<Layer>,
    /// Start of the vocabulary's table and of its words.
    pub(crate) table: usize,
    pub(crate) strings: usize,
}

/// Reads parts one after another.
#[derive(Debug)]
pub(crate) struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    /// Checks magic and checksum; the reader stands behind the header, whose id it gives.
    pub(crate) fn open(bytes: &'a [u8], magic: [u8; 8]) -> Result<(Self, String), String> {
        let mut reader = Reader { bytes, at: 0 };
        if reader.take(8)? != magic.as_slice() {
            return Err(format!("it does not start with {}", magic.escape_ascii()));
        }
        let checksum = reader.u32()?;
        let rest = bytes.get(reader.at..).unwrap_or_default();
        if crc32fast::hash(rest) != checksum {
            return Err("its checksum does not match".to_owned());
        }
        let id_bytes = reader.u32()? as usize;
        let id = reader.take(ID_BYTES_MAX)?.get(..id_bytes).ok_or("the id is too long")?;
        let id = String::from_utf8(id.to_vec()).map_err(|_| "the id is not text".to_owned())?;
        Ok((reader, id))
    }

    /// Where it stands.
    pub(crate) fn at(&self) -> usize {
        self.at
    }

    /// Where the vocabulary's table begins, and where its words do.
    pub(crate) fn vocabulary(&mut self) -> Result<(usize, usize), String> {
        let count = self.u32()? as usize;
        let table = self.at;
        self.take(count.saturating_mul(12))?;
        Ok((table, self.at))
    }

    pub(crate) fn take(&mut self, count: usize) -> Result<&'a [u8], String> {
        let part = self.bytes.get(self.at..self.at.saturating_add(count));
        let part = part.ok_or_else(|| format!("it ends at byte {}, in the middle", self.bytes.len()))?;
        self.at += count;
        Ok(part)
    }

    pub(crate) fn u32(&mut self) -> Result<u32, String> {
        let bytes = self.take(4)?;
        Ok(u32::from_le_bytes(bytes.try_into().map_err(|_| "no number".to_owned())?))
    }

    fn floats(&mut self, count: usize) -> Result<Vec<f32>, String> {
        let floats: Vec<f32> = words(self.take(count * 4)?).map(f32::from_bits).collect();
        if floats.iter().all(|value| value.is_finite()) { Ok(floats) } else { Err("a weight is not finite".to_owned()) }
    }

    fn matrix(&mut self, outputs: usize, inputs: usize) -> Result<Matrix, String> {
        let scales = self.floats(outputs)?;
        let biases = self.floats(outputs)?;
        let row_sums = words(self.take(outputs * 4)?).map(|word| word as i32).collect();
        let start = self.at;
        self.take(outputs * inputs)?;
        let weights = start..self.at;
        let count = self.u32()? as usize;
        let mut corrections = Vec::new();
        for entry in self.take(count.saturating_mul(6))?.as_chunks::<6>().0 {
            let [a, b, c, d, e, f] = *entry;
            let (output, input) = (u16::from_le_bytes([a, b]).into(), u16::from_le_bytes([c, d]).into());
            let behind = corrections.last().is_none_or(|last: &Correction| last.output <= output);
            if output >= outputs || input >= inputs || !behind {
                return Err("a correction has no place".to_owned());
            }
            corrections.push(Correction { output, input, weight: i16::from_le_bytes([e, f]).into() });
        }
        Ok(Matrix { outputs, inputs, scales, biases, row_sums, weights, corrections })
    }

    fn norm(&mut self) -> Result<Norm, String> {
        Ok(Norm { weight: self.floats(DIMENSIONS)?, bias: self.floats(DIMENSIONS)? })
    }
}

fn words(bytes: &[u8]) -> impl Iterator<Item = u32> + '_ {
    bytes.as_chunks::<4>().0.iter().map(|word| u32::from_le_bytes(*word))
}

impl Layout {
    /// Checks packed weights and finds their parts.
    pub(crate) fn read(bytes: &[u8]) -> Result<Layout, String> {
        let (mut reader, id) = Reader::open(bytes, *MAGIC)?;
        let words = reader.at;
        reader.take(WORDS * (4 + DIMENSIONS))?;
        let positions = reader.floats(TOKENS_MAX * DIMENSIONS)?;
        let norm = reader.norm()?;
        let layer = |reader: &mut Reader<'_>| -> Result<Layer, String> {
            Ok(Layer {
                query_key_value: reader.matrix(3 * DIMENSIONS, DIMENSIONS)?,
                attention: reader.matrix(DIMENSIONS, DIMENSIONS)?,
                attention_norm: reader.norm()?,
                inner: reader.matrix(INNER, DIMENSIONS)?,
                outer: reader.matrix(DIMENSIONS, INNER)?,
                outer_norm: reader.norm()?,
            })
        };
        let layers = (0..LAYERS).map(|_| layer(&mut reader)).collect::<Result<_, _>>()?;
        let (table, strings) = reader.vocabulary()?;
        Ok(Layout { id, words, positions, norm, layers, table, strings })
    }

    /// The scale and the int8 components of a word's embedding.
    pub(crate) fn word<'a>(&self, bytes: &'a [u8], id: u32) -> Option<(f32, &'a [u8])> {
        let start = self.words + id as usize * (4 + DIMENSIONS);
        let row = bytes.get(start..start + 4 + DIMENSIONS)?;
        let (scale, values) = row.split_first_chunk::<4>()?;
        ((id as usize) < WORDS).then_some((f32::from_le_bytes(*scale), values))
    }

    /// The vocabulary.
    pub(crate) fn vocabulary<'a>(&self, bytes: &'a [u8]) -> Packed<'a> {
        let table = bytes.get(self.table..self.strings).unwrap_or_default();
        Packed::new(table, bytes.get(self.strings..).unwrap_or_default())
    }
}
