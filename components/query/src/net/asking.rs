//! What a [`Net`] answers over a [`View`].

use std::rc::Rc;

use super::compiled::Compiled;
use super::names::NONE;
use super::types::{Centrality, Direction, GraphError, Incident, Length, Path, PatternLink, Reached, Rows, Step};
use super::walk::known;
use super::{Net, View, breadth, centrality, metapath, parts, pattern, walk};
use crate::order;

impl Net {
    fn laid_out(&mut self, view: &mut View) -> Rc<Compiled> {
        view.refresh(&mut self.store);
        view.lay_out(&mut self.store)
    }

    /// Every node within `hops` steps, nearest first, then by name; at most `limit`.
    ///
    /// # Errors
    /// [`GraphError::UnknownNode`], [`GraphError::OutOfRange`] for a limit of 0.
    pub fn reach(
        &mut self,
        view: &mut View,
        starts: &[u32],
        hops: u32,
        limit: u32,
    ) -> Result<Vec<Reached>, GraphError> {
        view.refresh(&mut self.store);
        walk::reach(view, &self.store, starts, hops, limit)
    }

    /// Steps to every node number; 4294967295 where there is no way.
    ///
    /// # Errors
    /// [`GraphError::UnknownNode`].
    pub fn distances(&mut self, view: &mut View, start: u32) -> Result<Vec<u32>, GraphError> {
        known(&self.store, start)?;
        let compiled = self.laid_out(view);
        let direction = view.selection.direction;
        let Some(place) = compiled.place(start) else {
            let mut alone = vec![NONE; self.store.names.len()];
            if let Some(start) = alone.get_mut(start as usize) {
                *start = 0;
            }
            return Ok(alone);
        };
        let (out, back) = (compiled.rows(direction), compiled.rows(direction.reversed()));
        Ok(compiled.by_number(&breadth::distances(out, back, place), NONE, self.store.names.len()))
    }

    /// A shortest path; of equal ones that with the fewest steps, of these the least by names.
    ///
    /// # Errors
    /// [`GraphError::UnknownNode`], [`GraphError::OutOfRange`].
    pub fn path(&mut self, view: &mut View, start: u32, end: u32, length: Length) -> Result<Option<Path>, GraphError> {
        view.refresh(&mut self.store);
        walk::path(view, &self.store, start, end, length)
    }

    /// Links that a node is a member of, by id.
    ///
    /// # Errors
    /// [`GraphError::UnknownNode`].
    pub fn incidence(&mut self, view: &mut View, node: u32) -> Result<Vec<Incident>, GraphError> {
        known(&self.store, node)?;
        view.refresh(&mut self.store);
        let store = &self.store;
        let incident = |&number: &u32| {
            let slot = store.slot(number).filter(|slot| view.filter.takes(store, number, slot))?;
            let members = store.members(slot);
            let role = |role: u32| store.roles.name(role).to_owned();
            Some(Incident {
                id: store.link_id(slot.entry),
                kind: store.kinds.name(slot.kind).to_owned(),
                roles: members.iter().filter(|member| member.0 == node).map(|member| role(member.1)).collect(),
                members: members.iter().map(|member| (role(member.1), member.0)).collect(),
                weight: view.filter.weight(slot),
            })
        };
        let mut incidents: Vec<Incident> = store.incident(node).iter().filter_map(incident).collect();
        order::sort_by(&mut incidents, |a, b| a.id.cmp(&b.id));
        Ok(incidents)
    }

    /// Nodes at the ends of a metapath and how many paths lead there, by name.
    ///
    /// # Errors
    /// [`GraphError::UnknownNode`], [`GraphError::UnknownType`], [`GraphError::Malformed`], [`GraphError::TooMuch`].
    pub fn metapath(&mut self, view: &mut View, start: u32, steps: &[Step]) -> Result<Vec<(u32, u64)>, GraphError> {
        view.refresh(&mut self.store);
        metapath::metapath(view, &self.store, start, steps)
    }

    /// Everything that fits a pattern; at most `limit` rows behind `offset`.
    ///
    /// # Errors
    /// [`GraphError::Malformed`], [`GraphError::UnknownNode`], [`GraphError::UnknownType`], [`GraphError::OutOfRange`],
    /// [`GraphError::TooMuch`].
    pub fn find_pattern(
        &mut self,
        view: &mut View,
        pattern: &[PatternLink],
        offset: u32,
        limit: u32,
    ) -> Result<Rows, GraphError> {
        view.refresh(&mut self.store);
        pattern::rows(view, &mut self.store, pattern, offset, limit)
    }

    /// For each node number its component, numbered from 0 by their least names; 4294967295 for what is not in the view.
    pub fn components(&mut self, view: &mut View, strong: bool) -> Vec<u32> {
        let compiled = self.laid_out(view);
        let found = if strong {
            parts::strong(compiled.rows(Direction::Forward))
        } else {
            parts::weak(compiled.rows(Direction::Both))
        };
        compiled.by_number(&found, NONE, self.store.names.len())
    }

