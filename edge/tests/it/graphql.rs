//! GraphQL: nested reading, writing, limits, and subscriptions over a real WebSocket.

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use skerry_edge::api::ApiConfig;
use skerry_edge::auth::ApiKeys;
use tokio_tungstenite::tungstenite::{Message, client::IntoClientRequest};

use super::TestNode;

async fn ask(node: &TestNode, query: &str) -> Value {
    let (status, answer) = node.call("POST", "/projects/p/graphql", &json!({ "query": query })).await;
    assert_eq!(status, 200, "{answer}");
    answer
}

async fn linked() -> TestNode {
    let node = TestNode::new();
    node.fill().await;
    let published = ask(
        &node,
        r#"mutation { publish(records: [
        {key: "reef", text: "A reef dries at low water", layers: ["sea"], links: [
            {type: "parent", members: [{role: "child", key: "reef"}, {role: "parent", key: "tide"}]},
            {type: "seen-from", members: [{role: "a", key: "reef"}, {role: "b", key: "nowhere"}], weight: 0.5}]}
    ]) { changed position version } }"#,
    )
    .await;
    assert_eq!(published["data"]["publish"]["changed"], 1, "{published}");
    node
}

/// From a search's hits to their records, their links, and the records those name.
#[tokio::test]
async fn one_request_reads_along_links() {
    let node = linked().await;
    let answer = ask(
        &node,
        r#"{ project { name records }
        search(query: "reef", k: 1) { candidates hits { key record { text layers links(type: "parent") {
            type weight members { role key record { key data(path: "place.name") } } } } } }
        records(first: 2) { nodes { key } next }
        links(first: 10) { nodes { type members { record { key } } statedBy { key } } next } }"#,
    )
    .await;
    assert!(answer["errors"].is_null(), "{answer}");
    let data = &answer["data"];
    assert_eq!((&data["project"]["name"], &data["project"]["records"]), (&json!("p"), &json!(4)));
    let hit = &data["search"]["hits"][0];
    assert_eq!(hit["key"], "reef");
    assert_eq!(hit["record"]["links"][0]["members"][1]["record"], json!({"key": "tide", "data": "Tobermory"}));
    assert_eq!(data["records"], json!({"nodes": [{"key": "bread"}, {"key": "moon"}], "next": "moon"}));
    let links = data["links"]["nodes"].as_array().unwrap();
    assert_eq!(links.len(), 2);
    let dangling = links.iter().find(|link| link["type"] == "seen-from").unwrap();
    assert_eq!(dangling["members"][1]["record"], Value::Null);
    let page = ask(
        &node,
        r#"{ records(first: 1, after: "moon", filter: {field: "layer", value: "sea"}) { nodes { key } next } }"#,
    )
    .await;
    assert_eq!(page["data"]["records"], json!({"nodes": [{"key": "reef"}], "next": "reef"}));
    let first = ask(&node, "{ links(first: 1) { nodes { id } next } }").await;
    let next = first["data"]["links"]["next"].as_str().unwrap();
    let second = ask(&node, &format!("{{ links(first: 5, after: \"{next}\") {{ nodes {{ id }} next }} }}")).await;
    assert_eq!(second["data"]["links"]["nodes"].as_array().unwrap().len(), 1, "{second}");
    assert_ne!(second["data"]["links"]["nodes"][0], first["data"]["links"]["nodes"][0]);
}

