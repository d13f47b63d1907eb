//! Filters as people type them: `data.severity >= 7`, `layer = "view:1000"`, `key ^= "CWE-1"`, `layer in (a, b)`,
//! `data.x exists`.

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
    let sign_at = first.map_or(trimmed.len(), |(at, ..)| at);
    if let Some((field, list)) = membership(trimmed).filter(|(field, _)| field.len() < sign_at) {
        let wrong = || {
            let reason = "needs a list in parentheses behind in, for instance layer in (a, \"b, c\", 7)";
            Misuse(format!("the filter {text:?} {reason}"))
        };
        return Ok(json!({ "field": field.trim(), "op": "in", "value": values(list).ok_or_else(wrong)? }));
    }
    let Some((at, _, sign, op)) = first else {
        return Err(Misuse(format!(
            "the filter {text:?} has no operator; write for instance data.severity >= 7, with one of = != < <= > >= ^= in exists"
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
    let value = value_of(value);
    if op == "ne" {
        return Ok(json!({ "not": { "field": field, "op": "eq", "value": value } }));
    }
    Ok(json!({ "field": field, "op": op, "value": value }))
}

/// A value that is not a JSON number, word or quoted text is taken as text.
fn value_of(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|_| json!(text))
}

/// The sides of the first `in` behind a field: of any where a parenthesis follows, else of one that has no operator.
fn membership(text: &str) -> Option<(&str, &str)> {
    let (field, list) = text.match_indices(" in").find_map(|(at, word)| {
        let behind = text.get(at + word.len()..)?;
        (behind.is_empty() || behind.starts_with([' ', '(']))
            .then(|| (text.get(..at).unwrap_or_default(), behind.trim()))
    })?;
    let has_operator = OPERATORS.iter().any(|(sign, _)| list.contains(sign));
    (!field.trim().is_empty() && (list.starts_with('(') || !has_operator)).then_some((field, list))
}

/// The values of a list `(a, "b, c", 7)`.
fn values(list: &str) -> Option<Vec<Value>> {
    let mut rest = list.strip_prefix('(')?.strip_suffix(')')?;
    let mut values = Vec::new();
    loop {
        rest = rest.trim_start();
        let end = if rest.starts_with('"') {
            let mut quoted = serde_json::Deserializer::from_str(rest).into_iter::<String>();
            quoted.next()?.ok()?;
            quoted.byte_offset()
        } else {
            rest.find(',').unwrap_or(rest.len())
        };
        let (value, behind) = rest.split_at_checked(end)?;
        if value.trim().is_empty() {
            return None;
        }
        values.push(value_of(value.trim()));
        match behind.trim_start().strip_prefix(',') {
            Some(more) => rest = more,
            None => return behind.trim().is_empty().then_some(values),
        }
    }
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
        let one_of = |field: &str, values: Value| json!({"field": field, "op": "in", "value": values});
        eq("layer in (a, b)", one_of("layer", json!(["a", "b"])));
        eq("data.n in(1,-2.5 , true)", one_of("data.n", json!([1, -2.5, true])));
        eq("key in ( \"a, (b)\" ,c d)", one_of("key", json!(["a, (b)", "c d"])));
        eq("layer in (a>=b, c)", one_of("layer", json!(["a>=b", "c"])));
        eq("data.text = x in (y)", json!({"field": "data.text", "op": "eq", "value": "x in (y)"}));
        eq("data.born in = 7", json!({"field": "data.born in", "op": "eq", "value": 7}));
        eq("data.x inside = 7", json!({"field": "data.x inside", "op": "eq", "value": 7}));
    }

    /// Mistakes say what is missing and where.
    #[test]
    fn mistakes_are_explained() {
        assert!(parse("data.severity").unwrap_err().to_string().contains("no operator"));
        assert!(parse(" = 7").unwrap_err().to_string().contains("before = (at character 2)"));
        assert!(parse("data.a >").unwrap_err().to_string().contains("behind >"));
        assert!(parse("{\"all\"").is_err());
        for text in [
            "layer in",
            "layer in a, b",
            "layer in ()",
            "layer in (a",
            "layer in (a,)",
            "layer in (a,,b)",
            "layer in (\"a\" b)",
        ] {
            let said = parse(text).unwrap_err().to_string();
            assert!(said.contains("a list in parentheses"), "{text}: {said}");
        }
    }
}
