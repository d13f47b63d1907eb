//! The query path of one segment: the filter, the best of both legs, fusion.

use crate::bitset::Bitset;
use crate::filter;
use crate::fuse::{self, Fused};
use crate::graph::{Visited, Walk};
use crate::keywords::{self, Keywords, Scores};
use crate::rank;
use crate::segment::Segment;
use crate::types::{Candidate, Fusion, Legs, QueryError, Request, Response, Statistics};
use crate::vectors::{Prepared, Vectors};

/// Hits at most.
const K_MAX: u32 = 1_000;

/// Hits left out at most.
const OFFSET_MAX: u32 = 10_000;

/// Breadth of a walk at least: recall@10 is above 0.97 from here on (docs/benchmarks.md).
const EF_MIN: usize = 64;

/// Breadth of a walk at most.
const EF_MAX: usize = 4_096;

/// A walk looks at about this many vectors for each document of its breadth, where each has one.
const LOOKED_AT_PER_EF: usize = 22;

/// Room that a query works in, kept between queries.
#[derive(Debug, Default)]
pub(crate) struct Scratch {
    scores: Scores,
    visited: Visited,
}

/// How much deeper the legs of a hybrid query look where every vector is looked at anyway: that costs little, and asking again
/// because the answer is not certain costs all.
const DEEPER_SCAN: usize = 2;

/// What a leg found, best first, and the score that no other document exceeds.
#[derive(Default)]
struct Leg {
    best: Vec<(u32, f32)>,
    rest: Option<f32>,
    approximate: bool,
}

impl Segment {
    /// The best `k` documents that pass the filter.
    ///
    /// # Errors
    /// [`QueryError`] names what is wrong with the request.
    pub fn query(&mut self, request: &Request) -> Result<Response, QueryError> {
        let mut depth = fuse::depth(request);
        loop {
            let legs = self.legs(request, None, depth)?;
            let Fused { response, deeper } = fuse::fuse(request, &[legs], depth)?;
            match deeper {
                Some(deeper) => depth = deeper,
                None => return Ok(response),
            }
        }
    }

    /// What keyword scores need to know of this segment; documents with the keys `without` do not count.
    pub fn statistics(&self, text: &str, without: &[String]) -> Statistics {
        let mut left_out = Bitset::default();
        without.iter().filter_map(|key| self.documents().find(key)).for_each(|slot| left_out.insert(slot));
        left_out.and(self.live());
        keywords::statistics(self, text, &left_out)
    }

    /// The best documents of each leg, at most `depth` of each, with both scores. `statistics` is the sum over all segments
    /// of the project; none when this is the only one.
    ///
    /// # Errors
    /// [`QueryError`] names what is wrong with the request; a field that no document here has is reported, not refused.
    pub fn legs(
        &mut self,
        request: &Request,
        statistics: Option<&Statistics>,
        depth: usize,
    ) -> Result<Legs, QueryError> {
        // The scratch room is taken out for the time of the query: the rest of the segment is only read.
        let mut scratch = std::mem::take(&mut self.scratch);
        let legs = self.find(request, statistics, depth, &mut scratch);
        self.scratch = scratch;
        legs
    }

    fn find(
        &self,
        request: &Request,
        statistics: Option<&Statistics>,
        depth: usize,
        scratch: &mut Scratch,
    ) -> Result<Legs, QueryError> {
        self.check_request(request)?;
        let mut legs = Legs { documents: self.documents_count(), ..Legs::default() };
        let mut passing = None;
        if !request.filter.is_empty() {
            let selection = filter::select(self, &request.filter)?;
            legs.unknown_fields = selection.unknown_fields;
            passing = Some(selection.passing);
        }
        legs.matching = passing.as_ref().map_or(legs.documents, Bitset::count);
        let prepared = request.vector.as_deref().filter(|_| self.vectors().count() > 0).map(Vectors::prepare);
        if let (Some(min), Some(_), true) = (request.similarity_min, &request.vector, request.text.is_some()) {
            // The keyword leg's best may all be too far away: the threshold is a filter for both legs. Where nothing has a
            // vector, nothing is near.
            let mut near = Bitset::new(self.documents().slots());
            let accept = passing.as_ref().or(self.accept());
            let scanned = prepared.iter().flat_map(|query| self.vectors().scan(query, accept));
            scanned.filter(|(_, cosine)| *cosine >= min).for_each(|(slot, _)| near.insert(slot));
            passing = Some(near);
        }
        let accept = passing.as_ref().or(self.accept());
        if request.text.is_none() && request.vector.is_none() {
            let live =
                self.documents().starting_at("").filter(|slot| passing.as_ref().unwrap_or(self.live()).contains(*slot));
            let slots: Vec<u32> = live.take(depth).collect();
            legs.candidates = self.candidates(request, &slots, None, None);
            return Ok(legs);
        }
        let depth =
            if request.text.is_some() && prepared.is_some() && !self.walks(request, legs.matching as usize, depth) {
                depth * DEEPER_SCAN
            } else {
                depth
            };
        let own = request.text.as_ref().filter(|_| statistics.is_none()).map(|text| self.statistics(text, &[]));
        let keywords = request.text.as_ref().and(statistics.or(own.as_ref())).map(|all| Keywords::new(self, all));
        let mut slots = Vec::new();
        if let Some(keywords) = &keywords {
            let best = keywords.best(accept, depth, &mut scratch.scores);
            slots.extend(best.ranked.iter().map(|(slot, _)| *slot));
            legs.keyword_rest = best.rest;
        }
        if let Some(query) = &prepared {
            let leg = self.nearest(request, query, accept, legs.matching as usize, depth, &mut scratch.visited);
            slots.extend(leg.best.iter().map(|(slot, _)| *slot));
            legs.vector_rest = leg.rest;
            legs.approximate = leg.approximate;
        }
        slots.sort_unstable();
        slots.dedup();
        legs.candidates = self.candidates(request, &slots, prepared.as_ref(), keywords.as_ref());
        Ok(legs)
    }

