//! Filters: a flat tree of conditions to the set of documents that pass.

use crate::bitset::Bitset;
use crate::segment::Segment;
use crate::types::{Comparison, Condition, FilterNode, QueryError, Scalar};

/// Nodes of a filter at most.
const NODES_MAX: usize = 1_000;

/// The documents that pass the filter.
pub(crate) fn select(segment: &Segment, nodes: &[FilterNode]) -> Result<Bitset, QueryError> {
    if nodes.len() > NODES_MAX {
        return Err(QueryError::MalformedFilter(format!(
            "it has {} nodes, at most {NODES_MAX} are taken",
            nodes.len()
        )));
    }
    let mut sets: Vec<Bitset> = Vec::with_capacity(nodes.len());
    for (position, node) in nodes.iter().enumerate() {
        let child = |index: &u32| {
            sets.get(*index as usize).ok_or_else(|| {
                QueryError::MalformedFilter(format!(
                    "node {position} has the child {index}, which does not stand before it"
                ))
            })
        };
        let set = match node {
            FilterNode::All(children) => {
                let mut all = segment.live().clone();
                children.iter().try_for_each(|index| child(index).map(|set| all.and(set)))?;
                all
            }
            FilterNode::Any(children) => {
                let mut any = Bitset::default();
                children.iter().try_for_each(|index| child(index).map(|set| any.or(set)))?;
                any
            }
            FilterNode::Negate(index) => {
                let mut rest = segment.live().clone();
                rest.and_not(child(index)?);
                rest
            }
            FilterNode::Condition(condition) => holding(segment, condition)?,
        };
        sets.push(set);
    }
    sets.pop().ok_or_else(|| QueryError::MalformedFilter("it is empty".to_owned()))
}

fn holding(segment: &Segment, condition: &Condition) -> Result<Bitset, QueryError> {
    let Condition { path, comparison } = condition;
    if path == "key" {
        let mut selected = Bitset::default();
        for (key, slot) in segment.keys() {
            if key_passes(key, comparison) {
                selected.insert(slot);
            }
        }
        return Ok(selected);
    }
    let columns = segment.columns();
    if !columns.has(path) && *comparison != Comparison::Exists && segment.live().count() > 0 {
        return Err(QueryError::UnknownField { path: path.clone(), similar: columns.similar(path) });
    }
    Ok(columns.select(path, comparison, segment.slots()))
}

fn key_passes(key: &str, comparison: &Comparison) -> bool {
    let text = |value: &Scalar| match value {
        Scalar::Text(text) => Some(key.cmp(text.as_str())),
        _ => None,
    };
    match comparison {
        Comparison::Exists => true,
        Comparison::Prefix(prefix) => key.starts_with(prefix.as_str()),
        Comparison::Eq(value) => text(value).is_some_and(std::cmp::Ordering::is_eq),
        Comparison::OneOf(values) => values.iter().filter_map(text).any(std::cmp::Ordering::is_eq),
        Comparison::Less(value) => text(value).is_some_and(std::cmp::Ordering::is_lt),
        Comparison::LessOrEqual(value) => text(value).is_some_and(std::cmp::Ordering::is_le),
        Comparison::Greater(value) => text(value).is_some_and(std::cmp::Ordering::is_gt),
        Comparison::GreaterOrEqual(value) => text(value).is_some_and(std::cmp::Ordering::is_ge),
    }
}
