//! From what the legs found in one or several segments to the answer.
//!
//! Fusion looks at the candidates only. Whether a document outside of them could be among the best is told by the legs'
//! bounds (the threshold algorithm: Fagin, Lotem, Naor, "Optimal Aggregation Algorithms for Middleware", PODS 2001); if it
//! could, the legs are asked again for more.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use crate::order;
use crate::types::{Candidate, Explanation, Fusion, Hit, Legs, QueryError, Request, Response, Scalar};
use crate::vectors::cosine_of_rows;

/// Candidates that diversity chooses from, for each hit wanted.
const POOL_PER_HIT: usize = 4;

/// How much deeper the legs look each time that fusion was not certain.
const DEEPER: usize = 4;

/// An answer, and whether more candidates could change it.
#[derive(Debug, Clone, PartialEq)]
pub struct Fused {
    /// The answer.
    pub response: Response,
    /// The depth with which the legs are to be asked again; none when no document that they left out can be among the hits.
    pub deeper: Option<usize>,
}

/// A candidate with its score.
struct Scored<'a> {
    candidate: &'a Candidate,
    score: f32,
    explanation: Explanation,
}

fn best_first(a: (f32, &str), b: (f32, &str)) -> Ordering {
    b.0.total_cmp(&a.0).then_with(|| a.1.cmp(b.1))
}

/// How deep the legs look at first, in documents.
pub fn depth(request: &Request) -> usize {
    let wanted = request.offset as usize + request.k as usize;
    let hybrid = request.text.is_some() && request.vector.is_some();
    let base = match request.fusion {
        Fusion::ReciprocalRank(_) if hybrid => ranks(wanted),
        Fusion::Convex(_) if hybrid => (3 * wanted).max(32),
        _ => wanted,
    };
    let pool = if request.diversity.is_some() { POOL_PER_HIT * wanted } else { 0 };
    let groups = if request.group.is_some() { (8 * wanted).max(128) } else { 0 };
    base.max(pool).max(groups)
}

/// How far down each leg reciprocal rank fusion looks.
fn ranks(wanted: usize) -> usize {
    (10 * wanted).clamp(100, 1_000)
}

/// Joins what the legs of all segments of a project found, which were asked for `depth` documents each.
///
/// # Errors
/// [`QueryError::UnknownField`] when no segment has a document with a field of the filter.
pub fn fuse(request: &Request, parts: &[Legs], depth: usize) -> Result<Fused, QueryError> {
    check_fields(parts)?;
    let matching = parts.iter().map(|part| part.matching).sum();
    let approximate = parts.iter().any(|part| part.approximate);
    let wanted = request.offset as usize + request.k as usize;
    let candidates: Vec<&Candidate> = parts.iter().flat_map(|part| &part.candidates).collect();
    let (mut scored, bound) = if request.text.is_none() && request.vector.is_none() {
        (by_key(&candidates), None)
    } else {
        score(request, parts, &candidates)
    };
    if let Some(group) = &request.group {
        keep_groups(&mut scored, group.size.max(1) as usize);
    }
    let needed = if request.diversity.is_some() { wanted * POOL_PER_HIT } else { wanted };
    let all = parts.iter().all(|part| depth >= part.documents as usize);
    let certain = approximate
        || all
        || bound.is_none_or(|bound| {
            scored.get(needed.saturating_sub(1)).is_some_and(|last| last.score > bound)
                || (single_leg(request) && request.group.is_none() && scored.len() >= needed)
        });
    if let Some(diversity) = request.diversity {
        scored.truncate(needed);
        scored = diverse(scored, wanted, diversity);
    }
    let page = scored.into_iter().skip(request.offset as usize).take(request.k as usize);
    let hits = page.map(|scored| hit(request, scored)).collect();
    let deeper = (!certain).then_some(depth * DEEPER);
    Ok(Fused { response: Response { hits, candidates: matching, approximate }, deeper })
}

fn single_leg(request: &Request) -> bool {
    request.text.is_none() || request.vector.is_none()
}

