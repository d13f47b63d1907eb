//! What anomaly scores find: edges and nodes that do not belong are put into graphs, and the scores rank everything.
//!
//! `--anomalies` reports average precision and the area under the ROC curve, mean and standard deviation over seeds.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use skerry_host::Geometry;
use skerry_host::types::{Edge, Scale, Suspicion};

/// One in so many edges, or nodes, is put in.
const ONE_IN: usize = 50;

const SCORES: [(&str, Suspicion); 6] = [
    ("lin-lu-yau", Suspicion::LinLuYau),
    ("balanced", Suspicion::Balanced),
    ("augmented", Suspicion::Augmented),
    ("plain", Suspicion::Plain),
    ("betweenness", Suspicion::Betweenness),
    ("jaccard", Suspicion::Jaccard),
];

/// A linear congruential generator (Knuth's constants): the same graphs everywhere.
struct Chance(u64);

impl Chance {
    fn below(&mut self, limit: u32) -> u32 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((self.0 >> 33) % u64::from(limit.max(1))) as u32
    }

    fn happens(&mut self, probability: f64) -> bool {
        f64::from(self.below(1 << 24)) < probability * f64::from(1 << 24)
    }
}

type Pairs = BTreeSet<(u32, u32)>;

fn pair(a: u32, b: u32) -> (u32, u32) {
    (a.min(b), a.max(b))
}

/// Ten blocks of 60.
fn blocks(chance: &mut Chance) -> (u32, Pairs) {
    let near = |a: u32, b: u32| a / 60 == b / 60;
    let all = (0..600).flat_map(|a| (a + 1..600).map(move |b| (a, b)));
    (600, all.filter(|&(a, b)| chance.happens(if near(a, b) { 0.2 } else { 0.001 })).collect())
}

/// A small world of 600 with 10 neighbours each, of which one in fifty goes elsewhere.
fn small_world(chance: &mut Chance) -> (u32, Pairs) {
    let ring = (0..600_u32).flat_map(|node| (1..=5).map(move |step| (node, (node + step) % 600)));
    let mut pairs = Pairs::new();
    for (a, b) in ring {
        let b = if chance.happens(0.02) { chance.below(600) } else { b };
        if a != b {
            pairs.insert(pair(a, b));
        }
    }
    (600, pairs)
}

/// A catalogue: a tree with parents of few and many children, and relations among siblings and cousins, as the CWE has them.
fn catalogue(chance: &mut Chance) -> (u32, Pairs) {
    let mut parents = vec![0_u32];
    let mut pairs = Pairs::new();
    for node in 1..800_u32 {
        // The older of two: some become large.
        let parent = chance.below(node).min(chance.below(node));
        parents.push(parent);
        pairs.insert(pair(node, parent));
    }
    let up = |node: u32| parents.get(node as usize).copied().unwrap_or(0);
    for _ in 0..1_600 {
        let (a, b) = (chance.below(800), chance.below(800));
        if a != b && (up(a) == up(b) || up(up(a)) == up(up(b))) {
            pairs.insert(pair(a, b));
        }
    }
    (800, pairs)
}

/// Edges between any two nodes.
fn put_edges(nodes: u32, pairs: &mut Pairs, chance: &mut Chance) -> Pairs {
    let mut put = Pairs::new();
    let wanted = pairs.len() / ONE_IN;
    while put.len() < wanted {
        let new = pair(chance.below(nodes), chance.below(nodes));
        if new.0 != new.1 && pairs.insert(new) {
            put.insert(new);
        }
    }
    put
}

/// Nodes all of whose edges go anywhere.
fn rewire_nodes(nodes: u32, pairs: &mut Pairs, chance: &mut Chance) -> BTreeSet<u32> {
    let mut rewired = BTreeSet::new();
    while rewired.len() < nodes as usize / ONE_IN {
        rewired.insert(chance.below(nodes));
    }
    for &node in &rewired {
        let own: Vec<(u32, u32)> = pairs.iter().copied().filter(|(a, b)| *a == node || *b == node).collect();
        for old in own {
            let to = chance.below(nodes);
            if to != node && pairs.insert(pair(node, to)) {
                pairs.remove(&old);
            }
        }
    }
    rewired
}

type Make = fn(&mut Chance) -> (u32, Pairs);

