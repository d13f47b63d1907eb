//! Every error that the hub's HTTP API answers with, as RFC 9457 problem details.
//!
//! A problem type is part of the API: it is named here once, tested, and never renamed. Those that the node's API has too
//! mean the same.

use std::time::Duration;

use axum::body::Body;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use skerry_sync::hub::StoreFailure;
use skerry_sync::{ExchangeError, NameError, WriteError};

/// Media type of a problem.
pub const CONTENT_TYPE: &str = "application/problem+json";

/// When a client may ask again that was refused for the store's sake.
const STORE_RETRY: Duration = Duration::from_secs(2);

/// An error as the API shows it.
#[derive(Debug, Clone)]
pub struct Problem {
    kind: Kind,
    detail: String,
    retry_after: Option<Duration>,
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
    /// A project's name breaks a rule.
    InvalidName = "invalid-name", BAD_REQUEST, "A name is not valid";
    /// The body of a sync exchange is damaged or not one.
    DamagedExchange = "damaged-exchange", BAD_REQUEST, "The sync body is damaged";
    /// The body of a sync exchange speaks of documents that are not of this project.
    ForeignExchange = "foreign-exchange", CONFLICT, "The sync body belongs to another project";
    /// No token, or one that is not known here.
    Unauthorized = "unauthorized", UNAUTHORIZED, "A token is needed";
    /// The token does not allow it.
    Forbidden = "forbidden", FORBIDDEN, "The token does not allow this";
    /// No such project, or none that the token is for: the two are not told apart.
    UnknownProject = "unknown-project", NOT_FOUND, "There is no such project";
    /// No such path.
    UnknownPath = "unknown-path", NOT_FOUND, "There is nothing at this path";
    /// The path does not take this method.
    MethodNotAllowed = "method-not-allowed", METHOD_NOT_ALLOWED, "The path does not take this method";
    /// The body is larger than the hub takes.
    BodyTooLarge = "body-too-large", PAYLOAD_TOO_LARGE, "The body is too large";
    /// The body's media type is not the one the operation takes, or it is compressed.
    UnsupportedMediaType = "unsupported-media-type", UNSUPPORTED_MEDIA_TYPE, "The media type is not supported";
    /// The path takes WebSockets only.
    UpgradeRequired = "upgrade-required", UPGRADE_REQUIRED, "A WebSocket is needed";
    /// More requests or bytes than the token may send.
    TooManyRequests = "too-many-requests", TOO_MANY_REQUESTS, "Too many requests";
    /// The hub has as many connections as it takes.
    HubFull = "hub-full", SERVICE_UNAVAILABLE, "The hub has no room";
    /// The central store is full; nothing of the request was stored.
    StoreFull = "store-full", SERVICE_UNAVAILABLE, "The central store is full";
    /// The central store could not be read or written; nothing of the request was stored.
    StoreFailed = "store-failed", SERVICE_UNAVAILABLE, "The central store failed";
    /// The request took longer than it may.
    DeadlineExceeded = "deadline-exceeded", SERVICE_UNAVAILABLE, "The request took too long";
    /// The hub is about to stop.
    Stopping = "stopping", SERVICE_UNAVAILABLE, "The hub is stopping";
    /// A fault of the hub.
    Internal = "internal", INTERNAL_SERVER_ERROR, "The hub failed";
}

impl Problem {
    /// A problem of `kind` whose `detail` says what happened and what the caller can do.
    pub fn new(kind: Kind, detail: impl Into<String>) -> Self {
        Problem { kind, detail: detail.into(), retry_after: None }
    }

    /// Says when to ask again.
    #[must_use]
    pub fn retry_after(mut self, after: Duration) -> Self {
        self.retry_after = Some(after);
        self
    }

    /// Its type.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// A fault of the hub: the cause goes to the log, the caller learns that there is one.
    pub fn internal(cause: &dyn std::fmt::Display) -> Self {
        tracing::error!(cause = %cause, "request failed");
        Problem::new(Kind::Internal, "The hub failed to answer; its log has the cause under this request id.")
    }

    /// The JSON object, with the request's id when there is one.
    pub fn to_json(&self, request_id: Option<&str>) -> Value {
        let mut object = json!({
            "type": format!("urn:skerry:problem:{}", self.kind.slug()),
            "title": self.kind.title(),
            "status": self.kind.status().as_u16(),
            "detail": self.detail,
        });
        if let (Some(id), Some(object)) = (request_id, object.as_object_mut()) {
            object.insert("request_id".into(), json!(id));
        }
        object
    }
}

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
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(CONTENT_TYPE));
    match problem.kind {
        Kind::Unauthorized => {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        Kind::UpgradeRequired => {
            headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
        }
        _ => {}
    }
    if let Some(after) = problem.retry_after {
        headers.insert(header::RETRY_AFTER, HeaderValue::from(after.as_secs().max(1)));
    }
    response
}

impl From<NameError> for Problem {
    fn from(error: NameError) -> Self {
        Problem::new(Kind::InvalidName, error.to_string())
    }
}

impl From<StoreFailure> for Problem {
    fn from(failure: StoreFailure) -> Self {
        let kind = if failure == StoreFailure::Full { Kind::StoreFull } else { Kind::StoreFailed };
        tracing::error!(cause = %failure, "request refused: the central store failed");
        let detail = "The central store did not take or give what was asked. Nothing of this request counts, nothing \
                      acknowledged before is lost; ask again when /api/v1/health is ok.";
        Problem::new(kind, detail).retry_after(STORE_RETRY)
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
            ExchangeError::ReadOnly => Problem::new(
                Kind::Forbidden,
                "The body holds changes and this token is for reading; nothing of it was stored. Ask the hub's operator \
                 for a token that writes.",
            ),
            ExchangeError::Write(WriteError::StoreFull) => StoreFailure::Full.into(),
            ExchangeError::Write(WriteError::Store(error)) => StoreFailure::Failed(error.to_string()).into(),
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
        let pinned = "body-too-large damaged-exchange deadline-exceeded forbidden foreign-exchange hub-full internal \
             invalid-name method-not-allowed stopping store-failed store-full too-many-requests unauthorized unknown-path \
             unknown-project unsupported-media-type upgrade-required";
        assert_eq!(slugs.into_iter().collect::<Vec<_>>().join(" "), pinned);
    }

    /// RFC 9457 names these members; who has to wait is told how long.
    #[test]
    fn a_problem_has_the_members_of_the_rfc() {
        let problem = Problem::new(Kind::TooManyRequests, "slower").retry_after(Duration::from_secs(3));
        let json = problem.to_json(Some("7"));
        assert_eq!(
            json,
            json!({"type": "urn:skerry:problem:too-many-requests", "title": "Too many requests", "status": 429,
                   "detail": "slower", "request_id": "7"})
        );
        let response = problem.into_response();
        assert_eq!(response.status(), StatusCode::TOO_MANY_REQUESTS);
        assert_eq!(
            (&response.headers()["content-type"], &response.headers()["retry-after"]),
            (&HeaderValue::from_static(CONTENT_TYPE), &HeaderValue::from_static("3"))
        );
    }
}
