//! Layers over HTTP and on the command line: declared, filled, combined, deleted; charts that are saved beside them; and graphs
//! that are imported with theirs.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::TestNode;
use crate::process::skerry;

/// A project `p` with records in layers: a in x, b in x and y, c in y; a link of a in z.
async fn filled() -> TestNode {
    let node = TestNode::new();
    assert_eq!(node.call("PUT", "/projects/p", &json!({})).await.0, 201);
    let link = |kind: &str| json!({"type": kind, "members": [{"role": "s", "key": "a"}, {"role": "o", "key": "c"}]});
    let mut in_z = link("near");
    in_z["layers"] = json!(["z"]);
    let records = json!({"records": [
        {"key": "a", "text": "one", "layers": ["x"], "links": [in_z, link("far")]},
        {"key": "b", "text": "two", "layers": ["x", "y"]},
        {"key": "c", "text": "three", "layers": ["y"]},
    ]});
    assert_eq!(node.call("POST", "/projects/p/records", &records).await.0, 200);
    node
}

/// A layer is declared, read, changed and taken back; each mistake has its problem, and declares nothing.
#[tokio::test]
async fn layers_are_declared() {
    let node = filled().await;
    let at = "/projects/p/layers";
    let sea = json!({"kind": "spatial", "description": "The sea", "weight": 0.5, "inherits": ["x"],
        "valid": {"since": "2026-01-01T00:00:00Z"}, "data": {"area": [7.0, 53.0, 8.0, 54.0]}});
    let (status, said) = node.call("PUT", "/projects/p/layers/sea%2Fnorth", &sea).await;
    assert_eq!((status, &said["name"]), (201, &json!("sea/north")), "{said}");
    assert_eq!(node.call("PUT", "/projects/p/layers/sea%2Fnorth", &sea).await.0, 200);
    let mut named = sea.clone();
    named["name"] = json!("sea/north");
    assert_eq!(node.call("GET", "/projects/p/layers/sea%2Fnorth", &Value::Null).await.1, named);
    assert_eq!(node.call("GET", at, &Value::Null).await.1["layers"], json!([named]));
    for (body, status, kind) in [
        (json!({"kind": "cosmic"}), 422, "invalid-body"),
        (json!({"weight": -1}), 422, "invalid-layer"),
        (json!({"name": "other"}), 422, "invalid-layer"),
        (json!({"kind": "spatial", "data": {"area": [1, 2]}}), 422, "invalid-layer"),
        (json!({"valid": {"since": "yesterday"}}), 422, "invalid-body"),
        (json!({"inherits": ["sea/north"]}), 409, "circular-layers"),
    ] {
        assert_eq!(node.refused("PUT", "/projects/p/layers/x", &body).await, (status, kind.into()), "{body}");
    }
    let circle = node.call("PUT", "/projects/p/layers/x", &json!({"inherits": ["sea/north"]})).await.1;
    assert_eq!(circle["circle"], json!(["sea/north", "x"]));
    assert_eq!(node.refused("GET", "/projects/p/layers/x", &Value::Null).await, (404, "unknown-layer".into()));
    assert_eq!(node.refused("DELETE", "/projects/p/layers/x", &Value::Null).await, (404, "unknown-layer".into()));
    assert_eq!(node.refused("GET", "/projects/none/layers", &Value::Null).await, (404, "unknown-project".into()));
    let many = json!({"layers": [{"name": "m1"}, {"name": "m2", "inherits": ["m1"]}]});
    assert_eq!(node.call("POST", at, &many).await.1, json!({"declared": 2, "changed": 2}));
    assert_eq!(node.call("DELETE", "/projects/p/layers/m2", &Value::Null).await.1["deleted"], true);
}

