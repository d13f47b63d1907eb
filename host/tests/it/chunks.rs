//! A segment whose documents have several chunks, large enough for a graph over them.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use skerry_host::types::{Chunk, Comparison, Condition, Document, Field, FilterNode, Request, Scalar, Span};
use skerry_host::{Component, DocumentError, QueryError, Segment, bake, inspect};

use crate::artefacts::{ENGINE, LIMITS, component, documents, wasm};

/// Of one to five chunks each: 21,000 vectors, and a graph has 20,000.
const DOCUMENTS: u32 = 7_000;

const DIMENSIONS: usize = 32;

const CLUSTERS: u32 = 100;

/// Numbers in -1..1 that look random, the same for the same seed.
fn numbers(seed: u32) -> impl Iterator<Item = f32> {
    let mut state = u64::from(seed).wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    std::iter::repeat_with(move || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f32 / 8_388_608.0 - 1.0
    })
}

/// A document's chunks are about one thing, so that they lie close together.
fn vector(document: u32, chunk: u32) -> Vec<f32> {
    let middle = numbers((1 << 30) + document % CLUSTERS);
    let own = numbers(document * 16 + chunk);
    middle.zip(own).map(|(middle, own)| middle + 0.8 * own).take(DIMENSIONS).collect()
}

fn document(n: u32) -> Document {
    let chunk = |m: u32| Chunk { span: Span { start: m, end: m + 1 }, vector: vector(n, m) };
    Document {
        key: format!("{n:05}"),
        text: "abcde".to_owned(),
        chunks: (0..=n % 5).map(chunk).collect(),
        fields: vec![Field { path: "data.number".to_owned(), value: Scalar::Number(f64::from(n)) }],
        payload: Vec::new(),
    }
}

/// In the order of the keys, and backwards.
static BAKED: LazyLock<[Vec<u8>; 2]> = LazyLock::new(|| {
    let wasm = wasm("query");
    let bake = |batches: Vec<Vec<Document>>| bake::segment(&wasm, batches.into_iter(), &|_| ()).unwrap();
    let forwards: Vec<Document> = (0..DOCUMENTS).map(document).collect();
    let backwards: Vec<Document> = forwards.iter().rev().cloned().collect();
    std::thread::scope(|scope| {
        let other = scope.spawn(|| bake(backwards.chunks(300).map(<[Document]>::to_vec).collect()));
        [bake(forwards.chunks(1_000).map(<[Document]>::to_vec).collect()), other.join().unwrap()]
    })
});

/// The same documents give the same bytes in whatever order they came, and an image that can be mapped.
#[test]
fn the_same_documents_give_the_same_segment() {
    assert!(BAKED[0] == BAKED[1]);
    let image = inspect::memory_image(&BAKED[0]).unwrap();
    assert!(image.is_mapped() && image.data_bytes * 10 > image.span_bytes * 9, "{image:?}");
}

/// A walk answers `k` different records, nearly always the nearest, and tells their best chunks; behind a filter, too.
#[test]
fn the_graph_finds_records_by_their_best_chunk() {
    let dir = tempfile::tempdir().unwrap();
    let component = Component::open(&ENGINE, dir.path(), "segment", &BAKED[0]).unwrap();
    let mut segment = Segment::new(&ENGINE, &component, LIMITS).unwrap();
    let stats = segment.describe().unwrap();
    assert_eq!((stats.documents, stats.vectors, stats.graph), (DOCUMENTS, DOCUMENTS * 3, true));
    let below = Condition { path: "data.number".to_owned(), comparison: Comparison::Less(Scalar::Number(6_000.0)) };
    let below = vec![FilterNode::Condition(below)];
    for filter in [&Vec::new(), &below] {
        for k in [1, 10, 50] {
            let (mut shared, mut wanted) = (0_u32, 0_u32);
            for n in 0..60 {
                let request =
                    Request { vector: Some(vector(1_000_000 + n, 0)), k, filter: filter.clone(), ..Request::default() };
                let mut found = |request: &Request| {
                    let response = segment.query(request).unwrap();
                    let hit = |hit: skerry_host::types::Hit| {
                        let Span { start, end } = hit.chunk.unwrap();
                        (hit.key, start, end, hit.score.to_bits())
                    };
                    (response.hits.into_iter().map(hit).collect::<BTreeSet<_>>(), response.approximate)
                };
                let (walked, approximate) = found(&request);
                assert!(approximate, "no graph was walked");
                let keys: BTreeSet<&String> = walked.iter().map(|(key, ..)| key).collect();
                assert_eq!((walked.len(), keys.len()), (k as usize, k as usize));
                let (exact, approximate) = found(&Request { exact: true, ..request });
                assert!(!approximate);
                shared += u32::try_from(exact.intersection(&walked).count()).unwrap();
                wanted += k;
            }
            let recall = f64::from(shared) / f64::from(wanted);
            assert!(recall >= 0.9, "recall@{k} is {recall}");
        }
    }
}

/// A chunk that is no part of its text is refused by its record's key, through the component.
#[test]
fn spans_that_are_no_part_of_the_text_are_refused_by_name() {
    let mut segment = Segment::new(&ENGINE, &component("query"), LIMITS).unwrap();
    let mut batch = documents(0, 2);
    batch[1].chunks[0].span.end = u32::MAX;
    let error = segment.upsert(batch).unwrap_err();
    assert_eq!(error, QueryError::Document(DocumentError::Span("record-1".to_owned())));
    let mut batch = documents(0, 2);
    let chunk = batch[1].chunks[0].clone();
    batch[1].chunks = vec![chunk; 4_097];
    let error = segment.upsert(batch).unwrap_err();
    assert_eq!(error, QueryError::Document(DocumentError::TooManyChunks("record-1".to_owned())));
    assert_eq!(segment.describe().unwrap().documents, 0);
}
