//! instant-distance itself, natively, over the same int8 vectors: what the guest's walk is measured against.

use std::sync::OnceLock;

use anyhow::Context;
use instant_distance::{Builder, Heuristic, Hnsw, Point, Search};
use serde::{Deserialize, Serialize};

const DIMENSIONS: usize = 384;

/// Breadth that the graph is built and serialised with; the bytes of this number are replaced for other breadths.
const EF: u8 = 100;

static VECTORS: OnceLock<(Vec<i8>, Vec<f32>)> = OnceLock::new();

/// A vector by its number; the last one is the query's.
#[derive(Clone, Serialize, Deserialize)]
struct Row(u32);

impl Row {
    fn get(&self) -> (&'static [i8], f32) {
        let (rows, norms) = VECTORS.get().map_or((&[][..], &[][..]), |(rows, norms)| (rows, norms));
        let at = self.0 as usize;
        let row = rows.get(at * DIMENSIONS..(at + 1) * DIMENSIONS).unwrap_or_default();
        (row, norms.get(at).copied().unwrap_or(0.0))
    }
}

impl Point for Row {
    fn distance(&self, other: &Self) -> f32 {
        let ((a, norm_a), (b, norm_b)) = (self.get(), other.get());
        1.0 - skerry_host::dot::dot(a, b) as f32 * norm_a * norm_b
    }
}

/// A graph that was built with fixed parameters.
pub(super) struct Native {
    serialised: Vec<u8>,
    /// Where the breadth stands in it.
    at: usize,
    row_of_node: Vec<u32>,
    vectors: usize,
}

/// int8 as the query component does it: scaled so that the largest component is 127.
fn quantise(vector: &[f32]) -> impl Iterator<Item = i8> + '_ {
    let largest = vector.iter().fold(0.0_f32, |largest, value| largest.max(value.abs()));
    let scale = if largest > 0.0 { 127.0 / largest } else { 0.0 };
    vector.iter().map(move |value| (value * scale).round().clamp(-127.0, 127.0) as i8)
}

impl Native {
    /// Builds over `vectors`; `queries` are kept beside them.
    pub(super) fn build(vectors: &[f32], queries: &[f32]) -> anyhow::Result<Native> {
        let (mut rows, mut norms) = (Vec::new(), Vec::new());
        for vector in vectors.chunks_exact(DIMENSIONS).chain(queries.chunks_exact(DIMENSIONS)) {
            let start = rows.len();
            rows.extend(quantise(vector));
            let row = rows.get(start..).unwrap_or_default();
            let sum: i64 = row.iter().map(|value| i64::from(*value) * i64::from(*value)).sum();
            norms.push((1.0 / (sum as f64).sqrt()) as f32);
        }
        VECTORS.set((rows, norms)).ok().context("the vectors were set before")?;
        let count = vectors.len() / DIMENSIONS;
        let points: Vec<Row> = (0..count as u32).map(Row).collect();
        let builder = Builder::default().ef_construction(100).ef_search(usize::from(EF)).seed(1);
        let (hnsw, ids) = builder.select_heuristic(Some(Heuristic::default())).build_hnsw(points);
        let mut serialised = Vec::new();
        ciborium::into_writer(&hnsw, &mut serialised)?;
        // The first field is `ef_search`, one byte behind its type.
        let name = b"ef_search\x18";
        let at = serialised.windows(name.len()).position(|window| window == name).context("find the breadth")?;
        let mut row_of_node = vec![0; count];
        for (row, id) in (0..).zip(ids) {
            if let Some(entry) = row_of_node.get_mut(id.into_inner() as usize) {
                *entry = row;
            }
        }
        Ok(Native { serialised, at: at + name.len(), row_of_node, vectors: count })
    }

    /// The graph with another breadth (24 to 255).
    pub(super) fn with_ef(&self, ef: u8) -> anyhow::Result<impl FnMut(usize) -> Vec<u32> + '_> {
        let mut bytes = self.serialised.clone();
        *bytes.get_mut(self.at).context("the breadth")? = ef;
        let hnsw: Hnsw<Row> = ciborium::from_reader(bytes.as_slice())?;
        let mut search = Search::default();
        Ok(move |query: usize| {
            let point = Row((self.vectors + query) as u32);
            let found = hnsw.search(&point, &mut search).take(10);
            found.map(|item| self.row_of_node.get(item.pid.into_inner() as usize).copied().unwrap_or(0)).collect()
        })
    }
}