/// Each error has the code of a problem; what would cost too much is not begun.
#[tokio::test]
async fn errors_have_codes_and_costs_have_limits() {
    let node = linked().await;
    let deep = (0..10).fold("key".to_owned(), |inner, _| format!("links {{ members {{ record {{ {inner} }} }} }}"));
    for (query, code, part) in [
        ("{ nothing }", "invalid-query", "nothing"),
        ("{ records(first: 0) { next } }", "invalid-parameter", "1 to 1000"),
        (r#"{ records(filter: {field: "x"}) { next } }"#, "unknown-field", "no field"),
        (r#"{ search(query: "\"open") { candidates } }"#, "invalid-query", "character"),
        (r#"mutation { publish(records: [{key: ""}]) { changed } }"#, "invalid-record", "empty"),
        (
            r#"{ record(key: "tide") { links(first: 1000) { members { record { links(first: 1000) { type } } } } } }"#,
            "invalid-query",
            "costs more than",
        ),
        (&format!("{{ record(key: \"tide\") {{ {deep} }} }}"), "invalid-query", ""),
    ] {
        let answer = ask(&node, query).await;
        let error = &answer["errors"][0];
        assert_eq!(error["extensions"]["code"], code, "{query}: {answer}");
        assert!(error["message"].as_str().unwrap().contains(part), "{answer}");
    }
    let batch = json!(vec![json!({"query": "{ project { name } }"}); 11]);
    assert_eq!(node.refused("POST", "/projects/p/graphql", &batch).await.1, "invalid-query");
    let three = json!(vec![json!({"query": "{ project { name } }"}); 3]);
    assert_eq!(node.call("POST", "/projects/p/graphql", &three).await.1.as_array().unwrap().len(), 3);
    // A page elsewhere can send plain text without asking anybody: that must not write.
    let body = json!({"query": "mutation { delete(keys: [\"tide\"]) { changed } }"}).to_string().into_bytes();
    let sent = node.raw("POST", "/api/v1/projects/p/graphql", &[("content-type", "text/plain")], body).await;
    assert_eq!(sent.0, 415);
    let introspected =
        ask(&node, "{ __schema { queryType { name } types { name fields { name type { name ofType { name } } } } } }")
            .await;
    assert!(introspected["errors"].is_null(), "{introspected}");
    let (status, sdl) = node.raw("GET", "/api/v1/projects/p/graphql/schema", &[], Vec::new()).await;
    assert!(status == 200 && String::from_utf8(sdl).unwrap().contains("type Subscription"));
}

/// What changes arrives over the WebSocket, from a position on; other origins and missing keys do not get that far.
#[tokio::test]
async fn changes_are_pushed() {
    let node = TestNode::with(&ApiConfig { api_keys: ApiKeys::new(["k"]) });
    let name = skerry_sync::ProjectName::parse("p").unwrap();
    node.node.replica().create_project(&name, "", skerry_sync::Timestamp(0)).unwrap();
    let key = |key: &str| skerry_sync::Record::text(skerry_sync::RecordKey::parse(key).unwrap(), "");
    node.node.publish(&name, &[key("one"), key("two")]).unwrap();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let router = node.router.clone();
    tokio::spawn(async move { axum::serve(listener, router).await });
    let request = |headers: &[(&'static str, &str)]| {
        let mut request = format!("ws://{address}/api/v1/projects/p/graphql").into_client_request().unwrap();
        request.headers_mut().insert("sec-websocket-protocol", "graphql-transport-ws".parse().unwrap());
        for (name, value) in headers {
            request.headers_mut().insert(*name, value.parse().unwrap());
        }
        request
    };
    for (headers, status) in
        [(vec![], 401), (vec![("authorization", "Bearer k"), ("origin", "https://elsewhere.example")], 403)]
    {
        let refused = tokio_tungstenite::connect_async(request(&headers)).await.unwrap_err();
        let tokio_tungstenite::tungstenite::Error::Http(response) = refused else { panic!("{refused}") };
        assert_eq!(response.status(), status);
    }
    let (mut socket, _) = tokio_tungstenite::connect_async(request(&[("authorization", "Bearer k")])).await.unwrap();
    let say = |value: Value| Message::text(value.to_string());
    socket.send(say(json!({"type": "connection_init"}))).await.unwrap();
    let query = "subscription { changes(since: \"1\", records: true) { position key deleted record { text } } }";
    socket.send(say(json!({"id": "1", "type": "subscribe", "payload": {"query": query}}))).await.unwrap();
    let mut heard = Vec::new();
    while heard.len() < 2 {
        let message = tokio::time::timeout(std::time::Duration::from_secs(30), socket.next()).await.unwrap();
        let message: Value = serde_json::from_str(message.unwrap().unwrap().to_text().unwrap()).unwrap();
        if message["type"] == "next" {
            heard.push(message["payload"]["data"]["changes"].clone());
            if heard.len() == 1 {
                node.node.publish(&name, &[key("three")]).unwrap();
            }
        }
    }
    assert_eq!((&heard[0]["key"], &heard[1]["key"]), (&json!("two"), &json!("three")), "{heard:?}");
    assert_eq!(heard[1]["record"]["text"], "");
    let bad = "subscription { changes(since: \"99\") { key } }";
    socket.send(say(json!({"id": "2", "type": "subscribe", "payload": {"query": bad}}))).await.unwrap();
    let message = tokio::time::timeout(std::time::Duration::from_secs(30), socket.next()).await.unwrap();
    let text = message.unwrap().unwrap().to_string();
    assert!(text.contains("invalid-parameter"), "{text}");
}
