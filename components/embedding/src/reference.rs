//! The same model in `f32` straight from its weights: slow, plain, and what the integer path is measured against.
#![allow(clippy::indexing_slicing, reason = "a kernel: every index is below a length that loading checked")]

use crate::math;
use crate::pack::{PackError, Tensors};
use crate::tokenizer::Tokenizer;
use crate::{DIMENSIONS, HEAD, HEADS, INNER, LAYERS, TOKENS_MAX, WORDS};

/// A dense layer.
#[derive(Debug)]
struct Dense {
    weights: Vec<f32>,
    biases: Vec<f32>,
    inputs: usize,
}

/// Weight and bias of a layer norm.
type Norm = (Vec<f32>, Vec<f32>);

#[derive(Debug)]
struct Layer {
    query: Dense,
    key: Dense,
    value: Dense,
    attention: Dense,
    attention_norm: Norm,
    inner: Dense,
    outer: Dense,
    outer_norm: Norm,
}

/// The reference model.
#[derive(Debug)]
pub struct Reference {
    vocabulary: std::collections::HashMap<String, u32>,
    words: Vec<f32>,
    positions: Vec<f32>,
    types: Vec<f32>,
    norm: Norm,
    layers: Vec<Layer>,
}

impl Reference {
    /// Reads weights (safetensors) and vocabulary (one word a line).
    ///
    /// # Errors
    /// [`PackError`] says which tensor is not as expected.
    pub fn load(safetensors: &[u8], vocabulary: &str) -> Result<Reference, PackError> {
        let tensors = Tensors::open(safetensors)?;
        let norm = |name: &str| -> Result<Norm, PackError> {
            Ok((tensors.get(&format!("{name}.weight"), DIMENSIONS)?, tensors.get(&format!("{name}.bias"), DIMENSIONS)?))
        };
        let dense = |name: &str, outputs: usize, inputs: usize| -> Result<Dense, PackError> {
            let weights = tensors.get(&format!("{name}.weight"), outputs * inputs)?;
            Ok(Dense { weights, biases: tensors.get(&format!("{name}.bias"), outputs)?, inputs })
        };
        let layer = |index: usize| -> Result<Layer, PackError> {
            let name = |part: &str| format!("encoder.layer.{index}.{part}");
            let square = |part: &str| dense(&name(part), DIMENSIONS, DIMENSIONS);
            Ok(Layer {
                query: square("attention.self.query")?,
                key: square("attention.self.key")?,
                value: square("attention.self.value")?,
                attention: square("attention.output.dense")?,
                attention_norm: norm(&name("attention.output.LayerNorm"))?,
                inner: dense(&name("intermediate.dense"), INNER, DIMENSIONS)?,
                outer: dense(&name("output.dense"), DIMENSIONS, INNER)?,
                outer_norm: norm(&name("output.LayerNorm"))?,
            })
        };
        Ok(Reference {
            vocabulary: vocabulary.lines().map(str::to_owned).zip(0..).collect(),
            words: tensors.get("embeddings.word_embeddings.weight", WORDS * DIMENSIONS)?,
            positions: tensors.get("embeddings.position_embeddings.weight", 512 * DIMENSIONS)?,
            types: tensors.get("embeddings.token_type_embeddings.weight", 2 * DIMENSIONS)?,
            norm: norm("embeddings.LayerNorm")?,
            layers: (0..LAYERS).map(layer).collect::<Result<_, _>>()?,
        })
    }

