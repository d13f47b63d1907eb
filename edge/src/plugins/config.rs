//! The file that tells a node of plugins: `--plugins FILE`, JSON.
//!
//! The file is the operator's: nothing that comes over the network or by a sync names a file here or changes a limit.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;
use serde_json::Value;
use skerry_host::Limits;
use skerry_host::plugin::{PluginKind, PluginLimits};
use skerry_sync::ProjectName;

pub use super::health::PauseRule;
use crate::models::config::ConfigError;

/// Bytes of the file at most.
const FILE_BYTES_MAX: u64 = 1 << 20;

/// Plugins of a node at most.
const PLUGINS_MAX: usize = 100;

/// Characters of a name at most.
const NAME_CHARS_MAX: usize = 64;

/// Bytes of settings at most.
const SETTINGS_BYTES_MAX: usize = 64 << 10;

/// The plugins of a node, in the order in which transforms run.
#[derive(Debug, Clone, Default)]
pub struct PluginsConfig {
    /// Their names differ.
    pub plugins: Vec<PluginConfig>,
}

/// A plugin.
#[derive(Debug, Clone)]
pub struct PluginConfig {
    /// The name by which it is asked for.
    pub name: String,
    /// What it is for.
    pub kind: PluginKind,
    /// The `.wasm`.
    pub path: PathBuf,
    /// The SHA-256 that the file must have, lowercase hex.
    pub sha256: Option<String>,
    /// Projects that it serves; all of them when absent.
    pub projects: Option<BTreeSet<ProjectName>>,
    /// What it is told with every call.
    pub settings: String,
    /// What one call may use.
    pub limits: PluginLimits,
    /// What becomes of a publish when a transform gives no answer.
    pub on_failure: OnFailure,
    /// When it is left alone.
    pub pause: PauseRule,
}

/// What becomes of a publish when a transform gives no answer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OnFailure {
    /// It is refused: nothing is stored that the plugin has not seen.
    #[default]
    Refuse,
    /// It goes on without this plugin; the answer names it.
    Pass,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    plugins: Vec<Entry>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    name: String,
    kind: KindName,
    component: PathBuf,
    sha256: Option<String>,
    projects: Option<Vec<String>>,
    settings: Option<Value>,
    on_failure: Option<OnFailure>,
    memory_mib: Option<usize>,
    deadline_ms: Option<u64>,
    output_kib: Option<usize>,
    calls_at_once: Option<usize>,
    failures_max: Option<u32>,
    pause_seconds: Option<u64>,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum KindName {
    Transform,
    Reranker,
    SubscriptionFilter,
}

impl From<KindName> for PluginKind {
    fn from(name: KindName) -> Self {
        match name {
            KindName::Transform => PluginKind::Transform,
            KindName::Reranker => PluginKind::Reranker,
            KindName::SubscriptionFilter => PluginKind::SubscriptionFilter,
        }
    }
}

impl PluginsConfig {
    /// Reads the file. Paths in it are relative to its folder. The components are not looked at yet.
    ///
    /// # Errors
    /// [`ConfigError`].
    pub fn read(path: &Path) -> Result<PluginsConfig, ConfigError> {
        let failed = |reason: String| ConfigError { path: path.to_owned(), reason };
        let length = std::fs::metadata(path).map_err(|error| failed(error.to_string()))?.len();
        if length > FILE_BYTES_MAX {
            return Err(failed(format!("it has {length} bytes; a list of plugins has at most {FILE_BYTES_MAX}")));
        }
        let bytes = std::fs::read(path).map_err(|error| failed(error.to_string()))?;
        PluginsConfig::parse(&bytes, path.parent().unwrap_or(Path::new("."))).map_err(failed)
    }