/// Records and links go into layers and out of them, and nothing else about them changes.
#[tokio::test]
async fn layers_are_filled_and_emptied() {
    let node = filled().await;
    let (_, answer) = node.call("POST", "/projects/p/layers/new/add", &json!({"keys": ["a", "none"]})).await;
    assert_eq!((&answer["changed"], &answer["unknown"]), (&json!(1), &json!(["none"])), "{answer}");
    let links = json!({"keys": ["a", "b"], "link_types": ["far"]});
    assert_eq!(node.call("POST", "/projects/p/layers/z/add", &links).await.1["changed"], 1);
    let a = node.call("GET", "/projects/p/records/a", &Value::Null).await.1;
    assert_eq!((&a["layers"], &a["text"]), (&json!(["new", "x"]), &json!("one")));
    assert!(a["links"].as_array().unwrap().iter().all(|link| link["layers"] == json!(["z"])), "{a}");
    assert_eq!(node.call("POST", "/projects/p/layers/x/remove", &json!({"keys": ["a"]})).await.1["changed"], 1);
    node.call("PUT", "/projects/p/layers/z", &json!({})).await;
    node.call("PUT", "/projects/p/layers/heir", &json!({"inherits": ["z", "y"]})).await;
    let deleted = node.call("DELETE", "/projects/p/layers/z?records=true", &Value::Null).await.1;
    assert_eq!(deleted, json!({"deleted": true, "records": 1, "next": null}));
    let a = node.call("GET", "/projects/p/records/a", &Value::Null).await.1;
    assert!(a["links"].as_array().unwrap().iter().all(|link| link.get("layers").is_none()), "{a}");
    assert_eq!(node.call("GET", "/projects/p/layers/heir", &Value::Null).await.1["inherits"], json!(["y"]));
    let full: Vec<String> = (0..64).map(|layer| format!("l{layer}")).collect();
    let record = json!({"records": [{"key": "full", "layers": full}]});
    assert_eq!(node.call("POST", "/projects/p/records", &record).await.0, 200);
    let add = json!({"keys": ["a", "full"]});
    assert_eq!(node.refused("POST", "/projects/p/layers/more/add", &add).await, (422, "invalid-record".into()));
    let a = node.call("GET", "/projects/p/records/a", &Value::Null).await.1;
    assert_eq!(a["layers"], json!(["new"]), "all or none");
}

/// Sets of layers, with what is declared about them: inheritance, valid time. A declaration counts for the next question.
#[tokio::test]
async fn sets_of_layers_are_asked() {
    let node = filled().await;
    let asked = async |set: Value| -> Value {
        let (status, answer) = node.call("POST", "/projects/p/layers/query", &json!({ "set": set })).await;
        assert_eq!(status, 200, "{answer}");
        assert_eq!(answer["count"], answer["records"].as_array().unwrap().len());
        answer["records"].clone()
    };
    assert_eq!(asked(json!("x")).await, json!(["a", "b"]));
    assert_eq!(asked(json!({"all": ["x", "y"]})).await, json!(["b"]));
    assert_eq!(asked(json!({"any": ["x", "y"]})).await, json!(["a", "b", "c"]));
    assert_eq!(asked(json!({"without": ["x", "y"]})).await, json!(["a"]));
    assert_eq!(asked(json!({"at_least": {"n": 2, "of": ["x", "y", "x"]}})).await, json!(["a", "b"]));
    node.call("PUT", "/projects/p/layers/both", &json!({"inherits": ["x", "y"]})).await;
    assert_eq!(asked(json!("both")).await, json!(["a", "b", "c"]));
    assert_eq!(asked(json!({"without": ["both", "x", "y"]})).await, json!([]));
    node.call(
        "PUT",
        "/projects/p/layers/both",
        &json!({"inherits": ["y"], "valid": {"until": "2026-01-01T00:00:00Z"}}),
    )
    .await;
    assert_eq!(asked(json!("both")).await, json!(["b", "c"]));
    let later = json!({"set": "both", "at": "2027-01-01T00:00:00Z"});
    assert_eq!(node.call("POST", "/projects/p/layers/query", &later).await.1["count"], 0);
    let overlaps = node.call("POST", "/projects/p/layers/overlaps", &json!({"set": "y"})).await.1;
    assert_eq!(overlaps["count"], 2);
    let x = overlaps["overlaps"].as_array().unwrap().iter().find(|overlap| overlap["layer"] == "x").unwrap().clone();
    assert_eq!((&x["both"], &x["either"]), (&json!(1), &json!(3)));
    let unknown = node.call("POST", "/projects/p/layers/query", &json!({"set": "xx"})).await;
    assert_eq!(unknown.0, 400, "{}", unknown.1);
    let bad = json!({"set": {"none": ["x"]}});
    assert_eq!(node.refused("POST", "/projects/p/layers/query", &bad).await, (422, "invalid-body".into()));
    let counts = node.call("GET", "/projects/p/layers?counts=true", &Value::Null).await.1["counts"].clone();
    let x = counts.as_array().unwrap().iter().find(|count| count["name"] == "x").unwrap().clone();
    assert_eq!((&x["records"], &x["links"]), (&json!(2), &json!(1)));
}

