use skerry_host::inspect;
use wasmparser::{Parser, Payload};

use crate::artefacts::{COMPONENTS, documents, wasm};

/// The promise of the design: a component can reach nothing. Checked at the component's surface and, in case an adapter
/// hides something inside, at every core module in it (components inside only wrap those); baked artefacts included. A core module
/// may ask for one thing: the table of its own component's handles, by which it hands out what it exports as a resource.
#[test]
fn components_import_nothing() {
    let names: Vec<&String> = COMPONENTS.manifest().keys().collect();
    assert_eq!(names, ["embedding", "embedding-simd128", "embedding-static", "geometry", "query"]);
    for name in names {
        let wasm = wasm(name);
        assert_eq!(inspect::imports(&wasm).unwrap(), Vec::<String>::new(), "{name}");
        for payload in Parser::new(0).parse_all(&wasm) {
            if let Payload::ImportSection(section) = payload.unwrap() {
                for import in section.into_imports() {
                    let import = import.unwrap();
                    let is_own_handles = import.module.starts_with("[export]") && import.name.starts_with("[resource-");
                    // The encoder's own modules hand a resource's destructor from one to the other under these names.
                    let is_between_modules = matches!(import.module, "" | "actual" | "shim");
                    assert!(
                        is_own_handles || is_between_modules,
                        "a core module of {name} imports {} {}",
                        import.module,
                        import.name
                    );
                }
            }
        }
    }
}

/// Baking must not open a hole: a snapshot of a segment is as pure as the component that it was made from.
#[test]
fn a_baked_segment_imports_nothing() {
    let baked = skerry_host::bake::segment(&wasm("query"), std::iter::once(documents(0, 10)), &|_| ()).unwrap();
    assert_eq!(inspect::imports(&baked).unwrap(), Vec::<String>::new());
    assert_eq!(inspect::exports(&baked).unwrap(), inspect::exports(&wasm("query")).unwrap());
}

/// Hosts find the exports by these names.
#[test]
fn components_export_what_their_worlds_say() {
    let exports = |name: &str| inspect::exports(&wasm(name)).unwrap();
    assert_eq!(
        exports("query"),
        ["documents", "image", "search", "language", "graph", "snapshot"]
            .map(|interface| format!("skerry:query/{interface}@0.1.0"))
    );
    let interfaces = [
        "distance",
        "curvature",
        "manifold",
        "property",
        "series",
        "cloud",
        "spectral",
        "multilayer",
        "hierarchy",
        "hypergraph",
        "community",
        "tracking",
        "anomaly",
    ];
    assert_eq!(exports("geometry"), interfaces.map(|interface| format!("skerry:geometry/{interface}@0.1.0")));
    assert_eq!(exports("embedding"), ["skerry:embedding/embedder@0.1.0", "skerry:embedding/weights@0.1.0"]);
}
