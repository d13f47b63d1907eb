//! Questions to the graph, and its answers.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::{LayerSetBody, Moment};

/// What a node of the graph is called: a record (`{"key": ".."}`, or the key alone), or a link (`{"link": ".."}`, its id).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum NodeName {
    /// A record, there or not (yet).
    Key(String),
    /// A link, by its id.
    Link(String),
}

/// By hand, so that an error says what a node is called.
impl<'de> Deserialize<'de> for NodeName {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = Value::deserialize(deserializer)?;
        NodeName::read(&value).ok_or_else(|| {
            serde::de::Error::custom("a node is {\"key\": \"..\"}, a key as text, or {\"link\": \"..\"}, a link's id")
        })
    }
}

impl NodeName {
    fn read(value: &Value) -> Option<NodeName> {
        match value {
            Value::String(key) => Some(NodeName::Key(key.clone())),
            Value::Object(object) if object.len() == 1 => match object.iter().next()? {
                (name, Value::String(key)) if name == "key" => Some(NodeName::Key(key.clone())),
                (name, Value::String(id)) if name == "link" => Some(NodeName::Link(id.clone())),
                _ => None,
            },
            _ => None,
        }
    }

    /// The key or id.
    pub fn as_str(&self) -> &str {
        match self {
            NodeName::Key(name) | NodeName::Link(name) => name,
        }
    }
}

/// The part of the graph that is looked at, and how.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SelectionBody {
    /// Only links of these types.
    #[serde(default)]
    pub types: Vec<String>,
    /// Only links that are in this layer or set of layers.
    #[serde(default)]
    pub layers: Option<LayerSetBody>,
    /// Only links and layers that are valid at this moment, RFC 3339; of any time when absent.
    #[serde(default)]
    pub at: Option<Moment>,
    /// Which way links of two members are walked; each operation says its own default.
    #[serde(default)]
    pub direction: Option<DirectionBody>,
    /// How links become steps; `clique` when absent.
    #[serde(default)]
    pub expansion: ExpansionBody,
}

/// Which way a link of two members is walked; others have no direction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum DirectionBody {
    /// From the first member to the second.
    Forward,
    /// From the second to the first.
    Backward,
    /// Both ways.
    Both,
}

/// How links become steps.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ExpansionBody {
    /// Every member is next to every other.
    #[default]
    Clique,
    /// The link itself is a node between its members: for links over links.
    Star,
}

/// Asks what is next to nodes.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NeighboursBody {
    /// 1 to 1,000 nodes.
    pub of: Vec<NodeName>,
    /// The part of the graph; both directions when it names none.
    #[serde(default)]
    pub selection: SelectionBody,
    /// Neighbours of each at most, 1 to 10,000; 1,000 when absent.
    #[serde(default)]
    pub limit: Option<u32>,
}

/// What is next to each node.
#[derive(Debug, Serialize, ToSchema)]
pub struct NeighboursAnswer {
    /// In the order of the question.
    pub nodes: Vec<Neighbourhood>,
}

/// What is next to a node.
#[derive(Debug, Serialize, ToSchema)]
pub struct Neighbourhood {
    /// The node.
    pub node: NodeName,
    /// Its neighbours by name: keys first, then links.
    pub neighbours: Vec<NodeName>,
    /// All of its neighbours, also those beyond the limit.
    pub degree: usize,
}

/// Asks what is within some steps.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ReachBody {
    /// Where to begin: 1 to 1,000 nodes.
    pub from: Vec<NodeName>,
    /// Steps at most; 1 when absent.
    #[serde(default)]
    pub hops: Option<u32>,
    /// The part of the graph; `reach` walks in both directions when it names none.
    #[serde(default)]
    pub selection: SelectionBody,
    /// Nodes at most, 1 to 100,000; 1,000 when absent.
    #[serde(default)]
    pub limit: Option<u32>,
}

/// What is within some steps.
#[derive(Debug, Serialize, ToSchema)]
pub struct ReachAnswer {
    /// Nearest first, then by name; the starts themselves at distance 0.
    pub nodes: Vec<ReachedBody>,
    /// Nothing was left out for the limit.
    pub complete: bool,
}

