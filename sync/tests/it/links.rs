//! Links as leaves (decision 0011): replicas that change different parts of one link both keep their change, links that older
//! programs wrote are read and edited, and what foreign writers make of a link never breaks a reader.

use std::collections::BTreeSet;

use automerge::transaction::Transactable;
use automerge::{ObjType, ReadDoc, ScalarValue};
use proptest::prelude::*;
use serde_json::{Map, Value, json};
use skerry_sync::{Interval, Link, Member, Record, Replica, Target};

use crate::{NOW, all, key, project, replica, sync, text};

fn member(role: &str, name: &str) -> Member {
    Member { role: role.into(), target: Target::Key(name.into()) }
}

fn link(kind: &str) -> Link {
    Link { kind: kind.into(), members: vec![member("subject", "k"), member("object", "o")], ..Link::default() }
}

fn with(links: impl IntoIterator<Item = Link>) -> Record {
    Record { links: links.into_iter().collect(), ..text("k", "t") }.canonical()
}

fn publish(replica: &Replica, link: &Link) {
    replica.publish(&project(), &[with([link.clone()])], NOW).unwrap();
}

fn read(replica: &Replica) -> Vec<Link> {
    replica.get(&project(), &key("k")).unwrap().map(|record| record.links).unwrap_or_default()
}

fn names<const N: usize>(names: [&str; N]) -> BTreeSet<String> {
    names.map(str::to_owned).into()
}

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(object) => object,
        other => panic!("{other}"),
    }
}

fn leaf(id: &str, rest: &str) -> String {
    format!("k\u{1f}link/{id}{rest}")
}

/// The leaves of the record `k`, without its name.
fn leaves(replica: &Replica) -> Vec<String> {
    let epoch = replica.epoch(&project()).unwrap();
    let slot = epoch.slot_of(&key("k"));
    let document = replica.document_for_tests(&project(), &epoch, slot).unwrap();
    let map = skerry_sync::document::leaves_map(&document, slot).unwrap();
    document.keys(&map).map(|leaf| leaf.replace("k\u{1f}", "")).collect()
}

/// What an older program writes: weight and layers inside the first leaf, and no leaves beside it.
fn write_old(replica: &Replica, link: &Link) {
    let json = json!({ "type": link.kind, "members": link.members, "weight": link.weight, "layers": link.layers });
    let at = leaf(&link.id(), "");
    replica
        .edit_document_for_tests(&project(), &key("k"), |transaction, map| {
            transaction.put(map, "k\u{1f}@live", true)?;
            transaction.put(map, "k\u{1f}text", "t")?;
            transaction.put(map, at, json.to_string())
        })
        .unwrap();
}

#[derive(Debug, Clone)]
enum Edit {
    Weight(i8),
    Layer(u8, bool),
    Qualifier(u8, Option<u8>),
    Since(Option<i64>),
    Until(Option<i64>),
}

fn edit() -> impl Strategy<Value = Edit> {
    prop_oneof![
        any::<i8>().prop_map(Edit::Weight),
        (0_u8..4, any::<bool>()).prop_map(|(name, there)| Edit::Layer(name, there)),
        (0_u8..3, proptest::option::of(0_u8..4)).prop_map(|(name, value)| Edit::Qualifier(name, value)),
        proptest::option::of(0_i64..6).prop_map(Edit::Since),
        proptest::option::of(3_i64..9).prop_map(Edit::Until),
    ]
}

fn apply(link: &mut Link, edit: &Edit) {
    match edit {
        Edit::Weight(weight) => link.weight = f64::from(*weight) / 4.0,
        Edit::Layer(name, true) => drop(link.layers.insert(format!("layer/{name}"))),
        Edit::Layer(name, false) => drop(link.layers.remove(&format!("layer/{name}"))),
        Edit::Qualifier(name, Some(value)) => {
            let value = if *value == 0 { json!({ "deep": [1, value] }) } else { json!(value) };
            drop(link.qualifiers.insert(format!("q/{name}"), value));
        }
        Edit::Qualifier(name, None) => drop(link.qualifiers.remove(&format!("q/{name}"))),
        Edit::Since(since) => link.valid.since = *since,
        Edit::Until(until) => link.valid.until = *until,
    }
}

