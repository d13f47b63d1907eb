//! Acknowledged means durable: the process is killed in the middle of writes, again and again.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::client::{Client, put, shard, texts};
use crate::process::{self, Hub};

/// Kills of one hub, in a row, over one folder.
const KILLS: u64 = 10;

/// Clients that write all the time, each to a document of its own and to one that all share.
const CLIENTS: u16 = 3;

/// Numbers that look random and are the same in every run.
fn scrambled(seed: u64) -> u64 {
    let mixed = (seed.wrapping_add(0x9E37_79B9_7F4A_7C15)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    (mixed ^ (mixed >> 31)).wrapping_mul(0x94D0_49BB_1331_11EB) >> 33
}

/// Writes until the hub is gone. Every record that was acknowledged is taken down.
async fn write(address: String, token: String, number: u16, round: u64, acknowledged: Acknowledged) {
    let Ok(mut client) = Client::connect(&address, &token).await else { return };
    let documents = [shard("notes", number + 1), shard("notes", 0)];
    for (id, empty) in &documents {
        if client.open(id, empty.clone()).await.is_err() {
            return;
        }
    }
    for count in 0.. {
        let (id, _) = &documents[count % 2];
        let key = format!("r{round}-c{number}-{count}");
        if client.change(id, |document| put(document, &key, "text")).await.is_err() {
            return;
        }
        if client.acknowledged(id).await.is_err() {
            return;
        }
        acknowledged.lock().unwrap().insert((id.clone(), key));
    }
}

type Acknowledged = Arc<Mutex<BTreeSet<(String, String)>>>;

/// Guarantee 1 of the design, at the hub: three clients write all the time, the hub is killed ten times. In the end
/// everything that was ever acknowledged is there. Few chunks make a snapshot, so that kills hit compactions too.
#[tokio::test(flavor = "multi_thread")]
async fn ten_kills_lose_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let store = folder.path().to_str().unwrap().to_owned();
    let token = process::ok(&store, &["token", "create", "-p", "notes", "--access", "write"]);
    let acknowledged = Acknowledged::default();
    for round in 0..KILLS {
        let mut hub = Hub::start(&store, &["--chunks-max", "4"]);
        let start = acknowledged.lock().unwrap().len();
        let writers: Vec<_> = (0..CLIENTS)
            .map(|number| {
                let acknowledged = Arc::clone(&acknowledged);
                tokio::spawn(write(hub.address.clone(), token.clone(), number, round, acknowledged))
            })
            .collect();
        let enough = start + 5 + usize::try_from(scrambled(round) % 40).unwrap();
        crate::until("some acknowledged writes", async || (acknowledged.lock().unwrap().len() >= enough).then_some(()))
            .await;
        // Not at the end of a write, but somewhere in one.
        tokio::time::sleep(Duration::from_micros(scrambled(round + 100) % 5_000)).await;
        hub.kill();
        for writer in writers {
            writer.await.unwrap();
        }
    }
    let hub = Hub::start(&store, &[]);
    let mut client = Client::connect(&hub.address, &token).await.unwrap();
    let expected = acknowledged.lock().unwrap().clone();
    for number in 0..=CLIENTS {
        let (id, empty) = shard("notes", number);
        let wanted: BTreeSet<&String> = expected.iter().filter(|(of, _)| *of == id).map(|(_, key)| key).collect();
        assert!(!wanted.is_empty(), "nothing was written to {id}: the test proves little");
        client.open(&id, empty).await.unwrap();
        client
            .until("everything acknowledged", |client| {
                let found = texts(client.document(&id));
                wanted.iter().all(|key| found.contains_key(*key))
            })
            .await
            .unwrap();
    }
}
