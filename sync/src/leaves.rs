//! From a record to the flat leaves of its document, and the edits that make a document say it.

use std::collections::BTreeMap;

use automerge::transaction::{Transactable, Transaction};
use automerge::{AutomergeError, ObjId, ReadDoc, ScalarValue, ScalarValueRef, Value as DocumentValue, ValueRef};
use serde_json::{Map, Value};

use crate::document::SEPARATOR;
use crate::link_leaves;
use crate::record::{Record, RecordKey};

/// The leaf that says whether a record lives.
pub(crate) const LIVE: &str = "@live";

/// Segments of a path, and levels of nested objects, that are read; deeper ones are passed over.
pub(crate) const DEPTH_MAX: usize = 64;

/// The leaf of the text.
pub(crate) const TEXT: &str = "text";

/// What the leaves of links begin with.
pub(crate) const LINK: &str = "link";

/// Every leaf of a record but [`LIVE`], by path.
pub(crate) fn of_record(record: &Record) -> BTreeMap<String, ScalarValue> {
    let mut leaves = BTreeMap::new();
    if !record.text.is_empty() {
        leaves.insert(TEXT.to_owned(), ScalarValue::Str(record.text.as_str().into()));
    }
    add_object("data", &record.data, &mut leaves);
    add_object("metadata", &record.metadata, &mut leaves);
    for layer in &record.layers {
        leaves.insert(format!("layer/{}", escape(layer)), ScalarValue::Boolean(true));
    }
    for link in &record.links {
        link_leaves::add(link, &mut leaves);
    }
    leaves
}

pub(crate) fn add_object(at: &str, object: &Map<String, Value>, leaves: &mut BTreeMap<String, ScalarValue>) {
    for (name, value) in object {
        add_value(format!("{at}/{}", escape(name)), value, leaves);
    }
}

fn add_value(at: String, value: &Value, leaves: &mut BTreeMap<String, ScalarValue>) {
    match value {
        Value::Object(object) if !object.is_empty() => add_object(&at, object, leaves),
        other => {
            leaves.insert(at, scalar(other));
        }
    }
}

/// Arrays and empty objects become bytes that hold their JSON: one leaf, last writer wins.
pub(crate) fn scalar(value: &Value) -> ScalarValue {
    match value {
        Value::Null => ScalarValue::Null,
        Value::Bool(value) => ScalarValue::Boolean(*value),
        Value::String(value) => ScalarValue::Str(value.as_str().into()),
        Value::Number(number) => match (number.as_i64(), number.as_u64(), number.as_f64()) {
            (Some(value), _, _) => ScalarValue::Int(value),
            (_, Some(value), _) => ScalarValue::Uint(value),
            (_, _, value) => value.map_or(ScalarValue::Null, ScalarValue::F64),
        },
        Value::Array(_) | Value::Object(_) => ScalarValue::Bytes(value.to_string().into_bytes()),
    }
}

/// Makes a name a segment of a path.
pub(crate) fn escape(name: &str) -> String {
    if !name.contains(['~', '/', SEPARATOR]) {
        return name.to_owned();
    }
    name.replace('~', "~0").replace('/', "~1").replace(SEPARATOR, "~2")
}

/// The name that a segment of a path stands for.
pub(crate) fn unescape(segment: &str) -> String {
    if !segment.contains('~') {
        return segment.to_owned();
    }
    segment.replace("~2", &SEPARATOR.to_string()).replace("~1", "/").replace("~0", "~")
}

/// Puts a value where a path of `data`, `metadata` or qualifiers leads.
pub(crate) fn place_field(object: &mut Map<String, Value>, path: &str, value: Value) {
    let segments: Vec<String> = path.split('/').map(unescape).collect();
    let Some((last, parents)) = segments.split_last() else { return };
    if segments.len() > DEPTH_MAX {
        return;
    }
    let mut object = object;
    for parent in parents {
        let slot = object.entry(parent.clone()).or_insert_with(|| Value::Object(Map::new()));
        if !slot.is_object() {
            *slot = Value::Object(Map::new());
        }
        let Value::Object(inner) = slot else { return };
        object = inner;
    }
    object.insert(last.clone(), value);
}

/// Where the leaves of something stand in their map: a record's in its shard, a layer's in the catalog.
#[derive(Debug)]
pub(crate) struct Place {
    /// What the keys of its leaves begin with.
    pub(crate) prefix: String,
    /// The first key behind them.
    pub(crate) end: String,
}

impl Place {
    /// That of a record.
    pub(crate) fn of_record(key: &str) -> Place {
        // U+0020 follows the separator, U+001F.
        Place { prefix: format!("{key}{SEPARATOR}"), end: format!("{key}\u{20}") }
    }

    fn leaf(&self, path: &str) -> String {
        format!("{}{path}", self.prefix)
    }

    fn range(&self) -> std::ops::Range<String> {
        self.prefix.clone()..self.end.clone()
    }
}

/// The range of map keys that are a record's leaves.
pub(crate) fn range_of(key: &str) -> std::ops::Range<String> {
    Place::of_record(key).range()
}

/// The map key of a record's [`LIVE`] leaf.
pub(crate) fn live_of(key: &str) -> String {
    Place::of_record(key).leaf(LIVE)
}

