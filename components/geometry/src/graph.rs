//! An undirected simple graph: each node's neighbours, sorted, one node after another.

/// Edges that a graph may have.
pub const EDGES_MAX: usize = 50_000_000;

/// Numbers that nodes with edges may have are below this. The node count itself may be larger.
pub const NODES_MAX: u32 = 1 << 26;

/// An edge of two different nodes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Edge {
    /// One end.
    pub source: u32,
    /// The other.
    pub target: u32,
}

/// A graph that is not simple, or too large. The number is the edge's position.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum GraphError {
    /// An end that is not a node.
    #[error("edge {0} names a node that is not there")]
    UnknownNode(u32),
    /// An edge from a node to itself.
    #[error("edge {0} joins a node with itself")]
    SelfLoop(u32),
    /// An edge given twice.
    #[error("edge {0} was given before")]
    RepeatedEdge(u32),
    /// A weight that is not a positive finite number, or a list of weights of another length than that of what is weighed;
    /// then it is the shorter one's length.
    #[error("weight {0} is missing, or is not a positive number")]
    Weight(u32),
    /// More than a computation may hold; in words.
    #[error("{0}")]
    TooLarge(String),
}

/// Who is next to whom.
pub trait Adjacency {
    /// Node numbers are below this.
    fn nodes(&self) -> usize;
    /// The neighbours of a node, ascending; none for a node that is not there.
    fn of(&self, node: u32) -> &[u32];
}

/// Neighbours of each node, with the edge that leads there.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Graph {
    starts: Vec<u32>,
    neighbours: Vec<u32>,
    positions: Vec<u32>,
    edges: Vec<Edge>,
}

impl Adjacency for Graph {
    fn nodes(&self) -> usize {
        self.starts.len().saturating_sub(1)
    }

    fn of(&self, node: u32) -> &[u32] {
        self.neighbours.get(self.range(node)).unwrap_or_default()
    }
}

impl Graph {
    /// The graph with the nodes `0..nodes`. Memory is for nodes up to the last one with an edge: a huge count costs nothing.
    ///
    /// # Errors
    /// [`GraphError`] names the first edge that does not fit.
    pub fn new(nodes: u32, edges: &[Edge]) -> Result<Graph, GraphError> {
        if edges.len() > EDGES_MAX {
            return Err(GraphError::TooLarge(format!(
                "a graph may have {EDGES_MAX} edges, and this has {}",
                edges.len()
            )));
        }
        let mut last = 0;
        for (edge, position) in edges.iter().zip(0_u32..) {
            let most = edge.source.max(edge.target);
            if most >= nodes {
                return Err(GraphError::UnknownNode(position));
            }
            if edge.source == edge.target {
                return Err(GraphError::SelfLoop(position));
            }
            last = last.max(most + 1);
        }
        if last > NODES_MAX {
            let reason = format!("nodes with edges must have numbers below {NODES_MAX}; number them from 0 on");
            return Err(GraphError::TooLarge(reason));
        }
        let graph = Graph::sorted(last, edges);
        match graph.repeated() {
            Some(position) => Err(GraphError::RepeatedEdge(position)),
            None => Ok(graph),
        }
    }

    /// Bucketed by one end and then, in the order of that, by the other: both passes are linear, and the lists come out sorted.
    fn sorted(nodes: u32, edges: &[Edge]) -> Graph {
        let mut starts = vec![0_u32; nodes as usize + 1];
        let mut count = |node: u32| {
            if let Some(count) = starts.get_mut(node as usize + 1) {
                *count += 1;
            }
        };
        edges.iter().for_each(|edge| {
            count(edge.source);
            count(edge.target);
        });
        let mut total = 0;
        for start in &mut starts {
            total += *start;
            *start = total;
        }
        let arcs = edges.iter().zip(0_u32..);
        let both = arcs
            .flat_map(|(edge, position)| [(edge.source, edge.target, position), (edge.target, edge.source, position)]);
        let (neighbours, positions) = bucket(&starts, both);
        let owner = (0..nodes).flat_map(|node| {
            let range = starts.get(node as usize..node as usize + 2).unwrap_or_default();
            std::iter::repeat_n(
                node,
                range.iter().rev().copied().reduce(|end, start| end - start).unwrap_or(0) as usize,
            )
        });
        let turned =
            owner.zip(neighbours.iter().zip(&positions)).map(|(node, (next, position))| (*next, node, *position));
        let (neighbours, positions) = bucket(&starts, turned);
        Graph { starts, neighbours, positions, edges: edges.to_vec() }
    }

    /// The first edge that was given before.
    fn repeated(&self) -> Option<u32> {
        let twice = (0..self.nodes() as u32).flat_map(|node| {
            let arcs = self.of(node).iter().zip(self.positions_of(node));
            let next = self.of(node).iter().zip(self.positions_of(node)).skip(1);
            arcs.zip(next).filter(|((a, _), (b, _))| a == b).map(|((_, first), (_, second))| *first.max(second))
        });
        twice.min()
    }

    fn range(&self, node: u32) -> std::ops::Range<usize> {
        match self.starts.get(node as usize..node as usize + 2) {
            Some(&[start, end]) => start as usize..end as usize,
            _ => 0..0,
        }
    }

    /// The edges, as they were given.
    pub fn edges(&self) -> &[Edge] {
        &self.edges
    }

    /// Positions of the edges to the neighbours of a node, in the neighbours' order.
    pub fn positions_of(&self, node: u32) -> &[u32] {
        self.positions.get(self.range(node)).unwrap_or_default()
    }

    /// Number of neighbours.
    pub fn degree(&self, node: u32) -> usize {
        self.range(node).len()
    }
}

/// Checks that there is a weight for each of `count` things, positive and finite.
///
/// # Errors
/// [`GraphError::Weight`] with the first that is not.
pub fn check_weights(count: usize, weights: &[f64]) -> Result<(), GraphError> {
    if weights.len() != count {
        return Err(GraphError::Weight(weights.len().min(count) as u32));
    }
    match weights.iter().position(|weight| !(weight.is_finite() && *weight > 0.0)) {
        Some(position) => Err(GraphError::Weight(position as u32)),
        None => Ok(()),
    }
}

/// Puts `(node, neighbour, position)` into the node's bucket, in the order in which they come.
fn bucket(starts: &[u32], arcs: impl Iterator<Item = (u32, u32, u32)>) -> (Vec<u32>, Vec<u32>) {
    let mut next = starts.to_vec();
    let total = starts.last().map_or(0, |total| *total as usize);
    let (mut neighbours, mut positions) = (vec![0; total], vec![0; total]);
    for (node, neighbour, position) in arcs {
        let Some(place) = next.get_mut(node as usize) else { continue };
        let at = *place as usize;
        *place += 1;
        if let (Some(to), Some(by)) = (neighbours.get_mut(at), positions.get_mut(at)) {
            (*to, *by) = (neighbour, position);
        }
    }
    (neighbours, positions)
}

/// Elements of both sorted lists.
pub fn common(a: &[u32], b: &[u32]) -> usize {
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
