//! `skerry erase`, `compact` and `reshard`.

use std::io::{BufRead, IsTerminal, Write};

use clap::Args;
use serde_json::{Value, json};

use super::client::segment;
use super::publish::text;
use super::{Globals, Misuse, print_json, print_line};

/// What to erase.
#[derive(Debug, Args)]
pub(super) struct EraseArguments {
    /// Keys of records, also of such as were deleted.
    #[arg(required = true, value_name = "KEY")]
    keys: Vec<String>,
    /// Do not ask whether this is meant.
    #[arg(long, short)]
    yes: bool,
}

/// Runs `skerry erase`.
pub(super) fn erase(globals: &Globals, arguments: &EraseArguments) -> anyhow::Result<()> {
    if !arguments.yes && !confirmed(globals, arguments.keys.len())? {
        return Err(Misuse("nothing was erased".to_owned()).into());
    }
    let path = format!("/api/v1/projects/{}/erase", segment(&globals.project));
    let receipt = globals.client()?.call("POST", &path, Some(&json!({ "keys": arguments.keys })))?;
    if globals.json {
        return print_json(&receipt);
    }
    for erased in receipt["erased"].as_array().into_iter().flatten() {
        let found = match text(erased, "found").as_str() {
            "live" => "erased",
            "past" => "was deleted before; its past is erased",
            _ => "nothing of it was here; other replicas erase it when they sync",
        };
        print_line(format_args!("{}: {found} ({})", text(erased, "key"), text(erased, "digest")))?;
    }
    print_receipt(&receipt)
}

/// Asks a person; without one, `--yes` is needed.
fn confirmed(globals: &Globals, count: usize) -> anyhow::Result<bool> {
    if globals.json || !std::io::stdin().is_terminal() {
        return Err(Misuse("erasing cannot be undone; say --yes".to_owned()).into());
    }
    let mut errors = std::io::stderr();
    write!(
        errors,
        "Erase {count} record(s) of `{}` for good, here and on every replica, and forget all earlier versions? [y/N] ",
        globals.project
    )?;
    errors.flush()?;
    let mut answer = String::new();
    std::io::stdin().lock().read_line(&mut answer)?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}

/// Runs `skerry compact`.
pub(super) fn compact(globals: &Globals) -> anyhow::Result<()> {
    let path = format!("/api/v1/projects/{}/compact", segment(&globals.project));
    show(globals, &globals.client()?.call("POST", &path, None)?)
}

/// Runs `skerry reshard`.
pub(super) fn reshard(globals: &Globals, shards: u16) -> anyhow::Result<()> {
    let path = format!("/api/v1/projects/{}/reshard", segment(&globals.project));
    show(globals, &globals.client()?.call("POST", &path, Some(&json!({ "shards": shards })))?)
}

fn show(globals: &Globals, receipt: &Value) -> anyhow::Result<()> {
    if globals.json { print_json(receipt) } else { print_receipt(receipt) }
}

fn print_receipt(receipt: &Value) -> anyhow::Result<()> {
    let removed = &receipt["removed"];
    print_line(format_args!(
        "epoch {}: {} documents written anew, {} versions forgotten, {} cached vectors and {} segments removed, store {} -> {} bytes",
        text(&receipt["epoch"], "name"),
        removed["documents"],
        removed["versions"],
        removed["vectors"],
        removed["segments"],
        removed["store_bytes_before"],
        removed["store_bytes_after"],
    ))?;
    let linked: Vec<&str> = receipt["linked_from"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    if !linked.is_empty() {
        print_line(format_args!("still linked from: {}", linked.join(", ")))?;
    }
    for remaining in receipt["remaining"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        print_line(remaining)?;
    }
    Ok(())
}
