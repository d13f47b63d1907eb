use skerry_host::types::{Comparison, Condition, FilterNode, Fusion, Request, Scalar};
use skerry_host::{Component, DocumentError, QueryError, Segment, bake};

use crate::artefacts::{ENGINE, LIMITS, component, documents, requests, vector, wasm};

fn answers(segment: &mut Segment) -> Vec<String> {
    // `Debug` writes the shortest text that reads back as the same number: equal text is equal bits.
    requests().iter().map(|request| format!("{:?}", segment.query(request).unwrap())).collect()
}

/// The life of a segment: documents go in, are found by text, vector and filter, and are gone when removed.
#[test]
fn documents_are_found_and_removed() {
    let mut segment = Segment::new(&ENGINE, &component("query"), LIMITS).unwrap();
    segment.upsert(documents(0, 200)).unwrap();
    let stats = segment.describe().unwrap();
    assert_eq!((stats.documents, stats.vectors, stats.dimensions), (200, 200, 384));
    let by_vector = Request { vector: Some(vector(17)), k: 3, ..Request::default() };
    let hit = &segment.query(&by_vector).unwrap().hits[0];
    assert_eq!((hit.key.as_str(), hit.payload.as_slice()), ("record-17", 17_u32.to_le_bytes().as_slice()));
    let seventeen = Condition { path: "data.number".to_owned(), comparison: Comparison::Eq(Scalar::Number(17.0)) };
    let without =
        Request { filter: vec![FilterNode::Condition(seventeen), FilterNode::Negate(0)], ..by_vector.clone() };
    assert_eq!(segment.query(&without).unwrap().candidates, 199);
    assert_eq!(segment.remove(&["record-17".to_owned(), "nobody".to_owned()]).unwrap(), 1);
    assert_ne!(segment.query(&by_vector).unwrap().hits[0].key, "record-17");
    assert_eq!(segment.describe().unwrap().documents, 199);
}

/// Idea 2 of the design: a snapshot answers, byte for byte, what the living segment answers; also from native code.
#[test]
fn a_baked_segment_answers_like_the_living_one() {
    let mut living = Segment::new(&ENGINE, &component("query"), LIMITS).unwrap();
    living.upsert(documents(0, 1_000)).unwrap();
    let expected = answers(&mut living);
    let batches = (0..10).map(|batch| documents(batch * 100, 100));
    let baked = bake::segment(&wasm("query"), batches, &|_| ()).unwrap();
    let dir = tempfile::tempdir().unwrap();
    // Twice: the first compiles, the second maps what the first kept.
    for _ in 0..2 {
        let component = Component::open(&ENGINE, dir.path(), "segment", &baked).unwrap();
        let mut segment = Segment::new(&ENGINE, &component, LIMITS).unwrap();
        assert_eq!(answers(&mut segment), expected);
        assert_eq!(segment.describe().unwrap().documents, 1_000);
        // It takes removals, and the next instance does not see them.
        assert_eq!(segment.remove(&["record-7".to_owned()]).unwrap(), 1);
        let refused = segment.upsert(documents(1_000, 1)).unwrap_err();
        assert_eq!(refused, QueryError::Document(DocumentError::Sealed));
    }
}

/// A document that cannot be indexed is refused by name, and changes nothing.
#[test]
fn a_vector_that_is_no_number_is_refused_by_name() {
    let mut segment = Segment::new(&ENGINE, &component("query"), LIMITS).unwrap();
    let mut batch = documents(0, 3);
    batch[1].chunks[0].vector[7] = f32::NAN;
    let error = segment.upsert(batch).unwrap_err();
    assert_eq!(error, QueryError::Document(DocumentError::VectorNotFinite("record-1".to_owned())));
    assert_eq!(segment.describe().unwrap().documents, 0);
    assert!(!segment.is_poisoned());
    let mut batch = documents(0, 2);
    batch[1].chunks[0].vector = vec![1.0; 3];
    let error = segment.upsert(batch).unwrap_err();
    assert_eq!(error, QueryError::Document(DocumentError::VectorDimensions("record-1".to_owned())));
    let mut batch = documents(0, 1);
    batch[0].key = "k".repeat(513);
    assert!(matches!(segment.upsert(batch), Err(QueryError::Document(DocumentError::KeyLength(_)))));
}

/// Wrong requests are told apart from faults, and the segment goes on answering.
#[test]
fn wrong_requests_are_named() {
    let mut segment = Segment::new(&ENGINE, &component("query"), LIMITS).unwrap();
    segment.upsert(documents(0, 10)).unwrap();
    let good = requests().remove(0);
    let condition = Condition { path: "data.nubmer".to_owned(), comparison: Comparison::Eq(Scalar::Number(1.0)) };
    let unknown = Request { filter: vec![FilterNode::Condition(condition)], ..good.clone() };
    assert_eq!(
        segment.query(&unknown).unwrap_err(),
        QueryError::UnknownField { path: "data.nubmer".to_owned(), similar: Some("data.number".to_owned()) }
    );
    let wrong = [
        Request { k: 0, ..good.clone() },
        Request { k: 1_000_000_000, ..good.clone() },
        Request { text: None, ..good.clone() },
        Request { vector: Some(vec![f32::INFINITY; 384]), ..good.clone() },
        Request { vector: Some(vec![1.0; 3]), ..good.clone() },
        Request { fusion: Fusion::Convex(1.5), ..good.clone() },
        Request { filter: vec![FilterNode::Negate(0)], ..good.clone() },
    ];
    for request in wrong {
        let error = segment.query(&request).unwrap_err();
        assert!(matches!(error, QueryError::Invalid(_)), "{error:?} for {request:?}");
    }
    assert!(!segment.query(&good).unwrap().hits.is_empty());
}

/// The guests' stack is 64 KiB: the deepest filter and the longest words that the limits allow must fit.
#[test]
fn the_largest_requests_fit_the_stack() {
    let mut segment = Segment::new(&ENGINE, &component("query"), LIMITS).unwrap();
    let mut batch = documents(0, 100);
    batch[0].text = "x".repeat(1 << 20);
    batch[1].text = "keel ".repeat(200_000);
    segment.upsert(batch).unwrap();
    let condition = Condition { path: "data.number".to_owned(), comparison: Comparison::Exists };
    let mut filter = vec![FilterNode::Condition(condition)];
    filter.extend((0..999).map(FilterNode::Negate));
    let request = Request { k: 1_000, filter, text: Some("keel ".repeat(20_000)), ..requests().remove(0) };
    assert_eq!(segment.query(&request).unwrap().candidates, 0);
}
