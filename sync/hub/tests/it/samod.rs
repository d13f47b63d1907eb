//! Crate samod, another implementation of automerge-repo in Rust, through our hub.

use std::convert::Infallible;
use std::future::{Future, ready};
use std::sync::Arc;
use std::time::Duration;

use automerge::transaction::Transactable;
use automerge::{Automerge, ReadDoc};
use futures_util::future::BoxFuture;
use futures_util::{SinkExt, StreamExt};
use samod::{BackoffConfig, DialError, Dialer, DocHandle, DocumentId, Repo, Transport, Url};
use serde_json::json;
use skerry_sync::document::{Slot, leaves_map};
use skerry_sync::{ProjectName, RecordKey};
use tokio::runtime::Runtime;
use tokio_tungstenite::tungstenite::{Error, Message};

use crate::interop::{Client, Hub, record};

/// Far beyond what anything takes.
const PATIENCE: Duration = Duration::from_mins(1);

/// Connects by our own tungstenite: samod's feature for it brings OpenSSL and an older version.
struct HubDialer(Url);

impl Dialer for HubDialer {
    type Error = Infallible;

    fn url(&self) -> Url {
        self.0.clone()
    }

    fn connect(&self) -> BoxFuture<'static, Result<Transport, DialError<Infallible>>> {
        let url = self.0.to_string();
        Box::pin(async move {
            let (socket, _) = tokio_tungstenite::connect_async(url).await.map_err(DialError::transient)?;
            let (sink, stream) = socket.split();
            let frames = stream.filter_map(|message| {
                ready(match message {
                    Ok(Message::Binary(frame)) => Some(Ok(frame.to_vec())),
                    Ok(_) => None,
                    Err(error) => Some(Err(error)),
                })
            });
            let sink = sink.with(|frame: Vec<u8>| ready(Ok::<_, Error>(Message::binary(frame))));
            Ok(Transport::new(frames, sink))
        })
    }
}

/// A repository of samod in this process.
struct Samod {
    runtime: Runtime,
    repo: Repo,
}

impl Samod {
    fn connected(url: &str) -> Samod {
        let runtime = Runtime::new().unwrap();
        let repo = runtime.block_on(async {
            let repo = Repo::build_tokio().load().await;
            let backoff = BackoffConfig { max_delay: Duration::from_millis(200), ..BackoffConfig::default() };
            let dialer = repo.dial(backoff, Arc::new(HubDialer(Url::parse(url).unwrap()))).unwrap();
            tokio::time::timeout(PATIENCE, dialer.established()).await.expect("connected in time").unwrap();
            repo
        });
        Samod { runtime, repo }
    }

    fn wait<T>(&self, what: &str, future: impl Future<Output = T>) -> T {
        let waited = self.runtime.block_on(async { tokio::time::timeout(PATIENCE, future).await });
        waited.unwrap_or_else(|_| panic!("{what}: not within {PATIENCE:?}"))
    }

    fn create(&self) -> DocHandle {
        self.wait("create", self.repo.create(Automerge::new())).unwrap()
    }

    fn find(&self, id: &str) -> Option<DocHandle> {
        let id: DocumentId = id.strip_prefix("automerge:").unwrap_or(id).parse().unwrap();
        self.wait("find", self.repo.find(id)).unwrap()
    }

    /// Waits until the document is as wanted.
    fn until(&self, handle: &DocHandle, what: &str, is: impl Fn(&Automerge) -> bool) {
        self.wait(what, async {
            let mut changes = handle.changes();
            while !handle.with_document(|document| is(document)) {
                changes.next().await.expect("the repository runs");
            }
        });
    }
}

impl Drop for Samod {
    fn drop(&mut self) {
        self.runtime.block_on(self.repo.stop());
    }
}

fn put(handle: &DocHandle, at: &str, value: &str) {
    handle.with_document(|document| {
        let mut transaction = document.transaction();
        transaction.put(automerge::ROOT, at, value).unwrap();
        transaction.commit();
    });
}

fn says(document: &Automerge, at: &str, value: &str) -> bool {
    let found = document.get(automerge::ROOT, at).unwrap();
    found.is_some_and(|(found, id)| match found.as_str() {
        Some(text) => text == value,
        // What JavaScript writes as a string is a Text object.
        None => document.text(&id).is_ok_and(|text| text == value),
    })
}