    fn check_request(&self, request: &Request) -> Result<(), QueryError> {
        if request.k == 0 || request.k > K_MAX {
            return Err(QueryError::KOutOfRange(request.k));
        }
        if request.offset > OFFSET_MAX {
            return Err(QueryError::OffsetOutOfRange(request.offset));
        }
        if request.text.is_none() && request.vector.is_none() && request.filter.is_empty() {
            return Err(QueryError::EmptyRequest);
        }
        if let Some(vector) = &request.vector {
            if vector.iter().any(|value| !value.is_finite()) || vector.iter().all(|&value| value == 0.0) {
                return Err(QueryError::VectorNotFinite);
            }
            if self.vectors().count() > 0 && vector.len() != self.vectors().dimensions() {
                return Err(QueryError::VectorDimensions(vector.len() as u32));
            }
        }
        let weight = match request.fusion {
            Fusion::Convex(weight) => Some(weight),
            Fusion::ReciprocalRank(_) => None,
        };
        let weights = [weight, request.diversity];
        let wrong = weights.into_iter().flatten().find(|weight| !(0.0..=1.0).contains(weight));
        wrong.map_or(Ok(()), |weight| Err(QueryError::WeightOutOfRange(weight)))
    }

    /// The vector leg. Few documents are looked at one by one, many through the graph where there is one: whatever looks at
    /// fewer vectors. A walk that finds too few is followed by the look at all, so that `k` are found when there are `k`.
    fn nearest(
        &self,
        request: &Request,
        query: &Prepared,
        accept: Option<&Bitset>,
        matching: usize,
        depth: usize,
        visited: &mut Visited,
    ) -> Leg {
        let vectors = self.vectors();
        let mut leg = Leg::default();
        let depth_walk = depth.min(matching);
        if let Some(graph) = self.graph().filter(|_| self.walks(request, matching, depth)) {
            let walk = Walk { query, ef: self.breadth(request, matching, depth), accept, count: depth_walk };
            leg.best = graph.search(vectors, &walk, visited);
            leg.approximate = true;
        }
        if leg.best.len() < depth_walk {
            let found = vectors.scan(query, accept);
            let ranked = rank::best(depth, found, |slot| self.documents().key(slot));
            leg.best = ranked.iter().map(|ranked| (ranked.slot, ranked.score)).collect();
            leg.approximate = false;
        }
        let listed = leg.best.len() >= matching || leg.best.len() < depth;
        leg.rest = leg.best.last().map(|(_, cosine)| *cosine).filter(|_| !listed);
        if leg.approximate && vectors.has_several() {
            // The walk need not have come across the best chunk of what it found.
            for (slot, cosine) in &mut leg.best {
                *cosine = vectors.best(query, *slot).map_or(*cosine, |(_, best)| best);
            }
        }
        if let Some(min) = request.similarity_min {
            leg.rest = leg.rest.filter(|rest| *rest >= min);
            leg.best.retain(|(_, cosine)| *cosine >= min);
        }
        leg
    }

    /// Breadth of a walk in documents. Behind a filter it has to see so many more for each one that passes.
    fn breadth(&self, request: &Request, matching: usize, depth: usize) -> usize {
        let ef = request.ef.map_or(EF_MIN, |ef| ef as usize).max(depth.min(matching)).min(EF_MAX);
        let slots = self.documents().slots().max(1);
        (ef * slots).checked_div(matching).unwrap_or(EF_MAX).min(EF_MAX).max(ef)
    }

    /// Whether a walk looks at fewer vectors than a scan of what passes. Both look at as many for each document as documents
    /// have on average; the walk at no fewer than one.
    fn walks(&self, request: &Request, matching: usize, depth: usize) -> bool {
        let (vectors, slots) = (u64::from(self.vectors().count()), self.documents().slots() as u64);
        let looked_at = (self.breadth(request, matching, depth) * LOOKED_AT_PER_EF) as u64;
        self.graph().is_some() && !request.exact && looked_at * vectors.max(slots) < matching as u64 * vectors
    }

    fn candidates(
        &self,
        request: &Request,
        slots: &[u32],
        query: Option<&Prepared>,
        keywords: Option<&Keywords<'_>>,
    ) -> Vec<Candidate> {
        let mut groups = match &request.group {
            Some(group) if group.path == "key" => Vec::new(),
            Some(group) => self.columns().values(&group.path, slots),
            None => Vec::new(),
        };
        groups.resize(slots.len(), None);
        let vectors = self.vectors();
        let candidate = |(&slot, group)| {
            let best = query.and_then(|query| vectors.best(query, slot));
            let shown =
                best.map(|(row, _)| row).or_else(|| vectors.first(slot)).filter(|_| request.diversity.is_some());
            Candidate {
                key: self.documents().key(slot).to_owned(),
                vector_score: best.map(|(_, cosine)| cosine),
                keyword_score: keywords.and_then(|keywords| keywords.score(slot)),
                chunk: best.map(|(row, _)| vectors.span(row)),
                group,
                terms: keywords.filter(|_| request.explain).map(|keywords| keywords.explain(slot)).unwrap_or_default(),
                vector: shown.map(|row| vectors.values(row).to_vec()).unwrap_or_default(),
                payload: self.documents().payload(slot).to_vec(),
            }
        };
        slots.iter().zip(groups).map(candidate).collect()
    }
}
