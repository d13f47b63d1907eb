//! Many connections: what each costs, what a document costs, and how many changes go through.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::Context;
use automerge::Automerge;
use automerge::transaction::Transactable;
use futures_util::{StreamExt, TryStreamExt};
use serde_json::{Value, json};
use skerry_sync::document::DocumentId;
use tokio::sync::watch;

use super::data::{Documents, Ids};
use super::servers::Server;
use super::wire::Wire;

/// Connections that are opened at the same time.
const AT_ONCE: usize = 64;

/// After which a server has put away what it does not need at once.
const REST: Duration = Duration::from_secs(5);

/// What one document holds: about ten records.
const DOCUMENT_LEAVES: usize = 30;

/// Opens many connections that then say nothing, and closes them.
pub(super) async fn idle(server: &Server, wanted: usize) -> anyhow::Result<Value> {
    let before_mb = server.pss_mb()?;
    let begun = Instant::now();
    let (url, lost) = (server.url_any(), Arc::<AtomicU64>::default());
    let open = futures_util::stream::iter(0..wanted).map(|_| async {
        let mut wire = Wire::connect(&url, Documents::new()).await?;
        let lost = Arc::clone(&lost);
        // From the beginning: a server takes a connection for dead that does not answer its keep-alives.
        anyhow::Ok(tokio::spawn(async move {
            while wire.receive().await.is_ok() {}
            lost.fetch_add(1, Ordering::Relaxed);
        }))
    });
    let keep: Vec<_> = open.buffer_unordered(AT_ONCE).try_collect().await.context("open connections")?;
    let open_s = begun.elapsed().as_secs_f64();
    // Longer than the keep-alive of any of the servers.
    tokio::time::sleep(Duration::from_secs(7)).await;
    let held = wanted as u64 - lost.load(Ordering::Relaxed);
    let after_mb = server.pss_mb()?;
    keep.into_iter().for_each(|task| task.abort());
    Ok(json!({
        "wanted": wanted, "held": held, "open_s": open_s,
        "kb_per_connection": (after_mb - before_mb) * 1e3 / held as f64, "pss_mb": after_mb,
    }))
}

/// Makes documents of ten small records each over one connection; what each takes of the server's memory.
pub(super) async fn documents(server: &Server, count: usize) -> anyhow::Result<Value> {
    let before_mb = server.pss_mb()?;
    let documents = (0..count).map(|number| anyhow::Ok((name("document", number), small_document()?)));
    let documents = documents.collect::<anyhow::Result<Documents>>()?;
    let ids = documents.keys().cloned().collect();
    let begun = Instant::now();
    let mut wire = Wire::connect(&server.url_any(), documents).await?;
    wire.announce_all().await?;
    wire.settle(&ids).await?;
    let s = begun.elapsed().as_secs_f64();
    let arrived_mb = server.pss_mb()?;
    tokio::time::sleep(REST).await;
    let after_mb = server.pss_mb()?;
    Ok(json!({
        "documents": count, "s": s, "kb_per_document": (after_mb - before_mb) * 1e3 / count as f64,
        "arrived_mb": arrived_mb, "pss_mb": after_mb,
    }))
}

/// Connections in pairs, each pair with a document of its own: one writes, and writes again when the server says it has
/// the change; the other receives. Counted is what was received.
pub(super) async fn active(server: &Server, connections: usize, time: Duration) -> anyhow::Result<Value> {
    let (begin, begun) = watch::channel(None);
    let written = Arc::<AtomicU64>::default();
    let pairs = futures_util::stream::iter(0..connections / 2).map(|number| {
        let (url, id) = (server.url_any(), name(&format!("active-{connections}"), number));
        let (begun, written) = (begun.clone(), Arc::clone(&written));
        async move {
            let pair = Pair::open(&url, id).await?;
            // From here on it answers keep-alives, while others are still being opened.
            anyhow::Ok(tokio::spawn(pair.work(begun, written)))
        }
    });
    let pairs: Vec<_> = pairs.buffer_unordered(AT_ONCE).try_collect().await.context("open pairs")?;
    begin.send(Some(tokio::time::Instant::now() + time))?;
    let mut received = 0;
    for pair in pairs {
        received += pair.await??;
    }
    let s = time.as_secs_f64();
    Ok(json!({
        "connections": connections, "s": s, "changes_per_s": received as f64 / s,
        "acknowledged_per_s": written.load(Ordering::Relaxed) as f64 / s, "pss_mb": server.pss_mb()?,
    }))
}

/// Two connections and their document.
struct Pair {
    id: String,
    writer: Wire,
    reader: Wire,
}

impl Pair {
    async fn open(url: &str, id: String) -> anyhow::Result<Pair> {
        let one = BTreeSet::from([id.clone()]);
        let mut writer = Wire::connect(url, Documents::from([(id.clone(), small_document()?)])).await?;
        writer.announce(&id).await?;
        writer.settle(&one).await?;
        let mut reader = Wire::connect(url, Documents::from([(id.clone(), Automerge::new())])).await?;
        reader.announce(&id).await?;
        reader.settle(&one).await?;
        Ok(Pair { id, writer, reader })
    }

    /// Changes that the reader received from when all began until time was up.
    async fn work(
        mut self,
        mut begun: watch::Receiver<Option<tokio::time::Instant>>,
        written: Arc<AtomicU64>,
    ) -> anyhow::Result<u64> {
        loop {
            tokio::select! {
                step = self.writer.step() => drop(step?),
                step = self.reader.step() => drop(step?),
                began = begun.changed() => break began?,
            }
        }
        let until = begun.borrow().context("when it ends")?;
        let Pair { id, mut writer, mut reader } = self;
        let count = |wire: &mut Wire| wire.document(&id).map_or(0, |document| document.get_changes(&[]).len() as u64);
        let before = count(&mut reader);
        let one = BTreeSet::from([id.clone()]);
        let write = async {
            for number in 0_i64.. {
                let document = writer.document(&id).context("the document")?;
                let mut transaction = document.transaction();
                transaction.put(automerge::ROOT, "n", number)?;
                transaction.commit();
                writer.announce(&id).await?;
                writer.settle(&one).await?;
                written.fetch_add(1, Ordering::Relaxed);
            }
            anyhow::Ok(())
        };
        let read = async {
            loop {
                reader.step().await?;
            }
            #[allow(unreachable_code, reason = "it gives the loop's errors a type")]
            anyhow::Ok(())
        };
        // Running out of time is how this ends.
        let ended = tokio::time::timeout_at(until, async { tokio::try_join!(write, read) }).await;
        if let Ok(outcome) = ended {
            outcome?;
        }
        Ok(count(&mut reader) - before)
    }
}

fn small_document() -> anyhow::Result<Automerge> {
    let mut document = Automerge::new();
    let mut transaction = document.transaction();
    for leaf in 0..DOCUMENT_LEAVES {
        transaction.put(
            automerge::ROOT,
            format!("record-{leaf:03}"),
            "a sentence of about forty characters, more or less",
        )?;
    }
    transaction.commit();
    Ok(document)
}

/// The id of a document that belongs to no project, one that every server takes.
fn name(kind: &str, number: usize) -> String {
    use sha2::{Digest, Sha256};
    let digest = Sha256::digest(format!("bench {kind} {number}"));
    let mut id = [0; 16];
    id.iter_mut().zip(digest).for_each(|(to, from)| *to = from);
    Ids::Uuid.name(DocumentId(id))
}
