//! A walk as a tree.

use std::collections::BTreeMap;

use serde_json::Value;

use super::print::name;

/// One line for each node, under the node that it was reached by.
pub(super) fn lines(answer: &Value) -> Vec<String> {
    let mut below: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut roots = Vec::new();
    for one in answer["nodes"].as_array().into_iter().flatten() {
        let node = name(&one["node"]);
        if one["before"].is_null() {
            roots.push(node);
        } else {
            below.entry(name(&one["before"])).or_default().push(node);
        }
    }
    let mut lines = Vec::new();
    // Not recursive: a hierarchy can be as deep as it likes. The next line is the last of the list.
    let mut waiting: Vec<(String, String, String)> =
        roots.into_iter().rev().map(|root| (root, String::new(), String::new())).collect();
    while let Some((node, sign, margin)) = waiting.pop() {
        lines.push(format!("{sign}{node}"));
        let children = below.remove(&node).unwrap_or_default();
        let last = children.len().saturating_sub(1);
        for (index, child) in children.into_iter().enumerate().rev() {
            let (corner, rest) = if index == last { ("└─ ", "   ") } else { ("├─ ", "│  ") };
            waiting.push((child, format!("{margin}{corner}"), format!("{margin}{rest}")));
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// Children stand under the parent that they were reached by, in the walk's order.
    #[test]
    fn a_walk_is_a_tree() {
        let reached = |key: &str, before: Option<&str>| json!({"node": {"key": key}, "before": before.map(|key| json!({"key": key}))});
        let answer = json!({"nodes": [reached("a", None), reached("b", Some("a")), reached("c", Some("a")), reached("d", Some("b"))]});
        assert_eq!(lines(&answer), ["a", "├─ b", "│  └─ d", "└─ c"]);
    }
}
