//! An example of a transform: takes e-mail addresses out of records as they are published.
//!
//! Addresses in the text and in strings of `data` become `[e-mail]`; the record then belongs to the layer `redacted`, or the one
//! that the settings name, and `metadata.redacted` counts them. A record whose *key* has an address is refused, because keys
//! cannot be changed. What it is not: a finder of personal data. It knows one pattern.
//!
//! The same crate is the plugin (on `wasm32`) and a plain library, so that its tests need no WebAssembly.
//!
//! ```
//! let (text, count) = skerry_plugin_redact::redact("Ask ann@example.org, or bob.");
//! assert_eq!((text.as_str(), count), ("Ask [e-mail], or bob.", 1));
//! ```

#[cfg(target_arch = "wasm32")]
mod guest;

use serde_json::{Map, Value};

/// What stands in the place of an address.
pub const MARK: &str = "[e-mail]";

/// A text without its addresses, and how many those were.
pub fn redact(text: &str) -> (String, usize) {
    let (mut clean, mut count, mut written) = (String::with_capacity(text.len()), 0, 0);
    for (at, _) in text.match_indices('@') {
        let local = text.get(written..at).unwrap_or_default();
        let domain = text.get(at + 1..).unwrap_or_default();
        let start =
            at - local.chars().rev().take_while(|&character| is_local(character)).map(char::len_utf8).sum::<usize>();
        let end = at + 1 + domain_length(domain);
        if start < at && end > at + 1 {
            clean.push_str(text.get(written..start).unwrap_or_default());
            clean.push_str(MARK);
            count += 1;
            written = end;
        }
    }
    clean.push_str(text.get(written..).unwrap_or_default());
    (clean, count)
}

fn is_local(character: char) -> bool {
    character.is_alphanumeric() || ".!#$%&'*+/=?^_`{|}~-".contains(character)
}

/// Bytes of a domain at the beginning of a text: labels with at least one dot between them; the dot of a sentence's end is none.
fn domain_length(text: &str) -> usize {
    let is_label = |character: char| character.is_alphanumeric() || character == '-';
    let all: usize =
        text.chars().take_while(|&character| is_label(character) || character == '.').map(char::len_utf8).sum();
    let domain = text.get(..all).unwrap_or_default().trim_end_matches(['.', '-']);
    if domain.contains('.') && !domain.starts_with('.') { domain.len() } else { 0 }
}

/// Takes the addresses out of every string below a value, and counts them. Names of members stay.
pub fn redact_value(value: &mut Value) -> usize {
    match value {
        Value::String(text) => {
            let (clean, count) = redact(text);
            *text = clean;
            count
        }
        Value::Array(values) => values.iter_mut().map(redact_value).sum(),
        Value::Object(members) => members.values_mut().map(redact_value).sum(),
        _ => 0,
    }
}

/// What the plugin is told by the operator under `settings`: a JSON object, or nothing.
#[derive(Debug, PartialEq, Eq)]
pub struct Settings {
    /// The layer that changed records belong to.
    pub layer: String,
}

impl Settings {
    /// Reads them.
    ///
    /// # Errors
    /// What is wrong with them.
    pub fn parse(settings: &str) -> Result<Settings, String> {
        let members: Map<String, Value> = match settings.trim() {
            "" => Map::new(),
            json => serde_json::from_str(json).map_err(|error| format!("not a JSON object: {error}"))?,
        };
        if let Some(unknown) = members.keys().find(|name| *name != "layer") {
            return Err(format!("there is no setting `{unknown}`; there is `layer`"));
        }
        match members.get("layer") {
            None => Ok(Settings { layer: "redacted".to_owned() }),
            Some(Value::String(layer)) if !layer.is_empty() => Ok(Settings { layer: layer.clone() }),
            Some(_) => Err("`layer` is the name of a layer".to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What looks like an address goes, what stands around it stays, byte for byte.
    #[test]
    fn addresses_are_found() {
        for (text, clean) in [
            ("", ""),
            ("no address @ all, @name, x@y", "no address @ all, @name, x@y"),
            ("ann@example.org", "[e-mail]"),
            ("Write to <ann.b+c@mail.example.co.uk>.", "Write to <[e-mail]>."),
            ("End: ann@example.org. Next", "End: [e-mail]. Next"),
            ("jörg@müller.example und zoë@x.fr", "[e-mail] und [e-mail]"),
            ("a@b.c@d.e", "[e-mail]@d.e"),
            ("@@ @. a@.b", "@@ @. a@.b"),
        ] {
            assert_eq!(redact(text).0, clean, "{text}");
        }
    }

    /// Strings at any depth, and nothing else.
    #[test]
    fn values_are_searched_to_the_bottom() {
        let mut value = serde_json::json!({"a": ["x@y.org", {"b@c.org": "d@e.org"}], "n": 1.5, "t": true, "z": null});
        assert_eq!(redact_value(&mut value), 2);
        assert_eq!(
            value,
            serde_json::json!({"a": ["[e-mail]", {"b@c.org": "[e-mail]"}], "n": 1.5, "t": true, "z": null})
        );
    }

    /// An operator's slip is told, not passed over.
    #[test]
    fn settings_are_strict() {
        assert_eq!(Settings::parse(" ").unwrap().layer, "redacted");
        assert_eq!(Settings::parse(r#"{"layer": "clean"}"#).unwrap().layer, "clean");
        for (settings, says) in [("clean", "JSON"), (r#"{"layr": "x"}"#, "`layr`"), (r#"{"layer": 7}"#, "`layer`")] {
            let error = Settings::parse(settings).unwrap_err();
            assert!(error.contains(says), "{error}");
        }
    }
}
