//! `skerry-hub token`.

use std::collections::BTreeSet;
use std::io::Write;
use std::time::SystemTime;

use anyhow::{Context, bail, ensure};
use clap::{Args, Subcommand, ValueEnum};
use comfy_table::Table;
use skerry_sync::ProjectName;

use crate::central::CentralStore;
use crate::token::{ABBREVIATION_MIN, Token, TokenAccess, TokenRecord};

/// Digits of a token's name in lists.
const SHOWN_DIGITS: usize = 12;

/// What to do with tokens.
#[derive(Debug, Subcommand)]
pub(super) enum TokenCommand {
    /// Make a token and print it. It cannot be shown again: the store keeps only its SHA-256.
    Create(CreateArguments),
    /// List tokens by the first digits of their SHA-256.
    List {
        /// Answer in JSON.
        #[arg(long)]
        json: bool,
    },
    /// Revoke a token. Connections that it opened are closed within seconds.
    Revoke {
        /// The token itself, or the first digits of its SHA-256 as `token list` shows them, 8 at least.
        token: String,
    },
}

/// What a token is made with.
#[derive(Debug, Args)]
pub(super) struct CreateArguments {
    /// A project that the token is for; may be given more than once.
    #[arg(long, short, value_name = "NAME", required_unless_present = "all", conflicts_with = "all")]
    project: Vec<String>,
    /// For every project, every document, and the hub's status.
    #[arg(long)]
    all: bool,
    /// Only receive changes, or send them too.
    #[arg(long, value_enum)]
    access: AccessArgument,
    /// Whose token it is.
    #[arg(long, default_value = "")]
    note: String,
}

/// What may be done with a token, as the command line says it.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum AccessArgument {
    /// Receive changes.
    Read,
    /// Receive and send changes.
    Write,
}

impl From<AccessArgument> for TokenAccess {
    fn from(access: AccessArgument) -> TokenAccess {
        match access {
            AccessArgument::Read => TokenAccess::Read,
            AccessArgument::Write => TokenAccess::Write,
        }
    }
}

impl TokenCommand {
    pub(super) async fn run(self, store: &CentralStore) -> anyhow::Result<()> {
        store.identify().await.with_context(|| format!("use the central store {}", store.shown()))?;
        match self {
            TokenCommand::Create(arguments) => create(store, arguments).await,
            TokenCommand::List { json } => list(store, json).await,
            TokenCommand::Revoke { token } => revoke(store, &token).await,
        }
    }
}

async fn create(store: &CentralStore, arguments: CreateArguments) -> anyhow::Result<()> {
    let names: Result<BTreeSet<ProjectName>, _> =
        arguments.project.iter().map(|name| ProjectName::parse(name)).collect();
    let projects = names?;
    for project in &projects {
        store.note_project(project).await?;
    }
    let created = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs();
    let record = TokenRecord {
        projects: projects.iter().map(ToString::to_string).collect(),
        any: arguments.all,
        access: arguments.access.into(),
        note: arguments.note,
        created,
    };
    let token = Token::generate().context("choose a token")?;
    store.put_token(token.digest(), &record).await?;
    writeln!(std::io::stdout(), "{}", token.reveal())?;
    Ok(())
}

async fn list(store: &CentralStore, json: bool) -> anyhow::Result<()> {
    let tokens = store.tokens().await?;
    let mut out = std::io::stdout();
    if json {
        let tokens: Vec<_> =
            tokens.iter().map(|(sha256, record)| serde_json::json!({ "sha256": sha256, "token": record })).collect();
        return Ok(writeln!(out, "{}", serde_json::to_string_pretty(&tokens)?)?);
    }
    let mut table = Table::new();
    table.load_preset(comfy_table::presets::NOTHING).set_header(["SHA-256", "ACCESS", "PROJECTS", "CREATED", "NOTE"]);
    for (digest, record) in tokens {
        let projects: Vec<&str> = record.projects.iter().map(String::as_str).collect();
        let projects = if record.any { "(all)".to_owned() } else { projects.join(" ") };
        let shown = digest.get(..SHOWN_DIGITS).unwrap_or(&digest).to_owned();
        table.add_row([shown, record.access.to_string(), projects, day(record.created), record.note]);
    }
    Ok(writeln!(out, "{table}")?)
}

async fn revoke(store: &CentralStore, shown: &str) -> anyhow::Result<()> {
    let digest = match Token::parse(shown) {
        Some(token) => token.digest().to_string(),
        None => shown.to_ascii_lowercase(),
    };
    ensure!(
        digest.len() >= ABBREVIATION_MIN,
        "give {ABBREVIATION_MIN} digits of the SHA-256 at least, or the token itself"
    );
    let tokens = store.tokens().await?;
    let found: Vec<_> = tokens.iter().filter(|(known, _)| known.starts_with(&digest)).collect();
    match found.as_slice() {
        [] => bail!("there is no such token; `skerry-hub token list` shows those there are"),
        [(digest, _)] => {
            store.revoke_token(digest).await?;
            Ok(writeln!(std::io::stdout(), "revoked {digest}")?)
        }
        several => bail!("{} tokens begin like that; give more digits", several.len()),
    }
}

fn day(seconds: u64) -> String {
    let time = i64::try_from(seconds).ok().and_then(|seconds| time::OffsetDateTime::from_unix_timestamp(seconds).ok());
    time.map(|time| time.date().to_string()).unwrap_or_default()
}
