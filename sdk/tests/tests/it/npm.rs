//! The npm package on Node, by Node's own test runner.

use std::path::PathBuf;
use std::process::Command;

use crate::fixture::{FIXTURE, components_dir, made};

/// Runs one of the files in sdk/js/test and shows what it said when it fails.
pub(crate) fn run(test: &str, flags: &[&str], settings: &[(&str, &str)]) {
    let mut node = Command::new("node");
    // Not with `--test`, which starts another process without our flags.
    node.args(flags).arg("--test-reporter=spec");
    node.arg(format!(concat!(env!("CARGO_MANIFEST_DIR"), "/../js/test/{}"), test));
    node.env("SKERRY_NPM", made("SKERRY_NPM", "npm")).env("SKERRY_SDK_NODE", made("SKERRY_SDK_NODE", "sdk-node"));
    node.env("SKERRY_FIXTURE", &*FIXTURE).env("SKERRY_COMPONENTS", components_dir()).envs(settings.iter().copied());
    let output =
        node.output().unwrap_or_else(|error| panic!("node does not start ({error}): install Node.js 20 or newer"));
    let said = String::from_utf8_lossy(&output.stdout);
    println!("{said}");
    assert!(output.status.success(), "{test} failed:\n{said}\n{}", String::from_utf8_lossy(&output.stderr));
    // A file without tests would pass as well.
    assert!(said.contains("pass ") && !said.contains("pass 0\n"), "{test} ran no test:\n{said}");
}

/// Vectors, answers, records, signatures, refusals.
#[test]
fn the_package_answers_on_node() {
    run("node.test.mjs", &[], &[]);
}

/// The same with the build of the model for relaxed SIMD, which Node 20 has behind a flag and later ones have always.
#[test]
fn the_package_answers_on_node_with_relaxed_simd() {
    const FLAG: &str = "--experimental-wasm-relaxed-simd";
    let options = Command::new("node").arg("--v8-options").output().unwrap();
    let has_flag = String::from_utf8_lossy(&options.stdout).contains(FLAG);
    run("node.test.mjs", if has_flag { &[FLAG] } else { &[] }, &[("SKERRY_EXPECT_RELAXED", "yes")]);
}

/// Headless Chromium: the demo page finds what our host finds, also when the network and the server are gone.
#[test]
fn the_demo_page_searches_offline() {
    run("demo.test.mjs", &[], &[]);
}

/// Headless Chromium against a real hub and a real node: writes of the tab reach the node and the other way round, also those made
/// while the hub was away, and a tab that is opened again has everything.
#[test]
fn a_tab_is_a_replica() {
    let programs = programs();
    run("replica.test.mjs", &[], &[("SKERRY_PROGRAMS", programs.to_str().unwrap())]);
}

/// The folder with `skerry` and `skerry-hub`, which `cargo test --workspace` builds beside the tests.
pub(crate) fn programs() -> PathBuf {
    let dir = std::env::current_exe().unwrap().parent().unwrap().parent().unwrap().to_owned();
    for name in ["skerry", "skerry-hub"] {
        assert!(dir.join(name).is_file(), "{name} is not in {}: run `cargo xtask test`", dir.display());
    }
    dir
}
