//! Sealed segments must not be noticed: a node that seals answers what one answers that never does, also after damage.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Body;
use http_body_util::BodyExt;
use serde_json::{Value, json};
use skerry_edge::api::{ApiConfig, router};
use skerry_edge::index::Progress;
use skerry_edge::node::{Node, NodeConfig, NodeError};
use skerry_sync::{ProjectName, Replica};
use std::sync::Arc;
use tower::ServiceExt;

use crate::components_dir;
use crate::process::Server;

/// Changes after which the nodes of these tests seal.
const SEAL_AFTER: usize = 20;

/// More than any test writes.
const NEVER: usize = usize::MAX;

/// How long a test waits for background work before it gives up.
const PATIENCE: Duration = Duration::from_mins(2);

const WORDS: [&str; 8] = ["tide", "harbour", "pilot", "beacon", "keel", "lantern", "anchor", "swell"];

/// A linear congruential generator: the same numbers in every run.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % end
    }

    /// At most 72 different texts: nearly every vector comes from the cache.
    fn text(&mut self) -> String {
        let first = WORDS[self.below(WORDS.len())];
        match self.below(9) {
            8 => first.to_owned(),
            other => format!("{first} {}", WORDS[other]),
        }
    }

    fn record(&mut self, key: usize) -> Value {
        let mut data = json!({"n": self.below(100), "word": WORDS[self.below(WORDS.len())]});
        if self.below(16) == 0 {
            data["rare"] = json!(self.below(3));
        }
        let text = if self.below(6) == 0 { String::new() } else { self.text() };
        json!({"key": format!("k{key:04}"), "text": text, "data": data})
    }
}

/// Waits until `ready` gives something.
fn wait_for<T>(what: &str, mut ready: impl FnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(found) = ready() {
            return found;
        }
        assert!(begun.elapsed() < PATIENCE, "{what} takes for ever");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// A node in this process, over a folder that outlives it.
struct OpenNode {
    router: Router,
    node: Arc<Node>,
}

fn project() -> ProjectName {
    ProjectName::parse("p").unwrap()
}

fn index_dir(data: &Path) -> PathBuf {
    data.join("index/p")
}

impl OpenNode {
    fn open(data: &Path, seal_after: usize) -> OpenNode {
        let config = NodeConfig {
            data_dir: data.to_owned(),
            components_dir: Some(components_dir()),
            embedder_instances: 2,
            seal_after,
            models_file: None,
            plugins_file: None,
        };
        // Work in the background may hold the store of the node before for a moment.
        let node = wait_for("the store's lock", || match Node::open(&config) {
            Ok(node) => Some(node),
            Err(NodeError::Open(_)) => None,
            Err(error) => panic!("{error}"),
        });
        OpenNode { router: router(Arc::clone(&node), &ApiConfig::default()), node }
    }

    fn call(&self, method: &str, path: &str, body: &Value) -> (u16, String) {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let request = http::Request::builder().method(method).uri(format!("/api/v1/projects/p{path}"));
        let request = request.header("content-type", "application/json").header("x-request-id", "same");
        let request = request.body(Body::from(body)).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let response = self.router.clone().oneshot(request).await.unwrap();
            let status = response.status().as_u16();
            let bytes = response.into_body().collect().await.unwrap().to_bytes();
            (status, String::from_utf8(bytes.to_vec()).unwrap())
        })
    }

    fn ok(&self, method: &str, path: &str, body: &Value) -> Value {
        let (status, answer) = self.call(method, path, body);
        assert!(status < 300, "{method} {path}: {status} {answer}");
        serde_json::from_str(&answer).unwrap()
    }

    fn publish(&self, records: &[Value]) -> String {
        let answer = self.ok("POST", "/records", &json!({ "records": records }));
        answer["version"].as_str().unwrap().to_owned()
    }

    fn delete(&self, keys: &[String]) {
        self.ok("POST", "/deletions", &json!({ "keys": keys }));
    }

    fn query(&self, body: &Value) -> String {
        let (status, answer) = self.call("POST", "/query", body);
        format!("{status} {answer}")
    }

    /// The answers to queries of every kind, byte for byte, as of a version if one is given.
    fn answers(&self, version: Option<&str>) -> Vec<String> {
        let asked = queries().into_iter().map(|mut query| {
            let name = query.to_string();
            if let Some(version) = version {
                query["version"] = json!(version);
            }
            let answer = self.query(&query);
            assert!(answer.starts_with("200 ") || answer.contains("unknown-field"), "{query} -> {answer}");
            format!("{name} -> {answer}")
        });
        asked.collect()
    }

    fn version(&self) -> String {
        self.node.replica().version(&project()).unwrap().to_string()
    }

    /// [`OpenNode::answers`] without the version: that is the replica's own.
    fn answers_of_any_replica(&self) -> Vec<String> {
        let version = self.version();
        self.answers(None).into_iter().map(|answer| answer.replace(&version, "the version")).collect()
    }

    fn progress(&self) -> Option<Progress> {
        self.node.index(&project()).unwrap().progress().unwrap()
    }

    /// Waits until nothing is being sealed and nothing wants to be; answers the documents of the sealed segments.
    fn settled(&self) -> Vec<u32> {
        let mut segments = wait_for("sealing", || {
            let wants = self.node.index(&project()).unwrap().wants_sealing(self.node.sources());
            let progress = self.progress().filter(|progress| !progress.sealing && !wants)?;
            let wants = self.node.index(&project()).unwrap().wants_sealing(self.node.sources());
            (!wants && progress.vectors_pending == 0).then_some(progress.segments)
        });
        segments.pop();
        segments
    }
}

