//! Models behind HTTP: an endpoint that answers well, late, wrongly, or not at all, and what the node makes of it.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use serde_json::{Value, json};

use crate::TestNode;
use crate::process::skerry;

pub(crate) const DIMENSIONS: usize = 32;

/// What the endpoint does with the next requests.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Mood {
    Good,
    /// So many good answers, then as [`Mood::Status`] 503.
    GoodFor(usize),
    Status(u16),
    /// 429 once, to be asked again after a second.
    BusyOnce,
    /// These bytes, with status 200.
    Says(String),
    /// Another address.
    Moved,
}

#[derive(Debug, Clone)]
pub(crate) struct Asked {
    pub(crate) at: Instant,
    pub(crate) authorization: Option<String>,
    pub(crate) body: Value,
}

/// An endpoint on this machine.
#[derive(Debug, Clone)]
pub(crate) struct Endpoint {
    pub(crate) host: String,
    mood: Arc<Mutex<Mood>>,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl Endpoint {
    pub(crate) async fn start() -> Endpoint {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let host = listener.local_addr().unwrap().to_string();
        let endpoint = Endpoint { host, mood: Arc::new(Mutex::new(Mood::Good)), asked: Arc::default() };
        let router = Router::new()
            .route("/v1/embeddings", post(answer))
            .route("/elsewhere", post(answer))
            .with_state(endpoint.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        endpoint
    }

    pub(crate) fn is(&self, mood: Mood) {
        *self.mood.lock().unwrap() = mood;
    }

    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }

    /// A list of models with this endpoint as `far`, quick to give up.
    pub(crate) fn models(&self, more: &Value) -> Value {
        let mut far = json!({"endpoint": format!("http://{}/v1", self.host), "model": "words", "dimensions": DIMENSIONS,
            "requests_per_second": 1000, "tries": 2, "backoff_ms": 20});
        far.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        json!({"allow_hosts": [self.host], "models": {"far": far}})
    }
}

async fn answer(State(endpoint): State<Endpoint>, headers: HeaderMap, body: String) -> Response {
    let body: Value = serde_json::from_str(&body).unwrap();
    let authorization = headers.get("authorization").map(|value| value.to_str().unwrap().to_owned());
    endpoint.asked.lock().unwrap().push(Asked {
        at: Instant::now(),
        authorization: authorization.clone(),
        body: body.clone(),
    });
    let mut mood = endpoint.mood.lock().unwrap();
    match mood.clone() {
        Mood::Good => good(&body).into_response(),
        Mood::GoodFor(0) => StatusCode::SERVICE_UNAVAILABLE.into_response(),
        Mood::GoodFor(left) => {
            *mood = Mood::GoodFor(left - 1);
            good(&body).into_response()
        }
        Mood::Status(status) => {
            let said = json!({"error": {"message": format!("no, {}", authorization.unwrap_or_default())}});
            (StatusCode::from_u16(status).unwrap(), said.to_string()).into_response()
        }
        Mood::BusyOnce => {
            *mood = Mood::Good;
            (StatusCode::TOO_MANY_REQUESTS, [("retry-after", "1")]).into_response()
        }
        Mood::Says(text) => text.into_response(),
        Mood::Moved => (StatusCode::TEMPORARY_REDIRECT, [("location", "/elsewhere")]).into_response(),
    }
}

/// A vector counts the words of a text by their hash; the last text first, for the index says which is whose.
fn good(body: &Value) -> String {
    let vector = |text: &str| {
        let mut vector = vec![0.01_f32; DIMENSIONS];
        for word in text.to_lowercase().split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()) {
            let hash = word.bytes().fold(7_usize, |hash, byte| hash.wrapping_mul(31).wrapping_add(usize::from(byte)));
            vector[hash % DIMENSIONS] += 1.0;
        }
        vector
    };
    let texts = body["input"].as_array().unwrap().iter().enumerate();
    let data: Vec<Value> = texts
        .map(
            |(index, text)| json!({"object": "embedding", "index": index, "embedding": vector(text.as_str().unwrap())}),
        )
        .rev()
        .collect();
    json!({"object": "list", "data": data, "model": body["model"]}).to_string()
}

async fn fill(node: &TestNode) {
    let (status, project) = node.call("PUT", "/projects/p", &json!({"model": "far"})).await;
    assert_eq!(status, 201, "{project}");
    let records = json!({"records": [
        {"key": "tide", "text": "high water at noon"},
        {"key": "moon", "text": "the full moon rises"},
        {"key": "bread", "text": "knead flour and yeast"},
    ]});
    assert_eq!(node.call("POST", "/projects/p/records", &records).await.0, 200);
}

async fn vector_query(node: &TestNode, text: &str) -> (u16, Value) {
    node.call("POST", "/projects/p/query", &json!({"text": text, "mode": "vector", "k": 1})).await
}

