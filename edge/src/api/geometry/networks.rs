//! A project's links as graphs: spectra, layers, hierarchies.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use skerry_host::Geometry;
use skerry_host::types::{Hamiltonian, Reduction, WeightedEdge};
use skerry_sync::{Link, PARENT, ProjectName, Record, Target};

use super::super::{blocking, project_name};
use super::{invalid, within};
use crate::body::geometry::{
    LayerMerge, LayerPair, MultilayerAnswer, MultilayerBody, ParticipationBody, PlacedRecord, Probability,
    ReductionBody, SpectralAnswer, SpectralBody, TreeAnswer, TreeBody,
};
use crate::extract::{JsonBody, PathParameters};
use crate::node::Node;
use crate::problem::Problem;

/// Records that are read at most.
const RECORDS_MAX: usize = 200_000;

/// Members of a link that are joined with one another; links of more would have too many pairs.
const MEMBERS_MAX: usize = 32;

/// Records of a walk that are answered.
const WALK_SHOWN: usize = 100;

/// Nodes times layers of a supra-Laplacian at most.
const SUPRA_MAX: usize = 2_000;

/// Nodes of a reduction at most.
const REDUCTION_MAX: usize = 500;

/// The links of a project's records as undirected graphs over the records.
#[derive(Debug, Default)]
struct Joined {
    /// Records with a link, in the order of their keys.
    keys: Vec<String>,
    /// Position of each.
    positions: BTreeMap<String, u32>,
}

impl Joined {
    /// The position of a record.
    fn at(&mut self, key: &str) -> u32 {
        if let Some(at) = self.positions.get(key) {
            return *at;
        }
        let at = self.keys.len() as u32;
        self.positions.insert(key.to_owned(), at);
        self.keys.push(key.to_owned());
        at
    }
}

fn all_records(node: &Node, project: &ProjectName) -> Result<Vec<Record>, Problem> {
    let found = node.replica().scan(project, None, RECORDS_MAX + 1)?;
    if found.len() > RECORDS_MAX {
        return Err(invalid(format!("The project has more than {RECORDS_MAX} records.")));
    }
    Ok(found)
}

/// Every two records of a link, each pair once.
fn pairs(link: &Link) -> Vec<(&str, &str)> {
    let mut keys: Vec<&str> = link
        .members
        .iter()
        .filter_map(|member| match &member.target {
            Target::Key(key) => Some(key.as_str()),
            Target::Link(_) => None,
        })
        .collect();
    keys.sort_unstable();
    keys.dedup();
    if keys.len() > MEMBERS_MAX {
        return Vec::new();
    }
    let mut pairs = Vec::new();
    let mut rest = keys.as_slice();
    while let [first, others @ ..] = rest {
        pairs.extend(others.iter().map(|other| (*first, *other)));
        rest = others;
    }
    pairs
}

/// The links that pass, as edges with their weights summed; a weight of 0 or less joins nothing.
fn edges(records: &[Record], joined: &mut Joined, passes: impl Fn(&Record, &Link) -> bool) -> Vec<WeightedEdge> {
    let mut sums: BTreeMap<(u32, u32), f64> = BTreeMap::new();
    for record in records {
        for link in record.links.iter().filter(|link| link.weight > 0.0 && passes(record, link)) {
            for (a, b) in pairs(link) {
                let (a, b) = (joined.at(a), joined.at(b));
                *sums.entry((a.min(b), a.max(b))).or_default() += link.weight;
            }
        }
    }
    sums.into_iter().map(|((source, target), weight)| WeightedEdge { source, target, weight }).collect()
}

/// Whether a link counts in a layer: its own, or, where it names none, those of its record.
fn is_in(record: &Record, link: &Link, layer: &str) -> bool {
    let layers = if link.layers.is_empty() { &record.layers } else { &link.layers };
    layers.contains(layer)
}

/// Entropies of the project's links as a graph; a quantum walk, a divergence of two layers. Classical linear algebra.
#[utoipa::path(post, path = "/projects/{project}/geometry/spectral", tag = "geometry",
    params(("project" = String, Path)), request_body = SpectralBody, responses((status = 200, body = SpectralAnswer),
    (status = 404, description = "urn:skerry:problem:unknown-project"),
    (status = 422, description = "urn:skerry:problem:invalid-geometry: no links, or above 2,000 records with one")))]
