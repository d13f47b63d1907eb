//! Calls without HTTP: `aws lambda invoke`, schedules.

use serde_json::{Value, json};

use crate::function::Function;

/// Embedding, queries and geometry by direct calls; what goes wrong is the function's error, with the problem's type.
#[tokio::test(flavor = "multi_thread")]
async fn direct_calls_are_answered() {
    let store = tempfile::tempdir().unwrap();
    let function = Function::start(store.path(), &[]).await;
    assert_eq!(function.ask("PUT", "/api/v1/projects/notes", &json!({})).await.0, 201);
    let records = json!({"records": [
        {"key": "a", "text": "High water at noon", "data": {"x": [0.0, 0.0]}},
        {"key": "b", "text": "A full moon", "data": {"x": [3.0, 4.0]}},
    ]});
    assert_eq!(function.ask("POST", "/api/v1/projects/notes/records", &records).await.0, 200);

    let embedded = function.invoke(&json!({"skerry": "embed", "texts": ["High water at noon", ""]})).await.json();
    let vector: Vec<f64> = serde_json::from_value(embedded["embeddings"][0]["vector"].clone()).unwrap();
    assert_eq!((vector.len(), &embedded["model"]["name"]), (384, &json!("all-MiniLM-L6-v2")));
    let length: f64 = vector.iter().map(|number| number * number).sum();
    assert!((length - 1.0).abs() < 1e-5);

    let found =
        function.invoke(&json!({"skerry": "query", "project": "notes", "text": "when is the sea high", "k": 1})).await;
    assert_eq!(found.json()["hits"][0]["key"], "a");
    let body = json!({"chart": {"factors": [{"manifold": "euclidean", "fields": ["data.x"]}]}, "from": {"key": "a"}});
    let distances = function
        .invoke(&json!({"skerry": "geometry", "project": "notes", "operation": "distances", "body": body}))
        .await;
    assert_eq!(distances.json()["distances"][1], json!({"key": "b", "distance": 5.0}));
    let nowhere = function.invoke(&json!({"skerry": "geometry", "project": "notes", "operation": "../records"})).await;
    assert_eq!(nowhere.json()["errorType"], "urn:skerry:problem:invalid-parameter");

    let refused = function.invoke(&json!({"skerry": "query", "project": "gone", "text": "x"})).await;
    assert!(!refused.is_ok());
    assert_eq!(refused.json()["errorType"], "urn:skerry:problem:unknown-project");
    let unknown = function.invoke(&json!({"Records": [{"eventSource": "aws:s3"}]})).await;
    assert_eq!((unknown.is_ok(), &unknown.json()["errorType"]), (false, &json!("UnknownEvent")));
}

/// A schedule keeps the function warm: the published sample of `EventBridge` is answered.
#[tokio::test(flavor = "multi_thread")]
async fn a_schedule_is_answered() {
    let store = tempfile::tempdir().unwrap();
    let function = Function::start(store.path(), &[("SKERRY_WARM", "notes")]).await;
    let event: Value = serde_json::from_str(include_str!("../events/example-eventbridge-schedule.json")).unwrap();
    let answer = function.invoke(&event).await;
    assert!(answer.is_ok());
    assert_eq!(answer.json()["snapshots"], json!([{"project": "notes", "version": null}]));
    assert_eq!(function.invoke(&json!({"skerry": "ping"})).await.json()["pong"], env!("CARGO_PKG_VERSION"));
}
