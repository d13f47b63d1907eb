//! Golden values of all-MiniLM-L6-v2: the tokenizer's ids, the fp32 path, the int8 path.
//!
//! The weights are fetched by `cargo xtask fetch` (which `cargo xtask test` runs) into `target/skerry/model`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "tests")]

mod split;
mod tokens;

use std::path::PathBuf;
use std::sync::LazyLock;

use serde::Deserialize;
use skerry_embedding::{Model, WeightsError, pack, reference::Reference};

#[derive(Deserialize)]
struct Golden {
    items: Vec<Item>,
}

#[derive(Deserialize)]
struct Item {
    text: String,
    ids: Vec<u32>,
    emb: Vec<f32>,
}

static GOLDEN: LazyLock<Golden> =
    LazyLock::new(|| serde_json::from_str(include_str!("../fixtures/minilm.json")).unwrap());

fn model_file(name: &str) -> Vec<u8> {
    let workspace = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../target/skerry/model"));
    let dir = std::env::var_os("SKERRY_MODEL_DIR").map_or(workspace, PathBuf::from);
    let path = dir.join(name);
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}; run `cargo xtask fetch`", path.display()))
}

static WEIGHTS: LazyLock<Vec<u8>> = LazyLock::new(|| model_file("model.safetensors"));
static VOCABULARY: LazyLock<String> = LazyLock::new(|| String::from_utf8(model_file("vocab.txt")).unwrap());
static PACKED: LazyLock<Vec<u8>> = LazyLock::new(|| pack::pack(&WEIGHTS, &VOCABULARY, "all-MiniLM-L6-v2").unwrap());

fn cosine(a: &[f32], b: &[f32]) -> f64 {
    let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(x, y)| f64::from(*x) * f64::from(*y)).sum::<f64>();
    dot(a, b) / (dot(a, a) * dot(b, b)).sqrt()
}

fn cosines(embed: impl FnMut(&str) -> Vec<f32>) -> (f64, f64) {
    let mut embed = embed;
    let all: Vec<f64> = GOLDEN.items.iter().map(|item| cosine(&embed(&item.text), &item.emb)).collect();
    (all.iter().copied().fold(f64::INFINITY, f64::min), all.iter().sum::<f64>() / all.len() as f64)
}

/// Ids must be the reference's: one other token is another meaning.
#[test]
fn the_tokenizer_gives_the_reference_ids() {
    let model = Model::load(PACKED.clone()).unwrap();
    assert_eq!(GOLDEN.items.len(), 70);
    for item in &GOLDEN.items {
        assert_eq!(model.tokenize(&item.text).ids, item.ids, "{:?}", item.text);
    }
}

/// Hostile texts are cut, not refused, and cost no more than their beginning.
#[test]
fn long_and_strange_texts_are_cut() {
    let model = Model::load(PACKED.clone()).unwrap();
    for text in ["word ".repeat(200_000), "x".repeat(1_000_000), "\u{301}".repeat(500_000), "漢".repeat(300_000)] {
        let tokens = model.tokenize(&text);
        assert!(tokens.ids.len() <= 256, "{}", tokens.ids.len());
        assert_eq!(tokens.truncated, tokens.ids.len() == 256);
    }
    let exact = "word ".repeat(254);
    assert!(!model.tokenize(&exact).truncated);
    assert!(model.tokenize(&(exact + "word")).truncated);
}

/// The fp32 path against vectors computed in double precision.
#[test]
fn the_fp32_path_is_faithful() {
    let reference = Reference::load(&WEIGHTS, &VOCABULARY).unwrap();
    let (least, mean) = cosines(|text| reference.embed(text));
    println!("fp32 cosine: least {least:.6}, mean {mean:.6}");
    assert!(least >= 0.9999, "{least}");
}

/// The int8 path, which is what runs: at least 0.99 for every text, 0.995 on average.
#[test]
fn the_int8_path_is_faithful() {
    let mut model = Model::load(PACKED.clone()).unwrap();
    let (least, mean) = cosines(|text| model.embed(text).vector);
    println!("int8 cosine: least {least:.6}, mean {mean:.6}");
    assert!(least >= 0.99, "{least}");
    assert!(mean >= 0.995, "{mean}");
}

/// A vector depends on its text alone: not on what the instance embedded before.
#[test]
fn a_vector_does_not_depend_on_its_batch() {
    let mut model = Model::load(PACKED.clone()).unwrap();
    let alone = model.embed("The tide turns at noon.");
    model.embed(&"other words entirely ".repeat(40));
    assert_eq!(model.embed("The tide turns at noon."), alone);
    let length: f32 = alone.vector.iter().map(|value| value * value).sum();
    assert!((length - 1.0).abs() < 1e-5);
}

/// Damage is found at loading, wherever it is.
#[test]
fn damaged_weights_are_refused() {
    let packed = &*PACKED;
    for length in [0, 7, 12, 64, 1_000_000, packed.len() - 1] {
        assert!(matches!(Model::load(packed[..length].to_vec()), Err(WeightsError(_))), "cut to {length}");
    }
    for at in [0, 9, 20, 5_000_000, packed.len() - 1] {
        let mut flipped = packed.clone();
        flipped[at] ^= 0x10;
        assert!(matches!(Model::load(flipped), Err(WeightsError(_))), "flipped at {at}");
    }
}
