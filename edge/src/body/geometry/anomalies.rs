//! What stands out among links and records.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::GraphSizes;
use crate::body::{NodeName, SelectionBody};

/// A score of suspicion; docs/geometry-graphs.md says how well each finds what was put in.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum AnomalyScore {
    /// Negative Lin-Lu-Yau curvature. What Skerry recommends.
    #[default]
    #[serde(alias = "lin-lu-yau")]
    LinLuYau,
    /// Negative balanced Forman curvature.
    Balanced,
    /// Negative augmented Forman curvature.
    Augmented,
    /// Negative plain Forman curvature. Tells next to nothing; only when it is asked for.
    Plain,
    /// How many shortest paths go over the edge: a baseline.
    Betweenness,
    /// One minus the share of common neighbours: a baseline.
    Jaccard,
}

/// Asks what stands out.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AnomaliesBody {
    /// The part of the graph; directions do not matter.
    #[serde(default)]
    pub selection: SelectionBody,
    /// What ranks; `lin_lu_yau` when absent.
    #[serde(default)]
    pub by: AnomalyScore,
    /// The scores that rows have besides; all but `plain` when absent.
    #[serde(default)]
    pub scores: Option<Vec<AnomalyScore>>,
    /// Edges, and nodes, at most, 1 to 1,000; 20 when absent.
    #[serde(default)]
    pub limit: Option<u32>,
}

/// What stands out. A score is evidence, not a verdict: it says that something is unlike the rest of this graph.
#[derive(Debug, Serialize, ToSchema)]
pub struct AnomaliesAnswer {
    /// What ranks.
    pub by: AnomalyScore,
    /// What was looked at.
    pub graph: GraphSizes,
    /// The most suspicious first, equal ones by name.
    pub edges: Vec<AnomalousEdge>,
    /// The most suspicious first, equal ones by name.
    pub nodes: Vec<AnomalousNode>,
    /// Scores that were not computed, and why.
    pub left_out: Vec<LeftOut>,
}

/// An edge and its scores.
#[derive(Debug, Serialize, ToSchema)]
pub struct AnomalousEdge {
    /// Its ends, by name.
    pub ends: [NodeName; 2],
    /// The links behind it; the first 100.
    pub links: Vec<LinkBehind>,
    /// Its Lin-Lu-Yau curvature, exactly; where that is among the scores.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub curvature: Option<String>,
    /// By name of the score.
    pub scores: BTreeMap<AnomalyScore, ScoreBody>,
}

/// A link behind an edge.
#[derive(Debug, Serialize, ToSchema)]
pub struct LinkBehind {
    /// Its id.
    pub id: String,
    /// Its type.
    #[serde(rename = "type")]
    pub kind: String,
}

/// A node and its scores, each the mean over its edges.
#[derive(Debug, Serialize, ToSchema)]
pub struct AnomalousNode {
    /// The node.
    pub node: NodeName,
    /// Its edges.
    pub degree: usize,
    /// By name of the score.
    pub scores: BTreeMap<AnomalyScore, ScoreBody>,
}

/// A score on two scales; larger is more suspicious on both.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
pub struct ScoreBody {
    /// The share of scores below, half of the equal ones included: 0 to 1.
    pub percentile: f64,
    /// `0.6745 (x - median) / MAD` (Iglewicz and Hoaglin, 1993).
    pub robust_z: f64,
}

/// A score that was not computed.
#[derive(Debug, Serialize, ToSchema)]
pub struct LeftOut {
    /// Which.
    pub score: AnomalyScore,
    /// Why.
    pub reason: String,
}
