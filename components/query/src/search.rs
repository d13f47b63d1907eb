//! The query path: candidates, scores of both legs, fusion, the best k.

use crate::bitset::Bitset;
use crate::filter;
use crate::postings::Scores;
use crate::rank::{self, Ranked};
use crate::segment::{Scratch, Segment};
use crate::types::{Fusion, Hit, QueryError, Request, Response};
use crate::vectors::{Prepared, Vectors};

/// Hits at most.
const K_MAX: u32 = 1_000;

/// How far down each leg's ranking reciprocal rank fusion looks.
const RANKS_MAX: usize = 1_000;

/// Below this share of all slots the candidates are scored one by one instead of all slots in a row.
const SCAN_SHARE: usize = 4;

/// What one query knows about every slot.
struct Legs<'a> {
    segment: &'a Segment,
    candidates: &'a Bitset,
    keyword: Option<&'a Scores>,
    cosines: Option<&'a [f32]>,
}

impl Segment {
    /// The best `k` documents that pass the filter.
    ///
    /// # Errors
    /// [`QueryError`] names what is wrong with the request.
    pub fn query(&mut self, request: &Request) -> Result<Response, QueryError> {
        // The scratch room is taken out for the time of the query: the rest of the segment is only read.
        let mut scratch = std::mem::take(&mut self.scratch);
        let answer = self.answer(request, &mut scratch);
        self.scratch = scratch;
        answer
    }

    fn answer(&self, request: &Request, scratch: &mut Scratch) -> Result<Response, QueryError> {
        self.check_request(request)?;
        let filtered = if request.filter.is_empty() { None } else { Some(filter::select(self, &request.filter)?) };
        let candidates = filtered.as_ref().unwrap_or(self.live());
        let count = candidates.count();
        if request.text.is_none() && request.vector.is_none() {
            return Ok(Response { hits: self.by_key(candidates, request.k as usize), candidates: count });
        }
        if let Some(text) = &request.text {
            self.postings().score(text, &mut scratch.keyword);
        }
        if let Some(vector) = &request.vector {
            self.score_vectors(&Vectors::prepare(vector), candidates, count, &mut scratch.cosines);
        }
        let legs = Legs {
            segment: self,
            candidates,
            keyword: request.text.as_ref().map(|_| &scratch.keyword),
            cosines: request.vector.as_ref().map(|_| scratch.cosines.as_slice()),
        };
        let ranked = legs.rank(request);
        let hits = ranked.iter().map(|ranked| legs.hit(ranked)).collect();
        Ok(Response { hits, candidates: count })
    }

    fn check_request(&self, request: &Request) -> Result<(), QueryError> {
        if request.k == 0 || request.k > K_MAX {
            return Err(QueryError::KOutOfRange(request.k));
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
        match request.fusion {
            Fusion::Convex(weight) if !(0.0..=1.0).contains(&weight) => Err(QueryError::WeightOutOfRange(weight)),
            _ => Ok(()),
        }
    }

    fn by_key(&self, candidates: &Bitset, k: usize) -> Vec<Hit> {
        let found = self.keys().filter(|(_, slot)| candidates.contains(*slot)).take(k);
        let hit = |(key, slot): (&str, u32)| Hit {
            key: key.to_owned(),
            score: 0.0,
            vector_score: None,
            keyword_score: None,
            payload: self.payload(slot).to_vec(),
        };
        found.map(hit).collect()
    }

    fn score_vectors(&self, query: &Prepared, candidates: &Bitset, count: u32, cosines: &mut Vec<f32>) {
        let vectors = self.vectors();
        if vectors.count() == 0 {
            cosines.clear();
        } else if (count as usize) * SCAN_SHARE >= self.slots() {
            vectors.scan(query, cosines);
        } else {
            cosines.resize(self.slots(), 0.0);
            for slot in candidates.iter() {
                if let Some(cosine) = cosines.get_mut(slot as usize) {
                    *cosine = vectors.cosine(query, slot);
                }
            }
        }
    }
}

impl<'a> Legs<'a> {
    fn cosine(&self, slot: u32) -> Option<f32> {
        let cosine = *self.cosines?.get(slot as usize)?;
        self.segment.vectors().has(slot).then_some(cosine)
    }

