//! Documents with several chunks: ranked by the best of them, told which it was, each found once.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use skerry_query::types::{
    Chunk, Comparison, Condition, Document, DocumentError, Field, FilterNode, ImageError, QueryError, Request, Scalar,
    Span,
};
use skerry_query::{Image, Segment};

use crate::{Model, ask, ask_all, build, filter, is_zero, seal, steps, whole};

/// The vector as a segment keeps it.
fn int8(vector: &[f32]) -> Vec<i32> {
    let largest = vector.iter().fold(0.0_f32, |largest, value| largest.max(value.abs()));
    vector.iter().map(|value| (value * (127.0 / largest)).round() as i32).collect()
}

/// The cosine to the bit.
fn cosine(query: &[f32], vector: &[f32]) -> f32 {
    let (query, vector) = (int8(query), int8(vector));
    let dot = |a: &[i32], b: &[i32]| a.iter().zip(b).map(|(a, b)| a * b).sum::<i32>();
    let inverse_norm = |values: &[i32]| (1.0 / f64::from(dot(values, values)).sqrt()) as f32;
    dot(&query, &vector) as f32 * inverse_norm(&query) * inverse_norm(&vector)
}

/// The best cosine and its chunk, the earliest of equals.
fn best(document: &Document, query: &[f32]) -> Option<(f32, Span)> {
    let chunks = document.chunks.iter().filter(|chunk| !is_zero(&chunk.vector));
    let mut best: Option<(f32, Span)> = None;
    for (cosine, span) in chunks.map(|chunk| (cosine(query, &chunk.vector), chunk.span)) {
        if best.is_none_or(|(before, _)| cosine > before) {
            best = Some((cosine, span));
        }
    }
    best
}

/// What a request by vector is to find: keys, bits of the scores, chunks.
type Found = Vec<(String, u32, Option<Span>)>;

fn expected(model: &Model, request: &Request) -> Found {
    let query = request.vector.as_deref().unwrap();
    let passing = model.0.values().filter(|document| {
        request.filter.is_empty() || Model::passes(document, &request.filter, request.filter.len() - 1)
    });
    let near = |(cosine, _): &(f32, Span)| request.similarity_min.is_none_or(|min| *cosine >= min);
    let mut all: Vec<(f32, &str, Span)> = passing
        .filter_map(|document| best(document, query).filter(near).map(|(score, span)| (score, &*document.key, span)))
        .collect();
    all.sort_by(|a, b| b.0.total_cmp(&a.0).then_with(|| a.1.cmp(b.1)));
    let page = all.into_iter().skip(request.offset as usize).take(request.k as usize);
    page.map(|(score, key, span)| (key.to_owned(), score.to_bits(), Some(span))).collect()
}

fn found(response: skerry_query::types::Response) -> Found {
    response.hits.into_iter().map(|hit| (hit.key, hit.score.to_bits(), hit.chunk)).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    /// Exactly what looking at every chunk finds: from a growing segment with a past, a sealed one, and from several that
    /// are asked as one, of which one is sealed and has removed documents.
    #[test]
    fn documents_rank_by_their_best_chunk(
        steps in steps(),
        query in proptest::collection::vec(-4_i8..=4, 8),
        nodes in filter(),
        (k, offset) in (1_u32..12, 0_u32..4),
        min in proptest::option::weighted(0.3, -0.5_f32..0.9),
        parts in 1_usize..5,
    ) {
        let query: Vec<f32> = query.into_iter().map(f32::from).collect();
        prop_assume!(!is_zero(&query));
        let (mut segment, model) = build(&steps);
        let request = Request { vector: Some(query), filter: nodes, k, offset, similarity_min: min, ..Request::default() };
        let vectors = model.0.values().flat_map(|document| &document.chunks).filter(|chunk| !is_zero(&chunk.vector)).count();
        prop_assert_eq!(segment.describe().vectors as usize, vectors);
        let answer = match segment.query(&request) {
            Err(QueryError::UnknownField { .. }) => return Ok(()),
            answer => answer.unwrap(),
        };
        let expected = expected(&model, &request);
        prop_assert_eq!(found(answer), expected.clone());
        let mut sealed = seal(&segment);
        prop_assert_eq!(sealed.describe().vectors as usize, vectors);
        prop_assert_eq!(found(ask(&mut sealed, &request)), expected.clone(), "sealed");

        let mut segments: Vec<Segment> = (0..parts).map(|_| Segment::default()).collect();
        for (at, document) in model.0.values().enumerate() {
            segments[at % parts].upsert(vec![document.clone()]).unwrap();
        }
        let first = segments.remove(0);
        let mut all = seal(&segment);
        let others: Vec<String> = model.0.keys().filter(|key| {
            let request = Request { filter: vec![with_key(key)], ..Request::default() };
            ask_all(&mut segments, &request).is_ok_and(|answer| !answer.hits.is_empty())
        }).cloned().collect();
        all.remove(&others);
        prop_assert_eq!(all.describe().documents, first.describe().documents);
        segments.push(all);
        prop_assert_eq!(found(ask_all(&mut segments, &request).unwrap()), expected, "spread");
    }
}

