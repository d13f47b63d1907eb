//! A WebSocket: frames to the core, frames from the core, and a watch on whether the other side is still there.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use axum::extract::ws::{CloseFrame, Message, WebSocket, close_code};
use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt, StreamExt};
use skerry_sync::hub::{CloseReason, ConnectionId, Grant};
use tokio::sync::mpsc;

use crate::driver::{Core, Outgoing};
use crate::metrics::Metrics;
use crate::serve::Ending;
use crate::sessions::Session;

/// How often the other side is asked for a sign of life.
const PING_EVERY: Duration = Duration::from_secs(20);

/// How long it may give none before the connection is closed.
const SILENCE_MAX: Duration = Duration::from_mins(1);

/// How long the last words to a client may take.
const GOODBYE_MAX: Duration = Duration::from_secs(2);

/// Bytes of a close frame's reason at most (RFC 6455, section 5.5).
const REASON_BYTES_MAX: usize = 123;

/// Bytes of frames that are given to the socket before they are reported as sent.
const BATCH_BYTES: usize = 256 << 10;

/// What a connection works with.
#[derive(Debug)]
pub(crate) struct Connection {
    pub(crate) core: Core,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) grant: Grant,
    pub(crate) session: Session,
    pub(crate) ending: Ending,
    pub(crate) frame_bytes_max: usize,
}

/// How a connection ends: the code and the reason that the client is told.
#[derive(Debug, PartialEq, Eq)]
struct End {
    code: u16,
    reason: String,
}

impl End {
    fn new(code: u16, reason: impl Into<String>) -> End {
        End { code, reason: reason.into() }
    }

    fn frame(&self) -> CloseFrame {
        let mut length = self.reason.len().min(REASON_BYTES_MAX);
        while !self.reason.is_char_boundary(length) {
            length -= 1;
        }
        CloseFrame { code: self.code, reason: self.reason.get(..length).unwrap_or_default().into() }
    }
}

impl From<&CloseReason> for End {
    fn from(reason: &CloseReason) -> End {
        let code = match reason {
            CloseReason::Protocol(_) => close_code::PROTOCOL,
            CloseReason::Limit(_) => close_code::POLICY,
            // Try again later.
            CloseReason::Store(_) => close_code::AGAIN,
            CloseReason::Left => close_code::NORMAL,
            _ => close_code::ERROR,
        };
        End::new(code, reason.to_string())
    }
}

/// The last sign of life of the other side, in milliseconds since the connection was opened.
#[derive(Debug)]
struct Pulse {
    opened: Instant,
    last_ms: AtomicU64,
}

impl Pulse {
    fn beat(&self) {
        let elapsed = u64::try_from(self.opened.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.last_ms.store(elapsed, Ordering::Relaxed);
    }

    fn silence(&self) -> Duration {
        self.opened.elapsed().saturating_sub(Duration::from_millis(self.last_ms.load(Ordering::Relaxed)))
    }

    /// Ends when the other side has been silent for too long.
    async fn stopped(&self) {
        loop {
            let left = SILENCE_MAX.saturating_sub(self.silence());
            if left.is_zero() {
                return;
            }
            tokio::time::sleep(left).await;
        }
    }
}

impl Connection {
    /// Serves the connection to its end.
    pub(crate) async fn serve(self, socket: WebSocket) {
        let Ok((id, mut frames)) = self.core.connect(self.grant.clone()).await else { return };
        self.metrics.opened.inc();
        let (mut sink, mut stream) = socket.split();
        let pulse = Pulse { opened: Instant::now(), last_ms: AtomicU64::new(0) };
        // Reading and writing wait for each other nowhere: a client that does not read is still heard.
        let end = tokio::select! {
            end = self.read(id, &mut stream, &pulse) => end,
            end = self.write(id, &mut sink, &mut frames, &pulse) => end,
            () = pulse.stopped() => Some(End::new(close_code::POLICY, "no sign of life for a minute")),
            () = self.session.revoked() => Some(End::new(close_code::POLICY, "the token was revoked")),
            () = self.ending.stopping.cancelled() => Some(End::new(close_code::AWAY, "the hub is stopping; connect again")),
        };
        // The core hears of it first: nothing more is made for a connection that only says goodbye.
        self.core.disconnected(id).await.ok();
        drop(frames);
        if let Some(end) = end {
            say_goodbye(sink, stream, &end).await;
        }
    }

