//! One replica: records, links, deletion, the feed, what other writers write.

use automerge::ScalarValue;
use automerge::transaction::Transactable;
use proptest::prelude::*;
use serde_json::{Value, json};
use skerry_sync::{Link, Member, ReadError, Record, RecordError, Replica, Target, WriteError};
use std::collections::{BTreeMap, BTreeSet};

use crate::{NOW, all, key, project, replica, text};

fn rich(name: &str) -> Record {
    let member = |role: &str, key: &str| Member { role: role.into(), target: Target::Key(key.into()) };
    Record {
        data: json!({
            "a": 1, "b": -2.5, "c": "x", "d": null, "e": true, "big": u64::MAX, "least": i64::MIN,
            "list": [1, {"k": []}], "object": {}, "nested": {"x/y": {"~": "t"}, "\u{1f}": 0.1}
        })
        .as_object()
        .unwrap()
        .clone(),
        metadata: json!({"source": "test"}).as_object().unwrap().clone(),
        layers: BTreeSet::from(["one".to_owned(), "view/1".to_owned()]),
        links: vec![Link {
            kind: "parent".into(),
            members: vec![member("child", name), member("parent", "elsewhere")],
            weight: 0.5,
            layers: BTreeSet::from(["one".to_owned()]),
            ..Link::default()
        }],
        ..text(name, "Text with 漢字 and \"quotes\"")
    }
}

/// Every kind of JSON value must come back as it went in, also after a restart and from the documents alone.
#[test]
fn a_record_comes_back_as_it_went_in() {
    let (dir, replica) = replica();
    replica.publish(&project(), &[rich("k")], NOW).unwrap();
    assert_eq!(replica.get(&project(), &key("k")).unwrap(), Some(rich("k")));
    assert_eq!(replica.verify(&project()).unwrap().differing, [] as [String; 0]);
    drop(replica);
    let replica = Replica::open(dir.path()).unwrap();
    assert_eq!(replica.get(&project(), &key("k")).unwrap(), Some(rich("k")));
    assert_eq!(replica.verify(&project()).unwrap().differing, [] as [String; 0]);
}

/// Publishing again replaces the whole record; publishing the same changes nothing, not even the version.
#[test]
fn publishing_again_replaces() {
    let (_dir, replica) = replica();
    let first = replica.publish(&project(), &[rich("k"), text("k2", "b")], NOW).unwrap();
    assert_eq!(first.changed, 2);
    let same = replica.publish(&project(), &[rich("k")], NOW).unwrap();
    assert_eq!((same.changed, &same.version, same.sequence), (0, &first.version, first.sequence));
    let other = replica.publish(&project(), &[text("k", "only text")], NOW).unwrap();
    assert_eq!(other.changed, 1);
    assert_ne!(other.version, first.version);
    assert_eq!(replica.get(&project(), &key("k")).unwrap(), Some(text("k", "only text")));
}

/// A deleted record is gone; published anew, nothing of the old one is left.
#[test]
fn deletion_and_revival() {
    let (_dir, replica) = replica();
    replica.publish(&project(), &[rich("k")], NOW).unwrap();
    assert_eq!(replica.delete(&project(), &[key("k"), key("absent")], NOW).unwrap().changed, 1);
    assert_eq!(replica.get(&project(), &key("k")).unwrap(), None);
    assert_eq!(replica.delete(&project(), &[key("k")], NOW).unwrap().changed, 0);
    replica.publish(&project(), &[text("k", "back")], NOW).unwrap();
    assert_eq!(all(&replica), [text("k", "back")]);
    assert_eq!(replica.verify(&project()).unwrap().differing, [] as [String; 0]);
}

/// The feed names each record once, at its last change, in order; readers that come back later miss nothing.
#[test]
fn the_feed_has_the_last_change_of_each_record() {
    let (_dir, replica) = replica();
    for (name, content) in [("a", "1"), ("b", "1"), ("a", "2")] {
        replica.publish(&project(), &[text(name, content)], NOW).unwrap();
    }
    let changes = |since| -> Vec<(String, bool)> {
        let changes = replica.changes(&project(), since, 10).unwrap();
        changes.into_iter().map(|change| (change.key.to_string(), change.deleted)).collect()
    };
    assert_eq!(changes(0), [("b".to_owned(), false), ("a".to_owned(), false)]);
    let seen = replica.sequence(&project()).unwrap();
    replica.delete(&project(), &[key("b")], NOW).unwrap();
    assert_eq!(changes(seen), [("b".to_owned(), true)]);
    assert_eq!(replica.changes(&project(), 0, 1).unwrap().len(), 1);
}

