//! Filters: a flat tree of conditions to the set of documents that pass.

use std::cmp::Ordering;

use crate::bitset::Bitset;
use crate::segment::Segment;
use crate::types::{Comparison, Condition, FilterNode, QueryError, Scalar};

/// Nodes of a filter at most: what a host takes from its callers, and a few that it adds itself.
const NODES_MAX: usize = 1_024;

/// What a filter selects.
#[derive(Debug)]
pub(crate) struct Selection {
    pub(crate) passing: Bitset,
    /// Paths that no document has, with the most similar one.
    pub(crate) unknown_fields: Vec<(String, Option<String>)>,
}

/// The documents that pass the filter.
pub(crate) fn select(segment: &Segment, nodes: &[FilterNode]) -> Result<Selection, QueryError> {
    if nodes.len() > NODES_MAX {
        return Err(QueryError::MalformedFilter(format!(
            "it has {} nodes, at most {NODES_MAX} are taken",
            nodes.len()
        )));
    }
    let mut unknown_fields = Vec::new();
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
            FilterNode::Condition(condition) => holding(segment, condition, &mut unknown_fields),
        };
        sets.push(set);
    }
    let mut passing = sets.pop().ok_or_else(|| QueryError::MalformedFilter("it is empty".to_owned()))?;
    // A sealed segment's columns still have the cells of removed documents.
    passing.and(segment.live());
    Ok(Selection { passing, unknown_fields })
}

fn holding(segment: &Segment, condition: &Condition, unknown: &mut Vec<(String, Option<String>)>) -> Bitset {
    let Condition { path, comparison } = condition;
    let slots = segment.documents().slots();
    match (path.as_str(), comparison) {
        ("key", _) => with_key(segment, comparison),
        ("text", Comparison::Words(words)) => match segment.terms().phrase(words) {
            Some(phrase) if phrase.is_empty() => segment.live().clone(),
            Some(phrase) => segment.postings().with_phrase(&phrase, slots),
            None => Bitset::new(slots),
        },
        _ => {
            let columns = segment.columns();
            if *comparison != Comparison::Exists && !columns.has(path, segment.live()) {
                unknown.push((path.clone(), columns.similar(path, segment.live())));
            }
            columns.select(path, comparison, segment.terms(), slots)
        }
    }
}

/// Keys are in order, so every comparison is a look-up or a range.
fn with_key(segment: &Segment, comparison: &Comparison) -> Bitset {
    let documents = segment.documents();
    let mut selected = Bitset::new(documents.slots());
    let mut range = |from: &str, passes: &dyn Fn(&str) -> bool| {
        documents
            .starting_at(from)
            .take_while(|slot| passes(documents.key(*slot)))
            .for_each(|slot| selected.insert(slot));
    };
    match comparison {
        Comparison::Exists => return segment.live().clone(),
        Comparison::Prefix(prefix) => range(prefix, &|key| key.starts_with(prefix.as_str())),
        Comparison::Eq(Scalar::Text(text)) => documents.find(text).into_iter().for_each(|slot| selected.insert(slot)),
        Comparison::OneOf(values) => {
            for value in values {
                if let Scalar::Text(text) = value {
                    documents.find(text).into_iter().for_each(|slot| selected.insert(slot));
                }
            }
        }
        Comparison::Less(Scalar::Text(text)) => range("", &|key| key < text.as_str()),
        Comparison::LessOrEqual(Scalar::Text(text)) => range("", &|key| key <= text.as_str()),
        Comparison::GreaterOrEqual(Scalar::Text(text)) => range(text, &|_| true),
        Comparison::Greater(Scalar::Text(text)) => {
            range(text, &|_| true);
            documents.find(text).into_iter().for_each(|slot| selected.remove(slot));
        }
        Comparison::Words(words) => {
            if let Some(phrase) = terms_of(words) {
                for slot in documents.starting_at("") {
                    let terms = terms_of(documents.key(slot)).unwrap_or_default();
                    if terms.windows(phrase.len()).any(|window| window.cmp(&phrase) == Ordering::Equal) {
                        selected.insert(slot);
                    }
                }
            }
        }
        _ => {}
    }
    selected
}

fn terms_of(text: &str) -> Option<Vec<String>> {
    let mut terms = Vec::new();
    crate::tokenize::terms(text, |term| terms.push(term.to_owned()));
    (!terms.is_empty()).then_some(terms)
}