fn with_key(key: &str) -> FilterNode {
    FilterNode::Condition(Condition { path: "key".into(), comparison: Comparison::Eq(Scalar::Text(key.into())) })
}

/// A document whose chunks are its single characters.
fn document(key: &str, vectors: &[[f32; 3]]) -> Document {
    let chunk =
        |(at, vector): (u32, &[f32; 3])| Chunk { span: Span { start: at, end: at + 1 }, vector: vector.to_vec() };
    Document {
        key: key.into(),
        text: "x".repeat(vectors.len()),
        chunks: (0..).zip(vectors).map(chunk).collect(),
        ..Document::default()
    }
}

fn keys(response: skerry_query::types::Response) -> Vec<String> {
    response.hits.into_iter().map(|hit| hit.key).collect()
}

/// Fifty chunks of one record that are nearer than anything else take one place, with all that narrows and orders.
#[test]
fn one_record_takes_one_place() {
    let mut growing = Segment::default();
    let crowd: Vec<[f32; 3]> = (0..50_u8).map(|n| [1.0, f32::from(n) / 100.0, 0.0]).rev().collect();
    let mut batch = vec![document("crowd", &crowd)];
    batch.extend((0..9_u8).map(|n| document(&format!("k{n}"), &[[0.0, 0.0, 1.0], [0.3, f32::from(n) / 10.0, 0.0]])));
    growing.upsert(batch).unwrap();
    let sealed = seal(&growing);
    for mut segment in [growing, sealed] {
        assert_eq!((segment.describe().documents, segment.describe().vectors), (10, 68));
        for k in [1, 5, 10, 20] {
            for diversity in [None, Some(0.0)] {
                let request = Request { vector: Some(vec![1.0, 0.0, 0.0]), k, diversity, ..Request::default() };
                let response = ask(&mut segment, &request);
                assert_eq!(response.hits[0].chunk, Some(Span { start: 49, end: 50 }));
                let keys = keys(response);
                assert_eq!((keys[0].as_str(), keys.len()), ("crowd", k.min(10) as usize));
                assert_eq!(keys.iter().collect::<BTreeSet<_>>().len(), keys.len(), "{keys:?}");
            }
        }
    }
}

/// Of equal chunks the first is told; without a vector in the query, or in the record, there is none.
#[test]
fn chunks_are_told_where_there_is_one() {
    let mut segment = Segment::default();
    let words = Document { key: "words".into(), text: "x".into(), ..Document::default() };
    segment
        .upsert(vec![document("same", &[[0.0, 0.0, 0.0], [0.0, 1.0, 0.0], [1.0, 0.0, 0.0], [2.0, 0.0, 0.0]]), words])
        .unwrap();
    let sealed = seal(&segment);
    for mut segment in [segment, sealed] {
        assert_eq!(segment.describe().vectors, 3, "zeros are no vector");
        let by_vector = Request { vector: Some(vec![1.0, 0.0, 0.0]), ..Request::default() };
        let hits = ask(&mut segment, &by_vector).hits;
        assert_eq!((hits.len(), hits[0].chunk), (1, Some(Span { start: 2, end: 3 })));
        let hybrid = Request { text: Some("x xxxx".into()), ..by_vector };
        let chunks: BTreeMap<String, Option<Span>> =
            ask(&mut segment, &hybrid).hits.into_iter().map(|hit| (hit.key, hit.chunk)).collect();
        assert_eq!(chunks["words"], None);
        assert_eq!(chunks["same"], Some(Span { start: 2, end: 3 }));
        let keyword = ask(&mut segment, &Request { vector: None, ..hybrid });
        assert!(keyword.hits.len() == 2 && keyword.hits.iter().all(|hit| hit.chunk.is_none()));
    }
}

