//! Tests of the node: the API in this process, the command line and the server as real processes.
//!
//! The components are built by `cargo xtask components`, which `cargo xtask test` runs first.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, reason = "tests")]

mod api;
mod changes;
mod command_line;
mod components;
mod crash;
mod embed_cli;
mod endpoint;
mod erasure;
mod geometry;
mod geometry_graphs;
mod graph;
mod graph_api;
mod graphql;
mod hub;
mod hybrid;
mod layers;
mod models;
mod plugins;
mod process;
mod reembed;
mod replicas;
mod sealing;
mod search;
mod search_cli;
mod snapshots;
mod sparql;
mod test_hub;
mod versions;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use http_body_util::BodyExt;
use serde_json::{Value, json};
use skerry_edge::api::{ApiConfig, router};
use skerry_edge::node::{Node, NodeConfig, NodeError, SEAL_AFTER};
use skerry_sync::OpenError;
use tower::ServiceExt;

fn components_dir() -> PathBuf {
    let built = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../target/skerry/components"));
    std::env::var_os("SKERRY_COMPONENTS").map_or(built, PathBuf::from)
}

/// A node in this process, over a folder of its own.
struct TestNode {
    router: Router,
    node: Arc<Node>,
    _data: Option<tempfile::TempDir>,
}

impl TestNode {
    fn new() -> TestNode {
        TestNode::with(&ApiConfig::default())
    }

    fn with(config: &ApiConfig) -> TestNode {
        TestNode::open(config, SEAL_AFTER)
    }

    /// A node whose indexes are sealed after so many changes.
    fn sealing_after(changes: usize) -> TestNode {
        TestNode::open(&ApiConfig::default(), changes)
    }

    fn open(config: &ApiConfig, seal_after: usize) -> TestNode {
        let data = tempfile::tempdir().unwrap();
        let node = TestNode::over(data.path(), config, seal_after, None);
        TestNode { _data: Some(data), ..node }
    }

    /// A node over a folder that outlives it, with further models.
    fn at(data: &Path, models: &Value) -> TestNode {
        let file = data.join("models.json");
        std::fs::write(&file, models.to_string()).unwrap();
        TestNode::over(data, &ApiConfig::default(), SEAL_AFTER, Some(file))
    }

    fn over(data: &Path, config: &ApiConfig, seal_after: usize, models_file: Option<PathBuf>) -> TestNode {
        let node_config = NodeConfig {
            data_dir: data.to_owned(),
            components_dir: Some(components_dir()),
            embedder_instances: 2,
            seal_after,
            models_file,
            plugins_file: None,
        };
        TestNode::configured(&node_config, config)
    }

    /// A node over a folder that outlives it, with plugins.
    fn with_plugins(data: &Path, plugins: &Value) -> TestNode {
        let file = data.join("plugins.json");
        std::fs::write(&file, plugins.to_string()).unwrap();
        let node_config = NodeConfig {
            data_dir: data.to_owned(),
            components_dir: Some(components_dir()),
            embedder_instances: 2,
            seal_after: SEAL_AFTER,
            models_file: None,
            plugins_file: Some(file),
        };
        TestNode::configured(&node_config, &ApiConfig::default())
    }

    fn configured(node_config: &NodeConfig, config: &ApiConfig) -> TestNode {
        // A node before it may still be finishing a page in the background.
        let deadline = std::time::Instant::now() + Duration::from_secs(30);
        let node = loop {
            match Node::open(node_config) {
                Err(NodeError::Open(OpenError::InUse { .. })) if std::time::Instant::now() < deadline => {
                    std::thread::sleep(Duration::from_millis(20));
                }
                opened => break opened.expect("run `cargo xtask components` first"),
            }
        };
        TestNode { router: router(Arc::clone(&node), config), node, _data: None }
    }

    /// Asks for the project until it is as wanted.
    async fn until(&self, project: &str, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        let asked = async {
            loop {
                let status = self.call("GET", "/status", &Value::Null).await.1;
                let projects = status["projects"].as_array().unwrap();
                let found = projects.iter().find(|one| one["name"] == project).cloned().unwrap_or_default();
                if wanted(&found) {
                    break found;
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(Duration::from_mins(1), asked).await.expect(what)
    }

    /// Waits until the first project has a sealed segment and none is being made.
    async fn sealed(&self) {
        let sealed = async {
            loop {
                let project = &self.call("GET", "/status", &Value::Null).await.1["projects"][0];
                let segments = project["segments"].as_array().map_or(0, Vec::len);
                if segments > 1 && project["sealing"] == false {
                    break;
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(Duration::from_mins(2), sealed).await.expect("a segment is sealed");
    }

    async fn raw(&self, method: &str, path: &str, headers: &[(&str, &str)], body: Vec<u8>) -> (u16, Vec<u8>) {
        let mut request = http::Request::builder().method(method).uri(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let response = self.router.clone().oneshot(request.body(Body::from(body)).unwrap()).await.unwrap();
        let status = response.status().as_u16();
        (status, response.into_body().collect().await.unwrap().to_bytes().to_vec())
    }

    /// A JSON request; the path is below `/api/v1`.
    async fn call(&self, method: &str, path: &str, body: &Value) -> (u16, Value) {
        let bytes = if body.is_null() { Vec::new() } else { body.to_string().into_bytes() };
        self.call_text(method, path, bytes).await
    }

    async fn call_text(&self, method: &str, path: &str, body: Vec<u8>) -> (u16, Value) {
        let headers = [("content-type", "application/json")];
        let (status, bytes) = self.raw(method, &format!("/api/v1{path}"), &headers, body).await;
        (status, serde_json::from_slice(&bytes).unwrap_or(Value::Null))
    }

    /// The type of the problem that a request is answered with, and its status.
    async fn refused(&self, method: &str, path: &str, body: &Value) -> (u16, String) {
        let (status, problem) = self.call(method, path, body).await;
        assert_eq!(problem["status"], status, "{problem}");
        assert!(problem["detail"].as_str().is_some_and(|detail| !detail.is_empty()), "{problem}");
        assert!(problem["request_id"].is_string(), "{problem}");
        (status, problem["type"].as_str().unwrap().trim_start_matches("urn:skerry:problem:").to_owned())
    }

    /// A project `p` with three records.
    async fn fill(&self) {
        assert_eq!(self.call("PUT", "/projects/p", &json!({})).await.0, 201);
        let records = json!({"records": [
            {"key": "tide", "text": "High water at noon", "data": {"height": 3.2, "place": {"name": "Tobermory"}}, "layers": ["sea"]},
            {"key": "moon", "text": "The full moon rises", "data": {"height": 384_400, "tags": ["night", "sky"]}},
            {"key": "bread", "text": "Knead flour and yeast", "metadata": {"source": "book"}},
        ]});
        let (status, answer) = self.call("POST", "/projects/p/records", &records).await;
        assert_eq!((status, &answer["changed"]), (200, &json!(3)), "{answer}");
    }
}
