//! What people get for other languages: the npm package and the demo page, and a Python for the example.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use anyhow::Context;
use sha2::{Digest, Sha256};

use crate::run::run;
use crate::{node, paths};

/// Builds the npm package and the demo page where they are not up to date, and answers their folder.
pub(crate) fn npm() -> anyhow::Result<PathBuf> {
    let modules = node::SDK.install()?;
    let (sources, out) = (paths::workspace().join("sdk/js"), paths::products().join("npm"));
    let inputs = inputs(&sources)?;
    let stamp = out.join("inputs.txt");
    if fs::read_to_string(&stamp).is_ok_and(|made| made == inputs) {
        return Ok(out);
    }
    let mut build = Command::new("node");
    build.arg(sources.join("build.mjs")).arg(&modules).arg(paths::components()).arg(paths::model()).arg(&out);
    run(&mut build).context("build the npm package")?;
    fs::write(&stamp, inputs)?;
    Ok(out)
}

/// A digest of everything that the package is made of.
fn inputs(sources: &std::path::Path) -> anyhow::Result<String> {
    let mut digest = Sha256::new().chain_update(fs::read(paths::components().join("manifest.json"))?);
    digest.update(fs::read(paths::components().join("unbaked/embedding.wasm"))?);
    let mut folders = vec![sources.to_owned()];
    while let Some(folder) = folders.pop() {
        let mut entries: Vec<PathBuf> =
            fs::read_dir(&folder)?.map(|entry| Ok(entry?.path())).collect::<std::io::Result<_>>()?;
        entries.sort();
        for path in entries {
            if path.is_dir() {
                folders.push(path);
            } else {
                digest.update(path.to_string_lossy().as_bytes());
                digest.update(Sha256::digest(fs::read(&path)?));
            }
        }
    }
    Ok(hex::encode(digest.finalize()))
}

/// A Python with what the example needs, by pinned hashes.
pub(crate) fn python() -> anyhow::Result<PathBuf> {
    let requirements = paths::workspace().join("sdk/python/requirements.txt");
    let dir = paths::products().join("sdk-python");
    let python = dir.join("bin/python");
    let pinned = fs::read_to_string(&requirements)?;
    let stamp = dir.join("installed.txt");
    if fs::read_to_string(&stamp).is_ok_and(|installed| installed == pinned) {
        return Ok(python);
    }
    run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&dir)).context("make a Python for the example")?;
    let mut pip = Command::new(&python);
    pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--require-hashes", "-r"]);
    run(pip.arg(&requirements)).context("install what the Python example needs from PyPI")?;
    fs::write(&stamp, pinned)?;
    Ok(python)
}