/// A node that a walk came to.
#[derive(Debug, Serialize, ToSchema)]
pub struct ReachedBody {
    /// The node.
    pub node: NodeName,
    /// Steps from the nearest start.
    pub distance: u32,
    /// The node before it on such a way; null for a start.
    pub before: Option<NodeName>,
}

/// Asks for a shortest path.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PathBody {
    /// Its beginning.
    pub from: NodeName,
    /// Its end.
    pub to: NodeName,
    /// How long a step is; `hops` when absent.
    #[serde(default)]
    pub length: LengthBody,
    /// The part of the graph; both directions when it names none.
    #[serde(default)]
    pub selection: SelectionBody,
}

/// How long a step is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum LengthBody {
    /// 1.
    #[default]
    Hops,
    /// The link's weight, which must not be negative.
    Weight,
    /// 1 / weight, for weights that say how strong a link is.
    Reciprocal,
}

/// A shortest path.
#[derive(Debug, Serialize, ToSchema)]
pub struct PathAnswer {
    /// The path; null when there is none.
    pub path: Option<FoundPath>,
}

/// A path.
#[derive(Debug, Serialize, ToSchema)]
pub struct FoundPath {
    /// Its nodes from end to end.
    pub nodes: Vec<NodeName>,
    /// The id of the link of each step.
    pub links: Vec<String>,
    /// Its length.
    pub cost: f64,
}

/// Asks about one node.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct IncidenceBody {
    /// The node.
    pub of: NodeName,
    /// The part of the graph; its direction does not matter.
    #[serde(default)]
    pub selection: SelectionBody,
    /// Links to leave out before the first: `next_offset` of the page before.
    #[serde(default)]
    pub offset: u32,
    /// Links at most, 1 to 10,000; 100 when absent.
    #[serde(default)]
    pub limit: Option<u32>,
}

/// The links that a node is a member of.
#[derive(Debug, Serialize, ToSchema)]
pub struct IncidenceAnswer {
    /// By id.
    pub links: Vec<IncidentBody>,
    /// `offset` of the next page; null on the last.
    pub next_offset: Option<u32>,
}

/// A link that a node is a member of.
#[derive(Debug, Serialize, ToSchema)]
pub struct IncidentBody {
    /// Its id.
    pub id: String,
    /// Its type.
    #[serde(rename = "type")]
    pub kind: String,
    /// The parts that the node plays.
    pub roles: Vec<String>,
    /// All its members.
    pub members: Vec<RoleBody>,
    /// Its weight, times those of the layers that it counts for.
    pub weight: f64,
}

/// A member of a link.
#[derive(Debug, Serialize, ToSchema)]
pub struct RoleBody {
    /// The part that it plays.
    pub role: String,
    /// Who it is.
    #[serde(flatten)]
    pub node: NodeName,
}

/// Asks for everything that fits a pattern. Either `pattern` or `links`.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PatternBody {
    /// `?a -[parent]-> ?b; ?b -[can-precede]-> CWE-79`, see docs/graph-api.md.
    #[serde(default)]
    pub pattern: Option<String>,
    /// The same in JSON.
    #[serde(default)]
    pub links: Option<Vec<PatternLinkBody>>,
    /// The part of the graph.
    #[serde(default)]
    pub selection: SelectionBody,
    /// Rows to leave out before the first.
    #[serde(default)]
    pub offset: u32,
    /// Rows at most, 1 to 10,000; 100 when absent.
    #[serde(default)]
    pub limit: Option<u32>,
}

/// A link of a pattern.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PatternLinkBody {
    /// Types; any when empty.
    #[serde(default)]
    pub types: Vec<String>,
    /// Different members of the link.
    pub members: Vec<PatternMemberBody>,
    /// The link itself, as `{"variable": ".."}` or `{"link": ".."}`.
    #[serde(default)]
    #[schema(value_type = Option<Object>)]
    pub this: Option<PatternTermBody>,
    /// These must be among its qualifiers.
    #[serde(default)]
    #[schema(value_type = std::collections::BTreeMap<String, Value>)]
    pub qualifiers: Map<String, Value>,
    /// The two members stand in this order: an arc from the first to the second.
    #[serde(default)]
    pub arc: bool,
}

