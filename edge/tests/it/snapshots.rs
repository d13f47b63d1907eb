//! Snapshots: the same version is the same file, and a file answers as the node that baked it.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};
use skerry_edge::ProjectName;
use skerry_edge::bake::{BakeOptions, bake};
use skerry_edge::node::Node;
use skerry_edge::snapshots::{Folder, FolderError, OpenOptions, SharedModels, Snapshot};
use skerry_gateway::{Incoming, Reply};
use skerry_host::keys::{SigningKey, TrustedKeys};
use skerry_host::snapshot::SnapshotFile;
use skerry_host::{Engine, EngineConfig};

use crate::process::{fails, ok, skerry};
use crate::{TestNode, components_dir};

const STATIC: &str = "all-MiniLM-L6-v2-static";

fn project() -> ProjectName {
    ProjectName::parse("p").unwrap()
}

fn baked(node: &Node, options: &BakeOptions) -> Vec<u8> {
    bake(node, &project(), options, &|_| ()).unwrap()
}

/// A node with three records, embedded by the small model.
async fn filled() -> TestNode {
    let node = TestNode::new();
    assert_eq!(node.call("PUT", "/projects/p", &json!({ "model": STATIC })).await.0, 201);
    node.fill_records().await;
    node
}

impl TestNode {
    async fn fill_records(&self) {
        let records = json!({"records": [
            {"key": "tide", "text": "High water at noon", "data": {"height": 3.2, "place": {"name": "Tobermory"}}, "layers": ["sea"]},
            {"key": "moon", "text": "The full moon rises", "data": {"height": 384_400, "tags": ["night", "sky"]}},
            {"key": "bread", "text": "Knead flour and yeast", "metadata": {"source": "book"},
             "links": [{"type": "parent", "members": [{"role": "child", "key": "bread"}, {"role": "parent", "key": "tide"}]}]},
        ]});
        let (status, answer) = self.call("POST", "/projects/p/records", &records).await;
        assert_eq!(status, 200, "{answer}");
    }

    async fn version(&self) -> String {
        self.call("GET", "/projects/p/version", &Value::Null).await.1["version"].as_str().unwrap().to_owned()
    }
}

/// Makes the second node's project equal to the first one's.
fn sync(from: &TestNode, to: &TestNode) {
    let mut session = to.node.replica().session(&project());
    while let Some(request) = session.next_request().unwrap() {
        session.handle_response(&from.node.replica().exchange(&project(), &request).unwrap()).unwrap();
    }
}

/// Snapshots open in a folder of their own.
struct Opened {
    dir: tempfile::TempDir,
    engine: Engine,
}

impl Opened {
    fn new() -> Opened {
        Opened { dir: tempfile::tempdir().unwrap(), engine: Engine::new(&EngineConfig::default()).unwrap() }
    }

    fn put(&self, name: &str, file: &[u8]) -> PathBuf {
        let path = self.dir.path().join(name);
        std::fs::write(&path, file).unwrap();
        path
    }

    fn open(&self, file: &[u8], components: Option<PathBuf>) -> Snapshot {
        let path = self.put("p.wasm", file);
        let models = SharedModels::new(components, 1);
        Snapshot::open(&self.engine, &path, &OpenOptions::default(), &models).unwrap()
    }
}

fn ask(snapshot: &Snapshot, method: &str, path: &str, body: &Value) -> Reply {
    let body = if body.is_null() { String::new() } else { body.to_string() };
    let (path, query) = path.split_once('?').map_or((path, None), |(path, query)| (path, Some(query)));
    snapshot.respond(&Incoming {
        method,
        path,
        query,
        content_type: Some("application/json"),
        request_id: None,
        body: body.as_bytes(),
    })
}

/// Two replicas that came to a version by different ways, one of them not yet there when it was the newest, and one that has
/// gone on since: one file. Whoever gets it from either can compare it with the other.
#[tokio::test(flavor = "multi_thread")]
async fn the_same_version_is_the_same_file() {
    let (here, there) = (filled().await, TestNode::new());
    let change =
        json!({"records": [{"key": "tide", "text": "High water at one"}, {"key": "gone", "text": "Soon gone"}]});
    here.call("POST", "/projects/p/records", &change).await;
    assert_eq!(here.call("DELETE", "/projects/p/records/gone", &Value::Null).await.0, 200);
    let version = here.version().await;
    let options = BakeOptions::default();
    let file = baked(&here.node, &options);
    assert!(baked(&here.node, &options) == file, "baked twice");

    sync(&here, &there);
    assert_eq!(there.version().await, version);
    assert!(baked(&there.node, &options) == file, "on a replica that got everything at once");

    let more =
        json!({"records": [{"key": "tide", "text": "High water at two"}, {"key": "new", "text": "Not there before"}]});
    here.call("POST", "/projects/p/records", &more).await;
    here.call("DELETE", "/projects/p/records/moon", &Value::Null).await;
    assert!(baked(&here.node, &options) != file);
    let then = BakeOptions { at: Some(version.clone()), ..BakeOptions::default() };
    assert!(baked(&here.node, &then) == file, "of an earlier version, after more was written");

    let read = SnapshotFile::read(&file).unwrap();
    let manifest = read.manifest();
    assert_eq!((manifest.version.as_str(), manifest.records, manifest.chunks), (version.as_str(), 3, 3));
    assert!(!manifest.heads.is_empty() && manifest.has_records && !manifest.has_model);
    let unknown = BakeOptions { at: Some("0".repeat(64)), ..BakeOptions::default() };
    let refused = bake(&here.node, &project(), &unknown, &|_| ()).unwrap_err();
    assert_eq!(refused.kind().slug(), "unknown-version");
}

