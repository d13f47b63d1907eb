//! The HTTP API: the main path, and a clear problem for every mistake, with nothing stored.

use serde_json::{Value, json};
use skerry_edge::api::{ApiConfig, description};
use skerry_edge::auth::ApiKeys;

use crate::TestNode;

const OCTETS: &[(&str, &str)] = &[("content-type", "application/octet-stream")];

/// Publish, get, list, query in three modes, delete: each sees what was done before it.
#[tokio::test]
async fn the_main_path() {
    let node = TestNode::new();
    node.fill().await;
    let (_, record) = node.call("GET", "/projects/p/records/tide", &Value::Null).await;
    assert_eq!(record["data"]["place"]["name"], "Tobermory");
    for (mode, text, expected) in
        [("hybrid", "when is the sea high", "tide"), ("vector", "baking", "bread"), ("keyword", "moons", "moon")]
    {
        let (status, answer) =
            node.call("POST", "/projects/p/query", &json!({"text": text, "mode": mode, "k": 1})).await;
        assert_eq!((status, &answer["hits"][0]["key"]), (200, &json!(expected)), "{answer}");
        assert_eq!(answer["hits"][0]["record"]["key"], expected);
    }
    let (_, page) = node.call("GET", "/projects/p/records?limit=2", &Value::Null).await;
    assert_eq!((page["records"].as_array().unwrap().len(), &page["next"]), (2, &json!("moon")));
    let (_, page) = node.call("GET", "/projects/p/records?limit=2&after=moon", &Value::Null).await;
    assert_eq!((page["records"][0]["key"].as_str(), &page["next"]), (Some("tide"), &Value::Null));
    assert_eq!(node.call("DELETE", "/projects/p/records/tide", &Value::Null).await.0, 200);
    assert_eq!(node.refused("GET", "/projects/p/records/tide", &Value::Null).await, (404, "unknown-record".into()));
    assert_eq!(node.refused("DELETE", "/projects/p/records/tide", &Value::Null).await.0, 404);
    let (_, answer) = node.call("POST", "/projects/p/query", &json!({"text": "high water noon"})).await;
    assert!(answer["hits"].as_array().unwrap().iter().all(|hit| hit["key"] != "tide"), "{answer}");
    let (_, version) = node.call("GET", "/projects/p/version", &Value::Null).await;
    assert_eq!(version["version"].as_str().unwrap().len(), 64);
    let (_, status) = node.call("GET", "/status", &Value::Null).await;
    assert_eq!((&status["projects"][0]["records"], &status["projects"][0]["vectors_pending"]), (&json!(2), &json!(0)));
}

