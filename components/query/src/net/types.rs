//! The values of `wit/query/graph.wit` as plain types; the WIT documents them.

pub use crate::types::Scalar;

/// What a member of a link is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Name {
    /// A record.
    Key(String),
    /// A link's id: 24 hex digits in lower case.
    Link(String),
}

/// A member of a link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// The part that it plays.
    pub role: String,
    /// Who it is.
    pub target: Name,
}

/// Half-open, in milliseconds since 1970; none: without end.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Interval {
    /// The first moment.
    pub since: Option<i64>,
    /// The moment behind the last.
    pub until: Option<i64>,
}

impl Interval {
    pub(crate) fn contains(&self, moment: i64) -> bool {
        self.since.is_none_or(|since| since <= moment) && self.until.is_none_or(|until| moment < until)
    }
}

/// A typed (hyper)edge.
#[derive(Debug, Clone, PartialEq)]
pub struct Link {
    /// 24 hex digits in lower case.
    pub id: String,
    /// What it says.
    pub kind: String,
    /// Who takes part, 1 to 64.
    pub members: Vec<Member>,
    /// Finite.
    pub weight: f64,
    /// Without any it is in those of its source.
    pub layers: Vec<String>,
    /// Dotted path and value.
    pub qualifiers: Vec<(String, Scalar)>,
    /// When it holds.
    pub valid: Interval,
}

/// Everything that one record says about the graph.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Source {
    /// The record.
    pub key: String,
    /// Its layers.
    pub layers: Vec<String>,
    /// Its links.
    pub links: Vec<Link>,
}

/// A declared layer.
#[derive(Debug, Clone, PartialEq)]
pub struct Layer {
    /// Unique.
    pub name: String,
    /// Finite, not negative.
    pub weight: f64,
    /// Layers whose content is in this one, too.
    pub inherits: Vec<String>,
    /// When it holds.
    pub valid: Interval,
}

/// A node of a set of layers' contents; children are positions before it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LayerNode {
    /// In this layer.
    Layer(String),
    /// In all of these.
    All(Vec<u32>),
    /// In any of these.
    Any(Vec<u32>),
    /// In at least so many of these.
    AtLeast(u32, Vec<u32>),
    /// In the first and not in the second.
    Without(u32, u32),
}

/// Which way walks go.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Direction {
    /// From the first member to the second.
    #[default]
    Forward,
    /// From the second to the first.
    Backward,
    /// Either way.
    Both,
}

impl Direction {
    pub(crate) fn reversed(self) -> Direction {
        match self {
            Direction::Forward => Direction::Backward,
            Direction::Backward => Direction::Forward,
            Direction::Both => Direction::Both,
        }
    }
}

/// How links become arcs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Expansion {
    /// Every member is next to every other.
    #[default]
    Clique,
    /// The link is a node between its members.
    Star,
}

/// The part of the graph that is looked at, and how.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Selection {
    /// Types of links; empty for all.
    pub types: Vec<String>,
    /// A set of layers, the root last; empty for all.
    pub layers: Vec<LayerNode>,
    /// Only what is valid at this time.
    pub at: Option<i64>,
    /// Which way walks go.
    pub direction: Direction,
    /// How links become arcs.
    pub expansion: Expansion,
}

/// Sizes of a graph.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Sizes {
    /// Records that are there.
    pub records: u32,
    /// Members that are not.
    pub dangling: u32,
    /// Links; what several records state is one.
    pub links: u32,
    /// Members of all links together.
    pub members: u64,
    /// Declared or named.
    pub layers: u32,
    /// Numbers that name nothing any more.
    pub unused: u32,
    /// An estimate.
    pub bytes: u64,
}

/// What a caller can act on. Nothing was changed when one is returned.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum GraphError {
    /// A layer that nobody declared and nothing is in, and the most similar one.
    #[error("there is no layer `{0}`")]
    UnknownLayer(String, Option<String>),
    /// A type that no link has, and the most similar one.
    #[error("no link has the type `{0}`")]
    UnknownType(String, Option<String>),
    /// A node number that there is not.
    #[error("there is no node with the number {0}")]
    UnknownNode(u32),
    /// Something is not as described.
    #[error("{0}")]
    Malformed(String),
    /// A number outside of its range.
    #[error("{0}")]
    OutOfRange(String),
    /// Layers that inherit from one another.
    #[error("layers inherit from one another in a circle: {}", .0.join(", "))]
    CircularLayers(Vec<String>),
    /// More steps than one call may take.
    #[error("{0}")]
    TooMuch(String),
}

/// A node that a walk came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reached {
    /// The node.
    pub node: u32,
    /// Steps from the nearest start.
    pub distance: u32,
    /// The node before it; none for a start.
    pub before: Option<u32>,
}

/// What a step of a path costs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Length {
    /// 1.
    Hops,
    /// The link's weight in the view.
    Weight,
    /// 1 / weight.
    Reciprocal,
}

/// A shortest path.
#[derive(Debug, Clone, PartialEq)]
pub struct Path {
    /// From start to end.
    pub nodes: Vec<u32>,
    /// The link of each step.
    pub links: Vec<String>,
    /// The sum.
    pub cost: f64,
}

/// A link that a node is a member of.
#[derive(Debug, Clone, PartialEq)]
pub struct Incident {
    /// Its id.
    pub id: String,
    /// Its type.
    pub kind: String,
    /// The roles that the node plays in it, in order.
    pub roles: Vec<String>,
    /// All members with their roles, in order.
    pub members: Vec<(String, u32)>,
    /// Its weight in the view.
    pub weight: f64,
}

/// A step of a metapath.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// Types of links; empty for all of the view.
    pub types: Vec<String>,
    /// Which way.
    pub direction: Direction,
}

/// What stands in a pattern.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Term {
    /// The answer has a column for it.
    Variable(u32),
    /// A node.
    Node(u32),
}

/// A link of a pattern.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct PatternLink {
    /// Types; empty for all of the view.
    pub types: Vec<String>,
    /// Each is another member of the link.
    pub members: Vec<(Option<String>, Term)>,
    /// The link itself.
    pub this: Option<Term>,
    /// All of these must be among the link's.
    pub qualifiers: Vec<(String, Scalar)>,
}

/// What fits a pattern.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rows {
    /// A node for each variable.
    pub rows: Vec<Vec<u32>>,
    /// There are no others.
    pub complete: bool,
}

/// A number for each node.
#[derive(Debug, Clone, PartialEq)]
pub enum Centrality {
    /// Neighbours.
    Degree,
    /// Weights of the links to them.
    Strength,
    /// Wasserman and Faust, 1994.
    Closeness,
    /// Boldi and Vigna, 2014.
    Harmonic,
    /// Brandes, 2001; from so many pivots.
    Betweenness(Option<u32>),
    /// Bonacich, 1972.
    Eigenvector,
    /// Damping and restarts.
    PageRank(f64, Vec<u32>),
}

/// A set of layers against one layer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Overlap {
    /// The layer.
    pub layer: String,
    /// Records in both.
    pub both: u32,
    /// Records in either.
    pub either: u32,
}
