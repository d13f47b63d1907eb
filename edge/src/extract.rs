//! Request parts, with errors as problems that say where in the request the fault is.

use axum::body::Bytes;
use axum::extract::rejection::{BytesRejection, PathRejection, QueryRejection};
use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode, header};
use serde::de::DeserializeOwned;

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

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let rejected = |rejection: QueryRejection| Problem::new(Kind::InvalidParameter, rejection.body_text());
        Query::from_request_parts(parts, state).await.map(|Query(value)| QueryParameters(value)).map_err(rejected)
    }
}

/// Parses JSON; syntax errors and wrong types are told apart, both with their place.
///
/// # Errors
/// [`Kind::MalformedJson`] with line and column, [`Kind::InvalidBody`] with the path of the wrong value.
pub fn parse_json<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Problem> {
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    let value = serde_path_to_error::deserialize(&mut deserializer).map_err(|error| {
        let path = error.path().to_string();
        json_problem(error.inner(), &path)
    })?;
    deserializer.end().map_err(|error| json_problem(&error, "."))?;
    Ok(value)
}

fn json_problem(error: &serde_json::Error, path: &str) -> Problem {
    match error.classify() {
        serde_json::error::Category::Data => {
            Problem::new(Kind::InvalidBody, format!("At `{path}`: {error}.")).with("path", path)
        }
        _ => Problem::new(Kind::MalformedJson, format!("The body is not valid JSON: {error}."))
            .with("line", error.line())
            .with("column", error.column()),
    }
}

fn check_media_type(headers: &HeaderMap, expected: &str) -> Result<(), Problem> {
    let given = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or("");
    let essence = given.split(';').next().unwrap_or("").trim();
    if essence.eq_ignore_ascii_case(expected) {
        return Ok(());
    }
    Err(Problem::new(
        Kind::UnsupportedMediaType,
        format!("Send the body as `Content-Type: {expected}`; this one came as `{given}`."),
    ))
}

async fn read<S: Send + Sync>(request: Request, state: &S) -> Result<Bytes, Problem> {
    Bytes::from_request(request, state).await.map_err(|rejection: BytesRejection| {
        if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE {
            Problem::new(
                Kind::BodyTooLarge,
                "The body is larger than this operation takes; send it in several requests.",
            )
        } else {
            Problem::new(Kind::MalformedJson, "The body ended before it was complete.")
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Inner {
        #[allow(dead_code, reason = "only parsed")]
        text: String,
    }

    #[derive(Debug, Deserialize)]
    struct Outer {
        #[allow(dead_code, reason = "only parsed")]
        records: Vec<Inner>,
    }

    /// A caller with a thousand records in a request must learn which one is wrong, and where.
    #[test]
    fn faults_are_located() {
        let fault = |text: &str| parse_json::<Outer>(text.as_bytes()).unwrap_err().to_json(None);
        let broken = fault("{\"records\":\n [ }");
        assert_eq!((broken["type"].as_str(), &broken["line"]), (Some("urn:skerry:problem:malformed-json"), &2.into()));
        assert_eq!(fault("{\"records\":[{\"text\":\"a\"},{\"text\":7}]}")["path"], "records[1].text");
        assert_eq!(fault("{\"records\":[{\"txet\":\"a\"}]}")["path"], "records[0].txet");
        assert_eq!(fault("{\"records\":[]} tail")["status"], 400);
        assert_eq!(fault("")["status"], 400);
        assert_eq!(fault("{\"records\":[{\"text\":\"\\ud800\"}]}")["status"], 400);
    }

    /// What is not UTF-8 is refused where it stands, not mended: a replica that mended it otherwise would embed another text.
    #[test]
    fn text_that_is_not_utf_8_is_refused() {
        let sequences: [(&str, &[u8]); 5] = [
            ("a byte that starts nothing", b"\xff"),
            ("a sequence cut short", b"\xe2\x82"),
            ("a surrogate", b"\xed\xa0\x80"),
            ("an overlong slash", b"\xc0\xaf"),
            ("behind the last character", b"\xf4\x90\x80\x80"),
        ];
        for (name, bytes) in sequences {
            let body = [b"{\"records\":[{\"text\":\"tide ".as_slice(), bytes, b"\"}]}"].concat();
            let fault = parse_json::<Outer>(&body).unwrap_err().to_json(None);
            assert_eq!(fault["type"], "urn:skerry:problem:malformed-json", "{name}: {fault}");
            assert_eq!(fault["line"], 1, "{name}: {fault}");
        }
    }
}
