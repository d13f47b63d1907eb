//! The engine: how components are compiled and where their instances live.

#[cfg(feature = "compile")]
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use wasmtime::{Config, InstanceAllocationStrategy, PoolingAllocationConfig};

#[cfg(feature = "compile")]
use crate::mmap;
use crate::ticker::Ticker;

/// How an engine is set up.
#[derive(Debug, Clone)]
pub struct EngineConfig {
    /// Instances that may live at once, all components together. Each costs 4 GiB of address space, not of memory.
    pub instances_max: u32,
}

impl Default for EngineConfig {
    fn default() -> Self {
        EngineConfig { instances_max: 1_000 }
    }
}

/// Why there is no engine.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EngineError {
    /// The machine, or this build for it, cannot run WebAssembly as configured.
    #[error("the WebAssembly engine does not start: {0}")]
    Unsupported(String),
    /// The thread that watches deadlines could not be started.
    #[error("cannot start the thread that watches deadlines")]
    Thread(#[source] std::io::Error),
}

/// Compiles and runs components. Clones share one engine; its threads stop when the last is dropped.
#[derive(Debug, Clone)]
pub struct Engine {
    inner: Arc<Inner>,
}

struct Inner {
    // Dropped first: it joins the thread that uses the engine.
    ticker: Ticker,
    wasm: wasmtime::Engine,
}

impl std::fmt::Debug for Inner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Engine").finish_non_exhaustive()
    }
}

impl Engine {
    /// Starts an engine.
    ///
    /// Instances come from a pool of address space, which makes a new one cost microseconds. Where that much address space
    /// is not to be had (`ulimit -v`, small virtual machines) they are mapped one by one, slower and with the same answers.
    ///
    /// # Errors
    /// See [`EngineError`].
    pub fn new(config: &EngineConfig) -> Result<Engine, EngineError> {
        let wasm = match wasmtime::Engine::new(pooled(&mut base(), config)) {
            Ok(wasm) => wasm,
            Err(error) => {
                tracing::warn!(%error, "no address space for a pool of instances; each will be mapped by itself");
                wasmtime::Engine::new(&base()).map_err(|error| EngineError::Unsupported(format!("{error:#}")))?
            }
        };
        let weak = wasm.weak();
        let tick = move || {
            if let Some(engine) = weak.upgrade() {
                engine.increment_epoch();
            }
        };
        let ticker = Ticker::start(tick).map_err(EngineError::Thread)?;
        Ok(Engine { inner: Arc::new(Inner { ticker, wasm }) })
    }

    pub(crate) fn wasm(&self) -> &wasmtime::Engine {
        &self.inner.wasm
    }

    pub(crate) fn ticker(&self) -> &Ticker {
        &self.inner.ticker
    }

    /// Names what native code must have been compiled for to run here: wasmtime's version, the processor's features, the
    /// settings that shape code.
    #[cfg(feature = "compile")]
    pub fn compatibility(&self) -> String {
        #[allow(clippy::disallowed_types, reason = "names a cache entry; another hash only costs a compilation")]
        let mut hasher = std::hash::DefaultHasher::new();
        self.inner.wasm.precompile_compatibility_hash().hash(&mut hasher);
        format!("{:016x}", hasher.finish())
    }

    /// Names what native code must have been compiled for to run here. This program compiles none, and finds none by this name.
    #[cfg(not(feature = "compile"))]
    #[allow(clippy::unused_self, reason = "the same call with and without a compiler")]
    pub fn compatibility(&self) -> String {
        "none".to_owned()
    }
}

/// Everything that shapes compiled code. The pool does not: artefacts work with and without it.
fn base() -> Config {
    let mut config = Config::new();
    config
        .wasm_component_model(true)
        .concurrency_support(false)
        .wasm_relaxed_simd(true)
        .memory_init_cow(true)
        .epoch_interruption(true);
    config
}

fn pooled<'a>(config: &'a mut Config, limits: &EngineConfig) -> &'a Config {
    let mut pool = PoolingAllocationConfig::new();
    pool.total_component_instances(limits.instances_max)
        .total_core_instances(limits.instances_max)
        .total_memories(limits.instances_max)
        .total_tables(limits.instances_max)
        // Segments may fill all that a 32-bit memory can address; what bounds them in practice is `Limits`.
        .max_memory_size(1 << 32);
    config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool))
}

/// The configuration that compiles for another machine: no features of this one's processor, only those named.
#[cfg(feature = "compile")]
pub(crate) fn for_target(target: &str, features: &[&str]) -> wasmtime::Result<Config> {
    let mut config = base();
    config.target(target)?;
    for feature in features {
        mmap::enable_feature(&mut config, feature);
    }
    Ok(config)
}

#[cfg(feature = "compile")]
/// The configuration under which components are baked: on demand, without deadlines, for the builder's own components.
pub(crate) fn for_baking() -> Config {
    let mut config = base();
    config.epoch_interruption(false);
    config
}