/// Edits the link as a user does: reads the record, changes the link, publishes the record.
fn edit_at(replica: &Replica, edit: &Edit) {
    let Some(mut record) = replica.get(&project(), &key("k")).unwrap() else { return };
    let Some(link) = record.links.first_mut() else { return };
    apply(link, edit);
    if record.check().is_ok() {
        replica.publish(&project(), &[record.clone()], NOW).unwrap();
        assert_eq!(replica.get(&project(), &key("k")).unwrap(), Some(record));
    }
}

fn assert_sound(replica: &Replica) {
    assert!(replica.verify(&project()).unwrap().differing.is_empty());
    all(replica).iter().for_each(|record| assert_eq!(record.check(), Ok(())));
}

/// Weight, layers, qualifiers and both ends of the valid time have leaves of their own: two replicas that change different
/// ones both keep their change.
#[test]
fn edits_of_different_parts_are_both_kept() {
    let ((_a_dir, a), (_b_dir, b)) = (replica(), replica());
    let base = Link { layers: names(["old"]), qualifiers: object(json!({"source": "x"})), ..link("t") };
    publish(&a, &base);
    sync(&a, &b);
    publish(&a, &Link { weight: 0.5, layers: names(["old", "a"]), ..base.clone() });
    let valid = Interval { since: Some(10), until: None };
    publish(
        &b,
        &Link { layers: names(["b"]), qualifiers: object(json!({"source": "x", "by": {"b": 1}})), valid, ..base },
    );
    sync(&a, &b);
    let qualifiers = object(json!({"source": "x", "by": {"b": 1}}));
    let expected = Link { weight: 0.5, layers: names(["a", "b"]), qualifiers, valid, ..link("t") };
    assert_eq!((read(&a), read(&b)), (vec![expected.clone()], vec![expected]));
}

/// A link that one replica deletes while another changes it is gone, and the next write takes away what is left of it.
#[test]
fn a_deleted_link_is_gone_whatever_is_left() {
    let ((_a_dir, a), (_b_dir, b)) = (replica(), replica());
    publish(&a, &link("t"));
    sync(&a, &b);
    a.publish(&project(), &[with([])], NOW).unwrap();
    publish(&b, &Link { weight: 3.0, layers: names(["l"]), ..link("t") });
    sync(&a, &b);
    assert_eq!((read(&a), read(&b)), (vec![], vec![]));
    assert_eq!(leaves(&a).len(), 4, "{:?}", leaves(&a));
    b.publish(&project(), &[with([])], NOW).unwrap();
    assert_eq!(leaves(&b), ["@live", "text"]);
    publish(&b, &link("t"));
    assert_eq!(read(&b), [link("t")]);
}

/// Two ends that do not fit each other, each set by another replica, would make a link that no replica may publish: the end
/// is passed over.
#[test]
fn a_valid_time_that_never_holds_has_no_end() {
    let ((_a_dir, a), (_b_dir, b)) = (replica(), replica());
    publish(&a, &link("t"));
    sync(&a, &b);
    publish(&a, &Link { valid: Interval { since: Some(20), until: None }, ..link("t") });
    publish(&b, &Link { valid: Interval { since: None, until: Some(10) }, ..link("t") });
    sync(&a, &b);
    assert_eq!(read(&a)[0].valid, Interval { since: Some(20), until: None });
    a.publish(&project(), &all(&a), NOW).unwrap();
    assert!(!leaves(&a).iter().any(|leaf| leaf.ends_with("until")));
    assert_sound(&a);
}

