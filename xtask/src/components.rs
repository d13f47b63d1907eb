//! Builds the components: cargo for `wasm32-unknown-unknown`, encoding to a component, packing and baking of weights,
//! native code for this machine.

mod gateway;

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

use anyhow::Context;
use indicatif::{ProgressBar, ProgressStyle};
use sha2::{Digest, Sha256};
use skerry_host::{Components, Engine, EngineConfig, ManifestEntry, bake};
use wit_component::ComponentEncoder;

use crate::distill;
use crate::fetch::{self, write_whole};
use crate::paths;
use crate::run::{cargo, run};

/// What guests are built for.
pub(crate) const TARGET: &str = "wasm32-unknown-unknown";

/// Name that the packed weights carry.
pub(crate) const MODEL_NAME: &str = "all-MiniLM-L6-v2";

/// A build of a guest crate.
struct Guest {
    /// Name in the manifest.
    name: &'static str,
    /// The crate.
    package: &'static str,
    /// Target features.
    features: &'static str,
    /// What is baked in.
    weights: Weights,
}

/// Weights of an embedding component.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Weights {
    /// It is none.
    None,
    /// Those of the fetched model.
    Transformer,
    /// One vector per token, distilled from it by the component that was built before.
    Static,
}

const GUESTS: [Guest; 5] = [
    Guest { name: "query", package: "skerry-query", features: "+simd128", weights: Weights::None },
    Guest { name: "geometry", package: "skerry-geometry", features: "+simd128", weights: Weights::None },
    Guest {
        name: "embedding",
        package: "skerry-embedding",
        features: "+simd128,+relaxed-simd",
        weights: Weights::Transformer,
    },
    // For hosts without relaxed SIMD. Gives the same bits, which a test of the host crate compares.
    Guest {
        name: "embedding-simd128",
        package: "skerry-embedding",
        features: "+simd128",
        weights: Weights::Transformer,
    },
    // For small devices. Its loops gain nothing from relaxed SIMD.
    Guest { name: "embedding-static", package: "skerry-embedding", features: "+simd128", weights: Weights::Static },
];

/// Builds what is not up to date.
pub(crate) fn build() -> anyhow::Result<()> {
    add_target(TARGET)?;
    fetch::model()?;
    let dir = paths::components();
    fs::create_dir_all(&dir)?;
    let mut packed: Option<Vec<u8>> = None;
    let mut manifest = BTreeMap::new();
    for guest in &GUESTS {
        // Who has no npm can do without the small model, not without the others.
        if guest.weights == Weights::Static
            && let Err(error) = fetch::wordnet()
        {
            eprintln!("{} is left out, because what it learns from is not there: {error:#}", guest.name);
            continue;
        }
        let component = encode(guest)?;
        let inputs = inputs_of(guest, &component, &manifest)?;
        if guest.weights == Weights::Transformer {
            // Kept for tests of baking, and for whoever bakes other weights.
            let unbaked = dir.join("unbaked");
            fs::create_dir_all(&unbaked)?;
            write_whole(&unbaked.join(format!("{}.wasm", guest.name)), &component)?;
        }
        let (path, stamp) = (dir.join(format!("{}.wasm", guest.name)), dir.join(format!("{}.inputs", guest.name)));
        // Tests compare the static model with its packed weights.
        let whole = path.is_file() && (guest.weights != Weights::Static || distill::path().is_file());
        if fs::read(&stamp).ok().as_deref() != Some(inputs.as_bytes()) || !whole {
            let finished = match guest.weights {
                Weights::None => component,
                Weights::Transformer => {
                    let weights = match packed.take() {
                        Some(weights) => weights,
                        None => pack()?,
                    };
                    let baked = bake_weights(guest.name, &component, &weights)?;
                    packed = Some(weights);
                    baked
                }
                Weights::Static => {
                    // The teacher is the component that this loop made.
                    write_manifest(&manifest)?;
                    bake_weights(guest.name, &component, &distill::weights()?)?
                }
            };
            write_whole(&path, &finished)?;
            write_whole(&stamp, inputs.as_bytes())?;
        }
        let bytes = fs::read(&path)?;
        let sha256 = hex::encode(Sha256::digest(&bytes));
        manifest.insert(guest.name, ManifestEntry { sha256, bytes: bytes.len() as u64, model: None });
    }
    write_manifest(&manifest)?;
    drop_old_code()?;
    gateway::build()?;
    compile_natively()
}

fn write_manifest(manifest: &BTreeMap<&str, ManifestEntry>) -> anyhow::Result<()> {
    write_whole(&paths::components().join("manifest.json"), &serde_json::to_vec_pretty(manifest)?)
}

