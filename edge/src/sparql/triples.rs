//! The statements of a project, sorted so that every pattern is one range.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::RangeInclusive;
use std::sync::Arc;

use oxrdf::{Quad, Term};
use spareval::{InternalQuad, QueryableDataset};

use super::answer::{Stopped, Watch};
use super::terms::{DEFAULT_GRAPH, Id, Terms};

/// Four numbers of terms, in one of the orders below.
type Row = [u32; 4];

/// A project's statements.
#[derive(Debug, Clone, Default)]
pub struct Triples {
    terms: Terms,
    /// Subject, predicate, object, graph, and how many records say so.
    spog: BTreeMap<Row, u32>,
    posg: BTreeSet<Row>,
    ospg: BTreeSet<Row>,
    /// For a named graph as a whole.
    gspo: BTreeSet<Row>,
    /// What each record says, to take it back.
    records: HashMap<Box<str>, Box<[Row]>>,
}

impl Triples {
    /// Statements, each graph's counted.
    pub fn len(&self) -> usize {
        self.spog.len()
    }

    /// Nothing is said.
    pub fn is_empty(&self) -> bool {
        self.spog.is_empty()
    }

    /// Adds what a record says. It must have been removed before.
    pub(super) fn insert(&mut self, key: &str, quads: &[Quad]) {
        let mut rows: Vec<Row> = quads.iter().map(|quad| self.row(quad)).collect();
        rows.sort_unstable();
        rows.dedup();
        for row in &rows {
            let count = self.spog.entry(*row).or_insert(0);
            *count += 1;
            if *count == 1 {
                let [s, p, o, g] = *row;
                self.posg.insert([p, o, s, g]);
                self.ospg.insert([o, s, p, g]);
                self.gspo.insert([g, s, p, o]);
            }
        }
        self.records.insert(key.into(), rows.into());
    }

    /// Takes back what a record says; answers how many statements that were.
    pub(super) fn remove(&mut self, key: &str) -> usize {
        let rows = self.records.remove(key).unwrap_or_default();
        for row in &rows {
            let Some(count) = self.spog.get_mut(row) else { continue };
            *count -= 1;
            if *count == 0 {
                let [s, p, o, g] = *row;
                self.spog.remove(row);
                self.posg.remove(&[p, o, s, g]);
                self.ospg.remove(&[o, s, p, g]);
                self.gspo.remove(&[g, s, p, o]);
            }
        }
        rows.len()
    }

    fn row(&mut self, quad: &Quad) -> Row {
        let graph = match &quad.graph_name {
            oxrdf::GraphName::DefaultGraph => DEFAULT_GRAPH,
            oxrdf::GraphName::NamedNode(name) => self.terms.number(&name.clone().into()),
            oxrdf::GraphName::BlankNode(name) => self.terms.number(&name.clone().into()),
        };
        let subject = self.terms.number(&quad.subject.clone().into());
        let predicate = self.terms.number(&quad.predicate.clone().into());
        [subject, predicate, self.terms.number(&quad.object), graph]
    }

    /// Rows that fit, as subject, predicate, object, graph.
    fn matching(
        &self,
        subject: Option<u32>,
        predicate: Option<u32>,
        object: Option<u32>,
        graph: Graph,
    ) -> Box<dyn Iterator<Item = Row> + '_> {
        let rows: Box<dyn Iterator<Item = Row> + '_> = match (subject, predicate, object) {
            (Some(s), None, Some(o)) => {
                Box::new(self.ospg.range(from(&[o, s])).map(|&[o, s, p, g]: &Row| [s, p, o, g]))
            }
            (Some(s), Some(p), Some(o)) => Box::new(self.spog.range(from(&[s, p, o])).map(|(row, _)| *row)),
            (Some(s), Some(p), None) => Box::new(self.spog.range(from(&[s, p])).map(|(row, _)| *row)),
            (Some(s), None, None) => Box::new(self.spog.range(from(&[s])).map(|(row, _)| *row)),
            (None, Some(p), Some(o)) => {
                Box::new(self.posg.range(from(&[p, o])).map(|&[p, o, s, g]: &Row| [s, p, o, g]))
            }
            (None, Some(p), None) => Box::new(self.posg.range(from(&[p])).map(|&[p, o, s, g]: &Row| [s, p, o, g])),
            (None, None, Some(o)) => Box::new(self.ospg.range(from(&[o])).map(|&[o, s, p, g]: &Row| [s, p, o, g])),
            (None, None, None) => {
                let range = match graph {
                    Graph::One(g) => from(&[g]),
                    Graph::Named => [DEFAULT_GRAPH + 1, 0, 0, 0]..=[u32::MAX; 4],
                };
                return Box::new(self.gspo.range(range).map(|&[g, s, p, o]: &Row| [s, p, o, g]));
            }
        };
        match graph {
            Graph::One(wanted) => Box::new(rows.filter(move |[.., g]| *g == wanted)),
            Graph::Named => Box::new(rows.filter(|[.., g]| *g != DEFAULT_GRAPH)),
        }
    }
}

