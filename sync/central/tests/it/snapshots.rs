//! Snapshots in the store: the newest is named last, old ones go, and what is still needed stays.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use object_store::ObjectStore;
use object_store::memory::InMemory;
use object_store::path::Path;
use sha2::{Digest, Sha256};
use skerry_central::CentralStore;
use skerry_central::snapshots::{LATEST_FORMAT, Latest, StoredArtefact};
use skerry_sync::ProjectName;

fn store() -> (Arc<InMemory>, CentralStore) {
    let objects = Arc::new(InMemory::new());
    (Arc::clone(&objects), CentralStore::new(objects as Arc<dyn ObjectStore>, Path::from("some/prefix")))
}

fn harbour() -> ProjectName {
    ProjectName::parse("harbour").unwrap()
}

fn sha256(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

/// A snapshot with native code of its own and a model that it shares.
async fn publish(store: &CentralStore, number: u32, epoch: &str) -> Latest {
    let (file, code) = (format!("file {number}").into_bytes(), format!("code {number}").into_bytes());
    store.store_model(b"model".to_vec()).await.unwrap();
    let object = store.store_artefact(code.clone()).await.unwrap();
    let description = serde_json::json!({ "cwasm_sha256": sha256(&code), "profile": "aarch64" });
    let latest = Latest {
        format: LATEST_FORMAT,
        project: "harbour".to_owned(),
        version: format!("{number}"),
        epoch: epoch.to_owned(),
        sha256: sha256(&file),
        bytes: file.len() as u64,
        unbaked_sha256: "00".repeat(32),
        records: 1,
        model_sha256: Some(sha256(b"model")),
        covers: [("document".to_owned(), vec!["chunk".to_owned()])].into(),
        artefacts: vec![StoredArtefact {
            part: "query".to_owned(),
            object,
            description: description.as_object().unwrap().clone(),
        }],
        recipe: String::new(),
    };
    store.publish_snapshot(&harbour(), Some(file), &latest).await.unwrap();
    latest
}

/// What the newest is is part of the store's format; everything that it names is there, whole.
#[tokio::test]
async fn the_newest_names_everything() {
    let (objects, store) = store();
    assert_eq!(store.latest_snapshot(&harbour()).await.unwrap(), None);
    let latest = publish(&store, 1, "0-0000000000000000").await;
    assert_eq!(store.latest_snapshot(&harbour()).await.unwrap(), Some(latest.clone()));
    assert!(store.has_snapshot(&harbour(), &latest).await.unwrap());
    assert_eq!(store.read_snapshot(&harbour(), &latest.sha256).await.unwrap().unwrap(), b"file 1");
    assert_eq!(store.read_artefact(&latest.artefacts[0]).await.unwrap().unwrap(), b"code 1");
    assert_eq!(store.read_model(&sha256(b"model")).await.unwrap().unwrap(), b"model");
    assert_eq!(latest.artefacts[0].object, format!("artefacts/{}.cwasm", sha256(b"code 1")));
    let json = serde_json::to_string(&latest).unwrap();
    assert!(json.contains(r#""artefacts":[{"part":"query","object":"artefacts/"#), "{json}");

    let location = Path::from(format!("some/prefix/snapshots/harbour/{}.wasm", latest.sha256));
    object_store::ObjectStoreExt::put(&*objects, &location, b"other".to_vec().into()).await.unwrap();
    assert!(store.read_snapshot(&harbour(), &latest.sha256).await.is_err(), "other bytes than the name promises");
}

/// The last ones stay, and everything young; native code goes with the last snapshot that needs it, a model that others
/// share does not.
#[tokio::test]
async fn old_snapshots_are_collected() {
    let (_, store) = store();
    let mut all = Vec::new();
    for number in 0..5 {
        all.push(publish(&store, number, "0-0000000000000000").await);
    }
    assert_eq!(store.collect_snapshots(2, SystemTime::now()).await.unwrap(), 0, "all of them are young");
    let later = SystemTime::now() + Duration::from_hours(2);
    assert_eq!(store.collect_snapshots(2, later).await.unwrap(), 6, "three files with their code");
    let newest = all.pop().unwrap();
    assert!(store.has_snapshot(&harbour(), &newest).await.unwrap());
    let mut left = 0;
    for latest in &all {
        left += usize::from(store.has_snapshot(&harbour(), latest).await.unwrap());
    }
    assert_eq!(left, 1);
    assert_eq!(store.collect_snapshots(2, later).await.unwrap(), 0);
}

/// Guarantee 4 of the design: records may have been erased between two epochs, so snapshots of the older one go at once, with
/// their native code, also when that was cut off after the file.
#[tokio::test]
async fn snapshots_of_an_older_epoch_go_at_once() {
    let (objects, store) = store();
    let before = publish(&store, 1, "0-0000000000000000").await;
    let after = publish(&store, 2, "1-0102030405060708").await;
    let file = Path::from(format!("some/prefix/snapshots/harbour/{}.wasm", before.sha256));
    object_store::ObjectStoreExt::delete(&*objects, &file).await.unwrap();
    assert_eq!(store.collect_snapshots(3, SystemTime::now()).await.unwrap(), 1, "the code that was left");
    assert_eq!(store.read_snapshot(&harbour(), &before.sha256).await.unwrap(), None);
    assert_eq!(store.read_artefact(&before.artefacts[0]).await.unwrap(), None);
    assert!(store.has_snapshot(&harbour(), &after).await.unwrap());

    publish(&store, 3, "2-0102030405060708").await;
    assert_eq!(store.collect_snapshots(3, SystemTime::now()).await.unwrap(), 2, "the file and its code");
    assert_eq!(store.collect_snapshots(3, SystemTime::now()).await.unwrap(), 0);
}
