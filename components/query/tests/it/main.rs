//! The segment against a plain model: every document looked at, every score computed from its definition.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

mod chunks;
mod net;

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use skerry_query::types::{
    Chunk, Comparison, Condition, Document, DocumentError, Field, FilterNode, Fusion, Group, ImageError, Legs,
    QueryError, Request, Response, Scalar, Span, Statistics,
};
use skerry_query::{Image, Segment, fuse, tokenize};

const WORDS: [&str; 6] = ["tide", "harbour", "pilots", "beacon", "running", "sea"];

/// A document with so many chunks.
fn document(chunks: std::ops::RangeInclusive<usize>) -> impl Strategy<Value = Document> {
    let text = proptest::collection::vec(proptest::sample::select(&WORDS[..]), 0..6).prop_map(|words| words.join(" "));
    // Some are the same, so that chunks and documents are equally near.
    let vector = prop_oneof![
        2 => proptest::collection::vec(-4_i8..=4, 8),
        1 => (0..3_i8).prop_map(|n| vec![n, 0, -1, 4, n, 0, 2, 1]),
    ];
    let vector = vector.prop_map(|values| values.into_iter().map(f32::from).collect());
    let chunks = proptest::collection::vec((any::<(u8, u8)>(), vector), chunks);
    let scalar = prop_oneof![
        Just(Scalar::Null),
        any::<bool>().prop_map(Scalar::Boolean),
        (-3..3).prop_map(|number| Scalar::Number(f64::from(number))),
        "[ab]{0,2}".prop_map(Scalar::Text),
        "[ab] [ab]".prop_map(Scalar::Text),
    ];
    let field = (proptest::sample::select(&["data.a", "data.b"][..]), scalar)
        .prop_map(|(path, value)| Field { path: path.to_owned(), value });
    (0_u8..20, text, chunks, proptest::collection::vec(field, 0..4)).prop_map(|(key, text, chunks, fields)| {
        let at = |share: u8| u32::from(share) * text.len() as u32 / 255;
        let chunks = chunks.into_iter().map(|((a, b), vector): ((u8, u8), Vec<f32>)| Chunk {
            span: Span { start: at(a.min(b)), end: at(a.max(b)) },
            vector,
        });
        Document { key: format!("k{key:02}"), chunks: chunks.collect(), text, fields, payload: vec![key] }
    })
}

#[derive(Debug, Clone)]
enum Step {
    Upsert(Vec<Document>),
    Remove(u8),
}

/// Every document has one chunk, or none to five.
fn steps() -> impl Strategy<Value = Vec<Step>> {
    let steps = |chunks| {
        let step = prop_oneof![
            6 => proptest::collection::vec(document(chunks), 1..4).prop_map(Step::Upsert),
            2 => (0_u8..20).prop_map(Step::Remove),
        ];
        proptest::collection::vec(step, 1..25)
    };
    prop_oneof![1 => steps(1..=1), 1 => steps(0..=1), 3 => steps(0..=5)]
}

/// The only chunk of a document: all of its text.
fn whole(text: &str, vector: Vec<f32>) -> Vec<Chunk> {
    vec![Chunk { span: Span { start: 0, end: text.len() as u32 }, vector }]
}

fn comparison() -> impl Strategy<Value = Comparison> {
    let scalar = || {
        prop_oneof![
            Just(Scalar::Null),
            (-3..3).prop_map(|number| Scalar::Number(f64::from(number))),
            "[ab]{0,2}".prop_map(Scalar::Text),
        ]
    };
    prop_oneof![
        scalar().prop_map(Comparison::Eq),
        proptest::collection::vec(scalar(), 0..3).prop_map(Comparison::OneOf),
        scalar().prop_map(Comparison::Less),
        scalar().prop_map(Comparison::LessOrEqual),
        scalar().prop_map(Comparison::Greater),
        scalar().prop_map(Comparison::GreaterOrEqual),
        "[ab]{0,2}".prop_map(Comparison::Prefix),
        "[ab]( [ab])?".prop_map(Comparison::Words),
        proptest::sample::select(&["running sea", "tides", "tide, harbours", "k07"][..])
            .prop_map(|words| Comparison::Words(words.to_owned())),
        Just(Comparison::Exists),
    ]
}

