//! HTTP events in every shape, from the samples that the runtime's crates publish.

use serde_json::{Value, json};
use skerry_lambda_mock::RuntimeApi;

use crate::function::{Function, KEY, url_event};

fn sample(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

/// API Gateway in both versions, a function URL and a load balancer in both forms reach the same API, and each is answered in
/// the shape that it expects.
#[tokio::test(flavor = "multi_thread")]
async fn events_of_every_shape_are_answered() {
    let store = tempfile::tempdir().unwrap();
    let function = Function::start(store.path(), &[]).await;
    let path = "/api/v1/projects/p";

    let mut v1 = sample(include_str!("../events/apigw_proxy_request.json"));
    v1["path"] = json!(path);
    v1["httpMethod"] = json!("PUT");
    v1["requestContext"]["httpMethod"] = json!("PUT");
    v1["headers"]["X-Api-Key"] = json!(KEY);
    v1["headers"]["Content-Type"] = json!("application/json");
    v1["multiValueHeaders"] = json!({});
    v1["body"] = json!("{}");
    let answer = function.invoke(&v1).await.json();
    assert_eq!(answer["statusCode"], 201, "{answer}");
    assert!(answer["multiValueHeaders"].is_object(), "{answer}");

    let mut v2 = sample(include_str!("../events/apigw_v2_proxy_request.json"));
    v2["rawPath"] = json!(path);
    v2["requestContext"]["http"]["method"] = json!("GET");
    v2["requestContext"]["http"]["path"] = json!(path);
    v2["rawQueryString"] = json!("");
    v2["headers"] = json!({"X-Api-Key": KEY});
    v2["body"] = Value::Null;
    let answer = function.invoke(&v2).await.json();
    assert_eq!(answer["statusCode"], 200, "{answer}");
    assert_eq!(answer["headers"]["content-type"], "application/json");

    for text in [
        include_str!("../events/alb_request.json"),
        include_str!("../events/example-alb-lambda-target-request-multivalue-headers.json"),
    ] {
        let mut event = sample(text);
        event["path"] = json!(path);
        event["httpMethod"] = json!("GET");
        event["body"] = json!("");
        let refused = function.invoke(&event).await.json();
        assert_eq!(refused["statusCode"], 401, "{refused}");
        assert_eq!(refused["statusDescription"], "401 Unauthorized");
        if event["headers"].is_object() {
            event["headers"]["x-api-key"] = json!(KEY);
        } else {
            event["multiValueHeaders"]["x-api-key"] = json!([KEY]);
        }
        let answer = function.invoke(&event).await.json();
        assert_eq!(answer["statusCode"], 200, "{answer}");
    }

    let (status, health) = function.ask("GET", "/api/v1/health", &Value::Null).await;
    assert_eq!((status, &health["status"]), (200, &json!("ok")));
    let (status, problem) = function.ask("GET", "/nowhere", &Value::Null).await;
    assert_eq!((status, &problem["type"]), (404, &json!("urn:skerry:problem:unknown-path")));
}

/// With the invoke mode `RESPONSE_STREAM` the answer goes out as it comes: status and headers first, then eight zeros, then the body.
#[tokio::test(flavor = "multi_thread")]
async fn answers_are_streamed() {
    let store = tempfile::tempdir().unwrap();
    let function = Function::start(store.path(), &[("SKERRY_STREAMING", "1")]).await;
    let answer = function.invoke(&url_event("GET", "/api/v1/health", &Value::Null)).await;
    assert!(answer.is_streamed);
    let end = answer.body.windows(8).position(|bytes| bytes == [0; 8]).expect("a prelude");
    let prelude: Value = serde_json::from_slice(&answer.body[..end]).unwrap();
    assert_eq!(
        (&prelude["statusCode"], &prelude["headers"]["content-type"]),
        (&json!(200), &json!("application/json"))
    );
    let body: Value = serde_json::from_slice(&answer.body[end + 8..]).unwrap();
    assert_eq!(body["status"], "ok");
}

/// A function without a key would be open to the world, and one without a store would forget: neither starts.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_missing_is_named_at_the_start() {
    for (given, missing) in [("SKERRY_STORE", "SKERRY_API_KEY"), ("SKERRY_API_KEY", "SKERRY_STORE")] {
        let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_skerry-lambda"));
        command
            .env_remove("SKERRY_STORE")
            .env_remove("SKERRY_DATA")
            .env_remove("SKERRY_API_KEY")
            .env(given, "file:///tmp/x");
        let output = command.output().await.unwrap();
        assert!(!output.status.success());
        assert!(String::from_utf8_lossy(&output.stderr).contains(missing), "{missing}");
    }
    // The mock tells a function that does not start from one that does not answer.
    let api = RuntimeApi::start().await.unwrap();
    assert_eq!(api.init_error(), None);
}
