//! The one place where native code is loaded from bytes, and where it is said for which processors it is compiled.
#![allow(unsafe_code, reason = "native code cannot be checked, only its origin")]

use std::path::Path;

#[cfg(feature = "compile")]
use wasmtime::Config;
use wasmtime::component::Component;

/// Maps a compiled component; pages are shared with every process that maps it.
///
/// The caller has checked that the file is, byte for byte, what this crate compiled and stored (see `cache`), or what a trusted
/// key signed (see `artefact`).
pub(crate) fn load_file(engine: &wasmtime::Engine, path: &Path) -> wasmtime::Result<Component> {
    // SAFETY: the file is what `Engine::precompile_component` gave, here or where the holder of a trusted key ran it, checked by
    // SHA-256 just before. It is only ever replaced by renaming another complete file over it, which leaves an existing
    // mapping as it was.
    unsafe { Component::deserialize_file(engine, path) }
}

#[cfg(feature = "compile")]
/// Loads a compiled component from memory.
///
/// `compiled` must come from `precompile_component` of this process.
pub(crate) fn load_bytes(engine: &wasmtime::Engine, compiled: &[u8]) -> wasmtime::Result<Component> {
    // SAFETY: by the condition above these are the compiler's own bytes.
    unsafe { Component::deserialize(engine, compiled) }
}

#[cfg(feature = "compile")]
/// Lets the compiler use a feature of the processors that it compiles for. `feature` is one of cranelift's for that target.
pub(crate) fn enable_feature(config: &mut Config, feature: &str) {
    // SAFETY: code compiled with it runs only where it is loaded, and `Component::deserialize` refuses code that uses
    // features which the processor does not have.
    unsafe {
        config.cranelift_flag_enable(feature);
    }
}
