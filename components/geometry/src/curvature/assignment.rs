//! The cheapest transport between two lists of masses at any costs: successive shortest paths with potentials (Edmonds and Karp,
//! 1972; Tomizawa, 1971) on a dense matrix. For small lists, and for what the three-step solver cannot: real costs, any masses.
#![allow(clippy::indexing_slicing, reason = "a kernel: indices are rows and columns of the given matrix")]

use std::ops::{AddAssign, SubAssign};

/// What is moved: integers, exactly, or doubles.
pub trait Mass: Copy + PartialOrd + AddAssign + SubAssign {
    /// Nothing, or so little that it counts as nothing: what subtractions of doubles leave.
    fn is_gone(self) -> bool;
    /// Nothing.
    const ZERO: Self;
}

impl Mass for i128 {
    const ZERO: i128 = 0;
    fn is_gone(self) -> bool {
        self <= 0
    }
}

impl Mass for f64 {
    const ZERO: f64 = 0.0;
    fn is_gone(self) -> bool {
        self <= 1e-15
    }
}

const NONE: usize = usize::MAX;

/// An amount that goes from a supply to a demand.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Shipment<M> {
    /// Position of the supply.
    pub from: usize,
    /// Position of the demand.
    pub to: usize,
    /// How much.
    pub amount: M,
}

/// A cheapest plan; `cost` has a row of `demand.len()` non-negative numbers for each supply. The sums should be equal; what one has
/// more stays.
pub fn plan<M: Mass>(mut supply: Vec<M>, mut demand: Vec<M>, cost: &[f64]) -> Vec<Shipment<M>> {
    let (rows, columns) = (supply.len(), demand.len());
    if cost.len() != rows * columns {
        return Vec::new();
    }
    let mut flow = vec![M::ZERO; rows * columns];
    // Potentials of supplies, then of demands: reduced costs stay non-negative, so Dijkstra's search is right.
    let mut potential = vec![0.0; rows + columns];
    while let Some(path) = cheapest(&supply, &demand, &flow, cost, &mut potential) {
        let (Some(&first), Some(&last)) = (path.first(), path.last()) else { break };
        let mut amount = if supply[first] < demand[last - rows] { supply[first] } else { demand[last - rows] };
        for pair in path.windows(2) {
            if pair[0] >= rows {
                let back = flow[pair[1] * columns + pair[0] - rows];
                amount = if back < amount { back } else { amount };
            }
        }
        for pair in path.windows(2) {
            if pair[0] < rows {
                flow[pair[0] * columns + pair[1] - rows] += amount;
            } else {
                flow[pair[1] * columns + pair[0] - rows] -= amount;
            }
        }
        supply[first] -= amount;
        demand[last - rows] -= amount;
    }
    let shipment =
        |(place, amount): (usize, &M)| Shipment { from: place / columns, to: place % columns, amount: *amount };
    flow.iter().enumerate().filter(|(_, amount)| !amount.is_gone()).map(shipment).collect()
}

/// The cheapest way from a supply that is left to a demand that is open, as node numbers (demands behind supplies).
fn cheapest<M: Mass>(
    supply: &[M],
    demand: &[M],
    flow: &[M],
    cost: &[f64],
    potential: &mut [f64],
) -> Option<Vec<usize>> {
    let (rows, nodes) = (supply.len(), supply.len() + demand.len());
    let columns = demand.len();
    let mut length = vec![f64::INFINITY; nodes];
    let mut before = vec![NONE; nodes];
    let mut done = vec![false; nodes];
    supply.iter().zip(&mut length).filter(|(mass, _)| !mass.is_gone()).for_each(|(_, length)| *length = 0.0);
    let end = loop {
        let nearest = (0..nodes).filter(|&node| !done[node] && length[node] < f64::INFINITY);
        let node = nearest.reduce(|best, node| if length[node] < length[best] { node } else { best })?;
        if node >= rows && !demand[node - rows].is_gone() {
            break node;
        }
        done[node] = true;
        let mut reach = |next: usize, step: f64| {
            // Rounding may leave a reduced cost a little below zero.
            let through = length[node] + (step + potential[node] - potential[next]).max(0.0);
            if !done[next] && through < length[next] {
                (length[next], before[next]) = (through, node);
            }
        };
        if node < rows {
            (0..columns).for_each(|column| reach(rows + column, cost[node * columns + column]));
        } else {
            let column = node - rows;
            let back = (0..rows).filter(|row| !flow[row * columns + column].is_gone());
            back.for_each(|row| reach(row, -cost[row * columns + column]));
        }
    };
    let least = length[end];
    potential.iter_mut().zip(&length).for_each(|(potential, length)| *potential += length.min(least));
    let mut path = vec![end];
    let mut node = end;
    while before[node] != NONE {
        node = before[node];
        path.push(node);
    }
    path.reverse();
    Some(path)
}
