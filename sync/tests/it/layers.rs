//! Declared layers and saved charts: they travel with the catalog, merge field by field, survive restarts and epochs, and what
//! a merge or a foreign writer makes of them breaks no reader.

use std::collections::BTreeSet;

use automerge::transaction::Transactable;
use automerge::{ObjType, ScalarValue};
use proptest::prelude::*;
use redb::ReadableTable;
use serde_json::json;
use skerry_sync::document::Slot;
use skerry_sync::{Interval, Layer, LayerError, LayerKind, Replica, WriteError, circles};

use crate::peer::Peer;
use crate::{NOW, project, replica, sync, text};

fn layer(name: &str, inherits: &[&str]) -> Layer {
    Layer { inherits: inherits.iter().map(|name| (*name).to_owned()).collect(), ..Layer::named(name) }
}

fn rich() -> Layer {
    Layer {
        kind: Some(LayerKind::Spatial),
        description: "The harbour".to_owned(),
        weight: 0.5,
        valid: Interval { since: Some(-5), until: Some(9) },
        data: json!({"area": [7.5, 53.5, 8.5, 54], "by": {"a/b": "c"}}).as_object().unwrap().clone(),
        ..layer("harbour/1", &["coast", "sea"])
    }
}

fn put(replica: &Replica, layers: &[Layer]) -> Result<usize, WriteError> {
    replica.put_layers(&project(), layers, NOW)
}

fn read(replica: &Replica) -> Vec<Layer> {
    replica.layers(&project()).unwrap()
}

fn version(replica: &Replica) -> u64 {
    replica.declarations_version(&project()).unwrap()
}

/// A declaration comes back as it went in: here, on another replica, after a restart and in a new epoch. Its number moves when
/// it changes, and only then; the project's version, which is about records, never does.
#[test]
fn declarations_travel_and_stay() {
    let ((dir, a), (_b_dir, b)) = (replica(), replica());
    a.publish(&project(), &[text("k", "t")], NOW).unwrap();
    let records = a.version(&project()).unwrap();
    assert_eq!((read(&a), version(&a)), (vec![], 0));
    assert_eq!(put(&a, &[rich(), Layer::named("a")]).unwrap(), 2);
    assert_eq!(read(&a), [Layer::named("a"), rich()]);
    let first = version(&a);
    assert_eq!(put(&a, &[rich()]).unwrap(), 0);
    a.create_project(&project(), "a description", NOW).unwrap();
    assert_eq!(version(&a), first);
    sync(&b, &a);
    assert_eq!(read(&b), read(&a));
    assert_eq!(b.layer(&project(), "harbour/1").unwrap(), Some(rich()));
    assert_eq!(b.layer(&project(), "harbour").unwrap(), None);
    assert_eq!(a.version(&project()).unwrap(), records);
    a.compact(&project(), NOW).unwrap();
    drop(a);
    let a = Replica::open(dir.path()).unwrap();
    assert_eq!((read(&a), version(&a)), (read(&b), first));
    assert_eq!(a.delete_layers(&project(), &["a".to_owned(), "absent".to_owned()], NOW).unwrap(), 1);
    assert!(version(&a) > first);
    sync(&b, &a);
    assert_eq!((read(&a), read(&b)), (vec![rich()], vec![rich()]));
}

/// Replicas that change different things about one layer both keep their change; a deletion wins, until somebody declares
/// the layer again, without what it was before.
#[test]
fn declarations_merge() {
    let ((_a_dir, a), (_b_dir, b)) = (replica(), replica());
    put(&a, &[layer("l", &["x"])]).unwrap();
    sync(&a, &b);
    put(&a, &[Layer { weight: 2.0, kind: Some(LayerKind::Domain), ..layer("l", &["x", "y"]) }]).unwrap();
    put(&b, &[Layer { description: "b".to_owned(), ..layer("l", &["z"]) }]).unwrap();
    sync(&a, &b);
    let both =
        Layer { weight: 2.0, kind: Some(LayerKind::Domain), description: "b".to_owned(), ..layer("l", &["y", "z"]) };
    assert_eq!((read(&a), read(&b)), (vec![both.clone()], vec![both.clone()]));
    a.delete_layers(&project(), &["l".to_owned()], NOW).unwrap();
    put(&b, &[Layer { weight: 3.0, ..both }]).unwrap();
    sync(&a, &b);
    assert_eq!((read(&a), read(&b)), (vec![], vec![]));
    put(&b, &[Layer::named("l")]).unwrap();
    sync(&a, &b);
    assert_eq!((read(&a), read(&b)), (vec![Layer::named("l")], vec![Layer::named("l")]));
}

