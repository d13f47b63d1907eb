//! The one place where native code is loaded from bytes.
#![allow(unsafe_code, reason = "native code cannot be checked, only its origin")]

use std::path::Path;

use wasmtime::component::Component;

/// Maps a compiled component; pages are shared with every process that maps it.
///
/// The caller has checked that the file is, byte for byte, what this crate compiled and stored (see `cache`).
pub(crate) fn load_file(engine: &wasmtime::Engine, path: &Path) -> wasmtime::Result<Component> {
    // SAFETY: the file is what `Engine::precompile_component` gave, checked by SHA-256 just before. It is only ever
    // replaced by renaming another complete file over it, which leaves an existing mapping as it was.
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
