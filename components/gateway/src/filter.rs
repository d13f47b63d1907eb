//! Filters: from the API's JSON to the flat tree that the query component takes.

use serde_json::{Map, Value};

use crate::problem::{Kind, Problem};
use crate::types::{Comparison, Condition, FilterNode, Scalar};

/// Nodes of one filter at most.
pub const NODES_MAX: usize = 1_000;

/// Nesting of one filter at most.
pub const DEPTH_MAX: usize = 32;

const FORMS: &str = "a filter is {\"all\": [..]}, {\"any\": [..]}, {\"not\": {..}} or {\"field\": \"data.x\", \"op\": \"eq\", \"value\": ..}";
const OPERATORS: &str = "eq, in, lt, lte, gt, gte, prefix, matches, exists";
const FIELDS: &str = "key, layer, link.type, link.key, data.<name>.<name>…, metadata.<name>…";

/// The nodes of a filter, children before their parents, the root last.
///
/// # Errors
/// [`Kind::InvalidQuery`] or [`Kind::UnknownField`] with the path of the fault inside the filter.
pub fn parse(filter: &Value) -> Result<Vec<FilterNode>, Problem> {
    let mut nodes = Vec::new();
    add(filter, "filter", 0, &mut nodes)?;
    Ok(nodes)
}

fn add(filter: &Value, at: &str, depth: usize, nodes: &mut Vec<FilterNode>) -> Result<u32, Problem> {
    if depth >= DEPTH_MAX {
        return Err(invalid(at, &format!("the filter is nested deeper than {DEPTH_MAX} levels")));
    }
    let Value::Object(object) = filter else {
        return Err(invalid(at, FORMS));
    };
    let node = match object.iter().next() {
        Some((name, value)) if object.len() == 1 && name != "field" => match name.as_str() {
            "all" => FilterNode::All(add_each(value, &format!("{at}.all"), depth, nodes)?),
            "any" => FilterNode::Any(add_each(value, &format!("{at}.any"), depth, nodes)?),
            "not" => FilterNode::Negate(add(value, &format!("{at}.not"), depth + 1, nodes)?),
            other => return Err(invalid(at, &format!("`{other}` is not a filter; {FORMS}"))),
        },
        _ => FilterNode::Condition(condition(object, at)?),
    };
    if nodes.len() >= NODES_MAX {
        return Err(invalid(at, &format!("the filter has more than {NODES_MAX} nodes")));
    }
    nodes.push(node);
    Ok(nodes.len() as u32 - 1)
}

fn add_each(list: &Value, at: &str, depth: usize, nodes: &mut Vec<FilterNode>) -> Result<Vec<u32>, Problem> {
    let Value::Array(list) = list else {
        return Err(invalid(at, "expected a list of filters"));
    };
    list.iter().enumerate().map(|(index, filter)| add(filter, &format!("{at}[{index}]"), depth + 1, nodes)).collect()
}

fn condition(object: &Map<String, Value>, at: &str) -> Result<Condition, Problem> {
    if let Some(other) = object.keys().find(|name| !["field", "op", "value"].contains(&name.as_str())) {
        return Err(invalid(at, &format!("`{other}` is not part of a filter; {FORMS}")));
    }
    let Some(Value::String(path)) = object.get("field") else {
        return Err(invalid(at, &format!("`field` names what to test, as text: {FIELDS}")));
    };
    let op = match object.get("op") {
        None => "eq",
        Some(Value::String(op)) => op.as_str(),
        Some(_) => return Err(invalid(at, &format!("`op` is one of {OPERATORS}"))),
    };
    // The text of a record is no field: it can be long, and only its words are indexed.
    if path == "text" && op != "matches" {
        return Err(invalid(at, "`text` can only be tested with the operator `matches`"));
    }
    if path != "text" {
        check_path(path, at)?;
    }
    let value = object.get("value");
    Ok(Condition { path: path.clone(), comparison: comparison(op, value, at)? })
}

