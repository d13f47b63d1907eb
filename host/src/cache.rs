//! Native code of components, kept beside them: compiled once per engine and machine, then only mapped.
//!
//! An entry is two files: `<name>-<SHA-256 of the .wasm>-<engine>.cwasm`, and the same with `.sha256` added, which holds the
//! SHA-256 of the first, and the CRC-32 of all of it but the data that instances start with. Both are written under another
//! name and renamed. Whatever a crash, a full disk or a flipped bit leaves behind does not match and is compiled again.
//!
//! Reading 90 MB of a segment to check it takes a hundred times as long as mapping it. So a segment is opened when its code
//! is whole, which takes a fraction of a millisecond; its data, which can do no worse inside the sandbox than give a wrong
//! answer, is checked in the background ([`Entry::is_whole`]).

use std::fs;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use object::{Object, ObjectSection};
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

    /// The component, when its file is here and undamaged.
    pub(crate) fn load(&self, engine: &Engine) -> Option<Component> {
        self.load_if(engine, self.is_whole())
    }

    /// The component, when its file is here and the code in it undamaged; the data is not looked at.
    pub(crate) fn load_quickly(&self, engine: &Engine) -> Option<Component> {
        self.load_if(engine, self.has_whole_code())
    }

    fn load_if(&self, engine: &Engine, checked: io::Result<bool>) -> Option<Component> {
        match checked {
            Ok(true) => {}
            Ok(false) => {
                tracing::warn!(path = %self.code.display(), "compiled code is damaged; it will be made again");
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

    /// Whether every byte is as it was written.
    pub(crate) fn is_whole(&self) -> io::Result<bool> {
        let expected = fs::read_to_string(&self.digest)?;
        Ok(expected.lines().next().is_some_and(|expected| file_sha256(&self.code).is_ok_and(|found| found == expected)))
    }

    fn has_whole_code(&self) -> io::Result<bool> {
        let expected = fs::read_to_string(&self.digest)?;
        let file = fs::File::open(&self.code)?;
        let parts = CheckedParts::of_file(&file)?;
        Ok(expected.lines().nth(1).is_some_and(|expected| parts.is_some_and(|parts| expected == parts.to_string())))
    }

    #[cfg(feature = "compile")]
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

    /// Takes over code that the caller has checked.
    pub(crate) fn adopt(&self, checked: &Path) -> io::Result<()> {
        if let Some(dir) = self.code.parent() {
            fs::create_dir_all(dir)?;
        }
        let _ = fs::remove_file(&self.code);
        // The same bytes under both names, where the file system can; a copy where it cannot.
        fs::hard_link(checked, &self.code).or_else(|_| fs::copy(checked, &self.code).map(drop))?;
        let parts = CheckedParts::of_file(&fs::File::open(&self.code)?)?;
        let parts = parts.map_or_else(String::new, |parts| parts.to_string());
        replace(&self.digest, format!("{}\n{parts}\n", file_sha256(&self.code)?).as_bytes())
    }

    #[cfg(feature = "compile")]
    fn store(&self, compiled: &[u8]) -> io::Result<()> {
        if let Some(dir) = self.code.parent() {
            fs::create_dir_all(dir)?;
        }
        replace(&self.code, compiled)?;
        let parts = CheckedParts::of_bytes(compiled).map_or_else(String::new, |parts| parts.to_string());
        replace(&self.digest, format!("{}\n{parts}\n", hex::encode(Sha256::digest(compiled))).as_bytes())
    }

    /// Deletes both files; what is mapped stays usable.
    pub(crate) fn delete(&self) {
        for path in [&self.digest, &self.code] {
            if let Err(error) = fs::remove_file(path)
                && error.kind() != io::ErrorKind::NotFound
            {
                tracing::warn!(path = %path.display(), %error, "a file that is not needed any more stays behind");
            }
        }
    }
}

/// Section of a compiled component with what memories start with.
const DATA_SECTION: &[u8] = b".rodata.wasm";

/// The checksum of everything in a compiled component but its data, and the file's length.
#[derive(Debug, PartialEq, Eq)]
struct CheckedParts {
    crc32: u32,
    length: u64,
}

impl std::fmt::Display for CheckedParts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "code {:08x} of {} bytes", self.crc32, self.length)
    }
}

impl CheckedParts {
    #[cfg(feature = "compile")]
    fn of_bytes(compiled: &[u8]) -> Option<CheckedParts> {
        let file = object::File::parse(compiled).ok()?;
        let data = file.section_by_name_bytes(DATA_SECTION).and_then(|section| section.file_range()).unwrap_or((0, 0));
        let (start, end) = (usize::try_from(data.0).ok()?, usize::try_from(data.0.checked_add(data.1)?).ok()?);
        let mut crc32 = crc32fast::Hasher::new();
        crc32.update(compiled.get(..start)?);
        crc32.update(compiled.get(end..)?);
        Some(CheckedParts { crc32: crc32.finalize(), length: compiled.len() as u64 })
    }

    /// Reads only what is checked: the headers say where the data is.
    fn of_file(mut file: &fs::File) -> io::Result<Option<CheckedParts>> {
        let length = file.metadata()?.len();
        let reader = object::ReadCache::new(file);
        let data = match object::File::parse(&reader) {
            Ok(parsed) => {
                parsed.section_by_name_bytes(DATA_SECTION).and_then(|section| section.file_range()).unwrap_or((0, 0))
            }
            Err(_) => return Ok(None),
        };
        let (start, end) = (data.0, data.0.saturating_add(data.1));
        if end > length {
            return Ok(None);
        }
        let mut crc32 = crc32fast::Hasher::new();
        let mut buffer = vec![0; 128 << 10];
        for (from, to) in [(0, start), (end, length)] {
            file.seek(SeekFrom::Start(from))?;
            let mut part = file.take(to.saturating_sub(from));
            loop {
                let read = part.read(&mut buffer)?;
                let Some(bytes) = buffer.get(..read).filter(|bytes| !bytes.is_empty()) else { break };
                crc32.update(bytes);
            }
        }
        Ok(Some(CheckedParts { crc32: crc32.finalize(), length }))
    }
}

/// Writes a file so that readers see the old content or the new, never a part.
fn replace(path: &Path, content: &[u8]) -> io::Result<()> {
    static COUNTER: AtomicU64 = AtomicU64::new(0);
    let unique = COUNTER.fetch_add(1, Ordering::Relaxed);
    let mut temporary = path.as_os_str().to_owned();
    temporary.push(format!(".{}-{unique}.tmp", std::process::id()));
    let temporary = PathBuf::from(temporary);
    // On disk before it has its name: else a power failure could leave a file of the right length with zeros in its data, which
    // opening a segment does not look at.
    let write = || {
        let mut file = fs::File::create(&temporary)?;
        file.write_all(content)?;
        file.sync_all()?;
        fs::rename(&temporary, path)
    };
    let written = write();
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
