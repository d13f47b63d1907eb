//! Subscription filters: which changes a subscriber is told of.

use std::path::Path;

use super::isolate::{Isolate, different, prepare};
use super::{PluginError, PluginFault, PluginKind, PluginLimits, words};
use crate::bindings::subscription_filter::exports::skerry::plugin::filtering::Error;
use crate::bindings::subscription_filter::{SubscriptionFilter as World, SubscriptionFilterPre};
use crate::call::Guard;
use crate::cancel::Cancel;
use crate::engine::Engine;
use crate::types::plugin::ChangeBatch;

const KIND: PluginKind = PluginKind::SubscriptionFilter;

/// A component that chooses changes.
pub struct SubscriptionFilter {
    isolate: Isolate,
    pre: SubscriptionFilterPre<Guard>,
}

impl std::fmt::Debug for SubscriptionFilter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SubscriptionFilter").field("limits", &self.isolate.limits()).finish_non_exhaustive()
    }
}

impl SubscriptionFilter {
    /// Checks, compiles and starts a component once; its native code is kept in `cache_dir`.
    ///
    /// # Errors
    /// See [`PluginError`].
    pub fn open(
        engine: &Engine,
        cache_dir: &Path,
        wasm: &[u8],
        limits: PluginLimits,
    ) -> Result<SubscriptionFilter, PluginError> {
        let instance = prepare(engine, cache_dir, KIND, wasm)?;
        let pre = SubscriptionFilterPre::new(instance).map_err(|error| different(KIND, &error))?;
        let isolate = Isolate::new(engine, KIND, limits, |store| pre.instantiate(store))?;
        Ok(SubscriptionFilter { isolate, pre })
    }

    /// For each change, in their order, whether it is told.
    ///
    /// # Errors
    /// See [`PluginFault`].
    pub fn keep(&self, batch: &ChangeBatch, cancel: Option<&Cancel>) -> Result<Vec<bool>, PluginFault> {
        let answered = self.isolate.run(
            cancel,
            |store| self.pre.instantiate(store),
            |world: &World, store| world.skerry_plugin_filtering().call_keep(store, batch),
        )?;
        let keep = answered.map_err(|error| match error {
            Error::InvalidSettings(said) => PluginFault::Settings(words(&said)),
            Error::InvalidArgument(said) => PluginFault::Argument(words(&said)),
            Error::Other(said) => PluginFault::Said(words(&said)),
        })?;
        if keep.len() != batch.changes.len() {
            let (got, sent) = (keep.len(), batch.changes.len());
            return Err(PluginFault::Answer(format!("{got} answers for {sent} changes")));
        }
        Ok(keep)
    }
}