fn check_fields(parts: &[Legs]) -> Result<(), QueryError> {
    let filled: Vec<&Legs> = parts.iter().filter(|part| part.documents > 0).collect();
    let Some(first) = filled.first() else { return Ok(()) };
    for (path, _) in &first.unknown_fields {
        let same = |part: &&Legs| part.unknown_fields.iter().find(|(other, _)| other == path).cloned();
        let all: Vec<(String, Option<String>)> = filled.iter().filter_map(same).collect();
        if all.len() == filled.len() {
            let similar = all.into_iter().find_map(|(_, similar)| similar);
            return Err(QueryError::UnknownField { path: path.clone(), similar });
        }
    }
    Ok(())
}

fn scored(candidate: &Candidate, vector_part: f32, keyword_part: f32) -> Scored<'_> {
    let explanation =
        Explanation { vector_part, keyword_part, vector_rank: None, keyword_rank: None, terms: Vec::new() };
    Scored { candidate, score: vector_part + keyword_part, explanation }
}

fn by_key<'a>(candidates: &[&'a Candidate]) -> Vec<Scored<'a>> {
    let mut all: Vec<Scored<'a>> = candidates.iter().map(|candidate| scored(candidate, 0.0, 0.0)).collect();
    order::sort_by(&mut all, |a, b| a.candidate.key.cmp(&b.candidate.key));
    all
}

/// All candidates with their scores, best first, and the score that no other document exceeds.
fn score<'a>(request: &Request, parts: &[Legs], candidates: &[&'a Candidate]) -> (Vec<Scored<'a>>, Option<f32>) {
    let largest = |values: &mut dyn Iterator<Item = f32>| {
        values.fold(None, |best: Option<f32>, value| Some(best.map_or(value, |best| best.max(value))))
    };
    let vector_rest = largest(&mut parts.iter().filter_map(|part| part.vector_rest));
    let keyword_rest = largest(&mut parts.iter().filter_map(|part| part.keyword_rest));
    let (mut all, bound) = match (request.text.is_some(), request.vector.is_some(), request.fusion) {
        (true, true, Fusion::ReciprocalRank(constant)) => {
            let deepest = ranks(request.offset as usize + request.k as usize);
            (reciprocal_rank(candidates, constant, deepest), None)
        }
        (true, true, Fusion::Convex(weight)) => {
            let best_cosine = largest(&mut candidates.iter().filter_map(|candidate| candidate.vector_score));
            let best_bm25 = largest(&mut candidates.iter().filter_map(|candidate| candidate.keyword_score));
            let per_cosine = best_cosine.filter(|best| *best > -1.0).map_or(0.0, |best| weight / (best + 1.0));
            let per_bm25 = best_bm25.filter(|best| *best > 0.0).map_or(0.0, |best| (1.0 - weight) / best);
            let vector_part = |cosine: Option<f32>| cosine.map_or(0.0, |cosine| (cosine + 1.0) * per_cosine);
            let keyword_part = |bm25: Option<f32>| bm25.map_or(0.0, |bm25| bm25 * per_bm25);
            let all = candidates.iter().map(|candidate| {
                scored(candidate, vector_part(candidate.vector_score), keyword_part(candidate.keyword_score))
            });
            let open = vector_rest.is_some() || keyword_rest.is_some();
            (all.collect(), open.then(|| vector_part(vector_rest) + keyword_part(keyword_rest)))
        }
        (_, true, _) => {
            let with = candidates.iter().filter_map(|candidate| Some((*candidate, candidate.vector_score?)));
            (with.map(|(candidate, score)| scored(candidate, score, 0.0)).collect(), vector_rest)
        }
        _ => {
            let with = candidates.iter().filter_map(|candidate| Some((*candidate, candidate.keyword_score?)));
            (with.map(|(candidate, score)| scored(candidate, 0.0, score)).collect(), keyword_rest)
        }
    };
    order::sort_by(&mut all, |a, b| best_first((a.score, &a.candidate.key), (b.score, &b.candidate.key)));
    (all, bound)
}

