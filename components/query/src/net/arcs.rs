//! How links become arcs: the one definition that everything that walks goes by.

use super::filter::Filter;
use super::names::NONE;
use super::store::{Slot, Store};
use super::types::{Direction, Expansion};

/// An arc of a walk, seen from one of its ends.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Arc {
    /// The other end.
    pub(crate) to: u32,
    /// The statement of its link that counts.
    pub(crate) slot: u32,
    pub(crate) weight: f64,
}

/// Calls `act` with every arc from a node, link by link, in no order that means anything. The links of star expansion must have
/// their nodes.
pub(crate) fn each_arc(
    store: &Store,
    filter: &Filter,
    (expansion, direction): (Expansion, Direction),
    node: u32,
    mut act: impl FnMut(Arc),
) {
    for &number in store.incident(node) {
        let Some(slot) = store.slot(number).filter(|slot| filter.takes(store, number, slot)) else { continue };
        let weight = filter.weight(slot);
        let mut arc = |to| act(Arc { to, slot: number, weight });
        match expansion {
            Expansion::Clique => each_across(store.members(slot), node, direction, arc),
            Expansion::Star => {
                let link = store.names.entry(slot.entry).map_or(NONE, |entry| entry.node);
                if link != NONE && leads_in(store.members(slot), node, direction) {
                    arc(link);
                }
            }
        }
    }
    if expansion == Expansion::Star
        && let Some(entry) = store.names.entry_of(node)
        && let Some(number) = filter.statement(store, entry)
        && let Some(slot) = store.slot(number)
    {
        let weight = filter.weight(slot);
        each_end(store.members(slot), direction, |to| act(Arc { to, slot: number, weight }));
    }
}

/// The other members that a link leads to from one.
fn each_across(members: &[(u32, u32)], node: u32, direction: Direction, mut act: impl FnMut(u32)) {
    if let [(first, _), (second, _)] = *members {
        if first == second {
            act(first);
            return;
        }
        if first == node && direction != Direction::Backward {
            act(second);
        }
        if second == node && direction != Direction::Forward {
            act(first);
        }
        return;
    }
    each_once(members, |to| {
        if to != node {
            act(to);
        }
    });
}

/// Whether a walk goes from a member into its link.
fn leads_in(members: &[(u32, u32)], node: u32, direction: Direction) -> bool {
    match (members, direction) {
        ([(first, _), _], Direction::Forward) => *first == node,
        ([_, (second, _)], Direction::Backward) => *second == node,
        _ => true,
    }
}

/// The members that a walk goes to from a link.
fn each_end(members: &[(u32, u32)], direction: Direction, mut act: impl FnMut(u32)) {
    match (members, direction) {
        ([_, (second, _)], Direction::Forward) => act(*second),
        ([(first, _), _], Direction::Backward) => act(*first),
        _ => each_once(members, act),
    }
}

fn each_once(members: &[(u32, u32)], mut act: impl FnMut(u32)) {
    for (at, &(node, _)) in members.iter().enumerate() {
        let earlier = members.get(..at).unwrap_or_default();
        if !earlier.iter().any(|(earlier, _)| *earlier == node) {
            act(node);
        }
    }
}

/// Calls `act` with both ends of every arc of a link, along its direction; an undirected one both ways.
pub(crate) fn each_of_link(store: &Store, slot: &Slot, expansion: Expansion, mut act: impl FnMut(u32, u32)) {
    let members = store.members(slot);
    match expansion {
        Expansion::Clique => match *members {
            [(first, _), (second, _)] => act(first, second),
            _ => each_once(members, |from| {
                each_once(members, |to| {
                    if from != to {
                        act(from, to);
                    }
                });
            }),
        },
        Expansion::Star => {
            let link = store.names.entry(slot.entry).map_or(NONE, |entry| entry.node);
            each_once(members, |node| {
                if leads_in(members, node, Direction::Forward) {
                    act(node, link);
                }
            });
            each_end(members, Direction::Forward, |node| act(link, node));
        }
    }
}
