//! Keyword search: BM25 and the best documents by it, without looking at all of them.
//!
//! Robertson and Zaragoza, "The Probabilistic Relevance Framework: BM25 and Beyond", 2009, with Lucene's idf, which is
//! never negative: `ln(1 + (N - df + 0.5) / (df + 0.5))`. Terms are taken one by one, rare ones first; once documents that
//! have none of the terms so far cannot be among the best any more, only those found are scored on (the `MaxScore` rule:
//! Turtle and Flood, "Query Evaluation: Strategies and Optimizations", 1995).

use crate::bitset::Bitset;
use crate::order;
use crate::postings::List;
use crate::rank;
use crate::segment::Segment;
use crate::tokenize;
use crate::types::{Statistics, TermScore};

const K1: f32 = 1.2;
const B: f32 = 0.75;

/// Upper bounds are sums of floats in another order than the scores: this much is added to stay above.
const BOUND_SLACK: f32 = 1.0 + 1e-5;

/// A document of more terms is looked up in the postings instead of counting in its own terms.
const STREAM_MAX: usize = 48;

/// Scores by slot, kept between queries so that nothing large is allocated.
#[derive(Debug, Default)]
pub(crate) struct Scores {
    by_slot: Vec<f32>,
    scored: Vec<u32>,
}

impl Scores {
    fn reset(&mut self, slots: usize) {
        for &slot in &self.scored {
            if let Some(score) = self.by_slot.get_mut(slot as usize) {
                *score = 0.0;
            }
        }
        self.scored.clear();
        self.by_slot.resize(slots, 0.0);
    }

    #[inline]
    fn get(&self, slot: u32) -> f32 {
        self.by_slot.get(slot as usize).copied().unwrap_or(0.0)
    }
}

/// A term of a query.
#[derive(Debug)]
struct Term<'a> {
    text: String,
    id: Option<u32>,
    list: List<'a>,
    idf: f32,
    /// No document here gets more for this term.
    bound: f32,
}

/// A query's terms, rare ones first.
#[derive(Debug)]
pub(crate) struct Keywords<'a> {
    segment: &'a Segment,
    terms: Vec<Term<'a>>,
    /// BM25's length norm, by length, as far as lengths are common.
    norms: Vec<f32>,
    average: f32,
}

/// The best documents by keyword, and what the others have at most.
#[derive(Debug)]
pub(crate) struct Best {
    pub(crate) ranked: Vec<(u32, f32)>,
    pub(crate) rest: Option<f32>,
}

/// What BM25 needs to know about the terms of a text in one segment, leaving out some documents.
pub(crate) fn statistics(segment: &Segment, text: &str, without: &Bitset) -> Statistics {
    let mut terms = Vec::new();
    tokenize::terms(text, |term| terms.push(term.to_owned()));
    order::sort_by(&mut terms, |a: &String, b| a.cmp(b));
    terms.dedup();
    let postings = segment.postings();
    let totals = postings.totals();
    let (mut documents, mut total_length) = (totals.documents, totals.length);
    let mut missing = vec![0; terms.len()];
    let ids: Vec<Option<u32>> = terms.iter().map(|term| segment.terms().find(term)).collect();
    for slot in without.iter() {
        let stream = postings.stream(slot);
        documents -= u32::from(!stream.is_empty());
        total_length -= stream.len() as u64;
        for (id, missing) in ids.iter().zip(&mut missing) {
            *missing += u32::from(id.is_some_and(|id| stream.contains(&id)));
        }
    }
    let count = |(id, missing): (Option<u32>, u32)| id.map_or(0, |id| postings.list(id).documents) - missing;
    let counts = ids.into_iter().zip(missing).map(count);
    Statistics { documents, total_length, terms: terms.iter().cloned().zip(counts).collect() }
}

fn idf(documents: u32, with_term: u32) -> f32 {
    let (all, some) = (f64::from(documents), f64::from(with_term));
    libm::log(1.0 + (all - some + 0.5) / (some + 0.5)) as f32
}

fn length_norm(length: u32, average: f32) -> f32 {
    K1 * (1.0 - B + B * length as f32 / average)
}

#[inline]
fn part(idf: f32, count: u16, norm: f32) -> f32 {
    let count = f32::from(count);
    idf * (count * (K1 + 1.0) / (count + norm))
}