fn filter() -> impl Strategy<Value = Vec<FilterNode>> {
    let node = (
        0_u8..6,
        proptest::sample::select(&["data.a", "data.b", "key", "text"][..]),
        comparison(),
        any::<(u32, u32)>(),
    );
    proptest::collection::vec(node, 0..6).prop_map(|nodes| {
        let mut out: Vec<FilterNode> = Vec::new();
        for (kind, path, comparison, (a, b)) in nodes {
            let count = out.len() as u32;
            out.push(match (kind, count) {
                (0, 1..) => FilterNode::All(vec![a % count, b % count]),
                (1, 1..) => FilterNode::Any(vec![a % count, b % count]),
                (2, 1..) => FilterNode::Negate(a % count),
                _ => FilterNode::Condition(Condition { path: path.to_owned(), comparison }),
            });
        }
        out
    })
}

/// What a segment should do, written for clarity.
#[derive(Default)]
struct Model(BTreeMap<String, Document>);

fn terms(text: &str) -> Vec<String> {
    let mut all = Vec::new();
    tokenize::terms(text, |term| all.push(term.to_owned()));
    all
}

impl Model {
    fn passes(document: &Document, nodes: &[FilterNode], root: usize) -> bool {
        match &nodes[root] {
            FilterNode::All(children) => children.iter().all(|&child| Model::passes(document, nodes, child as usize)),
            FilterNode::Any(children) => children.iter().any(|&child| Model::passes(document, nodes, child as usize)),
            FilterNode::Negate(child) => !Model::passes(document, nodes, *child as usize),
            FilterNode::Condition(Condition { path, comparison }) => {
                let key = [Scalar::Text(document.key.clone())];
                let text = [Scalar::Text(document.text.clone())];
                let values: Vec<&Scalar> = if path == "key" {
                    key.iter().collect()
                } else if path == "text" && matches!(comparison, Comparison::Words(_)) {
                    text.iter().collect()
                } else {
                    document.fields.iter().filter(|field| field.path == *path).map(|field| &field.value).collect()
                };
                values.into_iter().any(|value| holds(value, comparison))
            }
        }
    }

    fn bm25(&self, document: &Document, query: &str) -> f32 {
        let with_text: Vec<Vec<String>> =
            self.0.values().map(|document| terms(&document.text)).filter(|terms| !terms.is_empty()).collect();
        let total: usize = with_text.iter().map(Vec::len).sum();
        let average = (total as f64 / with_text.len() as f64) as f32;
        let own = terms(&document.text);
        let mut seen = BTreeSet::new();
        let mut score = 0.0;
        for term in terms(query).into_iter().filter(|term| seen.insert(term.clone())) {
            let count = own.iter().filter(|own| **own == term).count() as f32;
            let with_term = with_text.iter().filter(|terms| terms.contains(&term)).count() as f64;
            if count > 0.0 {
                let idf = (1.0 + (with_text.len() as f64 - with_term + 0.5) / (with_term + 0.5)).ln() as f32;
                score += idf * (count * 2.2 / (count + 1.2 * (0.25 + 0.75 * own.len() as f32 / average)));
            }
        }
        score
    }
}

