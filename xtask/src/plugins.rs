//! The plugins of examples and tests: `cargo xtask plugins`, and before every test.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context;
use sha2::{Digest, Sha256};

use crate::components::{TARGET, add_target, encode_package};
use crate::fetch::write_whole;
use crate::run::run;
use crate::{node, paths};

/// Plugins written in Rust: their names and their crates.
const IN_RUST: [(&str, &str); 2] = [("redact", "skerry-plugin-redact"), ("faults", "skerry-plugin-faults")];

/// The one written in JavaScript.
const RECENCY: &str = "examples/plugins/recency";

/// What is given to the compiler of JavaScript.
const RECENCY_SOURCES: [&str; 3] = ["recency.js", "build.mjs", "package-lock.json"];

/// Builds what is not up to date and answers the folder with `<name>.wasm`.
pub(crate) fn build() -> anyhow::Result<PathBuf> {
    add_target(TARGET)?;
    let dir = paths::products().join("plugins");
    fs::create_dir_all(&dir)?;
    for (name, package) in IN_RUST {
        write_whole(&dir.join(format!("{name}.wasm")), &encode_package(package, "+simd128")?)?;
    }
    build_recency(&dir)?;
    Ok(dir)
}

/// The compiler's output differs from run to run, so it is run only for other input: native code stays in its caches.
fn build_recency(dir: &Path) -> anyhow::Result<()> {
    let (from, wit) = (paths::workspace().join(RECENCY), paths::workspace().join("wit/plugin"));
    let mut digest = Sha256::new();
    for name in RECENCY_SOURCES {
        digest.update(fs::read(from.join(name)).with_context(|| format!("read {name} of {RECENCY}"))?);
    }
    let mut contracts: Vec<PathBuf> =
        fs::read_dir(&wit)?.map(|file| Ok(file?.path())).collect::<anyhow::Result<_>>()?;
    contracts.sort();
    for contract in contracts {
        digest.update(fs::read(contract)?);
    }
    let inputs = hex::encode(digest.finalize());
    let (path, stamp) = (dir.join("recency.wasm"), dir.join("recency.inputs"));
    if path.is_file() && fs::read(&stamp).ok().as_deref() == Some(inputs.as_bytes()) {
        return Ok(());
    }
    let packages = node::RECENCY_PLUGIN.install()?;
    // Node looks for packages beside the file that names them.
    for name in RECENCY_SOURCES {
        fs::copy(from.join(name), packages.join(name))?;
    }
    eprintln!("building the plugin recency from JavaScript");
    run(Command::new("node").current_dir(&packages).arg("build.mjs").arg(&wit).arg(&path))
        .context("build the plugin recency; it needs Node.js 20 or newer")?;
    write_whole(&stamp, inputs.as_bytes())
}
