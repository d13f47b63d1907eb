//! Which model a project has, which models a node has, and that vectors of two never meet.

use std::fs;

use serde_json::{Value, json};
use skerry_edge::node::{Node, NodeConfig, SEAL_AFTER};

use crate::process::{Server, fails, ok, skerry};
use crate::{TestNode, components_dir};

/// A list of models with a component of ours in the part of somebody else's.
fn mine() -> Value {
    json!({"models": {"mine": {"component": components_dir().join("embedding-simd128.wasm")}}})
}

async fn model(node: &TestNode, name: &str) -> Value {
    let listed = node.call("GET", "/models", &Value::Null).await.1;
    let models = listed["models"].as_array().unwrap();
    models.iter().find(|model| model["name"] == name).unwrap_or_else(|| panic!("{name}: {listed}")).clone()
}

/// A component that the operator gives is a model like any other, with an identity of its own.
#[tokio::test]
async fn a_given_component_embeds() {
    let data = tempfile::tempdir().unwrap();
    let node = TestNode::at(data.path(), &mine());
    let (status, project) = node.call("PUT", "/projects/q", &json!({"model": "mine"})).await;
    assert_eq!((status, &project["model"]["name"]), (201, &json!("mine")), "{project}");
    node.fill().await;
    let records = node.call("GET", "/projects/p/records", &Value::Null).await.1;
    assert_eq!(node.call("POST", "/projects/q/records", &json!({"records": records["records"]})).await.0, 200);
    let query = json!({"text": "when is the sea high", "mode": "vector"});
    let hits = |answer: &Value| answer["hits"].clone();
    let ours = node.call("POST", "/projects/p/query", &query).await.1;
    let theirs = node.call("POST", "/projects/q/query", &query).await.1;
    assert_eq!(hits(&theirs)[0]["key"], "tide");
    assert_eq!(hits(&ours), hits(&theirs));
    let (default, mine) = (model(&node, "all-MiniLM-L6-v2").await, model(&node, "mine").await);
    assert_eq!(
        (&default["kind"], &default["default"], &mine["kind"], &mine["usable"]),
        (&json!("built-in"), &json!(true), &json!("component"), &json!(true))
    );
    assert_ne!(default["id"], mine["id"]);
    assert_eq!((&mine["dimensions"], &mine["tokens_max"]), (&json!(384), &json!(256)));
}

/// What is no model is refused before it runs, and says what is wrong with it; the node serves on.
#[tokio::test]
async fn what_is_no_model_is_refused() {
    let data = tempfile::tempdir().unwrap();
    let nonsense = data.path().join("nonsense.wasm");
    fs::write(&nonsense, b"not wasm").unwrap();
    let component = |file: &str| json!({"component": components_dir().join(file)});
    let models = json!({"models": {
        "gateway": component("gateway.wasm"),
        "query": component("query.wasm"),
        "unbaked": component("unbaked/embedding.wasm"),
        "gone": component("gone.wasm"),
        "small": {"component": components_dir().join("embedding-simd128.wasm"), "memory_mib": 16},
        "nonsense": {"component": nonsense},
    }});
    let node = TestNode::at(data.path(), &models);
    for (name, says) in [
        ("gateway", "a model is a pure function and imports nothing"),
        ("query", "is no model: it exports skerry:query/documents@0.1.0"),
        ("unbaked", "not baked with weights"),
        ("gone", "cannot read"),
        ("small", "bytes of memory that it may use"),
        ("nonsense", "not a WebAssembly component"),
    ] {
        let found = model(&node, name).await;
        assert_eq!(found["usable"], false);
        assert!(found["reason"].as_str().unwrap().contains(says), "{found}");
        let refused = node.refused("PUT", "/projects/p", &json!({"model": name})).await;
        assert_eq!(refused, (503, "model-unavailable".to_owned()));
    }
    node.fill().await;
    assert_eq!(node.refused("PUT", "/projects/q", &json!({"model": "none"})).await, (422, "unknown-model".to_owned()));
    // Built in, as far as the components were built with it.
    let small = model(&node, "all-MiniLM-L6-v2-static").await;
    if small["usable"] == false {
        assert!(small["reason"].as_str().unwrap().contains("cargo xtask components"), "{small}");
        return;
    }
    assert_eq!(node.call("PUT", "/projects/s", &json!({"model": "all-MiniLM-L6-v2-static"})).await.0, 201);
    let records = node.call("GET", "/projects/p/records", &Value::Null).await.1;
    assert_eq!(node.call("POST", "/projects/s/records", &json!({"records": records["records"]})).await.0, 200);
    let answer = node.call("POST", "/projects/s/query", &json!({"text": "flour and yeast", "mode": "vector"})).await.1;
    assert_eq!(answer["hits"][0]["key"], "bread", "{answer}");
}

