//! A selection of links, compiled: three small tables instead of names.

use std::cell::RefCell;

use super::layers::LayerSet;
use super::names::NONE;
use super::store::{Slot, Store};
use super::types::{GraphError, Selection};
use super::work;
use crate::terms::FixedMap;

/// Types named in one selection at most.
pub const TYPES_MAX: usize = 1_024;

/// Which links a selection takes, and how much they weigh.
#[derive(Debug, Clone, Default)]
pub(crate) struct Filter {
    /// By type; none takes all.
    kinds: Option<Vec<bool>>,
    at: Option<i64>,
    layers: Option<LayerSet>,
    /// By set of layers: taken or not, and the factor of the weight.
    sets: Vec<(bool, f64)>,
    /// By valid time.
    intervals: Vec<bool>,
    layers_revision: u64,
    /// Of links that several records state the statement that counts, as far as anybody has asked; [`NONE`] where none is taken.
    counting: RefCell<FixedMap<u32, u32>>,
    selection: Selection,
}

impl Filter {
    /// A filter that has seen no link yet: see [`Filter::refresh`].
    ///
    /// # Errors
    /// [`GraphError::UnknownLayer`], [`GraphError::UnknownType`], [`GraphError::Malformed`].
    pub(crate) fn new(store: &Store, selection: &Selection) -> Result<Filter, GraphError> {
        let kinds = kinds(store, &selection.types)?;
        let mut filter = Filter { kinds, at: selection.at, selection: selection.clone(), ..Filter::default() };
        filter.layers = match selection.layers.as_slice() {
            [] => None,
            nodes => Some(store.layers.compile(nodes, selection.at)?),
        };
        filter.layers_revision = store.layers.revision;
        Ok(filter)
    }

    /// Whether it looks at the same layers as one that was just made of the same selection.
    pub(crate) fn is_like(&self, other: &Filter) -> bool {
        self.layers_revision == other.layers_revision && self.layers == other.layers
    }

    /// Lets it see what came after it was made. A layer that has gone away meanwhile is empty.
    pub(crate) fn refresh(&mut self, store: &Store) {
        self.counting.get_mut().clear();
        if self.layers_revision != store.layers.revision {
            self.layers_revision = store.layers.revision;
            self.sets.clear();
            if !self.selection.layers.is_empty() {
                self.layers = Some(store.layers.compile(&self.selection.layers, self.at).unwrap_or_default());
            }
        }
        for set in self.sets.len() as u32..store.layers.set_count() {
            let in_set = self.layers.as_ref().is_none_or(|layers| store.layers.is_in(layers, set));
            let in_time = self.at.is_none_or(|at| store.layers.is_in_time(set, at));
            self.sets.push((in_set && in_time, store.layers.factor(self.layers.as_ref(), set, self.at)));
        }
        for interval in store.intervals.get(self.intervals.len()..).unwrap_or_default() {
            self.intervals.push(self.at.is_none_or(|at| interval.contains(at)));
        }
    }

    fn takes_statement(&self, slot: &Slot) -> bool {
        self.kinds.as_ref().is_none_or(|kinds| kinds.get(slot.kind as usize) == Some(&true))
            && self.sets.get(slot.layers as usize).is_some_and(|set| set.0)
            && self.intervals.get(slot.valid as usize) == Some(&true)
    }

    /// Whether a link is taken by way of this statement: of several that state it, that of the least record counts.
    pub(crate) fn takes(&self, store: &Store, number: u32, slot: &Slot) -> bool {
        work::look_at(1);
        self.takes_statement(slot) && (slot.is_alone() || self.statement(store, slot.entry) == Some(number))
    }

    /// The statement of a link that counts.
    pub(crate) fn statement(&self, store: &Store, entry: u32) -> Option<u32> {
        let first = store.first_statement(entry);
        let slot = store.slot(first)?;
        if slot.is_alone() {
            return self.takes_statement(slot).then_some(first);
        }
        let known = self.counting.borrow().get(&entry).copied();
        let found = known.unwrap_or_else(|| {
            let found = self.best_of(store, first);
            self.counting.borrow_mut().insert(entry, found);
            found
        });
        (found != NONE).then_some(found)
    }

    /// The statement of the least record, of a chain of them.
    fn best_of(&self, store: &Store, first: u32) -> u32 {
        let mut best: Option<(u32, u32)> = None;
        let mut next = first;
        while let Some(slot) = store.slot(next) {
            work::look_at(1);
            let better = |best: (u32, u32)| store.names.compare(slot.source, best.0).is_lt();
            if self.takes_statement(slot) && best.is_none_or(better) {
                best = Some((slot.source, next));
            }
            next = slot.twin;
        }
        best.map_or(NONE, |(_, number)| number)
    }

    /// The link's weight times the weights of the layers that it counts for.
    pub(crate) fn weight(&self, slot: &Slot) -> f64 {
        slot.weight * self.sets.get(slot.layers as usize).map_or(1.0, |set| set.1)
    }
}

/// Which types are meant; none for all.
///
/// # Errors
/// [`GraphError::UnknownType`], [`GraphError::Malformed`].
pub(crate) fn kinds(store: &Store, types: &[String]) -> Result<Option<Vec<bool>>, GraphError> {
    if types.is_empty() {
        return Ok(None);
    }
    if types.len() > TYPES_MAX {
        let what = format!("{} types are named, at most {TYPES_MAX} can be; name none for all", types.len());
        return Err(GraphError::Malformed(what));
    }
    let counts = |kind: u32| store.kind_counts.get(kind as usize).is_some_and(|count| *count > 0);
    let mut kinds = vec![false; store.kinds.len()];
    for name in types {
        let Some(kind) = store.kinds.find(name).filter(|&kind| counts(kind)) else {
            return Err(GraphError::UnknownType(name.chars().take(80).collect(), store.kinds.similar(name, counts)));
        };
        if let Some(place) = kinds.get_mut(kind as usize) {
            *place = true;
        }
    }
    Ok(Some(kinds))
}
