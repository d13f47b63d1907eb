//! Guests: Rust crates to core modules, by cargo, and core modules to components.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, bail};
use wit_component::ComponentEncoder;

use crate::files::{self, Inputs, Stamp};
use crate::run::{cargo, output, run, say};
use crate::workspace::Workspace;

const TARGET: &str = "wasm32-unknown-unknown";

/// Bytes of stack. Most of a fresh instance's cost is the pages that it touches first, and cargo's default of 1 MiB puts
/// the data far from the stack. The deepest guest, embedding 256 tokens, stays below 16 KiB; an overflow traps, because
/// the linker puts the stack first.
const STACK_BYTES: u32 = 64 << 10;

/// A component to be built.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Guest {
    /// Its name among the artefacts.
    pub(crate) name: &'static str,
    /// The folder of its crate, `skerry-<folder>`, and of its WIT.
    folder: &'static str,
    features: &'static str,
}

/// Every component of the product. The embedding component is built twice: the relaxed dot product is twice as fast, and
/// not every runtime has it. Both give the same bits.
pub(crate) const GUESTS: [Guest; 4] = [
    Guest { name: "query", folder: "query", features: "+simd128" },
    Guest { name: "geometry", folder: "geometry", features: "+simd128" },
    Guest { name: "embedding-simd128", folder: "embedding", features: "+simd128" },
    Guest { name: "embedding", folder: "embedding", features: "+simd128,+relaxed-simd" },
];

impl Guest {
    /// Whether weights are baked into it.
    pub(crate) fn takes_weights(&self) -> bool {
        self.folder == "embedding"
    }

    /// The component as built, before anything is baked in. Tests bake it in ways that must fail.
    pub(crate) fn path(&self, workspace: &Workspace) -> PathBuf {
        workspace.components().join("unbaked").join(format!("{}.wasm", self.name))
    }
}

/// Builds every guest whose sources, flags or compiler changed.
pub(crate) fn build(workspace: &Workspace) -> anyhow::Result<()> {
    add_target(workspace.root())?;
    let compiler = output(Command::new("rustc").arg("-vV").current_dir(workspace.root()))?;
    for guest in &GUESTS {
        let stamp = Stamp::new(&workspace.stamps(), guest.name, inputs(workspace, guest, &compiler)?);
        let path = guest.path(workspace);
        if stamp.is_fresh(&path)? {
            continue;
        }
        say(format!("building {}.wasm", guest.name));
        let component = encode(&compile(workspace, guest)?).with_context(|| format!("encode {}", guest.name))?;
        files::write(&path, &component)?;
        stamp.set(&component)?;
    }
    Ok(())
}

fn inputs(workspace: &Workspace, guest: &Guest, compiler: &str) -> anyhow::Result<Inputs> {
    let root = workspace.root();
    let folder = root.join("components").join(guest.folder);
    Inputs::default()
        .value(compiler)
        .value(&flags(workspace, guest).join(" "))
        .path(&root.join("Cargo.toml"))?
        .path(&root.join("Cargo.lock"))?
        .path(&folder.join("Cargo.toml"))?
        .path(&folder.join("src"))?
        .path(&root.join("wit").join(guest.folder))
}

/// The core module of a guest.
fn compile(workspace: &Workspace, guest: &Guest) -> anyhow::Result<Vec<u8>> {
    let mut command = cargo();
    command
        .current_dir(workspace.root())
        .args(["build", "--lib", "--profile", "guest", "--target", TARGET, "--package"])
        .arg(format!("skerry-{}", guest.folder))
        .arg("--target-dir")
        .arg(workspace.guests())
        // Only for the target: cargo keeps these from build scripts and macros when `--target` is given. This variable
        // outranks all others, so a developer's own RUSTFLAGS cannot change what is shipped; and it takes spaces in paths.
        .env("CARGO_ENCODED_RUSTFLAGS", flags(workspace, guest).join("\u{1f}"));
    run(&mut command)?;
    let file = format!("skerry_{}.wasm", guest.folder);
    files::read(&workspace.guests().join(TARGET).join("guest").join(file))
}

fn flags(workspace: &Workspace, guest: &Guest) -> Vec<String> {
    let mut flags = vec![
        format!("-Ctarget-feature={}", guest.features),
        format!("-Clink-arg=-zstack-size={STACK_BYTES}"),
        // Panic messages name source files: the same bytes must come out in every folder and on every machine.
        format!("--remap-path-prefix={}=/skerry", workspace.root().display()),
    ];
    let cargo_home = std::env::var_os("CARGO_HOME").map(PathBuf::from);
    if let Some(home) = cargo_home.or_else(|| Some(std::env::home_dir()?.join(".cargo"))) {
        flags.push(format!("--remap-path-prefix={}=/cargo", home.display()));
    }
    flags
}

fn encode(core: &[u8]) -> anyhow::Result<Vec<u8>> {
    ComponentEncoder::default().validate(true).module(core)?.encode()
}

/// Adds the target to the toolchain if it is not there.
fn add_target(root: &Path) -> anyhow::Result<()> {
    let mut query = Command::new("rustc");
    query.args(["--print", "target-libdir", "--target", TARGET]).current_dir(root);
    if Path::new(output(&mut query)?.trim()).is_dir() {
        return Ok(());
    }
    say(format!("adding the target {TARGET}"));
    let added = Command::new("rustup").args(["target", "add", TARGET]).current_dir(root).status();
    match added {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => bail!("`rustup target add {TARGET}` failed ({status}); its reason is above"),
        Err(error) => bail!(
            "the toolchain has no {TARGET} and rustup does not start ({error}). Install rustup (https://rustup.rs), or the \
             target by the means that the toolchain came by"
        ),
    }
}
