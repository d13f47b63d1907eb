//! Records of one project, written by a replica in Rust and by a JavaScript client that knows docs/format.md.

use serde_json::{Value, json};
use skerry_sync::{ProjectName, Record, RecordKey, Replica, Timestamp};

use super::{Client, Hub};

const NOW: Timestamp = Timestamp(1_700_000_000_000);

/// A record of text alone, as tests/node/records.mjs gives it.
pub(crate) fn record(key: &str, text: &str) -> Value {
    json!({ "key": key, "text": text, "data": {}, "metadata": {}, "layers": [], "links": [] })
}

/// One with everything in it that a record can have.
fn full(key: &str) -> Value {
    json!({
        "key": key,
        "text": "Grüße – 漢字 🌊",
        "data": {
            "a/b~c": { "deep": [1, "zwei", { "drei": null }], "nothing": {} },
            "int": -5, "float": 1.5, "yes": true, "none": null, "text": "as a scalar",
        },
        "metadata": { "source": "interop" },
        "layers": ["spatial", "temporal/2"],
        "links": [{
            "type": "mentions", "weight": 0.5,
            "members": [{ "role": "subject", "key": key }, { "role": "object", "key": "other" }],
        }],
    })
}

struct Rust {
    _dir: tempfile::TempDir,
    replica: Replica,
    project: ProjectName,
    token: String,
}

impl Rust {
    fn new(hub: &Hub) -> Rust {
        let dir = tempfile::tempdir().unwrap();
        let replica = Replica::open(dir.path()).unwrap();
        let project = ProjectName::parse("notes").unwrap();
        replica.create_project(&project, "", NOW).unwrap();
        let token = hub.token(&["--project", "notes", "--access", "write"]);
        Rust { _dir: dir, replica, project, token }
    }

    fn sync(&self, hub: &Hub) {
        hub.exchange(&self.replica, &self.project, &self.token);
    }

    fn publish(&self, record: &Value) {
        let record: Record = serde_json::from_value(record.clone()).unwrap();
        self.replica.publish(&self.project, &[record], NOW).unwrap();
    }

    /// The record with every field, empty ones too.
    fn read(&self, key: &str) -> Option<Value> {
        let found = self.replica.get(&self.project, &RecordKey::parse(key).unwrap()).unwrap()?;
        let mut whole = record(key, "");
        for (name, value) in serde_json::to_value(found).unwrap().as_object().unwrap() {
            whole[name] = value.clone();
        }
        Some(whole)
    }
}

fn javascript(hub: &Hub, rust: &Rust, keys: &[&str]) -> Client {
    let mut client = Client::connected(&hub.url(&rust.token));
    client.call("project", json!({ "project": "notes", "keys": keys }));
    client
}

/// A second client sees only what the hub has stored: once it reads the record, an exchange brings it to Rust.
fn await_at_hub(hub: &Hub, rust: &Rust, key: &str, record: &Value) {
    let mut witness = javascript(hub, rust, &[key]);
    witness.call("reads", json!({ "project": "notes", "key": key, "record": record }));
    rust.sync(hub);
}

/// A project that nobody has written to yet begins in JavaScript: the hub hands out the first change of its documents, so
/// that what is written upon it merges with replicas that were never online.
#[test]
fn javascript_writes_a_new_project() {
    let hub = Hub::start();
    let rust = Rust::new(&hub);
    let mut script = javascript(&hub, &rust, &["js"]);
    rust.publish(&full("rust"));
    script.call("write", json!({ "project": "notes", "record": full("js") }));
    await_at_hub(&hub, &rust, "js", &full("js"));
    assert_eq!(rust.read("js"), Some(full("js")));
    assert_eq!(rust.read("rust"), Some(full("rust")));
    assert!(rust.replica.verify(&rust.project).unwrap().differing.is_empty());
}

