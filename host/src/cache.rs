//! Native code of components, kept beside them: compiled once per engine and machine, then only mapped.
//!
//! An entry is two files: `<name>-<SHA-256 of the .wasm>-<engine>.cwasm`, and the same with `.sha256` added, which holds the
//! SHA-256 of the first. Both are written under another name and renamed. Whatever a crash, a full disk or a flipped bit
//! leaves behind does not match and is compiled again.

use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use sha2::{Digest, Sha256};
use wasmtime::component::Component;

use crate::engine::Engine;
use crate::mmap;

/// Where one component's native code for one engine is kept.
#[derive(Debug)]
pub(crate) struct Entry {
    code: PathBuf,
    digest: PathBuf,
}

impl Entry {
    pub(crate) fn new(dir: &Path, name: &str, wasm_sha256: &str, engine: &Engine) -> Self {
        let short = wasm_sha256.get(..16).unwrap_or(wasm_sha256);
        let file = format!("{name}-{short}-{}.cwasm", engine.compatibility());
        Entry { digest: dir.join(format!("{file}.sha256")), code: dir.join(file) }
    }

    /// The file with the code.
    pub(crate) fn code(&self) -> &Path {
        &self.code
    }

    /// The file with the code's hash.
    pub(crate) fn digest(&self) -> &Path {
        &self.digest
    }

    /// The component, when its code is here and undamaged.
    pub(crate) fn load(&self, engine: &Engine) -> Option<Component> {
        match self.check() {
            Ok(true) => {}
            Ok(false) => {
                tracing::warn!(path = %self.code.display(), "compiled code is damaged; it will be compiled again");
                return None;
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => return None,
            Err(error) => {
                tracing::warn!(path = %self.code.display(), %error, "compiled code cannot be read");
                return None;
            }
        }
        match mmap::load_file(engine.wasm(), &self.code) {
            Ok(component) => Some(component),
            Err(error) => {
                tracing::warn!(path = %self.code.display(), %error, "compiled code is of another engine");
                None
            }
        }
    }

    fn check(&self) -> io::Result<bool> {
        let expected = fs::read_to_string(&self.digest)?;
        Ok(file_sha256(&self.code)? == expected.trim())
    }

    /// Compiles `wasm`, keeps the code if that can be done, and loads it.
    pub(crate) fn compile(&self, engine: &Engine, wasm: &[u8]) -> wasmtime::Result<Component> {
        let compiled = engine.wasm().precompile_component(wasm)?;
        match self.store(&compiled) {
            Ok(()) => mmap::load_file(engine.wasm(), &self.code),
            Err(error) => {
                // A read-only installation works, it only compiles at every start.
                tracing::warn!(path = %self.code.display(), %error, "compiled code cannot be kept");
                mmap::load_bytes(engine.wasm(), &compiled)
            }
        }
    }

    fn store(&self, compiled: &[u8]) -> io::Result<()> {
        if let Some(dir) = self.code.parent() {
            fs::create_dir_all(dir)?;
        }
        replace(&self.code, compiled)?;
        replace(&self.digest, hex::encode(Sha256::digest(compiled)).as_bytes())
    }
}

/// Writes a file so that readers see the old content or the new, never a part.
fn replace(path: &Path, content: &[u8]) -> io::Result<()> {
    static COUNTER: AtomicU64 = AtomicU64::new(0);
    let unique = COUNTER.fetch_add(1, Ordering::Relaxed);
    let mut temporary = path.as_os_str().to_owned();
    temporary.push(format!(".{}-{unique}.tmp", std::process::id()));
    let temporary = PathBuf::from(temporary);
    let written = fs::write(&temporary, content).and_then(|()| fs::rename(&temporary, path));
    if written.is_err() {
        // It may not be there; the fault worth telling is the first.
        let _ = fs::remove_file(&temporary);
    }
    written
}

/// SHA-256 of a file in lowercase hex.
pub(crate) fn file_sha256(path: &Path) -> io::Result<String> {
    let mut file = fs::File::open(path)?;
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; 256 << 10];
    loop {
        let read = file.read(&mut buffer)?;
        let Some(bytes) = buffer.get(..read).filter(|bytes| !bytes.is_empty()) else { break };
        hasher.update(bytes);
    }
    Ok(hex::encode(hasher.finalize()))
}
