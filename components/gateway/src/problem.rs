//! Every error that the API answers with, as RFC 9457 problem details.
//!
//! A problem type is part of the API: it is named here once, tested, and never renamed. What went wrong inside (paths,
//! causes) goes to the log under the request id, not to the caller.

use serde_json::{Map, Value, json};

/// Media type of a problem.
pub const CONTENT_TYPE: &str = "application/problem+json";

/// An error as the API shows it.
#[derive(Debug, Clone, PartialEq)]
pub struct Problem {
    kind: Kind,
    detail: String,
    members: Map<String, Value>,
}

macro_rules! kinds {
    ($($(#[doc = $doc:literal])+ $name:ident = $slug:literal, $status:literal, $title:literal;)+) => {
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
            pub fn status(self) -> u16 { match self { $(Kind::$name => $status,)+ } }

            /// The title, the same for every occurrence.
            pub fn title(self) -> &'static str { match self { $(Kind::$name => $title,)+ } }
        }
    };
}

kinds! {
    /// The body is not JSON.
    MalformedJson = "malformed-json", 400, "The body is not valid JSON";
    /// The body is JSON of another shape than the operation takes.
    InvalidBody = "invalid-body", 422, "The body does not have the expected shape";
    /// A record breaks a limit or a rule.
    InvalidRecord = "invalid-record", 422, "A record is not valid";
    /// A record was erased elsewhere, and that has not arrived here to the end.
    BeingErased = "being-erased", 409, "The record is being erased";
    /// A project's name breaks a rule.
    InvalidName = "invalid-name", 400, "A name is not valid";
    /// A query breaks a limit or a rule.
    InvalidQuery = "invalid-query", 400, "The query is not valid";
    /// The answer would be larger than it may.
    AnswerTooLarge = "answer-too-large", 422, "The answer would be too large";
    /// The project is larger than the operation takes.
    ProjectTooLarge = "project-too-large", 422, "The project is too large for this operation";
    /// A filter asks for a field that no record has.
    UnknownField = "unknown-field", 400, "The filter names a field that no record has";
    /// A geometry request does not fit its data, or breaks a limit.
    InvalidGeometry = "invalid-geometry", 422, "The geometry request is not valid";
    /// A mean was looked for and not found.
    NoConvergence = "no-convergence", 422, "The iteration did not converge";
    /// A path or query parameter is not of the expected form.
    InvalidParameter = "invalid-parameter", 400, "A parameter is not valid";
    /// The body of a sync exchange is damaged or not one.
    DamagedExchange = "damaged-exchange", 400, "The sync body is damaged";
    /// The body of a sync exchange speaks of documents that are not of this project.
    ForeignExchange = "foreign-exchange", 409, "The sync body belongs to another project";
    /// No API key, or one that is not known here.
    Unauthorized = "unauthorized", 401, "An API key is needed";
    /// The `Host` header names another machine than the loopback interface that a node without a key serves.
    ForeignHost = "foreign-host", 403, "The Host header does not name this node";
    /// No such project on this node.
    UnknownProject = "unknown-project", 404, "There is no such project";
    /// No such record in the project.
    UnknownRecord = "unknown-record", 404, "There is no such record";
    /// A layer's declaration breaks a limit or a rule.
    InvalidLayer = "invalid-layer", 422, "A layer is not valid";
    /// Layers would inherit from one another in a circle.
    CircularLayers = "circular-layers", 409, "Layers would inherit in a circle";
    /// The project declares no such layer.
    UnknownLayer = "unknown-layer", 404, "There is no such layer";
    /// The project saved no such chart.
    UnknownChart = "unknown-chart", 404, "There is no such chart";
    /// The project never had this version here, or it is not one.
    UnknownVersion = "unknown-version", 404, "There is no such version here";
    /// No such path.
    UnknownPath = "unknown-path", 404, "There is nothing at this path";
    /// The path does not take this method.
    MethodNotAllowed = "method-not-allowed", 405, "The path does not take this method";
    /// The body is larger than the operation takes.
    BodyTooLarge = "body-too-large", 413, "The body is too large";
    /// The body's media type is not the one the operation takes.
    UnsupportedMediaType = "unsupported-media-type", 415, "The media type is not supported";
    /// The request names a model that this node was never told of.
    UnknownModel = "unknown-model", 422, "There is no such model on this node";
    /// Vectors of one model would meet those of another.
    ModelMismatch = "model-mismatch", 409, "The project has another model";
    /// The project's model cannot be used on this node.
    ModelUnavailable = "model-unavailable", 503, "The project's model is not available on this node";
    /// The model was asked and gave no vectors.
    ModelFailed = "model-failed", 502, "The embedding model failed";
    /// This node has no plugin of that name and kind for the project.
    UnknownPlugin = "unknown-plugin", 422, "There is no such plugin on this node";
    /// A plugin refuses a record.
    RefusedByPlugin = "refused-by-plugin", 422, "A plugin refuses a record";
    /// A plugin that has to be asked before records are stored gave no answer; nothing of the request was stored.
    PluginFailed = "plugin-failed", 502, "A plugin failed";
    /// The node that this node was told to sync with did not do its part.
    PeerFailed = "peer-failed", 502, "The other node did not complete the sync";
    /// The disk is full; nothing of the request was stored.
    StoreFull = "store-full", 507, "The disk is full";
    /// The store could not be read or written; nothing of the request was stored.
    StoreFailed = "store-failed", 503, "The store failed";
    /// As many subscriptions are open as the node holds.
    TooManySubscriptions = "too-many-subscriptions", 503, "There are too many subscriptions";
    /// The request took longer than it may.
    DeadlineExceeded = "deadline-exceeded", 503, "The request took too long";
    /// A snapshot is asked for something that only a node can do.
    NeedsNode = "needs-a-node", 501, "A snapshot cannot do this";
    /// A fault of the node.
    Internal = "internal", 500, "The node failed";
}

impl Problem {
    /// A problem of `kind` whose `detail` says what happened and what the caller can do.
    pub fn new(kind: Kind, detail: impl Into<String>) -> Self {
        Problem { kind, detail: detail.into(), members: Map::new() }
    }

    /// A fault that is none of the caller's; its cause belongs into a log.
    pub fn internal() -> Self {
        Problem::new(Kind::Internal, "The node failed to answer; its log has the cause under this request id.")
    }

    /// A query that breaks a limit or a rule.
    pub fn invalid_query(detail: impl Into<String>) -> Self {
        Problem::new(Kind::InvalidQuery, detail)
    }

    /// There is no such project.
    pub fn unknown_project(name: &str) -> Self {
        let detail = format!(
            "There is no project `{name}` here. Create it with PUT /api/v1/projects/{name}, or sync with a node that has it."
        );
        Problem::new(Kind::UnknownProject, detail)
    }

    /// There is no such record.
    pub fn unknown_record(key: &str) -> Self {
        Problem::new(Kind::UnknownRecord, format!("There is no record `{key}` in this project."))
    }

    /// A filter names a field that no record has; `similar` is the most similar one that there is.
    pub fn unknown_field(path: String, similar: Option<String>) -> Self {
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

    /// Nothing is at the path.
    pub fn unknown_path() -> Self {
        Problem::new(Kind::UnknownPath, "See /api/v1/openapi.json for what there is.")
    }

    /// The path does not take the method.
    pub fn method_not_allowed() -> Self {
        Problem::new(Kind::MethodNotAllowed, "See /api/v1/openapi.json for the methods of this path.")
    }

    /// The body is larger than the operation takes.
    pub fn body_too_large() -> Self {
        Problem::new(Kind::BodyTooLarge, "The body is larger than this operation takes; send it in several requests.")
    }

    /// The connection ended within the body.
    pub fn incomplete_body() -> Self {
        Problem::new(Kind::MalformedJson, "The body ended before it was complete.")
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

    /// The JSON object, with the request's id when there is one.
    pub fn to_json(&self, request_id: Option<&str>) -> Value {
        let mut object = self.members.clone();
        object.insert("type".into(), json!(format!("urn:skerry:problem:{}", self.kind.slug())));
        object.insert("title".into(), json!(self.kind.title()));
        object.insert("status".into(), json!(self.kind.status()));
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

/// The words with a capital letter at their beginning.
pub fn capitalised(words: &str) -> String {
    let mut characters = words.chars();
    characters.next().map_or_else(String::new, |first| first.to_uppercase().chain(characters).collect())
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
        let pinned = "answer-too-large being-erased body-too-large circular-layers damaged-exchange deadline-exceeded \
             foreign-exchange foreign-host internal invalid-body invalid-geometry invalid-layer invalid-name \
             invalid-parameter invalid-query invalid-record malformed-json method-not-allowed model-failed \
             model-mismatch model-unavailable needs-a-node no-convergence peer-failed plugin-failed project-too-large \
             refused-by-plugin store-failed store-full too-many-subscriptions unauthorized unknown-chart unknown-field \
             unknown-layer unknown-model unknown-path unknown-plugin unknown-project unknown-record unknown-version \
             unsupported-media-type";
        assert_eq!(slugs.into_iter().collect::<Vec<_>>().join(" "), pinned);
    }

    /// RFC 9457 names these members.
    #[test]
    fn a_problem_has_the_members_of_the_rfc() {
        let problem = Problem::new(Kind::UnknownProject, "no such").with("project", "x");
        assert_eq!(
            problem.to_json(Some("7")),
            json!({"type": "urn:skerry:problem:unknown-project", "title": "There is no such project", "status": 404,
                   "detail": "no such", "project": "x", "request_id": "7"})
        );
    }
}
