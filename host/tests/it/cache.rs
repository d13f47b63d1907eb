use std::fs;
use std::path::{Path, PathBuf};

use skerry_host::{ArtefactError, Components, Segment};

use crate::artefacts::{ENGINE, LIMITS, components_dir, documents};

/// A folder with only the query component in it.
fn folder() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    for name in ["manifest.json", "query.wasm"] {
        fs::copy(components_dir().join(name), dir.path().join(name)).unwrap();
    }
    dir
}

fn code_file(dir: &Path) -> PathBuf {
    let files = fs::read_dir(dir.join("cache")).unwrap().map(|file| file.unwrap().path());
    files.into_iter().find(|path| path.extension().is_some_and(|extension| extension == "cwasm")).unwrap()
}

fn works(dir: &Path) {
    let component = Components::open(dir).unwrap().query(&ENGINE).unwrap();
    let mut segment = Segment::new(&ENGINE, &component, LIMITS).unwrap();
    segment.upsert(documents(0, 5)).unwrap();
    assert_eq!(segment.describe().unwrap().documents, 5);
}

/// Native code is executed as it lies on disk: whatever a crash or a bad disk does to it, it is compiled again instead.
#[test]
fn damaged_native_code_is_compiled_again() {
    let dir = folder();
    works(dir.path());
    let code = code_file(dir.path());
    let whole = fs::read(&code).unwrap();
    let flipped = |position: usize| {
        let mut bytes = whole.clone();
        bytes[position] ^= 0x10;
        bytes
    };
    let damages = [
        Vec::new(),
        whole[..whole.len() / 2].to_vec(),
        whole[..whole.len() - 1].to_vec(),
        flipped(0),
        flipped(whole.len() / 2),
        flipped(whole.len() - 1),
        [whole.as_slice(), b"x"].concat(),
    ];
    for damaged in damages {
        // A new file, as a mapping of the old one may live.
        fs::remove_file(&code).unwrap();
        fs::write(&code, damaged).unwrap();
        works(dir.path());
        assert!(fs::read(&code).unwrap() == whole, "the damaged file was not replaced");
    }
    let mut digest = code.clone().into_os_string();
    digest.push(".sha256");
    fs::remove_file(&digest).unwrap();
    works(dir.path());
    assert!(Path::new(&digest).is_file());
}

/// Only files with their own names are left behind: nothing half-written, nothing that grows.
#[test]
fn the_cache_holds_nothing_else() {
    let dir = folder();
    works(dir.path());
    works(dir.path());
    assert_eq!(fs::read_dir(dir.path().join("cache")).unwrap().count(), 2);
    let components = Components::open(dir.path()).unwrap();
    fs::write(dir.path().join("cache/query-0000-old.cwasm"), b"old").unwrap();
    components.prune(&ENGINE).unwrap();
    assert_eq!(fs::read_dir(dir.path().join("cache")).unwrap().count(), 2);
    assert!(components.is_compiled(&ENGINE, "query"));
}

/// A component that is not the one of the manifest must not run, however it came there.
#[test]
fn a_damaged_component_is_refused() {
    let dir = folder();
    let path = dir.path().join("query.wasm");
    let mut bytes = fs::read(&path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&path, &bytes).unwrap();
    let error = Components::open(dir.path()).unwrap().query(&ENGINE).unwrap_err();
    assert!(matches!(error, ArtefactError::Damaged { .. }), "{error}");
    fs::write(&path, &bytes[..middle]).unwrap();
    let error = Components::open(dir.path()).unwrap().query(&ENGINE).unwrap_err();
    assert!(matches!(error, ArtefactError::Damaged { .. }), "{error}");
}

/// Whoever starts without having built is told what to do.
#[test]
fn missing_artefacts_name_the_command() {
    let dir = tempfile::tempdir().unwrap();
    let error = Components::open(dir.path()).unwrap_err();
    assert!(error.to_string().contains("cargo xtask components"), "{error}");
    fs::write(dir.path().join("manifest.json"), "{ not json").unwrap();
    let error = Components::open(dir.path()).unwrap_err();
    assert!(matches!(error, ArtefactError::Manifest { .. }), "{error}");
    fs::write(dir.path().join("manifest.json"), "{}").unwrap();
    let error = Components::open(dir.path()).unwrap().query(&ENGINE).unwrap_err();
    assert!(error.to_string().contains("`query`"), "{error}");
}

/// An installation that nobody may write to still works.
#[test]
fn a_cache_that_cannot_be_written_costs_time_only() {
    let dir = folder();
    // A file where the folder should be: no right to write, also for root.
    fs::write(dir.path().join("cache"), b"").unwrap();
    works(dir.path());
}