fn holds(value: &Scalar, comparison: &Comparison) -> bool {
    let order = |than: &Scalar| match (value, than) {
        (Scalar::Number(a), Scalar::Number(b)) => a.partial_cmp(b),
        (Scalar::Text(a), Scalar::Text(b)) => Some(a.cmp(b)),
        _ => None,
    };
    match comparison {
        Comparison::Eq(wanted) => value == wanted,
        Comparison::OneOf(wanted) => wanted.contains(value),
        Comparison::Less(than) => order(than).is_some_and(std::cmp::Ordering::is_lt),
        Comparison::LessOrEqual(than) => order(than).is_some_and(std::cmp::Ordering::is_le),
        Comparison::Greater(than) => order(than).is_some_and(std::cmp::Ordering::is_gt),
        Comparison::GreaterOrEqual(than) => order(than).is_some_and(std::cmp::Ordering::is_ge),
        Comparison::Prefix(prefix) => matches!(value, Scalar::Text(text) if text.starts_with(prefix)),
        Comparison::Words(words) => match value {
            Scalar::Text(text) => {
                let (text, phrase) = (terms(text), terms(words));
                phrase.is_empty() || text.windows(phrase.len()).any(|window| window == phrase)
            }
            _ => false,
        },
        Comparison::Exists => true,
    }
}

fn cosine(a: &[f32], b: &[f32]) -> f32 {
    let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(x, y)| x * y).sum::<f32>();
    dot(a, b) / (dot(a, a) * dot(b, b)).sqrt()
}

fn is_zero(vector: &[f32]) -> bool {
    vector.iter().all(|&value| value == 0.0)
}

fn ask(segment: &mut Segment, request: &Request) -> Response {
    segment.query(request).unwrap()
}

/// The same documents, laid out flat.
fn seal(segment: &Segment) -> Segment {
    let image = segment.image().unwrap();
    let sections = image.sections();
    let mut copy = Image::reserve(&sections).unwrap();
    for (name, bytes) in &sections {
        // In pieces, as a host passes them on.
        let mut at = 0;
        while at < *bytes {
            let chunk = image.read(name, at, 64);
            at += chunk.len() as u64;
            copy.append(name, &chunk).unwrap();
        }
    }
    Segment::sealed(copy).unwrap()
}

/// What a host does with several segments.
fn ask_all(segments: &mut [Segment], request: &Request) -> Result<Response, QueryError> {
    let mut statistics = Statistics::default();
    if let Some(text) = &request.text {
        for segment in segments.iter() {
            let part = segment.statistics(text, &[]);
            statistics.documents += part.documents;
            statistics.total_length += part.total_length;
            if statistics.terms.is_empty() {
                statistics.terms = part.terms;
            } else {
                statistics.terms.iter_mut().zip(&part.terms).for_each(|(total, part)| total.1 += part.1);
            }
        }
    }
    let mut depth = fuse::depth(request);
    loop {
        let legs: Result<Vec<Legs>, QueryError> =
            segments.iter_mut().map(|segment| segment.legs(request, Some(&statistics), depth)).collect();
        let legs = legs?;
        let fused = fuse::fuse(request, &legs, depth)?;
        match fused.deeper {
            Some(deeper) => depth = deeper,
            None => return Ok(fused.response),
        }
    }
}

