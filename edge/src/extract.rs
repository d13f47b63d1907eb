//! Request parts, with errors as problems that say where in the request the fault is.

use axum::body::Bytes;
use axum::extract::rejection::{BytesRejection, PathRejection};
use axum::extract::{FromRequest, FromRequestParts, Path, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode, header};
use serde::de::DeserializeOwned;
use skerry_gateway::json;

use crate::problem::{Kind, Problem};

/// A JSON body of type `T`. Unknown members are errors where `T` says so, with the path to the fault in the problem.
#[derive(Debug)]
pub struct JsonBody<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for JsonBody<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        check_media_type(request.headers(), "application/json")?;
        let bytes = read(request, state).await?;
        parse_json(&bytes).map(JsonBody)
    }
}

/// A body of raw bytes, `application/octet-stream`.
#[derive(Debug)]
pub struct BinaryBody(pub Bytes);

impl<S: Send + Sync> FromRequest<S> for BinaryBody {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        check_media_type(request.headers(), "application/octet-stream")?;
        read(request, state).await.map(BinaryBody)
    }
}

/// Path parameters.
#[derive(Debug)]
pub struct PathParameters<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned + Send> FromRequestParts<S> for PathParameters<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let rejected = |rejection: PathRejection| Problem::new(Kind::InvalidParameter, rejection.body_text());
        Path::from_request_parts(parts, state).await.map(|Path(value)| PathParameters(value)).map_err(rejected)
    }
}

/// Parameters behind the question mark.
#[derive(Debug)]
pub struct QueryParameters<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for QueryParameters<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        Ok(QueryParameters(json::parse_query_string(parts.uri.query().unwrap_or_default())?))
    }
}

/// Parses JSON; syntax errors and wrong types are told apart, both with their place.
///
/// # Errors
/// [`Kind::MalformedJson`] with line and column, [`Kind::InvalidBody`] with the path of the wrong value.
pub fn parse_json<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Problem> {
    Ok(json::parse(bytes)?)
}

fn check_media_type(headers: &HeaderMap, expected: &str) -> Result<(), Problem> {
    let given = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or("");
    Ok(json::check_media_type(given, expected)?)
}

async fn read<S: Send + Sync>(request: Request, state: &S) -> Result<Bytes, Problem> {
    Bytes::from_request(request, state).await.map_err(|rejection: BytesRejection| {
        if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE {
            skerry_gateway::Problem::body_too_large().into()
        } else {
            skerry_gateway::Problem::incomplete_body().into()
        }
    })
}
