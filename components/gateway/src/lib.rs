//! The HTTP gateway for hosts that are not ours: a query API over a snapshot, on Spin and other hosts of `wasi:http`.
//!
//! The gateway is composed with an embedding component and a query component that was baked with a segment whose payloads
//! are the records' JSON (see `spin.toml`). It serves, read-only:
//!
//! - `GET /api/v1/health`
//! - `POST /api/v1/query` with `{"text": .., "k": .., "mode": "hybrid" | "keyword" | "vector"}`
//!
//! [`respond`] is the whole of it, without any HTTP library, so that it is tested natively; on `wasm32` a thin wrapper puts
//! it behind `wasi:http/handler`. Publishing and syncing need a node (`skerry serve`); a snapshot cannot be written to.

#[cfg(target_arch = "wasm32")]
mod guest;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use serde_json::{Value, json};

/// Bytes of a request body at most.
pub const BODY_BYTES_MAX: usize = 64 << 10;

/// Characters of a query's text at most.
pub const TEXT_CHARS_MAX: usize = 8_192;

/// A record found.
#[derive(Debug, Clone, PartialEq)]
pub struct Hit {
    /// Its key.
    pub key: String,
    /// What the hits are ordered by.
    pub score: f32,
    /// Cosine similarity.
    pub vector_score: Option<f32>,
    /// BM25.
    pub keyword_score: Option<f32>,
    /// The record as JSON, as it was baked.
    pub record: Vec<u8>,
}

/// The components behind the gateway.
pub trait Backend {
    /// The vector of a text.
    ///
    /// # Errors
    /// What the embedding component says.
    fn embed(&mut self, text: &str) -> Result<Vec<f32>, String>;

    /// The best `k` records, and how many there are.
    ///
    /// # Errors
    /// What the query component says.
    fn search(&mut self, text: Option<&str>, vector: Option<Vec<f32>>, k: u32) -> Result<(Vec<Hit>, u32), String>;
}

/// What to answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// HTTP status.
    pub status: u16,
    /// Media type.
    pub content_type: &'static str,
    /// The body.
    pub body: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Query {
    text: String,
    #[serde(default = "ten")]
    k: u32,
    #[serde(default)]
    mode: Mode,
}

fn ten() -> u32 {
    10
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Mode {
    #[default]
    Hybrid,
    Keyword,
    Vector,
}

#[derive(Debug, Serialize)]
struct HitBody<'a> {
    key: &'a str,
    score: f32,
    #[serde(skip_serializing_if = "Option::is_none")]
    vector_score: Option<f32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    keyword_score: Option<f32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    record: Option<&'a RawValue>,
}

/// Answers a request.
pub fn respond(backend: &mut impl Backend, method: &str, path: &str, body: &[u8]) -> Reply {
    match (method, path) {
        ("GET", "/api/v1/health") => reply(200, &json!({ "status": "ok", "version": env!("CARGO_PKG_VERSION") })),
        ("POST", "/api/v1/query") => match query(backend, body) {
            Ok(answer) => answer,
            Err((status, slug, detail)) => problem(status, slug, &detail),
        },
        (_, "/api/v1/health" | "/api/v1/query") => problem(405, "method-not-allowed", "GET the health, POST queries."),
        _ => problem(404, "unknown-path", "A snapshot answers /api/v1/health and /api/v1/query."),
    }
}

type Refusal = (u16, &'static str, String);

fn query(backend: &mut impl Backend, body: &[u8]) -> Result<Reply, Refusal> {
    if body.len() > BODY_BYTES_MAX {
        return Err((413, "body-too-large", format!("At most {BODY_BYTES_MAX} bytes are taken.")));
    }
    let query: Query = serde_json::from_slice(body).map_err(|error| match error.classify() {
        serde_json::error::Category::Data => (422, "invalid-body", error.to_string()),
        _ => (400, "malformed-json", error.to_string()),
    })?;
    let chars = query.text.chars().count();
    if query.text.trim().is_empty() || chars > TEXT_CHARS_MAX {
        let detail = format!("`text` has {chars} characters; 1 to {TEXT_CHARS_MAX} are taken.");
        return Err((400, "invalid-query", detail));
    }
    let failed = |reason: String| (400, "invalid-query", reason);
    let vector = if query.mode == Mode::Keyword { None } else { Some(backend.embed(&query.text).map_err(failed)?) };
    let text = Some(query.text.as_str()).filter(|_| query.mode != Mode::Vector);
    let (hits, candidates) = backend.search(text, vector, query.k).map_err(failed)?;
    let hits: Vec<HitBody<'_>> = hits.iter().map(hit_body).collect();
    Ok(reply(200, &json!({ "candidates": candidates, "hits": hits })))
}

fn hit_body(hit: &Hit) -> HitBody<'_> {
    HitBody {
        key: &hit.key,
        score: hit.score,
        vector_score: hit.vector_score,
        keyword_score: hit.keyword_score,
        // A payload that is not JSON is not a record; the hit is still one.
        record: serde_json::from_slice(&hit.record).ok(),
    }
}

