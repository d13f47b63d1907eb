//! From terms to the flat filter and the text.

use super::{Clause, Demand, Join, Kind, NODES_MAX, SyntaxError, Term, error, has_words};
use crate::types::{Comparison, Condition, FilterNode};

/// The words to score, and the filter with its root last.
pub(super) fn build(clauses: &[Clause]) -> Result<(String, Vec<FilterNode>), SyntaxError> {
    let mut builder = Builder::default();
    let roots = builder.all(clauses, Demand::Optional)?;
    // A single root is the last node already.
    let last = clauses.last().and_then(|clause| clause.first());
    builder.join(FilterNode::All, roots, last.map_or(0, |term| term.at))?;
    Ok((builder.text, builder.filter))
}

#[derive(Default)]
struct Builder {
    text: String,
    filter: Vec<FilterNode>,
}

impl Builder {
    fn push(&mut self, node: FilterNode, at: u32) -> Result<u32, SyntaxError> {
        if self.filter.len() == NODES_MAX {
            return error(at, format!("the query has more than {NODES_MAX} conditions; from here on it is too much"));
        }
        self.filter.push(node);
        Ok(self.filter.len() as u32 - 1)
    }

    fn condition(&mut self, path: &str, comparison: &Comparison, at: u32) -> Result<u32, SyntaxError> {
        self.push(FilterNode::Condition(Condition { path: path.to_owned(), comparison: comparison.clone() }), at)
    }

    /// One node over the children; an only child needs none.
    fn join(&mut self, of: Join, children: Vec<u32>, at: u32) -> Result<Option<u32>, SyntaxError> {
        match children.as_slice() {
            [] => Ok(None),
            [only] => Ok(Some(*only)),
            _ => self.push(of(children), at).map(Some),
        }
    }

    /// The conditions of clauses that stand side by side.
    fn all(&mut self, clauses: &[Clause], context: Demand) -> Result<Vec<u32>, SyntaxError> {
        let mut children = Vec::new();
        for clause in clauses {
            // Words to choose from say nothing unless one of them has to occur.
            let context = if clause.len() > 1 { context.max(Demand::Required) } else { context };
            let mut choices = Vec::new();
            for term in clause {
                choices.extend(self.term(term, context)?);
            }
            let at = clause.first().map_or(0, |term| term.at);
            children.extend(self.join(FilterNode::Any, choices, at)?);
        }
        Ok(children)
    }

    fn term(&mut self, term: &Term, context: Demand) -> Result<Option<u32>, SyntaxError> {
        let at = term.at;
        let demand = context.max(term.sign);
        let node = match &term.kind {
            Kind::Word(text) | Kind::Phrase(text) => {
                if demand != Demand::Excluded {
                    self.score(text);
                }
                if matches!(term.kind, Kind::Word(_)) && demand == Demand::Optional {
                    return Ok(None);
                }
                if !has_words(text) {
                    return error(at, "no letter or digit is in this, so no text can be found by it; remove it");
                }
                Some(self.condition("text", &Comparison::Words(text.clone()), at)?)
            }
            Kind::Field(path, comparisons, of) => {
                let children: Result<_, _> = comparisons.iter().map(|each| self.condition(path, each, at)).collect();
                self.join(*of, children?, at)?
            }
            Kind::Group(clauses) => {
                let children = self.all(clauses, demand)?;
                self.join(FilterNode::All, children, at)?
            }
        };
        match node {
            Some(node) if term.sign == Demand::Excluded => self.push(FilterNode::Negate(node), at).map(Some),
            node => Ok(node),
        }
    }

    fn score(&mut self, text: &str) {
        for word in text.split_whitespace() {
            if !self.text.is_empty() {
                self.text.push(' ');
            }
            self.text.push_str(word);
        }
    }
}
