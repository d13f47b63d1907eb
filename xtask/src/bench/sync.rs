//! The sync service on loopback, side by side with automerge-repo's servers and `PouchDB`'s, over the same glosses of `WordNet`.
//!
//! One client, ours (sync/wire.rs), speaks to every server of the automerge-repo protocol, so that what differs is the server.

mod data;
mod exchange;
mod load;
mod pouch;
mod replicas;
mod report;
mod servers;
mod wire;

use std::future::Future;
use std::time::{Duration, Instant};

use anyhow::Context;
use indicatif::ProgressBar;
use serde_json::{Value, json};

use self::data::{Data, Documents, Ids};
use self::servers::{Kind, Server};
use self::wire::Wire;
use crate::bench::percentile;
use crate::run::{cargo, run};
use crate::{fetch, paths};

/// How long any one measurement may take.
const STEP_MAX: Duration = Duration::from_mins(1);

/// Files that this process and the servers need beside connections.
const OTHER_FILES: usize = 500;

/// What the sync benchmark can be told.
#[derive(Debug, clap::Args)]
pub(crate) struct SyncArguments {
    /// A hundredth of the sizes, to see that it runs.
    #[arg(long, hide = true)]
    sync_small: bool,
    /// Only servers whose name contains this.
    #[arg(long)]
    sync_only: Option<String>,
}

/// How much of everything.
struct Sizes {
    records: usize,
    writes: usize,
    documents: usize,
    idle: usize,
    active: [usize; 2],
    time: Duration,
}

impl Sizes {
    fn new(arguments: &SyncArguments) -> Sizes {
        if arguments.sync_small {
            let time = Duration::from_secs(1);
            return Sizes { records: 200, writes: 10, documents: 20, idle: 100, active: [2, 10], time };
        }
        let idle = 10_000.min(open_files_max().saturating_sub(OTHER_FILES));
        Sizes {
            records: 10_000,
            writes: 200,
            documents: 1_000,
            idle,
            active: [10, 1_000],
            time: Duration::from_secs(8),
        }
    }
}

/// Runs the sync benchmarks.
pub(super) fn bench(arguments: &SyncArguments) -> anyhow::Result<()> {
    let chosen = |name: &str| arguments.sync_only.as_ref().is_none_or(|only| name.contains(only.as_str()));
    if chosen(Kind::Skerry.name()) {
        run(cargo().args(["build", "-p", "skerry-hub", "--bins"]))?;
    }
    raise_open_files();
    let sizes = Sizes::new(arguments);
    let mut data = Data::load(sizes.records)?;
    let runtime = tokio::runtime::Runtime::new()?;
    let bar = ProgressBar::new_spinner();
    bar.enable_steady_tick(Duration::from_millis(200));
    let mut servers = Vec::new();
    for kind in Kind::ALL.into_iter().filter(|kind| chosen(kind.name())) {
        let data = data.named(if kind == Kind::RepoSyncServer { Ids::Uuid } else { Ids::Derived })?;
        let measured = Server::start(kind).and_then(|server| measure(&runtime, &server, data, &sizes, &bar));
        servers.push(outcome(kind.name(), measured));
    }
    if chosen(servers::POUCH) {
        bar.set_message(format!("{}: everything", servers::POUCH));
        let measured = Server::pouch().and_then(|server| pouch::run(&server, &data, sizes.writes));
        servers.push(outcome(servers::POUCH, measured));
    }
    let exchange = if chosen(Kind::Skerry.name()) {
        bar.set_message("skerry-hub: replicas on disk, stateless exchange");
        Server::start(Kind::Skerry).and_then(|server| exchange::run(&server, &data))
    } else {
        Ok(Value::Null)
    };
    bar.finish_and_clear();
    let dir = tempfile::tempdir_in(paths::products())?;
    let fsync = servers::fsync_ms(dir.path())?;
    let report = json!({
        "records": sizes.records, "raw_bytes": data.raw_bytes, "open_files_max": open_files_max(), "servers": servers,
        "exchange": exchange.unwrap_or_else(|error| json!({ "error": format!("{error:#}") })),
        "fsync_p50_ms": percentile(&fsync, 50), "fsync_p95_ms": percentile(&fsync, 95),
    });
    let out = paths::products().join("sync.json");
    fetch::write_whole(&out, &serde_json::to_vec_pretty(&report)?)?;
    report::print(&report);
    // The charts of docs/benchmarks.md are of a whole run.
    if arguments.sync_small || arguments.sync_only.is_some() { Ok(()) } else { report::chart(&out) }
}

