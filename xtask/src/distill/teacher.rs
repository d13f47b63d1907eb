//! The teacher: vectors of texts by the component that is already built.

use std::fs;
use std::time::Duration;

use anyhow::Context;
use indicatif::{ProgressBar, ProgressStyle};
use sha2::{Digest, Sha256};
use skerry_host::{Components, Embedder, Engine, EngineConfig, Limits};

use crate::fetch::write_whole;
use crate::paths;

/// Texts between two moves of the bar.
const BATCH: usize = 512;

/// An embedder of ours by its component's name.
pub(crate) fn embedder(name: &str) -> anyhow::Result<Embedder> {
    let engine = Engine::new(&EngineConfig::default())?;
    let components = Components::open(&paths::components())?;
    let limits = Limits { memory_bytes_max: 256 << 20, deadline: Duration::from_mins(2) };
    let instances = std::thread::available_parallelism().map_or(2, usize::from);
    Ok(Embedder::new(&engine, &components.component(&engine, name)?, instances, limits)?)
}

/// The vectors of texts. They are kept in target/skerry/distill under a name that says the model and the texts.
pub(crate) fn vectors(embedder: &Embedder, what: &str, texts: &[&str]) -> anyhow::Result<Vec<f32>> {
    let mut digest = Sha256::new().chain_update(&embedder.model().id);
    texts.iter().for_each(|text| digest.update(Sha256::digest(text)));
    let name = hex::encode(digest.finalize());
    let path = paths::products().join("distill").join(format!("{what}-{}.f32", name.get(..16).unwrap_or_default()));
    if !path.is_file() {
        fs::create_dir_all(paths::products().join("distill"))?;
        let style = "{msg} {wide_bar} {pos}/{len} texts, {per_sec}, {eta} left";
        let bar = ProgressBar::new(texts.len() as u64).with_style(ProgressStyle::with_template(style)?);
        bar.set_message(format!("embedding {what}"));
        let mut bytes = Vec::new();
        for batch in texts.chunks(BATCH) {
            for embedding in embedder.embed(batch)? {
                bytes.extend(embedding.vector.iter().flat_map(|number| number.to_le_bytes()));
            }
            bar.inc(batch.len() as u64);
        }
        bar.finish_and_clear();
        write_whole(&path, &bytes)?;
    }
    let bytes = fs::read(&path).with_context(|| format!("read {}", path.display()))?;
    Ok(bytes.as_chunks::<4>().0.iter().map(|number| f32::from_le_bytes(*number)).collect())
}