/// Queries of every kind, without those that only some version of the records can answer.
fn queries() -> Vec<Value> {
    let below = |n: u32| json!({"field": "data.n", "op": "lt", "value": n});
    let mut queries = vec![
        json!({"text": "harbour lantern", "explain": true, "highlight": {}}),
        json!({"text": "tide", "mode": "keyword", "k": 50, "explain": true}),
        json!({"text": "keel swell", "mode": "vector", "k": 25}),
        json!({"text": "anchor of the pilot", "fusion": {"reciprocal_rank": {"constant": 60}}, "k": 20}),
        json!({"text": "anchor of the pilot", "fusion": {"convex": {"vector_weight": 0.3}}, "filter": below(40)}),
        json!({"filter": below(30), "k": 1000}),
        json!({"filter": {"not": below(30)}, "k": 7, "offset": 3}),
        json!({"text": "beacon", "group": {"field": "data.word", "size": 2}, "k": 12}),
        json!({"text": "beacon", "mode": "keyword", "group": {"field": "data.n"}, "k": 30}),
        json!({"filter": below(90), "group": {"field": "data.word"}}),
        json!({"text": "swell", "diversity": 0.5, "k": 8}),
        json!({"text": "swell", "similarity_min": 0.5, "k": 100}),
        json!({"query": "tide harbour -lantern", "k": 15}),
        json!({"query": "\"tide harbour\" data.word:keel"}),
        json!({"text": "pilot", "filter": {"field": "data.rare", "op": "exists"}}),
        json!({"text": "pilot", "filter": {"field": "data.nobody_has_this", "op": "eq", "value": 1}}),
        json!({"text": "pilot", "filter": {"field": "key", "op": "prefix", "value": "k00"}, "mode": "keyword"}),
    ];
    // Pages: ties in the scores must not let a record fall between two of them.
    for page in 0..6 {
        queries.push(json!({"text": "lantern keel", "k": 9, "offset": 9 * page}));
        queries.push(json!({"text": "lantern keel", "k": 9, "offset": 9 * page, "mode": "keyword"}));
    }
    queries
}

fn assert_same(found: &[String], expected: &[String], when: &str) {
    for (found, expected) in found.iter().zip(expected) {
        assert_eq!(found, expected, "{when}");
    }
    assert_eq!(found.len(), expected.len());
}

/// A step of the model: records added, changed and deleted, the same on every node.
struct Step {
    records: Vec<Value>,
    deleted: Vec<String>,
}

