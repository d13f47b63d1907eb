//! A project's past: every version that a replica had can be asked for, and gives the records of then.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use automerge::ReadDoc;
use automerge::transaction::Transactable;
use proptest::prelude::*;
use redb::{Database, ReadableDatabase, ReadableTable, TableHandle};
use serde_json::json;
use skerry_sync::document::Slot;
use skerry_sync::{ProjectName, ReadError, Record, RecordKey, Replica, Timestamp};

use crate::convergence::record;
use crate::{NOW, all, key, project, replica, sync, text};

const TABLES: [&str; 3] = ["history", "commits", "versions"];

/// The records of a version, by its name. A version names one state, whichever replica had it.
type Model = BTreeMap<String, Vec<Record>>;

/// A replica and the names of the versions that it was seen at.
struct Observed {
    dir: tempfile::TempDir,
    replica: Option<Replica>,
    seen: BTreeSet<String>,
}

impl Observed {
    fn new() -> Self {
        let (dir, replica) = replica();
        Observed { dir, replica: Some(replica), seen: BTreeSet::new() }
    }

    fn replica(&self) -> &Replica {
        self.replica.as_ref().unwrap()
    }

    fn reopen(&mut self) {
        self.replica = None;
        self.replica = Some(Replica::open(self.dir.path()).unwrap());
    }

    fn remember(&mut self, model: &mut Model) {
        let version = self.replica().version(&project()).unwrap().to_string();
        let records = all(self.replica());
        assert_eq!(model.entry(version.clone()).or_insert_with(|| records.clone()), &records);
        self.seen.insert(version);
    }

    fn check(&self, model: &Model) {
        let listed = self.replica().versions(&project(), usize::MAX).unwrap();
        let names: BTreeSet<String> = listed.iter().map(|info| info.version.clone()).collect();
        assert_eq!(names.len(), listed.len(), "each version is listed once");
        assert_eq!(names, self.seen);
        assert!(listed.is_sorted_by(|newer, older| newer.sequence >= older.sequence));
        assert_eq!(self.replica().versions(&project(), 1).unwrap()[0], listed[0]);
        for info in listed {
            let past = self.replica().past(&project(), &info.version).unwrap();
            assert_eq!(past.sequence, info.sequence);
            assert_eq!(at(self.replica(), &info.version), model[&info.version]);
            let changes = self.replica().changes(&project(), info.sequence, usize::MAX).unwrap();
            let changed: BTreeSet<RecordKey> = changes.into_iter().map(|change| change.key).collect();
            assert!(past.changed.iter().map(|(key, _)| key).eq(changed.iter()), "what changed since, in order");
        }
        for other in model.keys().filter(|version| !self.seen.contains(*version)) {
            let answer = self.replica().past(&project(), other);
            assert!(matches!(answer, Err(ReadError::UnknownVersion(ref name)) if name == other), "{answer:?}");
        }
    }
}

/// The records at a version: those of now with the past laid over them.
fn at(replica: &Replica, version: &str) -> Vec<Record> {
    let mut records: BTreeMap<RecordKey, Record> =
        all(replica).into_iter().map(|record| (record.key.clone(), record)).collect();
    for (key, record) in replica.past(&project(), version).unwrap().changed {
        match record {
            Some(record) => records.insert(key, record),
            None => records.remove(&key),
        };
    }
    records.into_values().collect()
}

fn version(replica: &Replica) -> String {
    replica.version(&project()).unwrap().to_string()
}

/// Six keys, of which the first three live in one shard.
fn names() -> [RecordKey; 6] {
    let shard = Slot::of(&key("k0"));
    let all = || (0..).map(|number| key(&format!("k{number}")));
    let together = all().filter(|key| Slot::of(key) == shard).take(3);
    let apart = all().filter(|key| Slot::of(key) != shard).take(3);
    together.chain(apart).collect::<Vec<_>>().try_into().unwrap()
}

#[derive(Debug, Clone)]
enum Step {
    Publish { replica: usize, records: Vec<(usize, Record)> },
    Delete { replica: usize, keys: Vec<usize> },
    Describe { replica: usize, description: String },
    Sync { from: usize },
    Reopen { replica: usize },
}

fn step() -> impl Strategy<Value = Step> {
    let records = proptest::collection::vec((0_usize..6, record()), 1..4);
    let keys = proptest::collection::vec(0_usize..6, 1..3);
    prop_oneof![
        6 => (0_usize..2, records).prop_map(|(replica, records)| Step::Publish { replica, records }),
        3 => (0_usize..2, keys).prop_map(|(replica, keys)| Step::Delete { replica, keys }),
        1 => (0_usize..2, "[a-b]").prop_map(|(replica, description)| Step::Describe { replica, description }),
        2 => (0_usize..2).prop_map(|from| Step::Sync { from }),
        1 => (0_usize..2).prop_map(|replica| Step::Reopen { replica }),
    ]
}

