//! Forman curvature: what triangles and squares an edge lies in, against the degrees of its ends.

use crate::graph::{Adjacency, Edge, Graph, GraphError, check_weights, common};

/// Which Forman curvature.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Forman {
    /// `4 - deg(u) - deg(v)` (Sreejith et al., "Forman curvature for complex networks", 2016).
    Plain,
    /// `4 - deg(u) - deg(v) + 3 t`, `t` the triangles on the edge (Samal et al., Scientific Reports 2018).
    Augmented,
    /// Topping et al., "Understanding over-squashing and bottlenecks on graphs via curvature", ICLR 2022, Definition 1.
    Balanced,
}

/// One number per edge, in the order of the edges.
///
/// # Errors
/// [`GraphError`] names the first edge that does not fit.
pub fn forman_curvature(kind: Forman, nodes: u32, edges: &[Edge]) -> Result<Vec<f64>, GraphError> {
    let graph = Graph::new(nodes, edges)?;
    match kind {
        Forman::Plain => {}
        Forman::Augmented => return Ok(augmented(&graph)),
        Forman::Balanced => {
            let at_ends = super::squares::squares(&graph);
            let triangles = augmented(&graph);
            let every = edges.iter().zip(&triangles).zip(at_ends);
            return Ok(every
                .map(|((edge, augmented), squares)| {
                    let degrees = (graph.degree(edge.source), graph.degree(edge.target));
                    // Whole numbers, and exact: see `augmented`.
                    let triangles = (augmented - 4.0 + degrees.0 as f64 + degrees.1 as f64) / 3.0;
                    of_counts(degrees, triangles, squares)
                })
                .collect());
        }
    }
    Ok(edges.iter().map(|edge| edge_curvature(kind, &graph, *edge)).collect())
}

/// Every edge at once: the neighbours of an end of larger degree are marked once for all its edges.
fn augmented(graph: &Graph) -> Vec<f64> {
    let mut curvature = vec![0.0; graph.edges().len()];
    let mut marked = vec![u32::MAX; graph.nodes()];
    for hub in 0..graph.nodes() as u32 {
        let around = graph.of(hub);
        around.iter().for_each(|node| marked.get_mut(*node as usize).into_iter().for_each(|mark| *mark = hub));
        for (&end, &position) in around.iter().zip(graph.positions_of(hub)) {
            let near = graph.of(end);
            if (near.len(), end) < (around.len(), hub)
                && let Some(place) = curvature.get_mut(position as usize)
            {
                let triangles = near.iter().filter(|node| marked.get(**node as usize) == Some(&hub)).count();
                *place = 4.0 - around.len() as f64 - near.len() as f64 + 3.0 * triangles as f64;
            }
        }
    }
    curvature
}

/// Forman curvature of a graph with weights, as Sreejith, Mohanraj, Jost, Saucan and Samal (J. Statistical Mechanics, 2016) define it:
/// `w_e (w_u / w_e + w_v / w_e - sum (w_u / sqrt(w_e w_eu) + w_v / sqrt(w_e w_ev)))`, the sum being over the other edges at either end.
/// With all weights 1 it is [`Forman::Plain`]. `nodes` has a weight for each node up to the last with an edge, or is empty for 1.
///
/// # Errors
/// [`GraphError::Weight`] for a weight that is missing or not positive and finite.
pub fn weighted_forman(graph: &Graph, edges: &[f64], nodes: &[f64]) -> Result<Vec<f64>, GraphError> {
    check_weights(graph.edges().len(), edges)?;
    if !nodes.is_empty() {
        let checked = nodes.get(..graph.nodes()).unwrap_or(nodes);
        check_weights(graph.nodes(), checked)?;
    }
    let weight = |list: &[f64], place: u32| list.get(place as usize).copied().unwrap_or(1.0);
    let curvature = |(edge, position): (&Edge, u32)| {
        let own = weight(edges, position);
        let at = |node: u32| {
            let other = graph.positions_of(node).iter().filter(|other| **other != position);
            let beside: f64 = other.map(|other| 1.0 / (own * weight(edges, *other)).sqrt()).sum();
            weight(nodes, node) * (1.0 / own - beside)
        };
        own * (at(edge.source) + at(edge.target))
    };
    Ok(graph.edges().iter().zip(0..).map(curvature).collect())
}

/// The curvature of one edge of a graph.
pub fn edge_curvature(kind: Forman, graph: &impl Adjacency, Edge { source, target }: Edge) -> f64 {
    let (a, b) = (graph.of(source), graph.of(target));
    let plain = 4.0 - a.len() as f64 - b.len() as f64;
    match kind {
        Forman::Plain => plain,
        Forman::Augmented => plain + 3.0 * common(a, b) as f64,
        Forman::Balanced => balanced(graph, source, target),
    }
}

fn balanced(graph: &impl Adjacency, source: u32, target: u32) -> f64 {
    let degrees = (graph.of(source).len(), graph.of(target).len());
    if degrees.0.min(degrees.1) <= 1 {
        return 0.0;
    }
    let triangles = common(graph.of(source), graph.of(target)) as f64;
    of_counts(degrees, triangles, [squares(graph, source, target), squares(graph, target, source)])
}

/// The curvature by what is counted: degrees, triangles, and of 4-cycles at each end the neighbours on them and the most through one.
fn of_counts(degrees: (usize, usize), triangles: f64, squares: [(usize, usize); 2]) -> f64 {
    let (a, b) = (degrees.0 as f64, degrees.1 as f64);
    let (least, most) = (a.min(b), a.max(b));
    if least <= 1.0 {
        return 0.0;
    }
    let [(from_source, most_source), (from_target, most_target)] = squares;
    let degeneracy = most_source.max(most_target);
    let cycles = if degeneracy > 0 { (from_source + from_target) as f64 / (degeneracy as f64 * most) } else { 0.0 };
    2.0 / a + 2.0 / b - 2.0 + 2.0 * triangles / most + triangles / least + cycles
}

/// Neighbours of `i` on a 4-cycle over the edge `i j` without diagonals, and the most such cycles through one of them.
fn squares(graph: &impl Adjacency, i: u32, j: u32) -> (usize, usize) {
    let near = graph.of(i);
    // Where a 4-cycle can come back to j: neighbours of j that are not neighbours of i, nor i itself.
    let returns: Vec<u32> =
        graph.of(j).iter().copied().filter(|node| *node != i && near.binary_search(node).is_err()).collect();
    let beside = near.iter().filter(|node| **node != j && graph.of(j).binary_search(node).is_err());
    let counts = beside.map(|&node| common(graph.of(node), &returns)).filter(|&count| count > 0);
    counts.fold((0, 0), |(number, most), count| (number + 1, most.max(count)))
}
