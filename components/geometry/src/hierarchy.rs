//! Trees in the Poincare disk (Sarkar, Low Distortion Delaunay Embedding of Trees in Hyperbolic Plane, Graph Drawing 2011): edges all of one
//! length, children spread evenly around their parent.
#![allow(clippy::indexing_slicing, reason = "positions of nodes run below their number, which was checked")]

use std::f64::consts::TAU;

use crate::fault::{AnalysisError, invalid};

/// Nodes at most.
pub const NODES_MAX: usize = 1_000_000;

/// Pairs whose distortion is measured; of more, this many are drawn.
const PAIRS_MAX: usize = 200_000;

/// How far from the middle a node may be: beyond, the disk's doubles lie so dense at its border that distances are made of rounding.
const RADIUS_MAX: f64 = 30.0;

/// A tree in the disk.
#[derive(Debug, Clone, PartialEq)]
pub struct Embedding {
    /// `x, y` of each node, inside the unit disk.
    pub points: Vec<f64>,
    /// The length of an edge.
    pub edge: f64,
    /// The mean of `|d / (edge * steps) - 1|` over pairs, `d` their distance in the disk and `steps` that in the tree.
    pub distortion_mean: f64,
    /// The largest ratio `d / (edge * steps)` over the smallest.
    pub distortion_worst: f64,
    /// Pairs that were measured, and whether those are all.
    pub pairs: u64,
    /// Whether all pairs were measured.
    pub exact: bool,
}

/// The complex number `(a + b) / (1 + conj(b) a)`: the isometry of the disk that takes 0 to `b`.
fn moved((ax, ay): (f64, f64), (bx, by): (f64, f64)) -> (f64, f64) {
    let (nx, ny) = (ax + bx, ay + by);
    let (dx, dy) = (1.0 + bx * ax + by * ay, bx * ay - by * ax);
    let size = dx * dx + dy * dy;
    ((nx * dx + ny * dy) / size, (ny * dx - nx * dy) / size)
}

/// Embeds a forest: `parents[i]` is the parent of node `i`. Several roots are children of a node in the middle that is not there.
///
/// `edge`: the length of an edge; longer ones distort less. None: the longest that keeps all nodes where doubles are exact enough, at most
/// 4. Distortion is measured over all pairs of up to 632 nodes, else over pairs drawn by `seed`.
///
/// # Errors
/// [`AnalysisError`] for parents that are not there or go in a circle, and for trees too deep for the length.
pub fn embed(parents: &[Option<u32>], edge: Option<f64>, seed: u64) -> Result<Embedding, AnalysisError> {
    let tree = Tree::new(parents)?;
    let deepest = tree.depth.iter().copied().max().unwrap_or(0).max(1);
    let edge = edge.unwrap_or_else(|| (RADIUS_MAX / f64::from(deepest)).min(4.0));
    if !(edge > 0.0 && edge * f64::from(deepest) <= RADIUS_MAX + 1e-9) {
        return invalid(format!(
            "edges of {edge} take the deepest node, {deepest} edges down, {} from the middle; at most {RADIUS_MAX}",
            edge * f64::from(deepest)
        ));
    }
    let points = tree.place(libm::tanh(edge / 2.0));
    let (mut sum, mut least, mut most) = (0.0, f64::INFINITY, 0.0_f64);
    let (pairs, exact) = tree.pairs(seed);
    for &(a, b) in &pairs {
        let (ax, ay, bx, by) = (points[2 * a], points[2 * a + 1], points[2 * b], points[2 * b + 1]);
        let gap = (ax - bx) * (ax - bx) + (ay - by) * (ay - by);
        let product = (1.0 - ax * ax - ay * ay) * (1.0 - bx * bx - by * by);
        let ratio = 2.0 * libm::asinh((gap / product).sqrt()) / (edge * f64::from(tree.steps(a, b)));
        sum += (ratio - 1.0).abs();
        (least, most) = (least.min(ratio), most.max(ratio));
    }
    let (distortion_mean, distortion_worst) =
        if pairs.is_empty() { (0.0, 1.0) } else { (sum / pairs.len() as f64, most / least) };
    Ok(Embedding { points, edge, distortion_mean, distortion_worst, pairs: pairs.len() as u64, exact })
}

