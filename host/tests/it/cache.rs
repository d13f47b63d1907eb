use std::fs;
use std::path::{Path, PathBuf};

use skerry_host::{ArtefactError, Component, Components, Segment, bake};

use crate::artefacts::{ENGINE, LIMITS, components_dir, documents, requests, wasm};

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

/// A kept segment, its file, and its SHA-256.
fn kept(dir: &Path) -> (PathBuf, String) {
    let baked = bake::segment(&wasm("query"), std::iter::once(documents(0, 50)), &|_| ()).unwrap();
    let (_, sha256) = Component::keep(&ENGINE, dir, "segment", &baked).unwrap();
    let files = fs::read_dir(dir).unwrap().map(|file| file.unwrap().path());
    let code = files.into_iter().find(|path| path.extension().is_some_and(|extension| extension == "cwasm")).unwrap();
    (code, sha256)
}

/// Opening a kept segment reads its code and not its data: the data may be gigabytes. So damage in the data goes unnoticed
/// until all of it is checked, and damage anywhere else is refused.
#[test]
fn kept_code_is_opened_when_the_code_is_whole() {
    let dir = tempfile::tempdir().unwrap();
    let (code, sha256) = kept(dir.path());
    let whole = fs::read(&code).unwrap();
    let open = || Component::open_compiled(&ENGINE, dir.path(), "segment", &sha256);
    let is_whole = || Component::is_whole(&ENGINE, dir.path(), "segment", &sha256);
    let write = |bytes: &[u8]| {
        fs::remove_file(&code).unwrap();
        fs::write(&code, bytes).unwrap();
    };
    let asked = |component: &Component| {
        let mut segment = Segment::new(&ENGINE, component, LIMITS).unwrap();
        format!("{:?}", segment.query(&requests()[0]).unwrap())
    };
    let expected = asked(&open().unwrap());
    assert!(is_whole());

    // The texts of keys lie in the data, and only there.
    let key = b"record-17";
    let places: Vec<usize> =
        whole.windows(key.len()).enumerate().filter(|(_, window)| window == key).map(|(at, _)| at).collect();
    assert!(!places.is_empty());
    let mut other_data = whole.clone();
    for place in &places {
        other_data[place + 8] = b'X';
    }
    write(&other_data);
    assert!(open().is_some_and(|component| Segment::new(&ENGINE, &component, LIMITS).is_ok()));
    assert!(!is_whole());

    // Everything else is looked at: each part of the file, at many places, but for the data.
    let data = data_of(&whole);
    assert!(places.iter().all(|place| data.contains(place)));
    let step = (whole.len() - data.len()) / 60;
    let outside = (0..data.start).chain(data.end..whole.len()).step_by(step).chain([whole.len() - 1, data.start - 1]);
    for position in outside {
        let mut damaged = whole.clone();
        damaged[position] ^= 0x20;
        write(&damaged);
        assert!(open().is_none(), "a flipped bit at {position} of {} was not noticed", whole.len());
    }
    for damaged in [&whole[..0], &whole[..100], &whole[..whole.len() - 1], &whole[..data.end - 1], &whole[..data.start]]
    {
        write(damaged);
        assert!(open().is_none(), "{} of {} bytes were opened", damaged.len(), whole.len());
    }
    write(&[whole.as_slice(), b"x"].concat());
    assert!(open().is_none());
    write(&whole);
    assert_eq!(asked(&open().unwrap()), expected);

    let mut digest = code.clone().into_os_string();
    digest.push(".sha256");
    let said = fs::read_to_string(&digest).unwrap();
    for damaged in [String::new(), said.lines().next().unwrap().to_owned(), said.replace("code ", "code 0")] {
        fs::write(&digest, damaged).unwrap();
        assert!(open().is_none());
    }
    fs::write(&digest, said).unwrap();
    assert!(open().is_some() && is_whole());
    Component::discard(&ENGINE, dir.path(), "segment", &sha256);
    assert!(open().is_none() && !is_whole());
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
}

/// Where the section with the data lies in a compiled component, read from the ELF headers.
fn data_of(compiled: &[u8]) -> std::ops::Range<usize> {
    let number = |at: usize, bytes: usize| {
        compiled[at..at + bytes].iter().rev().fold(0, |sum, byte| sum << 8 | usize::from(*byte))
    };
    let (headers, size, count, names) = (number(0x28, 8), number(0x3a, 2), number(0x3c, 2), number(0x3e, 2));
    let section = |index: usize| headers + index * size;
    let names = number(section(names) + 0x18, 8);
    let named = |index: &usize| compiled[names + number(section(*index), 4)..].starts_with(b".rodata.wasm\0");
    let found = section((0..count).find(named).unwrap());
    let start = number(found + 0x18, 8);
    start..start + number(found + 0x20, 8)
}
