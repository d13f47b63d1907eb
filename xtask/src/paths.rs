//! Where things are.

use std::path::{Path, PathBuf};

/// The workspace.
pub(crate) fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().map_or_else(|| PathBuf::from("."), Path::to_owned)
}

/// Cargo's target folder.
pub(crate) fn target() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| workspace().join("target"), PathBuf::from)
}

/// What xtask makes.
pub(crate) fn products() -> PathBuf {
    target().join("skerry")
}

/// Built components.
pub(crate) fn components() -> PathBuf {
    products().join("components")
}

/// The model's files.
pub(crate) fn model() -> PathBuf {
    products().join("model")
}

/// Downloads; `SKERRY_DOWNLOADS` names a folder that outlives the target folder.
pub(crate) fn downloads() -> PathBuf {
    std::env::var_os("SKERRY_DOWNLOADS").map_or_else(|| products().join("downloads"), PathBuf::from)
}

/// The built `skerry`.
pub(crate) fn skerry() -> PathBuf {
    target().join("debug").join(format!("skerry{}", std::env::consts::EXE_SUFFIX))
}
