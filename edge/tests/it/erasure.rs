//! `skerry erase` and its like: what is erased is in no byte of any file of a node, nor of one that syncs with it later.

use std::path::Path;

use serde_json::{Value, json};
use skerry_edge::api::ApiConfig;

use crate::TestNode;
use crate::process::{Server, ok, run};

/// The files in a folder that hold some bytes.
pub(crate) fn holding(dir: &Path, marker: &str) -> Vec<String> {
    let mut found = Vec::new();
    // A process that runs deletes files and folders between the look at their names and that at their bytes: they hold nothing.
    let unless_gone = |error: std::io::Error| assert_eq!(error.kind(), std::io::ErrorKind::NotFound, "{error}");
    let Ok(entries) = std::fs::read_dir(dir).map_err(unless_gone) else { return found };
    for entry in entries {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(holding(&path, marker));
        } else if let Ok(bytes) = std::fs::read(&path).map_err(unless_gone)
            && bytes.windows(marker.len()).any(|window| window == marker.as_bytes())
        {
            found.push(path.display().to_string());
        }
    }
    found
}

fn records(from: usize, to: usize) -> Value {
    let record = |n: usize| json!({"key": format!("r{n}"), "text": format!("a record about the number {n}")});
    json!({ "records": (from..to).map(record).collect::<Vec<_>>() })
}

/// Sealed segments, the live one, vectors, spans of a long text, old versions: nothing is left, and everything else is
/// found as before, also after a restart.
#[tokio::test(flavor = "multi_thread")]
async fn an_erased_record_is_in_no_file() {
    let data = tempfile::tempdir().unwrap();
    let node = TestNode::over(data.path(), &ApiConfig::default(), 20, None);
    assert_eq!(node.call("PUT", "/projects/p", &json!({})).await.0, 201);
    let long = "MARKERWORD tides and harbours. ".repeat(400);
    let secret = |text: &str| {
        json!({"records": [{"key": "SECRETKEY", "text": text, "data": {"field": "MARKERFIELD"}},
            {"key": "other", "text": "it names another", "links": [{"type": "t", "members": [{"role": "a", "key": "gone"}]}]}]})
    };
    for text in ["an earlier MARKERWORD", &long] {
        assert_eq!(node.call("POST", "/projects/p/records", &secret(text)).await.0, 200);
        assert_eq!(node.call("POST", "/projects/p/records", &records(0, 30)).await.0, 200);
    }
    assert_eq!(node.call("POST", "/projects/p/records", &records(30, 60)).await.0, 200);
    node.sealed().await;
    let query = json!({"text": "MARKERWORD", "mode": "keyword"});
    assert_eq!(node.call("POST", "/projects/p/query", &query).await.1["hits"][0]["key"], "SECRETKEY");
    assert!(!holding(&data.path().join("index"), "markerword").is_empty(), "the segment holds the term");
    assert!(!holding(data.path(), "SECRETKEY").is_empty());

    let body = json!({"keys": ["SECRETKEY", "gone"]});
    let (status, receipt) = node.call("POST", "/projects/p/erase", &body).await;
    assert_eq!(status, 200, "{receipt}");
    assert_eq!(receipt["epoch"]["number"], 1);
    let found: Vec<&Value> = receipt["erased"].as_array().unwrap().iter().map(|erased| &erased["found"]).collect();
    assert_eq!(found, ["live", "nothing"]);
    assert_eq!(receipt["linked_from"], json!(["other"]));
    let removed = &receipt["removed"];
    assert_eq!(removed["documents"], 64);
    for what in ["versions", "tombstones", "vectors", "segments"] {
        assert!(removed[what].as_u64().unwrap() > 0, "{what}: {receipt}");
    }
    assert_eq!(receipt["remaining"].as_array().unwrap().len(), 1, "{receipt}");
    for marker in ["SECRETKEY", "MARKERWORD", "markerword", "MARKERFIELD", "markerfield"] {
        assert_eq!(holding(data.path(), marker), [] as [String; 0], "{marker}");
    }
    let answer = node.call("POST", "/projects/p/query", &query).await.1;
    assert_eq!(answer["hits"], json!([]));
    let answer = node.call("POST", "/projects/p/query", &json!({"text": "the number 17", "k": 1})).await.1;
    assert_eq!(answer["hits"][0]["key"], "r17");
    drop(node);
    let node = TestNode::over(data.path(), &ApiConfig::default(), 20, None);
    let answer = node.call("POST", "/projects/p/query", &json!({"text": "the number 17", "k": 1})).await.1;
    assert_eq!(answer["hits"][0]["key"], "r17");
    assert_eq!(answer.get("vectors_pending"), None, "other records keep their vectors");
}