fn step(numbers: &mut Numbers, next_key: &mut usize) -> Step {
    let mut records = BTreeMap::new();
    for _ in 0..5 + numbers.below(12) {
        let old = numbers.below(3) == 0 && *next_key > 0;
        let key = if old {
            numbers.below(*next_key)
        } else {
            *next_key += 1;
            *next_key - 1
        };
        records.insert(key, numbers.record(key));
    }
    let deleted = (0..numbers.below(4)).map(|_| format!("k{:04}", numbers.below(*next_key))).collect();
    Step { records: records.into_values().collect(), deleted }
}

fn take(node: &OpenNode, step: &Step) {
    node.publish(&step.records);
    if !step.deleted.is_empty() {
        node.delete(&step.deleted);
    }
}

/// A node with two sealed segments, and a few changes of sealed records since.
fn filled(data: &Path) -> OpenNode {
    let node = OpenNode::open(data, SEAL_AFTER);
    node.ok("PUT", "", &json!({}));
    let (mut numbers, mut next_key) = (Numbers(7), 80);
    let mut first: Vec<Value> = (0..next_key).map(|key| numbers.record(key)).collect();
    first.push(json!({"key": "k5000", "text": "swell of the sealed", "data": {"n": 5, "word": "swell"}}));
    node.publish(&first);
    node.settled();
    for _ in 0..3 {
        take(&node, &step(&mut numbers, &mut next_key));
        node.settled();
    }
    node.publish(&[
        json!({"key": "k0001", "text": "tide harbour", "data": {"n": 1, "word": "keel", "rare": 1}}),
        json!({"key": "k9999", "text": "lantern of the living", "data": {"n": 2, "word": "tide"}}),
    ]);
    node.delete(&["k0002".to_owned()]);
    let sealed = node.settled();
    assert!(sealed.len() > 1, "these are to be several: {sealed:?}");
    node
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for file in fs::read_dir(from).unwrap().map(Result::unwrap) {
        let target = to.join(file.file_name());
        if file.file_type().unwrap().is_dir() {
            copy(&file.path(), &target);
        } else {
            fs::copy(file.path(), target).unwrap();
        }
    }
}

/// What a node answers from the feed alone, over a copy of a folder that nobody has open.
fn truth(data: &Path) -> Vec<String> {
    let copied = tempfile::tempdir().unwrap();
    copy(data, copied.path());
    fs::remove_dir_all(copied.path().join("index")).ok();
    OpenNode::open(copied.path(), NEVER).answers(None)
}

/// The model: a node that never seals. After each step, in the middle of sealings, both answer the same bytes; so do
/// queries at the versions of earlier steps in the end. Another thread asks all the time and always gets an answer.
#[test]
fn sealing_is_not_noticed() {
    let (data, plain_data) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let node = OpenNode::open(data.path(), SEAL_AFTER);
    let plain = OpenNode::open(plain_data.path(), NEVER);
    for node in [&node, &plain] {
        node.ok("PUT", "", &json!({}));
    }
    let done = AtomicBool::new(false);
    let (mut shapes, mut versions) = (Vec::new(), Vec::new());
    std::thread::scope(|scope| {
        let asker = scope.spawn(|| {
            let mut asked = 0;
            while !done.load(Ordering::Relaxed) {
                for query in [&queries()[0], &queries()[1], &queries()[5]] {
                    let (status, answer) = node.call("POST", "/query", query);
                    // Before the first step there is no field to filter by.
                    assert!(status == 200 || answer.contains("unknown-field") && asked < 100, "{status} {answer}");
                    asked += 1;
                }
            }
            asked
        });
        let stopped = Stop(&done);
        let (mut numbers, mut next_key) = (Numbers(1), 0);
        for round in 0..24 {
            let step = step(&mut numbers, &mut next_key);
            take(&node, &step);
            take(&plain, &step);
            let when = format!("after step {round}");
            assert_same(&node.answers_of_any_replica(), &plain.answers_of_any_replica(), &when);
            if round % 3 == 2 {
                shapes.push(node.settled());
                assert_same(&node.answers_of_any_replica(), &plain.answers_of_any_replica(), &format!("sealed {when}"));
                versions.push((node.version(), node.answers(None)));
            }
        }
        drop(stopped);
        assert!(asker.join().unwrap() > 20);
    });
    assert!(shapes.iter().any(|shape| shape.len() > 1), "never two sealed segments: {shapes:?}");
    let merged = shapes.windows(2).any(|two| two[1].len() < two[0].len() || two[1][0] > two[0][0]);
    assert!(merged, "never merged: {shapes:?}");
    assert_eq!(plain.settled(), Vec::<u32>::new());
    for (version, answers) in versions {
        assert_same(&node.answers(Some(&version)), &answers, "at an earlier version");
    }
}

