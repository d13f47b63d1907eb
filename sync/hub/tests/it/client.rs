//! A client of the automerge-repo protocol that shows everything that it is told.

use std::collections::BTreeMap;
use std::time::Duration;

use automerge::sync::{Message as SyncMessage, State, SyncDoc};
use automerge::transaction::Transactable;
use automerge::{ActorId, Automerge, ROOT, ReadDoc, ScalarValueRef, ValueRef};
use futures_util::{SinkExt, StreamExt};
use skerry_sync::ProjectName;
use skerry_sync::document::{DocumentId, Slot, genesis, map_name};
use skerry_sync::wire::message::{Message, PeerMetadata};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::{Error, Message as Frame};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

use crate::DEADLINE;

/// Why a client is no longer connected.
#[derive(Debug)]
pub(crate) enum Gone {
    /// The hub said why.
    Closed(Option<(u16, String)>),
    /// The connection broke.
    Broken(#[allow(dead_code, reason = "shown by Debug when a test fails")] String),
}

/// One connection and the documents that it has open.
pub(crate) struct Client {
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
    name: String,
    hub: String,
    documents: BTreeMap<String, (Automerge, State)>,
    /// What the hub refused.
    pub(crate) errors: Vec<String>,
    /// Documents that the hub says it does not have.
    pub(crate) unavailable: Vec<String>,
    /// What other clients said in passing.
    pub(crate) ephemerals: Vec<Vec<u8>>,
}

/// Opens a WebSocket; a refusal as its status.
pub(crate) async fn open(
    address: &str,
    token: Option<&str>,
) -> Result<WebSocketStream<MaybeTlsStream<TcpStream>>, u16> {
    let mut request = format!("ws://{address}/sync").into_client_request().unwrap();
    if let Some(token) = token {
        request.headers_mut().insert("authorization", format!("Bearer {token}").parse().unwrap());
    }
    match tokio_tungstenite::connect_async(request).await {
        Ok((socket, _)) => Ok(socket),
        Err(Error::Http(response)) => Err(response.status().as_u16()),
        // Nobody listens.
        Err(_) => Err(0),
    }
}

/// A document of a project, with nothing but its first change.
pub(crate) fn shard(project: &str, shard: u16) -> (String, Automerge) {
    let project = ProjectName::parse(project).unwrap();
    let slot = Slot::Shard(shard);
    (DocumentId::derive(&project, slot).to_string(), genesis(&project, slot).unwrap())
}

/// Puts a value where records have their leaves.
pub(crate) fn put(document: &mut Automerge, key: &str, value: &str) {
    let (_, records) = document.get(ROOT, map_name(Slot::Shard(0))).unwrap().unwrap();
    let mut transaction = document.transaction();
    transaction.put(&records, format!("{key}\u{1f}text"), value).unwrap();
    transaction.put(&records, format!("{key}\u{1f}@live"), true).unwrap();
    transaction.commit();
}

/// The values that [`put`] put, by key.
pub(crate) fn texts(document: &Automerge) -> BTreeMap<String, String> {
    let Some((_, records)) = document.get(ROOT, map_name(Slot::Shard(0))).unwrap() else { return BTreeMap::new() };
    let leaves = document.map_range(&records, ..);
    let texts = leaves.filter_map(|leaf| {
        let key = leaf.key.strip_suffix("\u{1f}text")?.to_owned();
        let ValueRef::Scalar(ScalarValueRef::Str(text)) = leaf.value else { return None };
        Some((key, text.into_owned()))
    });
    texts.collect()
}

impl Client {
    /// Connects and shakes hands.
    pub(crate) async fn connect(address: &str, token: &str) -> Result<Client, Gone> {
        let refused = |status: u16| Gone::Broken(format!("refused with {status}"));
        let socket = open(address, Some(token)).await.map_err(refused)?;
        let mut random = [0; 8];
        getrandom::fill(&mut random).unwrap();
        let mut client = Client {
            socket,
            name: format!("client-{}", hex::encode(random)),
            hub: String::new(),
            documents: BTreeMap::new(),
            errors: Vec::new(),
            unavailable: Vec::new(),
            ephemerals: Vec::new(),
        };
        let join = Message::Join {
            sender: client.name.clone(),
            versions: vec!["1".into()],
            metadata: PeerMetadata { storage: None, ephemeral: true },
        };
        client.send(&join).await?;
        client.until("the handshake", |client| !client.hub.is_empty()).await?;
        Ok(client)
    }

    pub(crate) async fn send(&mut self, message: &Message) -> Result<(), Gone> {
        self.send_raw(message.encode().unwrap()).await
    }

    pub(crate) async fn send_raw(&mut self, frame: Vec<u8>) -> Result<(), Gone> {
        let sent = self.socket.send(Frame::Binary(frame.into())).await;
        sent.map_err(|error| Gone::Broken(error.to_string()))
    }

