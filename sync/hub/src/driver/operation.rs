//! What takes long: the store, and work on documents. Each runs as a task and reports back.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use skerry_sync::hub::{DocumentWork, Effect, Event, StoreFailure};

use super::{Driver, Report};
use crate::central::CentralStore;
use crate::metrics::Metrics;

/// How long an operation on the store may take. What is written later counts for nobody and does no harm.
const OPERATION_MAX: Duration = Duration::from_mins(2);

impl Driver {
    pub(super) fn start_operation(&mut self, effect: Effect) {
        let (store, metrics) = (Arc::clone(&self.store), Arc::clone(&self.metrics));
        let reports = self.reports.clone();
        let workers = Arc::clone(&self.workers);
        self.outstanding += 1;
        tokio::spawn(async move {
            let report = match effect {
                Effect::Work(work) => {
                    // The semaphore is never closed.
                    let _turn = workers.acquire_owned().await.ok();
                    run(work).await
                }
                effect => operate(&store, &metrics, effect).await,
            };
            // The core's task ends only with the process.
            reports.send(report).ok();
        });
    }
}

async fn run(mut work: Box<DocumentWork>) -> Report {
    let worked = tokio::task::spawn_blocking(move || {
        work.run();
        work
    });
    match worked.await {
        Ok(work) => Report::Done(Event::Worked(work)),
        // The document went down with it, and nobody knows what else: all that was acknowledged is in the store.
        Err(error) => Report::Fatal(format!("work on a document failed: {error}")),
    }
}

async fn operate(store: &CentralStore, metrics: &Metrics, effect: Effect) -> Report {
    match effect {
        Effect::Load { document } => {
            metrics.loads.inc();
            let outcome = bounded(store, store.load(document)).await;
            Report::Done(Event::Loaded { document, outcome })
        }
        Effect::Store { document, chunk } => {
            metrics.stores.inc();
            metrics.stored_bytes.inc_by(chunk.bytes.len() as u64);
            let outcome = bounded(store, store.store(document, chunk)).await;
            Report::Done(Event::Stored { document, outcome })
        }
        Effect::Replace { document, snapshot, covers } => {
            metrics.snapshots.inc();
            let outcome = bounded(store, store.replace(document, snapshot, covers)).await;
            Report::Done(Event::Replaced { document, outcome })
        }
        Effect::Fetch { document, chunks } => {
            let outcome = bounded(store, store.fetch(document, chunks)).await;
            Report::Done(Event::Fetched { document, outcome })
        }
        Effect::Quarantine { document, chunk, reason } => {
            metrics.quarantined.inc();
            tracing::error!(%document, %chunk, reason, "a chunk cannot be read; it goes to the quarantine");
            if let Err(error) = bounded(store, store.quarantine(document, chunk, &reason)).await {
                tracing::error!(%document, %chunk, cause = %error, "the chunk stays where it is for now");
            }
            Report::Silent
        }
        // The others are carried out at once, and a new kind must not go by unseen.
        other => Report::Fatal(format!("the core wants something that this program does not know: {other:?}")),
    }
}

/// A task that never ends, or panics, must not leave its document waiting for ever.
async fn bounded<T>(
    store: &CentralStore,
    operation: impl Future<Output = Result<T, StoreFailure>>,
) -> Result<T, StoreFailure> {
    let outcome = tokio::time::timeout(OPERATION_MAX, AssertUnwindSafe(operation).catch_unwind()).await;
    let reason = match outcome {
        Ok(Ok(outcome)) => return outcome,
        Ok(Err(_)) => "a fault of this program, see above".to_owned(),
        Err(_) => format!("no answer within {} seconds", OPERATION_MAX.as_secs()),
    };
    Err(store.health().note(StoreFailure::Failed(reason), 0))
}
