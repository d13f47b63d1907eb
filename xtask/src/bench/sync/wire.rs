//! A client of the automerge-repo protocol that holds its documents in memory: the same one for every server.
//!
//! Bytes are counted at the socket: the handshake, WebSocket's headers and keep-alives are in them.

use std::collections::BTreeSet;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context as TaskContext, Poll};

use anyhow::{Context, bail, ensure};
use automerge::sync::{State, SyncDoc};
use automerge::{Automerge, ChangeHash};
use futures_util::{SinkExt, StreamExt};
use skerry_sync::wire::message::{Message, PeerMetadata};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message as Frame;

use super::data::Documents;

/// Every client of the run has a name of its own.
static CONNECTIONS: AtomicU64 = AtomicU64::new(0);

/// A connection, and documents with what the server is known to have of them.
pub(super) struct Wire {
    socket: WebSocketStream<Counted>,
    traffic: Arc<Traffic>,
    me: String,
    server: String,
    documents: std::collections::BTreeMap<String, (Automerge, State)>,
}

/// Bytes that went over a socket.
#[derive(Debug, Default)]
pub(super) struct Traffic {
    sent: AtomicU64,
    received: AtomicU64,
}

impl Wire {
    /// Connects and says hello.
    pub(super) async fn connect(url: &str, documents: Documents) -> anyhow::Result<Wire> {
        let address = url.strip_prefix("ws://").and_then(|rest| rest.split('/').next()).context("an address")?;
        let stream = TcpStream::connect(address).await.context("connect")?;
        stream.set_nodelay(true)?;
        let traffic = Arc::<Traffic>::default();
        let stream = Counted { stream, traffic: Arc::clone(&traffic) };
        let (socket, _) = tokio_tungstenite::client_async(url, stream).await.context("open a WebSocket")?;
        let me = format!("bench-{}", CONNECTIONS.fetch_add(1, Ordering::Relaxed));
        let documents = documents.into_iter().map(|(id, document)| (id, (document, State::new()))).collect();
        let mut wire = Wire { socket, traffic, me, server: String::new(), documents };
        let metadata = PeerMetadata { storage: None, ephemeral: true };
        wire.send(&Message::Join { sender: wire.me.clone(), versions: vec!["1".into()], metadata }).await?;
        match wire.receive().await? {
            Message::Peer { sender, .. } => wire.server = sender,
            other => bail!("the server greets with {other:?}"),
        }
        Ok(wire)
    }

    /// Bytes sent and received.
    pub(super) fn bytes(&self) -> (u64, u64) {
        (self.traffic.sent.load(Ordering::Relaxed), self.traffic.received.load(Ordering::Relaxed))
    }

    /// The documents, the connection being given up.
    pub(super) fn into_documents(self) -> Documents {
        self.documents.into_iter().map(|(id, (document, _))| (id, document)).collect()
    }

    /// A document; `None` for one that was never opened here.
    pub(super) fn document(&mut self, id: &str) -> Option<&mut Automerge> {
        self.documents.get_mut(id).map(|(document, _)| document)
    }

    /// Says what is new about a document, if anything is.
    pub(super) async fn announce(&mut self, id: &str) -> anyhow::Result<()> {
        let (document, state) = self.documents.get_mut(id).context("a document that is open")?;
        let Some(message) = document.generate_sync_message(state) else { return Ok(()) };
        let request = document.get_heads().is_empty();
        self.socket_send(id, message.encode(), request).await
    }

    /// The same for all documents.
    pub(super) async fn announce_all(&mut self) -> anyhow::Result<()> {
        let ids: Vec<String> = self.documents.keys().cloned().collect();
        for id in ids {
            self.announce(&id).await?;
        }
        Ok(())
    }

    /// Takes one message and answers it. The id of the document that it was about.
    pub(super) async fn step(&mut self) -> anyhow::Result<String> {
        loop {
            match self.receive().await? {
                Message::Sync { document: id, data, .. } => {
                    let Some((document, state)) = self.documents.get_mut(&id) else { continue };
                    document.receive_sync_message(state, automerge::sync::Message::decode(&data)?)?;
                    self.announce(&id).await?;
                    return Ok(id);
                }
                Message::Error { message, .. } => bail!("the server refuses: {message}"),
                _ => {}
            }
        }
    }

    /// Until the server has said, of each of these documents, that it has all of ours, and we have all of its.
    pub(super) async fn settle(&mut self, ids: &BTreeSet<String>) -> anyhow::Result<()> {
        let mut open: BTreeSet<String> = ids.iter().filter(|id| !self.is_settled(id)).cloned().collect();
        while !open.is_empty() {
            let id = self.step().await?;
            if self.is_settled(&id) {
                open.remove(&id);
            }
        }
        Ok(())
    }

    fn is_settled(&self, id: &str) -> bool {
        self.documents.get(id).is_some_and(|(document, state)| {
            let mut theirs = state.their_heads.clone().unwrap_or_default();
            theirs.sort_unstable();
            !theirs.is_empty() && theirs == sorted_heads(document)
        })
    }

    /// Until a document has these heads.
    pub(super) async fn until(&mut self, id: &str, heads: &[ChangeHash]) -> anyhow::Result<()> {
        while self.documents.get(id).is_none_or(|(document, _)| sorted_heads(document) != heads) {
            self.step().await?;
        }
        Ok(())
    }

    /// Until every document has the heads that it has there.
    pub(super) async fn until_equal(&mut self, wanted: &Documents) -> anyhow::Result<()> {
        for (id, document) in wanted {
            self.until(id, &sorted_heads(document)).await?;
        }
        Ok(())
    }

    async fn socket_send(&mut self, id: &str, data: Vec<u8>, request: bool) -> anyhow::Result<()> {
        let (sender, target) = (self.me.clone(), self.server.clone());
        self.send(&Message::Sync { sender, target, document: id.to_owned(), data, request }).await
    }

    async fn send(&mut self, message: &Message) -> anyhow::Result<()> {
        Ok(self.socket.send(Frame::binary(message.encode()?)).await?)
    }

    /// The next message. Keep-alives are answered on the way.
    pub(super) async fn receive(&mut self) -> anyhow::Result<Message> {
        loop {
            match self.socket.next().await.context("the server closed the connection")?? {
                Frame::Binary(frame) => return Ok(Message::decode(&frame)?),
                Frame::Close(reason) => bail!("the server closed the connection: {reason:?}"),
                other => ensure!(!other.is_text(), "a text frame: {other}"),
            }
        }
    }
}

/// Heads in their order.
pub(super) fn sorted_heads(document: &Automerge) -> Vec<ChangeHash> {
    let mut heads = document.get_heads();
    heads.sort_unstable();
    heads
}

/// A socket whose bytes are counted.
struct Counted {
    stream: TcpStream,
    traffic: Arc<Traffic>,
}

impl AsyncRead for Counted {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut TaskContext<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        let before = buffer.filled().len();
        let polled = Pin::new(&mut self.stream).poll_read(context, buffer);
        self.traffic.received.fetch_add((buffer.filled().len() - before) as u64, Ordering::Relaxed);
        polled
    }
}

impl AsyncWrite for Counted {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut TaskContext<'_>,
        bytes: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write(context, bytes);
        if let Poll::Ready(Ok(written)) = &polled {
            self.traffic.sent.fetch_add(*written as u64, Ordering::Relaxed);
        }
        polled
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut TaskContext<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut TaskContext<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
