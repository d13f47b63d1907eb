//! The command line `skerry-hub`.

#[cfg(feature = "bake")]
mod bake;
mod serve;
mod tokens;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use clap::{Args, Parser, Subcommand};

use crate::central::{CentralStore, LocationOptions};
use crate::logging;

const EXAMPLES: &str = "\
Examples:
  skerry-hub token create --project notes --access write --note 'Ada, laptop'
  skerry-hub serve
  skerry-hub bake --all --every 60 --with-model --sign hub.key --profile aarch64
  skerry-hub serve --store s3://bucket/skerry --nats nats://10.0.0.5:4222 --nats nats://10.0.0.6:4222

Nothing is served without a token, not even on this machine. Tokens live in the store: `token` works beside a running
hub and is heard within seconds. docs/hub.md has the rest.";

/// The sync service: replicas and clients of automerge-repo meet here, and nothing acknowledged is lost.
#[derive(Debug, Parser)]
#[command(name = "skerry-hub", version, after_help = EXAMPLES, arg_required_else_help = true)]
struct Arguments {
    #[command(flatten)]
    store: StoreArguments,
    #[command(subcommand)]
    command: Command,
}

/// Where the central store is.
#[derive(Debug, Args)]
struct StoreArguments {
    /// The central store: a folder, `file:///path`, `s3://bucket/prefix` or `memory:` [default: skerry-hub in the user's data folder].
    ///
    /// For S3, `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`, `AWS_REGION` and the like say how.
    #[arg(long, global = true, env = "SKERRY_HUB_STORE", value_name = "URL")]
    store: Option<String>,
    /// Address of an S3 service that is not Amazon's. Unencrypted HTTP is for this machine only.
    #[arg(long, global = true, env = "SKERRY_HUB_S3_ENDPOINT", value_name = "URL")]
    s3_endpoint: Option<String>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve until Ctrl-C.
    Serve(Box<serve::ServeArguments>),
    /// Bake snapshots of projects into the store, for functions and devices that answer without a node.
    #[cfg(feature = "bake")]
    Bake(Box<bake::BakeArguments>),
    /// Make, list and revoke tokens.
    #[command(subcommand)]
    Token(tokens::TokenCommand),
}

impl StoreArguments {
    fn open(&self) -> anyhow::Result<CentralStore> {
        let location = match &self.store {
            Some(location) => location.clone(),
            None => default_folder()?.to_str().context("the data folder's name is not text; give --store")?.to_owned(),
        };
        let options = LocationOptions { s3_endpoint: self.s3_endpoint.clone(), tidies: true };
        Ok(CentralStore::open(&location, &options)?)
    }
}

fn default_folder() -> anyhow::Result<PathBuf> {
    let base = std::env::var_os("XDG_DATA_HOME").map(PathBuf::from).filter(|folder| folder.is_absolute());
    let base = base.or_else(|| std::env::home_dir().map(|home| home.join(".local/share")));
    Ok(base.context("there is no home folder; name a store with --store")?.join("skerry-hub"))
}

/// Runs the command line; the exit code is 0 when it did what was asked, 1 when not, 2 when it was asked wrongly.
pub fn main() -> ExitCode {
    let arguments = Arguments::parse();
    logging::init();
    match run(arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("skerry-hub: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: Arguments) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().context("start the runtime")?;
    let outcome = runtime.block_on(async {
        let store = arguments.store.open()?;
        match arguments.command {
            Command::Serve(serve) => serve.run(store).await,
            #[cfg(feature = "bake")]
            Command::Bake(bake) => bake.run(store).await,
            Command::Token(token) => token.run(&store).await,
        }
    });
    // A store that hangs must not keep the process.
    runtime.shutdown_background();
    outcome
}
