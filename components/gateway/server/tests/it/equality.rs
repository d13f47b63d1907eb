//! The node and the snapshot answer the same bytes: the promise of the gateway.

use serde_json::json;
use skerry_gateway::names;
use skerry_sync::{ProjectName, RecordKey};

use crate::asking::{Ask, requests};
use crate::fixture::FIXTURE;
use crate::native::Native;

/// Requests of every kind, good and bad, answered by the node over HTTP and by the gateway in this process.
#[test]
fn a_snapshot_answers_as_the_node_does() {
    let native = Native::new(&FIXTURE);
    let asks = requests(&FIXTURE.version);
    let mut found = 0;
    for asked in &asks {
        let node = FIXTURE.node_says(asked);
        let snapshot = native.lock().unwrap().says(asked);
        assert_eq!(snapshot, node, "{} {} {}", asked.method, asked.path, String::from_utf8_lossy(&asked.body));
        found += usize::from(node.status == 200 && node.json()["hits"].as_array().is_some_and(|hits| !hits.is_empty()));
    }
    // A list of refusals would be equal too.
    assert!(asks.len() > 90 && found > 20, "{found} of {} requests found something", asks.len());
}

/// What differs by nature does so in the place that is documented, and nowhere else.
#[test]
fn a_snapshot_has_no_change_feed() {
    let native = Native::new(&FIXTURE);
    for path in ["/api/v1/projects", "/api/v1/projects/p", "/api/v1/projects/p/version"] {
        let (node, snapshot) = (FIXTURE.node_says(&Ask::get(path)), native.lock().unwrap().says(&Ask::get(path)));
        assert_eq!(snapshot.without_sequence(), node.without_sequence());
        assert!(node.body.contains("\"sequence\":"), "{node:?}");
        assert!(snapshot.body.contains("\"sequence\":0"), "{snapshot:?}");
    }
    let (node, snapshot) =
        (FIXTURE.node_says(&Ask::get("/api/v1/health")), native.lock().unwrap().says(&Ask::get("/api/v1/health")));
    let (node, mut instance) = (node.json(), snapshot.json());
    assert_eq!(instance["instance"], json!(FIXTURE.version));
    instance["instance"] = node["instance"].clone();
    assert_eq!(instance, node);
}

/// What a snapshot cannot do it refuses as such; whoever asks must not take it for a mistake of theirs.
#[test]
fn what_needs_a_node_is_refused_as_such() {
    let native = Native::new(&FIXTURE);
    let record = json!({"key": "new", "text": "new"});
    let asks = [
        Ask::query(&json!({"text": "tide", "within": {"subtree": "record-0"}})),
        Ask::query(&json!({"text": "tide", "expand": {}})),
        Ask::query(&json!({"text": "tide", "rerank": {"plugin": "newest"}})),
        Ask::query(&json!({"text": "tide", "version": "0".repeat(64)})),
        Ask::query(&json!({"like": "record-3", "version": "0".repeat(64)})),
        Ask::post("/api/v1/projects/p/records", &json!({"records": [record]})),
        Ask::post("/api/v1/projects/p/records/new", &record).with_method("PUT"),
        Ask::get("/api/v1/projects/p/records/record-3").with_method("DELETE"),
        Ask::post("/api/v1/projects/new", &json!({})).with_method("PUT"),
    ];
    for asked in asks {
        let told = native.lock().unwrap().says(&asked);
        let problem = told.json();
        assert_eq!(
            (told.status, &problem["type"]),
            (501, &json!("urn:skerry:problem:needs-a-node")),
            "{asked:?}: {told:?}"
        );
        assert!(problem["detail"].as_str().is_some_and(|detail| !detail.is_empty()));
    }
}

/// Every operation of the node's API is either answered or refused as one of a node: an operation that is new must be put on
/// one side or the other.
#[test]
fn no_operation_of_the_node_is_unknown() {
    let native = Native::new(&FIXTURE);
    let description = serde_json::to_value(skerry_edge::api::description()).unwrap();
    let (mut answered, mut refused) = (0, 0);
    for (path, operations) in description["paths"].as_object().unwrap() {
        for method in ["get", "put", "post", "delete"] {
            if operations[method].is_null() {
                continue;
            }
            let path = path.replace("{project}", "p").replace("{key}", "record-3").replace("{name}", "sea");
            let method: &'static str = match method {
                "get" => "GET",
                "put" => "PUT",
                "post" => "POST",
                _ => "DELETE",
            };
            let told = native.lock().unwrap().says(&Ask::post(&path, &json!({"text": "tide"})).with_method(method));
            match told.status {
                200 => answered += 1,
                501 => refused += 1,
                _ => panic!("{method} {path}: {told:?}"),
            }
        }
    }
    assert!(answered == 7 && refused > 60, "{answered} operations are answered, {refused} refused");
}

/// The rules for names are those of the documents, in the same words.
#[test]
fn names_are_refused_alike() {
    let long = "k".repeat(513);
    let names = [
        "",
        "p",
        "P",
        "-p",
        ".p",
        "0.p_-",
        "p p",
        "ä",
        "p/q",
        "\u{0}",
        "a\u{7f}b",
        "k\u{85}",
        "käse/brot 7",
        "\u{1f9c0}",
        long.as_str(),
        &long[..512],
        &long[..64],
        &long[..65],
    ];
    for name in names {
        let refused = |told: Result<(), skerry_gateway::Problem>| told.err().map(|problem| problem.detail().to_owned());
        assert_eq!(refused(names::check_project(name)), ProjectName::parse(name).err().map(|error| error.to_string()));
        assert_eq!(refused(names::check_key(name)), RecordKey::parse(name).err().map(|error| error.to_string()));
    }
}