/// Vectors of two models never meet: every way to mix them is refused, by name.
#[tokio::test]
async fn models_are_not_mixed() {
    let data = tempfile::tempdir().unwrap();
    let node = TestNode::at(data.path(), &mine());
    node.fill().await;
    let (status, problem) = node.call("PUT", "/projects/p", &json!({"model": "mine"})).await;
    assert_eq!((status, problem["type"].as_str()), (409, Some("urn:skerry:problem:model-mismatch")), "{problem}");
    assert_eq!(problem["model"], "all-MiniLM-L6-v2");
    assert!(problem["detail"].as_str().unwrap().contains("/projects/p/reembed"), "{problem}");
    assert_eq!(node.refused("PUT", "/projects/p", &json!({"chunk_tokens": 64})).await.0, 409);
    // The same in other words is no change.
    assert_eq!(
        node.call("PUT", "/projects/p", &json!({"model": "all-MiniLM-L6-v2", "chunk_tokens": 256})).await.0,
        200
    );
    let (status, problem) = node.call("POST", "/projects/p/query", &json!({"vector": [1, 2, 3]})).await;
    assert_eq!((status, problem["type"].as_str()), (400, Some("urn:skerry:problem:invalid-query")));
    assert_eq!((&problem["model"], &problem["dimensions"]), (&json!("all-MiniLM-L6-v2"), &json!(384)), "{problem}");
    let vector = |model: &str| json!({"vector": vec![0.1; 384], "model": model});
    let refused = node.refused("POST", "/projects/p/query", &vector("mine")).await;
    assert_eq!(refused, (409, "model-mismatch".to_owned()));
    let id = model(&node, "all-MiniLM-L6-v2").await["id"].as_str().unwrap().to_owned();
    for name in ["all-MiniLM-L6-v2", &id] {
        assert_eq!(node.call("POST", "/projects/p/query", &vector(name)).await.0, 200, "{name}");
    }
    // Chunks that the model cannot take, or nobody.
    for body in
        [json!({"chunk_tokens": 257}), json!({"chunk_tokens": 7}), json!({"chunk_tokens": 64, "chunk_overlap": 32})]
    {
        assert_eq!(node.refused("PUT", "/projects/q", &body).await, (422, "invalid-body".to_owned()), "{body}");
    }
    // Without records there is nothing to mix.
    assert_eq!(node.call("PUT", "/projects/q", &json!({})).await.0, 201);
    let (status, project) = node.call("PUT", "/projects/q", &json!({"model": "mine", "chunk_tokens": 64})).await;
    assert_eq!(status, 200, "{project}");
    node.until("q", "an empty project changes at once", |project| project["model"]["name"] == "mine").await;
    let project = node.call("GET", "/projects/q", &Value::Null).await.1;
    assert_eq!(project["chunking"], json!({"tokens": 64, "overlap": 31}));
}

