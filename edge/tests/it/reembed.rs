//! Long texts, and taking a project to another model while it is being asked and written to.

use std::time::Duration;

use serde_json::{Value, json};
use skerry_edge::ProjectName;

use crate::TestNode;
use crate::endpoint::{Endpoint, Mood};

const MINILM: &str = "all-MiniLM-L6-v2";

fn records(from: usize, count: usize) -> Value {
    const WORDS: [&str; 8] = ["tide", "harbour", "pilot", "beacon", "keel", "lantern", "anchor", "swell"];
    let text = |n: usize| format!("{} {} {} number {n}", WORDS[n % 8], WORDS[n / 8 % 8], WORDS[n / 64 % 8]);
    let records = (from..from + count).map(|n| json!({"key": format!("k{n}"), "text": text(n)}));
    json!({"records": records.collect::<Vec<_>>()})
}

async fn publish(node: &TestNode, records: &Value) {
    let (status, answer) = node.call("POST", "/projects/p/records", records).await;
    assert_eq!(status, 200, "{answer}");
}

async fn first(node: &TestNode, query: Value) -> Value {
    let (status, answer) = node.call("POST", "/projects/p/query", &query).await;
    assert_eq!(status, 200, "{answer}");
    answer["hits"][0].clone()
}

/// A fact behind the first 256 tokens is found by its meaning, and the hit says where it stands. Short texts stay whole.
#[tokio::test]
async fn the_end_of_a_long_text_is_found() {
    let node = TestNode::new();
    node.fill().await;
    let filler = "The committee met again and discussed the budget for office furniture in some detail. ".repeat(215);
    let fact = "Octopuses have three hearts and blue blood.";
    let text = format!("{filler}{fact}");
    assert!(text.split_whitespace().count() > 3_000);
    publish(&node, &json!({"records": [{"key": "minutes", "text": text}]})).await;
    let query = json!({"text": "how many hearts does an octopus have", "mode": "vector", "k": 4});
    let hit = first(&node, query.clone()).await;
    assert_eq!(hit["key"], "minutes", "{}", hit["score"]);
    assert!(hit["score"].as_f64().unwrap() > 0.3, "{}", hit["score"]);
    let (start, end) =
        (hit["chunk"]["start"].as_u64().unwrap() as usize, hit["chunk"]["end"].as_u64().unwrap() as usize);
    assert!(text[start..end].contains(fact), "{start}..{end}");
    assert!(end - start < 3_000);
    // A short text is one chunk: all of it.
    let hit = first(&node, json!({"text": "baking", "mode": "vector"})).await;
    assert_eq!((&hit["key"], &hit["chunk"]), (&json!("bread"), &json!({"start": 0, "end": 21})));
    // Shorter chunks, by the same way that leads to another model.
    let (status, project) = node.call("POST", "/projects/p/reembed", &json!({"chunk_tokens": 32})).await;
    assert_eq!(status, 202, "{project}");
    node.until("p", "shorter chunks", |project| {
        project["chunking"]["tokens"] == 32 && project["reembedding"].is_null()
    })
    .await;
    let hit = first(&node, query).await;
    let (start, end) =
        (hit["chunk"]["start"].as_u64().unwrap() as usize, hit["chunk"]["end"].as_u64().unwrap() as usize);
    assert!(text[start..end].contains("hearts") && end - start < 300, "{start}..{end}");
}