    /// A number for each node number; 0 for what is not in the view.
    ///
    /// # Errors
    /// [`GraphError::OutOfRange`], [`GraphError::UnknownNode`], [`GraphError::TooMuch`].
    pub fn centrality(&mut self, view: &mut View, what: &Centrality) -> Result<Vec<f64>, GraphError> {
        let compiled = self.laid_out(view);
        let direction = view.selection.direction;
        let (out, back) = (compiled.rows(direction), compiled.rows(direction.reversed()));
        let values = match what {
            Centrality::Degree => (0..out.nodes() as u32).map(|place| out.row(place).len() as f64).collect(),
            Centrality::Strength => self.strength(view, &compiled),
            Centrality::Closeness => centrality::closeness(out)?,
            Centrality::Harmonic => centrality::harmonic(out)?,
            Centrality::Betweenness(pivots) => centrality::betweenness(out, *pivots)?,
            Centrality::Eigenvector => centrality::eigenvector(back)?,
            Centrality::PageRank(damping, restarts) => {
                let place = |&node: &u32| {
                    known(&self.store, node)?;
                    let what = || {
                        GraphError::OutOfRange(format!("the node {node} is not in the view, so no walk restarts there"))
                    };
                    compiled.place(node).ok_or_else(what)
                };
                let restarts: Vec<u32> = restarts.iter().map(place).collect::<Result<_, _>>()?;
                centrality::page_rank(out, back, *damping, &restarts)?
            }
        };
        Ok(compiled.by_number(&values, 0.0, self.store.names.len()))
    }

    /// The neighbours of a place with the sums of the weights of the links to each, by name. Weights are added in the order of
    /// their size, so that it does not matter which link came first.
    fn weighted(&self, view: &View, compiled: &Compiled, place: u32, direction: Direction) -> Vec<(u32, f64)> {
        let mut arcs = Vec::new();
        view.each_arc(&self.store, direction, compiled.node(place), |arc| {
            arcs.extend(compiled.place(arc.to).map(|to| (to, arc.weight)));
        });
        arcs.sort_unstable_by(|a, b| a.0.cmp(&b.0).then(a.1.total_cmp(&b.1)));
        let mut sums: Vec<(u32, f64)> = Vec::new();
        for (to, weight) in arcs {
            match sums.last_mut() {
                Some(last) if last.0 == to => last.1 += weight,
                _ => sums.push((to, weight)),
            }
        }
        sums
    }

    fn strength(&self, view: &View, compiled: &Compiled) -> Vec<f64> {
        let of = |place| {
            let weighted = self.weighted(view, compiled, place, view.selection.direction);
            weighted.into_iter().fold(0.0, |sum, (_, weight)| sum + weight)
        };
        (0..compiled.nodes().len() as u32).map(of).collect()
    }

    /// The simple graph underneath: each pair of different neighbours once, the first before the second by name, with the sum
    /// of the weights of the links between them; by name.
    pub fn edges(&mut self, view: &mut View) -> Vec<(u32, u32, f64)> {
        let compiled = self.laid_out(view);
        let mut edges = Vec::new();
        for place in 0..compiled.nodes().len() as u32 {
            let weighted = self.weighted(view, &compiled, place, Direction::Both).into_iter();
            let above = weighted.filter(|(to, _)| *to > place);
            edges.extend(above.map(|(to, weight)| (compiled.node(place), compiled.node(to), weight)));
        }
        edges
    }

    /// Nodes of the hierarchy without a parent that are one, by name.
    pub fn roots(&mut self, view: &mut View) -> Vec<u32> {
        view.hierarchy(&mut self.store).roots()
    }

    /// Common ancestors-or-selves of all of these below which there is no other common one, by name.
    ///
    /// # Errors
    /// [`GraphError::UnknownNode`], [`GraphError::OutOfRange`] without nodes.
    pub fn lowest_common_ancestors(&mut self, view: &mut View, nodes: &[u32]) -> Result<Vec<u32>, GraphError> {
        nodes.iter().try_for_each(|&node| known(&self.store, node))?;
        if nodes.is_empty() {
            return Err(GraphError::OutOfRange("common ancestors are those of at least one node".to_owned()));
        }
        Ok(view.hierarchy(&mut self.store).lowest_common_ancestors(nodes))
    }

    /// Steps to the nearest root; none where a circle is all that is above.
    ///
    /// # Errors
    /// [`GraphError::UnknownNode`].
    pub fn depth(&mut self, view: &mut View, node: u32) -> Result<Option<u32>, GraphError> {
        known(&self.store, node)?;
        Ok(view.hierarchy(&mut self.store).depth(node))
    }

    /// Circles of the hierarchy: each by name, and all by their least names.
    pub fn cycles(&mut self, view: &mut View) -> Vec<Vec<u32>> {
        view.hierarchy(&mut self.store).cycles()
    }
}
