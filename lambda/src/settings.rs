//! What the function is told by its environment.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context;
use skerry_edge::ProjectName;

/// Age at which what is known of the store is looked at again.
const FRESH_SECONDS: f64 = 2.0;

/// What may lie in the folder for temporary files. Lambda gives 512 MiB unless told otherwise.
const TEMPORARY_MIB: u64 = 400;

/// How long a query waits for the vectors of records that were written since the snapshot.
const EMBED_SECONDS: f64 = 5.0;

/// The settings, each from one variable. docs/lambda.md has the table.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    /// `SKERRY_STORE`: the central store.
    pub(crate) store: Option<String>,
    /// `SKERRY_S3_ENDPOINT`: an S3 service that is not Amazon's.
    pub(crate) s3_endpoint: Option<String>,
    /// `SKERRY_DATA`: the replica's folder; with a store it may vanish at any moment.
    pub(crate) data_dir: PathBuf,
    /// `SKERRY_TEMPORARY`: where snapshots are kept while the instance lives.
    pub(crate) temporary_dir: PathBuf,
    /// `SKERRY_TEMPORARY_MIB`: what they may take there.
    pub(crate) temporary_bytes_max: u64,
    /// `SKERRY_COMPONENTS`: the folder with the components; beside the program when absent.
    pub(crate) components_dir: Option<PathBuf>,
    /// `SKERRY_TRUSTED_KEYS`: the file with the keys whose native code may run.
    pub(crate) trusted_keys: Option<PathBuf>,
    /// `SKERRY_MODELS`: the file with further models.
    pub(crate) models_file: Option<PathBuf>,
    /// `SKERRY_API_KEY`: what callers over HTTP must bring.
    pub(crate) api_key: String,
    /// `SKERRY_FRESH_SECONDS`.
    pub(crate) fresh: Duration,
    /// `SKERRY_EMBED_SECONDS`.
    pub(crate) embed: Duration,
    /// `SKERRY_STREAMING=1`: the function's URL has the invoke mode `RESPONSE_STREAM`.
    pub(crate) streams: bool,
    /// `SKERRY_WARM`: projects whose snapshots a ping opens, separated by commas.
    pub(crate) warm: Vec<ProjectName>,
}

impl Settings {
    /// Reads the environment.
    ///
    /// # Errors
    /// Names the variable that is missing or wrong, and what to set.
    pub(crate) fn read(variable: impl Fn(&str) -> Option<String>) -> anyhow::Result<Settings> {
        let text = |name: &str| variable(name).map(|value| value.trim().to_owned()).filter(|value| !value.is_empty());
        let path = |name: &str| text(name).map(PathBuf::from);
        let seconds = |name: &str, usual: f64| -> anyhow::Result<Duration> {
            let Some(given) = text(name) else { return Ok(Duration::from_secs_f64(usual)) };
            let seconds = given.parse().ok().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
            seconds.with_context(|| format!("{name} is `{given}`; give it seconds, for instance {usual}"))
        };
        let store = text("SKERRY_STORE");
        let data_dir = match (&store, path("SKERRY_DATA")) {
            (_, Some(dir)) => dir,
            (Some(_), None) => PathBuf::from("/tmp/skerry/replica"),
            (None, None) => anyhow::bail!(
                "set SKERRY_STORE to the central store (s3://bucket/prefix or file:///path), or SKERRY_DATA to a folder that stays"
            ),
        };
        let api_key = text("SKERRY_API_KEY")
            .context("set SKERRY_API_KEY: without a key anyone could read and change everything")?;
        let temporary_mib = match text("SKERRY_TEMPORARY_MIB") {
            None => TEMPORARY_MIB,
            Some(given) => given
                .parse()
                .with_context(|| format!("SKERRY_TEMPORARY_MIB is `{given}`; give it a whole number of MiB"))?,
        };
        let names = text("SKERRY_WARM").unwrap_or_default();
        let warm = names.split(',').map(str::trim).filter(|name| !name.is_empty());
        Ok(Settings {
            store,
            s3_endpoint: text("SKERRY_S3_ENDPOINT"),
            data_dir,
            temporary_dir: path("SKERRY_TEMPORARY").unwrap_or_else(|| PathBuf::from("/tmp/skerry/snapshots")),
            temporary_bytes_max: temporary_mib << 20,
            components_dir: path("SKERRY_COMPONENTS"),
            trusted_keys: path("SKERRY_TRUSTED_KEYS"),
            models_file: path("SKERRY_MODELS"),
            api_key,
            fresh: seconds("SKERRY_FRESH_SECONDS", FRESH_SECONDS)?,
            embed: seconds("SKERRY_EMBED_SECONDS", EMBED_SECONDS)?,
            streams: text("SKERRY_STREAMING").is_some_and(|value| value == "1"),
            warm: warm.map(ProjectName::parse).collect::<Result<_, _>>().context("read SKERRY_WARM")?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(given: &[(&str, &str)]) -> Result<Settings, String> {
        let variable =
            |name: &str| given.iter().find(|(other, _)| *other == name).map(|(_, value)| (*value).to_owned());
        Settings::read(variable).map_err(|error| format!("{error:#}"))
    }

    /// Somebody who deploys it learns from each refusal which variable to set.
    #[test]
    fn what_is_missing_or_wrong_is_named() {
        let key = ("SKERRY_API_KEY", "k");
        let store = ("SKERRY_STORE", "file:///s");
        assert!(read(&[key]).unwrap_err().contains("SKERRY_STORE"));
        assert!(read(&[store]).unwrap_err().contains("SKERRY_API_KEY"));
        assert!(read(&[store, ("SKERRY_API_KEY", " ")]).unwrap_err().contains("SKERRY_API_KEY"));
        for (name, value) in
            [("SKERRY_FRESH_SECONDS", "soon"), ("SKERRY_TEMPORARY_MIB", "-1"), ("SKERRY_WARM", "a,b/c")]
        {
            assert!(read(&[store, key, (name, value)]).unwrap_err().contains(name), "{name}");
        }
        let settings = read(&[store, key, ("SKERRY_WARM", "a, b"), ("SKERRY_FRESH_SECONDS", "0.5")]).unwrap();
        assert_eq!(settings.warm.len(), 2);
        assert_eq!(settings.fresh, Duration::from_millis(500));
        assert!(!settings.streams);
    }
}
