//! A project's links as graphs: spectra, layers, hierarchies.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use skerry_host::Geometry;
use skerry_host::types::graph::Direction;
use skerry_host::types::{Hamiltonian, Reduction, WeightedEdge};
use skerry_sync::{PARENT, ProjectName};

use super::super::graph::{names, with_view};
use super::super::{blocking, project_name};
use super::{invalid, within};
use crate::body::geometry::{
    LayerMerge, LayerPair, MultilayerAnswer, MultilayerBody, ParticipationBody, PlacedRecord, Probability,
    ReductionBody, SpectralAnswer, SpectralBody, TreeAnswer, TreeBody,
};
use crate::body::{DirectionBody, LayerSetBody, NodeName, SelectionBody};
use crate::extract::{JsonBody, PathParameters};
use crate::node::Node;
use crate::problem::Problem;

/// Records of a walk that are answered.
const WALK_SHOWN: usize = 100;

/// Nodes times layers of a supra-Laplacian at most.
const SUPRA_MAX: usize = 2_000;

/// Nodes of a reduction at most.
const REDUCTION_MAX: usize = 500;

/// Parts of a project's graph over the same nodes.
#[derive(Debug, Default)]
pub(super) struct Joined {
    /// Nodes with a link in one of the parts, by name.
    pub(super) keys: Vec<String>,
    /// Undirected and simple, with the sums of the weights; what weighs 0 or less joins nothing.
    pub(super) parts: Vec<Vec<WeightedEdge>>,
}

impl Joined {
    fn position(&self, key: &str) -> Option<u32> {
        self.keys.binary_search_by(|one| one.as_str().cmp(key)).ok().map(|at| at as u32)
    }
}

/// Asks the project's graph for the edges of each part.
pub(super) fn joined(node: &Node, project: &ProjectName, parts: &[SelectionBody]) -> Result<Joined, Problem> {
    let (found, mut names) = node.graph(project).with(|graph| {
        let mut found: Vec<Vec<(u32, u32, f64)>> = Vec::with_capacity(parts.len());
        for part in parts {
            found.push(with_view(graph, part, Direction::Both, |graph, view| Ok(graph.edges(view)?))?);
        }
        let joins = |edge: &(u32, u32, f64)| edge.2 > 0.0 && edge.0 != edge.1;
        found.iter_mut().for_each(|edges| edges.retain(joins));
        let numbers: BTreeSet<u32> = found.iter().flatten().flat_map(|edge| [edge.0, edge.1]).collect();
        let numbers: Vec<u32> = numbers.into_iter().collect();
        let named = names(graph, &numbers)?.into_iter().map(label).zip(numbers);
        Ok::<_, Problem>((found, named.collect::<Vec<(String, u32)>>()))
    })?;
    names.sort_unstable();
    let positions: BTreeMap<u32, u32> = names.iter().zip(0..).map(|((_, number), at)| (*number, at)).collect();
    let at = |number: u32| positions.get(&number).copied().unwrap_or_default();
    let parts = found.into_iter().map(|edges| {
        let placed = edges.into_iter().map(|(one, other, weight)| {
            let (one, other) = (at(one), at(other));
            WeightedEdge { source: one.min(other), target: one.max(other), weight }
        });
        let mut placed: Vec<WeightedEdge> = placed.collect();
        placed.sort_unstable_by_key(|edge| (edge.source, edge.target));
        placed
    });
    let parts = parts.collect();
    Ok(Joined { keys: names.into_iter().map(|(name, _)| name).collect(), parts })
}

