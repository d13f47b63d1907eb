//! Pages and earlier versions, over the API: they fit together whatever is written meanwhile.

use serde_json::{Value, json};

use crate::TestNode;
use crate::search::{QUERY, ask, fill, filled, keys, publish, refusal};

/// Turns the pages of a query.
async fn pages(node: &TestNode, body: &Value, between: impl AsyncFn(usize)) -> (Vec<String>, Vec<Value>) {
    let (mut body, mut found, mut answers) = (body.clone(), Vec::new(), Vec::new());
    loop {
        let answer = ask(node, &body).await;
        assert!(!keys(&answer).is_empty() || answers.is_empty(), "an empty page was promised: {answer}");
        found.extend(keys(&answer).into_iter().map(str::to_owned));
        body["offset"] = answer["next_offset"].clone();
        answers.push(answer);
        if body["offset"].is_null() {
            return (found, answers);
        }
        between(answers.len()).await;
    }
}

/// Notes about two things, so that ranks by meaning and by words differ.
fn notes(count: usize) -> Value {
    let words = ["tide", "harbour", "moon", "anchor", "storm", "sail", "rope"];
    let note = |n: usize| {
        let text: Vec<&str> = (0..=n % 5).map(|step| words[(n * 3 + step * step) % words.len()]).collect();
        json!({"key": format!("n{n:03}"), "text": format!("{} number {n}", text.join(" ")), "data": {"kind": n % 4, "n": n}})
    };
    json!({ "records": (0..count).map(note).collect::<Vec<_>>() })
}

/// Pages put together are the answer that one large page gives: nothing twice, nothing left out.
#[tokio::test]
async fn pages_join_up() {
    let node = filled().await;
    publish(&node, &notes(150)).await;
    for body in [
        json!({"text": "tide in the harbour"}),
        json!({"text": "tide in the harbour", "fusion": {"reciprocal_rank": {"constant": 60}}}),
        json!({"text": "tide in the harbour", "mode": "vector"}),
        json!({"text": "tide in the harbour", "mode": "keyword"}),
        json!({"query": "n:>=30"}),
        json!({"text": "moon", "group": {"field": "data.kind", "size": 9}}),
        json!({"text": "moon", "similarity_min": 0.3, "explain": true}),
        json!({"like": "n003", "query": "kind:1"}),
    ] {
        let with = |k: u32| {
            let mut body = body.clone();
            body["k"] = k.into();
            body
        };
        let whole = ask(&node, &with(1_000)).await;
        assert_eq!(whole["next_offset"], Value::Null);
        for k in [7, 30] {
            let (found, answers) = pages(&node, &with(k), async |_| ()).await;
            assert_eq!(found, keys(&whole), "{body} by {k}");
            let hits: Vec<&Value> = answers.iter().flat_map(|answer| answer["hits"].as_array().unwrap()).collect();
            assert_eq!(hits, whole["hits"].as_array().unwrap().iter().collect::<Vec<_>>(), "{body} by {k}");
            assert!(answers.iter().all(|answer| answer["candidates"] == whole["candidates"]));
        }
    }
    assert!(keys(&ask(&node, &json!({"text": "tide", "offset": 10_000})).await).is_empty());
}

/// Pages of one version fit together although records are written, rewritten and deleted between and during them.
#[tokio::test]
async fn pages_of_a_version_join_up_while_others_write() {
    let node = filled().await;
    let version = publish(&node, &notes(60)).await;
    for body in [
        json!({"text": "tide in the harbour", "k": 11}),
        json!({"text": "moon", "mode": "keyword", "k": 7}),
        json!({"query": "n:*", "k": 9}),
    ] {
        let with = |version: Value, k: Value| {
            let mut body = body.clone();
            body["version"] = version;
            body["k"] = k;
            body
        };
        let whole = ask(&node, &with(json!(version), json!(1_000))).await;
        let write = async |turn: usize| {
            let changed = json!({"records": [
                {"key": format!("n{:03}", turn * 5), "text": "storm tide in the harbour under a moon", "data": {"n": -1}},
                {"key": format!("a{turn}"), "text": "tide in the harbour, moon", "data": {"n": 5}},
            ]});
            publish(&node, &changed).await;
            let gone = json!({"keys": [format!("n{:03}", turn * 7 + 1)]});
            assert_eq!(node.call("POST", "/projects/p/deletions", &gone).await.0, 200);
        };
        let write = &write;
        let writing = async {
            for turn in 20..26 {
                write(turn % 8).await;
            }
        };
        let body = with(json!(version), body["k"].clone());
        let reading = pages(&node, &body, async move |turn| write(turn % 8).await);
        let ((found, answers), ()) = tokio::join!(reading, writing);
        assert_eq!(found, keys(&whole), "{body}");
        let hits: Vec<&Value> = answers.iter().flat_map(|answer| answer["hits"].as_array().unwrap()).collect();
        assert_eq!(hits, whole["hits"].as_array().unwrap().iter().collect::<Vec<_>>());
    }
}

/// An answer names a version, and its records are of that version, also when they are rewritten in the meantime.
#[tokio::test]
async fn records_are_of_the_version_that_is_named() {
    let node = filled().await;
    let rewriting = async {
        let mut written = std::collections::BTreeMap::new();
        for turn in 0..40 {
            let version = publish(
                &node,
                &json!({"records": [{"key": "turn", "text": format!("Turn {turn}"), "data": {"turn": turn}}]}),
            )
            .await;
            written.insert(version, turn);
        }
        written
    };
    let asking = async {
        let mut seen = Vec::new();
        for _ in 0..60 {
            let answer = ask(&node, &json!({"query": "key:turn"})).await;
            let turn = answer["hits"][0]["record"]["data"]["turn"].as_i64();
            seen.push((answer["version"].as_str().unwrap().to_owned(), turn));
        }
        seen
    };
    let (written, seen) = tokio::join!(rewriting, asking);
    for (version, turn) in seen {
        if let (Some(expected), Some(turn)) = (written.get(&version), turn) {
            assert_eq!(turn, *expected, "{version}");
        }
    }
}

