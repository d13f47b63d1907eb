//! What a request brings.

use serde_json::Value;
use skerry_fuzz::Target;
use skerry_gateway::filter::{DEPTH_MAX, NODES_MAX, check_path, parse};
use skerry_gateway::types::FilterNode;

const FILTERS: [&str; 4] = [
    r#"{"all":[{"field":"data.price","op":"gte","value":10},{"not":{"field":"layer","op":"eq","value":"l"}}]}"#,
    r#"{"any":[{"field":"key","op":"prefix","value":"CWE"},{"field":"metadata.a.b","op":"in","value":[1,"x",null,true]}]}"#,
    r#"{"field":"data.x","op":"exists"}"#,
    r#"{"field":"link.type","op":"matches","value":"some words"}"#,
];

/// What is taken is a tree that a segment takes: children before parents, within its limits.
#[test]
fn filters() {
    let corpus = FILTERS.map(|filter| filter.as_bytes().to_vec());
    let words = ["\"all\":[", "\"not\":{", "]", "}", "{", "\"op\":", "\"lt\"", "1e308", "\"data.\"", "null", ","];
    Target::new("filters", &corpus).words(&words).cases(40_000).run(|bytes| {
        let Ok(value) = serde_json::from_slice::<Value>(bytes) else { return };
        let Ok(nodes) = parse(&value) else { return };
        assert!(!nodes.is_empty() && nodes.len() <= NODES_MAX);
        for (at, node) in nodes.iter().enumerate() {
            let before = |child: &u32| (*child as usize) < at;
            assert!(match node {
                FilterNode::All(children) | FilterNode::Any(children) => children.iter().all(before),
                FilterNode::Negate(child) => before(child),
                FilterNode::Condition(condition) => check_path(&condition.path, "filter").is_ok(),
            });
        }
    });
}

/// As deep as allowed, and one level more.
#[test]
fn deep_filters() {
    let nested = |levels: usize| {
        let inner: Value = serde_json::from_str(FILTERS[2]).unwrap();
        (1..levels).fold(inner, |inner, _| serde_json::json!({ "not": inner }))
    };
    assert!(parse(&nested(DEPTH_MAX)).is_ok());
    assert!(parse(&nested(DEPTH_MAX + 1)).is_err());
    assert!(parse(&nested(2_000)).is_err());
}
