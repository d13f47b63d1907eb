//! Fuzz targets of everything that a replica and a hub read: from the network, from their stores, from callers (docs/fuzzing.md).
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "tests")]

mod disk;
mod documents;
mod exchange;
mod messages;
mod records;
mod store;

use skerry_fuzz::Bounded;
use skerry_sync::{ProjectName, Record, RecordKey, Replica, Timestamp};

#[global_allocator]
static ALLOCATOR: Bounded = skerry_fuzz::bounded();

const NOW: Timestamp = Timestamp(1_700_000_000_000);

fn project() -> ProjectName {
    ProjectName::parse("notes").unwrap()
}

fn text(name: &str, text: &str) -> Record {
    Record::text(RecordKey::parse(name).unwrap(), text)
}

/// Whatever came in, the replica can be read, its tables say what its documents say, and it takes writes.
fn assert_sound(replica: &Replica) {
    replica.scan(&project(), None, usize::MAX).unwrap();
    replica.changes(&project(), 0, usize::MAX).unwrap();
    assert_eq!(replica.verify(&project()).unwrap().differing, [] as [String; 0]);
    replica.publish(&project(), &[text("k0", "written afterwards")], NOW).unwrap();
    assert_eq!(replica.get(&project(), &RecordKey::parse("k0").unwrap()).unwrap().unwrap().text, "written afterwards");
}
