//! What can be told of a plugin before anything of it is compiled.

use super::{FILE_BYTES_MAX, PluginError, PluginKind};
use crate::inspect;

/// The one import that a plugin has: it holds types and nothing that could be called. The linker holds nothing at all, so a
/// component that hides a function under this name does not start.
const TYPES: &str = "skerry:plugin/types@0.1.0";

/// Refuses what is no plugin of this kind.
pub(super) fn check(kind: PluginKind, wasm: &[u8]) -> Result<(), PluginError> {
    if wasm.len() > FILE_BYTES_MAX {
        return Err(PluginError::TooLarge { bytes: wasm.len() });
    }
    let mut imports = inspect::imports(wasm)?;
    imports.retain(|import| import != TYPES);
    if !imports.is_empty() {
        return Err(PluginError::Imports { imports });
    }
    let exports = inspect::exports(wasm)?;
    if exports.iter().any(|export| export == kind.interface()) {
        return Ok(());
    }
    let offered = if exports.is_empty() { "nothing".to_owned() } else { exports.join(", ") };
    let (world, interface) = (kind.world(), kind.interface());
    let other = PluginKind::ALL.iter().find(|other| exports.iter().any(|export| export == other.interface()));
    let hint = other.map(|other| format!("; list it as a {other}")).unwrap_or_default();
    let reason = format!("the world `skerry:plugin/{world}` asks for `{interface}`, and it exports {offered}{hint}");
    Err(PluginError::Interface { kind, reason })
}

/// What to do about imports. Languages with a runtime ask for WASI unless they are told not to.
pub(super) fn how_to_build_without(imports: &[String]) -> &'static str {
    if imports.iter().any(|import| import.starts_with("wasi:")) {
        " Build it without WASI: in Rust for wasm32-unknown-unknown, in JavaScript with the option `disableFeatures: \
         ['random', 'stdio', 'clocks', 'http', 'fetch-event']` of componentize-js, in Python with `--stub-wasi` of \
         componentize-py; see docs/plugins.md"
    } else {
        ""
    }
}