    fn parse(bytes: &[u8], dir: &Path) -> Result<PluginsConfig, String> {
        let mut deserializer = serde_json::Deserializer::from_slice(bytes);
        let file: File = serde_path_to_error::deserialize(&mut deserializer).map_err(|error| {
            if error.path().iter().next().is_none() { error.inner().to_string() } else { error.to_string() }
        })?;
        deserializer.end().map_err(|error| error.to_string())?;
        if file.plugins.len() > PLUGINS_MAX {
            return Err(format!("plugins: has {} entries; at most {PLUGINS_MAX} are taken", file.plugins.len()));
        }
        let mut plugins: Vec<PluginConfig> = Vec::new();
        for (index, entry) in file.plugins.into_iter().enumerate() {
            let name = entry.name.clone();
            let plugin = entry.into_config(dir).map_err(|reason| format!("plugins[{index}]{reason}"))?;
            if plugins.iter().any(|other| other.name == name) {
                return Err(format!("plugins[{index}].name: another plugin is called `{name}`, too"));
            }
            plugins.push(plugin);
        }
        Ok(PluginsConfig { plugins })
    }
}

impl Entry {
    /// Reasons begin with the member that they are about.
    fn into_config(self, dir: &Path) -> Result<PluginConfig, String> {
        let kind = PluginKind::from(self.kind);
        check_name(&self.name)?;
        if self.on_failure.is_some() && kind != PluginKind::Transform {
            return Err(format!(
                ".on_failure: does not go with a {kind}: when one fails, its caller is answered without it and told so"
            ));
        }
        let projects = self.projects.map(|projects| {
            let parsed = projects.iter().map(|name| ProjectName::parse(name));
            parsed.collect::<Result<BTreeSet<_>, _>>().map_err(|error| format!(".projects: {error}"))
        });
        let settings = match self.settings {
            None => String::new(),
            Some(Value::String(text)) => text,
            Some(value) => value.to_string(),
        };
        within("settings", settings.len(), 0, SETTINGS_BYTES_MAX)?;
        let usual = PluginLimits::default();
        let memory_mib = within("memory_mib", self.memory_mib.unwrap_or(128), 1, 4_096)?;
        let deadline_ms = within("deadline_ms", self.deadline_ms.unwrap_or(1_000), 1, 600_000)?;
        let output_kib = within("output_kib", self.output_kib.unwrap_or(16 << 10), 1, 1 << 20)?;
        let rule = PauseRule::default();
        let pause_seconds = within("pause_seconds", self.pause_seconds.unwrap_or(rule.pause.as_secs()), 1, 86_400)?;
        Ok(PluginConfig {
            kind,
            path: dir.join(self.component),
            sha256: self.sha256.as_deref().map(checked_sha256).transpose()?,
            projects: projects.transpose()?,
            settings,
            limits: PluginLimits {
                call: Limits { memory_bytes_max: memory_mib << 20, deadline: Duration::from_millis(deadline_ms) },
                output_bytes_max: output_kib << 10,
                calls_at_once: within("calls_at_once", self.calls_at_once.unwrap_or(usual.calls_at_once), 1, 64)?,
            },
            on_failure: self.on_failure.unwrap_or_default(),
            pause: PauseRule {
                failures_max: within("failures_max", self.failures_max.unwrap_or(rule.failures_max), 1, 1_000_000)?,
                pause: Duration::from_secs(pause_seconds),
            },
            name: self.name,
        })
    }
}

fn check_name(name: &str) -> Result<(), String> {
    let is_plain = |character: char| character.is_ascii_alphanumeric() || "-_.".contains(character);
    if name.is_empty() || name.len() > NAME_CHARS_MAX || !name.chars().all(is_plain) {
        return Err(format!(
            ".name: is 1 to {NAME_CHARS_MAX} letters without accents, digits, dots, hyphens and underscores"
        ));
    }
    Ok(())
}

fn checked_sha256(digest: &str) -> Result<String, String> {
    let digest = digest.to_ascii_lowercase();
    if digest.len() == 64 && digest.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Ok(digest);
    }
    Err(".sha256: is the file's SHA-256, 64 hex digits".to_owned())
}

