//! The servers that are compared, each a process of its own over an empty folder.

use std::io::{BufRead, BufReader, Read};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};

use super::data::PROJECT;
use crate::{node, paths};

/// `PouchDB` with the HTTP API of `CouchDB`.
pub(super) const POUCH: &str = "pouchdb-server 4.2.0";

/// How long a server may take to serve.
const START_MAX: Duration = Duration::from_secs(30);

/// A running server; ended when dropped.
pub(super) struct Server {
    pub(super) name: &'static str,
    child: Child,
    /// Host and port.
    pub(super) address: String,
    /// What ours asks for: a token for the project, and one for every document.
    tokens: Option<Tokens>,
    _store: tempfile::TempDir,
}

struct Tokens {
    project: String,
    any: String,
}

/// The servers that speak the automerge-repo protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Ours.
    Skerry,
    /// A few lines around automerge-repo 2.5 (`bench/sync/repo_server.mjs`).
    Repo,
    /// `@automerge/automerge-repo-sync-server` 0.2.8, on automerge-repo 1.2.
    RepoSyncServer,
}

impl Kind {
    pub(super) const ALL: [Kind; 3] = [Kind::Skerry, Kind::Repo, Kind::RepoSyncServer];

    pub(super) fn name(self) -> &'static str {
        match self {
            Kind::Skerry => "skerry-hub",
            Kind::Repo => "automerge-repo 2.5.6",
            Kind::RepoSyncServer => "automerge-repo-sync-server 0.2.8",
        }
    }
}

impl Server {
    /// Starts one and waits until it serves.
    pub(super) fn start(kind: Kind) -> anyhow::Result<Server> {
        let store = tempfile::tempdir_in(paths::products()).context("make a folder for a server")?;
        let mut tokens = None;
        let (child, address) = match kind {
            Kind::Skerry => {
                let url = format!("file://{}", store.path().display());
                let of = |arguments: &[&str]| skerry_token(&url, arguments);
                tokens = Some(Tokens { project: of(&["--project", PROJECT])?, any: of(&["--all"])? });
                let mut command = Command::new(skerry_hub());
                command.args(["serve", "--store", &url, "--listen", "127.0.0.1:0"]).env("SKERRY_LOG", "error");
                let (child, line) = first_line(&mut command)?;
                let address = line.trim().rsplit("http://").next().map(str::to_owned);
                (child, address.filter(|address| address.contains(':')).context("the hub did not start")?)
            }
            Kind::Repo => {
                // Packages are found beside the script.
                let packages = node::SYNC_PEERS.install()?;
                let script = packages.join("repo_server.mjs");
                std::fs::copy(paths::workspace().join("bench/sync/repo_server.mjs"), &script)?;
                let (child, line) = first_line(Command::new("node").arg(script).arg(store.path()))?;
                (child, format!("127.0.0.1:{}", line.trim()))
            }
            Kind::RepoSyncServer => {
                let packages = node::SYNC_PEERS.install()?;
                let port = free_port()?;
                let mut command = Command::new("node");
                command.arg(packages.join("node_modules/@automerge/automerge-repo-sync-server/src/index.js"));
                command.env("PORT", port.to_string()).env("DATA_DIR", store.path());
                let (child, _) = first_line(&mut command)?;
                (child, format!("127.0.0.1:{port}"))
            }
        };
        let server = Server { name: kind.name(), child, address, tokens, _store: store };
        server.await_port()?;
        Ok(server)
    }

    /// `PouchDB` behind the HTTP API of `CouchDB`.
    pub(super) fn pouch() -> anyhow::Result<Server> {
        let packages = node::SYNC_PEERS.install()?;
        let store = tempfile::tempdir_in(paths::products()).context("make a folder for a server")?;
        let port = free_port()?;
        let mut command = Command::new("node");
        command.arg(packages.join("node_modules/pouchdb-server/bin/pouchdb-server"));
        command.args(["--port", &port.to_string(), "--no-stdout-logs", "--dir"]).arg(store.path());
        // Its settings and its log go where it runs.
        let child = command.current_dir(store.path()).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        let child = child.context("start pouchdb-server")?;
        let address = format!("127.0.0.1:{port}");
        let server = Server { name: POUCH, child, address, tokens: None, _store: store };
        server.await_port()?;
        Ok(server)
    }

