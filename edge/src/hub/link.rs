//! The WebSocket to a hub: one task reads, one writes.

use std::sync::Arc;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use http::{HeaderValue, header};
use tokio::net::TcpStream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::task::JoinHandle;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async_with_config};

use super::address::{HubAddress, HubToken};

/// How long it may take to connect.
const CONNECT_MAX: Duration = Duration::from_secs(20);

/// How often the hub is asked for a sign of life.
const PING_EVERY: Duration = Duration::from_secs(20);

/// Silence after which the connection counts as gone.
const SILENCE_MAX: Duration = Duration::from_mins(1);

/// Bytes of a frame at most. A document that nobody here has comes in one.
const FRAME_BYTES_MAX: usize = 128 << 20;

/// Bytes of frames that were read and are not stored yet; beyond that the socket is not read.
const UNSTORED_BYTES_MAX: usize = 32 << 20;

/// Frames that wait for the socket to take them.
const OUTGOING_MAX: usize = 256;

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// A frame that came in. While it is held, it counts as not stored.
#[derive(Debug)]
pub(super) struct Frame {
    pub(super) bytes: Vec<u8>,
    _room: OwnedSemaphorePermit,
}

/// What a link tells.
#[derive(Debug)]
pub(super) enum News {
    /// It is open.
    Opened,
    /// A frame came in.
    Frame(Frame),
    /// It is gone. Nothing comes after that.
    Closed(String),
}

/// A connection, or the attempt to make one. Its tasks end when it is dropped.
#[derive(Debug)]
pub(super) struct Link {
    pub(super) news: mpsc::Receiver<News>,
    /// The news said so.
    pub(super) opened: bool,
    outgoing: mpsc::Sender<Vec<u8>>,
    task: JoinHandle<()>,
}

impl Drop for Link {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Link {
    /// Connects after a pause.
    pub(super) fn open(address: &HubAddress, token: Option<&HubToken>, pause: Duration) -> Link {
        // Frames are counted in bytes, not in number: many small ones may come together.
        let (news_in, news) = mpsc::channel(4_096);
        let (outgoing, to_send) = mpsc::channel(OUTGOING_MAX);
        let (address, token) = (address.clone(), token.cloned());
        let task = tokio::spawn(async move {
            tokio::time::sleep(pause).await;
            let reason = match connect(&address, token.as_ref()).await {
                Ok(socket) => carry(socket, &news_in, to_send).await,
                Err(reason) => reason,
            };
            // Whoever listened may have gone; then nobody needs to know.
            news_in.send(News::Closed(reason)).await.ok();
        });
        Link { news, opened: false, outgoing, task }
    }

    /// Hands a frame to the socket; waits while many are under way. A link that is gone says so in its news.
    pub(super) async fn send(&self, frame: Vec<u8>) {
        self.outgoing.send(frame).await.ok();
    }

    /// Sends what was handed over, then says goodbye.
    pub(super) async fn close(mut self, within: Duration) {
        if !self.opened {
            return;
        }
        let (closed, _) = mpsc::channel(1);
        drop(std::mem::replace(&mut self.outgoing, closed));
        tokio::time::timeout(within, async { while self.news.recv().await.is_some() {} }).await.ok();
    }
}

async fn connect(address: &HubAddress, token: Option<&HubToken>) -> Result<Socket, String> {
    // Several crates of a build may bring one: the choice is made here, not by which crates are there.
    rustls::crypto::ring::default_provider().install_default().ok();
    let mut request = address.as_str().into_client_request().map_err(|error| error.to_string())?;
    if let Some(token) = token {
        let mut value = HeaderValue::from_str(&token.header())
            .map_err(|_| "the token has characters that no token has".to_owned())?;
        value.set_sensitive(true);
        request.headers_mut().insert(header::AUTHORIZATION, value);
    }
    let config =
        WebSocketConfig::default().max_message_size(Some(FRAME_BYTES_MAX)).max_frame_size(Some(FRAME_BYTES_MAX));
    // Frames are sent when they are ready: a small one must not wait for the next.
    let connecting = connect_async_with_config(request, Some(config), true);
    match tokio::time::timeout(CONNECT_MAX, connecting).await {
        Ok(Ok((socket, _))) => Ok(socket),
        Ok(Err(error)) => Err(explain(&error)),
        Err(_) => Err(format!("no connection within {} s", CONNECT_MAX.as_secs())),
    }
}

/// What a failed connection means for whoever set it up.
fn explain(error: &Error) -> String {
    let Error::Http(response) = error else { return error.to_string() };
    let status = response.status();
    let body = response.body().as_deref().unwrap_or_default();
    let problem: serde_json::Value = serde_json::from_slice(body).unwrap_or_default();
    let detail = problem.get("detail").and_then(serde_json::Value::as_str).map(|detail| format!(": {detail}"));
    let detail = detail.unwrap_or_default();
    match status.as_u16() {
        401 => format!("the hub wants a token, or does not know this one (401){detail}"),
        403 => format!("the hub does not let this token in (403){detail}"),
        404 => format!("there is no hub at this address (404){detail}"),
        429 | 503 => format!("the hub takes no more connections for now ({}){detail}", status.as_u16()),
        other => format!("the hub answered with status {other}{detail}"),
    }
}

/// Carries frames both ways until one side ends it; answers why.
async fn carry(socket: Socket, news: &mpsc::Sender<News>, mut to_send: mpsc::Receiver<Vec<u8>>) -> String {
    if news.send(News::Opened).await.is_err() {
        return "closed here".to_owned();
    }
    let (mut sink, mut stream) = socket.split();
    let writing = async {
        let mut pings = tokio::time::interval(PING_EVERY);
        loop {
            let message = tokio::select! {
                frame = to_send.recv() => match frame {
                    Some(frame) => Message::Binary(frame.into()),
                    None => break,
                },
                _ = pings.tick() => Message::Ping(Vec::new().into()),
            };
            match tokio::time::timeout(SILENCE_MAX, sink.send(message)).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => return error.to_string(),
                Err(_) => return format!("the hub took nothing for {} s", SILENCE_MAX.as_secs()),
            }
        }
        sink.close().await.ok();
        "closed here".to_owned()
    };
    let reading = async {
        let room = Arc::new(Semaphore::new(UNSTORED_BYTES_MAX));
        loop {
            let bytes = match tokio::time::timeout(SILENCE_MAX, stream.next()).await {
                Ok(Some(Ok(Message::Binary(bytes)))) => bytes,
                Ok(Some(Ok(Message::Close(frame)))) => {
                    return frame.filter(|frame| !frame.reason.is_empty()).map_or_else(
                        || "the hub ended the connection".to_owned(),
                        |frame| format!("the hub ended the connection: {}", frame.reason),
                    );
                }
                // Signs of life, and text, which nobody sends.
                Ok(Some(Ok(_))) => continue,
                Ok(Some(Err(error))) => return error.to_string(),
                Ok(None) => return "the hub ended the connection".to_owned(),
                Err(_) => return format!("the hub said nothing for {} s", SILENCE_MAX.as_secs()),
            };
            let wanted = u32::try_from(bytes.len().min(UNSTORED_BYTES_MAX)).unwrap_or(u32::MAX);
            let Ok(permit) = Arc::clone(&room).acquire_many_owned(wanted).await else { return String::new() };
            if news.send(News::Frame(Frame { bytes: bytes.into(), _room: permit })).await.is_err() {
                return "closed here".to_owned();
            }
        }
    };
    tokio::select! {
        reason = writing => reason,
        reason = reading => reason,
    }
}