/// Texts go out in batches with model and, if wished, dimensions; vectors come back in order and are cached: nothing is asked twice.
#[tokio::test]
async fn an_endpoint_embeds() {
    let (data, endpoint) = (tempfile::tempdir().unwrap(), Endpoint::start().await);
    let node = TestNode::at(data.path(), &endpoint.models(&json!({"batch_texts": 2, "send_dimensions": true})));
    fill(&node).await;
    let sizes: Vec<usize> =
        endpoint.asked().iter().map(|asked| asked.body["input"].as_array().unwrap().len()).collect();
    assert_eq!(sizes, [2, 1]);
    assert_eq!(
        (&endpoint.asked()[0].body["model"], &endpoint.asked()[0].body["dimensions"]),
        (&json!("words"), &json!(DIMENSIONS))
    );
    let (status, answer) = vector_query(&node, "yeast flour").await;
    assert_eq!((status, &answer["hits"][0]["key"]), (200, &json!("bread")), "{answer}");
    let project = node.call("GET", "/projects/p", &Value::Null).await.1;
    assert_eq!(project["model"]["name"], "far");
    assert_eq!(project["model"]["dimensions"], DIMENSIONS);
    let asked = endpoint.asked().len();
    drop(node);
    let node = TestNode::at(data.path(), &endpoint.models(&json!({})));
    let answer = node.call("POST", "/projects/p/query", &json!({"like": "tide", "k": 5})).await.1;
    assert_eq!((answer["hits"].as_array().unwrap().len(), answer["vectors_pending"].is_null()), (2, true));
    assert_eq!(endpoint.asked().len(), asked);
}

/// Who says when to come back is asked then, not before.
#[tokio::test]
async fn a_busy_endpoint_is_asked_again() {
    let (data, endpoint) = (tempfile::tempdir().unwrap(), Endpoint::start().await);
    let node = TestNode::at(data.path(), &endpoint.models(&json!({})));
    endpoint.is(Mood::BusyOnce);
    fill(&node).await;
    let asked = endpoint.asked();
    assert_eq!(asked.len(), 2);
    assert!(asked[1].at - asked[0].at >= Duration::from_secs(1));
    assert_eq!(vector_query(&node, "moon rises").await.1["hits"][0]["key"], "moon");
}

/// An endpoint that is away costs vectors, no records: words find them, who insists on vectors is told, and when it is back the
/// vectors come without anybody writing anything.
#[tokio::test]
async fn a_failing_endpoint_loses_nothing() {
    let (data, endpoint) = (tempfile::tempdir().unwrap(), Endpoint::start().await);
    let node = TestNode::at(data.path(), &endpoint.models(&json!({})));
    endpoint.is(Mood::Status(500));
    fill(&node).await;
    let status = node.call("GET", "/status", &Value::Null).await.1;
    assert_eq!((&status["projects"][0]["records"], &status["projects"][0]["vectors_pending"]), (&json!(3), &json!(3)));
    let (status, answer) = node.call("POST", "/projects/p/query", &json!({"text": "moon"})).await;
    assert_eq!((status, &answer["hits"][0]["key"]), (200, &json!("moon")), "{answer}");
    assert!(answer["vectors_unavailable"].as_str().unwrap().contains("500"), "{answer}");
    let (status, problem) = vector_query(&node, "moon").await;
    assert_eq!((status, problem["type"].as_str()), (502, Some("urn:skerry:problem:model-failed")), "{problem}");
    assert_eq!(problem["model"], "far");
    endpoint.is(Mood::Good);
    node.until("p", "vectors come by themselves", |project| project["vectors_pending"] == 0).await;
    assert_eq!(vector_query(&node, "moon rises").await.1["hits"][0]["key"], "moon");
}

