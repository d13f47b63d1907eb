//! The composition of a baked query component and an embedding component: one component that exports what both do.

use wasm_encoder::{ComponentBuilder, ComponentExportKind};

/// What the composition exports of the query component: what is asked, and not what fills a segment.
const QUERY_EXPORTS: [&str; 4] = [
    // First, as the other interfaces use its types.
    "skerry:query/documents@0.1.0",
    "skerry:query/search@0.1.0",
    "skerry:query/language@0.1.0",
    "skerry:query/snapshot@0.1.0",
];

/// What it exports of the embedding component.
const EMBEDDING_EXPORTS: [&str; 1] = ["skerry:embedding/embedder@0.1.0"];

/// The composition. Whether both are components of the right worlds is seen when it is compiled.
pub(super) fn compose(query: &[u8], embedding: &[u8]) -> Vec<u8> {
    let mut outer = ComponentBuilder::default();
    let components = [(query, &QUERY_EXPORTS[..]), (embedding, &EMBEDDING_EXPORTS[..])];
    let held: Vec<_> = components.map(|(bytes, exports)| (outer.component_raw(None, bytes), exports)).into();
    for (component, exports) in held {
        let instance = outer.instantiate(None, component, std::iter::empty::<(&str, ComponentExportKind, u32)>());
        for name in exports {
            let export = outer.alias_export(instance, name, ComponentExportKind::Instance);
            outer.export(*name, ComponentExportKind::Instance, export, None);
        }
    }
    outer.finish()
}
