//! What a project says about itself in its catalog document, besides its records.

use automerge::transaction::{Transactable, Transaction};
use automerge::{Automerge, AutomergeError, ObjId, ObjType, ReadDoc, ScalarValue, Value};
use serde::{Deserialize, Serialize};

/// Bytes of a model's name at most.
pub const MODEL_BYTES_MAX: usize = 128;

/// Tokens of a chunk at most.
pub const CHUNK_TOKENS_MAX: u32 = 100_000;

/// Tokens of a chunk at least: the two special ones and a little text.
pub const CHUNK_TOKENS_MIN: u32 = 8;

const DESCRIPTION: &str = "description";
const MODEL: &str = "model";
const CHUNKING: &str = "chunking";

/// How the texts of a project become vectors: the same on every replica. What is not said is left to the node.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settings {
    /// Name of the embedding model.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// How long texts are cut.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chunking: Option<Chunking>,
}

/// How a text that is longer than a model takes is cut into overlapping chunks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Chunking {
    /// Tokens of a chunk, special ones included.
    pub tokens: u32,
    /// Tokens that a chunk shares with the one before it.
    pub overlap: u32,
}

/// Why settings cannot be taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SettingsError {
    /// Not a name of a model.
    #[error("a model's name has 1 to {MODEL_BYTES_MAX} bytes without control characters")]
    Model,
    /// Chunks that are too short, too long, or that do not get on.
    #[error(
        "chunks have {CHUNK_TOKENS_MIN} to {CHUNK_TOKENS_MAX} tokens and overlap by less than half of that, not {tokens} and {overlap}"
    )]
    Chunking {
        /// Tokens.
        tokens: u32,
        /// Overlap.
        overlap: u32,
    },
}

impl Settings {
    /// Whether every replica will take them.
    ///
    /// # Errors
    /// [`SettingsError`] says the limits.
    pub fn check(&self) -> Result<(), SettingsError> {
        if let Some(model) = &self.model
            && (model.is_empty() || model.len() > MODEL_BYTES_MAX || model.chars().any(char::is_control))
        {
            return Err(SettingsError::Model);
        }
        match self.chunking {
            Some(Chunking { tokens, overlap })
                if !(CHUNK_TOKENS_MIN..=CHUNK_TOKENS_MAX).contains(&tokens) || overlap >= tokens.div_ceil(2) =>
            {
                Err(SettingsError::Chunking { tokens, overlap })
            }
            _ => Ok(()),
        }
    }

    /// Writes what differs into a catalog.
    pub(crate) fn write(&self, catalog: &mut Transaction<'_>, map: &ObjId) -> Result<(), AutomergeError> {
        let before = catalog_settings(catalog, map);
        if before.model != self.model {
            write_leaf(catalog, map, MODEL, self.model.as_deref())?;
        }
        if before.chunking != self.chunking {
            let json = self.chunking.and_then(|chunking| serde_json::to_string(&chunking).ok());
            write_leaf(catalog, map, CHUNKING, json.as_deref())?;
        }
        Ok(())
    }
}

fn write_leaf(
    catalog: &mut Transaction<'_>,
    map: &ObjId,
    name: &str,
    value: Option<&str>,
) -> Result<(), AutomergeError> {
    match value {
        Some(value) => catalog.put(map, name, value),
        None if catalog.get(map, name)?.is_some() => catalog.delete(map, name),
        None => Ok(()),
    }
}

/// What a catalog document says of its project.
pub(crate) fn description(catalog: &Automerge, map: &ObjId) -> String {
    text(catalog, map, DESCRIPTION).unwrap_or_default()
}

/// Writes a project's description.
pub(crate) fn write_description(
    catalog: &mut Transaction<'_>,
    map: &ObjId,
    description: &str,
) -> Result<(), AutomergeError> {
    catalog.put(map, DESCRIPTION, description)
}

/// A catalog's settings. What breaks a limit, which no writer of ours writes, counts as not said.
pub(crate) fn catalog_settings(catalog: &impl ReadDoc, map: &ObjId) -> Settings {
    let model = Settings { model: text(catalog, map, MODEL), chunking: None };
    let chunking = text(catalog, map, CHUNKING).and_then(|json| serde_json::from_str(&json).ok());
    let chunking = Settings { model: None, chunking };
    Settings { model: model.check().ok().and(model.model), chunking: chunking.check().ok().and(chunking.chunking) }
}

fn text(catalog: &impl ReadDoc, map: &ObjId, name: &str) -> Option<String> {
    match catalog.get(map, name) {
        Ok(Some((Value::Scalar(value), _))) => match value.as_ref() {
            ScalarValue::Str(text) => Some(text.to_string()),
            _ => None,
        },
        Ok(Some((Value::Object(ObjType::Text), id))) => catalog.text(&id).ok(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Limits are the same everywhere, so that no replica passes over what another one wrote.
    #[test]
    fn limits_are_checked() {
        let settings = |model: &str, tokens, overlap| Settings {
            model: Some(model.to_owned()),
            chunking: Some(Chunking { tokens, overlap }),
        };
        assert_eq!(settings("m", 256, 32).check(), Ok(()));
        assert_eq!(settings("m", 8, 3).check(), Ok(()));
        for model in ["", "a\nb", &"m".repeat(129)] {
            assert_eq!(settings(model, 256, 32).check(), Err(SettingsError::Model));
        }
        for (tokens, overlap) in [(7, 0), (256, 128), (9, 5), (CHUNK_TOKENS_MAX + 1, 0)] {
            assert_eq!(settings("m", tokens, overlap).check(), Err(SettingsError::Chunking { tokens, overlap }));
        }
    }
}