fn build(steps: &[Step]) -> (Segment, Model) {
    let (mut segment, mut model) = (Segment::default(), Model::default());
    for step in steps {
        match step {
            Step::Upsert(documents) => {
                segment.upsert(documents.clone()).unwrap();
                model.0.extend(documents.iter().map(|document| (document.key.clone(), document.clone())));
            }
            Step::Remove(key) => {
                let key = format!("k{key:02}");
                assert_eq!(segment.remove(std::slice::from_ref(&key)), u32::from(model.0.remove(&key).is_some()));
            }
        }
    }
    (segment, model)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    /// Filters alone: exactly the documents that pass, in the order of their keys.
    #[test]
    fn filters_select_what_the_model_selects(steps in steps(), nodes in filter()) {
        let (mut segment, model) = build(&steps);
        if nodes.is_empty() {
            return Ok(());
        }
        let request = Request { filter: nodes.clone(), k: 1_000, ..Request::default() };
        prop_assert_eq!(seal(&segment).query(&request), segment.query(&request), "sealed");
        match segment.query(&request) {
            Ok(response) => {
                let root = nodes.len() - 1;
                prop_assert!(!response.approximate);
                let passing: Vec<&str> = model.0.values().filter(|document| Model::passes(document, &nodes, root)).map(|document| document.key.as_str()).collect();
                let found: Vec<&str> = response.hits.iter().map(|hit| hit.key.as_str()).collect();
                prop_assert_eq!(found, passing.clone());
                prop_assert_eq!(response.candidates as usize, passing.len());
            }
            Err(QueryError::UnknownField { path, .. }) => {
                prop_assert!(model.0.values().all(|document| document.fields.iter().all(|field| field.path != path)));
                prop_assert!(!model.0.is_empty());
            }
            Err(other) => prop_assert!(false, "{other:?}"),
        }
    }

    /// Keyword search: BM25 from its definition, every document with a term, best first.
    #[test]
    fn keywords_score_as_defined(steps in steps(), words in proptest::collection::vec(proptest::sample::select(&WORDS[..]), 1..4)) {
        let (mut segment, model) = build(&steps);
        let text = words.join(" ");
        let response = ask(&mut segment, &Request { text: Some(text.clone()), k: 1_000, ..Request::default() });
        let expected: BTreeMap<&str, f32> = model.0.values().map(|document| (document.key.as_str(), model.bm25(document, &text))).filter(|(_, score)| *score > 0.0).collect();
        prop_assert_eq!(response.hits.len(), expected.len());
        for hit in &response.hits {
            let wanted = expected[hit.key.as_str()];
            prop_assert!((hit.score - wanted).abs() <= 1e-5 * wanted, "{}: {} != {}", hit.key, hit.score, wanted);
        }
        prop_assert!(response.hits.is_sorted_by(|a, b| (a.score, &b.key) > (b.score, &a.key) || a.score > b.score));
    }

    /// Vector search: every document with a direction is found, its cosine within the rounding to 8 bits; k limits.
    #[test]
    fn vectors_score_as_defined(steps in steps(), query in proptest::collection::vec(-4_i8..=4, 8), k in 1_u32..30) {
        let query: Vec<f32> = query.into_iter().map(f32::from).collect();
        let (mut segment, model) = build(&steps);
        let request = Request { vector: Some(query.clone()), k, ..Request::default() };
        if is_zero(&query) {
            prop_assert_eq!(segment.query(&request), Err(QueryError::VectorNotFinite));
            return Ok(());
        }
        let response = ask(&mut segment, &request);
        let best = |document: &Document| {
            let vectors = document.chunks.iter().map(|chunk| &chunk.vector).filter(|vector| !is_zero(vector));
            vectors.map(|vector| cosine(&query, vector)).max_by(f32::total_cmp)
        };
        let with_vector: BTreeMap<&str, f32> = model.0.values().filter_map(|document| Some((document.key.as_str(), best(document)?))).collect();
        prop_assert_eq!(response.hits.len(), with_vector.len().min(k as usize));
        for hit in &response.hits {
            let exact = with_vector[hit.key.as_str()];
            prop_assert!((hit.score - exact).abs() < 0.02, "{}: {} != {}", hit.key, hit.score, exact);
        }
        prop_assert!(response.hits.is_sorted_by(|a, b| a.score >= b.score));
    }

    /// Guarantee 2 of the design rests on this: the same documents in any order, with detours, laid out flat, and spread over
    /// several segments of which some have removed documents, give the same bytes.
    #[test]
    fn answers_do_not_depend_on_history(steps in steps(), nodes in filter(), request in request(), split in 0_u8..20) {
        let (mut first, model) = build(&steps);
        let mut second = Segment::default();
        let detour = Document { key: "detour".into(), text: "other words".into(), chunks: whole("other words", vec![1.0; 8]), ..Document::default() };
        second.upsert(vec![detour.clone()]).unwrap();
        for document in model.0.values().rev() {
            second.upsert(vec![document.clone()]).unwrap();
        }
        second.remove(&["detour".to_owned()]);
        let request = Request { filter: nodes, ..request };
        let answer = first.query(&request);
        prop_assert_eq!(&second.query(&request), &answer);
        prop_assert_eq!(&seal(&second).query(&request), &answer, "sealed");
        prop_assert_eq!(first.describe().documents, second.describe().documents);
        prop_assert_eq!(first.describe().postings, second.describe().postings);

        let key = format!("k{split:02}");
        let (low, high): (Vec<&Document>, Vec<&Document>) = model.0.values().partition(|document| document.key < key);
        let mut stale = Segment::default();
        stale.upsert(low.iter().map(|document| (*document).clone()).collect()).unwrap();
        stale.upsert(high.iter().map(|document| Document { text: format!("{} tide", document.text), ..(*document).clone() }).collect()).unwrap();
        stale.upsert(vec![detour]).unwrap();
        let mut stale = seal(&stale);
        stale.remove(&high.iter().map(|document| document.key.clone()).chain(["detour".to_owned()]).collect::<Vec<_>>());
        let mut fresh = Segment::default();
        fresh.upsert(high.into_iter().cloned().collect()).unwrap();
        prop_assert_eq!(&ask_all(&mut [stale, fresh], &request), &answer, "spread");
    }

    /// Pages put together are the whole, whatever the order is made of.
    #[test]
    fn pages_join_up(steps in steps(), request in request(), size in 1_u32..5) {
        let (mut segment, _) = build(&steps);
        let request = Request { diversity: None, offset: 0, ..request };
        let whole = ask(&mut segment, &Request { k: 20, ..request.clone() });
        let mut joined = Vec::new();
        for offset in (0..20).step_by(size as usize) {
            joined.extend(ask(&mut segment, &Request { k: size, offset, ..request.clone() }).hits);
        }
        joined.truncate(20);
        let keys = |hits: &[skerry_query::types::Hit]| hits.iter().map(|hit| hit.key.clone()).collect::<Vec<_>>();
        if !matches!((request.fusion, &request.text, &request.vector), (Fusion::ReciprocalRank(_), Some(_), Some(_))) {
            prop_assert_eq!(keys(&joined), keys(&whole.hits));
        }
    }

    /// Groups: the best hits of each value, in the order of the plain answer.
    #[test]
    fn groups_keep_their_best(steps in steps(), request in request(), size in 1_u32..3) {
        let (mut segment, model) = build(&steps);
        let plain = ask(&mut segment, &Request { k: 1_000, offset: 0, group: None, diversity: None, ..request.clone() });
        let group = Group { path: "data.a".into(), size };
        let grouped = ask(&mut segment, &Request { k: 4, offset: 0, group: Some(group), diversity: None, ..request });
        let value = |key: &str| {
            let of = |rank: fn(&Scalar) -> bool| {
                let values = model.0[key].fields.iter().filter(|field| field.path == "data.a").map(|field| field.value.clone());
                values.filter(rank).collect::<Vec<_>>()
            };
            let mut numbers = of(|value| matches!(value, Scalar::Number(_)));
            numbers.sort_by(|a, b| match (a, b) { (Scalar::Number(a), Scalar::Number(b)) => a.total_cmp(b), _ => unreachable!() });
            let mut texts = of(|value| matches!(value, Scalar::Text(_)));
            texts.sort_by(|a, b| match (a, b) { (Scalar::Text(a), Scalar::Text(b)) => a.cmp(b), _ => unreachable!() });
            let mut all = of(|value| *value == Scalar::Null);
            all.extend(of(|value| *value == Scalar::Boolean(false)));
            all.extend(of(|value| *value == Scalar::Boolean(true)));
            all.extend(numbers);
            all.extend(texts);
            all.into_iter().next()
        };
        let mut seen: BTreeMap<String, u32> = BTreeMap::new();
        let mut expected = Vec::new();
        for hit in &plain.hits {
            let count = seen.entry(format!("{:?}", value(&hit.key))).or_default();
            *count += 1;
            if *count <= size && expected.len() < 4 {
                expected.push((hit.key.clone(), value(&hit.key)));
            }
        }
        let found: Vec<_> = grouped.hits.into_iter().map(|hit| (hit.key, hit.group)).collect();
        prop_assert_eq!(found, expected);
    }

    /// A damaged image is refused or answers something; it never makes the component trap.
    #[test]
    fn damaged_images_do_no_harm(steps in steps(), section in 0_usize..30, at in any::<u64>(), value in any::<u8>(), cut in any::<bool>()) {
        let (segment, _) = build(&steps);
        let image = segment.image().unwrap();
        let sections = image.sections();
        let (name, length) = sections[section % sections.len()].clone();
        let damaged: Vec<(String, u64)> = sections.iter().map(|(other, bytes)| (other.clone(), if cut && *other == name { bytes / 16 * 8 } else { *bytes })).collect();
        let mut copy = Image::reserve(&damaged).unwrap();
        for (other, bytes) in &damaged {
            let mut chunk = image.read(other, 0, u32::MAX);
            chunk.truncate(*bytes as usize);
            if *other == name && length > 0 && !chunk.is_empty() {
                let at = (at % chunk.len() as u64) as usize;
                chunk[at] = value;
            }
            copy.append(other, &chunk).unwrap();
        }
        if let Ok(mut segment) = Segment::sealed(copy) {
            let request = Request { text: Some("tide sea".into()), vector: Some(vec![1.0, -2.0, 3.0, 0.0, 0.5, 1.0, 0.0, 2.0]), ..Request::default() };
            let _ = segment.query(&request);
            let condition = Condition { path: "data.a".into(), comparison: Comparison::Words("a b".into()) };
            let _ = segment.query(&Request { filter: vec![FilterNode::Condition(condition)], ..request });
            segment.remove(&["k03".to_owned()]);
        }
    }
}

