//! A project's links as graphs: spectra, layers, hierarchies.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::body::{Moment, SelectionBody};

/// A part of the project's graph to look at through its spectrum: every two members of a link are joined.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SpectralBody {
    /// The part of the graph; all of it when absent. Directions do not count.
    #[serde(default)]
    pub selection: SelectionBody,
    /// Compare with this part: quantum Jensen-Shannon divergence.
    #[serde(default)]
    pub other: Option<SelectionBody>,
    /// Inverse temperature of the Gibbs state; 1 when absent.
    #[serde(default)]
    pub beta: Option<f64>,
    /// A continuous-time quantum walk from this record.
    #[serde(default)]
    pub walk_from: Option<String>,
    /// Its time; 1 when absent.
    #[serde(default)]
    pub time: Option<f64>,
}

/// Spectral measures. Quantum-inspired names, classical linear algebra; entropies in bits.
#[derive(Debug, Serialize, ToSchema)]
pub struct SpectralAnswer {
    /// Records with a link.
    pub nodes: usize,
    /// Pairs of records that are joined.
    pub edges: usize,
    /// Von Neumann entropy of `L / tr L`.
    pub von_neumann_entropy: f64,
    /// Renyi entropy of order 2.
    pub renyi2_entropy: f64,
    /// `tr rho^2`.
    pub purity: f64,
    /// Von Neumann entropy of the Gibbs state.
    pub gibbs_entropy: f64,
    /// The second smallest eigenvalue of the Laplacian; 0 when the graph has several parts.
    pub algebraic_connectivity: f64,
    /// Quantum Jensen-Shannon divergence to the other part, 0 to 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub divergence: Option<f64>,
    /// Where the walk is, the likeliest first, 100 at most.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub walk: Option<Vec<Probability>>,
}

/// A record and a probability.
#[derive(Debug, Serialize, ToSchema)]
pub struct Probability {
    /// The record.
    pub key: String,
    /// The probability.
    pub probability: f64,
}

/// Layers to look at as a multilayer network.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct MultilayerBody {
    /// The layers, 2 to 64, each with what it inherits; links without layers count in those of their record.
    pub layers: Vec<String>,
    /// Only links of these types.
    #[serde(default)]
    pub types: Vec<String>,
    /// Only links and layers that are valid at this moment; of any time when absent.
    #[serde(default)]
    pub at: Option<Moment>,
    /// Weight of the links of a record with itself in other layers; 1 when absent.
    #[serde(default)]
    pub coupling: Option<f64>,
    /// Records in the answer at most, those with the most links first; 100 when absent.
    #[serde(default)]
    pub limit: Option<usize>,
}

/// A multilayer network.
#[derive(Debug, Serialize, ToSchema)]
pub struct MultilayerAnswer {
    /// Records with a link in one of the layers.
    pub nodes: usize,
    /// Every pair of layers.
    pub pairs: Vec<LayerPair>,
    /// The share of joined pairs of records that are joined in more than one layer.
    pub repeated: f64,
    /// Records and how they take part.
    pub records: Vec<ParticipationBody>,
    /// Schmidt entropy, bits, of the matrix of records by layers that holds how many neighbours a record has in a layer: 0 when the
    /// layers say the same up to a factor, `log2` of their number when none shares a record. Null without links.
    pub schmidt_entropy: Option<f64>,
    /// Second smallest eigenvalue of the supra-Laplacian; null where nodes times layers are above 2,000.
    pub algebraic_connectivity: Option<f64>,
    /// Which layers could be one; null above 500 nodes or where a layer has no links.
    pub reduction: Option<ReductionBody>,
}

/// Two layers.
#[derive(Debug, Serialize, ToSchema)]
pub struct LayerPair {
    /// Their names.
    pub layers: [String; 2],
    /// Joined pairs of records in both.
    pub both: u64,
    /// In either.
    pub either: u64,
    /// `both / either`; 0 when there are none.
    pub overlap: f64,
}

/// How a record takes part in layers.
#[derive(Debug, Serialize, ToSchema)]
pub struct ParticipationBody {
    /// The record.
    pub key: String,
    /// Its neighbours in each layer, in the order of `layers`.
    pub degrees: Vec<u32>,
    /// 1 when it is alike in all layers, 0 when in one only.
    pub participation: f64,
    /// The share of its links that repeat a neighbour.
    pub redundancy: f64,
}

/// Reducibility of layers.
#[derive(Debug, Serialize, ToSchema)]
pub struct ReductionBody {
    /// Quality of the layers as they are.
    pub quality: f64,
    /// Best quality over all merges.
    pub best_quality: f64,
    /// The merges that lead there.
    pub merges: Vec<LayerMerge>,
}

/// A merge of two groups of layers, named by their first layer.
#[derive(Debug, Serialize, ToSchema)]
pub struct LayerMerge {
    /// The two.
    pub layers: [String; 2],
    /// Their Jensen-Shannon distance.
    pub distance: f64,
    /// The quality after it.
    pub quality: f64,
}

/// A hierarchy to place in the Poincare disk.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TreeBody {
    /// The part of the graph; links of the type `parent` when it names no types. Of two members, the second is the parent.
    #[serde(default)]
    pub selection: SelectionBody,
    /// The length of an edge; the longest that fits when absent.
    #[serde(default)]
    pub edge: Option<f64>,
    /// Of the pairs that distortion is measured on when there are too many; 1 when absent.
    #[serde(default)]
    pub seed: Option<u64>,
}

/// A hierarchy in the Poincare disk.
#[derive(Debug, Serialize, ToSchema)]
pub struct TreeAnswer {
    /// Records of the hierarchy.
    pub nodes: Vec<PlacedRecord>,
    /// The length of an edge.
    pub edge: f64,
    /// The mean of `|d / (edge * steps) - 1|` over pairs.
    pub distortion_mean: f64,
    /// The largest ratio `d / (edge * steps)` over the smallest.
    pub distortion_worst: f64,
    /// Pairs that were measured.
    pub pairs: u64,
    /// Whether those are all.
    pub exact: bool,
    /// Further parents that were left out: a place in the disk has one.
    pub parents_left_out: usize,
}

/// A record in the disk.
#[derive(Debug, Serialize, ToSchema)]
pub struct PlacedRecord {
    /// The record.
    pub key: String,
    /// Its parent; none for roots.
    pub parent: Option<String>,
    /// x and y, inside the unit circle.
    pub at: [f64; 2],
}
