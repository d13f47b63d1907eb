//! Requests, and what they are answered.

use std::net::SocketAddr;

use serde_json::{Value, json};

/// A request.
#[derive(Debug, Clone)]
pub(crate) struct Ask {
    pub(crate) method: &'static str,
    pub(crate) path: String,
    pub(crate) content_type: Option<&'static str>,
    pub(crate) body: Vec<u8>,
}

impl Ask {
    pub(crate) fn get(path: &str) -> Ask {
        Ask { method: "GET", path: path.to_owned(), content_type: None, body: Vec::new() }
    }

    pub(crate) fn query(body: &Value) -> Ask {
        Ask::post("/api/v1/projects/p/query", body)
    }

    pub(crate) fn post(path: &str, body: &Value) -> Ask {
        Ask::text(path, &body.to_string())
    }

    pub(crate) fn text(path: &str, body: &str) -> Ask {
        let body = body.as_bytes().to_vec();
        Ask { method: "POST", path: path.to_owned(), content_type: Some("application/json"), body }
    }

    pub(crate) fn with_method(self, method: &'static str) -> Ask {
        Ask { method, ..self }
    }
}

/// What is compared of a response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Told {
    pub(crate) status: u16,
    pub(crate) content_type: String,
    pub(crate) body: String,
}

impl Told {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or(Value::Null)
    }

    /// Without the position in a change feed, which only a node has.
    pub(crate) fn without_sequence(&self) -> Told {
        let mut told = self.clone();
        while let Some(at) = told.body.find("\"sequence\":") {
            let digits = told.body[at + 11..].bytes().take_while(u8::is_ascii_digit).count();
            told.body.replace_range(at..at + 11 + digits, "");
        }
        told
    }
}

/// A client with connections of its own.
pub(crate) fn client() -> ureq::Agent {
    // Nothing goes through a proxy: the server is on this machine.
    let config = ureq::Agent::config_builder().http_status_as_error(false).proxy(None).build();
    ureq::Agent::new_with_config(config)
}

/// Asks over HTTP. The problem names the id of the request, so every request has the same.
pub(crate) fn ask(client: &ureq::Agent, address: SocketAddr, ask: &Ask) -> Result<Told, ureq::Error> {
    let mut request = ureq::http::Request::builder().method(ask.method).uri(format!("http://{address}{}", ask.path));
    request = request.header("x-request-id", "seven");
    if let Some(content_type) = ask.content_type {
        request = request.header("content-type", content_type);
    }
    let mut response = if ask.method == "GET" || ask.method == "HEAD" {
        client.run(request.body(()).unwrap())?
    } else {
        client.run(request.body(ask.body.as_slice()).unwrap())?
    };
    let content_type = response.headers().get("content-type");
    let content_type = content_type.map(|value| value.to_str().unwrap().to_owned()).unwrap_or_default();
    let status = response.status().as_u16();
    let body = response.body_mut().with_config().limit(1 << 30).read_to_vec()?;
    Ok(Told { status, content_type, body: String::from_utf8(body).unwrap() })
}