/// What cannot be done is said, and changes nothing.
#[tokio::test]
async fn refusals_are_clear() {
    let node = TestNode::new();
    node.fill().await;
    let versions = async || node.call("GET", "/projects/p/versions", &Value::Null).await.1;
    let before = versions().await;
    let refused = async |path: &str, body: Value| node.refused("POST", path, &body).await;
    assert_eq!(refused("/projects/q/erase", json!({"keys": ["a"]})).await, (404, "unknown-project".to_owned()));
    assert_eq!(refused("/projects/p/erase", json!({"keys": []})).await, (422, "invalid-body".to_owned()));
    assert_eq!(refused("/projects/p/erase", json!({"keys": [""]})).await.0, 400);
    assert_eq!(refused("/projects/p/reshard", json!({"shards": 96})).await, (422, "invalid-body".to_owned()));
    assert_eq!(refused("/projects/q/compact", Value::Null).await, (404, "unknown-project".to_owned()));
    assert_eq!(versions().await, before);
    let (status, receipt) = node.call("POST", "/projects/p/reshard", &json!({"shards": 2})).await;
    assert_eq!((status, &receipt["epoch"]["shards"], &receipt["removed"]["documents"]), (200, &json!(2), &json!(2)));
    let answer = node.call("POST", "/projects/p/query", &json!({"text": "when is the water high", "k": 1})).await.1;
    assert_eq!(answer["hits"][0]["key"], "tide");
}

/// On the command line, against one's own folder: it asks first, gives a receipt, and a replica that was away, with the
/// record in its own store and segments, has nothing of it after the next sync, and what it wrote itself is kept.
#[test]
fn a_late_replica_erases_when_it_syncs() {
    let (a, b) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (a, b) = (a.path(), b.path());
    // Outside of the replicas' folders, which are searched.
    let inputs = tempfile::tempdir().unwrap();
    let publish = |data: &Path, record: Value| {
        let file = inputs.path().join("input.jsonl");
        std::fs::write(&file, record.to_string()).unwrap();
        ok(data, &["-p", "notes", "publish", file.to_str().unwrap()]);
    };
    publish(a, json!({"key": "SECRETKEY", "text": "the MARKERWORD"}));
    publish(a, json!({"key": "tide", "text": "High water at noon"}));
    let server = Server::start(a);
    ok(b, &["sync", &server.url]);
    drop(server);
    publish(b, json!({"key": "SECRETKEY", "text": "another MARKERWORD"}));
    publish(b, json!({"key": "late", "text": "written while away"}));

    let refused = run(a, &["-p", "notes", "erase", "SECRETKEY"]);
    assert_eq!(refused.status.code(), Some(2), "{refused:?}");
    let receipt = ok(a, &["-p", "notes", "erase", "--yes", "SECRETKEY"]);
    assert!(receipt.contains("SECRETKEY: erased (") && receipt.contains("64 documents written anew"), "{receipt}");
    for marker in ["SECRETKEY", "MARKERWORD", "markerword"] {
        assert_eq!(holding(a, marker), [] as [String; 0], "{marker}");
    }
    let server = Server::start(a);
    ok(b, &["sync", &server.url]);
    drop(server);
    for (data, marker) in [a, b].iter().flat_map(|data| ["SECRETKEY", "MARKERWORD", "markerword"].map(|m| (data, m))) {
        assert_eq!(holding(data, marker), [] as [String; 0], "{marker}");
    }
    for data in [a, b] {
        let found = ok(data, &["-p", "notes", "--json", "query", "written while away", "-k", "1"]);
        assert_eq!(serde_json::from_str::<Value>(&found).unwrap()["hits"][0]["key"], "late");
    }
    let compacted = ok(b, &["-p", "notes", "compact"]);
    assert!(compacted.contains("epoch 2-"), "{compacted}");
    assert!(ok(b, &["-p", "notes", "reshard", "--shards", "4"]).contains("4 documents"));
}
