//! Bodies and query strings of requests, with errors that say where the fault is.

use serde::de::DeserializeOwned;

use crate::problem::{Kind, Problem};

/// Parses JSON; syntax errors and wrong types are told apart, both with their place.
///
/// # Errors
/// [`Kind::MalformedJson`] with line and column, [`Kind::InvalidBody`] with the path of the wrong value.
pub fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Problem> {
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    let value = serde_path_to_error::deserialize(&mut deserializer).map_err(|error| {
        let path = error.path().to_string();
        problem(error.inner(), &path)
    })?;
    deserializer.end().map_err(|error| problem(&error, "."))?;
    Ok(value)
}

fn problem(error: &serde_json::Error, path: &str) -> Problem {
    match error.classify() {
        serde_json::error::Category::Data => {
            Problem::new(Kind::InvalidBody, format!("At `{path}`: {error}.")).with("path", path)
        }
        _ => Problem::new(Kind::MalformedJson, format!("The body is not valid JSON: {error}."))
            .with("line", error.line())
            .with("column", error.column()),
    }
}

/// Whether a body is of the media type that the operation takes; `given` is its `Content-Type`, empty when it has none.
///
/// # Errors
/// [`Kind::UnsupportedMediaType`].
pub fn check_media_type(given: &str, expected: &str) -> Result<(), Problem> {
    let essence = given.split(';').next().unwrap_or("").trim();
    if essence.eq_ignore_ascii_case(expected) {
        return Ok(());
    }
    let detail = format!("Send the body as `Content-Type: {expected}`; this one came as `{given}`.");
    Err(Problem::new(Kind::UnsupportedMediaType, detail))
}

/// Parses what stands behind the question mark of an address.
///
/// # Errors
/// [`Kind::InvalidParameter`].
pub fn parse_query_string<T: DeserializeOwned>(query: &str) -> Result<T, Problem> {
    let parameters = serde_urlencoded::Deserializer::new(form_urlencoded::parse(query.as_bytes()));
    serde_path_to_error::deserialize(parameters).map_err(|error| {
        // As axum says it, which the node's other operations answer with.
        Problem::new(Kind::InvalidParameter, format!("Failed to deserialize query string: {error}"))
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
        let fault = |text: &str| parse::<Outer>(text.as_bytes()).unwrap_err().to_json(None);
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
            let fault = parse::<Outer>(&body).unwrap_err().to_json(None);
            assert_eq!(fault["type"], "urn:skerry:problem:malformed-json", "{name}: {fault}");
            assert_eq!(fault["line"], 1, "{name}: {fault}");
        }
    }
}