    /// Where clients of automerge-repo connect to see the project.
    pub(super) fn url(&self) -> String {
        self.url_with(|tokens| &tokens.project)
    }

    /// The same for documents that belong to no project.
    pub(super) fn url_any(&self) -> String {
        self.url_with(|tokens| &tokens.any)
    }

    fn url_with(&self, token: impl Fn(&Tokens) -> &String) -> String {
        let query = self.tokens.as_ref().map(|tokens| format!("?access_token={}", token(tokens)));
        format!("ws://{}/{}", self.address, query.unwrap_or_default())
    }

    /// The token for the project.
    pub(super) fn token(&self) -> Option<&str> {
        self.tokens.as_ref().map(|tokens| tokens.project.as_str())
    }

    /// Memory, shared pages counted by share, in MB.
    pub(super) fn pss_mb(&self) -> anyhow::Result<f64> {
        kilobytes(&format!("/proc/{}/smaps_rollup", self.child.id()), "Pss:")
    }

    /// The most memory that it ever had, in MB.
    pub(super) fn peak_mb(&self) -> anyhow::Result<f64> {
        kilobytes(&format!("/proc/{}/status", self.child.id()), "VmHWM:")
    }

    fn await_port(&self) -> anyhow::Result<()> {
        let begun = Instant::now();
        while TcpStream::connect(&self.address).is_err() {
            ensure!(begun.elapsed() < START_MAX, "{} does not listen on {}", self.name, self.address);
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn skerry_hub() -> PathBuf {
    paths::target().join("debug").join(format!("skerry-hub{}", std::env::consts::EXE_SUFFIX))
}

/// A new token that may write.
fn skerry_token(store: &str, arguments: &[&str]) -> anyhow::Result<String> {
    let mut command = Command::new(skerry_hub());
    let output = command.args(["token", "create", "--store", store, "--access", "write"]).args(arguments).output()?;
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    let token = printed.split_whitespace().find(|word| word.starts_with("skt_"));
    let Some(token) = token else { bail!("no token: {printed}{}", String::from_utf8_lossy(&output.stderr)) };
    Ok(token.to_owned())
}

/// Starts a program and reads the line that it prints when it serves.
fn first_line(command: &mut Command) -> anyhow::Result<(Child, String)> {
    let name = command.get_program().to_string_lossy().into_owned();
    let mut child = command.stdout(Stdio::piped()).spawn().with_context(|| format!("start {name}"))?;
    let mut output = BufReader::new(child.stdout.take().context("no output")?);
    let mut line = String::new();
    output.read_line(&mut line)?;
    ensure!(!line.is_empty(), "{name} ended before it served");
    // What it prints later must not block it.
    std::thread::spawn(move || output.read_to_end(&mut Vec::new()));
    Ok((child, line))
}

fn free_port() -> anyhow::Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

fn kilobytes(path: &str, field: &str) -> anyhow::Result<f64> {
    let text = std::fs::read_to_string(path).with_context(|| format!("read {path}"))?;
    let line = text.lines().find_map(|line| line.strip_prefix(field)).context("this system does not tell memory")?;
    let kilobytes: f64 = line.trim().trim_end_matches(" kB").parse().context("read a number of kilobytes")?;
    Ok(kilobytes * 1024.0 / 1e6)
}

/// Times in milliseconds of making a small file durable, as the hub does for each chunk: write, fsync, fsync of the folder.
pub(super) fn fsync_ms(folder: &Path) -> anyhow::Result<Vec<f64>> {
    let mut times = Vec::new();
    for number in 0..200 {
        let begun = Instant::now();
        let path = folder.join(format!("fsync-{number}"));
        std::fs::write(&path, [0; 400])?;
        std::fs::File::open(&path)?.sync_all()?;
        std::fs::File::open(folder)?.sync_all()?;
        times.push(begun.elapsed().as_secs_f64() * 1e3);
    }
    Ok(times)
}