/// A bad record refuses the whole call and names itself; an unknown project is told apart.
#[test]
fn refusals_change_nothing() {
    let (_dir, replica) = replica();
    let before = replica.version(&project()).unwrap();
    let long = text("long", &"x".repeat((1 << 20) + 1));
    match replica.publish(&project(), &[text("good", "x"), long], NOW) {
        Err(WriteError::Record { index: 1, key, reason: RecordError::TextTooLong { .. } }) => assert_eq!(key, "long"),
        other => panic!("{other:?}"),
    }
    assert_eq!(replica.version(&project()).unwrap(), before);
    assert!(all(&replica).is_empty());
    let unknown = skerry_sync::ProjectName::parse("unknown").unwrap();
    assert!(matches!(replica.publish(&unknown, &[], NOW), Err(WriteError::UnknownProject(name)) if name == "unknown"));
    assert!(matches!(replica.get(&unknown, &key("k")), Err(ReadError::UnknownProject(_))));
    assert!(matches!(replica.scan(&unknown, None, 1), Err(ReadError::UnknownProject(_))));
}

/// JavaScript clients write strings as Text objects and arrays as List objects; both are read as what they mean.
#[test]
fn other_writers_are_read() {
    let (_dir, replica) = replica();
    let leaf = |path: &str| format!("js\u{1f}{path}");
    replica
        .edit_document_for_tests(&project(), &key("js"), |transaction, map| {
            transaction.put(map, leaf("@live"), true)?;
            let title = transaction.put_object(map, leaf("text"), automerge::ObjType::Text)?;
            transaction.splice_text(&title, 0, 0, "typed in a browser")?;
            let tags = transaction.put_object(map, leaf("data/tags"), automerge::ObjType::List)?;
            transaction.insert(&tags, 0, "a")?;
            transaction.insert(&tags, 1, 2)?;
            transaction.put(map, leaf("data/broken"), ScalarValue::Bytes(b"[1,".to_vec()))?;
            transaction.put(map, leaf("data/a"), "scalar")?;
            transaction.put(map, leaf("data/a/b"), "object wins")?;
            transaction.put(map, leaf("nonsense"), 1)?;
            Ok(())
        })
        .unwrap();
    let record = replica.get(&project(), &key("js")).unwrap().unwrap();
    assert_eq!(record.text, "typed in a browser");
    assert_eq!(Value::Object(record.data), json!({"tags": ["a", 2], "a": {"b": "object wins"}}));
}

/// A batch is one transaction; the last of equal keys wins.
#[test]
fn the_last_of_equal_keys_wins() {
    let (_dir, replica) = replica();
    let commit = replica.publish(&project(), &[text("k", "1"), text("k", "2")], NOW).unwrap();
    assert_eq!(commit.changed, 1);
    assert_eq!(all(&replica), [text("k", "2")]);
}

/// Many small writes to one record fold their chunks; the document stays whole through it and through a restart.
#[test]
fn many_writes_are_compacted() {
    let (dir, replica) = replica();
    for number in 0..200 {
        replica.publish(&project(), &[text("k", &number.to_string())], NOW).unwrap();
    }
    let version = replica.version(&project()).unwrap();
    drop(replica);
    let replica = Replica::open(dir.path()).unwrap();
    assert_eq!(replica.version(&project()).unwrap(), version);
    assert_eq!(replica.verify(&project()).unwrap().differing, [] as [String; 0]);
    replica.publish(&project(), &[text("k", "more")], NOW).unwrap();
    assert_eq!(all(&replica), [text("k", "more")]);
}

#[derive(Debug, Clone)]
enum Step {
    Publish(u8, String),
    Delete(u8),
    Reopen,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (0_u8..12, "[a-z]{0,6}").prop_map(|(key, text)| Step::Publish(key, text)),
        2 => (0_u8..12).prop_map(Step::Delete),
        1 => Just(Step::Reopen),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    /// The store against a BTreeMap, restarts included.
    #[test]
    fn a_replica_is_a_map(steps in proptest::collection::vec(step(), 1..40)) {
        let (dir, mut replica) = replica();
        let mut model = BTreeMap::new();
        for step in steps {
            match step {
                Step::Publish(name, content) => {
                    let record = text(&format!("k{name}"), &content);
                    replica.publish(&project(), std::slice::from_ref(&record), NOW).unwrap();
                    model.insert(record.key.clone(), record);
                }
                Step::Delete(name) => {
                    let key = key(&format!("k{name}"));
                    let changed = replica.delete(&project(), std::slice::from_ref(&key), NOW).unwrap().changed;
                    prop_assert_eq!(changed, usize::from(model.remove(&key).is_some()));
                }
                Step::Reopen => {
                    drop(replica);
                    replica = Replica::open(dir.path()).unwrap();
                }
            }
            prop_assert_eq!(replica.projects().unwrap()[0].records, model.len() as u64);
        }
        prop_assert_eq!(all(&replica), model.into_values().collect::<Vec<_>>());
        prop_assert!(replica.verify(&project()).unwrap().differing.is_empty());
    }
}
