//! Segments that are large enough to have a graph. One is baked for all of these tests: it takes a while.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::LazyLock;

use skerry_host::types::{Chunk, Comparison, Condition, Document, Field, FilterNode, Request, Scalar, Span};
use skerry_host::{Component, Segment, bake, inspect};

use crate::artefacts::{ENGINE, LIMITS, wasm};

/// Enough for a graph, which a segment has from 20,000 vectors on.
const VECTORS: u32 = 25_000;

const DIMENSIONS: usize = 384;

const CLUSTERS: u32 = 200;

/// Numbers in -1..1 that look random, the same for the same seed.
fn numbers(seed: u64) -> impl Iterator<Item = f32> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    std::iter::repeat_with(move || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f32 / 8_388_608.0 - 1.0
    })
}

/// A vector near the middle of one of the clusters, as texts about the same thing are.
fn clustered(n: u32) -> Vec<f32> {
    let cluster = n.wrapping_mul(2_654_435_761) % CLUSTERS;
    let middle = numbers(1 << 40 | u64::from(cluster));
    middle.zip(numbers(u64::from(n))).map(|(middle, own)| middle + 0.8 * own).take(DIMENSIONS).collect()
}

fn document(n: u32) -> Document {
    Document {
        key: format!("{n:06}"),
        text: String::new(),
        chunks: vec![Chunk { span: Span { start: 0, end: 0 }, vector: clustered(n) }],
        // Scattered over the clusters, so that a filter leaves few of each.
        fields: vec![Field {
            path: "data.place".to_owned(),
            value: Scalar::Number(f64::from(n.wrapping_mul(7_919) % VECTORS)),
        }],
        payload: Vec::new(),
    }
}

fn bake() -> Vec<u8> {
    let batches = (0..VECTORS / 1_000).map(|batch| (batch * 1_000..(batch + 1) * 1_000).map(document).collect());
    bake::segment(&wasm("query"), batches, &|_| ()).unwrap()
}

/// Baked twice at the same time: that is where an order that hangs on threads or hashes would show.
static BAKED: LazyLock<[Vec<u8>; 2]> = LazyLock::new(|| {
    std::thread::scope(|scope| {
        let other = scope.spawn(bake);
        [bake(), other.join().unwrap()]
    })
});

fn segment() -> (tempfile::TempDir, Component) {
    let dir = tempfile::tempdir().unwrap();
    let component = Component::open(&ENGINE, dir.path(), "segment", &BAKED[0]).unwrap();
    (dir, component)
}

/// Vectors that are in no document, as queries are.
fn queries(count: u32) -> impl Iterator<Item = Request> {
    (0..count).map(|n| Request { vector: Some(clustered(1_000_000 + n)), k: 10, ..Request::default() })
}

fn keys(segment: &mut Segment, request: &Request) -> (Vec<String>, bool) {
    let response = segment.query(request).unwrap();
    (response.hits.into_iter().map(|hit| hit.key).collect(), response.approximate)
}

/// Replicas that bake the same records must get the same graph, or they would answer differently.
#[test]
fn the_same_vectors_give_the_same_graph() {
    assert!(BAKED[0] == BAKED[1]);
}

/// The image is mapped, not copied; and it holds little but data.
#[test]
fn the_image_is_dense() {
    let image = inspect::memory_image(&BAKED[0]).unwrap();
    assert!(image.span_bytes > u64::from(VECTORS) * DIMENSIONS as u64, "{image:?}");
    assert!(image.is_mapped(), "{image:?}");
    assert!(image.data_bytes * 10 > image.span_bytes * 9, "{image:?}");
}

