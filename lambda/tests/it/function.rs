//! A function that runs, with a folder of its own for everything that vanishes with it.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use skerry_lambda_mock::{Answer, RuntimeApi};
use tokio::process::Child;

/// The key that callers over HTTP bring.
pub(crate) const KEY: &str = "key of the function";

/// One instance of the function.
pub(crate) struct Function {
    pub(crate) api: RuntimeApi,
    _child: Child,
    own: tempfile::TempDir,
}

impl Function {
    /// Starts an instance over a store.
    pub(crate) async fn start(store: &Path, more: &[(&str, &str)]) -> Function {
        let api = RuntimeApi::start().await.unwrap();
        let own = tempfile::tempdir().unwrap();
        let (data, temporary) = (own.path().join("replica"), own.path().join("snapshots"));
        let store = format!("file://{}", store.display());
        let components = components();
        let mut environment = vec![
            ("SKERRY_STORE", store.as_str()),
            ("SKERRY_DATA", data.to_str().unwrap()),
            ("SKERRY_TEMPORARY", temporary.to_str().unwrap()),
            ("SKERRY_COMPONENTS", components.to_str().unwrap()),
            ("SKERRY_API_KEY", KEY),
            ("SKERRY_LOG", "warn"),
            ("SKERRY_FRESH_SECONDS", "0"),
            ("SKERRY_EMBED_SECONDS", "60"),
        ];
        environment.extend_from_slice(more);
        let child = api.spawn(Path::new(env!("CARGO_BIN_EXE_skerry-lambda")), &environment).unwrap();
        Function { api, _child: child, own }
    }

    /// The folder that vanishes with the instance.
    pub(crate) fn own(&self) -> &Path {
        self.own.path()
    }

    /// Hands it an event.
    pub(crate) async fn invoke(&self, event: &Value) -> Answer {
        self.api.invoke(event.to_string()).await.expect("the function answers")
    }

    /// Asks its API through a function URL: status and body.
    pub(crate) async fn ask(&self, method: &str, path: &str, body: &Value) -> (u64, Value) {
        let answer = self.invoke(&url_event(method, path, body)).await;
        assert!(answer.is_ok(), "{}", String::from_utf8_lossy(&answer.body));
        let answer = answer.json();
        let body = answer["body"].as_str().unwrap_or_default();
        (answer["statusCode"].as_u64().unwrap(), serde_json::from_str(body).unwrap_or(Value::Null))
    }
}

pub(crate) fn components() -> PathBuf {
    let built = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../target/skerry/components"));
    std::env::var_os("SKERRY_COMPONENTS").map_or(built, PathBuf::from)
}

/// The published sample of a function URL's event, with another request in it.
pub(crate) fn url_event(method: &str, path: &str, body: &Value) -> Value {
    let mut event: Value = serde_json::from_str(include_str!("../events/lambda_function_url_request.json")).unwrap();
    let (path, query) = path.split_once('?').unwrap_or((path, ""));
    event["rawPath"] = json!(path);
    event["rawQueryString"] = json!(query);
    event["requestContext"]["http"]["path"] = json!(path);
    event["requestContext"]["http"]["method"] = json!(method);
    event["headers"]["x-api-key"] = json!(KEY);
    event["headers"]["content-type"] = json!("application/json");
    event["headers"]["x-request-id"] = json!("r");
    event["body"] = if body.is_null() { Value::Null } else { json!(body.to_string()) };
    event
}
