//! The change feed as pages and as a subscription.

use std::io::{BufRead, BufReader};
use std::process::Stdio;
use std::time::Duration;

use axum::body::Body;
use http_body_util::BodyExt;
use serde_json::{Value, json};
use tower::ServiceExt;

use crate::TestNode;
use crate::process::{Server, fails, ok, skerry};

/// Reads a subscription until so many events are there.
pub(crate) struct Events {
    body: Body,
    text: String,
}

impl Events {
    pub(crate) async fn of(node: &TestNode, query: &str, headers: &[(&str, &str)]) -> Events {
        let mut request = http::Request::builder().uri(format!("/api/v1/projects/p/changes{query}"));
        request = request.header("accept", "text/event-stream");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let response = node.router.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        Events { body: response.into_body(), text: String::new() }
    }

    pub(crate) async fn next(&mut self) -> Option<(u64, Value)> {
        let found = async {
            loop {
                if let Some((event, rest)) = self.text.split_once("\n\n") {
                    let field = |name: &str| event.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
                    let found = field("data:")
                        .map(|data| (field("id:").unwrap().parse().unwrap(), serde_json::from_str(data).unwrap()));
                    let rest = rest.to_owned();
                    self.text = rest;
                    if found.is_some() {
                        return found;
                    }
                    continue;
                }
                let frame = self.body.frame().await?.unwrap();
                self.text.push_str(std::str::from_utf8(&frame.into_data().unwrap()).unwrap());
            }
        };
        tokio::time::timeout(Duration::from_secs(30), found).await.expect("an event in time")
    }
}

async fn publish(node: &TestNode, key: &str, text: &str) {
    let body = json!({"records": [{"key": key, "text": text}]});
    assert_eq!(node.call("POST", "/projects/p/records", &body).await.0, 200);
}

/// Pages go through the feed; each record comes once, with its last change.
#[tokio::test]
async fn pages_of_changes_go_on_where_the_last_ended() {
    let node = TestNode::new();
    node.fill().await;
    publish(&node, "tide", "changed").await;
    node.call("DELETE", "/projects/p/records/moon", &Value::Null).await;
    let (_, page) = node.call("GET", "/projects/p/changes?limit=2&record=true", &Value::Null).await;
    assert_eq!(page["changes"][0]["key"], "bread");
    assert_eq!(page["changes"][0]["record"]["metadata"]["source"], "book");
    assert_eq!(
        (&page["changes"][1]["key"], &page["changes"][1]["record"]["text"]),
        (&json!("tide"), &json!("changed"))
    );
    let next = page["next"].as_u64().unwrap();
    let (_, page) = node.call("GET", &format!("/projects/p/changes?since={next}"), &Value::Null).await;
    assert_eq!(page, json!({"changes": [{"sequence": 5, "key": "moon", "deleted": true}], "next": 5}));
    let (_, page) = node.call("GET", "/projects/p/changes?since=5", &Value::Null).await;
    assert_eq!(page, json!({"changes": [], "next": 5}));
    for (path, kind) in [
        ("/projects/p/changes?since=6", "invalid-parameter"),
        ("/projects/p/changes?limit=0", "invalid-parameter"),
        ("/projects/p/changes?limit=1001", "invalid-parameter"),
        ("/projects/p/changes?since=x", "invalid-parameter"),
        ("/projects/none/changes", "unknown-project"),
    ] {
        assert_eq!(node.refused("GET", path, &Value::Null).await.1, kind, "{path}");
    }
}