/// Charts have a name, which may hold anything.
#[tokio::test]
async fn charts_are_saved() {
    let node = filled().await;
    let chart = json!({"factors": [{"manifold": "euclidean", "fields": ["data.x"]}]});
    let path = "/projects/p/charts/my%2Fchart";
    assert_eq!(node.call("PUT", path, &chart).await, (200, json!({"changed": true})));
    assert_eq!(node.call("GET", path, &Value::Null).await.1, chart);
    assert_eq!(node.call("GET", "/projects/p/charts", &Value::Null).await.1, json!({"charts": {"my/chart": chart}}));
    assert_eq!(node.refused("PUT", path, &json!("x".repeat(70_000))).await, (422, "invalid-geometry".into()));
    assert_eq!(node.call("DELETE", path, &Value::Null).await.0, 200);
    assert_eq!(node.refused("GET", path, &Value::Null).await, (404, "unknown-chart".into()));
}

fn run(data: &Path, arguments: &[&str]) -> (bool, String) {
    let output = skerry().arg("--data").arg(data).args(arguments).output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8(said).unwrap())
}

fn fixture(name: &str) -> String {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/graphs").join(name).display().to_string()
}

/// The command line, from an import to a set of layers.
#[test]
fn layers_on_the_command_line() {
    let data = tempfile::tempdir().unwrap();
    let edges = data.path().join("ferries.csv");
    std::fs::write(
        &edges,
        "source,target,type,layer\noban,mull,ferry,summer\nmull,iona,ferry,summer\noban,coll,ferry,winter\n",
    )
    .unwrap();
    let replica = data.path().join("replica");
    let done = |arguments: &[&str]| {
        let (success, said) = run(&replica, arguments);
        assert!(success, "{arguments:?}: {said}");
        said
    };
    let refused = |arguments: &[&str]| {
        let (success, said) = run(&replica, arguments);
        assert!(!success, "{arguments:?}: {said}");
        said
    };
    assert!(done(&["import", edges.to_str().unwrap()]).contains("4 records (4 changed) with 3 links"));
    assert!(done(&["import", edges.to_str().unwrap()]).contains("(0 changed)"));
    done(&[
        "layer",
        "set",
        "season",
        "--kind",
        "temporal",
        "--description",
        "All",
        "--inherits",
        "summer",
        "--inherits",
        "winter",
    ]);
    done(&["layer", "set", "season", "--weight", "2"]);
    done(&["layer", "set", "bay", "--kind", "spatial", "--fields", "{\"area\": [7.5, 53.5, 8.5, 54]}"]);
    assert!(refused(&["layer", "set", "bay", "--fields", "[1]"]).contains("--fields is not a JSON object"));
    assert!(refused(&["layer", "set", "bay", "--fields", "{\"area\": [7]}"]).contains("west, south, east, north"));
    let shown: Value = serde_json::from_str(&done(&["layer", "show", "season"])).unwrap();
    assert_eq!(
        shown,
        json!({"name": "season", "kind": "temporal", "description": "All", "weight": 2.0, "inherits": ["summer", "winter"]})
    );
    done(&["layer", "add", "islands", "mull", "iona"]);
    done(&["layer", "add", "islands", "--filter", "key = coll"]);
    done(&["layer", "remove", "islands", "iona"]);
    done(&["layer", "add", "summer", "mull"]);
    let said = done(&["layer", "records", "islands - summer"]);
    assert!(said.starts_with("coll\n") && said.contains("1 of 1"), "{said}");
    assert!(done(&["layer", "overlaps", "islands"]).contains("summer"));
    let list = done(&["layer", "list"]);
    assert!(list.contains("season") && list.contains("temporal") && list.contains("(not declared)"), "{list}");
    assert!(refused(&["layer", "records", "islands &"]).contains("character 10"));
    assert!(refused(&["layer", "show", "none"]).contains("does not declare"));
    assert!(done(&["layer", "delete", "islands", "--records"]).contains("out of 2 records"));
    let export = data.path().join("all.jsonl");
    done(&["export", "-o", export.to_str().unwrap()]);
    done(&["import", "-p", "copy", export.to_str().unwrap()]);
    let copy: Value = serde_json::from_str(&done(&["layer", "show", "-p", "copy", "season"])).unwrap();
    assert_eq!(copy, shown);
}