/// A member of a link of a pattern: `variable`, `key` or `link`, and perhaps a role.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PatternMemberBody {
    /// The part that it must play.
    #[serde(default)]
    pub role: Option<String>,
    /// A variable's name.
    #[serde(default)]
    pub variable: Option<String>,
    /// A record's key.
    #[serde(default)]
    pub key: Option<String>,
    /// A link's id.
    #[serde(default)]
    pub link: Option<String>,
}

/// A variable or a node.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PatternTermBody {
    /// A variable's name.
    Variable(String),
    /// A record's key.
    Key(String),
    /// A link's id.
    Link(String),
}

/// What fits a pattern.
#[derive(Debug, Serialize, ToSchema)]
pub struct PatternAnswer {
    /// The pattern's variables.
    pub variables: Vec<String>,
    /// A node for each variable; in the order of their names.
    pub rows: Vec<Vec<NodeName>>,
    /// `offset` of the next page; null on the last.
    pub next_offset: Option<u32>,
}

/// Asks where a metapath leads.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct MetapathBody {
    /// Where to begin.
    pub from: NodeName,
    /// 1 to 16 steps.
    pub steps: Vec<StepBody>,
    /// The part of the graph; steps say types and direction themselves.
    #[serde(default)]
    pub selection: SelectionBody,
    /// Nodes to leave out before the first.
    #[serde(default)]
    pub offset: u32,
    /// Nodes at most, 1 to 10,000; 100 when absent.
    #[serde(default)]
    pub limit: Option<u32>,
}

/// A step of a metapath.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct StepBody {
    /// Types of links; any when empty.
    #[serde(default)]
    pub types: Vec<String>,
    /// Which way; forward when absent.
    #[serde(default)]
    pub direction: Option<DirectionBody>,
}

/// Where a metapath leads.
#[derive(Debug, Serialize, ToSchema)]
pub struct MetapathAnswer {
    /// By name.
    pub nodes: Vec<MetapathEnd>,
    /// `offset` of the next page; null on the last.
    pub next_offset: Option<u32>,
}

/// An end of a metapath.
#[derive(Debug, Serialize, ToSchema)]
pub struct MetapathEnd {
    /// The node.
    pub node: NodeName,
    /// Paths that lead there.
    pub paths: u64,
}

/// Asks for connected components.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ComponentsBody {
    /// Along directions.
    #[serde(default)]
    pub strong: bool,
    /// The part of the graph.
    #[serde(default)]
    pub selection: SelectionBody,
    /// Components to leave out before the first.
    #[serde(default)]
    pub offset: u32,
    /// Components at most, 1 to 10,000; 100 when absent.
    #[serde(default)]
    pub limit: Option<u32>,
    /// Nodes of each that are named at most, 0 to 10,000; 10 when absent.
    #[serde(default)]
    pub nodes: Option<u32>,
}

/// Connected components.
#[derive(Debug, Serialize, ToSchema)]
pub struct ComponentsAnswer {
    /// How many there are.
    pub count: usize,
    /// The largest first, equal ones by their least names.
    pub components: Vec<ComponentBody>,
    /// `offset` of the next page; null on the last.
    pub next_offset: Option<u32>,
}

/// A connected component.
#[derive(Debug, Serialize, ToSchema)]
pub struct ComponentBody {
    /// Nodes in it.
    pub size: usize,
    /// The first of them by name.
    pub nodes: Vec<NodeName>,
}

/// Asks how central nodes are.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CentralityBody {
    /// Which measure.
    pub measure: Measure,
    /// Betweenness from so many pivots only, an estimate.
    #[serde(default)]
    pub pivots: Option<u32>,
    /// Damping of PageRank, above 0 and below 1; 0.85 when absent.
    #[serde(default)]
    pub damping: Option<f64>,
    /// Nodes that PageRank restarts in; all when empty.
    #[serde(default)]
    pub restart: Vec<NodeName>,
    /// The part of the graph.
    #[serde(default)]
    pub selection: SelectionBody,
    /// Only these nodes, in this order.
    #[serde(default)]
    pub of: Vec<NodeName>,
    /// Nodes to leave out before the first.
    #[serde(default)]
    pub offset: u32,
    /// Nodes at most, 1 to 100,000; 100 when absent.
    #[serde(default)]
    pub limit: Option<u32>,
}

