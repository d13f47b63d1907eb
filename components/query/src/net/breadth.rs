//! Breadth-first search through all arcs of a view.
#![allow(clippy::indexing_slicing, reason = "a kernel: every index is a place below the number of nodes")]

use super::csr::Csr;
use super::names::NONE;
use crate::bitset::Bitset;

/// Turns to looking for parents when the frontier has more than this part of the arcs that are left, and back when it is smaller
/// than that part of the nodes (alpha and beta of Beamer, Asanovic and Patterson, 2012).
const ALPHA: usize = 14;
const BETA: usize = 24;

/// Steps from a place to every other; [`NONE`] where there is no way. `back` holds the arcs of `out` the other way.
///
/// Small frontiers look where their arcs lead. A large one is looked for by the nodes that are not reached yet, each of which
/// stops at its first parent: direction-optimising search (Beamer, Asanovic and Patterson, 2012).
pub(crate) fn distances(out: &Csr, back: &Csr, start: u32) -> Vec<u32> {
    let nodes = out.nodes();
    let mut distance = vec![NONE; nodes];
    distance[start as usize] = 0;
    let mut frontier = vec![start];
    let mut left = out.arcs();
    let mut level = 0;
    while !frontier.is_empty() {
        let arcs: usize = frontier.iter().map(|&node| out.row(node).len()).sum();
        left -= arcs.min(left);
        if arcs > left / ALPHA && frontier.len() > nodes / BETA / 4 {
            frontier = from_below(back, &mut distance, &frontier, &mut level);
            continue;
        }
        level += 1;
        let mut next = Vec::new();
        for &node in &frontier {
            for &to in out.row(node) {
                let held = &mut distance[to as usize];
                if *held == NONE {
                    *held = level;
                    next.push(to);
                }
            }
        }
        frontier = next;
    }
    distance
}

/// Levels from below, until few nodes are found in one; answers these.
fn from_below(back: &Csr, distance: &mut [u32], frontier: &[u32], level: &mut u32) -> Vec<u32> {
    let nodes = distance.len();
    let mut current = Bitset::new(nodes);
    frontier.iter().for_each(|&node| current.insert(node));
    loop {
        *level += 1;
        let mut next = Bitset::new(nodes);
        let mut found = 0;
        for (node, held) in (0..).zip(distance.iter_mut()) {
            if *held == NONE && back.row(node).iter().any(|&from| current.contains(from)) {
                *held = *level;
                next.insert(node);
                found += 1;
            }
        }
        if found < nodes / BETA || found == 0 {
            return next.iter().collect();
        }
        current = next;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Both ways of looking find what a plain search finds, dense or sparse.
        #[test]
        fn it_is_a_search(
            nodes in 1_u32..120,
            arcs in proptest::collection::vec((0_u32..120, 0_u32..120), 0..900),
            start in 0_u32..120,
        ) {
            let arcs: Vec<(u32, u32)> = arcs.into_iter().map(|(from, to)| (from % nodes, to % nodes)).collect();
            let out = Csr::from_arcs(nodes as usize, |act| arcs.iter().for_each(|&(from, to)| act(from, to)));
            let start = start % nodes;
            let mut expected = vec![NONE; nodes as usize];
            expected[start as usize] = 0;
            for _ in 0..nodes {
                for &(from, to) in &arcs {
                    let step = expected[from as usize].saturating_add(1);
                    expected[to as usize] = expected[to as usize].min(step);
                }
            }
            prop_assert_eq!(distances(&out, &out.transposed(), start), expected);
        }
    }
}
