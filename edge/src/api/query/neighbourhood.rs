//! Search and graph together: hits only in a part of the graph, and records that hits lead to.

use std::collections::{BTreeMap, BTreeSet};

use skerry_gateway::filter::both;
use skerry_gateway::types::{Comparison, Condition, FilterNode, Request, Scalar};
use skerry_host::types::graph::{Direction, Reached};
use skerry_host::{GraphInstance, View};
use skerry_sync::{ProjectName, RecordKey};

use super::Live;
use crate::api::graph::{add_layers, along, find, invalid, names, with_view, within};
use crate::body::{
    Answer, DirectionBody, ExpandBody, HitBody, NodeName, QueryBody, RecordBody, SelectionBody, ViaBody, WithinBody,
};
use crate::convert;
use crate::node::Node;
use crate::problem::Problem;

/// Records of one part of the graph at most.
const WITHIN_MAX: u32 = 100_000;

/// Steps of an expansion at most.
const HOPS_MAX: u32 = 4;

/// Hits that lead to other records at most, the best ones.
const SEEDS_MAX: usize = 100;

/// Nodes that are looked at from one hit at most, the nearest.
const SEED_REACH_MAX: u32 = 1_000;

/// Records that hits lead to at most, those with the highest scores.
const EXPANDED_MAX: usize = 1_000;

const DECAY_DEFAULT: f32 = 0.5;

/// Refuses what does not go together: the graph is held as it is now, and expansion mixes the hits' own order.
pub(super) fn check(body: &QueryBody) -> Result<(), Problem> {
    if body.version.is_some() && (body.within.is_some() || body.expand.is_some()) {
        return Err(invalid("`within` and `expand` look at the graph as it is now; leave `version` out."));
    }
    if body.expand.is_some() && (body.offset.unwrap_or(0) > 0 || body.group.is_some() || body.diversity.is_some()) {
        return Err(invalid(
            "`expand` goes neither with `offset` nor with `group` nor with `diversity`; ask for all with `k`.",
        ));
    }
    Ok(())
}

/// A filter that passes the records of a part of the graph.
pub(super) fn filter(node: &Node, project: &ProjectName, part: &WithinBody) -> Result<Vec<FilterNode>, Problem> {
    if part.neighbourhood.is_none() && part.subtree.is_none() && part.layers.is_none() {
        return Err(invalid("`within` names no part of the graph: give `neighbourhood`, `subtree` or `layers`."));
    }
    if part.at.is_some() && part.layers.is_none() {
        return Err(invalid("`within.at` is about `within.layers`, which is not there."));
    }
    let sets = node.graph(project).with(|graph| keys_of(graph, part))?;
    let common = sets.into_iter().reduce(|one, other| one.intersection(&other).cloned().collect()).unwrap_or_default();
    Ok(one_of(common))
}

fn one_of(keys: impl IntoIterator<Item = String>) -> Vec<FilterNode> {
    let values = keys.into_iter().map(Scalar::Text).collect();
    vec![FilterNode::Condition(Condition { path: "key".to_owned(), comparison: Comparison::OneOf(values) })]
}

fn keys_of(graph: &mut GraphInstance, part: &WithinBody) -> Result<Vec<BTreeSet<String>>, Problem> {
    let mut sets = Vec::new();
    if let Some(near) = &part.neighbourhood {
        let starts = find(graph, &near.of)?;
        let hops = near.hops.unwrap_or(1);
        sets.push(with_view(graph, &near.selection, Direction::Both, |graph, view| reach(graph, view, &starts, hops))?);
    }
    if let Some(top) = &part.subtree {
        let starts = find(graph, std::slice::from_ref(top))?;
        let down = along(SelectionBody::default(), DirectionBody::Backward);
        sets.push(with_view(graph, &down, Direction::Backward, |graph, view| reach(graph, view, &starts, u32::MAX))?);
    }
    if let Some(layers) = &part.layers {
        let mut set = Vec::new();
        add_layers(layers, &mut set);
        let found = graph.layer_records(&set, part.at.map(|at| at.0), 0, WITHIN_MAX + 1)?;
        sets.push(keys(graph, &found)?);
    }
    Ok(sets)
}

fn reach(graph: &mut GraphInstance, view: &View, starts: &[u32], hops: u32) -> Result<BTreeSet<String>, Problem> {
    let reached = graph.reach(view, starts, hops, WITHIN_MAX + 1)?;
    let numbers: Vec<u32> = reached.iter().map(|reached| reached.node).collect();
    keys(graph, &numbers)
}

fn keys(graph: &mut GraphInstance, nodes: &[u32]) -> Result<BTreeSet<String>, Problem> {
    if nodes.len() > WITHIN_MAX as usize {
        let detail = format!("`within` has more than {WITHIN_MAX} records; make it smaller, or filter by `layer`.");
        return Err(invalid(detail));
    }
    let keys = names(graph, nodes)?.into_iter().filter_map(|name| match name {
        NodeName::Key(key) => Some(key),
        NodeName::Link(_) => None,
    });
    Ok(keys.collect())
}

/// A record that a hit leads to.
#[derive(Debug, Clone)]
struct Led {
    score: f32,
    via: ViaBody,
}

