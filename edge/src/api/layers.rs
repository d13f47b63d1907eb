//! Layers: what the project declares about them, and what is in them.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::Deserialize;
use skerry_host::GraphInstance;
use skerry_host::types::graph::{Name, Overlap};
use skerry_sync::{Layer, Link, ProjectName, Record, RecordKey, circles};

use super::{BATCH_MAX, blocking, project_name};
use crate::body::{
    LayerBody, LayerCount, LayerDeleted, LayerMembers, LayerMembersBody, LayerOverlap, LayerOverlaps, LayerQueryBody,
    LayerRecords, Layers, LayersBody, LayersDeclared,
};
use crate::clock;
use crate::extract::{JsonBody, PathParameters, QueryParameters};
use crate::node::Node;
use crate::problem::{Kind, Problem};

/// Records that one request looks at when a layer is taken out of all of them.
const SCAN_MAX: usize = 10_000;

/// Records that are changed at once.
const UPDATE_MAX: usize = 1_000;

/// Records of a set on one page at most.
const RECORDS_MAX: u32 = 10_000;

/// Unknown keys that are named.
const UNKNOWN_MAX: usize = 100;

/// What to say about the layers.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Listing {
    #[serde(default)]
    counts: bool,
}

/// The layers of the project: those that it declares, and with `counts` what is in each, also in those that records and links
/// only name.
#[utoipa::path(get, path = "/projects/{project}/layers", tag = "layers", params(("project" = String, Path),
        ("counts" = Option<bool>, Query, description = "Count what is in each layer")), responses(
    (status = 200, body = Layers), (status = 404, description = "urn:skerry:problem:unknown-project")))]
pub(super) async fn list(
    State(node): State<Arc<Node>>,
    PathParameters(project): PathParameters<String>,
    QueryParameters(listing): QueryParameters<Listing>,
) -> Result<Json<Layers>, Problem> {
    blocking(move || {
        let project = project_name(&project)?;
        let layers = node.replica().layers(&project)?;
        let circles = circles(&layers);
        let sizes = |graph: &mut GraphInstance| graph.layer_sizes().map_err(Problem::from);
        let sizes = listing.counts.then(|| node.graph(&project).with(sizes)).transpose()?;
        let count = |(name, records, links)| LayerCount { name, records, links };
        let counts = sizes.map(|sizes| sizes.into_iter().map(count).collect());
        Ok(Json(Layers { layers: layers.into_iter().map(LayerBody::from).collect(), counts, circles }))
    })
    .await
}

/// The records that are in a set of layers: in all, in any, in at least so many of them, in one and not in another.
#[utoipa::path(post, path = "/projects/{project}/layers/query", tag = "layers", params(("project" = String, Path)),
    request_body = LayerQueryBody, responses(
    (status = 200, body = LayerRecords), (status = 400, description = "urn:skerry:problem:invalid-query"),
    (status = 404, description = "urn:skerry:problem:unknown-project"),
    (status = 422, description = "urn:skerry:problem:invalid-body")))]
pub(super) async fn query(
    State(node): State<Arc<Node>>,
    PathParameters(project): PathParameters<String>,
    JsonBody(body): JsonBody<LayerQueryBody>,
) -> Result<Json<LayerRecords>, Problem> {
    let limit = body.limit.unwrap_or(100);
    if !(1..=RECORDS_MAX).contains(&limit) {
        return Err(Problem::new(Kind::InvalidBody, format!("`limit` is {limit}; it goes from 1 to {RECORDS_MAX}.")));
    }
    blocking(move || {
        let (set, at) = (body.set.nodes(), body.at.map(|at| at.0));
        let project = project_name(&project)?;
        node.graph(&project).with(|graph| {
            let count = graph.layer_count(&set, at)?;
            let nodes = graph.layer_records(&set, at, body.offset, limit)?;
            let names = graph.names(&nodes)?.into_iter().map(|name| match name {
                Name::Key(key) => key,
                Name::Link(id) => id,
            });
            Ok(Json(LayerRecords { records: names.collect(), count }))
        })
    })
    .await
}

