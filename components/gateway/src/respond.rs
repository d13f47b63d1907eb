//! The routes of a snapshot: those of a node that need nothing else.

use serde::{Deserialize, Serialize};

use crate::BODY_BYTES_MAX;
use crate::backend::Backend;
use crate::body::{Health, Projects, QueryBody, VersionBody};
use crate::description::Description;
use crate::problem::{self, Kind, Problem};
use crate::snapshot::{Snapshot, needs_node, no_graph};
use crate::{json, names, query};

/// Records on one page at most.
const PAGE_MAX: usize = 1_000;

/// Records on a page when the request does not say.
const PAGE_DEFAULT: usize = 100;

/// Bytes of a request's id that are answered at most.
const REQUEST_ID_CHARS_MAX: usize = 64;

/// What a node has below a project that a snapshot has not.
const OF_A_NODE: [&str; 15] = [
    "changes",
    "charts",
    "compact",
    "deletions",
    "duplicates",
    "erase",
    "geometry",
    "graph",
    "graphql",
    "layers",
    "reembed",
    "reshard",
    "sparql",
    "sync",
    "versions",
];

/// A request.
#[derive(Debug, Clone, Copy, Default)]
pub struct Incoming<'a> {
    /// `GET`, `HEAD` or `POST`, or one that is refused.
    pub method: &'a str,
    /// The path as it came, percent-encoded.
    pub path: &'a str,
    /// What stands behind the question mark.
    pub query: Option<&'a str>,
    /// The header `Content-Type`.
    pub content_type: Option<&'a str>,
    /// The header `X-Request-Id`: problems name it.
    pub request_id: Option<&'a str>,
    /// The body.
    pub body: &'a [u8],
}

/// What to answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// HTTP status.
    pub status: u16,
    /// Media type.
    pub content_type: &'static str,
    /// The body.
    pub body: Vec<u8>,
}

impl Reply {
    /// The reply to a request that failed.
    pub fn problem(problem: &Problem, request_id: Option<&str>) -> Reply {
        let id: Option<String> = request_id.map(|id| id.chars().take(REQUEST_ID_CHARS_MAX).collect());
        Reply {
            status: problem.kind().status(),
            content_type: problem::CONTENT_TYPE,
            body: problem.to_json(id.as_deref()).to_string().into_bytes(),
        }
    }

    fn json(body: &impl Serialize) -> Result<Reply, Problem> {
        Ok(Reply::record(serde_json::to_vec(body).map_err(|_| Problem::internal())?))
    }

    fn record(body: Vec<u8>) -> Reply {
        Reply { status: 200, content_type: "application/json", body }
    }
}

/// Answers a request from a snapshot, byte for byte as a node answers it that holds the project at the snapshot's version.
///
/// Different by their nature: a problem has no `request_id` when the request brought none, since there is no chance to draw
/// one from; `sequence` is 0, since there is no change feed; the `instance` of the health is the snapshot's version. What
/// needs a node is refused as [`Kind::NeedsNode`].
pub fn respond(backend: &mut impl Backend, incoming: &Incoming<'_>) -> Reply {
    let mut reply = route(backend, incoming).unwrap_or_else(|problem| Reply::problem(&problem, incoming.request_id));
    if incoming.method == "HEAD" {
        reply.body.clear();
    }
    reply
}

fn route(backend: &mut impl Backend, incoming: &Incoming<'_>) -> Result<Reply, Problem> {
    let Some(path) = incoming.path.strip_prefix("/api/v1/") else { return Err(Problem::unknown_path()) };
    let segments: Vec<&str> = path.split('/').collect();
    // An empty name within the path is a wrong name; at its end it is another path.
    if segments.last() == Some(&"") {
        return Err(Problem::unknown_path());
    }
    // Whoever may GET may HEAD.
    let method = if incoming.method == "HEAD" { "GET" } else { incoming.method };
    match (method, segments.as_slice()) {
        ("GET", ["health"]) => health(backend),
        ("GET", ["projects"]) => projects(backend),
        ("GET", ["projects", project]) => Reply::json(&described(backend, &decoded("project", project)?)?.project()),
        ("GET", ["projects", project, "version"]) => version(backend, &decoded("project", project)?),
        ("POST", ["projects", project, "query"]) => find(backend, &decoded("project", project)?, incoming),
        ("GET", ["projects", project, "records"]) => list(backend, &decoded("project", project)?, incoming.query),
        ("GET", ["projects", project, "records", key]) => {
            record(backend, &decoded("project", project)?, &decoded("key", key)?)
        }
        ("PUT", ["projects", _])
        | ("POST", ["projects", _, "records"])
        | ("PUT" | "DELETE", ["projects", _, "records", _]) => {
            Err(needs_node("A snapshot cannot be written to; write to a node and bake again."))
        }
        (
            _,
            ["health" | "projects"]
            | ["projects", _]
            | ["projects", _, "version" | "query" | "records"]
            | ["projects", _, "records", _],
        ) => Err(Problem::method_not_allowed()),
        (_, ["status" | "models" | "plugins" | "sync" | "openapi.json"]) => Err(only_a_node(path)),
        (_, ["projects", _, below, ..]) if OF_A_NODE.contains(below) => Err(only_a_node(below)),
        _ => Err(Problem::unknown_path()),
    }
}

