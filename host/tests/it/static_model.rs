//! The static model: the same world, tokenizer and component code with other weights.

use std::sync::LazyLock;

use sha2::{Digest, Sha256};
use skerry_host::{CallError, Component, Embedder, bake};

use crate::artefacts::{ENGINE, LIMITS, component, model_file, wasm};
use crate::embedding::{bits, golden_texts};

static PACKED: LazyLock<Vec<u8>> = LazyLock::new(|| model_file("static.bin"));

/// Identity of the model, and the SHA-256 of its vectors of the golden texts.
const ID: &str = "all-MiniLM-L6-v2-static/ebacc2c7f107/2";
const DIGEST: &str = "f70938846844c9f568430e4fe3d8425269eb00a8e484ced6d364c2e86617f597";

fn embedder() -> Embedder {
    Embedder::new(&ENGINE, &component("embedding-static"), 2, LIMITS).unwrap()
}

/// The component says what it is, and reads far longer texts than the transformer.
#[test]
fn it_says_what_it_is() {
    let embedder = embedder();
    let model = embedder.model();
    assert_eq!((model.name.as_str(), model.dimensions, model.tokens_max), ("all-MiniLM-L6-v2-static", 192, 4_096));
    let embeddings =
        embedder.embed(&["", "tide", &"harbour ".repeat(4_094), &"harbour ".repeat(4_095), "\u{0}[PAD]"]).unwrap();
    let tokens: Vec<_> = embeddings.iter().map(|embedding| (embedding.tokens, embedding.truncated)).collect();
    assert_eq!(tokens, [(2, false), (3, false), (4_096, false), (4_096, true), (3, false)]);
    for embedding in &embeddings {
        let square: f32 = embedding.vector.iter().map(|x| x * x).sum();
        assert!((square - 1.0).abs() < 1e-5 && embedding.vector.len() == 192, "{square}");
    }
    let error = embedder.split("tide", 4_097, 0).unwrap_err();
    assert_eq!(error, CallError::Guest("a chunk has from 8 to 4096 tokens, not 4097".to_owned()));
}

/// The same bits from every build: as shipped, with relaxed SIMD, and native. And from every machine that distils: another
/// digest means that the teacher, the lessons or the arithmetic changed, and with them the id.
#[test]
fn every_build_gives_the_same_bits() {
    let texts = golden_texts();
    let relaxed = bake::embedding(&wasm("unbaked/embedding"), &PACKED, &mut |_, _| ()).unwrap();
    let relaxed = Component::compile(&ENGINE, "embedding-static-relaxed", &relaxed).unwrap();
    let relaxed = Embedder::new(&ENGINE, &relaxed, 1, LIMITS).unwrap().embed(&texts).unwrap();
    let shipped = embedder();
    let mut native = skerry_embedding::Model::load(PACKED.clone()).unwrap();
    assert_eq!(shipped.model().id, native.info().id);
    let mut digest = Sha256::new();
    for ((text, relaxed), shipped) in texts.iter().zip(&relaxed).zip(shipped.embed(&texts).unwrap()) {
        assert_eq!(bits(&relaxed.vector), bits(&shipped.vector), "{text:?}");
        assert_eq!(bits(&relaxed.vector), bits(&native.embed(text).vector), "{text:?}");
        shipped.vector.iter().for_each(|number| digest.update(number.to_le_bytes()));
    }
    let digest = hex::encode(digest.finalize());
    assert_eq!((shipped.model().id.as_str(), digest.as_str()), (ID, DIGEST));
}

/// What belongs together is nearer than what does not: the words are others, the meaning decides.
#[test]
fn meaning_is_near() {
    let texts = [
        "a boat that carries cars and passengers across a strait",
        "ferry",
        "the tax that is paid on imported goods",
        "customs duty",
    ];
    let vectors: Vec<Vec<f32>> =
        embedder().embed(&texts).unwrap().into_iter().map(|embedding| embedding.vector).collect();
    let dot = |a: usize, b: usize| -> f32 { vectors[a].iter().zip(&vectors[b]).map(|(x, y)| x * y).sum() };
    for (text, name, other) in [(0, 1, 3), (2, 3, 1)] {
        assert!(dot(text, name) > dot(text, other) + 0.1, "{:?}", texts[text]);
    }
}

/// Damage is found at loading, wherever it is.
#[test]
fn damaged_weights_are_refused() {
    for at in [0, 9, 20, 64, 68, 100_000, PACKED.len() - 1] {
        let mut flipped = PACKED.clone();
        flipped[at] ^= 0x10;
        assert!(skerry_embedding::Model::load(flipped).is_err(), "flipped at {at}");
        assert!(skerry_embedding::Model::load(PACKED[..at].to_vec()).is_err(), "cut to {at}");
    }
}