fn comparison(op: &str, value: Option<&Value>, at: &str) -> Result<Comparison, Problem> {
    let needed = || value.ok_or_else(|| invalid(at, &format!("`{op}` needs a `value`")));
    let one = || needed().and_then(|value| scalar(value, at));
    Ok(match op {
        "eq" => Comparison::Eq(one()?),
        "lt" => Comparison::Less(one()?),
        "lte" => Comparison::LessOrEqual(one()?),
        "gt" => Comparison::Greater(one()?),
        "gte" => Comparison::GreaterOrEqual(one()?),
        "in" => match needed()? {
            Value::Array(values) => {
                Comparison::OneOf(values.iter().map(|value| scalar(value, at)).collect::<Result<_, _>>()?)
            }
            _ => return Err(invalid(at, "`in` needs a list as `value`")),
        },
        "prefix" => match needed()? {
            Value::String(prefix) => Comparison::Prefix(prefix.clone()),
            _ => return Err(invalid(at, "`prefix` needs text as `value`")),
        },
        "matches" => match needed()? {
            Value::String(words) if words.chars().any(char::is_alphanumeric) => Comparison::Words(words.clone()),
            _ => return Err(invalid(at, "`matches` needs text with a letter or a digit as `value`")),
        },
        "exists" if value.is_none() => Comparison::Exists,
        "exists" => return Err(invalid(at, "`exists` takes no `value`; wrap it in {\"not\": ..} for absent fields")),
        other => return Err(invalid(at, &format!("`{other}` is not an operator; use one of {OPERATORS}"))),
    })
}

/// Whether records can have a field of this name. `at` is where the request names it.
///
/// # Errors
/// [`Kind::UnknownField`].
pub fn check_path(path: &str, at: &str) -> Result<(), Problem> {
    let known = matches!(path, "key" | "layer" | "link.type" | "link.key")
        || ["data.", "metadata."].iter().any(|root| path.len() > root.len() && path.starts_with(root));
    if known {
        return Ok(());
    }
    let shown: String = path.chars().take(80).collect();
    Err(Problem::new(Kind::UnknownField, format!("At `{at}`: there is no field `{shown}`. Fields are {FIELDS}."))
        .with("field", shown))
}

fn scalar(value: &Value, at: &str) -> Result<Scalar, Problem> {
    leaf(value).ok_or_else(|| invalid(at, "`value` is text, a number, true, false or null"))
}

/// A leaf of a record as filters compare it; none for arrays and objects.
pub fn leaf(value: &Value) -> Option<Scalar> {
    match value {
        Value::Null => Some(Scalar::Null),
        Value::Bool(value) => Some(Scalar::Boolean(*value)),
        Value::Number(value) => value.as_f64().map(Scalar::Number),
        Value::String(value) => Some(Scalar::Text(value.clone())),
        Value::Array(_) | Value::Object(_) => None,
    }
}

/// The filter that both filters pass; either may be empty.
pub fn both(mut first: Vec<FilterNode>, second: Vec<FilterNode>) -> Vec<FilterNode> {
    if first.is_empty() || second.is_empty() {
        return if first.is_empty() { second } else { first };
    }
    let shift = first.len() as u32;
    let moved = |children: Vec<u32>| children.into_iter().map(|child| child + shift).collect();
    first.extend(second.into_iter().map(|node| match node {
        FilterNode::All(children) => FilterNode::All(moved(children)),
        FilterNode::Any(children) => FilterNode::Any(moved(children)),
        FilterNode::Negate(child) => FilterNode::Negate(child + shift),
        FilterNode::Condition(condition) => FilterNode::Condition(condition),
    }));
    let last = first.len() as u32 - 1;
    first.push(FilterNode::All(vec![shift - 1, last]));
    first
}

/// A value of a field as JSON.
pub fn to_json(value: Scalar) -> Value {
    match value {
        Scalar::Null => Value::Null,
        Scalar::Boolean(value) => Value::Bool(value),
        Scalar::Number(value) => serde_json::json!(value),
        Scalar::Text(text) => Value::String(text),
    }
}

