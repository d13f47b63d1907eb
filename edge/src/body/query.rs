//! Queries and their answers: the shapes of the gateway, with what only a node understands.

use serde::{Deserialize, Serialize};
pub use skerry_gateway::body::{
    ExplanationBody, Fragment, FusionBody, GroupBody, Highlight, HighlightBody, Mode, RerankBody, RerankedBody,
    SpanBody, TermBody,
};
use utoipa::ToSchema;

use super::{LayerSetBody, Moment, NodeName, RecordBody, SelectionBody};

/// A query.
pub type QueryBody = skerry_gateway::body::QueryBody<WithinBody, ExpandBody>;

/// The answer to a query.
pub type Answer = skerry_gateway::body::Answer<RecordBody, ViaBody>;

/// A record found.
pub type HitBody = skerry_gateway::body::HitBody<RecordBody, ViaBody>;

/// A part of the graph. Of several parts, what is in all of them.
#[derive(Debug, Clone, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct WithinBody {
    /// Records within some steps of these nodes, which count as well.
    #[serde(default)]
    pub neighbourhood: Option<NeighbourhoodBody>,
    /// What stands below this record (links of type `parent`), and itself.
    #[serde(default)]
    pub subtree: Option<NodeName>,
    /// Records in this layer or set of layers, with what layers inherit.
    #[serde(default)]
    pub layers: Option<LayerSetBody>,
    /// With `layers`: only layers that are valid at this moment.
    #[serde(default)]
    pub at: Option<Moment>,
}

/// What is within some steps.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NeighbourhoodBody {
    /// Where to begin: 1 to 1,000 nodes.
    pub of: Vec<NodeName>,
    /// Steps at most; 1 when absent.
    #[serde(default)]
    pub hops: Option<u32>,
    /// The links that are walked; in both directions when it names none.
    #[serde(default)]
    pub selection: SelectionBody,
}

/// How hits lead to other records.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ExpandBody {
    /// Steps at most, 1 to 4; 1 when absent.
    #[serde(default)]
    pub hops: Option<u32>,
    /// What a score is multiplied by for each step, above 0 and below 1; 0.5 when absent.
    #[serde(default)]
    pub decay: Option<f32>,
    /// The links that are walked; in both directions when it names none.
    #[serde(default)]
    pub selection: SelectionBody,
}

/// How a record was come by along links.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct ViaBody {
    /// The hit that led to it.
    pub hit: String,
    /// The nodes from that hit to the record, both included.
    pub path: Vec<NodeName>,
    /// The hit's own score: times `decay` for each step it is this record's.
    pub hit_score: f32,
}
