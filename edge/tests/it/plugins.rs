//! Plugins in a node: what they do to records, hits and changes, and that one which fails takes nothing else down.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::Stdio;

use serde_json::{Value, json};

use crate::TestNode;
use crate::changes::Events;
use crate::process::{Server, fails, ok, run, skerry};

/// A built plugin.
fn built(name: &str) -> PathBuf {
    let workspace = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../target/skerry/plugins"));
    let dir = std::env::var_os("SKERRY_BUILT_PLUGINS").map_or(workspace, PathBuf::from);
    let path = dir.join(format!("{name}.wasm"));
    assert!(path.is_file(), "{} is missing; run `cargo xtask plugins`", path.display());
    path
}

/// A plugin that fails as its settings say; its name is that of its kind and the fault.
fn fault(kind: &str, settings: &str, more: &Value) -> Value {
    // Only the one that never ends may meet its deadline.
    let deadline_ms = if settings == "loop" { 300 } else { 30_000 };
    let mut plugin = json!({"name": format!("{kind}-{settings}"), "kind": kind, "component": built("faults"),
        "settings": settings, "deadline_ms": deadline_ms, "output_kib": 1_024, "memory_mib": 64, "failures_max": 1_000});
    if let Some(more) = more.as_object() {
        plugin.as_object_mut().unwrap().extend(more.clone());
    }
    plugin
}

async fn listed(node: &TestNode, name: &str) -> Value {
    let listed = node.call("GET", "/plugins", &Value::Null).await.1;
    let plugins = listed["plugins"].as_array().unwrap();
    plugins.iter().find(|plugin| plugin["name"] == name).unwrap_or_else(|| panic!("{name}: {listed}")).clone()
}

async fn publish(node: &TestNode, project: &str, records: Value) -> (u16, Value) {
    let path = format!("/projects/{project}");
    node.call("PUT", &path, &json!({})).await;
    node.call("POST", &format!("{path}/records"), &json!({"records": records})).await
}

async fn text_of(node: &TestNode, project: &str, key: &str) -> Value {
    node.call("GET", &format!("/projects/{project}/records/{key}"), &Value::Null).await.1["text"].clone()
}

/// Records go through the transforms in the order of the list, by whatever way they are published; only those projects that a
/// plugin serves are touched; what is stored, found and told is what the plugins made.
#[tokio::test]
async fn transforms_change_what_is_published() {
    let data = tempfile::tempdir().unwrap();
    let plugins = json!({"plugins": [
        {"name": "redact", "kind": "transform", "component": built("redact"), "deadline_ms": 30_000, "projects": ["p"], "settings": {"layer": "clean"}},
        fault("transform", "shout", &json!({"projects": ["p"]})),
        fault("transform", "echo", &json!({}))]});
    let node = TestNode::with_plugins(data.path(), &plugins);
    let records = json!([{"key": "a", "text": "Ask ann@example.org", "data": {"by": "bob@example.org", "height": 3.25}},
        {"key": "b", "text": "High water at noon"}]);
    for project in ["p", "q"] {
        let (status, answer) = publish(&node, project, records.clone()).await;
        assert_eq!((status, &answer["changed"]), (200, &json!(2)), "{answer}");
        assert!(answer.get("transforms_failed").is_none(), "{answer}");
    }
    let (_, a) = node.call("GET", "/projects/p/records/a", &Value::Null).await;
    let expected = json!({"key": "a", "text": "ASK [E-MAIL]", "data": {"by": "[e-mail]", "height": 3.25},
        "metadata": {"redacted": 2}, "layers": ["clean"]});
    assert_eq!(a, expected);
    assert_eq!(text_of(&node, "p", "b").await, "HIGH WATER AT NOON");
    assert_eq!(text_of(&node, "q", "a").await, "Ask ann@example.org");
    let put = node.call("PUT", "/projects/p/records/c", &json!({"text": "c@example.org"})).await;
    assert_eq!((put.0, text_of(&node, "p", "c").await), (200, json!("[E-MAIL]")));
    let mutation = r#"mutation { publish(records: [{key: "d", text: "d@example.org"}]) { changed transformsFailed } }"#;
    let (_, answer) = node.call("POST", "/projects/p/graphql", &json!({"query": mutation})).await;
    assert_eq!(answer["data"]["publish"], json!({"changed": 1, "transformsFailed": []}), "{answer}");
    assert_eq!(text_of(&node, "p", "d").await, "[E-MAIL]");
    let query = json!({"text": "ann", "mode": "keyword"});
    assert_eq!(node.call("POST", "/projects/p/query", &query).await.1["hits"], json!([]));
    assert_eq!(node.call("POST", "/projects/q/query", &query).await.1["hits"][0]["key"], "a");
    // A project that there is not is no plugin's business.
    assert_eq!(node.refused("POST", "/projects/none/records", &json!({"records": []})).await.1, "unknown-project");
    let redact = listed(&node, "redact").await;
    assert_eq!((&redact["usable"], &redact["projects"], &redact["failures"]), (&json!(true), &json!(["p"]), &json!(0)));
    assert!(redact["calls"].as_u64().unwrap() >= 3 && redact["time_ms"].as_f64().unwrap() > 0.0, "{redact}");
}