/// Synchronises, and looks at both sides after every message: versions in the middle count too.
fn observed_sync(observed: &mut [Observed; 2], from: usize, model: &mut Model) {
    let mut session = observed[from].replica().session(&project());
    while let Some(request) = session.next_request().unwrap() {
        let answer = observed[1 - from].replica().exchange(&project(), &request).unwrap();
        observed[1 - from].remember(model);
        session.handle_response(&answer).unwrap();
        observed[from].remember(model);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    /// Two replicas publish, delete, publish again, change the description, sync and restart in any order; afterwards, and
    /// after one more restart, each gives the records of every version that it had, and refuses those of the other alone.
    #[test]
    fn every_version_can_be_asked_for(steps in proptest::collection::vec(step(), 1..30)) {
        let names = names();
        let mut model = Model::new();
        let mut observed = [Observed::new(), Observed::new()];
        observed.iter_mut().for_each(|one| one.remember(&mut model));
        for step in steps {
            match step {
                Step::Publish { replica, records } => {
                    let named = |(name, record): (usize, Record)| Record { key: names[name].clone(), ..record };
                    let records: Vec<Record> = records.into_iter().map(named).collect();
                    observed[replica].replica().publish(&project(), &records, NOW).unwrap();
                }
                Step::Delete { replica, keys } => {
                    let keys: Vec<RecordKey> = keys.into_iter().map(|name| names[name].clone()).collect();
                    observed[replica].replica().delete(&project(), &keys, NOW).unwrap();
                }
                Step::Describe { replica, description } => {
                    observed[replica].replica().create_project(&project(), &description, NOW).unwrap();
                }
                Step::Sync { from } => observed_sync(&mut observed, from, &mut model),
                Step::Reopen { replica } => observed[replica].reopen(),
            }
            observed.iter_mut().for_each(|one| one.remember(&mut model));
        }
        observed.iter().for_each(|one| one.check(&model));
        observed.iter_mut().for_each(Observed::reopen);
        observed.iter().for_each(|one| one.check(&model));
    }
}

/// The list of versions is what a person chooses from: newest first, cut where asked, with times where they are known.
#[test]
fn versions_are_listed() {
    let ((_a_dir, a), (_b_dir, b)) = (replica(), replica());
    a.publish(&project(), &[text("x", "1"), text("y", "1")], Timestamp(10)).unwrap();
    a.delete(&project(), &[key("x")], Timestamp(20)).unwrap();
    let listed = a.versions(&project(), 10).unwrap();
    let summary: Vec<(u64, i64)> = listed.iter().map(|info| (info.sequence, info.time.0)).collect();
    assert_eq!(summary, [(3, 20), (2, 10), (0, NOW.0)]);
    assert_eq!(listed[0].version, version(&a));
    assert_eq!(a.versions(&project(), 2).unwrap(), listed[..2]);
    assert_eq!(a.versions(&project(), 0).unwrap(), []);
    // A write that changes nothing, or the description only, makes no version.
    a.publish(&project(), &[text("y", "1")], Timestamp(30)).unwrap();
    a.create_project(&project(), "about the sea", Timestamp(40)).unwrap();
    let again = a.versions(&project(), 10).unwrap();
    assert!(again.iter().map(|info| &info.version).eq(listed.iter().map(|info| &info.version)));
    // What another replica brings: one version, of a time that nobody knows.
    sync(&b, &a);
    let arrived = b.versions(&project(), 10).unwrap();
    assert_eq!((arrived[0].version.clone(), arrived[0].time), (version(&a), Timestamp(0)));
    assert_eq!(arrived.len(), 2);
}

/// The version of now needs nothing laid over it.
#[test]
fn now_is_no_past() {
    let (_dir, replica) = replica();
    replica.publish(&project(), &[text("x", "1")], NOW).unwrap();
    let past = replica.past(&project(), &version(&replica)).unwrap();
    assert_eq!((past.sequence, past.changed), (1, vec![]));
}

/// A version that this replica cannot answer for is refused in words that help: one that only another replica had, one that
/// nobody had, and what is not a version at all. So is a project that is not there.
#[test]
fn unknown_versions_are_refused() {
    let ((_a_dir, a), (_b_dir, b)) = (replica(), replica());
    a.publish(&project(), &[text("x", "1")], NOW).unwrap();
    let theirs = version(&a);
    let whole = version(&b);
    for asked in [&theirs, &"0".repeat(64), "", "latest", &whole[..62], &format!("{whole}00"), &"z".repeat(64)] {
        let refusal = b.past(&project(), asked).unwrap_err();
        assert!(matches!(&refusal, ReadError::UnknownVersion(name) if name == asked), "{refusal:?}");
        assert!(refusal.to_string().contains("sync first, or list the versions"), "{refusal}");
    }
    sync(&b, &a);
    assert_eq!(b.past(&project(), &theirs).unwrap().changed, []);
    let elsewhere = ProjectName::parse("elsewhere").unwrap();
    assert!(matches!(b.past(&elsewhere, &theirs), Err(ReadError::UnknownProject(_))));
    assert!(matches!(b.versions(&elsewhere, 1), Err(ReadError::UnknownProject(_))));
    // A version belongs to its project.
    b.create_project(&elsewhere, "", NOW).unwrap();
    assert!(matches!(b.past(&elsewhere, &theirs), Err(ReadError::UnknownVersion(_))));
}

/// Text, list and map objects of other writers change in place: their past must be read at the heads of then at every level.
#[test]
fn objects_of_other_writers_have_a_past() {
    let (_dir, replica) = replica();
    let leaf = |path: &str| format!("js\u{1f}{path}");
    replica
        .edit_document_for_tests(&project(), &key("js"), |transaction, map| {
            transaction.put(map, leaf("@live"), true)?;
            let title = transaction.put_object(map, leaf("text"), automerge::ObjType::Text)?;
            transaction.splice_text(&title, 0, 0, "high water")?;
            let tags = transaction.put_object(map, leaf("data/tags"), automerge::ObjType::List)?;
            transaction.insert(&tags, 0, "a")?;
            let inner = transaction.insert_object(&tags, 1, automerge::ObjType::Map)?;
            transaction.put(&inner, "n", 1)?;
            Ok(())
        })
        .unwrap();
    let before = (version(&replica), all(&replica));
    replica
        .edit_document_for_tests(&project(), &key("js"), |transaction, map| {
            let object = |name: &str| transaction.get(map, leaf(name)).unwrap().unwrap().1;
            let (title, tags) = (object("text"), object("data/tags"));
            let inner = transaction.get(&tags, 1)?.unwrap().1;
            transaction.splice_text(&title, 0, 4, "low")?;
            transaction.put(&inner, "n", 2)?;
            transaction.put(&inner, "m", 3)?;
            transaction.insert(&tags, 0, "first")?;
            Ok(())
        })
        .unwrap();
    let now = replica.get(&project(), &key("js")).unwrap().unwrap();
    assert_eq!((now.text.as_str(), &now.data["tags"]), ("low water", &json!(["first", "a", { "m": 3, "n": 2 }])));
    assert_eq!(before.1[0].text, "high water");
    assert_eq!(before.1[0].data["tags"], json!(["a", { "n": 1 }]));
    assert_eq!(at(&replica, &before.0), before.1);
}

/// Takes the history out of a store, as if a program that knows none had made it.
fn drop_history(file: &Path) {
    let database = Database::open(file).unwrap();
    let transaction = database.begin_write().unwrap();
    let tables: Vec<_> = transaction.list_tables().unwrap().filter(|table| TABLES.contains(&table.name())).collect();
    assert_eq!(tables.len(), TABLES.len());
    for table in tables {
        transaction.delete_table(table).unwrap();
    }
    transaction.commit().unwrap();
}

/// A store from before the history opens: its version of now is the first that is known, whole, and the past goes on from
/// there. Opening it again writes nothing more.
#[test]
fn a_store_without_history_opens() {
    let (dir, replica) = replica();
    replica.create_project(&ProjectName::parse("empty").unwrap(), "", NOW).unwrap();
    let records: Vec<Record> = (0..100).map(|n| text(&format!("k{n}"), "old")).collect();
    replica.publish(&project(), &records[..50], NOW).unwrap();
    let lost = version(&replica);
    replica.publish(&project(), &records, NOW).unwrap();
    let first = version(&replica);
    drop(replica);
    drop_history(&dir.path().join("store.redb"));

    let replica = Replica::open(dir.path()).unwrap();
    let listed = replica.versions(&project(), 10).unwrap();
    assert_eq!(listed.len(), 1);
    assert_eq!((listed[0].version.as_str(), listed[0].time), (first.as_str(), Timestamp(0)));
    assert!(matches!(replica.past(&project(), &lost), Err(ReadError::UnknownVersion(_))));
    replica.publish(&project(), &[text("k7", "new"), text("more", "new")], NOW).unwrap();
    replica.delete(&project(), &[key("k8")], NOW).unwrap();
    let keys: Vec<RecordKey> =
        replica.past(&project(), &first).unwrap().changed.into_iter().map(|(key, _)| key).collect();
    assert_eq!(keys, [key("k7"), key("k8"), key("more")]);
    let mut sorted = records.clone();
    sorted.sort_by(|one, other| one.key.cmp(&other.key));
    assert_eq!(at(&replica, &first), sorted);
    let listed = replica.versions(&project(), 10).unwrap();
    drop(replica);
    let replica = Replica::open(dir.path()).unwrap();
    assert_eq!(replica.versions(&project(), 10).unwrap(), listed);
    assert_eq!(replica.versions(&ProjectName::parse("empty").unwrap(), 10).unwrap().len(), 1);
}

/// A program without history may write to a store that has one and hand it back. Its versions are not known then, but those
/// before and after must not be told wrongly.
#[test]
fn a_gap_in_the_history_is_survived() {
    let (dir, replica) = replica();
    let file = dir.path().join("store.redb");
    replica.publish(&project(), &[text("x", "1"), text("y", "1")], NOW).unwrap();
    let before = (version(&replica), all(&replica));
    let listed = replica.versions(&project(), 10).unwrap();
    drop(replica);
    // What the other program does: write, leaving the tables of the history as they are.
    let saved = tables_of(&file);
    let replica = Replica::open(dir.path()).unwrap();
    replica.publish(&project(), &[text("x", "2")], NOW).unwrap();
    let unseen = version(&replica);
    replica.delete(&project(), &[key("y")], NOW).unwrap();
    let after = (version(&replica), all(&replica));
    drop(replica);
    restore_tables(&file, &saved);

    let replica = Replica::open(dir.path()).unwrap();
    assert!(matches!(replica.past(&project(), &unseen), Err(ReadError::UnknownVersion(_))));
    replica.publish(&project(), &[text("x", "3"), text("y", "3")], NOW).unwrap();
    assert_eq!(at(&replica, &before.0), before.1);
    assert_eq!(at(&replica, &after.0), after.1);
    assert_eq!(replica.versions(&project(), 10).unwrap()[2..], listed);
}

type History = redb::TableDefinition<'static, (&'static str, u16, u64), &'static [u8]>;
type Commits = redb::TableDefinition<'static, (&'static str, u64), Committed>;
type Versions = redb::TableDefinition<'static, (&'static str, [u8; 32]), u64>;
type Committed = ([u8; 32], u64, i64);