/// Filters narrow every kind of query; alone they list in the order of the keys.
#[tokio::test]
async fn filters_narrow() {
    let node = TestNode::new();
    node.fill().await;
    let keys = async |filter: Value| -> Vec<String> {
        let (status, answer) = node.call("POST", "/projects/p/query", &json!({ "filter": filter })).await;
        assert_eq!(status, 200, "{answer}");
        answer["hits"].as_array().unwrap().iter().map(|hit| hit["key"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(keys(json!({"field": "data.height", "op": "gt", "value": 3})).await, ["moon", "tide"]);
    assert_eq!(keys(json!({"field": "data.tags", "value": "sky"})).await, ["moon"]);
    assert_eq!(keys(json!({"not": {"field": "layer", "value": "sea"}})).await, ["bread", "moon"]);
    assert_eq!(keys(json!({"any": [{"field": "key", "op": "prefix", "value": "b"}, {"field": "metadata.source", "op": "exists"}]})).await, ["bread"]);
    assert_eq!(keys(json!({"field": "data.place.name", "op": "in", "value": ["Oban", "Tobermory"]})).await, ["tide"]);
    assert_eq!(keys(json!({"field": "data.absent", "op": "exists"})).await, [] as [&str; 0]);
    let (_, answer) = node
        .call("POST", "/projects/p/query", &json!({"text": "noon", "filter": {"field": "key", "value": "bread"}}))
        .await;
    assert_eq!((answer["candidates"].as_u64(), answer["hits"][0]["key"].as_str()), (Some(1), Some("bread")));
}

/// Broken JSON, wrong types, unknown members: where the fault is, and nothing stored.
#[tokio::test]
async fn bad_bodies_are_explained() {
    let node = TestNode::new();
    node.fill().await;
    let version = node.call("GET", "/projects/p/version", &Value::Null).await.1;
    let post = "/projects/p/records";
    let (status, problem) = node.call_text("POST", post, b"{\"records\": [{\"key\": \"a\",}]}".to_vec()).await;
    assert_eq!((status, &problem["line"], &problem["column"]), (400, &json!(1), &json!(26)), "{problem}");
    let (status, problem) = node.call("POST", post, &json!({"records": [{"key": "a"}, {"key": 7}]})).await;
    assert_eq!((status, problem["path"].as_str()), (422, Some("records[1].key")));
    for body in [
        json!([]),
        json!({"records": {}}),
        json!({"records": [{"text": "no key"}]}),
        json!({"records": [{"key": "a", "extra": 1}]}),
    ] {
        assert_eq!(node.refused("POST", post, &body).await, (422, "invalid-body".into()), "{body}");
    }
    assert_eq!(node.call_text("POST", post, b"{\"records\": [{\"key\": \"\xff\"}]}".to_vec()).await.0, 400);
    assert_eq!(
        node.call_text("POST", post, b"{\"records\": [{\"key\":\"a\",\"data\":{\"n\":1e999}}]}".to_vec()).await.0,
        400
    );
    let deep = format!("{{\"records\":[{{\"key\":\"a\",\"data\":{}{}}}]}}", "{\"a\":".repeat(5_000), "}".repeat(5_000));
    assert_eq!(node.call_text("POST", post, deep.into_bytes()).await.0, 400);
    let (status, _) =
        node.raw("POST", "/api/v1/projects/p/records", &[("content-type", "text/plain")], b"{}".to_vec()).await;
    assert_eq!(status, 415);
    assert_eq!(node.call("GET", "/projects/p/version", &Value::Null).await.1, version);
}

/// Keys and sizes: each bad record is named with its position, and the good ones beside it are not stored.
#[tokio::test]
async fn bad_records_are_named() {
    let node = TestNode::new();
    node.fill().await;
    let long_key = "k".repeat(513);
    for (record, says) in [
        (json!({"key": ""}), "empty"),
        (json!({"key": "a\u{1f}b"}), "must not contain"),
        (json!({"key": "line\nbreak"}), "must not contain"),
        (json!({"key": long_key}), "at most 512 bytes"),
        (json!({"key": "large", "text": "x".repeat(10 << 20)}), "at most 1048576"),
        (json!({"key": "data", "data": {"a": "x".repeat(300_000)}}), "as JSON"),
        (json!({"key": "link", "links": [{"type": "t", "members": []}]}), "no members"),
    ] {
        let (status, problem) =
            node.call("POST", "/projects/p/records", &json!({"records": [{"key": "good"}, record]})).await;
        assert_eq!((status, problem["type"].as_str()), (422, Some("urn:skerry:problem:invalid-record")), "{says}");
        assert_eq!(problem["errors"][0]["index"], 1);
        assert!(problem["detail"].as_str().unwrap().contains(says), "{}", problem["detail"]);
    }
    assert_eq!(node.refused("GET", "/projects/p/records/good", &Value::Null).await.0, 404);
    // An empty text is no mistake: such a record is found by key and filter.
    let empty = json!({"records": [{"key": "empty", "text": ""}]});
    assert_eq!(node.call("POST", "/projects/p/records", &empty).await.0, 200);
    let (_, answer) = node.call("POST", "/projects/p/query", &json!({"text": "anything"})).await;
    assert!(answer["hits"].as_array().unwrap().iter().all(|hit| hit["key"] != "empty"));
}

/// Queries of 0 and of 100,000 characters, bad vectors, bad counts, bad filters.
#[tokio::test]
async fn bad_queries_are_explained() {
    let node = TestNode::new();
    node.fill().await;
    let refused = async |body: Value| node.refused("POST", "/projects/p/query", &body).await;
    let invalid = (400, "invalid-query".to_owned());
    for body in [
        json!({}),
        json!({"text": ""}),
        json!({"text": "   "}),
        json!({"text": "x".repeat(100_000)}),
        json!({"text": "a", "k": 0}),
        json!({"text": "a", "k": 1_000_000_000}),
        json!({"vector": vec![0.0; 384]}),
        json!({"vector": [1.0, 2.0]}),
        json!({"text": "a", "mode": "keyword", "vector": vec![0.1; 384]}),
        json!({"text": "a", "fusion": {"convex": {"vector_weight": 2}}}),
        json!({"text": "a", "filter": {"field": "data.height", "op": "like", "value": 1}}),
        json!({"text": "a", "filter": 7}),
    ] {
        let kind = refused(body.clone()).await;
        assert_eq!(kind, invalid, "{}", body.to_string().chars().take(80).collect::<String>());
    }
    // JSON has no NaN and no infinity: as null it is a wrong type, beyond the range it is no number.
    assert_eq!(refused(json!({"vector": vec![1e39; 384]})).await, (400, "malformed-json".into()));
    assert_eq!(refused(json!({"vector": vec![Value::Null; 384]})).await, (422, "invalid-body".into()));
    assert_eq!(refused(json!({"text": "a", "mode": "fuzzy"})).await, (422, "invalid-body".into()));
    assert_eq!(refused(json!({"text": "a", "k": -1})).await, (422, "invalid-body".into()));
    let (status, problem) = node
        .call("POST", "/projects/p/query", &json!({"text": "a", "filter": {"field": "data.heigth", "value": 1}}))
        .await;
    assert_eq!((status, problem["type"].as_str()), (400, Some("urn:skerry:problem:unknown-field")));
    assert_eq!(problem["similar"], "data.height");
    assert_eq!(
        refused(json!({"text": "a", "filter": {"field": "severity", "value": 1}})).await,
        (400, "unknown-field".into())
    );
    // After all that the index still answers.
    assert_eq!(node.call("POST", "/projects/p/query", &json!({"text": "noon"})).await.0, 200);
}

/// Unknown things, wrong methods, names that are none.
#[tokio::test]
async fn unknown_things_are_told_apart() {
    let node = TestNode::new();
    let query = json!({"text": "a"});
    assert_eq!(node.refused("POST", "/projects/none/query", &query).await, (404, "unknown-project".into()));
    assert_eq!(
        node.refused("POST", "/projects/none/records", &json!({"records": []})).await,
        (404, "unknown-project".into())
    );
    assert_eq!(node.refused("GET", "/projects/none", &Value::Null).await, (404, "unknown-project".into()));
    assert_eq!(node.refused("GET", "/projects/none/version", &Value::Null).await, (404, "unknown-project".into()));
    assert_eq!(node.refused("PUT", "/projects/Not%20A%20Name", &json!({})).await, (400, "invalid-name".into()));
    assert_eq!(node.refused("GET", "/nothing", &Value::Null).await, (404, "unknown-path".into()));
    assert_eq!(node.refused("PATCH", "/projects", &Value::Null).await, (405, "method-not-allowed".into()));
    node.fill().await;
    assert_eq!(
        node.refused("GET", "/projects/p/records?limit=0", &Value::Null).await,
        (400, "invalid-parameter".into())
    );
    assert_eq!(
        node.refused("GET", "/projects/p/records?limit=x", &Value::Null).await,
        (400, "invalid-parameter".into())
    );
    let many: Vec<Value> = (0..10_001).map(|n| json!({"key": n.to_string()})).collect();
    assert_eq!(
        node.refused("POST", "/projects/p/records", &json!({"records": many})).await,
        (413, "body-too-large".into())
    );
}

/// A sync body cut short, flipped, or of another project is refused and changes nothing.
#[tokio::test]
async fn bad_sync_bodies_are_refused() {
    let node = TestNode::new();
    node.fill().await;
    let data = tempfile::tempdir().unwrap();
    let other = skerry_sync::Replica::open(data.path()).unwrap();
    let project = skerry_sync::ProjectName::parse("p").unwrap();
    let request = other.session(&project).next_request().unwrap().unwrap();
    let before = node.call("GET", "/projects/p/version", &Value::Null).await;
    let exchange = async |path: &str, body: Vec<u8>| {
        let (status, bytes) = node.raw("POST", path, OCTETS, body).await;
        let problem: Value = serde_json::from_slice(&bytes).unwrap_or_default();
        (status, problem["type"].as_str().unwrap_or_default().to_owned())
    };
    let damaged = (400, "urn:skerry:problem:damaged-exchange".to_owned());
    assert_eq!(exchange("/api/v1/projects/p/sync", request[..request.len() - 1].to_vec()).await, damaged);
    let mut flipped = request.clone();
    flipped[20] ^= 4;
    assert_eq!(exchange("/api/v1/projects/p/sync", flipped).await, damaged);
    assert_eq!(exchange("/api/v1/projects/p/sync", Vec::new()).await, damaged);
    let foreign = (409, "urn:skerry:problem:foreign-exchange".to_owned());
    assert_eq!(exchange("/api/v1/projects/q/sync", request.clone()).await, foreign);
    assert_eq!(exchange("/api/v1/projects/p/sync", request).await.0, 200);
    assert_eq!(node.call("GET", "/projects/p/version", &Value::Null).await, before);
}

/// With a key, nothing but the health answers without it; without one, a foreign Host header is refused.
#[tokio::test]
async fn keys_close_the_node() {
    let closed = TestNode::with(&ApiConfig { api_keys: ApiKeys::new(["open sesame"]) });
    let status = async |path: &str, headers: &[(&str, &str)]| closed.raw("GET", path, headers, Vec::new()).await.0;
    assert_eq!(status("/api/v1/projects", &[]).await, 401);
    assert_eq!(status("/api/v1/projects", &[("authorization", "Bearer wrong")]).await, 401);
    assert_eq!(status("/api/v1/projects", &[("authorization", "Bearer open sesame")]).await, 200);
    assert_eq!(status("/api/v1/projects", &[("x-api-key", "open sesame"), ("host", "example.com")]).await, 200);
    assert_eq!(status("/api/v1/health", &[]).await, 200);
    let open = TestNode::new();
    let rebound = open.raw("GET", "/api/v1/projects", &[("host", "evil.example")], Vec::new()).await;
    assert_eq!(rebound.0, 403);
    assert_eq!(open.raw("GET", "/api/v1/projects", &[("host", "127.0.0.1:8787")], Vec::new()).await.0, 200);
}

/// The description names every path that the router serves, and no other.
#[tokio::test]
async fn the_description_is_the_router() {
    let node = TestNode::new();
    let (status, served) = node.call("GET", "/openapi.json", &Value::Null).await;
    assert_eq!((status, served), (200, serde_json::to_value(description()).unwrap()));
    let paths: Vec<String> = description().paths.paths.keys().cloned().collect();
    let expected = [
        "/api/v1/health",
        "/api/v1/models",
        "/api/v1/plugins",
        "/api/v1/projects",
        "/api/v1/projects/{project}",
        "/api/v1/projects/{project}/changes",
        "/api/v1/projects/{project}/charts",
        "/api/v1/projects/{project}/charts/{name}",
        "/api/v1/projects/{project}/compact",
        "/api/v1/projects/{project}/deletions",
        "/api/v1/projects/{project}/duplicates",
        "/api/v1/projects/{project}/erase",
        "/api/v1/projects/{project}/geometry/anomalies",
        "/api/v1/projects/{project}/geometry/anomalies/plot",
        "/api/v1/projects/{project}/geometry/cloud",
        "/api/v1/projects/{project}/geometry/communities",
        "/api/v1/projects/{project}/geometry/curvature",
        "/api/v1/projects/{project}/geometry/distances",
        "/api/v1/projects/{project}/geometry/embedding",
        "/api/v1/projects/{project}/geometry/hypergraph",
        "/api/v1/projects/{project}/geometry/interpolate",
        "/api/v1/projects/{project}/geometry/mean",
        "/api/v1/projects/{project}/geometry/multilayer",
        "/api/v1/projects/{project}/geometry/neighbours",
        "/api/v1/projects/{project}/geometry/outliers",
        "/api/v1/projects/{project}/geometry/series/dtw",
        "/api/v1/projects/{project}/geometry/series/trajectory",
        "/api/v1/projects/{project}/geometry/spectral",
        "/api/v1/projects/{project}/graph/ancestors",
        "/api/v1/projects/{project}/graph/centrality",
        "/api/v1/projects/{project}/graph/common-ancestors",
        "/api/v1/projects/{project}/graph/components",
        "/api/v1/projects/{project}/graph/cycles",
        "/api/v1/projects/{project}/graph/depth",
        "/api/v1/projects/{project}/graph/descendants",
        "/api/v1/projects/{project}/graph/incidence",
        "/api/v1/projects/{project}/graph/metapath",
        "/api/v1/projects/{project}/graph/neighbours",
        "/api/v1/projects/{project}/graph/path",
        "/api/v1/projects/{project}/graph/pattern",
        "/api/v1/projects/{project}/graph/reach",
        "/api/v1/projects/{project}/graph/report",
        "/api/v1/projects/{project}/graph/roots",
        "/api/v1/projects/{project}/graphql",
        "/api/v1/projects/{project}/graphql/schema",
        "/api/v1/projects/{project}/layers",
        "/api/v1/projects/{project}/layers/overlaps",
        "/api/v1/projects/{project}/layers/query",
        "/api/v1/projects/{project}/layers/{name}",
        "/api/v1/projects/{project}/layers/{name}/add",
        "/api/v1/projects/{project}/layers/{name}/remove",
        "/api/v1/projects/{project}/query",
        "/api/v1/projects/{project}/records",
        "/api/v1/projects/{project}/records/{key}",
        "/api/v1/projects/{project}/reembed",
        "/api/v1/projects/{project}/reshard",
        "/api/v1/projects/{project}/sparql",
        "/api/v1/projects/{project}/sync",
        "/api/v1/projects/{project}/version",
        "/api/v1/projects/{project}/versions",
        "/api/v1/status",
        "/api/v1/sync",
    ];
    assert_eq!(
        paths.iter().map(String::as_str).collect::<std::collections::BTreeSet<_>>(),
        std::collections::BTreeSet::from(expected)
    );
}