/// Diversity looks at the chunks that matched: another chunk that two records share does not make them alike.
#[test]
fn diversity_compares_the_chunks_that_matched() {
    let shared = [0.0, 0.0, 1.0];
    let mut segment = Segment::default();
    segment
        .upsert(vec![
            document("best", &[shared, [1.0, 0.1, 0.0]]),
            document("copy", &[[1.0, 0.12, 0.0], [0.0, -1.0, 0.0]]),
            document("other", &[shared, [0.8, -0.6, 0.1]]),
        ])
        .unwrap();
    let request = Request { vector: Some(vec![1.0, 0.0, 0.0]), k: 2, ..Request::default() };
    assert_eq!(keys(ask(&mut segment, &request)), ["best", "copy"]);
    assert_eq!(keys(ask(&mut segment, &Request { diversity: Some(0.5), ..request })), ["best", "other"]);
}

/// A chunk that is no part of the text is refused by its record's key, and so are too many; nothing is changed.
#[test]
fn chunks_lie_within_the_text() {
    let mut segment = Segment::default();
    let mut upsert = |text: &str, spans: &[(u32, u32)]| {
        let chunk = |&(start, end): &(u32, u32)| Chunk { span: Span { start, end }, vector: vec![1.0, 0.0] };
        let good = Document { key: "good".into(), chunks: whole("", vec![0.0, 1.0]), ..Document::default() };
        let chunks = spans.iter().map(chunk).collect();
        let outcome =
            segment.upsert(vec![good, Document { key: "k".into(), text: text.into(), chunks, ..Document::default() }]);
        (outcome, segment.describe().documents)
    };
    for (start, end) in [(1, 0), (0, 6), (6, 6), (u32::MAX, u32::MAX), (0, 2), (2, 5)] {
        let refused = upsert("aéée"[..].trim_end_matches('e'), &[(0, 1), (start, end)]);
        assert_eq!(refused, (Err(DocumentError::Span("k".into())), 0), "{start}..{end}");
    }
    assert_eq!(upsert("x", &vec![(0, 1); 4_097]), (Err(DocumentError::TooManyChunks("k".into())), 0));
    assert_eq!(upsert("aéé", &[(0, 0), (0, 5), (1, 3), (5, 5), (0, 1)]), (Ok(()), 2));
    assert_eq!(upsert("x", &vec![(0, 1); 4_096]), (Ok(()), 2));
    assert_eq!(segment.describe().vectors, 4_097);
    let mut chunks = whole("", vec![1.0, 0.0]);
    chunks.extend(whole("", vec![1.0]));
    let uneven = Document { key: "k".into(), chunks, ..Document::default() };
    assert_eq!(segment.upsert(vec![uneven]), Err(DocumentError::VectorDimensions("k".into())));
}

/// Rows of records that are replaced or removed are used again: a live segment must not grow by being written to.
#[test]
fn replaced_records_leave_no_rows() {
    let mut segment = Segment::default();
    let batch = |shift: usize| {
        let count = |n: usize| 1 + (n + shift) % 5;
        (0..20).map(|n| document(&format!("k{n:02}"), &vec![[1.0, n as f32, 0.0]; count(n)])).collect::<Vec<_>>()
    };
    segment.upsert(batch(0)).unwrap();
    let before = segment.describe();
    assert_eq!(before.vectors, 60);
    for shift in 1..=50 {
        if shift % 10 == 0 {
            segment.remove(&(0..20).step_by(2).map(|n| format!("k{n:02}")).collect::<Vec<_>>());
        }
        segment.upsert(batch(shift)).unwrap();
    }
    let after = segment.describe();
    assert_eq!((after.documents, after.vectors), (20, 60));
    assert!(
        after.vector_bytes <= before.vector_bytes * 11 / 10,
        "{} became {}",
        before.vector_bytes,
        after.vector_bytes
    );
}

