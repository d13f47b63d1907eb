//! From a record to the fields that filters can ask for, and filters of the API as the query component takes them.

use serde_json::{Map, Value};
use skerry_gateway::filter::leaf;
use skerry_host::types::{Field, Scalar};
use skerry_sync::{Record, Target};

use crate::convert;

/// Everything of a record that filters can ask for.
pub fn fields(record: &Record) -> Vec<Field> {
    let mut fields = Vec::new();
    add_object("data", &record.data, &mut fields);
    add_object("metadata", &record.metadata, &mut fields);
    for layer in &record.layers {
        fields.push(text_field("layer", layer));
    }
    for link in &record.links {
        fields.push(text_field("link.type", &link.kind));
        for member in &link.members {
            if let Target::Key(key) = &member.target {
                fields.push(text_field("link.key", key));
            }
        }
    }
    fields
}

fn text_field(path: &str, value: &str) -> Field {
    Field { path: path.to_owned(), value: Scalar::Text(value.to_owned()) }
}

/// The leaves of a link's qualifiers: their dotted paths and values.
pub(crate) fn qualifiers(qualifiers: &Map<String, Value>) -> Vec<(String, Scalar)> {
    let mut fields = Vec::new();
    qualifiers.iter().for_each(|(name, value)| add_value(name, value, &mut fields));
    fields.into_iter().map(|Field { path, value }| (path, value)).collect()
}

fn add_object(at: &str, object: &Map<String, Value>, fields: &mut Vec<Field>) {
    for (name, value) in object {
        add_value(&format!("{at}.{name}"), value, fields);
    }
}

/// Elements of an array stand under the array's own path, objects inside arrays under theirs.
fn add_value(at: &str, value: &Value, fields: &mut Vec<Field>) {
    match value {
        Value::Object(object) => add_object(at, object, fields),
        Value::Array(values) => values.iter().for_each(|value| add_value(at, value, fields)),
        other => {
            fields.extend(leaf(other).map(|value| Field { path: at.to_owned(), value: convert::scalar_to_wit(value) }));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// Nested objects join with dots; an array's elements stand under the array's path.
    #[test]
    fn records_are_flattened() {
        let data = json!({"a": {"b": [1, "x", {"c": null}]}, "d": true, "e": {}});
        let mut out = Vec::new();
        add_object("data", data.as_object().unwrap(), &mut out);
        let paths: Vec<&str> = out.iter().map(|field| field.path.as_str()).collect();
        assert_eq!(paths, ["data.a.b", "data.a.b", "data.a.b.c", "data.d"]);
    }
}