/// A snapshot with its model answers byte for byte as the node does, by meaning, by words, by filter, and with its records.
#[tokio::test(flavor = "multi_thread")]
async fn a_snapshot_answers_as_the_node() {
    let node = filled().await;
    let opened = Opened::new();
    let snapshot = opened.open(&baked(&node.node, &BakeOptions { with_model: true, ..BakeOptions::default() }), None);
    assert_eq!(snapshot.model_missing(), None);
    let headers = [("content-type", "application/json")];
    for body in [
        json!({"text": "when is the tide high"}),
        json!({"query": "water -moon", "highlight": {}, "explain": true}),
        json!({"text": "something to eat", "mode": "vector", "k": 2}),
        json!({"filter": {"field": "data.height", "op": "gt", "value": 3}, "k": 1}),
        json!({"like": "moon"}),
        json!({"text": "full", "mode": "keyword", "group": {"field": "layer"}}),
        json!({"text": ""}),
        json!({"query": "height:"}),
        json!({"filter": {"field": "data.hight", "op": "exists"}, "text": "x", "model": "another"}),
    ] {
        let bytes = body.to_string().into_bytes();
        let (status, answer) = node.raw("POST", "/api/v1/projects/p/query", &headers, bytes).await;
        let reply = ask(&snapshot, "POST", "/api/v1/projects/p/query", &body);
        let shown = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        assert_eq!(reply.status, status, "{body}: {}", shown(&reply.body));
        if status == 200 {
            assert_eq!(shown(&reply.body), shown(&answer), "{body}");
        }
    }
    for path in ["/projects/p/records/bread", "/projects/p/records?limit=2", "/projects/p/records?after=moon"] {
        let (status, answer) = node.raw("GET", &format!("/api/v1{path}"), &[], Vec::new()).await;
        let reply = ask(&snapshot, "GET", &format!("/api/v1{path}"), &Value::Null);
        assert_eq!((reply.status, reply.body), (status, answer), "{path}");
    }
    let write = ask(&snapshot, "POST", "/api/v1/projects/p/records", &json!({"records": []}));
    assert!(write.status >= 400, "{}", String::from_utf8_lossy(&write.body));
}

/// Without its model a snapshot answers by words, and says why not by meaning; with the same model installed beside it, by both.
/// Without records it names keys.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_left_out_is_told() {
    let node = filled().await;
    let opened = Opened::new();
    let file = baked(&node.node, &BakeOptions { without_records: true, ..BakeOptions::default() });
    let alone = opened.open(&file, None);
    let body = json!({"text": "water at noon"});
    let reply = ask(&alone, "POST", "/api/v1/projects/p/query", &body);
    let answer: Value = serde_json::from_slice(&reply.body).unwrap();
    assert_eq!((reply.status, &answer["hits"][0]["key"]), (200, &json!("tide")), "{answer}");
    assert!(answer["vectors_unavailable"].as_str().unwrap().contains("--with-model"), "{answer}");
    assert!(!String::from_utf8_lossy(&file).contains("High water at noon"), "no text of a record is handed on");
    let beside = opened.open(&file, Some(components_dir()));
    let answer = ask(&beside, "POST", "/api/v1/projects/p/query", &body);
    let answer: Value = serde_json::from_slice(&answer.body).unwrap();
    assert!(answer["vectors_unavailable"].is_null() && answer["hits"][0]["vector_score"].is_number(), "{answer}");
    assert!(ask(&beside, "GET", "/api/v1/projects/p/records/tide", &Value::Null).status >= 400);
}

