//! The components as they are shipped: built, baked, listed in a manifest, compiled for this machine.

use std::collections::BTreeMap;
use std::path::PathBuf;

use anyhow::Context;
use skerry_host::{Components, Engine, EngineConfig, ManifestEntry};

use crate::guests::{self, GUESTS};
use crate::run::say;
use crate::workspace::Workspace;
use crate::{bake, fetch, files};

/// Brings the components up to date and answers their folder. Takes about a second when nothing changed.
pub(crate) fn build(workspace: &Workspace) -> anyhow::Result<PathBuf> {
    let model = fetch::model(workspace)?;
    guests::build(workspace)?;
    let packed = bake::packed_weights(workspace, &model)?;
    let model_id = bake::model_id(&packed)?;
    let dir = workspace.components();
    let mut manifest = BTreeMap::new();
    for guest in &GUESTS {
        let output = dir.join(format!("{}.wasm", guest.name));
        let built = guest.path(workspace);
        if guest.takes_weights() {
            bake::bake(workspace, guest.name, &built, &packed, &output)?;
        } else if files::sha256_of(&output)? != files::sha256_of(&built)? {
            files::write(&output, &files::read(&built)?)?;
        }
        let entry = ManifestEntry {
            sha256: files::sha256_of(&output)?.with_context(|| format!("read {}", output.display()))?,
            bytes: std::fs::metadata(&output).with_context(|| format!("read {}", output.display()))?.len(),
            model: guest.takes_weights().then(|| model_id.clone()),
        };
        manifest.insert(guest.name.to_owned(), entry);
    }
    // After the components it names: whoever reads the old one meanwhile is told that a file does not fit it.
    let listing = serde_json::to_string_pretty(&manifest)? + "\n";
    files::write(&dir.join("manifest.json"), listing.as_bytes())?;
    compile(&dir)?;
    Ok(dir)
}

/// Compiles what has no native code yet, and drops native code that nothing uses any more.
fn compile(dir: &std::path::Path) -> anyhow::Result<()> {
    let engine = Engine::new(&EngineConfig::default())?;
    let components = Components::open(dir)?;
    for name in components.manifest().keys() {
        if !components.is_compiled(&engine, name) {
            say(format!("compiling {name}.wasm for this machine"));
        }
        components.component(&engine, name)?;
    }
    components.prune(&engine).context("drop native code that nothing uses")
}
