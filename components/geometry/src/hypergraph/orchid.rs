//! Ollivier curvature of hypergraphs (Coupette, Dalleiger and Rieck, "Ollivier-Ricci curvature for hypergraphs: a unified framework",
//! ICLR 2023), as exact fractions.
//!
//! Two nodes that share a hyperedge have the curvature `1 - W1` between their measures, by steps in the clique expansion. A hyperedge
//! has `1 - AGG(W1)` over its pairs.
#![allow(clippy::indexing_slicing, reason = "a kernel: indices are nodes below the hypergraph's count")]

use std::collections::BTreeMap;

use super::{Hypergraph, HypergraphError, pairs};
use crate::curvature::assignment::plan;
use crate::curvature::ollivier::Idleness;
use crate::curvature::ratio::{Ratio, gcd};
use crate::graph::{Adjacency, Graph, common};

/// Neighbours that a node may have: the costs between two neighbourhoods are a dense matrix.
pub const NEIGHBOURS_MAX: usize = 1_000;

/// How a node's measure is spread over its neighbours (section 3.2 of the paper).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dispersion {
    /// Every neighbour the same: equal nodes.
    UnweightedClique,
    /// A neighbour as often as hyperedges are shared with it: weighted edges.
    WeightedClique,
    /// Every hyperedge (of two members or more) the same, and in it every other member the same: equal edges.
    UnweightedStar,
}

/// What a hyperedge takes from its pairs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Aggregation {
    /// The mean distance.
    Mean,
    /// The largest distance.
    Max,
}

/// Curvature of pairs and of hyperedges.
#[derive(Debug, Clone, PartialEq)]
pub struct Orchid {
    /// Each hyperedge's; 1 for one of a single member, which has no pair.
    pub edges: Vec<Ratio>,
    /// Every pair of neighbours once, in order, with its curvature.
    pub pairs: Vec<((u32, u32), Ratio)>,
    /// Each node's: the mean over its pairs; 0 for a node without.
    pub nodes: Vec<f64>,
}

/// A measure with an integer for each node, of so much together.
struct Measure {
    masses: Vec<(u32, i128)>,
    whole: i128,
}

/// Curvature of a hypergraph.
///
/// # Errors
/// [`HypergraphError::OutOfRange`] when a node has more than [`NEIGHBOURS_MAX`] neighbours, or the fractions outgrow 64 bits.
pub fn orchid(
    hypergraph: &Hypergraph,
    dispersion: Dispersion,
    aggregation: Aggregation,
    idleness: Idleness,
) -> Result<Orchid, HypergraphError> {
    let graph = hypergraph.clique_expansion()?;
    if let Some(most) =
        (0..graph.nodes() as u32).map(|node| graph.degree(node)).max().filter(|most| *most > NEIGHBOURS_MAX)
    {
        let reason = format!("a node may have {NEIGHBOURS_MAX} neighbours, and one has {most}");
        return Err(HypergraphError::OutOfRange(reason));
    }
    let measures = (0..graph.nodes() as u32).map(|node| measure(hypergraph, &graph, dispersion, idleness, node));
    let measures: Vec<Measure> = measures.collect::<Option<_>>().ok_or_else(too_fine)?;
    let curvature = |edge: &crate::graph::Edge| {
        let pair = (edge.source, edge.target);
        Ok((pair, between(&graph, &measures[pair.0 as usize], &measures[pair.1 as usize]).ok_or_else(too_fine)?))
    };
    let all: Vec<((u32, u32), Ratio)> = graph.edges().iter().map(curvature).collect::<Result<_, HypergraphError>>()?;
    let by_pair: BTreeMap<(u32, u32), Ratio> = all.iter().copied().collect();
    let edge = |edge: &Vec<u32>| aggregate(aggregation, pairs(edge).filter_map(|pair| by_pair.get(&pair).copied()));
    let edges =
        hypergraph.edges().iter().map(|members| edge(members).ok_or_else(too_fine)).collect::<Result<_, _>>()?;
    let mut nodes = vec![0.0; hypergraph.incident().len()];
    for ((a, b), ratio) in &all {
        nodes[*a as usize] += ratio.nearest();
        nodes[*b as usize] += ratio.nearest();
    }
    for (node, sum) in (0_u32..).zip(&mut nodes) {
        *sum /= graph.degree(node).max(1) as f64;
    }
    Ok(Orchid { edges, pairs: all, nodes })
}

fn too_fine() -> HypergraphError {
    HypergraphError::OutOfRange("the sizes of the hyperedges have fractions that do not fit into 64 bits".to_owned())
}

