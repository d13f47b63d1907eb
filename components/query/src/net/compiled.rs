//! The arcs of a view laid out, over nodes in the order of their names: what goes through the whole graph goes by this, so
//! that sums are made in one order whatever the order of the calls that brought the links.

use std::cell::OnceCell;
use std::rc::Rc;

use super::arcs::each_of_link;
use super::csr::Csr;
use super::filter::Filter;
use super::names::NONE;
use super::store::Store;
use super::types::{Direction, Expansion};
use super::work;

/// A view's simple graph: an arc once, whoever states it how often. Its nodes are the records that are there and the members of
/// its links, with star expansion also the links.
#[derive(Debug)]
pub(crate) struct Compiled {
    /// Node numbers, in the order of their names.
    nodes: Vec<u32>,
    /// Of each node number its place there; [`NONE`] for what is not in the view.
    places: Vec<u32>,
    forward: Rc<Csr>,
    backward: Rc<Csr>,
    both: OnceCell<Rc<Csr>>,
}

impl Compiled {
    pub(crate) fn new(store: &mut Store, filter: &Filter, expansion: Expansion) -> Compiled {
        work::lay_out();
        store.names.sort();
        let store = &*store;
        let mut is_in: Vec<bool> = (0..store.names.len() as u32).map(|node| store.has_record(node)).collect();
        let taken = || store.slots().filter(|(number, slot)| filter.takes(store, *number, slot));
        let mut mark = |node: u32| {
            if let Some(is_in) = is_in.get_mut(node as usize) {
                *is_in = true;
            }
        };
        for (_, slot) in taken() {
            store.members(slot).iter().for_each(|&(node, _)| mark(node));
            if expansion == Expansion::Star {
                mark(store.names.entry(slot.entry).map_or(NONE, |entry| entry.node));
            }
        }
        let nodes: Vec<u32> =
            store.names.order().iter().copied().filter(|&node| is_in.get(node as usize) == Some(&true)).collect();
        let mut places = vec![NONE; store.names.len()];
        for (place, &node) in (0..).zip(&nodes) {
            if let Some(held) = places.get_mut(node as usize) {
                *held = place;
            }
        }
        let place = |node: u32| places.get(node as usize).copied().unwrap_or(NONE);
        let raw = Csr::from_arcs(nodes.len(), |act| {
            for (_, slot) in taken() {
                each_of_link(store, slot, expansion, |from, to| {
                    let (from, to) = (place(from), place(to));
                    if from != NONE && to != NONE {
                        act(from, to);
                    }
                });
            }
        });
        // Turning twice sorts the rows.
        let mut backward = raw.transposed();
        drop(raw);
        backward.dedup();
        let forward = backward.transposed();
        Compiled { nodes, places, forward: Rc::new(forward), backward: Rc::new(backward), both: OnceCell::new() }
    }

    pub(crate) fn nodes(&self) -> &[u32] {
        &self.nodes
    }

    /// The node number at a place.
    pub(crate) fn node(&self, place: u32) -> u32 {
        self.nodes.get(place as usize).copied().unwrap_or(NONE)
    }

    /// The place of a node number; none for what is not in the view.
    pub(crate) fn place(&self, node: u32) -> Option<u32> {
        self.places.get(node as usize).copied().filter(|place| *place != NONE)
    }

    pub(crate) fn bytes(&self) -> usize {
        let both = self.both.get().map_or(0, |both| both.bytes());
        (self.nodes.capacity() + self.places.capacity()) * 4 + self.forward.bytes() + self.backward.bytes() + both
    }

    /// How many node numbers there were.
    pub(crate) fn numbers(&self) -> usize {
        self.places.len()
    }

    pub(crate) fn rows(&self, direction: Direction) -> &Rc<Csr> {
        match direction {
            Direction::Forward => &self.forward,
            Direction::Backward => &self.backward,
            Direction::Both => self.both.get_or_init(|| Rc::new(self.forward.merged(&self.backward))),
        }
    }

    /// Node numbers one step away, by name.
    pub(crate) fn neighbours(&self, node: u32, direction: Direction, out: &mut Vec<u32>) {
        if let Some(place) = self.place(node) {
            out.extend(self.rows(direction).row(place).iter().map(|&place| self.node(place)));
        }
    }

    /// Of each node number the numbers one step away, ascending.
    pub(crate) fn numbered(&self, direction: Direction) -> Csr {
        let back = self.rows(direction.reversed());
        Csr::from_arcs(self.numbers(), |act| {
            for (to, &place) in (0..).zip(&self.places) {
                if place != NONE {
                    back.row(place).iter().for_each(|&from| act(self.node(from), to));
                }
            }
        })
    }

    /// A value for each place as a value for each of so many node numbers: links that were asked for since it was laid out have
    /// numbers, too.
    pub(crate) fn by_number<T: Copy>(&self, values: &[T], other: T, numbers: usize) -> Vec<T> {
        let value = |place: &u32| values.get(*place as usize).copied().unwrap_or(other);
        self.places.iter().map(value).chain(std::iter::repeat(other)).take(numbers).collect()
    }
}