/// A node's name; links are nodes where the selection expands them so.
fn label(name: NodeName) -> String {
    match name {
        NodeName::Key(key) => key,
        NodeName::Link(id) => format!("link:{id}"),
    }
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
        node.replica().sequence(&project)?;
        let parts: Vec<SelectionBody> = std::iter::once(body.selection).chain(body.other).collect();
        let joined = joined(&node, &project, &parts)?;
        let mut parts = joined.parts.iter();
        let graph = parts.next().map_or(&[][..], Vec::as_slice);
        let other = parts.next();
        let nodes = joined.keys.len() as u32;
        let entropies = geometry.entropies(nodes, graph, body.beta.unwrap_or(1.0))?;
        let spectrum = geometry.spectrum(nodes, graph)?;
        let divergence = other.map(|other| geometry.divergence(nodes, graph, other)).transpose()?;
        let walk = body.walk_from.as_deref().map(|start| {
            let start = joined.position(start).ok_or_else(|| {
                invalid(format!("The record `{start}` has no links here, so no walk starts from it."))
            })?;
            let time = body.time.unwrap_or(1.0);
            let found = geometry.walk(nodes, graph, Hamiltonian::Adjacency, start, time)?;
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
        node.replica().sequence(&project)?;
        let part = |layer: &String| SelectionBody {
            types: body.types.clone(),
            layers: Some(LayerSetBody::Layer(layer.clone())),
            at: body.at,
            ..SelectionBody::default()
        };
        let parts: Vec<SelectionBody> = body.layers.iter().map(part).collect();
        let joined = joined(&node, &project, &parts)?;
        let layers = joined.parts;
        let nodes = joined.keys.len();
        let found = geometry.overlaps(nodes as u32, &layers)?;
        let name = |at: u32| body.layers.get(at as usize).cloned().unwrap_or_default();
        let pair = |pair: &skerry_host::types::Overlap| LayerPair {
            layers: [name(pair.first), name(pair.second)],
            both: pair.both,
            either: pair.either,
            overlap: if pair.either == 0 { 0.0 } else { pair.both as f64 / pair.either as f64 },
        };
        let degrees: Vec<f64> =
            found.nodes.iter().flat_map(|node| &node.degrees).map(|&degree| f64::from(degree)).collect();
        let schmidt_entropy = match degrees.as_slice() {
            [] => None,
            degrees => Some(geometry.schmidt_entropy(degrees, layers.len() as u32)?),
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
            schmidt_entropy,
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

/// The project's hierarchy (links of the type `parent`, or those selected) in the Poincare disk, by Sarkar's construction.
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
        node.replica().sequence(&project)?;
        let mut selection = body.selection;
        if selection.types.is_empty() {
            selection.types.push(PARENT.to_owned());
        }
        let (keys, parents, parents_left_out) = parents(&node, &project, &selection)?;
        if keys.is_empty() {
            return Err(invalid("This part of the graph has no hierarchy."));
        }
        let found = geometry.embed_tree(&parents, body.edge, body.seed.unwrap_or(1)).map_err(|error| {
            let mut problem = Problem::from(error);
            // Positions mean nothing to who asked.
            if let Some(key) = circle(&keys, &parents) {
                problem =
                    invalid(format!("The parents of the record `{key}` go in a circle.")).with("key", key.as_str());
            }
            problem
        })?;
        let key = |at: u32| keys.get(at as usize).cloned();
        let placed = keys.iter().zip(&parents).zip(found.points.as_chunks::<2>().0);
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

/// The nodes of a hierarchy by name, each one's parent, and how many further parents were left out: the first by name stays.
type Parents = (Vec<String>, Vec<Option<u32>>, usize);

fn parents(node: &Node, project: &ProjectName, selection: &SelectionBody) -> Result<Parents, Problem> {
    let selection = SelectionBody { direction: Some(DirectionBody::Forward), ..selection.clone() };
    let (above, named) = node.graph(project).with(|graph| {
        with_view(graph, &selection, Direction::Forward, |graph, view| {
            let numbers: Vec<u32> = (0..graph.components(view, false)?.len() as u32).collect();
            let (starts, targets) = graph.neighbours_of(view, &numbers)?;
            let ends = starts.iter().skip(1);
            let mut above: Vec<(u32, u32)> = Vec::with_capacity(targets.len());
            for (child, (start, end)) in numbers.into_iter().zip(starts.iter().zip(ends)) {
                let of_child = targets.get(*start as usize..*end as usize).unwrap_or_default();
                above.extend(of_child.iter().map(|parent| (child, *parent)));
            }
            let numbers: BTreeSet<u32> = above.iter().flat_map(|(child, parent)| [*child, *parent]).collect();
            let numbers: Vec<u32> = numbers.into_iter().collect();
            let named = names(graph, &numbers)?.into_iter().map(label).zip(numbers);
            Ok((above, named.collect::<Vec<(String, u32)>>()))
        })
    })?;
    let mut named = named;
    named.sort_unstable();
    let positions: BTreeMap<u32, u32> = named.iter().zip(0..).map(|((_, number), at)| (*number, at)).collect();
    let mut parents: Vec<Option<u32>> = vec![None; named.len()];
    let mut left_out = 0;
    for (child, parent) in above {
        let (Some(&child), Some(&parent)) = (positions.get(&child), positions.get(&parent)) else { continue };
        let Some(place) = parents.get_mut(child as usize) else { continue };
        left_out += usize::from(place.is_some());
        *place = Some(place.map_or(parent, |known| known.min(parent)));
    }
    Ok((named.into_iter().map(|(name, _)| name).collect(), parents, left_out))
}

/// A record that is its own ancestor, if there is one.
fn circle<'a>(keys: &'a [String], parents: &[Option<u32>]) -> Option<&'a String> {
    (0..parents.len()).find_map(|start| {
        let mut at = parents.get(start).copied().flatten();
        for _ in 0..parents.len() {
            let here = at?;
            if here as usize == start {
                return keys.get(start);
            }
            at = parents.get(here as usize).copied().flatten();
        }
        None
    })
}
