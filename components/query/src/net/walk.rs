//! Walks that stay near their start: neighbourhoods and paths. They look at arcs one by one where the view is not laid out.

use std::cmp::Ordering;
use std::collections::BinaryHeap;

use super::names::NONE;
use super::store::Store;
use super::types::{Direction, GraphError, Length, Path, Reached};
use super::view::View;
use crate::bitset::Bitset;

/// Every node within so many steps, nearest first, then by name.
pub(crate) fn reach(
    view: &View,
    store: &Store,
    starts: &[u32],
    hops: u32,
    limit: u32,
) -> Result<Vec<Reached>, GraphError> {
    if limit == 0 {
        return Err(GraphError::OutOfRange("the limit is 0; it is a number from 1 on".to_owned()));
    }
    for &start in starts {
        known(store, start)?;
    }
    let mut seen = Bitset::new(store.names.len());
    let mut level = Vec::new();
    for &node in starts {
        if !seen.contains(node) {
            seen.insert(node);
            level.push(Reached { node, distance: 0, before: None });
        }
    }
    let (mut reached, mut ends) = (Vec::new(), Vec::new());
    for distance in 0..=hops {
        level = store.names.by_name(&level, |one: &Reached| one.node);
        reached.extend_from_slice(&level);
        if distance == hops || level.is_empty() || reached.len() >= limit as usize {
            break;
        }
        let mut next = Vec::new();
        for from in &level {
            ends.clear();
            view.step(store, view.selection.direction, from.node, &mut ends);
            for &node in &ends {
                if !seen.contains(node) {
                    seen.insert(node);
                    // The level is in the order of names, so this is the least that leads here.
                    next.push(Reached { node, distance: distance + 1, before: Some(from.node) });
                }
            }
        }
        level = next;
    }
    reached.truncate(limit as usize);
    Ok(reached)
}

/// # Errors
/// [`GraphError::UnknownNode`].
pub(crate) fn known(store: &Store, node: u32) -> Result<(), GraphError> {
    if (node as usize) < store.names.len() { Ok(()) } else { Err(GraphError::UnknownNode(node)) }
}

/// A shortest path; of equal ones that with the fewest steps, of these the least by names.
pub(crate) fn path(
    view: &View,
    store: &Store,
    start: u32,
    end: u32,
    length: Length,
) -> Result<Option<Path>, GraphError> {
    known(store, start)?;
    known(store, end)?;
    let costs = match length {
        Length::Hops => hops_to(view, store, start, end),
        Length::Weight | Length::Reciprocal => costs_to(view, store, start, end, length)?,
    };
    let cost_of = |node: u32| costs.get(node as usize).copied().unwrap_or(Cost::INFINITE);
    if cost_of(start) == Cost::INFINITE {
        return Ok(None);
    }
    let (mut nodes, mut links) = (vec![start], Vec::new());
    let mut here = start;
    while here != end {
        let from = cost_of(here);
        let mut best: Option<(u32, u32)> = None;
        view.each_arc(store, view.selection.direction, here, |arc| {
            let Ok(step) = length_of(arc.weight, length) else { return };
            if cost_of(arc.to).plus(step) != from || arc.to == here {
                return;
            }
            let Some(entry) = store.slot(arc.slot).map(|slot| slot.entry) else { return };
            let order = |best: (u32, u32)| {
                store.names.compare(arc.to, best.0).then_with(|| store.raw_id(entry).cmp(&store.raw_id(best.1)))
            };
            if best.is_none_or(|best| order(best).is_lt()) {
                best = Some((arc.to, entry));
            }
        });
        // What has a cost got it from an arc.
        let Some((next, entry)) = best else { return Ok(None) };
        nodes.push(next);
        links.push(store.link_id(entry));
        here = next;
    }
    Ok(Some(Path { nodes, links, cost: cost_of(start).length }))
}

/// How far it is from a node to the end. The steps decide between equal lengths, so that arcs of length 0 make no circle.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Cost {
    length: f64,
    steps: u32,
}

impl Cost {
    const INFINITE: Cost = Cost { length: f64::INFINITY, steps: NONE };

    fn plus(self, length: f64) -> Cost {
        Cost { length: length + self.length, steps: self.steps.saturating_add(1) }
    }

    fn compare(self, other: Cost) -> Ordering {
        self.length.total_cmp(&other.length).then(self.steps.cmp(&other.steps))
    }
}

/// A node that waits for its turn, the nearest first.
#[derive(Debug, PartialEq)]
struct Waiting(Cost, u32);

impl Eq for Waiting {}

impl Ord for Waiting {
    fn cmp(&self, other: &Self) -> Ordering {
        other.0.compare(self.0).then(other.1.cmp(&self.1))
    }
}

impl PartialOrd for Waiting {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

fn length_of(weight: f64, length: Length) -> Result<f64, GraphError> {
    let out_of_range = |what: &str| Err(GraphError::OutOfRange(what.to_owned()));
    match length {
        Length::Hops => Ok(1.0),
        Length::Weight if weight < 0.0 => out_of_range(
            "a link on the way has a negative weight, which is no length; leave its type out, or walk by hops",
        ),
        Length::Weight => Ok(weight),
        Length::Reciprocal if weight <= 0.0 => out_of_range(
            "a link on the way has a weight that is not positive, and so no reciprocal; leave its type out",
        ),
        Length::Reciprocal => Ok(1.0 / weight),
    }
}

/// Steps to the end, for everything that is no farther than the start.
fn hops_to(view: &View, store: &Store, start: u32, end: u32) -> Vec<Cost> {
    let mut costs = vec![Cost::INFINITE; store.names.len()];
    let back = view.selection.direction.reversed();
    let (mut level, mut ends, mut steps) = (vec![end], Vec::new(), 0_u32);
    while !level.is_empty() {
        level.retain(|&node| match costs.get_mut(node as usize) {
            Some(cost) if *cost == Cost::INFINITE => {
                *cost = Cost { length: f64::from(steps), steps };
                true
            }
            _ => false,
        });
        if level.contains(&start) {
            break;
        }
        ends.clear();
        level.iter().for_each(|&node| view.step(store, back, node, &mut ends));
        std::mem::swap(&mut level, &mut ends);
        steps += 1;
    }
    costs
}

/// Dijkstra's algorithm (1959) from the end, for everything that is no farther than the start.
fn costs_to(view: &View, store: &Store, start: u32, end: u32, length: Length) -> Result<Vec<Cost>, GraphError> {
    let mut costs = vec![Cost::INFINITE; store.names.len()];
    let back: Direction = view.selection.direction.reversed();
    let mut waiting = BinaryHeap::from([Waiting(Cost { length: 0.0, steps: 0 }, end)]);
    if let Some(cost) = costs.get_mut(end as usize) {
        *cost = Cost { length: 0.0, steps: 0 };
    }
    let mut fault = None;
    while let Some(Waiting(cost, node)) = waiting.pop() {
        let held = |node: u32| costs.get(node as usize).copied().unwrap_or(Cost::INFINITE);
        if held(start).compare(cost).is_lt() {
            break;
        }
        if held(node) != cost {
            continue;
        }
        view.each_arc(store, back, node, |arc| match length_of(arc.weight, length) {
            Ok(step) => {
                let longer = cost.plus(step);
                if let Some(held) = costs.get_mut(arc.to as usize)
                    && longer.compare(*held).is_lt()
                {
                    *held = longer;
                    waiting.push(Waiting(longer, arc.to));
                }
            }
            Err(error) => fault = Some(error),
        });
        if let Some(error) = fault {
            return Err(error);
        }
    }
    Ok(costs)
}
