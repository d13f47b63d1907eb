//! The real binary against a mock of the Lambda Runtime API and a real node as the hub.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "tests")]

use std::collections::VecDeque;
use std::path::PathBuf;
use std::process::{Child, Command};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use serde_json::{Value, json};
use skerry_edge::api::{self, ApiConfig};
use skerry_edge::node::{Node, NodeConfig, SEAL_AFTER};
use tokio::sync::{Notify, oneshot};

/// Events that wait to be taken, and who waits for their answers.
#[derive(Default)]
struct Runtime {
    waiting: Mutex<VecDeque<(String, Value)>>,
    answers: Mutex<std::collections::HashMap<String, oneshot::Sender<Value>>>,
    arrived: Notify,
}

async fn next_invocation(State(runtime): State<Arc<Runtime>>) -> Response {
    loop {
        let next = runtime.waiting.lock().unwrap().pop_front();
        if let Some((id, event)) = next {
            let headers = [
                ("lambda-runtime-aws-request-id", id),
                ("lambda-runtime-deadline-ms", "4102444800000".to_owned()),
                ("lambda-runtime-invoked-function-arn", "arn:aws:lambda:eu:1:function:skerry".to_owned()),
            ];
            return (headers, event.to_string()).into_response();
        }
        runtime.arrived.notified().await;
    }
}

async fn answered(State(runtime): State<Arc<Runtime>>, Path(id): Path<String>, body: String) -> &'static str {
    if let Some(answer) = runtime.answers.lock().unwrap().remove(&id) {
        answer.send(serde_json::from_str(&body).unwrap_or(Value::Null)).ok();
    }
    "{}"
}

async fn listen(router: Router) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    address
}

struct Function {
    child: Child,
    runtime: Arc<Runtime>,
    _data: tempfile::TempDir,
}

impl Drop for Function {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

impl Function {
    async fn start(hub: &str) -> Function {
        let runtime = Arc::new(Runtime::default());
        let router = Router::new()
            .route("/2018-06-01/runtime/invocation/next", get(next_invocation))
            .route("/2018-06-01/runtime/invocation/{id}/response", post(answered))
            .route("/2018-06-01/runtime/invocation/{id}/error", post(answered))
            .with_state(Arc::clone(&runtime));
        let address = listen(router).await;
        let data = tempfile::tempdir().unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_skerry-lambda"));
        command.env("AWS_LAMBDA_RUNTIME_API", address).env("SKERRY_HUB", hub).env("SKERRY_DATA", data.path());
        command.env("SKERRY_COMPONENTS", components()).env("AWS_LAMBDA_FUNCTION_NAME", "skerry");
        command.env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "512").env("AWS_LAMBDA_FUNCTION_VERSION", "1");
        command.env("AWS_LAMBDA_LOG_STREAM_NAME", "s").env("AWS_LAMBDA_LOG_GROUP_NAME", "g").env("SKERRY_LOG", "warn");
        command.env("SKERRY_API_KEY", "key of the function");
        Function { child: command.spawn().unwrap(), runtime, _data: data }
    }

    async fn invoke(&self, event: Value) -> Value {
        let (send, receive) = oneshot::channel();
        let id = format!("{:p}", &raw const event);
        self.runtime.answers.lock().unwrap().insert(id.clone(), send);
        self.runtime.waiting.lock().unwrap().push_back((id, event));
        self.runtime.arrived.notify_one();
        tokio::time::timeout(std::time::Duration::from_mins(1), receive).await.expect("the function answers").unwrap()
    }
}

fn components() -> PathBuf {
    let built = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../target/skerry/components"));
    std::env::var_os("SKERRY_COMPONENTS").map_or(built, PathBuf::from)
}

/// An API Gateway v2 (and function URL) event, in the published form.
fn event_v2(method: &str, path: &str, body: &Value) -> Value {
    json!({
        "version": "2.0", "routeKey": "$default", "rawPath": path, "rawQueryString": "",
        "headers": {"content-type": "application/json", "x-api-key": "key of the function"},
        "requestContext": {
            "accountId": "1", "apiId": "a", "domainName": "a.lambda-url.test", "domainPrefix": "a",
            "http": {"method": method, "path": path, "protocol": "HTTP/1.1", "sourceIp": "127.0.0.1", "userAgent": "t"},
            "requestId": "r", "routeKey": "$default", "stage": "$default", "time": "12/Mar/2020:19:03:58 +0000", "timeEpoch": 1
        },
        "body": body.to_string(), "isBase64Encoded": false
    })
}

fn body(answer: &Value) -> Value {
    serde_json::from_str(answer["body"].as_str().unwrap_or_default()).unwrap_or(Value::Null)
}

/// A function without a key would be open to the world: it does not start.
#[test]
fn a_function_needs_a_key() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_skerry-lambda"));
    let output = command.env("SKERRY_HUB", "http://127.0.0.1:1").env_remove("SKERRY_API_KEY").output().unwrap();
    assert!(!output.status.success());
    assert!(String::from_utf8_lossy(&output.stderr).contains("SKERRY_API_KEY"));
}

/// Cold start, write, query; the write is at the hub when it is acknowledged, and refused when the hub is not there.
#[tokio::test(flavor = "multi_thread")]
async fn a_write_is_acknowledged_by_the_hub() {
    let hub_data = tempfile::tempdir().unwrap();
    let config = NodeConfig {
        data_dir: hub_data.path().to_owned(),
        components_dir: Some(components()),
        embedder_instances: 1,
        seal_after: SEAL_AFTER,
        models_file: None,
        plugins_file: None,
    };
    let hub = Node::open(&config).expect("run `cargo xtask components` first");
    let address = listen(api::router(Arc::clone(&hub), &ApiConfig::default())).await;
    let function = Function::start(&format!("http://{address}")).await;

    let health = function.invoke(event_v2("GET", "/api/v1/health", &Value::Null)).await;
    assert_eq!(health["statusCode"], 200, "{health}");
    let created = function.invoke(event_v2("PUT", "/api/v1/projects/notes", &json!({}))).await;
    assert_eq!(created["statusCode"], 201, "{created}");
    let records =
        json!({"records": [{"key": "tide", "text": "High water at noon"}, {"key": "moon", "text": "A full moon"}]});
    let published = function.invoke(event_v2("POST", "/api/v1/projects/notes/records", &records)).await;
    assert_eq!(published["statusCode"], 200, "{published}");
    let project = skerry_edge::ProjectName::parse("notes").unwrap();
    assert_eq!(hub.replica().version(&project).unwrap().to_string(), body(&published)["version"].as_str().unwrap());

    let question = json!({"text": "when is the sea high", "k": 1});
    let found = function.invoke(event_v2("POST", "/api/v1/projects/notes/query", &question)).await;
    assert_eq!(body(&found)["hits"][0]["key"], "tide", "{found}");

    let lost = Function::start("http://127.0.0.1:1").await;
    let refused = lost.invoke(event_v2("PUT", "/api/v1/projects/notes", &json!({}))).await;
    assert_eq!(
        (refused["statusCode"].as_u64(), body(&refused)["type"].as_str()),
        (Some(502), Some("urn:skerry:problem:peer-failed"))
    );
}