/// A server that fails is a row of the report that says so.
fn outcome(name: &str, measured: anyhow::Result<Value>) -> Value {
    let mut row = measured.unwrap_or_else(|error| json!({ "error": format!("{error:#}") }));
    row["name"] = name.into();
    row
}

/// Everything about one server. A measurement that fails or takes too long leaves its reason in its place.
fn measure(
    runtime: &tokio::runtime::Runtime,
    server: &Server,
    data: &Data,
    sizes: &Sizes,
    bar: &ProgressBar,
) -> anyhow::Result<Value> {
    runtime.block_on(await_greeting(server))?;
    let mut row = json!({ "pss_started_mb": server.pss_mb()? });
    let mut step = |name: &str, what: &mut dyn FnMut() -> anyhow::Result<Value>| {
        bar.set_message(format!("{}: {name}", server.name));
        let begun = Instant::now();
        row[name] = what().unwrap_or_else(|error| json!({ "error": format!("{error:#}") }));
        let error = row[name]["error"].as_str().map_or_else(String::new, |error| format!(": {error}"));
        bar.suspend(|| eprintln!("{}: {name}, {:.1} s{error}", server.name, begun.elapsed().as_secs_f64()));
    };
    step("first", &mut || within(runtime, replicas::first(server, data)));
    step("apart", &mut || within(runtime, replicas::apart(server, data)));
    step("latency", &mut || within(runtime, replicas::latency(server, data, sizes.writes)));
    step("after_work", &mut || Ok(json!({ "pss_mb": server.pss_mb()?, "peak_mb": server.peak_mb()? })));
    step("documents", &mut || within(runtime, load::documents(server, sizes.documents)));
    step("idle", &mut || within(runtime, load::idle(server, sizes.idle)));
    let [few, many] = sizes.active;
    step("few", &mut || within(runtime, load::active(server, few, sizes.time)));
    step("many", &mut || within(runtime, load::active(server, many, sizes.time)));
    step("peak_mb", &mut || Ok(server.peak_mb()?.into()));
    Ok(row)
}

/// Until the server greets. automerge-repo's listens before it can: who comes too early is never answered.
async fn await_greeting(server: &Server) -> anyhow::Result<()> {
    let mut tries = 0;
    loop {
        let url = server.url();
        let greeted = tokio::time::timeout(Duration::from_millis(500), Wire::connect(&url, Documents::new())).await;
        match greeted {
            Ok(Ok(_)) => return Ok(()),
            outcome if tries == 20 => return outcome.context("the server does not greet")?.map(drop),
            _ => tries += 1,
        }
    }
}

fn within(
    runtime: &tokio::runtime::Runtime,
    work: impl Future<Output = anyhow::Result<Value>>,
) -> anyhow::Result<Value> {
    let ended = runtime.block_on(async { tokio::time::timeout(STEP_MAX, work).await });
    ended.with_context(|| format!("not done within {} s", STEP_MAX.as_secs()))?
}

/// Lets this process, and the servers that it starts, have as many open files as the system allows.
fn raise_open_files() {
    let id = std::process::id().to_string();
    let mut prlimit = std::process::Command::new("prlimit");
    // Where there is no such program, the limit is as it was, and the report says what was reached.
    if let Err(error) = run(prlimit.args(["--pid", &id, "--nofile=20480:20480"]))
        .or_else(|_| run(std::process::Command::new("prlimit").args(["--pid", &id, "--nofile=20000:20000"])))
    {
        eprintln!("the limit of open files stays at {}: {error:#}", open_files_max());
    }
}

fn open_files_max() -> usize {
    let limits = std::fs::read_to_string("/proc/self/limits").unwrap_or_default();
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or(1_024)
}
