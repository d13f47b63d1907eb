//! The query language: from one line, as a person types it, to words to score and a filter (docs/query-language.md).
//!
//! ```
//! let parsed = skerry_query::syntax::parse(r#"spring tide layer:harbour -"neap tide""#)?;
//! assert_eq!(parsed.text, "spring tide");
//! assert_eq!(parsed.fields[0].path, "layer");
//! # Ok::<(), skerry_query::syntax::SyntaxError>(())
//! ```
//!
//! Escapes are resolved before anything else, so that the scanner never has to look behind. A tree stands between the
//! scanner and the flat filter because a bare word becomes a condition only when an `OR` follows it.

mod builder;
mod scanner;

use crate::tokenize::terms;
use crate::types::{Comparison, FilterNode};

/// Characters of a query at most.
pub const CHARACTERS_MAX: usize = 8_192;

/// Nodes of the filter at most: as many as a segment takes.
pub const NODES_MAX: usize = 1_000;

/// Parentheses inside each other at most.
pub const DEPTH_MAX: usize = 32;

/// What a query asks for.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Parsed {
    /// Words to score and to embed, in order, joined by single blanks; empty when there are none.
    pub text: String,
    /// A filter whose root is the last node; empty for none.
    pub filter: Vec<FilterNode>,
    /// Each field named, in order, so that an unknown one can be pointed at.
    pub fields: Vec<FieldUse>,
}

/// Where a query names a field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldUse {
    /// The full path, as in the filter.
    pub path: String,
    /// Offset of its name in the query, in Unicode scalar values from 0.
    pub at: u32,
}

/// A query that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("at character {at}: {message}")]
pub struct SyntaxError {
    /// Offset of the fault in the query, in Unicode scalar values from 0.
    pub at: u32,
    /// What is wrong and what to write instead.
    pub message: String,
}

/// How much a term, or what stands around it, asks for; the stronger of two wins.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Demand {
    Optional,
    Required,
    Excluded,
}

struct Term {
    at: u32,
    sign: Demand,
    kind: Kind,
}

enum Kind {
    Word(String),
    Phrase(String),
    /// A path, its comparisons and how they are joined: a value that can be read in several ways, or a range's two ends.
    Field(String, Vec<Comparison>, Join),
    Group(Vec<Clause>),
}

/// Terms joined by `OR`; a single one has none.
type Clause = Vec<Term>;

/// [`FilterNode::All`] or [`FilterNode::Any`].
type Join = fn(Vec<u32>) -> FilterNode;

/// Reads a query, in time linear in its length.
///
/// # Errors
/// [`SyntaxError`] with the place of the first fault.
pub fn parse(input: &str) -> Result<Parsed, SyntaxError> {
    let (clauses, fields) = scanner::scan(input)?;
    let (text, filter) = builder::build(&clauses)?;
    Ok(Parsed { text, filter, fields })
}

fn error<T>(at: u32, message: impl Into<String>) -> Result<T, SyntaxError> {
    Err(SyntaxError { at, message: message.into() })
}

/// True when keyword search would find a word in the text.
fn has_words(text: &str) -> bool {
    let mut found = false;
    terms(text, |_| found = true);
    found
}

#[cfg(test)]
mod tests;
