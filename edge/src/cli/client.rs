//! The command line's way to the API: over HTTP to a node, or in this process when no node has the folder open.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, bail};
use axum::Router;
use axum::body::Body;
use http_body_util::BodyExt;
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use serde_json::Value;
use tower::ServiceExt;

use crate::api::{self, ApiConfig};
use crate::node::{Node, NodeConfig};
use crate::outbound;
use crate::serve::Notice;

/// Characters of a path segment that are written as `%XX`.
const SEGMENT: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'#')
    .add(b'%')
    .add(b'/')
    .add(b'<')
    .add(b'>')
    .add(b'?')
    .add(b'[')
    .add(b'\\')
    .add(b']')
    .add(b'^')
    .add(b'`')
    .add(b'{')
    .add(b'|')
    .add(b'}');

/// A name as a segment of a path.
pub(super) fn segment(name: &str) -> String {
    match name {
        // Dots alone would be taken for the folder itself or the one above.
        "." => "%2E".to_owned(),
        ".." => "%2E%2E".to_owned(),
        other => utf8_percent_encode(other, SEGMENT).to_string(),
    }
}

/// An error that the API answered with: the problem, for people and for `--json`.
#[derive(Debug)]
pub(super) struct Refused(pub(super) Value);

impl std::fmt::Display for Refused {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let text = |name: &str| self.0[name].as_str().unwrap_or_default();
        write!(f, "{}: {}", text("title"), text("detail"))
    }
}

impl std::error::Error for Refused {}

/// Talks to the API.
pub(super) enum Client {
    /// A node in this process.
    Local { router: Router, runtime: tokio::runtime::Runtime, node: Arc<Node> },
    /// A node somewhere else.
    Remote { agent: ureq::Agent, url: String, api_key: Option<String> },
}

impl Client {
    /// A client of the node at an address.
    pub(super) fn remote(url: &str, api_key: Option<&str>) -> Client {
        Client::Remote {
            agent: outbound::config_for(url).build().into(),
            url: url.trim_end_matches('/').to_owned(),
            api_key: api_key.map(str::to_owned),
        }
    }

    /// A client of the node that serves a folder, or of the folder itself.
    pub(super) fn for_folder(config: &NodeConfig, api_key: Option<&str>) -> anyhow::Result<Client> {
        if let Some(running) = serving(&config.data_dir, api_key) {
            return Ok(running);
        }
        let node = Node::open(config)?;
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_all().build().context("start the runtime")?;
        let router = api::router(Arc::clone(&node), &ApiConfig::default());
        Ok(Client::Local { router, runtime, node })
    }

    /// Sends a request and reads the JSON answer.
    pub(super) fn call(&self, method: &str, path: &str, body: Option<&Value>) -> anyhow::Result<Value> {
        let (status, bytes) = self.ask(method, path, body, None)?;
        let answer: Value = serde_json::from_slice(&bytes)
            .with_context(|| format!("the answer (status {status}) is not JSON; is it a Skerry node?"))?;
        if (200..300).contains(&status) {
            return Ok(answer);
        }
        if answer["type"].is_string() {
            return Err(Refused(answer).into());
        }
        bail!("the node answered with status {status}");
    }

    /// Posts a JSON body for an answer in another format.
    pub(super) fn call_for(&self, path: &str, body: &Value, accept: &str) -> anyhow::Result<String> {
        let (status, bytes) = self.ask("POST", path, Some(body), Some(accept))?;
        if (200..300).contains(&status) {
            return String::from_utf8(bytes).context("the answer is not text");
        }
        let problem: Value = serde_json::from_slice(&bytes).unwrap_or_default();
        if problem["type"].is_string() {
            return Err(Refused(problem).into());
        }
        bail!("the node answered with status {status}");
    }

    fn ask(
        &self,
        method: &str,
        path: &str,
        body: Option<&Value>,
        accept: Option<&str>,
    ) -> anyhow::Result<(u16, Vec<u8>)> {
        let mut request = http::Request::builder().method(method);
        if body.is_some() {
            request = request.header("content-type", "application/json");
        }
        if let Some(accept) = accept {
            request = request.header("accept", accept);
        }
        let body = body.map(ToString::to_string);
        match self {
            Client::Local { router, runtime, .. } => {
                let body = body.map_or_else(Body::empty, Body::from);
                runtime.block_on(ask_router(router.clone(), request.uri(path).body(body)?))
            }
            Client::Remote { agent, url, api_key } => {
                if let Some(key) = api_key {
                    request = request.header("authorization", format!("Bearer {key}"));
                }
                let request = request.uri(format!("{url}{path}")).body(body.unwrap_or_default())?;
                ask_node(agent, url, request)
            }
        }
    }
}

