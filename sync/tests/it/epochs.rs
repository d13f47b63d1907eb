//! Epochs: erasing, compacting and resharding on one replica, and what becomes of the others.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use automerge::ObjType;
use automerge::transaction::Transactable;
use proptest::prelude::*;
use serde_json::json;
use skerry_sync::epoch::Epoch;
use skerry_sync::{ExchangeError, Found, Record, RecordKey, Replica, WriteError};

use crate::{NOW, all, key, project, replica, sync, text};

/// Whether bytes stand anywhere in a folder's files.
pub(crate) fn holds(dir: &Path, marker: &str) -> bool {
    std::fs::read_dir(dir).unwrap().any(|entry| {
        let path = entry.unwrap().path();
        if path.is_dir() {
            return holds(&path, marker);
        }
        let bytes = std::fs::read(&path).unwrap();
        bytes.windows(marker.len()).any(|window| window == marker.as_bytes())
    })
}

fn purge(replica: &Replica) {
    for (name, _) in replica.purges().unwrap() {
        replica.purge(&name, None).unwrap();
    }
    assert_eq!(replica.purges().unwrap(), []);
}

fn assert_sound(replica: &Replica) {
    assert_eq!(replica.verify(&project()).unwrap().differing, [] as [String; 0]);
}

fn assert_same(a: &Replica, b: &Replica) {
    assert_eq!(a.version(&project()).unwrap().to_string(), b.version(&project()).unwrap().to_string());
    assert_eq!(a.epoch(&project()).unwrap(), b.epoch(&project()).unwrap());
    assert_eq!(all(a), all(b));
    assert_sound(a);
    assert_sound(b);
}

fn texts(replica: &Replica) -> BTreeMap<String, String> {
    all(replica).into_iter().map(|record| (record.key.to_string(), record.text)).collect()
}

fn expect(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(key, text)| ((*key).to_owned(), (*text).to_owned())).collect()
}

/// Everything that was written about a record in three versions, its key, text, data and link, is in no byte of the store
/// after erasing and purging; the feed says the deletion until then; everything else is there, also after a restart.
#[test]
fn an_erased_record_is_gone_from_every_byte() {
    let (dir, replica) = replica();
    let rich = |text: &str, data: &str| Record {
        data: json!({ "field": data }).as_object().unwrap().clone(),
        layers: BTreeSet::from(["LAYER-MARKER".to_owned()]),
        ..Record::text(key("KEY-MARKER"), text)
    };
    for version in ["ONE-MARKER", "TWO-MARKER", "THREE-MARKER"] {
        replica.publish(&project(), &[rich(version, "DATA-MARKER"), text("kept", version)], NOW).unwrap();
    }
    replica.publish(&project(), &[text("kept", "stays")], NOW).unwrap();
    replica.put_vectors("model", &[("THREE-MARKER", &[0.5; 4]), ("stays", &[0.25; 4])]).unwrap();
    let before = replica.sequence(&project()).unwrap();
    let receipt = replica.erase(&project(), &[key("KEY-MARKER"), key("never seen")], NOW).unwrap();
    assert_eq!(receipt.epoch.number, 1);
    assert_eq!(receipt.documents, 64);
    let found: Vec<Found> = receipt.erased.iter().map(|erased| erased.found).collect();
    assert_eq!(found, [Found::Live, Found::Nothing]);
    assert_eq!(receipt.versions_forgotten, 5);
    let changes = replica.changes(&project(), before, 10).unwrap();
    assert_eq!(changes.len(), 1);
    assert!(changes[0].deleted && changes[0].key == key("KEY-MARKER"));
    assert_eq!(replica.purges().unwrap(), [(project(), receipt.sequence)]);
    let keep = skerry_sync::vector_keys("model", "cutter", "stays", &[]).into_iter().collect();
    let purged = replica.purge(&project(), Some(&keep)).unwrap().unwrap();
    assert_eq!((purged.tombstones, purged.vectors), (1, 1));
    assert_eq!(replica.purge(&project(), None).unwrap(), None);
    for marker in ["KEY-MARKER", "ONE-MARKER", "TWO-MARKER", "THREE-MARKER", "DATA-MARKER", "LAYER-MARKER"] {
        assert!(!holds(dir.path(), marker), "{marker}");
    }
    assert_eq!(replica.vectors("model", &["THREE-MARKER", "stays"]).unwrap(), [None, Some(vec![0.25; 4])]);
    drop(replica);
    let replica = Replica::open(dir.path()).unwrap();
    assert_eq!(all(&replica), [text("kept", "stays")]);
    assert_eq!(replica.versions(&project(), 10).unwrap().len(), 1);
    assert_sound(&replica);
    // It may be written again.
    replica.publish(&project(), &[text("KEY-MARKER", "anew")], NOW).unwrap();
    assert_eq!(texts(&replica), expect(&[("KEY-MARKER", "anew"), ("kept", "stays")]));
    let receipt = replica.erase(&project(), &[key("KEY-MARKER")], NOW).unwrap();
    assert_eq!((receipt.epoch.number, receipt.erased[0].found), (2, Found::Live));
    assert_sound(&replica);
}