/// A set of layers against every layer: how many records they share.
#[utoipa::path(post, path = "/projects/{project}/layers/overlaps", tag = "layers", params(("project" = String, Path)),
    request_body = LayerQueryBody, responses(
    (status = 200, body = LayerOverlaps), (status = 400, description = "urn:skerry:problem:invalid-query"),
    (status = 404, description = "urn:skerry:problem:unknown-project"),
    (status = 422, description = "urn:skerry:problem:invalid-body")))]
pub(super) async fn overlaps(
    State(node): State<Arc<Node>>,
    PathParameters(project): PathParameters<String>,
    JsonBody(body): JsonBody<LayerQueryBody>,
) -> Result<Json<LayerOverlaps>, Problem> {
    blocking(move || {
        let (set, at) = (body.set.nodes(), body.at.map(|at| at.0));
        let project = project_name(&project)?;
        let (count, found) = node.graph(&project).with(|graph| -> Result<_, Problem> {
            Ok((graph.layer_count(&set, at)?, graph.layer_overlaps(&set, at)?))
        })?;
        let shared = found.into_iter().filter(|overlap| overlap.both > 0);
        let overlap = |Overlap { layer, both, either }| {
            let jaccard = f64::from(both) / f64::from(either.max(1));
            LayerOverlap { layer, both, either, jaccard }
        };
        let mut overlaps: Vec<LayerOverlap> = shared.map(overlap).collect();
        overlaps.sort_by(|one, other| other.jaccard.total_cmp(&one.jaccard).then_with(|| one.layer.cmp(&other.layer)));
        Ok(Json(LayerOverlaps { count, overlaps }))
    })
    .await
}

/// Declares layers, or changes what is declared about them. All or none.
#[utoipa::path(post, path = "/projects/{project}/layers", tag = "layers", params(("project" = String, Path)),
    request_body = LayersBody, responses(
    (status = 200, body = LayersDeclared), (status = 404, description = "urn:skerry:problem:unknown-project"),
    (status = 409, description = "urn:skerry:problem:circular-layers"),
    (status = 422, description = "urn:skerry:problem:invalid-layer")))]
pub(super) async fn declare(
    State(node): State<Arc<Node>>,
    PathParameters(project): PathParameters<String>,
    JsonBody(body): JsonBody<LayersBody>,
) -> Result<Json<LayersDeclared>, Problem> {
    blocking(move || {
        let layers: Vec<Layer> = body.layers.into_iter().map(Layer::from).collect();
        let changed = node.replica().put_layers(&project_name(&project)?, &layers, clock::now())?;
        Ok(Json(LayersDeclared { declared: layers.len(), changed }))
    })
    .await
}

/// A declared layer.
#[utoipa::path(get, path = "/projects/{project}/layers/{name}", tag = "layers",
    params(("project" = String, Path), ("name" = String, Path)), responses(
    (status = 200, body = LayerBody), (status = 404, description = "urn:skerry:problem:unknown-layer or unknown-project")))]
pub(super) async fn get(
    State(node): State<Arc<Node>>,
    PathParameters((project, name)): PathParameters<(String, String)>,
) -> Result<Json<LayerBody>, Problem> {
    blocking(move || {
        let layer = node.replica().layer(&project_name(&project)?, &name)?;
        layer.map(|layer| Json(layer.into())).ok_or_else(|| unknown(&name))
    })
    .await
}

/// Declares a layer: what the body does not say is taken back.
#[utoipa::path(put, path = "/projects/{project}/layers/{name}", tag = "layers",
    params(("project" = String, Path), ("name" = String, Path)), request_body = LayerBody, responses(
    (status = 201, body = LayerBody, description = "Declared"), (status = 200, body = LayerBody, description = "Was declared"),
    (status = 404, description = "urn:skerry:problem:unknown-project"),
    (status = 409, description = "urn:skerry:problem:circular-layers"),
    (status = 422, description = "urn:skerry:problem:invalid-layer")))]
