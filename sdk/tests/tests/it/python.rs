//! The Python example, by its own tests.

use std::process::Command;

use crate::fixture::{FIXTURE, components_dir, made};

/// The wasmtime of `PyPI` gives the same bits and the same answers, and the example refuses a snapshot that was changed.
#[test]
fn the_example_answers() {
    let mut python = Command::new(made("SKERRY_PYTHON", "sdk-python/bin/python"));
    python.args(["-B", "-m", "unittest", "-v", "test_example"]);
    python.current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/../python"));
    let output = python.env("SKERRY_FIXTURE", &*FIXTURE).env("SKERRY_COMPONENTS", components_dir()).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.contains("Ran 5 tests"), "{said}");
}

/// As the documentation says to call it.
#[test]
fn the_example_runs_as_documented() {
    let mut python = Command::new(made("SKERRY_PYTHON", "sdk-python/bin/python"));
    python.arg("-B").arg(concat!(env!("CARGO_MANIFEST_DIR"), "/../python/skerry_example.py"));
    python.arg(FIXTURE.join("docs.wasm")).arg(components_dir().join("embedding.wasm"));
    let output = python.arg("who may connect to a hub, and with which token").output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(said.starts_with("docs: ") && said.contains("hub.md#"), "{said}");
}