struct Tree {
    /// The node above; its own number for roots.
    parent: Vec<usize>,
    children: Vec<Vec<usize>>,
    roots: Vec<usize>,
    /// Edges to the middle.
    depth: Vec<u32>,
    /// Parents before children.
    order: Vec<usize>,
}

impl Tree {
    fn new(parents: &[Option<u32>]) -> Result<Tree, AnalysisError> {
        let n = parents.len();
        if n == 0 || n > NODES_MAX {
            return invalid(format!("a tree has 1 to {NODES_MAX} nodes, not {n}"));
        }
        let mut children = vec![Vec::new(); n];
        let mut roots = Vec::new();
        let mut parent: Vec<usize> = (0..n).collect();
        for (node, above) in parents.iter().enumerate() {
            match above.map(|above| above as usize) {
                None => roots.push(node),
                Some(above) if above < n && above != node => {
                    children[above].push(node);
                    parent[node] = above;
                }
                Some(_) => return invalid(format!("node {node} has a parent that is not another node")),
            }
        }
        let mut depth = vec![u32::from(roots.len() > 1); n];
        let mut order = roots.clone();
        let mut at = 0;
        while at < order.len() {
            let node = order[at];
            at += 1;
            for &child in &children[node] {
                depth[child] = depth[node] + 1;
                order.push(child);
            }
        }
        if order.len() < n {
            let mut seen = vec![false; n];
            order.iter().for_each(|&node| seen[node] = true);
            let lost = seen.iter().position(|seen| !seen).unwrap_or_default();
            return invalid(format!("the parents of node {lost} go in a circle"));
        }
        Ok(Tree { parent, children, roots, depth, order })
    }

    /// Where each node is; `step` is the distance of an edge in the disk, seen from its middle.
    fn place(&self, step: f64) -> Vec<f64> {
        let mut points = vec![0.0; 2 * self.parent.len()];
        let at = |points: &[f64], node: usize| (points[2 * node], points[2 * node + 1]);
        if self.roots.len() > 1 {
            for (number, &root) in self.roots.iter().enumerate() {
                let angle = TAU * number as f64 / self.roots.len() as f64;
                (points[2 * root], points[2 * root + 1]) = (step * libm::cos(angle), step * libm::sin(angle));
            }
        }
        for &node in &self.order {
            let here = at(&points, node);
            let is_root = self.parent[node] == node;
            let has_above = !is_root || self.roots.len() > 1;
            // Towards the parent, seen from here.
            let above = if is_root { (0.0, 0.0) } else { at(&points, self.parent[node]) };
            let (bx, by) = moved(above, (-here.0, -here.1));
            let back = if has_above { libm::atan2(by, bx) } else { 0.0 };
            let around = self.children[node].len() + usize::from(has_above);
            for (number, &child) in self.children[node].iter().enumerate() {
                let angle = back + TAU * (number + usize::from(has_above)) as f64 / around as f64;
                let there = moved((step * libm::cos(angle), step * libm::sin(angle)), here);
                (points[2 * child], points[2 * child + 1]) = there;
            }
        }
        points
    }

    /// Edges between two nodes; a node in the middle joins several roots.
    fn steps(&self, mut a: usize, mut b: usize) -> u32 {
        let mut steps = 0;
        while a != b {
            if self.depth[a] < self.depth[b] {
                std::mem::swap(&mut a, &mut b);
            }
            if self.parent[a] == a {
                return steps + 2;
            }
            a = self.parent[a];
            steps += 1;
        }
        steps
    }

    fn pairs(&self, seed: u64) -> (Vec<(usize, usize)>, bool) {
        let n = self.parent.len();
        if n * (n - 1) / 2 <= PAIRS_MAX {
            return ((0..n).flat_map(|a| (a + 1..n).map(move |b| (a, b))).collect(), true);
        }
        let mut draw = crate::draw::Draw::new(seed);
        let pair = || {
            let (a, b) = (draw.below(n), draw.below(n - 1));
            (a, if b >= a { b + 1 } else { b })
        };
        (std::iter::repeat_with(pair).take(PAIRS_MAX).collect(), false)
    }
}
