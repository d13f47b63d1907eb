//! Terms as numbers.

use std::collections::HashMap;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use oxrdf::Term;

/// The default graph's place among graphs. No term has this number.
pub(super) const DEFAULT_GRAPH: u32 = 0;

/// Every term that was ever said, by number from 1 on.
#[derive(Debug, Clone, Default)]
pub(super) struct Terms {
    numbers: HashMap<Arc<Term>, u32>,
    terms: Vec<Arc<Term>>,
}

impl Terms {
    pub(super) fn number(&mut self, term: &Term) -> u32 {
        if let Some(number) = self.numbers.get(term) {
            return *number;
        }
        let term = Arc::new(term.clone());
        self.terms.push(Arc::clone(&term));
        let number = self.terms.len() as u32;
        self.numbers.insert(term, number);
        number
    }

    pub(super) fn find(&self, term: &Term) -> Option<u32> {
        self.numbers.get(term).copied()
    }

    pub(super) fn get(&self, number: u32) -> Option<&Arc<Term>> {
        self.terms.get((number as usize).checked_sub(1)?)
    }
}

/// A term of a query's answer: one that the project says, or one that the query made. A term of the project is never the
/// second, so equal terms are equal here.
#[derive(Debug, Clone)]
pub(super) enum Id {
    /// By number.
    Said(u32),
    /// As it is.
    Made(Arc<Term>),
}

impl PartialEq for Id {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Id::Said(one), Id::Said(other)) => one == other,
            (Id::Made(one), Id::Made(other)) => one == other,
            _ => false,
        }
    }
}

impl Eq for Id {}

impl Hash for Id {
    fn hash<H: Hasher>(&self, state: &mut H) {
        match self {
            Id::Said(number) => number.hash(state),
            Id::Made(term) => term.hash(state),
        }
    }
}