/// A link that an older program wrote is read, and left as it is where it can be: what such a program changes in it while
/// this one adds something beside it is kept, too.
#[test]
fn older_links_are_read_and_edited_beside() {
    let ((_a_dir, a), (_b_dir, b)) = (replica(), replica());
    let old = Link { weight: 0.5, layers: names(["one"]), ..link("t") };
    write_old(&a, &old);
    assert_eq!(read(&a), std::slice::from_ref(&old));
    assert_eq!(a.publish(&project(), &all(&a), NOW).unwrap().changed, 0);
    sync(&a, &b);
    publish(&a, &Link { layers: names(["one", "two"]), ..old.clone() });
    write_old(&b, &Link { weight: 0.75, ..old.clone() });
    sync(&a, &b);
    let both = Link { weight: 0.75, layers: names(["one", "two"]), ..old.clone() };
    assert_eq!((read(&a), read(&b)), (vec![both.clone()], vec![both.clone()]));
    // The leaf beside counts, also where it says what is usual.
    publish(&a, &Link { weight: 1.0, ..both.clone() });
    assert!(leaves(&a).iter().any(|leaf| leaf.ends_with("/weight")));
    assert_eq!(read(&a)[0].weight.to_bits(), 1.0_f64.to_bits());
    // What stands in the old leaf can be taken out of it.
    publish(&a, &Link { layers: names(["two"]), ..both });
    assert_eq!(read(&a)[0].layers, names(["two"]));
    publish(&a, &link("t"));
    assert_eq!((read(&a), leaves(&a).len()), (vec![link("t")], 3));
    assert_sound(&a);
}

/// JavaScript clients write strings as Text objects and numbers as they come.
#[test]
fn other_writers_are_read() {
    let (_dir, replica) = replica();
    let id = link("t").id();
    replica
        .edit_document_for_tests(&project(), &key("k"), |transaction, map| {
            transaction.put(map, "k\u{1f}@live", true)?;
            let first = transaction.put_object(map, leaf(&id, ""), ObjType::Text)?;
            let json = json!({"members": link("t").members, "type": "t"}).to_string();
            transaction.splice_text(&first, 0, 0, &json)?;
            transaction.put(map, leaf(&id, "/weight"), 2)?;
            transaction.put(map, leaf(&id, "/since"), 1.5e12)?;
            transaction.put(map, leaf(&id, "/until"), ScalarValue::Timestamp(1_600_000_000_000))?;
            let note = transaction.put_object(map, leaf(&id, "/qualifier/note"), ObjType::Text)?;
            transaction.splice_text(&note, 0, 0, "typed")
        })
        .unwrap();
    let valid = Interval { since: Some(1_500_000_000_000), until: Some(1_600_000_000_000) };
    let expected = Link { weight: 2.0, valid, qualifiers: object(json!({"note": "typed"})), ..link("t") };
    assert_eq!(read(&replica), [expected]);
    assert_sound(&replica);
}

/// What no program of ours writes: it is passed over, and what is left is a record that can be published.
#[test]
fn hostile_leaves_are_passed_over() {
    let (_dir, replica) = replica();
    let long = "x".repeat(16 << 10);
    let links: Vec<Link> = (0..1_200).map(|number| link(&format!("t{number}"))).collect();
    let first = links.iter().map(Link::id).min().unwrap();
    let json = |link: &Link| json!({"type": link.kind, "members": link.members}).to_string();
    let many = Link { members: vec![member("r", "k"); 65], ..link("many") };
    let own = Link { members: vec![member("child", "k"), member("parent", "k")], ..link("parent") };
    replica
        .edit_document_for_tests(&project(), &key("k"), |transaction, map| {
            transaction.put(map, "k\u{1f}@live", true)?;
            for link in links.iter().chain([&many, &own]) {
                transaction.put(map, leaf(&link.id(), ""), json(link))?;
            }
            for (path, value) in [("/weight", f64::NAN), ("/since", f64::INFINITY), ("/until", 0.5)] {
                transaction.put(map, leaf(&first, path), value)?;
            }
            for number in 0..100 {
                transaction.put(map, leaf(&first, &format!("/layer/{number:02}")), true)?;
                transaction.put(map, format!("k\u{1f}layer/{number:02}"), true)?;
            }
            transaction.put(map, leaf(&first, "/layer/a\nb"), true)?;
            transaction.put(map, leaf(&first, "/layer/"), true)?;
            transaction.put(map, leaf(&first, "/qualifier/a"), 1)?;
            transaction.put(map, leaf(&first, "/qualifier/b"), long.as_str())?;
            transaction.put(map, leaf(&first, &format!("/qualifier/c{}", "/d".repeat(40))), 1)?;
            transaction.put(map, leaf(&first, "/qualifier/e"), 2)?;
            transaction.put(map, leaf(&first, "/unknown/path"), 1)?;
            transaction.put(map, leaf("0123456789abcdef01234567", ""), json(&links[0]))?;
            transaction.put(map, leaf("", "//"), 1)?;
            transaction.put(map, leaf("not json", ""), "{")?;
            transaction.put(map, leaf("not text", ""), 7)
        })
        .unwrap();
    let read = read(&replica);
    assert_eq!(read.len(), 1_000);
    let least = &read[0];
    assert_eq!((least.id(), least.weight, least.valid), (first, 1.0, Interval::default()));
    assert_eq!(least.layers.len(), 64);
    assert_eq!(Value::Object(least.qualifiers.clone()), json!({"a": 1, "e": 2}));
    assert_sound(&replica);
    replica.publish(&project(), &all(&replica), NOW).unwrap();
    assert_sound(&replica);
}