/// A record that a transform refuses refuses the whole publish, as a bad record does; each is named with the reason.
#[tokio::test]
async fn a_refused_record_refuses_the_publish() {
    let data = tempfile::tempdir().unwrap();
    let redact = json!({"plugins": [{"name": "redact", "kind": "transform", "component": built("redact"), "deadline_ms": 30_000}]});
    let node = TestNode::with_plugins(data.path(), &redact);
    // More than a call takes: positions are those of the request.
    let mut records: Vec<Value> = (0..600).map(|n| json!({"key": format!("k{n}"), "text": "tide"})).collect();
    records[7] = json!({"key": "seven@example.org"});
    records[500] = json!({"key": "five@example.org"});
    let (status, problem) = publish(&node, "p", json!(records)).await;
    assert_eq!((status, &problem["type"]), (422, &json!("urn:skerry:problem:refused-by-plugin")), "{problem}");
    let errors = problem["errors"].as_array().unwrap();
    let named: Vec<_> =
        errors.iter().map(|error| (error["index"].as_u64().unwrap(), error["key"].as_str().unwrap())).collect();
    assert_eq!(named, [(7, "seven@example.org"), (500, "five@example.org")]);
    assert!(errors[0]["detail"].as_str().unwrap().contains("cannot be changed"), "{problem}");
    assert_eq!(problem["plugin"], "redact");
    let stored = node.call("GET", "/projects/p/records", &Value::Null).await.1;
    assert_eq!(stored["records"], json!([]));
    // Refusing is what the plugin is for, no failure.
    assert_eq!(listed(&node, "redact").await["failures"], 0);
}