    async fn read(&self, id: ConnectionId, stream: &mut SplitStream<WebSocket>, pulse: &Pulse) -> Option<End> {
        let draining = &self.ending.draining;
        while let Some(Some(message)) = draining.run_until_cancelled(stream.next()).await {
            pulse.beat();
            match message {
                Ok(Message::Binary(frame)) => {
                    self.metrics.frames_received.inc();
                    self.metrics.bytes_received.inc_by(frame.len() as u64);
                    self.core.received(id, frame.into()).await.ok()?;
                }
                Ok(Message::Ping(_) | Message::Pong(_)) => {}
                Ok(Message::Text(_)) => {
                    let reason = "messages of automerge-repo are binary frames, this one is text";
                    return Some(End::new(close_code::UNSUPPORTED, reason));
                }
                Ok(Message::Close(_)) => return None,
                Err(error) => return self.read_failed(&error),
            }
        }
        if draining.is_cancelled() {
            // What came in is answered; the end comes from elsewhere.
            std::future::pending::<()>().await;
        }
        None
    }

    /// Why the socket cannot be read any more, where the client can still be told.
    fn read_failed(&self, error: &axum::Error) -> Option<End> {
        let reason = error.to_string();
        tracing::debug!(%error, "a connection ended");
        let too_long = reason.contains("too long") || reason.contains("too big");
        too_long.then(|| {
            let reason = format!("limit: a frame has more than {} bytes; send less at once", self.frame_bytes_max);
            End::new(close_code::SIZE, reason)
        })
    }

    async fn write(
        &self,
        id: ConnectionId,
        sink: &mut SplitSink<WebSocket, Message>,
        frames: &mut mpsc::Receiver<Outgoing>,
        pulse: &Pulse,
    ) -> Option<End> {
        let mut ping = tokio::time::interval_at(tokio::time::Instant::now() + PING_EVERY, PING_EVERY);
        loop {
            let mut next = tokio::select! {
                outgoing = frames.recv() => match outgoing {
                    Some(outgoing) => Some(outgoing),
                    None => return Some(End::new(close_code::POLICY, "limit: you read too slowly")),
                },
                _ = ping.tick() => {
                    sink.send(Message::Ping(bytes::Bytes::new())).await.ok()?;
                    continue;
                }
            };
            let mut bytes = 0;
            while let Some(outgoing) = next.take() {
                match outgoing {
                    Outgoing::Frame(frame) => {
                        bytes += frame.len();
                        sink.feed(Message::Binary(frame.into())).await.ok()?;
                    }
                    Outgoing::Close(reason) => return Some(End::from(&reason)),
                }
                if bytes < BATCH_BYTES {
                    next = frames.try_recv().ok();
                }
            }
            sink.flush().await.ok()?;
            // A slow reader that takes something now and then is alive.
            pulse.beat();
            self.metrics.bytes_sent.inc_by(bytes as u64);
            self.core.sent(id, bytes);
        }
    }
}

/// Sends the close frame behind all frames before, and gives the other side a moment to take them.
async fn say_goodbye(mut sink: SplitSink<WebSocket, Message>, mut stream: SplitStream<WebSocket>, end: &End) {
    let goodbye = async {
        sink.send(Message::Close(Some(end.frame()))).await.ok()?;
        // Until the client's own close frame: a socket that is dropped with unread bytes takes back what was sent.
        while stream.next().await.is_some_and(|message| message.is_ok()) {}
        Some(())
    };
    if tokio::time::timeout(GOODBYE_MAX, goodbye).await.is_err() {
        tracing::debug!(reason = end.reason, "a client did not take its leave in time");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A control frame holds 125 bytes; a longer reason would break the connection instead of explaining its end.
    #[test]
    fn reasons_fit_a_close_frame() {
        let end = End::new(close_code::POLICY, "ä".repeat(100));
        let frame = end.frame();
        assert_eq!(frame.reason.as_str(), "ä".repeat(61));
        let reason = CloseReason::Store("full".into());
        assert_eq!(End::from(&reason), End::new(close_code::AGAIN, "store: full"));
    }
}
