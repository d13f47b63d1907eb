//! `skerry publish` and what it shares with `skerry import`: batches with progress.

use std::collections::BTreeSet;
use std::io::Read;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::{Value, json};

use skerry_sync::epoch::Epoch;

use super::client::{Client, segment};
use super::{Globals, Misuse, note, print_json, print_line};
use crate::body::RecordBody;
use crate::input::{self, Format, Input, InputError, Place};

/// Records of one request: large enough to fill both cores, small enough for the bar to move.
const BATCH: usize = 64;

/// Records that are published in the order in which they were given. More are sorted by the documents that they go to.
const IN_ORDER_MAX: usize = 4_096;

/// Bytes of JSON that the records of one request have at most; the API takes 64 MiB.
const BATCH_BYTES_MAX: usize = 8 << 20;

/// What to publish.
#[derive(Debug, clap::Args)]
pub(super) struct PublishArguments {
    /// Files, folders, or `-` for standard input.
    #[arg(required_unless_present = "text")]
    paths: Vec<PathBuf>,
    /// How to read them.
    #[arg(long, value_enum, default_value_t = Format::Auto)]
    format: Format,
    /// Publish this text as one record, under --key.
    #[arg(long, requires = "key", conflicts_with = "paths")]
    text: Option<String>,
    /// Key of the record from --text, from one file of text or Markdown [default: its name], or from a text on standard
    /// input [default: stdin].
    #[arg(long)]
    key: Option<String>,
}

/// Runs `skerry publish`.
pub(super) fn publish(globals: &Globals, arguments: &PublishArguments) -> anyhow::Result<()> {
    let Input { records, skipped, left_out } = gather(arguments)?;
    input::check(&records)?;
    let records: Vec<RecordBody> = records.into_iter().map(|found| found.record).collect();
    for (path, reason) in &skipped {
        note(format_args!("skipped {}: {reason}", path.display()));
    }
    for (file, what) in &left_out {
        note(format_args!("{file}: left out {what}"));
    }
    if records.is_empty() {
        bail!("there is nothing to publish in what was named");
    }
    let client = globals.client()?;
    ensure_project(globals, &client, "")?;
    let published = records.len();
    let done = publish_all(globals, &client, records)?;
    if globals.json {
        return print_json(&json!({ "published": published, "skipped": skipped.len(), "changed": done.changed,
            "version": done.version, "sequence": done.sequence, "transforms_failed": done.transforms_failed }));
    }
    print_line(format_args!(
        "published {published} records ({} changed) to {}, version {}",
        done.changed,
        globals.project,
        done.short()
    ))?;
    Ok(())
}

fn gather(arguments: &PublishArguments) -> anyhow::Result<Input> {
    let mut gathered = Input::default();
    if let (Some(text), Some(key)) = (&arguments.text, &arguments.key) {
        gathered.records = input::found_in("--text", [(Place::Whole, input::plain(key, text))]);
        return Ok(gathered);
    }
    let key = arguments.key.as_deref();
    if key.is_some() && !matches!(arguments.paths.as_slice(), [path] if !path.is_dir()) {
        let paths = if arguments.paths.len() > 1 { "several files" } else { "a folder" };
        return Err(Misuse(format!("--key is the key of one record; it does not go with {paths}")).into());
    }
    for path in &arguments.paths {
        let found = if path == Path::new("-") {
            let mut text = String::new();
            std::io::stdin().read_to_string(&mut text).context("read standard input as UTF-8")?;
            input::read_stream(&text, arguments.format, key)
        } else {
            input::read_path(path, arguments.format, key)
        };
        gathered.append(found.map_err(|error| match error {
            InputError::OwnKeys { .. } => anyhow::Error::from(Misuse(error.to_string())),
            other => other.into(),
        })?);
    }
    Ok(gathered)
}

/// Creates the project when it is not there, and says so. A description that somebody gave it before stays.
pub(super) fn ensure_project(globals: &Globals, client: &Client, description: &str) -> anyhow::Result<()> {
    let path = format!("/api/v1/projects/{}", segment(&globals.project));
    let known = client.call("GET", "/api/v1/projects", None)?;
    let mut projects = known["projects"].as_array().into_iter().flatten();
    let existing = projects.find(|one| one["name"] == globals.project.as_str()).map(|one| text(one, "description"));
    if existing.as_ref().is_none_or(|own| own.is_empty() && !description.is_empty()) {
        client.call("PUT", &path, Some(&json!({ "description": description })))?;
    }
    if globals.json {
        return Ok(());
    }
    if existing.as_ref().is_some_and(|own| !own.is_empty() && !description.is_empty() && own != description) {
        note(format_args!("the project {} keeps its own description", globals.project));
    }
    if existing.is_none() {
        note(format_args!("created the project {}", globals.project));
    }
    Ok(())
}