/// The versions from before are forgotten, and said to be.
#[test]
fn a_cut_forgets_the_history() {
    let (_dir, replica) = replica();
    replica.publish(&project(), &[text("k", "one")], NOW).unwrap();
    let old = replica.version(&project()).unwrap().to_string();
    replica.publish(&project(), &[text("k", "two")], NOW).unwrap();
    replica.compact(&project(), NOW).unwrap();
    assert!(replica.past(&project(), &old).is_err());
    let begun = replica.version(&project()).unwrap().to_string();
    replica.publish(&project(), &[text("k", "three")], NOW).unwrap();
    let past = replica.past(&project(), &begun).unwrap();
    assert_eq!(past.changed, [(key("k"), Some(text("k", "two")))]);
}

/// A replica that was away, with writes of its own to the erased record and to others: its other writes live on, and what
/// was erased neither comes back nor stays there.
#[test]
fn a_late_replica_keeps_its_writes_and_loses_what_was_erased() {
    let ((a_dir, a), (b_dir, b)) = (replica(), replica());
    a.publish(&project(), &[text("secret", "SECRET-ONE"), text("open", "one"), text("gone", "x")], NOW).unwrap();
    sync(&a, &b);
    b.publish(&project(), &[text("secret", "SECRET-TWO"), text("open", "two"), text("new", "from b")], NOW).unwrap();
    b.delete(&project(), &[key("gone")], NOW).unwrap();
    a.erase(&project(), &[key("secret")], NOW).unwrap();
    a.publish(&project(), &[text("late", "from a")], NOW).unwrap();
    sync(&b, &a);
    assert_same(&a, &b);
    assert_eq!(texts(&a), expect(&[("late", "from a"), ("new", "from b"), ("open", "two")]));
    for (dir, replica) in [(&a_dir, &a), (&b_dir, &b)] {
        purge(replica);
        assert!(!holds(dir.path(), "SECRET"), "{dir:?}");
        assert!(!holds(dir.path(), "secret"), "{dir:?}");
    }
    // Nothing more to say.
    assert_eq!(sync(&a, &b), 1);
}

/// The other way round: the one that was away is asked.
#[test]
fn a_late_replica_learns_as_a_server_too() {
    let ((_a_dir, a), (b_dir, b)) = (replica(), replica());
    a.publish(&project(), &[text("secret", "SECRET-ONE"), text("open", "one")], NOW).unwrap();
    sync(&a, &b);
    b.publish(&project(), &[text("secret", "SECRET-TWO"), text("open", "two")], NOW).unwrap();
    a.erase(&project(), &[key("secret")], NOW).unwrap();
    sync(&a, &b);
    assert_same(&a, &b);
    assert_eq!(texts(&b), expect(&[("open", "two")]));
    purge(&b);
    assert!(!holds(b_dir.path(), "SECRET"));
}

