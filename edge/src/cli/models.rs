//! `skerry models`, `create` and `reembed`.

use std::time::Duration;

use anyhow::bail;
use comfy_table::{ContentArrangement, Table, presets};
use serde_json::{Map, Value};

use super::client::{Client, segment};
use super::publish::{progress_bar, text};
use super::{Globals, note, print_json, print_line};

/// How often the progress is looked at.
const LOOKED_AT: Duration = Duration::from_millis(200);

/// How a project's texts are embedded.
#[derive(Debug, clap::Args)]
pub(super) struct ModelArguments {
    /// Name of the embedding model, one of `skerry models`.
    #[arg(long, value_name = "NAME")]
    model: Option<String>,
    /// Tokens of a chunk of a long text [default: what the model takes, at most 512].
    #[arg(long, value_name = "N")]
    chunk_tokens: Option<u32>,
    /// Tokens that a chunk shares with the one before it [default: 32].
    #[arg(long, value_name = "N")]
    chunk_overlap: Option<u32>,
}

/// What to create.
#[derive(Debug, clap::Args)]
pub(super) struct CreateArguments {
    /// What the project is about, for people.
    #[arg(long, default_value = "")]
    description: String,
    #[command(flatten)]
    model: ModelArguments,
}

/// Where to take a project.
#[derive(Debug, clap::Args)]
pub(super) struct ReembedArguments {
    #[command(flatten)]
    model: ModelArguments,
    /// Stay with the model that the project has now.
    #[arg(long, conflicts_with_all = ["model", "chunk_tokens", "chunk_overlap"])]
    cancel: bool,
    /// Do not wait until it is done; only for a node that is running.
    #[arg(long)]
    no_wait: bool,
}

impl ModelArguments {
    fn members(&self) -> Map<String, Value> {
        let members = [
            ("model", self.model.clone().map(Value::from)),
            ("chunk_tokens", self.chunk_tokens.map(Value::from)),
            ("chunk_overlap", self.chunk_overlap.map(Value::from)),
        ];
        members.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect()
    }
}

fn path(globals: &Globals) -> String {
    format!("/api/v1/projects/{}", segment(&globals.project))
}

/// Runs `skerry models`.
pub(super) fn models(globals: &Globals) -> anyhow::Result<()> {
    let answer = globals.client()?.call("GET", "/api/v1/models", None)?;
    if globals.json {
        return print_json(&answer);
    }
    let mut table = Table::new();
    table.load_preset(presets::UTF8_HORIZONTAL_ONLY).set_content_arrangement(ContentArrangement::Dynamic);
    table.set_header(["model", "kind", "dimensions", "tokens", "usable"]);
    let number = |value: &Value| value.as_u64().map_or_else(|| "-".to_owned(), |number| number.to_string());
    for model in answer["models"].as_array().into_iter().flatten() {
        let name = text(model, "name");
        let usable = if model["usable"] == true { "yes".to_owned() } else { text(model, "reason") };
        table.add_row([
            if model["default"] == true { format!("{name} (default)") } else { name },
            text(model, "kind"),
            number(&model["dimensions"]),
            number(&model["tokens_max"]),
            usable,
        ]);
    }
    print_line(table)
}

/// Runs `skerry create`.
pub(super) fn create(globals: &Globals, arguments: &CreateArguments) -> anyhow::Result<()> {
    let mut body = arguments.model.members();
    body.insert("description".to_owned(), arguments.description.clone().into());
    let project = globals.client()?.call("PUT", &path(globals), Some(&body.into()))?;
    if globals.json {
        return print_json(&project);
    }
    print_line(format_args!("the project {} is there, with {}", globals.project, model_of(&project)))
}

/// Model and chunks of a project, for people.
pub(super) fn model_of(project: &Value) -> String {
    let name = text(&project["model"], "name");
    let Some(tokens) = project["chunking"]["tokens"].as_u64() else {
        return format!("the model {name}, which is not here");
    };
    let (dimensions, overlap) = (&project["model"]["dimensions"], &project["chunking"]["overlap"]);
    format!("the model {name} ({dimensions} dimensions), chunks of {tokens} tokens, {overlap} shared")
}

/// Runs `skerry reembed`.
pub(super) fn reembed(globals: &Globals, arguments: &ReembedArguments) -> anyhow::Result<()> {
    let client = globals.client()?;
    let at = format!("{}/reembed", path(globals));
    let project = if arguments.cancel {
        client.call("DELETE", &at, None)?
    } else {
        client.call("POST", &at, Some(&arguments.model.members().into()))?
    };
    let is_local = matches!(client, Client::Local { .. });
    let project = if arguments.no_wait && !is_local { project } else { wait(globals, &client, project)? };
    if globals.json {
        return print_json(&project);
    }
    if project["reembedding"].is_null() {
        return print_line(format_args!("{} has {}", globals.project, model_of(&project)));
    }
    print_line(format_args!(
        "{} is on its way to {}; `skerry status` tells how far it is",
        globals.project,
        text(&project["reembedding"], "model")
    ))
}

/// Shows how far it is until it is done. Whoever interrupts this stops only the looking, unless the work is in this process;
/// what is embedded is kept.
fn wait(globals: &Globals, client: &Client, mut project: Value) -> anyhow::Result<Value> {
    let total = project["reembedding"]["records_total"].as_u64().unwrap_or(0);
    let bar = progress_bar(total, "embedding");
    let mut told = String::new();
    while !project["reembedding"].is_null() {
        let way = &project["reembedding"];
        bar.set_length(way["records_total"].as_u64().unwrap_or(0));
        bar.set_position(way["records_done"].as_u64().unwrap_or(0));
        let error = text(way, "error");
        if !error.is_empty() && error != told {
            if error.contains("cannot be used") {
                bar.abandon();
                bail!("{error}");
            }
            bar.suspend(|| note(format_args!("held up, tried again: {error}")));
            told = error;
        }
        std::thread::sleep(LOOKED_AT);
        project = client.call("GET", &path(globals), None)?;
    }
    bar.finish_and_clear();
    Ok(project)
}

/// What `skerry status` says about a project's way to another model; nothing when it is on none.
pub(super) fn way_of(project: &Value) -> Option<String> {
    let way = project.get("reembedding").filter(|way| !way.is_null())?;
    let (done, total) = (&way["records_done"], &way["records_total"]);
    let held_up = if way["error"].is_string() { ", held up" } else { "" };
    Some(format!("{} → {} ({done} of {total}{held_up})", text(&project["model"], "name"), text(way, "model")))
}
