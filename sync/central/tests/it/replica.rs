//! Replicas over one store and no hub: what a function, a worker and a desk do.

use std::sync::Arc;

use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt, PutPayload};
use skerry_central::{CentralStore, fill, has_newer, push};
use skerry_sync::document::{DocumentId, Slot};
use skerry_sync::hub::Chunk;
use skerry_sync::{ProjectName, Record, RecordKey, Replica, Timestamp};

const NOW: Timestamp = Timestamp(1_700_000_000_000);

struct Store {
    objects: Arc<InMemory>,
    central: CentralStore,
}

fn store() -> Store {
    let objects = Arc::new(InMemory::new());
    let central = CentralStore::new(Arc::clone(&objects) as Arc<dyn ObjectStore>, Path::from("some/prefix"));
    Store { objects, central }
}

fn notes() -> ProjectName {
    ProjectName::parse("notes").unwrap()
}

fn key(name: &str) -> RecordKey {
    RecordKey::parse(name).unwrap()
}

fn open() -> (tempfile::TempDir, Replica) {
    let dir = tempfile::tempdir().unwrap();
    let replica = Replica::open(dir.path()).unwrap();
    (dir, replica)
}

fn publish(replica: &Replica, from: usize, to: usize) {
    replica.create_project(&notes(), "", NOW).unwrap();
    let records: Vec<Record> = (from..to)
        .map(|number| Record::text(key(&format!("note {number}")), &format!("High water {number}")))
        .collect();
    replica.publish(&notes(), &records, NOW).unwrap();
}

fn same(one: &Replica, other: &Replica) {
    assert_eq!(one.version(&notes()).unwrap(), other.version(&notes()).unwrap());
    let all = |replica: &Replica| replica.scan(&notes(), None, usize::MAX).unwrap();
    assert_eq!(all(one), all(other));
    assert_eq!(other.verify(&notes()).unwrap().differing, [""; 0]);
}

/// However many objects there are, and however many of one document: many documents are listed as each of them is.
#[tokio::test]
async fn many_documents_are_listed_as_each_is() {
    let Store { central, objects } = store();
    let documents: Vec<DocumentId> = (0..20).map(|slot| DocumentId::derive(&notes(), Slot::Shard(slot))).collect();
    for (chunks, others) in [(3, 0), (150, 0), (2, 1_200)] {
        let stored = |document: &DocumentId, number: usize| {
            central.store(*document, Chunk::new(format!("{document} {number}").into_bytes()))
        };
        for number in 0..chunks {
            stored(&documents[7], number).await.unwrap();
            stored(&documents[number % 20], number).await.unwrap();
        }
        for number in 0..others {
            stored(&DocumentId::derive(&notes(), Slot::Shard(1_000 + number as u16)), number).await.unwrap();
        }
        let alien = Path::from(format!("some/prefix/documents/{}/readme", documents[3]));
        objects.put(&alien, PutPayload::from_static(b"no chunk")).await.unwrap();
        let listed = central.list_chunks(&documents).await.unwrap();
        assert_eq!(listed.len(), documents.len());
        for document in &documents {
            assert_eq!(listed[document], central.chunk_names(*document).await.unwrap(), "{document}");
        }
        assert!(listed[&documents[7]].len() >= chunks);
    }
}

/// A function's life: it reads a project, writes, and stores what it wrote; another one reads that and nothing else.
#[tokio::test]
async fn what_is_pushed_is_filled_and_only_new_chunks_are_read() {
    let Store { central, .. } = store();
    let ((_a, here), (_b, there)) = (open(), open());
    assert!(!fill(&there, &notes(), &central).await.unwrap().is_there(), "nobody has stored anything");
    assert!(there.projects().unwrap().is_empty(), "a project that is nowhere is not made");

    publish(&here, 0, 200);
    let pushed = push(&here, &notes(), &central).await.unwrap();
    assert!(pushed.len() > 40, "200 records lie in most shards: {}", pushed.len());
    assert_eq!(push(&here, &notes(), &central).await.unwrap(), [], "there is nothing new");
    assert_eq!(central.projects().await.unwrap(), [notes()]);

    let filled = fill(&there, &notes(), &central).await.unwrap();
    assert_eq!((filled.chunks_read, filled.waiting, filled.covers.len()), (pushed.len(), false, 65));
    same(&here, &there);
    assert!(!has_newer(&filled.covers, &central).await.unwrap());

    // One record more is one chunk more, in a document that was there or in one that was not.
    publish(&there, 500, 501);
    assert_eq!(push(&there, &notes(), &central).await.unwrap().len(), 1);
    assert!(has_newer(&filled.covers, &central).await.unwrap());
    let filled = fill(&here, &notes(), &central).await.unwrap();
    assert_eq!((filled.chunks_read, filled.changes), (1, 1));
    same(&here, &there);
    assert_eq!(push(&here, &notes(), &central).await.unwrap(), [], "what was read is not stored again");
}

