//! `cargo xtask distill`: the static model, one vector per token, fitted to what the transformer says of whole texts.
//!
//! 1. The transformer embeds glosses of `WordNet`; their 192 principal axes are the space of the static model.
//! 2. Each token begins with its word embedding in the transformer, weighted down where it is frequent (Arora et al., "SIF",
//!    2017), times the matrix that brings sums of them nearest to the glosses' vectors.
//! 3. Then every token that the glosses have moves by itself.
//!
//! The glosses that are measured on are never learned from. Everything has a fixed order and seed, and uses nothing but the four
//! operations and square roots, so every machine makes the same model.
#![allow(clippy::indexing_slicing, reason = "a kernel: every index is below the size of the vocabulary")]

mod fit;
mod linear;
mod measure;
mod teacher;

use std::collections::HashMap;
use std::fs;
use std::path::PathBuf;
use std::time::Instant;

use anyhow::Context;
use skerry_embedding::{Tokenizer, pack_static, word_embeddings};

use crate::fetch::write_whole;
use crate::{components, fetch, paths, wordnet};
use fit::{Lessons, Schedule};

/// What the model depends on besides its teacher and the vocabulary, from the workspace.
pub(crate) const SOURCES: [&str; 9] = [
    "xtask/src/distill.rs",
    "xtask/src/distill/fit.rs",
    "xtask/src/distill/linear.rs",
    "xtask/src/distill/teacher.rs",
    "xtask/src/wordnet.rs",
    "components/embedding/src/pack_static.rs",
    "components/embedding/src/tokenizer.rs",
    "components/embedding/src/vocabulary.rs",
    "components/embedding/src/words.rs",
];

/// Components per vector. 256 gain half a hundredth of rank correlation for 2 MB.
const DIMENSIONS: usize = 192;

/// Components of the teacher's vectors and of its word embeddings.
const TEACHER_DIMENSIONS: usize = 384;

/// Tokens of a text that count. They cost next to nothing, but a sum of thousands says little.
const TOKENS_MAX: u32 = 4_096;

/// Glosses that are learned from, of at most so many tokens. The teacher's time for them is nearly all that a build takes, and
/// short ones teach more in the same time.
const LESSONS: usize = 32_000;
const LESSON_TOKENS_MAX: usize = 18;

/// Glosses at the end of the list that are measured on.
const HELD_OUT: usize = 4_000;

/// Frequency at which a token has half of its weight.
const FREQUENCY: f32 = 1e-3;

/// `[CLS]` and `[SEP]`, which every text has: they stand for what all texts share, and keep their weight.
const SPECIAL: [usize; 2] = [101, 102];

/// Share of the mean square that holds the matrix small.
const RIDGE: f64 = 0.01;

const SCHEDULE: Schedule = Schedule { epochs: 8, batch: 64, step: 0.001 };

/// Makes the model, or measures the one that is there.
pub(crate) fn distill(only_measure: bool) -> anyhow::Result<()> {
    components::build()?;
    if only_measure {
        return measure::measure();
    }
    let begun = Instant::now();
    let weights = weights()?;
    println!("{} bytes in {:.1} s: {}", weights.len(), begun.elapsed().as_secs_f64(), path().display());
    Ok(())
}

/// Where the packed model is.
pub(crate) fn path() -> PathBuf {
    paths::model().join("static.bin")
}

/// Distils, and packs the result. The component `embedding` must have been built.
pub(crate) fn weights() -> anyhow::Result<Vec<u8>> {
    let model = fetch::model()?;
    let vocabulary = fs::read_to_string(model.join("vocab.txt")).context("read the model's vocabulary")?;
    let safetensors = fs::read(model.join("model.safetensors")).context("read the model's weights")?;
    let glosses = wordnet::glosses()?;
    let texts: Vec<&str> = glosses.iter().map(|gloss| gloss.text.as_str()).collect();
    let numbers: HashMap<String, u32> = vocabulary.lines().map(str::to_owned).zip(0..).collect();
    let tokenizer = Tokenizer::new(&numbers, TOKENS_MAX as usize);
    let tokens: Vec<Vec<u32>> = texts.iter().map(|text| tokenizer.tokenize(text).ids).collect();
    let words = weighted(word_embeddings(&safetensors)?, &tokens);
    let lessons = texts.iter().zip(tokens).take(texts.len() - HELD_OUT);
    let lessons = lessons.filter(|(_, tokens)| tokens.len() <= LESSON_TOKENS_MAX).take(LESSONS);
    let (texts, tokens): (Vec<&str>, Vec<Vec<u32>>) = lessons.unzip();
    let vectors = teacher::vectors(&teacher::embedder("embedding")?, "lessons", &texts)?;

    let axes = linear::principal_axes(&vectors, TEACHER_DIMENSIONS, DIMENSIONS);
    let targets = linear::project(&vectors, &axes, TEACHER_DIMENSIONS);
    let lessons = Lessons { texts: tokens, targets };
    let sums: Vec<f32> = lessons.texts.iter().flat_map(|text| fit::sum(&words, TEACHER_DIMENSIONS, text)).collect();
    let matrix = linear::least_squares(&sums, TEACHER_DIMENSIONS, &lessons.targets, DIMENSIONS, RIDGE);
    let mut rows = linear::times(&words, &matrix, TEACHER_DIMENSIONS);
    fit::fit(&mut rows, DIMENSIONS, &lessons, SCHEDULE);
    // No text has these.
    for (word, row) in vocabulary.lines().zip(rows.chunks_exact_mut(DIMENSIONS)) {
        if word.starts_with("[unused") || word == "[PAD]" {
            row.fill(0.0);
        }
    }
    let name = format!("{}-static", components::MODEL_NAME);
    let packed = pack_static(&vocabulary, &rows, DIMENSIONS, TOKENS_MAX, &name)?;
    write_whole(&path(), &packed)?;
    Ok(packed)
}

/// Word embeddings of unit length times their weights, which fall with how often these texts have the words.
fn weighted(mut words: Vec<f32>, texts: &[Vec<u32>]) -> Vec<f32> {
    let mut counts = vec![1_u32; words.len() / TEACHER_DIMENSIONS];
    texts.iter().flatten().for_each(|token| counts[*token as usize] += 1);
    let all: u32 = texts.iter().map(|text| text.len() as u32).sum();
    for special in SPECIAL {
        counts[special] = 0;
    }
    for (row, count) in words.chunks_exact_mut(TEACHER_DIMENSIONS).zip(&counts) {
        linear::normalise(row);
        let frequency = *count as f32 / all as f32;
        let weight = FREQUENCY / (FREQUENCY + frequency);
        row.iter_mut().for_each(|x| *x *= weight);
    }
    words
}
