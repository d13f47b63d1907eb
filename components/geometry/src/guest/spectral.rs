//! The export `spectral`.

use super::Component;
use super::exports::skerry::geometry::manifold::Fault;
use super::exports::skerry::geometry::spectral;
use crate::spectral::{self as core, Edge, Hamiltonian};

pub(super) fn edges(edges: &[spectral::WeightedEdge]) -> Vec<Edge> {
    edges.iter().map(|edge| Edge { source: edge.source, target: edge.target, weight: edge.weight }).collect()
}

impl spectral::Guest for Component {
    fn spectrum(nodes: u32, given: Vec<spectral::WeightedEdge>) -> Result<Vec<f64>, Fault> {
        Ok(core::spectrum(nodes, &edges(&given))?)
    }

    fn entropies_of(nodes: u32, given: Vec<spectral::WeightedEdge>, beta: f64) -> Result<spectral::Entropies, Fault> {
        let found = core::entropies(nodes, &edges(&given), beta)?;
        let core::Entropies { von_neumann, renyi_2: renyi2, purity, gibbs } = found;
        Ok(spectral::Entropies { von_neumann, renyi2, purity, gibbs })
    }

    fn divergence(
        nodes: u32,
        first: Vec<spectral::WeightedEdge>,
        second: Vec<spectral::WeightedEdge>,
    ) -> Result<f64, Fault> {
        Ok(core::divergence(nodes, &edges(&first), &edges(&second))?)
    }

    fn walk(
        nodes: u32,
        given: Vec<spectral::WeightedEdge>,
        hamiltonian: spectral::Hamiltonian,
        start: u32,
        time: f64,
    ) -> Result<Vec<f64>, Fault> {
        let hamiltonian = match hamiltonian {
            spectral::Hamiltonian::Adjacency => Hamiltonian::Adjacency,
            spectral::Hamiltonian::Laplacian => Hamiltonian::Laplacian,
        };
        Ok(core::walk(nodes, &edges(&given), hamiltonian, start, time)?)
    }

    fn schmidt_entropy(matrix: Vec<f64>, columns: u32) -> Result<f64, Fault> {
        Ok(core::schmidt_entropy(&matrix, columns)?)
    }
}