fn within<T: PartialOrd + std::fmt::Display + Copy>(name: &str, value: T, least: T, most: T) -> Result<T, String> {
    if value >= least && value <= most {
        return Ok(value);
    }
    Err(format!(".{name}: is {value}; it goes from {least} to {most}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(json: &str) -> Result<PluginsConfig, String> {
        PluginsConfig::parse(json.as_bytes(), Path::new("/etc/skerry"))
    }

    /// What is not said has a value; the order of the file stays; paths are relative to it.
    #[test]
    fn a_file_is_read() {
        let config = parse(
            r#"{"plugins": [
                {"name": "z", "kind": "transform", "component": "z.wasm", "settings": {"layer": "x"}, "projects": ["notes"]},
                {"name": "a", "kind": "reranker", "component": "/lib/a.wasm", "settings": "plain", "deadline_ms": 250}]}"#,
        )
        .unwrap();
        let [z, a] = config.plugins.as_slice() else { panic!("{config:?}") };
        assert_eq!((z.name.as_str(), z.path.as_path()), ("z", Path::new("/etc/skerry/z.wasm")));
        assert_eq!((z.settings.as_str(), z.on_failure), (r#"{"layer":"x"}"#, OnFailure::Refuse));
        assert_eq!(z.limits, PluginLimits::default());
        assert_eq!(z.projects.as_ref().map(BTreeSet::len), Some(1));
        assert_eq!((a.path.as_path(), a.settings.as_str()), (Path::new("/lib/a.wasm"), "plain"));
        assert_eq!((a.limits.call.deadline, a.kind), (Duration::from_millis(250), PluginKind::Reranker));
        assert!(parse("{}").unwrap().plugins.is_empty());
    }

    /// Every mistake is named with its place.
    #[test]
    fn mistakes_are_located() {
        let with = |members: &str| {
            format!(r#"{{"plugins": [{{"name": "a", "kind": "transform", "component": "x" {members}}}]}}"#)
        };
        for (json, says) in [
            (String::new(), "EOF"),
            (r#"{"plugin": []}"#.to_owned(), "unknown field `plugin`"),
            (
                r#"{"plugins": [{"name": "a", "kind": "transform"}]}"#.to_owned(),
                "plugins[0]: missing field `component`",
            ),
            (r#"{"plugins": [{"name": "a", "kind": "tranform", "component": "x"}]}"#.to_owned(), "plugins[0].kind"),
            (r#"{"plugins": [{"name": "a b", "kind": "transform", "component": "x"}]}"#.to_owned(), "plugins[0].name"),
            (
                r#"{"plugins": [{"name": "a", "kind": "reranker", "component": "x", "on_failure": "pass"}]}"#
                    .to_owned(),
                "plugins[0].on_failure: does not go",
            ),
            (with(r#", "on_failure": "ignore""#), "plugins[0].on_failure"),
            (with(r#", "memory": 5"#), "unknown field `memory`"),
            (with(r#", "memory_mib": 0"#), "plugins[0].memory_mib: is 0"),
            (with(r#", "deadline_ms": 600001"#), "plugins[0].deadline_ms"),
            (with(r#", "output_kib": 0"#), "plugins[0].output_kib"),
            (with(r#", "calls_at_once": 65"#), "plugins[0].calls_at_once"),
            (with(r#", "failures_max": 0"#), "plugins[0].failures_max"),
            (with(r#", "pause_seconds": 0"#), "plugins[0].pause_seconds"),
            (with(r#", "sha256": "abc""#), "plugins[0].sha256"),
            (with(r#", "projects": [""]"#), "plugins[0].projects"),
            (with(r#"}, {"name": "a", "kind": "reranker", "component": "y""#), "plugins[1].name: another"),
            ("{} {}".to_owned(), "trailing"),
        ] {
            let error = parse(&json).unwrap_err();
            assert!(error.contains(says), "{json}: {error}");
        }
    }
}
