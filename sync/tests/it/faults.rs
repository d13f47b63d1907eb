//! Disks that are full, files that are damaged, folders that are in use: clear errors, nothing acknowledged lost.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use redb::backends::InMemoryBackend;
use redb::{Database, StorageBackend};
use skerry_sync::{Health, OpenError, Replica, WriteError};

use crate::{NOW, all, project, replica, text};

/// A disk whose files outlive the process that wrote them, with room for so many bytes.
#[derive(Debug, Clone)]
struct Disk {
    bytes: Arc<InMemoryBackend>,
    room: Arc<AtomicU64>,
}

impl StorageBackend for Disk {
    fn len(&self) -> Result<u64, io::Error> {
        self.bytes.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> Result<(), io::Error> {
        self.bytes.read(offset, out)
    }

    fn set_len(&self, len: u64) -> Result<(), io::Error> {
        if len > self.room.load(Ordering::Relaxed) {
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.bytes.set_len(len)
    }

    fn sync_data(&self) -> Result<(), io::Error> {
        self.bytes.sync_data()
    }

    fn write(&self, offset: u64, data: &[u8]) -> Result<(), io::Error> {
        if offset + data.len() as u64 > self.room.load(Ordering::Relaxed) {
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.bytes.write(offset, data)
    }
}

/// A full disk refuses, loses nothing, shows nothing of what it refused, and works again by itself when there is room.
#[test]
fn a_full_disk_refuses_and_recovers() {
    let disk = Disk { bytes: Arc::new(InMemoryBackend::new()), room: Arc::new(AtomicU64::new(u64::MAX)) };
    let handle = disk.clone();
    let open = move || {
        let handle = handle.clone();
        Box::new(move || Database::builder().create_with_backend(handle.clone())) as _
    };
    let replica = Replica::open_with(open()).unwrap();
    replica.create_project(&project(), "", NOW).unwrap();
    replica.publish(&project(), &[text("first", "kept")], NOW).unwrap();
    disk.room.store(disk.len().unwrap(), Ordering::Relaxed);

    let large = |n: usize| text(&format!("large{n}"), &"x".repeat(500_000));
    let mut stored = 1;
    let refusal = loop {
        match replica.publish(&project(), &[large(stored)], NOW) {
            Ok(_) => stored += 1,
            Err(error) => break error,
        }
        assert!(stored < 1_000, "the disk never filled up");
    };
    assert!(matches!(refusal, WriteError::StoreFull), "{refusal:?}");
    assert!(matches!(replica.health(), Health::Failed { .. }));
    assert_eq!(all(&replica).len(), stored);
    // Again and again: still refused, still readable.
    assert!(matches!(replica.publish(&project(), &[large(stored)], NOW), Err(WriteError::StoreFull)));
    assert_eq!(all(&replica).len(), stored);

    disk.room.store(u64::MAX, Ordering::Relaxed);
    replica.publish(&project(), &[large(stored)], NOW).unwrap();
    assert_eq!(replica.health(), Health::Ok);
    assert_eq!(all(&replica).len(), stored + 1);
    assert_eq!(replica.verify(&project()).unwrap().differing, [] as [String; 0]);
    drop(replica);
    let replica = Replica::open_with(open()).unwrap();
    assert_eq!(all(&replica).len(), stored + 1);
}

/// Two processes on one folder would overwrite each other; the second is told so.
#[test]
fn a_folder_has_one_owner() {
    let (dir, _replica) = replica();
    let second = Replica::open(dir.path());
    assert!(matches!(second, Err(OpenError::InUse { .. })), "{second:?}");
    assert!(second.unwrap_err().to_string().contains("in use"));
}

/// A store cut short at any length either opens with everything that was acknowledged or says that it is damaged. It never
/// panics, never opens as something smaller, and is never replaced by an empty one.
#[test]
fn a_store_cut_short_is_found() {
    let (dir, replica) = replica();
    for n in 0..50 {
        replica.publish(&project(), &[text(&format!("k{n}"), &"content ".repeat(100))], NOW).unwrap();
    }
    let expected = all(&replica);
    drop(replica);
    let file = dir.path().join("store.redb");
    let whole = std::fs::read(&file).unwrap();
    let mut damaged = 0;
    for part in 0..24 {
        let length = whole.len() * part / 24;
        std::fs::write(&file, &whole[..length]).unwrap();
        match Replica::open(dir.path()) {
            Ok(replica) => assert_eq!(read_all(&replica), Some(expected.clone()), "cut to {length} of {}", whole.len()),
            Err(OpenError::Damaged { .. }) => damaged += 1,
            Err(other) => panic!("cut to {length}: {other:?}"),
        }
    }
    assert!(damaged > 12, "{damaged}");
    std::fs::remove_file(&file).unwrap();
    assert!(
        matches!(Replica::open(dir.path()), Err(OpenError::Damaged { .. })),
        "a store that is gone is not a new one"
    );
    std::fs::write(&file, &whole).unwrap();
    assert_eq!(all(&Replica::open(dir.path()).unwrap()), expected);
}

fn read_all(replica: &Replica) -> Option<Vec<skerry_sync::Record>> {
    replica.scan(&project(), None, usize::MAX).ok()
}

/// Bytes changed on disk, in headers and in pages: an error at opening or at reading, never a panic.
#[test]
fn flipped_bytes_are_no_panic() {
    let (dir, replica) = replica();
    for n in 0..20 {
        replica.publish(&project(), &[text(&format!("k{n}"), "content")], NOW).unwrap();
    }
    drop(replica);
    let file = dir.path().join("store.redb");
    let whole = std::fs::read(&file).unwrap();
    for at in [0, 5, 12, 64, 100, 200, 4096, 8192] {
        let mut changed = whole.clone();
        changed[at] ^= 0xff;
        std::fs::write(&file, &changed).unwrap();
        match Replica::open(dir.path()) {
            Ok(replica) => drop(read_all(&replica)),
            Err(OpenError::Damaged { .. } | OpenError::Io { .. }) => {}
            Err(other) => panic!("flipped at {at}: {other:?}"),
        }
    }
}