/// Two replicas that were away replay the same changes; an edit made after one of them did is not undone by the other.
#[test]
fn replaying_twice_does_not_bring_old_values_back() {
    let ((_a_dir, a), (_b_dir, b), (_c_dir, c)) = (replica(), replica(), replica());
    a.publish(&project(), &[text("k", "first")], NOW).unwrap();
    sync(&a, &b);
    b.publish(&project(), &[text("k", "second")], NOW).unwrap();
    sync(&b, &c);
    a.compact(&project(), NOW).unwrap();
    sync(&b, &a);
    assert_eq!(texts(&a), expect(&[("k", "second")]));
    a.publish(&project(), &[text("k", "third")], NOW).unwrap();
    sync(&c, &a);
    assert_same(&a, &c);
    assert_eq!(texts(&c), expect(&[("k", "third")]));
    sync(&b, &c);
    assert_same(&b, &c);
}

/// A record deleted on one side and edited on the other stays deleted across a cut; one published again after lives.
#[test]
fn deletions_cross_epochs() {
    let ((_a_dir, a), (_b_dir, b)) = (replica(), replica());
    a.publish(&project(), &[text("a", "1"), text("b", "1"), text("c", "1")], NOW).unwrap();
    sync(&a, &b);
    a.delete(&project(), &[key("a")], NOW).unwrap();
    b.publish(&project(), &[text("a", "2")], NOW).unwrap();
    b.delete(&project(), &[key("b"), key("c")], NOW).unwrap();
    b.publish(&project(), &[text("c", "2")], NOW).unwrap();
    a.compact(&project(), NOW).unwrap();
    a.publish(&project(), &[text("b", "3")], NOW).unwrap();
    sync(&a, &b);
    assert_same(&a, &b);
    assert_eq!(texts(&a), expect(&[("c", "2")]));
}

/// Both cut at the same time, each erasing another record, with writes that only one of them had: nothing is lost but what
/// was erased.
#[test]
fn cuts_at_the_same_time_are_joined() {
    let ((a_dir, a), (b_dir, b)) = (replica(), replica());
    let names = ["x", "y", "both", "a only", "b only", "a deletes", "b deletes"];
    a.publish(&project(), &names.map(|name| text(name, &format!("MARK-{name}"))), NOW).unwrap();
    sync(&a, &b);
    a.publish(&project(), &[text("a only", "by a"), text("new a", "by a")], NOW).unwrap();
    b.publish(&project(), &[text("b only", "by b"), text("new b", "by b")], NOW).unwrap();
    a.delete(&project(), &[key("a deletes")], NOW).unwrap();
    b.delete(&project(), &[key("b deletes")], NOW).unwrap();
    a.erase(&project(), &[key("x")], NOW).unwrap();
    b.erase(&project(), &[key("y")], NOW).unwrap();
    a.publish(&project(), &[text("after a", "by a")], NOW).unwrap();
    b.publish(&project(), &[text("after b", "by b")], NOW).unwrap();
    sync(&a, &b);
    sync(&a, &b);
    assert_same(&a, &b);
    let expected = [
        ("a only", "by a"),
        ("after a", "by a"),
        ("after b", "by b"),
        ("b only", "by b"),
        ("both", "MARK-both"),
        ("new a", "by a"),
        ("new b", "by b"),
    ];
    assert_eq!(texts(&a), expect(&expected));
    for (dir, replica) in [(&a_dir, &a), (&b_dir, &b)] {
        purge(replica);
        for marker in ["MARK-x", "MARK-y"] {
            assert!(!holds(dir.path(), marker), "{marker}");
        }
    }
}

