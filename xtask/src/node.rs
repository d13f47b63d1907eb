//! What tests and benchmarks need on Node: packages, installed by their lockfiles.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::Context;

use crate::paths;
use crate::run::run;

/// A folder of ours with a lockfile, and the folder below target/skerry that its packages are installed into.
pub(crate) struct Packages {
    from: &'static str,
    into: &'static str,
}

/// What runs components on Node.
pub(crate) const HOST_TESTS: Packages = Packages { from: "host/tests/node", into: "node" };

/// What makes a component of the example plugin in JavaScript.
pub(crate) const RECENCY_PLUGIN: Packages = Packages { from: "examples/plugins/recency", into: "plugin-recency" };

/// The clients that the hub is tested with.
pub(crate) const HUB_TESTS: Packages = Packages { from: "sync/hub/tests/node", into: "hub-node" };

/// What builds and tests the npm package.
pub(crate) const SDK: Packages = Packages { from: "sdk/js", into: "sdk-node" };

/// The servers that the hub is compared with.
pub(crate) const SYNC_PEERS: Packages = Packages { from: "bench/sync", into: "peers-sync" };

impl Packages {
    /// Installs what is not there and answers the folder with `node_modules`.
    pub(crate) fn install(&self) -> anyhow::Result<PathBuf> {
        let dir = paths::products().join(self.into);
        let from = paths::workspace().join(self.from);
        let lockfile = fs::read(from.join("package-lock.json"))?;
        let stamp = dir.join("installed.json");
        if fs::read(&stamp).is_ok_and(|installed| installed == lockfile) && dir.join("node_modules").is_dir() {
            return Ok(dir);
        }
        fs::create_dir_all(&dir)?;
        for name in ["package.json", "package-lock.json"] {
            fs::copy(from.join(name), dir.join(name)).with_context(|| format!("copy {name}"))?;
        }
        eprintln!("installing the packages of {} from npm", self.from);
        let mut npm = Command::new("npm");
        // Nothing of ours needs the scripts that packages want to run.
        npm.args(["ci", "--silent", "--no-audit", "--no-fund", "--ignore-scripts"]);
        npm.current_dir(&dir).stdout(Stdio::null());
        run(&mut npm)
            .with_context(|| format!("install the packages of {} with npm; it needs Node.js 20 or newer", self.from))?;
        fs::write(&stamp, lockfile)?;
        Ok(dir)
    }
}