/// A list that cannot be read stops the start and names its place.
#[test]
fn a_bad_list_of_models_is_named() {
    let data = tempfile::tempdir().unwrap();
    let file = data.path().join("models.json");
    fs::write(&file, r#"{"models": {"a": {"endpoint": "https://x", "model": "m", "dimension": 3}}}"#).unwrap();
    let config = NodeConfig {
        data_dir: data.path().join("data"),
        components_dir: Some(components_dir()),
        embedder_instances: 1,
        seal_after: SEAL_AFTER,
        models_file: Some(file.clone()),
        plugins_file: None,
    };
    let error = Node::open(&config).unwrap_err().to_string();
    assert!(
        error.contains(file.to_str().unwrap()) && error.contains("models.a") && error.contains("dimension"),
        "{error}"
    );
    let complaint = fails(&data.path().join("data"), &["--models", "/nowhere/models.json", "models"]);
    assert!(complaint.contains("/nowhere/models.json"), "{complaint}");
}

/// A project whose model this node does not have loses nothing here: words find its records, vectors are refused by the model's
/// name, and with the model there the rest comes.
#[tokio::test(flavor = "multi_thread")]
async fn a_project_may_name_a_model_that_is_not_here() {
    let (there, here) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let file = there.path().join("models.json");
    fs::write(&file, mine().to_string()).unwrap();
    let mut command = skerry();
    command.arg("--data").arg(there.path()).arg("--models").arg(&file).args(["serve", "--listen", "127.0.0.1:0"]);
    let server = Server::spawn(command);
    server.request("PUT", "/projects/p", Some(&json!({"model": "mine"}))).unwrap();
    let record = json!({"records": [{"key": "tide", "text": "High water at noon"}]});
    assert_eq!(server.request("POST", "/projects/p/records", Some(&record)).unwrap().0, 200);

    let node = TestNode::at(here.path(), &json!({}));
    assert_eq!(node.call("POST", "/sync", &json!({"url": server.url})).await.0, 200);
    let project = node.call("GET", "/projects/p", &Value::Null).await.1;
    assert_eq!((&project["model"]["name"], &project["model"]["id"]), (&json!("mine"), &Value::Null), "{project}");
    assert!(project["model"]["unavailable"].as_str().unwrap().contains("not configured here"), "{project}");
    let (status, answer) = node.call("POST", "/projects/p/query", &json!({"text": "water"})).await;
    assert_eq!((status, &answer["hits"][0]["key"]), (200, &json!("tide")));
    assert!(answer["vectors_unavailable"].as_str().unwrap().contains("`mine`"), "{answer}");
    let asked = json!({"text": "water", "mode": "vector"});
    let (status, problem) = node.call("POST", "/projects/p/query", &asked).await;
    assert_eq!((status, problem["type"].as_str()), (503, Some("urn:skerry:problem:model-unavailable")), "{problem}");
    let more = json!({"records": [{"key": "moon", "text": "The full moon rises"}]});
    assert_eq!(node.call("POST", "/projects/p/records", &more).await.0, 200);
    drop(node);
    let node = TestNode::at(here.path(), &mine());
    node.node.warm_up();
    node.until("p", "the vectors come", |project| project["vectors_pending"] == 0).await;
    let answer = node.call("POST", "/projects/p/query", &asked).await.1;
    assert_eq!((&answer["hits"][0]["key"], answer["hits"].as_array().unwrap().len()), (&json!("tide"), 2));
}

/// The commands around models.
#[test]
fn models_on_the_command_line() {
    let data = tempfile::tempdir().unwrap();
    let data = data.path();
    let file = data.join("models.json");
    fs::write(&file, mine().to_string()).unwrap();
    let with = |arguments: &[&'static str]| {
        let file = file.to_str().unwrap().to_owned();
        let all = [&["--models", &file], arguments].concat();
        ok(data, &all)
    };
    let listed = with(&["models"]);
    assert!(listed.contains("all-MiniLM-L6-v2 (default)") && listed.contains("mine"), "{listed}");
    with(&["publish", "--key", "tide", "--text", "High water at noon"]);
    let changed = with(&["reembed", "--model", "mine", "--chunk-tokens", "64"]);
    assert!(changed.contains("the model mine (384 dimensions), chunks of 64 tokens, 31 shared"), "{changed}");
    assert!(with(&["status"]).contains("mine"));
    let found: Value = serde_json::from_str(&with(&["--json", "query", "sea level", "--mode", "vector"])).unwrap();
    assert_eq!(found["hits"][0]["key"], "tide");
    assert!(ok(data, &["status"]).contains("mine (not here)"));
    assert!(fails(data, &["create", "-p", "q", "--model", "none"]).contains("This node has no model `none`"));
    let created = with(&["create", "-p", "q", "--model", "mine", "--description", "about the sea"]);
    assert!(created.contains("the project q is there, with the model mine"), "{created}");
}
