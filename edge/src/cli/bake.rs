//! `skerry bake`, `run` and `keys`.

use std::io::Write;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, bail};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use skerry_gateway::Incoming;
use skerry_host::artefact::{self, Profile};
use skerry_host::bake as segment;
use skerry_host::keys::{SigningKey, TrustedKeys};
use skerry_host::snapshot::{Manifest, SnapshotFile};
use skerry_host::{Engine, EngineConfig};
use skerry_sync::ProjectName;

use super::client::{Refused, segment as path_segment};
use super::search::{self, Mode};
use super::{Globals, Misuse, note, print_json, print_line};
use crate::bake::{self, BakeOptions, Step};
use crate::logging;
use crate::node::{self, Node};
use crate::snapshots::{self, Folder, OpenOptions, SharedModels};

/// What to bake, and into which file.
#[derive(Debug, clap::Args)]
pub(super) struct BakeArguments {
    /// The project [default: that of --project].
    name: Option<String>,
    /// The file [default: the project's name with `.wasm`].
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
    /// The project as it was at a version (see `skerry versions`).
    #[arg(long, value_name = "VERSION")]
    at: Option<String>,
    /// Leave the records out: hits name keys, and their texts are not handed on.
    #[arg(long)]
    without_records: bool,
    /// Put the embedding model into the file, so that it answers by meaning with nothing else on the machine.
    #[arg(long)]
    with_model: bool,
    /// Sign the file with this key (see `skerry keys new`).
    #[arg(long, value_name = "KEYFILE")]
    sign: Option<PathBuf>,
    /// Also compile for a kind of machine, `x86-64-v3` or `aarch64`, and sign the code: written beside the file, and used by
    /// machines that trust the key. May be given several times.
    #[arg(long, value_name = "PROFILE", requires = "sign")]
    profile: Vec<Profile>,
}

/// Runs `skerry bake`.
pub(super) fn bake(globals: &Globals, arguments: &BakeArguments) -> anyhow::Result<()> {
    let name = arguments.name.as_deref().unwrap_or(&globals.project);
    let project = ProjectName::parse(name).map_err(|error| Misuse(error.to_string()))?;
    if globals.url.is_some() {
        return Err(Misuse("`bake` works on a folder; leave --url out, or bake where the node is".to_owned()).into());
    }
    // Before anything is embedded: a key that cannot be read must not cost an hour.
    let key = || arguments.sign.as_deref().map(SigningKey::read).transpose();
    let options = BakeOptions {
        at: arguments.at.clone(),
        without_records: arguments.without_records,
        with_model: arguments.with_model,
        key: key()?,
    };
    let node = Node::open(&globals.node_config(None)?)?;
    let bar = if globals.json { ProgressBar::hidden() } else { ProgressBar::new(0) };
    let bar = bar.with_style(ProgressStyle::with_template("{msg} [{wide_bar}] {pos}/{len}")?);
    let file = bake::bake(&node, &project, &options, &|step| show(&bar, step))?;
    bar.finish_and_clear();
    let output = arguments.output.clone().unwrap_or_else(|| PathBuf::from(format!("{project}.wasm")));
    write_whole(&output, &file)?;
    let read = SnapshotFile::read(&file)?;
    let mut code = Vec::new();
    for profile in &arguments.profile {
        let Some(key) = key()? else { break };
        for part in &read.manifest().parts {
            note(format_args!("compiling {} for {profile}", part.name));
            let wasm = read.part(&part.name).unwrap_or_default();
            let (native, description) = artefact::compile_and_sign(*profile, wasm, &key)?;
            let path = snapshots::code_path(&output, &part.name, *profile);
            artefact::write(&path, &native, &description).with_context(|| format!("write {}", path.display()))?;
            code.push(path);
        }
    }
    report(globals, &output, &file, &read, &code)
}

fn show(bar: &ProgressBar, step: Step) {
    match step {
        Step::Vectors { done, of } => {
            bar.set_message("vectors");
            bar.set_length(of);
            bar.set_position(done);
        }
        Step::Segment(segment::Step::Documents(done)) => {
            bar.set_message("segment");
            bar.set_position(done);
        }
        Step::Segment(segment::Step::Graph(done)) => {
            bar.set_message("graph");
            bar.set_position(done);
        }
        Step::Segment(segment::Step::Snapshot) => bar.set_message("snapshot"),
    }
}