/// A measure of centrality; docs/graph.md has the definitions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Measure {
    /// Number of arcs.
    Degree,
    /// Sum of their weights.
    Strength,
    /// Reciprocal mean distance.
    Closeness,
    /// Sum of reciprocal distances.
    Harmonic,
    /// Share of shortest paths.
    Betweenness,
    /// The principal eigenvector.
    Eigenvector,
    /// PageRank.
    PageRank,
}

/// How central nodes are.
#[derive(Debug, Serialize, ToSchema)]
pub struct CentralityAnswer {
    /// The highest first, equal ones by name; with `of`, in that order.
    pub nodes: Vec<CentralNode>,
    /// `offset` of the next page; null on the last.
    pub next_offset: Option<u32>,
}

/// How central a node is.
#[derive(Debug, Serialize, ToSchema)]
pub struct CentralNode {
    /// The node.
    pub node: NodeName,
    /// The measure.
    pub score: f64,
}

/// Asks the hierarchy: links of type `parent` from child to parent, or of the selection's types.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct HierarchyBody {
    /// The nodes, 1 to 1,000. Not for roots and cycles.
    #[serde(default)]
    pub of: Vec<NodeName>,
    /// The part of the graph; its direction does not matter.
    #[serde(default)]
    pub selection: SelectionBody,
    /// Steps up or down at most; any number when absent.
    #[serde(default)]
    pub levels: Option<u32>,
    /// Nodes (circles) to leave out before the first, for roots and cycles.
    #[serde(default)]
    pub offset: u32,
    /// Nodes (circles) at most, 1 to 100,000; 1,000 when absent.
    #[serde(default)]
    pub limit: Option<u32>,
}

/// Nodes.
#[derive(Debug, Serialize, ToSchema)]
pub struct NodesAnswer {
    /// By name.
    pub nodes: Vec<NodeName>,
    /// `offset` of the next page; null on the last.
    pub next_offset: Option<u32>,
}

/// How deep nodes are.
#[derive(Debug, Serialize, ToSchema)]
pub struct DepthAnswer {
    /// In the order of the question.
    pub nodes: Vec<DepthBody>,
}

/// How deep a node is.
#[derive(Debug, Serialize, ToSchema)]
pub struct DepthBody {
    /// The node.
    pub node: NodeName,
    /// Steps to the nearest root; null where only a circle is above.
    pub depth: Option<u32>,
}

/// Circles of the hierarchy.
#[derive(Debug, Serialize, ToSchema)]
pub struct CyclesAnswer {
    /// Each by name; the first by the least of its names.
    pub cycles: Vec<Vec<NodeName>>,
    /// `offset` of the next page; null on the last.
    pub next_offset: Option<u32>,
}

/// Asks for the state of the graph.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ReportBody {
    /// Dangling members to leave out before the first.
    #[serde(default)]
    pub offset: u32,
    /// Dangling members and circles at most, 1 to 10,000; 100 when absent.
    #[serde(default)]
    pub limit: Option<u32>,
}

/// The state of the graph.
#[derive(Debug, Serialize, ToSchema)]
pub struct ReportAnswer {
    /// Records that are there.
    pub records: u32,
    /// Links, each counted once.
    pub links: u32,
    /// Members of all links together.
    pub members: u64,
    /// Layers that are declared or named.
    pub layers: u32,
    /// Bytes of memory of the graph, an estimate.
    pub bytes: u64,
    /// Members that are not there.
    pub dangling_count: u32,
    /// Some of them, by name.
    pub dangling: Vec<DanglingBody>,
    /// Circles of the hierarchy of type `parent`.
    pub cycles: Vec<Vec<NodeName>>,
    /// `offset` of the next page of dangling members; null on the last.
    pub next_offset: Option<u32>,
}

/// A member that is not there.
#[derive(Debug, Serialize, ToSchema)]
pub struct DanglingBody {
    /// Who it would be.
    pub node: NodeName,
    /// Links that name it.
    pub links: u32,
}
