//! Plugins: components that somebody else wrote, run once and thrown away.
//!
//! A plugin is checked when it is opened: that it imports nothing, offers what its kind asks for, and starts within its limits.
//! Every call has a fresh instance under limits of time, memory and output, and its answer is checked for shape. So the worst
//! that a plugin can do is to give no answer, or a wrong one; which of the two is told by [`PluginFault`].
//!
//! ```no_run
//! use skerry_host::plugin::{PluginLimits, Transform};
//! use skerry_host::types::plugin::{PublishBatch, Verdict};
//! use skerry_host::{Engine, EngineConfig};
//!
//! let engine = Engine::new(&EngineConfig::default())?;
//! let wasm = std::fs::read("redact.wasm")?;
//! let redact = Transform::open(&engine, "plugins".as_ref(), &wasm, PluginLimits::default())?;
//! let batch = PublishBatch { project: "notes".into(), settings: String::new(), entries: Vec::new() };
//! let verdicts: Vec<Verdict> = redact.transform(&batch, None)?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod check;
mod isolate;
mod reranker;
mod subscription_filter;
mod transform;

use std::time::Duration;

use crate::call::{CallError, Limits};
use crate::components::ArtefactError;
use crate::inspect::InspectError;

pub use reranker::Reranker;
pub use subscription_filter::SubscriptionFilter;
pub use transform::Transform;

/// Bytes of a plugin's file at most: a JavaScript engine has 12 MB, a Python interpreter about 40 MB.
pub const FILE_BYTES_MAX: usize = 64 << 20;

/// Characters that are kept of what a plugin says.
const WORDS_MAX: usize = 1_000;

/// What a plugin is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum PluginKind {
    /// Changes or refuses records as they are published.
    Transform,
    /// Scores or orders what a query found.
    Reranker,
    /// Chooses what a subscriber is told of.
    SubscriptionFilter,
}

impl PluginKind {
    /// Every kind.
    pub const ALL: [PluginKind; 3] = [PluginKind::Transform, PluginKind::Reranker, PluginKind::SubscriptionFilter];

    /// The world of `wit/plugin` that it is, without its package.
    pub fn world(self) -> &'static str {
        match self {
            PluginKind::Transform => "transform",
            PluginKind::Reranker => "reranker",
            PluginKind::SubscriptionFilter => "subscription-filter",
        }
    }

    /// The interface that a component of this kind exports.
    pub fn interface(self) -> &'static str {
        match self {
            PluginKind::Transform => "skerry:plugin/publishing@0.1.0",
            PluginKind::Reranker => "skerry:plugin/ranking@0.1.0",
            PluginKind::SubscriptionFilter => "skerry:plugin/filtering@0.1.0",
        }
    }
}

impl std::fmt::Display for PluginKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.world())
    }
}

/// What one call of a plugin may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PluginLimits {
    /// Memory of the instance, and time for making it and for the call together.
    pub call: Limits,
    /// Bytes that it may answer with, as they lie in the host's memory: an answer that names one string a million times counts
    /// a million strings.
    pub output_bytes_max: usize,
    /// Calls at once; more wait. Bounds the memory of all instances together.
    pub calls_at_once: usize,
}

impl Default for PluginLimits {
    /// 128 MiB, one second, 16 MiB of output, two calls at once.
    fn default() -> Self {
        PluginLimits {
            call: Limits { memory_bytes_max: 128 << 20, deadline: Duration::from_secs(1) },
            output_bytes_max: 16 << 20,
            calls_at_once: 2,
        }
    }
}

/// Why a component is no plugin of the kind that it was opened as.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PluginError {
    /// The file is larger than any plugin.
    #[error("it has {bytes} bytes; a plugin has at most {FILE_BYTES_MAX}")]
    TooLarge {
        /// Its length.
        bytes: usize,
    },
    /// The bytes are no component.
    #[error(transparent)]
    Inspect(#[from] InspectError),
    /// It asks for something of its host. A plugin is a pure function.
    #[error("it imports {}; a plugin imports nothing.{}", .imports.join(", "), check::how_to_build_without(.imports))]
    Imports {
        /// What it asks for.
        imports: Vec<String>,
    },
    /// It does not offer what its kind asks for.
    #[error("it is no {kind}: {reason}")]
    Interface {
        /// The kind that it was opened as.
        kind: PluginKind,
        /// What is missing or different.
        reason: String,
    },
    /// It cannot be compiled for this machine.
    #[error(transparent)]
    Compile(#[from] ArtefactError),
    /// No instance of it can be made within its limits.
    #[error("it does not start: {0}")]
    Start(#[source] CallError),
}

/// Why a call of a plugin gave no answer that can be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PluginFault {
    /// It trapped, or exceeded a limit; or it was cancelled, which is no fault of the plugin.
    #[error(transparent)]
    Call(#[from] CallError),
    /// Its answer is not of the described shape.
    #[error("the plugin's answer cannot be used: {0}")]
    Answer(String),
    /// It cannot read what the operator wrote under `settings`.
    #[error("the plugin cannot read its settings: {0}")]
    Settings(String),
    /// It cannot read what the caller gave as its argument: no fault of the plugin, and the caller can mend it.
    #[error("the plugin cannot read its argument: {0}")]
    Argument(String),
    /// Its own words for anything else.
    #[error("the plugin says: {0}")]
    Said(String),
}

impl PluginFault {
    /// Whether whoever asked is to blame, or nobody; then the plugin may be as good as ever.
    pub fn is_of_caller(&self) -> bool {
        matches!(self, PluginFault::Argument(_) | PluginFault::Call(CallError::Cancelled))
    }
}

/// A plugin's words on one line, at a length that a log and a terminal can take.
fn words(said: &str) -> String {
    let clean = said.chars().map(|character| if character.is_control() { ' ' } else { character });
    let mut kept: String = clean.take(WORDS_MAX).collect();
    if said.chars().nth(WORDS_MAX).is_some() {
        kept.push('…');
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What somebody else's code says must not steer a terminal, nor fill a log.
    #[test]
    fn words_are_tamed() {
        assert_eq!(words("a\u{1b}[31m\nb"), "a [31m b");
        assert_eq!(words(&"x".repeat(WORDS_MAX)).chars().count(), WORDS_MAX);
        assert!(words(&"x".repeat(5_000_000)).ends_with("x…"));
    }
}
