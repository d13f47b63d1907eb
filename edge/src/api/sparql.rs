//! SPARQL 1.1 Protocol, queries only.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use sparesults::QueryResultsFormat;
use utoipa::ToSchema;

use super::{project_name, while_wanted};
use crate::extract::{PathParameters, QueryParameters, parse_json};
use crate::node::Node;
use crate::problem::{Kind, Problem};
use crate::sparql::answer::{QueryError, Stopped, TriplesFormat};
use crate::sparql::{ViewError, answer};

/// A query, in JSON or behind the question mark.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct SparqlBody {
    /// SPARQL 1.1; SELECT, ASK, CONSTRUCT or DESCRIBE; at most 8 KiB. The prefixes `rdf:`, `rdfs:`, `xsd:`, `skerry:` and
    /// `record:` are declared.
    query: String,
}

/// Asks the project's records and links, as RDF, by SPARQL 1.1. Rows come as `Accept` says: `application/sparql-results+json`
/// (also when it says nothing), `application/sparql-results+xml`, `text/csv`, `text/tab-separated-values`; the triples of
/// CONSTRUCT and DESCRIBE as `text/turtle` or `application/n-triples`.
#[utoipa::path(get, path = "/projects/{project}/sparql", tag = "graph", params(("project" = String, Path),
    ("query" = String, Query, description = "The query")), responses(
    (status = 200, content((String = "application/sparql-results+json"), (String = "text/turtle"))),
    (status = 400, description = "urn:skerry:problem:invalid-query, with `line` and `column` where it cannot be read"),
    (status = 404, description = "urn:skerry:problem:unknown-project"),
    (status = 422, description = "urn:skerry:problem:answer-too-large or project-too-large"),
    (status = 503, description = "urn:skerry:problem:deadline-exceeded")))]
pub(super) async fn get(
    State(node): State<Arc<Node>>,
    PathParameters(project): PathParameters<String>,
    QueryParameters(asked): QueryParameters<SparqlBody>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    answered(node, project, asked.query, headers).await
}

/// As GET, with the query as the body: as it is (`application/sparql-query`), as JSON `{"query": ..}`, or as a form
/// (`application/x-www-form-urlencoded`).
#[utoipa::path(post, path = "/projects/{project}/sparql", tag = "graph", params(("project" = String, Path)),
    request_body(content((String = "application/sparql-query"), (SparqlBody = "application/json"))), responses(
    (status = 200, content((String = "application/sparql-results+json"), (String = "text/turtle"))),
    (status = 400, description = "urn:skerry:problem:invalid-query, with `line` and `column` where it cannot be read"),
    (status = 404, description = "urn:skerry:problem:unknown-project"),
    (status = 415, description = "urn:skerry:problem:unsupported-media-type"),
    (status = 422, description = "urn:skerry:problem:answer-too-large or project-too-large"),
    (status = 503, description = "urn:skerry:problem:deadline-exceeded")))]