/// Puts the records that hits lead to among the hits. Their score is that of the hit times `decay` for each step, the highest
/// that any hit gives; a record that was found as well has the higher of both scores. `k` holds for all together.
pub(super) fn expand(
    live: &Live<'_>,
    body: &ExpandBody,
    (filter, k): (Vec<FilterNode>, u32),
    answer: &mut Answer,
) -> Result<(), Problem> {
    let hops = within("expand.hops", body.hops.unwrap_or(1), 1, HOPS_MAX)?;
    let decay = body.decay.unwrap_or(DECAY_DEFAULT);
    if !(decay > 0.0 && decay < 1.0) {
        return Err(invalid(format!("`expand.decay` is {decay}; it is above 0 and below 1.")));
    }
    let seeds: Vec<(String, f32)> =
        answer.hits.iter().take(SEEDS_MAX).map(|hit| (hit.key.clone(), hit.score)).collect();
    let mut led = live.node.graph(live.project).with(|graph| -> Result<_, Problem> {
        with_view(graph, &body.selection, Direction::Both, |graph, view| {
            let mut best: BTreeMap<String, Led> = BTreeMap::new();
            for (key, score) in &seeds {
                lead(graph, view, key, *score, (hops, decay), &mut best)?;
            }
            Ok(best)
        })
    })?;
    for hit in &mut answer.hits {
        if let Some(Led { score, via }) = led.remove(&hit.key)
            && score > hit.score
        {
            (hit.score, hit.via, hit.explanation) = (score, Some(via), None);
        }
    }
    let mut led: Vec<(String, Led)> = led.into_iter().collect();
    led.sort_by(|a, b| b.1.score.total_cmp(&a.1.score).then_with(|| a.0.cmp(&b.0)));
    led.truncate(EXPANDED_MAX);
    answer.hits.extend(fetch(live, filter, led)?);
    answer.hits.sort_by(|a, b| b.score.total_cmp(&a.score).then_with(|| a.key.cmp(&b.key)));
    answer.hits.truncate(k as usize);
    answer.next_offset = None;
    Ok(())
}

/// What one hit leads to; scores that are not higher than those there change nothing.
fn lead(
    graph: &mut GraphInstance,
    view: &View,
    key: &str,
    score: f32,
    (hops, decay): (u32, f32),
    best: &mut BTreeMap<String, Led>,
) -> Result<(), Problem> {
    // A record of which no link speaks may not have come to the graph yet.
    let Ok(start) = find(graph, &[NodeName::Key(key.to_owned())]) else { return Ok(()) };
    let reached = graph.reach(view, &start, hops, SEED_REACH_MAX)?;
    let numbers: Vec<u32> = reached.iter().map(|reached| reached.node).collect();
    let named: BTreeMap<u32, NodeName> = numbers.iter().copied().zip(names(graph, &numbers)?).collect();
    let before: BTreeMap<u32, Option<u32>> = reached.iter().map(|reached| (reached.node, reached.before)).collect();
    for Reached { node, distance, .. } in reached.iter().filter(|reached| reached.distance > 0) {
        let Some(NodeName::Key(found)) = named.get(node) else { continue };
        // Step by step and not by a power: the same bits everywhere.
        let decayed = (0..*distance).fold(score, |score, _| score * decay);
        if best.get(found).is_some_and(|led| led.score >= decayed) {
            continue;
        }
        let way = std::iter::successors(Some(*node), |node| before.get(node).copied().flatten());
        let mut path: Vec<NodeName> = way.filter_map(|node| named.get(&node).cloned()).collect();
        path.reverse();
        let via = ViaBody { hit: key.to_owned(), path, hit_score: score };
        best.insert(found.clone(), Led { score: decayed, via });
    }
    Ok(())
}

/// The records that hits lead to, those of them that are there and pass the query's filter.
fn fetch(live: &Live<'_>, filter: Vec<FilterNode>, mut led: Vec<(String, Led)>) -> Result<Vec<HitBody>, Problem> {
    if !filter.is_empty() && !led.is_empty() {
        let only = one_of(led.iter().map(|(key, _)| key.clone()));
        let request = Request { k: EXPANDED_MAX as u32, filter: both(filter, only), ..Request::default() };
        let passing = live.index.query(live.node.sources(), &convert::request_to_wit(request))?.response.hits;
        let passing: BTreeSet<String> = passing.into_iter().map(|hit| hit.key).collect();
        led.retain(|(key, _)| passing.contains(key));
    }
    let keys: Vec<RecordKey> = led.iter().filter_map(|(key, _)| RecordKey::parse(key).ok()).collect();
    let records = live.node.replica().get_many(live.project, &keys)?;
    let mut there: BTreeMap<String, RecordBody> = records
        .into_iter()
        .flatten()
        .map(|record| (record.key.as_str().to_owned(), RecordBody::from(record)))
        .collect();
    let hit = |(key, led): (String, Led)| {
        let record = there.remove(&key)?;
        Some(HitBody {
            key,
            score: led.score,
            query_score: None,
            vector_score: None,
            chunk: None,
            keyword_score: None,
            group: None,
            explanation: None,
            highlight: None,
            via: Some(led.via),
            record,
        })
    };
    Ok(led.into_iter().filter_map(hit).collect())
}