/// A folder is served whole or not at all: two snapshots of one project, one that was changed, one that nobody trusted signed.
#[tokio::test(flavor = "multi_thread")]
async fn a_folder_is_checked_before_it_is_served() {
    let node = filled().await;
    let opened = Opened::new();
    let key = SigningKey::generate().unwrap();
    let sign = || skerry_host::snapshot::sign(baked(&node.node, &BakeOptions::default()), &key).unwrap();
    let path = opened.put("a.wasm", &sign());
    let read = |trusted: Option<TrustedKeys>| {
        let options = OpenOptions { trusted, cache_dir: None };
        Folder::read(&opened.engine, opened.dir.path(), options, SharedModels::new(None, 1))
    };
    let folder = read(Some(TrustedKeys::new([key.public()]))).unwrap();
    let list = folder.respond(&Incoming { method: "GET", path: "/api/v1/projects", ..Incoming::default() });
    assert_eq!(serde_json::from_slice::<Value>(&list.body).unwrap()["projects"][0]["name"], "p");
    let health = folder.respond(&Incoming { method: "GET", path: "/api/v1/health", ..Incoming::default() });
    assert_eq!(health.status, 200);

    let refused = read(Some(TrustedKeys::default())).unwrap_err();
    assert!(refused.to_string().contains("not among the trusted keys"), "{refused}");
    opened.put("b.wasm", &sign());
    assert!(matches!(read(None), Err(FolderError::Twice { .. })));
    std::fs::remove_file(opened.dir.path().join("b.wasm")).unwrap();
    let mut bytes = std::fs::read(&path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&path, bytes).unwrap();
    let refused = read(None).unwrap_err();
    assert!(refused.to_string().contains("changed or damaged"), "{refused}");
}

/// Runs `skerry` on a snapshot, with nothing else: no replica's folder, no components beside it.
fn run(dir: &Path, arguments: &[&str]) -> std::process::Output {
    let mut command = skerry();
    command.env_remove("SKERRY_COMPONENTS").env("SKERRY_CACHE", dir.join("cache")).arg("run").args(arguments);
    command.output().unwrap()
}

struct Serving(Child);

impl Drop for Serving {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

/// The command line from end to end: keys, a signed file with code for this machine, questions, a server; and no for an answer
/// where a byte is another.
#[test]
fn files_are_baked_and_run() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let text = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
    ok(&data, &["create", "-p", "p", "--model", STATIC]);
    ok(&data, &["-p", "p", "publish", "--text", "High water at noon", "--key", "tide"]);
    ok(&data, &["-p", "p", "publish", "--text", "Knead flour and yeast", "--key", "bread"]);
    let public = ok(&data, &["keys", "new", &text("key")]).trim().to_owned();
    assert_eq!(ok(&data, &["keys", "show", &text("key")]).trim(), public);
    assert!(fails(&data, &["keys", "new", &text("key")]).contains("key"), "a key is not written over");
    let profile = skerry_host::artefact::Profile::here().unwrap();
    let file = text("p.wasm");
    let arguments = ["bake", "p", "-o", &file, "--with-model", "--sign", &text("key"), "--profile", profile.name()];
    let told = ok(&data, &arguments);
    assert!(told.contains(&format!("signed by {public}")), "{told}");
    std::fs::remove_dir_all(&data).unwrap();

    std::fs::write(text("trusted"), format!("{public} # the desk\n")).unwrap();
    let trusted = text("trusted");
    let described = run(dir.path(), &[&file, "--trusted", &trusted]);
    let described = String::from_utf8(described.stdout).unwrap();
    assert!(described.contains("who is trusted") && described.contains("by meaning and by words"), "{described}");
    assert!(!dir.path().join("cache").exists(), "signed code is used; nothing is compiled here");
    let found = run(dir.path(), &[&file, "--query", "when is the tide high", "-k", "1"]);
    assert!(String::from_utf8_lossy(&found.stdout).contains("tide"), "{}", String::from_utf8_lossy(&found.stderr));
    let record = run(dir.path(), &[&file, "--record", "bread"]);
    assert_eq!(serde_json::from_slice::<Value>(&record.stdout).unwrap()["text"], "Knead flour and yeast");

    let mut command = skerry();
    command.args(["run", &file, "--listen", "127.0.0.1:0"]).env("SKERRY_CACHE", dir.path().join("cache"));
    let mut serving = Serving(command.stdout(Stdio::piped()).spawn().unwrap());
    let mut line = String::new();
    let out = serving.0.stdout.take().unwrap();
    std::io::BufRead::read_line(&mut std::io::BufReader::new(out), &mut line).unwrap();
    let url = line.trim().rsplit(' ').next().unwrap().to_owned();
    let answer = Command::new(env!("CARGO_BIN_EXE_skerry"))
        .args(["--url", &url, "--json", "-p", "p", "query", "yeast", "-k", "1"])
        .output()
        .unwrap();
    let answer: Value = serde_json::from_slice(&answer.stdout).unwrap();
    assert_eq!(answer["hits"][0]["key"], "bread");

    let mut bytes = std::fs::read(&file).unwrap();
    bytes[100_000] ^= 1;
    std::fs::write(&file, bytes).unwrap();
    for arguments in [vec![file.as_str()], vec![&file, "--query", "tide"], vec![&file, "--listen", "127.0.0.1:0"]] {
        let refused = run(dir.path(), &arguments);
        assert_eq!(refused.status.code(), Some(1), "{arguments:?}");
        assert!(String::from_utf8_lossy(&refused.stderr).contains("changed or damaged"));
    }
}
