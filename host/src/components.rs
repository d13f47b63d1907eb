//! The built components on disk: found by their manifest, opened from their native code.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::artefact;
use crate::cache::Entry;
use crate::engine::Engine;
use crate::keys::TrustedKeys;

/// Name of the file that lists the components of a folder.
const MANIFEST: &str = "manifest.json";

/// Name of the folder beside it that holds native code.
const CACHE: &str = "cache";

/// Name of the folder with native code that somebody else made and signed.
const NATIVE: &str = "native";

/// Why a component cannot be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ArtefactError {
    /// A file is not there.
    #[error("{} is missing; build the components with `cargo xtask components`", .path.display())]
    Missing {
        /// Which.
        path: PathBuf,
    },
    /// The manifest is not one, or does not name the component.
    #[error("{} cannot be used: {reason}; build the components anew with `cargo xtask components`", .path.display())]
    Manifest {
        /// Which.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// A component's bytes are not those that the manifest names.
    #[error("{} is damaged; build the components anew with `cargo xtask components`", .path.display())]
    Damaged {
        /// Which.
        path: PathBuf,
    },
    /// The bytes are whole and cannot be compiled here.
    #[error("{name} cannot be compiled for this machine: {reason}")]
    Compile {
        /// Which component.
        name: String,
        /// The compiler's words.
        reason: String,
    },
    /// A file cannot be read.
    #[error("cannot read {}", .path.display())]
    Io {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// What the manifest says about one component.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ManifestEntry {
    /// SHA-256 of the `.wasm`, lowercase hex.
    pub sha256: String,
    /// Its length.
    pub bytes: u64,
    /// Identity of the model baked in, for an embedding component.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
}

/// A folder of components: `manifest.json`, `<name>.wasm`, and their native code under `cache/`.
#[derive(Debug, Clone)]
pub struct Components {
    dir: PathBuf,
    manifest: BTreeMap<String, ManifestEntry>,
    trusted: TrustedKeys,
}

impl Components {
    /// Reads the folder's manifest.
    ///
    /// # Errors
    /// [`ArtefactError::Missing`] and [`ArtefactError::Manifest`] when the folder was not built; [`ArtefactError::Io`].
    pub fn open(dir: &Path) -> Result<Components, ArtefactError> {
        let path = dir.join(MANIFEST);
        let bytes = read(&path)?;
        let manifest = serde_json::from_slice(&bytes)
            .map_err(|error| ArtefactError::Manifest { path, reason: error.to_string() })?;
        Ok(Components { dir: dir.to_owned(), manifest, trusted: TrustedKeys::default() })
    }

    /// From now on native code under `native/` that one of these keys has signed is loaded in the place of what this machine would
    /// compile: for programs without a compiler, and for starts that must not wait for it.
    #[must_use]
    pub fn trusting(self, trusted: TrustedKeys) -> Components {
        Components { trusted, ..self }
    }

    /// What the folder holds, by name.
    pub fn manifest(&self) -> &BTreeMap<String, ManifestEntry> {
        &self.manifest
    }

    /// The embedding component with its weights.
    ///
    /// # Errors
    /// See [`ArtefactError`]. Damaged native code is no error: it is compiled again.
    pub fn embedding(&self, engine: &Engine) -> Result<Component, ArtefactError> {
        self.component(engine, "embedding")
    }

    /// The query component, without documents.
    ///
    /// # Errors
    /// As [`Components::embedding`].
    pub fn query(&self, engine: &Engine) -> Result<Component, ArtefactError> {
        self.component(engine, "query")
    }

    /// The geometry component.
    ///
    /// # Errors
    /// As [`Components::embedding`].
    pub fn geometry(&self, engine: &Engine) -> Result<Component, ArtefactError> {
        self.component(engine, "geometry")
    }

    /// A component by its name in the manifest. Its `.wasm` is read only when its native code is not there: a start then
    /// costs checking and mapping the code.
    ///
    /// # Errors
    /// As [`Components::embedding`].
    pub fn component(&self, engine: &Engine, name: &str) -> Result<Component, ArtefactError> {
        let entry = self.manifest.get(name).ok_or_else(|| ArtefactError::Manifest {
            path: self.dir.join(MANIFEST),
            reason: format!("it does not name the component `{name}`"),
        })?;
        let signed = self.dir.join(NATIVE).join(format!("{name}.cwasm"));
        if signed.is_file() {
            match artefact::load_signed(engine, &signed, &self.trusted, &entry.sha256) {
                Ok(component) => return Ok(component),
                Err(error) => tracing::warn!(%error, "native code is passed over"),
            }
        }
        let path = self.dir.join(format!("{name}.wasm"));
        let length = fs::metadata(&path).map_err(|source| unreadable(&path, source))?.len();
        if length != entry.bytes {
            return Err(ArtefactError::Damaged { path });
        }
        let cached = self.cached(engine, name, entry);
        if let Some(wasm) = cached.load(engine) {
            return Ok(Component { wasm });
        }
        let bytes = read(&path)?;
        if hex::encode(Sha256::digest(&bytes)) != entry.sha256 {
            return Err(ArtefactError::Damaged { path });
        }
        compile_into(&cached, engine, name, &bytes)
    }

    /// Whether a component has native code for this engine, whole or not.
    pub fn is_compiled(&self, engine: &Engine, name: &str) -> bool {
        self.manifest.get(name).is_some_and(|entry| self.cached(engine, name, entry).code().is_file())
    }

    /// Deletes native code of components that are not in the manifest any more, and of other engines.
    ///
    /// # Errors
    /// [`ArtefactError::Io`].
    pub fn prune(&self, engine: &Engine) -> Result<(), ArtefactError> {
        let dir = self.dir.join(CACHE);
        let keep: Vec<PathBuf> = self
            .manifest
            .iter()
            .map(|(name, entry)| self.cached(engine, name, entry))
            .flat_map(|entry| [entry.code().to_owned(), entry.digest().to_owned()])
            .collect();
        let listed = fs::read_dir(&dir).map_err(|source| unreadable(&dir, source))?;
        for file in listed {
            let path = file.map_err(|source| unreadable(&dir, source))?.path();
            if !keep.contains(&path) {
                fs::remove_file(&path).map_err(|source| ArtefactError::Io { path, source })?;
            }
        }
        Ok(())
    }

    fn cached(&self, engine: &Engine, name: &str, entry: &ManifestEntry) -> Entry {
        Entry::new(&self.dir.join(CACHE), name, &entry.sha256, engine)
    }
}

/// A component that is compiled and ready for instances. Clones share the code.
#[derive(Clone)]
pub struct Component {
    wasm: wasmtime::component::Component,
}

impl std::fmt::Debug for Component {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Component").finish_non_exhaustive()
    }
}

