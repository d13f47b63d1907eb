//! Curvature of edges, and communities by Ricci flow.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::body::{LengthBody, NodeName, SelectionBody};

/// A share from 0 to 1 as text: `"1/2"`, `"0"`, `"1"`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fraction {
    /// Above the line.
    pub numerator: u32,
    /// Below; 1 to 1,000.
    pub denominator: u32,
}

impl Fraction {
    /// Customary for an idleness.
    pub const HALF: Fraction = Fraction { numerator: 1, denominator: 2 };

    /// The nearest double.
    pub fn value(self) -> f64 {
        f64::from(self.numerator) / f64::from(self.denominator)
    }

    fn read(text: &str) -> Option<Fraction> {
        let (numerator, denominator) = text.split_once('/').unwrap_or((text, "1"));
        let (numerator, denominator) = (numerator.trim().parse().ok()?, denominator.trim().parse().ok()?);
        ((1..=1_000).contains(&denominator) && numerator <= denominator).then_some(Fraction { numerator, denominator })
    }
}

impl<'de> Deserialize<'de> for Fraction {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Fraction::read(&text).ok_or_else(|| {
            serde::de::Error::custom(
                "a share is a text like \"1/2\", from 0 to 1 with a denominator of at most 1000; doubles would not be exact",
            )
        })
    }
}

/// Which curvature; docs/geometry-graphs.md has the definitions.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum CurvatureKind {
    /// Lin, Lu and Yau's: a fraction. What Skerry recommends.
    #[default]
    #[serde(alias = "lin-lu-yau")]
    LinLuYau,
    /// Ollivier's with an idleness: a fraction; with lengths a double.
    Ollivier,
    /// Forman's: `4 - deg - deg`, an integer. Tells next to nothing.
    #[serde(alias = "forman-plain")]
    FormanPlain,
    /// Forman's with triangles, an integer.
    #[serde(alias = "forman-augmented")]
    FormanAugmented,
    /// Balanced Forman curvature.
    #[serde(alias = "forman-balanced")]
    FormanBalanced,
    /// By effective resistance; of nodes, too.
    Resistance,
}

/// Which end of a ranking comes first.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum OrderBody {
    /// The least, most negative, first.
    #[default]
    Least,
    /// The greatest first.
    Greatest,
}

/// Asks for the curvature of the edges of the simple graph under a selection: two records are joined when a link has both.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CurvatureBody {
    /// The part of the graph; directions do not matter.
    #[serde(default)]
    pub selection: SelectionBody,
    /// Which curvature; `lin_lu_yau` when absent.
    #[serde(default)]
    pub kind: CurvatureKind,
    /// The share that stays at a node, for `ollivier` only; `"1/2"` when absent.
    #[serde(default)]
    #[schema(value_type = Option<String>, example = "1/2")]
    pub idleness: Option<Fraction>,
    /// Lengths of edges, for `ollivier` only, up to 2,000 nodes; `hops` when absent.
    #[serde(default)]
    pub length: LengthBody,
    /// With lengths: a neighbour's share is proportional to `exp(-length^power)`, 0 to 16; 2 when absent.
    #[serde(default)]
    pub power: Option<f64>,
    /// Weights of edges count, for `forman_plain` and `resistance` (as conductances) only. They are the sums over the links.
    #[serde(default)]
    pub weighted: bool,
    /// Edges, and nodes, at most, 1 to 100,000; 100 when absent.
    #[serde(default)]
    pub limit: Option<u32>,
    /// Which come first; `least` when absent.
    #[serde(default)]
    pub order: OrderBody,
}

/// Sizes of a simple graph.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
pub struct GraphSizes {
    /// Nodes with an edge.
    pub nodes: usize,
    /// Pairs of nodes that a link joins.
    pub edges: usize,
    /// Connected components among them.
    pub components: usize,
}

/// Curvature of edges.
#[derive(Debug, Serialize, ToSchema)]
pub struct CurvatureAnswer {
    /// Which curvature.
    pub kind: CurvatureKind,
    /// Where it is defined.
    pub definition: &'static str,
    /// What was looked at.
    pub graph: GraphSizes,
    /// The least of all edges.
    pub least: f64,
    /// The greatest.
    pub greatest: f64,
    /// The mean.
    pub mean: f64,
    /// As ordered; equal ones by name.
    pub edges: Vec<EdgeCurvature>,
    /// Of nodes, where the kind has any.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub nodes: Vec<NodeCurvature>,
}

/// An edge's curvature.
#[derive(Debug, Serialize, ToSchema)]
pub struct EdgeCurvature {
    /// Its ends, by name.
    pub ends: [NodeName; 2],
    /// The curvature, or the double nearest to it.
    pub value: f64,
    /// The exact fraction in lowest terms, where there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fraction: Option<String>,
    /// The effective resistance between the ends, for `resistance`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resistance: Option<f64>,
}

/// A node's curvature.
#[derive(Debug, Serialize, ToSchema)]
pub struct NodeCurvature {
    /// The node.
    pub node: NodeName,
    /// Its curvature.
    pub value: f64,
}

/// Asks for communities by Ricci flow. Up to 2,000 nodes with an edge.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CommunitiesBody {
    /// The part of the graph; directions do not matter.
    #[serde(default)]
    pub selection: SelectionBody,
    /// Steps of the flow, 1 to 200; 20 when absent.
    #[serde(default)]
    pub steps: Option<u32>,
    /// The share that stays at a node; `"1/2"` when absent.
    #[serde(default)]
    #[schema(value_type = Option<String>, example = "1/2")]
    pub idleness: Option<Fraction>,
    /// A neighbour's share is proportional to `exp(-length^power)`, 0 to 16; 2 when absent.
    #[serde(default)]
    pub power: Option<f64>,
    /// Lengths that the flow begins with; `hops` when absent.
    #[serde(default)]
    pub length: LengthBody,
}

/// Communities.
#[derive(Debug, Serialize, ToSchema)]
pub struct CommunitiesAnswer {
    /// What was looked at. A community never goes over several components.
    pub graph: GraphSizes,
    /// Newman and Girvan's modularity of the communities; at most 1.
    pub modularity: f64,
    /// Steps of the flow.
    pub iterations: u32,
    /// Edges that grew longer than this were cut; null when none was.
    pub cutoff: Option<f64>,
    /// The largest first, equal ones by their first members.
    pub communities: Vec<CommunityBody>,
}

/// A community.
#[derive(Debug, Serialize, ToSchema)]
pub struct CommunityBody {
    /// Nodes in it.
    pub size: usize,
    /// All of them, by name.
    pub members: Vec<NodeName>,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Only what the component takes: nothing above 1, no denominator above 1,000.
    #[test]
    fn fractions_are_read() {
        assert_eq!(Fraction::read("1/2"), Some(Fraction::HALF));
        assert_eq!(Fraction::read(" 3 / 4 "), Some(Fraction { numerator: 3, denominator: 4 }));
        assert_eq!(Fraction::read("0"), Some(Fraction { numerator: 0, denominator: 1 }));
        for wrong in ["", "0.5", "3/2", "1/0", "-1/2", "1/1001", "1/2/3"] {
            assert_eq!(Fraction::read(wrong), None, "{wrong}");
        }
    }
}