    /// The vector of a text.
    pub fn embed(&self, text: &str) -> Vec<f32> {
        let ids = Tokenizer::new(&self.vocabulary, TOKENS_MAX).tokenize(text).ids;
        let mut states: Vec<Vec<f32>> =
            ids.iter().zip(0..).map(|(&id, position)| self.start(id as usize, position)).collect();
        for layer in &self.layers {
            let mixed = attend(layer, &states);
            for (state, mixed) in states.iter_mut().zip(&mixed) {
                add_and_norm(state, &apply(&layer.attention, mixed), &layer.attention_norm);
                let inner: Vec<f32> =
                    apply(&layer.inner, state).into_iter().map(|value| math::one(math::gelu, value)).collect();
                add_and_norm(state, &apply(&layer.outer, &inner), &layer.outer_norm);
            }
        }
        let mut mean = vec![0.0; DIMENSIONS];
        for state in &states {
            mean.iter_mut().zip(state).for_each(|(sum, value)| *sum += value / states.len() as f32);
        }
        let length = mean.iter().map(|value| value * value).sum::<f32>().sqrt();
        mean.iter().map(|value| value / length).collect()
    }

    fn start(&self, id: usize, position: usize) -> Vec<f32> {
        let row = |table: &[f32], index: usize| table[index * DIMENSIONS..(index + 1) * DIMENSIONS].to_vec();
        let (word, position) = (row(&self.words, id), row(&self.positions, position));
        let sums = word.iter().zip(&position).zip(&self.types).map(|((word, position), kind)| word + position + kind);
        let mut state: Vec<f32> = sums.collect();
        add_and_norm(&mut state, &[0.0; DIMENSIONS], &self.norm);
        state
    }
}

fn apply(dense: &Dense, input: &[f32]) -> Vec<f32> {
    let dot = |row: &[f32]| {
        let mut lanes = [0.0_f32; 16];
        for (a, b) in row.as_chunks::<16>().0.iter().zip(input.as_chunks::<16>().0) {
            lanes.iter_mut().zip(a.iter().zip(b)).for_each(|(lane, (a, b))| *lane += a * b);
        }
        lanes.iter().sum::<f32>()
    };
    dense.weights.chunks_exact(dense.inputs).zip(&dense.biases).map(|(row, bias)| dot(row) + bias).collect()
}

fn attend(layer: &Layer, states: &[Vec<f32>]) -> Vec<Vec<f32>> {
    let all = |dense: &Dense| -> Vec<Vec<f32>> { states.iter().map(|state| apply(dense, state)).collect() };
    let (queries, keys, values) = (all(&layer.query), all(&layer.key), all(&layer.value));
    let mix = |query: &Vec<f32>| {
        let mut mixed = vec![0.0; DIMENSIONS];
        for head in 0..HEADS {
            let part = head * HEAD..(head + 1) * HEAD;
            let dot =
                |key: &Vec<f32>| query[part.clone()].iter().zip(&key[part.clone()]).map(|(a, b)| a * b).sum::<f32>();
            let scores: Vec<f32> = keys.iter().map(|key| dot(key) / (HEAD as f32).sqrt()).collect();
            let largest = scores.iter().copied().fold(f32::NEG_INFINITY, f32::max);
            let weights: Vec<f32> = scores.iter().map(|score| (score - largest).exp()).collect();
            let total: f32 = weights.iter().sum();
            for (weight, value) in weights.iter().zip(&values) {
                let target = mixed[part.clone()].iter_mut();
                target.zip(&value[part.clone()]).for_each(|(sum, value)| *sum += weight / total * value);
            }
        }
        mixed
    };
    queries.iter().map(mix).collect()
}

fn add_and_norm(state: &mut [f32], added: &[f32], (weight, bias): &Norm) {
    state.iter_mut().zip(added).for_each(|(value, added)| *value += added);
    let mean = state.iter().sum::<f32>() / DIMENSIONS as f32;
    let variance = state.iter().map(|value| (value - mean) * (value - mean)).sum::<f32>() / DIMENSIONS as f32;
    let inverse = 1.0 / (variance + 1e-12).sqrt();
    let parameters = weight.iter().zip(bias);
    state
        .iter_mut()
        .zip(parameters)
        .for_each(|(value, (weight, bias))| *value = (*value - mean) * inverse * weight + bias);
}