/// An earlier version is answered as it was answered then: hits, scores to the bit, and the records of then.
#[tokio::test]
async fn an_earlier_version_answers_as_it_did() {
    answers_as_it_did(&filled().await).await;
}

/// The same while segments are sealed and merged behind the answers.
#[tokio::test]
async fn an_earlier_version_answers_as_it_did_from_sealed_segments() {
    let node = fill(TestNode::sealing_after(2)).await;
    node.sealed().await;
    answers_as_it_did(&node).await;
}

async fn answers_as_it_did(node: &TestNode) {
    let queries = [
        json!({"text": "spring tide", "explain": true, "highlight": {}}),
        json!({"text": "spring tide", "mode": "keyword", "k": 3}),
        json!({"text": "injection", "mode": "vector", "similarity_min": 0.1}),
        json!({"text": "spring tide", "fusion": {"reciprocal_rank": {"constant": 60}}}),
        json!({"query": "severity:>=3 -neap", "k": 2}),
        json!({"query": "tide layer:(sea, pilotage)", "group": {"field": "data.state"}}),
        json!({"like": "neap"}),
        json!({"text": "water", "diversity": 0.5, "k": 3}),
    ];
    let mut then = Vec::new();
    for step in [
        json!({"records": [{"key": "neap", "text": "Neaps are dull.", "data": {"severity": 4}},
            {"key": "ebb", "text": "Spring tides: the ebb runs hardest after full moon.", "data": {"severity": 8}}]}),
        json!({"keys": ["neap", "sql"]}),
        json!({"records": [{"key": "new", "text": "A spring tide in the harbour", "layers": ["sea"], "data": {"severity": 5}}]}),
        json!({"records": [{"key": "neap", "text": "Neap tides again", "layers": ["sea"], "data": {"severity": 6}}]}),
    ] {
        let mut answers = Vec::new();
        for query in &queries {
            let (status, answer) = node.call("POST", QUERY, query).await;
            // The record to be like is not there at each of them.
            assert!(status == 200 || query["like"] == "neap", "{query}: {answer}");
            answers.push((status, answer));
        }
        let (_, version) = node.call("GET", "/projects/p/version", &Value::Null).await;
        then.push((version["version"].clone(), answers));
        let path = if step["keys"].is_array() { "/projects/p/deletions" } else { "/projects/p/records" };
        assert_eq!(node.call("POST", path, &step).await.0, 200);
    }
    let (_, listed) = node.call("GET", "/projects/p/versions", &Value::Null).await;
    let listed: Vec<&Value> = listed["versions"].as_array().unwrap().iter().map(|entry| &entry["version"]).collect();
    for (version, answers) in &then {
        assert!(listed.contains(&version), "{version} is not listed");
        for (query, (status, answer)) in queries.iter().zip(answers) {
            let mut query = query.clone();
            query["version"] = version.clone();
            let (status_now, mut now) = node.call("POST", QUERY, &query).await;
            let mut answer = answer.clone();
            for answer in [&mut now, &mut answer] {
                answer.as_object_mut().unwrap().remove("request_id");
            }
            assert_eq!((status_now, now), (*status, answer), "{query}");
        }
    }
}

/// The versions of a project: newest first, as many as asked for, each with its place in the feed and its time.
#[tokio::test]
async fn versions_are_listed() {
    let node = filled().await;
    let second = publish(&node, &json!({"records": [{"key": "new"}]})).await;
    let (status, answer) = node.call("GET", "/projects/p/versions", &Value::Null).await;
    let listed = answer["versions"].as_array().unwrap();
    assert_eq!((status, listed[0]["version"].as_str()), (200, Some(second.as_str())));
    let sequences: Vec<u64> = listed.iter().map(|entry| entry["sequence"].as_u64().unwrap()).collect();
    assert!(sequences.is_sorted_by(|newer, older| newer >= older) && sequences[0] == 8, "{sequences:?}");
    assert!(listed[0]["time_ms"].as_i64() > Some(1_700_000_000_000), "{answer}");
    let capitals = ask(&node, &json!({"query": "key:ebb", "version": second.to_uppercase()})).await;
    assert_eq!(capitals["version"], second);
    let (_, one) = node.call("GET", "/projects/p/versions?limit=1", &Value::Null).await;
    assert_eq!(one["versions"].as_array().unwrap().len(), 1);
    for path in ["/projects/p/versions?limit=0", "/projects/p/versions?limit=1001", "/projects/p/versions?limit=x"] {
        assert_eq!(node.refused("GET", path, &Value::Null).await, (400, "invalid-parameter".into()));
    }
    let unknown = node.refused("GET", "/projects/none/versions", &Value::Null).await;
    assert_eq!(unknown, (404, "unknown-project".into()));
    for version in ["0".repeat(64), "x".repeat(64), "now".into(), String::new()] {
        for body in [json!({"text": "tide", "version": version}), json!({"like": "ebb", "version": version})] {
            assert_eq!(refusal(&node, &body, "unknown-version").await["status"], 404);
        }
    }
}
