//! Every error that the API answers with, as RFC 9457 problem details.
//!
//! A problem type is part of the API: it is named here once, tested, and never renamed. What went wrong inside (paths,
//! causes) goes to the log under the request id, not to the caller.

use axum::body::Body;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value, json};
use skerry_host::{AnalysisError, CallError, CurvatureError, HypergraphError, ManifoldError, QueryError};
use skerry_sync::{ExchangeError, LayerError, NameError, ReadError, RecordError, WriteError};

use crate::models::ModelError;

/// Media type of a problem.
pub const CONTENT_TYPE: &str = "application/problem+json";

/// An error as the API shows it.
#[derive(Debug, Clone)]
pub struct Problem {
    kind: Kind,
    detail: String,
    members: Map<String, Value>,
}

macro_rules! kinds {
    ($($(#[doc = $doc:literal])+ $name:ident = $slug:literal, $status:ident, $title:literal;)+) => {
        /// A problem type: its URN, its status and its title.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        #[non_exhaustive]
        pub enum Kind { $($(#[doc = $doc])+ $name,)+ }

        impl Kind {
            /// Every problem type, for documentation and tests.
            pub const ALL: &'static [Kind] = &[$(Kind::$name,)+];

            /// The last part of `urn:skerry:problem:...`.
            pub fn slug(self) -> &'static str { match self { $(Kind::$name => $slug,)+ } }

            /// The HTTP status that goes with it.
            pub fn status(self) -> StatusCode { match self { $(Kind::$name => StatusCode::$status,)+ } }

            /// The title, the same for every occurrence.
            pub fn title(self) -> &'static str { match self { $(Kind::$name => $title,)+ } }
        }
    };
}

kinds! {
    /// The body is not JSON.
    MalformedJson = "malformed-json", BAD_REQUEST, "The body is not valid JSON";
    /// The body is JSON of another shape than the operation takes.
    InvalidBody = "invalid-body", UNPROCESSABLE_ENTITY, "The body does not have the expected shape";
    /// A record breaks a limit or a rule.
    InvalidRecord = "invalid-record", UNPROCESSABLE_ENTITY, "A record is not valid";
    /// A record was erased elsewhere, and that has not arrived here to the end.
    BeingErased = "being-erased", CONFLICT, "The record is being erased";
    /// A project's name breaks a rule.
    InvalidName = "invalid-name", BAD_REQUEST, "A name is not valid";
    /// A query breaks a limit or a rule.
    InvalidQuery = "invalid-query", BAD_REQUEST, "The query is not valid";
    /// The answer would be larger than it may.
    AnswerTooLarge = "answer-too-large", UNPROCESSABLE_ENTITY, "The answer would be too large";
    /// The project is larger than the operation takes.
    ProjectTooLarge = "project-too-large", UNPROCESSABLE_ENTITY, "The project is too large for this operation";
    /// A filter asks for a field that no record has.
    UnknownField = "unknown-field", BAD_REQUEST, "The filter names a field that no record has";
    /// A geometry request does not fit its data, or breaks a limit.
    InvalidGeometry = "invalid-geometry", UNPROCESSABLE_ENTITY, "The geometry request is not valid";
    /// A mean was looked for and not found.
    NoConvergence = "no-convergence", UNPROCESSABLE_ENTITY, "The iteration did not converge";
    /// A path or query parameter is not of the expected form.
    InvalidParameter = "invalid-parameter", BAD_REQUEST, "A parameter is not valid";
    /// The body of a sync exchange is damaged or not one.
    DamagedExchange = "damaged-exchange", BAD_REQUEST, "The sync body is damaged";
    /// The body of a sync exchange speaks of documents that are not of this project.
    ForeignExchange = "foreign-exchange", CONFLICT, "The sync body belongs to another project";
    /// No API key, or one that is not known here.
    Unauthorized = "unauthorized", UNAUTHORIZED, "An API key is needed";
    /// The `Host` header names another machine than the loopback interface that a node without a key serves.
    ForeignHost = "foreign-host", FORBIDDEN, "The Host header does not name this node";
    /// No such project on this node.
    UnknownProject = "unknown-project", NOT_FOUND, "There is no such project";
    /// No such record in the project.
    UnknownRecord = "unknown-record", NOT_FOUND, "There is no such record";
    /// A layer's declaration breaks a limit or a rule.
    InvalidLayer = "invalid-layer", UNPROCESSABLE_ENTITY, "A layer is not valid";
    /// Layers would inherit from one another in a circle.
    CircularLayers = "circular-layers", CONFLICT, "Layers would inherit in a circle";
    /// The project declares no such layer.
    UnknownLayer = "unknown-layer", NOT_FOUND, "There is no such layer";
    /// The project saved no such chart.
    UnknownChart = "unknown-chart", NOT_FOUND, "There is no such chart";
    /// The project never had this version here, or it is not one.
    UnknownVersion = "unknown-version", NOT_FOUND, "There is no such version here";
    /// No such path.
    UnknownPath = "unknown-path", NOT_FOUND, "There is nothing at this path";
    /// The path does not take this method.
    MethodNotAllowed = "method-not-allowed", METHOD_NOT_ALLOWED, "The path does not take this method";
    /// The body is larger than the operation takes.
    BodyTooLarge = "body-too-large", PAYLOAD_TOO_LARGE, "The body is too large";
    /// The body's media type is not the one the operation takes.
    UnsupportedMediaType = "unsupported-media-type", UNSUPPORTED_MEDIA_TYPE, "The media type is not supported";
    /// The request names a model that this node was never told of.
    UnknownModel = "unknown-model", UNPROCESSABLE_ENTITY, "There is no such model on this node";
    /// Vectors of one model would meet those of another.
    ModelMismatch = "model-mismatch", CONFLICT, "The project has another model";
    /// The project's model cannot be used on this node.
    ModelUnavailable = "model-unavailable", SERVICE_UNAVAILABLE, "The project's model is not available on this node";
    /// The model was asked and gave no vectors.
    ModelFailed = "model-failed", BAD_GATEWAY, "The embedding model failed";
    /// The node that this node was told to sync with did not do its part.
    PeerFailed = "peer-failed", BAD_GATEWAY, "The other node did not complete the sync";
    /// The disk is full; nothing of the request was stored.
    StoreFull = "store-full", INSUFFICIENT_STORAGE, "The disk is full";
    /// The store could not be read or written; nothing of the request was stored.
    StoreFailed = "store-failed", SERVICE_UNAVAILABLE, "The store failed";
    /// As many subscriptions are open as the node holds.
    TooManySubscriptions = "too-many-subscriptions", SERVICE_UNAVAILABLE, "There are too many subscriptions";
    /// The request took longer than it may.
    DeadlineExceeded = "deadline-exceeded", SERVICE_UNAVAILABLE, "The request took too long";
    /// A fault of the node.
    Internal = "internal", INTERNAL_SERVER_ERROR, "The node failed";
}

impl Problem {
    /// A problem of `kind` whose `detail` says what happened and what the caller can do.
    pub fn new(kind: Kind, detail: impl Into<String>) -> Self {
        Problem { kind, detail: detail.into(), members: Map::new() }
    }

    /// Adds an extension member.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.members.insert(name.to_owned(), value.into());
        self
    }

    /// An extension member.
    pub fn member(&self, name: &str) -> Option<&Value> {
        self.members.get(name)
    }

    /// What happened and what the caller can do.
    pub fn detail(&self) -> &str {
        &self.detail
    }

    /// Its extension members.
    pub fn members(&self) -> &Map<String, Value> {
        &self.members
    }

    /// Its type.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// A fault of the node: the cause goes to the log, the caller learns that there is one.
    pub fn internal(cause: &dyn std::fmt::Display) -> Self {
        tracing::error!(cause = %cause, "request failed");
        Problem::new(Kind::Internal, "The node failed to answer; its log has the cause under this request id.")
    }

    /// The JSON object, with the request's id when there is one.
    pub fn to_json(&self, request_id: Option<&str>) -> Value {
        let mut object = self.members.clone();
        object.insert("type".into(), json!(format!("urn:skerry:problem:{}", self.kind.slug())));
        object.insert("title".into(), json!(self.kind.title()));
        object.insert("status".into(), json!(self.kind.status().as_u16()));
        object.insert("detail".into(), json!(self.detail));
        if let Some(id) = request_id {
            object.insert("request_id".into(), json!(id));
        }
        Value::Object(object)
    }
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.kind.title(), self.detail)
    }
}

impl std::error::Error for Problem {}

/// The response carries the problem as an extension too, so that [`crate::api`] can add the request's id to the body.
impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = respond(&self, None);
        response.extensions_mut().insert(self);
        response
    }
}

