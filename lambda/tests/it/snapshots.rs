//! Reads from published snapshots: the same bytes as from a replica, never older than the store, and nothing that nobody signed.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::{Value, json};
use skerry_central::{CentralStore, LocationOptions};
use skerry_host::artefact::Profile;
use skerry_host::keys::SigningKey;
use skerry_hub::bake::{Outcome, Worker, WorkerConfig};
use skerry_sync::ProjectName;

use crate::function::{Function, components, url_event};

const P: &str = "/api/v1/projects/notes";

/// A store with a project, a worker with a key, and the list of keys that functions trust.
struct World {
    dir: tempfile::TempDir,
    worker: Arc<Worker>,
}

impl World {
    async fn new() -> World {
        let dir = tempfile::tempdir().unwrap();
        let (key, trusted) = (dir.path().join("key"), dir.path().join("trusted"));
        let signing = SigningKey::generate().unwrap();
        signing.write(&key).unwrap();
        std::fs::write(&trusted, format!("{}\n", signing.public())).unwrap();
        let location = format!("file://{}", dir.path().join("store").display());
        let store = Arc::new(CentralStore::open(&location, &LocationOptions::default()).unwrap());
        let config = WorkerConfig {
            work_dir: dir.path().join("work"),
            components_dir: Some(components()),
            models_file: None,
            key: Some(key),
            profiles: vec![Profile::here().unwrap()],
            with_model: false,
            without_records: false,
            keep: 3,
        };
        let worker = tokio::task::spawn_blocking(move || Worker::open(store, config)).await.unwrap().unwrap();
        World { dir, worker: Arc::new(worker) }
    }

    fn store(&self) -> PathBuf {
        self.dir.path().join("store")
    }

    async fn bake(&self) {
        let outcome = self.worker.bake(&ProjectName::parse("notes").unwrap()).await.unwrap();
        assert!(matches!(outcome, Outcome::Baked { .. }), "{outcome:?}");
    }

    async fn function(&self) -> Function {
        let trusted = self.dir.path().join("trusted");
        Function::start(&self.store(), &[("SKERRY_TRUSTED_KEYS", trusted.to_str().unwrap())]).await
    }
}

/// Whether the instance has opened a replica.
fn has_replica(function: &Function) -> bool {
    function.own().join("replica").exists()
}

fn records(names: &[&str]) -> Value {
    let record =
        |name: &&str| json!({"key": name, "text": format!("the {name} of the harbour"), "data": {"n": name.len()}});
    json!({ "records": names.iter().map(record).collect::<Vec<_>>() })
}

/// A function answers from the snapshot without a replica, with the bytes that a replica answers.
#[tokio::test(flavor = "multi_thread")]
async fn a_snapshot_answers_like_a_replica() {
    let world = World::new().await;
    let writer = world.function().await;
    assert_eq!(writer.ask("PUT", P, &json!({"description": "Tides"})).await.0, 201);
    assert_eq!(writer.ask("POST", &format!("{P}/records"), &records(&["tide", "moon", "pilot"])).await.0, 200);
    assert!(has_replica(&writer));
    let questions = [
        ("POST", "/query", json!({"text": "moon", "k": 2})),
        ("POST", "/query", json!({"query": "harbour -pilot", "mode": "keyword", "explain": true, "highlight": {}})),
        ("POST", "/query", json!({"text": "x", "k": 0})),
        ("POST", "/query", json!({"filter": {"field": "data.n", "op": "gt", "value": 4}})),
        ("GET", "/records/tide", Value::Null),
        ("GET", "/records/nothing", Value::Null),
        ("GET", "/records?limit=2", Value::Null),
    ];
    let mut expected = Vec::new();
    for (method, path, body) in &questions {
        expected.push(writer.invoke(&url_event(method, &format!("{P}{path}"), body)).await.json());
    }
    world.bake().await;
    let reader = world.function().await;
    for ((method, path, body), expected) in questions.iter().zip(expected) {
        let answer = reader.invoke(&url_event(method, &format!("{P}{path}"), body)).await.json();
        assert_eq!(
            (&answer["statusCode"], &answer["body"]),
            (&expected["statusCode"], &expected["body"]),
            "{path} {body}"
        );
        assert_eq!(answer["headers"]["content-type"], expected["headers"]["content-type"]);
    }
    assert!(!has_replica(&reader), "nothing of that needs a replica");
    // What a snapshot cannot say, the replica does.
    let (status, graph) = reader.ask("POST", &format!("{P}/graph/report"), &json!({})).await;
    assert_eq!((status, &graph["records"]), (200, &json!(3)), "{graph}");
    assert!(has_replica(&reader));
    let mut stranger = url_event("GET", &format!("{P}/records/tide"), &Value::Null);
    stranger["headers"].as_object_mut().unwrap().remove("x-api-key");
    assert_eq!(reader.invoke(&stranger).await.json()["statusCode"], 401);
}

