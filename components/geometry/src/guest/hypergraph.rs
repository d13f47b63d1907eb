//! The export `hypergraph`.

use super::Component;
use super::exports::skerry::geometry::hypergraph::{self as wit, Error};
use crate::curvature::ollivier::Idleness;
use crate::hypergraph::line_graph::{s_betweenness, s_components};
use crate::hypergraph::orchid::{Aggregation, Dispersion, orchid};
use crate::hypergraph::spectrum::laplacian_spectrum;
use crate::hypergraph::{Hypergraph, HypergraphError};

impl From<HypergraphError> for Error {
    fn from(error: HypergraphError) -> Self {
        match error {
            HypergraphError::UnknownNode(edge) => Error::UnknownNode(edge),
            HypergraphError::Empty(edge) => Error::Empty(edge),
            HypergraphError::RepeatedMember(edge) => Error::RepeatedMember(edge),
            HypergraphError::OutOfRange(reason) => Error::OutOfRange(reason),
        }
    }
}

impl wit::Guest for Component {
    fn describe(nodes: u32, edges: Vec<Vec<u32>>) -> Result<wit::Statistics, Error> {
        let hypergraph = Hypergraph::new(nodes, &edges)?;
        Ok(wit::Statistics {
            degrees: hypergraph.degrees(),
            sizes: hypergraph.sizes(),
            density: hypergraph.density(),
            clustering: hypergraph.clustering()?,
            forman: hypergraph.forman(),
        })
    }

    fn spectrum(nodes: u32, edges: Vec<Vec<u32>>) -> Result<Vec<f64>, Error> {
        Ok(laplacian_spectrum(&Hypergraph::new(nodes, &edges)?)?)
    }

    fn line(nodes: u32, edges: Vec<Vec<u32>>, s: u32) -> Result<wit::LineGraph, Error> {
        let hypergraph = Hypergraph::new(nodes, &edges)?;
        Ok(wit::LineGraph { components: s_components(&hypergraph, s)?, betweenness: s_betweenness(&hypergraph, s)? })
    }

    fn ollivier(
        nodes: u32,
        edges: Vec<Vec<u32>>,
        dispersion: wit::Dispersion,
        aggregation: wit::Aggregation,
        (numerator, denominator): (u32, u32),
    ) -> Result<wit::Orchid, Error> {
        let dispersion = match dispersion {
            wit::Dispersion::UnweightedClique => Dispersion::UnweightedClique,
            wit::Dispersion::WeightedClique => Dispersion::WeightedClique,
            wit::Dispersion::UnweightedStar => Dispersion::UnweightedStar,
        };
        let aggregation = match aggregation {
            wit::Aggregation::Mean => Aggregation::Mean,
            wit::Aggregation::Max => Aggregation::Max,
        };
        let idleness = Idleness::new(numerator, denominator).map_err(|error| Error::OutOfRange(error.to_string()))?;
        let found = orchid(&Hypergraph::new(nodes, &edges)?, dispersion, aggregation, idleness)?;
        Ok(wit::Orchid {
            edges: found.edges.into_iter().map(wit::Ratio::from).collect(),
            pairs: found.pairs.into_iter().map(|((a, b), ratio)| (a, b, ratio.into())).collect(),
            nodes: found.nodes,
        })
    }
}