/// None when a denominator does not fit.
fn measure(
    hypergraph: &Hypergraph,
    graph: &Graph,
    dispersion: Dispersion,
    idleness: Idleness,
    node: u32,
) -> Option<Measure> {
    let edges = hypergraph.incident()[node as usize].iter().map(|edge| &hypergraph.edges()[*edge as usize]);
    let edges: Vec<&Vec<u32>> = edges.filter(|edge| edge.len() > 1).collect();
    let mut shares: BTreeMap<u32, i128> = BTreeMap::new();
    match dispersion {
        Dispersion::UnweightedClique => shares.extend(graph.of(node).iter().map(|next| (*next, 1))),
        Dispersion::WeightedClique | Dispersion::UnweightedStar => {
            let others = edges.iter().map(|edge| edge.len() as u64 - 1);
            let whole =
                others.clone().try_fold(1_u64, |whole, count| (whole / gcd(whole, count)).checked_mul(count))?;
            for (edge, others) in edges.iter().zip(others) {
                let share = if dispersion == Dispersion::WeightedClique { 1 } else { whole / others };
                for member in edge.iter().filter(|member| **member != node) {
                    *shares.entry(*member).or_default() += i128::from(share);
                }
            }
        }
    }
    let (idle, parts) = idleness.parts();
    let total: i128 = shares.values().sum();
    if total == 0 {
        return Some(Measure { masses: vec![(node, 1)], whole: 1 });
    }
    let stays = i128::from(idle).checked_mul(total)?;
    shares.values_mut().for_each(|share| *share *= i128::from(parts - idle));
    shares.insert(node, stays);
    Some(Measure { masses: shares.into_iter().collect(), whole: total.checked_mul(i128::from(parts))? })
}

/// `1 - W1` of two neighbours' measures; None when the fraction does not fit.
fn between(graph: &Graph, a: &Measure, b: &Measure) -> Option<Ratio> {
    let common = common_divisor(a.whole, b.whole);
    let (for_a, for_b) = (b.whole / common, a.whole / common);
    let whole = a.whole.checked_mul(for_a)?;
    let mut rest: BTreeMap<u32, i128> = BTreeMap::new();
    for (node, mass) in &a.masses {
        *rest.entry(*node).or_default() += mass.checked_mul(for_a)?;
    }
    for (node, mass) in &b.masses {
        *rest.entry(*node).or_default() -= mass.checked_mul(for_b)?;
    }
    let side = |sign: i128| {
        rest.iter().filter(move |(_, mass)| **mass * sign > 0).map(move |(node, mass)| (*node, mass * sign))
    };
    let supply: Vec<(u32, i128)> = side(1).collect();
    let demand: Vec<(u32, i128)> = side(-1).collect();
    let cost: Vec<f64> =
        supply.iter().flat_map(|(from, _)| demand.iter().map(|(to, _)| f64::from(steps(graph, *from, *to)))).collect();
    let masses = |side: &[(u32, i128)]| side.iter().map(|(_, mass)| *mass).collect::<Vec<_>>();
    let plan = plan(masses(&supply), masses(&demand), &cost);
    let total: i128 = plan.iter().map(|part| part.amount * cost[part.from * demand.len() + part.to] as i128).sum();
    fraction(whole - total, whole)
}

/// Steps between nodes around two neighbours: at most 3.
fn steps(graph: &Graph, a: u32, b: u32) -> u8 {
    if a == b {
        0
    } else if graph.of(a).binary_search(&b).is_ok() {
        1
    } else if common(graph.of(a), graph.of(b)) > 0 {
        2
    } else {
        3
    }
}

fn aggregate(aggregation: Aggregation, pairs: impl Iterator<Item = Ratio>) -> Option<Ratio> {
    let one = Ratio::new(1, 1);
    match aggregation {
        // The largest distance is the least curvature.
        Aggregation::Max => {
            let key = |ratio: &Ratio| i128::from(ratio.numerator);
            let less = |a: Ratio, b: Ratio| {
                if key(&b) * i128::from(a.denominator) < key(&a) * i128::from(b.denominator) { b } else { a }
            };
            Some(pairs.reduce(less).unwrap_or(one))
        }
        Aggregation::Mean => {
            let mut sum = (0_i128, 1_i128);
            let mut count = 0_i128;
            for ratio in pairs {
                let denominator = i128::from(ratio.denominator);
                let common = common_divisor(sum.1, denominator);
                let numerator = sum.0.checked_mul(denominator / common)?;
                let other = i128::from(ratio.numerator).checked_mul(sum.1 / common)?;
                sum = (numerator.checked_add(other)?, sum.1.checked_mul(denominator / common)?);
                count += 1;
            }
            if count == 0 { Some(one) } else { fraction(sum.0, sum.1.checked_mul(count)?) }
        }
    }
}

fn fraction(numerator: i128, denominator: i128) -> Option<Ratio> {
    let common = common_divisor(numerator.abs(), denominator).max(1);
    Some(Ratio::new(i64::try_from(numerator / common).ok()?, u64::try_from(denominator / common).ok()?))
}

fn common_divisor(mut a: i128, mut b: i128) -> i128 {
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a
}
