//! Records on their way to a plugin and back.

use skerry_host::types::plugin::{Entry, Link, Member, Target};
use skerry_sync::Record;

use crate::body::{IntervalBody, LinkBody, MemberBody, Moment, RecordBody};

/// Records of one call at most.
const CALL_RECORDS_MAX: usize = 256;

/// Bytes of records of one call at most, unless a single one has more.
const CALL_BYTES_MAX: usize = 2 << 20;

/// A record as plugins see it.
pub(super) fn entry(record: RecordBody) -> Entry {
    Entry {
        key: record.key,
        text: record.text,
        data: object(&record.data),
        metadata: object(&record.metadata),
        layers: record.layers.into_iter().collect(),
        links: record.links.into_iter().map(link).collect(),
    }
}

fn object(members: &serde_json::Map<String, serde_json::Value>) -> String {
    // Maps of JSON values have no way to fail.
    serde_json::to_string(members).unwrap_or_default()
}

fn link(link: LinkBody) -> Link {
    let member = |member: MemberBody| Member {
        role: member.role,
        target: match (member.key, member.link) {
            (Some(key), _) => Target::Key(key),
            (None, link) => Target::Link(link.unwrap_or_default()),
        },
    };
    Link {
        kind: link.kind,
        members: link.members.into_iter().map(member).collect(),
        weight: link.weight,
        layers: link.layers.into_iter().collect(),
        qualifiers: object(&link.qualifiers),
        since: link.valid.since.map(|since| since.0),
        until: link.valid.until.map(|until| until.0),
    }
}

/// What a plugin made of a record, checked as if a client had sent it.
///
/// # Errors
/// A sentence on the first rule that it breaks.
pub(super) fn record(entry: Entry) -> Result<Record, String> {
    let parse = |what: &str, json: &str| {
        serde_json::from_str(json).map_err(|error| format!("`{what}` is not a JSON object: {error}"))
    };
    let link = |link: Link| {
        let member = |member: Member| {
            let (key, link) = match member.target {
                Target::Key(key) => (Some(key), None),
                Target::Link(id) => (None, Some(id)),
            };
            MemberBody { role: member.role, key, link }
        };
        Ok::<_, String>(LinkBody {
            kind: link.kind,
            members: link.members.into_iter().map(member).collect(),
            weight: link.weight,
            layers: link.layers.into_iter().collect(),
            qualifiers: parse("qualifiers", &link.qualifiers)?,
            valid: IntervalBody { since: link.since.map(Moment), until: link.until.map(Moment) },
        })
    };
    let body = RecordBody {
        data: parse("data", &entry.data)?,
        metadata: parse("metadata", &entry.metadata)?,
        links: entry.links.into_iter().map(link).collect::<Result<_, _>>()?,
        key: entry.key,
        text: entry.text,
        layers: entry.layers.into_iter().collect(),
    };
    body.into_record()
}

/// In about what an entry takes of a plugin's memory.
pub(super) fn bytes(entry: &Entry) -> usize {
    let link = |link: &Link| {
        let members: usize = link.members.iter().map(|member| 64 + member.role.len()).sum();
        128 + members + link.qualifiers.len()
    };
    let links: usize = entry.links.iter().map(link).sum();
    128 + entry.text.len() + entry.data.len() + entry.metadata.len() + links
}

/// Cuts items into calls.
pub(super) fn calls<T>(items: Vec<T>, bytes: impl Fn(&T) -> usize) -> Vec<Vec<T>> {
    let (mut calls, mut call, mut call_bytes) = (Vec::new(), Vec::new(), 0);
    for item in items {
        let more = bytes(&item);
        if call.len() == CALL_RECORDS_MAX || (call_bytes + more > CALL_BYTES_MAX && !call.is_empty()) {
            calls.push(std::mem::take(&mut call));
            call_bytes = 0;
        }
        call_bytes += more;
        call.push(item);
    }
    if !call.is_empty() {
        calls.push(call);
    }
    calls
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn full() -> RecordBody {
        serde_json::from_value(json!({
            "key": "a", "text": "tide", "data": {"big": 9_007_199_254_740_993_i64, "tiny": 1e-7, "list": [1, {"x": null}]},
            "metadata": {"source": "book"}, "layers": ["sea", "sky"],
            "links": [{"type": "near", "members": [{"role": "a", "key": "a"}, {"role": "b", "link": "0".repeat(24)}],
                "weight": 0.25, "layers": ["x"], "qualifiers": {"by": "me"},
                "valid": {"since": "2026-11-21T08:30:00Z"}}]
        }))
        .unwrap()
    }

    /// A plugin that answers what it was given changes nothing, to the last digit.
    #[test]
    fn there_and_back_is_the_same() {
        let record_before = full().into_record().unwrap();
        assert_eq!(record(entry(full())).unwrap(), record_before);
        assert_eq!(record(entry(RecordBody::from(record_before.clone()))).unwrap(), record_before);
    }

    /// What a plugin makes is checked like what a client sends.
    #[test]
    fn what_comes_back_is_checked() {
        let changed = |change: fn(&mut Entry)| {
            let mut entry = entry(full());
            change(&mut entry);
            record(entry).unwrap_err()
        };
        assert!(changed(|entry| entry.data = "[1]".to_owned()).contains("`data`"));
        assert!(changed(|entry| entry.metadata = String::new()).contains("`metadata`"));
        assert!(changed(|entry| entry.links[0].qualifiers = "7".to_owned()).contains("`qualifiers`"));
        changed(|entry| entry.links[0].weight = f64::NAN);
        changed(|entry| entry.key = "\n".to_owned());
        changed(|entry| entry.text = "x".repeat(2 << 20));
        changed(|entry| entry.data = format!("{}1{}", "{\"a\":".repeat(1_000), "}".repeat(1_000)));
    }

    /// Every item is in one call, in order; a large one has a call for itself.
    #[test]
    fn calls_have_a_size() {
        let sizes = |bytes: fn(&usize) -> usize| {
            let calls = calls((0..600).collect(), bytes);
            assert_eq!(calls.concat(), (0..600).collect::<Vec<_>>());
            calls.iter().map(Vec::len).collect::<Vec<_>>()
        };
        assert_eq!(sizes(|_| 1), [256, 256, 88]);
        assert_eq!(sizes(|_| 1 << 20), [2; 300]);
        assert_eq!(sizes(|_| 3 << 20), [1; 600]);
        assert!(calls(Vec::<usize>::new(), |_| 1).is_empty());
    }
}