pub(in crate::api) async fn spectral(
    State(node): State<Arc<Node>>,
    PathParameters(project): PathParameters<String>,
    JsonBody(body): JsonBody<SpectralBody>,
) -> Result<Json<SpectralAnswer>, Problem> {
    blocking(move || {
        let (project, geometry) = (project_name(&project)?, node.geometry()?);
        let records = all_records(&node, &project)?;
        let mut joined = Joined::default();
        let of_type = |link: &Link| body.link_type.as_ref().is_none_or(|kind| *kind == link.kind);
        let in_layer =
            |record: &Record, link: &Link, layer: Option<&String>| layer.is_none_or(|layer| is_in(record, link, layer));
        let graph =
            edges(&records, &mut joined, |record, link| of_type(link) && in_layer(record, link, body.layer.as_ref()));
        let other = body.other_layer.as_ref().map(|layer| {
            edges(&records, &mut joined, |record, link| of_type(link) && in_layer(record, link, Some(layer)))
        });
        let nodes = joined.keys.len() as u32;
        let entropies = geometry.entropies(nodes, &graph, body.beta.unwrap_or(1.0))?;
        let spectrum = geometry.spectrum(nodes, &graph)?;
        let divergence = other.map(|other| geometry.divergence(nodes, &graph, &other)).transpose()?;
        let walk = body.walk_from.as_deref().map(|start| {
            let start = *joined.positions.get(start).ok_or_else(|| {
                invalid(format!("The record `{start}` has no links here, so no walk starts from it."))
            })?;
            let time = body.time.unwrap_or(1.0);
            let found = geometry.walk(nodes, &graph, Hamiltonian::Adjacency, start, time)?;
            let mut found: Vec<Probability> = joined
                .keys
                .iter()
                .zip(found)
                .map(|(key, probability)| Probability { key: key.clone(), probability })
                .collect();
            found.sort_by(|a, b| b.probability.total_cmp(&a.probability).then_with(|| a.key.cmp(&b.key)));
            found.truncate(WALK_SHOWN);
            Ok::<_, Problem>(found)
        });
        Ok(Json(SpectralAnswer {
            nodes: nodes as usize,
            edges: graph.len(),
            von_neumann_entropy: entropies.von_neumann,
            renyi2_entropy: entropies.renyi2,
            purity: entropies.purity,
            gibbs_entropy: entropies.gibbs,
            algebraic_connectivity: spectrum.get(1).copied().unwrap_or(0.0).max(0.0),
            divergence,
            walk: walk.transpose()?,
        }))
    })
    .await
}

/// The project's layers as a multilayer network: overlap, participation, connectivity, reducibility.
#[utoipa::path(post, path = "/projects/{project}/geometry/multilayer", tag = "geometry",
    params(("project" = String, Path)), request_body = MultilayerBody, responses((status = 200, body = MultilayerAnswer),
    (status = 404, description = "urn:skerry:problem:unknown-project"),
    (status = 422, description = "urn:skerry:problem:invalid-geometry")))]
pub(in crate::api) async fn multilayer(
    State(node): State<Arc<Node>>,
    PathParameters(project): PathParameters<String>,
    JsonBody(body): JsonBody<MultilayerBody>,
) -> Result<Json<MultilayerAnswer>, Problem> {
    blocking(move || {
        let (project, geometry) = (project_name(&project)?, node.geometry()?);
        let limit = within("limit", body.limit, 100, 10_000)?;
        if body.layers.len() < 2 || body.layers.len() > 64 {
            return Err(invalid(format!("`layers` names {} layers; 2 to 64.", body.layers.len())));
        }
        let records = all_records(&node, &project)?;
        let mut joined = Joined::default();
        let layers: Vec<Vec<WeightedEdge>> = body
            .layers
            .iter()
            .map(|layer| edges(&records, &mut joined, |record, link| is_in(record, link, layer)))
            .collect();
        let nodes = joined.keys.len();
        let found = geometry.overlaps(nodes as u32, &layers)?;
        let name = |at: u32| body.layers.get(at as usize).cloned().unwrap_or_default();
        let pair = |pair: &skerry_host::types::Overlap| LayerPair {
            layers: [name(pair.first), name(pair.second)],
            both: pair.both,
            either: pair.either,
            overlap: if pair.either == 0 { 0.0 } else { pair.both as f64 / pair.either as f64 },
        };
        let mut taking: Vec<_> = joined.keys.iter().zip(found.nodes).collect();
        taking.sort_by(|a, b| b.1.overlapping.cmp(&a.1.overlapping).then_with(|| a.0.cmp(b.0)));
        let record = |(key, node): (&String, skerry_host::types::Participation)| ParticipationBody {
            key: key.clone(),
            degrees: node.degrees,
            participation: node.coefficient,
            redundancy: node.redundancy,
        };
        let connectivity = if nodes > 0 && nodes * layers.len() <= SUPRA_MAX {
            let spectrum = geometry.supra_spectrum(nodes as u32, &layers, body.coupling.unwrap_or(1.0))?;
            spectrum.get(1).map(|value| value.max(0.0))
        } else {
            None
        };
        Ok(Json(MultilayerAnswer {
            nodes,
            pairs: found.pairs.iter().map(pair).collect(),
            repeated: found.repeated,
            records: taking.into_iter().take(limit).map(record).collect(),
            algebraic_connectivity: connectivity,
            reduction: reduction(geometry, nodes, &layers, name)?,
        }))
    })
    .await
}