/// One replica closes no circle; two can, each with one half of it. Then everybody sees both, and who reads can tell.
#[test]
fn circles_are_refused_or_reported() {
    let ((_a_dir, a), (_b_dir, b)) = (replica(), replica());
    put(&a, &[layer("a", &["b"]), layer("b", &["c"])]).unwrap();
    match put(&a, &[layer("c", &["a"])]) {
        Err(WriteError::Layer(LayerError::Circle(circle))) => assert_eq!(circle, ["a", "b", "c"]),
        other => panic!("{other:?}"),
    }
    assert!(matches!(put(&a, &[layer("d", &["d"])]), Err(WriteError::Layer(LayerError::Circle(_)))));
    put(&b, &[layer("c", &["a"])]).unwrap();
    sync(&a, &b);
    assert_eq!(circles(&read(&a)), [["a", "b", "c"]]);
    assert_eq!(read(&a), read(&b));
    // Others can be declared all the same, and one of the circle only so that it opens.
    put(&a, &[layer("e", &["a"])]).unwrap();
    assert!(put(&a, &[Layer { weight: 2.0, ..layer("a", &["b"]) }]).is_err());
    put(&a, &[layer("a", &[])]).unwrap();
    assert!(circles(&read(&a)).is_empty());
}

/// Each limit refuses what is above it.
#[test]
fn limits_hold() {
    let (_dir, replica) = replica();
    let parents: Vec<String> = (0..65).map(|number| number.to_string()).collect();
    let data = |value: serde_json::Value| value.as_object().unwrap().clone();
    let spatial = |area: serde_json::Value| Layer {
        kind: Some(LayerKind::Spatial),
        data: data(json!({ "area": area })),
        ..Layer::named("s")
    };
    for bad in [
        Layer::named(""),
        Layer::named("a\nb"),
        Layer::named(&"n".repeat(129)),
        Layer { weight: -1.0, ..Layer::named("l") },
        Layer { weight: f64::INFINITY, ..Layer::named("l") },
        Layer { valid: Interval { since: Some(1), until: Some(1) }, ..Layer::named("l") },
        Layer { inherits: parents.iter().cloned().collect(), ..Layer::named("l") },
        Layer { description: "d".repeat((64 << 10) + 1), ..Layer::named("l") },
        Layer { data: data(json!({"a": "d".repeat(16 << 10)})), ..Layer::named("l") },
        Layer { data: data((0..33).fold(json!(1), |inner, _| json!({ "a": inner }))), ..Layer::named("l") },
        spatial(json!([0, 1, 2])),
        spatial(json!([0, 10, 2, 1])),
        spatial(json!([-181, 0, 2, 1])),
        spatial(json!(["0", "0", "2", "1"])),
        spatial(json!([0, 0, 2, 1, null])),
    ] {
        assert!(matches!(put(&replica, std::slice::from_ref(&bad)), Err(WriteError::Layer(_))), "{bad:?}");
    }
    assert_eq!(read(&replica), []);
    put(&replica, &[spatial(json!([170.5, -10, -170, 10]))]).unwrap();
    let many: Vec<Layer> = (0..10_000).map(|number| Layer::named(&format!("{number:05}"))).collect();
    assert!(matches!(put(&replica, &many), Err(WriteError::Layer(LayerError::TooMany(10_001)))));
    replica.delete_layers(&project(), &["s".to_owned()], NOW).unwrap();
    assert_eq!(put(&replica, &many).unwrap(), 10_000);
    assert_eq!(read(&replica).len(), 10_000);
}

/// What no program of ours writes is passed over; what JavaScript clients write is read.
#[test]
fn other_writers_are_read_or_passed_over() {
    let (_dir, replica) = replica();
    let mut peer = Peer::new(1);
    peer.edit(Slot::Catalog, |transaction, map| {
        transaction.put(map, "layer/js/@live", true)?;
        let kind = transaction.put_object(map, "layer/js/kind", ObjType::Text)?;
        transaction.splice_text(&kind, 0, 0, "temporal")?;
        transaction.put(map, "layer/js/weight", 2)?;
        transaction.put(map, "layer/js/since", 1e12)?;
        transaction.put(map, "layer/js/inherits/js", true)?;
        for number in 0..100 {
            transaction.put(map, format!("layer/js/inherits/{number:02}"), true)?;
        }
        transaction.put(map, "layer/bad/@live", true)?;
        transaction.put(map, "layer/bad/kind", "cosmic")?;
        transaction.put(map, "layer/bad/weight", f64::NAN)?;
        transaction.put(map, "layer/bad/since", 5)?;
        transaction.put(map, "layer/bad/until", 4)?;
        transaction.put(map, "layer/bad/data/a", ScalarValue::Bytes(b"[".to_vec()))?;
        transaction.put(map, "layer/dead/@live", 1)?;
        transaction.put(map, "layer/never/kind", "domain")?;
        transaction.put(map, "layer//@live", true)?;
        transaction.put(map, "layer/a\nb/@live", true)?;
        transaction.put(map, "layer/", true)?;
        transaction.put(map, "chart/ok", "{\"a\":1}")?;
        transaction.put(map, "chart/no", "{")?;
        transaction.put(map, "chart/", "1")?;
        transaction.put(map, "chart/long", "1".repeat(1 << 17))
    });
    peer.tell(&replica).unwrap();
    let valid = Interval { since: Some(1_000_000_000_000), until: None };
    let inherits: BTreeSet<String> = (0..64).map(|number| format!("{number:02}")).collect();
    let js = Layer { kind: Some(LayerKind::Temporal), weight: 2.0, valid, inherits, ..Layer::named("js") };
    let bad = Layer { valid: Interval { since: Some(5), until: None }, ..Layer::named("bad") };
    assert_eq!(read(&replica), [bad, js]);
    read(&replica).iter().for_each(|layer| assert_eq!(layer.check(), Ok(())));
    let charts = replica.charts(&project()).unwrap();
    assert_eq!(charts.into_iter().collect::<Vec<_>>(), [("ok".to_owned(), json!({"a": 1}))]);
}

