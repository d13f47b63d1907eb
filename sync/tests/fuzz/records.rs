//! Records as callers send them and as stores and exports hold them, in JSON.

use skerry_fuzz::Target;
use skerry_sync::{ProjectName, Record, RecordKey};

use crate::disk::Disk;
use crate::{NOW, project};

const RECORDS: [&str; 4] = [
    r#"{"key":"k","text":"words","data":{"a":1,"b":[1.5,{"c":null}],"x/y":{"~":true}},"metadata":{"m":-1},"layers":["l"],"links":[{"type":"t","members":[{"role":"r","key":"k"}],"weight":0.5,"layers":["l"]}]}"#,
    r#"{"key":"k2"}"#,
    r#"{"key":"a/b","data":{"big":18446744073709551615,"least":-9223372036854775808,"e":1e300,"o":{}}}"#,
    r#"{"key":"\u00fc","text":"\ud83d\ude00 \u0000"}"#,
];

const WORDS: [&str; 16] = [
    "{",
    "}",
    "[",
    "]",
    ",",
    ":",
    "\"",
    "null",
    "true",
    "1e999",
    "-0.0",
    "\\u001f",
    "~1",
    "\"data\":",
    "\"links\":",
    "/",
];

/// What is taken comes back as it went in, from the store and from the documents.
#[test]
fn records_in_json() {
    let corpus = RECORDS.map(|record| record.as_bytes().to_vec());
    let image = {
        let disk = Disk::default();
        disk.replica().unwrap().create_project(&project(), "", NOW).unwrap();
        disk.bytes()
    };
    Target::new("records", &corpus).words(&WORDS).cases(800).run(|bytes| {
        let Ok(record) = serde_json::from_slice::<Record>(bytes) else { return };
        // Serde makes keys without checking them; whoever takes records from outside parses the key, as here.
        if RecordKey::parse(record.key.as_str()).is_err() || record.check().is_err() {
            return;
        }
        let replica = Disk::of(image.clone()).replica().unwrap();
        replica.publish(&project(), std::slice::from_ref(&record), NOW).unwrap();
        let json = |record: Option<Record>| serde_json::to_string(&record).unwrap();
        let found = replica.get(&project(), &record.key).unwrap();
        assert_eq!(json(found), json(Some(record.canonical())));
        assert_eq!(replica.verify(&project()).unwrap().differing, [] as [String; 0]);
    });
}

/// Names are parts of ids, of paths and of leaves.
#[test]
fn names() {
    let corpus = ["notes", "cwe-4.14_x", "CWE-79/\u{fc} \u{6f22}"].map(|name| name.as_bytes().to_vec());
    Target::new("names", &corpus).words(&["\u{1f}", "/", "..", "\0"]).cases(20_000).run_text(|name| {
        if let Ok(project) = ProjectName::parse(name) {
            assert_eq!(project.as_str(), name);
            assert!(!name.contains(['/', '\0', '\\']) && !name.starts_with('.'));
        }
        if let Ok(key) = RecordKey::parse(name) {
            assert_eq!(key.as_str(), name);
            assert!(!name.contains(char::is_control));
        }
    });
}