/// Whatever a transform does wrong: nothing is stored that it has not seen, the reason is told, and the node serves on. One that
/// the operator lets pass is passed over, and the answer says so.
#[tokio::test]
async fn a_failing_transform_refuses_or_is_passed_over() {
    let data = tempfile::tempdir().unwrap();
    let faults =
        ["loop", "trap", "memory", "stack", "output", "count", "key", "invalid", "weight", "error", "settings"];
    let mut plugins: Vec<Value> = faults
        .iter()
        .map(|settings| fault("transform", settings, &json!({"projects": [format!("p-{settings}")]})))
        .collect();
    plugins.push(fault("transform", "trap", &json!({"name": "passing", "projects": ["passed"], "on_failure": "pass"})));
    let node = TestNode::with_plugins(data.path(), &json!({ "plugins": plugins }));
    let records =
        json!([{"key": "a", "text": "tide", "links": [{"type": "t", "members": [{"role": "r", "key": "a"}]}]}]);
    for settings in faults {
        let project = format!("p-{settings}");
        let (status, problem) = publish(&node, &project, records.clone()).await;
        assert_eq!(
            (status, &problem["type"]),
            (502, &json!("urn:skerry:problem:plugin-failed")),
            "{settings}: {problem}"
        );
        assert_eq!(problem["plugin"], format!("transform-{settings}"));
        assert!(problem["detail"].as_str().unwrap().starts_with("Nothing of this request was stored"), "{problem}");
        let stored = node.call("GET", &format!("/projects/{project}/records"), &Value::Null).await.1;
        assert_eq!(stored["records"], json!([]), "{settings}");
        let plugin = listed(&node, &format!("transform-{settings}")).await;
        assert_eq!((&plugin["calls"], &plugin["failures"]), (&json!(1), &json!(1)), "{plugin}");
        assert!(plugin["last_error"]["reason"].is_string() && plugin["usable"] == true, "{plugin}");
    }
    let (status, answer) = publish(&node, "passed", records).await;
    assert_eq!((status, &answer["transforms_failed"][0]["plugin"]), (200, &json!("passing")), "{answer}");
    assert!(answer["transforms_failed"][0]["reason"].as_str().unwrap().contains("failed"), "{answer}");
    assert_eq!(text_of(&node, "passed", "a").await, "tide");
    let status = node.call("GET", "/status", &Value::Null).await.1;
    assert_eq!(status["plugins_failing"].as_array().unwrap().len(), faults.len() + 1, "{status}");
    assert_eq!(status["node"]["health"], "ok");
}

/// A plugin that fails again and again is not asked for a while, and says until when; what cannot be opened counts as failing.
#[tokio::test]
async fn a_plugin_that_goes_on_failing_is_left_alone() {
    let data = tempfile::tempdir().unwrap();
    let rule = json!({"failures_max": 2, "pause_seconds": 3_600});
    let wrong = json!({"name": "wrong", "kind": "transform", "component": built("redact"), "projects": ["w"],
        "sha256": "0".repeat(64), "failures_max": 1});
    let plugins = json!({"plugins": [fault("transform", "trap", &rule), wrong]});
    let node = TestNode::with_plugins(data.path(), &plugins);
    for round in 0..4 {
        let (status, problem) = publish(&node, "p", json!([{"key": "a"}])).await;
        let is_paused = problem["detail"].as_str().unwrap().contains("is not asked for 3");
        assert_eq!((status, is_paused), (502, round >= 2), "{round}: {problem}");
    }
    let plugin = listed(&node, "transform-trap").await;
    assert_eq!((&plugin["calls"], &plugin["failures_in_a_row"]), (&json!(2), &json!(2)));
    assert!(plugin["paused_seconds"].as_u64().unwrap() > 3_000, "{plugin}");
    let wrong = listed(&node, "wrong").await;
    assert_eq!(wrong["usable"], false);
    assert!(wrong["reason"].as_str().unwrap().contains("SHA-256"), "{wrong}");
}

async fn dated() -> (tempfile::TempDir, TestNode) {
    let data = tempfile::tempdir().unwrap();
    let mut plugins =
        vec![json!({"name": "recency", "kind": "reranker", "component": built("recency"), "deadline_ms": 30_000,
        "settings": {"half_life_days": 10}})];
    plugins
        .extend(["", "order", "nan", "twice", "trap", "loop"].map(|settings| fault("reranker", settings, &json!({}))));
    plugins.push(fault("reranker", "elsewhere", &json!({"projects": ["q"]})));
    let node = TestNode::with_plugins(data.path(), &json!({ "plugins": plugins }));
    let records: Vec<Value> = (0..20)
        .map(|n| json!({"key": format!("k{n:02}"), "text": "tide ".repeat(20 - n), "data": {"date": format!("2026-11-{:02}", n + 1)}}))
        .collect();
    assert_eq!(publish(&node, "p", json!(records)).await.0, 200);
    (data, node)
}