/// Whether a record lives, by the values of its `@live` leaf: one says so, and no concurrent one says otherwise (delete
/// wins).
pub(crate) fn are_live(values: &[(DocumentValue<'_>, ObjId)]) -> bool {
    !values.is_empty() && values.iter().all(|(value, _)| is_true(value))
}

fn is_live(document: &impl ReadDoc, map: &ObjId, place: &Place) -> Result<bool, AutomergeError> {
    Ok(are_live(&document.get_all(map, place.leaf(LIVE))?))
}

fn is_true(value: &DocumentValue<'_>) -> bool {
    matches!(value, DocumentValue::Scalar(value) if **value == ScalarValue::Boolean(true))
}

/// Edits the document so that it says `record`. Answers whether there was anything to do.
///
/// # Errors
/// Only by a fault of Automerge.
pub(crate) fn put(transaction: &mut Transaction<'_>, map: &ObjId, record: &Record) -> Result<bool, AutomergeError> {
    let place = Place::of_record(record.key.as_str());
    let mut wanted = of_record(record);
    for link in &record.links {
        let found = transaction.get(map, place.leaf(&format!("{LINK}/{}", link.id())))?;
        if let Some((DocumentValue::Scalar(found), _)) = found
            && let ScalarValue::Str(found) = found.as_ref()
        {
            link_leaves::keep(link, found, &mut wanted);
        }
    }
    write(transaction, map, &place, wanted)
}

/// Makes these the leaves at a place: changed ones are set, others are removed, also those that a deletion left behind. Answers
/// whether there was anything to do.
///
/// # Errors
/// Only by a fault of Automerge.
pub(crate) fn write(
    transaction: &mut Transaction<'_>,
    map: &ObjId,
    place: &Place,
    mut wanted: BTreeMap<String, ScalarValue>,
) -> Result<bool, AutomergeError> {
    let mut stale = Vec::new();
    for item in transaction.map_range(map, place.range()) {
        let Some(path) = item.key.get(place.prefix.len()..) else { continue };
        if path == LIVE {
            continue;
        }
        match wanted.get(path) {
            Some(value) if is_scalar(&item.value, value) => {
                wanted.remove(path);
            }
            Some(_) => {}
            None => stale.push(item.key.into_owned()),
        }
    }
    let live = is_live(transaction, map, place)?;
    let changed = !live || !stale.is_empty() || !wanted.is_empty();
    for leaf in stale {
        transaction.delete(map, leaf)?;
    }
    for (path, value) in wanted {
        transaction.put(map, place.leaf(&path), value)?;
    }
    if !live {
        transaction.put(map, place.leaf(LIVE), true)?;
    }
    Ok(changed)
}

fn is_scalar(found: &ValueRef<'_>, wanted: &ScalarValue) -> bool {
    match found {
        ValueRef::Scalar(found) => match (found, wanted) {
            (ScalarValueRef::Str(found), ScalarValue::Str(wanted)) => found.as_ref() == wanted.as_str(),
            (ScalarValueRef::Bytes(found), ScalarValue::Bytes(wanted)) => found.as_ref() == wanted.as_slice(),
            (ScalarValueRef::Int(found), ScalarValue::Int(wanted)) => found == wanted,
            (ScalarValueRef::Uint(found), ScalarValue::Uint(wanted)) => found == wanted,
            (ScalarValueRef::F64(found), ScalarValue::F64(wanted)) => found.to_bits() == wanted.to_bits(),
            (ScalarValueRef::Boolean(found), ScalarValue::Boolean(wanted)) => found == wanted,
            (ScalarValueRef::Null, ScalarValue::Null) => true,
            _ => false,
        },
        ValueRef::Object(_) => false,
    }
}

/// Edits the document so that the record does not live. Answers whether it did.
///
/// # Errors
/// Only by a fault of Automerge.
pub(crate) fn delete(transaction: &mut Transaction<'_>, map: &ObjId, key: &RecordKey) -> Result<bool, AutomergeError> {
    remove(transaction, map, &Place::of_record(key.as_str()))
}

/// As [`delete`], for whatever has its leaves at a place.
///
/// # Errors
/// Only by a fault of Automerge.
pub(crate) fn remove(transaction: &mut Transaction<'_>, map: &ObjId, place: &Place) -> Result<bool, AutomergeError> {
    if !is_live(transaction, map, place)? {
        return Ok(false);
    }
    let live = place.leaf(LIVE);
    let leaves: Vec<String> = transaction.map_range(map, place.range()).map(|item| item.key.into_owned()).collect();
    for leaf in leaves.into_iter().filter(|leaf| *leaf != live) {
        transaction.delete(map, leaf)?;
    }
    transaction.put(map, live, false)?;
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A data field may be named anything; its path must come back as the same name.
    #[test]
    fn escaping_is_reversible() {
        for name in ["", "a", "a/b", "~", "~1", "~~0/\u{1f}~2", "ü/漢"] {
            let segment = escape(name);
            assert!(!segment.contains(['/', SEPARATOR]), "{name:?}");
            assert_eq!(unescape(&segment), name);
        }
    }
}