/// More shards, fewer shards: every record is found in its new document, by replicas that were there and by such that come
/// from the first epoch; a number that is no power of two is refused.
#[test]
fn shards_can_be_more_and_fewer() {
    let ((_a_dir, a), (_b_dir, b)) = (replica(), replica());
    let records: Vec<Record> = (0..300).map(|n| text(&format!("k{n}"), &format!("text {n}"))).collect();
    a.publish(&project(), &records, NOW).unwrap();
    sync(&a, &b);
    b.publish(&project(), &[text("k7", "from b")], NOW).unwrap();
    for shards in [0, 3, 96, 8192] {
        assert!(matches!(a.reshard(&project(), shards, NOW), Err(WriteError::Shards(_))), "{shards}");
    }
    for shards in [256, 1, 64, 2] {
        let report = a.reshard(&project(), shards, NOW).unwrap();
        assert_eq!((report.documents, a.epoch(&project()).unwrap().shards), (usize::from(shards), shards));
        a.publish(&project(), &[text("k8", &format!("{shards} shards"))], NOW).unwrap();
        assert_eq!(all(&a).len(), 300);
        assert_sound(&a);
    }
    sync(&b, &a);
    assert_same(&a, &b);
    assert_eq!(texts(&a)["k7"], "from b");
    assert_eq!(texts(&a)["k8"], "2 shards");
    assert_eq!(all(&a).len(), 300);
}

/// What JavaScript clients wrote as Text and List objects reads the same after a cut, and edits of theirs that come late
/// arrive.
#[test]
fn other_writers_objects_cross_epochs() {
    let ((_a_dir, a), (_b_dir, b)) = (replica(), replica());
    a.publish(&project(), &[text("js", "")], NOW).unwrap();
    let leaf = |path: &str| format!("js\u{1f}{path}");
    let edited = a.edit_document_for_tests(&project(), &key("js"), |transaction, map| {
        let title = transaction.put_object(map, leaf("text"), ObjType::Text)?;
        transaction.splice_text(&title, 0, 0, "typed")?;
        let tags = transaction.put_object(map, leaf("data/tags"), ObjType::List)?;
        transaction.insert(&tags, 0, "a")?;
        transaction.put(map, leaf("future/path"), 1)
    });
    edited.unwrap();
    sync(&a, &b);
    let before = all(&a);
    b.edit_document_for_tests(&project(), &key("js"), |transaction, map| {
        use automerge::ReadDoc;
        let (_, title) = transaction.get(map, leaf("text"))?.unwrap();
        transaction.splice_text(&title, 5, 0, " and edited")
    })
    .unwrap();
    a.compact(&project(), NOW).unwrap();
    assert_eq!(all(&a), before);
    sync(&a, &b);
    assert_same(&a, &b);
    assert_eq!(texts(&a)["js"], "typed and edited");
    assert_eq!(all(&a)[0].data.get("tags"), Some(&json!(["a"])));
}

/// An epoch of which only some documents arrived: reading and writing goes on in the old one, and with others that are there
/// too; when the rest comes, nothing is lost.
#[test]
fn an_epoch_that_arrives_in_parts_is_waited_for() {
    let ((_a_dir, a), (_b_dir, b), (_c_dir, c)) = (replica(), replica(), replica());
    let records: Vec<Record> = (0..100).map(|n| text(&format!("k{n}"), "x")).collect();
    a.publish(&project(), &records, NOW).unwrap();
    sync(&a, &b);
    sync(&a, &c);
    a.erase(&project(), &[key("k0")], NOW).unwrap();
    // The connection breaks when the catalog has arrived and the shards have not.
    let mut session = b.session(&project());
    for _ in 0..2 {
        let request = session.next_request().unwrap().unwrap();
        session.handle_response(&a.exchange(&project(), &request).unwrap()).unwrap();
    }
    assert_eq!(b.epoch(&project()).unwrap(), Epoch::FIRST);
    b.publish(&project(), &[text("k1", "by b")], NOW).unwrap();
    let refused = b.publish(&project(), &[text("k0", "again")], NOW);
    assert!(matches!(refused, Err(WriteError::BeingErased { .. })), "{refused:?}");
    sync(&b, &c);
    assert_eq!(texts(&c)["k1"], "by b");
    assert_eq!(c.epoch(&project()).unwrap(), Epoch::FIRST);
    c.publish(&project(), &[text("k2", "by c")], NOW).unwrap();
    sync(&c, &a);
    sync(&b, &a);
    sync(&c, &a);
    assert_same(&a, &b);
    assert_same(&a, &c);
    let texts = texts(&a);
    assert_eq!((texts.get("k0"), &*texts["k1"], &*texts["k2"]), (None, "by b", "by c"));
    b.publish(&project(), &[text("k0", "again")], NOW).unwrap();
    sync(&b, &a);
    assert_eq!(self::texts(&a)["k0"], "again");
}