/// The response for a problem whose request id is known.
pub fn respond(problem: &Problem, request_id: Option<&str>) -> Response {
    let mut response = Response::new(Body::from(problem.to_json(request_id).to_string()));
    *response.status_mut() = problem.kind.status();
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(CONTENT_TYPE));
    if problem.kind == Kind::Unauthorized {
        response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    response
}

fn unknown_project(name: &str) -> Problem {
    Problem::new(
        Kind::UnknownProject,
        format!(
            "There is no project `{name}` here. Create it with PUT /api/v1/projects/{name}, or sync with a node that has it."
        ),
    )
}

fn store_failed(cause: &dyn std::fmt::Display) -> Problem {
    tracing::error!(cause = %cause, "the store failed");
    Problem::new(
        Kind::StoreFailed,
        "The store could not be read or written. Nothing of this request was stored; try again when /api/v1/health is ok.",
    )
}

impl From<NameError> for Problem {
    fn from(error: NameError) -> Self {
        Problem::new(Kind::InvalidName, error.to_string())
    }
}

impl From<RecordError> for Problem {
    fn from(error: RecordError) -> Self {
        Problem::new(Kind::InvalidRecord, error.to_string())
    }
}

impl From<ReadError> for Problem {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::UnknownProject(name) => unknown_project(&name),
            ReadError::UnknownVersion(version) => {
                let shown: String = version.chars().take(80).collect();
                let detail = format!(
                    "The project never had the version `{shown}` on this node. List those it had at \
                     /api/v1/projects/<project>/versions, or sync with a node that had it and ask there."
                );
                Problem::new(Kind::UnknownVersion, detail).with("version", shown)
            }
            other => store_failed(&other),
        }
    }
}