const HISTORY: History = redb::TableDefinition::new("history");
const COMMITS: Commits = redb::TableDefinition::new("commits");
const VERSIONS: Versions = redb::TableDefinition::new("versions");

/// Rows of the three tables of a store with one project, without its name.
struct Tables {
    history: Vec<(u16, u64, Vec<u8>)>,
    commits: Vec<(u64, Committed)>,
    versions: Vec<([u8; 32], u64)>,
}

fn tables_of(file: &Path) -> Tables {
    let database = Database::open(file).unwrap();
    let read = database.begin_read().unwrap();
    let history = read.open_table(HISTORY).unwrap();
    let commits = read.open_table(COMMITS).unwrap();
    let versions = read.open_table(VERSIONS).unwrap();
    let heads = history.iter().unwrap().map(|row| {
        let (name, heads) = row.unwrap();
        (name.value().1, name.value().2, heads.value().to_vec())
    });
    let committed = commits.iter().unwrap().map(|row| {
        let (name, commit) = row.unwrap();
        (name.value().1, commit.value())
    });
    let named = versions.iter().unwrap().map(|row| {
        let (name, number) = row.unwrap();
        (name.value().1, number.value())
    });
    Tables { history: heads.collect(), commits: committed.collect(), versions: named.collect() }
}

fn restore_tables(file: &Path, tables: &Tables) {
    drop_history(file);
    let database = Database::open(file).unwrap();
    let write = database.begin_write().unwrap();
    let name = project();
    {
        let mut history = write.open_table(HISTORY).unwrap();
        for (slot, number, heads) in &tables.history {
            history.insert((name.as_str(), *slot, *number), heads.as_slice()).unwrap();
        }
        let mut commits = write.open_table(COMMITS).unwrap();
        for (number, row) in &tables.commits {
            commits.insert((name.as_str(), *number), *row).unwrap();
        }
        let mut versions = write.open_table(VERSIONS).unwrap();
        for (digest, number) in &tables.versions {
            versions.insert((name.as_str(), *digest), *number).unwrap();
        }
    }
    write.commit().unwrap();
}
