//! Two replicas of 10,000 records: the first synchronisation, changes made apart, and how soon a write is seen.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use anyhow::Context;
use automerge::Automerge;
use serde_json::{Value, json};
use skerry_sync::document::Slot;
use skerry_sync::{Record, RecordKey};

use super::data::{Data, Documents, write};
use super::servers::Server;
use super::wire::{Wire, sorted_heads};
use crate::bench::percentile;

/// Changes that each of two replicas makes apart.
const APART: usize = 100;

/// How long two replicas may take to catch up before they connect again, as a person would who saw nothing happen.
const SILENCE_MAX: Duration = Duration::from_secs(5);

/// A replica with everything, through a server, to one with nothing.
pub(super) async fn first(server: &Server, data: &Data) -> anyhow::Result<Value> {
    let ids: BTreeSet<String> = data.documents.keys().cloned().collect();
    let begun = Instant::now();
    let mut full = Wire::connect(&server.url(), data.documents.clone()).await?;
    full.announce_all().await?;
    full.settle(&ids).await.context("bring everything to the server")?;
    let up_s = begun.elapsed().as_secs_f64();
    let begun = Instant::now();
    let nothing: Documents = ids.iter().map(|id| (id.clone(), Automerge::new())).collect();
    let mut empty = Wire::connect(&server.url(), nothing).await?;
    empty.announce_all().await?;
    empty.until_equal(&data.documents).await.context("bring everything from the server")?;
    let down_s = begun.elapsed().as_secs_f64();
    let ((up_sent, up_received), (down_sent, down_received)) = (full.bytes(), empty.bytes());
    Ok(json!({
        "up_s": up_s, "down_s": down_s,
        "up_bytes": up_sent, "up_back_bytes": up_received, "down_bytes": down_received, "down_back_bytes": down_sent,
    }))
}

/// Both replicas change 100 records each, of their own, while they are apart, and then connect at once.
pub(super) async fn apart(server: &Server, data: &Data) -> anyhow::Result<Value> {
    let mut replicas = [data.documents.clone(), data.documents.clone()];
    for (replica, name) in replicas.iter_mut().zip(["one", "other"]) {
        for document in replica.values_mut() {
            document.set_actor(automerge::ActorId::random());
        }
        for (number, record) in data.records.iter().take(APART).enumerate() {
            let record = edited(record, &format!("{name} {number}"));
            let document = replica.get_mut(&data.document_of(&record.key)).context("a document")?;
            write(document, Slot::of(&record.key), std::iter::once(&record))?;
        }
    }
    let [one, other] = replicas;
    let mut wanted = one.clone();
    for (id, document) in &mut wanted {
        document.merge(&mut other.get(id).context("a document")?.clone())?;
    }
    let begun = Instant::now();
    let (one, other) = tokio::try_join!(catch_up(server, one, &wanted), catch_up(server, other, &wanted))?;
    Ok(json!({
        "s": begun.elapsed().as_secs_f64(), "sent_bytes": one.sent + other.sent,
        "received_bytes": one.received + other.received, "reconnects": one.reconnects + other.reconnects,
    }))
}

/// What it took to catch up.
#[derive(Default)]
struct CaughtUp {
    sent: u64,
    received: u64,
    reconnects: u32,
}

/// Connects and goes on until the documents are as wanted; connects again where a server falls silent before.
async fn catch_up(server: &Server, mut documents: Documents, wanted: &Documents) -> anyhow::Result<CaughtUp> {
    let mut all = CaughtUp::default();
    loop {
        let mut wire = Wire::connect(&server.url(), documents).await?;
        wire.announce_all().await?;
        let caught_up = tokio::time::timeout(SILENCE_MAX, wire.until_equal(wanted)).await;
        let (sent, received) = wire.bytes();
        (all.sent, all.received) = (all.sent + sent, all.received + received);
        match caught_up {
            Ok(outcome) => return outcome.map(|()| all),
            Err(_) => all.reconnects += 1,
        }
        documents = wire.into_documents();
    }
}

/// One replica writes a record; how long until it is in the other's document, and until the server says it has it.
pub(super) async fn latency(server: &Server, data: &Data, writes: usize) -> anyhow::Result<Value> {
    let nothing = || data.documents.keys().map(|id| (id.clone(), Automerge::new())).collect::<Documents>();
    let mut here = Wire::connect(&server.url(), nothing()).await?;
    let mut there = Wire::connect(&server.url(), nothing()).await?;
    let ids: BTreeSet<String> = data.documents.keys().cloned().collect();
    for wire in [&mut here, &mut there] {
        wire.announce_all().await?;
        wire.settle(&ids).await?;
    }
    let (mut visible, mut acknowledged) = (Vec::new(), Vec::new());
    for number in 0..writes {
        let key = RecordKey::parse(&format!("written-{number}"))?;
        let record = Record::text(key, "High water at noon, low water at six");
        let id = data.document_of(&record.key);
        let document = here.document(&id).context("a document")?;
        write(document, Slot::of(&record.key), std::iter::once(&record))?;
        let heads = sorted_heads(document);
        let one = BTreeSet::from([id.clone()]);
        let begun = Instant::now();
        here.announce(&id).await?;
        let (seen, answered) = tokio::try_join!(
            async {
                there.until(&id, &heads).await?;
                anyhow::Ok(begun.elapsed())
            },
            async {
                here.settle(&one).await?;
                anyhow::Ok(begun.elapsed())
            }
        )?;
        visible.push(seen.as_secs_f64() * 1e3);
        acknowledged.push(answered.as_secs_f64() * 1e3);
        // The next write must not meet what is left of this one.
        there.settle(&one).await?;
    }
    Ok(json!({
        "writes": writes,
        "visible_p50_ms": percentile(&visible, 50), "visible_p95_ms": percentile(&visible, 95),
        "acknowledged_p50_ms": percentile(&acknowledged, 50), "acknowledged_p95_ms": percentile(&acknowledged, 95),
    }))
}

/// A record whose text is another.
pub(super) fn edited(record: &Record, by: &str) -> Record {
    Record { text: format!("{} (seen by {by})", record.text), ..record.clone() }
}
