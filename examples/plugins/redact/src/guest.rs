//! The plugin: the library behind the export of `skerry:plugin/transform`.
#![allow(
    unsafe_code,
    missing_docs,
    unreachable_pub,
    clippy::pedantic,
    reason = "generated bindings: the canonical ABI is raw memory"
)]

use serde_json::{Map, Value};

use crate::{Settings, redact, redact_value};

wit_bindgen::generate!({ path: "../../../wit/plugin", world: "transform" });

use exports::skerry::plugin::publishing::{Batch, Error, Guest, Verdict};
use skerry::plugin::types::Entry;

struct Redact;

export!(Redact);

impl Guest for Redact {
    fn transform(batch: Batch) -> Result<Vec<Verdict>, Error> {
        let settings = Settings::parse(&batch.settings).map_err(Error::InvalidSettings)?;
        batch.entries.into_iter().map(|entry| verdict(entry, &settings)).collect()
    }
}

fn verdict(entry: Entry, settings: &Settings) -> Result<Verdict, Error> {
    if redact(&entry.key).1 > 0 {
        return Ok(Verdict::Refuse("its key has an e-mail address, and a key cannot be changed".to_owned()));
    }
    let (text, in_text) = redact(&entry.text);
    let mut data: Value = serde_json::from_str(&entry.data).map_err(unreadable)?;
    let count = in_text + redact_value(&mut data);
    if count == 0 {
        return Ok(Verdict::Keep);
    }
    let mut metadata: Map<String, Value> = serde_json::from_str(&entry.metadata).map_err(unreadable)?;
    metadata.insert("redacted".to_owned(), count.into());
    let mut layers = entry.layers;
    layers.push(settings.layer.clone());
    let (data, metadata) = (data.to_string(), Value::Object(metadata).to_string());
    Ok(Verdict::Replace(Entry { key: entry.key, text, data, metadata, layers, links: entry.links }))
}

fn unreadable(error: serde_json::Error) -> Error {
    Error::Other(format!("the record is not JSON: {error}"))
}
