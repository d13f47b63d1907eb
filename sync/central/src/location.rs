//! Opens the store that an address names: a folder, a bucket, or memory.

#[cfg(feature = "s3")]
mod bucket;

use std::path::{Path as FilePath, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use object_store::local::LocalFileSystem;
use object_store::memory::InMemory;
use object_store::path::Path;

#[cfg(feature = "s3")]
use bucket::open_bucket;
#[cfg(feature = "s3")]
pub use bucket::use_ring;

use crate::store::CentralStore;

/// Files that a write left behind when its process was killed are removed at this age; younger ones may be another hub's.
const STAGED_AGE: Duration = Duration::from_hours(1);

/// What an address cannot say.
#[derive(Debug, Clone, Default)]
pub struct LocationOptions {
    /// Address of an S3 service that is not Amazon's.
    pub s3_endpoint: Option<String>,
    /// Removes what killed writers left in a folder, which is a walk through all of it: for whoever serves the store, and not for those
    /// who open it for one question.
    pub tidies: bool,
}

/// Why an address does not open a store.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LocationError {
    /// It is none that we know.
    #[error(
        "`{location}` names no store. Give a folder, `file:///path`, `s3://bucket/prefix`, or `memory:` for one that is \
         gone when the hub stops"
    )]
    Unknown {
        /// The address.
        location: String,
    },
    /// The folder cannot be made or opened.
    #[error("cannot use the folder {}: {reason}", path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// What the system says.
        reason: String,
    },
    /// The bucket cannot be used as it is configured.
    #[error("cannot use the bucket `{location}`: {reason}. AWS_ACCESS_KEY_ID and the like configure access")]
    Bucket {
        /// The address.
        location: String,
        /// What is wrong.
        reason: String,
    },
}

impl CentralStore {
    /// Opens the store at an address. Makes the folder of a `file:` address; makes no buckets.
    ///
    /// # Errors
    /// [`LocationError`]. Whether the store works is asked by [`CentralStore::identify`].
    pub fn open(location: &str, options: &LocationOptions) -> Result<CentralStore, LocationError> {
        let unknown = || LocationError::Unknown { location: location.to_owned() };
        let mut store = match location.split_once(':') {
            Some(("memory", "" | "//" | "///")) => CentralStore::new(Arc::new(InMemory::new()), Path::default()),
            Some(("file", path)) => {
                // Three slashes or one; `file://host/path` would be another machine's file.
                let path = path.strip_prefix("//").unwrap_or(path);
                if !path.starts_with('/') {
                    return Err(unknown());
                }
                open_folder(FilePath::new(path), options.tidies)?
            }
            Some(("s3", rest)) => {
                let rest = rest.strip_prefix("//").filter(|rest| !rest.starts_with('/')).ok_or_else(unknown)?;
                let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
                open_bucket(location, bucket, prefix, options)?
            }
            Some((scheme, rest)) if rest.starts_with("//") || scheme.is_empty() => return Err(unknown()),
            _ if location.is_empty() => return Err(unknown()),
            _ => open_folder(FilePath::new(location), options.tidies)?,
        };
        if location.starts_with("memory:") || location.starts_with("s3:") {
            location.clone_into(&mut store.shown);
        }
        Ok(store)
    }
}

fn open_folder(path: &FilePath, tidies: bool) -> Result<CentralStore, LocationError> {
    let failed = |reason: String| LocationError::Folder { path: path.to_owned(), reason };
    let path = std::path::absolute(path).map_err(|error| failed(error.to_string()))?;
    if tidies || !path.is_dir() {
        std::fs::create_dir_all(&path).map_err(|error| failed(error.to_string()))?;
        sync_parents(&path).map_err(|error| failed(error.to_string()))?;
    }
    if tidies {
        remove_staged(&path);
    }
    let files = LocalFileSystem::new_with_prefix(&path).map_err(|error| failed(error.to_string()))?;
    let mut store = CentralStore::new(Arc::new(files.with_fsync(true)), Path::default());
    store.shown = format!("file://{}", path.display());
    Ok(store)
}

/// The folder's own name must survive a power cut as well as what is in it.
fn sync_parents(path: &FilePath) -> std::io::Result<()> {
    if cfg!(unix) {
        for folder in path.ancestors().take(3) {
            // Folders that we may not open were there before us.
            if let Ok(folder) = std::fs::File::open(folder) {
                folder.sync_all()?;
            }
        }
    }
    Ok(())
}

/// Removes what killed writers left: files named `<object>#<number>`, which no reader sees.
fn remove_staged(root: &FilePath) {
    let folders = |path: &FilePath| std::fs::read_dir(path).into_iter().flatten().flatten().map(|entry| entry.path());
    let nested = ["documents", "quarantine", "snapshots"].into_iter().flat_map(|name| folders(&root.join(name)));
    let flat = ["tokens", "probe", "artefacts", "models"].into_iter().map(|name| root.join(name));
    for file in nested.chain(flat).flat_map(|folder| folders(&folder)) {
        let staged = file.file_name().and_then(|name| name.to_str()).is_some_and(|name| name.contains('#'));
        let written = std::fs::metadata(&file).and_then(|metadata| metadata.modified());
        let age = written.ok().and_then(|written| SystemTime::now().duration_since(written).ok());
        if staged && age.is_some_and(|age| age > STAGED_AGE) {
            match std::fs::remove_file(&file) {
                Ok(()) => tracing::info!(file = %file.display(), "removed what a killed writer left"),
                Err(error) => tracing::warn!(file = %file.display(), %error, "cannot remove what a killed writer left"),
            }
        }
    }
}

#[cfg(not(feature = "s3"))]
fn open_bucket(location: &str, _: &str, _: &str, _: &LocationOptions) -> Result<CentralStore, LocationError> {
    let reason =
        "this program was built without S3; use a folder, or one that was built with the feature `s3`".to_owned();
    Err(LocationError::Bucket { location: location.to_owned(), reason })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An address that is misread would make a second, empty store: what is not understood is refused.
    #[test]
    fn addresses_open_what_they_name() {
        let folder = tempfile::tempdir().unwrap();
        let open = |location: &str| CentralStore::open(location, &LocationOptions::default());
        let path = folder.path().join("a/b");
        let shown = format!("file://{}", path.display());
        assert_eq!(open(&path.display().to_string()).unwrap().shown(), shown);
        assert_eq!(open(&shown).unwrap().shown(), shown);
        assert_eq!(open("memory:").unwrap().shown(), "memory:");
        #[cfg(feature = "s3")]
        assert_eq!(open("s3://bucket/some/prefix").unwrap().prefix, Path::from("some/prefix"));
        #[cfg(not(feature = "s3"))]
        assert!(matches!(open("s3://bucket/some/prefix"), Err(LocationError::Bucket { .. })));
        for wrong in ["", "ftp://x/y", "file://host/path", "file:relative", "s3:/bucket", "s3:///x", "http://x"] {
            assert!(open(wrong).is_err(), "{wrong}");
        }
    }
}