/// A replica that has nothing yet gets the newest epoch, and nothing of those before.
#[test]
fn a_new_replica_starts_in_the_newest_epoch() {
    let (_a_dir, a) = replica();
    a.publish(&project(), &[text("k", "OLD-MARKER"), text("l", "kept")], NOW).unwrap();
    a.publish(&project(), &[text("k", "new")], NOW).unwrap();
    a.compact(&project(), NOW).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let b = Replica::open(dir.path()).unwrap();
    sync(&b, &a);
    assert_same(&a, &b);
    assert!(!holds(dir.path(), "OLD-MARKER"));
    let dir = tempfile::tempdir().unwrap();
    let c = Replica::open(dir.path()).unwrap();
    sync(&a, &c);
    assert_same(&a, &c);
}

/// A body that names an epoch as nobody writes it is refused.
#[test]
fn a_wrong_epoch_is_refused() {
    #[derive(serde::Serialize)]
    struct Body<'a> {
        project: &'a str,
        epoch: &'a str,
        heads: [u8; 0],
        messages: [u8; 0],
    }
    let (_dir, replica) = replica();
    for epoch in ["1", "1-00/64", "1-0000000000000000/63"] {
        let mut payload = Vec::new();
        ciborium::into_writer(&Body { project: "notes", epoch, heads: [], messages: [] }, &mut payload).unwrap();
        let body = [b"SKRX1".as_slice(), &crc32fast::hash(&payload).to_be_bytes(), &payload].concat();
        let answer = replica.exchange(&project(), &body);
        assert!(matches!(answer, Err(ExchangeError::Foreign(_))), "{answer:?}");
    }
}

/// The process dies while the store is written anew: half a file, a whole one, or none beside it. The store opens as it was,
/// the order to purge included, and what was left is gone.
#[test]
fn a_purge_can_be_interrupted_anywhere() {
    let (dir, replica) = replica();
    replica.publish(&project(), &[text("secret", "SECRET-MARKER"), text("kept", "x")], NOW).unwrap();
    replica.erase(&project(), &[key("secret")], NOW).unwrap();
    drop(replica);
    let (store, beside) = (dir.path().join("store.redb"), dir.path().join("store.rewrite"));
    let whole = std::fs::read(&store).unwrap();
    for part in 0..=8 {
        std::fs::write(&beside, &whole[..whole.len() * part / 8]).unwrap();
        let replica = Replica::open(dir.path()).unwrap();
        assert!(!beside.exists());
        assert_eq!(replica.purges().unwrap().len(), 1);
        assert_eq!(all(&replica), [text("kept", "x")]);
    }
    // It may also fail: a folder stands where the new file should.
    std::fs::create_dir(&beside).unwrap();
    assert!(Replica::open(dir.path()).is_err(), "what cannot be removed is not passed over");
    std::fs::remove_dir(&beside).unwrap();
    let replica = Replica::open(dir.path()).unwrap();
    std::fs::create_dir(&beside).unwrap();
    assert!(replica.purge(&project(), None).is_err());
    assert_eq!(replica.purges().unwrap().len(), 1);
    replica.publish(&project(), &[text("more", "y")], NOW).unwrap();
    std::fs::remove_dir(&beside).unwrap();
    purge(&replica);
    assert!(!holds(dir.path(), "SECRET"));
    assert_eq!(all(&replica).len(), 2);
    // The folder is still ours, and the new file is written like the old one.
    assert!(Replica::open(dir.path()).is_err());
    replica.publish(&project(), &[text("after", "z")], NOW).unwrap();
    drop(replica);
    let replica = Replica::open(dir.path()).unwrap();
    assert_eq!(all(&replica).len(), 3);
    assert_sound(&replica);
}