/// The old model answers until every vector of the new one is there; then the new one does, for all records, those written
/// meanwhile included.
#[tokio::test]
async fn a_project_changes_its_model_while_it_is_used() {
    let (data, endpoint) = (tempfile::tempdir().unwrap(), Endpoint::start().await);
    let node = TestNode::at(data.path(), &endpoint.models(&json!({"batch_texts": 8})));
    assert_eq!(node.call("PUT", "/projects/p", &json!({})).await.0, 201);
    publish(&node, &records(0, 100)).await;
    let similar = json!({"text": "anchor lantern", "mode": "vector"});
    let before = first(&node, similar.clone()).await;
    assert_eq!(endpoint.asked().len(), 0);
    // Eight batches, then the endpoint is away.
    endpoint.is(Mood::GoodFor(8));
    let (status, project) = node.call("POST", "/projects/p/reembed", &json!({"model": "far"})).await;
    assert_eq!((status, &project["model"]["name"]), (202, &json!(MINILM)), "{project}");
    let held_up = node.until("p", "the endpoint is away", |project| project["reembedding"]["error"].is_string()).await;
    let way = &held_up["reembedding"];
    assert_eq!(
        (&way["model"], &way["records_done"], &way["records_total"]),
        (&json!("far"), &json!(64), &json!(100)),
        "{way}"
    );
    assert_eq!((&held_up["model"]["name"], &held_up["vectors_pending"]), (&json!(MINILM), &json!(0)));
    assert_eq!(first(&node, similar.clone()).await, before);
    // What is written meanwhile is found by the old model at once.
    publish(&node, &json!({"records": [{"key": "bread", "text": "Knead flour and yeast"}]})).await;
    assert_eq!(first(&node, json!({"text": "baking", "mode": "vector"})).await["key"], "bread");
    endpoint.is(Mood::Good);
    while node.call("GET", "/projects/p", &Value::Null).await.1["reembedding"].is_object() {
        let (status, answer) = node.call("POST", "/projects/p/query", &similar).await;
        assert_eq!(
            (status, answer["hits"].as_array().map(Vec::len), &answer["vectors_pending"]),
            (200, Some(10), &Value::Null)
        );
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let after = node.call("GET", "/projects/p", &Value::Null).await.1;
    assert_eq!((&after["model"]["name"], &after["model"]["dimensions"]), (&json!("far"), &json!(32)), "{after}");
    let found =
        node.call("POST", "/projects/p/query", &json!({"text": "flour yeast", "mode": "vector", "k": 200})).await.1;
    assert_eq!((&found["hits"][0]["key"], found["hits"].as_array().unwrap().len()), (&json!("bread"), 101));
    // No text was sent twice.
    let mut sent: Vec<String> = endpoint
        .asked()
        .iter()
        .flat_map(|asked| asked.body["input"].as_array().unwrap().clone())
        .map(|text| text.to_string())
        .collect();
    sent.retain(|text| text.contains("number 7\""));
    assert_eq!(sent.len(), 1);
}

/// A restart in the middle goes on where it was; until it is through the old model answers.
#[tokio::test]
async fn a_restart_goes_on_where_it_was() {
    let (data, endpoint) = (tempfile::tempdir().unwrap(), Endpoint::start().await);
    let models = endpoint.models(&json!({"batch_texts": 8}));
    let node = TestNode::at(data.path(), &models);
    assert_eq!(node.call("PUT", "/projects/p", &json!({})).await.0, 201);
    publish(&node, &records(0, 100)).await;
    endpoint.is(Mood::GoodFor(8));
    assert_eq!(node.call("POST", "/projects/p/reembed", &json!({"model": "far"})).await.0, 202);
    node.until("p", "the endpoint is away", |project| project["reembedding"]["error"].is_string()).await;
    drop(node);
    let node = TestNode::at(data.path(), &models);
    // Nobody asked for anything yet: what was noted down says which model answers.
    assert_eq!(first(&node, json!({"text": "baking", "mode": "vector", "k": 1})).await["chunk"]["start"], 0);
    let project = node.call("GET", "/projects/p", &Value::Null).await.1;
    assert_eq!(project["model"]["name"], MINILM);
    endpoint.is(Mood::Good);
    let asked = endpoint.asked().len();
    node.node.warm_up();
    node.until("p", "the rest", |project| project["model"]["name"] == "far" && project["reembedding"].is_null()).await;
    let texts: usize =
        endpoint.asked()[asked..].iter().map(|asked| asked.body["input"].as_array().unwrap().len()).sum();
    assert_eq!(texts, 36, "what was embedded before the restart is not embedded again");
    let hit = first(&node, json!({"text": "tide harbour pilot", "mode": "vector"})).await;
    assert!(hit["vector_score"].is_number(), "{hit}");
    drop(node);
    let node = TestNode::at(data.path(), &models);
    assert_eq!(node.call("GET", "/projects/p", &Value::Null).await.1["model"]["name"], "far");
}

/// Two replicas name different models at the same time: one wins, and both end up with it, whatever they had before.
#[tokio::test(flavor = "multi_thread")]
async fn two_replicas_agree_on_a_model() {
    let (a, b, endpoint) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap(), Endpoint::start().await);
    let mut models = endpoint.models(&json!({}));
    models["models"]["near"] = models["models"]["far"].clone();
    models["models"]["near"]["model"] = json!("other words");
    let (a, b) = (TestNode::at(a.path(), &models), TestNode::at(b.path(), &models));
    let project = ProjectName::parse("p").unwrap();
    let meet = || {
        let mut session = a.node.replica().session(&project);
        while let Some(request) = session.next_request().unwrap() {
            session.handle_response(&b.node.replica().exchange(&project, &request).unwrap()).unwrap();
        }
        a.node.follow(&project);
        b.node.follow(&project);
    };
    assert_eq!(a.call("PUT", "/projects/p", &json!({})).await.0, 201);
    publish(&a, &records(0, 10)).await;
    tokio::task::block_in_place(meet);
    assert_eq!(a.call("POST", "/projects/p/reembed", &json!({"model": "far"})).await.0, 202);
    assert_eq!(b.call("POST", "/projects/p/reembed", &json!({"model": "near"})).await.0, 202);
    let settled = |project: &Value| project["reembedding"].is_null() && project["vectors_pending"] == 0;
    let named = async |node: &TestNode| node.until("p", "it settles", settled).await["model"]["name"].clone();
    assert_eq!((named(&a).await, named(&b).await), (json!("far"), json!("near")));
    tokio::task::block_in_place(meet);
    let (here, there) = (named(&a).await, named(&b).await);
    assert_eq!(here, there);
    let query = json!({"text": "anchor lantern", "k": 20});
    let answers =
        [a.call("POST", "/projects/p/query", &query).await.1, b.call("POST", "/projects/p/query", &query).await.1];
    assert_eq!(answers[0], answers[1]);
}

