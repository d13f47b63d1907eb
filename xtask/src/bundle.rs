//! `cargo xtask bundle`: one archive with everything that a machine without a network needs (docs/air-gap.md).
//!
//! The same sources, toolchain and components give the same bytes: entries are sorted, times and owners are fixed, and nothing of
//! this machine is in it. Native code of components is not: it is made anew where it is installed.

mod archive;
mod crates;
mod licences;
mod sbom;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, bail};
use clap::{Args, ValueEnum};
use sha2::{Digest, Sha256};

use crate::run::{cargo, run};
use crate::{components, paths};
use archive::Entries;
use crates::Crates;

/// A program: its name, its package, and the profile of its release build, which is also cargo's name for the folder.
struct Program {
    name: &'static str,
    package: &'static str,
    profile: &'static str,
}

const PROGRAMS: [Program; 3] = [
    Program { name: "skerry", package: "skerry-edge", profile: "release" },
    Program { name: "skerry-hub", package: "skerry-hub", profile: "release" },
    Program { name: "skerry-lambda", package: "skerry-lambda", profile: "function" },
];

/// What the components are made of.
const GUESTS: [&str; 4] = ["skerry-embedding", "skerry-query", "skerry-geometry", "skerry-gateway"];

/// What the components are built for; those that import something.
const GUEST_TARGET: &str = "wasm32-wasip2";

/// Features of guests that are built and not default ones.
const GUEST_FEATURES: [&str; 2] = ["skerry-gateway/wasip2", "skerry-gateway/wasip3"];

/// How to bundle.
#[derive(Debug, Args)]
pub(crate) struct BundleArguments {
    /// Which build of the programs; `dev` is for tests of the bundle itself.
    #[arg(long, value_enum, default_value = "release")]
    profile: Profile,
    /// Take programs and components as they were built before.
    #[arg(long)]
    no_build: bool,
    /// Where the archive goes; target/skerry/bundle when absent.
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, ValueEnum)]
enum Profile {
    Release,
    Dev,
}

/// Builds what goes in and makes the archive.
pub(crate) fn bundle(arguments: &BundleArguments) -> anyhow::Result<()> {
    if !arguments.no_build {
        components::build()?;
        build(arguments.profile)?;
    }
    let archive = make(arguments.profile, arguments.out.clone())?;
    println!("{}", archive.display());
    Ok(())
}

/// The archive that the tests unpack: dev-profile programs, which are built for the tests anyhow.
pub(crate) fn for_tests() -> anyhow::Result<PathBuf> {
    build(Profile::Dev)?;
    make(Profile::Dev, None)
}

fn make(profile: Profile, out: Option<PathBuf>) -> anyhow::Result<PathBuf> {
    let target = host_target()?;
    let version = env!("CARGO_PKG_VERSION");
    let name = format!("skerry-{version}-{target}");
    let packages = PROGRAMS.map(|program| program.package);
    let crates = Crates::read(&target, &packages, &[])?;
    let crates = crates.and(Crates::read(GUEST_TARGET, &GUESTS, &GUEST_FEATURES)?);

    let mut entries = Entries::default();
    for Program { name, profile: folder, .. } in PROGRAMS {
        let folder = if profile == Profile::Dev { "debug" } else { folder };
        entries.add_program(&format!("bin/{name}"), &paths::target().join(folder).join(name))?;
    }
    add_components(&mut entries)?;
    entries.add_folder("share/skerry/wit", &paths::workspace().join("wit"), &["wit"])?;
    add_documents(&mut entries)?;
    let texts = licences::collect(&crates)?;
    for (path, bytes) in texts {
        entries.add(&format!("share/doc/skerry/licences/{path}"), bytes);
    }
    let bill = sbom::write(&crates, version, &entries)?;
    entries.add("sbom.cdx.json", bill);
    entries.add_executable("install.sh", include_bytes!("bundle/install.sh").to_vec());
    let sums = entries.sums();
    entries.add("SHA256SUMS", sums);

    let dir = out.unwrap_or_else(|| paths::products().join("bundle"));
    fs::create_dir_all(&dir)?;
    let path = dir.join(format!("{name}.tar.gz"));
    // What a test unpacks once is not worth the time that packing well takes.
    let level = if profile == Profile::Dev { 1 } else { 6 };
    let bytes = entries.pack(&name, level)?;
    crate::fetch::write_whole(&path, &bytes)?;
    let sum = format!("{}  {name}.tar.gz\n", hex::encode(Sha256::digest(&bytes)));
    crate::fetch::write_whole(&dir.join(format!("{name}.tar.gz.sha256")), sum.as_bytes())?;
    Ok(path)
}