/// Qualifiers at the limit come back whole.
#[test]
fn qualifiers_at_the_limit_come_back() {
    let (_dir, replica) = replica();
    let fields = |last: usize| object(json!({"a": 1, "b": {"c": "x"}, "d": "y".repeat(last)}));
    let most = (0..).take_while(|last| with([Link { qualifiers: fields(*last), ..link("t") }]).check().is_ok());
    let full = Link { qualifiers: fields(most.last().unwrap()), ..link("t") };
    publish(&replica, &full);
    assert_eq!(read(&replica), [full]);
}

/// Links survive a cut: the new epoch's documents say the same.
#[test]
fn links_survive_an_epoch() {
    let (_dir, replica) = replica();
    let valid = Interval { since: Some(1), until: Some(2) };
    let rich = Link { weight: 0.5, layers: names(["l"]), qualifiers: object(json!({"q": 1})), valid, ..link("t") };
    write_old(&replica, &Link { layers: names(["old"]), ..link("u") });
    let before = replica.get(&project(), &key("k")).unwrap().unwrap();
    let links = [rich.clone()].into_iter().chain(before.links).collect::<Vec<_>>();
    replica.publish(&project(), &[with(links.clone())], NOW).unwrap();
    replica.compact(&project(), NOW).unwrap();
    assert_eq!(read(&replica), with(links).links);
    assert_sound(&replica);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    /// Whatever three replicas do to one link apart from each other (also one that an older program wrote), in whatever order
    /// they meet, they end with the same record, which can be published as it is; and saying it again changes nothing.
    #[test]
    fn edits_of_a_link_converge(
        old in any::<bool>(),
        edits in proptest::collection::vec((0_usize..3, edit(), any::<Option<bool>>()), 1..16),
    ) {
        let replicas = [replica(), replica(), replica()];
        let at = |index: usize| &replicas[index].1;
        let first = Link { weight: 0.5, layers: names(["layer/0"]), ..link("t") };
        if old { write_old(at(0), &first) } else { publish(at(0), &first) }
        sync(at(0), at(1));
        sync(at(1), at(2));
        for (index, edit, meet) in &edits {
            edit_at(at(*index), edit);
            if let Some(next) = meet {
                sync(at(*index), at((*index + 1 + usize::from(*next)) % 3));
            }
        }
        // Each order of meeting gives the same.
        let joined = |order: [usize; 3]| {
            let target = replica();
            for index in order {
                sync(&target.1, at(index));
            }
            (target.1.version(&project()).unwrap(), all(&target.1))
        };
        sync(at(0), at(1));
        sync(at(1), at(2));
        sync(at(0), at(1));
        let expected = (at(0).version(&project()).unwrap(), all(at(0)));
        for order in [[0, 1, 2], [2, 0, 1], [1, 2, 0]] {
            prop_assert_eq!(&joined(order), &expected);
        }
        for (_, replica) in &replicas {
            prop_assert_eq!(&all(replica), &expected.1);
            assert_sound(replica);
            let same = replica.publish(&project(), &all(replica), NOW).unwrap();
            prop_assert_eq!(same.changed, 0);
        }
    }

    /// Merging the links of three replicas commutes and associates.
    #[test]
    fn merging_links_commutes(edits in proptest::collection::vec((0_usize..3, edit()), 1..12)) {
        let originals = [replica(), replica(), replica()];
        originals.iter().for_each(|(_, replica)| publish(replica, &link("t")));
        for (index, edit) in &edits {
            edit_at(&originals[*index].1, edit);
        }
        let joined = |order: [usize; 3]| {
            let target = replica();
            for index in order {
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
