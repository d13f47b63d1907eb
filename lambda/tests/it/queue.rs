//! Batches of a queue.

use serde_json::{Value, json};
use skerry_sync::{ProjectName, RecordKey};

use crate::function::Function;
use crate::store::replica_of;

/// A batch in the published form, with these messages: id, group, body.
fn batch(messages: &[(&str, Option<&str>, Value)]) -> Value {
    let sample: Value = serde_json::from_str(include_str!("../events/example-sqs-event.json")).unwrap();
    let message = |(id, group, body): &(&str, Option<&str>, Value)| {
        let mut message = sample["Records"][0].clone();
        message["messageId"] = json!(id);
        message["body"] = body.as_str().map_or_else(|| json!(body.to_string()), |text| json!(text));
        if let Some(group) = group {
            message["attributes"]["MessageGroupId"] = json!(group);
        }
        message
    };
    json!({ "Records": messages.iter().map(message).collect::<Vec<_>>() })
}

fn failures(answer: &Value) -> Vec<&str> {
    answer["batchItemFailures"].as_array().unwrap().iter().map(|one| one["itemIdentifier"].as_str().unwrap()).collect()
}

/// What fails is named, and comes again; the rest is in the store. In a FIFO group nothing overtakes what failed.
#[tokio::test(flavor = "multi_thread")]
async fn messages_fail_one_by_one() {
    let (store, elsewhere) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let function = Function::start(store.path(), &[]).await;
    assert_eq!(function.ask("PUT", "/api/v1/projects/notes", &json!({})).await.0, 201);
    let put = |key: &str| json!({"project": "notes", "records": [{"key": key, "text": key}]});
    let answer = function
        .invoke(&batch(&[
            ("1", None, put("a")),
            ("2", None, json!("no JSON at all")),
            ("3", None, json!({"project": "elsewhere", "records": [{"key": "x"}]})),
            ("4", None, json!({"project": "notes", "records": [{"key": ""}]})),
            ("5", None, json!({"project": "notes", "records": [{"key": "b"}], "delete": ["a"]})),
            ("6", Some("g"), put("c")),
            ("7", Some("g"), json!({"project": "notes"})),
            ("8", Some("g"), put("d")),
            ("9", Some("h"), put("e")),
        ]))
        .await;
    assert!(answer.is_ok());
    assert_eq!(failures(&answer.json()), ["2", "3", "4", "7", "8"]);
    drop(function);
    let replica = replica_of(store.path(), elsewhere.path()).await;
    let project = ProjectName::parse("notes").unwrap();
    let there = |key: &str| replica.get(&project, &RecordKey::parse(key).unwrap()).unwrap().is_some();
    assert_eq!(["a", "b", "c", "d", "e"].map(there), [false, true, true, false, true]);
}