/// What was written after the snapshot is seen at once, by an instance that has never seen the project too; and the replica begins
/// with the snapshot: only what is newer is embedded.
#[tokio::test(flavor = "multi_thread")]
async fn nothing_older_than_the_store_is_answered() {
    let world = World::new().await;
    let writer = world.function().await;
    assert_eq!(writer.ask("PUT", P, &json!({})).await.0, 201);
    assert_eq!(writer.ask("POST", &format!("{P}/records"), &records(&["tide", "moon"])).await.0, 200);
    world.bake().await;
    let reader = world.function().await;
    let question = json!({"text": "lantern", "k": 1});
    assert_eq!(reader.ask("POST", &format!("{P}/query"), &question).await.0, 200);
    assert!(!has_replica(&reader));
    assert_eq!(writer.ask("POST", &format!("{P}/records"), &records(&["lantern"])).await.0, 200);
    for instance in [reader, world.function().await] {
        let (_, answer) = instance.ask("POST", &format!("{P}/query"), &question).await;
        assert_eq!((&answer["hits"][0]["key"], &answer["candidates"]), (&json!("lantern"), &json!(3)), "{answer}");
        let manifest = instance.own().join("replica/index/notes/manifest.json");
        let manifest: Value = serde_json::from_slice(&std::fs::read(manifest).unwrap()).unwrap();
        assert_eq!(manifest["segments"][0]["documents"], 2, "the index began with the snapshot");
    }
    // The next snapshot has it.
    world.bake().await;
    let fresh = world.function().await;
    let (_, answer) = fresh.ask("POST", &format!("{P}/query"), &question).await;
    assert_eq!(answer["hits"][0]["key"], "lantern");
    assert!(!has_replica(&fresh));
}

/// Native code that nobody trusted has signed, or that was changed since, is not loaded: the replica answers.
#[tokio::test(flavor = "multi_thread")]
async fn forged_code_is_not_loaded() {
    let world = World::new().await;
    let writer = world.function().await;
    assert_eq!(writer.ask("PUT", P, &json!({})).await.0, 201);
    assert_eq!(writer.ask("POST", &format!("{P}/records"), &records(&["tide"])).await.0, 200);
    world.bake().await;
    let ask = async |function: &Function| function.ask("POST", &format!("{P}/query"), &json!({"text": "tide"})).await.1;

    let stranger = Function::start(&world.store(), &[]).await;
    assert_eq!(ask(&stranger).await["hits"][0]["key"], "tide");
    assert!(has_replica(&stranger), "nobody's keys are trusted there");

    let code: Vec<PathBuf> = files(&world.store().join("artefacts"));
    let mut bytes = std::fs::read(&code[0]).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&code[0], bytes).unwrap();
    let careful = world.function().await;
    assert_eq!(ask(&careful).await["hits"][0]["key"], "tide");
    assert!(has_replica(&careful), "the changed code was not loaded");
}

fn files(folder: &Path) -> Vec<PathBuf> {
    std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect()
}