/// The reranker that is written in JavaScript changes the order; the query's own scores stay to be seen; pages fit together.
#[tokio::test]
async fn a_reranker_orders_the_hits() {
    let (_data, node) = dated().await;
    let query = |rerank: Value, k: u32, offset: u32| json!({"text": "tide", "mode": "keyword", "k": k, "offset": offset, "rerank": rerank});
    let ask = async |body: Value| {
        let (status, answer) = node.call("POST", "/projects/p/query", &body).await;
        assert_eq!(status, 200, "{answer}");
        answer
    };
    let keys = |answer: &Value| {
        let hits = answer["hits"].as_array().unwrap().iter();
        hits.map(|hit| hit["key"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let plain = ask(query(Value::Null, 20, 0)).await;
    assert!(plain.get("reranked").is_none() && plain["hits"][0].get("query_score").is_none());
    let recency = json!({"plugin": "recency", "argument": {"now": "2026-11-21", "half_life_days": 1}});
    let ranked = ask(query(recency.clone(), 20, 0)).await;
    assert_eq!(ranked["reranked"], json!({"plugin": "recency", "candidates": 20}));
    assert_eq!(keys(&ranked)[0], "k19");
    assert_ne!(keys(&ranked), keys(&plain));
    let scores: Vec<f64> =
        ranked["hits"].as_array().unwrap().iter().map(|hit| hit["score"].as_f64().unwrap()).collect();
    assert!(scores.is_sorted_by(|a, b| a >= b), "{scores:?}");
    let score_of =
        |key: &str| plain["hits"].as_array().unwrap().iter().find(|hit| hit["key"] == key).unwrap()["score"].clone();
    assert_eq!(ranked["hits"][0]["query_score"], score_of("k19"));
    let mut paged = Vec::new();
    for offset in [0, 8, 16] {
        let page = ask(query(recency.clone(), 8, offset)).await;
        assert_eq!(page["next_offset"], if offset < 16 { json!(offset + 8) } else { Value::Null });
        paged.extend(keys(&page));
    }
    assert_eq!(paged, keys(&ranked));
    // What the plugin is not given it cannot bring up.
    let few = json!({"plugin": "reranker-order", "candidates": 3});
    let top = ask(query(few, 3, 0)).await;
    assert_eq!(keys(&top), keys(&plain)[..3].iter().rev().cloned().collect::<Vec<_>>());
    assert_eq!(top["hits"][1]["score"], 0.5);
    let nothing = ask(json!({"text": "zeppelin", "mode": "keyword", "rerank": {"plugin": "reranker-trap"}})).await;
    assert_eq!(nothing["reranked"], json!({"plugin": "reranker-trap", "candidates": 0}));
}

/// A reranker that fails leaves the query's own order, and the answer says why; who asks wrongly is told so.
#[tokio::test]
async fn a_failing_reranker_is_passed_over() {
    let (_data, node) = dated().await;
    let body = |rerank: Value| json!({"text": "tide", "mode": "keyword", "k": 5, "rerank": rerank});
    let plain = node.call("POST", "/projects/p/query", &body(Value::Null)).await.1;
    for settings in ["nan", "twice", "trap", "loop"] {
        let plugin = format!("reranker-{settings}");
        let (status, answer) = node.call("POST", "/projects/p/query", &body(json!({"plugin": plugin}))).await;
        assert_eq!((status, &answer["hits"]), (200, &plain["hits"]), "{answer}");
        assert!(answer["reranked"]["failed"].as_str().is_some_and(|reason| reason.contains(&plugin)), "{answer}");
        assert_eq!(listed(&node, &plugin).await["failures"], 1);
    }
    for (rerank, status, kind) in [
        (json!({"plugin": "none"}), 422, "unknown-plugin"),
        (json!({"plugin": "reranker-elsewhere"}), 422, "unknown-plugin"),
        (json!({"plugin": "reranker-", "argument": "wrong"}), 400, "invalid-query"),
        (json!({"plugin": "recency"}), 400, "invalid-query"),
        (json!({"plugin": "recency", "candidates": 4}), 400, "invalid-query"),
        (json!({"plugin": "recency", "candidates": 1_001}), 400, "invalid-query"),
        (json!({"plugin": "recency", "arguments": 1}), 422, "invalid-body"),
    ] {
        let refused = node.refused("POST", "/projects/p/query", &body(rerank.clone())).await;
        assert_eq!(refused, (status, kind.to_owned()), "{rerank}");
    }
    assert_eq!(listed(&node, "reranker-").await["failures"], 0, "a caller's mistake is not the plugin's");
}

/// A subscription tells what its filter keeps and goes on behind what it leaves out; a filter that fails leaves nothing out, and
/// each event says so; an argument that cannot be read ends the subscription with a problem.
#[tokio::test]
async fn a_filter_chooses_changes() {
    let data = tempfile::tempdir().unwrap();
    let plugins: Vec<Value> =
        ["", "trap", "count"].iter().map(|settings| fault("subscription-filter", settings, &json!({}))).collect();
    let node = TestNode::with_plugins(data.path(), &json!({ "plugins": plugins }));
    let records: Vec<Value> = (0..200).map(|n| json!({"key": format!("k{n:03}"), "text": "tide"})).collect();
    assert_eq!(publish(&node, "p", json!(records)).await.0, 200);
    let mut events = Events::of(&node, "?since=0&filter=subscription-filter-&argument=k1", &[]).await;
    let mut told = BTreeSet::new();
    for _ in 100..200 {
        let (_, change) = events.next().await.unwrap();
        assert!(change.get("record").is_none() && change.get("filter_failed").is_none(), "{change}");
        told.insert(change["key"].as_str().unwrap().to_owned());
    }
    assert_eq!(told, (100..200).map(|n| format!("k{n}")).collect::<BTreeSet<_>>());
    publish(&node, "p", json!([{"key": "other"}, {"key": "k1 is new"}])).await;
    assert_eq!(events.next().await.unwrap().1["key"], "k1 is new");
    node.call("DELETE", "/projects/p/records/k150", &Value::Null).await;
    assert_eq!(events.next().await.unwrap().1, json!({"sequence": 203, "key": "k150", "deleted": true}));
    drop(events);

    for settings in ["trap", "count"] {
        let mut failing = Events::of(&node, &format!("?since=201&filter=subscription-filter-{settings}"), &[]).await;
        let (id, change) = failing.next().await.unwrap();
        assert_eq!(id, 202);
        assert!(change["filter_failed"].as_str().unwrap().contains(settings), "{change}");
    }
    let (_, page) = node
        .call(
            "GET",
            "/projects/p/changes?limit=1000&filter=subscription-filter-&argument=k14&record=true",
            &Value::Null,
        )
        .await;
    assert_eq!((page["changes"].as_array().unwrap().len(), &page["next"]), (10, &json!(203)));
    assert_eq!(page["changes"][0]["record"]["text"], "tide");
    for (path, kind) in [
        ("?filter=none", "unknown-plugin"),
        ("?argument=x", "invalid-parameter"),
        ("?filter=subscription-filter-&argument=wrong", "invalid-parameter"),
    ] {
        let refused = node.refused("GET", &format!("/projects/p/changes{path}"), &Value::Null).await.1;
        assert_eq!(refused, kind, "{path}");
    }
    let (status, body) = node
        .raw(
            "GET",
            "/api/v1/projects/p/changes?since=0&filter=subscription-filter-&argument=wrong",
            &[("accept", "text/event-stream")],
            Vec::new(),
        )
        .await;
    let body = String::from_utf8(body).unwrap();
    assert!(status == 200 && body.starts_with("event: problem") && body.contains("invalid-parameter"), "{body}");
}

fn write_list(dir: &Path, plugins: &Value) -> String {
    let file = dir.join("plugins.json");
    std::fs::write(&file, json!({ "plugins": plugins }).to_string()).unwrap();
    file.to_str().unwrap().to_owned()
}

/// The command line: publishing and importing go through transforms, a sync does not; queries and watching take a plugin; a list
/// with a slip stops the start, a plugin that is none does not.
#[test]
fn plugins_at_the_command_line() {
    let (data, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let nonsense = data.path().join("nonsense.wasm");
    std::fs::write(&nonsense, b"not wasm").unwrap();
    let list = write_list(
        data.path(),
        &json!([
            {"name": "redact", "kind": "transform", "component": built("redact"), "deadline_ms": 30_000},
            {"name": "nonsense", "kind": "reranker", "component": nonsense},
            fault("reranker", "order", &json!({})),
            fault("subscription-filter", "", &json!({}))]),
    );
    let with = |arguments: &[&str]| {
        let arguments: Vec<&str> =
            ["--plugins", list.as_str(), "-p", "notes"].iter().chain(arguments).copied().collect();
        ok(data.path(), &arguments)
    };
    let text = |key: &str| {
        serde_json::from_str::<Value>(&ok(data.path(), &["-p", "notes", "get", key])).unwrap()["text"].clone()
    };
    with(&["publish", "--text", "Ask ann@example.org about the tide", "--key", "a"]);
    assert_eq!(text("a"), "Ask [e-mail] about the tide");
    // Another replica has no such plugin; what it brings is taken as it is.
    ok(other.path(), &["-p", "notes", "publish", "--text", "bob@example.org knows the tide", "--key", "b"]);
    let export = other.path().join("export.jsonl");
    let export = export.to_str().unwrap();
    ok(other.path(), &["-p", "notes", "export", "-o", export]);
    let mut server = Server::start(other.path());
    with(&["sync", &server.url]);
    server.kill();
    assert_eq!(text("b"), "bob@example.org knows the tide");
    with(&["import", export]);
    assert_eq!(text("b"), "[e-mail] knows the tide");

    let listed = with(&["plugins"]);
    assert!(listed.contains("redact") && listed.contains("not a WebAssembly component"), "{listed}");
    let order = |more: &[&str]| {
        let arguments: Vec<&str> =
            ["--json", "query", "--mode", "keyword", "tide"].iter().chain(more).copied().collect();
        let answer: Value = serde_json::from_str(&with(&arguments)).unwrap();
        let hits = answer["hits"].as_array().unwrap().iter();
        hits.map(|hit| hit["key"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let mut own = order(&[]);
    own.reverse();
    assert_eq!(order(&["--rerank", "reranker-order", "--rerank-candidates", "20"]), own);
    let answered =
        run(data.path(), &["--plugins", list.as_str(), "-p", "notes", "query", "--rerank", "nonsense", "tide"]);
    let said = String::from_utf8_lossy(&answered.stderr).into_owned();
    assert!(answered.status.success() && said.contains("in the query's own order"), "{said}");

    let mut command = skerry();
    command.arg("--data").arg(data.path()).args(["--plugins", list.as_str(), "serve", "--listen", "127.0.0.1:0"]);
    let server = Server::spawn(command);
    let mut watching = skerry()
        .args(["--url", &server.url, "-p", "notes", "watch", "--since", "0"])
        .args(["--filter", "subscription-filter-", "--argument", "c & d"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    ok(data.path(), &["-p", "notes", "publish", "--text", "eve@example.org", "--key", "c & d"]);
    let mut line = String::new();
    BufReader::new(watching.stdout.take().unwrap()).read_line(&mut line).unwrap();
    watching.kill().unwrap();
    watching.wait().unwrap();
    assert_eq!(serde_json::from_str::<Value>(&line).unwrap()["key"], "c & d");
    assert_eq!(text("c & d"), "[e-mail]", "the serving node publishes for the command");
    drop(server);

    let slip =
        write_list(data.path(), &json!([{"name": "a", "kind": "transform", "component": "a.wasm", "memory": 5}]));
    let refused = fails(data.path(), &["--plugins", slip.as_str(), "status"]);
    assert!(refused.contains("plugins.json") && refused.contains("unknown field `memory`"), "{refused}");
}