    /// Opens a document with what the client has of it, and says so to the hub.
    pub(crate) async fn open(&mut self, id: &str, document: Automerge) -> Result<(), Gone> {
        // Two clients must not number their changes as one.
        let document = document.with_actor(ActorId::random());
        self.documents.insert(id.to_owned(), (document, State::new()));
        self.speak(id).await
    }

    pub(crate) fn document(&self, id: &str) -> &Automerge {
        &self.documents[id].0
    }

    /// Changes a document and sends the change.
    pub(crate) async fn change(&mut self, id: &str, change: impl FnOnce(&mut Automerge)) -> Result<(), Gone> {
        change(&mut self.documents.get_mut(id).unwrap().0);
        self.speak(id).await
    }

    /// Whether the hub has said that it has all that this client has. Then it is durable.
    pub(crate) fn is_acknowledged(&self, id: &str) -> bool {
        let (document, state) = &self.documents[id];
        let theirs = state.their_heads.clone().unwrap_or_default();
        let ours = document.get_heads();
        // The hub may be ahead: then its heads are not ours, and what it says of ours is in what both share.
        ours == theirs || ours == state.shared_heads
    }

    /// Works until the hub has acknowledged all that this client has of a document.
    pub(crate) async fn acknowledged(&mut self, id: &str) -> Result<(), Gone> {
        self.until(&format!("{id} is acknowledged"), |client| client.is_acknowledged(id)).await
    }

    /// Works until something is so. Clients that wait for each other have to work at the same time.
    pub(crate) async fn until(&mut self, what: &str, is_so: impl Fn(&Client) -> bool) -> Result<(), Gone> {
        let work = async {
            while !is_so(self) {
                self.step().await?;
            }
            Ok(())
        };
        tokio::time::timeout(DEADLINE, work).await.unwrap_or_else(|_| panic!("not within {DEADLINE:?}: {what}"))
    }

    /// Works for as long as the hub has anything to say, and a moment longer.
    pub(crate) async fn listen(&mut self, pause: Duration) -> Result<(), Gone> {
        while let Ok(stepped) = tokio::time::timeout(pause, self.step()).await {
            stepped?;
        }
        Ok(())
    }

    /// Takes one frame and answers it.
    pub(crate) async fn step(&mut self) -> Result<(), Gone> {
        let frame = match self.socket.next().await {
            Some(Ok(Frame::Binary(frame))) => frame,
            Some(Ok(Frame::Close(frame))) => return Err(Gone::Closed(frame.as_ref().map(code))),
            Some(Ok(_)) => return Ok(()),
            Some(Err(error)) => return Err(Gone::Broken(error.to_string())),
            None => return Err(Gone::Closed(None)),
        };
        match Message::decode(&frame).unwrap() {
            Message::Peer { sender, version, .. } => {
                assert_eq!(version, "1");
                self.hub = sender;
            }
            Message::Sync { document, data, .. } => {
                let (doc, state) = self.documents.get_mut(&document).expect("a document that was not asked for");
                doc.receive_sync_message(state, SyncMessage::decode(&data).unwrap()).unwrap();
                self.speak(&document).await?;
            }
            Message::DocUnavailable { document, .. } => self.unavailable.push(document),
            Message::Error { message, .. } => self.errors.push(message),
            Message::Ephemeral { data, .. } => self.ephemerals.push(data),
            other => panic!("the hub sent {other:?}"),
        }
        Ok(())
    }

    /// Says something to whoever has the document open.
    pub(crate) async fn say(&mut self, id: &str, count: u64, data: &[u8]) -> Result<(), Gone> {
        let message = Message::Ephemeral {
            sender: self.name.clone(),
            target: self.hub.clone(),
            document: id.to_owned(),
            count,
            session: format!("session-{}", self.name),
            data: data.to_vec(),
        };
        self.send(&message).await
    }

    /// Sends the next sync message of a document, if there is any.
    async fn speak(&mut self, id: &str) -> Result<(), Gone> {
        let (document, state) = self.documents.get_mut(id).unwrap();
        let request = document.get_heads().is_empty() && state.their_heads.is_none();
        let Some(message) = document.generate_sync_message(state) else { return Ok(()) };
        let (sender, target) = (self.name.clone(), self.hub.clone());
        let message = Message::Sync { sender, target, document: id.to_owned(), data: message.encode(), request };
        self.send(&message).await
    }

    /// Connects anew, with all documents as they are here.
    pub(crate) async fn reconnect(self, address: &str, token: &str) -> Result<Client, (Client, Gone)> {
        match Client::connect(address, token).await {
            Ok(mut client) => {
                for (id, (document, _)) in &self.documents {
                    if let Err(gone) = client.open(id, document.clone()).await {
                        return Err((self, gone));
                    }
                }
                Ok(client)
            }
            Err(gone) => Err((self, gone)),
        }
    }
}

fn code(frame: &CloseFrame) -> (u16, String) {
    (frame.code.into(), frame.reason.to_string())
}