#[derive(Debug, Clone, Copy)]
enum Step {
    Publish { replica: usize, key: usize },
    Delete { replica: usize, key: usize },
    Erase { replica: usize, key: usize },
    Compact { replica: usize },
    Reshard { replica: usize, shards: u32 },
    Sync { from: usize, to: usize },
    Broken { from: usize, to: usize, rounds: usize },
    Reopen { replica: usize },
    Purge { replica: usize },
}

fn step() -> impl Strategy<Value = Step> {
    let pair = || (0_usize..3, 0_usize..3);
    prop_oneof![
        8 => (0_usize..3, 0_usize..6).prop_map(|(replica, key)| Step::Publish { replica, key }),
        2 => (0_usize..3, 3_usize..6).prop_map(|(replica, key)| Step::Delete { replica, key }),
        2 => (0_usize..3, 4_usize..6).prop_map(|(replica, key)| Step::Erase { replica, key }),
        1 => (0_usize..3).prop_map(|replica| Step::Compact { replica }),
        1 => (0_usize..3, 0_u32..4).prop_map(|(replica, shards)| Step::Reshard { replica, shards }),
        4 => pair().prop_map(|(from, to)| Step::Sync { from, to }),
        2 => (pair(), 0_usize..4).prop_map(|((from, to), rounds)| Step::Broken { from, to, rounds }),
        1 => (0_usize..3).prop_map(|replica| Step::Reopen { replica }),
        1 => (0_usize..3).prop_map(|replica| Step::Purge { replica }),
    ]
}

fn name(number: usize) -> RecordKey {
    key(&format!("record-number-{number}"))
}

/// What was written of a record: by whom, and which text.
#[derive(Debug, Default)]
struct Written {
    texts: Vec<(usize, String)>,
    deleted: bool,
    /// How many of the texts had been written when it was last erased.
    erased: Option<usize>,
}

#[derive(Default)]
struct World {
    replicas: Vec<(tempfile::TempDir, Option<Replica>)>,
    written: BTreeMap<usize, Written>,
    count: usize,
}

impl World {
    fn new() -> World {
        let replicas = (0..3).map(|_| replica()).map(|(dir, replica)| (dir, Some(replica))).collect();
        World { replicas, ..World::default() }
    }

    fn at(&self, index: usize) -> &Replica {
        self.replicas[index].1.as_ref().unwrap()
    }

