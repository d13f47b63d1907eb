//! Packs the vectors of a static model for the component.

use crate::lookup::MAGIC;
use crate::pack::{PackError, Tensors, pack_vocabulary, quantise, seal};
use crate::{DIMENSIONS, WORDS};

/// The vectors that the transformer begins with: 384 numbers for each word of the vocabulary.
///
/// # Errors
/// [`PackError`] says what is not as expected of the weights (safetensors, f32).
pub fn word_embeddings(safetensors: &[u8]) -> Result<Vec<f32>, PackError> {
    Tensors::open(safetensors)?.get("embeddings.word_embeddings.weight", WORDS * DIMENSIONS)
}

/// Packs one vector per word of the vocabulary (one word a line, `dimensions` numbers each, all words' after one another) under
/// a name. The model reads `tokens_max` tokens of a text. Vectors may have any common scale.
///
/// # Errors
/// [`PackError`] when numbers and words do not fit together, or the name is too long.
pub fn pack_static(
    vocabulary: &str,
    vectors: &[f32],
    dimensions: usize,
    tokens_max: u32,
    name: &str,
) -> Result<Vec<u8>, PackError> {
    if vectors.len() != WORDS * dimensions {
        return Err(PackError::Tensor { name: "token vectors".to_owned(), expected: WORDS * dimensions });
    }
    // Only directions count, so the largest scale may be 1/127.
    let largest = vectors.iter().fold(0.0_f32, |largest, value| largest.max(value.abs()));
    let unit = if largest > 0.0 { largest } else { 1.0 };
    let mut content = Vec::with_capacity(WORDS * (4 + dimensions) + (1 << 20));
    for number in [dimensions as u32, tokens_max, WORDS as u32] {
        content.extend_from_slice(&number.to_le_bytes());
    }
    for row in vectors.chunks_exact(dimensions) {
        let row: Vec<f32> = row.iter().map(|value| value / unit).collect();
        let (scale, values) = quantise(&row);
        content.extend_from_slice(&scale.to_le_bytes());
        content.extend(values.iter().map(|value| value.cast_unsigned()));
    }
    pack_vocabulary(vocabulary, &mut content)?;
    seal(*MAGIC, name, &content)
}
