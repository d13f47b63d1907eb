//! Images of segments: what a host puts into a component, which must not trust it.

use skerry_fuzz::Target;
use skerry_query::types::{Chunk, Comparison, Condition, Document, Field, FilterNode, Group, Request, Scalar, Span};
use skerry_query::{Image, Segment};

/// Sections one behind the other: length of the name, name, length, bytes.
fn pack(sections: &[(String, Vec<u8>)]) -> Vec<u8> {
    let section = |(name, bytes): &(String, Vec<u8>)| {
        [&[name.len() as u8][..], name.as_bytes(), &(bytes.len() as u32).to_le_bytes(), bytes].concat()
    };
    sections.iter().flat_map(section).collect()
}

fn unpack(bytes: &[u8]) -> Vec<(String, Vec<u8>)> {
    let mut sections = Vec::new();
    let mut rest = bytes;
    while let Some((&length, behind)) = rest.split_first() {
        let Some((name, behind)) = behind.split_at_checked(usize::from(length)) else { break };
        let Some((length, behind)) = behind.split_first_chunk::<4>() else { break };
        let (content, behind) = behind.split_at(behind.len().min(u32::from_le_bytes(*length) as usize));
        sections.push((String::from_utf8_lossy(name).into_owned(), content.to_vec()));
        rest = behind;
    }
    sections
}

fn sections(image: &Image) -> Vec<(String, Vec<u8>)> {
    let read = |(name, bytes): (String, u64)| {
        let content = image.read(&name, 0, u32::try_from(bytes).unwrap());
        (name, content)
    };
    image.sections().into_iter().map(read).collect()
}

/// A segment of a few documents, with every section in use.
fn segment() -> Segment {
    let field = |path: &str, value| Field { path: path.into(), value };
    let document = |n: u32| Document {
        key: format!("k{n}"),
        text: format!("high water number {n} at the harbour"),
        chunks: (0..=n % 2)
            .map(|at| Chunk { span: Span { start: at, end: at + 3 }, vector: vec![1.0, n as f32, -2.0, 0.5] })
            .collect(),
        fields: vec![
            field("data.n", Scalar::Number(f64::from(n))),
            field("data.title", Scalar::Text(format!("spring tide {}", n % 2))),
            field("layer", Scalar::Boolean(n.is_multiple_of(2))),
            field("data.none", Scalar::Null),
        ],
        payload: vec![n as u8; 3],
    };
    let mut segment = Segment::default();
    segment.upsert((0..5).map(document).collect()).unwrap();
    segment
}

/// A ring over the rows, with an upper layer of two of them: what the host would add above 20,000 rows.
fn graph(rows: u32) -> [(String, Vec<u8>); 3] {
    let bytes = |numbers: Vec<u32>| numbers.into_iter().flat_map(u32::to_le_bytes).collect::<Vec<u8>>();
    [
        ("graph.offsets".to_owned(), bytes((0..=rows).collect())),
        ("graph.links".to_owned(), bytes((0..rows).map(|row| (row + 1) % rows).collect())),
        ("graph.layers".to_owned(), bytes(vec![0, 1, 2, 2, 0, 1, 0, 1, 2, 1, 0])),
    ]
}

fn requests() -> Vec<Request> {
    let condition = |path: &str, comparison| FilterNode::Condition(Condition { path: path.into(), comparison });
    let filtered = |comparison| Request { filter: vec![condition("data.title", comparison)], ..Request::default() };
    let vector = Some(vec![1.0, 0.0, -1.0, 0.25]);
    vec![
        Request { text: Some("harbour tides".into()), explain: true, ..Request::default() },
        Request { vector: vector.clone(), diversity: Some(0.5), ..Request::default() },
        Request { vector: vector.clone(), exact: true, similarity_min: Some(0.1), ..Request::default() },
        Request {
            text: Some("water".into()),
            vector,
            group: Some(Group { path: "data.title".into(), size: 1 }),
            ..Request::default()
        },
        filtered(Comparison::Words("tide spring".into())),
        filtered(Comparison::Prefix("spr".into())),
        filtered(Comparison::Exists),
        Request {
            filter: vec![condition("data.n", Comparison::Less(Scalar::Number(3.0))), FilterNode::Negate(0)],
            ..Request::default()
        },
        Request { filter: vec![condition("key", Comparison::Eq(Scalar::Text("k2".into())))], ..Request::default() },
    ]
}

fn take(sections: &[(String, Vec<u8>)]) -> Option<Segment> {
    let lengths: Vec<(String, u64)> = sections.iter().map(|(name, bytes)| (name.clone(), bytes.len() as u64)).collect();
    let mut image = Image::reserve(&lengths).ok()?;
    for (name, bytes) in sections {
        image.append(name, bytes).ok()?;
    }
    Segment::sealed(image).ok()
}

/// Whatever is taken answers every kind of query, removals included, without a panic; numbers that lie cost no more memory
/// than the bytes they came in.
#[test]
fn images() {
    let whole = sections(&segment().image().unwrap());
    let rows = segment().describe().vectors;
    let corpus = [pack(&whole), pack(&[whole.clone(), graph(rows).to_vec()].concat())];
    for packed in &corpus {
        let mut segment = take(&unpack(packed)).expect("the corpus is whole");
        requests().iter().for_each(|request| drop(segment.query(request).unwrap()));
    }
    assert!(take(&unpack(&corpus[1])).unwrap().describe().graph);
    Target::new("images of segments", &corpus).cases(20_000).run(|bytes| {
        let Some(mut segment) = take(&unpack(bytes)) else { return };
        for request in requests() {
            let _ = segment.query(&request);
        }
        segment.remove(&["k1".into(), "k3".into()]);
        for request in requests() {
            let _ = segment.query(&request);
        }
        segment.describe();
    });
}

/// Lengths that are announced and do not come.
#[test]
fn lengths_that_lie() {
    for bytes in [u64::MAX, 1 << 62, 1 << 40, (1 << 31) + 8] {
        let outcome = std::panic::catch_unwind(|| Image::reserve(&[("keys.bytes".into(), bytes)]).map(drop));
        assert!(outcome.is_ok(), "{bytes}");
    }
}
