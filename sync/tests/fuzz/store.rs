//! The device store: rows of every table, and pages of the file.
//!
//! A damaged store may refuse anything, and must not panic, hang, or take what memory there is.

use redb::{ReadableDatabase, ReadableTable, TableDefinition};
use skerry_fuzz::Target;
use skerry_sync::Replica;

use crate::disk::Disk;
use crate::{NOW, project, text};

const PROJECTS: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("projects");
const CHUNKS: TableDefinition<'_, ([u8; 16], u32), &[u8]> = TableDefinition::new("chunks");
const RECORDS: TableDefinition<'_, (&str, &str), &[u8]> = TableDefinition::new("records");
const META: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("meta");
const HISTORY: TableDefinition<'_, (&str, u16, u64), &[u8]> = TableDefinition::new("history");
const VECTORS: TableDefinition<'_, [u8; 16], &[u8]> = TableDefinition::new("vectors");

fn store() -> Disk {
    let disk = Disk::default();
    let replica = disk.replica().unwrap();
    replica.create_project(&project(), "the sea", NOW).unwrap();
    replica.publish(&project(), &[text("k0", "zero"), text("k1", "one")], NOW).unwrap();
    replica.publish(&project(), &[text("k0", "naught")], NOW).unwrap();
    replica.put_vectors("m", &[("text", &[1.0, 2.0])]).unwrap();
    replica.put_spans("m", &[("text", &[(0, 2)])]).unwrap();
    replica.put_note("n", "a note").unwrap();
    disk
}

/// Everything that reads and one thing that writes; errors are fine.
fn use_it(replica: &Replica) {
    let _ = replica.projects();
    let _ = replica.scan(&project(), None, usize::MAX);
    let _ = replica.changes(&project(), 0, usize::MAX);
    let _ = replica.version(&project());
    let _ = replica.vectors("m", &["text"]);
    let _ = replica.spans("m", &["text"]);
    let _ = replica.note_of("n");
    for version in replica.versions(&project(), 16).unwrap_or_default() {
        let _ = replica.past(&project(), &version.version).map(drop);
    }
    let _ = replica.verify(&project());
    let mut session = replica.session(&project());
    let _ = session.next_request();
    let _ = replica.publish(&project(), &[text("k0", "written afterwards")], NOW);
}

/// A test that writes changed rows of a table in the place of each of them.
macro_rules! rows {
    ($name:ident, $table:expr, $key:pat => $owned:expr, $kept:pat => $borrowed:expr, $cases:expr) => {
        #[test]
        fn $name() {
            let image = store().bytes();
            let (mut keys, mut rows) = (Vec::new(), Vec::new());
            let database = Disk::of(image.clone()).database().unwrap();
            for row in database.begin_read().unwrap().open_table($table).unwrap().iter().unwrap() {
                let (key, row) = row.unwrap();
                let $key = key.value();
                keys.push($owned);
                rows.push(row.value().to_vec());
            }
            assert!(!rows.is_empty());
            for $kept in &keys {
                Target::new(stringify!($name), &rows)
                    .repair(|bytes| skerry_fuzz::automerge::repair(bytes))
                    .cases($cases)
                    .run(|bytes| {
                        let disk = Disk::of(image.clone());
                        let database = disk.database().unwrap();
                        let transaction = database.begin_write().unwrap();
                        transaction.open_table($table).unwrap().insert($borrowed, bytes).unwrap();
                        transaction.commit().unwrap();
                        drop(database);
                        if let Ok(replica) = disk.replica() {
                            use_it(&replica);
                        }
                    });
            }
        }
    };
}

rows!(project_rows, PROJECTS, key => key.to_owned(), key => key.as_str(), 50);
rows!(chunk_rows, CHUNKS, key => key, key => *key, 100);
rows!(record_rows, RECORDS, (project, key) => (project.to_owned(), key.to_owned()), (project, key) => (project.as_str(), key.as_str()), 100);
rows!(meta_rows, META, key => key.to_owned(), key => key.as_str(), 100);
rows!(history_rows, HISTORY, (project, slot, commit) => (project.to_owned(), slot, commit), (project, slot, commit) => (project.as_str(), *slot, *commit), 50);
rows!(vector_rows, VECTORS, key => key, key => *key, 50);

/// Pages of the file, with no checksum put right: redb has its own.
#[test]
fn pages() {
    let image = [store().bytes()];
    Target::new("store file", &image).cases(200).run(|bytes| {
        if let Ok(replica) = Disk::of(bytes.to_vec()).replica() {
            use_it(&replica);
        }
    });
}
