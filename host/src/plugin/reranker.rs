//! Rerankers: another order for what a query found.

use std::path::Path;

use super::isolate::{Isolate, different, prepare};
use super::{PluginError, PluginFault, PluginKind, PluginLimits, words};
use crate::bindings::reranker::exports::skerry::plugin::ranking::Error;
use crate::bindings::reranker::{Reranker as World, RerankerPre};
use crate::call::Guard;
use crate::cancel::Cancel;
use crate::engine::Engine;
use crate::types::plugin::{Ranking, RankingRequest};

const KIND: PluginKind = PluginKind::Reranker;

/// A component that scores or orders hits.
pub struct Reranker {
    isolate: Isolate,
    pre: RerankerPre<Guard>,
}

impl std::fmt::Debug for Reranker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reranker").field("limits", &self.isolate.limits()).finish_non_exhaustive()
    }
}

impl Reranker {
    /// Checks, compiles and starts a component once; its native code is kept in `cache_dir`.
    ///
    /// # Errors
    /// See [`PluginError`].
    pub fn open(engine: &Engine, cache_dir: &Path, wasm: &[u8], limits: PluginLimits) -> Result<Reranker, PluginError> {
        let instance = prepare(engine, cache_dir, KIND, wasm)?;
        let pre = RerankerPre::new(instance).map_err(|error| different(KIND, &error))?;
        let isolate = Isolate::new(engine, KIND, limits, |store| pre.instantiate(store))?;
        Ok(Reranker { isolate, pre })
    }

    /// A finite score for each candidate, or an order that has each position once.
    ///
    /// # Errors
    /// See [`PluginFault`].
    pub fn rerank(&self, request: &RankingRequest, cancel: Option<&Cancel>) -> Result<Ranking, PluginFault> {
        let answered = self.isolate.run(
            cancel,
            |store| self.pre.instantiate(store),
            |world: &World, store| world.skerry_plugin_ranking().call_rerank(store, request),
        )?;
        let ranking = answered.map_err(|error| match error {
            Error::InvalidSettings(said) => PluginFault::Settings(words(&said)),
            Error::InvalidArgument(said) => PluginFault::Argument(words(&said)),
            Error::Other(said) => PluginFault::Said(words(&said)),
        })?;
        check(&ranking, request.candidates.len()).map_err(PluginFault::Answer)?;
        Ok(ranking)
    }
}

fn check(ranking: &Ranking, candidates: usize) -> Result<(), String> {
    match ranking {
        Ranking::Scores(scores) if scores.len() != candidates => {
            Err(format!("{} scores for {candidates} candidates", scores.len()))
        }
        Ranking::Scores(scores) => match scores.iter().position(|score| !score.is_finite()) {
            Some(position) => Err(format!("the score of candidate {position} is not finite")),
            None => Ok(()),
        },
        Ranking::Order(order) if order.len() != candidates => {
            Err(format!("an order of {} positions for {candidates} candidates", order.len()))
        }
        Ranking::Order(order) => {
            let mut seen = vec![false; candidates];
            for &position in order {
                match seen.get_mut(position as usize) {
                    Some(seen) if !*seen => *seen = true,
                    Some(_) => return Err(format!("the order has position {position} twice")),
                    None => return Err(format!("the order has position {position} of {candidates} candidates")),
                }
            }
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What would sort hits in an undefined way, lose one or double one, is refused.
    #[test]
    fn rankings_are_whole() {
        assert_eq!(check(&Ranking::Scores(vec![0.5, -1.0]), 2), Ok(()));
        assert_eq!(check(&Ranking::Order(vec![1, 2, 0]), 3), Ok(()));
        for (ranking, says) in [
            (Ranking::Scores(vec![0.5]), "1 scores"),
            (Ranking::Scores(vec![0.5, f32::NAN]), "candidate 1 is not finite"),
            (Ranking::Scores(vec![f32::NEG_INFINITY, 0.0]), "candidate 0 is not finite"),
            (Ranking::Order(vec![0]), "an order of 1"),
            (Ranking::Order(vec![1, 1]), "1 twice"),
            (Ranking::Order(vec![0, 2]), "position 2 of 2"),
        ] {
            let error = check(&ranking, 2).unwrap_err();
            assert!(error.contains(says), "{error}");
        }
    }
}
