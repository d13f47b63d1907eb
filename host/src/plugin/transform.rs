//! Transforms: what records become as they are published.

use std::path::Path;

use super::isolate::{Isolate, different, prepare};
use super::{PluginError, PluginFault, PluginKind, PluginLimits, words};
use crate::bindings::transform::exports::skerry::plugin::publishing::Error;
use crate::bindings::transform::{Transform as World, TransformPre};
use crate::call::Guard;
use crate::cancel::Cancel;
use crate::engine::Engine;
use crate::types::plugin::{PublishBatch, Verdict};

const KIND: PluginKind = PluginKind::Transform;

/// A component that changes or refuses records as they are published.
pub struct Transform {
    isolate: Isolate,
    pre: TransformPre<Guard>,
}

impl std::fmt::Debug for Transform {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Transform").field("limits", &self.isolate.limits()).finish_non_exhaustive()
    }
}

impl Transform {
    /// Checks, compiles and starts a component once; its native code is kept in `cache_dir`.
    ///
    /// # Errors
    /// See [`PluginError`].
    pub fn open(
        engine: &Engine,
        cache_dir: &Path,
        wasm: &[u8],
        limits: PluginLimits,
    ) -> Result<Transform, PluginError> {
        let instance = prepare(engine, cache_dir, KIND, wasm)?;
        let pre = TransformPre::new(instance).map_err(|error| different(KIND, &error))?;
        let isolate = Isolate::new(engine, KIND, limits, |store| pre.instantiate(store))?;
        Ok(Transform { isolate, pre })
    }

    /// One verdict for each record, in their order. A record in the place of another has its key; what else stands in it is
    /// as the plugin made it, and has to be checked like what comes from a client.
    ///
    /// # Errors
    /// See [`PluginFault`].
    pub fn transform(&self, batch: &PublishBatch, cancel: Option<&Cancel>) -> Result<Vec<Verdict>, PluginFault> {
        let answered = self.isolate.run(
            cancel,
            |store| self.pre.instantiate(store),
            |world: &World, store| world.skerry_plugin_publishing().call_transform(store, batch),
        )?;
        let mut verdicts = answered.map_err(|error| match error {
            Error::InvalidSettings(said) => PluginFault::Settings(words(&said)),
            Error::Other(said) => PluginFault::Said(words(&said)),
        })?;
        if verdicts.len() != batch.entries.len() {
            let (got, sent) = (verdicts.len(), batch.entries.len());
            return Err(PluginFault::Answer(format!("{got} verdicts for {sent} records")));
        }
        for (verdict, entry) in verdicts.iter_mut().zip(&batch.entries) {
            match verdict {
                Verdict::Replace(replacement) if replacement.key != entry.key => {
                    let (from, to) = (words(&entry.key), words(&replacement.key));
                    return Err(PluginFault::Answer(format!(
                        "it replaces the record `{from}` by one with the key `{to}`; the key must stay"
                    )));
                }
                Verdict::Refuse(reason) => *reason = words(reason),
                _ => {}
            }
        }
        Ok(verdicts)
    }
}
