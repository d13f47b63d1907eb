//! A component in a bare wasmtime, compiled for a processor of our choice.
#![allow(unsafe_code, clippy::pedantic, reason = "generated bindings")]

use wasmtime::component::{Component, Linker};
use wasmtime::{Config, Engine, Store};

wasmtime::component::bindgen!({ path: "../wit/embedding", world: "embedding" });

/// One instance.
pub(super) struct Bare {
    store: Store<()>,
    world: Embedding,
}

impl Bare {
    /// Compiles it for this processor, or for the least that a target has: naming a target turns the detection of
    /// features off.
    pub(super) fn new(wasm: &[u8], target: Option<&str>) -> Bare {
        let mut config = Config::new();
        config.wasm_component_model(true).concurrency_support(false).wasm_relaxed_simd(true);
        if let Some(target) = target {
            config.target(target).unwrap();
        }
        let engine = Engine::new(&config).unwrap();
        let component = Component::new(&engine, wasm).unwrap();
        let mut store = Store::new(&engine, ());
        let world = Embedding::instantiate(&mut store, &component, &Linker::new(&engine)).unwrap();
        Bare { store, world }
    }

    pub(super) fn embed(&mut self, texts: &[String]) -> Vec<Vec<f32>> {
        let embeddings = self.world.skerry_embedding_embedder().call_embed(&mut self.store, texts).unwrap().unwrap();
        embeddings.into_iter().map(|embedding| embedding.vector).collect()
    }
}