/// A subscription tells what was there, then what comes; another one goes on behind the last event that was heard.
#[tokio::test]
async fn a_subscription_tells_what_was_and_what_comes() {
    let node = TestNode::new();
    node.fill().await;
    let mut events = Events::of(&node, "?since=1&record=true", &[]).await;
    let mut late = Events::of(&node, "", &[]).await;
    for sequence in [2, 3] {
        let (id, change) = events.next().await.unwrap();
        assert_eq!((id, &change["sequence"]), (sequence, &json!(sequence)));
        assert!(change["record"]["text"].is_string(), "{change}");
    }
    publish(&node, "new", "just now").await;
    let (id, change) = events.next().await.unwrap();
    assert_eq!((id, &change["key"], &change["record"]["text"]), (4, &json!("new"), &json!("just now")));
    let (id, change) = late.next().await.unwrap();
    assert_eq!((id, change), (4, json!({"sequence": 4, "key": "new", "deleted": false})));
    node.call("DELETE", "/projects/p/records/new", &Value::Null).await;
    assert_eq!(late.next().await.unwrap().1, json!({"sequence": 5, "key": "new", "deleted": true}));
    drop((events, late));

    let mut again = Events::of(&node, "?since=0", &[("last-event-id", "4")]).await;
    assert_eq!(again.next().await.unwrap().0, 5);
    node.node.moves().end_subscriptions();
    assert_eq!(again.next().await, None);
    // Where connections cannot stay open, what is there is told, and then the end.
    let mut short = Events::of(&node, "?since=3", &[]).await;
    assert_eq!((short.next().await.unwrap().0, short.next().await), (5, None));
}

/// A reader that does not read holds nothing back and nothing in memory; when it reads, it gets the last change of each record.
#[tokio::test]
async fn a_slow_reader_gets_what_is_left() {
    let node = TestNode::new();
    node.fill().await;
    let mut slow = Events::of(&node, "?since=3", &[]).await;
    for round in 0..50 {
        let records: Vec<Value> =
            (0..20).map(|key| json!({"key": format!("k{key}"), "data": {"round": round}})).collect();
        assert_eq!(node.call("POST", "/projects/p/records", &json!({"records": records})).await.0, 200);
    }
    let mut keys = std::collections::BTreeSet::new();
    let mut last = 3;
    while last < 1_003 {
        let (id, change) = slow.next().await.unwrap();
        assert!(id > last, "positions grow");
        last = id;
        keys.insert(change["key"].as_str().unwrap().to_owned());
    }
    assert_eq!(keys.len(), 20);
}

/// `skerry watch` prints a line for each change, and goes on when the node was away.
#[test]
fn watch_prints_changes_and_survives_the_node() {
    let data = tempfile::tempdir().unwrap();
    let line = |key: &str| format!("{{\"key\":\"{key}\",\"text\":\"x\"}}\n");
    let publish = |key: &str| {
        let file = data.path().join("input.jsonl");
        std::fs::write(&file, line(key)).unwrap();
        ok(data.path(), &["-p", "notes", "publish", file.to_str().unwrap()]);
    };
    publish("before");
    let mut server = Server::start(data.path());
    let url = server.url.clone();
    let mut watching = skerry()
        .args(["--url", &url, "-p", "notes", "watch", "--since", "0", "--records"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(watching.stdout.take().unwrap()).lines();
    let mut next = || serde_json::from_str::<Value>(&lines.next().unwrap().unwrap()).unwrap();
    let first = next();
    assert_eq!((&first["key"], &first["record"]["text"]), (&json!("before"), &json!("x")));
    publish("while");
    assert_eq!(next()["key"], "while");
    server.kill();
    publish("away");
    let mut command = skerry();
    command.arg("--data").arg(data.path()).args(["serve", "--listen", url.trim_start_matches("http://")]);
    let _server = Server::spawn(command);
    assert_eq!(next()["key"], "away");
    publish("again");
    assert_eq!(next()["key"], "again");
    watching.kill().unwrap();
    watching.wait().unwrap();
    let refused = fails(data.path(), &["-p", "none", "watch"]);
    assert!(refused.contains("no project"), "{refused}");
    let refused = fails(data.path(), &["-p", "notes", "watch", "--since", "99"]);
    assert!(refused.contains("feed ends at"), "{refused}");
}
