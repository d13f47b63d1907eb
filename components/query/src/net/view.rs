//! A compiled selection.

use std::rc::Rc;

use super::arcs::{self, Arc};
use super::compiled::Compiled;
use super::csr::Csr;
use super::filter::Filter;
use super::hierarchy::Hierarchy;
use super::kept::{self, Shared};
use super::store::Store;
use super::types::{Direction, Expansion, GraphError, Selection};

/// A selection that sees what is changed after it was opened.
#[derive(Debug)]
pub struct View {
    pub(crate) filter: Rc<Filter>,
    pub(crate) selection: Selection,
    /// The change of the store that it has seen.
    revision: u64,
    /// Its arcs laid out, as of that change.
    compiled: Option<Rc<Compiled>>,
    /// Of each node number the numbers next to it, ascending: for single steps.
    numbered: Option<Rc<Csr>>,
    hierarchy: Option<Rc<Hierarchy>>,
    /// Arcs that were looked at one by one since then.
    walked: usize,
}

impl View {
    pub(crate) fn new(store: &Store, selection: Selection) -> Result<View, GraphError> {
        let mut fresh = Filter::new(store, &selection)?;
        let kept = store.kept.borrow().filter(&selection).filter(|kept| kept.is_like(&fresh)).map(Rc::clone);
        let filter = kept.unwrap_or_else(|| {
            store.kept.borrow_mut().forget(&selection);
            fresh.refresh(store);
            Rc::new(fresh)
        });
        // Nothing is seen yet: the links of star expansion may have no nodes.
        Ok(View { filter, selection, revision: 0, compiled: None, numbered: None, hierarchy: None, walked: 0 })
    }

    /// Lets it see every change up to now.
    pub(crate) fn refresh(&mut self, store: &mut Store) {
        if self.revision == store.revision {
            return;
        }
        if self.selection.expansion == Expansion::Star {
            store.make_links_nodes();
        }
        (self.revision, self.walked) = (store.revision, 0);
        (self.compiled, self.numbered, self.hierarchy) = (None, None, None);
        // What it held is not held twice while the others are brought up to date.
        let filter = std::mem::take(&mut self.filter);
        kept::with(store, &self.selection, filter, |_, shared| {
            self.filter = Rc::clone(&shared.filter);
            self.compiled.clone_from(&shared.compiled);
            self.numbered.clone_from(shared.numbered(self.selection.direction));
            self.hierarchy.clone_from(&shared.hierarchy);
        });
    }

    /// Calls `act` with every arc from a node, along the view's direction or the other way.
    pub(crate) fn each_arc(&self, store: &Store, direction: Direction, node: u32, act: impl FnMut(Arc)) {
        arcs::each_arc(store, &self.filter, (self.selection.expansion, direction), node, act);
    }

    /// Neighbours by number, if so many were looked at one by one that it pays to lay them out.
    fn numbered(&mut self, store: &mut Store) -> Option<&Csr> {
        if self.numbered.is_none() && self.walked > store.slot_count() {
            let direction = self.selection.direction;
            let numbered = Rc::new(self.lay_out(store).numbered(direction));
            kept::with(store, &self.selection, Rc::clone(&self.filter), |_, shared| {
                *shared.numbered(direction) = Some(Rc::clone(&numbered));
            });
            self.numbered = Some(numbered);
        }
        self.numbered.as_deref()
    }

    /// Lays the arcs out if nobody has yet.
    pub(crate) fn lay_out(&mut self, store: &mut Store) -> Rc<Compiled> {
        if let Some(compiled) = &self.compiled {
            return Rc::clone(compiled);
        }
        let expansion = self.selection.expansion;
        let compiled = kept::with(store, &self.selection, Rc::clone(&self.filter), |store, shared| {
            let Shared { compiled, filter, .. } = shared;
            Rc::clone(compiled.get_or_insert_with(|| Rc::new(Compiled::new(store, filter, expansion))))
        });
        self.compiled = Some(Rc::clone(&compiled));
        compiled
    }

    /// The nodes one step away along a direction, maybe some of them twice, in no order that means anything.
    pub(crate) fn step(&self, store: &Store, direction: Direction, node: u32, out: &mut Vec<u32>) {
        match &self.compiled {
            Some(compiled) => compiled.neighbours(node, direction, out),
            None => self.each_arc(store, direction, node, |arc| out.push(arc.to)),
        }
    }

    /// Children and parents, as of now.
    pub(crate) fn hierarchy(&mut self, store: &mut Store) -> Rc<Hierarchy> {
        self.refresh(store);
        if let Some(hierarchy) = &self.hierarchy {
            return Rc::clone(hierarchy);
        }
        let hierarchy = kept::with(store, &self.selection, Rc::clone(&self.filter), |store, shared| {
            let Shared { hierarchy, filter, .. } = shared;
            Rc::clone(hierarchy.get_or_insert_with(|| Rc::new(Hierarchy::new(store, filter, &self.selection))))
        });
        self.hierarchy = Some(Rc::clone(&hierarchy));
        hierarchy
    }

    /// The nodes one step away, ascending by number, behind those that `out` holds.
    pub(crate) fn neighbours(&mut self, store: &mut Store, node: u32, out: &mut Vec<u32>) {
        self.refresh(store);
        let direction = self.selection.direction;
        let begin = out.len();
        if let Some(rows) = self.numbered(store) {
            if (node as usize) < rows.nodes() {
                out.extend_from_slice(rows.row(node));
            }
            return;
        }
        self.step(store, direction, node, out);
        self.walked += store.incident(node).len();
        let mut found = out.split_off(begin);
        found.sort_unstable();
        found.dedup();
        out.append(&mut found);
    }
}
