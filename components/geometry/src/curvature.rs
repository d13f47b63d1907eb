//! Forman curvature of the edges of an undirected, unweighted, simple graph.

/// An edge of two different nodes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Edge {
    /// One end.
    pub source: u32,
    /// The other.
    pub target: u32,
}

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

/// A graph that is not simple. The number is the edge's position.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CurvatureError {
    /// An end that is not a node.
    #[error("edge {0} names a node that is not there")]
    UnknownNode(u32),
    /// An edge from a node to itself.
    #[error("edge {0} joins a node with itself")]
    SelfLoop(u32),
    /// An edge given twice.
    #[error("edge {0} was given before")]
    RepeatedEdge(u32),
}

/// Neighbours of each node, sorted, one node after another.
struct Graph {
    starts: Vec<usize>,
    neighbours: Vec<u32>,
}

impl Graph {
    fn new(nodes: u32, edges: &[Edge]) -> Result<Graph, CurvatureError> {
        let mut arcs = Vec::with_capacity(2 * edges.len());
        for (edge, position) in edges.iter().zip(0_u32..) {
            if edge.source >= nodes || edge.target >= nodes {
                return Err(CurvatureError::UnknownNode(position));
            }
            if edge.source == edge.target {
                return Err(CurvatureError::SelfLoop(position));
            }
            arcs.push((edge.source, edge.target, position));
            arcs.push((edge.target, edge.source, position));
        }
        arcs.sort_unstable();
        let repeated = arcs.windows(2).filter_map(|pair| match pair {
            [(a, b, first), (c, d, second)] if (a, b) == (c, d) => Some(*first.max(second)),
            _ => None,
        });
        if let Some(position) = repeated.min() {
            return Err(CurvatureError::RepeatedEdge(position));
        }
        // Starts only for nodes up to the last one with an edge: a huge node count costs nothing.
        let last = arcs.last().map_or(0, |(node, _, _)| *node as usize + 1);
        let mut starts = vec![0; last + 1];
        for (node, _, _) in &arcs {
            if let Some(count) = starts.get_mut(*node as usize + 1) {
                *count += 1;
            }
        }
        let mut total = 0;
        for start in &mut starts {
            total += *start;
            *start = total;
        }
        Ok(Graph { starts, neighbours: arcs.into_iter().map(|(_, target, _)| target).collect() })
    }

    fn of(&self, node: u32) -> &[u32] {
        match self.starts.get(node as usize..node as usize + 2) {
            Some(&[start, end]) => self.neighbours.get(start..end).unwrap_or_default(),
            _ => &[],
        }
    }
}

/// One number per edge, in the order of the edges.
///
/// # Errors
/// [`CurvatureError`] names the first edge that does not fit.
pub fn forman_curvature(kind: Forman, nodes: u32, edges: &[Edge]) -> Result<Vec<f64>, CurvatureError> {
    let graph = Graph::new(nodes, edges)?;
    Ok(edges.iter().map(|edge| curvature(kind, &graph, *edge)).collect())
}

fn curvature(kind: Forman, graph: &Graph, Edge { source, target }: Edge) -> f64 {
    let (a, b) = (graph.of(source), graph.of(target));
    let plain = 4.0 - a.len() as f64 - b.len() as f64;
    match kind {
        Forman::Plain => plain,
        Forman::Augmented => plain + 3.0 * common(a, b) as f64,
        Forman::Balanced => balanced(graph, source, target),
    }
}

/// Elements of both sorted lists.
fn common(a: &[u32], b: &[u32]) -> usize {
    let (short, long) = if a.len() < b.len() { (a, b) } else { (b, a) };
    // Beside a hub, looking up is cheaper than walking along.
    if short.len() * 16 < long.len() {
        return short.iter().filter(|node| long.binary_search(node).is_ok()).count();
    }
    let (mut i, mut j, mut count) = (0, 0, 0);
    while let (Some(x), Some(y)) = (short.get(i), long.get(j)) {
        count += usize::from(x == y);
        i += usize::from(x <= y);
        j += usize::from(y <= x);
    }
    count
}

fn balanced(graph: &Graph, source: u32, target: u32) -> f64 {
    let (a, b) = (graph.of(source).len() as f64, graph.of(target).len() as f64);
    let (least, most) = (a.min(b), a.max(b));
    if least <= 1.0 {
        return 0.0;
    }
    let triangles = common(graph.of(source), graph.of(target)) as f64;
    let (from_source, most_source) = squares(graph, source, target);
    let (from_target, most_target) = squares(graph, target, source);
    let degeneracy = most_source.max(most_target);
    let cycles = if degeneracy > 0 { (from_source + from_target) as f64 / (degeneracy as f64 * most) } else { 0.0 };
    2.0 / a + 2.0 / b - 2.0 + 2.0 * triangles / most + triangles / least + cycles
}

/// Neighbours of `i` on a 4-cycle over the edge `i j` without diagonals, and the most such cycles through one of them.
fn squares(graph: &Graph, i: u32, j: u32) -> (usize, usize) {
    let near = graph.of(i);
    // Where a 4-cycle can come back to j: neighbours of j that are not neighbours of i, nor i itself.
    let returns: Vec<u32> =
        graph.of(j).iter().copied().filter(|node| *node != i && near.binary_search(node).is_err()).collect();
    let beside = near.iter().filter(|node| **node != j && graph.of(j).binary_search(node).is_err());
    let counts = beside.map(|&node| common(graph.of(node), &returns)).filter(|&count| count > 0);
    counts.fold((0, 0), |(number, most), count| (number + 1, most.max(count)))
}
