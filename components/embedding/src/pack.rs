//! Packs the model's weights for the component. Runs on the build machine, once.

use std::collections::BTreeMap;

use safetensors::SafeTensors;
use sha2::{Digest, Sha256};

use crate::kernel::GROUP_SUM_MAX;
use crate::packed::{HEADER_BYTES, ID_BYTES_MAX, KERNEL_REVISION, MAGIC};
use crate::{DIMENSIONS, INNER, LAYERS, TOKENS_MAX, WORDS};

/// Why weights cannot be packed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PackError {
    /// The file is not one in the safetensors format.
    #[error("the weights cannot be read: {0}")]
    Safetensors(#[from] safetensors::SafeTensorError),
    /// A tensor is missing or of another shape or type.
    #[error("the tensor `{name}` is not {expected} numbers of f32")]
    Tensor {
        /// Its name.
        name: String,
        /// How many numbers it should have.
        expected: usize,
    },
    /// The vocabulary is not this model's.
    #[error("the vocabulary has {0} words, the model {WORDS}")]
    Vocabulary(usize),
    /// The model's name is too long for the format.
    #[error("the model's name `{0}` is longer than 24 bytes")]
    Name(String),
}

/// The tensors of a model by name.
pub(crate) struct Tensors<'a>(SafeTensors<'a>);

impl<'a> Tensors<'a> {
    pub(crate) fn open(safetensors: &'a [u8]) -> Result<Self, PackError> {
        Ok(Tensors(SafeTensors::deserialize(safetensors)?))
    }

    /// The numbers of a tensor.
    pub(crate) fn get(&self, name: &str, expected: usize) -> Result<Vec<f32>, PackError> {
        let wrong = || PackError::Tensor { name: name.to_owned(), expected };
        let tensor = self.0.tensor(name).map_err(|_| wrong())?;
        if tensor.dtype() != safetensors::Dtype::F32 || tensor.data().len() != expected * 4 {
            return Err(wrong());
        }
        Ok(tensor.data().as_chunks::<4>().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect())
    }
}

/// Packs weights (safetensors, f32) and vocabulary (one word a line) under a name. The id of the result is the name, a
/// hash over the packed content, and the revision of the kernels.
///
/// # Errors
/// [`PackError`] says which tensor is not as expected.
pub fn pack(safetensors: &[u8], vocabulary: &str, name: &str) -> Result<Vec<u8>, PackError> {
    let tensors = Tensors::open(safetensors)?;
    let mut content = Vec::with_capacity(24 << 20);
    pack_embeddings(&tensors, &mut content)?;
    for layer in 0..LAYERS {
        pack_layer(&tensors, layer, &mut content)?;
    }
    pack_vocabulary(vocabulary, &mut content)?;
    seal(*MAGIC, name, &content)
}

/// Puts magic, checksum and id before the content.
pub(crate) fn seal(magic: [u8; 8], name: &str, content: &[u8]) -> Result<Vec<u8>, PackError> {
    let digest = hex::encode(Sha256::digest(content));
    let short = digest.get(..12).unwrap_or_default();
    let id = format!("{name}/{short}/{KERNEL_REVISION}");
    if id.len() > ID_BYTES_MAX {
        return Err(PackError::Name(name.to_owned()));
    }
    let mut header = (id.len() as u32).to_le_bytes().to_vec();
    header.extend_from_slice(id.as_bytes());
    header.resize(HEADER_BYTES - magic.len() - 4, 0);
    header.extend_from_slice(content);
    let mut packed = magic.to_vec();
    packed.extend_from_slice(&crc32fast::hash(&header).to_le_bytes());
    packed.extend_from_slice(&header);
    Ok(packed)
}

