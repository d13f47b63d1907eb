//! Components: what hangs together.
#![allow(clippy::indexing_slicing, reason = "a kernel: every index is a place below the number of nodes")]

use super::csr::Csr;
use super::names::NONE;

/// For each place its component, numbered by their least places. `both` holds every arc both ways.
pub(crate) fn weak(both: &Csr) -> Vec<u32> {
    let mut component = vec![NONE; both.nodes()];
    let (mut count, mut waiting) = (0, Vec::new());
    for start in 0..both.nodes() as u32 {
        if component[start as usize] != NONE {
            continue;
        }
        component[start as usize] = count;
        waiting.push(start);
        while let Some(node) = waiting.pop() {
            for &to in both.row(node) {
                if component[to as usize] == NONE {
                    component[to as usize] = count;
                    waiting.push(to);
                }
            }
        }
        count += 1;
    }
    component
}

/// For each place its strongly connected component, numbered by their least places (Tarjan, 1972), without recursion.
pub(crate) fn strong(out: &Csr) -> Vec<u32> {
    let nodes = out.nodes();
    let mut component = vec![NONE; nodes];
    let mut index = vec![NONE; nodes];
    let mut low = vec![0_u32; nodes];
    let (mut stack, mut walk) = (Vec::new(), Vec::new());
    let (mut next, mut count) = (0, 0);
    for start in 0..nodes as u32 {
        if index[start as usize] != NONE {
            continue;
        }
        walk.push((start, 0));
        while let Some((node, step)) = walk.last_mut() {
            let at = *node as usize;
            if *step == 0 {
                (index[at], low[at]) = (next, next);
                next += 1;
                stack.push(*node);
            }
            if let Some(&to) = out.row(*node).get(*step) {
                *step += 1;
                if index[to as usize] == NONE {
                    walk.push((to, 0));
                } else if component[to as usize] == NONE {
                    low[at] = low[at].min(index[to as usize]);
                }
                continue;
            }
            let node = *node;
            if low[at] == index[at] {
                while let Some(member) = stack.pop() {
                    component[member as usize] = count;
                    if member == node {
                        break;
                    }
                }
                count += 1;
            }
            // A node without arcs would be begun again otherwise.
            walk.pop();
            if let Some((above, _)) = walk.last() {
                let above = *above as usize;
                low[above] = low[above].min(low[at]);
            }
        }
    }
    by_least(&component, count)
}

/// The same numbers in the order of the least place of each component.
fn by_least(component: &[u32], count: u32) -> Vec<u32> {
    let mut new = vec![NONE; count as usize];
    let mut next = 0;
    let numbered = component.iter().map(|&old| {
        let new = &mut new[old as usize];
        if *new == NONE {
            *new = next;
            next += 1;
        }
        *new
    });
    numbered.collect()
}
