//! Documents that other programs write: any value at any leaf of shards and of the catalog.

use automerge::transaction::{CommitOptions, Transactable};
use automerge::{ActorId, ObjType, ScalarValue};
use proptest::prelude::*;
use skerry_sync::document::{DocumentId, SHARDS, Slot, genesis, leaves_map};

use crate::disk::Disk;
use crate::{NOW, assert_sound, project};

/// A value as it may stand in a document.
#[derive(Debug, Clone)]
enum Value {
    Scalar(ScalarValue),
    Text(String),
    List(Vec<Value>),
    Map(Vec<(String, Value)>),
}

fn value() -> impl Strategy<Value = Value> {
    let words = prop_oneof![
        "[ -~\u{1f}]{0,12}",
        Just(r#"{"tokens":8,"overlap":3}"#.to_owned()),
        Just(r#"{"tokens":4294967295,"overlap":4294967295}"#.to_owned()),
        Just(r#"{"type":"t","members":[],"weight":1e999}"#.to_owned()),
        Just(r#"{"type":"t","members":[{"role":"r","key":"k"}],"weight":1}"#.to_owned()),
        Just("[".repeat(200)),
    ];
    let scalar = prop_oneof![
        words.clone().prop_map(|text| ScalarValue::Str(text.into())),
        words.clone().prop_map(|text| ScalarValue::Bytes(text.into_bytes())),
        any::<i64>().prop_map(ScalarValue::Int),
        any::<u64>().prop_map(ScalarValue::Uint),
        any::<f64>().prop_map(ScalarValue::F64),
        any::<i64>().prop_map(ScalarValue::counter),
        any::<i64>().prop_map(ScalarValue::Timestamp),
        any::<bool>().prop_map(ScalarValue::Boolean),
        Just(ScalarValue::Null),
    ];
    let leaf = prop_oneof![4 => scalar.prop_map(Value::Scalar), 1 => words.prop_map(Value::Text)];
    leaf.prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(Value::List),
            prop::collection::vec(("[a/~\u{1f}]{0,3}", inner), 0..3).prop_map(Value::Map),
        ]
    })
}

fn put(at: &mut impl Transactable, object: &automerge::ObjId, name: &str, value: &Value) {
    match value {
        Value::Scalar(scalar) => at.put(object, name, scalar.clone()).unwrap(),
        Value::Text(text) => {
            let id = at.put_object(object, name, ObjType::Text).unwrap();
            at.splice_text(&id, 0, 0, text).unwrap();
        }
        Value::List(values) => {
            let id = at.put_object(object, name, ObjType::List).unwrap();
            for (index, value) in values.iter().enumerate() {
                match value {
                    Value::Scalar(scalar) => at.insert(&id, index, scalar.clone()).unwrap(),
                    Value::Text(_) => drop(at.insert_object(&id, index, ObjType::Text).unwrap()),
                    Value::List(_) => drop(at.insert_object(&id, index, ObjType::List).unwrap()),
                    Value::Map(_) => drop(at.insert_object(&id, index, ObjType::Map).unwrap()),
                }
            }
        }
        Value::Map(fields) => {
            let id = at.put_object(object, name, ObjType::Map).unwrap();
            // Automerge has no empty names in maps.
            fields.iter().filter(|(name, _)| !name.is_empty()).for_each(|(name, value)| put(at, &id, name, value));
        }
    }
}

/// What a client of Automerge that knows nothing of our rules sends about one document.
fn foreign(slot: Slot, leaves: &[(String, Value)]) -> Vec<u8> {
    let mut document = genesis(&project(), slot).unwrap().with_actor(ActorId::from([7_u8; 16]));
    let map = leaves_map(&document, slot).unwrap();
    let mut transaction = document.transaction();
    for (name, value) in leaves {
        put(&mut transaction, &map, name, value);
    }
    transaction.commit_with(CommitOptions::default().with_time(0));
    let mut message =
        automerge::sync::SyncDoc::generate_sync_message(&document, &mut automerge::sync::State::new()).unwrap();
    let changes = document.get_changes(&genesis(&project(), slot).unwrap().get_heads());
    message.changes = changes.iter().map(|change| change.raw_bytes().to_vec()).collect::<Vec<_>>().into();
    crate::exchange::body_with(&DocumentId::derive(&project(), slot).0, &message.encode())
}

fn cases() -> ProptestConfig {
    let cases = std::env::var("SKERRY_FUZZ_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(200);
    ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() }
}

fn take(slot: Slot, leaves: &[(String, Value)]) {
    let replica = Disk::default().replica().unwrap();
    replica.create_project(&project(), "", NOW).unwrap();
    replica.exchange(&project(), &foreign(slot, leaves)).unwrap();
    assert_sound(&replica);
    let info = replica.project(&project()).unwrap();
    info.settings.check().unwrap();
    let json = serde_json::to_string(&replica.scan(&project(), None, usize::MAX).unwrap()).unwrap();
    let back: Vec<skerry_sync::Record> = serde_json::from_str(&json).unwrap();
    assert_eq!(serde_json::to_string(&back).unwrap(), json);
}

proptest! {
    #![proptest_config(cases())]

    /// Leaves of a shard.
    #[test]
    fn shard_leaves(leaves in prop::collection::vec(("k[01]?\u{1f}?(@live|text|data|data/|data/a|data/a/b|layer/x|link/0|[ -~]{0,5})", value()), 1..8),
                    live in any::<bool>()) {
        let mut leaves = leaves;
        if live {
            leaves.extend(["k0", "k1", "k"].map(|key| (format!("{key}\u{1f}@live"), Value::Scalar(true.into()))));
        }
        take(Slot::Shard((SHARDS - 1) as u16), &leaves);
    }

    /// Fields of the catalog.
    #[test]
    fn catalog_leaves(leaves in prop::collection::vec(("description|model|chunking|epochs?|[ -~]{1,5}", value()), 1..6)) {
        take(Slot::Catalog, &leaves);
    }
}