/// A program that does not know of declarations wrote the project's row after they came in: they are read from the catalog when
/// the store is opened the next time.
#[test]
fn declarations_are_found_behind_an_older_program() {
    let (dir, replica) = replica();
    put(&replica, &[rich()]).unwrap();
    replica.put_chart(&project(), "c", &json!(1), NOW).unwrap();
    drop(replica);
    {
        let meta = redb::TableDefinition::<&str, &[u8]>::new("meta");
        let projects = redb::TableDefinition::<&str, &[u8]>::new("projects");
        let store = redb::Database::open(dir.path().join("store.redb")).unwrap();
        let transaction = store.begin_write().unwrap();
        {
            let mut meta = transaction.open_table(meta).unwrap();
            meta.retain(|name, _| !name.starts_with("declared/")).unwrap();
            meta.insert("declared/notes/layer/stale", b"{}".as_slice()).unwrap();
            let mut projects = transaction.open_table(projects).unwrap();
            let row = projects.get("notes").unwrap().unwrap().value().to_vec();
            let mut row: ciborium::Value = ciborium::from_reader(row.as_slice()).unwrap();
            row.as_map_mut().unwrap().retain(|(name, _)| name.as_text() != Some("declared"));
            let mut bytes = Vec::new();
            ciborium::into_writer(&row, &mut bytes).unwrap();
            projects.insert("notes", bytes.as_slice()).unwrap();
        }
        transaction.commit().unwrap();
    }
    let replica = Replica::open(dir.path()).unwrap();
    assert_eq!(read(&replica), [rich()]);
    assert_eq!(replica.chart(&project(), "c").unwrap(), Some(json!(1)));
    assert_eq!(version(&replica), 1);
}

/// Saved charts travel, are replaced and deleted, and have limits.
#[test]
fn charts_travel() {
    let ((_a_dir, a), (_b_dir, b)) = (replica(), replica());
    let chart = json!({"factors": [{"sphere": 2}], "x": 0.1});
    assert!(a.put_chart(&project(), "my/chart", &chart, NOW).unwrap());
    assert!(!a.put_chart(&project(), "my/chart", &chart, NOW).unwrap());
    sync(&b, &a);
    assert_eq!(b.chart(&project(), "my/chart").unwrap(), Some(chart));
    assert!(b.delete_chart(&project(), "my/chart", NOW).unwrap());
    assert!(!b.delete_chart(&project(), "my/chart", NOW).unwrap());
    sync(&b, &a);
    assert!(a.charts(&project()).unwrap().is_empty());
    for (name, chart) in [("", json!(1)), ("a\tb", json!(1)), ("long", json!("x".repeat(64 << 10)))] {
        assert!(matches!(a.put_chart(&project(), name, &chart, NOW), Err(WriteError::Chart(_))));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, ..ProptestConfig::default() })]

    /// Whatever three replicas declare and take back apart from each other, they agree, whoever meets whom first.
    #[test]
    fn declarations_converge(
        edits in proptest::collection::vec(
            (0_usize..3, 0_u8..3, 0_u8..4, 0_u8..3, proptest::option::of(0_u8..4), any::<bool>()), 1..16),
    ) {
        let replicas = [replica(), replica(), replica()];
        let at = |index: usize| &replicas[index].1;
        for (index, name, weight, field, parent, meet) in edits {
            let name = format!("l{name}");
            match parent {
                Some(3) => drop(at(index).delete_layers(&project(), &[name], NOW).unwrap()),
                parent => {
                    let mut layer = at(index).layer(&project(), &name).unwrap().unwrap_or_else(|| Layer::named(&name));
                    layer.weight = f64::from(weight);
                    layer.data.insert(format!("f{field}"), json!(weight));
                    layer.inherits.extend(parent.map(|parent| format!("l{parent}")));
                    // A circle is refused.
                    put(at(index), &[layer]).ok();
                }
            }
            if meet {
                sync(at(index), at((index + 1) % 3));
            }
        }
        let joined = |order: [usize; 3]| {
            let target = replica();
            for index in order {
                sync(&target.1, at(index));
            }
            read(&target.1)
        };
        sync(at(0), at(1));
        sync(at(1), at(2));
        sync(at(0), at(1));
        let expected = read(at(0));
        prop_assert_eq!(&expected, &read(at(2)));
        prop_assert_eq!(&expected, &joined([2, 0, 1]));
        prop_assert_eq!(&expected, &joined([1, 2, 0]));
    }
}