    fn bm25(&self, slot: u32) -> Option<f32> {
        Some(self.keyword?.get(slot)).filter(|&score| score > 0.0)
    }

    fn with_cosine(&self) -> impl Iterator<Item = (u32, f32)> + '_ {
        let slots = self.candidates.iter().filter(|_| self.cosines.is_some());
        slots.filter_map(|slot| Some((slot, self.cosine(slot)?)))
    }

    fn with_bm25(&self) -> impl Iterator<Item = (u32, f32)> + '_ {
        let scored =
            self.keyword.into_iter().flat_map(|scores| scores.scored.iter().map(|&slot| (slot, scores.get(slot))));
        scored.filter(|(slot, _)| self.candidates.contains(*slot))
    }

    fn best(&self, k: usize, scores: impl Iterator<Item = (u32, f32)>) -> Vec<Ranked<'a>> {
        let segment = self.segment;
        rank::best(k, scores, |slot| segment.key(slot))
    }

    fn rank(&self, request: &Request) -> Vec<Ranked<'a>> {
        let k = request.k as usize;
        match (self.keyword.is_some(), self.cosines.is_some(), request.fusion) {
            (true, false, _) => self.best(k, self.with_bm25()),
            (false, _, _) => self.best(k, self.with_cosine()),
            (true, true, Fusion::Convex(weight)) => self.convex(k, weight),
            (true, true, Fusion::ReciprocalRank(constant)) => self.reciprocal_rank(k, constant),
        }
    }

    fn convex(&self, k: usize, weight: f32) -> Vec<Ranked<'a>> {
        // One pass over the candidates, since every pass over 10,000 costs as much as a third of the scan.
        let (mut best_cosine, mut best_bm25) = (-1.0_f32, 0.0_f32);
        let mut pairs = Vec::with_capacity(self.segment.slots());
        for slot in self.candidates.iter() {
            let (cosine, bm25) = (self.cosine(slot), self.bm25(slot));
            if cosine.is_some() || bm25.is_some() {
                let (cosine, bm25) = (cosine.unwrap_or(-1.0), bm25.unwrap_or(0.0));
                best_cosine = best_cosine.max(cosine);
                best_bm25 = best_bm25.max(bm25);
                pairs.push((slot, cosine, bm25));
            }
        }
        let per_cosine = if best_cosine > -1.0 { weight / (best_cosine + 1.0) } else { 0.0 };
        let per_bm25 = if best_bm25 > 0.0 { (1.0 - weight) / best_bm25 } else { 0.0 };
        let score = |(slot, cosine, bm25): (u32, f32, f32)| (slot, (cosine + 1.0) * per_cosine + bm25 * per_bm25);
        self.best(k, pairs.into_iter().map(score))
    }

    fn reciprocal_rank(&self, k: usize, constant: u32) -> Vec<Ranked<'a>> {
        let mut sums = std::collections::BTreeMap::new();
        for leg in [self.best(RANKS_MAX, self.with_cosine()), self.best(RANKS_MAX, self.with_bm25())] {
            for (index, ranked) in leg.iter().enumerate() {
                let share = 1.0 / (constant as f32 + index as f32 + 1.0);
                *sums.entry(ranked.slot).or_insert(0.0) += share;
            }
        }
        self.best(k, sums.into_iter())
    }

    fn hit(&self, ranked: &Ranked<'_>) -> Hit {
        Hit {
            key: ranked.key.to_owned(),
            score: ranked.score,
            vector_score: self.cosine(ranked.slot),
            keyword_score: self.bm25(ranked.slot),
            payload: self.segment.payload(ranked.slot).to_vec(),
        }
    }
}
