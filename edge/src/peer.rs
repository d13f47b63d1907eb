//! Syncs this node with another one over HTTP.

use std::collections::BTreeSet;
use std::time::Duration;

use serde::Deserialize;
use skerry_sync::ProjectName;

use crate::body::{ProjectSyncReport, SyncBody, SyncReport};
use crate::node::Node;
use crate::outbound;
use crate::problem::{Kind, Problem};

/// How long one request to it may take.
const REQUEST_TIMEOUT: Duration = Duration::from_mins(2);

/// Bytes of an answer at most.
const ANSWER_BYTES_MAX: u64 = 256 << 20;

/// The other node.
struct Peer {
    agent: ureq::Agent,
    url: String,
    api_key: Option<String>,
}

#[derive(Deserialize)]
struct Projects {
    projects: Vec<Project>,
}

#[derive(Deserialize)]
struct Project {
    name: String,
}

/// Syncs projects with the other node: the ones named, or all of both.
///
/// # Errors
/// [`Kind::PeerFailed`] when the other node cannot be reached or does not do its part; what arrived before is kept.
pub fn sync(node: &Node, body: &SyncBody) -> Result<SyncReport, Problem> {
    let peer = Peer::new(body)?;
    let names: BTreeSet<ProjectName> = if let Some(names) = &body.projects {
        names.iter().map(|name| ProjectName::parse(name)).collect::<Result<_, _>>()?
    } else {
        let ours = node.replica().projects()?.into_iter().map(|info| info.name);
        ours.chain(peer.projects()?).collect()
    };
    let projects = names.iter().map(|name| sync_project(node, &peer, name)).collect::<Result<_, _>>()?;
    Ok(SyncReport { projects })
}

fn sync_project(node: &Node, peer: &Peer, name: &ProjectName) -> Result<ProjectSyncReport, Problem> {
    let mut session = node.replica().session(name);
    let outcome = (|| {
        while let Some(request) = session.next_request()? {
            session.handle_response(&peer.exchange(name, &request)?)?;
        }
        Ok::<(), Problem>(())
    })();
    // Also what arrived before a failure becomes findable.
    if session.summary().changes_received > 0 {
        node.follow(name);
    }
    outcome?;
    let summary = session.summary();
    Ok(ProjectSyncReport {
        name: name.to_string(),
        version: node.replica().version(name)?.to_string(),
        rounds: summary.rounds,
        bytes_sent: summary.bytes_sent,
        bytes_received: summary.bytes_received,
        changes_sent: summary.changes_sent,
        changes_received: summary.changes_received,
    })
}

impl Peer {
    fn new(body: &SyncBody) -> Result<Peer, Problem> {
        let url = body.url.trim_end_matches('/').to_owned();
        if !["http://", "https://"].iter().any(|scheme| url.starts_with(scheme)) {
            let detail = format!("`{url}` is not an address like http://127.0.0.1:8787.");
            return Err(Problem::new(Kind::InvalidParameter, detail));
        }
        let config = outbound::config_for(&url).timeout_global(Some(REQUEST_TIMEOUT)).build();
        Ok(Peer { agent: config.into(), url, api_key: body.api_key.clone() })
    }

    fn projects(&self) -> Result<Vec<ProjectName>, Problem> {
        let request = self.agent.get(format!("{}/api/v1/projects", self.url));
        let bytes = self.read(self.with_key(request).call())?;
        let answer: Projects = serde_json::from_slice(&bytes)
            .map_err(|error| self.failed(&format!("its answer is not understood: {error}")))?;
        Ok(answer.projects.iter().map(|project| ProjectName::parse(&project.name)).collect::<Result<_, _>>()?)
    }

    fn exchange(&self, project: &ProjectName, body: &[u8]) -> Result<Vec<u8>, Problem> {
        let request = self.agent.post(format!("{}/api/v1/projects/{project}/sync", self.url));
        let request = self.with_key(request).header("content-type", "application/octet-stream");
        self.read(request.send(body))
    }

    fn with_key<B>(&self, request: ureq::RequestBuilder<B>) -> ureq::RequestBuilder<B> {
        match &self.api_key {
            Some(key) => request.header("authorization", format!("Bearer {key}")),
            None => request,
        }
    }

    fn read(&self, response: Result<ureq::http::Response<ureq::Body>, ureq::Error>) -> Result<Vec<u8>, Problem> {
        let mut response = response.map_err(|error| self.failed(&error.to_string()))?;
        let status = response.status();
        let bytes = response.body_mut().with_config().limit(ANSWER_BYTES_MAX).read_to_vec();
        let bytes = bytes.map_err(|error| self.failed(&error.to_string()))?;
        if status.is_success() {
            return Ok(bytes);
        }
        let problem: serde_json::Value = serde_json::from_slice(&bytes).unwrap_or_default();
        let detail = problem.get("detail").and_then(serde_json::Value::as_str).unwrap_or("without a reason");
        Err(self.failed(&format!("it answered {status}: {detail}")))
    }

    fn failed(&self, reason: &str) -> Problem {
        Problem::new(
            Kind::PeerFailed,
            format!("Syncing with {} failed: {reason}. What arrived before is kept; sync again to go on.", self.url),
        )
        .with("peer", self.url.clone())
    }
}
