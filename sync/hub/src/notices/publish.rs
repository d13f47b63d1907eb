//! Tells the other hubs.

use std::sync::atomic::Ordering;
use std::time::Duration;

use async_nats::connection::State as ConnectionState;
use async_nats::jetstream;
use bytes::Bytes;
use futures_util::StreamExt;
use skerry_sync::document::DocumentId;
use skerry_sync::hub::ChunkName;
use tokio::sync::mpsc;

use super::{LOST, Link, encode};

/// Notices on their way at once.
const AT_ONCE: usize = 64;

/// How long a notice's acknowledgement may take before it is sent again.
const ACKNOWLEDGE_MAX: Duration = Duration::from_secs(3);

/// Between two tries.
const RETRY_EVERY: Duration = Duration::from_millis(250);

/// Sends notices until each is in the stream.
pub(super) async fn announce(link: Link, announcements: mpsc::Receiver<(DocumentId, ChunkName)>) {
    let context = jetstream::new(link.client.clone());
    let received = futures_util::stream::unfold(announcements, |mut announcements| async {
        announcements.recv().await.map(|announcement| (announcement, announcements))
    });
    let sent = received.map(|(document, chunk)| {
        let (link, context) = (&link, &context);
        async move {
            publish(link, context, &document.to_string(), encode(chunk)).await;
            // Before that, notices would only wait behind it.
            if link.state.lost.swap(false, Ordering::AcqRel) {
                publish(link, context, LOST, Bytes::new()).await;
            }
        }
    });
    sent.buffer_unordered(AT_ONCE).for_each(|()| async {}).await;
}

async fn publish(link: &Link, context: &jetstream::Context, document: &str, payload: Bytes) {
    loop {
        let sent = context.publish_with_headers(link.chunks_subject(document), link.headers(), payload.clone());
        let acknowledged = tokio::time::timeout(ACKNOWLEDGE_MAX, async { sent.await?.await }).await;
        match acknowledged {
            Ok(Ok(_)) => return,
            Ok(Err(error)) => tracing::debug!(document, %error, "a notice is not in the stream yet"),
            Err(_) => tracing::debug!(document, "a notice was not acknowledged in time"),
        }
        tokio::time::sleep(RETRY_EVERY).await;
    }
}

/// Sends ephemeral messages while there is a connection. They are about now: none waits for one.
pub(super) async fn relay(link: Link, mut relays: mpsc::Receiver<(DocumentId, Vec<u8>)>) {
    while let Some((document, frame)) = relays.recv().await {
        if link.client.connection_state() != ConnectionState::Connected {
            continue;
        }
        let subject = link.ephemeral_subject(&document.to_string());
        if let Err(error) = link.client.publish_with_headers(subject, link.headers(), frame.into()).await {
            tracing::debug!(%document, %error, "an ephemeral message was not sent");
        }
    }
}
