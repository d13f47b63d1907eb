//! The export `anomaly`.

use super::Component;
use super::curvature::graph;
use super::exports::skerry::geometry::anomaly as wit;
use crate::anomaly::{Scale, Suspicion, anomalies};

impl wit::Guest for Component {
    fn score(
        nodes: u32,
        edges: Vec<wit::Edge>,
        suspicion: wit::Suspicion,
        scale: wit::Scale,
    ) -> Result<wit::Scores, wit::Error> {
        let suspicion = match suspicion {
            wit::Suspicion::LinLuYau => Suspicion::LinLuYau,
            wit::Suspicion::Balanced => Suspicion::Balanced,
            wit::Suspicion::Augmented => Suspicion::Augmented,
            wit::Suspicion::Plain => Suspicion::Plain,
            wit::Suspicion::Betweenness => Suspicion::Betweenness,
            wit::Suspicion::Jaccard => Suspicion::Jaccard,
        };
        let scale = match scale {
            wit::Scale::Rank => Scale::Rank,
            wit::Scale::RobustZ => Scale::RobustZ,
        };
        let found = anomalies(&graph(nodes, &edges)?, suspicion, scale)?;
        Ok(wit::Scores { edges: found.edges, nodes: found.nodes })
    }
}
