//! Two replicas in two folders: apart, then together (issue 2, main job 4).

use std::path::Path;

use serde_json::{Value, json};

use crate::process::{Server, fails, ok};

fn version(data: &Path) -> String {
    let status: Value = serde_json::from_str(&ok(data, &["--json", "status"])).unwrap();
    status["projects"][0]["version"].as_str().unwrap().to_owned()
}

/// Both publish, change and delete offline and are asked alone; after one sync both name the same version and answer every
/// query byte for byte the same.
#[test]
fn two_replicas_agree_byte_for_byte() {
    let (a, b) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (a, b) = (a.path(), b.path());
    let publish = |data: &Path, records: &[Value]| {
        let file = data.join("input.jsonl");
        std::fs::write(&file, records.iter().map(Value::to_string).collect::<Vec<_>>().join("\n")).unwrap();
        ok(data, &["-p", "notes", "publish", file.to_str().unwrap()]);
    };
    publish(
        a,
        &[
            json!({"key": "tide", "text": "High water at noon", "data": {"height": 3.2}}),
            json!({"key": "gone", "text": "This will be deleted on the other side"}),
        ],
    );
    let server = Server::start(a);
    ok(b, &["sync", &server.url]);
    drop(server);
    assert_eq!(version(a), version(b));

    // Apart: both change the same record, one deletes, each adds.
    publish(
        a,
        &[
            json!({"key": "tide", "text": "High water at one", "data": {"height": 3.2}}),
            json!({"key": "a", "text": "Only here: a lighthouse"}),
        ],
    );
    publish(
        b,
        &[
            json!({"key": "tide", "text": "High water at noon", "data": {"height": 4.1}}),
            json!({"key": "b", "text": "Only there: a harbour"}),
        ],
    );
    ok(b, &["-p", "notes", "delete", "gone"]);
    let alone = ok(b, &["-p", "notes", "--json", "query", "a port for ships", "-k", "1"]);
    assert_eq!(serde_json::from_str::<Value>(&alone).unwrap()["hits"][0]["key"], "b");
    assert_ne!(version(a), version(b));

    let server = Server::start(a);
    let report = ok(b, &["sync", &server.url]);
    assert!(report.contains("notes: "), "{report}");
    let other = Server::start(b);
    let same_version = server.request("GET", "/projects/notes/version", None).unwrap().1["version"].clone();
    assert_eq!(same_version, other.request("GET", "/projects/notes/version", None).unwrap().1["version"]);
    for query in [
        json!({"text": "when is the water high"}),
        json!({"text": "lighthouse harbour", "mode": "keyword"}),
        json!({"text": "a port for ships", "mode": "vector", "k": 2}),
        json!({"text": "water", "filter": {"field": "data.height", "op": "gt", "value": 4}}),
        json!({"text": "anything", "fusion": {"reciprocal_rank": {"constant": 60}}}),
        json!({"filter": {"field": "key", "op": "exists"}}),
    ] {
        let (here, there) = (server.query_bytes("notes", &query), other.query_bytes("notes", &query));
        assert_eq!(String::from_utf8_lossy(&here), String::from_utf8_lossy(&there), "{query}");
        let answer: Value = serde_json::from_slice(&here).unwrap();
        assert!(answer.get("vectors_pending").is_none() && !answer["hits"].as_array().unwrap().is_empty(), "{answer}");
    }
    let (_, merged) = server.request("GET", "/projects/notes/records/tide", None).unwrap();
    assert_eq!((merged["text"].as_str(), &merged["data"]["height"]), (Some("High water at one"), &json!(4.1)));
    assert_eq!(server.request("GET", "/projects/notes/records/gone", None).unwrap().0, 404);
}

/// A peer that is not there or is no node: a clear error, and the replica is as it was.
#[test]
fn a_missing_peer_is_explained() {
    let data = tempfile::tempdir().unwrap();
    let refused = fails(data.path(), &["sync", "http://127.0.0.1:1"]);
    assert!(refused.contains("did not complete the sync") && refused.contains("127.0.0.1:1"), "{refused}");
    assert!(fails(data.path(), &["sync", "not-an-address"]).contains("is not an address"));
}