fn request() -> impl Strategy<Value = Request> {
    let text = proptest::option::of(proptest::collection::vec(proptest::sample::select(&WORDS[..]), 1..4));
    let vector = proptest::option::of(proptest::collection::vec(-4_i8..=4, 8));
    let fusion = prop_oneof![
        (0_u8..=4).prop_map(|weight| Fusion::Convex(f32::from(weight) / 4.0)),
        Just(Fusion::ReciprocalRank(60))
    ];
    let min = proptest::option::weighted(0.3, -0.5_f32..0.9);
    let group = proptest::option::weighted(0.2, Just(Group { path: "data.a".into(), size: 1 }));
    let diversity = proptest::option::weighted(0.2, 0.0_f32..=1.0);
    (text, vector, fusion, min, group, diversity, 1_u32..9, 0_u32..4, any::<bool>()).prop_map(
        |(text, vector, fusion, similarity_min, group, diversity, k, offset, explain)| {
            let vector: Option<Vec<f32>> = vector.map(|values| values.into_iter().map(f32::from).collect());
            let vector = vector.filter(|vector| !is_zero(vector));
            let text = text.map(|words| words.join(" ")).or(vector.is_none().then(|| "tide".to_owned()));
            let similarity_min = similarity_min.filter(|_| vector.is_some());
            Request { text, vector, k, offset, fusion, similarity_min, diversity, group, explain, ..Request::default() }
        },
    )
}