/// Subscriptions.
impl Client {
    /// Reads an answer that goes on as server-sent events, line by line, until it ends.
    ///
    /// # Errors
    /// What the node refused as [`Refused`], what `take` answers, and a connection that could not be made or broke.
    pub(super) fn follow_lines(
        &self,
        path: &str,
        take: &mut dyn FnMut(&str) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        match self {
            Client::Local { router, runtime, .. } => runtime.block_on(follow_router(router.clone(), path, take)),
            Client::Remote { agent, url, api_key } => follow_node(agent, url, api_key.as_deref(), path, take),
        }
    }

    /// Whether asking again later may help.
    pub(super) fn may_pass(error: &anyhow::Error) -> bool {
        match error.downcast_ref::<Refused>() {
            Some(Refused(problem)) => problem["status"].as_u64().is_some_and(|status| status >= 500),
            None => error.is::<Broken>(),
        }
    }
}

/// A connection could not be made, or broke.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Broken(String);

async fn follow_router(
    router: Router,
    path: &str,
    take: &mut dyn FnMut(&str) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let request = http::Request::builder().uri(path).header("accept", "text/event-stream");
    let response = router.oneshot(request.body(Body::empty())?).await.context("ask the node")?;
    let status = response.status();
    let mut body = response.into_body();
    if !status.is_success() {
        let bytes = body.collect().await.context("read the answer")?.to_bytes();
        return Err(Refused(serde_json::from_slice(&bytes).unwrap_or_default()).into());
    }
    let mut rest = String::new();
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.context("read the answer")?.into_data() else { continue };
        rest.push_str(&String::from_utf8_lossy(&data));
        while let Some(end) = rest.find('\n') {
            let line: String = rest.drain(..=end).collect();
            take(&line)?;
        }
    }
    Ok(())
}

fn follow_node(
    agent: &ureq::Agent,
    url: &str,
    api_key: Option<&str>,
    path: &str,
    take: &mut dyn FnMut(&str) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let mut request = agent.get(format!("{url}{path}")).header("accept", "text/event-stream");
    if let Some(key) = api_key {
        request = request.header("authorization", format!("Bearer {key}"));
    }
    let mut response = request.call().map_err(|error| Broken(format!("cannot reach the node at {url}: {error}")))?;
    if !response.status().is_success() {
        let text = response.body_mut().read_to_string().map_err(|error| Broken(error.to_string()))?;
        let problem: Value = serde_json::from_str(&text).unwrap_or_default();
        if problem["type"].is_string() {
            return Err(Refused(problem).into());
        }
        bail!("the node answered with status {}", response.status());
    }
    let mut lines = std::io::BufReader::new(response.into_body().into_reader());
    let mut line = String::new();
    loop {
        line.clear();
        match std::io::BufRead::read_line(&mut lines, &mut line) {
            Ok(0) => return Ok(()),
            Ok(_) => take(&line)?,
            Err(error) => return Err(Broken(format!("the connection to {url} broke: {error}")).into()),
        }
    }
}

/// What was published in this process is sealed before it ends, or every later command would have to read it again.
impl Drop for Client {
    fn drop(&mut self) {
        if let Client::Local { node, .. } = self {
            node.seal();
        }
    }
}

/// The node that serves a folder, if one does.
fn serving(data_dir: &Path, api_key: Option<&str>) -> Option<Client> {
    let notice = Notice::read(data_dir)?;
    let client = Client::remote(&notice.address, api_key);
    // The notice may be of a node that was killed, and its port may serve something else by now.
    let health = client.call("GET", "/api/v1/health", None).ok()?;
    (health["instance"] == notice.instance.as_str()).then_some(client)
}

async fn ask_router(router: Router, request: http::Request<Body>) -> anyhow::Result<(u16, Vec<u8>)> {
    let response = router.oneshot(request).await.context("ask the node")?;
    let status = response.status().as_u16();
    let bytes = response.into_body().collect().await.context("read the answer")?.to_bytes();
    Ok((status, bytes.to_vec()))
}

fn ask_node(agent: &ureq::Agent, url: &str, request: http::Request<String>) -> anyhow::Result<(u16, Vec<u8>)> {
    let sent = agent.run(request);
    let mut response =
        sent.with_context(|| format!("cannot reach the node at {url}; is `skerry serve` running there?"))?;
    let bytes = response.body_mut().with_config().limit(1 << 30).read_to_vec().context("read the answer")?;
    Ok((response.status().as_u16(), bytes))
}

#[cfg(test)]
mod tests {
    use super::segment;

    /// Keys may hold anything but control characters; the path must name exactly that key.
    #[test]
    fn keys_survive_the_path() {
        assert_eq!(segment("a/b c?d#e%f"), "a%2Fb%20c%3Fd%23e%25f");
        assert_eq!(segment(".."), "%2E%2E");
        assert_eq!(segment("CWE-79"), "CWE-79");
    }
}