fn reply(status: u16, body: &Value) -> Reply {
    Reply { status, content_type: "application/json", body: body.to_string() }
}

fn problem(status: u16, slug: &str, detail: &str) -> Reply {
    let body = json!({ "type": format!("urn:skerry:problem:{slug}"), "title": slug.replace('-', " "), "status": status, "detail": detail });
    Reply { status, content_type: "application/problem+json", body: body.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use skerry_query::Segment;
    use skerry_query::types::{Document, Request};

    /// The real query core; no weights are at hand here, so only what needs no vector is asked.
    struct Snapshot(Segment);

    impl Backend for Snapshot {
        fn embed(&mut self, _: &str) -> Result<Vec<f32>, String> {
            Err("this component was not baked with weights".to_owned())
        }

        fn search(&mut self, text: Option<&str>, vector: Option<Vec<f32>>, k: u32) -> Result<(Vec<Hit>, u32), String> {
            let request = Request { text: text.map(str::to_owned), vector, k, ..Request::default() };
            let response = self.0.query(&request).map_err(|error| error.to_string())?;
            let hit = |hit: skerry_query::types::Hit| Hit {
                key: hit.key,
                score: hit.score,
                vector_score: hit.vector_score,
                keyword_score: hit.keyword_score,
                record: hit.payload,
            };
            Ok((response.hits.into_iter().map(hit).collect(), response.candidates))
        }
    }

    fn ask(method: &str, path: &str, body: &str) -> (u16, Value) {
        let mut segment = Segment::default();
        let document = |key: &str, text: &str| Document {
            key: key.to_owned(),
            text: text.to_owned(),
            payload: json!({ "key": key, "text": text }).to_string().into_bytes(),
            ..Document::default()
        };
        segment.upsert(vec![document("tide", "High water at noon"), document("moon", "A full moon")]).unwrap();
        let reply = respond(&mut Snapshot(segment), method, path, body.as_bytes());
        (reply.status, serde_json::from_str(&reply.body).unwrap())
    }

    /// A query finds a record and hands back what was baked.
    #[test]
    fn a_snapshot_answers() {
        let (status, answer) = ask("POST", "/api/v1/query", r#"{"text": "waters", "mode": "keyword"}"#);
        assert_eq!((status, &answer["candidates"]), (200, &json!(2)));
        assert_eq!(answer["hits"][0]["record"], json!({ "key": "tide", "text": "High water at noon" }));
        assert_eq!(ask("GET", "/api/v1/health", "").1["status"], "ok");
    }

    /// Every mistake is a problem with a reason.
    #[test]
    fn mistakes_are_problems() {
        let kind = |method: &str, path: &str, body: &str| {
            let (status, problem) = ask(method, path, body);
            (status, problem["type"].as_str().unwrap_or_default().trim_start_matches("urn:skerry:problem:").to_owned())
        };
        let of = |status: u16, slug: &str| (status, slug.to_owned());
        assert_eq!(kind("GET", "/x", ""), of(404, "unknown-path"));
        assert_eq!(kind("PUT", "/api/v1/query", ""), of(405, "method-not-allowed"));
        assert_eq!(kind("POST", "/api/v1/query", "{"), of(400, "malformed-json"));
        assert_eq!(kind("POST", "/api/v1/query", r#"{"text": 7}"#), of(422, "invalid-body"));
        assert_eq!(kind("POST", "/api/v1/query", r#"{"text": " "}"#), of(400, "invalid-query"));
        assert_eq!(
            kind("POST", "/api/v1/query", r#"{"text": "a", "k": 0, "mode": "keyword"}"#),
            of(400, "invalid-query")
        );
        assert_eq!(kind("POST", "/api/v1/query", r#"{"text": "a"}"#), of(400, "invalid-query"));
        assert_eq!(kind("POST", "/api/v1/query", &" ".repeat(BODY_BYTES_MAX + 1)), of(413, "body-too-large"));
    }
}