/// What Rust publishes, changes and deletes is what JavaScript reads.
#[test]
fn javascript_reads_what_rust_writes() {
    let hub = Hub::start();
    let rust = Rust::new(&hub);
    let mut script = javascript(&hub, &rust, &["one", "two"]);
    rust.publish(&full("one"));
    rust.publish(&record("two", "to be deleted"));
    rust.sync(&hub);
    script.call("reads", json!({ "project": "notes", "key": "one", "record": full("one") }));
    script.call("reads", json!({ "project": "notes", "key": "two", "record": record("two", "to be deleted") }));
    rust.publish(&record("one", "shorter"));
    rust.replica.delete(&rust.project, &[RecordKey::parse("two").unwrap()], NOW).unwrap();
    rust.sync(&hub);
    script.call("reads", json!({ "project": "notes", "key": "one", "record": record("one", "shorter") }));
    script.call("reads", json!({ "project": "notes", "key": "two", "record": null }));
}

/// JavaScript that assigns strings and arrays as everybody does writes Text objects and lists; they are read as what they
/// mean, and Rust can change them.
#[test]
fn text_objects_and_lists_are_read() {
    let hub = Hub::start();
    let rust = Rust::new(&hub);
    let mut script = javascript(&hub, &rust, &["naive"]);
    let leaves = json!({ "text": "typed", "data/list": [1, "zwei", [3]], "data/map": { "inner": "text" } });
    script.call("write_naively", json!({ "project": "notes", "key": "naive", "leaves": leaves }));
    let mut expected = record("naive", "typed");
    expected["data"] = json!({ "list": [1, "zwei", [3]], "map": { "inner": "text" } });
    await_at_hub(&hub, &rust, "naive", &expected);
    assert_eq!(rust.read("naive"), Some(expected.clone()));
    expected["text"] = "changed".into();
    expected["data"]["list"] = json!([4]);
    rust.publish(&expected);
    rust.sync(&hub);
    script.call("reads", json!({ "project": "notes", "key": "naive", "record": expected }));
}

/// Both write different fields of one record at once: both count. One deletes what the other changes: deleted.
#[test]
fn concurrent_writes_merge_alike_in_both_languages() {
    let hub = Hub::start();
    let rust = Rust::new(&hub);
    let mut script = javascript(&hub, &rust, &["fields", "gone"]);
    for key in ["fields", "gone"] {
        rust.publish(&record(key, "begun"));
    }
    rust.sync(&hub);
    for key in ["fields", "gone"] {
        script.call("reads", json!({ "project": "notes", "key": key, "record": record(key, "begun") }));
    }
    script.call("disconnect", json!({}));
    let mut by_script = record("fields", "begun");
    by_script["data"]["script"] = 1.into();
    script.call("write", json!({ "project": "notes", "record": by_script }));
    script.call("remove", json!({ "project": "notes", "key": "gone" }));
    let mut by_rust = record("fields", "begun");
    by_rust["data"]["rust"] = 2.into();
    rust.publish(&by_rust);
    rust.publish(&record("gone", "changed"));
    rust.sync(&hub);
    script.call("connect", json!({}));
    let mut both = record("fields", "begun");
    both["data"] = json!({ "rust": 2, "script": 1 });
    script.call("reads", json!({ "project": "notes", "key": "fields", "record": both }));
    script.call("reads", json!({ "project": "notes", "key": "gone", "record": null }));
    await_at_hub(&hub, &rust, "fields", &both);
    await_at_hub(&hub, &rust, "gone", &Value::Null);
    assert_eq!(rust.read("fields"), Some(both));
    assert_eq!(rust.read("gone"), None);
}

/// The example of docs/interop.md is the script that these tests run.
#[test]
fn the_documented_example_is_the_tested_one() {
    let docs = include_str!("../../../../../docs/interop.md");
    let example = include_str!("../../node/records.mjs");
    assert!(docs.contains(example), "docs/interop.md does not show sync/hub/tests/node/records.mjs as it is");
}
