//! Rerankers: a query's best hits in another order.
//!
//! The hits that a reranker is given are those that the same query without it would answer, so whatever it does it can neither
//! add nor hide any but by the cut at `k`.

use skerry_host::Cancel;
use skerry_host::types::plugin::{Candidate, Ranking, RankingRequest, Span};
use skerry_sync::ProjectName;

use super::{PluginFailure, shape};
use crate::api::query::{self, Timing};
use crate::body::{Answer, HitBody, QueryBody, RerankBody, RerankedBody};
use crate::node::Node;
use crate::problem::{Kind, Problem};

/// Hits that a reranker is given when the request does not say, and at most.
const CANDIDATES_DEFAULT: u32 = 50;
const CANDIDATES_MAX: u32 = 1_000;

/// Hits of a query that does not say how many.
const K_DEFAULT: u32 = 10;

/// Bytes of an argument at most.
const ARGUMENT_BYTES_MAX: usize = 64 << 10;

/// Answers a query, by way of a reranker when it names one.
///
/// # Errors
/// As [`query::answer`]; [`Kind::UnknownPlugin`], and [`Kind::InvalidQuery`] also when the plugin cannot read its argument. A
/// plugin that fails is no error: the answer has the query's own order and says why.
pub(crate) fn answer(
    node: &Node,
    project: &ProjectName,
    mut body: QueryBody,
    cancel: &Cancel,
) -> Result<(Answer, Timing), Problem> {
    let Some(RerankBody { plugin, candidates, argument }) = body.rerank.take() else {
        return query::answer(node, project, body, cancel);
    };
    // A project that there is not is told before a plugin that there is not.
    node.replica().sequence(project)?;
    let plugin = node.plugins().reranker(&plugin, project)?;
    let argument = argument_text(argument)?;
    let window = Window::of(&body, candidates)?;
    let text = body.text.clone().or_else(|| body.query.clone());
    body.k = Some(window.candidates);
    body.offset = None;
    let (mut answer, mut timing) = query::answer(node, project, body, cancel)?;
    let started = std::time::Instant::now();
    let found = answer.hits.len();
    let mut failed = None;
    if found > 0 {
        let request = RankingRequest {
            project: project.as_str().to_owned(),
            settings: plugin.settings().to_owned(),
            argument,
            text,
            candidates: answer.hits.iter().map(candidate).collect(),
        };
        match plugin.call(|reranker| reranker.rerank(&request, Some(cancel))) {
            Ok(ranking) => sort(&mut answer.hits, &ranking),
            Err(failure @ PluginFailure::Argument { .. }) => {
                let detail = format!("`rerank.argument`: {failure}.");
                return Err(Problem::new(Kind::InvalidQuery, detail).with("plugin", plugin.name()));
            }
            Err(PluginFailure::Cancelled) => {
                return Err(Problem::new(Kind::DeadlineExceeded, "Whoever asked has gone."));
            }
            Err(failure) => failed = Some(failure.to_string()),
        }
    }
    window.cut(&mut answer);
    timing.rerank_ms = Some(started.elapsed().as_secs_f64() * 1e3);
    answer.reranked = Some(RerankedBody { plugin: plugin.name().to_owned(), candidates: found, failed });
    Ok((answer, timing))
}

/// The text of an argument: itself when it is a text, JSON otherwise.
///
/// # Errors
/// [`Kind::InvalidQuery`] when it is too long.
fn argument_text(argument: Option<serde_json::Value>) -> Result<String, Problem> {
    let text = match argument {
        None => String::new(),
        Some(serde_json::Value::String(text)) => text,
        Some(value) => value.to_string(),
    };
    if text.len() > ARGUMENT_BYTES_MAX {
        let detail = format!("`rerank.argument` has {} bytes; at most {ARGUMENT_BYTES_MAX} are taken.", text.len());
        return Err(Problem::new(Kind::InvalidQuery, detail));
    }
    Ok(text)
}

/// Which of the ranked hits are answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Window {
    candidates: u32,
    offset: u32,
    k: u32,
}

impl Window {
    fn of(body: &QueryBody, candidates: Option<u32>) -> Result<Window, Problem> {
        let (k, offset) = (body.k.unwrap_or(K_DEFAULT), body.offset.unwrap_or(0));
        let wanted = offset.saturating_add(k);
        let candidates = candidates.unwrap_or_else(|| CANDIDATES_DEFAULT.max(wanted.min(CANDIDATES_MAX)));
        let invalid = |detail: String| Err(Problem::new(Kind::InvalidQuery, detail));
        if k == 0 || k > CANDIDATES_MAX {
            return invalid(format!("`k` is {k}; it goes from 1 to {CANDIDATES_MAX}."));
        }
        if candidates == 0 || candidates > CANDIDATES_MAX {
            return invalid(format!("`rerank.candidates` is {candidates}; it goes from 1 to {CANDIDATES_MAX}."));
        }
        if wanted > candidates {
            return invalid(format!(
                "`offset` and `k` ask for {wanted} hits together, and `rerank.candidates` is {candidates}: only hits that are ranked can be answered. At most {CANDIDATES_MAX} are."
            ));
        }
        Ok(Window { candidates, offset, k })
    }

