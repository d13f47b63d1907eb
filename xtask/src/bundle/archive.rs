//! The archive: files by their paths, packed the same way each time.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::Path;

use anyhow::Context;
use flate2::{Compression, GzBuilder};
use sha2::{Digest, Sha256};

/// The time of every entry: 1 January 2000, UTC. Zero would be before what some file systems can say.
const TIME: u64 = 946_684_800;

struct Entry {
    bytes: Vec<u8>,
    mode: u32,
}

/// What goes into the archive, in the order of the paths.
#[derive(Default)]
pub(super) struct Entries {
    entries: BTreeMap<String, Entry>,
}

impl Entries {
    pub(super) fn add(&mut self, path: &str, bytes: Vec<u8>) {
        self.entries.insert(path.to_owned(), Entry { bytes, mode: 0o644 });
    }

    pub(super) fn add_executable(&mut self, path: &str, bytes: Vec<u8>) {
        self.entries.insert(path.to_owned(), Entry { bytes, mode: 0o755 });
    }

    pub(super) fn add_file(&mut self, path: &str, from: &Path) -> anyhow::Result<()> {
        self.add(path, fs::read(from).with_context(|| format!("read {}", from.display()))?);
        Ok(())
    }

    pub(super) fn add_program(&mut self, path: &str, from: &Path) -> anyhow::Result<()> {
        self.add_executable(path, fs::read(from).with_context(|| format!("read {}", from.display()))?);
        Ok(())
    }

    /// The files of a folder that have one of these extensions.
    pub(super) fn add_folder(&mut self, path: &str, from: &Path, extensions: &[&str]) -> anyhow::Result<()> {
        for (below, file) in super::files(from)? {
            let extension = file.extension().and_then(|extension| extension.to_str());
            if extension.is_some_and(|extension| extensions.contains(&extension)) {
                self.add_file(&format!("{path}/{below}"), &file)?;
            }
        }
        Ok(())
    }

    /// The SHA-256 of what is at a path, as hex.
    pub(super) fn sha256(&self, path: &str) -> Option<String> {
        self.entries.get(path).map(|entry| hex::encode(Sha256::digest(&entry.bytes)))
    }

    /// What `sha256sum -c` reads.
    pub(super) fn sums(&self) -> Vec<u8> {
        let line =
            |(path, entry): (&String, &Entry)| format!("{}  {path}\n", hex::encode(Sha256::digest(&entry.bytes)));
        self.entries.iter().map(line).collect::<String>().into_bytes()
    }

    /// A gzipped tar with everything in one folder.
    pub(super) fn pack(&self, folder: &str, level: u32) -> anyhow::Result<Vec<u8>> {
        // Neither a name nor a time: both would be this machine's.
        let gzip = GzBuilder::new().mtime(0).write(Vec::new(), Compression::new(level));
        let mut tar = tar::Builder::new(gzip);
        for (path, Entry { bytes, mode }) in &self.entries {
            let mut header = tar::Header::new_ustar();
            header.set_size(bytes.len() as u64);
            header.set_mode(*mode);
            header.set_mtime(TIME);
            header.set_uid(0);
            header.set_gid(0);
            header.set_username("root")?;
            header.set_groupname("root")?;
            tar.append_data(&mut header, format!("{folder}/{path}"), bytes.as_slice())
                .with_context(|| format!("pack {path}"))?;
        }
        let mut gzip = tar.into_inner()?;
        gzip.flush()?;
        Ok(gzip.finish()?)
    }
}
