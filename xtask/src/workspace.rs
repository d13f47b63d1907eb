//! Where things are in the working copy.

use std::path::{Path, PathBuf};

use anyhow::Context;

/// Folders of the working copy and of what is built from it.
#[derive(Debug, Clone)]
pub(crate) struct Workspace {
    root: PathBuf,
    target: PathBuf,
}

impl Workspace {
    /// The working copy that this program was built from.
    pub(crate) fn find() -> anyhow::Result<Self> {
        let here = Path::new(env!("CARGO_MANIFEST_DIR"));
        let root = here.parent().context("find the folder above xtask")?.to_owned();
        let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), |dir| root.join(dir));
        Ok(Workspace { root, target })
    }

    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// Programs of the dev profile.
    pub(crate) fn program(&self, name: &str) -> PathBuf {
        self.target.join("debug").join(format!("{name}{}", std::env::consts::EXE_SUFFIX))
    }

    /// Everything that xtask makes.
    pub(crate) fn skerry(&self) -> PathBuf {
        self.target.join("skerry")
    }

    /// The finished components.
    pub(crate) fn components(&self) -> PathBuf {
        self.skerry().join("components")
    }

    /// Cargo's target folder for guests: a build of them never waits for a native one.
    pub(crate) fn guests(&self) -> PathBuf {
        self.skerry().join("guests")
    }

    /// What says that a step need not run again.
    pub(crate) fn stamps(&self) -> PathBuf {
        self.skerry().join("stamps")
    }

    /// The unpacked model.
    pub(crate) fn model(&self) -> PathBuf {
        self.skerry().join("model")
    }

    /// Downloaded files. `SKERRY_DOWNLOADS` puts them elsewhere, so that CI can keep them.
    pub(crate) fn downloads(&self) -> PathBuf {
        std::env::var_os("SKERRY_DOWNLOADS").map_or_else(|| self.skerry().join("downloads"), PathBuf::from)
    }
}
