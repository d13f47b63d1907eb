//! Hears the other hubs.

use std::sync::atomic::Ordering;
use std::time::Duration;

use async_nats::Message;
use async_nats::jetstream::consumer::{AckPolicy, DeliverPolicy, pull};
use async_nats::jetstream::{self};
use futures_util::StreamExt;
use skerry_sync::document::DocumentId;
use skerry_sync::hub::{ChunkName, Event};

use super::{LOST, Link};
use crate::driver::{Core, Stopped};

/// How often the stream shows that it is alive when there is nothing to tell.
const HEARTBEAT: Duration = Duration::from_secs(2);

/// How long one request for messages waits.
const EXPIRES: Duration = Duration::from_secs(30);

/// After which the server forgets the consumer of a hub that is gone.
const INACTIVE_MAX: Duration = Duration::from_mins(5);

/// Between two tries to follow the stream.
const RETRY_EVERY: Duration = Duration::from_millis(500);

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Passes on what hubs say right now, until the core ends.
pub(super) async fn follow_messages(link: Link, core: Core) {
    loop {
        let subject = format!("skerry.{}.>", link.store_id);
        if let Ok(mut messages) = link.client.subscribe(subject).await {
            while let Some(message) = messages.next().await {
                if pass_on(&link, &core, &message).await.is_err() {
                    return;
                }
            }
        }
        tokio::time::sleep(RETRY_EVERY).await;
    }
}

/// Passes on what the stream keeps, from where it was left, until the core ends. Each time that it has to begin anew, and
/// where a number is missing, notices may be gone.
pub(super) async fn follow_stream(link: Link, core: Core, servers: usize) {
    loop {
        let outcome = follow_once(&link, &core, servers).await;
        link.state.listening.store(false, Ordering::Relaxed);
        match outcome {
            Ok(Stopped) => return,
            Err(error) => tracing::warn!(%error, "the stream of notices cannot be followed; trying again"),
        }
        tokio::time::sleep(RETRY_EVERY).await;
    }
}

async fn follow_once(link: &Link, core: &Core, servers: usize) -> Result<Stopped, Failure> {
    let context = jetstream::new(link.client.clone());
    let mut stream = context.get_or_create_stream(link.stream_config(servers)).await?;
    let last = stream.info().await?.state.last_sequence;
    let seen = link.state.sequence.load(Ordering::Relaxed);
    // A stream that counts lower than before was made anew.
    let from = if seen == 0 || seen > last { last + 1 } else { seen + 1 };
    let consumer = stream
        .create_consumer(pull::Config {
            deliver_policy: DeliverPolicy::ByStartSequence { start_sequence: from },
            ack_policy: AckPolicy::None,
            inactive_threshold: INACTIVE_MAX,
            num_replicas: 1,
            memory_storage: true,
            ..pull::Config::default()
        })
        .await?;
    let mut messages = consumer.stream().expires(EXPIRES).heartbeat(HEARTBEAT).messages().await?;
    link.state.sequence.store(from - 1, Ordering::Relaxed);
    link.state.listening.store(true, Ordering::Relaxed);
    // Whoever could not tell anybody meanwhile may have given up.
    if core.notice(Event::Missed).await.is_err() {
        return Ok(Stopped);
    }
    let mut expected = from;
    while let Some(message) = messages.next().await {
        let message = message?;
        let sequence = message.info()?.stream_sequence;
        let missed = sequence > expected;
        expected = sequence + 1;
        if missed && core.notice(Event::Missed).await.is_err() {
            return Ok(Stopped);
        }
        if pass_on(link, core, &message.message).await.is_err() {
            return Ok(Stopped);
        }
        link.state.sequence.store(sequence, Ordering::Relaxed);
    }
    Err("the stream ended".into())
}

async fn pass_on(link: &Link, core: &Core, message: &Message) -> Result<(), Stopped> {
    if link.is_own(message.headers.as_ref()) {
        return Ok(());
    }
    let Some(event) = read(link, message) else { return Ok(()) };
    link.state.received.fetch_add(1, Ordering::Relaxed);
    core.notice(event).await
}

/// What a message says; none when it says nothing new or nothing that we know.
fn read(link: &Link, message: &Message) -> Option<Event> {
    let mut parts = message.subject.as_str().rsplitn(3, '.');
    let (name, kind) = (parts.next()?, parts.next()?);
    if kind == "chunks" && name == LOST {
        return Some(Event::Missed);
    }
    let document = parse_document(name)?;
    match kind {
        "chunks" => {
            let chunk = ChunkName(<[u8; 32]>::try_from(message.payload.as_ref()).ok()?);
            link.recent.insert(document, chunk).then_some(Event::Noticed { document, chunk })
        }
        "ephemeral" => Some(Event::Relayed { document, frame: message.payload.to_vec() }),
        _ => None,
    }
}

fn parse_document(name: &str) -> Option<DocumentId> {
    let bytes = bs58::decode(name).with_check(None).into_vec().ok()?;
    Some(DocumentId(bytes.try_into().ok()?))
}
