//! The export `multilayer`.

use super::Component;
use super::exports::skerry::geometry::manifold::Fault;
use super::exports::skerry::geometry::multilayer;
use super::exports::skerry::geometry::spectral::WeightedEdge;
use super::spectral::edges;
use crate::multilayer::{self as core, Merge, Multidegree, Overlap, Participation};
use crate::spectral::Edge;

fn all(layers: &[Vec<WeightedEdge>]) -> Vec<Vec<Edge>> {
    layers.iter().map(|layer| edges(layer)).collect()
}

impl multilayer::Guest for Component {
    fn overlaps_of(nodes: u32, layers: Vec<Vec<WeightedEdge>>) -> Result<multilayer::Overlaps, Fault> {
        let found = core::overlaps(nodes, &all(&layers))?;
        let pair = |overlap: Overlap| {
            let Overlap { first, second, both, either } = overlap;
            multilayer::Overlap { first, second, both, either }
        };
        let node = |participation: Participation| {
            let Participation { degrees, overlapping, coefficient, redundancy } = participation;
            multilayer::Participation { degrees, overlapping, coefficient, redundancy }
        };
        let multidegree = |multidegree: Multidegree| {
            let Multidegree { node, layers, count } = multidegree;
            multilayer::Multidegree { node, layers, count }
        };
        Ok(multilayer::Overlaps {
            pairs: found.pairs.into_iter().map(pair).collect(),
            nodes: found.nodes.into_iter().map(node).collect(),
            multidegrees: found.multidegrees.into_iter().map(multidegree).collect(),
            repeated: found.repeated,
        })
    }

    fn supra_spectrum(nodes: u32, layers: Vec<Vec<WeightedEdge>>, coupling: f64) -> Result<Vec<f64>, Fault> {
        Ok(core::supra_spectrum(nodes, &all(&layers), coupling)?)
    }

    fn reduce(nodes: u32, layers: Vec<Vec<WeightedEdge>>) -> Result<multilayer::Reduction, Fault> {
        let found = core::reduction(nodes, &all(&layers))?;
        let merge = |merge: Merge| {
            let Merge { first, second, distance, quality } = merge;
            multilayer::Merge { first, second, distance, quality }
        };
        let (distances, quality, best) = (found.distances, found.quality, found.best);
        Ok(multilayer::Reduction { distances, quality, merges: found.merges.into_iter().map(merge).collect(), best })
    }
}
