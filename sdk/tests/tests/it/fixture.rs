//! One snapshot in every form, what our own host answers from it, and the folder where the other hosts find both.

use std::path::{Path, PathBuf};
use std::sync::LazyLock;
use std::time::Duration;

use ring::signature::{Ed25519KeyPair, KeyPair};
use serde_json::{Value, json};
use skerry_host::types::{
    Chunk, Comparison, Condition, Field, FilterNode, Fusion, Group, Hit, Request, Response, Scalar, Span,
};
use skerry_host::{Component, Components, Embedder, Engine, EngineConfig, Limits, Segment, bake};

use crate::{calls, corpus, file};

pub(crate) const LIMITS: Limits = Limits { memory_bytes_max: 1 << 30, deadline: Duration::from_mins(2) };

/// What xtask makes, by the variable that says where it is.
pub(crate) fn made(variable: &str, usual: &str) -> PathBuf {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/skerry").join(usual);
    let path = std::env::var_os(variable).map_or(workspace, PathBuf::from);
    assert!(path.exists(), "{} is not there: run `cargo xtask test`, which makes it", path.display());
    path
}

pub(crate) fn components_dir() -> PathBuf {
    made("SKERRY_COMPONENTS", "components")
}

fn wasm(name: &str) -> Vec<u8> {
    let path = components_dir().join(format!("{name}.wasm"));
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}; run `cargo xtask components`", path.display()))
}

/// The folder with `docs.wasm` (signed), `docs-unsigned.wasm`, `docs-model.wasm` (with the model in it) and `expected.json`.
pub(crate) static FIXTURE: LazyLock<PathBuf> = LazyLock::new(|| {
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join("sdk-fixture");
    std::fs::create_dir_all(&dir).unwrap();
    make(&dir);
    dir
});

fn make(dir: &Path) {
    let engine = Engine::new(&EngineConfig::default()).unwrap();
    let components = Components::open(&components_dir()).unwrap();
    let embedder = Embedder::new(&engine, &components.embedding(&engine).unwrap(), 2, LIMITS).unwrap();
    let model = embedder.model();
    let card = json!({
        "id": model.id, "name": model.name, "dimensions": model.dimensions, "tokens_max": model.tokens_max,
    });

    let records = corpus::records();
    let mut documents = corpus::documents(&records);
    let texts: Vec<String> = documents.iter().map(|document| document.text.clone()).collect();
    let vectors = embedder.embed(&texts.iter().map(String::as_str).collect::<Vec<_>>()).unwrap();
    for (document, embedding) in documents.iter_mut().zip(vectors) {
        let span = Span { start: 0, end: document.text.len() as u32 };
        document.chunks = vec![Chunk { span, vector: embedding.vector }];
    }
    let fields: Vec<Value> = documents.iter().map(|document| fields(&document.fields)).collect();
    let baked = bake::segment(&wasm("query"), std::iter::once(documents), &|_| ()).unwrap();
    let key = Ed25519KeyPair::from_seed_unchecked(&[7; 32]).unwrap();
    let unsigned = file::snapshot(&baked, None, &card, records.len());
    let with_model = file::snapshot(&baked, Some(&wasm("embedding")), &card, records.len());
    std::fs::write(dir.join("docs.wasm"), file::signed(unsigned.clone(), &key)).unwrap();
    std::fs::write(dir.join("docs-unsigned.wasm"), unsigned).unwrap();
    std::fs::write(dir.join("docs-model.wasm"), file::signed(with_model, &key)).unwrap();

    let component = Component::compile(&engine, "query", &baked).unwrap();
    let mut segment = Segment::new(&engine, &component, LIMITS).unwrap();
    let queries: Vec<Value> = queries()
        .into_iter()
        .map(|(query, embedded, mut request)| {
            request.vector = embedded.map(|text| embedder.embed(&[text]).unwrap().remove(0).vector);
            json!({ "query": query, "expected": response(&segment.query(&request).unwrap()) })
        })
        .collect();
    let expected = json!({
        "digest": calls::DIGEST, "calls": calls::calls(golden_texts()), "key": hex::encode(key.public_key()), "model": card,
        "records": records, "fields": fields, "queries": queries,
    });
    std::fs::write(dir.join("expected.json"), expected.to_string()).unwrap();
}

fn golden_texts() -> Vec<String> {
    let golden = include_str!("../../../../components/embedding/tests/fixtures/minilm.json");
    let golden: Value = serde_json::from_str(golden).unwrap();
    golden["items"].as_array().unwrap().iter().map(|item| item["text"].as_str().unwrap().to_owned()).collect()
}

