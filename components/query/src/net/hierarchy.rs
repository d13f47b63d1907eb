//! The hierarchy: links from child to parent. A child may have several parents, and circles are reported, not refused.
#![allow(clippy::indexing_slicing, reason = "a kernel: every index is a place below the number of nodes")]

use super::csr::Csr;
use super::filter::Filter;
use super::names::NONE;
use super::parts;
use super::store::Store;
use super::types::Selection;
use super::work;

/// The type of links that make a hierarchy where a view names no types.
const PARENT: &str = "parent";

/// Children and parents, over nodes in the order of their names.
#[derive(Debug)]
pub(crate) struct Hierarchy {
    nodes: Vec<u32>,
    places: Vec<u32>,
    up: Csr,
    down: Csr,
}

impl Hierarchy {
    pub(crate) fn new(store: &mut Store, filter: &Filter, selection: &Selection) -> Hierarchy {
        work::lay_out();
        store.names.sort();
        let store = &*store;
        let parent = store.kinds.find(PARENT);
        let is_meant = |kind: u32| !selection.types.is_empty() || Some(kind) == parent;
        let mut arcs = Vec::new();
        for (number, slot) in store.slots() {
            if let [(child, _), (parent, _)] = *store.members(slot)
                && is_meant(slot.kind)
                && filter.takes(store, number, slot)
            {
                arcs.push((child, parent));
            }
        }
        let mut places = vec![NONE; store.names.len()];
        arcs.iter().flat_map(|&(child, parent)| [child, parent]).for_each(|node| places[node as usize] = 0);
        let nodes: Vec<u32> =
            store.names.order().iter().copied().filter(|&node| places[node as usize] != NONE).collect();
        (0..).zip(&nodes).for_each(|(place, &node)| places[node as usize] = place);
        let raw = Csr::from_arcs(nodes.len(), |act| {
            arcs.iter().for_each(|&(child, parent)| act(places[child as usize], places[parent as usize]));
        });
        let mut down = raw.transposed();
        down.dedup();
        Hierarchy { up: down.transposed(), down, nodes, places }
    }

    pub(crate) fn bytes(&self) -> usize {
        (self.nodes.capacity() + self.places.capacity()) * 4 + self.up.bytes() + self.down.bytes()
    }

    fn place(&self, node: u32) -> Option<u32> {
        self.places.get(node as usize).copied().filter(|place| *place != NONE)
    }

    /// Nodes without a parent that are one.
    pub(crate) fn roots(&self) -> Vec<u32> {
        let places = 0..self.nodes.len() as u32;
        let is_root = |place: &u32| self.up.row(*place).is_empty() && !self.down.row(*place).is_empty();
        places.filter(is_root).map(|place| self.nodes[place as usize]).collect()
    }

    /// Steps to the nearest node without a parent; none where there is none above.
    pub(crate) fn depth(&self, node: u32) -> Option<u32> {
        let Some(start) = self.place(node) else { return Some(0) };
        let mut seen = vec![false; self.nodes.len()];
        seen[start as usize] = true;
        let (mut level, mut depth) = (vec![start], 0);
        while !level.is_empty() {
            if level.iter().any(|&place| self.up.row(place).is_empty()) {
                return Some(depth);
            }
            let mut next = Vec::new();
            for &parent in level.iter().flat_map(|&place| self.up.row(place)) {
                if !std::mem::replace(&mut seen[parent as usize], true) {
                    next.push(parent);
                }
            }
            (level, depth) = (next, depth + 1);
        }
        None
    }

    /// Common ancestors-or-selves of all of these below which there is no other common one. Nodes of one circle are below one
    /// another, and so stand together.
    pub(crate) fn lowest_common_ancestors(&self, nodes: &[u32]) -> Vec<u32> {
        let mut of: Vec<u32> = nodes.to_vec();
        of.sort_unstable();
        of.dedup();
        if let [only] = of.as_slice() {
            return vec![*only];
        }
        let Some(starts) = of.iter().map(|&node| self.place(node)).collect::<Option<Vec<u32>>>() else {
            return Vec::new();
        };
        // How many of the starts each place is above, and the last that it was counted for.
        let mut above = vec![0_u32; self.nodes.len()];
        let mut last = vec![NONE; self.nodes.len()];
        let mut waiting = Vec::new();
        for (number, &start) in (0..).zip(&starts) {
            // What was not above all before is above all no more, and neither is what is above it only by way of it.
            waiting.push(start);
            while let Some(place) = waiting.pop() {
                if std::mem::replace(&mut last[place as usize], number) != number {
                    above[place as usize] += 1;
                    waiting.extend_from_slice(self.up.row(place));
                }
            }
        }
        let common = |place: u32| above[place as usize] as usize == starts.len();
        let within = Csr::from_arcs(self.nodes.len(), |act| {
            for place in (0..self.nodes.len() as u32).filter(|&place| common(place)) {
                self.down.row(place).iter().filter(|&&child| common(child)).for_each(|&child| act(place, child));
            }
        });
        let circles = parts::strong(&within);
        let mut is_lowest = vec![true; self.nodes.len()];
        for place in 0..self.nodes.len() as u32 {
            let own = circles[place as usize];
            if within.row(place).iter().any(|&child| circles[child as usize] != own) {
                is_lowest[own as usize] = false;
            }
        }
        let places = (0..self.nodes.len() as u32).filter(|&place| common(place));
        let lowest = places.filter(|&place| is_lowest[circles[place as usize] as usize]);
        lowest.map(|place| self.nodes[place as usize]).collect()
    }

    /// Strongly connected sets of more than one node, and nodes that are their own parent.
    pub(crate) fn cycles(&self) -> Vec<Vec<u32>> {
        let circles = parts::strong(&self.up);
        let mut members: Vec<Vec<u32>> = vec![Vec::new(); self.nodes.len()];
        for (place, &circle) in (0..).zip(&circles) {
            members[circle as usize].push(place);
        }
        let is_circle = |places: &Vec<u32>| match places.as_slice() {
            [] => false,
            [only] => self.up.row(*only).contains(only),
            _ => true,
        };
        let circles = members.into_iter().filter(is_circle);
        circles.map(|places| places.into_iter().map(|place| self.nodes[place as usize]).collect()).collect()
    }
}
