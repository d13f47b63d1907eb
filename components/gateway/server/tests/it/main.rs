//! The gateway as hosts of `wasi:http` run it, against the node: the same project, the same requests, the same bytes.
//!
//! The components are built by `cargo xtask components`, which `cargo xtask test` runs first.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, reason = "tests")]

mod asking;
mod equality;
mod fixture;
mod manifest;
mod native;
mod serving;

use std::path::PathBuf;

fn components_dir() -> PathBuf {
    let built = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../target/skerry/components"));
    std::env::var_os("SKERRY_COMPONENTS").map_or(built, PathBuf::from)
}

/// A built component.
fn component(name: &str) -> Vec<u8> {
    let path = components_dir().join(name);
    std::fs::read(&path)
        .unwrap_or_else(|error| panic!("{}: {error}; run `cargo xtask components` first", path.display()))
}