/// The image of a segment with some sections changed.
fn changed(segment: &Segment, change: impl Fn(&str, Vec<u8>) -> Vec<u8>) -> Result<Segment, ImageError> {
    let image = segment.image().unwrap();
    let sections: Vec<(String, Vec<u8>)> = image
        .sections()
        .into_iter()
        .map(|(name, _)| (name.clone(), change(&name, image.read(&name, 0, u32::MAX))))
        .collect();
    from_sections(&sections)
}

fn from_sections(sections: &[(String, Vec<u8>)]) -> Result<Segment, ImageError> {
    let lengths: Vec<(String, u64)> = sections.iter().map(|(name, bytes)| (name.clone(), bytes.len() as u64)).collect();
    let mut image = Image::reserve(&lengths).unwrap();
    sections.iter().for_each(|(name, bytes)| image.append(name, bytes).unwrap());
    Segment::sealed(image)
}

fn words(numbers: &[u32]) -> Vec<u8> {
    numbers.iter().flat_map(|number| number.to_le_bytes()).collect()
}

/// An image whose rows, spans and offsets do not fit together is not taken in.
#[test]
fn inconsistent_rows_are_refused() {
    let mut segment = Segment::default();
    let (two, one) = ([[1.0, 0.0, 0.0]; 2], [[0.0, 1.0, 0.0]]);
    segment.upsert(vec![document("a", &two), document("b", &[]), document("c", &one), document("d", &[])]).unwrap();
    let replaced = |section: &'static str, with: Vec<u8>| {
        changed(&segment, move |name, bytes| if name == section { with.clone() } else { bytes }).err()
    };
    assert_eq!(replaced("vectors.offsets", words(&[0, 2, 2, 3, 3])), None, "as it is laid out");
    let offsets = [
        &[][..],
        &[0],
        &[0, 2, 2, 3],
        &[0, 2, 1, 3, 3],
        &[0, 2, 2, 4, 4],
        &[0, 2, 2, 2, 2],
        &[1, 2, 2, 3, 3],
        &[0, 2, 2, 4, 3],
    ];
    for offsets in offsets {
        let refused = replaced("vectors.offsets", words(offsets));
        assert_eq!(refused, Some(ImageError::Inconsistent("rows of vectors")), "{offsets:?}");
    }
    for spans in [&[][..], &[0, 1], &[0, 1, 1, 2, 1, 0], &[0, 1, 1, 2, 0, 1, 0, 1]] {
        let refused = replaced("vectors.spans", words(spans));
        assert_eq!(refused, Some(ImageError::Inconsistent("vectors")), "{spans:?}");
    }
    for norm in [0.0_f32, -1.0, f32::NAN, f32::INFINITY] {
        let bytes = [norm, 1.0, 1.0].iter().flat_map(|norm| norm.to_le_bytes()).collect();
        assert_eq!(replaced("vectors.inverse-norms", bytes), Some(ImageError::Inconsistent("vectors")), "{norm}");
    }
    let mut plain = Segment::default();
    plain.upsert(vec![document("a", &[[1.0, 0.0, 0.0]]), document("b", &[[1.0, 0.0, 0.0]])]).unwrap();
    let laid_out = |name: &str, bytes: Vec<u8>| {
        assert!(name != "vectors.offsets" || bytes.is_empty(), "one vector each needs no table");
        bytes
    };
    assert!(changed(&plain, laid_out).is_ok());
}

/// Numbers in -1..1 that look random, the same for the same seed.
fn numbers(seed: u32) -> impl Iterator<Item = f32> {
    let mut state = u64::from(seed).wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    std::iter::repeat_with(move || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f32 / 8_388_608.0 - 1.0
    })
}

const DIMENSIONS: usize = 16;

/// Documents of one to five chunks, and one with 300 that lie where the queries are.
fn many(count: u32) -> Vec<Document> {
    let chunk = |vector| Chunk { span: Span::default(), vector };
    let field = |n: u32| Field { path: "data.fifth".into(), value: Scalar::Boolean(n.is_multiple_of(5)) };
    let mut all: Vec<Document> = (0..count)
        .map(|n| Document {
            key: format!("k{n:05}"),
            chunks: (0..=n % 5).map(|m| chunk(numbers(n * 8 + m).take(DIMENSIONS).collect())).collect(),
            fields: vec![field(n)],
            ..Document::default()
        })
        .collect();
    let near = |n: u32| numbers(1 << 20 | n).map(|own| 0.5 + 0.4 * own).take(DIMENSIONS).collect();
    all.push(Document {
        key: "crowd".into(),
        chunks: (0..300).map(|n| chunk(near(n))).collect(),
        fields: vec![field(1)],
        ..Document::default()
    });
    all
}

