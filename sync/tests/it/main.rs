//! Tests of the replica through its public interface: models, convergence, faults.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "tests")]

mod client;
mod convergence;
mod core_hub;
mod epochs;
mod exchange;
mod faults;
mod foreign;
mod frames;
mod history;
mod hub;
mod layers;
mod links;
mod peer;
mod records;
mod retire;
mod settings;
mod small_hub;

use skerry_sync::{ProjectName, Record, RecordKey, Replica, Timestamp};

const NOW: Timestamp = Timestamp(1_700_000_000_000);

fn project() -> ProjectName {
    ProjectName::parse("notes").unwrap()
}

fn key(name: &str) -> RecordKey {
    RecordKey::parse(name).unwrap()
}

fn text(name: &str, text: &str) -> Record {
    Record::text(key(name), text)
}

/// A replica in a folder of its own, with the project.
fn replica() -> (tempfile::TempDir, Replica) {
    let dir = tempfile::tempdir().unwrap();
    let replica = Replica::open(dir.path()).unwrap();
    replica.create_project(&project(), "", NOW).unwrap();
    (dir, replica)
}

/// Everything that a replica holds.
fn all(replica: &Replica) -> Vec<Record> {
    replica.scan(&project(), None, usize::MAX).unwrap()
}

/// Runs a whole synchronisation; answers the number of requests.
fn sync(here: &Replica, there: &Replica) -> u32 {
    let mut session = here.session(&project());
    while let Some(request) = session.next_request().unwrap() {
        session.handle_response(&there.exchange(&project(), &request).unwrap()).unwrap();
    }
    session.summary().rounds
}