/// Whoever changes their mind keeps the model that they have.
#[tokio::test]
async fn the_way_to_another_model_can_be_cancelled() {
    let (data, endpoint) = (tempfile::tempdir().unwrap(), Endpoint::start().await);
    let models = endpoint.models(&json!({}));
    let node = TestNode::at(data.path(), &models);
    assert_eq!(node.call("PUT", "/projects/p", &json!({})).await.0, 201);
    publish(&node, &records(0, 40)).await;
    endpoint.is(Mood::Status(503));
    assert_eq!(node.call("POST", "/projects/p/reembed", &json!({"model": "far"})).await.0, 202);
    node.until("p", "it is held up", |project| project["reembedding"]["error"].is_string()).await;
    let (status, project) = node.call("DELETE", "/projects/p/reembed", &Value::Null).await;
    assert_eq!((status, &project["model"]["name"], &project["reembedding"]), (200, &json!(MINILM), &Value::Null));
    endpoint.is(Mood::Good);
    drop(node);
    let node = TestNode::at(data.path(), &models);
    node.node.warm_up();
    let project = node.call("GET", "/projects/p", &Value::Null).await.1;
    assert_eq!((&project["model"]["name"], &project["reembedding"]), (&json!(MINILM), &Value::Null));
    assert_eq!(
        node.refused("POST", "/projects/p/reembed", &json!({"model": "none"})).await,
        (422, "unknown-model".to_owned())
    );
    assert_eq!(
        node.refused("POST", "/projects/none/reembed", &json!({"model": "far"})).await,
        (404, "unknown-project".to_owned())
    );
}

/// Whoever asks and goes away is not embedded for: the request's place is free again although the endpoint never answers well.
#[tokio::test]
async fn a_dropped_request_stops_its_embedding() {
    let (data, endpoint) = (tempfile::tempdir().unwrap(), Endpoint::start().await);
    let node = TestNode::at(data.path(), &endpoint.models(&json!({"tries": 20, "backoff_ms": 500})));
    assert_eq!(node.call("PUT", "/projects/p", &json!({"model": "far"})).await.0, 201);
    publish(&node, &records(0, 1)).await;
    endpoint.is(Mood::Status(503));
    let query = json!({"text": "anything else", "mode": "vector"});
    let asked = endpoint.asked().len();
    let dropped =
        tokio::time::timeout(Duration::from_millis(300), node.call("POST", "/projects/p/query", &query)).await;
    assert!(dropped.is_err(), "it goes on trying for minutes");
    let at = endpoint.asked().len();
    assert!(at > asked);
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    assert!(endpoint.asked().len() <= at + 1, "nobody waits for the other tries");
}
