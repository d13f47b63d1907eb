//! A component on Node, through jco. `cargo xtask test` installs what that needs into target/skerry/node.

use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use crate::artefacts::components_dir;

/// Whether V8 knows a flag; one for what has left its experiments is gone.
pub(super) fn has_flag(flag: &str) -> bool {
    let output = Command::new("node").arg("--v8-options").output();
    let output = output.unwrap_or_else(|error| panic!("node does not start ({error}): install Node.js 20 or newer"));
    String::from_utf8_lossy(&output.stdout).contains(flag)
}

/// The digest that Node gives.
pub(super) fn digest(name: &str, flags: &[&str]) -> String {
    let installed = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../target/skerry/node"));
    let modules = std::env::var_os("SKERRY_NODE").map_or(installed, PathBuf::from);
    assert!(
        modules.join("node_modules").is_dir(),
        "{} has no packages: install Node.js 20 or newer with npm, and run `cargo xtask test`, which installs them",
        modules.display()
    );
    let mut command = Command::new("node");
    command.args(flags).arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/node/digest.mjs")).arg(&modules);
    command.arg(components_dir().join(format!("{name}.wasm")));
    let child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let mut child = child.unwrap_or_else(|error| panic!("node does not start ({error}): install Node.js 20 or newer"));
    let calls = serde_json::to_vec(&super::calls()).unwrap();
    // Where it reads nothing, what it says on its way out is of more use than a broken pipe.
    child.stdin.take().unwrap().write_all(&calls).ok();
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "node failed: {said}");
    println!("node {}", said.trim());
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}
