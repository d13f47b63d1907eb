//! A graph that changes, with a curvature of each edge that is kept up.
//!
//! Only what a change can touch is computed anew, from the graph alone. Nothing is added up from one batch to the next, so the
//! scores are those of a computation from scratch, bit for bit.
//!
//! A change of the edge `a b` can touch: for plain and augmented Forman curvature the edges at `a` and `b` (degrees, triangles); for
//! the balanced one also those from a neighbour of `a` to one of `b` (squares); for Ollivier's and Lin-Lu-Yau those at `a`, at
//! `b` and at their neighbours, since masses move over ways of up to three steps whose middle is next to an end.
#![allow(clippy::indexing_slicing, reason = "a kernel: lists are grown to the largest node before they are used")]

use std::collections::{BTreeMap, BTreeSet};

use crate::curvature::forman::{Forman, edge_curvature};
use crate::curvature::ollivier::{Solver, Transport, is_hub};
use crate::curvature::ratio::Ratio;
use crate::graph::{Adjacency, EDGES_MAX, Edge};

/// Numbers of a tracker's nodes are below this.
pub const TRACKED_NODES_MAX: u32 = 1 << 22;

/// What is kept up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Measure {
    /// Forman curvature.
    Forman(Forman),
    /// Ollivier's or Lin-Lu-Yau.
    Transport(Transport),
}

/// The curvature of an edge.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Score {
    /// As a double.
    pub value: f64,
    /// Exactly, where it is a fraction.
    pub exact: Option<Ratio>,
}

/// A change of the graph.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// A new edge; nodes come with it.
    Insert(Edge),
    /// An edge goes.
    Remove(Edge),
}

/// A change that does not fit. The number is its position; nothing of its batch was done.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TrackerError {
    /// An edge from a node to itself.
    #[error("change {0} joins a node with itself")]
    SelfLoop(u32),
    /// An edge that is there.
    #[error("change {0} inserts an edge that is there already")]
    RepeatedEdge(u32),
    /// An edge that is not there.
    #[error("change {0} removes an edge that is not there")]
    MissingEdge(u32),
    /// More than a tracker holds; in words.
    #[error("{0}")]
    TooLarge(String),
}

/// Sorted neighbours of each node.
#[derive(Debug, Default)]
struct Lists(Vec<Vec<u32>>);

impl Adjacency for Lists {
    fn nodes(&self) -> usize {
        self.0.len()
    }

    fn of(&self, node: u32) -> &[u32] {
        self.0.get(node as usize).map_or(&[], Vec::as_slice)
    }
}

/// A graph and its scores.
#[derive(Debug)]
pub struct Tracker {
    measure: Measure,
    lists: Lists,
    scores: BTreeMap<(u32, u32), Score>,
    solver: Option<Solver>,
    recomputed: u64,
}

impl Tracker {
    /// An empty graph.
    pub fn new(measure: Measure) -> Tracker {
        let solver = match measure {
            Measure::Transport(kind) => Some(Solver::new(kind, 0)),
            Measure::Forman(_) => None,
        };
        Tracker { measure, lists: Lists::default(), scores: BTreeMap::new(), solver, recomputed: 0 }
    }

    /// Makes all changes, in order, or none. Gives the edges whose score was computed anew, by their ends, the smaller first.
    ///
    /// # Errors
    /// [`TrackerError`] names the first change that does not fit.
    pub fn apply(&mut self, changes: &[Change]) -> Result<Vec<(Edge, Score)>, TrackerError> {
        self.check(changes)?;
        let mut touched = BTreeSet::new();
        for change in changes {
            let (edge, comes) = match *change {
                Change::Insert(edge) => (edge, true),
                Change::Remove(edge) => (edge, false),
            };
            self.change(edge, comes);
            self.touch(edge, &mut touched);
            if !comes {
                self.scores.remove(&pair(edge));
            }
        }
        touched.retain(|(a, b)| self.lists.of(*a).binary_search(b).is_ok());
        let scores = self.compute(&touched);
        self.recomputed += scores.len() as u64;
        self.scores.extend(scores.iter().copied());
        Ok(scores.into_iter().map(|((source, target), score)| (Edge { source, target }, score)).collect())
    }