#[derive(Debug, Clone, Copy)]
enum Graph {
    One(u32),
    /// Any but the default graph.
    Named,
}

/// All rows that begin with these.
fn from(first: &[u32]) -> RangeInclusive<Row> {
    let with = |rest: u32| {
        let mut row = [rest; 4];
        row.iter_mut().zip(first).for_each(|(place, number)| *place = *number);
        row
    };
    with(0)..=with(u32::MAX)
}

/// The statements as a query sees them, which ends when whoever watches says so.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sight<'a> {
    pub(super) triples: &'a Triples,
    pub(super) watch: &'a Watch,
}

impl Sight<'_> {
    /// None: nothing is said with it.
    fn number(id: Option<&Id>) -> Result<Option<u32>, ()> {
        match id {
            None => Ok(None),
            Some(Id::Said(number)) => Ok(Some(*number)),
            Some(Id::Made(_)) => Err(()),
        }
    }
}

impl<'a> QueryableDataset<'a> for Sight<'a> {
    type InternalTerm = Id;
    type Error = Stopped;

    fn internal_quads_for_pattern(
        &self,
        subject: Option<&Id>,
        predicate: Option<&Id>,
        object: Option<&Id>,
        graph_name: Option<Option<&Id>>,
    ) -> impl Iterator<Item = Result<InternalQuad<Id>, Stopped>> + use<'a> {
        let graph = match graph_name {
            Some(None) => Ok(Graph::One(DEFAULT_GRAPH)),
            Some(Some(Id::Said(number))) => Ok(Graph::One(*number)),
            Some(Some(Id::Made(_))) => Err(()),
            None => Ok(Graph::Named),
        };
        let parts = (Sight::number(subject), Sight::number(predicate), Sight::number(object), graph);
        let rows: Box<dyn Iterator<Item = Row> + 'a> = match parts {
            (Ok(s), Ok(p), Ok(o), Ok(g)) => self.triples.matching(s, p, o, g),
            _ => Box::new(std::iter::empty()),
        };
        let watch = self.watch;
        let mut stopped = false;
        // One error and then the end: who collects errors must not collect one for each row that is left.
        rows.map_while(move |[s, p, o, g]| {
            if stopped {
                return None;
            }
            if let Err(error) = watch.look() {
                stopped = true;
                return Some(Err(error));
            }
            let graph_name = (g != DEFAULT_GRAPH).then_some(Id::Said(g));
            let quad = InternalQuad { subject: Id::Said(s), predicate: Id::Said(p), object: Id::Said(o), graph_name };
            Some(Ok(quad))
        })
    }

    fn internal_named_graphs(&self) -> impl Iterator<Item = Result<Id, Stopped>> + use<'a> {
        let triples = self.triples;
        let mut next = DEFAULT_GRAPH + 1;
        // From each graph's first row behind its last: as many steps as there are graphs.
        std::iter::from_fn(move || {
            let &[graph, ..] = triples.gspo.range([next, 0, 0, 0]..).next()?;
            next = graph.saturating_add(1);
            Some(Ok(Id::Said(graph)))
        })
    }

    fn internalize_term(&self, term: Term) -> Result<Id, Stopped> {
        self.watch.look()?;
        Ok(self.triples.terms.find(&term).map_or_else(|| Id::Made(Arc::new(term)), Id::Said))
    }

    fn externalize_term(&self, term: Id) -> Result<Term, Stopped> {
        self.watch.look()?;
        match term {
            Id::Made(term) => Ok(Arc::unwrap_or_clone(term)),
            Id::Said(number) => {
                let term = self.triples.terms.get(number).ok_or(Stopped::UnknownTerm(number))?;
                Ok(Term::clone(term))
            }
        }
    }
}