/// Every kind of graph is imported twice: the second time nothing changes.
#[test]
fn imports_are_idempotent() {
    let data = tempfile::tempdir().unwrap();
    for (file, says) in [
        ("harbour.ttl", "4 records (4 changed) with 5 links"),
        ("harbour.nt", "4 records (4 changed) with 5 links"),
        ("directed.graphml", "3 records (3 changed) with 2 links"),
        ("multi.graphml", "3 records (3 changed) with 3 links"),
        ("xgi.json", "4 records (4 changed) with 4 links"),
        ("xgi.hif.json", "4 records (4 changed) with 4 links"),
        ("directed.hif.json", "4 records (4 changed) with 2 links"),
    ] {
        let project = file.replace('.', "-");
        let import = || run(data.path(), &["import", "-p", &project, &fixture(file)]);
        let (success, said) = import();
        assert!(success && said.contains(says), "{file}: {said}");
        let (_, said) = import();
        assert!(said.contains("(0 changed)"), "{file}: {said}");
    }
}

/// What was imported comes back: RDF as the same statements, a hypergraph as the same links.
#[test]
fn exports_come_back() {
    let data = tempfile::tempdir().unwrap();
    let path = |name: &str| data.path().join(name).display().to_string();
    let done = |arguments: &[&str]| {
        let (success, said) = run(&data.path().join("replica"), arguments);
        assert!(success, "{arguments:?}: {said}");
        said
    };
    done(&["import", "-p", "one", &fixture("harbour.nt")]);
    done(&["export", "-p", "one", "--format", "ntriples", "-o", &path("one.nt")]);
    let lines = |file: &str| -> std::collections::BTreeSet<String> {
        let text = std::fs::read_to_string(file).unwrap();
        // Blank nodes have other names, doubles their canonical form.
        let of_one = |line: &&str| !line.contains("_:") && !line.contains("#double") && !line.trim().is_empty();
        text.lines().filter(of_one).map(str::to_owned).collect()
    };
    assert_eq!(lines(&path("one.nt")), lines(&fixture("harbour.nt")));
    done(&["import", "-p", "h", &fixture("directed.hif.json")]);
    done(&["export", "-p", "h", "--format", "hif", "-o", &path("h.hif")]);
    done(&["import", "-p", "again", &path("h.hif")]);
    let links = |project: &str| -> Vec<Value> {
        let export = path(&format!("{project}.jsonl"));
        done(&["export", "-p", project, "-o", &export]);
        let text = std::fs::read_to_string(export).unwrap();
        let records = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        let links = records.flat_map(|record| record["links"].as_array().cloned().unwrap_or_default());
        links.map(|link| json!([link["type"], link["members"], link["weight"]])).collect()
    };
    assert_eq!(links("h"), links("again"));
}
