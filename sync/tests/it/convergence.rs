//! Replicas that wrote apart and then talked hold the same, whatever the order (guarantee 2 of the design).

use proptest::prelude::*;
use serde_json::json;
use skerry_sync::{Link, Member, Record, Replica, Target};
use std::collections::BTreeSet;

use crate::{NOW, all, key, project, replica, sync, text};

#[derive(Debug, Clone)]
enum Step {
    Publish {
        replica: usize,
        record: Record,
    },
    Delete {
        replica: usize,
        key: u8,
    },
    Sync {
        from: usize,
        to: usize,
    },
    /// A sync whose connection breaks after this many answers, the last of which was not heard.
    Broken {
        from: usize,
        to: usize,
        rounds: usize,
    },
}

/// Records with fields that collide, under keys k0 to k4.
pub(crate) fn record() -> impl Strategy<Value = Record> {
    let shape = prop_oneof![
        "[a-c]{1,2}".prop_map(|word| json!({ "a": word })),
        (0..3).prop_map(|number| json!({ "a": { "b": number } })),
        (0..3).prop_map(|number| json!({ "a": [number], "c": number })),
        Just(json!({})),
    ];
    let layers = proptest::collection::btree_set("[xyz]", 0..2);
    (0_u8..5, "[a-d]{0,3}", shape, layers, proptest::option::of(0_u8..3)).prop_map(
        |(name, words, data, layers, link)| {
            let member = |role: &str, key: String| Member { role: role.into(), target: Target::Key(key) };
            let link = link.map(|target| Link {
                kind: "references".into(),
                members: vec![member("subject", format!("k{name}")), member("object", format!("k{target}"))],
                weight: f64::from(target) / 2.0,
                ..Link::default()
            });
            let data = data.as_object().unwrap().clone();
            Record { data, layers, links: link.into_iter().collect(), ..text(&format!("k{name}"), &words) }
        },
    )
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        5 => (0_usize..3, record()).prop_map(|(replica, record)| Step::Publish { replica, record }),
        2 => (0_usize..3, 0_u8..5).prop_map(|(replica, key)| Step::Delete { replica, key }),
        2 => (0_usize..3, 0_usize..3).prop_map(|(from, to)| Step::Sync { from, to }),
        1 => (0_usize..3, 0_usize..3, 0_usize..3).prop_map(|(from, to, rounds)| Step::Broken { from, to, rounds }),
    ]
}

fn broken_sync(here: &Replica, there: &Replica, rounds: usize) {
    let mut session = here.session(&project());
    for _ in 0..rounds {
        let Some(request) = session.next_request().unwrap() else { return };
        session.handle_response(&there.exchange(&project(), &request).unwrap()).unwrap();
    }
    if let Some(request) = session.next_request().unwrap() {
        there.exchange(&project(), &request).unwrap();
    }
}

fn assert_same(a: &Replica, b: &Replica) {
    assert_eq!(a.version(&project()).unwrap(), b.version(&project()).unwrap());
    assert_eq!(all(a), all(b));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    /// Any interleaving of writes, deletions and (broken) syncs of three replicas ends, after everybody talked to
    /// everybody, in the same version and the same records; and the stored records are what the documents say.
    #[test]
    fn three_replicas_converge(steps in proptest::collection::vec(step(), 1..30)) {
        let replicas = [replica(), replica(), replica()];
        let at = |index: usize| &replicas[index].1;
        for step in steps {
            match step {
                Step::Publish { replica, record } => {
                    at(replica).publish(&project(), &[record], NOW).unwrap();
                }
                Step::Delete { replica, key: name } => {
                    at(replica).delete(&project(), &[key(&format!("k{name}"))], NOW).unwrap();
                }
                Step::Sync { from, to } if from != to => {
                    sync(at(from), at(to));
                    assert_same(at(from), at(to));
                }
                Step::Broken { from, to, rounds } if from != to => broken_sync(at(from), at(to), rounds),
                Step::Sync { .. } | Step::Broken { .. } => {}
            }
        }
        sync(at(0), at(1));
        sync(at(1), at(2));
        sync(at(0), at(1));
        assert_same(at(0), at(1));
        assert_same(at(1), at(2));
        for (_, replica) in &replicas {
            prop_assert!(replica.verify(&project()).unwrap().differing.is_empty());
        }
        // Idempotent: saying it again moves nothing.
        prop_assert_eq!(sync(at(0), at(2)), 1);
    }

    /// Merging commutes and associates: a+(b+c) and (c+a)+b are the same state.
    #[test]
    fn merging_commutes_and_associates(edits in proptest::collection::vec((0_usize..3, record()), 1..12)) {
        let originals = [replica(), replica(), replica()];
        for (index, record) in edits {
            originals[index].1.publish(&project(), &[record], NOW).unwrap();
        }
        let joined = |order: [usize; 3]| {
            let target = replica();
            for index in order {
                // One way only: the originals stay as they are.
                let copy = replica();
                sync(&copy.1, &originals[index].1);
                sync(&target.1, &copy.1);
            }
            (target.1.version(&project()).unwrap(), all(&target.1))
        };
        let first = joined([0, 1, 2]);
        prop_assert_eq!(&first, &joined([2, 0, 1]));
        prop_assert_eq!(&first, &joined([1, 2, 0]));
    }
}

