//! `cargo xtask lambda`: the package that AWS Lambda takes (docs/lambda.md).
//!
//! Functions have no compiler: native code of the components is made here, for every processor that `x86-64-v3` covers, and signed
//! by a key of this checkout, whose public half is in the package's list of trusted keys.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::Args;
use skerry_host::Components;
use skerry_host::artefact::{self, Profile};
use skerry_host::keys::SigningKey;
use zip::write::SimpleFileOptions;

use crate::fetch::write_whole;
use crate::run::{cargo, run};
use crate::{components, paths};

/// What a function runs: it bakes nothing, and embeds by the default model.
const COMPONENTS: [&str; 3] = ["query", "embedding", "geometry"];

/// How to make the package.
#[derive(Debug, Args)]
pub(crate) struct LambdaArguments {
    /// A file with further public keys that the function trusts: that of the worker which bakes its snapshots.
    #[arg(long, value_name = "FILE")]
    trusted: Option<PathBuf>,
}

/// Builds the program and makes the package.
pub(crate) fn lambda(arguments: &LambdaArguments) -> anyhow::Result<()> {
    components::build()?;
    let trusted = arguments.trusted.as_deref().map(fs::read_to_string).transpose().context("read the list of keys")?;
    let package = package(trusted.as_deref().unwrap_or_default())?;
    let archive = dir().join(format!("function-{}.zip", std::env::consts::ARCH));
    zip(&package, &archive)?;
    let megabytes = |path: &Path| -> anyhow::Result<f64> { Ok(fs::metadata(path)?.len() as f64 / 1e6) };
    println!("{}: {:.1} MB", archive.display(), megabytes(&archive)?);
    println!("of it the program: {:.1} MB before compression", megabytes(&package.join("bootstrap"))?);
    Ok(())
}

fn dir() -> PathBuf {
    paths::products().join("lambda")
}

/// The package as a folder: the program, native code of the components, and whose signatures count.
pub(crate) fn package(trusted: &str) -> anyhow::Result<PathBuf> {
    build("skerry-lambda", "skerry-lambda")?;
    let key = key()?;
    let package = dir().join("package");
    let native = package.join("components/native");
    fs::create_dir_all(&native)?;
    let built = Components::open(&paths::components())?;
    let mut manifest = BTreeMap::new();
    for name in COMPONENTS {
        let entry = built.manifest().get(name).with_context(|| format!("{name} was not built"))?;
        let code = native.join(format!("{name}.cwasm"));
        if !is_of(&code, &entry.sha256, &key) {
            eprintln!("compiling {name} for {}", Profile::X86_64V3);
            let wasm = fs::read(paths::components().join(format!("{name}.wasm")))?;
            let (bytes, description) = artefact::compile_and_sign(Profile::X86_64V3, &wasm, &key)?;
            artefact::write(&code, &bytes, &description)?;
        }
        manifest.insert(name, entry);
    }
    write_whole(&package.join("components/manifest.json"), &serde_json::to_vec_pretty(&manifest)?)?;
    let keys = format!("{}  # made this package\n{trusted}", key.public());
    write_whole(&package.join("trusted.keys"), keys.as_bytes())?;
    fs::copy(program("skerry-lambda"), package.join("bootstrap"))?;
    Ok(package)
}

/// Builds a program as functions are built.
pub(crate) fn build(package: &str, name: &str) -> anyhow::Result<()> {
    // By itself: with others it would have their features, and a compiler with them.
    let mut build = cargo();
    build.args(["rustc", "--quiet", "--profile", "function", "--package", package, "--bin", name, "--"]);
    let script = paths::workspace().join("lambda/discard.ld");
    let mut link = |argument: &str| {
        build.arg("-C").arg(format!("link-arg=-Wl,{argument}"));
    };
    link("--no-eh-frame-hdr");
    link(&format!("-T,{}", script.display()));
    if cfg!(target_arch = "x86_64") {
        // Rust links by LLVM's linker here, which keeps one of functions that came out the same.
        link("--icf=all");
    }
    run(&mut build)
}

/// A program that was built so.
pub(crate) fn program(name: &str) -> PathBuf {
    paths::target().join("function").join(name)
}

/// The key that signs packages made from this checkout.
pub(crate) fn key() -> anyhow::Result<SigningKey> {
    let path = dir().join("package.key");
    if path.is_file() {
        return Ok(SigningKey::read(&path)?);
    }
    fs::create_dir_all(dir())?;
    let key = SigningKey::generate()?;
    key.write(&path)?;
    Ok(key)
}

/// Where that key is.
pub(crate) fn key_path() -> PathBuf {
    dir().join("package.key")
}

fn is_of(code: &Path, wasm_sha256: &str, key: &SigningKey) -> bool {
    let description = fs::read(artefact::description_path(code)).unwrap_or_default();
    let described: Option<artefact::SignedDescription> = serde_json::from_slice(&description).ok();
    described.is_some_and(|described| {
        described.description.wasm_sha256 == wasm_sha256
            && described.description.wasmtime == artefact::WASMTIME
            && described.key == key.public().to_string()
    })
}

fn zip(folder: &Path, archive: &Path) -> anyhow::Result<()> {
    let mut writer = zip::ZipWriter::new(fs::File::create(archive)?);
    let mut files = Vec::new();
    list(folder, &mut files)?;
    files.sort();
    for path in files {
        let name = path.strip_prefix(folder)?.to_str().context("a file's name is not text")?.to_owned();
        let mode = if name == "bootstrap" { 0o755 } else { fs::metadata(&path)?.permissions().mode() & 0o644 };
        writer.start_file(name, SimpleFileOptions::default().unix_permissions(mode))?;
        writer.write_all(&fs::read(&path)?)?;
    }
    writer.finish()?;
    Ok(())
}

fn list(folder: &Path, files: &mut Vec<PathBuf>) -> anyhow::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() { list(&path, files)? } else { files.push(path) }
    }
    Ok(())
}