impl Component {
    #[cfg(feature = "compile")]
    /// Compiles a component for this process only.
    ///
    /// # Errors
    /// [`ArtefactError::Compile`] when the bytes are not a component that this machine can run.
    pub fn compile(engine: &Engine, name: &str, wasm: &[u8]) -> Result<Component, ArtefactError> {
        let compiled = wasmtime::component::Component::from_binary(engine.wasm(), wasm);
        compiled.map(|wasm| Component { wasm }).map_err(|error| uncompilable(name, &error))
    }

    /// Opens a component whose native code is kept in `cache_dir`, and compiles it into there when it is not: for snapshots
    /// of segments, which no manifest names. The code is mapped from its file, so the folder must be on a disk; memory
    /// file systems lose the sharing between instances.
    ///
    /// # Errors
    /// [`ArtefactError::Compile`] when the bytes are not a component that this machine can run.
    pub fn open(engine: &Engine, cache_dir: &Path, name: &str, wasm: &[u8]) -> Result<Component, ArtefactError> {
        let entry = Entry::new(cache_dir, name, &hex::encode(Sha256::digest(wasm)), engine);
        match entry.load(engine) {
            Some(wasm) => Ok(Component { wasm }),
            None => compile_into(&entry, engine, name, wasm),
        }
    }

