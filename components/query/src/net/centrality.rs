//! Centralities, over places in the order of names: every sum is made in one order, so the same graph gives the same bits.
#![allow(clippy::indexing_slicing, reason = "a kernel: every index is a place below the number of nodes")]

use super::csr::Csr;
use super::names::NONE;
use super::types::GraphError;

/// Steps along arcs that one call may take: some ten seconds.
const STEPS_MAX: u64 = 2_000_000_000;

/// Rounds of an iteration at most.
const ROUNDS_MAX: u64 = 100_000;

/// Where an iteration ends: the largest change of a number, of numbers that are 1 at most.
const TOLERANCE: f64 = 1e-12;

/// Sources whose searches go side by side, one bit each.
const SIDE_BY_SIDE: usize = 64;

fn within_limit(steps: u64, instead: &str) -> Result<(), GraphError> {
    if steps <= STEPS_MAX {
        return Ok(());
    }
    let what = format!("this would take some {steps} steps, at most {STEPS_MAX} are allowed; {instead}");
    Err(GraphError::TooMuch(what))
}

/// What a search from one place has found.
#[derive(Debug, Clone, Copy, Default)]
struct Found {
    /// Places, the start left out.
    reached: u64,
    /// Sum of their distances.
    total: u64,
    /// Sum of their reciprocal distances, nearest first.
    harmonic: f64,
}

/// Searches from every place, 64 side by side (Then et al., 2014).
fn search_all(out: &Csr) -> Result<Vec<Found>, GraphError> {
    let nodes = out.nodes() as u64;
    within_limit(
        nodes.saturating_mul(nodes + out.arcs() as u64 / 4),
        "look at a part of the graph, or ask for its degrees",
    )?;
    let mut found = vec![Found::default(); out.nodes()];
    let (mut seen, mut next) = (vec![0_u64; out.nodes()], vec![0_u64; out.nodes()]);
    for (batch, found) in found.chunks_mut(SIDE_BY_SIDE).enumerate() {
        seen.fill(0);
        let mut frontier: Vec<(u32, u64)> = Vec::new();
        for bit in 0..found.len() {
            let place = batch * SIDE_BY_SIDE + bit;
            seen[place] = 1 << bit;
            frontier.push((place as u32, 1 << bit));
        }
        let mut distance = 0;
        while !frontier.is_empty() {
            distance += 1;
            let mut touched = Vec::new();
            for &(place, bits) in &frontier {
                for &to in out.row(place) {
                    let held = &mut next[to as usize];
                    if *held == 0 {
                        touched.push(to);
                    }
                    *held |= bits;
                }
            }
            frontier.clear();
            let mut counts = [0_u64; SIDE_BY_SIDE];
            for place in touched {
                let bits = std::mem::take(&mut next[place as usize]) & !seen[place as usize];
                seen[place as usize] |= bits;
                if bits != 0 {
                    frontier.push((place, bits));
                }
                let mut rest = bits;
                while rest != 0 {
                    counts[rest.trailing_zeros() as usize] += 1;
                    rest &= rest - 1;
                }
            }
            for (found, count) in found.iter_mut().zip(counts) {
                found.reached += count;
                found.total += count * distance;
                found.harmonic += count as f64 / distance as f64;
            }
        }
    }
    Ok(found)
}

/// Reciprocal mean distance to what is reached, scaled by the share that is reached (Wasserman and Faust, 1994).
pub(crate) fn closeness(out: &Csr) -> Result<Vec<f64>, GraphError> {
    let others = out.nodes().saturating_sub(1) as f64;
    let value = |found: Found| match found.total {
        0 => 0.0,
        total => {
            let reached = found.reached as f64;
            reached / total as f64 * (reached / others)
        }
    };
    Ok(search_all(out)?.into_iter().map(value).collect())
}

/// Sum of reciprocal distances (Boldi and Vigna, 2014).
pub(crate) fn harmonic(out: &Csr) -> Result<Vec<f64>, GraphError> {
    Ok(search_all(out)?.into_iter().map(|found| found.harmonic).collect())
}

/// Share of shortest paths (Brandes, 2001), from every place or from some, spread evenly over the names.
pub(crate) fn betweenness(out: &Csr, pivots: Option<u32>) -> Result<Vec<f64>, GraphError> {
    let nodes = out.nodes();
    let sources = match pivots {
        Some(0) => return Err(GraphError::OutOfRange("betweenness needs at least one pivot".to_owned())),
        Some(pivots) => nodes.min(pivots as usize),
        None => nodes,
    };
    let steps = (sources as u64).saturating_mul(nodes as u64 + out.arcs() as u64);
    within_limit(steps, "ask for an estimate from fewer pivots")?;
    let mut sums = vec![0.0_f64; nodes];
    let mut search = Brandes::new(nodes);
    for source in 0..sources {
        search.add(out, (source * nodes / sources) as u32, &mut sums);
    }
    if nodes > 2 {
        let pairs = (nodes as f64 - 1.0) * (nodes as f64 - 2.0);
        let scale = nodes as f64 / sources as f64 / pairs;
        sums.iter_mut().for_each(|sum| *sum *= scale);
    }
    Ok(sums)
}

