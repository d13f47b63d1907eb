//! From the leaves of a document back to a record.
//!
//! Other writers (JavaScript clients of Automerge) may write text as Text objects and arrays as List objects; both are read.
//! What cannot be understood is passed over rather than refused: a replica must be able to read whatever it merged.

use automerge::{AutomergeError, ObjId, ObjType, ScalarValue, ScalarValueRef, Value as DocumentValue, ValueRef};
use serde_json::{Number, Value};

use crate::document::SEPARATOR;
use crate::leaves::{self, DEPTH_MAX, LINK, LIVE, TEXT};
use crate::link_leaves::Drafts;
use crate::record::{LAYERS_MAX, Record, RecordKey, is_layer_name};
use crate::view::View;

/// The record under a key as the document has it; none when it is not there or deleted.
///
/// # Errors
/// Only by a fault of Automerge.
pub(crate) fn record(document: View<'_>, map: &ObjId, key: &RecordKey) -> Result<Option<Record>, AutomergeError> {
    let name = key.as_str();
    if !leaves::are_live(&document.get_all(map, leaves::live_of(name))?) {
        return Ok(None);
    }
    let mut record = Record::text(key.clone(), "");
    let mut links = Drafts::default();
    for item in document.map_range(map, leaves::range_of(name)) {
        let Some(path) = item.key.get(name.len() + SEPARATOR.len_utf8()..) else { continue };
        if path == LIVE {
            continue;
        }
        let Some(value) = leaf(document, &item.value, || item.id()) else { continue };
        match path.split_once('/') {
            Some((LINK, path)) => links.place(path, value),
            _ => place(&mut record, path, value),
        }
    }
    // Replicas that each added some may have added too many together.
    while record.layers.len() > LAYERS_MAX {
        record.layers.pop_last();
    }
    record.links = links.finish();
    Ok(Some(record))
}

/// Puts one leaf in its place. Leaves come in the order of their paths, so an object's fields come after a scalar that
/// stands at the object's own path (two replicas disagreed): the object wins.
fn place(record: &mut Record, path: &str, value: Value) {
    if path == TEXT {
        if let Value::String(text) = value {
            record.text = text;
        }
        return;
    }
    let Some((root, rest)) = path.split_once('/') else { return };
    match root {
        "data" => leaves::place_field(&mut record.data, rest, value),
        "metadata" => leaves::place_field(&mut record.metadata, rest, value),
        "layer" if value == Value::Bool(true) => {
            record.layers.extend(Some(leaves::unescape(rest)).filter(|name| is_layer_name(name)));
        }
        _ => {}
    }
}

/// A leaf's value as a scalar that reads as the same: what our own writers would have written.
pub(crate) fn flat(document: View<'_>, value: &ValueRef<'_>, id: impl FnOnce() -> ObjId) -> Option<ScalarValue> {
    match value {
        ValueRef::Scalar(value) => owned(value),
        ValueRef::Object(kind) => object(document, *kind, &id(), DEPTH_MAX).map(|value| leaves::scalar(&value)),
    }
}

/// As [`flat`], for the other form in which Automerge gives values.
pub(crate) fn flat_value(document: View<'_>, value: &DocumentValue<'_>, id: &ObjId) -> Option<ScalarValue> {
    match value {
        DocumentValue::Scalar(value) => plain(value.as_ref().clone()),
        DocumentValue::Object(kind) => object(document, *kind, id, DEPTH_MAX).map(|value| leaves::scalar(&value)),
    }
}

fn owned(value: &ScalarValueRef<'_>) -> Option<ScalarValue> {
    Some(match value {
        ScalarValueRef::Str(text) => ScalarValue::Str(text.as_ref().into()),
        ScalarValueRef::Int(number) | ScalarValueRef::Counter(number) => ScalarValue::Int(*number),
        ScalarValueRef::Timestamp(number) => ScalarValue::Timestamp(*number),
        ScalarValueRef::Uint(number) => ScalarValue::Uint(*number),
        ScalarValueRef::F64(number) => ScalarValue::F64(*number),
        ScalarValueRef::Boolean(value) => ScalarValue::Boolean(*value),
        ScalarValueRef::Null => ScalarValue::Null,
        ScalarValueRef::Bytes(bytes) => ScalarValue::Bytes(bytes.to_vec()),
        ScalarValueRef::Unknown { .. } => return None,
    })
}