/// Queries as the SDKs write them, the text whose vector they search by, and the request that must come of them.
fn queries() -> Vec<(Value, Option<&'static str>, Request)> {
    const LOST: &str = "what happens when the power fails while a change is stored";
    let plain = |text: &str| Request { text: Some(text.to_owned()), ..Request::default() };
    let condition = |path: &str, comparison| FilterNode::Condition(Condition { path: path.to_owned(), comparison });
    let text = |value: &str| Scalar::Text(value.to_owned());
    vec![
        (json!({ "text": LOST, "k": 8 }), Some(LOST), Request { k: 9, ..plain(LOST) }),
        (json!({ "text": LOST, "mode": "keyword", "k": 8 }), None, Request { k: 9, ..plain(LOST) }),
        (
            json!({ "text": LOST, "mode": "vector", "k": 8 }),
            Some(LOST),
            Request { text: None, k: 9, ..Request::default() },
        ),
        (
            json!({ "text": LOST, "k": 4, "filter": { "all": [
                { "field": "data.page", "value": "hub.md" },
                { "not": { "field": "data.number", "op": "in", "value": [1, 2] } },
                { "any": [{ "field": "layer", "op": "exists" }, { "field": "data.deep.even", "value": false }] },
            ] } }),
            Some(LOST),
            Request {
                k: 5,
                filter: vec![
                    condition("data.page", Comparison::Eq(text("hub.md"))),
                    condition("data.number", Comparison::OneOf(vec![Scalar::Number(1.0), Scalar::Number(2.0)])),
                    FilterNode::Negate(1),
                    condition("layer", Comparison::Exists),
                    condition("data.deep.even", Comparison::Eq(Scalar::Boolean(false))),
                    FilterNode::Any(vec![3, 4]),
                    FilterNode::All(vec![0, 2, 5]),
                ],
                ..plain(LOST)
            },
        ),
        (
            json!({ "text": LOST, "k": 5, "offset": 2, "fusion": { "reciprocalRank": { "constant": 60 } }, "explain": true }),
            Some(LOST),
            Request { k: 98, offset: 2, fusion: Fusion::ReciprocalRank(60), explain: true, ..plain(LOST) },
        ),
        (
            json!({ "text": LOST, "k": 5, "diversity": 0.5, "fusion": { "convex": { "vectorWeight": 0.3 } } }),
            Some(LOST),
            Request { k: 5, diversity: Some(0.5), fusion: Fusion::Convex(0.3), ..plain(LOST) },
        ),
        (
            json!({ "text": LOST, "k": 4, "group": { "field": "data.page" }, "similarityMin": 0.1 }),
            Some(LOST),
            Request {
                k: 5,
                group: Some(Group { path: "data.page".to_owned(), size: 1 }),
                similarity_min: Some(0.1),
                ..plain(LOST)
            },
        ),
        (
            json!({ "query": "token data.page:hub.md", "k": 3 }),
            Some("token"),
            Request {
                k: 4,
                filter: vec![condition("data.page", Comparison::Words("hub.md".to_owned()))],
                ..plain("token")
            },
        ),
        (
            json!({ "filter": { "field": "data.number", "op": "lt", "value": 2 }, "k": 20 }),
            None,
            Request {
                k: 21,
                filter: vec![condition("data.number", Comparison::Less(Scalar::Number(2.0)))],
                ..Request::default()
            },
        ),
    ]
}

fn response(response: &Response) -> Value {
    json!({
        "candidates": response.candidates,
        "approximate": response.approximate,
        "hits": response.hits.iter().map(hit).collect::<Vec<_>>(),
    })
}

/// Every `f32` is written as the double that it is, as JavaScript and Python have it.
fn hit(hit: &Hit) -> Value {
    let record: Value = serde_json::from_slice(&hit.payload).unwrap();
    json!({
        "key": hit.key,
        "score": f64::from(hit.score),
        "vectorScore": hit.vector_score.map(f64::from),
        "keywordScore": hit.keyword_score.map(f64::from),
        "chunk": hit.chunk.map(|span| json!({ "start": span.start, "end": span.end })),
        "group": hit.group.as_ref().map(scalar),
        "vectorPart": hit.explanation.as_ref().map(|explanation| f64::from(explanation.vector_part)),
        "keywordPart": hit.explanation.as_ref().map(|explanation| f64::from(explanation.keyword_part)),
        "record": record,
    })
}

fn scalar(scalar: &Scalar) -> Value {
    match scalar {
        Scalar::Null => Value::Null,
        Scalar::Boolean(value) => json!(value),
        Scalar::Number(value) => json!(value),
        Scalar::Text(value) => json!(value),
    }
}

fn fields(fields: &[Field]) -> Value {
    fields.iter().map(|field| json!([field.path, scalar(&field.value)])).collect()
}