/// The search from one source, with the arrays that it needs.
#[derive(Debug)]
struct Brandes {
    distance: Vec<u32>,
    paths: Vec<f64>,
    dependency: Vec<f64>,
    order: Vec<u32>,
}

impl Brandes {
    fn new(nodes: usize) -> Brandes {
        Brandes {
            distance: vec![NONE; nodes],
            paths: vec![0.0; nodes],
            dependency: vec![0.0; nodes],
            order: Vec::with_capacity(nodes),
        }
    }

    fn add(&mut self, out: &Csr, source: u32, sums: &mut [f64]) {
        let Brandes { distance, paths, dependency, order } = self;
        order.clear();
        order.push(source);
        (distance[source as usize], paths[source as usize]) = (0, 1.0);
        let mut next = 0;
        while let Some(&node) = order.get(next) {
            next += 1;
            let further = distance[node as usize] + 1;
            for &to in out.row(node) {
                let to_at = to as usize;
                if distance[to_at] == NONE {
                    distance[to_at] = further;
                    order.push(to);
                }
                if distance[to_at] == further {
                    paths[to_at] += paths[node as usize];
                }
            }
        }
        for &node in order.iter().rev() {
            let at = node as usize;
            let mut sum = 0.0;
            for &to in out.row(node) {
                let to = to as usize;
                if distance[to] == distance[at] + 1 {
                    sum += paths[at] / paths[to] * (1.0 + dependency[to]);
                }
            }
            dependency[at] = sum;
            if node != source {
                sums[at] += sum;
            }
        }
        for &node in order.iter() {
            let at = node as usize;
            (distance[at], paths[at], dependency[at]) = (NONE, 0.0, 0.0);
        }
    }
}

/// The principal eigenvector (Bonacich, 1972), of length 1: what a node is worth is what leads to it is worth. `back` holds the
/// arcs the other way. All zeros for a graph without arcs.
pub(crate) fn eigenvector(back: &Csr) -> Result<Vec<f64>, GraphError> {
    let nodes = back.nodes();
    if back.arcs() == 0 {
        return Ok(vec![0.0; nodes]);
    }
    let mut old = vec![1.0 / (nodes as f64).sqrt(); nodes];
    let mut new = vec![0.0; nodes];
    let work = (nodes + back.arcs()) as u64;
    for _ in 0..ROUNDS_MAX.min(STEPS_MAX / work.max(1)).max(1) {
        // With what a node has already, the iteration does not swing to and fro on bipartite graphs.
        for place in 0..nodes as u32 {
            new[place as usize] =
                back.row(place).iter().fold(old[place as usize], |sum, &from| sum + old[from as usize]);
        }
        let norm = new.iter().fold(0.0, |sum, value| sum + value * value).sqrt();
        new.iter_mut().for_each(|value| *value /= norm);
        let change = new.iter().zip(&old).fold(0.0_f64, |most, (a, b)| most.max((a - b).abs()));
        std::mem::swap(&mut old, &mut new);
        if change < TOLERANCE {
            return Ok(old);
        }
    }
    let what = "the iteration for the eigenvector does not settle on this graph; ask for PageRank, or walk both ways";
    Err(GraphError::TooMuch(what.to_owned()))
}

/// `PageRank` (Page et al., 1998): where a walk is that goes on with this probability and restarts otherwise, and where it
/// cannot go on. `restarts` are places; all when there are none.
pub(crate) fn page_rank(out: &Csr, back: &Csr, damping: f64, restarts: &[u32]) -> Result<Vec<f64>, GraphError> {
    if !(0.0..1.0).contains(&damping) {
        return Err(GraphError::OutOfRange("the damping goes from 0 to below 1".to_owned()));
    }
    let nodes = out.nodes();
    if nodes == 0 {
        return Ok(Vec::new());
    }
    let mut restart = vec![if restarts.is_empty() { 1.0 } else { 0.0 }; nodes];
    restarts.iter().for_each(|&place| restart[place as usize] = 1.0);
    let total: f64 = restart.iter().fold(0.0, |sum, share| sum + share);
    restart.iter_mut().for_each(|share| *share /= total);
    let (mut old, mut new) = (restart.clone(), vec![0.0; nodes]);
    let mut handed = vec![0.0; nodes];
    let work = (2 * nodes + out.arcs()) as u64;
    for _ in 0..ROUNDS_MAX.min(STEPS_MAX / work).max(1) {
        let mut stuck = 0.0;
        for place in 0..nodes {
            let ways = out.row(place as u32).len();
            if ways == 0 {
                stuck += old[place];
            } else {
                handed[place] = old[place] / ways as f64;
            }
        }
        let again = damping * stuck + (1.0 - damping);
        let mut change = 0.0;
        for place in 0..nodes {
            let arrives = back.row(place as u32).iter().fold(0.0, |sum, &from| sum + handed[from as usize]);
            new[place] = damping * arrives + again * restart[place];
            change += (new[place] - old[place]).abs();
        }
        std::mem::swap(&mut old, &mut new);
        if change < TOLERANCE {
            return Ok(old);
        }
    }
    let what = "PageRank does not settle within its steps; ask with a smaller damping, or on a part of the graph";
    Err(GraphError::TooMuch(what.to_owned()))
}
