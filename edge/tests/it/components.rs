//! What the built components may ask of their hosts.

use skerry_host::inspect;

use crate::components_dir;

fn wasm(name: &str) -> Vec<u8> {
    std::fs::read(components_dir().join(format!("{name}.wasm"))).expect("run `cargo xtask components` first")
}

/// A component is a pure function: not one import, not even WASI (the design's first idea).
#[test]
fn components_import_nothing() {
    for name in ["query", "geometry", "embedding", "embedding-simd128", "embedding-static"] {
        assert_eq!(inspect::imports(&wasm(name)).unwrap(), [] as [String; 0], "{name}");
    }
}

/// The gateway asks for the components it is composed with and for WASI, for nothing that only Spin has.
#[test]
fn the_gateway_runs_on_any_wasi_http_host() {
    let gateway = wasm("gateway");
    let imports = inspect::imports(&gateway).unwrap();
    for needed in ["skerry:embedding/embedder@0.1.0", "skerry:query/search@0.1.0"] {
        assert!(imports.iter().any(|name| name == needed), "{imports:?}");
    }
    let foreign: Vec<_> =
        imports.iter().filter(|name| !name.starts_with("wasi:") && !name.starts_with("skerry:")).collect();
    assert!(foreign.is_empty(), "{foreign:?}");
    assert!(inspect::exports(&gateway).unwrap().iter().any(|name| name.starts_with("wasi:http/handler@0.3")));
}
