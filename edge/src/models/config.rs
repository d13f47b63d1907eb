//! The file that tells a node of further models: `--models FILE`, JSON.
//!
//! The file is the operator's. A project only names a model; where it is, who may be asked and with which key stays here.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;
use skerry_host::Limits;

use super::{DEFAULT_MODEL, STATIC_MODEL};

/// Bytes of the file at most.
const FILE_BYTES_MAX: u64 = 1 << 20;

/// Numbers in a vector at most.
pub const DIMENSIONS_MAX: u32 = 4_096;

/// What a node knows of models that are not built in.
#[derive(Debug, Clone, Default)]
pub struct ModelsConfig {
    /// Hosts that texts may be sent to, as `host` (the port of the scheme) or `host:port`.
    pub allowed_hosts: Vec<String>,
    /// By name.
    pub models: BTreeMap<String, ModelConfig>,
}

/// One model.
#[derive(Debug, Clone)]
pub enum ModelConfig {
    /// A component in a file.
    Component(ComponentConfig),
    /// An endpoint that speaks as `OpenAI` does.
    Endpoint(EndpointConfig),
}

/// A component that the operator gives.
#[derive(Debug, Clone)]
pub struct ComponentConfig {
    /// The `.wasm`.
    pub path: PathBuf,
    /// Its limits; the deadline is that of 32 texts.
    pub limits: Limits,
}

/// An HTTP endpoint.
#[derive(Debug, Clone)]
pub struct EndpointConfig {
    /// What stands before `/embeddings`.
    pub base: String,
    /// What the endpoint calls the model.
    pub model: String,
    /// Numbers in its vectors.
    pub dimensions: u32,
    /// Whether to ask for that many.
    pub send_dimensions: bool,
    /// Where the key is.
    pub api_key: ApiKeySource,
    /// Requests a second at most.
    pub requests_per_second: f64,
    /// Texts of one request at most.
    pub batch_texts: usize,
    /// Time for one request.
    pub timeout: Duration,
    /// Tries before a batch is given up.
    pub tries: u32,
    /// Wait after the first try that failed; doubled with each.
    pub backoff: Duration,
    /// Tokens of one text that the model takes, in about.
    pub tokens_max: u32,
    /// Characters that are taken for a token.
    pub characters_per_token: f64,
}

/// Where an API key is read from when the model is first used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ApiKeySource {
    /// The endpoint asks for none.
    None,
    /// An environment variable.
    Environment(String),
    /// A file.
    File(PathBuf),
}

/// Why the file cannot be used: names the file and the place in it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}: {reason}", path.display())]
pub struct ConfigError {
    /// The file.
    pub path: PathBuf,
    /// What is wrong, with the member's path.
    pub reason: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    allow_hosts: Vec<String>,
    #[serde(default)]
    models: BTreeMap<String, Entry>,
}

/// All members of both kinds: one that is missing or does not go with another is named, which an untagged enum cannot do.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    component: Option<PathBuf>,
    memory_mib: Option<usize>,
    deadline_seconds: Option<u64>,
    endpoint: Option<String>,
    model: Option<String>,
    dimensions: Option<u32>,
    send_dimensions: Option<bool>,
    api_key_env: Option<String>,
    api_key_file: Option<PathBuf>,
    requests_per_second: Option<f64>,
    batch_texts: Option<usize>,
    timeout_seconds: Option<f64>,
    tries: Option<u32>,
    backoff_ms: Option<u64>,
    tokens_max: Option<u32>,
    characters_per_token: Option<f64>,
}

impl ModelsConfig {
    /// Reads the file. Paths in it are relative to its folder.
    ///
    /// # Errors
    /// [`ConfigError`].
    pub fn read(path: &Path) -> Result<ModelsConfig, ConfigError> {
        let failed = |reason: String| ConfigError { path: path.to_owned(), reason };
        let length = std::fs::metadata(path).map_err(|error| failed(error.to_string()))?.len();
        if length > FILE_BYTES_MAX {
            return Err(failed(format!("it has {length} bytes; a list of models has at most {FILE_BYTES_MAX}")));
        }
        let bytes = std::fs::read(path).map_err(|error| failed(error.to_string()))?;
        let dir = path.parent().unwrap_or(Path::new("."));
        ModelsConfig::parse(&bytes, dir).map_err(failed)
    }