/// Counters count on within one document only.
fn plain(value: ScalarValue) -> Option<ScalarValue> {
    match value {
        ScalarValue::Counter(counter) => Some(ScalarValue::Int(i64::from(&counter))),
        ScalarValue::Unknown { .. } => None,
        other => Some(other),
    }
}

pub(crate) fn leaf(document: View<'_>, value: &ValueRef<'_>, id: impl FnOnce() -> ObjId) -> Option<Value> {
    match value {
        ValueRef::Scalar(value) => scalar(value),
        ValueRef::Object(kind) => object(document, *kind, &id(), DEPTH_MAX),
    }
}

fn scalar(value: &ScalarValueRef<'_>) -> Option<Value> {
    match value {
        ScalarValueRef::Str(text) => Some(Value::String(text.to_string())),
        ScalarValueRef::Int(number) | ScalarValueRef::Counter(number) | ScalarValueRef::Timestamp(number) => {
            Some((*number).into())
        }
        ScalarValueRef::Uint(number) => Some((*number).into()),
        ScalarValueRef::F64(number) => Some(Number::from_f64(*number).map_or(Value::Null, Value::Number)),
        ScalarValueRef::Boolean(value) => Some((*value).into()),
        ScalarValueRef::Null => Some(Value::Null),
        ScalarValueRef::Bytes(json) => serde_json::from_slice(json).ok(),
        ScalarValueRef::Unknown { .. } => None,
    }
}

fn object(document: View<'_>, kind: ObjType, id: &ObjId, levels: usize) -> Option<Value> {
    let levels = levels.checked_sub(1)?;
    match kind {
        ObjType::Text => document.text(id).ok().map(Value::String),
        ObjType::List => {
            let length = document.length(id);
            let values = (0..length).filter_map(|index| document.get(id, index).ok().flatten());
            Some(values.filter_map(|(value, id)| nested(document, &value, &id, levels)).collect())
        }
        ObjType::Map | ObjType::Table => {
            let fields = document.keys(id).into_iter().filter_map(|name| {
                let (value, id) = document.get(id, name.as_str()).ok().flatten()?;
                Some((name, nested(document, &value, &id, levels)?))
            });
            Some(Value::Object(fields.collect()))
        }
    }
}

fn nested(document: View<'_>, value: &DocumentValue<'_>, id: &ObjId, levels: usize) -> Option<Value> {
    match value {
        DocumentValue::Object(kind) => object(document, *kind, id, levels),
        DocumentValue::Scalar(value) => match value.as_ref() {
            ScalarValue::Str(text) => Some(Value::String(text.to_string())),
            ScalarValue::Int(number) | ScalarValue::Timestamp(number) => Some((*number).into()),
            ScalarValue::Uint(number) => Some((*number).into()),
            ScalarValue::F64(number) => Some(Number::from_f64(*number).map_or(Value::Null, Value::Number)),
            ScalarValue::Boolean(value) => Some((*value).into()),
            ScalarValue::Null => Some(Value::Null),
            ScalarValue::Bytes(json) => serde_json::from_slice(json).ok(),
            ScalarValue::Counter(counter) => Some(i64::from(counter).into()),
            ScalarValue::Unknown { .. } => None,
        },
    }
}

/// Milliseconds; of other writers also as a float, as JavaScript has no other numbers.
pub(crate) fn moment(value: &Value) -> Option<i64> {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    #[allow(clippy::cast_possible_truncation, reason = "whole and below 2^53")]
    let whole = |number: f64| (number.fract() == 0.0 && number.abs() <= EXACT).then_some(number as i64);
    value.as_i64().or_else(|| value.as_f64().and_then(whole))
}