fn only_a_node(what: &str) -> Problem {
    needs_node(format!("A snapshot answers queries and hands out records; `{what}` is for a node."))
}

/// A part of the path, decoded.
fn decoded(name: &str, segment: &str) -> Result<String, Problem> {
    let decoded = percent_encoding::percent_decode_str(segment).decode_utf8();
    // As axum says it, which the node's other operations answer with.
    let refused = |_| Problem::new(Kind::InvalidParameter, format!("Invalid URL: Invalid UTF-8 in `{name}`"));
    decoded.map(std::borrow::Cow::into_owned).map_err(refused)
}

/// What the snapshot says of itself; none when nothing was baked in.
fn description(backend: &mut impl Backend) -> Result<Option<Description>, Problem> {
    let json = backend.describe()?;
    if json.is_empty() {
        return Ok(None);
    }
    serde_json::from_slice(&json).map(Some).map_err(|_| Problem::internal())
}

fn described(backend: &mut impl Backend, project: &str) -> Result<Description, Problem> {
    names::check_project(project)?;
    description(backend)?
        .filter(|description| description.project == project)
        .ok_or_else(|| Problem::unknown_project(project))
}

fn health(backend: &mut impl Backend) -> Result<Reply, Problem> {
    let instance = description(backend)?.map(|description| description.version).unwrap_or_default();
    Reply::json(&Health { status: "ok", reason: None, version: env!("CARGO_PKG_VERSION"), instance })
}

fn projects(backend: &mut impl Backend) -> Result<Reply, Problem> {
    let projects = description(backend)?.iter().map(Description::project).collect();
    Reply::json(&Projects { projects })
}

fn version(backend: &mut impl Backend, project: &str) -> Result<Reply, Problem> {
    let Description { version, .. } = described(backend, project)?;
    Reply::json(&VersionBody { version, sequence: 0 })
}

fn find<B: Backend>(backend: &mut B, project: &str, incoming: &Incoming<'_>) -> Result<Reply, Problem> {
    json::check_media_type(incoming.content_type.unwrap_or_default(), "application/json")?;
    if incoming.body.len() > BODY_BYTES_MAX {
        return Err(Problem::body_too_large());
    }
    let body: QueryBody<_, _> = json::parse(incoming.body)?;
    let description = described(backend, project)?;
    if body.within.is_some() || body.expand.is_some() {
        return Err(no_graph());
    }
    if body.rerank.is_some() {
        return Err(needs_node("A snapshot has no plugins, so `rerank` needs a node."));
    }
    let version = query::version(&body);
    let mut snapshot = Snapshot { backend, description: &description, version };
    let asked = query::read(&mut snapshot, body)?;
    Reply::json(&query::answer(&mut snapshot, asked)?)
}

/// Where a page starts and how long it is.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Page {
    /// The page starts behind this key.
    pub after: Option<String>,
    /// Records on the page.
    limit: Option<usize>,
}

impl Page {
    /// Records on the page, checked.
    ///
    /// # Errors
    /// [`Kind::InvalidParameter`].
    pub fn limit(&self) -> Result<usize, Problem> {
        let limit = self.limit.unwrap_or(PAGE_DEFAULT);
        if (1..=PAGE_MAX).contains(&limit) {
            return Ok(limit);
        }
        Err(Problem::new(Kind::InvalidParameter, format!("`limit` is {limit}; it goes from 1 to {PAGE_MAX}.")))
    }
}

fn list(backend: &mut impl Backend, project: &str, query: Option<&str>) -> Result<Reply, Problem> {
    let page: Page = json::parse_query_string(query.unwrap_or_default())?;
    let limit = page.limit()?;
    page.after.as_deref().map(names::check_key).transpose()?;
    let description = described(backend, project)?;
    let mut snapshot = Snapshot { backend, description: &description, version: None };
    Reply::json(&snapshot.page(page.after, limit as u32)?)
}

fn record(backend: &mut impl Backend, project: &str, key: &str) -> Result<Reply, Problem> {
    names::check_project(project)?;
    names::check_key(key)?;
    let description = described(backend, project)?;
    let mut snapshot = Snapshot { backend, description: &description, version: None };
    snapshot.record(key)?.map(Reply::record).ok_or_else(|| Problem::unknown_record(key))
}
