//! JSON and JSON Lines.

use serde::Deserialize;

use crate::body::RecordBody;
use crate::input::{InputError, Place};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Records {
    records: Vec<RecordBody>,
}

/// One record, a list of records, or `{"records": [..]}`.
pub(super) fn document(text: &str, file: &str) -> Result<Vec<RecordBody>, InputError> {
    let start = text.trim_start();
    if start.starts_with('[') {
        return parse(text, file, 1);
    }
    // Telling the two kinds of objects apart by trying would hide the mistake behind the wrong one's complaint.
    let object: Result<serde_json::Map<String, serde_json::Value>, _> = serde_json::from_str(text);
    if object.is_ok_and(|object| object.contains_key("records")) {
        return parse::<Records>(text, file, 1).map(|records| records.records);
    }
    parse(text, file, 1).map(|record| vec![record])
}

/// A record a line; empty lines do not count.
pub(super) fn lines(text: &str, file: &str) -> Result<Vec<(Place, RecordBody)>, InputError> {
    let numbered = text.lines().zip(1..).filter(|(line, _)| !line.trim().is_empty());
    numbered.map(|(line, number)| Ok((Place::Line(number), parse(line, file, number)?))).collect()
}

fn parse<T: serde::de::DeserializeOwned>(text: &str, file: &str, first_line: usize) -> Result<T, InputError> {
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let syntax = |error: &serde_json::Error, at: &str| {
        let at = if at == "." { String::new() } else { format!("at `{at}`: ") };
        // serde_json ends its messages with the place, which stands in front here.
        let message = error.to_string();
        let reason = message.split(" at line ").next().unwrap_or_default();
        InputError::Syntax {
            file: file.to_owned(),
            line: first_line + error.line().saturating_sub(1),
            column: error.column(),
            reason: format!("{at}{reason}"),
        }
    };
    let value = serde_path_to_error::deserialize(&mut deserializer)
        .map_err(|error| syntax(error.inner(), &error.path().to_string()))?;
    deserializer.end().map_err(|error| syntax(&error, "."))?;
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An editor jumps to `file:line:column`; it must be the right place.
    #[test]
    fn mistakes_have_a_place() {
        fn said<T: std::fmt::Debug>(result: Result<T, InputError>) -> String {
            result.unwrap_err().to_string()
        }
        assert!(said(document("[{\"key\":\"a\"},\n {\"key\":}]", "f.json")).starts_with("f.json:2:9: "));
        assert!(
            said(lines("{\"key\":\"a\"}\n\n{\"key\":7}", "f.jsonl")).starts_with("f.jsonl:3:8: at `key`: invalid type")
        );
        assert!(said(document("{\"key\":\"a\",\"txet\":\"b\"}", "f")).contains("unknown field `txet`"));
        assert!(said(document("", "f")).starts_with("f:1:0: "));
        assert!(said(lines("{\"key\":\"a\"} {\"key\":\"b\"}", "f")).contains("trailing"));
    }
}
