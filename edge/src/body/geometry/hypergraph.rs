//! Links with any number of members as a hypergraph.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Fraction;
use crate::body::{NodeName, SelectionBody};

/// Asks about the hypergraph of a selection: every link is a hyperedge of its members.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct HypergraphBody {
    /// The part of the graph; direction and expansion do not matter.
    #[serde(default)]
    pub selection: SelectionBody,
    /// The share that stays at a node; `"1/2"` when absent.
    #[serde(default)]
    #[schema(value_type = Option<String>, example = "1/2")]
    pub idleness: Option<Fraction>,
    /// Over what a node's mass is spread; `unweighted_clique` when absent.
    #[serde(default)]
    pub dispersion: DispersionBody,
    /// What a link takes from its pairs of members; `mean` when absent.
    #[serde(default)]
    pub aggregation: AggregationBody,
    /// Links are connected over at least so many shared members; 1 when absent.
    #[serde(default)]
    pub s: Option<u32>,
    /// Links, nodes and components at most, 1 to 10,000; 100 when absent.
    #[serde(default)]
    pub limit: Option<u32>,
}

/// Over what a node's mass is spread.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum DispersionBody {
    /// Every neighbour the same.
    #[default]
    #[serde(alias = "unweighted-clique")]
    UnweightedClique,
    /// Every neighbour as often as it shares a link.
    #[serde(alias = "weighted-clique")]
    WeightedClique,
    /// Every link the same, and in it every other member the same.
    #[serde(alias = "unweighted-star")]
    UnweightedStar,
}

/// What a link takes from its pairs of members.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum AggregationBody {
    /// Their mean distance.
    #[default]
    Mean,
    /// The largest.
    Max,
}

/// A hypergraph, described.
#[derive(Debug, Serialize, ToSchema)]
pub struct HypergraphAnswer {
    /// Members of the links.
    pub node_count: usize,
    /// Links.
    pub link_count: usize,
    /// Members of all links together.
    pub member_count: usize,
    /// Members of the largest link.
    pub size_max: u32,
    /// Links of the node in most.
    pub degree_max: u32,
    /// Links over the `2^n - 1` possible ones.
    pub density: f64,
    /// The mean over the nodes' clustering coefficients in the clique expansion.
    pub clustering: f64,
    /// The most negatively curved first (ORCHID), equal ones by id.
    pub links: Vec<HyperlinkBody>,
    /// The most negatively curved first, equal ones by name.
    pub nodes: Vec<HypernodeBody>,
    /// Shared members that connect.
    pub s: u32,
    /// Sets of links that are connected over `s` shared members: how many.
    pub component_count: usize,
    /// The largest first, equal ones by their least ids.
    pub components: Vec<LinkSet>,
}

/// A link as a hyperedge.
#[derive(Debug, Serialize, ToSchema)]
pub struct HyperlinkBody {
    /// Its id.
    pub id: String,
    /// Its type.
    #[serde(rename = "type")]
    pub kind: String,
    /// Who takes part, each once.
    pub members: Vec<NodeName>,
    /// ORCHID's curvature (Coupette et al., 2023); 1 with a single member.
    pub curvature: f64,
    /// The same, exactly.
    pub fraction: String,
    /// Forman's (Leal et al., 2021).
    pub forman: i64,
    /// In the s-line graph, normalised.
    pub betweenness: f64,
}

/// A node of the hypergraph.
#[derive(Debug, Serialize, ToSchema)]
pub struct HypernodeBody {
    /// The node.
    pub node: NodeName,
    /// Links that it is in.
    pub degree: u32,
    /// Clustering coefficient in the clique expansion.
    pub clustering: f64,
    /// The mean curvature of its pairs; 0 without any.
    pub curvature: f64,
}

/// Links that are connected.
#[derive(Debug, Serialize, ToSchema)]
pub struct LinkSet {
    /// How many.
    pub size: usize,
    /// Their ids, 100 at most.
    pub links: Vec<String>,
}