fn reduction(
    geometry: &Geometry,
    nodes: usize,
    layers: &[Vec<WeightedEdge>],
    name: impl Fn(u32) -> String,
) -> Result<Option<ReductionBody>, Problem> {
    if nodes > REDUCTION_MAX || layers.iter().any(Vec::is_empty) {
        return Ok(None);
    }
    let Reduction { quality, merges, best, .. } = geometry.reduce(nodes as u32, layers)?;
    let best = best as usize;
    let best_quality = best.checked_sub(1).and_then(|at| merges.get(at)).map_or(quality, |merge| merge.quality);
    let merge = |merge: &skerry_host::types::Merge| LayerMerge {
        layers: [name(merge.first), name(merge.second)],
        distance: merge.distance,
        quality: merge.quality,
    };
    Ok(Some(ReductionBody { quality, best_quality, merges: merges.iter().take(best).map(merge).collect() }))
}

/// The project's hierarchy (links of the type `parent`) in the Poincare disk, by Sarkar's construction.
#[utoipa::path(post, path = "/projects/{project}/geometry/embedding", tag = "geometry",
    params(("project" = String, Path)), request_body = TreeBody, responses((status = 200, body = TreeAnswer),
    (status = 404, description = "urn:skerry:problem:unknown-project"),
    (status = 422, description = "urn:skerry:problem:invalid-geometry: no hierarchy, a circle, or too deep")))]
pub(in crate::api) async fn embedding(
    State(node): State<Arc<Node>>,
    PathParameters(project): PathParameters<String>,
    JsonBody(body): JsonBody<TreeBody>,
) -> Result<Json<TreeAnswer>, Problem> {
    blocking(move || {
        let (project, geometry) = (project_name(&project)?, node.geometry()?);
        let records = all_records(&node, &project)?;
        let mut joined = Joined::default();
        let mut above: BTreeMap<u32, u32> = BTreeMap::new();
        let mut parents_left_out = 0;
        for link in records.iter().flat_map(|record| &record.links).filter(|link| link.kind == PARENT) {
            let [child, parent] = link.members.as_slice() else { continue };
            let (Target::Key(child), Target::Key(parent)) = (&child.target, &parent.target) else { continue };
            let (child, parent) = (joined.at(child), joined.at(parent));
            match above.get(&child) {
                Some(&other) if other != parent => parents_left_out += 1,
                _ => drop(above.insert(child, parent)),
            }
        }
        if joined.keys.is_empty() {
            return Err(invalid("The project has no links of the type `parent`, so it has no hierarchy."));
        }
        let parents: Vec<Option<u32>> = (0..joined.keys.len() as u32).map(|node| above.get(&node).copied()).collect();
        let found = geometry.embed_tree(&parents, body.edge, body.seed.unwrap_or(1)).map_err(|error| {
            let mut problem = Problem::from(error);
            // Positions mean nothing to who asked.
            if let Some(key) = circle(&joined, &parents) {
                problem =
                    invalid(format!("The parents of the record `{key}` go in a circle.")).with("key", key.as_str());
            }
            problem
        })?;
        let key = |at: u32| joined.keys.get(at as usize).cloned();
        let placed = joined.keys.iter().zip(&parents).zip(found.points.as_chunks::<2>().0);
        let nodes = placed.map(|((name, parent), at)| PlacedRecord {
            key: name.clone(),
            parent: parent.and_then(key),
            at: *at,
        });
        Ok(Json(TreeAnswer {
            nodes: nodes.collect(),
            edge: found.edge,
            distortion_mean: found.distortion_mean,
            distortion_worst: found.distortion_worst,
            pairs: found.pairs,
            exact: found.exact,
            parents_left_out,
        }))
    })
    .await
}

/// A record that is its own ancestor, if there is one.
fn circle<'a>(joined: &'a Joined, parents: &[Option<u32>]) -> Option<&'a String> {
    (0..parents.len()).find_map(|start| {
        let mut at = parents.get(start).copied().flatten();
        for _ in 0..parents.len() {
            let here = at?;
            if here as usize == start {
                return joined.keys.get(start);
            }
            at = parents.get(here as usize).copied().flatten();
        }
        None
    })
}
