//! Transforms: what records go through on their way from a client to the store.

use std::borrow::Cow;

use serde_json::json;
use skerry_host::plugin::{PluginFault, Transform};
use skerry_host::types::plugin::{PublishBatch, Verdict};
use skerry_sync::{Commit, ProjectName, Record};

use super::config::OnFailure;
use super::{Plugin, PluginFailure, Plugins, shape};
use crate::body::RecordBody;
use crate::problem::{Kind, Problem};

/// Refused records that are named at most.
const NAMED_MAX: usize = 100;

/// What a publish did.
#[derive(Debug)]
pub struct Publication {
    /// What the replica did.
    pub commit: Commit,
    /// Transforms that gave no answer and that the operator lets pass.
    pub passed: Vec<Passed>,
}

/// A transform that was passed over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Passed {
    /// Its name.
    pub plugin: String,
    /// Why.
    pub reason: String,
}

/// A record that a transform refuses.
struct Refused {
    index: usize,
    key: String,
    reason: String,
}

impl Plugins {
    /// Whether anything is between this project's clients and the store.
    pub(crate) fn has_transforms(&self, project: &ProjectName) -> bool {
        self.transforms.iter().any(|plugin| plugin.serves(project))
    }

    /// The records as the project's transforms make them, one transform after another in the order of the list.
    ///
    /// # Errors
    /// [`Kind::RefusedByPlugin`] with every record that a transform refuses; [`Kind::PluginFailed`] when one gave no answer and
    /// must not be passed over.
    pub(crate) fn transform<'a>(
        &self,
        project: &ProjectName,
        records: &'a [Record],
    ) -> Result<(Cow<'a, [Record]>, Vec<Passed>), Problem> {
        let (mut records, mut passed) = (Cow::Borrowed(records), Vec::new());
        for plugin in self.transforms.iter().filter(|plugin| plugin.serves(project)) {
            match run(plugin, project, &records) {
                Ok((_, refused)) if !refused.is_empty() => return Err(refusal(plugin.name(), &refused)),
                Ok((None, _)) => {}
                Ok((Some(changed), _)) => records = Cow::Owned(changed),
                Err(failure) if plugin.config.on_failure == OnFailure::Pass => {
                    passed.push(Passed { plugin: plugin.name().to_owned(), reason: failure.to_string() });
                }
                Err(failure) => {
                    let detail = format!("Nothing of this request was stored, because {failure}.");
                    return Err(Problem::new(Kind::PluginFailed, detail).with("plugin", plugin.name()));
                }
            }
        }
        Ok((records, passed))
    }
}

/// The records after one transform, if it changed any, and those that it refuses.
fn run(
    plugin: &Plugin<Transform>,
    project: &ProjectName,
    records: &[Record],
) -> Result<(Option<Vec<Record>>, Vec<Refused>), PluginFailure> {
    let entries = records.iter().map(|record| shape::entry(RecordBody::from(record.clone()))).collect();
    let (mut changed, mut refused): (Option<Vec<Record>>, _) = (None, Vec::new());
    let mut first = 0;
    for entries in shape::calls(entries, shape::bytes) {
        let batch =
            PublishBatch { project: project.as_str().to_owned(), settings: plugin.settings().to_owned(), entries };
        let outcomes = plugin.call(|transform| {
            let verdicts = transform.transform(&batch, None)?;
            // A record that is none is the plugin's failure, not the client's.
            verdicts.into_iter().map(outcome).collect::<Result<Vec<_>, _>>()
        })?;
        for (offset, outcome) in outcomes.into_iter().enumerate() {
            let index = first + offset;
            match outcome {
                Outcome::Keep => {}
                Outcome::Replace(record) => {
                    if let Some(place) = changed.get_or_insert_with(|| records.to_vec()).get_mut(index) {
                        *place = *record;
                    }
                }
                Outcome::Refuse(reason) => {
                    let key = batch.entries.get(offset).map(|entry| entry.key.clone()).unwrap_or_default();
                    refused.push(Refused { index, key, reason });
                }
            }
        }
        first += batch.entries.len();
    }
    Ok((changed, refused))
}

enum Outcome {
    Keep,
    Replace(Box<Record>),
    Refuse(String),
}

fn outcome(verdict: Verdict) -> Result<Outcome, PluginFault> {
    Ok(match verdict {
        Verdict::Keep => Outcome::Keep,
        Verdict::Refuse(reason) => Outcome::Refuse(reason),
        Verdict::Replace(entry) => {
            let key = entry.key.clone();
            let record = shape::record(entry).map_err(|reason| {
                PluginFault::Answer(format!("what it makes of the record `{key}` is no record: {reason}"))
            })?;
            Outcome::Replace(Box::new(record))
        }
    })
}

fn refusal(plugin: &str, refused: &[Refused]) -> Problem {
    let first = refused.first().map_or_else(String::new, |Refused { index, key, reason }| {
        let shown: String = key.chars().flat_map(char::escape_default).take(80).collect();
        format!("Record {index} (`{shown}`): {reason}.")
    });
    let more = match refused.len() {
        0 | 1 => String::new(),
        count => format!(" {} more records are refused.", count - 1),
    };
    let list: Vec<_> = refused
        .iter()
        .take(NAMED_MAX)
        .map(|Refused { index, key, reason }| json!({ "index": index, "key": key, "detail": reason }))
        .collect();
    let detail = format!("The plugin `{plugin}` refuses: {first}{more} Nothing of this request was stored.");
    Problem::new(Kind::RefusedByPlugin, detail).with("plugin", plugin).with("errors", list)
}
