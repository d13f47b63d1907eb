//! Every error that the API answers with, as RFC 9457 problem details.
//!
//! The problem types themselves are the gateway's. What went wrong inside (paths, causes) goes to the log under the request
//! id, not to the caller.

use axum::body::Body;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use skerry_gateway::problem::capitalised;
use skerry_host::{AnalysisError, CallError, CurvatureError, HypergraphError, ManifoldError, QueryError};
use skerry_sync::{ExchangeError, LayerError, NameError, ReadError, RecordError, WriteError};

use crate::models::ModelError;

pub use skerry_gateway::problem::{CONTENT_TYPE, Kind};

/// An error as the API shows it: that of the gateway, which a snapshot answers with too, made from the errors of the crates
/// that only a node has.
#[derive(Debug, Clone)]
pub struct Problem(skerry_gateway::Problem);

impl Problem {
    /// A problem of `kind` whose `detail` says what happened and what the caller can do.
    pub fn new(kind: Kind, detail: impl Into<String>) -> Self {
        Problem(skerry_gateway::Problem::new(kind, detail))
    }

    /// Adds an extension member.
    #[must_use]
    pub fn with(self, name: &str, value: impl Into<Value>) -> Self {
        Problem(self.0.with(name, value))
    }

    /// A fault of the node: the cause goes to the log, the caller learns that there is one.
    pub fn internal(cause: &dyn std::fmt::Display) -> Self {
        tracing::error!(cause = %cause, "request failed");
        Problem(skerry_gateway::Problem::internal())
    }
}

impl std::ops::Deref for Problem {
    type Target = skerry_gateway::Problem;

    fn deref(&self) -> &skerry_gateway::Problem {
        &self.0
    }
}

impl From<skerry_gateway::Problem> for Problem {
    fn from(problem: skerry_gateway::Problem) -> Self {
        Problem(problem)
    }
}

impl From<Problem> for skerry_gateway::Problem {
    fn from(problem: Problem) -> Self {
        problem.0
    }
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
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
    *response.status_mut() = StatusCode::from_u16(problem.kind().status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(CONTENT_TYPE));
    if problem.kind() == Kind::Unauthorized {
        response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    response
}

fn unknown_project(name: &str) -> Problem {
    skerry_gateway::Problem::unknown_project(name).into()
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
            QueryError::UnknownField { path, similar } => skerry_gateway::Problem::unknown_field(path, similar).into(),
            QueryError::Invalid(reason) => Problem::new(Kind::InvalidQuery, format!("{reason}.")),
            QueryError::Call(error) => error.into(),
            other => Problem::internal(&other),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A status that HTTP does not know would be answered as a fault of the node.
    #[test]
    fn every_status_is_one_of_http() {
        for kind in Kind::ALL {
            assert!(StatusCode::from_u16(kind.status()).is_ok_and(|status| !status.is_success()), "{}", kind.slug());
        }
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