fn report(
    globals: &Globals,
    output: &Path,
    file: &[u8],
    read: &SnapshotFile<'_>,
    code: &[PathBuf],
) -> anyhow::Result<()> {
    let Manifest { project, version, records, chunks, .. } = read.manifest();
    let sha256 = hex::encode(Sha256::digest(file));
    let signer = read.signer().map(|key| key.to_string());
    if globals.json {
        return print_json(&json!({ "file": output, "bytes": file.len(), "sha256": sha256, "project": project,
            "version": version, "records": records, "chunks": chunks, "signer": signer, "code": code }));
    }
    let megabytes = file.len() as f64 / 1e6;
    print_line(format_args!(
        "{}: {records} records of `{project}` at {}, {megabytes:.1} MB",
        output.display(),
        version.get(..12).unwrap_or(version)
    ))?;
    print_line(format_args!("sha256 {sha256}"))?;
    match signer {
        Some(key) => print_line(format_args!("signed by {key}"))?,
        None => print_line("not signed")?,
    }
    code.iter().try_for_each(|path| print_line(path.display()))
}

/// On disk before it has its name: nobody reads half of it.
fn write_whole(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    let mut temporary = path.as_os_str().to_owned();
    temporary.push(".partial");
    let write = || {
        let mut file = std::fs::File::create(&temporary)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        std::fs::rename(&temporary, path)
    };
    write().with_context(|| format!("write {}", path.display()))
}

/// What to run, and what to ask.
#[derive(Debug, clap::Args)]
pub(super) struct RunArguments {
    /// The snapshot; with --listen also a folder of them.
    path: PathBuf,
    /// Words, "phrases", field:value, -minus (see docs/query-language.md).
    #[arg(long, short, value_name = "QUERY", group = "asked")]
    query: Option<String>,
    /// Hits at most, 1 to 1000.
    #[arg(short, default_value_t = 10, requires = "query")]
    k: u32,
    /// What to search with.
    #[arg(long, value_enum, default_value_t = Mode::Hybrid, requires = "query")]
    mode: Mode,
    /// Print the record with this key as JSON.
    #[arg(long, value_name = "KEY", group = "asked")]
    record: Option<String>,
    /// Print what the snapshot is, who signed it, and whether it can be asked by meaning here. The default.
    #[arg(long, group = "asked")]
    describe: bool,
    /// Serve over HTTP at this address until Ctrl-C: queries and records, as a node answers them.
    #[arg(long, value_name = "ADDRESS", group = "asked")]
    listen: Option<SocketAddr>,
    /// Refuse what is not signed by a key of this list: one in hex on each line, `#` before comments. Native code beside the
    /// file is used only then.
    #[arg(long, env = "SKERRY_TRUSTED", value_name = "FILE")]
    trusted: Option<PathBuf>,
    /// Where compiled code is kept; may be deleted at any time [default: skerry in the user's cache folder].
    #[arg(long, env = "SKERRY_CACHE", value_name = "DIR")]
    cache: Option<PathBuf>,
}

/// Runs `skerry run`.
pub(super) fn run(globals: &Globals, arguments: &RunArguments) -> anyhow::Result<()> {
    if arguments.listen.is_some() {
        logging::init();
    } else if arguments.path.is_dir() {
        return Err(Misuse("a folder of snapshots is served with --listen; name one file to ask it".to_owned()).into());
    }
    let trusted = arguments.trusted.as_deref().map(TrustedKeys::read).transpose()?;
    let options = OpenOptions { trusted, cache_dir: arguments.cache.clone().or_else(default_cache) };
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let instances = if arguments.listen.is_some() { cores } else { 1 };
    // Without components a snapshot answers all the same: by its own model, or by words.
    let components = node::find_components(globals.components.as_deref());
    if globals.components.is_some() {
        components.as_ref().map_err(|error| Misuse(error.to_string()))?;
    }
    let models = SharedModels::new(components.ok(), instances);
    let engine = Engine::new(&EngineConfig::default())?;
    let is_verified = options.trusted.is_some();
    let folder = Arc::new(Folder::read(&engine, &arguments.path, options, models)?);
    if let Some(listen) = arguments.listen {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().context("start the runtime")?;
        return runtime.block_on(snapshots::serve::serve(folder, listen));
    }
    let Some(manifest) = folder.manifests().next() else { bail!("there is nothing in it") };
    let project = path_segment(&manifest.project);
    if let Some(query) = &arguments.query {
        let body = json!({ "query": query, "k": arguments.k, "mode": arguments.mode.name(),
            "highlight": { "bytes": search::SHOWN_BYTES } });
        let answer = ask(&folder, "POST", &format!("/api/v1/projects/{project}/query"), Some(&body))
            .map_err(|error| search::misread(error, globals))?;
        return search::print_answer(globals, &answer, 0);
    }
    if let Some(key) = &arguments.record {
        let path = format!("/api/v1/projects/{project}/records/{}", path_segment(key));
        return print_json(&ask(&folder, "GET", &path, None)?);
    }
    describe(globals, &folder, &manifest.project, is_verified)
}