    fn cut(self, answer: &mut Answer) {
        let ranked = answer.hits.len();
        let end = (self.offset as usize).saturating_add(self.k as usize);
        answer.hits.truncate(end);
        answer.hits.drain(..(self.offset as usize).min(answer.hits.len()));
        answer.next_offset = Some(self.offset + self.k).filter(|_| ranked > end);
    }
}

fn candidate(hit: &HitBody) -> Candidate {
    Candidate {
        score: hit.score,
        vector_score: hit.vector_score,
        keyword_score: hit.keyword_score,
        chunk: hit.chunk.map(|chunk| Span { start: chunk.start, end: chunk.end }),
        entry: shape::entry(hit.record.clone()),
    }
}

/// Orders hits by a ranking that has been checked. In an order the score of the first is 1, of the second 1/2, and so on, so
/// that hits are always in the order of their scores.
fn sort(hits: &mut [HitBody], ranking: &Ranking) {
    let mut rescore = |position: usize, score: f32| {
        if let Some(hit) = hits.get_mut(position) {
            hit.query_score = Some(hit.score);
            hit.score = score;
        }
    };
    match ranking {
        Ranking::Scores(scores) => scores.iter().enumerate().for_each(|(position, &score)| rescore(position, score)),
        Ranking::Order(order) => {
            let rescored = |(rank, &position): (usize, &u32)| rescore(position as usize, 1.0 / (rank as f32 + 1.0));
            order.iter().enumerate().for_each(rescored);
        }
    }
    hits.sort_by(|a, b| b.score.total_cmp(&a.score).then_with(|| a.key.cmp(&b.key)));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hits(scores: &[(&str, f32)]) -> Vec<HitBody> {
        let hit = |&(key, score): &(&str, f32)| HitBody {
            key: key.to_owned(),
            score,
            query_score: None,
            vector_score: None,
            chunk: None,
            keyword_score: None,
            group: None,
            explanation: None,
            highlight: None,
            via: None,
            record: serde_json::from_value(serde_json::json!({ "key": key })).unwrap(),
        };
        scores.iter().map(hit).collect()
    }

    fn keys(hits: &[HitBody]) -> String {
        hits.iter().map(|hit| hit.key.as_str()).collect()
    }

    /// Higher scores first, equal ones by key, minus zero and zero too; an order is kept; the query's own score stays to be seen.
    #[test]
    fn hits_are_sorted() {
        let mut by_scores = hits(&[("b", 0.9), ("a", 0.8), ("c", 0.7)]);
        sort(&mut by_scores, &Ranking::Scores(vec![1.0, 1.0, 2.0]));
        assert_eq!(keys(&by_scores), "cab");
        assert_eq!((by_scores[0].score, by_scores[0].query_score), (2.0, Some(0.7)));
        let mut by_order = hits(&[("b", 0.9), ("a", 0.8), ("c", 0.7)]);
        sort(&mut by_order, &Ranking::Order(vec![2, 0, 1]));
        assert_eq!(keys(&by_order), "cba");
        assert_eq!(by_order.iter().map(|hit| hit.score).collect::<Vec<_>>(), [1.0, 0.5, 1.0 / 3.0]);
    }

    /// A page is cut from what was ranked, and nothing beyond is promised.
    #[test]
    fn pages_are_cut_from_what_was_ranked() {
        let of = |k, offset, candidates| {
            Window::of(&QueryBody { k, offset, ..QueryBody::default() }, candidates).map_err(|problem| problem.kind())
        };
        assert_eq!(of(None, None, None), Ok(Window { candidates: 50, offset: 0, k: 10 }));
        assert_eq!(of(Some(80), Some(20), None), Ok(Window { candidates: 100, offset: 20, k: 80 }));
        for (k, offset, candidates) in
            [(Some(10), None, Some(9)), (Some(0), None, None), (Some(1_000), Some(1), None), (None, None, Some(1_001))]
        {
            assert_eq!(of(k, offset, candidates), Err(Kind::InvalidQuery), "{k:?} {offset:?} {candidates:?}");
        }
        let cut = |offset, k| {
            let mut answer = Answer {
                version: String::new(),
                candidates: 5,
                approximate: false,
                next_offset: Some(7),
                vectors_pending: None,
                vectors_unavailable: None,
                reranked: None,
                hits: hits(&[("a", 5.0), ("b", 4.0), ("c", 3.0)]),
            };
            Window { candidates: 50, offset, k }.cut(&mut answer);
            (keys(&answer.hits), answer.next_offset)
        };
        assert_eq!(cut(0, 2), ("ab".to_owned(), Some(2)));
        assert_eq!(cut(2, 2), ("c".to_owned(), None));
        assert_eq!(cut(9, 2), (String::new(), None));
    }
}