impl<'a> Keywords<'a> {
    /// Prepares the terms that `statistics` counts.
    pub(crate) fn new(segment: &'a Segment, statistics: &Statistics) -> Keywords<'a> {
        let average = if statistics.documents == 0 {
            1.0
        } else {
            (statistics.total_length as f64 / f64::from(statistics.documents)) as f32
        };
        let mut ordered: Vec<&(String, u32)> = statistics.terms.iter().collect();
        // The same order on every segment and every replica: the order in which floats are added is part of the answer.
        order::sort_by(&mut ordered, |a, b| a.1.cmp(&b.1).then_with(|| a.0.cmp(&b.0)));
        let term = |(text, documents): &(String, u32)| {
            let id = segment.terms().find(text);
            let list = id.map(|id| segment.postings().list(id)).unwrap_or_default();
            let idf = idf(statistics.documents, *documents);
            let bound = part(idf, list.count_max, length_norm(list.length_min, average)) * BOUND_SLACK;
            Term { text: text.clone(), id, list, idf, bound }
        };
        let terms = ordered.into_iter().map(term).collect();
        let norms = (0..256).map(|length| length_norm(length, average)).collect();
        Keywords { segment, terms, norms, average }
    }

    #[inline]
    fn norm(&self, slot: u32) -> f32 {
        let length = self.segment.postings().stream(slot).len();
        self.norms.get(length).copied().unwrap_or_else(|| length_norm(length as u32, self.average))
    }

    /// How often a document has a term.
    fn count(&self, slot: u32, term: &Term<'_>) -> u16 {
        let Some(id) = term.id else { return 0 };
        let stream = self.segment.postings().stream(slot);
        if stream.len() <= STREAM_MAX {
            return stream.iter().filter(|other| **other == id).count() as u16;
        }
        let at = term.list.slots.binary_search(&slot);
        at.ok().and_then(|at| term.list.counts.get(at)).copied().unwrap_or(0)
    }

    /// The score of one document; none when it has none of the terms.
    pub(crate) fn score(&self, slot: u32) -> Option<f32> {
        let norm = self.norm(slot);
        let mut sum = None;
        for term in &self.terms {
            let count = self.count(slot, term);
            if count > 0 {
                sum = Some(sum.unwrap_or(0.0) + part(term.idf, count, norm));
            }
        }
        sum
    }

    /// Each term's part in the score of a document.
    pub(crate) fn explain(&self, slot: u32) -> Vec<TermScore> {
        let norm = self.norm(slot);
        let counted = self.terms.iter().map(|term| (term, self.count(slot, term))).filter(|(_, count)| *count > 0);
        let score = |(term, count): (&Term<'_>, u16)| TermScore {
            term: term.text.clone(),
            count: u32::from(count),
            idf: term.idf,
            score: part(term.idf, count, norm),
        };
        counted.map(score).collect()
    }

    /// The best `depth` documents among `accept`.
    pub(crate) fn best(&self, accept: Option<&Bitset>, depth: usize, scores: &mut Scores) -> Best {
        scores.reset(self.segment.documents().slots());
        let mut rest: f32 = self.terms.iter().map(|term| term.bound).sum();
        let mut threshold = f32::NEG_INFINITY;
        let mut highest = 0.0_f32;
        let mut pruned: Option<Vec<u32>> = None;
        for term in &self.terms {
            // Whether documents that have none of the terms so far can still be among the best. Looking for the threshold
            // costs as much as a term, so not before it can matter.
            if pruned.is_none() && rest < highest && scores.scored.len() >= depth {
                threshold = nth_best(&scores.scored, depth, scores);
                if rest < threshold {
                    let reach = |slot: &u32| scores.get(*slot) + rest >= threshold;
                    // Through a set, which puts them in order in a fraction of the time of sorting.
                    let mut reaching = Bitset::new(self.segment.documents().slots());
                    scores.scored.iter().copied().filter(reach).for_each(|slot| reaching.insert(slot));
                    pruned = Some(reaching.iter().collect());
                }
            }
            if let Some(left) = &mut pruned {
                if left.len() > 2 * depth {
                    left.retain(|slot| scores.get(*slot) + rest >= threshold);
                }
                self.add_to(term, left, scores);
                if left.len() > 2 * depth {
                    threshold = threshold.max(nth_best(left, depth, scores));
                }
            } else {
                highest = highest.max(self.add_all(term, accept, scores));
            }
            rest -= term.bound;
        }
        let slots = pruned.as_ref().unwrap_or(&scores.scored);
        let documents = self.segment.documents();
        let pairs = slots.iter().map(|slot| (*slot, scores.get(*slot)));
        let ranked: Vec<(u32, f32)> =
            rank::best(depth, pairs, |slot| documents.key(slot)).iter().map(|best| (best.slot, best.score)).collect();
        let listed = pruned.is_none() && ranked.len() == scores.scored.len();
        let rest = if listed { None } else { ranked.last().map(|(_, score)| *score) };
        Best { ranked, rest }
    }

    /// Adds a term's part to every document that has it, and answers the highest score that came of it.
    fn add_all(&self, term: &Term<'_>, accept: Option<&Bitset>, scores: &mut Scores) -> f32 {
        let mut highest = 0.0_f32;
        for (&slot, &count) in term.list.slots.iter().zip(term.list.counts) {
            if accept.is_some_and(|accept| !accept.contains(slot)) {
                continue;
            }
            let score = part(term.idf, count, self.norm(slot));
            if let Some(sum) = scores.by_slot.get_mut(slot as usize) {
                if *sum == 0.0 {
                    scores.scored.push(slot);
                }
                *sum += score;
                highest = highest.max(*sum);
            }
        }
        highest
    }

    /// Adds a term's part to those of `slots`, ascending, that have it.
    fn add_to(&self, term: &Term<'_>, slots: &[u32], scores: &mut Scores) {
        let (mut list, mut counts) = (term.list.slots, term.list.counts);
        for &slot in slots {
            // Forward in doubling steps, then back by halves: the list is long and the slots are few.
            let mut step = 1;
            while list.get(step).is_some_and(|other| *other < slot) {
                step *= 2;
            }
            let window = list.get(..(step + 1).min(list.len())).unwrap_or_default();
            let at = window.partition_point(|other| *other < slot);
            (list, counts) = (list.get(at..).unwrap_or_default(), counts.get(at..).unwrap_or_default());
            if let (Some(first), Some(count)) = (list.first(), counts.first())
                && *first == slot
            {
                let score = part(term.idf, *count, self.norm(slot));
                if let Some(sum) = scores.by_slot.get_mut(slot as usize) {
                    *sum += score;
                }
            }
        }
    }
}

/// The `n`-th best score of some slots.
fn nth_best(slots: &[u32], n: usize, scores: &Scores) -> f32 {
    let mut all: Vec<f32> = slots.iter().map(|slot| scores.get(*slot)).collect();
    let at = n.saturating_sub(1).min(all.len().saturating_sub(1));
    let (_, nth, _) = all.select_nth_unstable_by(at, |a, b| b.total_cmp(a));
    *nth
}