fn ask(folder: &Folder, method: &str, path: &str, body: Option<&Value>) -> anyhow::Result<Value> {
    let body = body.map(ToString::to_string).unwrap_or_default();
    let content_type = (!body.is_empty()).then_some("application/json");
    let reply = folder.respond(&Incoming { method, path, content_type, body: body.as_bytes(), ..Incoming::default() });
    let answer: Value = serde_json::from_slice(&reply.body).context("the snapshot's answer is not JSON")?;
    if (200..300).contains(&reply.status) { Ok(answer) } else { Err(Refused(answer).into()) }
}

fn describe(globals: &Globals, folder: &Folder, project: &str, is_verified: bool) -> anyhow::Result<()> {
    let Some(snapshot) = folder.snapshot(project)? else { bail!("there is nothing in it") };
    let signer = snapshot.signer().map(|key| key.to_string());
    let missing = snapshot.model_missing();
    let manifest = snapshot.manifest();
    if globals.json {
        return print_json(&json!({ "manifest": manifest, "signer": signer, "verified": is_verified,
            "vectors_unavailable": missing }));
    }
    let Manifest { project, description, version, records, chunks, made_by, .. } = manifest;
    print_line(format_args!("{project}  {}", search::clip(description, 90)))?;
    print_line(format_args!("version   {version}"))?;
    let what = if manifest.has_records { "with their texts" } else { "by key only" };
    print_line(format_args!("records   {records}, {what}; {chunks} vectors"))?;
    let model = manifest.model.as_ref().map_or("none", |model| model.name.as_str());
    let place = if manifest.has_model { "inside" } else { "not inside" };
    print_line(format_args!("model     {model}, {place}"))?;
    match (&signer, is_verified) {
        (Some(key), true) => print_line(format_args!("signed    by {key}, who is trusted"))?,
        (Some(key), false) => print_line(format_args!("signed    by {key}; nobody was asked for (--trusted)"))?,
        (None, _) => print_line("signed    by nobody")?,
    }
    print_line(format_args!("made by   {made_by}"))?;
    match missing {
        Some(reason) => print_line(format_args!("answers   by words: {reason}")),
        None => print_line("answers   by meaning and by words"),
    }
}

fn default_cache() -> Option<PathBuf> {
    let base = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from).filter(|dir| dir.is_absolute());
    let base = base.or_else(|| std::env::home_dir().map(|home| home.join(".cache")));
    base.map(|base| base.join("skerry"))
}

/// Keys that sign snapshots.
#[derive(Debug, clap::Subcommand)]
pub(super) enum KeysCommand {
    /// Make a signing key in a new file that only you can read, and print its public half.
    ///
    /// Whoever has the file can sign in your name. The public half goes into the lists of those who trust you.
    New {
        /// The file.
        file: PathBuf,
    },
    /// Print the public half of a signing key.
    Show {
        /// The file.
        file: PathBuf,
    },
}

/// Runs `skerry keys`.
pub(super) fn keys(globals: &Globals, command: &KeysCommand) -> anyhow::Result<()> {
    let key = match command {
        KeysCommand::New { file } => {
            let key = SigningKey::generate()?;
            key.write(file)?;
            key
        }
        KeysCommand::Show { file } => SigningKey::read(file)?,
    };
    let public = key.public().to_string();
    if globals.json { print_json(&json!({ "key": public })) } else { print_line(public) }
}