/// The walk at its default breadth finds what looking at every vector finds, nearly always.
#[test]
fn the_graph_finds_the_nearest() {
    let (_dir, component) = segment();
    let mut segment = Segment::new(&ENGINE, &component, LIMITS).unwrap();
    let stats = segment.describe().unwrap();
    assert_eq!((stats.documents, stats.graph, stats.sealed), (VECTORS, true, true));
    let (mut found, mut count) = (0, 0);
    for request in queries(200) {
        let (walked, approximate) = keys(&mut segment, &request);
        assert!(approximate, "no graph was walked");
        let (exact, approximate) = keys(&mut segment, &Request { exact: true, ..request });
        assert!(!approximate && exact.len() == 10);
        found += exact.iter().filter(|key| walked.contains(key)).count();
        count += exact.len();
    }
    let recall = found as f64 / f64::from(u32::try_from(count).unwrap());
    assert!(recall >= 0.95, "recall@10 is {recall}");
}

/// A filter of any selectivity leaves a full answer, when there is enough to fill it: a walk that is fenced in must not end
/// early. Also after removals.
#[test]
fn filters_leave_full_answers() {
    let (_dir, component) = segment();
    let mut segment = Segment::new(&ENGINE, &component, LIMITS).unwrap();
    for removed in [0, VECTORS / 2] {
        let gone: Vec<String> = (0..removed).map(|n| format!("{n:06}")).collect();
        segment.remove(&gone).unwrap();
        // 0.01 % to 100 %.
        for places in [2, 5, 10, 25, 75, 250, 750, 2_500, 7_500, 12_500, 20_000, VECTORS] {
            let condition = Condition {
                path: "data.place".to_owned(),
                comparison: Comparison::Less(Scalar::Number(f64::from(places))),
            };
            let passing = (removed..VECTORS).filter(|n| n.wrapping_mul(7_919) % VECTORS < places).count();
            for (k, query) in [1, 10, 100].into_iter().zip(queries(3)) {
                let request = Request { k, filter: vec![FilterNode::Condition(condition.clone())], ..query };
                let (found, _) = keys(&mut segment, &request);
                let wanted = passing.min(k as usize);
                assert_eq!(found.len(), wanted, "{k} of {passing} behind {places} places, {removed} removed");
                let different: std::collections::BTreeSet<&String> = found.iter().collect();
                assert_eq!(different.len(), found.len());
            }
        }
    }
}

/// Proportional set size of this process's mappings of a file, in KiB.
fn pss_kib(path: &Path) -> u64 {
    let maps = std::fs::read_to_string("/proc/self/smaps").unwrap();
    let (mut inside, mut sum) = (false, 0);
    for line in maps.lines() {
        let first = line.split_whitespace().next().unwrap_or_default();
        if !first.ends_with(':') {
            inside = line.ends_with(path.to_str().unwrap());
        } else if inside && first == "Pss:" {
            sum += line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap();
        }
    }
    sum
}

/// Idea 2 of the design: instances share what was baked. Eight of them that have all answered take little more than one.
#[test]
fn eight_instances_take_the_memory_of_one() {
    let (dir, component) = segment();
    let files = std::fs::read_dir(dir.path()).unwrap().map(|file| file.unwrap().path());
    let code = files.into_iter().find(|path| path.extension().is_some_and(|extension| extension == "cwasm")).unwrap();
    let mut instances = BTreeMap::new();
    let mut pss = Vec::new();
    for count in 1..=8 {
        let mut segment = Segment::new(&ENGINE, &component, LIMITS).unwrap();
        // Looks at every vector, then walks.
        for request in queries(4) {
            assert_eq!(keys(&mut segment, &Request { exact: true, ..request.clone() }).0.len(), 10);
            assert_eq!(keys(&mut segment, &request).0.len(), 10);
        }
        instances.insert(count, segment);
        pss.push(pss_kib(&code));
    }
    assert!(
        pss[0] * 1024 > u64::from(VECTORS) * DIMENSIONS as u64,
        "the vectors are not mapped from the file: {pss:?} KiB"
    );
    assert!(pss[7] * 10 <= pss[0] * 11, "one to eight instances take {pss:?} KiB");
}