/// Adds a compilation target when it is missing.
pub(crate) fn add_target(target: &str) -> anyhow::Result<()> {
    let installed = Command::new("rustup").args(["target", "list", "--installed"]).output();
    let installed = installed.context("start rustup; install Rust with rustup")?;
    if String::from_utf8_lossy(&installed.stdout).lines().any(|line| line == target) {
        return Ok(());
    }
    run(Command::new("rustup").args(["target", "add", target]))
}

/// Builds a guest crate and encodes it as a component.
fn encode(guest: &Guest) -> anyhow::Result<Vec<u8>> {
    encode_package(guest.package, guest.features)
}

/// Builds a crate with these target features for [`TARGET`] and encodes it as a component.
pub(crate) fn encode_package(package: &str, features: &str) -> anyhow::Result<Vec<u8>> {
    let mut build = cargo();
    build.args(["build", "--quiet", "--lib", "--profile", "guest", "--target", TARGET, "--package", package]);
    // Two builds of one crate with other features must not throw each other away.
    let target_dir = paths::target().join("guests").join(features.replace(['+', ','], ""));
    build.arg("--target-dir").arg(&target_dir);
    // A small stack makes a fresh instance cheap; 256 KiB is four times what the deepest call here needs.
    let flags = format!("-C target-feature={features} -C link-arg=-zstack-size=262144");
    build.env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUSTFLAGS", flags);
    run(&mut build).with_context(|| format!("build {package} for {TARGET}"))?;
    let file = target_dir.join(TARGET).join("guest").join(format!("{}.wasm", package.replace('-', "_")));
    let module = fs::read(&file).with_context(|| format!("read {}", file.display()))?;
    let mut encoder = ComponentEncoder::default();
    let encoder = encoder.validate(true);
    encoder.module(&module)?.encode().with_context(|| format!("encode {package} as a component"))
}

/// A digest of everything that a finished component depends on; `built` are the components before it.
fn inputs_of(guest: &Guest, component: &[u8], built: &BTreeMap<&str, ManifestEntry>) -> anyhow::Result<String> {
    let mut digest = Sha256::new().chain_update(component);
    if guest.weights != Weights::None {
        let model = paths::model();
        for name in ["model.safetensors", "vocab.txt"] {
            digest.update(Sha256::digest(fs::read(model.join(name))?));
        }
        // Packing and baking are code of this workspace too.
        for source in ["components/embedding/src/pack.rs", "host/src/bake.rs", "Cargo.lock"] {
            digest.update(fs::read(paths::workspace().join(source))?);
        }
    }
    if guest.weights == Weights::Static {
        digest.update(built.get("embedding").map(|teacher| teacher.sha256.as_str()).unwrap_or_default());
        for source in distill::SOURCES {
            digest.update(fs::read(paths::workspace().join(source))?);
        }
    }
    Ok(hex::encode(digest.finalize()))
}

fn pack() -> anyhow::Result<Vec<u8>> {
    let model = paths::model();
    let weights = fs::read(model.join("model.safetensors")).context("read the model's weights")?;
    let vocabulary = fs::read_to_string(model.join("vocab.txt")).context("read the model's vocabulary")?;
    Ok(skerry_embedding::pack::pack(&weights, &vocabulary, MODEL_NAME)?)
}

fn bake_weights(name: &str, component: &[u8], weights: &[u8]) -> anyhow::Result<Vec<u8>> {
    let style = ProgressStyle::with_template("{msg} {bar:30} {bytes}/{total_bytes}")?;
    let bar = ProgressBar::new(weights.len() as u64).with_style(style).with_message(format!("baking {name}"));
    let baked = bake::embedding(component, weights, &mut |done, _| bar.set_position(done))?;
    bar.finish_and_clear();
    Ok(baked)
}

/// Native code for this machine, so that the first start is as fast as the second.
fn compile_natively() -> anyhow::Result<()> {
    let engine = Engine::new(&EngineConfig::default())?;
    let components = Components::open(&paths::components())?;
    for name in components.manifest().keys() {
        components.component(&engine, name)?;
    }
    Ok(())
}

/// Old native code is dropped when it belongs to no component of the manifest.
fn drop_old_code() -> anyhow::Result<()> {
    let dir: PathBuf = paths::components().join("cache");
    let manifest = Components::open(&paths::components())?;
    let Ok(entries) = fs::read_dir(&dir) else { return Ok(()) };
    for entry in entries {
        let path = entry?.path();
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let wanted =
            manifest.manifest().values().any(|entry| entry.sha256.get(..16).is_some_and(|short| name.contains(short)));
        if !wanted {
            fs::remove_file(&path)?;
        }
    }
    Ok(())
}
