//! Builds the proximity graph of a segment, natively, with instant-distance.
//!
//! The points are the int8 vectors that the segment will answer from, so the graph fits what is walked. The graph is the same
//! for the same vectors: the order of the points comes from a fixed seed, and one thread inserts them. instant-distance keeps
//! its arrays private; they are read through its serialisation.

use instant_distance::{Builder, Heuristic, Point};
use serde::{Deserialize, Serialize, Serializer};

use crate::bake::BakeError;
use crate::dot;

/// Vectors fewer than these are scanned; the scan is as fast as a walk and exact.
pub(crate) const VECTORS_MIN: usize = 20_000;

/// Links to neighbours that are nearer to another neighbour are left out. Keeping them (the library's default) takes five
/// times as long to build and two thirds more memory, for the same recall in the same time (docs/benchmarks.md).
const HEURISTIC: Heuristic = Heuristic { extend_candidates: false, keep_pruned: false };

/// Breadth of the search for neighbours while building.
const EF_CONSTRUCTION: usize = 100;

const SEED: u64 = 0x005e_ed0f_5ea5;

/// Marks the end of a node's links in instant-distance's arrays.
const NO_NODE: u32 = u32::MAX;

/// A vector among all vectors.
#[derive(Clone)]
struct Row<'a> {
    values: &'a [i8],
    inverse_norm: f32,
}

impl Point for Row<'_> {
    fn distance(&self, other: &Self) -> f32 {
        1.0 - dot::dot(self.values, other.values) as f32 * self.inverse_norm * other.inverse_norm
    }
}

/// The arrays are wanted, not the points.
impl Serialize for Row<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_unit()
    }
}

/// instant-distance's graph as it serialises it.
#[derive(Deserialize)]
struct Arrays {
    zero: Vec<Vec<u32>>,
    layers: Vec<Vec<Vec<u32>>>,
}

/// A graph in the segment's layout (docs/format.md).
#[derive(Debug)]
pub(crate) struct Graph {
    pub(crate) offsets: Vec<u32>,
    pub(crate) links: Vec<u32>,
    pub(crate) layers: Vec<u32>,
}

/// The graph over the rows of a segment, all of which have a direction.
pub(crate) fn build(
    rows: &[i8],
    inverse_norms: &[f32],
    progress: impl Fn(u64) + Send + Sync,
) -> Result<Graph, BakeError> {
    let dimensions = rows.len().checked_div(inverse_norms.len()).unwrap_or(0).max(1);
    let points = rows.chunks_exact(dimensions).zip(inverse_norms);
    let points: Vec<Row<'_>> = points.map(|(values, norm)| Row { values, inverse_norm: *norm }).collect();
    let count = points.len();
    progress(0);
    let failed = |reason: String| BakeError::Failed(format!("the graph cannot be built: {reason}"));
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().map_err(|error| failed(error.to_string()))?;
    let (hnsw, ids) = pool.install(|| {
        let builder = Builder::default().ef_construction(EF_CONSTRUCTION).seed(SEED);
        builder.select_heuristic(Some(HEURISTIC)).build_hnsw(points)
    });
    let mut bytes = Vec::new();
    ciborium::into_writer(&hnsw, &mut bytes).map_err(|error| failed(error.to_string()))?;
    let arrays: Arrays = ciborium::from_reader(bytes.as_slice()).map_err(|error| failed(error.to_string()))?;
    progress(count as u64);
    let mut row_of_node = vec![0; count];
    for (row, id) in (0..).zip(ids) {
        if let Some(entry) = row_of_node.get_mut(id.into_inner() as usize) {
            *entry = row;
        }
    }
    Ok(lay_out(&arrays, &row_of_node))
}

fn lay_out(arrays: &Arrays, row_of_node: &[u32]) -> Graph {
    let row = |node: &u32| row_of_node.get(*node as usize).copied().unwrap_or(0);
    let linked = |links: &[u32]| links.iter().take_while(|node| **node != NO_NODE).map(row).collect::<Vec<u32>>();
    let mut by_row: Vec<Vec<u32>> = vec![Vec::new(); row_of_node.len()];
    for (node, links) in (0..).zip(&arrays.zero) {
        if let Some(entry) = by_row.get_mut(row(&node) as usize) {
            *entry = linked(links);
        }
    }
    let (offsets, links) = flatten(&by_row);
    let mut layers = vec![row_of_node.first().copied().unwrap_or(0), arrays.layers.len() as u32];
    for layer in arrays.layers.iter().rev() {
        let mut nodes: Vec<(u32, Vec<u32>)> =
            (0..).zip(layer).map(|(node, links)| (row(&node), linked(links))).collect();
        nodes.sort_unstable();
        let (rows, linked): (Vec<u32>, Vec<Vec<u32>>) = nodes.into_iter().unzip();
        let (offsets, links) = flatten(&linked);
        layers.extend([rows.len() as u32, links.len() as u32]);
        layers.extend(rows);
        layers.extend(offsets);
        layers.extend(links);
    }
    Graph { offsets, links, layers }
}

fn flatten(rows: &[Vec<u32>]) -> (Vec<u32>, Vec<u32>) {
    let (mut offsets, mut values) = (vec![0], Vec::new());
    for row in rows {
        values.extend_from_slice(row);
        offsets.push(values.len() as u32);
    }
    (offsets, values)
}