/// A sealed segment with a graph: each row linked to its nearest and to a few far ones.
fn with_graph(segment: &Segment) -> Segment {
    let image = segment.image().unwrap();
    let mut sections: Vec<(String, Vec<u8>)> =
        image.sections().into_iter().map(|(name, _)| (name.clone(), image.read(&name, 0, u32::MAX))).collect();
    let rows: Vec<[i16; DIMENSIONS]> = image
        .read("vectors.rows", 0, u32::MAX)
        .as_chunks::<DIMENSIONS>()
        .0
        .iter()
        .map(|row| row.map(|value| i16::from(value.cast_signed())))
        .collect();
    let norms: Vec<f32> = image
        .read("vectors.inverse-norms", 0, u32::MAX)
        .as_chunks()
        .0
        .iter()
        .map(|bytes| f32::from_le_bytes(*bytes))
        .collect();
    let (mut offsets, mut links) = (vec![0], Vec::new());
    for (at, row) in rows.iter().enumerate() {
        let cosine = |other: usize| {
            let dot: i32 = row.iter().zip(&rows[other]).map(|(a, b)| i32::from(*a) * i32::from(*b)).sum();
            dot as f32 * norms[other]
        };
        let mut all: Vec<(f32, u32)> =
            (0..rows.len()).filter(|other| *other != at).map(|other| (cosine(other), other as u32)).collect();
        all.select_nth_unstable_by(20, |a, b| b.0.total_cmp(&a.0));
        links.extend(all.iter().take(20).map(|(_, other)| *other));
        links.extend(numbers(at as u32).take(6).map(|number| (number.abs() * (rows.len() - 1) as f32) as u32));
        offsets.push(links.len() as u32);
    }
    let graph = [("graph.offsets", words(&offsets)), ("graph.links", words(&links)), ("graph.layers", words(&[0, 0]))];
    sections.extend(graph.map(|(name, bytes)| (name.to_owned(), bytes)));
    from_sections(&sections).unwrap()
}

/// A walk gives `k` different records, also where hundreds of chunks of one are the nearest, and nearly always those that
/// looking at every chunk gives, with the same scores and chunks; with a filter and after removals, too.
#[test]
fn walks_find_different_records() {
    let mut growing = Segment::default();
    growing.upsert(many(2_500)).unwrap();
    let mut segment = with_graph(&growing);
    assert!(segment.describe().graph && segment.describe().vectors == 7_800);
    let fifth = Condition { path: "data.fifth".into(), comparison: Comparison::Eq(Scalar::Boolean(true)) };
    let most = vec![FilterNode::Condition(fifth), FilterNode::Negate(0)];
    for removed in [0, 100] {
        segment.remove(&(0..removed).map(|n| format!("k{n:05}")).collect::<Vec<_>>());
        for filter in [&vec![], &most] {
            for k in [1, 10, 40] {
                let (mut shared, mut wanted) = (0, 0);
                for n in 0..40_u32 {
                    let vector = numbers(7_000_000 + n).map(|own| 0.4 + 0.6 * own).take(DIMENSIONS).collect();
                    let request = Request { vector: Some(vector), k, filter: filter.clone(), ..Request::default() };
                    let walked = ask(&mut segment, &request);
                    assert!(walked.approximate, "no graph was walked");
                    let exact = found(ask(&mut segment, &Request { exact: true, ..request }));
                    let walked = found(walked);
                    let different: BTreeSet<&String> = walked.iter().map(|(key, ..)| key).collect();
                    assert_eq!((walked.len(), different.len()), (k as usize, k as usize));
                    shared += exact.iter().filter(|hit| walked.contains(hit)).count();
                    wanted += exact.len();
                }
                let recall = shared as f64 / wanted as f64;
                assert!(recall >= 0.9, "recall@{k} is {recall}, {removed} removed, filter {filter:?}");
            }
        }
    }
}
