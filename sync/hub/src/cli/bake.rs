//! `skerry-hub bake`.

use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use clap::Args;
use skerry_host::artefact::Profile;
use skerry_sync::ProjectName;

use crate::bake::{self, Outcome, Worker, WorkerConfig};
use crate::central::CentralStore;

/// What to bake, how, and how often.
#[derive(Debug, Args)]
pub(super) struct BakeArguments {
    /// Projects.
    #[arg(required_unless_present = "all", conflicts_with = "all")]
    projects: Vec<String>,
    /// All that the store knows of, also those that come later.
    #[arg(long)]
    all: bool,
    /// Look again after so many seconds, until stopped. What has not changed is not baked again.
    #[arg(long, value_name = "SECONDS")]
    every: Option<u64>,
    /// Snapshots of each project that stay; younger ones than an hour stay too.
    #[arg(long, value_name = "COUNT", default_value_t = 3)]
    keep: usize,
    /// Sign with this key (see `skerry keys new`).
    #[arg(long, env = "SKERRY_HUB_SIGN", value_name = "KEYFILE")]
    sign: Option<PathBuf>,
    /// Also compile for a kind of machine, `x86-64-v3` or `aarch64`, and sign the code; may be given several times.
    #[arg(long, value_name = "PROFILE", requires = "sign")]
    profile: Vec<Profile>,
    /// Put the embedding model into the snapshots.
    #[arg(long)]
    with_model: bool,
    /// Leave the records out.
    #[arg(long)]
    without_records: bool,
    /// The worker's own replica and vectors, kept between rounds [default: skerry-hub in the user's cache folder].
    #[arg(long, env = "SKERRY_HUB_WORK_DIR", value_name = "DIR")]
    work_dir: Option<PathBuf>,
    /// The folder with the built components [default: beside the program].
    #[arg(long, env = "SKERRY_COMPONENTS", value_name = "DIR")]
    components: Option<PathBuf>,
    /// The file with further embedding models, see docs/models.md.
    #[arg(long, env = "SKERRY_MODELS", value_name = "FILE")]
    models: Option<PathBuf>,
}

impl BakeArguments {
    pub(super) async fn run(self, store: CentralStore) -> anyhow::Result<()> {
        let named = self.projects.iter().map(|name| ProjectName::parse(name)).collect::<Result<Vec<_>, _>>()?;
        store.identify().await.with_context(|| format!("use the central store {}", store.shown()))?;
        let store = Arc::new(store);
        let config = WorkerConfig {
            work_dir: match self.work_dir {
                Some(dir) => dir,
                None => default_work_dir()?,
            },
            components_dir: self.components,
            models_file: self.models,
            key: self.sign,
            profiles: self.profile,
            with_model: self.with_model,
            without_records: self.without_records,
            keep: self.keep,
        };
        let opened = Arc::clone(&store);
        let worker = tokio::task::spawn_blocking(move || Worker::open(opened, config)).await??;
        loop {
            let failed = round(&worker, &store, &named).await?;
            let Some(seconds) = self.every else {
                if failed > 0 {
                    bail!("{failed} projects were not baked");
                }
                return Ok(());
            };
            tokio::select! {
                () = tokio::time::sleep(Duration::from_secs(seconds.max(1))) => {}
                outcome = super::serve::stopped() => return outcome.context("wait for a signal"),
            }
        }
    }
}

/// One look at every project; answers how many failed. One that fails holds up no other.
async fn round(worker: &Worker, store: &CentralStore, named: &[ProjectName]) -> anyhow::Result<usize> {
    let mut failed = 0;
    let projects = bake::projects(store, named).await?;
    if projects.is_empty() {
        writeln!(
            std::io::stdout(),
            "the store knows no project by name: those that came over WebSocket with a token for all are named once, as \
             `skerry-hub bake NAME`"
        )
        .ok();
    }
    for project in projects {
        let told = match worker.bake(&project).await {
            Ok(Outcome::Nothing) => "nothing is stored of it".to_owned(),
            Ok(Outcome::Waiting) => "waits for documents of its newest epoch".to_owned(),
            Ok(Outcome::Unchanged { sha256 }) => format!("unchanged {sha256}"),
            Ok(Outcome::Baked { sha256, bytes }) => format!("baked {sha256} ({bytes} bytes)"),
            Err(error) => {
                failed += 1;
                tracing::error!(%project, error = format!("{error:#}"), "a project could not be baked");
                format!("failed: {error:#}")
            }
        };
        writeln!(std::io::stdout(), "{project}: {told}").ok();
    }
    let gone = worker.collect().await?;
    if gone > 0 {
        tracing::info!(objects = gone, "old snapshots were deleted");
    }
    Ok(failed)
}

fn default_work_dir() -> anyhow::Result<PathBuf> {
    let base = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from).filter(|folder| folder.is_absolute());
    let base = base.or_else(|| std::env::home_dir().map(|home| home.join(".cache")));
    Ok(base.context("there is no home folder; name one with --work-dir")?.join("skerry-hub"))
}