/// Made by samod, found by JavaScript, changed by both, also while the hub was gone.
#[test]
fn samod_and_javascript_share_documents() {
    let mut hub = Hub::start();
    let url = hub.url(&hub.any_token());
    let (samod, mut script) = (Samod::connected(&url), Client::connected(&url));
    let handle = samod.create();
    put(&handle, "made", "by samod");
    script.call("find", json!({ "name": "d", "url": handle.url().to_string(), "states": ["ready"] }));
    script.call("says", json!({ "name": "d", "values": { "made": "by samod" } }));
    script.call("set", json!({ "name": "d", "path": ["answered"], "value": "by JavaScript" }));
    samod.until(&handle, "the answer", |document| says(document, "answered", "by JavaScript"));

    hub.kill();
    put(&handle, "meanwhile", "samod");
    script.call("set", json!({ "name": "d", "path": ["also"], "value": "JavaScript" }));
    hub.restart();
    script.call("says", json!({ "name": "d", "values": { "meanwhile": "samod", "also": "JavaScript" } }));
    samod.until(&handle, "what JavaScript wrote meanwhile", |document| says(document, "also", "JavaScript"));
}

/// Made by JavaScript, found by samod; what nobody has is not found.
#[test]
fn samod_finds_what_is_there() {
    let hub = Hub::start();
    let url = hub.url(&hub.any_token());
    let (samod, mut script) = (Samod::connected(&url), Client::connected(&url));
    let created = script.call("create", json!({ "name": "d", "value": { "made": "by JavaScript" } }));
    // The hub has it once another client does.
    let mut witness = Client::connected(&url);
    witness.call("find", json!({ "name": "d", "url": created["url"], "states": ["ready"] }));
    let handle = samod.find(created["url"].as_str().unwrap()).expect("the document");
    samod.until(&handle, "what JavaScript wrote", |document| says(document, "made", "by JavaScript"));
    assert!(samod.find("3UVbMt3Z3wSgupTisuKdvzWHe9MK").is_none(), "nobody has it");
}

/// A record written with samod, by the layout, into the first change that the hub hands out; read by JavaScript.
#[test]
fn samod_writes_a_record() {
    let hub = Hub::start();
    let url = hub.url(&hub.token(&["--project", "notes", "--access", "write"]));
    let (samod, mut script) = (Samod::connected(&url), Client::connected(&url));
    let ids = script.call("project", json!({ "project": "notes", "keys": ["tide"] }));
    let handle = samod.find(ids[0].as_str().unwrap()).expect("every document of the project");
    let slot = Slot::of(&RecordKey::parse("tide").unwrap());
    handle.with_document(|document| {
        let records = leaves_map(document, slot).expect("the hub's first change");
        let mut transaction = document.transaction();
        transaction.put(&records, "tide\u{1f}text", "High water at noon").unwrap();
        transaction.put(&records, "tide\u{1f}@live", true).unwrap();
        transaction.commit();
    });
    let expected = record("tide", "High water at noon");
    script.call("reads", json!({ "project": "notes", "key": "tide", "record": expected }));
    assert_eq!(
        ids[0],
        skerry_sync::document::DocumentId::derive(&ProjectName::parse("notes").unwrap(), slot).to_string()
    );
}

/// Ephemeral messages between samod and JavaScript.
#[test]
fn ephemeral_messages_go_both_ways() {
    let hub = Hub::start();
    let url = hub.url(&hub.any_token());
    let (samod, mut script) = (Samod::connected(&url), Client::connected(&url));
    let handle = samod.create();
    script.call("find", json!({ "name": "d", "url": handle.url().to_string(), "states": ["ready"] }));
    let mut heard = handle.ephemera();
    script.call("broadcast", json!({ "name": "d", "message": "hello" }));
    // CBOR: a text of five bytes.
    assert_eq!(samod.wait("hello", heard.next()), Some(b"\x65hello".to_vec()));
    handle.broadcast(b"\x65world".to_vec());
    assert_eq!(script.call("ephemeral", json!({ "count": 1 })), json!(["world"]));
}
