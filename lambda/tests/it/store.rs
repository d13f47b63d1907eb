//! Writes go to the store as chunks, reads come from there: any number of instances, which may vanish at any moment.

use std::path::Path;

use serde_json::{Value, json};
use skerry_central::{CentralStore, LocationOptions, fill};
use skerry_sync::{ProjectName, RecordKey, Replica};

use crate::function::Function;

const P: &str = "/api/v1/projects/notes";

/// What a replica elsewhere finds in the store.
pub(crate) async fn replica_of(store: &Path, folder: &Path) -> Replica {
    let location = format!("file://{}", store.display());
    let central = CentralStore::open(&location, &LocationOptions::default()).unwrap();
    let replica = Replica::open(folder).unwrap();
    fill(&replica, &ProjectName::parse("notes").unwrap(), &central).await.unwrap();
    replica
}

/// An acknowledged write is in the store, whatever becomes of the instance; another instance reads it, and finds it.
#[tokio::test(flavor = "multi_thread")]
async fn a_write_is_in_the_store_when_it_is_acknowledged() {
    let (store, elsewhere) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let first = Function::start(store.path(), &[]).await;
    assert_eq!(first.ask("PUT", P, &json!({})).await.0, 201);
    let records =
        json!({"records": [{"key": "tide", "text": "High water at noon"}, {"key": "moon", "text": "A full moon"}]});
    let (status, published) = first.ask("POST", &format!("{P}/records"), &records).await;
    assert_eq!(status, 200, "{published}");
    drop(first);

    let replica = replica_of(store.path(), elsewhere.path()).await;
    let project = ProjectName::parse("notes").unwrap();
    assert_eq!(replica.version(&project).unwrap().to_string(), published["version"].as_str().unwrap());

    let second = Function::start(store.path(), &[]).await;
    let (_, answer) = second.ask("POST", &format!("{P}/query"), &json!({"text": "when is the sea high", "k": 1})).await;
    assert_eq!((&answer["hits"][0]["key"], &answer["version"]), (&json!("tide"), &published["version"]));
    assert_eq!(answer["vectors_pending"], Value::Null);
    let (_, projects) = second.ask("GET", "/api/v1/projects", &Value::Null).await;
    assert_eq!(projects["projects"][0]["name"], "notes");
    assert_eq!(second.ask("DELETE", &format!("{P}/records/moon"), &Value::Null).await.0, 200);
    drop(second);
    let later = tempfile::tempdir().unwrap();
    let replica = replica_of(store.path(), later.path()).await;
    assert_eq!(replica.get(&project, &RecordKey::parse("moon").unwrap()).unwrap(), None);
}

/// Instances that write at the same time need not know of each other: everything is there in the end, for all of them.
#[tokio::test(flavor = "multi_thread")]
async fn many_instances_write_at_once() {
    let (store, elsewhere) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let mut functions = Vec::new();
    for _ in 0..3 {
        functions.push(Function::start(store.path(), &[]).await);
    }
    assert_eq!(functions[0].ask("PUT", P, &json!({})).await.0, 201);
    // Also a project in which nothing was written yet.
    assert_eq!(functions[1].ask("GET", P, &Value::Null).await.0, 200);
    for round in 0..4 {
        let writes = functions.iter().enumerate().map(|(number, function)| async move {
            let records = json!({"records": [{"key": format!("{number}-{round}"), "text": ""}, {"key": "shared", "data": {number.to_string(): round}}]});
            function.ask("POST", &format!("{P}/records"), &records).await
        });
        for (status, answer) in futures_util::future::join_all(writes).await {
            assert_eq!(status, 200, "{answer}");
        }
    }
    let replica = replica_of(store.path(), elsewhere.path()).await;
    let project = ProjectName::parse("notes").unwrap();
    assert_eq!(replica.project(&project).unwrap().records, 13);
    let mut versions = Vec::new();
    for function in &functions {
        versions.push(function.ask("GET", &format!("{P}/version"), &Value::Null).await.1["version"].clone());
    }
    assert_eq!(versions, vec![json!(replica.version(&project).unwrap().to_string()); 3]);
}

/// A store that cannot be written takes no write, and the caller is told so; reads that would pretend to know are refused as well.
#[tokio::test(flavor = "multi_thread")]
async fn a_failing_store_acknowledges_nothing() {
    let store = tempfile::tempdir().unwrap();
    let function = Function::start(store.path(), &[]).await;
    assert_eq!(function.ask("PUT", P, &json!({})).await.0, 201);
    let first = json!({"records": [{"key": "moon", "text": "A full moon"}]});
    assert_eq!(function.ask("POST", &format!("{P}/records"), &first).await.0, 200);
    // A file where the documents' folder was: nothing can be listed or written below it, not even by root.
    std::fs::rename(store.path().join("documents"), store.path().join("away")).unwrap();
    std::fs::write(store.path().join("documents"), b"").unwrap();
    let record = json!({"records": [{"key": "tide", "text": "High water"}]});
    let (status, problem) = function.ask("POST", &format!("{P}/records"), &record).await;
    assert_eq!((status, &problem["type"]), (503, &json!("urn:skerry:problem:store-failed")), "{problem}");
    std::fs::remove_file(store.path().join("documents")).unwrap();
    std::fs::rename(store.path().join("away"), store.path().join("documents")).unwrap();
    let (status, answer) = function.ask("POST", &format!("{P}/records"), &record).await;
    assert_eq!(status, 200, "{answer}");
}
