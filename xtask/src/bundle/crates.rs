//! The crates that are in the programs and components, as cargo resolves them.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;

use anyhow::{Context, bail};
use serde::Deserialize;

use crate::paths;
use crate::run::cargo;

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Listed>,
    resolve: Resolve,
}

#[derive(Deserialize)]
struct Listed {
    id: String,
    name: String,
    version: String,
    license: Option<String>,
    license_file: Option<PathBuf>,
    description: Option<String>,
    repository: Option<String>,
    source: Option<String>,
    manifest_path: PathBuf,
}

#[derive(Deserialize)]
struct Resolve {
    nodes: Vec<Node>,
}

#[derive(Deserialize)]
struct Node {
    id: String,
    deps: Vec<Dependency>,
}

#[derive(Deserialize)]
struct Dependency {
    pkg: String,
    dep_kinds: Vec<Kind>,
}

#[derive(Deserialize)]
struct Kind {
    /// Absent for what is linked in, `build` and `dev` for the rest.
    kind: Option<String>,
}

/// One crate.
pub(super) struct Crate {
    pub(super) name: String,
    pub(super) version: String,
    /// An SPDX expression.
    pub(super) licence: Option<String>,
    pub(super) licence_file: Option<PathBuf>,
    pub(super) description: Option<String>,
    pub(super) repository: Option<String>,
    /// Where its sources are on this machine.
    pub(super) folder: PathBuf,
    /// It is of this workspace.
    pub(super) is_ours: bool,
    /// SHA-256 of the archive in the registry.
    pub(super) checksum: Option<String>,
    /// Names and versions of the crates that it is linked with.
    pub(super) dependencies: BTreeSet<(String, String)>,
}

/// All crates, by name and version.
pub(super) struct Crates {
    pub(super) crates: BTreeMap<(String, String), Crate>,
}

impl Crates {
    /// Those that these packages of the workspace are linked with on a target, and themselves. `features` are beyond the
    /// default ones, each as `<package>/<feature>`.
    pub(super) fn read(target: &str, roots: &[&str], features: &[&str]) -> anyhow::Result<Crates> {
        let mut metadata = cargo();
        metadata.args(["metadata", "--format-version", "1", "--locked", "--filter-platform", target]);
        if !features.is_empty() {
            metadata.args(["--features", &features.join(",")]);
        }
        let output = metadata.output().context("start cargo")?;
        if !output.status.success() {
            bail!("cargo metadata failed: {}", String::from_utf8_lossy(&output.stderr));
        }
        let metadata: Metadata = serde_json::from_slice(&output.stdout).context("read what cargo metadata says")?;
        let checksums = checksums()?;
        let listed: BTreeMap<&str, &Listed> = metadata.packages.iter().map(|one| (one.id.as_str(), one)).collect();
        let nodes: BTreeMap<&str, &Node> = metadata.resolve.nodes.iter().map(|node| (node.id.as_str(), node)).collect();

        let is_root = |one: &&Listed| one.source.is_none() && roots.contains(&one.name.as_str());
        let mut open: Vec<&str> = metadata.packages.iter().filter(is_root).map(|one| one.id.as_str()).collect();
        if open.len() != roots.len() {
            bail!("the workspace does not have all of {roots:?}");
        }
        let mut crates = BTreeMap::new();
        while let Some(id) = open.pop() {
            let (Some(one), Some(node)) = (listed.get(id), nodes.get(id)) else {
                bail!("cargo metadata names {id} and does not describe it");
            };
            let key = (one.name.clone(), one.version.clone());
            if crates.contains_key(&key) {
                continue;
            }
            let linked: Vec<&str> =
                node.deps.iter().filter(|dependency| dependency.is_linked()).map(|one| one.pkg.as_str()).collect();
            let named = |id: &&str| listed.get(id).map(|one| (one.name.clone(), one.version.clone()));
            let folder = one.manifest_path.parent().map(PathBuf::from).unwrap_or_default();
            let found = Crate {
                name: one.name.clone(),
                version: one.version.clone(),
                licence: one.license.clone(),
                licence_file: one.license_file.clone(),
                description: one.description.clone(),
                repository: one.repository.clone(),
                folder,
                is_ours: one.source.is_none(),
                checksum: checksums.get(&key).cloned(),
                dependencies: linked.iter().filter_map(named).collect(),
            };
            crates.insert(key, found);
            open.extend(linked);
        }
        Ok(Crates { crates })
    }
}

impl Crates {
    /// These and others.
    pub(super) fn and(mut self, others: Crates) -> Crates {
        for (key, mut other) in others.crates {
            if let Some(known) = self.crates.get_mut(&key) {
                known.dependencies.append(&mut other.dependencies);
            } else {
                self.crates.insert(key, other);
            }
        }
        self
    }
}

impl Dependency {
    fn is_linked(&self) -> bool {
        self.dep_kinds.iter().any(|kind| kind.kind.is_none())
    }
}

/// What the lockfile pins: SHA-256 by name and version.
fn checksums() -> anyhow::Result<BTreeMap<(String, String), String>> {
    let lockfile = fs::read_to_string(paths::workspace().join("Cargo.lock")).context("read Cargo.lock")?;
    let value = |block: &str, name: &str| {
        let line = block.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(" = \""));
        line.and_then(|line| line.strip_suffix('"')).map(str::to_owned)
    };
    let blocks = lockfile.split("[[package]]").skip(1);
    Ok(blocks
        .filter_map(|block| Some(((value(block, "name")?, value(block, "version")?), value(block, "checksum")?)))
        .collect())
}
