//! Files: hashes of them, and writing them whole or not at all.

use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use anyhow::Context;
use sha2::{Digest, Sha256};

/// SHA-256 in lowercase hex.
pub(crate) fn sha256(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

/// SHA-256 of a file in lowercase hex; none when the file is not there.
pub(crate) fn sha256_of(path: &Path) -> anyhow::Result<Option<String>> {
    let mut file = match fs::File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error).with_context(|| format!("open {}", path.display())),
    };
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; 1 << 20];
    loop {
        let read = file.read(&mut buffer).with_context(|| format!("read {}", path.display()))?;
        match buffer.get(..read) {
            Some(bytes) if !bytes.is_empty() => hasher.update(bytes),
            _ => return Ok(Some(hex::encode(hasher.finalize()))),
        }
    }
}

pub(crate) fn read(path: &Path) -> anyhow::Result<Vec<u8>> {
    fs::read(path).with_context(|| format!("read {}", path.display()))
}

/// Writes a file so that others see the old content or the new, never a part.
pub(crate) fn write(path: &Path, content: &[u8]) -> anyhow::Result<()> {
    let dir = path.parent().with_context(|| format!("find the folder of {}", path.display()))?;
    fs::create_dir_all(dir).with_context(|| format!("make {}", dir.display()))?;
    let mut temporary =
        tempfile::NamedTempFile::new_in(dir).with_context(|| format!("write into {}", dir.display()))?;
    io::Write::write_all(&mut temporary, content).with_context(|| format!("write {}", path.display()))?;
    persist(temporary, path)
}

/// Gives a finished temporary file its name, readable for everyone as built files are.
fn persist(temporary: tempfile::NamedTempFile, path: &Path) -> anyhow::Result<()> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        temporary.as_file().set_permissions(fs::Permissions::from_mode(0o644)).context("set permissions")?;
    }
    temporary.persist(path).with_context(|| format!("write {}", path.display()))?;
    Ok(())
}

/// Hashes everything that a build step depends on.
#[derive(Debug, Default)]
pub(crate) struct Inputs(Sha256);

impl Inputs {
    pub(crate) fn value(mut self, value: &str) -> Self {
        self.add(value.as_bytes());
        self
    }

    /// A file, or all files below a folder in the order of their names.
    pub(crate) fn path(mut self, path: &Path) -> anyhow::Result<Self> {
        let mut files = Vec::new();
        collect(path, &mut files).with_context(|| format!("list {}", path.display()))?;
        files.sort();
        for file in files {
            let name = file.strip_prefix(path).unwrap_or(&file).to_string_lossy().into_owned();
            self.add(name.as_bytes());
            self.add(&read(&file)?);
        }
        Ok(self)
    }

    /// Lengths are hashed too, so that no two lists of inputs look alike.
    fn add(&mut self, bytes: &[u8]) {
        self.0.update((bytes.len() as u64).to_le_bytes());
        self.0.update(bytes);
    }

    pub(crate) fn finish(self) -> String {
        hex::encode(self.0.finalize())
    }
}

fn collect(path: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    if !path.is_dir() {
        files.push(path.to_owned());
        return Ok(());
    }
    for entry in fs::read_dir(path)? {
        collect(&entry?.path(), files)?;
    }
    Ok(())
}

/// Remembers, by name, which inputs an output was made from and what it was.
#[derive(Debug)]
pub(crate) struct Stamp {
    path: PathBuf,
    inputs: String,
}

impl Stamp {
    pub(crate) fn new(dir: &Path, name: &str, inputs: Inputs) -> Self {
        Stamp { path: dir.join(name), inputs: inputs.finish() }
    }

    /// Whether the output is what was made from these inputs.
    pub(crate) fn is_fresh(&self, output: &Path) -> anyhow::Result<bool> {
        let Ok(stamp) = fs::read_to_string(&self.path) else { return Ok(false) };
        let Some(made) = stamp.strip_prefix(&format!("{}\n", self.inputs)) else { return Ok(false) };
        Ok(sha256_of(output)?.is_some_and(|found| found == made))
    }

    /// Remembers the output.
    pub(crate) fn set(&self, output: &[u8]) -> anyhow::Result<()> {
        write(&self.path, format!("{}\n{}", self.inputs, sha256(output)).as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A stale component would be tested instead of the code on the screen.
    #[test]
    fn a_stamp_holds_for_its_inputs_and_its_output_only() {
        let dir = tempfile::tempdir().unwrap();
        let output = dir.path().join("output");
        let inputs = |text: &str| Inputs::default().value(text);
        let stamp = Stamp::new(dir.path(), "stamp", inputs("a"));
        assert!(!stamp.is_fresh(&output).unwrap());
        write(&output, b"made from a").unwrap();
        stamp.set(b"made from a").unwrap();
        assert!(stamp.is_fresh(&output).unwrap());
        assert!(!Stamp::new(dir.path(), "stamp", inputs("b")).is_fresh(&output).unwrap());
        write(&output, b"cut sho").unwrap();
        assert!(!stamp.is_fresh(&output).unwrap());
    }

    /// A renamed file is another input.
    #[test]
    fn inputs_name_their_files() {
        let dir = tempfile::tempdir().unwrap();
        let hash = || Inputs::default().path(dir.path()).unwrap().finish();
        write(&dir.path().join("a"), b"content").unwrap();
        let before = hash();
        assert_eq!(before, hash());
        fs::rename(dir.path().join("a"), dir.path().join("b")).unwrap();
        assert_ne!(before, hash());
    }
}