pub(super) async fn put(
    State(node): State<Arc<Node>>,
    PathParameters((project, name)): PathParameters<(String, String)>,
    JsonBody(mut body): JsonBody<LayerBody>,
) -> Result<(StatusCode, Json<LayerBody>), Problem> {
    if !body.name.is_empty() && body.name != name {
        let detail = "The layer's `name` differs from the path's; leave it out or make it equal.";
        return Err(Problem::new(Kind::InvalidLayer, detail));
    }
    body.name = name;
    blocking(move || {
        let project = project_name(&project)?;
        let layer = Layer::from(body);
        let before = node.replica().layer(&project, &layer.name)?;
        node.replica().put_layers(&project, std::slice::from_ref(&layer), clock::now())?;
        let status = if before.is_some() { StatusCode::OK } else { StatusCode::CREATED };
        Ok((status, Json(layer.into())))
    })
    .await
}

/// How far a deletion goes, and where it goes on.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Deletion {
    #[serde(default)]
    records: bool,
    after: Option<String>,
}

/// Takes a layer's declaration back. With `records` also takes the layer out of every record and link that is in it, and out
/// of what other layers inherit from: a request looks at 10,000 records, and says where to go on. A link that was in no other
/// layer is in those of its record then.
#[utoipa::path(delete, path = "/projects/{project}/layers/{name}", tag = "layers",
    params(("project" = String, Path), ("name" = String, Path),
        ("records" = Option<bool>, Query, description = "Take it out of all records and links, too"),
        ("after" = Option<String>, Query, description = "`next` of the answer before")), responses(
    (status = 200, body = LayerDeleted),
    (status = 404, description = "urn:skerry:problem:unknown-layer or unknown-project")))]
pub(super) async fn delete(
    State(node): State<Arc<Node>>,
    PathParameters((project, name)): PathParameters<(String, String)>,
    QueryParameters(deletion): QueryParameters<Deletion>,
) -> Result<Json<LayerDeleted>, Problem> {
    blocking(move || {
        let project = project_name(&project)?;
        let (mut records, mut next) = (0, None);
        if deletion.records {
            let after = deletion.after.as_deref().map(RecordKey::parse).transpose()?;
            (records, next) = take_out_of_all(&node, &project, &name, after.as_ref())?;
        }
        if next.is_some() {
            return Ok(Json(LayerDeleted { deleted: false, records, next }));
        }
        if deletion.records {
            disinherit(&node, &project, &name)?;
        }
        let deleted = node.replica().delete_layers(&project, std::slice::from_ref(&name), clock::now())? > 0;
        if !deleted && !deletion.records {
            return Err(unknown(&name));
        }
        Ok(Json(LayerDeleted { deleted, records, next }))
    })
    .await
}

/// Takes a layer out of the records behind a key, as many as one request looks at. Answers how many changed and the key to go
/// on behind.
fn take_out_of_all(
    node: &Node,
    project: &ProjectName,
    layer: &str,
    after: Option<&RecordKey>,
) -> Result<(usize, Option<String>), Problem> {
    let records = node.replica().scan(project, after, SCAN_MAX)?;
    let last = records.last().filter(|_| records.len() == SCAN_MAX).map(|record| record.key.to_string());
    let is_in =
        |record: &&Record| record.layers.contains(layer) || record.links.iter().any(|link| link.layers.contains(layer));
    let keys: Vec<RecordKey> = records.iter().filter(is_in).map(|record| record.key.clone()).collect();
    let mut changed = 0;
    for keys in keys.chunks(UPDATE_MAX) {
        let edit = |record: &mut Record| {
            record.layers.remove(layer);
            for link in &mut record.links {
                link.layers.remove(layer);
            }
        };
        changed += node.update(project, keys, edit)?.changed;
    }
    Ok((changed, last))
}

