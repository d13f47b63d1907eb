//! Where the components are, and small documents and texts to give them.

use std::path::PathBuf;
use std::sync::LazyLock;
use std::time::Duration;

use skerry_host::types::{Chunk, Document, Field, Fusion, Request, Scalar, Span};
use skerry_host::{Component, Components, Engine, EngineConfig, Limits};

pub(crate) const LIMITS: Limits = Limits { memory_bytes_max: 1 << 30, deadline: Duration::from_mins(2) };

pub(crate) static ENGINE: LazyLock<Engine> = LazyLock::new(|| Engine::new(&EngineConfig::default()).unwrap());

pub(crate) static COMPONENTS: LazyLock<Components> =
    LazyLock::new(|| Components::open(&components_dir()).unwrap_or_else(|error| panic!("{error}")));

pub(crate) fn components_dir() -> PathBuf {
    let workspace = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../target/skerry/components"));
    std::env::var_os("SKERRY_COMPONENTS").map_or(workspace, PathBuf::from)
}

pub(crate) fn wasm(name: &str) -> Vec<u8> {
    let path = components_dir().join(format!("{name}.wasm"));
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}; run `cargo xtask components`", path.display()))
}

pub(crate) fn component(name: &str) -> Component {
    COMPONENTS.component(&ENGINE, name).unwrap_or_else(|error| panic!("{error}"))
}

/// The model's weights in the component's format.
pub(crate) static PACKED: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let vocabulary = String::from_utf8(model_file("vocab.txt")).unwrap();
    skerry_embedding::pack::pack(&model_file("model.safetensors"), &vocabulary, "all-MiniLM-L6-v2").unwrap()
});

/// A file of the model.
pub(crate) fn model_file(name: &str) -> Vec<u8> {
    let workspace = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../target/skerry/model"));
    let path = std::env::var_os("SKERRY_MODEL_DIR").map_or(workspace, PathBuf::from).join(name);
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}; run `cargo xtask components`", path.display()))
}

/// Documents with text, vectors and fields, the same for the same numbers.
pub(crate) fn documents(from: u32, count: u32) -> Vec<Document> {
    const WORDS: [&str; 8] = ["tide", "harbour", "pilot", "beacon", "keel", "lantern", "anchor", "swell"];
    let word = |n: u32| WORDS[n as usize % WORDS.len()];
    let document = |n: u32| Document {
        key: format!("record-{n}"),
        text: format!("{} {} {} number {n}", word(n), word(n / 8), word(n / 64)),
        chunks: vec![Chunk { span: Span { start: 0, end: 0 }, vector: vector(n) }],
        fields: vec![
            Field { path: "data.number".to_owned(), value: Scalar::Number(f64::from(n)) },
            Field { path: "data.word".to_owned(), value: Scalar::Text(word(n).to_owned()) },
        ],
        payload: n.to_le_bytes().to_vec(),
    };
    (from..from + count).map(document).collect()
}

/// A vector of 384 numbers by a linear congruential generator.
pub(crate) fn vector(seed: u32) -> Vec<f32> {
    let mut state = u64::from(seed) * 2 + 1;
    let number = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f32 / 8_388_608.0 - 1.0
    };
    std::iter::repeat_with(number).take(384).collect()
}

/// Requests of every kind.
pub(crate) fn requests() -> Vec<Request> {
    let request = |text: Option<&str>, vector: Option<Vec<f32>>, fusion| Request {
        text: text.map(str::to_owned),
        vector,
        fusion,
        ..Request::default()
    };
    vec![
        request(Some("harbour lantern"), None, Fusion::Convex(0.0)),
        request(None, Some(vector(17)), Fusion::Convex(1.0)),
        request(Some("beacon number 77"), Some(vector(77)), Fusion::Convex(0.5)),
        request(Some("tide pilot"), Some(vector(5)), Fusion::ReciprocalRank(60)),
    ]
}