fn reciprocal_rank<'a>(candidates: &[&'a Candidate], constant: u32, deepest: usize) -> Vec<Scored<'a>> {
    let ranks = |of: &dyn Fn(&Candidate) -> Option<f32>| -> BTreeMap<&'a str, u32> {
        let mut leg: Vec<(f32, &str)> =
            candidates.iter().filter_map(|candidate| Some((of(candidate)?, candidate.key.as_str()))).collect();
        order::sort_by(&mut leg, |a, b| best_first(*a, *b));
        let mut ranks = BTreeMap::new();
        // Collected, it would be sorted again.
        for ((_, key), rank) in leg.into_iter().take(deepest).zip(1..) {
            ranks.insert(key, rank);
        }
        ranks
    };
    let vector = ranks(&|candidate| candidate.vector_score);
    let keyword = ranks(&|candidate| candidate.keyword_score);
    let share = |rank: Option<&u32>| rank.map_or(0.0, |rank| 1.0 / (constant as f32 + *rank as f32));
    let ranked = candidates.iter().filter_map(|candidate| {
        let (vector_rank, keyword_rank) = (vector.get(candidate.key.as_str()), keyword.get(candidate.key.as_str()));
        if vector_rank.is_none() && keyword_rank.is_none() {
            return None;
        }
        let mut scored = scored(candidate, share(vector_rank), share(keyword_rank));
        scored.explanation.vector_rank = vector_rank.copied();
        scored.explanation.keyword_rank = keyword_rank.copied();
        Some(scored)
    });
    ranked.collect()
}

/// Keeps the first `size` of each group.
fn keep_groups(scored: &mut Vec<Scored<'_>>, size: usize) {
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    scored.retain(|scored| {
        let name = match &scored.candidate.group {
            None => String::new(),
            Some(Scalar::Null) => "n".to_owned(),
            Some(Scalar::Boolean(value)) => format!("b{value}"),
            Some(Scalar::Number(value)) => format!("d{value}"),
            Some(Scalar::Text(text)) => format!("t{text}"),
        };
        let count = seen.entry(name).or_default();
        *count += 1;
        *count <= size
    });
}

/// Maximal marginal relevance (Carbonell and Goldstein, SIGIR 1998): each next hit is the one with the most of
/// `(1 - diversity) * score - diversity * (largest cosine to a hit before)`, scores normalised to the best one.
fn diverse(mut pool: Vec<Scored<'_>>, wanted: usize, diversity: f32) -> Vec<Scored<'_>> {
    let best = pool.first().map_or(1.0, |first| first.score);
    let scale = if best > 0.0 { 1.0 / best } else { 1.0 };
    let mut chosen: Vec<Scored<'_>> = Vec::new();
    let mut nearest = vec![0.0_f32; pool.len()];
    while chosen.len() < wanted && !pool.is_empty() {
        let value = |index: usize, scored: &Scored<'_>| {
            let near = nearest.get(index).copied().unwrap_or(0.0);
            (1.0 - diversity) * scored.score * scale - diversity * near
        };
        let mut best = (0, f32::NEG_INFINITY);
        for (index, scored) in pool.iter().enumerate() {
            let value = value(index, scored);
            if value > best.1 {
                best = (index, value);
            }
        }
        let next = pool.remove(best.0);
        nearest.remove(best.0);
        for (near, other) in nearest.iter_mut().zip(&pool) {
            *near = near.max(cosine_of_rows(&next.candidate.vector, &other.candidate.vector));
        }
        chosen.push(next);
    }
    chosen
}

fn hit(request: &Request, scored: Scored<'_>) -> Hit {
    let Scored { candidate, score, mut explanation } = scored;
    explanation.terms.clone_from(&candidate.terms);
    Hit {
        key: candidate.key.clone(),
        score,
        vector_score: candidate.vector_score,
        keyword_score: candidate.keyword_score,
        chunk: candidate.chunk,
        group: candidate.group.clone(),
        explanation: request.explain.then_some(explanation),
        payload: candidate.payload.clone(),
    }
}
