//! What tests need on Node: the packages of host/tests/node, installed by their lockfile.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::Context;

use crate::paths;
use crate::run::run;

/// Installs what is not there and answers the folder with `node_modules`.
pub(crate) fn packages() -> anyhow::Result<PathBuf> {
    let dir = paths::products().join("node");
    let from = paths::workspace().join("host/tests/node");
    let lockfile = fs::read(from.join("package-lock.json"))?;
    let stamp = dir.join("installed.json");
    if fs::read(&stamp).is_ok_and(|installed| installed == lockfile) && dir.join("node_modules").is_dir() {
        return Ok(dir);
    }
    fs::create_dir_all(&dir)?;
    for name in ["package.json", "package-lock.json"] {
        fs::copy(from.join(name), dir.join(name)).with_context(|| format!("copy {name}"))?;
    }
    eprintln!("installing the packages of host/tests/node from npm");
    let mut npm = Command::new("npm");
    // Nothing of ours needs the scripts that packages want to run.
    npm.args(["ci", "--silent", "--no-audit", "--no-fund", "--ignore-scripts"]).current_dir(&dir).stdout(Stdio::null());
    run(&mut npm).context("install the packages of host/tests/node with npm; it needs Node.js 20 or newer")?;
    fs::write(&stamp, lockfile)?;
    Ok(dir)
}
