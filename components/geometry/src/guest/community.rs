//! The export `community`.

use super::Component;
use super::curvature::{graph, or_ones};
use super::exports::skerry::geometry::community as wit;
use crate::communities::{Flow, communities};

impl wit::Guest for Component {
    fn ricci_flow(
        nodes: u32,
        edges: Vec<wit::Edge>,
        lengths: Vec<f64>,
        steps: u32,
        spread: wit::Spread,
    ) -> Result<wit::Partition, wit::Error> {
        let graph = graph(nodes, &edges)?;
        let found = communities(&graph, &or_ones(lengths, &graph), Flow { steps, spread: spread.into() })?;
        Ok(wit::Partition {
            labels: found.labels,
            modularity: found.modularity,
            cutoff: found.cutoff,
            lengths: found.lengths,
            curvature: found.curvature,
        })
    }
}