fn sample() -> Segment {
    let mut segment = Segment::default();
    let document = |key: &str, text: &str, vector: [f32; 3]| Document {
        key: key.into(),
        text: text.into(),
        chunks: whole(text, vector.to_vec()),
        fields: vec![Field { path: "data.severity".into(), value: Scalar::Number(1.0) }],
        payload: vec![],
    };
    segment
        .upsert(vec![document("a", "tide tables", [1.0, 0.0, 0.0]), document("b", "harbour", [0.9, 0.1, 0.0])])
        .unwrap();
    segment
}

/// Hybrid scores are the weighted sum that the contract names, both legs at 1 for the best of each.
#[test]
fn convex_fusion_is_as_documented() {
    let mut segment = sample();
    let request = Request {
        text: Some("harbour".into()),
        vector: Some(vec![1.0, 0.0, 0.0]),
        fusion: Fusion::Convex(0.8),
        ..Request::default()
    };
    let response = ask(&mut segment, &request);
    let by_key: BTreeMap<&str, &skerry_query::types::Hit> =
        response.hits.iter().map(|hit| (hit.key.as_str(), hit)).collect();
    assert!((by_key["a"].score - 0.8).abs() < 1e-6 && by_key["a"].keyword_score.is_none());
    let cosine = by_key["b"].vector_score.unwrap();
    assert!((by_key["b"].score - (0.8 * (cosine + 1.0) / 2.0 + 0.2)).abs() < 1e-6);
    assert_eq!(response.hits[0].key, "b");
}

