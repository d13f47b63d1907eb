//! Erasing a record reaches every byte of the central store, also when the hub is killed while it retires documents.

use std::collections::BTreeSet;
use std::path::Path;

use automerge::Automerge;
use serde_json::json;
use skerry_sync::{ProjectName, Record, RecordKey, Replica, Timestamp};

use crate::http;
use crate::process::{self, Hub};

const NOW: Timestamp = Timestamp(1_700_000_000_000);

/// In the erased record's key, text, data and layer.
const MARKER: &str = "MARKER";

/// Records besides the erased one.
const RECORDS: usize = 100;

/// Kills in a row while documents are retired.
const KILLS: u64 = 12;

fn project() -> ProjectName {
    ProjectName::parse("notes").unwrap()
}

fn key(name: &str) -> RecordKey {
    RecordKey::parse(name).unwrap()
}

fn replica() -> (tempfile::TempDir, Replica) {
    let folder = tempfile::tempdir().unwrap();
    let replica = Replica::open(folder.path()).unwrap();
    replica.create_project(&project(), "", NOW).unwrap();
    (folder, replica)
}

/// A record that says it everywhere; long enough for its changes to be compressed.
fn secret(version: &str) -> Record {
    Record {
        data: json!({ "field": format!("DATA-{MARKER} {version}") }).as_object().unwrap().clone(),
        layers: BTreeSet::from([format!("LAYER-{MARKER}")]),
        ..Record::text(key(&format!("KEY-{MARKER}")), &format!("TEXT-{MARKER} {version} ").repeat(50))
    }
}

fn others(text: &str) -> Vec<Record> {
    (0..RECORDS).map(|number| Record::text(key(&format!("kept {number}")), &format!("{text} {number}"))).collect()
}

/// A whole session over HTTP; false when the hub is gone.
async fn sync(replica: &Replica, address: &str, token: &str) -> bool {
    let mut session = replica.session(&project());
    while let Some(request) = session.next_request().unwrap() {
        let Some(answer) = http::try_exchange(address, token, request).await else { return false };
        session.handle_response(&answer).unwrap();
    }
    true
}

fn files(folder: &Path, found: &mut Vec<std::path::PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { files(&path, found) } else { found.push(path) }
    }
}

/// Files that say it: in their bytes, or in any change of those that are chunks of documents.
fn holding(folder: &Path) -> Vec<std::path::PathBuf> {
    let within = |bytes: &[u8]| bytes.windows(MARKER.len()).any(|window| window == MARKER.as_bytes());
    let mut found = Vec::new();
    files(folder, &mut found);
    found.retain(|path| {
        // Chunks may be deleted while we look.
        let Ok(bytes) = std::fs::read(path) else { return false };
        let mut document = Automerge::new();
        let chunk = document.load_incremental(&bytes).is_ok();
        let changes = document.get_changes(&[]);
        within(&bytes)
            || within(path.to_string_lossy().as_bytes())
            || chunk && (within(&document.save_nocompress()) || changes.iter().any(|change| within(change.raw_bytes())))
    });
    found
}

async fn until_gone(store: &Path) {
    crate::until("the marker is in no byte of the store", async || holding(store).is_empty().then_some(())).await;
}

fn purge(replica: &Replica) {
    for (name, _) in replica.purges().unwrap() {
        replica.purge(&name, None).unwrap();
    }
}

fn all(replica: &Replica) -> Vec<Record> {
    replica.scan(&project(), None, usize::MAX).unwrap()
}

