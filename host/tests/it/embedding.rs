use std::sync::LazyLock;

use serde::Deserialize;
use skerry_host::{CallError, Component, Embedder, Limits, Span};

use crate::artefacts::{ENGINE, LIMITS, PACKED, component, wasm};

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

static GOLDEN: LazyLock<Golden> = LazyLock::new(|| {
    serde_json::from_str(include_str!("../../../components/embedding/tests/fixtures/minilm.json")).unwrap()
});

pub(crate) fn golden_texts() -> Vec<&'static str> {
    GOLDEN.items.iter().map(|item| item.text.as_str()).collect()
}

pub(crate) fn bits(vector: &[f32]) -> Vec<u32> {
    vector.iter().map(|number| number.to_bits()).collect()
}

/// The component as shipped gives the reference model's meaning, whatever was lost on the way through quantisation,
/// packing, compilation and baking.
#[test]
fn baked_vectors_are_the_reference_vectors() {
    let embedder = Embedder::new(&ENGINE, &component("embedding"), 2, LIMITS).unwrap();
    assert_eq!(embedder.model().name, "all-MiniLM-L6-v2");
    assert_eq!((embedder.model().dimensions, embedder.model().tokens_max), (384, 256));
    let embeddings = embedder.embed(&golden_texts()).unwrap();
    for (item, embedding) in GOLDEN.items.iter().zip(&embeddings) {
        let dot: f64 = item.emb.iter().zip(&embedding.vector).map(|(x, y)| f64::from(*x) * f64::from(*y)).sum();
        let norm: f64 = item.emb.iter().map(|x| f64::from(*x).powi(2)).sum::<f64>().sqrt();
        assert!(dot / norm >= 0.99, "cosine {} for {:?}", dot / norm, item.text);
        assert_eq!(embedding.tokens as usize, item.ids.len());
        assert_eq!(embedder.tokenize(&item.text).unwrap(), item.ids);
    }
}

/// The same text must give the same bits on every host, or replicas would answer differently: relaxed SIMD, plain SIMD
/// and the scalar code of this processor against each other.
#[test]
fn every_build_gives_the_same_bits() {
    let texts = golden_texts();
    let relaxed = Embedder::new(&ENGINE, &component("embedding"), 1, LIMITS).unwrap();
    let plain = Embedder::new(&ENGINE, &component("embedding-simd128"), 1, LIMITS).unwrap();
    assert_eq!(relaxed.model(), plain.model());
    let relaxed = relaxed.embed(&texts).unwrap();
    let plain = plain.embed(&texts).unwrap();
    let mut native = skerry_embedding::Model::load(PACKED.clone()).unwrap();
    for ((text, relaxed), plain) in texts.iter().zip(&relaxed).zip(&plain) {
        assert_eq!(bits(&relaxed.vector), bits(&plain.vector), "{text:?}");
        assert_eq!(bits(&relaxed.vector), bits(&native.embed(text).vector), "{text:?}");
    }
}

/// However a job is cut and whoever works on it, each text gets its own vector back, at its own place.
#[test]
fn the_pool_keeps_texts_and_vectors_together() {
    let one = Embedder::new(&ENGINE, &component("embedding"), 1, LIMITS).unwrap();
    let pool = Embedder::new(&ENGINE, &component("embedding"), 3, LIMITS).unwrap();
    let texts: Vec<String> = (0..100).map(|n| "the tide turns ".repeat(n % 7) + &n.to_string()).collect();
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    let expected: Vec<_> = texts.iter().map(|text| one.embed(&[text]).unwrap().remove(0)).collect();
    std::thread::scope(|scope| {
        // More callers than instances: some must wait for others.
        for _ in 0..4 {
            scope.spawn(|| assert_eq!(pool.embed(&texts).unwrap(), expected));
        }
    });
    assert!(pool.embed(&[]).unwrap().is_empty());
}

/// A text of megabytes is cut, costs no more than its beginning, and says so.
#[test]
fn a_huge_text_is_truncated() {
    let embedder = Embedder::new(&ENGINE, &component("embedding"), 1, LIMITS).unwrap();
    let huge = "harbour ".repeat(1_300_000);
    let embedding = embedder.embed(&[&huge]).unwrap().remove(0);
    assert_eq!((embedding.tokens, embedding.truncated), (256, true));
    let beginning = embedder.embed(&[&"harbour ".repeat(300)]).unwrap().remove(0);
    assert_eq!(embedding.vector, beginning.vector);
}

/// The chunks of a long text are embedded to their ends, and the component splits as the native code does; limits that no
/// chunk can keep are refused in words.
#[test]
fn a_long_text_is_split_into_chunks_that_fit() {
    let embedder = Embedder::new(&ENGINE, &component("embedding"), 2, LIMITS).unwrap();
    let text = golden_texts().join("\n\n").repeat(3);
    let spans = embedder.split(&text, 64, 12).unwrap();
    let native = skerry_embedding::Model::load(PACKED.clone()).unwrap().split(&text, 64, 12).unwrap();
    let native: Vec<_> = native.iter().map(|span| (span.start, span.end)).collect();
    assert_eq!(spans.iter().map(|span| (span.start, span.end)).collect::<Vec<_>>(), native);
    let chunks: Vec<&str> = spans.iter().map(|span| &text[span.start as usize..span.end as usize]).collect();
    let embeddings = embedder.embed(&chunks).unwrap();
    assert!(spans.len() > 10 && embeddings.iter().all(|embedding| embedding.tokens <= 64 && !embedding.truncated));
    let error = embedder.split(&text, 7, 0).unwrap_err();
    assert_eq!(error, CallError::Guest("a chunk has from 8 to 256 tokens, not 7".to_owned()));
    assert_eq!(embedder.split("", 8, 0).unwrap(), [Span { start: 0, end: 0 }]);
}

/// A text of 10 MiB is split within the time that its length gives it.
#[test]
fn a_huge_text_is_split() {
    let limits = Limits { memory_bytes_max: 256 << 20, ..LIMITS };
    let embedder = Embedder::new(&ENGINE, &component("embedding"), 1, limits).unwrap();
    let huge = "The tide turns at noon. ".repeat((10 << 20) / 24);
    let spans = embedder.split(&huge, 256, 32).unwrap();
    assert!(spans.len() > 10_000);
    assert_eq!(spans.last().unwrap().end as usize, huge.trim_end().len());
}

/// The component without weights must say so, not answer zeros.
#[test]
fn an_embedder_without_weights_says_so() {
    let unbaked = Component::compile(&ENGINE, "unbaked", &wasm("unbaked/embedding")).unwrap();
    let error = Embedder::new(&ENGINE, &unbaked, 1, LIMITS).unwrap_err();
    assert!(matches!(error, CallError::NoWeights(_)), "{error:?}");
}

/// A component of another world is refused when it is started, not when it is asked.
#[test]
fn another_component_is_no_embedder() {
    let error = Embedder::new(&ENGINE, &component("query"), 1, LIMITS).unwrap_err();
    assert!(matches!(error, CallError::Instantiate(_)), "{error:?}");
}