/// What is wrong with a request or a document is named, and nothing is changed.
#[test]
fn mistakes_are_named() {
    let mut segment = sample();
    let mut refused = |request: Request| segment.query(&request).unwrap_err();
    let text = |k| Request { text: Some("tide".into()), k, ..Request::default() };
    assert_eq!(refused(text(0)), QueryError::KOutOfRange(0));
    assert_eq!(refused(text(1_000_000_000)), QueryError::KOutOfRange(1_000_000_000));
    assert_eq!(refused(Request { offset: 10_001, ..text(1) }), QueryError::OffsetOutOfRange(10_001));
    assert_eq!(refused(Request { diversity: Some(1.5), ..text(1) }), QueryError::WeightOutOfRange(1.5));
    assert_eq!(refused(Request::default()), QueryError::EmptyRequest);
    let vector = |vector| Request { vector: Some(vector), ..Request::default() };
    assert_eq!(refused(vector(vec![f32::NAN, 0.0, 0.0])), QueryError::VectorNotFinite);
    assert_eq!(refused(vector(vec![f32::INFINITY, 0.0, 0.0])), QueryError::VectorNotFinite);
    assert_eq!(refused(vector(vec![1.0])), QueryError::VectorDimensions(1));
    let weighted = Request { fusion: Fusion::Convex(f32::NAN), ..text(1) };
    assert!(matches!(refused(weighted), QueryError::WeightOutOfRange(_)));
    let condition =
        |path: &str| FilterNode::Condition(Condition { path: path.into(), comparison: Comparison::Eq(Scalar::Null) });
    let unknown = refused(Request { filter: vec![condition("data.sevrity")], ..text(1) });
    assert_eq!(
        unknown,
        QueryError::UnknownField { path: "data.sevrity".into(), similar: Some("data.severity".into()) }
    );
    for filter in [vec![FilterNode::Negate(0)], vec![FilterNode::All(vec![7])], vec![condition("key"); 1_025]] {
        assert!(matches!(refused(Request { filter, ..text(1) }), QueryError::MalformedFilter(_)));
    }
    let long = Request { text: Some("tide ".repeat(20_000)), ..Request::default() };
    assert_eq!(ask(&mut segment, &long).hits[0].key, "a", "a query of 100,000 characters is read");

    let before = segment.describe();
    let mut upsert = |key: &str, vector: Vec<f32>| {
        let good = Document { key: "good".into(), ..Document::default() };
        let bad = Document { key: key.into(), chunks: whole("", vector), ..Document::default() };
        segment.upsert(vec![good, bad]).unwrap_err()
    };
    assert_eq!(upsert("x", vec![f32::NAN, 0.0, 0.0]), DocumentError::VectorNotFinite("x".into()));
    assert_eq!(upsert("x", vec![1.0]), DocumentError::VectorDimensions("x".into()));
    assert_eq!(upsert("x", vec![]), DocumentError::VectorDimensions("x".into()));
    assert_eq!(upsert("", vec![1.0; 3]), DocumentError::KeyLength(String::new()));
    assert_eq!(segment.describe(), before);
}