/// Requests of every kind that a node and a snapshot answer alike. `version` is the project's.
#[allow(clippy::too_many_lines, reason = "a list")]
pub(crate) fn requests(version: &str) -> Vec<Ask> {
    let vector: Vec<f32> = (0..384_u16).map(|at| f32::from(at % 7) - 2.5).collect();
    let deep = (0..40).fold(json!({"field": "data.a", "value": 1}), |inner, _| json!({ "not": inner }));
    let mut asks: Vec<Ask> = [
        // What is found.
        json!({"text": "high water in the harbour"}),
        json!({"text": "waters", "mode": "keyword", "explain": true}),
        json!({"text": "bread", "mode": "vector", "k": 3}),
        json!({"vector": vector, "k": 4}),
        json!({"vector": vector, "mode": "vector", "similarity_min": -0.5}),
        json!({"text": "moon", "k": 2, "offset": 2}),
        json!({"text": "moon", "k": 2, "fusion": {"reciprocal_rank": {"constant": 60}}, "explain": true}),
        json!({"text": "moon", "fusion": {"convex": {"vector_weight": 0.25}}, "ef": 100, "exact": true}),
        json!({"text": "water", "k": 5, "diversity": 0.5}),
        json!({"text": "water", "group": {"field": "data.place", "size": 2}}),
        json!({"text": "water", "highlight": {}}),
        json!({"text": "lighthouse keeper", "highlight": {"bytes": 60}, "k": 3}),
        json!({"like": "record-3", "k": 4, "highlight": {}}),
        json!({"like": "long", "k": 3, "explain": true}),
        json!({"like": "käse/brot 7", "k": 3}),
        json!({"query": "\"high water\" place:harbour -draft"}),
        json!({"query": "data.place:harbour data.number:>3 tide"}),
        json!({"filter": {"field": "data.number", "op": "gte", "value": 5}, "k": 7}),
        json!({"filter": {"all": [{"field": "layer", "value": "sea"}, {"not": {"field": "text", "op": "matches", "value": "moon"}}]}}),
        json!({"filter": {"field": "link.key", "op": "exists"}, "text": "water"}),
        json!({"filter": {"field": "key", "op": "prefix", "value": "record-1"}}),
        json!({"text": "zzzz", "mode": "keyword"}),
        json!({"text": "tide", "version": version}),
        json!({"text": "tide", "version": version.to_ascii_uppercase()}),
        json!({"text": "tide", "model": "all-MiniLM-L6-v2", "vector": vector}),
        // What is not.
        json!({}),
        json!({"text": "  "}),
        json!({"text": "a".repeat(8_193)}),
        json!({"text": "tide", "k": 0}),
        json!({"text": "tide", "k": 1_001}),
        json!({"text": "tide", "k": -1}),
        json!({"text": "tide", "offset": 10_001}),
        json!({"text": "tide", "offset": 1, "diversity": 0.5}),
        json!({"text": "tide", "diversity": 1.5}),
        json!({"text": "tide", "query": "tide"}),
        json!({"query": " "}),
        json!({"query": "(tide"}),
        json!({"query": "data.plaice:harbour tide"}),
        json!({"query": "severity:high tide"}),
        json!({"text": "tide", "filter": {"field": "data.plaice", "value": "harbour"}}),
        json!({"text": "tide", "filter": {"field": "place", "value": "harbour"}}),
        json!({"text": "tide", "filter": {"any": [{"field": "data.place", "op": "like", "value": 1}]}}),
        json!({"text": "tide", "filter": deep}),
        json!({"text": "tide", "group": {"field": "key"}}),
        json!({"text": "tide", "group": {"field": "data.plaice"}}),
        json!({"text": "tide", "group": {"field": "data.place", "size": 0}}),
        json!({"text": "tide", "highlight": {"bytes": 3}}),
        json!({"text": "tide", "vector": vector, "mode": "keyword"}),
        json!({"vector": [1.0, 2.0]}),
        json!({"vector": vec![0.0; 384]}),
        json!({"text": "tide", "model": "another"}),
        json!({"like": "nobody"}),
        json!({"like": "empty"}),
        json!({"like": ""}),
        json!({"like": "record-3", "text": "tide"}),
        json!({"like": "record-3", "mode": "keyword"}),
        json!({"text": "tide", "mode": "keyword", "similarity_min": 0.1}),
        json!({"text": "tide", "similarity_min": 2.0}),
        json!({"text": "tide", "fusion": {"convex": {"vector_weight": 2.0}}}),
        json!({"text": "tide", "fusion": {"reciprocal_rank": {"constant": 2_000_000}}}),
        json!({"text": "tide", "ef": 0}),
        json!({"text": 7}),
        json!({"text": "tide", "boost": 2}),
        json!({"text": "tide", "mode": "psychic"}),
    ]
    .iter()
    .map(Ask::query)
    .collect();
    let path = "/api/v1/projects/p/query";
    asks.extend(
        ["", "{", "[]", "{\"text\": \"tide\"} tail", "{\"text\":\n 7}", "null"].map(|body| Ask::text(path, body)),
    );
    asks.push(Ask { content_type: Some("text/plain"), ..Ask::query(&json!({"text": "tide"})) });
    asks.push(Ask { content_type: Some("application/json; charset=utf-8"), ..Ask::query(&json!({"text": "tide"})) });
    asks.push(Ask { content_type: None, ..Ask::query(&json!({"text": "tide"})) });
    asks.push(Ask::post("/api/v1/projects/other/query", &json!({"text": "tide"})));
    asks.push(Ask::post("/api/v1/projects/Other/query", &json!({"text": "tide"})));
    asks.push(Ask::post("/api/v1/projects/%ff/query", &json!({"text": "tide"})));
    asks.extend(
        [
            "/api/v1/projects/p/records",
            "/api/v1/projects/p/records?limit=3",
            "/api/v1/projects/p/records?limit=3&after=record-11",
            "/api/v1/projects/p/records?after=zzz",
            "/api/v1/projects/p/records?after=k%C3%A4se%2Fbrot+7&limit=2",
            "/api/v1/projects/p/records?limit=0",
            "/api/v1/projects/p/records?limit=1001",
            "/api/v1/projects/p/records?limit=three",
            "/api/v1/projects/p/records?after=",
            "/api/v1/projects/p/records?page=2",
            "/api/v1/projects/p/records/record-3",
            "/api/v1/projects/p/records/k%C3%A4se%2Fbrot%207",
            "/api/v1/projects/p/records/nobody",
            "/api/v1/projects/p/records/%00",
            "/api/v1/projects/p/records/%ff",
            "/api/v1/projects/P/records/%00",
            "/api/v1/projects/other/records/record-3",
            "/api/v1/projects/other/records",
            "/api/v1/projects/other",
            "/api/v1/projects/other/version",
            "/api/v1/projects/%20/version",
            "/api/v1/projects/p/query",
            "/api/v1/projects/p/",
            "/api/v1/projects//records",
            "/api/v1/nothing",
            "/api/v2/projects",
            "/",
        ]
        .map(Ask::get),
    );
    asks.push(Ask::get("/api/v1/projects/p/records/record-3").with_method("HEAD"));
    asks.push(Ask::post("/api/v1/projects/p/version", &json!({})));
    asks.push(Ask::post("/api/v1/projects", &json!({})));
    asks.push(Ask::post("/api/v1/projects/p/records/record-3", &json!({})));
    asks
}