/// Fields that two replicas edit apart merge; the same field has one winner on both.
#[test]
fn fields_merge() {
    let ((_a_dir, a), (_b_dir, b)) = (replica(), replica());
    let with = |data: serde_json::Value| Record { data: data.as_object().unwrap().clone(), ..text("k", "t") };
    a.publish(&project(), &[with(json!({"x": 1, "y": 1}))], NOW).unwrap();
    sync(&a, &b);
    a.publish(&project(), &[with(json!({"x": 2, "y": 1}))], NOW).unwrap();
    b.publish(&project(), &[with(json!({"x": 1, "y": 3, "z": [1]}))], NOW).unwrap();
    sync(&a, &b);
    let merged = a.get(&project(), &key("k")).unwrap().unwrap();
    assert_eq!(serde_json::Value::Object(merged.data), json!({"x": 2, "y": 3, "z": [1]}));
    assert_same(&a, &b);
}

/// A deletion wins over an edit made at the same time; a publish after both brings the record back, without old fields.
#[test]
fn delete_wins_and_a_later_publish_revives() {
    let ((_a_dir, a), (_b_dir, b)) = (replica(), replica());
    a.publish(&project(), &[text("k", "old")], NOW).unwrap();
    sync(&a, &b);
    a.delete(&project(), &[key("k")], NOW).unwrap();
    let edited = Record { layers: BTreeSet::from(["late".to_owned()]), ..text("k", "edited") };
    b.publish(&project(), &[edited], NOW).unwrap();
    sync(&a, &b);
    assert_eq!((all(&a), all(&b)), (vec![], vec![]));
    b.publish(&project(), &[text("k", "new")], NOW).unwrap();
    sync(&a, &b);
    assert_eq!(all(&a), [text("k", "new")]);
    assert_same(&a, &b);
}

/// A deletion counts although its value loses against two others that already were in conflict. Automerge logs no patch
/// then, and a replica that looked for touched records in patches went on showing the record: same version, other records.
#[test]
fn a_deletion_behind_a_conflict_is_seen() {
    let ((_a_dir, a), (_b_dir, b), (_c_dir, c)) = (replica(), replica(), replica());
    let layers = |n: u8| (0..n).map(|layer| layer.to_string()).collect::<BTreeSet<_>>();
    // The more leaves a publish writes, the higher the number of its last operation, and the highest wins.
    a.publish(&project(), &[Record { layers: layers(9), ..text("k", "a") }], NOW).unwrap();
    b.publish(&project(), &[Record { layers: layers(8), ..text("k", "b") }], NOW).unwrap();
    c.publish(&project(), &[text("k", "")], NOW).unwrap();
    c.delete(&project(), &[key("k")], NOW).unwrap();
    sync(&a, &b);
    assert_eq!(all(&a).len(), 1);
    sync(&a, &c);
    assert_same(&a, &c);
    assert_eq!(all(&a), []);
}

/// Replicas that never met created the same record: both have it, as one.
#[test]
fn records_created_apart_are_one() {
    let ((_a_dir, a), (_b_dir, b)) = (replica(), replica());
    a.publish(&project(), &[text("k", "from a"), text("a", "only a")], NOW).unwrap();
    b.publish(&project(), &[text("k", "from b"), text("b", "only b")], NOW).unwrap();
    sync(&a, &b);
    assert_same(&a, &b);
    let keys: Vec<String> = all(&a).iter().map(|record| record.key.to_string()).collect();
    assert_eq!(keys, ["a", "b", "k"]);
}

/// A project that one side does not have comes into being there, description included.
#[test]
fn a_project_travels() {
    let (_a_dir, a) = replica();
    a.create_project(&project(), "about the sea", NOW).unwrap();
    a.publish(&project(), &[text("k", "t")], NOW).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let b = Replica::open(dir.path()).unwrap();
    sync(&b, &a);
    assert_eq!(b.projects().unwrap(), a.projects().unwrap());
    assert_same(&a, &b);
}

/// A first sync of many records takes a few requests, and one more when there is nothing to say.
#[test]
fn a_first_sync_is_short() {
    let ((_a_dir, a), (_b_dir, b)) = (replica(), replica());
    let records: Vec<Record> = (0..2_000).map(|n| text(&format!("k{n}"), &format!("record number {n}"))).collect();
    a.publish(&project(), &records, NOW).unwrap();
    assert!(sync(&b, &a) <= 4);
    assert_same(&a, &b);
    assert_eq!(sync(&b, &a), 1);
}