    fn step(&mut self, step: Step) {
        match step {
            Step::Publish { replica, key } => {
                self.count += 1;
                let text = format!("MARKER-{:04}", self.count);
                let record = Record {
                    data: json!({ "nested": { "field": text } }).as_object().unwrap().clone(),
                    ..Record::text(name(key), &text)
                };
                match self.at(replica).publish(&project(), &[record], NOW) {
                    Ok(_) => self.written.entry(key).or_default().texts.push((replica, text)),
                    Err(WriteError::BeingErased { .. }) => assert!(self.written[&key].erased.is_some()),
                    Err(other) => panic!("{other:?}"),
                }
            }
            Step::Delete { replica, key } => {
                self.at(replica).delete(&project(), &[name(key)], NOW).unwrap();
                self.written.entry(key).or_default().deleted = true;
            }
            Step::Erase { replica, key } => {
                self.at(replica).erase(&project(), &[name(key)], NOW).unwrap();
                let written = self.written.entry(key).or_default();
                written.erased = Some(written.texts.len());
            }
            Step::Compact { replica } => drop(self.at(replica).compact(&project(), NOW).unwrap()),
            Step::Reshard { replica, shards } => {
                self.at(replica).reshard(&project(), 1 << shards, NOW).unwrap();
            }
            Step::Sync { from, to } if from != to => drop(sync(self.at(from), self.at(to))),
            Step::Broken { from, to, rounds } if from != to => {
                let mut session = self.at(from).session(&project());
                for _ in 0..rounds {
                    let Some(request) = session.next_request().unwrap() else { return };
                    session.handle_response(&self.at(to).exchange(&project(), &request).unwrap()).unwrap();
                }
                if let Some(request) = session.next_request().unwrap() {
                    self.at(to).exchange(&project(), &request).unwrap();
                }
            }
            Step::Sync { .. } | Step::Broken { .. } => {}
            Step::Reopen { replica } => {
                let (dir, open) = &mut self.replicas[replica];
                *open = None;
                *open = Some(Replica::open(dir.path()).unwrap());
            }
            Step::Purge { replica } => purge(self.at(replica)),
        }
    }

    fn settle(&self) {
        for _ in 0..6 {
            for (from, to) in [(0, 1), (1, 2), (2, 0)] {
                sync(self.at(from), self.at(to));
            }
            let versions: BTreeSet<String> =
                (0..3).map(|index| self.at(index).version(&project()).unwrap().to_string()).collect();
            if versions.len() == 1 && sync(self.at(0), self.at(1)) == 1 && sync(self.at(1), self.at(2)) == 1 {
                return;
            }
        }
        panic!("they do not agree");
    }

    fn check(&self) {
        assert_same(self.at(0), self.at(1));
        assert_same(self.at(1), self.at(2));
        let records = texts(self.at(0));
        for (number, written) in &self.written {
            let found = records.get(name(*number).as_str());
            if written.erased.is_none() && !written.deleted {
                let texts: BTreeSet<&str> = written.texts.iter().map(|(_, text)| text.as_str()).collect();
                let found = found.unwrap_or_else(|| panic!("the acknowledged record {number} is lost"));
                assert!(texts.contains(found.as_str()), "{found}");
                let writers: BTreeSet<usize> = written.texts.iter().map(|(writer, _)| *writer).collect();
                if writers.len() == 1 {
                    assert_eq!(Some(found), written.texts.last().map(|(_, text)| text), "an old value came back");
                }
            }
            let Some(before) = written.erased else { continue };
            for (dir, _) in &self.replicas {
                for (_, text) in &written.texts[..before] {
                    assert!(!holds(dir.path(), text), "{text} of record {number} is still there");
                }
                if before == written.texts.len() {
                    assert_eq!(found, None);
                    assert!(!holds(dir.path(), name(*number).as_str()), "the key of record {number} is still there");
                }
            }
        }
    }
}

/// More of them with `PROPTEST_CASES`.
fn cases() -> u32 {
    std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(32)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), max_shrink_iters: 400, ..ProptestConfig::default() })]

    /// Three replicas write, delete, erase, compact and reshard, talk and break off in any order. Afterwards they hold the same;
    /// what was acknowledged and never deleted is there, the latest of it where only one wrote; and of what was erased no
    /// byte is in any file that was written before the erasure.
    #[test]
    fn replicas_converge_across_epochs(steps in proptest::collection::vec(step(), 1..28)) {
        let mut world = World::new();
        for step in steps {
            world.step(step);
        }
        world.settle();
        (0..3).for_each(|index| purge(world.at(index)));
        world.check();
    }
}