/// All scores on all tasks.
pub(super) fn evaluate(geometry: &Geometry, seeds: u64) -> anyhow::Result<Value> {
    let graphs: [(&str, Make); 3] = [("blocks", blocks), ("small world", small_world), ("catalogue", catalogue)];
    let mut rows = Vec::new();
    for what in ["edges between any two", "rewired nodes"] {
        for (name, make) in graphs {
            for (score, suspicion) in SCORES {
                let mut found = Vec::new();
                for seed in 0..seeds.max(1) {
                    let mut chance = Chance(seed * 2 + 1);
                    let (nodes, mut pairs) = make(&mut chance);
                    let truth = if what == "rewired nodes" {
                        Truth::Nodes(rewire_nodes(nodes, &mut pairs, &mut chance))
                    } else {
                        Truth::Edges(put_edges(nodes, &mut pairs, &mut chance))
                    };
                    found.push(measure(geometry, nodes, &pairs, &truth, suspicion)?);
                }
                let [precision, area] =
                    [0, 1].map(|at| spread(found.iter().map(|row| if at == 0 { row.0 } else { row.1 })));
                let share = found.iter().map(|row| row.2).sum::<f64>() / found.len() as f64;
                println!(
                    "{what}, {name}, {score}: average precision {:.3} ± {:.3} (chance {share:.3}), AUROC {:.3} ± {:.3}",
                    precision.0, precision.1, area.0, area.1
                );
                rows.push(json!({
                    "task": format!("{what}: {name}"), "score": score, "share": share,
                    "precision": precision.0, "precision_spread": precision.1, "auroc": area.0, "auroc_spread": area.1,
                }));
            }
        }
    }
    Ok(json!({ "seeds": seeds, "rows": rows }))
}

enum Truth {
    Edges(Pairs),
    Nodes(BTreeSet<u32>),
}

/// Average precision, AUROC, and the share of what was put in.
fn measure(
    geometry: &Geometry,
    nodes: u32,
    pairs: &Pairs,
    truth: &Truth,
    suspicion: Suspicion,
) -> anyhow::Result<(f64, f64, f64)> {
    let edges: Vec<Edge> = pairs.iter().map(|&(source, target)| Edge { source, target }).collect();
    let scores = geometry.anomalies(nodes, &edges, suspicion, Scale::Rank)?;
    let labelled: Vec<(f64, bool)> = match truth {
        Truth::Edges(put) => scores.edges.iter().zip(pairs).map(|(score, pair)| (*score, put.contains(pair))).collect(),
        Truth::Nodes(rewired) => {
            scores.nodes.iter().zip(0..).map(|(score, node)| (*score, rewired.contains(&node))).collect()
        }
    };
    let put = labelled.iter().filter(|(_, put)| *put).count() as f64;
    Ok((average_precision(&labelled), area(&labelled), put / labelled.len() as f64))
}

/// The mean over what was put in of the precision down to it; equal scores count together, as scikit-learn has it.
fn average_precision(labelled: &[(f64, bool)]) -> f64 {
    let put = labelled.iter().filter(|(_, put)| *put).count() as f64;
    let (mut hits, mut seen, mut sum) = (0.0, 0.0, 0.0);
    for group in groups(labelled) {
        let found = group.iter().filter(|(_, put)| *put).count() as f64;
        (hits, seen) = (hits + found, seen + group.len() as f64);
        sum += found / put * (hits / seen);
    }
    sum
}

/// The probability that something put in scores above something else, half for equal ones.
fn area(labelled: &[(f64, bool)]) -> f64 {
    let put = labelled.iter().filter(|(_, put)| *put).count() as f64;
    let others = labelled.len() as f64 - put;
    let (mut above, mut sum) = (0.0, 0.0);
    for group in groups(labelled) {
        let found = group.iter().filter(|(_, put)| *put).count() as f64;
        let rest = group.len() as f64 - found;
        sum += rest * (above + found / 2.0);
        above += found;
    }
    sum / (put * others)
}

/// From the most suspicious on, equal scores together.
fn groups(labelled: &[(f64, bool)]) -> Vec<Vec<(f64, bool)>> {
    let mut sorted = labelled.to_vec();
    sorted.sort_by(|a, b| b.0.total_cmp(&a.0));
    sorted.chunk_by(|a, b| a.0.total_cmp(&b.0).is_eq()).map(<[_]>::to_vec).collect()
}

fn spread(values: impl Iterator<Item = f64> + Clone) -> (f64, f64) {
    let count = values.clone().count() as f64;
    let mean = values.clone().sum::<f64>() / count;
    let squares: f64 = values.map(|value| (value - mean) * (value - mean)).sum();
    (mean, (squares / (count - 1.0).max(1.0)).sqrt())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// By hand: of four, the first and the third were put in; and all equal is chance.
    #[test]
    fn measures_are_right() {
        let labelled = [(4.0, true), (3.0, false), (2.0, true), (1.0, false)];
        assert!((average_precision(&labelled) - 5.0 / 6.0).abs() < 1e-12);
        assert!((area(&labelled) - 0.75).abs() < 1e-12);
        let equal = [(1.0, true), (1.0, false), (1.0, false), (1.0, false)];
        assert!((average_precision(&equal) - 0.25).abs() < 1e-12);
        assert!((area(&equal) - 0.5).abs() < 1e-12);
    }
}
