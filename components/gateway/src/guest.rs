//! The component: [`respond`](crate::respond) behind `wasi:http/handler`, over the components that it is composed with.
#![allow(
    unsafe_code,
    missing_docs,
    unreachable_pub,
    clippy::pedantic,
    reason = "generated bindings: the canonical ABI is raw memory"
)]

use http_body_util::BodyExt;
use spin_sdk::http::{IntoResponse, Request};
use spin_sdk::http_service;

use crate::{Backend, Hit, Reply};

wit_bindgen::generate!({
    inline: "
        package skerry:gateway@0.1.0;
        world gateway {
            import skerry:embedding/embedder@0.1.0;
            import skerry:query/search@0.1.0;
        }
    ",
    path: ["../../wit/embedding", "../../wit/query"],
    world: "skerry:gateway/gateway",
    generate_all,
});

use skerry::embedding::embedder;
use skerry::query::search;

struct Composed;

impl Backend for Composed {
    fn embed(&mut self, text: &str) -> Result<Vec<f32>, String> {
        let mut embeddings = embedder::embed(&[text.to_owned()]).map_err(|error| format!("{error:?}"))?;
        embeddings.pop().map(|embedding| embedding.vector).ok_or_else(|| "no vector".to_owned())
    }

    fn search(&mut self, text: Option<&str>, vector: Option<Vec<f32>>, k: u32) -> Result<(Vec<Hit>, u32), String> {
        let request = search::Request {
            text: text.map(str::to_owned),
            vector,
            k,
            offset: 0,
            filter: Vec::new(),
            fusion: search::Fusion::Convex(0.8),
            ef: None,
            exact: false,
            similarity_min: None,
            diversity: None,
            group: None,
            explain: false,
        };
        let response = search::query(&request).map_err(|error| format!("{error:?}"))?;
        let hit = |hit: search::Hit| Hit {
            key: hit.key,
            score: hit.score,
            vector_score: hit.vector_score,
            keyword_score: hit.keyword_score,
            record: hit.payload,
        };
        Ok((response.hits.into_iter().map(hit).collect(), response.candidates))
    }
}

#[http_service]
async fn handle(request: Request) -> impl IntoResponse {
    let (parts, body) = request.into_parts();
    let Reply { status, content_type, body } = match body.collect().await {
        Ok(body) => crate::respond(&mut Composed, parts.method.as_str(), parts.uri.path(), &body.to_bytes()),
        Err(_) => crate::problem(400, "malformed-json", "The body ended before it was complete."),
    };
    http::Response::builder().status(status).header("content-type", content_type).body(body)
}