/// Sets the flag also when an assertion fails, so that the other thread ends.
struct Stop<'a>(&'a AtomicBool);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// A sealed record that changes is found as it is now, by the very next query, and one that is deleted not at all.
#[test]
fn changes_of_sealed_records_count_at_once() {
    let data = tempfile::tempdir().unwrap();
    let node = OpenNode::open(data.path(), SEAL_AFTER);
    node.ok("PUT", "", &json!({}));
    let record = |n: usize| json!({"key": format!("k{n}"), "text": format!("tide number{n}"), "data": {"only": n}});
    node.publish(&(0..30).map(record).collect::<Vec<_>>());
    assert_eq!(node.settled(), [30]);
    let found = |word: &str| {
        let answer = node.ok("POST", "/query", &json!({"text": word, "mode": "keyword", "k": 100}));
        answer["hits"].as_array().unwrap().iter().map(|hit| hit["key"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    for n in 0..10 {
        assert_eq!(found(&format!("number{n}")), [format!("k{n}")]);
        if n % 2 == 0 {
            node.publish(&[json!({"key": format!("k{n}"), "text": format!("swell changed{n}")})]);
            assert_eq!(found(&format!("changed{n}")), [format!("k{n}")]);
        } else {
            node.delete(&[format!("k{n}")]);
        }
        assert_eq!(found(&format!("number{n}")), Vec::<String>::new());
        assert_eq!(found("tide").len(), 29 - n);
    }
    // Everything that the segment holds goes, and the project goes on.
    node.delete(&(0..30).map(|n| format!("k{n}")).collect::<Vec<_>>());
    node.settled();
    assert_eq!((found("tide"), found("swell")), (Vec::new(), Vec::new()));
    node.publish(&(0..30).map(record).collect::<Vec<_>>());
    assert_eq!(found("tide").len(), 30);
    node.settled();
    assert_eq!(found("tide").len(), 30);
}

/// A node that has lost every record says of a field what an empty one says, whatever its sealed segments still hold.
#[test]
fn fields_of_the_deleted_are_unknown() {
    let (data, plain_data) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let nodes = [OpenNode::open(data.path(), SEAL_AFTER), OpenNode::open(plain_data.path(), NEVER)];
    let filter = |field: &str| json!({"filter": {"field": field, "op": "eq", "value": 1}});
    let asked = |node: &OpenNode| {
        let version = node.version();
        ["data.gone", "data.here"].map(|field| node.query(&filter(field)).replace(&version, "the version"))
    };
    let answers = nodes.each_ref().map(|node| {
        node.ok("PUT", "", &json!({}));
        let gone: Vec<Value> = (0..25).map(|n| json!({"key": format!("g{n}"), "data": {"gone": 1}})).collect();
        node.publish(&gone);
        node.settled();
        let full = asked(node);
        node.publish(&[json!({"key": "h", "data": {"here": 1}})]);
        node.delete(&(0..25).map(|n| format!("g{n}")).collect::<Vec<_>>());
        let mixed = asked(node);
        node.delete(&["h".to_owned()]);
        [full, mixed, asked(node)]
    });
    assert_eq!(answers[0], answers[1]);
}

/// Texts that are new to the model are published from several threads while segments are sealed. A text that was stored but
/// not yet embedded when its range was sealed was once lost to vector search, and found twice by keyword.
#[test]
fn writers_beside_a_sealing_lose_nothing() {
    let data = tempfile::tempdir().unwrap();
    let node = OpenNode::open(data.path(), SEAL_AFTER);
    node.ok("PUT", "", &json!({}));
    std::thread::scope(|scope| {
        for writer in 0..4 {
            let node = &node;
            scope.spawn(move || {
                let mut numbers = Numbers(100 + writer);
                for n in 0..15 {
                    let record = |offset: usize| {
                        let text = format!("{} {} {}", numbers.text(), numbers.below(1_000), WORDS[offset]);
                        json!({"key": format!("w{writer}-{n}-{offset}"), "text": text, "data": {"n": n, "word": "tide"}})
                    };
                    node.publish(&(0..3).map(record).collect::<Vec<_>>());
                    // What another writer has, too.
                    node.publish(&[json!({"key": "shared", "text": format!("keel {writer} {n}"), "data": {"n": 99}})]);
                }
            });
        }
    });
    assert!(!node.settled().is_empty());
    let found = node.answers(None);
    drop(node);
    assert_same(&found, &truth(data.path()), "written by four");
    let node = OpenNode::open(data.path(), SEAL_AFTER);
    assert_same(&node.answers(None), &found, "opened again");
}

/// After a restart the sealed segments are mapped and the rest is read from the feed, with vectors from the cache. Shown by
/// changing what is cached: a record that is in a sealed segment keeps its vector, a live one takes the cache's.
#[test]
fn a_restart_embeds_nothing() {
    let data = tempfile::tempdir().unwrap();
    let node = filled(data.path());
    let (answers, sealed, model) =
        (node.answers(None), node.settled(), node.node.models().get("all-MiniLM-L6-v2").unwrap().card().id.clone());
    drop(node);
    let node = OpenNode::open(data.path(), SEAL_AFTER);
    // The first answers after the start; a query embeds no records, so these would say `vectors_pending` otherwise.
    let again = node.answers(None);
    assert!(!again.iter().any(|answer| answer.contains("vectors_pending")));
    assert_same(&again, &answers, "after a restart");
    assert_eq!(node.settled(), sealed);
    drop(node);

    let replica = wait_for("the store's lock", || Replica::open(data.path()).ok());
    let other: Vec<f32> = (0..384_u16).map(|n| f32::from(n % 7) - 3.0).collect();
    replica.put_vectors(&model, &[("swell of the sealed", &other), ("lantern of the living", &other)]).unwrap();
    drop(replica);
    let node = OpenNode::open(data.path(), SEAL_AFTER);
    let answer = node.ok("POST", "/query", &json!({"vector": other, "k": 1000, "similarity_min": 0.99}));
    let keys: Vec<&str> = answer["hits"].as_array().unwrap().iter().map(|hit| hit["key"].as_str().unwrap()).collect();
    assert_eq!(keys, ["k9999"]);
    node.node.warm_up();
    assert_eq!(node.settled(), sealed);
}

/// The files of the first sealed segment.
fn code_file(data: &Path) -> PathBuf {
    let manifest: Value = serde_json::from_slice(&fs::read(index_dir(data).join("manifest.json")).unwrap()).unwrap();
    let sha256 = &manifest["segments"][0]["sha256"].as_str().unwrap()[..16];
    let mut files = fs::read_dir(index_dir(data)).unwrap().map(|file| file.unwrap().path());
    let is_it = |path: &PathBuf| {
        let named = path.file_name().is_some_and(|name| name.to_str().unwrap().contains(sha256));
        named && path.extension().is_some_and(|extension| extension == "cwasm")
    };
    files.find(is_it).unwrap()
}

fn edit_manifest(data: &Path, edit: impl Fn(&mut Value)) {
    let path = index_dir(data).join("manifest.json");
    let mut manifest = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    edit(&mut manifest);
    fs::write(path, manifest.to_string()).unwrap();
}

fn edit_code(data: &Path, edit: impl Fn(&mut Vec<u8>)) {
    let path = code_file(data);
    let mut bytes = fs::read(&path).unwrap();
    edit(&mut bytes);
    fs::write(path, bytes).unwrap();
}

/// Where bytes stand that only the data of a segment holds.
fn places(bytes: &[u8], what: &[u8]) -> Vec<usize> {
    bytes.windows(what.len()).enumerate().filter(|(_, window)| *window == what).map(|(at, _)| at).collect()
}

/// Does something to a folder's index.
type Damage = fn(&Path);

/// Whatever happens to the derived files, the node opens and answers from the feed.
#[test]
fn damage_is_mended_from_the_feed() {
    let whole = tempfile::tempdir().unwrap();
    let node = filled(whole.path());
    let sealed = node.settled();
    drop(node);
    let expected = truth(whole.path());
    let damages: [(&str, Damage); 20] = [
        ("nothing", |_| ()),
        ("an empty segment", |data| edit_code(data, Vec::clear)),
        ("half a segment", |data| edit_code(data, |bytes| bytes.truncate(bytes.len() / 2))),
        ("a segment without its last byte", |data| edit_code(data, |bytes| bytes.truncate(bytes.len() - 1))),
        ("a flipped bit at a segment's start", |data| edit_code(data, |bytes| bytes[1] ^= 1)),
        ("a flipped bit in its header", |data| edit_code(data, |bytes| bytes[40] ^= 4)),
        ("a flipped bit in its code", |data| edit_code(data, |bytes| bytes[100_000] ^= 0x10)),
        ("a flipped bit at its end", |data| edit_code(data, |bytes| *bytes.last_mut().unwrap() ^= 0x80)),
        ("no segment", |data| fs::remove_file(code_file(data)).unwrap()),
        ("a folder in place of a segment", |data| {
            let path = code_file(data);
            fs::remove_file(&path).unwrap();
            fs::create_dir(path).unwrap();
        }),
        ("no checksum", |data| {
            let mut path = code_file(data).into_os_string();
            path.push(".sha256");
            fs::remove_file(path).unwrap();
        }),
        ("no manifest", |data| fs::remove_file(index_dir(data).join("manifest.json")).unwrap()),
        ("a manifest that is no JSON", |data| {
            fs::write(index_dir(data).join("manifest.json"), b"{\"format\": 1,").unwrap();
        }),
        ("another format", |data| edit_manifest(data, |manifest| manifest["format"] = json!(2))),
        ("another model", |data| edit_manifest(data, |manifest| manifest["model"] = json!("other"))),
        ("another query component", |data| edit_manifest(data, |manifest| manifest["query_sha256"] = json!("00"))),
        ("an unknown version", |data| edit_manifest(data, |manifest| manifest["version"] = json!("ab".repeat(32)))),
        ("another position", |data| edit_manifest(data, |manifest| manifest["sequence"] = json!(7))),
        ("a gap between the segments", |data| {
            edit_manifest(data, |manifest| drop(manifest["segments"].as_array_mut().unwrap().remove(0)));
        }),
        ("no index at all", |data| fs::remove_dir_all(data.join("index")).unwrap()),
    ];
    for (name, damage) in damages {
        let data = tempfile::tempdir().unwrap();
        copy(whole.path(), data.path());
        damage(data.path());
        let node = OpenNode::open(data.path(), SEAL_AFTER);
        assert_same(&node.answers(None), &expected, name);
        let found = node.progress().unwrap().segments;
        assert_eq!(found[..found.len() - 1] == sealed, name == "nothing", "{name}: {found:?}");
    }
    // One of them to the end: sealed again, and found again.
    let data = tempfile::tempdir().unwrap();
    copy(whole.path(), data.path());
    edit_code(data.path(), |bytes| bytes[100_000] ^= 0x10);
    let node = OpenNode::open(data.path(), SEAL_AFTER);
    node.node.warm_up();
    let sealed = node.settled();
    assert!(!sealed.is_empty());
    drop(node);
    let node = OpenNode::open(data.path(), SEAL_AFTER);
    assert_same(&node.answers(None), &expected, "sealed again");
    assert_eq!(node.settled(), sealed);
}

/// Changes the bytes of a segment around a place.
type DataDamage = fn(&mut [u8], usize);

/// Opening a segment does not read its data: damage there is found in the background, and the segment is left out.
#[test]
fn damaged_data_is_found_in_the_background() {
    let whole = tempfile::tempdir().unwrap();
    let sealed = {
        let node = filled(whole.path());
        node.settled()
    };
    let expected = truth(whole.path());
    let damages: [(&str, DataDamage); 3] = [
        ("another key", |bytes, at| bytes[at + 4] ^= 2),
        ("zeros", |bytes, at| bytes[at - 2_000..at + 2_000].fill(0)),
        ("ones", |bytes, at| bytes[at - 8_000..at + 2_000].fill(0xff)),
    ];
    for (name, damage) in damages {
        let data = tempfile::tempdir().unwrap();
        copy(whole.path(), data.path());
        edit_code(data.path(), |bytes| {
            let found = places(bytes, b"k0003k0004");
            assert!(!found.is_empty(), "the keys of the segment are not where the test looks for them");
            found.into_iter().for_each(|at| damage(bytes, at));
        });
        let node = OpenNode::open(data.path(), NEVER);
        if name == "another key" {
            assert_ne!(node.answers(None), expected, "the damage does no harm; nothing is tested");
            assert_eq!(node.progress().unwrap().segments.len(), sealed.len() + 1);
        }
        node.node.warm_up();
        // A component that stumbles over its data answers with an error until the damage is found, and that is allowed.
        let asked = || queries().iter().map(|query| format!("{query} -> {}", node.query(query))).collect::<Vec<_>>();
        wait_for(name, || (asked() == expected).then_some(()));
        let damaged = code_file_is_gone(data.path());
        assert!(damaged, "{name}: the damaged file would be opened again");
    }
}

fn code_file_is_gone(data: &Path) -> bool {
    let manifest: Value = serde_json::from_slice(&fs::read(index_dir(data).join("manifest.json")).unwrap()).unwrap();
    let sha256 = &manifest["segments"][0]["sha256"].as_str().unwrap()[..16];
    let mut files = fs::read_dir(index_dir(data)).unwrap().map(|file| file.unwrap().file_name().into_string().unwrap());
    !files.any(|name| name.contains(sha256))
}

/// A store from a backup knows nothing of what was sealed after it, though its feed may have grown as long again.
#[test]
fn an_older_store_under_a_newer_index_is_read_anew() {
    let data = tempfile::tempdir().unwrap();
    let older = tempfile::tempdir().unwrap();
    drop(filled(data.path()));
    wait_for("the store's lock", || Replica::open(data.path()).ok());
    copy(data.path(), older.path());
    let node = OpenNode::open(data.path(), SEAL_AFTER);
    let write = |node: &OpenNode, text: &str| {
        let records: Vec<Value> = (0..25)
            .map(|n| json!({"key": format!("k{n:04}"), "text": text, "data": {"n": n, "word": "tide"}}))
            .collect();
        node.publish(&records);
    };
    write(&node, "tide swell");
    node.settled();
    drop(node);
    // The newer index goes under the older store.
    fs::remove_dir_all(older.path().join("index")).unwrap();
    copy(&data.path().join("index"), &older.path().join("index"));
    let expected = truth(older.path());
    let node = OpenNode::open(older.path(), NEVER);
    assert_same(&node.answers(None), &expected, "an older store");
    // Another history of the same length.
    write(&node, "keel pilot");
    drop(node);
    copy(&data.path().join("index"), &older.path().join("index"));
    let expected = truth(older.path());
    let node = OpenNode::open(older.path(), SEAL_AFTER);
    assert_same(&node.answers(None), &expected, "another history");
}

/// What a crash leaves behind goes at the next start, also when it belongs to a segment that is in use.
#[test]
fn leftovers_are_cleaned_up() {
    let data = tempfile::tempdir().unwrap();
    drop(filled(data.path()));
    let list = || {
        let files = fs::read_dir(index_dir(data.path())).unwrap();
        let mut names: Vec<String> = files.map(|file| file.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    };
    let before = list();
    let mut half_written = code_file(data.path()).into_os_string();
    half_written.push(".4711-0.tmp");
    fs::write(half_written, b"half").unwrap();
    for name in ["segment-00000000000000aa-11.cwasm", "segment-00000000000000aa-11.cwasm.sha256", "manifest.partial"] {
        fs::write(index_dir(data.path()).join(name), b"half").unwrap();
    }
    let expected = truth(data.path());
    let node = OpenNode::open(data.path(), SEAL_AFTER);
    assert_same(&node.answers(None), &expected, "among leftovers");
    assert_eq!(list(), before);
}

/// Kills of a node that seals, at different moments of the sealing, some when a file is half written.
#[test]
fn kills_while_sealing_lose_nothing() {
    let data = tempfile::tempdir().unwrap();
    let index = index_dir(data.path());
    let files = || -> Vec<String> {
        let listed = fs::read_dir(&index).into_iter().flatten().flatten();
        listed.map(|file| file.file_name().into_string().unwrap()).collect()
    };
    let progress = |server: &Server| server.request("GET", "/status", None).unwrap().1["projects"][0].clone();
    // More than the changes after which a server seals; without texts, so that nothing is embedded.
    let records = |round: usize| -> Vec<Value> {
        let record =
            |n: usize| json!({"key": format!("k{n:05}"), "data": {"n": round, "word": WORDS[n % WORDS.len()]}});
        (0..4_200 + round).map(record).collect()
    };
    let whole = |server: &Server, round: usize| {
        let query = json!({"filter": {"field": "data.n", "op": "eq", "value": round}, "k": 1});
        let (_, answer) = server.request("POST", "/projects/p/query", Some(&query)).unwrap();
        assert_eq!(answer["candidates"], 4_200 + round, "{answer}");
        let query = json!({"filter": {"field": "data.n", "op": "exists"}, "k": 1});
        let (_, answer) = server.request("POST", "/projects/p/query", Some(&query)).unwrap();
        assert_eq!(answer["candidates"], 4_200 + round, "{answer}");
    };
    let mut server = Server::start(data.path());
    server.request("PUT", "/projects/p", Some(&json!({}))).unwrap();
    let (mut in_time, mut half_written) = (0, 0);
    for round in 0..6 {
        let body = json!({"records": records(round)});
        let (status, answer) = server.request("POST", "/projects/p/records", Some(&body)).unwrap();
        assert_eq!(status, 200, "{answer}");
        if round < 3 {
            std::thread::sleep(Duration::from_millis(60 * round as u64));
            in_time += usize::from(progress(&server)["sealing"] == true);
        } else {
            // The sealing may be over before this thread gets to look: then the kill is an ordinary one.
            let begun = Instant::now();
            while begun.elapsed() < Duration::from_secs(3) && !files().iter().any(|name| name.contains(".tmp")) {
                std::thread::yield_now();
            }
        }
        server.kill();
        half_written += usize::from(files().iter().any(|name| name.contains(".tmp")));
        server = Server::start(data.path());
        whole(&server, round);
    }
    assert!(in_time + half_written > 0, "no kill met a sealing");
    let (status, answer) =
        server.request("POST", "/projects/p/records", Some(&json!({"records": records(6)}))).unwrap();
    assert_eq!(status, 200, "{answer}");
    let segments = wait_for("the end of the sealing", || {
        let progress = progress(&server);
        let segments = progress["segments"].as_array()?;
        let live = segments.last()?.as_u64()?;
        (progress["sealing"] == false && segments.len() > 1 && live < 4_096).then_some(segments.len() - 1)
    });
    whole(&server, 6);
    let names = files();
    assert_eq!(names.len(), 1 + 2 * segments, "{names:?}");
    assert!(!names.iter().any(|name| name.contains(".tmp") || name.contains("partial")), "{names:?}");
}
