//! What must hold of everything that was read before any of it is sent.
//!
//! A node checks each request by itself: it would refuse the second batch of an input whose first batch is on disk.

use skerry_sync::{Link, Record, RecordKey};

use super::{Found, InputError};
use crate::body::RecordBody;

/// Checks that every record keeps the limits that a node has.
///
/// # Errors
/// [`InputError::Invalid`] with the first bad record and how many there are.
pub fn check(found: &[Found]) -> Result<(), InputError> {
    let mut faults = found.iter().filter_map(|found| Some((found, limits(&found.record).err()?)));
    if let Some((first, reason)) = faults.next() {
        let (place, key) = (first.source.to_string(), shown(&first.record.key));
        return Err(InputError::Invalid { place, key, reason, others: faults.count() });
    }
    Ok(())
}

/// The checks of the server.
fn limits(body: &RecordBody) -> Result<(), String> {
    let record = Record {
        key: RecordKey::parse(&body.key).map_err(|error| error.to_string())?,
        text: body.text.clone(),
        data: body.data.clone(),
        metadata: body.metadata.clone(),
        layers: body.layers.clone(),
        links: body.links.iter().cloned().map(Link::from).collect(),
    };
    record.check().map_err(|error| error.to_string())
}

/// A key in a message: short, and without what would steer a terminal.
fn shown(key: &str) -> String {
    key.chars().flat_map(char::escape_debug).take(80).collect()
}

#[cfg(test)]
mod tests {
    use super::super::{Format, parse};
    use super::*;

    /// A record behind the first batch must not be found out to be wrong when the first batch is published.
    #[test]
    fn limits_are_checked_with_their_place() {
        let said = |text: &str, kind| check(&parse(text, kind, "f", "k").unwrap().records).unwrap_err().to_string();
        let listed = said("[{\"key\":\"a\"},{\"key\":\"b\\u0007\"},{\"key\":\"\"}]", Format::Json);
        assert!(listed.starts_with("f, record 2: the record `b\\u{7}` is refused: a record key must not"), "{listed}");
        assert!(listed.contains("1 more"), "{listed}");
        assert!(said("{\"key\":\"a\"}\n\n{\"key\":\"\"}", Format::Jsonl).starts_with("f:3: "));
        let long = said(&"x".repeat((1 << 20) + 1), Format::Text);
        assert!(long.starts_with("f: ") && long.contains("at most 1048576"), "{long}");
        let layers: Vec<String> = (0..65).map(|index| format!("\"l{index}\"")).collect();
        let many = said(&format!("{{\"key\":\"a\",\"layers\":[{}]}}", layers.join(",")), Format::Json);
        assert!(many.contains("at most 64 layers"), "{many}");
        let link = said("{\"key\":\"a\",\"links\":[{\"type\":\"t\",\"members\":[]}]}", Format::Json);
        assert!(link.contains("no members"), "{link}");
    }
}