/// Builds the programs.
fn build(profile: Profile) -> anyhow::Result<()> {
    if profile == Profile::Dev {
        // As the tests build them: with other features of dependencies everything would be built a second time.
        let mut build = cargo();
        return run(build.args(["test", "--workspace", "--no-run", "--quiet"])).context("build the programs");
    }
    // Paths of this machine would be in messages of panics, and make other bytes elsewhere.
    let home = std::env::var("CARGO_HOME").or_else(|_| std::env::var("HOME").map(|home| format!("{home}/.cargo")));
    let flags = format!(
        "--remap-path-prefix={}=/skerry --remap-path-prefix={}=/cargo -C strip=symbols",
        paths::workspace().display(),
        home.unwrap_or_default()
    );
    // One by one: what one of them needs of a dependency must not make another one larger.
    for Program { name, package, profile } in PROGRAMS {
        let mut build = cargo();
        build.args(["build", "--locked", "--profile", profile, "--package", package, "--bin", name]);
        run(build.env("RUSTFLAGS", &flags)).with_context(|| format!("build {name}"))?;
    }
    Ok(())
}

/// What `rustc` builds for when nothing else is said.
fn host_target() -> anyhow::Result<String> {
    let said = Command::new("rustc").arg("-vV").output().context("start rustc")?;
    let said = String::from_utf8(said.stdout)?;
    let host = said.lines().find_map(|line| line.strip_prefix("host: "));
    Ok(host.context("rustc does not say what it builds for")?.to_owned())
}

/// The components of the manifest, the gateways, and the manifest; no native code.
fn add_components(entries: &mut Entries) -> anyhow::Result<()> {
    let dir = paths::components();
    let manifest = fs::read(dir.join("manifest.json")).context("read the components' manifest")?;
    let named: serde_json::Map<String, serde_json::Value> = serde_json::from_slice(&manifest)?;
    for name in named.keys().map(String::as_str).chain(["gateway", "gateway-wasip2"]) {
        let file = format!("{name}.wasm");
        entries.add_file(&format!("share/skerry/components/{file}"), &dir.join(&file))?;
    }
    entries.add("share/skerry/components/manifest.json", manifest);
    // The weights are in the embedding components; their licence goes along.
    entries.add_file("share/skerry/components/LICENSE.all-MiniLM-L6-v2", &paths::model().join("LICENSE"))
}

fn add_documents(entries: &mut Entries) -> anyhow::Result<()> {
    let workspace = paths::workspace();
    for file in ["README.md", "ARCHITECTURE.md", "CHANGELOG.md", "LICENSE"] {
        entries.add_file(&format!("share/doc/skerry/{file}"), &workspace.join(file))?;
    }
    entries.add_folder("share/doc/skerry/docs", &workspace.join("docs"), &["md", "png"])?;
    entries.add_folder("share/skerry/python", &workspace.join("sdk/python"), &["py", "txt"])
}

/// A file of a folder, however deep, with its path below it; sorted.
fn files(folder: &Path) -> anyhow::Result<Vec<(String, PathBuf)>> {
    let mut found = Vec::new();
    let mut open = vec![folder.to_owned()];
    while let Some(dir) = open.pop() {
        for entry in fs::read_dir(&dir).with_context(|| format!("read {}", dir.display()))? {
            let path = entry?.path();
            if path.is_dir() {
                open.push(path);
            } else {
                let below = path.strip_prefix(folder)?.to_str();
                let Some(below) = below else { bail!("{} has a name that is not UTF-8", path.display()) };
                found.push((below.to_owned(), path.clone()));
            }
        }
    }
    found.sort();
    Ok(found)
}