/// An explanation's parts add up to the score, and its terms to the keyword score.
#[test]
fn explanations_add_up() {
    let mut segment = sample();
    let request = Request {
        text: Some("tides harbour table".into()),
        vector: Some(vec![1.0, 0.2, 0.0]),
        explain: true,
        ..Request::default()
    };
    for fusion in [Fusion::Convex(0.6), Fusion::ReciprocalRank(60)] {
        for hit in ask(&mut segment, &Request { fusion, ..request.clone() }).hits {
            let why = hit.explanation.unwrap();
            assert!((why.vector_part + why.keyword_part - hit.score).abs() < 1e-6);
            let terms: f32 = why.terms.iter().map(|term| term.score).sum();
            assert!((terms - hit.keyword_score.unwrap_or(0.0)).abs() < 1e-5, "{why:?}");
            assert_eq!(why.terms.len(), if hit.key == "a" { 2 } else { 1 });
            assert_eq!(why.vector_rank.is_some(), fusion == Fusion::ReciprocalRank(60));
        }
    }
}

/// Diversity passes over a near copy of a better hit.
#[test]
fn diversity_passes_over_copies() {
    let mut segment = Segment::default();
    let document = |key: &str, vector: [f32; 3]| Document {
        key: key.into(),
        chunks: whole("", vector.to_vec()),
        ..Document::default()
    };
    segment
        .upsert(vec![
            document("best", [1.0, 0.1, 0.0]),
            document("copy", [1.0, 0.12, 0.0]),
            document("other", [0.8, -0.6, 0.1]),
        ])
        .unwrap();
    let request = Request { vector: Some(vec![1.0, 0.0, 0.0]), k: 2, ..Request::default() };
    let keys = |response: Response| response.hits.into_iter().map(|hit| hit.key).collect::<Vec<_>>();
    assert_eq!(keys(ask(&mut segment, &request)), ["best", "copy"]);
    let diverse = Request { diversity: Some(0.5), ..request };
    assert_eq!(keys(ask(&mut segment, &diverse)), ["best", "other"]);
}

/// Only what is near enough is answered, in both legs.
#[test]
fn the_similarity_threshold_holds_for_words_too() {
    let mut segment = sample();
    let request = Request {
        text: Some("tide harbour".into()),
        vector: Some(vec![1.0, 0.0, 0.0]),
        similarity_min: Some(0.999),
        ..Request::default()
    };
    let keys: Vec<String> = ask(&mut segment, &request).hits.into_iter().map(|hit| hit.key).collect();
    assert_eq!(keys, ["a"]);
    let mut words_only = Segment::default();
    let document = Document { key: "w".into(), text: "tide".into(), ..Document::default() };
    words_only.upsert(vec![document]).unwrap();
    assert_eq!(ask(&mut words_only, &request).hits, [], "what has no vector is not near, whatever its words");
}

/// A sealed segment says that it takes nothing, and an image with a section too few or unknown is refused.
#[test]
fn sealed_segments_and_images_are_checked() {
    let mut sealed = seal(&sample());
    let document = Document { key: "x".into(), ..Document::default() };
    assert_eq!(sealed.upsert(vec![document]), Err(DocumentError::Sealed));
    assert!(sealed.image().is_none());
    assert_eq!(sealed.remove(&["a".to_owned(), "a".to_owned()]), 1);
    assert_eq!((sealed.describe().documents, sealed.describe().removed), (1, 1));
    let unknown = Image::reserve(&[("keys.of-life".to_owned(), 3)]).unwrap_err();
    assert_eq!(unknown, ImageError::Section("keys.of-life".into()));
    assert!(matches!(Segment::sealed(Image::reserve(&[]).unwrap()), Err(ImageError::Section(_))));
    let mut short = Image::reserve(&[("keys.offsets".to_owned(), 8)]).unwrap();
    assert_eq!(short.append("keys.offsets", &[0; 12]), Err(ImageError::Section("keys.offsets".into())));
    assert_eq!(short.append("keys.offsets", &[0; 3]), Err(ImageError::Section("keys.offsets".into())));
    assert_eq!(Segment::sealed(short).unwrap_err(), ImageError::Section("keys.offsets".into()));
}