/// Nothing that an endpoint says is believed unseen; each fault has its words.
#[tokio::test]
async fn wrong_answers_are_refused() {
    let (data, endpoint) = (tempfile::tempdir().unwrap(), Endpoint::start().await);
    let node = TestNode::at(data.path(), &endpoint.models(&json!({})));
    fill(&node).await;
    let one = |item: &str| Mood::Says(format!(r#"{{"data": [{item}]}}"#));
    let numbers = vec!["1"; DIMENSIONS].join(",");
    for (mood, says) in [
        (Mood::Says("<html>".to_owned()), "not an answer with embeddings"),
        (one(""), "0 vectors for 1 texts"),
        (one(r#"{"index": 0, "embedding": [1, 2, 3]}"#), "3 numbers; 32 are configured"),
        (one(&format!(r#"{{"embedding": [{numbers}]}}"#)), "missing field `index`"),
        (one(&format!(r#"{{"index": 1, "embedding": [{numbers}]}}"#)), "text 1 of 1"),
        (one(&format!(r#"{{"index": 0, "embedding": [{numbers}, NaN]}}"#)), "not an answer with embeddings"),
        (
            Mood::Says(format!(r#"{{"data": [], "more": "{}"}}"#, "x".repeat(200_000))),
            "bytes that its vectors can take",
        ),
        (Mood::Status(401), "401"),
        (Mood::Moved, "307"),
    ] {
        endpoint.is(mood.clone());
        let before = endpoint.asked().len();
        let (status, problem) = vector_query(&node, "something new").await;
        assert_eq!((status, problem["type"].as_str()), (502, Some("urn:skerry:problem:model-failed")), "{mood:?}");
        assert!(problem["detail"].as_str().unwrap().contains(says), "{says}: {problem}");
        assert_eq!(endpoint.asked().len(), before + 1, "asking again mends none of these: {says}");
    }
    endpoint.is(Mood::Good);
    assert_eq!(vector_query(&node, "moon rises").await.1["hits"][0]["key"], "moon");
}

/// Texts go to no host that the operator did not write down, and nowhere is asked to find that out.
#[tokio::test]
async fn other_hosts_are_not_asked() {
    let (data, endpoint) = (tempfile::tempdir().unwrap(), Endpoint::start().await);
    let mut models = endpoint.models(&json!({}));
    models["allow_hosts"] = json!(["api.example.com", "127.0.0.1"]);
    let node = TestNode::at(data.path(), &models);
    let listed = node.call("GET", "/models", &Value::Null).await.1;
    let far = listed["models"].as_array().unwrap().iter().find(|model| model["name"] == "far").unwrap();
    assert_eq!((&far["kind"], &far["usable"]), (&json!("endpoint"), &json!(false)));
    assert!(far["reason"].as_str().unwrap().contains("add it to `allow_hosts`"), "{far}");
    let refused = node.refused("PUT", "/projects/p", &json!({"model": "far"})).await;
    assert_eq!(refused, (503, "model-unavailable".to_owned()));
    assert_eq!(endpoint.asked().len(), 0);
}

/// So many requests a second and no more, counted by the endpoint.
#[tokio::test]
async fn requests_keep_their_distance() {
    let (data, endpoint) = (tempfile::tempdir().unwrap(), Endpoint::start().await);
    let node = TestNode::at(data.path(), &endpoint.models(&json!({"requests_per_second": 20, "batch_texts": 1})));
    assert_eq!(node.call("PUT", "/projects/p", &json!({"model": "far"})).await.0, 201);
    let records: Vec<Value> =
        (0..12).map(|n| json!({"key": format!("k{n}"), "text": format!("text number {n}")})).collect();
    assert_eq!(node.call("POST", "/projects/p/records", &json!({ "records": records })).await.0, 200);
    let asked = endpoint.asked();
    assert_eq!(asked.len(), 12);
    // A late request may be followed early; over all of them the rate holds.
    assert!(asked[11].at - asked[0].at >= Duration::from_millis(11 * 50 - 50), "{:?}", asked[11].at - asked[0].at);
}

/// The key goes into one header. It is in no output and no log, also when the endpoint says it back; a missing one is named.
#[tokio::test(flavor = "multi_thread")]
async fn a_key_is_sent_and_never_shown() {
    let (data, endpoint) = (tempfile::tempdir().unwrap(), Endpoint::start().await);
    let file = data.path().join("models.json");
    std::fs::write(&file, endpoint.models(&json!({"api_key_env": "FAR_KEY"})).to_string()).unwrap();
    let run = |arguments: &[&str], key: Option<&str>| {
        let mut command = skerry();
        command.arg("--data").arg(data.path()).arg("--models").arg(&file).args(arguments);
        command.env("SKERRY_LOG", "trace").env_remove("FAR_KEY").envs(key.map(|key| ("FAR_KEY", key)));
        let output = command.output().unwrap();
        let said = [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).unwrap()).concat();
        assert!(!said.contains("hunter2"), "{said}");
        (output.status.success(), said)
    };
    let key = Some("sk-hunter2");
    assert!(run(&["create", "--model", "far"], key).0);
    assert!(run(&["publish", "--key", "tide", "--text", "high water at noon"], key).0);
    assert_eq!(endpoint.asked()[0].authorization.as_deref(), Some("Bearer sk-hunter2"));
    endpoint.is(Mood::Status(401));
    let (done, said) = run(&["query", "another text", "--mode", "vector"], key);
    assert!(!done && said.contains("401") && said.contains("no, Bearer …"), "{said}");
    run(&["--json", "status"], key);
    run(&["--json", "models"], key);
    let (_, said) = run(&["models"], None);
    assert!(said.contains("FAR_KEY"), "{said}");
    let stored = std::fs::read(data.path().join("store.redb")).unwrap();
    assert!(!stored.windows(7).any(|bytes| bytes == b"hunter2"));
}