/// One replica erases a record that two replicas wrote: when both have synchronised it is in no byte of the store and of their
/// folders, and everything else is there, for a third replica too. The hub says what became of the documents.
#[tokio::test(flavor = "multi_thread")]
async fn an_erased_record_is_in_no_byte_of_the_store() {
    let folder = tempfile::tempdir().unwrap();
    let store = folder.path().to_str().unwrap();
    let token = process::ok(store, &["token", "create", "-p", "notes", "--access", "write"]);
    let hub = Hub::start(store, &[]);
    let ((a_dir, a), (b_dir, b)) = (replica(), replica());
    a.publish(&project(), &[others("first"), vec![secret("one")]].concat(), NOW).unwrap();
    assert!(sync(&a, &hub.address, &token).await && sync(&b, &hub.address, &token).await);
    b.publish(&project(), &[secret("two"), Record::text(key("late"), "late")], NOW).unwrap();
    assert!(!holding(folder.path()).is_empty(), "the test proves nothing: the record never was in the store");
    a.erase(&project(), &[key(&format!("KEY-{MARKER}"))], NOW).unwrap();
    for replica in [&a, &b, &a] {
        assert!(sync(replica, &hub.address, &token).await);
    }
    until_gone(folder.path()).await;
    for (dir, replica) in [(&a_dir, &a), (&b_dir, &b)] {
        purge(replica);
        assert_eq!(holding(dir.path()), [] as [std::path::PathBuf; 0]);
        assert_eq!(all(replica).len(), RECORDS + 1);
    }
    let any = process::ok(store, &["token", "create", "--all", "--access", "write"]);
    let status = http::request(&hub.address, "GET", "/api/v1/status", Some(&any), None).await;
    let status: serde_json::Value = serde_json::from_slice(&status.body).unwrap();
    assert_eq!(status["retirements"][0]["project"], "notes", "{status}");
    assert_eq!(status["retirements"][0]["state"], "done", "{status}");
    assert!(status["retirements"][0]["documents"].as_u64().unwrap() > 0, "{status}");
    let (_c_dir, c) = replica();
    assert!(sync(&c, &hub.address, &token).await);
    assert_eq!(all(&c), all(&a));
    assert_eq!(all(&b), all(&a));
}

/// The hub is killed again and again while it retires documents. Each time it goes on; in the end the record is gone, and
/// nothing else is: what a replica wrote into the old documents, and only there, too.
#[tokio::test(flavor = "multi_thread")]
async fn kills_during_retirement_lose_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let store = folder.path().to_str().unwrap();
    let token = process::ok(store, &["token", "create", "-p", "notes", "--access", "write"]);
    let ((_a_dir, a), (b_dir, b)) = (replica(), replica());
    let mut hub = Hub::start(store, &[]);
    a.publish(&project(), &[others("first"), vec![secret("one")]].concat(), NOW).unwrap();
    assert!(sync(&a, &hub.address, &token).await && sync(&b, &hub.address, &token).await);
    // Another replica changes every record, and is lost: the store alone has that.
    b.publish(&project(), &[others("second"), vec![secret("two")]].concat(), NOW).unwrap();
    assert!(sync(&b, &hub.address, &token).await);
    drop((b, b_dir));
    a.erase(&project(), &[key(&format!("KEY-{MARKER}"))], NOW).unwrap();
    for round in 0..KILLS {
        let address = hub.address.clone();
        let syncing = sync(&a, &address, &token);
        // Later each time, so that kills hit all of it: the sync, the reading, the writing and the deleting.
        let pause = std::time::Duration::from_millis(20 + 35 * round + (round * 7919) % 30);
        let killed = async {
            tokio::time::sleep(pause).await;
            hub.kill();
        };
        tokio::join!(syncing, killed);
        hub = Hub::start(store, &[]);
    }
    assert!(sync(&a, &hub.address, &token).await);
    until_gone(folder.path()).await;
    assert!(sync(&a, &hub.address, &token).await);
    let (_c_dir, c) = replica();
    assert!(sync(&c, &hub.address, &token).await);
    for replica in [&a, &c] {
        let found: BTreeSet<(String, String)> =
            all(replica).into_iter().map(|record| (record.key.to_string(), record.text)).collect();
        let expected = others("second").into_iter().map(|record| (record.key.to_string(), record.text)).collect();
        assert_eq!(found, expected);
    }
}