fn invalid(at: &str, reason: &str) -> Problem {
    Problem::new(Kind::InvalidQuery, format!("At `{at}`: {reason}.")).with("path", at)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn refused(filter: &Value) -> Value {
        parse(filter).unwrap_err().to_json(None)
    }

    /// Children must stand before their parents: the component reads the list in one pass.
    #[test]
    #[allow(clippy::float_cmp, reason = "7 is exact")]
    fn a_nested_filter_becomes_a_flat_tree() {
        let nodes = parse(&json!({"all": [
            {"field": "data.severity", "op": "gte", "value": 7},
            {"not": {"field": "layer", "value": "draft"}},
        ]}))
        .unwrap();
        assert_eq!(nodes.len(), 4);
        let FilterNode::Condition(first) = &nodes[0] else { panic!("a condition comes first") };
        assert_eq!(first.path, "data.severity");
        assert!(matches!(first.comparison, Comparison::GreaterOrEqual(Scalar::Number(value)) if value == 7.0));
        assert!(matches!(&nodes[2], FilterNode::Negate(1)));
        assert!(matches!(&nodes[3], FilterNode::All(children) if children == &[0, 2]));
    }

    /// Every mistake in a filter is answered with its place and what would be right.
    #[test]
    fn mistakes_are_explained() {
        let unknown = refused(&json!({"any": [{"field": "severity", "op": "eq", "value": 1}]}));
        assert_eq!(unknown["type"], "urn:skerry:problem:unknown-field");
        let operator = refused(&json!({"any": [{"field": "data.a", "op": "like", "value": 1}]}));
        assert_eq!(
            (&operator["type"], &operator["path"]),
            (&json!("urn:skerry:problem:invalid-query"), &json!("filter.any[0]"))
        );
        assert!(operator["detail"].as_str().unwrap().contains("prefix"));
        for wrong in [
            json!(7),
            json!({}),
            json!({"all": 1}),
            json!({"all": [], "any": []}),
            json!({"nor": []}),
            json!({"field": 7}),
            json!({"field": "data.a"}),
            json!({"field": "data.a", "value": {}}),
            json!({"field": "data.a", "op": 1, "value": 1}),
            json!({"field": "data.a", "op": "in", "value": 1}),
            json!({"field": "data.a", "op": "prefix", "value": 1}),
            json!({"field": "data.a", "op": "exists", "value": true}),
            json!({"field": "data.a", "op": "matches", "value": " "}),
            json!({"field": "text", "op": "matches", "value": "?!"}),
            json!({"field": "text", "op": "eq", "value": "tide"}),
            json!({"field": "data.a", "value": 1, "boost": 2}),
        ] {
            assert_eq!(refused(&wrong)["status"], 400, "{wrong}");
        }
    }

    /// Joining shifts the second filter's children behind the first's.
    #[test]
    fn filters_join() {
        let one = parse(&json!({"not": {"field": "layer", "value": "a"}})).unwrap();
        let two = parse(&json!({"any": [{"field": "layer", "value": "b"}, {"field": "layer", "value": "c"}]})).unwrap();
        let joined = both(one.clone(), two);
        assert!(matches!(&joined[4], FilterNode::Any(children) if children == &[2, 3]));
        assert!(matches!(&joined[5], FilterNode::All(children) if children == &[1, 4]));
        assert_eq!(both(one.clone(), Vec::new()), one);
    }

    /// A hostile filter must not overflow the stack or flood the component.
    #[test]
    fn size_and_depth_are_bounded() {
        let deep = (0..DEPTH_MAX).fold(json!({"field": "data.a", "value": 1}), |inner, _| json!({ "not": inner }));
        assert!(refused(&deep)["detail"].as_str().unwrap().contains("nested"));
        let wide = json!({"any": vec![json!({"field": "data.a", "value": 1}); NODES_MAX]});
        assert!(refused(&wide)["detail"].as_str().unwrap().contains("more than"));
    }
}
