//! Baking the model into the embedding component.

use std::path::Path;

use anyhow::Context;
use indicatif::{ProgressBar, ProgressStyle};

use crate::files::{self, Inputs, Stamp};
use crate::run::say;
use crate::workspace::Workspace;

/// The model's name as people know it; the first part of its identity.
const NAME: &str = "all-MiniLM-L6-v2";

/// Weights in the component's own format.
pub(crate) fn packed_weights(workspace: &Workspace, model: &Path) -> anyhow::Result<Vec<u8>> {
    let path = model.join("packed.bin");
    let inputs = Inputs::default()
        .value(NAME)
        .path(&model.join("model.safetensors"))?
        .path(&model.join("vocab.txt"))?
        .path(&workspace.root().join("components/embedding/src"))?;
    let stamp = Stamp::new(&workspace.stamps(), "packed", inputs);
    if stamp.is_fresh(&path)? {
        return files::read(&path);
    }
    say("packing the model's weights");
    let vocabulary = String::from_utf8(files::read(&model.join("vocab.txt"))?).context("read the vocabulary")?;
    let packed = skerry_embedding::pack::pack(&files::read(&model.join("model.safetensors"))?, &vocabulary, NAME)?;
    files::write(&path, &packed)?;
    stamp.set(&packed)?;
    Ok(packed)
}

/// Identity of the model in packed weights.
pub(crate) fn model_id(packed: &[u8]) -> anyhow::Result<String> {
    Ok(skerry_embedding::Model::load(packed.to_vec()).context("read the packed weights")?.info().id)
}

/// Bakes weights into a component and writes it to `output`, unless it is there already.
pub(crate) fn bake(
    workspace: &Workspace,
    name: &str,
    guest: &Path,
    packed: &[u8],
    output: &Path,
) -> anyhow::Result<()> {
    let inputs = Inputs::default()
        .value(&files::sha256(packed))
        .path(guest)?
        .path(&workspace.root().join("host/src/bake.rs"))?
        .path(&workspace.root().join("Cargo.lock"))?;
    let stamp = Stamp::new(&workspace.stamps(), &format!("{name}-baked"), inputs);
    if stamp.is_fresh(output)? {
        return Ok(());
    }
    let bar = ProgressBar::new(packed.len() as u64).with_message(format!("baking {name}.wasm"));
    bar.set_style(ProgressStyle::with_template("{msg} {bar:30} {bytes}/{total_bytes}")?);
    let baked = skerry_host::bake::embedding(&files::read(guest)?, packed, &mut |done, _| bar.set_position(done))?;
    bar.finish_and_clear();
    files::write(output, &baked)?;
    stamp.set(&baked)
}
