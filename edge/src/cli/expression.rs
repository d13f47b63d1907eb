//! Filters as people type them: `data.severity >= 7`, `layer = "view:1000"`, `key ^= "CWE-1"`, `data.x exists`.

use serde_json::{Value, json};

use super::Misuse;

/// Operators, the longer ones first.
const OPERATORS: [(&str, &str); 7] =
    [("<=", "lte"), (">=", "gte"), ("!=", "ne"), ("^=", "prefix"), ("=", "eq"), ("<", "lt"), (">", "gt")];

/// The API's filter for what was typed: JSON as it is, or one comparison.
///
/// # Errors
/// [`Misuse`] that says what is missing, and where.
pub(super) fn parse(text: &str) -> anyhow::Result<Value> {
    let trimmed = text.trim();
    if trimmed.starts_with('{') {
        return serde_json::from_str(trimmed)
            .map_err(|error| Misuse(format!("the filter {text:?} is not JSON: {error}")).into());
    }
    if let Some(field) = trimmed.strip_suffix(" exists") {
        return Ok(json!({ "field": field.trim(), "op": "exists" }));
    }
    let first = OPERATORS
        .iter()
        .filter_map(|(sign, op)| Some((trimmed.find(sign)?, std::cmp::Reverse(sign.len()), *sign, *op)))
        .min();
    let Some((at, _, sign, op)) = first else {
        return Err(Misuse(format!(
            "the filter {text:?} has no operator; write for instance data.severity >= 7, with one of = != < <= > >= ^= exists"
        ))
        .into());
    };
    let (field, value) =
        (trimmed.get(..at).unwrap_or_default().trim(), trimmed.get(at + sign.len()..).unwrap_or_default().trim());
    if field.is_empty() || value.is_empty() {
        let side = if field.is_empty() { "before" } else { "behind" };
        let at = text.find(sign).map_or(0, |at| at + 1);
        return Err(Misuse(format!("the filter {text:?} has nothing {side} {sign} (at character {at})")).into());
    }
    // A value that is not a JSON number, word or quoted text is taken as text.
    let value = serde_json::from_str(value).unwrap_or_else(|_| json!(value));
    if op == "ne" {
        return Ok(json!({ "not": { "field": field, "op": "eq", "value": value } }));
    }
    Ok(json!({ "field": field, "op": op, "value": value }))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The forms that the help shows.
    #[test]
    fn comparisons_are_read() {
        let eq = |text: &str, value: Value| assert_eq!(parse(text).unwrap(), value, "{text}");
        eq("data.severity >= 7", json!({"field": "data.severity", "op": "gte", "value": 7}));
        eq("data.abstraction=Base", json!({"field": "data.abstraction", "op": "eq", "value": "Base"}));
        eq("layer = \"view:1000\"", json!({"field": "layer", "op": "eq", "value": "view:1000"}));
        eq("key ^= CWE-1", json!({"field": "key", "op": "prefix", "value": "CWE-1"}));
        eq("data.a != true", json!({"not": {"field": "data.a", "op": "eq", "value": true}}));
        eq("data.likelihood exists", json!({"field": "data.likelihood", "op": "exists"}));
        eq("{\"all\": []}", json!({"all": []}));
    }

    /// Mistakes say what is missing and where.
    #[test]
    fn mistakes_are_explained() {
        assert!(parse("data.severity").unwrap_err().to_string().contains("no operator"));
        assert!(parse(" = 7").unwrap_err().to_string().contains("before = (at character 2)"));
        assert!(parse("data.a >").unwrap_err().to_string().contains("behind >"));
        assert!(parse("{\"all\"").is_err());
    }
}
