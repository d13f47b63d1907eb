//! Pythons of their own for what benchmarks compare with, and the scripts in bench/ that run in them.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use crate::paths;
use crate::run::run;

/// A set of pinned packages and the folder that they are installed into.
pub(super) struct Environment {
    requirements: &'static str,
    folder: &'static str,
}

/// What the search benchmark imports.
pub(super) const SEARCH: Environment = Environment { requirements: "requirements.txt", folder: "peers" };

/// What the embedding benchmark imports.
pub(super) const EMBEDDING: Environment =
    Environment { requirements: "requirements-embedding.txt", folder: "peers-embedding" };

/// What the charts of the sync benchmark import.
pub(super) const SYNC: Environment = Environment { requirements: "requirements-sync.txt", folder: "peers-sync-charts" };

/// What the graph benchmark and its chart import.
pub(super) const GRAPH: Environment = Environment { requirements: "requirements-graph.txt", folder: "peers-graph" };

/// What the geometry benchmark and its charts import.
pub(super) const GEOMETRY: Environment =
    Environment { requirements: "requirements-geometry.txt", folder: "peers-geometry" };

impl Environment {
    /// A folder that goes when the environment goes.
    pub(super) fn folder(&self) -> PathBuf {
        paths::products().join(self.folder)
    }

    /// A Python with the pinned packages. One that does not install is left out, and this says so.
    pub(super) fn python(&self) -> anyhow::Result<PathBuf> {
        let dir = self.folder();
        let python = dir.join("bin/python");
        let pinned = fs::read_to_string(script(self.requirements))?;
        let stamp = dir.join("installed.txt");
        if fs::read_to_string(&stamp).is_ok_and(|installed| installed == pinned) {
            return Ok(python);
        }
        run(Command::new("python3").args(["-m", "venv"]).arg(&dir))?;
        let pip = |arguments: &[&str]| {
            let mut command = Command::new(&python);
            command.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"]).args(arguments);
            run(&mut command)
        };
        let all = script(self.requirements);
        if pip(&["-r", &all.to_string_lossy()]).is_err() {
            for line in pinned.lines().filter(|line| !line.trim().is_empty() && !line.starts_with('#')) {
                if pip(&[line]).is_err() {
                    eprintln!("{line} does not install here");
                }
            }
        }
        fs::write(&stamp, pinned)?;
        Ok(python)
    }
}

/// A script by its name.
pub(super) fn script(name: &str) -> PathBuf {
    paths::workspace().join("bench").join(name)
}

/// Where the charts of docs/benchmarks.md are.
pub(super) fn images() -> anyhow::Result<PathBuf> {
    let images = paths::workspace().join("docs/images");
    fs::create_dir_all(&images)?;
    Ok(images)
}