impl From<WriteError> for Problem {
    fn from(error: WriteError) -> Self {
        match error {
            WriteError::UnknownProject(name) => unknown_project(&name),
            WriteError::Record { index, key, reason } => Problem::new(
                Kind::InvalidRecord,
                format!("Record {index} cannot be published: {reason}. Nothing of this request was stored."),
            )
            .with("errors", json!([{ "index": index, "key": key, "detail": reason.to_string() }])),
            WriteError::Settings(error) => Problem::new(Kind::InvalidBody, format!("{error}.")),
            WriteError::Layer(LayerError::Circle(circle)) => {
                let detail =
                    format!("{}. Nothing was declared.", capitalised(&LayerError::Circle(circle.clone()).to_string()));
                Problem::new(Kind::CircularLayers, detail).with("circle", json!(circle))
            }
            WriteError::Layer(error) => {
                Problem::new(Kind::InvalidLayer, format!("{}. Nothing was declared.", capitalised(&error.to_string())))
            }
            WriteError::Chart(error) => {
                Problem::new(Kind::InvalidBody, format!("{}.", capitalised(&error.to_string())))
            }
            WriteError::Shards(_) => Problem::new(Kind::InvalidBody, format!("`shards`: {error}.")),
            WriteError::BeingErased { ref key } => {
                Problem::new(Kind::BeingErased, format!("{error}. Nothing of this request was stored."))
                    .with("key", key.as_str())
            }
            WriteError::StoreFull => Problem::new(
                Kind::StoreFull,
                "The disk that holds the store is full. Nothing of this request was stored, nothing stored before is lost; free some space and send it again.",
            ),
            other => store_failed(&other),
        }
    }
}

impl From<ExchangeError> for Problem {
    fn from(error: ExchangeError) -> Self {
        match error {
            ExchangeError::Damaged(reason) => Problem::new(
                Kind::DamagedExchange,
                format!("The sync body cannot be read ({reason}); nothing of it was stored. Send it again."),
            ),
            ExchangeError::Foreign(reason) => Problem::new(
                Kind::ForeignExchange,
                format!("The sync body does not belong here ({reason}); nothing of it was stored."),
            ),
            ExchangeError::Write(error) => error.into(),
            ExchangeError::Read(error) => error.into(),
            other => Problem::internal(&other),
        }
    }
}

impl From<ModelError> for Problem {
    fn from(error: ModelError) -> Self {
        let detail = format!("{}.", capitalised(&error.to_string()));
        match error {
            ModelError::Unknown { name, .. } => Problem::new(Kind::UnknownModel, detail).with("model", name),
            ModelError::Unusable { name, .. } => Problem::new(Kind::ModelUnavailable, detail).with("model", name),
            ModelError::Failed { name, .. } => {
                let detail = format!("{detail} Ask again later; keyword search works without it.");
                Problem::new(Kind::ModelFailed, detail).with("model", name)
            }
            ModelError::Call(error) => error.into(),
        }
    }
}

fn capitalised(words: &str) -> String {
    let mut characters = words.chars();
    characters.next().map_or_else(String::new, |first| first.to_uppercase().chain(characters).collect())
}