/// Two who write at once need not know of each other: each stores its own, and both end in the same.
#[tokio::test]
async fn writers_at_the_same_time_meet_in_the_store() {
    let Store { central, .. } = store();
    let ((_a, here), (_b, there)) = (open(), open());
    publish(&here, 0, 50);
    publish(&there, 25, 75);
    push(&here, &notes(), &central).await.unwrap();
    push(&there, &notes(), &central).await.unwrap();
    publish(&here, 75, 80);
    fill(&here, &notes(), &central).await.unwrap();
    // What it had written before it read is still its own to store, and that alone.
    let pushed = push(&here, &notes(), &central).await.unwrap();
    assert!((1..=5).contains(&pushed.len()), "five records: {}", pushed.len());
    fill(&there, &notes(), &central).await.unwrap();
    same(&here, &there);
    assert_eq!(here.scan(&notes(), None, usize::MAX).unwrap().len(), 80);
}

/// A hub compacts: the chunks that were read are gone, a snapshot is there. It is read once, brings nothing, and whoever comes
/// new reads only that.
#[tokio::test]
async fn a_snapshot_in_the_place_of_chunks_changes_nothing() {
    let Store { central, .. } = store();
    let ((_a, here), (_b, there)) = (open(), open());
    for number in 0..3 {
        publish(&here, 0, 1);
        here.publish(&notes(), &[Record::text(key("note 0"), &format!("again {number}"))], NOW).unwrap();
        push(&here, &notes(), &central).await.unwrap();
    }
    let filled = fill(&here, &notes(), &central).await.unwrap();
    let (document, chunks) = filled.covers.iter().find(|(_, chunks)| chunks.len() == 3).unwrap();
    let mut whole = Vec::new();
    for chunk in central.load(*document).await.unwrap() {
        let mut loaded = automerge::Automerge::load(&whole).unwrap_or_default();
        loaded.load_incremental(&chunk.bytes).unwrap();
        whole = loaded.save();
    }
    central.replace(*document, Chunk::new(whole), chunks.clone()).await.unwrap();

    let again = fill(&here, &notes(), &central).await.unwrap();
    assert_eq!((again.chunks_read, again.changes), (1, 0));
    assert_eq!(again.covers[document].len(), 1);
    assert_eq!(fill(&here, &notes(), &central).await.unwrap().chunks_read, 0);
    fill(&there, &notes(), &central).await.unwrap();
    same(&here, &there);
}

/// Guarantee 4 of the design, without a hub: an erasure reaches whoever reads the store, also somebody who never saw the
/// epoch before; and as long as documents of the new epoch are missing, the old ones count.
#[tokio::test]
async fn an_erasure_arrives_whole_or_not_yet() {
    let Store { objects, central } = store();
    let ((_a, here), (_b, there), (_c, fresh)) = (open(), open(), open());
    publish(&here, 0, 100);
    push(&here, &notes(), &central).await.unwrap();
    fill(&there, &notes(), &central).await.unwrap();
    let before = there.version(&notes()).unwrap();

    here.erase(&notes(), &[key("note 7")], NOW).unwrap();
    let pushed = push(&here, &notes(), &central).await.unwrap();
    assert_eq!(pushed.len(), 65, "the catalog and every shard of the new epoch");

    let (document, chunk) = *pushed.last().unwrap();
    let location = Path::from(format!("some/prefix/documents/{document}/{chunk}"));
    let bytes = objects.get(&location).await.unwrap().bytes().await.unwrap();
    objects.delete(&location).await.unwrap();
    let filled = fill(&there, &notes(), &central).await.unwrap();
    assert!(filled.waiting);
    assert_eq!(there.version(&notes()).unwrap(), before);

    // What is written meanwhile goes into the old documents, and is carried over.
    there.publish(&notes(), &[Record::text(key("late"), "written before the epoch had arrived")], NOW).unwrap();
    objects.put(&location, PutPayload::from(bytes)).await.unwrap();
    let filled = fill(&there, &notes(), &central).await.unwrap();
    assert!(!filled.waiting);
    assert_eq!(there.get(&notes(), &key("note 7")).unwrap(), None);
    push(&there, &notes(), &central).await.unwrap();
    fill(&here, &notes(), &central).await.unwrap();
    same(&here, &there);

    let filled = fill(&fresh, &notes(), &central).await.unwrap();
    assert!(!filled.waiting && filled.covers.len() == 65);
    same(&here, &fresh);
    assert_eq!(fresh.get(&notes(), &key("late")).unwrap().unwrap().text, "written before the epoch had arrived");
}

/// Guarantee 3 of the design: a chunk with a flipped bit, and one that is no document's, are told and left out; what is whole
/// counts all the same.
#[tokio::test]
async fn damaged_chunks_are_left_out() {
    let Store { central, .. } = store();
    let ((_a, here), (_b, there)) = (open(), open());
    publish(&here, 0, 100);
    let pushed = push(&here, &notes(), &central).await.unwrap();
    let (document, _) = pushed[1];
    let flipped = Chunk { bytes: b"flipped".to_vec(), ..Chunk::new(b"whole".to_vec()) };
    central.store(document, flipped.clone()).await.unwrap();
    central.store(document, Chunk::new(b"no document".to_vec())).await.unwrap();
    let filled = fill(&there, &notes(), &central).await.unwrap();
    assert_eq!(filled.refused.len(), 2, "{:?}", filled.refused);
    assert!(filled.refused.iter().any(|(id, name, _)| (*id, *name) == (document, flipped.name)));
    same(&here, &there);
}