fn pack_embeddings(tensors: &Tensors<'_>, out: &mut Vec<u8>) -> Result<(), PackError> {
    let words = tensors.get("embeddings.word_embeddings.weight", WORDS * DIMENSIONS)?;
    for row in words.chunks_exact(DIMENSIONS) {
        let (scale, values) = quantise(row);
        out.extend_from_slice(&scale.to_le_bytes());
        out.extend(values.iter().map(|value| *value as u8));
    }
    let positions = tensors.get("embeddings.position_embeddings.weight", 512 * DIMENSIONS)?;
    let types = tensors.get("embeddings.token_type_embeddings.weight", 2 * DIMENSIONS)?;
    let summed = positions.iter().take(TOKENS_MAX * DIMENSIONS).zip(types.iter().take(DIMENSIONS).cycle());
    put_floats(summed.map(|(position, kind)| position + kind), out);
    pack_norm(tensors, "embeddings.LayerNorm", out)
}

fn pack_layer(tensors: &Tensors<'_>, layer: usize, out: &mut Vec<u8>) -> Result<(), PackError> {
    let name = |part: &str| format!("encoder.layer.{layer}.{part}");
    let mut weights = Vec::new();
    let mut biases = Vec::new();
    for part in ["attention.self.query", "attention.self.key", "attention.self.value"] {
        weights.extend(tensors.get(&format!("{}.weight", name(part)), DIMENSIONS * DIMENSIONS)?);
        biases.extend(tensors.get(&format!("{}.bias", name(part)), DIMENSIONS)?);
    }
    pack_matrix(&weights, &biases, DIMENSIONS, out);
    pack_dense(tensors, &name("attention.output.dense"), DIMENSIONS, DIMENSIONS, out)?;
    pack_norm(tensors, &name("attention.output.LayerNorm"), out)?;
    pack_dense(tensors, &name("intermediate.dense"), INNER, DIMENSIONS, out)?;
    pack_dense(tensors, &name("output.dense"), DIMENSIONS, INNER, out)?;
    pack_norm(tensors, &name("output.LayerNorm"), out)
}

fn pack_dense(
    tensors: &Tensors<'_>,
    name: &str,
    outputs: usize,
    inputs: usize,
    out: &mut Vec<u8>,
) -> Result<(), PackError> {
    let weights = tensors.get(&format!("{name}.weight"), outputs * inputs)?;
    let biases = tensors.get(&format!("{name}.bias"), outputs)?;
    pack_matrix(&weights, &biases, inputs, out);
    Ok(())
}

fn pack_matrix(weights: &[f32], biases: &[f32], inputs: usize, out: &mut Vec<u8>) {
    let mut rows: Vec<(f32, Vec<i8>)> = weights.chunks_exact(inputs).map(quantise).collect();
    put_floats(rows.iter().map(|(scale, _)| *scale), out);
    put_floats(biases.iter().copied(), out);
    for (_, row) in &rows {
        let sum: i32 = row.iter().map(|value| i32::from(*value)).sum();
        out.extend_from_slice(&sum.to_le_bytes());
    }
    let mut corrections = Vec::new();
    for (output, (_, row)) in (0_u16..).zip(&mut rows) {
        for (input, weight) in limit_groups(row) {
            corrections.push((output, input, weight));
        }
    }
    for four in rows.chunks_exact(4) {
        for at in (0..inputs).step_by(4) {
            for (_, row) in four {
                out.extend(row.iter().skip(at).take(4).map(|value| *value as u8));
            }
        }
    }
    out.extend_from_slice(&(corrections.len() as u32).to_le_bytes());
    for (output, input, weight) in corrections {
        out.extend_from_slice(&output.to_le_bytes());
        out.extend_from_slice(&input.to_le_bytes());
        out.extend_from_slice(&weight.to_le_bytes());
    }
}