    #[cfg(feature = "compile")]
    /// Compiles a component, keeps its native code in `cache_dir`, and answers it with its SHA-256 in lowercase hex, by which
    /// [`Component::open_compiled`] finds it again without the `.wasm`.
    ///
    /// # Errors
    /// [`ArtefactError::Compile`] when the bytes are not a component that this machine can run.
    pub fn keep(
        engine: &Engine,
        cache_dir: &Path,
        name: &str,
        wasm: &[u8],
    ) -> Result<(Component, String), ArtefactError> {
        let sha256 = hex::encode(Sha256::digest(wasm));
        let entry = Entry::new(cache_dir, name, &sha256, engine);
        Ok((compile_into(&entry, engine, name, wasm)?, sha256))
    }

    /// Takes native code that a trusted key has signed into `cache_dir`, where [`Component::open_compiled`] finds it as if it had
    /// been compiled here.
    ///
    /// # Errors
    /// As [`artefact::load_signed`]; nothing was kept then.
    pub fn adopt(
        engine: &Engine,
        cache_dir: &Path,
        name: &str,
        wasm_sha256: &str,
        signed: &Path,
        trusted: &TrustedKeys,
    ) -> Result<(), artefact::ArtefactError> {
        artefact::load_signed(engine, signed, trusted, wasm_sha256)?;
        let entry = Entry::new(cache_dir, name, wasm_sha256, engine);
        entry.adopt(signed).map_err(|source| artefact::ArtefactError::Io { path: signed.to_owned(), source })
    }

    /// Opens a component of which only the native code was kept: in well under a millisecond whatever its size, since its data
    /// is mapped and not read. None when it is not there, damaged, or of another engine.
    pub fn open_compiled(engine: &Engine, cache_dir: &Path, name: &str, sha256: &str) -> Option<Component> {
        Entry::new(cache_dir, name, sha256, engine).load_quickly(engine).map(|wasm| Component { wasm })
    }

    /// Whether every byte of kept native code is as it was written; reads all of it.
    pub fn is_whole(engine: &Engine, cache_dir: &Path, name: &str, sha256: &str) -> bool {
        Entry::new(cache_dir, name, sha256, engine).is_whole().unwrap_or(false)
    }

    /// Deletes kept native code. Instances that live are not disturbed.
    pub fn discard(engine: &Engine, cache_dir: &Path, name: &str, sha256: &str) {
        Entry::new(cache_dir, name, sha256, engine).delete();
    }

    pub(crate) fn of(wasm: wasmtime::component::Component) -> Component {
        Component { wasm }
    }

    pub(crate) fn wasm(&self) -> &wasmtime::component::Component {
        &self.wasm
    }
}

#[cfg(feature = "compile")]
fn compile_into(entry: &Entry, engine: &Engine, name: &str, wasm: &[u8]) -> Result<Component, ArtefactError> {
    entry.compile(engine, wasm).map(|wasm| Component { wasm }).map_err(|error| uncompilable(name, &error))
}

#[cfg(not(feature = "compile"))]
fn compile_into(_: &Entry, _: &Engine, name: &str, _: &[u8]) -> Result<Component, ArtefactError> {
    let reason = "this program has no compiler; give it native code that was compiled for it and signed".to_owned();
    Err(ArtefactError::Compile { name: name.to_owned(), reason })
}

#[cfg(feature = "compile")]
fn uncompilable(name: &str, error: &wasmtime::Error) -> ArtefactError {
    ArtefactError::Compile { name: name.to_owned(), reason: format!("{error:#}") }
}

fn read(path: &Path) -> Result<Vec<u8>, ArtefactError> {
    fs::read(path).map_err(|source| unreadable(path, source))
}

fn unreadable(path: &Path, source: io::Error) -> ArtefactError {
    let path = path.to_owned();
    if source.kind() == io::ErrorKind::NotFound {
        ArtefactError::Missing { path }
    } else {
        ArtefactError::Io { path, source }
    }
}