pub(super) async fn post(
    State(node): State<Arc<Node>>,
    PathParameters(project): PathParameters<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Problem> {
    let query = query_of(&headers, &body)?;
    answered(node, project, query, headers).await
}

fn query_of(headers: &HeaderMap, body: &[u8]) -> Result<String, Problem> {
    let given = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or("");
    let essence = given.split(';').next().unwrap_or("").trim().to_ascii_lowercase();
    match essence.as_str() {
        "application/json" => Ok(parse_json::<SparqlBody>(body)?.query),
        "application/sparql-query" => {
            String::from_utf8(body.to_vec()).map_err(|_| Problem::new(Kind::InvalidQuery, "The query is not UTF-8."))
        }
        "application/x-www-form-urlencoded" => {
            let text = String::from_utf8_lossy(body);
            let uri =
                format!("/?{text}").parse().map_err(|_| Problem::new(Kind::InvalidBody, "This is not a form."))?;
            let form = axum::extract::Query::<SparqlBody>::try_from_uri(&uri);
            let form = form.map_err(|error| Problem::new(Kind::InvalidBody, error.body_text()))?;
            Ok(form.0.query)
        }
        _ => Err(Problem::new(
            Kind::UnsupportedMediaType,
            format!(
                "Send the query as `application/sparql-query`, or as `application/json` {{\"query\": ..}}; this one came as `{given}`."
            ),
        )),
    }
}

async fn answered(node: Arc<Node>, project: String, query: String, headers: HeaderMap) -> Result<Response, Problem> {
    let wanted = wanted(&headers)?;
    while_wanted(move |cancel| {
        let project = project_name(&project)?;
        let triples = node.triples().get(node.replica(), &project)?;
        let answer = answer::answer(&triples, &query, wanted, answer::Limits::default(), cancel)?;
        Ok(([(header::CONTENT_TYPE, answer.media_type)], answer.bytes).into_response())
    })
    .await
}

/// The formats that `Accept` names; the first ones of each sort that are known, in the order of their quality.
fn wanted(headers: &HeaderMap) -> Result<answer::Wanted, Problem> {
    let accepted = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or("*/*");
    let mut ranges: Vec<(f32, &str)> = accepted.split(',').map(quality).filter(|(quality, _)| *quality > 0.0).collect();
    ranges.sort_by(|a, b| b.0.total_cmp(&a.0));
    let rows = ranges.iter().find_map(|(_, range)| match *range {
        "application/sparql-results+json" | "application/json" => Some(QueryResultsFormat::Json),
        "application/sparql-results+xml" | "application/xml" => Some(QueryResultsFormat::Xml),
        "text/csv" => Some(QueryResultsFormat::Csv),
        "text/tab-separated-values" => Some(QueryResultsFormat::Tsv),
        _ => None,
    });
    let triples = ranges.iter().find_map(|(_, range)| match *range {
        "text/turtle" => Some(TriplesFormat::Turtle),
        "application/n-triples" | "text/plain" => Some(TriplesFormat::NTriples),
        _ => None,
    });
    let takes_any = ranges.iter().any(|(_, range)| matches!(*range, "*/*" | "application/*" | "text/*"));
    if rows.is_none() && triples.is_none() && !takes_any {
        let detail = format!(
            "None of `{accepted}` can be had. Rows come as application/sparql-results+json, application/sparql-results+xml, \
             text/csv or text/tab-separated-values, triples as text/turtle or application/n-triples."
        );
        return Err(Problem::new(Kind::InvalidParameter, detail));
    }
    Ok(answer::Wanted {
        rows: rows.unwrap_or(QueryResultsFormat::Json),
        triples: triples.unwrap_or(TriplesFormat::Turtle),
    })
}

/// A range of `Accept` and its quality (RFC 9110, 12.5.1).
fn quality(range: &str) -> (f32, &str) {
    let mut parts = range.split(';').map(str::trim);
    let essence = parts.next().unwrap_or_default();
    let quality = parts.find_map(|part| part.strip_prefix("q=")).and_then(|text| text.parse().ok());
    (quality.unwrap_or(1.0), essence)
}

impl From<ViewError> for Problem {
    fn from(error: ViewError) -> Self {
        match error {
            ViewError::Read(error) => error.into(),
            other => Problem::new(Kind::ProjectTooLarge, format!("It cannot be asked by SPARQL: {other}.")),
        }
    }
}

impl From<QueryError> for Problem {
    fn from(error: QueryError) -> Self {
        let detail = format!("The query cannot be answered: {error}.");
        match error {
            QueryError::Syntax { words, line, column } => {
                let problem = Problem::new(Kind::InvalidQuery, format!("The query cannot be read: {words}."));
                match (line, column) {
                    (Some(line), Some(column)) => problem.with("line", line).with("column", column),
                    _ => problem,
                }
            }
            QueryError::TooLarge(_) => Problem::new(Kind::AnswerTooLarge, detail),
            QueryError::Stopped(Stopped::UnknownTerm(_)) | QueryError::Failed(_) => Problem::internal(&error),
            QueryError::Stopped(_) => Problem::new(Kind::DeadlineExceeded, detail),
            QueryError::Refused(_) => Problem::new(Kind::InvalidQuery, detail),
        }
    }
}