/// What publishing all batches did.
#[derive(Debug, Default)]
pub(super) struct Done {
    pub(super) changed: u64,
    pub(super) version: String,
    pub(super) sequence: u64,
    /// Transforms that were passed over, each with the reason, and once.
    pub(super) transforms_failed: BTreeSet<String>,
}

impl Done {
    /// The start of the version, for people.
    pub(super) fn short(&self) -> &str {
        self.version.get(..12).unwrap_or(&self.version)
    }
}

/// Publishes records in batches, with a bar on a terminal. When one fails, says how many are published. Many go shard by
/// shard: a batch that touches every document of a large project writes a little into each, and loads most of them first.
pub(super) fn publish_all(globals: &Globals, client: &Client, mut records: Vec<RecordBody>) -> anyhow::Result<Done> {
    if records.len() > IN_ORDER_MAX {
        records.sort_by_cached_key(|record| Epoch::shard_order(&record.key));
    }
    let path = format!("/api/v1/projects/{}/records", segment(&globals.project));
    let bar = progress_bar(records.len() as u64, "publishing");
    let mut done = Done::default();
    for batch in batches(&records, BATCH_BYTES_MAX) {
        let answer = client.call("POST", &path, Some(&json!({ "records": batch }))).map_err(|error| {
            let position = bar.position();
            bar.abandon();
            let total = records.len();
            error.context(format!("{position} of {total} records are published; the batch behind them was refused"))
        })?;
        bar.inc(batch.len() as u64);
        done.changed += answer["changed"].as_u64().unwrap_or(0);
        done.sequence = answer["sequence"].as_u64().unwrap_or(0);
        done.version = text(&answer, "version");
        let failed = answer["transforms_failed"].as_array().into_iter().flatten();
        done.transforms_failed.extend(failed.map(|one| text(one, "reason")));
    }
    bar.finish_and_clear();
    for reason in &done.transforms_failed {
        note(format_args!("stored as it is: {reason}"));
    }
    Ok(done)
}

/// Cuts records into requests. A record that has more than `bytes_max` alone is a request of its own.
fn batches(records: &[RecordBody], bytes_max: usize) -> Vec<&[RecordBody]> {
    let (mut batches, mut rest) = (Vec::new(), records);
    while !rest.is_empty() {
        let mut bytes = 0;
        let fitting = rest.iter().take(BATCH).take_while(|record| {
            bytes += serde_json::to_vec(record).map_or(0, |json| json.len());
            bytes <= bytes_max
        });
        let (batch, behind) = rest.split_at(fitting.count().max(1));
        batches.push(batch);
        rest = behind;
    }
    batches
}

/// A member of an answer as text.
pub(super) fn text(answer: &Value, name: &str) -> String {
    answer[name].as_str().unwrap_or_default().to_owned()
}

/// A bar on standard error; nothing where that is not a terminal.
pub(super) fn progress_bar(total: u64, what: &'static str) -> ProgressBar {
    let template = "{msg} {bar:30} {pos}/{len} records, {per_sec}, {eta} left";
    let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::with_draw_target(Some(total), ProgressDrawTarget::stderr()).with_style(style).with_message(what)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every record is in one batch, in order; no batch has too many records or, if it has several, too many bytes.
    #[test]
    fn a_batch_has_a_size() {
        let record = |index: usize| input::plain(&format!("k{index}"), &"x".repeat(1000));
        let records: Vec<RecordBody> = (0..10).map(record).collect();
        let sizes = |bytes_max| batches(&records, bytes_max).iter().map(|batch| batch.len()).collect::<Vec<_>>();
        assert_eq!(sizes(usize::MAX), [10]);
        assert_eq!(sizes(3500), [3, 3, 3, 1]);
        assert_eq!(sizes(10), [1; 10]);
        let keys: Vec<&str> = batches(&records, 3500).into_iter().flatten().map(|record| record.key.as_str()).collect();
        assert_eq!(keys, ["k0", "k1", "k2", "k3", "k4", "k5", "k6", "k7", "k8", "k9"]);
        let many = vec![input::plain("k", ""); BATCH + 1];
        assert_eq!(batches(&many, usize::MAX).iter().map(|batch| batch.len()).collect::<Vec<_>>(), [BATCH, 1]);
        assert!(batches(&[], 1).is_empty());
    }
}