    fn parse(bytes: &[u8], dir: &Path) -> Result<ModelsConfig, String> {
        let mut deserializer = serde_json::Deserializer::from_slice(bytes);
        let file: File = serde_path_to_error::deserialize(&mut deserializer).map_err(|error| {
            if error.path().iter().next().is_none() { error.inner().to_string() } else { error.to_string() }
        })?;
        deserializer.end().map_err(|error| error.to_string())?;
        let mut models = BTreeMap::new();
        for (name, entry) in file.models {
            let model = check_name(&name).and_then(|()| entry.into_config(dir));
            models.insert(name.clone(), model.map_err(|reason| format!("models.{name}{reason}"))?);
        }
        Ok(ModelsConfig { allowed_hosts: file.allow_hosts, models })
    }
}

/// Reasons begin with the member that they are about, or with a colon.
fn check_name(name: &str) -> Result<(), String> {
    if [DEFAULT_MODEL, STATIC_MODEL].contains(&name) {
        return Err(": this name is that of a model that is built in; choose another".to_owned());
    }
    let settings = skerry_sync::Settings { model: Some(name.to_owned()), chunking: None };
    settings.check().map_err(|error| format!(": {error}"))
}

impl Entry {
    fn into_config(self, dir: &Path) -> Result<ModelConfig, String> {
        match (&self.component, &self.endpoint) {
            (Some(_), None) => self.into_component(dir).map(ModelConfig::Component),
            (None, Some(_)) => self.into_endpoint(dir).map(ModelConfig::Endpoint),
            (Some(_), Some(_)) => Err(": has both `component` and `endpoint`; it is one or the other".to_owned()),
            (None, None) => Err(": has neither `component` (a .wasm file) nor `endpoint` (a URL)".to_owned()),
        }
    }

    fn into_component(self, dir: &Path) -> Result<ComponentConfig, String> {
        let foreign = [
            ("model", self.model.is_some()),
            ("dimensions", self.dimensions.is_some()),
            ("send_dimensions", self.send_dimensions.is_some()),
            ("api_key_env", self.api_key_env.is_some()),
            ("api_key_file", self.api_key_file.is_some()),
            ("requests_per_second", self.requests_per_second.is_some()),
            ("batch_texts", self.batch_texts.is_some()),
            ("timeout_seconds", self.timeout_seconds.is_some()),
            ("tries", self.tries.is_some()),
            ("backoff_ms", self.backoff_ms.is_some()),
            ("tokens_max", self.tokens_max.is_some()),
            ("characters_per_token", self.characters_per_token.is_some()),
        ];
        none_of(&foreign, "component")?;
        let memory_mib = within("memory_mib", self.memory_mib.unwrap_or(1_024), 16, 4_096)?;
        let seconds = within("deadline_seconds", self.deadline_seconds.unwrap_or(120), 1, 3_600)?;
        let limits = Limits { memory_bytes_max: memory_mib << 20, deadline: Duration::from_secs(seconds) };
        Ok(ComponentConfig { path: dir.join(self.component.unwrap_or_default()), limits })
    }

    fn into_endpoint(self, dir: &Path) -> Result<EndpointConfig, String> {
        let foreign =
            [("memory_mib", self.memory_mib.is_some()), ("deadline_seconds", self.deadline_seconds.is_some())];
        none_of(&foreign, "endpoint")?;
        let api_key = match (self.api_key_env, self.api_key_file) {
            (Some(_), Some(_)) => return Err(": has both `api_key_env` and `api_key_file`; give one".to_owned()),
            (Some(name), None) => ApiKeySource::Environment(name),
            (None, Some(file)) => ApiKeySource::File(dir.join(file)),
            (None, None) => ApiKeySource::None,
        };
        let timeout = within("timeout_seconds", self.timeout_seconds.unwrap_or(30.0), 0.01, 600.0)?;
        Ok(EndpointConfig {
            base: self.endpoint.unwrap_or_default().trim_end_matches('/').to_owned(),
            model: self
                .model
                .filter(|model| !model.is_empty())
                .ok_or(".model: is missing; it is what the endpoint calls the model")?,
            dimensions: within(
                "dimensions",
                self.dimensions.ok_or(".dimensions: is missing; it is how many numbers its vectors have")?,
                1,
                DIMENSIONS_MAX,
            )?,
            send_dimensions: self.send_dimensions.unwrap_or(false),
            api_key,
            requests_per_second: within(
                "requests_per_second",
                self.requests_per_second.unwrap_or(5.0),
                0.01,
                10_000.0,
            )?,
            batch_texts: within("batch_texts", self.batch_texts.unwrap_or(64), 1, 2_048)?,
            timeout: Duration::from_secs_f64(timeout),
            tries: within("tries", self.tries.unwrap_or(5), 1, 20)?,
            backoff: Duration::from_millis(within("backoff_ms", self.backoff_ms.unwrap_or(500), 1, 60_000)?),
            tokens_max: within(
                "tokens_max",
                self.tokens_max.unwrap_or(512),
                skerry_sync::CHUNK_TOKENS_MIN,
                skerry_sync::CHUNK_TOKENS_MAX,
            )?,
            characters_per_token: within("characters_per_token", self.characters_per_token.unwrap_or(3.0), 0.25, 16.0)?,
        })
    }
}