/// Takes a layer out of what others inherit from.
fn disinherit(node: &Node, project: &ProjectName, layer: &str) -> Result<(), Problem> {
    let heirs = node.replica().layers(project)?.into_iter().filter(|heir| heir.inherits.contains(layer));
    let heirs: Vec<Layer> = heirs
        .map(|mut heir| {
            heir.inherits.remove(layer);
            heir
        })
        .collect();
    node.replica().put_layers(project, &heirs, clock::now())?;
    Ok(())
}

/// Puts records into a layer, or their links. Nothing else about them changes.
#[utoipa::path(post, path = "/projects/{project}/layers/{name}/add", tag = "layers",
    params(("project" = String, Path), ("name" = String, Path)), request_body = LayerMembersBody, responses(
    (status = 200, body = LayerMembers), (status = 404, description = "urn:skerry:problem:unknown-project"),
    (status = 422, description = "urn:skerry:problem:invalid-record: a record would be in too many; nothing was changed")))]
pub(super) async fn add(
    State(node): State<Arc<Node>>,
    PathParameters((project, name)): PathParameters<(String, String)>,
    JsonBody(body): JsonBody<LayerMembersBody>,
) -> Result<Json<LayerMembers>, Problem> {
    blocking(move || change(&node, &project, &body, |layers| layers.extend([name.clone()]))).await
}

/// Takes records out of a layer, or their links.
#[utoipa::path(post, path = "/projects/{project}/layers/{name}/remove", tag = "layers",
    params(("project" = String, Path), ("name" = String, Path)), request_body = LayerMembersBody, responses(
    (status = 200, body = LayerMembers), (status = 404, description = "urn:skerry:problem:unknown-project")))]
pub(super) async fn remove(
    State(node): State<Arc<Node>>,
    PathParameters((project, name)): PathParameters<(String, String)>,
    JsonBody(body): JsonBody<LayerMembersBody>,
) -> Result<Json<LayerMembers>, Problem> {
    blocking(move || change(&node, &project, &body, |layers| layers.retain(|layer| *layer != name))).await
}

fn change(
    node: &Node,
    project: &str,
    body: &LayerMembersBody,
    edit: impl Fn(&mut std::collections::BTreeSet<String>),
) -> Result<Json<LayerMembers>, Problem> {
    if body.keys.len() > BATCH_MAX {
        let detail = format!("The request has {} keys; at most {BATCH_MAX} are taken. Send several.", body.keys.len());
        return Err(Problem::new(Kind::BodyTooLarge, detail));
    }
    let project = project_name(project)?;
    let keys = body.keys.iter().map(|key| RecordKey::parse(key)).collect::<Result<Vec<_>, _>>()?;
    let found = node.replica().get_many(&project, &keys)?;
    let unknown = keys.iter().zip(&found).filter(|(_, found)| found.is_none());
    let unknown = unknown.map(|(key, _)| key.to_string()).take(UNKNOWN_MAX).collect();
    let is_meant =
        |link: &&mut Link| body.link_types.as_ref().is_some_and(|types| types.is_empty() || types.contains(&link.kind));
    let commit = node.update(&project, &keys, |record| match body.link_types {
        None => edit(&mut record.layers),
        Some(_) => record.links.iter_mut().filter(is_meant).for_each(|link| edit(&mut link.layers)),
    })?;
    let (sequence, version) = (commit.sequence, commit.version.to_string());
    Ok(Json(LayerMembers { changed: commit.changed, unknown, sequence, version }))
}

fn unknown(name: &str) -> Problem {
    let shown: String = name.chars().take(80).collect();
    let detail = format!(
        "The project does not declare the layer `{shown}`; list those that it does at /api/v1/projects/<project>/layers. \
         Records and links may be in it all the same."
    );
    Problem::new(Kind::UnknownLayer, detail)
}