    /// Every edge and its score, by its ends, the smaller first.
    pub fn scores(&self) -> impl Iterator<Item = (Edge, Score)> + '_ {
        self.scores.iter().map(|((source, target), score)| (Edge { source: *source, target: *target }, *score))
    }

    /// How often a score was computed since the tracker was made.
    pub fn recomputed(&self) -> u64 {
        self.recomputed
    }

    fn check(&self, changes: &[Change]) -> Result<(), TrackerError> {
        let mut after: BTreeMap<(u32, u32), bool> = BTreeMap::new();
        if self.scores.len() + changes.len() > EDGES_MAX {
            return Err(TrackerError::TooLarge(format!("a tracker holds {EDGES_MAX} edges")));
        }
        for (change, position) in changes.iter().zip(0_u32..) {
            let (edge, comes) = match *change {
                Change::Insert(edge) => (edge, true),
                Change::Remove(edge) => (edge, false),
            };
            if edge.source == edge.target {
                return Err(TrackerError::SelfLoop(position));
            }
            if edge.source.max(edge.target) >= TRACKED_NODES_MAX {
                let reason = format!("change {position}: a tracker's nodes have numbers below {TRACKED_NODES_MAX}");
                return Err(TrackerError::TooLarge(reason));
            }
            let there = after.entry(pair(edge)).or_insert_with(|| self.scores.contains_key(&pair(edge)));
            match (*there, comes) {
                (true, true) => return Err(TrackerError::RepeatedEdge(position)),
                (false, false) => return Err(TrackerError::MissingEdge(position)),
                _ => *there = comes,
            }
        }
        Ok(())
    }

    fn change(&mut self, edge: Edge, comes: bool) {
        let (_, last) = pair(edge);
        if self.lists.0.len() <= last as usize {
            self.lists.0.resize(last as usize + 1, Vec::new());
        }
        for (node, other) in [(edge.source, edge.target), (edge.target, edge.source)] {
            let list = &mut self.lists.0[node as usize];
            match list.binary_search(&other) {
                Err(place) if comes => list.insert(place, other),
                Ok(place) if !comes => drop(list.remove(place)),
                _ => {}
            }
        }
    }

    /// Edges whose score may be another one after a change, as the module says.
    fn touch(&self, edge: Edge, touched: &mut BTreeSet<(u32, u32)>) {
        let ends = [edge.source, edge.target];
        let at = |node: u32, touched: &mut BTreeSet<(u32, u32)>| {
            touched.extend(self.lists.of(node).iter().map(|next| (node.min(*next), node.max(*next))));
        };
        ends.iter().for_each(|end| at(*end, touched));
        match self.measure {
            Measure::Forman(Forman::Plain | Forman::Augmented) => {}
            Measure::Forman(Forman::Balanced) => {
                for &near in self.lists.of(edge.source) {
                    let squares = self
                        .lists
                        .of(near)
                        .iter()
                        .filter(|node| self.lists.of(edge.target).binary_search(node).is_ok());
                    touched.extend(squares.map(|node| (near.min(*node), near.max(*node))));
                }
            }
            Measure::Transport(_) => {
                ends.iter().flat_map(|end| self.lists.of(*end)).for_each(|node| at(*node, touched));
            }
        }
    }

    fn compute(&mut self, edges: &BTreeSet<(u32, u32)>) -> Vec<((u32, u32), Score)> {
        let lists = &self.lists;
        match (self.measure, &mut self.solver) {
            (Measure::Forman(kind), _) => {
                let value = |(source, target): (u32, u32)| edge_curvature(kind, lists, Edge { source, target });
                edges.iter().map(|pair| (*pair, Score { value: value(*pair), exact: None })).collect()
            }
            (Measure::Transport(_), Some(solver)) => {
                // All edges of a hub one after another, which share its columns.
                let hub = |(a, b): (u32, u32)| if is_hub(lists, a, b) { (a, b) } else { (b, a) };
                let mut by_hub: Vec<(u32, u32)> = edges.iter().map(|pair| hub(*pair)).collect();
                by_hub.sort_unstable();
                let mut scores = Vec::with_capacity(by_hub.len());
                let (mut last, mut turned) = (u32::MAX, false);
                for (hub, end) in by_hub {
                    turned &= hub == last;
                    last = hub;
                    let exact = solver.curvature(lists, hub, end, &mut turned);
                    scores.push(((hub.min(end), hub.max(end)), Score { value: exact.nearest(), exact: Some(exact) }));
                }
                scores.sort_unstable_by_key(|(pair, _)| *pair);
                scores
            }
            (Measure::Transport(_), None) => Vec::new(),
        }
    }
}

fn pair(edge: Edge) -> (u32, u32) {
    (edge.source.min(edge.target), edge.source.max(edge.target))
}