impl From<CallError> for Problem {
    fn from(error: CallError) -> Self {
        match error {
            // Nobody is there to read it.
            CallError::Cancelled => Problem::new(Kind::DeadlineExceeded, "Whoever asked has gone."),
            CallError::DeadlineExceeded => Problem::new(
                Kind::DeadlineExceeded,
                "The component did not answer within its deadline. Ask for less at once.",
            ),
            other => Problem::internal(&other),
        }
    }
}

impl From<ManifoldError> for Problem {
    fn from(error: ManifoldError) -> Self {
        match error {
            ManifoldError::Call(error) => error.into(),
            ManifoldError::NoConvergence { gradient_norm, iterations } => {
                let detail = format!(
                    "{}. Allow a larger `tolerance`, or look for records far from the others with `outliers`.",
                    capitalised(&error.to_string())
                );
                let problem = Problem::new(Kind::NoConvergence, detail);
                problem.with("gradient_norm", gradient_norm).with("iterations", iterations)
            }
            other => Problem::new(Kind::InvalidGeometry, format!("{}.", capitalised(&other.to_string()))),
        }
    }
}

impl From<AnalysisError> for Problem {
    fn from(error: AnalysisError) -> Self {
        match error {
            AnalysisError::Call(error) => error.into(),
            other => Problem::new(Kind::InvalidGeometry, format!("{}.", capitalised(&other.to_string()))),
        }
    }
}

impl From<CurvatureError> for Problem {
    fn from(error: CurvatureError) -> Self {
        match error {
            CurvatureError::Call(error) => error.into(),
            CurvatureError::OutOfRange(reason) => {
                Problem::new(Kind::InvalidGeometry, format!("{}.", capitalised(&reason)))
            }
            // The graph is made by the node; a fault of its is none of who asks.
            other => Problem::internal(&other),
        }
    }
}

impl From<HypergraphError> for Problem {
    fn from(error: HypergraphError) -> Self {
        match error {
            HypergraphError::Call(error) => error.into(),
            HypergraphError::OutOfRange(reason) => {
                Problem::new(Kind::InvalidGeometry, format!("{}.", capitalised(&reason)))
            }
            other => Problem::internal(&other),
        }
    }
}

impl From<QueryError> for Problem {
    fn from(error: QueryError) -> Self {
        match error {
            QueryError::UnknownField { path, similar } => {
                let hint = similar.as_ref().map_or(String::new(), |path| format!(" Did you mean `{path}`?"));
                let detail = format!(
                    "No record of this project has the field `{path}`.{hint} Fields are `key`, `layer`, `link.type`, `link.key`, `data.…` and `metadata.…`; use the operator `exists` to ask for a field that may not be there."
                );
                let problem = Problem::new(Kind::UnknownField, detail).with("field", path);
                match similar {
                    Some(path) => problem.with("similar", path),
                    None => problem,
                }
            }
            QueryError::Invalid(reason) => Problem::new(Kind::InvalidQuery, format!("{reason}.")),
            QueryError::Call(error) => error.into(),
            other => Problem::internal(&other),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    /// Problem types are API: renaming one breaks callers, so the list is pinned here.
    #[test]
    fn problem_types_are_stable_and_distinct() {
        let slugs: BTreeSet<&str> = Kind::ALL.iter().map(|kind| kind.slug()).collect();
        assert_eq!(slugs.len(), Kind::ALL.len());
        let pinned = "answer-too-large being-erased body-too-large damaged-exchange deadline-exceeded foreign-exchange foreign-host internal invalid-body invalid-geometry invalid-name invalid-parameter invalid-query invalid-record malformed-json method-not-allowed model-failed model-mismatch model-unavailable no-convergence peer-failed project-too-large store-failed store-full too-many-subscriptions unauthorized unknown-field unknown-model unknown-path unknown-project unknown-record unknown-version \
             unsupported-media-type";
        assert_eq!(slugs.into_iter().collect::<Vec<_>>().join(" "), pinned);
    }

    /// RFC 9457 names these members; the status must equal the response's own.
    #[test]
    fn a_problem_has_the_members_of_the_rfc() {
        let problem = Problem::new(Kind::UnknownProject, "no such").with("project", "x");
        let json = problem.to_json(Some("7"));
        assert_eq!(
            json,
            json!({"type": "urn:skerry:problem:unknown-project", "title": "There is no such project", "status": 404,
                   "detail": "no such", "project": "x", "request_id": "7"})
        );
        let response = problem.into_response();
        assert_eq!(response.status(), StatusCode::NOT_FOUND);
        assert_eq!(response.headers()["content-type"], CONTENT_TYPE);
    }
}