fn none_of(members: &[(&str, bool)], kind: &str) -> Result<(), String> {
    match members.iter().find(|(_, given)| *given) {
        Some((name, _)) => Err(format!(".{name}: does not go with `{kind}`")),
        None => Ok(()),
    }
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

    fn parse(json: &str) -> Result<ModelsConfig, String> {
        ModelsConfig::parse(json.as_bytes(), Path::new("/etc/skerry"))
    }

    /// What is not said has a value; paths are relative to the file.
    #[test]
    fn a_file_is_read() {
        let config = parse(
            r#"{"allow_hosts": ["api.example.com"], "models": {
                "mine": {"component": "mine.wasm"},
                "theirs": {"endpoint": "https://api.example.com/v1/", "model": "m", "dimensions": 512,
                           "api_key_file": "/run/key", "requests_per_second": 0.5}}}"#,
        )
        .unwrap();
        assert_eq!(config.allowed_hosts, ["api.example.com"]);
        let ModelConfig::Component(mine) = &config.models["mine"] else { panic!("{config:?}") };
        assert_eq!(mine.path, Path::new("/etc/skerry/mine.wasm"));
        let ModelConfig::Endpoint(theirs) = &config.models["theirs"] else { panic!("{config:?}") };
        assert_eq!((theirs.base.as_str(), theirs.tries), ("https://api.example.com/v1", 5));
        assert_eq!(theirs.api_key, ApiKeySource::File("/run/key".into()));
        assert!(parse("{}").unwrap().models.is_empty());
    }

    /// Every mistake is named with its place.
    #[test]
    fn mistakes_are_located() {
        for (json, says) in [
            ("", "EOF"),
            ("7", "expected struct File"),
            (r#"{"model": {}}"#, "unknown field `model`"),
            (r#"{"models": {"a": {"compnent": "x"}}}"#, "models.a"),
            (r#"{"models": {"a": {"component": 7}}}"#, "models.a.component"),
            (r#"{"models": {"a": {}}}"#, "models.a: has neither"),
            (r#"{"models": {"a": {"component": "x", "endpoint": "y"}}}"#, "models.a: has both"),
            (r#"{"models": {"a": {"component": "x", "dimensions": 3}}}"#, "models.a.dimensions: does not go with"),
            (r#"{"models": {"a": {"component": "x", "memory_mib": 5000}}}"#, "models.a.memory_mib: is 5000"),
            (r#"{"models": {"a": {"endpoint": "y", "dimensions": 3}}}"#, "models.a.model: is missing"),
            (r#"{"models": {"a": {"endpoint": "y", "model": "m"}}}"#, "models.a.dimensions: is missing"),
            (r#"{"models": {"a": {"endpoint": "y", "model": "m", "dimensions": 0}}}"#, "models.a.dimensions: is 0"),
            (r#"{"models": {"a": {"endpoint": "y", "model": "m", "dimensions": 3, "tries": 0}}}"#, "models.a.tries"),
            (
                r#"{"models": {"a": {"endpoint": "y", "model": "m", "dimensions": 3, "api_key": "s"}}}"#,
                "unknown field `api_key`",
            ),
            (r#"{"models": {"all-MiniLM-L6-v2": {"component": "x"}}}"#, "built in"),
            (r#"{"models": {"": {"component": "x"}}}"#, "a model's name"),
            ("{} {}", "trailing"),
        ] {
            let error = parse(json).unwrap_err();
            assert!(error.contains(says), "{json}: {error}");
        }
    }
}
