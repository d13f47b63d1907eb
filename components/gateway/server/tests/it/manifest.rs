//! `spin.toml` names what the built components really import and export. Spin itself is no part of the tests.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde::Deserialize;
use skerry_gateway_server::compose;
use skerry_host::inspect::{exports, imports};

use crate::component;

#[derive(Deserialize)]
struct Manifest {
    spin_manifest_version: u32,
    component: BTreeMap<String, Component>,
}

#[derive(Deserialize)]
struct Component {
    source: String,
    dependencies: BTreeMap<String, Dependency>,
}

#[derive(Deserialize)]
struct Dependency {
    path: String,
}

/// A component by the path that the manifest gives it, from wherever it was built.
fn built(path: &str) -> Vec<u8> {
    let name = path.strip_prefix("target/skerry/components/").expect("what `cargo xtask components` builds");
    component(name)
}

/// Whether an interface is of a package: `skerry:query/search@0.1.0` of `skerry:query@0.1.0`.
fn is_of(package: &str, interface: &str) -> bool {
    let (name, version) = package.split_once('@').unwrap();
    let (path, of) = interface.split_once('@').unwrap();
    path.split_once('/').is_some_and(|(package, _)| package == name) && of == version
}

/// Spin refuses a manifest whose dependencies match no import, or do not export what is imported; this would find it first.
#[test]
fn dependencies_are_what_the_gateway_imports() {
    let text = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../spin.toml")).unwrap();
    let manifest: Manifest = toml::from_str(&text).unwrap();
    assert_eq!(manifest.spin_manifest_version, 2);
    let gateway = &manifest.component["gateway"];
    for source in [gateway.source.as_str(), "target/skerry/components/gateway-wasip2.wasm"] {
        let source = built(source);
        let mut open: BTreeSet<String> = imports(&source).unwrap().into_iter().collect();
        for (package, Dependency { path }) in &gateway.dependencies {
            let given = exports(&built(path)).unwrap();
            let wanted: Vec<String> = open.iter().filter(|import| is_of(package, import)).cloned().collect();
            assert!(!wanted.is_empty(), "{package} matches no import");
            for import in wanted {
                assert!(given.contains(&import), "{path} does not export {import}");
                open.remove(&import);
            }
        }
        // What is left is what every host of wasi:http has; above all nothing of Spin's own.
        assert!(open.iter().all(|import| import.starts_with("wasi:")), "{open:?}");
        let plugs: Vec<Vec<u8>> = gateway.dependencies.values().map(|dependency| built(&dependency.path)).collect();
        let plugs: Vec<&[u8]> = plugs.iter().map(Vec::as_slice).collect();
        let whole = compose(&source, &plugs).unwrap();
        let whole: BTreeSet<String> = imports(&whole).unwrap().into_iter().collect();
        assert_eq!(whole, open, "composed, it imports what it imported before but for what was met");
    }
}

/// Each build speaks the version of `wasi:http` that its name says. The one for 0.2 needs nothing else of WASI.
#[test]
fn each_build_speaks_its_version() {
    let starts = |names: &[String], prefix: &str| names.iter().any(|name| name.starts_with(prefix));
    let (three, two) = (component("gateway.wasm"), component("gateway-wasip2.wasm"));
    assert!(starts(&exports(&three).unwrap(), "wasi:http/handler@0.3"));
    assert!(starts(&exports(&two).unwrap(), "wasi:http/incoming-handler@0.2"));
    let of_wasi: Vec<String> = imports(&two).unwrap().into_iter().filter(|name| name.starts_with("wasi:")).collect();
    let expected = |name: &String| name.starts_with("wasi:http/types@0.2") || name.starts_with("wasi:io/");
    assert!(of_wasi.iter().all(expected), "{of_wasi:?}");
}
