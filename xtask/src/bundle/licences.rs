//! The licences of everything that is linked in: the texts that the crates themselves carry, each once, and an index.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;

use anyhow::Context;
use sha2::{Digest, Sha256};

use super::crates::{Crate, Crates};

/// How files begin that say under which terms a crate may be used.
const NAMES: [&str; 7] = ["LICENSE", "LICENCE", "COPYING", "COPYRIGHT", "NOTICE", "UNLICENSE", "LEGAL"];

/// Files below `licences/`: `INDEX.txt` and `texts/`.
pub(super) fn collect(crates: &Crates) -> anyhow::Result<BTreeMap<String, Vec<u8>>> {
    let mut files = BTreeMap::new();
    let mut index = String::from(
        "What the programs and components of this bundle are linked with: each crate with its licence (an SPDX expression)\n\
         and the texts that it carries. A crate without a text carries none; its expression names the licence.\n",
    );
    for one in crates.crates.values().filter(|one| !one.is_ours) {
        let licence = one.licence.as_deref().unwrap_or("see its text");
        writeln!(index, "\n{} {}\n    {licence}", one.name, one.version)?;
        for (name, text) in texts(one)? {
            let digest = hex::encode(Sha256::digest(&text));
            let path = format!("texts/{}.txt", digest.get(..16).unwrap_or(&digest));
            writeln!(index, "    {name}: {path}")?;
            files.insert(path, text);
        }
    }
    files.insert("INDEX.txt".to_owned(), index.into_bytes());
    Ok(files)
}

fn texts(one: &Crate) -> anyhow::Result<BTreeMap<String, Vec<u8>>> {
    let mut texts = BTreeMap::new();
    let entries = fs::read_dir(&one.folder).with_context(|| format!("read the sources of {}", one.name))?;
    for entry in entries {
        let path = entry?.path();
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let upper = name.to_uppercase();
        if path.is_file() && NAMES.iter().any(|begin| upper.starts_with(begin)) && !is_source(&upper) {
            texts.insert(name, fs::read(&path).with_context(|| format!("read {}", path.display()))?);
        }
    }
    if let Some(file) = &one.licence_file {
        let path = one.folder.join(file);
        texts.insert(
            file.to_string_lossy().into_owned(),
            fs::read(&path).with_context(|| format!("read {}", path.display()))?,
        );
    }
    Ok(texts)
}

/// A program or a list of settings about licences is no licence.
fn is_source(upper: &str) -> bool {
    [".RS", ".PY", ".TOML", ".JSON", ".SH", ".HTML"].iter().any(|end| upper.ends_with(end))
}
