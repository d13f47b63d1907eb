//! The same component in a bare wasmtime, without deadlines and without a pool: what the host's limits cost is the difference.
#![allow(unsafe_code, clippy::pedantic, reason = "generated bindings")]

use wasmtime::component::{Component, Linker};
use wasmtime::{Config, Engine, Store};

wasmtime::component::bindgen!({ path: "../wit/embedding", world: "embedding" });

/// One instance, called directly.
pub(super) struct Bare {
    store: Store<()>,
    world: Embedding,
}

impl Bare {
    /// Compiles it for this process only.
    pub(super) fn new(wasm: &[u8]) -> anyhow::Result<Bare> {
        let mut config = Config::new();
        config.wasm_component_model(true).concurrency_support(false).wasm_relaxed_simd(true).memory_init_cow(true);
        let engine = Engine::new(&config)?;
        let component = Component::new(&engine, wasm)?;
        let mut store = Store::new(&engine, ());
        let world = Embedding::instantiate(&mut store, &component, &Linker::new(&engine))?;
        Ok(Bare { store, world })
    }

    /// The vectors of texts.
    pub(super) fn embed(&mut self, texts: &[String]) -> anyhow::Result<Vec<Vec<f32>>> {
        let embeddings = self.world.skerry_embedding_embedder().call_embed(&mut self.store, texts)?;
        let embeddings = embeddings.map_err(|error| anyhow::anyhow!("the component says: {error:?}"))?;
        Ok(embeddings.into_iter().map(|embedding| embedding.vector).collect())
    }
}