/// Makes weights smaller until no group's positive or negative ones add up to more than the kernel can take; answers what was
/// taken away, by input.
#[allow(clippy::indexing_slicing, reason = "positions in blocks of eight are below eight")]
fn limit_groups(row: &mut [i8]) -> Vec<(u16, i16)> {
    let mut taken: BTreeMap<u16, i16> = BTreeMap::new();
    for (block, values) in row.as_chunks_mut::<8>().0.iter_mut().enumerate() {
        for group in [[0, 1, 4, 5], [2, 3, 6, 7]] {
            for sign in [1, -1] {
                let size = |value: i8| (i32::from(value) * sign).max(0);
                let excess = |values: &[i8; 8]| group.iter().map(|at| size(values[*at])).sum::<i32>() - GROUP_SUM_MAX;
                while excess(values) > 0 {
                    let Some(&at) = group.iter().max_by_key(|at| size(values[**at])) else { break };
                    let step = excess(values).min(size(values[at])) * sign;
                    values[at] -= step as i8;
                    *taken.entry((block * 8 + at) as u16).or_default() += step as i16;
                }
            }
        }
    }
    taken.into_iter().collect()
}

fn pack_norm(tensors: &Tensors<'_>, name: &str, out: &mut Vec<u8>) -> Result<(), PackError> {
    put_floats(tensors.get(&format!("{name}.weight"), DIMENSIONS)?.into_iter(), out);
    put_floats(tensors.get(&format!("{name}.bias"), DIMENSIONS)?.into_iter(), out);
    Ok(())
}

pub(crate) fn pack_vocabulary(vocabulary: &str, out: &mut Vec<u8>) -> Result<(), PackError> {
    let mut words: Vec<(&str, u32)> = vocabulary.lines().zip(0..).collect();
    if words.len() != WORDS {
        return Err(PackError::Vocabulary(words.len()));
    }
    words.sort_unstable();
    out.extend_from_slice(&(words.len() as u32).to_le_bytes());
    let mut offset = 0_u32;
    for (word, id) in &words {
        for number in [offset, word.len() as u32, *id] {
            out.extend_from_slice(&number.to_le_bytes());
        }
        offset += word.len() as u32;
    }
    words.iter().for_each(|(word, _)| out.extend_from_slice(word.as_bytes()));
    Ok(())
}

fn put_floats(values: impl Iterator<Item = f32>, out: &mut Vec<u8>) {
    values.for_each(|value| out.extend_from_slice(&value.to_le_bytes()));
}

/// Scale and int8 values of a row: the largest becomes 127.
pub(crate) fn quantise(row: &[f32]) -> (f32, Vec<i8>) {
    let largest = row.iter().fold(0.0_f32, |largest, value| largest.max(value.abs()));
    let scale = if largest > 0.0 { largest / 127.0 } else { 1.0 };
    (scale, row.iter().map(|value| (value / scale).round().clamp(-127.0, 127.0) as i8).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rows of every shape, the worst included, keep their sum and stay within what the kernel can add in 16 bits.
    #[test]
    fn groups_are_limited_and_nothing_is_lost() {
        let mut state = 1_u32;
        let mut random = move |most: i32| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            ((state >> 8) as i32 % (2 * most + 1) - most) as i8
        };
        let mut rows: Vec<Vec<i8>> = (0..200).map(|_| (0..64).map(|_| random(127)).collect()).collect();
        rows.extend([vec![127; 16], vec![-127; 16], vec![0; 16]]);
        let mut corrected = 0;
        for row in &rows {
            let mut limited = row.clone();
            let taken = limit_groups(&mut limited);
            corrected += taken.len();
            for block in limited.as_chunks::<8>().0 {
                for group in [[0, 1, 4, 5], [2, 3, 6, 7]] {
                    let sum = |sign: i32| group.iter().map(|at| (i32::from(block[*at]) * sign).max(0)).sum::<i32>();
                    assert!(sum(1) <= GROUP_SUM_MAX && sum(-1) <= GROUP_SUM_MAX, "{block:?}");
                }
            }
            let mut whole: Vec<i32> = limited.iter().map(|value| i32::from(*value)).collect();
            taken.iter().for_each(|(input, weight)| whole[usize::from(*input)] += i32::from(*weight));
            assert_eq!(whole, row.iter().map(|value| i32::from(*value)).collect::<Vec<_>>());
        }
        assert!(corrected > 100, "{corrected} corrections: the rows were too tame to try anything");
    }
}
